//! The promise that a write becomes durable.

use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

use crate::Error;

/// A write that is taken in and visible to reads; resolves when it is durable.
#[derive(Debug)]
#[must_use = "the write may be acknowledged only after `wait`"]
pub struct Ticket {
    /// `None`: nothing to wait for.
    group: Option<Arc<Group>>,
}

impl Ticket {
    /// Waits until the write is durable: under `Group`, until an fdatasync covers it; under
    /// `Periodic`, and for tables without a log, not at all. Something must be running the log jobs
    /// ([`background`](crate::background)), or it never resolves. Dropping it takes nothing back.
    ///
    /// # Errors
    /// `LogFailed` when the write or the sync failed, `DiskFull`, `ReadOnly` and `OutOfFiles` when there was no way to
    /// write: the outcome of this write is unknown, and it is written once that is possible again.
    pub async fn wait(self) -> Result<(), Error> {
        match self.group {
            None => Ok(()),
            Some(group) => group.wait().await,
        }
    }

    /// The outcome, if it is known by now.
    pub fn outcome(&self) -> Option<Result<(), Error>> {
        self.group.as_ref().map_or(Some(Ok(())), |group| group.outcome.get().cloned())
    }

    pub(crate) fn done() -> Ticket {
        Ticket { group: None }
    }

    pub(crate) fn of(group: Arc<Group>) -> Ticket {
        Ticket { group: Some(group) }
    }
}

/// Writes that one fdatasync covers.
#[derive(Debug, Default)]
pub(crate) struct Group {
    outcome: OnceLock<Result<(), Error>>,
    changed: Notify,
}

impl Group {
    /// Tells everyone who waits. Only the first outcome counts.
    pub(crate) fn resolve(&self, outcome: Result<(), Error>) {
        if self.outcome.set(outcome).is_ok() {
            self.changed.notify_waiters();
        }
    }

    async fn wait(&self) -> Result<(), Error> {
        loop {
            // Registered before the check, so that no outcome slips through in between.
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if let Some(outcome) = self.outcome.get() {
                return outcome.clone();
            }
            changed.await;
        }
    }
}
