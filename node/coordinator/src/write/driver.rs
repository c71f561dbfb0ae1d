//! Sends one mutation to its replicas and waits for enough of them.
//!
//! ```text
//!            ┌── ack ───► count ── reached ──► answered; the rest goes on in the background
//!  send ─────┼── fails ─► hint     hopeless ─► Timeout at once, or Unavailable, or Overloaded
//!            └── stale ─► plan again
//! ```

use std::{mem, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt as _, future::Either};
use model::{Consistency, HostId, TableId, Token, mutation};
use tokio::time::Instant;

use super::Error;
use crate::{
    Shared,
    ask::{Answer, Calls, REPLANS_MAX, Terms, ask},
    hints::Hint,
    late::Late,
    limits::{InFlight, Permit},
    plan::{self, Few, Refused, Verdict, WritePlan},
    replica::{self, Answering, Origin, Response, at_once},
    trace::Step,
};

/// What a mutation takes in flight beside its bytes.
const OVERHEAD_BYTES: u64 = 512;

/// What is to be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    pub(crate) table: TableId,
    pub(crate) token: Token,
    pub(crate) consistency: Consistency,
    pub(crate) trace: u64,
    pub(crate) deadline: Instant,
}

/// Boxed from its beginning: it goes from hand to hand.
pub(crate) struct Driver {
    shared: Arc<Shared>,
    goal: Goal,
    hint: Hint,
    plan: WritePlan,
    calls: Calls<Event>,
    /// Hosts with a call under way.
    asked: Few<HostId>,
    /// Hosts that missed it. The first `hinted` of them have their hint.
    missed: Vec<HostId>,
    hinted: usize,
    /// A hint is durable, for level ANY.
    hint_durable: bool,
    /// Whether anything of the request may have been written anywhere. Until then there are no
    /// hints either, so that a refusal means that nothing happened.
    happened: bool,
    refused: Option<Error>,
    /// Who failed on the way, and why.
    failures: Vec<(HostId, String)>,
    replans_left: u32,
    permit: Permit,
}

enum Event {
    Answer(HostId, Answer),
    Hinted(bool),
}

impl Driver {
    /// Plans, and takes the bytes from the budget. `several`: it is one of several mutations of a
    /// request, of which others may have been written when this one fails.
    pub(super) fn new(
        shared: &Arc<Shared>,
        goal: Goal,
        mutation: Bytes,
        several: bool,
    ) -> Result<Box<Driver>, Error> {
        if mutation.len() > mutation::BYTES_MAX {
            let (len, max) = (mutation.len(), mutation::BYTES_MAX);
            return Err(Error::Invalid(format!("a mutation of {len} bytes is larger than {max}")));
        }
        let (plan, gc_grace) = plan(shared, &goal)?;
        let permit = take(&shared.in_flight, &mutation)?;
        let mut driver =
            Driver::planned(Arc::clone(shared), goal, (plan, gc_grace), permit, mutation);
        driver.happened = several;
        Ok(driver)
    }

    /// Of what the leader of an increment has made of it, which it has itself: it has happened.
    pub(crate) fn led(
        shared: Arc<Shared>,
        goal: Goal,
        (mut plan, gc_grace): (WritePlan, u32),
        permit: Permit,
        (leader, shares): (HostId, Bytes),
    ) -> Box<Driver> {
        plan.tally.on_answer(leader, true);
        let mut driver = Driver::planned(shared, goal, (plan, gc_grace), permit, shares);
        driver.happened = true;
        driver
    }

    fn planned(
        shared: Arc<Shared>,
        goal: Goal,
        (plan, gc_grace): (WritePlan, u32),
        permit: Permit,
        mutation: Bytes,
    ) -> Box<Driver> {
        Box::new(Driver {
            shared,
            goal,
            hint: Hint { table: goal.table, gc_grace, mutation },
            missed: plan.down.clone(),
            plan,
            calls: Calls::default(),
            asked: Few::new(),
            hinted: 0,
            hint_durable: false,
            happened: false,
            refused: None,
            failures: Vec::new(),
            replans_left: REPLANS_MAX,
            permit,
        })
    }

    /// Sends it. Resolves once the level is reached or cannot be.
    pub(crate) fn acknowledged(mut self: Box<Self>) -> Answering<Result<(), Error>> {
        self.send();
        match self.decided() {
            Some(outcome) => at_once(self.leave(outcome)),
            None => Either::Right(self.wait().boxed()),
        }
    }

