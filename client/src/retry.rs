//! Whether, where and when to try again. Decides only: the request acts.

use std::time::Duration;

use rand::Rng as _;
use rand::rngs::SmallRng;

use crate::error::Error;

/// Attempts of one request, the first included.
pub(crate) const ATTEMPTS_MAX: u32 = 4;

const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Tenths of a retry that a session may save up: a burst of ten.
const SAVED_MAX: u32 = 100;

/// Tenths of a retry that one retry costs: in the long run, one for ten requests.
const COST: u32 = 10;

/// Whether an attempt that failed so may be repeated at all.
///
/// `idempotent`: running it twice does the same as once.
pub(crate) fn may_repeat(error: &Error, idempotent: bool) -> bool {
    match error {
        Error::Retry(_) | Error::Connect(_) => true,
        Error::UnknownOutcome(_) => idempotent,
        Error::Invalid(_) => false,
    }
}

/// How many retries a session may still make: a tenth of its requests, so that clients never
/// multiply the load of a cluster in trouble.
#[derive(Debug)]
pub(crate) struct Budget {
    saved: u32,
}

impl Budget {
    pub(crate) fn new() -> Budget {
        Budget { saved: SAVED_MAX }
    }

    /// A request began.
    pub(crate) fn earn(&mut self) {
        self.saved = (self.saved + 1).min(SAVED_MAX);
    }

    /// Takes one retry out; false where none is left.
    pub(crate) fn spend(&mut self) -> bool {
        let enough = COST <= self.saved;
        if enough {
            self.saved -= COST;
        }
        enough
    }
}

/// The pause before the next attempt, by decorrelated jitter: between the least and three times
/// the last one.
pub(crate) fn pause(last: Option<Duration>, rng: &mut SmallRng) -> Duration {
    let ceiling = last.map_or(PAUSE_MIN * 3, |last| last * 3).min(PAUSE_MAX);
    let floor = PAUSE_MIN.as_secs_f64();
    Duration::from_secs_f64(rng.random_range(floor..=ceiling.as_secs_f64().max(floor)))
}
