//! The schedule of an open loop: a thread that tells, to the microsecond, when requests are due.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// Requests that are due and not yet taken. When it is full the pacer waits; what comes after is
/// then told late, but with the instant it was due at.
const DUE_MAX: usize = 1 << 16;

/// The `index`-th request at `rate` a second is due so long after the first.
fn offset(index: u64, rate: u32) -> Duration {
    let rate = u64::from(rate);
    let nanos = (index % rate) * 1_000_000_000 / rate;
    Duration::from_secs(index / rate) + Duration::from_nanos(nanos)
}

/// Tells each instant when it comes, from `begin` on, for `length`. Ends early when nobody listens.
pub(super) fn start(
    rate: u32,
    begin: Instant,
    length: Duration,
) -> (mpsc::Receiver<Instant>, JoinHandle<()>) {
    let (due_in, due) = mpsc::channel(DUE_MAX);
    let thread = thread::spawn(move || {
        let instants = (0..).map(|index| offset(index, rate)).take_while(|it| *it < length);
        for instant in instants.map(|it| begin + it) {
            sleep_until(instant);
            if due_in.blocking_send(instant).is_err() {
                return;
            }
        }
    });
    (due, thread)
}

#[expect(
    clippy::disallowed_methods,
    reason = "tokio's timers tick in milliseconds, which is longer than many a request takes"
)]
fn sleep_until(instant: Instant) {
    // A system sleep is late by some tens of microseconds; at high rates none happens.
    let rest = instant.saturating_duration_since(Instant::now());
    if !rest.is_zero() {
        thread::sleep(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_even_and_do_not_drift() {
        assert_eq!(offset(0, 3), Duration::ZERO);
        assert_eq!(offset(1, 3), Duration::from_nanos(333_333_333));
        assert_eq!(offset(3_000_000_000, 3), Duration::from_secs(1_000_000_000));
        let (mut due, thread) = start(1000, Instant::now(), Duration::from_millis(20));
        let mut told = Vec::new();
        while let Some(instant) = due.blocking_recv() {
            assert!(instant <= Instant::now(), "told before it was due");
            told.push(instant);
        }
        thread.join().unwrap();
        assert_eq!(told.len(), 20);
        assert!(told.windows(2).all(|it| it[1] - it[0] == Duration::from_millis(1)));
    }

    #[test]
    fn it_ends_when_nobody_listens() {
        let (due, thread) = start(1_000_000, Instant::now(), Duration::from_secs(3600));
        drop(due);
        thread.join().unwrap();
    }
}
