//! Time: a wall clock that may jump, and a monotonic one that never goes back.

#[cfg(test)]
mod tests;

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time. Timers are not here: `tokio::time` runs on virtual time in a simulation already.
pub trait Clock: Send + Sync + 'static {
    /// Microseconds since 1970 UTC, negative before. May jump in both directions: never measure a
    /// duration with it.
    fn wall_micros(&self) -> i64;

    /// Time since an arbitrary origin, the same for the life of this clock. Never goes back.
    fn monotonic(&self) -> Duration;
}

/// The machine's clocks.
#[derive(Clone, Debug)]
pub struct RealClock {
    origin: Instant,
}

impl RealClock {
    /// A clock whose monotonic origin is now.
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for RealClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for RealClock {
    fn wall_micros(&self) -> i64 {
        let saturate = |micros: u128| i64::try_from(micros).unwrap_or(i64::MAX);
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => saturate(since.as_micros()),
            Err(before) => -saturate(before.duration().as_micros()),
        }
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Default)]
pub struct ManualClock {
    now: Mutex<Now>,
}

#[derive(Debug, Default)]
struct Now {
    wall_micros: i64,
    monotonic: Duration,
}

impl ManualClock {
    /// A clock that shows `wall_micros`, with its monotonic time at zero.
    pub fn new(wall_micros: i64) -> Self {
        Self { now: Mutex::new(Now { wall_micros, monotonic: Duration::ZERO }) }
    }

    /// Makes the wall clock jump, forward or back, and leaves the monotonic one alone.
    pub fn set(&self, wall_micros: i64) {
        self.lock().wall_micros = wall_micros;
    }

    /// Lets `by` pass on both clocks.
    pub fn advance(&self, by: Duration) {
        let mut now = self.lock();
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        now.wall_micros = now.wall_micros.saturating_add(micros);
        now.monotonic = now.monotonic.saturating_add(by);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn wall_micros(&self) -> i64 {
        self.lock().wall_micros
    }

    fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }
}
