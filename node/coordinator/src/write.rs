//! Writes: every replica is told, enough of them must answer, the others get a hint.

use std::{sync::Arc, time::Duration};

use model::{Consistency, HostId, Mutation, TableId};

use crate::Shared;

/// A write of some mutations, each atomic by itself.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to write, already stamped. Of any tables and partitions.
    pub mutations: Vec<Mutation>,
    /// How many replicas of each partition must have it durably. Not SERIAL or LOCAL_SERIAL.
    pub consistency: Consistency,
    /// How long to wait for them.
    pub timeout: Duration,
    /// Names the client's request in logs.
    pub trace: u64,
}

/// Why a write was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too few replicas are alive; nothing was written anywhere. Safe to repeat later.
    #[error("{consistency} needs {required} replicas and {alive} are alive; missing: {}", names(missing))]
    Unavailable {
        /// The level asked for.
        consistency: Consistency,
        /// Answers that it needs.
        required: usize,
        /// Replicas that could give one.
        alive: usize,
        /// The replicas that are down.
        missing: Vec<HostId>,
    },
    /// Too few replicas answered in time, or too few are left that could. The write may have
    /// happened, and may yet appear: repeat it only with the same timestamp.
    #[error(
        "{consistency} needs {required} answers and got {received}, the write may have happened; missing: {}",
        names(missing)
    )]
    Timeout {
        /// The level asked for.
        consistency: Consistency,
        /// Answers that it needs.
        required: usize,
        /// Answers that came.
        received: usize,
        /// The replicas that did not answer.
        missing: Vec<HostId>,
    },
    /// This node, or too many replicas, have too much to do; nothing was written anywhere. Repeat
    /// later, more slowly.
    #[error("overloaded: {0}")]
    Overloaded(String),
    /// The request makes no sense, at any time; nothing was written.
    #[error("{0}")]
    Invalid(String),
}

/// Host ids in a row, for error texts.
pub(crate) fn names(hosts: &[HostId]) -> String {
    let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    names.join(", ")
}

pub(crate) async fn run(_shared: &Arc<Shared>, _request: Request) -> Result<(), Error> {
    unimplemented!()
}

pub(crate) async fn truncate(
    _shared: &Arc<Shared>,
    _table: TableId,
    _timeout: Duration,
    _trace: u64,
) -> Result<(), Error> {
    unimplemented!()
}
