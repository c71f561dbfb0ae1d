//! Places at a door: so many connections at once, each of which must say something in time.

use std::collections::VecDeque;

use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::*;

/// Connections that are made beforehand; errors between them.
struct Queue(VecDeque<io::Result<sys::Stream>>);

impl Listener for Queue {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(sys::Stream, SocketAddr)>> {
        match self.0.pop_front() {
            Some(Ok(stream)) => {
                let peer = stream.peer_addr();
                std::future::ready(Ok((stream, peer))).boxed()
            }
            Some(Err(error)) => std::future::ready(Err(error)).boxed(),
            None => std::future::pending().boxed(),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 1)))
    }
}

/// So many connections, and their other ends.
fn connections(count: usize) -> (Queue, Vec<DuplexStream>) {
    let address = SocketAddr::from(([127, 0, 0, 1], 2));
    let (ours, theirs): (VecDeque<_>, Vec<_>) = (0..count)
        .map(|_| {
            let (ours, theirs) = tokio::io::duplex(256);
            (Ok(sys::Stream::new(ours, address)), theirs)
        })
        .unzip();
    (Queue(ours), theirs)
}

#[tokio::test(start_paused = true)]
async fn a_door_holds_so_many_connections_and_the_next_comes_in_when_one_goes() {
    let (queue, _others) = connections(4);
    let mut door = Box::pin(incoming(Box::new(queue), 3));
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(door.next().await.expect("a door is open for ever").expect("it comes in"));
    }
    let fourth = tokio::time::timeout(Duration::from_secs(60), door.next()).await;
    assert!(fourth.is_err(), "a fourth one came in");
    held.pop();
    assert!(door.next().await.is_some_and(|it| it.is_ok()));
}

#[tokio::test(start_paused = true)]
async fn whoever_says_nothing_in_time_goes_and_whoever_does_stays() {
    let (queue, mut others) = connections(3);
    let mut door = Box::pin(incoming(Box::new(queue), 3));
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(door.next().await.expect("a door is open for ever").expect("it comes in"));
    }
    // One says all of its first words, one says them but for the last, one says nothing.
    others[0].write_all(&[1; FIRST_WORDS]).await.expect("a connection");
    others[1].write_all(&[1; FIRST_WORDS - 1]).await.expect("a connection");
    let begun = tokio::time::Instant::now();
    let mut said = [0; FIRST_WORDS];
    for (at, connection) in held.iter_mut().enumerate() {
        let heard = connection.read_exact(&mut said).await;
        assert_eq!(heard.is_ok(), at == 0, "{at}: {heard:?}");
        assert!(at == 0 || heard.is_err_and(|it| it.kind() == io::ErrorKind::TimedOut));
    }
    assert_eq!(begun.elapsed(), FIRST_WORDS_TIMEOUT, "both at the same time");
    // Who has spoken may be silent: keep-alive looks after it.
    let silence = tokio::time::timeout(Duration::from_secs(60), held[0].read(&mut said)).await;
    assert!(silence.is_err(), "{silence:?}");
}

#[tokio::test(start_paused = true)]
async fn a_door_outlives_errors_of_single_connections() {
    let (mut queue, _others) = connections(1);
    for _ in 0..100 {
        // Too many open files, among others.
        queue.0.push_front(Err(io::Error::from_raw_os_error(24)));
    }
    let begun = tokio::time::Instant::now();
    let mut door = Box::pin(incoming(Box::new(queue), 1));
    assert!(door.next().await.is_some_and(|it| it.is_ok()));
    assert!(begun.elapsed() >= 100 * ACCEPT_RETRY, "it waits a little each time");
}
