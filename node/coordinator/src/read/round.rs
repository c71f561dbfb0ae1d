//! One round of a read: one command, the replicas of one range, one merged answer.

use std::sync::Arc;

use model::{
    HostId,
    read::{Answer, Command},
};

use super::{
    Error, Terms,
    gather::{Gather, Gathered, Stop},
    merge::{self, Merged},
    repair,
};
use crate::{
    Shared,
    ask::REPLANS_MAX,
    plan::{self, ReadPlan, Refused},
    trace::Step,
    view::Snapshot,
};

/// What a round takes in flight before answers come.
const OVERHEAD_BYTES: u64 = 1024;

/// Which replicas a command is for.
#[derive(Clone, Debug)]
pub(super) enum Replicas {
    /// Those of its one partition, at whatever epoch.
    OfPartition(model::Token),
    /// Those of this range, as long as the epoch is this one.
    OfRange { epoch: u64, hosts: Arc<[HostId]>, end: model::Token },
}

/// Asks as many replicas as the level needs, repairs those that lack something, and answers what
/// they know together.
pub(super) async fn run(
    shared: &Arc<Shared>,
    terms: Terms,
    replicas: &Replicas,
    command: &Command,
) -> Result<Merged, Error> {
    for _ in 0..REPLANS_MAX {
        match attempt(shared, terms, replicas, command).await {
            Ok(merged) => return Ok(merged),
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Stale) => {
                tracing::debug!(trace = terms.trace, "a read is planned again");
                shared.traces.note(terms.trace, None, || Step::Replanned);
            }
        }
    }
    Err(Error::Timeout {
        consistency: terms.consistency,
        required: 1,
        received: 0,
        missing: Vec::new(),
    })
}

async fn attempt(
    shared: &Arc<Shared>,
    terms: Terms,
    replicas: &Replicas,
    command: &Command,
) -> Result<Merged, Stop> {
    let plan = plan(shared, terms, replicas, command).map_err(Stop::Error)?;
    let permit = shared.in_flight.take(OVERHEAD_BYTES);
    let permit = permit.map_err(|full| Stop::Error(Error::Overloaded(full.to_string())))?;
    let mut gather = Gather::new(shared, terms, command, plan, permit);
    match gather.run().await? {
        Gathered::Equal(Answer { partitions, stopped_at, tombstones, .. }) => {
            Ok(Merged { partitions, stopped_at, tombstones, missing: Vec::new() })
        }
        Gathered::Different(answers) => {
            let sources: Vec<HostId> = answers.iter().map(|(host, _)| *host).collect();
            let merged = merge::merge(answers, command);
            repair::run(shared, terms, command, &mut gather, &sources, &merged).await?;
            Ok(merged)
        }
    }
}

fn plan(
    shared: &Shared,
    terms: Terms,
    replicas: &Replicas,
    command: &Command,
) -> Result<ReadPlan, Error> {
    let snapshot = shared.view.snapshot();
    let Some((keyspace, _)) = snapshot.table(command.table) else {
        return Err(Error::Invalid("the table does not exist any more".to_owned()));
    };
    let consistency = terms.consistency;
    let hosts = hosts(&snapshot, &keyspace.name, replicas);
    let candidates = snapshot.candidates(&*shared.view, keyspace, hosts).ok_or_else(|| {
        Error::Unavailable { consistency, required: 1, alive: 0, missing: Vec::new() }
    })?;
    plan::read(consistency, &candidates, terms.deadline).map_err(|refused| match refused {
        Refused::Unavailable { required, alive, missing } => {
            Error::Unavailable { consistency, required, alive, missing }
        }
        Refused::Invalid(text) => Error::Invalid(text),
    })
}

fn hosts<'a>(snapshot: &'a Snapshot, keyspace: &str, replicas: &'a Replicas) -> &'a [HostId] {
    match replicas {
        Replicas::OfPartition(token) => snapshot.replicas(keyspace, *token),
        Replicas::OfRange { epoch, hosts, .. } if *epoch == snapshot.epoch() => hosts,
        // Ring changes split ranges and never move their ends without a new round of planning.
        Replicas::OfRange { end, .. } => snapshot.replicas(keyspace, *end),
    }
}
