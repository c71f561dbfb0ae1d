//! One round of a read: one command, the replicas of one range, one merged answer.

use std::sync::Arc;

use model::{
    HostId,
    read::{Answer, Command, Limits},
};

use super::{
    Error, PAGE_BYTES_MAX, Terms,
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

/// Live rows that are asked for where a filter cannot be trusted to the replicas, at least.
const UNFILTERED_ROWS: u64 = 4_096;

/// Which replicas a command is for.
#[derive(Clone, Debug)]
pub(super) enum Replicas {
    /// Those of its one partition, at whatever epoch.
    OfPartition(model::Token),
    /// Those of this range, as long as the epoch is this one.
    OfRange { epoch: u64, hosts: Arc<[HostId]>, end: model::Token },
}

/// Asks as many replicas as the level needs, repairs those that lack something, and answers what
/// they know together: with a filter all of it, or what passes; of a partial that, or all of it.
pub(super) async fn run(
    shared: &Arc<Shared>,
    terms: Terms,
    replicas: &Replicas,
    command: &Arc<Command>,
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
    command: &Arc<Command>,
) -> Result<Merged, Stop> {
    let mut gather = gather(shared, terms, replicas, command)?;
    match gather.run().await? {
        Gathered::Equal(answer) => Ok(Merged::of(answer)),
        Gathered::Different(answers) => merge(shared, terms, command, gather, answers).await,
        Gathered::Untold => {
            drop(gather);
            let command = Arc::new(of_everything(command));
            let mut gather = self::gather(shared, terms, replicas, &command)?;
            let answers = gather.run_different().await?;
            merge(shared, terms, &command, gather, answers).await
        }
    }
}

fn gather<'a>(
    shared: &'a Arc<Shared>,
    terms: Terms,
    replicas: &Replicas,
    command: &Arc<Command>,
) -> Result<Gather<'a>, Stop> {
    let plan = plan(shared, terms, replicas, command).map_err(Stop::Error)?;
    let mut command = Arc::clone(command);
    let is_compared = 1 < plan.required;
    let of_filter = command.filter.as_ref().map(|it| it.compared);
    let of_partial = command.partial.as_ref().map(|it| it.compared);
    if of_filter.or(of_partial).is_some_and(|it| it != is_compared) {
        let Command { filter, partial, .. } = Arc::make_mut(&mut command);
        filter.iter_mut().for_each(|it| it.compared = is_compared);
        partial.iter_mut().for_each(|it| it.compared = is_compared);
    }
    let permit = shared.in_flight.take(OVERHEAD_BYTES);
    let permit = permit.map_err(|full| Stop::Error(Error::Overloaded(full.to_string())))?;
    Ok(Gather::new(shared, terms, command, plan, permit))
}

/// Merges what replicas know, and repairs those who lack some of it.
async fn merge(
    shared: &Arc<Shared>,
    terms: Terms,
    command: &Command,
    mut gather: Gather<'_>,
    answers: Vec<(HostId, Answer)>,
) -> Result<Merged, Stop> {
    let sources: Vec<HostId> = answers.iter().map(|(host, _)| *host).collect();
    let merged = merge::merge(answers, command);
    repair::run(shared, terms, command, &mut gather, &sources, &merged).await?;
    Ok(merged)
}

/// The same stretch, or its beginning, with everything that replicas know of it: as many bytes as
/// may be scanned, and no more than a page has.
fn of_everything(command: &Command) -> Command {
    let limits = Limits {
        rows: command.limits.rows.max(UNFILTERED_ROWS),
        rows_per_partition: u64::MAX,
        bytes: command.limits.scanned.min(PAGE_BYTES_MAX),
        scanned: u64::MAX,
        tombstones: command.limits.tombstones,
    };
    Command { limits, filter: None, partial: None, ..command.clone() }
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
