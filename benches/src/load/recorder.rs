//! How long requests took, and what went wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use client::Error;
use hdrhistogram::Histogram;

/// The longest latency told apart, microseconds: an hour. What is longer counts as this long.
const LATENCY_MAX: u64 = 3_600_000_000;

/// Decimal digits that a latency keeps.
const DIGITS: u8 = 3;

/// The kinds of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The insert of a row.
    Write,
    /// The read of a row.
    Read,
}

impl Kind {
    /// For reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Write => "write",
            Kind::Read => "read",
        }
    }
}

/// Everything that is counted.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Latencies of what was answered well, microseconds.
    pub latencies: BTreeMap<Kind, Histogram<u64>>,
    /// How often what went wrong: `unknown_outcome HX3004`.
    pub errors: BTreeMap<String, u64>,
}

impl Recorder {
    /// A request was answered well.
    pub fn answered(&mut self, kind: Kind, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(LATENCY_MAX);
        let histogram = self.latencies.entry(kind).or_insert_with(|| {
            Histogram::new_with_bounds(1, LATENCY_MAX, DIGITS).expect("the bounds are constants")
        });
        histogram.saturating_record(micros.clamp(1, LATENCY_MAX));
    }

    /// A request failed.
    pub fn failed(&mut self, error: &Error) {
        let kind = match error {
            Error::Retry(_) => "refused",
            Error::Invalid(_) => "invalid",
            Error::UnknownOutcome(_) => "unknown_outcome",
            Error::Connect(_) => "connect",
        };
        self.count(format!("{kind} {}", error.code()), 1);
    }

    /// Something else went wrong, so often.
    pub fn count(&mut self, what: impl Into<String>, times: u64) {
        if 0 < times {
            *self.errors.entry(what.into()).or_default() += times;
        }
    }
}
