//! Counters: one replica leads, what it makes of an increment is written to the others.
//!
//! ```text
//!  increment ─► leader: reads its share, adds, stamps, applies, durable ─► its shares
//!                  │ unreachable, or its disk takes nothing: the next one leads    │
//!                  │ anything else: nobody is asked again                          ▼
//!                  ▼                                              a write of those to the others
//!               unknown: it may have been added
//! ```
//!
//! An increment is not idempotent, so of all that happens here only asking a leader that nothing was
//! sent to, or that says that nothing happened, is ever done again. Shares are: they are written, hinted
//! and repaired as all else is.
//!
//! The leader answers when its shares are durable, and before anyone else has them: one that lost a share
//! that others know, and went on from what it had before, would take back what was acknowledged.

mod search;

use std::sync::Arc;

use bytes::Bytes;
use model::{Consistency, HostId, mutation};
use tokio::time::Instant;

use self::search::{Meaning, Search};
use crate::{
    Shared,
    ask::{Answer, Terms, ask},
    late::until,
    limits::Permit,
    plan::WritePlan,
    replica,
    trace::Step,
    write::{
        self, Error, Request,
        driver::{self, Driver, Goal},
    },
};

/// Most bytes of increments to one partition: their shares take up to four times as many, and are one
/// mutation.
const INCREMENTS_BYTES_MAX: usize = mutation::BYTES_MAX / 4;

/// Carries out increments, those of each partition through a leader of their own.
pub(crate) async fn run(shared: &Arc<Shared>, request: Request) -> Result<(), Error> {
    let consistency = request.consistency;
    if consistency == Consistency::Any {
        let why = "ANY is not for counters: a replica has to add to its share";
        return Err(Error::Invalid(why.to_owned()));
    }
    let deadline = Instant::now() + request.timeout;
    let several = 1 < request.mutations.len();
    // Everything is planned before anything is sent: a refusal means that nothing happened.
    let mut increments = Vec::with_capacity(request.mutations.len());
    for mutation in &request.mutations {
        let (table, token) = (mutation.table, mutation.partition.key.token);
        let goal = Goal { table, token, consistency, trace: request.trace, deadline };
        increments.push(Increment::new(shared, goal, mutation.encode(), several)?);
    }
    write::all(increments, Increment::acknowledged).await
}

/// Increments of one partition, on their way.
struct Increment {
    shared: Arc<Shared>,
    goal: Goal,
    bytes: Bytes,
    plan: WritePlan,
    /// Of the table, in seconds.
    gc_grace: u32,
    permit: Permit,
    /// Others of the same request may have been carried out.
    several: bool,
}

impl Increment {
    fn new(
        shared: &Arc<Shared>,
        goal: Goal,
        bytes: Bytes,
        several: bool,
    ) -> Result<Increment, Error> {
        if INCREMENTS_BYTES_MAX < bytes.len() {
            let (len, max) = (bytes.len(), INCREMENTS_BYTES_MAX);
            return Err(Error::Invalid(format!("increments of {len} bytes are more than {max}")));
        }
        let (plan, gc_grace) = driver::plan(shared, &goal)?;
        let permit = driver::take(&shared.in_flight, &bytes)?;
        Ok(Increment { shared: Arc::clone(shared), goal, bytes, plan, gc_grace, permit, several })
    }

    async fn acknowledged(mut self) -> Result<(), Error> {
        let (leader, shares) = match self.led().await {
            Ok(led) => led,
            Err(refused) if self.several && !is_unknown(&refused) => return Err(self.unknown(None)),
            Err(error) => return Err(error),
        };
        let Increment { shared, goal, plan, gc_grace, permit, .. } = self;
        Driver::led(shared, goal, (plan, gc_grace), permit, (leader, shares)).acknowledged().await
    }

    /// Finds a leader. Resolves once its shares are durable there.
    async fn led(&mut self) -> Result<(HostId, Bytes), Error> {
        let mut search = Search::default();
        loop {
            let Some(leader) = search.next(&self.plan.live) else {
                return Err(search.refused().unwrap_or_else(|| self.nobody()));
            };
            match search.on_answer(leader, self.ask(leader).await) {
                Meaning::Led(shares) => return Ok((leader, shares)),
                Meaning::Next => {}
                Meaning::Refused(error) => return Err(error),
                Meaning::Unknown(why) => return Err(self.unknown(why.map(|why| (leader, why)))),
                Meaning::Replan => {
                    let Goal { trace, .. } = self.goal;
                    self.shared.traces.note(trace, None, || Step::Replanned);
                    (self.plan, self.gc_grace) = driver::plan(&self.shared, &self.goal)?;
                }
            }
        }
    }

    async fn ask(&self, leader: HostId) -> Answer {
        let Goal { trace, deadline, .. } = self.goal;
        let terms = Terms { trace, epoch: self.plan.epoch, deadline };
        let request = replica::Request::Lead { increments: self.bytes.clone() };
        let answering = ask(&self.shared, terms, leader, request, |_, answer| answer);
        until(deadline, answering).await.unwrap_or(Err(replica::Error::NoAnswer))
    }

    /// Nobody could be reached: nothing happened.
    fn nobody(&self) -> Error {
        let (required, _) = self.plan.tally.shortfall();
        let consistency = self.goal.consistency;
        Error::Unavailable { consistency, required, alive: 0, missing: self.plan.tally.missing() }
    }

    /// It may have happened, and must not happen twice.
    fn unknown(&self, failure: Option<(HostId, String)>) -> Error {
        let (required, received) = self.plan.tally.shortfall();
        let (consistency, missing) = (self.goal.consistency, self.plan.tally.missing());
        match failure {
            None => Error::Timeout { consistency, required, received, missing },
            Some(failure) => {
                let failures = vec![failure];
                Error::Failed { consistency, required, received, missing, failures }
            }
        }
    }
}

fn is_unknown(error: &Error) -> bool {
    match error {
        Error::Timeout { .. } | Error::Failed { .. } => true,
        Error::Unavailable { .. }
        | Error::Overloaded(_)
        | Error::Unwritable(..)
        | Error::Invalid(_) => false,
    }
}

#[cfg(test)]
mod tests;
