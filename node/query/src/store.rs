//! Where rows are read from and written to: the coordinator, or a fake in tests.

use std::time::Duration;

use futures_util::future::BoxFuture;
use model::{Consistency, Mutation, Partition, read};

use crate::error::Acks;

/// Reads and writes at a consistency level.
pub trait Store: Send + Sync + 'static {
    /// Applies `mutation` to as many replicas as `options` ask for.
    fn write(&self, mutation: Mutation, options: Options) -> BoxFuture<'_, Result<(), Error>>;

    /// Reads what `command` asks for, merged over as many replicas as `options` ask for.
    fn read(&self, command: read::Command, options: Options)
    -> BoxFuture<'_, Result<Page, Error>>;
}

/// How to read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many replicas must answer.
    pub consistency: Consistency,
    /// How much time is left.
    pub timeout: Duration,
    /// Names the client's request in the logs.
    pub trace: u64,
}

/// A part of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Partitions in (token, bytes) order; rows ascend in stored order, also for a reversed read.
    pub partitions: Vec<Partition>,
    /// `None`: that was all. Otherwise complete up to and including this position.
    pub next: Option<read::Position>,
}

/// Why a read or a write failed, by what the client can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too few replicas are alive; nothing was sent.
    #[error("too few replicas are alive")]
    Unavailable(Acks),
    /// Sent, but too few answered in time. A write may yet appear.
    #[error("too few replicas answered in time")]
    Timeout(Acks),
    /// A replica answered that it cannot: disk full, corrupt file, failed log. A write may have
    /// been applied elsewhere.
    #[error("a replica failed: {reason}")]
    Failed {
        /// How the others answered.
        acks: Acks,
        /// What the replica said.
        reason: String,
    },
    /// Refused for lack of memory or a full queue, before anything was done.
    #[error("overloaded: {0}")]
    Overloaded(String),
    /// The consistency level or the request does not fit, for this reason.
    #[error("{0}")]
    Invalid(String),
}
