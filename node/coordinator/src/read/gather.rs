//! Collects the answers of as many replicas as a level needs: asks the nearest, and another one for
//! each that fails or takes too long.

use std::sync::Arc;

use model::{
    HostId,
    partial::Partial,
    read::{Answer, Command},
};
use tokio::time::Instant;

use super::{Error, Terms, merge};
use crate::{
    Shared,
    ask::{self, Calls},
    limits::Permit,
    plan::{Few, ReadPlan},
    replica::{self, Request, Response},
    trace::Step,
};

/// What a replica is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Data,
    Digest,
}

/// Who was asked, and what came.
type Answered = (HostId, ask::Answer);

/// Why a round did not come to its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The cluster changed: plan again.
    Stale,
    Error(Error),
}

pub(super) struct Gather<'a> {
    shared: &'a Arc<Shared>,
    terms: Terms,
    command: Arc<Command>,
    plan: ReadPlan,
    permit: Permit,
    calls: Calls<Answered>,
    /// The live replicas of the plan before this one have been asked.
    asked: usize,
    waiting: Few<(HostId, Kind)>,
    /// Each host once: a second answer is the same one.
    data: Vec<(HostId, Answer)>,
    digests: Vec<(HostId, u128)>,
    failures: Vec<(HostId, replica::Error)>,
}

/// Answers of as many replicas as the level needs.
pub(super) enum Gathered {
    /// They agree.
    Equal(Answer),
    /// They do not: each one's data.
    Different(Vec<(HostId, Answer)>),
    /// They do not, and what they left out by a filter or did not tell of in a partial may be what
    /// matters. Or a partial tells less than there is to know.
    Untold,
}

