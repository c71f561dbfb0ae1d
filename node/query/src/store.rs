//! Where rows are read from and written to: the coordinator, or a fake in tests.

use std::{sync::Arc, time::Duration};

pub use coordinator::replica::Unwritable;
use coordinator::{
    limits::Permit,
    replica::{Answering, answered},
};
use futures_util::future::BoxFuture;
use model::{Consistency, HostId, Mutation, Partition, TableId, partial::Partial, read};

use crate::error::Acks;

/// Reads and writes at a consistency level.
pub trait Store: Send + Sync + 'static {
    /// Applies `mutations`, each atomic by itself, to as many replicas as `options` ask for. They are
    /// sent before this returns.
    fn write(&self, mutations: Vec<Mutation>, options: Options) -> Answering<Result<(), Error>>;

    /// Applies `increments` (see `model::counter`), each atomic by itself, through a leader each, and
    /// what comes of them to as many replicas as `options` ask for.
    fn increment(
        &self,
        increments: Vec<Mutation>,
        options: Options,
    ) -> BoxFuture<'_, Result<(), Error>>;

    /// Reads what `command` asks for, merged over as many replicas as `options` ask for.
    fn read(
        &self,
        command: Arc<read::Command>,
        options: Options,
    ) -> BoxFuture<'_, Result<Page, Error>>;

    /// Empties a table on every node.
    fn truncate(
        &self,
        table: TableId,
        timeout: Duration,
        trace: u64,
    ) -> BoxFuture<'_, Result<(), Error>>;

    /// The next write timestamp, microseconds since 1970: greater than all before, restarts
    /// included.
    fn timestamp(&self) -> Result<i64, Error>;
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
#[derive(Debug)]
pub struct Page {
    /// Partitions in (token, bytes) order; rows ascend in stored order, also for a reversed read.
    /// What is dead or expired may be among them.
    pub partitions: Vec<Partition>,
    /// Where it was asked for: what there is to know of other rows.
    pub partial: Option<Partial>,
    /// `None`: that was all. Otherwise complete up to and including this position.
    pub next: Option<read::Position>,
    /// Tombstones met for it.
    pub tombstones: u64,
    /// What it takes of a budget, as long as it is held.
    pub permit: Option<Permit>,
}

/// Why a read or a write failed, by what the client can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too few replicas are alive; nothing was sent.
    #[error("{} needs {} replicas and finds {} alive", .0.consistency, .0.required, .0.received)]
    Unavailable(Acks),
    /// Sent, but too few answered in time. A write may yet appear.
    #[error("{} needs {} answers and got {} in time", .0.consistency, .0.required, .0.received)]
    Timeout(Acks),
    /// A replica answered that it cannot: a corrupt file, a failed disk.
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
    /// The disks of too many replicas take no writes; nothing was written.
    #[error("{1}")]
    Unwritable(Unwritable, String),
    /// The consistency level or the request makes no sense, for this reason; nothing was done.
    #[error("{0}")]
    Invalid(String),
}

impl Store for coordinator::Coordinator {
    fn write(&self, mutations: Vec<Mutation>, options: Options) -> Answering<Result<(), Error>> {
        let Options { consistency, timeout, trace } = options;
        let request = coordinator::write::Request { mutations, consistency, timeout, trace };
        let answering = coordinator::Coordinator::write(self, &request);
        answered(answering, |outcome| outcome.map_err(Error::from))
    }

    fn increment(
        &self,
        increments: Vec<Mutation>,
        options: Options,
    ) -> BoxFuture<'_, Result<(), Error>> {
        let Options { consistency, timeout, trace } = options;
        let mutations = increments;
        let request = coordinator::write::Request { mutations, consistency, timeout, trace };
        Box::pin(async move { Ok(coordinator::Coordinator::increment(self, request).await?) })
    }

    fn read(
        &self,
        command: Arc<read::Command>,
        options: Options,
    ) -> BoxFuture<'_, Result<Page, Error>> {
        let Options { consistency, timeout, trace } = options;
        let request = coordinator::read::Request { command, consistency, timeout, trace };
        Box::pin(async move {
            let page = coordinator::Coordinator::read(self, request).await?;
            let coordinator::read::Page { partitions, partial, next, tombstones, permit, .. } =
                page;
            Ok(Page { partitions, partial, next, tombstones, permit: Some(permit) })
        })
    }

    fn truncate(
        &self,
        table: TableId,
        timeout: Duration,
        trace: u64,
    ) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            Ok(coordinator::Coordinator::truncate(self, table, timeout, trace).await?)
        })
    }

    fn timestamp(&self) -> Result<i64, Error> {
        Ok(self.timestamps().next())
    }
}

impl From<coordinator::write::Error> for Error {
    fn from(error: coordinator::write::Error) -> Error {
        use coordinator::write::Error as From;
        match error {
            From::Unavailable { consistency, required, alive, missing } => {
                Error::Unavailable(acks(consistency, required, alive, &missing))
            }
            From::Timeout { consistency, required, received, missing } => {
                Error::Timeout(acks(consistency, required, received, &missing))
            }
            From::Overloaded(reason) => Error::Overloaded(reason),
            From::Failed { consistency, required, received, missing, failures } => Error::Failed {
                acks: acks(consistency, required, received, &missing),
                reason: reasons(&failures),
            },
            From::Unwritable(why, reason) => Error::Unwritable(why, reason),
            From::Invalid(reason) => Error::Invalid(reason),
        }
    }
}

impl From<coordinator::read::Error> for Error {
    fn from(error: coordinator::read::Error) -> Error {
        use coordinator::read::Error as From;
        match error {
            From::Unavailable { consistency, required, alive, missing } => {
                Error::Unavailable(acks(consistency, required, alive, &missing))
            }
            From::Timeout { consistency, required, received, missing } => {
                Error::Timeout(acks(consistency, required, received, &missing))
            }
            From::Failed { consistency, required, received, failures } => {
                let hosts: Vec<HostId> = failures.iter().map(|(host, _)| *host).collect();
                Error::Failed {
                    acks: acks(consistency, required, received, &hosts),
                    reason: reasons(&failures),
                }
            }
            From::Overloaded(reason) => Error::Overloaded(reason),
            From::Invalid(reason) => Error::Invalid(reason),
        }
    }
}

fn reasons(failures: &[(HostId, String)]) -> String {
    let reasons: Vec<String> =
        failures.iter().map(|(host, what)| format!("{host}: {what}")).collect();
    reasons.join(", ")
}

fn acks(consistency: Consistency, required: usize, received: usize, missing: &[HostId]) -> Acks {
    let missing = missing.iter().map(ToString::to_string).collect();
    Acks { consistency, required, received, missing }
}
