//! Traced requests that are over, for whoever asks for them by their id: what `system_traces` shows.
//!
//! A node keeps those that it coordinated, in memory, the newest of them. Nobody has to ask that node:
//! a read of `system_traces` asks all that are alive.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use model::{
    HostId,
    read::{Answer, Command},
};
use uuid::Uuid;

use crate::{memory, system_tables};

/// Sessions kept.
pub const SESSIONS_MAX: usize = 1024;

/// Steps kept of all sessions together: some 4 MiB.
pub const STEPS_MAX: usize = 32_768;

/// A traced request that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// What its client knows it by: a UUID of version 1.
    pub id: Uuid,
    /// What was asked for.
    pub about: About,
    /// The node that was asked.
    pub coordinator: SocketAddr,
    /// When, microseconds since 1970.
    pub started_micros: i64,
    /// From its beginning to its answer.
    pub took: Duration,
    /// What was done, in order.
    pub events: Vec<Event>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// By whom.
    pub client: SocketAddr,
    /// What, in a few words.
    pub request: &'static str,
    /// With what: the text of the statement among others.
    pub parameters: Vec<(&'static str, String)>,
}

/// A step of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Time since the session began.
    pub after: Duration,
    /// The node that it is about.
    pub source: SocketAddr,
    /// What happened.
    pub activity: String,
}

/// The sessions that this node keeps. A clone is the same ones.
#[derive(Clone, Default)]
pub struct Sessions {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    /// Oldest first.
    sessions: VecDeque<Arc<Session>>,
    /// Steps of all of them.
    steps: usize,
}

impl Sessions {
    /// Keeps one more, and forgets the oldest ones where that is too much.
    pub fn keep(&self, session: Session) {
        let mut kept = self.kept();
        kept.steps += session.events.len();
        kept.sessions.push_back(Arc::new(session));
        while SESSIONS_MAX < kept.sessions.len()
            || (STEPS_MAX < kept.steps && 1 < kept.sessions.len())
        {
            let Some(oldest) = kept.sessions.pop_front() else { return };
            kept.steps -= oldest.events.len();
        }
    }

    /// What this node alone answers to `command`, if it reads one of the tables that are answered from
    /// here.
    pub fn answer(&self, command: &Command) -> Option<Answer> {
        let partitions = system_tables::of_sessions(command.table, &self.all())?;
        let page = memory::read(&partitions, command);
        let (partitions, stopped_at) = (page.partitions, page.next);
        Some(Answer { partitions, stopped_at, ..Answer::default() })
    }

    /// All that are kept, oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.kept().sessions.iter().cloned().collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A trace in words. `address` knows where hosts are.
pub(crate) fn events(
    trace: &coordinator::trace::Trace,
    coordinator: SocketAddr,
    address: impl Fn(HostId) -> Option<SocketAddr>,
) -> Vec<Event> {
    let event = |it: &coordinator::trace::Noted| {
        let detail = it.step.detail();
        let name = it.step.name();
        let activity =
            if detail.is_empty() { name.to_owned() } else { format!("{name} ({detail})") };
        let source = it.host.and_then(&address).unwrap_or(coordinator);
        Event { after: it.after, source, activity }
    };
    trace.steps.iter().map(event).collect()
}

/// So long after a time, in microseconds since 1970, as UUIDs of version 1 count: from the beginning of
/// the Gregorian calendar, in 100 ns.
pub(crate) fn ticks(micros: i64, after: Duration) -> u64 {
    const BEFORE_1970: u64 = 0x01B2_1DD2_1381_4000;
    let after = i64::try_from(after.as_micros()).unwrap_or(i64::MAX);
    let micros = micros.saturating_add(after).max(0).unsigned_abs();
    micros.saturating_mul(10).saturating_add(BEFORE_1970)
}

#[cfg(test)]
mod tests;
