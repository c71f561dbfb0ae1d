//! The replica that is this node: fences, applies, reads.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cluster::Metadata;
use coordinator::{
    clock::Timestamps,
    hints::Hints,
    replica::{Answering, Call, Error, Replica, Request, Response, Unwritable, at_once},
    trace::{Report, Work},
};
use engine::{Cold, Engine, Ticket};
use futures_util::{FutureExt, future::Either};
use model::{HostId, Mutation, TableId, read};
use query::sessions::Sessions;
use sys::Blocking;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use super::leader::Turns;
use crate::{cluster_driver::Input, metrics::Metrics};

/// How long a request from the future waits for this node to learn the epoch it was planned at.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(2);

/// What a traced call costs is told once it is known.
pub(super) struct Cost {
    report: Report,
    begun: Instant,
}

impl Cost {
    pub(super) fn is(self, work: Work) {
        self.report.get_or_init(|| Work { took: self.begun.elapsed(), ..work });
    }
}

/// This node's own replica.
pub(crate) struct Local {
    /// Who we are.
    pub(crate) host: HostId,
    /// Where the data is.
    pub(crate) engine: Engine,
    /// What other replicas missed.
    pub(crate) hints: Hints,
    /// Where cold reads run.
    pub(crate) blocking: Arc<dyn Blocking>,
    /// What we know of schema and ring.
    pub(crate) metadata: watch::Receiver<Arc<Metadata>>,
    /// Asks the cluster layer to catch up to an epoch.
    pub(crate) inputs: mpsc::Sender<Input>,
    /// What this node alone knows of requests that were traced.
    pub(crate) sessions: Sessions,
    /// Where reads are counted.
    pub(crate) metrics: Arc<Metrics>,
    /// Stamps the shares of this node's counters.
    pub(crate) timestamps: Arc<Timestamps>,
    /// Who adds to which partition of counters right now.
    pub(crate) turns: Turns,
}

