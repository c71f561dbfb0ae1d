//! How fast compactions may write.
//!
//! A bucket decides how long nothing may be written; whoever drives a compaction waits so long between two of its steps
//! ([`paced`](crate::background::paced)). No thread sleeps, and no lock is held meanwhile.
//!
//! ```text
//!        ◄──── BURST ────►                    what was written is paid for up to `paid`, at a steady rate:
//!   ─────┼───────────────┼─────────►  time
//!     earliest          now                   before now: the rest is credit, none older than BURST
//!     `paid`                                  after now: a debt that a pause pays, and SLICE in advance
//! ```

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

/// Credit that is saved up at most: small merges of what was just flushed never wait.
const BURST: Duration = Duration::from_secs(1);

/// What is paid in advance when something must be paid: at most so many times a second a thread is given back and taken.
const SLICE: Duration = Duration::from_millis(50);

/// Bytes that may be written, at a steady rate.
#[derive(Debug)]
struct Bucket {
    bytes_per_second: NonZeroU64,
    /// Monotonic: when all that was written so far is paid for.
    paid: Duration,
    /// What the last division left, billionths of a byte: nothing is lost however small the pieces.
    rest: u64,
}

impl Bucket {
    fn new(bytes_per_second: NonZeroU64) -> Bucket {
        Bucket { bytes_per_second, paid: Duration::ZERO, rest: 0 }
    }

    /// So many bytes were written until `now`.
    fn wrote(&mut self, bytes: u64, now: Duration) {
        let earliest = now.saturating_sub(BURST);
        if self.paid < earliest {
            (self.paid, self.rest) = (earliest, 0);
        }
        let rate = u128::from(self.bytes_per_second.get());
        let billionths = u128::from(bytes) * 1_000_000_000 + u128::from(self.rest);
        // Less than the rate, which has 64 bits.
        self.rest = u64::try_from(billionths % rate).unwrap_or_default();
        let nanos = u64::try_from(billionths / rate).unwrap_or(u64::MAX);
        self.paid = self.paid.saturating_add(Duration::from_nanos(nanos));
    }

    /// How long nothing may be written from `now` on, if so.
    fn pause(&self, now: Duration) -> Option<Duration> {
        (now < self.paid).then(|| (self.paid - now).saturating_add(SLICE))
    }
}

/// The bucket of an engine, if it has one.
#[derive(Debug)]
pub(crate) struct Throttle {
    bucket: Option<Mutex<Bucket>>,
    /// How many wait for a compaction to end that should not.
    hurried: AtomicUsize,
    hurry: Notify,
}

impl Throttle {
    /// So many bytes a second; without, as many as compactions can.
    pub(crate) fn new(bytes_per_second: Option<NonZeroU64>) -> Throttle {
        let bucket = bytes_per_second.map(|it| Mutex::new(Bucket::new(it)));
        Throttle { bucket, hurried: AtomicUsize::new(0), hurry: Notify::new() }
    }

    /// A compaction has written so many bytes more. `now` is monotonic, as everywhere here.
    pub(crate) fn wrote(&self, bytes: u64, now: impl FnOnce() -> Duration) {
        if let Some(mut bucket) = self.bucket() {
            bucket.wrote(bytes, now());
        }
    }

    /// How long compactions must not write, if so.
    pub(crate) fn pause(&self, now: impl FnOnce() -> Duration) -> Option<Duration> {
        self.bucket()?.pause(now())
    }

    /// Until the answer is dropped compactions write as fast as they can, and nobody pays for it later. One that pauses goes on
    /// at once.
    pub(crate) fn lift(&self) -> Lifted<'_> {
        self.hurried.fetch_add(1, Ordering::AcqRel);
        self.hurry.notify_waiters();
        Lifted(self)
    }

    /// Resolves when `lift` is called.
    pub(crate) async fn lifted(&self) {
        let hurry = self.hurry.notified();
        let mut hurry = std::pin::pin!(hurry);
        hurry.as_mut().enable();
        if self.hurried.load(Ordering::Acquire) == 0 {
            hurry.await;
        }
    }

    /// `None` while nothing is throttled.
    fn bucket(&self) -> Option<MutexGuard<'_, Bucket>> {
        let bucket = self.bucket.as_ref()?;
        // Nothing in there can panic half way.
        let locked = || bucket.lock().unwrap_or_else(PoisonError::into_inner);
        (self.hurried.load(Ordering::Acquire) == 0).then(locked)
    }
}

/// Somebody waits for a compaction to end.
pub(crate) struct Lifted<'a>(&'a Throttle);

impl Drop for Lifted<'_> {
    fn drop(&mut self) {
        self.0.hurried.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests;
