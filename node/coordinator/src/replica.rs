//! What a coordinator asks of a replica: one request enum, one answer enum, one error enum.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Either, Ready, ready},
};
use model::{HostId, read};

use crate::trace::Report;

/// What there is without waiting, or the way to it. Much of what this node asks of itself takes no
/// waiting, and then no room for a task either.
pub type Answering<T> = Either<Ready<T>, BoxFuture<'static, T>>;

/// There without waiting.
pub fn at_once<T>(answer: T) -> Answering<T> {
    Either::Left(ready(answer))
}

/// What `then` makes of the answer: at once, if that is there.
pub fn answered<T: Send + 'static, U>(
    answering: Answering<T>,
    then: impl FnOnce(T) -> U + Send + 'static,
) -> Answering<U> {
    match answering {
        Either::Left(answer) => at_once(then(answer.into_inner())),
        Either::Right(later) => Either::Right(later.map(then).boxed()),
    }
}

/// How a node is reached: itself by a call, the others by a stream.
pub trait Replica: Send + Sync + 'static {
    /// Whose replica this is.
    fn host(&self) -> HostId;

    /// Begins to carry out the request of `call`, and carries out what takes no waiting. Dropping what it
    /// answers cancels the rest of the work: at the far side too.
    fn call(self: Arc<Self>, call: Call) -> Answering<Result<Response, Error>>;
}

/// Finds replicas by host.
pub trait Replicas: Send + Sync + 'static {
    /// The replica of this host, whether it is alive or not.
    fn get(&self, host: HostId) -> Option<Arc<dyn Replica>>;
}

/// One request to one replica.
#[derive(Clone, Debug)]
pub struct Call {
    /// Names the client's request in the logs of every node that it touches.
    pub trace: u64,
    /// The metadata epoch that the coordinator planned with.
    pub epoch: u64,
    /// How much time is left. Whoever calls gives up when it is over, and drops the call; a node that carries
    /// it out for another one does too.
    pub timeout: Duration,
    /// Where to leave what it cost, for a request that is traced.
    pub report: Option<Report>,
    /// What to do.
    pub request: Request,
}

/// What a replica can be asked.
#[derive(Clone, Debug)]
pub enum Request {
    /// Apply a mutation (`model::Mutation` encoding) and answer once it is durable.
    Mutate {
        /// The encoded mutation.
        mutation: Bytes,
        /// Whether this is the replay of a hint, or a repair, rather than a client's write.
        origin: Origin,
    },
    /// Lead these increments (`model::counter`): answer the shares that they come to once those are
    /// durable.
    Lead {
        /// Encoded as a mutation.
        increments: Bytes,
    },
    /// Read and answer everything.
    Read(Arc<read::Command>),
    /// Read and answer the digest of the answer.
    Digest(Arc<read::Command>),
    /// Forget all data of a table (after a snapshot).
    Truncate(model::TableId),
    /// Answer once the epoch of this call is known there.
    CatchUp,
}

/// Where a mutation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client's write.
    Client,
    /// The replay of a hint.
    Hint,
    /// Read repair.
    ReadRepair,
}

/// What a replica answers.
#[derive(Clone, Debug)]
pub enum Response {
    /// The mutation is durable, the table truncated, or the epoch known.
    Done,
    /// The answer of a `Lead`: what it has written, for the other replicas.
    Led {
        /// The encoded mutation.
        shares: Bytes,
    },
    /// The answer of a `Read`.
    Data(read::Answer),
    /// The answer of a `Digest`.
    Digest {
        /// `read::Answer::digest`.
        digest: u128,
    },
}

/// Why a replica takes no writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwritable {
    /// Its disk is full: it does again once there is room.
    DiskFull,
    /// Its disk takes none: it does again once that takes them.
    ReadOnly,
    /// Its commit log failed: it does again after a restart.
    LogFailed,
}

/// Why a replica did not answer, by what the coordinator can do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request was not sent: no connection. Nothing happened there.
    #[error("not reachable")]
    Unreachable,
    /// The connection broke or time ran out after sending: it may have happened.
    #[error("no answer")]
    NoAnswer,
    /// Refused for lack of memory or a full queue; nothing happened there.
    #[error("overloaded: {0}")]
    Overloaded(String),
    /// Refused because the disk there takes no writes, which it says; nothing happened there.
    #[error("{1}")]
    Unwritable(Unwritable, String),
    /// The table changed since the epoch that the request was planned with; plan again at `have`.
    #[error("planned at an older epoch than {have}")]
    StaleEpoch {
        /// The replica's epoch.
        have: u64,
    },
    /// The replica's disk failed on the way, or data is corrupt: it says what. A write may have happened.
    #[error("failed: {0}")]
    Failed(String),
}