impl<'a> Gather<'a> {
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        terms: Terms,
        command: Arc<Command>,
        plan: ReadPlan,
        permit: Permit,
    ) -> Gather<'a> {
        Gather {
            shared,
            terms,
            command,
            plan,
            permit,
            calls: Calls::default(),
            asked: 0,
            waiting: Few::new(),
            data: Vec::new(),
            digests: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// Data from one replica and digests from others; where these differ, data from each, or
    /// nothing if there is a filter or a partial.
    pub(super) async fn run(&mut self) -> Result<Gathered, Stop> {
        self.ask_next(Kind::Data);
        for _ in 1..self.plan.required {
            self.ask_next(Kind::Digest);
        }
        while self.data.is_empty() || self.data.len() + self.digests.len() < self.plan.required {
            self.step().await?;
        }
        let Some((_, answer)) = self.data.first() else { return Err(self.hopeless()) };
        let digest = self.digest_of(answer);
        let differ: Vec<HostId> =
            self.digests.iter().filter(|(_, it)| *it != digest).map(|(host, _)| *host).collect();
        let others = &self.data[1..];
        if differ.is_empty() && others.iter().all(|(_, it)| self.digest_of(it) == digest) {
            let (_, answer) = self.data.swap_remove(0);
            let is_whole = answer.partial.as_deref().is_none_or(Partial::is_whole);
            return Ok(if is_whole { Gathered::Equal(answer) } else { Gathered::Untold });
        }
        self.shared.traces.note(self.terms.trace, None, || Step::Disagreed);
        if self.command.filter.is_some() || self.command.partial.is_some() {
            return Ok(Gathered::Untold);
        }
        // Who answered the digest of this data would answer the same data.
        let answer = answer.clone();
        for (host, _) in std::mem::take(&mut self.digests) {
            if differ.contains(&host) {
                self.ask(host, Kind::Data);
            } else {
                keep(&mut self.data, host, answer.clone());
            }
        }
        while self.data.len() < self.plan.required {
            self.step().await?;
        }
        Ok(Gathered::Different(std::mem::take(&mut self.data)))
    }

    /// Data from each, where they are known to differ.
    pub(super) async fn run_different(&mut self) -> Result<Vec<(HostId, Answer)>, Stop> {
        for _ in 0..self.plan.required {
            self.ask_next(Kind::Data);
        }
        while self.data.len() < self.plan.required {
            self.step().await?;
        }
        Ok(std::mem::take(&mut self.data))
    }

    /// Live replicas that were not asked, the nearest first.
    pub(super) fn spare(&self) -> &[HostId] {
        &self.plan.live[self.asked.min(self.plan.live.len())..]
    }

    pub(super) fn plan(&self) -> &ReadPlan {
        &self.plan
    }

    /// Only replicas of several are compared.
    fn digest_of(&self, answer: &Answer) -> u128 {
        if self.plan.required == 1 { 0 } else { answer.digest() }
    }

    /// Waits for one answer, and asks one more replica when none comes for some time.
    async fn step(&mut self) -> Result<(), Stop> {
        if self.plan.required
            > self.data.len() + self.digests.len() + self.waiting.len() + self.spare().len()
            || self.waiting.is_empty() && self.spare().is_empty()
        {
            return Err(self.hopeless());
        }
        let patience = self.shared.options.speculate_after.filter(|_| !self.spare().is_empty());
        let until = patience.map_or(self.terms.deadline, |it| Instant::now() + it);
        let until = until.min(self.terms.deadline);
        match self.calls.next(until).await {
            Ok(Some((host, answer))) => self.on_answer(host, answer),
            // It is not known who is slow, so it is asked for data.
            Err(_) if until < self.terms.deadline => {
                let waited = patience.unwrap_or_default();
                self.shared.traces.note(self.terms.trace, None, || Step::Speculated(waited));
                self.ask_next(Kind::Data);
                Ok(())
            }
            Ok(None) | Err(_) => Err(self.hopeless()),
        }
    }

    fn on_answer(&mut self, host: HostId, answer: ask::Answer) -> Result<(), Stop> {
        // Nobody is asked for two things at once.
        let Some(at) = self.waiting.iter().position(|(it, _)| *it == host) else { return Ok(()) };
        let (_, kind) = self.waiting.remove(at);
        let error = match (kind, answer) {
            (Kind::Data, Ok(Response::Data(answer)))
                if self.gets_on(&answer) && self.is_asked_for(&answer) =>
            {
                let bytes: usize = answer.partitions.iter().map(|it| it.memory_bytes()).sum();
                let grown = self.permit.grow(bytes as u64);
                grown.map_err(|full| Stop::Error(Error::Overloaded(full.to_string())))?;
                keep(&mut self.data, host, answer);
                return Ok(());
            }
            (Kind::Digest, Ok(Response::Digest { digest })) => {
                keep(&mut self.digests, host, digest);
                return Ok(());
            }
            (_, Err(replica::Error::StaleEpoch { .. })) => return Err(Stop::Stale),
            (_, Err(error)) => error,
            (
                _,
                Ok(
                    Response::Done
                    | Response::Data(_)
                    | Response::Digest { .. }
                    | Response::Led { .. },
                ),
            ) => replica::Error::Failed("an answer to another question".to_owned()),
        };
        tracing::debug!(trace = self.terms.trace, %host, %error, "replica did not answer a read");
        self.failures.push((host, error));
        self.ask_next(kind);
        Ok(())
    }

    /// An answer that stops where the read began would be asked for for ever.
    fn gets_on(&self, answer: &Answer) -> bool {
        let (Some(from), Some(to)) = (&self.command.resume, &answer.stopped_at) else {
            return true;
        };
        merge::compare(from, to, self.command.reversed).is_lt()
    }

    /// Whether it has a partial where one is wanted, of the columns that are, and no rows then.
    fn is_asked_for(&self, answer: &Answer) -> bool {
        match (&self.command.partial, &answer.partial) {
            (None, None) => true,
            (Some(asked), Some(it)) => it.answers(asked) && answer.partitions.is_empty(),
            (None, Some(_)) | (Some(_), None) => false,
        }
    }

    fn ask_next(&mut self, kind: Kind) {
        if let Some(host) = self.spare().first().copied() {
            self.asked += 1;
            self.ask(host, kind);
        }
    }

    fn ask(&mut self, host: HostId, kind: Kind) {
        let command = Arc::clone(&self.command);
        let request = match kind {
            Kind::Data => Request::Read(command),
            Kind::Digest => Request::Digest(command),
        };
        let Terms { trace, deadline, .. } = self.terms;
        let terms = ask::Terms { trace, epoch: self.plan.epoch, deadline };
        self.waiting.push((host, kind));
        self.calls.push(ask::ask(self.shared, terms, host, request, |host, answer| (host, answer)));
    }

    /// What to say when too few answered.
    fn hopeless(&self) -> Stop {
        let consistency = self.terms.consistency;
        let required = self.plan.required;
        let received = self.data.len() + self.digests.len();
        let overloaded = self.failures.iter().find_map(|(_, error)| match error {
            replica::Error::Overloaded(text) => Some(text.clone()),
            replica::Error::Unreachable
            | replica::Error::NoAnswer
            | replica::Error::StaleEpoch { .. }
            | replica::Error::Unwritable(..)
            | replica::Error::Failed(_) => None,
        });
        let failed = |(host, error): &(HostId, replica::Error)| match error {
            replica::Error::Failed(text) => Some((*host, text.clone())),
            replica::Error::Unreachable
            | replica::Error::NoAnswer
            | replica::Error::StaleEpoch { .. }
            | replica::Error::Unwritable(..)
            | replica::Error::Overloaded(_) => None,
        };
        let failures: Vec<_> = self.failures.iter().filter_map(failed).collect();
        let unreachable =
            self.failures.iter().filter(|(_, it)| *it == replica::Error::Unreachable).count();
        let missing = self.missing();
        let waiting = |host: &HostId| self.waiting.iter().any(|(it, _)| it == host);
        Stop::Error(if !failures.is_empty() {
            Error::Failed { consistency, required, received, failures }
        } else if let Some(text) = overloaded {
            Error::Overloaded(text)
        } else if unreachable > 0 && unreachable == self.failures.len() {
            let alive = self.plan.live.len() - unreachable;
            let missing = missing.into_iter().filter(|it| !waiting(it)).collect();
            Error::Unavailable { consistency, required, alive, missing }
        } else {
            Error::Timeout { consistency, required, received, missing }
        })
    }

    fn missing(&self) -> Vec<HostId> {
        let failed = self.failures.iter().map(|(host, _)| *host);
        let waiting = self.waiting.iter().map(|(host, _)| *host);
        let mut missing: Vec<HostId> =
            self.plan.down.iter().copied().chain(failed).chain(waiting).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }
}

/// Keeps what `host` answered, by host: its first answer counts.
fn keep<T>(all: &mut Vec<(HostId, T)>, host: HostId, it: T) {
    if let Err(at) = all.binary_search_by_key(&host, |(host, _)| *host) {
        all.insert(at, (host, it));
    }
}
