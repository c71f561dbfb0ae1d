//! Where an executor notes its steps: beside those of its store. And what it keeps of them.

use coordinator::trace::{Traces, Tracing};
use uuid::Uuid;

use super::Executor;
use crate::sessions::{self, About, Session};

/// A request whose trace is kept once it is over.
#[must_use = "a trace that is dropped is forgotten"]
pub struct Open {
    tracing: Tracing,
    about: About,
    id: Uuid,
    started_micros: i64,
}

impl Executor {
    /// The same, noting its steps beside those of the store.
    #[must_use]
    pub fn with_traces(mut self, traces: Traces) -> Executor {
        self.traces = traces;
        self
    }

    /// The requests that are traced right now.
    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// Traces the request of this number from now on. `None` where too many others are traced.
    pub fn open_session(&self, trace: u64, about: About) -> Option<Open> {
        let tracing = self.traces.begin(trace)?;
        let started_micros = self.clock.wall_micros();
        let chance = self.rng.next_u64().to_be_bytes();
        let [c0, c1, mut node @ ..] = chance;
        // As for names that are no addresses of a network.
        node[0] |= 1;
        let ticks = sessions::ticks(started_micros, std::time::Duration::ZERO);
        let counter = u16::from_be_bytes([c0, c1]);
        let id = uuid::Builder::from_gregorian_timestamp(ticks, counter, &node).into_uuid();
        Some(Open { tracing, about, id, started_micros })
    }

    /// Keeps what was done for a request, for `system_traces`, and answers what it is found by.
    pub fn keep_session(&self, open: Open) -> Uuid {
        let Open { tracing, about, id, started_micros } = open;
        let trace = tracing.finish();
        let nodes = self.catalog.nodes();
        let Some(coordinator) = nodes.first().map(|it| it.peer) else { return id };
        let address = |host| nodes.iter().find(|it| it.host == host).map(|it| it.peer);
        let events = sessions::events(&trace, coordinator, address);
        let took = trace.took;
        self.sessions.keep(Session { id, about, coordinator, started_micros, took, events });
        id
    }
}
