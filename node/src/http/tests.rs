//! A place at the HTTP door is for whoever asks something.

use std::{io, net::SocketAddr};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::Instant,
};

use super::*;
use crate::metrics::Gauges;

struct Nobody(Metrics);

impl Behind for Nobody {
    fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    fn metrics(&self) -> &Metrics {
        &self.0
    }
}

/// A listener with one connection.
struct One(Option<sys::Stream>);

impl Listener for One {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(sys::Stream, SocketAddr)>> {
        match self.0.take() {
            Some(stream) => {
                let peer = stream.peer_addr();
                std::future::ready(Ok((stream, peer))).boxed()
            }
            None => std::future::pending().boxed(),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 1)))
    }
}

/// The other end of a connection that is served.
fn connect() -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(4096);
    let stream = sys::Stream::new(ours, SocketAddr::from(([127, 0, 0, 1], 2)));
    let behind = Arc::new(Nobody(Metrics::new(Arc::new(Gauges::default))));
    tokio::spawn(serve(Box::new(One(Some(stream))), 1, behind));
    theirs
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_asks_nothing_in_time_is_closed() {
    for words in ["", "GET /livez HT"] {
        let mut connection = connect();
        connection.write_all(words.as_bytes()).await.expect("a connection");
        let begun = Instant::now();
        let mut answer = Vec::new();
        drop(connection.read_to_end(&mut answer).await);
        assert_eq!(begun.elapsed(), HEAD_TIMEOUT, "after {words:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_is_answered_and_may_ask_again() {
    let mut connection = connect();
    let mut answer = [0; 256];
    for _ in 0..2 {
        let request = b"GET /livez HTTP/1.1\r\nHost: node\r\n\r\n";
        connection.write_all(request).await.expect("a connection");
        let read = connection.read(&mut answer).await.expect("an answer");
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{read} bytes");
        tokio::time::sleep(HEAD_TIMEOUT / 2).await;
    }
}