    async fn wait(mut self: Box<Self>) -> Result<(), Error> {
        loop {
            let outcome = match self.calls.next(self.goal.deadline).await {
                Ok(Some(event)) => match self.on_event(event) {
                    Ok(()) => self.decided(),
                    Err(error) => Some(Err(error)),
                },
                Ok(None) | Err(Late) => Some(Err(self.error())),
            };
            if let Some(outcome) = outcome {
                return self.leave(outcome);
            }
        }
    }

    /// What is decided by all that came without waiting.
    fn decided(&mut self) -> Option<Result<(), Error>> {
        loop {
            match self.plan.tally.verdict() {
                _ if self.hint_durable => return Some(Ok(())),
                Verdict::Reached => return Some(Ok(())),
                // Replicas whose disks are full say so at once, and whether all are so is soon known.
                Verdict::Hopeless if self.may_be_refused() && !self.asked.is_empty() => {}
                Verdict::Hopeless if !self.plan.hint_counts => return Some(Err(self.error())),
                Verdict::Hopeless | Verdict::Pending => {}
            }
            let event = self.calls.came()?;
            if let Err(error) = self.on_event(event) {
                return Some(Err(error));
            }
        }
    }

    /// Whether nothing is known to have happened anywhere, for lack of room.
    fn may_be_refused(&self) -> bool {
        matches!(self.refused, Some(Error::Unwritable(..))) && !self.happened && self.hinted == 0
    }

    /// Asks every live replica that has no call under way and has not acknowledged.
    fn send(&mut self) {
        let terms =
            Terms { trace: self.goal.trace, epoch: self.plan.epoch, deadline: self.goal.deadline };
        let waiting = self.plan.tally.waiting();
        for host in self.plan.live.iter().filter(|it| waiting.contains(it)) {
            if self.asked.contains(host) {
                continue;
            }
            self.asked.push(*host);
            let mutation = self.hint.mutation.clone();
            let request = replica::Request::Mutate { mutation, origin: Origin::Client };
            self.calls.push(ask(&self.shared, terms, *host, request, Event::Answer));
        }
        self.store_hints();
    }

    fn on_event(&mut self, event: Event) -> Result<(), Error> {
        let (host, answer) = match event {
            Event::Hinted(durable) => {
                self.hint_durable |= durable;
                return Ok(());
            }
            Event::Answer(host, answer) => (host, answer),
        };
        self.asked.retain(|it| *it != host);
        match answer {
            Ok(Response::Done) => {
                self.happened = true;
                self.plan.tally.on_answer(host, true);
            }
            Err(replica::Error::StaleEpoch { .. }) if self.replans_left > 0 => {
                self.replans_left -= 1;
                self.replan()?;
            }
            Err(replica::Error::Unreachable | replica::Error::StaleEpoch { .. }) => self.miss(host),
            Err(replica::Error::Overloaded(text)) => {
                self.refused = Some(Error::Overloaded(text));
                self.miss(host);
            }
            Err(replica::Error::Unwritable(why, text)) => {
                self.refused = Some(Error::Unwritable(why, format!("node {host}: {text}")));
                self.miss(host);
            }
            Err(error @ (replica::Error::NoAnswer | replica::Error::Failed(_))) => {
                tracing::debug!(trace = self.goal.trace, %host, %error, "replica missed a write");
                if let replica::Error::Failed(why) = error {
                    self.failures.push((host, why));
                }
                self.happened = true;
                self.miss(host);
            }
            Ok(Response::Data(_) | Response::Digest { .. } | Response::Led { .. }) => {
                tracing::warn!(trace = self.goal.trace, %host, "replica answered a write with data");
                self.happened = true;
                self.miss(host);
            }
        }
        self.store_hints();
        Ok(())
    }

    fn miss(&mut self, host: HostId) {
        self.plan.tally.on_answer(host, false);
        if !self.missed.contains(&host) {
            self.missed.push(host);
        }
    }

    /// Plans again with what the cluster has become; who has acknowledged need not again.
    fn replan(&mut self) -> Result<(), Error> {
        self.shared.traces.note(self.goal.trace, None, || Step::Replanned);
        let (plan, gc_grace) = plan(&self.shared, &self.goal).map_err(|error| match error {
            Error::Unavailable { .. } => self.error(),
            Error::Timeout { .. }
            | Error::Overloaded(_)
            | Error::Failed { .. }
            | Error::Unwritable(..)
            | Error::Invalid(_) => error,
        })?;
        let tally = self.plan.tally.carry_into(plan.tally.clone());
        self.hint.gc_grace = gc_grace;
        self.plan = WritePlan { tally, ..plan };
        let down = mem::take(&mut self.plan.down);
        down.into_iter().for_each(|host| self.miss(host));
        self.send();
        Ok(())
    }

