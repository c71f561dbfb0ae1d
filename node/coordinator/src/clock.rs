//! Write timestamps: strictly increasing, near the wall clock, never behind what was issued before a restart.
//!
//! ```text
//!  issued ≤ ─────────────── reserved (durable)
//!     wall ──►│◄── reserved again when less than 2 s are left ──►│
//! ```
//!
//! After a crash timestamps go on behind what was reserved, so the window is short: what one
//! coordinator stamps ahead of its clock hides what others write meanwhile. Who stops in order gives back what
//! was not issued.

mod reservation;

pub use reservation::LogReservation;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use sys::Clock;

/// How far ahead timestamps are reserved, microseconds.
const WINDOW: i64 = 3_000_000;

/// With less than this ahead of the wall clock, more is reserved.
const WINDOW_LOW: i64 = 2_000_000;

/// Kept back for the time when reserving takes long or the wall clock jumps ahead: a million
/// timestamps, a microsecond apart.
const HELD_BACK: i64 = 1_000_000;

/// How often `keep_ahead` looks.
const CHECK_EVERY: Duration = Duration::from_millis(250);

/// Remembers how far timestamps may have been issued, durably.
pub trait Reservation: Send + Sync + 'static {
    /// Resolves once it is durable that timestamps up to `until` (microseconds, inclusive) may have
    /// been issued. Reservations become durable in the order in which they were asked for, and the last one counts.
    fn reserve(&self, until: i64) -> BoxFuture<'_, Result<(), NotReserved>>;
}

/// The reservation could not be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("timestamps could not be reserved: {0}")]
pub struct NotReserved(pub String);

/// Issues write timestamps.
pub struct Timestamps {
    clock: Arc<dyn Clock>,
    reservation: Arc<dyn Reservation>,
    state: Mutex<State>,
}

struct State {
    /// The last one issued.
    last: i64,
    /// Up to here they may be issued.
    reserved: i64,
    /// Nothing further is reserved.
    closed: bool,
}

impl Timestamps {
    /// The clock that they follow.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Goes on after `reserved`, what the reservation remembers from before (`i64::MIN` if nothing),
    /// once a first window is reserved. Right after a crash it waits for the wall clock to pass
    /// `reserved`, 3 s at most: many restarts in a row must not carry timestamps into the future.
    ///
    /// # Errors
    /// When it cannot be reserved.
    pub async fn open(
        clock: Arc<dyn Clock>,
        reservation: Arc<dyn Reservation>,
        reserved: i64,
    ) -> Result<Timestamps, NotReserved> {
        let behind = reserved.saturating_sub(clock.wall_micros());
        if let Ok(behind @ 1..) = u64::try_from(behind)
            && behind <= WINDOW.unsigned_abs()
        {
            tokio::time::sleep(Duration::from_micros(behind)).await;
        }
        let state = Mutex::new(State { last: reserved, reserved, closed: false });
        let timestamps = Timestamps { clock, reservation, state };
        timestamps.reserve_if_low().await?;
        Ok(timestamps)
    }

    /// The next timestamp, microseconds: greater than all before, and never waited for. Follows the
    /// wall clock up to what is reserved, then counts on from there by ones; only past a million of
    /// them, when the disk has refused reservations for seconds, it leaves what is reserved.
    pub fn next(&self) -> i64 {
        let wall = self.clock.wall_micros();
        let mut state = self.lock();
        let follow = wall.min(state.reserved.saturating_sub(HELD_BACK));
        state.last = follow.max(state.last.saturating_add(1));
        if state.reserved < state.last {
            tracing::error!("timestamps run ahead of what is reserved: the disk does not keep up");
        }
        state.last
    }

    /// Reserves ahead, for ever: a node spawns it once.
    pub async fn keep_ahead(self: Arc<Self>) {
        loop {
            if let Err(error) = self.reserve_if_low().await {
                tracing::warn!(%error, "will try again");
            }
            tokio::time::sleep(CHECK_EVERY).await;
        }
    }

    /// Gives back what was reserved and not issued, so that the next start has nothing to wait for. Nothing
    /// may be issued any more.
    ///
    /// # Errors
    /// When it cannot be stored: the next start waits as after a crash.
    pub async fn close(&self) -> Result<(), NotReserved> {
        let last = {
            let mut state = self.lock();
            state.closed = true;
            state.reserved = state.last;
            state.last
        };
        // Behind any reservation that is under way.
        self.reservation.reserve(last).await
    }

    async fn reserve_if_low(&self) -> Result<(), NotReserved> {
        let wall = self.clock.wall_micros();
        let until = {
            let state = self.lock();
            if state.closed {
                return Ok(());
            }
            // What is issued may be ahead of the wall, after a restart or a jump back.
            let front = wall.max(state.last);
            if front.saturating_add(WINDOW_LOW) <= state.reserved {
                return Ok(());
            }
            front.saturating_add(WINDOW)
        };
        self.reservation.reserve(until).await?;
        let mut state = self.lock();
        state.reserved = state.reserved.max(until);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Two integers: whoever panicked with the lock held left them in order.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
