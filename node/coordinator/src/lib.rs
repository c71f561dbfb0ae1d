//! Writes, reads, hints and read repair over replicas.
//!
//! Holds `dyn Replica` and does not know which of them are local. Decisions are pure values
//! (`plan`), the drivers that send and wait are thin.
//!
//! Invariant: this crate knows nothing of engines, gRPC or CQL text.
//!
//! In reading order:
// What is known of the cluster, and how replicas are asked.
pub mod replica;
pub mod view;

// Decisions.
pub mod plan;

// Drivers.
mod ask;
mod counter;
mod late;
pub mod read;
pub mod write;

// What outlives a request.
pub mod hints;

// What every request needs.
pub mod clock;
pub mod limits;
pub mod trace;

#[cfg(test)]
mod fakes;

use std::{sync::Arc, time::Duration};

use model::TableId;
use tokio::sync::Semaphore;

use crate::{
    hints::Hints,
    limits::InFlight,
    replica::{Answering, Replicas},
    trace::Traces,
    view::View,
};

/// How this coordinator behaves. No `Default`: the node's settings decide.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes of requests and of replicas' answers that may be in flight; past them a request is
    /// refused as overloaded.
    pub in_flight_bytes_max: u64,
    /// Bytes of writes that were acknowledged and still wait for their slower replicas. Past them
    /// the slower replicas get a hint at once.
    pub background_bytes_max: u64,
    /// How long a read waits for the replicas that it asked before it asks one more. `None`: never.
    pub speculate_after: Option<Duration>,
}

/// The parts that a coordinator is made of.
pub struct Parts {
    /// The cluster as this node sees it.
    pub view: Arc<dyn View>,
    /// How replicas are reached.
    pub replicas: Arc<dyn Replicas>,
    /// Where writes are kept for replicas that missed them.
    pub hints: Hints,
    /// The source of write timestamps.
    pub timestamps: Arc<clock::Timestamps>,
}

/// Serves requests over replicas. A clone is the same coordinator.
#[derive(Clone)]
pub struct Coordinator {
    shared: Arc<Shared>,
}

/// What every request needs.
pub(crate) struct Shared {
    pub(crate) view: Arc<dyn View>,
    pub(crate) replicas: Arc<dyn Replicas>,
    pub(crate) hints: Hints,
    pub(crate) timestamps: Arc<clock::Timestamps>,
    pub(crate) in_flight: InFlight,
    pub(crate) background: InFlight,
    /// Turns of reads for whose answers there was no room.
    pub(crate) large_reads: Semaphore,
    pub(crate) traces: Traces,
    pub(crate) options: Options,
}

impl Coordinator {
    /// Puts the parts together. Starts nothing: see `hints::replay` and
    /// `clock::Timestamps::keep_ahead` for what a node runs beside it.
    pub fn new(parts: Parts, options: Options) -> Coordinator {
        let Parts { view, replicas, hints, timestamps } = parts;
        let traces = Traces::new(Arc::clone(timestamps.clock()));
        let in_flight = InFlight::new(options.in_flight_bytes_max);
        let background = InFlight::new(options.background_bytes_max);
        let turns = (options.in_flight_bytes_max / read::LARGE_READ_BYTES).clamp(1, 64) as usize;
        let large_reads = Semaphore::new(turns);
        let shared = Shared {
            view,
            replicas,
            hints,
            timestamps,
            in_flight,
            background,
            large_reads,
            traces,
            options,
        };
        Coordinator { shared: Arc::new(shared) }
    }

    /// Applies mutations at a consistency level. They are sent before this returns, which takes the tokio runtime.
    /// Answers once every one of them has reached the level; slower replicas go on in the background, and those
    /// that miss it get a hint.
    ///
    /// Dropping what it returns before it answers cancels the work at the replicas; the write may then
    /// have happened at some of them.
    ///
    /// # Errors
    /// See `write::Error`: which of them mean that nothing happened is said there.
    pub fn write(&self, request: &write::Request) -> Answering<Result<(), write::Error>> {
        write::run(&self.shared, request)
    }

    /// Adds to counters at a consistency level. The mutations hold increments (`model::counter`), and
    /// deletions perhaps; each is carried out by a leader of its own, or not at all.
    ///
    /// Dropping the future is as for `write`.
    ///
    /// # Errors
    /// As `write`, but nothing may be repeated after `Timeout` or `Failed`: it may have been added.
    pub async fn increment(&self, request: write::Request) -> Result<(), write::Error> {
        counter::run(&self.shared, request).await
    }

    /// Reads one page at a consistency level. Replicas that disagree are repaired before the page is
    /// answered. Dropping the future cancels the work at the replicas.
    ///
    /// # Errors
    /// See `read::Error`.
    pub async fn read(&self, request: read::Request) -> Result<read::Page, read::Error> {
        read::run(&self.shared, request).await
    }

    /// Empties a table. Every node must answer.
    ///
    /// # Errors
    /// As `write`; after `Timeout` some nodes may have emptied it: do it again.
    pub async fn truncate(
        &self,
        table: TableId,
        timeout: Duration,
        trace: u64,
    ) -> Result<(), write::Error> {
        write::truncate(&self.shared, table, timeout, trace).await
    }

    /// Stamps writes that carry no timestamp of their client.
    pub fn timestamps(&self) -> &clock::Timestamps {
        &self.shared.timestamps
    }

    /// Hints that wait, for metrics and for those who truncate or drop.
    pub fn hints(&self) -> &Hints {
        &self.shared.hints
    }

    /// The requests that are traced right now.
    pub fn traces(&self) -> &Traces {
        &self.shared.traces
    }

    /// Bytes of requests in flight, for metrics.
    pub fn in_flight_bytes(&self) -> u64 {
        self.shared.in_flight.bytes()
    }
}