    /// Stores the hints that are due.
    fn store_hints(&mut self) {
        if !self.happened && !self.plan.hint_counts {
            return;
        }
        for host in &self.missed[self.hinted..] {
            self.shared.traces.note(self.goal.trace, Some(*host), || Step::Hinted);
            if self.plan.hint_counts {
                let durable = self.shared.hints.store_durably(*host, self.hint.clone());
                self.calls.push(Either::Right(durable.map(Event::Hinted).boxed()));
            } else {
                self.shared.hints.store(*host, self.hint.clone());
            }
        }
        self.hinted = self.missed.len();
    }

    /// Why the level was not reached.
    fn error(&self) -> Error {
        let consistency = self.goal.consistency;
        let (required, received) = self.plan.tally.shortfall();
        let missing = self.plan.tally.missing();
        let unknown = self.happened || self.hinted > 0 || !self.asked.is_empty();
        match &self.refused {
            _ if unknown && !self.failures.is_empty() => {
                let failures = self.failures.clone();
                Error::Failed { consistency, required, received, missing, failures }
            }
            _ if unknown => Error::Timeout { consistency, required, received, missing },
            Some(refused) => refused.clone(),
            None => Error::Unavailable { consistency, required, alive: received, missing },
        }
    }

    /// The answer is decided: replicas that are still to answer go on without the client, and those
    /// that miss it get a hint.
    fn leave(mut self: Box<Self>, outcome: Result<(), Error>) -> Result<(), Error> {
        // A write that is known not to have happened leaves no hints. A table that is gone, neither.
        let refused = matches!(
            outcome,
            Err(Error::Unavailable { .. }
                | Error::Overloaded(_)
                | Error::Unwritable(..)
                | Error::Invalid(_))
        );
        if refused {
            return outcome;
        }
        self.happened = true;
        self.store_hints();
        if self.asked.is_empty() {
            return outcome;
        }
        match take(&self.shared.background, &self.hint.mutation) {
            Ok(permit) if Instant::now() < self.goal.deadline => {
                self.permit = permit;
                tokio::spawn(self.rest());
            }
            Ok(_) | Err(_) => self.hint_waiting(),
        }
        outcome
    }

    /// Waits for the replicas that the client did not wait for.
    async fn rest(mut self: Box<Self>) {
        while !self.asked.is_empty() {
            let Ok(Some(event)) = self.calls.next(self.goal.deadline).await else { break };
            if self.on_event(event).is_err() {
                break;
            }
        }
        self.hint_waiting();
    }

    fn hint_waiting(&mut self) {
        for host in mem::take(&mut self.asked) {
            self.miss(host);
        }
        self.store_hints();
    }
}

/// A plan with the table's gc_grace in seconds.
pub(crate) fn plan(shared: &Shared, goal: &Goal) -> Result<(WritePlan, u32), Error> {
    let snapshot = shared.view.snapshot();
    let Some((keyspace, table)) = snapshot.table(goal.table) else {
        return Err(Error::Invalid("the table does not exist any more".to_owned()));
    };
    let replicas = snapshot.replicas(&keyspace.name, goal.token);
    let consistency = goal.consistency;
    let candidates = snapshot.candidates(&*shared.view, keyspace, replicas).ok_or_else(|| {
        Error::Unavailable { consistency, required: 1, alive: 0, missing: Vec::new() }
    })?;
    let plan = plan::write(consistency, &candidates, goal.deadline);
    let plan = plan.map_err(|refused| match refused {
        Refused::Unavailable { required, alive, missing } => {
            Error::Unavailable { consistency, required, alive, missing }
        }
        Refused::Invalid(text) => Error::Invalid(text),
    })?;
    Ok((plan, table.options.gc_grace_seconds))
}

pub(crate) fn take(budget: &InFlight, mutation: &Bytes) -> Result<Permit, Error> {
    budget
        .take(mutation.len() as u64 + OVERHEAD_BYTES)
        .map_err(|full| Error::Overloaded(full.to_string()))
}