impl Local {
    /// Makes a request from the future wait until this node has caught up.
    async fn catch_up(&self, epoch: u64) -> Result<(), Error> {
        let mut metadata = self.metadata.clone();
        if epoch <= metadata.borrow().epoch {
            return Ok(());
        }
        // A full queue means that somebody asked already.
        drop(self.inputs.try_send(Input::Behind(epoch)));
        let caught_up = metadata.wait_for(|it| epoch <= it.epoch);
        match tokio::time::timeout(CATCH_UP_TIMEOUT, caught_up).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => {
                Err(Error::Failed(format!("this node has not seen epoch {epoch} yet")))
            }
        }
    }

    /// Lets a request through whose table did not change since it was planned.
    fn fence(&self, table: TableId, epoch: u64) -> Result<(), Fence> {
        let now = self.metadata.borrow();
        if now.epoch < epoch {
            return Err(Fence::Behind);
        }
        match now.schema.table_by_id(table) {
            Some(table) if table.epoch <= epoch => Ok(()),
            Some(_) => Err(Fence::Refused(Error::StaleEpoch { have: now.epoch })),
            // Dropped since it was planned, or never there.
            None if epoch < now.epoch => Err(Fence::Refused(Error::StaleEpoch { have: now.epoch })),
            None => Err(Fence::Refused(Error::Failed("the table does not exist".into()))),
        }
    }

    /// Carries out what takes no waiting.
    fn begin(&self, call: Call) -> Begun {
        let passed = match &call.request {
            Request::Mutate { mutation: written, .. } | Request::Lead { increments: written } => {
                match Mutation::peek(written) {
                    Ok((table, _)) => self.fence(table, call.epoch),
                    Err(malformed) => Err(Fence::Refused(Error::Failed(malformed.to_string()))),
                }
            }
            // Peers ask for what each node makes up for itself: no epoch is about that.
            Request::Read(command) if call.epoch == 0 => match self.sessions.answer(command) {
                Some(answer) => return Begun::Answered(Ok(Response::Data(answer))),
                None => self.fence(command.table, call.epoch),
            },
            Request::Read(command) | Request::Digest(command) => {
                self.fence(command.table, call.epoch)
            }
            Request::Truncate(table) => self.fence(*table, call.epoch),
            Request::CatchUp if self.metadata.borrow().epoch < call.epoch => Err(Fence::Behind),
            Request::CatchUp => return Begun::Answered(Ok(Response::Done)),
        };
        match passed {
            Ok(()) => {}
            Err(Fence::Behind) => return Begun::Waits(Wait::Behind(call)),
            Err(Fence::Refused(why)) => return Begun::Answered(Err(why)),
        }
        let cost = call.report.map(|report| Cost { report, begun: Instant::now() });
        match call.request {
            Request::Mutate { mutation, origin: _ } => self.write(mutation, cost),
            Request::Lead { increments } => Begun::Waits(Wait::Lead(increments, cost)),
            Request::Read(command) => self.read(&command, Kind::Data, cost),
            Request::Digest(command) => self.read(&command, Kind::Digest, cost),
            Request::Truncate(table) => Begun::Waits(Wait::Truncate(table)),
            Request::CatchUp => Begun::Answered(Ok(Response::Done)),
        }
    }

    fn write(&self, mutation: Bytes, cost: Option<Cost>) -> Begun {
        let cost = cost.map(|it| (it, mutation.clone()));
        let ticket = match self.engine.apply(mutation) {
            Ok(ticket) => ticket,
            Err(why) => return Begun::Answered(Err(refused(why))),
        };
        match ticket.outcome() {
            None => Begun::Waits(Wait::Durable(ticket, cost)),
            Some(outcome) => Begun::Answered(written(outcome, cost)),
        }
    }

    fn read(&self, command: &read::Command, kind: Kind, cost: Option<Cost>) -> Begun {
        match self.engine.read(command) {
            Ok(engine::Read::Ready(answer)) => Begun::Answered(Ok(self.answer(answer, kind, cost))),
            Ok(engine::Read::Cold(cold)) => Begun::Waits(Wait::Cold(cold, kind, cost)),
            Err(why) => Begun::Answered(Err(error(why))),
        }
    }

    fn answer(&self, answer: read::Answer, kind: Kind, cost: Option<Cost>) -> Response {
        self.metrics.replica_read(&answer);
        if let Some(cost) = cost {
            let bytes: usize = answer.partitions.iter().map(|it| it.memory_bytes()).sum();
            cost.is(Work {
                rows: answer.live_rows,
                bytes: bytes as u64,
                tombstones: answer.tombstones,
                sstables: answer.sstables,
                ..Work::default()
            });
        }
        match kind {
            Kind::Data => Response::Data(answer),
            Kind::Digest => Response::Digest { digest: answer.digest() },
        }
    }

    async fn go_on(&self, mut wait: Wait) -> Result<Response, Error> {
        loop {
            wait = match wait {
                Wait::Behind(call) => {
                    self.catch_up(call.epoch).await?;
                    match self.begin(call) {
                        Begun::Answered(answer) => return answer,
                        Begun::Waits(wait) => wait,
                    }
                }
                Wait::Durable(ticket, cost) => return written(ticket.wait().await, cost),
                Wait::Cold(cold, kind, cost) => {
                    let answer = cold.finish(&*self.blocking).await.map_err(error)?;
                    return Ok(self.answer(answer, kind, cost));
                }
                Wait::Lead(increments, cost) => {
                    let shares = self.lead(increments, cost).await?;
                    return Ok(Response::Led { shares });
                }
                Wait::Truncate(table) => return self.truncate(table).await,
            }
        }
    }

    async fn truncate(&self, table: TableId) -> Result<Response, Error> {
        // Replayed later, they would bring rows back on others.
        self.hints.forget_table(table);
        let engine = self.engine.clone();
        let truncated = sys::run_fn(&*self.blocking, move || engine.truncate(table)).await;
        truncated.map_err(|stopped| Error::Failed(stopped.to_string()))?.map_err(error)?;
        Ok(Response::Done)
    }
}

