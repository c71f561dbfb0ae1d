//! Lanes of background work: how many jobs of a kind run at once, and who has a kind to itself.
//!
//! ```text
//!   places of a lane   [ merge ][ merge ][      ]     a job takes one
//!                      [ restore                ]     whoever must be alone takes all: while somebody waits for
//!                                                     that no job begins, and those that run go on to their ends
//! ```

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::inner::Inner;
use crate::{CommitlogSync, Lane};

/// One lane.
pub(crate) struct LaneState {
    places: Mutex<Places>,
    failed: AtomicBool,
    work: Notify,
    freed: Notify,
}

/// Who is in a lane, and who wants to be.
struct Places {
    all: usize,
    free: usize,
    /// How many wait for all of them.
    waiting: usize,
}

impl LaneState {
    /// With room for so many jobs at once.
    pub(crate) fn new(all: usize) -> LaneState {
        LaneState {
            places: Mutex::new(Places { all, free: all, waiting: 0 }),
            failed: AtomicBool::new(false),
            work: Notify::new(),
            freed: Notify::new(),
        }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        // Nothing in there can panic half way.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes a place in `lane` if one is free, and nobody waits to have all of them.
    pub(crate) fn try_lane(self: &Arc<Inner>, lane: Lane) -> Option<LaneGuard> {
        let mut places = self.lane_state(lane).places();
        if places.waiting > 0 {
            return None;
        }
        places.free = places.free.checked_sub(1)?;
        Some(LaneGuard { inner: Arc::clone(self), lane, places: 1, quiet: false })
    }

    /// Takes all of `lane` once it is free.
    pub(crate) async fn whole_lane(self: &Arc<Inner>, lane: Lane) -> LaneGuard {
        let state = self.lane_state(lane);
        let waiting = Waiting::begin(state);
        loop {
            let freed = state.freed.notified();
            let mut freed = std::pin::pin!(freed);
            freed.as_mut().enable();
            if let Some(places) = waiting.take_all() {
                return LaneGuard { inner: Arc::clone(self), lane, places, quiet: false };
            }
            freed.await;
        }
    }

    /// Tells a driver of `lane` to look for work.
    pub(crate) fn wake(&self, lane: Lane) {
        self.lane_state(lane).work.notify_one();
    }

    /// As `wake`, if there is room for one more job.
    pub(crate) fn wake_another(&self, lane: Lane) {
        if self.lane_state(lane).places().free > 0 {
            self.wake(lane);
        }
    }

    /// Resolves after the next `wake`, or one that nobody has heard yet.
    pub(crate) async fn work(&self, lane: Lane) {
        self.lane_state(lane).work.notified().await;
    }

    /// Whether the last job of `lane` failed; asking forgets it.
    pub(crate) fn take_failed(&self, lane: Lane) -> bool {
        self.lane_state(lane).failed.swap(false, Ordering::AcqRel)
    }
}

/// Somebody waits for all of a lane.
struct Waiting<'a>(&'a LaneState);

impl Waiting<'_> {
    fn begin(state: &LaneState) -> Waiting<'_> {
        state.places().waiting += 1;
        Waiting(state)
    }

    /// How many these are, once all are free.
    fn take_all(&self) -> Option<usize> {
        let mut places = self.0.places();
        (places.free == places.all).then(|| std::mem::take(&mut places.free))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut places = self.0.places();
        places.waiting -= 1;
        // Who was refused for it may begin now.
        if places.waiting == 0 && places.free > 0 {
            self.0.work.notify_one();
        }
    }
}

/// A place in a lane, or all of them; free again when dropped.
pub(crate) struct LaneGuard {
    inner: Arc<Inner>,
    lane: Lane,
    places: usize,
    quiet: bool,
}

impl LaneGuard {
    pub(crate) fn lane(&self) -> Lane {
        self.lane
    }

    /// The driver should wait a moment before the next job.
    pub(crate) fn set_failed(&self) {
        self.inner.lane_state(self.lane).failed.store(true, Ordering::Release);
    }

    /// Frees a lane in which there was nothing to do. Its driver is not woken: it is the one who found out.
    pub(crate) fn release_quietly(mut self) {
        self.quiet = true;
    }
}

impl Drop for LaneGuard {
    fn drop(&mut self) {
        let state = self.inner.lane_state(self.lane);
        state.places().free += self.places;
        state.freed.notify_waiters();
        if self.quiet {
            return;
        }
        // There may be more to do than one job did; a log that is synced by the clock waits for it.
        let periodic = matches!(self.inner.options.commitlog_sync, CommitlogSync::Periodic(_));
        match self.lane {
            Lane::Log if periodic => {}
            Lane::Log | Lane::Compaction => state.work.notify_one(),
            Lane::Flush => {
                state.work.notify_one();
                self.inner.wake(Lane::Compaction);
            }
        }
    }
}
