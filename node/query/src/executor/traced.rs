//! Where an executor notes its steps: beside those of its store.

use coordinator::trace::Traces;

use super::Executor;

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
}
