//! The requests of one stream that are in hand: bounded, cancelled by id, ended with the stream.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::task::AbortHandle;

/// Requests of one stream in hand at once. Past it, further ones are refused as overloaded.
pub(crate) const REQUESTS_MAX: usize = 4096;

/// Whether a request was taken in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It runs.
    Yes,
    /// There are `REQUESTS_MAX` already.
    Full,
    /// One of this id is in hand: the sender lost count.
    Twice,
}

/// What is in hand. Dropping it ends everything: whoever asked has gone away.
#[derive(Default)]
pub(crate) struct InHand {
    tasks: Arc<Mutex<BTreeMap<u64, AbortHandle>>>,
}

impl InHand {
    /// Whether a request of this id may be taken.
    pub(crate) fn check(&self, id: u64) -> Taken {
        let tasks = lock(&self.tasks);
        if REQUESTS_MAX <= tasks.len() {
            Taken::Full
        } else if tasks.contains_key(&id) {
            Taken::Twice
        } else {
            Taken::Yes
        }
    }

    /// Runs `work`, its answer included: a request stays in hand until its answer is on its way, so
    /// that a peer that reads nothing cannot pile up answers.
    pub(crate) fn run(&self, id: u64, work: impl Future<Output = ()> + Send + 'static) {
        let running = Arc::clone(&self.tasks);
        // Holding the lock while spawning: the task cannot remove itself before it is entered.
        let mut entered = lock(&self.tasks);
        let task = tokio::spawn(async move {
            work.await;
            lock(&running).remove(&id);
        });
        entered.insert(id, task.abort_handle());
    }

    /// Ends the request of this id, if it is still in hand.
    pub(crate) fn cancel(&self, id: u64) {
        if let Some(task) = lock(&self.tasks).remove(&id) {
            task.abort();
        }
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        for task in std::mem::take(&mut *lock(&self.tasks)).into_values() {
            task.abort();
        }
    }
}

fn lock(tasks: &Mutex<BTreeMap<u64, AbortHandle>>) -> MutexGuard<'_, BTreeMap<u64, AbortHandle>> {
    tasks.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
