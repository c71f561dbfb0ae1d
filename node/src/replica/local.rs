//! The replica that is this node: fences, applies, reads.

use std::{sync::Arc, time::Duration};

use cluster::Metadata;
use coordinator::{
    hints::Hints,
    replica::{Call, Error, Replica, Request, Response, Unwritable},
    trace::{Report, Work},
};
use engine::Engine;
use futures_util::{FutureExt, future::BoxFuture};
use model::{HostId, Mutation, TableId, read};
use query::sessions::Sessions;
use sys::Blocking;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};

use crate::{cluster_driver::Input, metrics::Metrics};

/// How long a request from the future waits for this node to learn the epoch it was planned at.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(2);

/// What a traced call costs is told once it is known.
struct Cost {
    report: Report,
    begun: Instant,
}

impl Cost {
    fn is(self, work: Work) {
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
    async fn fence(&self, table: TableId, epoch: u64) -> Result<(), Error> {
        self.catch_up(epoch).await?;
        let now = self.metadata.borrow();
        match now.schema.table_by_id(table) {
            Some(table) if table.epoch <= epoch => Ok(()),
            Some(_) => Err(Error::StaleEpoch { have: now.epoch }),
            // Dropped since it was planned, or never there.
            None if epoch < now.epoch => Err(Error::StaleEpoch { have: now.epoch }),
            None => Err(Error::Failed("the table does not exist".into())),
        }
    }

    async fn read(
        &self,
        command: &read::Command,
        cost: &mut Option<Cost>,
    ) -> Result<read::Answer, Error> {
        let answer = self.engine.read_with(command, &*self.blocking).await.map_err(error)?;
        self.metrics.replica_read(&answer);
        if let Some(cost) = cost.take() {
            let bytes: usize = answer.partitions.iter().map(|it| it.memory_bytes()).sum();
            cost.is(Work {
                rows: answer.live_rows,
                bytes: bytes as u64,
                tombstones: answer.tombstones,
                sstables: answer.sstables,
                ..Work::default()
            });
        }
        Ok(answer)
    }

    async fn carry_out(&self, call: Call) -> Result<Response, Error> {
        let mut cost = call.report.map(|report| Cost { report, begun: Instant::now() });
        match call.request {
            Request::Mutate { mutation, origin: _ } => {
                let (table, _) = Mutation::peek(&mutation)
                    .map_err(|malformed| Error::Failed(malformed.to_string()))?;
                self.fence(table, call.epoch).await?;
                let written = mutation.clone();
                let ticket = self.engine.apply(mutation).map_err(refused)?;
                ticket.wait().await.map_err(error)?;
                if let Some(cost) = cost {
                    let bytes = written.len() as u64;
                    let rows = Mutation::decode(written).map_or(0, |it| rows_of(&it));
                    cost.is(Work { rows, bytes, ..Work::default() });
                }
                Ok(Response::Done)
            }
            Request::Read(command) => {
                // Peers ask for what each node makes up for itself: no epoch is about that.
                if call.epoch == 0
                    && let Some(answer) = self.sessions.answer(&command)
                {
                    return Ok(Response::Data(answer));
                }
                self.fence(command.table, call.epoch).await?;
                Ok(Response::Data(self.read(&command, &mut cost).await?))
            }
            Request::Digest(command) => {
                self.fence(command.table, call.epoch).await?;
                let answer = self.read(&command, &mut cost).await?;
                Ok(Response::Digest { digest: answer.digest() })
            }
            Request::Truncate(table) => {
                self.fence(table, call.epoch).await?;
                // Replayed later, they would bring rows back on others.
                self.hints.forget_table(table);
                let engine = self.engine.clone();
                let truncated = sys::run_fn(&*self.blocking, move || engine.truncate(table)).await;
                truncated.map_err(|stopped| Error::Failed(stopped.to_string()))?.map_err(error)?;
                Ok(Response::Done)
            }
            Request::CatchUp => {
                self.catch_up(call.epoch).await?;
                Ok(Response::Done)
            }
        }
    }
}

impl Replica for Local {
    fn host(&self) -> HostId {
        self.host
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Response, Error>> {
        let timeout = call.timeout;
        async move {
            let outcome = tokio::time::timeout(timeout, self.carry_out(call)).await;
            outcome.unwrap_or(Err(Error::NoAnswer))
        }
        .boxed()
    }
}

/// Rows that a mutation writes or deletes; the static one is one of them.
fn rows_of(mutation: &Mutation) -> u64 {
    let partition = &mutation.partition;
    partition.rows.len() as u64 + u64::from(!partition.static_row.is_empty())
}

/// Why a mutation was not taken in: nothing happened.
fn refused(why: engine::Error) -> Error {
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
        | engine::Error::NewerFormat { .. }
        | engine::Error::Corrupt { .. }
        | engine::Error::Io { .. }
        | engine::Error::Stopped(_) => return error(why),
    };
    Error::Unwritable(unwritable, why.to_string())
}

fn error(error: engine::Error) -> Error {
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
        | engine::Error::NewerFormat { .. }
        | engine::Error::Corrupt { .. }
        | engine::Error::Io { .. }
        | engine::Error::Stopped(_) => Error::Failed(error.to_string()),
    }
}
