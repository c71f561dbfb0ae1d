//! Clocks that are wrong: each host's wall clock has an offset, a drift, and may jump.
//!
//! What waits, waits on tokio's virtual time, which is one for all; monotonic time follows it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sys::Rng;

/// What the simulation takes for the beginning: 2024-01-15 00:00:00 UTC, microseconds since 1970.
pub const EPOCH_MICROS: i64 = 1_705_276_800_000_000;

/// How far a wall clock begins from the truth, at most.
const OFFSET_MICROS_MAX: i64 = 500_000;

/// How many microseconds a wall clock gains or loses in a second, at most.
const DRIFT_PPM_MAX: i64 = 200;

/// Virtual time since the simulation began; zero outside of a host.
pub fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

/// One host's clocks. A clone is the same clock.
#[derive(Clone, Debug)]
pub struct SimClock(Arc<Mutex<Error>>);

#[derive(Debug)]
struct Error {
    offset_micros: i64,
    drift_ppm: i64,
}

impl SimClock {
    /// A clock as wrong as `rng` makes it.
    pub fn new(rng: &mut Rng) -> Self {
        Self(Arc::new(Mutex::new(Error {
            offset_micros: between(rng, OFFSET_MICROS_MAX),
            drift_ppm: between(rng, DRIFT_PPM_MAX),
        })))
    }

    /// Makes the wall clock jump by so much, forward or back.
    pub fn jump(&self, micros: i64) {
        self.lock().offset_micros += micros;
    }

    /// What the wall shows, microseconds since 1970.
    pub fn wall(&self) -> i64 {
        let elapsed = i64::try_from(now().as_micros()).unwrap_or(i64::MAX);
        let error = self.lock();
        EPOCH_MICROS + elapsed + elapsed / 1_000_000 * error.drift_ppm + error.offset_micros
    }

    fn lock(&self) -> MutexGuard<'_, Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl sys::Clock for SimClock {
    fn wall_micros(&self) -> i64 {
        self.wall()
    }

    fn monotonic(&self) -> Duration {
        now()
    }
}

impl client::Clock for SimClock {
    fn wall_micros(&self) -> i64 {
        self.wall()
    }
}

/// Evenly between `-limit` and `limit`.
fn between(rng: &mut Rng, limit: i64) -> i64 {
    let drawn = rng.below(2 * limit.unsigned_abs() + 1);
    i64::try_from(drawn).unwrap_or_default() - limit
}
