//! Write timestamps: strictly increasing, near the wall clock, never behind what was issued before a restart.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use sys::Clock;

/// Client timestamps further ahead than this are honored with a warning.
pub const AHEAD_WARNS: Duration = Duration::from_secs(60);

/// Client timestamps further ahead than this are refused.
pub const AHEAD_REFUSED: Duration = Duration::from_secs(3 * 24 * 3600);

/// Remembers how far timestamps may have been issued, durably.
pub trait Reservation: Send + Sync + 'static {
    /// Resolves once it is durable that timestamps up to `until` (microseconds, inclusive) may have
    /// been issued.
    fn reserve(&self, until: i64) -> BoxFuture<'_, Result<(), String>>;
}

/// No timestamp: the reservation could not be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no timestamp can be issued: {0}")]
pub struct NotReserved(pub String);

/// A client's timestamp lies too far in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the timestamp lies {} s ahead of this node's clock, more than 3 days", ahead.as_secs())]
pub struct TooFarAhead {
    /// How far.
    pub ahead: Duration,
}

/// Issues write timestamps.
pub struct Timestamps {}

impl Timestamps {
    /// Goes on after `reserved`, what the reservation remembers from before (`i64::MIN` if nothing).
    pub fn new(
        _clock: Arc<dyn Clock>,
        _reservation: Arc<dyn Reservation>,
        _reserved: i64,
    ) -> Timestamps {
        unimplemented!()
    }

    /// The next timestamp, microseconds: greater than all before. Waits only when nothing is
    /// reserved: right after the start, or when the wall clock jumped ahead.
    ///
    /// # Errors
    /// When the reservation fails.
    pub async fn next(&self) -> Result<i64, NotReserved> {
        unimplemented!()
    }

    /// Reserves ahead, for ever, so that `next` need not wait: a node spawns it once.
    pub async fn keep_ahead(self: Arc<Self>) {
        unimplemented!()
    }

    /// Checks a client's timestamp (microseconds): how far ahead it lies if that deserves a
    /// warning.
    ///
    /// # Errors
    /// When it lies more than `AHEAD_REFUSED` ahead.
    pub fn check_client(&self, _timestamp: i64) -> Result<Option<Duration>, TooFarAhead> {
        unimplemented!()
    }
}
