//! Blocking read repair: a read that found replicas apart answers only once enough of them have
//! what it answers. So no later quorum read goes back behind it.

use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use model::{HostId, Mutation, Partition, TableId, read::Command};
use tokio::time::Instant;

use super::{
    Error, Terms,
    gather::{Gather, Stop},
    merge::Merged,
};
use crate::{
    Shared,
    ask::{self, ask},
    late::until,
    replica::{Error as ReplicaError, Origin, Request, Response},
    trace::Step,
};

/// Sends every source what it lacks, and waits until as many replicas as the level needs have it
/// all; where a source fails, or takes long, a replica that was not asked gets everything instead.
pub(super) async fn run(
    shared: &Arc<Shared>,
    terms: Terms,
    command: &Command,
    gather: &mut Gather<'_>,
    sources: &[HostId],
    merged: &Merged,
) -> Result<(), Stop> {
    if merged.missing.is_empty() {
        return Ok(());
    }
    let required = gather.plan().required;
    let terms_of_call =
        ask::Terms { trace: terms.trace, epoch: gather.plan().epoch, deadline: terms.deadline };
    // Owned, so that nothing of the gathering is borrowed while repairs are waited for.
    let mut spare = gather.spare().to_vec().into_iter();
    let lacks = |host: &HostId| merged.missing.iter().any(|(it, _)| it == host);
    let mut complete: Vec<HostId> = sources.iter().copied().filter(|it| !lacks(it)).collect();
    tracing::debug!(trace = terms.trace, replicas = merged.missing.len(), "read repair");
    shared.traces.note(terms.trace, None, || Step::Repairing(merged.missing.len()));
    let mut repairs: FuturesUnordered<_> = merged
        .missing
        .iter()
        .map(|(host, parts)| repair(shared, terms_of_call, *host, command.table, parts))
        .collect();
    let mut failed = Vec::new();
    let slow_at = shared.options.speculate_after.map(|it| Instant::now() + it);
    let mut slow_at = slow_at.filter(|it| *it < terms.deadline);
    while complete.len() < required {
        let done = until(slow_at.unwrap_or(terms.deadline), repairs.next()).await;
        match done {
            // A slow disk is not waited for alone.
            Err(_) if slow_at.take().is_some() => {
                if let Some(host) = spare.next() {
                    let all = &merged.partitions;
                    repairs.push(repair(shared, terms_of_call, host, command.table, all));
                }
            }
            Ok(Some((host, Ok(())))) if !complete.contains(&host) => complete.push(host),
            Ok(Some((_, Ok(())))) => {}
            Ok(Some((_, Err(ReplicaError::StaleEpoch { .. })))) => return Err(Stop::Stale),
            Ok(Some((host, Err(error)))) => {
                tracing::debug!(trace = terms.trace, %host, %error, "read repair failed");
                failed.push(host);
                if let Some(host) = spare.next() {
                    let all = &merged.partitions;
                    repairs.push(repair(shared, terms_of_call, host, command.table, all));
                }
            }
            Ok(None) | Err(_) => {
                let (consistency, received) = (terms.consistency, complete.len());
                let waiting = merged.missing.iter().map(|(host, _)| *host);
                let missing = waiting.filter(|it| !complete.contains(it)).collect();
                return Err(Stop::Error(Error::Timeout {
                    consistency,
                    required,
                    received,
                    missing,
                }));
            }
        }
    }
    Ok(())
}

/// Sends `host` all of `parts`, each a mutation.
async fn repair(
    shared: &Arc<Shared>,
    terms: ask::Terms,
    host: HostId,
    table: TableId,
    parts: &[Partition],
) -> (HostId, Result<(), ReplicaError>) {
    let mut calls: FuturesUnordered<_> = parts
        .iter()
        .map(|partition| {
            let mutation = Mutation { table, partition: partition.clone() }.encode();
            let request = Request::Mutate { mutation, origin: Origin::ReadRepair };
            ask(shared, terms, host, request, |_, answer| answer)
        })
        .collect();
    while let Some(answer) = calls.next().await {
        match answer {
            Ok(Response::Done) => {}
            Ok(Response::Data(_) | Response::Digest { .. } | Response::Led { .. }) => {
                let text = "an answer to another question".to_owned();
                return (host, Err(ReplicaError::Failed(text)));
            }
            Err(error) => return (host, Err(error)),
        }
    }
    (host, Ok(()))
}
