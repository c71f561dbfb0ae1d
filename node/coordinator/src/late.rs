//! Deadlines of what is mostly there at once.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// The deadline came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Late;

/// What `future` comes to, if that is before `deadline`. What is there at once takes no timer.
///
/// The timer has a place of its own: those of tokio are aligned to 128 bytes, and a future that one lies in is,
/// with all that it lies in. Allocators are slow with that.
pub(crate) async fn until<F: Future>(deadline: Instant, future: F) -> Result<F::Output, Late> {
    let mut future = pin!(future);
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        timer.as_mut().poll(context).map(|()| Err(Late))
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        time::Duration,
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_there_is_taken_however_late_it_is() {
        let long_ago = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(until(long_ago, ready(1)).await, Ok(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_in_time_is_taken() {
        let begun = Instant::now();
        let in_time = tokio::time::sleep(Duration::from_secs(1));
        assert_eq!(until(begun + Duration::from_secs(2), in_time).await, Ok(()));
        assert_eq!(begun.elapsed(), Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_come_is_given_up_at_the_deadline() {
        let begun = Instant::now();
        assert_eq!(until(begun + Duration::from_secs(2), pending::<()>()).await, Err(Late));
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
    }

    #[test]
    fn a_future_with_a_deadline_is_aligned_as_any() {
        let future = until(Instant::now(), pending::<()>());
        assert!(align_of_val(&future) <= align_of::<usize>());
    }
}
