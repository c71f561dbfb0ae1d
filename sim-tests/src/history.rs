//! What clients did and what they were told, for the checkers.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::now;
use crate::trace::Trace;

/// What a client may conclude from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened.
    Ok,
    /// It did not happen, and will not.
    Fail,
    /// It may have happened, or may yet.
    Unknown,
}

impl Outcome {
    /// What an error says about the fate of what was asked.
    pub fn of(error: &client::Error) -> Self {
        match error {
            client::Error::Retry(_) | client::Error::Invalid(_) | client::Error::Connect(_) => {
                Self::Fail
            }
            client::Error::UnknownOutcome(_) => Self::Unknown,
        }
    }
}

/// Something that a client did.
#[derive(Clone, Debug)]
pub struct Event<T> {
    /// What, and for a read what it found.
    pub what: T,
    /// When it began.
    pub began: Duration,
    /// When it ended; unknown for ever if it did not.
    pub ended: Option<Duration>,
    /// How it ended.
    pub outcome: Outcome,
    /// What the client was told if it did not end well.
    pub why: String,
}

/// All that clients did with one thing. A clone is the same log.
#[derive(Clone)]
pub struct Log<T> {
    events: Arc<Mutex<Vec<Event<T>>>>,
    trace: Trace,
}

impl<T: Clone + std::fmt::Debug> Log<T> {
    /// Nothing was done.
    pub fn new(trace: Trace) -> Self {
        Self { events: Arc::default(), trace }
    }

    /// Does something and remembers it: `found` makes what is remembered of what came back.
    pub async fn record<A>(
        &self,
        client: &str,
        what: T,
        doing: impl Future<Output = Result<A, client::Error>>,
        found: impl FnOnce(A, T) -> T,
    ) -> Outcome {
        let index = {
            let mut events = self.lock();
            let began = now();
            let (what, outcome, why) = (what.clone(), Outcome::Unknown, String::new());
            events.push(Event { what, began, ended: None, outcome, why });
            events.len() - 1
        };
        let result = doing.await;
        let (what, outcome, why) = match result {
            Ok(answer) => (found(answer, what), Outcome::Ok, String::new()),
            Err(error) => {
                let outcome = Outcome::of(&error);
                (what, outcome, error.to_string())
            }
        };
        self.trace.note(format_args!("{client} {what:?} → {outcome:?} {why}"));
        let mut events = self.lock();
        let event = &mut events[index];
        *event = Event { what, began: event.began, ended: Some(now()), outcome, why };
        outcome
    }

    /// What was done so far, in the order it began.
    pub fn events(&self) -> Vec<Event<T>> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event<T>>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
