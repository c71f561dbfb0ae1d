//! Writes: every replica is told, enough of them must answer, the others get a hint.

pub(crate) mod driver;

use std::{sync::Arc, time::Duration};

use futures_util::{
    FutureExt as _,
    future::Either,
    stream::{self, FuturesUnordered, StreamExt as _},
};
use model::{Consistency, HostId, Mutation, TableId};
use smallvec::smallvec;
use tokio::time::Instant;

use self::driver::{Driver, Goal};
use crate::{
    Shared,
    ask::{Terms, ask},
    late::until,
    plan::{Few, Need, Tally, Verdict},
    replica::{self, Answering, Unwritable, at_once},
};

/// Mutations of one request that are under way at once.
const BATCH_CONCURRENCY: usize = 64;

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
    #[error(
        "{consistency} needs {required} replicas and finds {alive} alive; missing: {}",
        names(missing)
    )]
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
    /// Replicas failed on the way, each for its reason, and too few others answered. The write may have happened, and
    /// may yet appear: repeat it only with the same timestamp.
    #[error(
        "{consistency} needs {required} answers and got {received}, the write may have happened; failed: {}",
        reasons(failures)
    )]
    Failed {
        /// The level asked for.
        consistency: Consistency,
        /// Answers that it needs.
        required: usize,
        /// Answers that came.
        received: usize,
        /// The replicas that did not acknowledge, these included.
        missing: Vec<HostId>,
        /// The replicas that failed, and why.
        failures: Vec<(HostId, String)>,
    },
    /// The disks of too many replicas take no writes; nothing was written anywhere. Reads go on.
    #[error("{1}")]
    Unwritable(Unwritable, String),
    /// The request makes no sense, at any time; nothing was written.
    #[error("{0}")]
    Invalid(String),
}

fn reasons(failures: &[(HostId, String)]) -> String {
    let reasons: Vec<String> =
        failures.iter().map(|(host, why)| format!("{host}: {why}")).collect();
    reasons.join(", ")
}

/// Host ids in a row, for error texts.
pub(crate) fn names(hosts: &[HostId]) -> String {
    let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    names.join(", ")
}

pub(crate) fn run(shared: &Arc<Shared>, request: &Request) -> Answering<Result<(), Error>> {
    let mut drivers = match planned(shared, request) {
        Ok(drivers) => drivers,
        Err(refused) => return at_once(Err(refused)),
    };
    if drivers.len() == 1
        && let Some(only) = drivers.pop()
    {
        return only.acknowledged();
    }
    Either::Right(all(drivers, Driver::acknowledged).boxed())
}

/// Everything is planned before anything is sent: a refusal means that nothing happened.
fn planned(shared: &Arc<Shared>, request: &Request) -> Result<Few<Box<Driver>>, Error> {
    let deadline = Instant::now() + request.timeout;
    let several = request.mutations.len() > 1;
    let mut drivers = Few::with_capacity(request.mutations.len());
    for mutation in &request.mutations {
        let goal = Goal {
            table: mutation.table,
            token: mutation.partition.key.token,
            consistency: request.consistency,
            trace: request.trace,
            deadline,
        };
        drivers.push(Driver::new(shared, goal, mutation.encode(), several)?);
    }
    Ok(drivers)
}

/// Waits for all parts of a request, of which so many are under way at once. Of those that fail the first says why.
pub(crate) async fn all<P, F: Future<Output = Result<(), Error>>>(
    parts: impl IntoIterator<Item = P>,
    wait: impl Fn(P) -> F,
) -> Result<(), Error> {
    let mut answers = stream::iter(parts).map(wait).buffer_unordered(BATCH_CONCURRENCY);
    let mut outcome = Ok(());
    while let Some(answer) = answers.next().await {
        outcome = outcome.and(answer);
    }
    outcome
}

pub(crate) async fn truncate(
    shared: &Arc<Shared>,
    table: TableId,
    timeout: Duration,
    trace: u64,
) -> Result<(), Error> {
    let deadline = Instant::now() + timeout;
    let consistency = Consistency::All;
    let snapshot = shared.view.snapshot();
    let hosts: Vec<HostId> = snapshot.places().keys().copied().collect();
    let (alive, missing): (Vec<HostId>, Vec<HostId>) =
        hosts.iter().partition(|it| shared.view.is_alive(**it));
    if !missing.is_empty() {
        let (required, alive) = (hosts.len(), alive.len());
        return Err(Error::Unavailable { consistency, required, alive, missing });
    }
    // A hint that is replayed later would bring rows back.
    shared.hints.forget_table(table);
    let terms = Terms { trace, epoch: snapshot.epoch(), deadline };
    let need = Need { dc: None, count: hosts.len() };
    let places = snapshot.places();
    let mut tally = Tally::new(
        smallvec![need],
        places.iter().map(|(host, place)| (*host, Arc::clone(&place.dc))),
    );
    let mut calls: FuturesUnordered<_> = hosts
        .iter()
        .map(|host| {
            let request = replica::Request::Truncate(table);
            ask(shared, terms, *host, request, |host, answer| (host, answer))
        })
        .collect();
    while tally.verdict() == Verdict::Pending {
        let Ok(Some((host, answer))) = until(deadline, calls.next()).await else { break };
        tally.on_answer(host, matches!(answer, Ok(replica::Response::Done)));
    }
    shared.hints.forget_table(table);
    let (required, received) = tally.shortfall();
    match tally.verdict() {
        Verdict::Reached => Ok(()),
        Verdict::Pending | Verdict::Hopeless => {
            Err(Error::Timeout { consistency, required, received, missing: tally.missing() })
        }
    }
}

#[cfg(test)]
mod tests;
