//! Timestamps of writes: microseconds that never repeat within a session.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use crate::connect::Clock;

/// Stamps writes.
pub(crate) struct Stamps {
    clock: Arc<dyn Clock>,
    last: AtomicI64,
}

impl Stamps {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, last: AtomicI64::new(i64::MIN) }
    }

    /// The first of `count` stamps in a row, at least one: the time of day, or just behind the last
    /// stamp where the clock stood still or went back.
    pub(crate) fn next(&self, count: u32) -> i64 {
        let now = self.clock.wall_micros();
        let mut stamp = now;
        // The closure always returns a value, so both arms hold what was stored before.
        let (Ok(_) | Err(_)) =
            self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                stamp = now.max(last.saturating_add(1));
                Some(stamp.saturating_add(i64::from(count) - 1))
            });
        stamp
    }
}