/// Why a request is not let through.
enum Fence {
    /// It is from the future.
    Behind,
    /// It is from the past, or makes no sense.
    Refused(Error),
}

/// What became of a request without waiting.
enum Begun {
    Answered(Result<Response, Error>),
    Waits(Wait),
}

/// What a request waits for.
enum Wait {
    /// This node's knowledge of its epoch.
    Behind(Call),
    /// The disk, which is to keep what was written. For a traced one with the mutation.
    Durable(Ticket, Option<(Cost, Bytes)>),
    /// The disk, which has what is not in memory.
    Cold(Cold, Kind, Option<Cost>),
    /// Its turn to add to counters.
    Lead(Bytes, Option<Cost>),
    /// Everyone who works on this table.
    Truncate(TableId),
}

/// What of a read is wanted.
#[derive(Clone, Copy)]
enum Kind {
    Data,
    Digest,
}

impl Replica for Local {
    fn host(&self) -> HostId {
        self.host
    }

    fn call(self: Arc<Self>, call: Call) -> Answering<Result<Response, Error>> {
        match self.begin(call) {
            Begun::Answered(answer) => at_once(answer),
            // What nearly all writes wait for takes little room, in each of those that are in flight.
            Begun::Waits(Wait::Durable(ticket, cost)) => {
                Either::Right(async move { written(ticket.wait().await, cost) }.boxed())
            }
            Begun::Waits(wait) => Either::Right(async move { self.go_on(wait).await }.boxed()),
        }
    }
}

/// A write that was taken in has become durable, or not.
fn written(
    outcome: Result<(), engine::Error>,
    cost: Option<(Cost, Bytes)>,
) -> Result<Response, Error> {
    outcome.map_err(error)?;
    if let Some((cost, mutation)) = cost {
        let bytes = mutation.len() as u64;
        let rows = Mutation::decode(mutation).map_or(0, |it| rows_of(&it));
        cost.is(Work { rows, bytes, ..Work::default() });
    }
    Ok(Response::Done)
}

/// Rows that a mutation writes or deletes; the static one is one of them.
pub(super) fn rows_of(mutation: &Mutation) -> u64 {
    let partition = &mutation.partition;
    partition.rows.len() as u64 + u64::from(!partition.static_row.is_empty())
}

/// Why a mutation was not taken in: nothing happened.
pub(super) fn refused(why: engine::Error) -> Error {
    let unwritable = match &why {
        engine::Error::DiskFull { .. } => Unwritable::DiskFull,
        engine::Error::ReadOnly { .. } => Unwritable::ReadOnly,
        engine::Error::LogFailed => Unwritable::LogFailed,
        // It is over as soon as something is closed.
        engine::Error::OutOfFiles { .. } => return Error::Overloaded(why.to_string()),
        engine::Error::Overloaded { .. }
        | engine::Error::UnknownTable(_)
        | engine::Error::Malformed(_)
        | engine::Error::TooLarge { .. }
        | engine::Error::Closed
        | engine::Error::Locked { .. }
        | engine::Error::BadArchive { .. }
        | engine::Error::NewerFormat { .. }
        | engine::Error::Corrupt { .. }
        | engine::Error::Io { .. }
        | engine::Error::Stopped(_) => return error(why),
    };
    Error::Unwritable(unwritable, why.to_string())
}

pub(super) fn error(error: engine::Error) -> Error {
    match error {
        engine::Error::Overloaded { .. } => Error::Overloaded(error.to_string()),
        engine::Error::UnknownTable(_)
        | engine::Error::Malformed(_)
        | engine::Error::TooLarge { .. }
        | engine::Error::LogFailed
        | engine::Error::DiskFull { .. }
        | engine::Error::ReadOnly { .. }
        | engine::Error::OutOfFiles { .. }
        | engine::Error::Closed
        | engine::Error::Locked { .. }
        | engine::Error::BadArchive { .. }
        | engine::Error::NewerFormat { .. }
        | engine::Error::Corrupt { .. }
        | engine::Error::Io { .. }
        | engine::Error::Stopped(_) => Error::Failed(error.to_string()),
    }
}
