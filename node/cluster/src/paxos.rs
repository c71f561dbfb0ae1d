//! Agreement on one value among voters, however many proposers: single-decree Paxos.
//!
//! One instance decides one value. The metadata log runs one instance for each epoch; lightweight
//! transactions run the same core. Pure: replies come out as values, and whatever a reply promises
//! must be on disk before the reply leaves.
//!
//! ```text
//! proposer                        each voter                                  must be on disk first
//!   Prepare(ballot) ─────────────► promises, unless a higher ballot came       the promise
//!   ◄───────── Promised(accepted?)
//!   (a majority)  the value of the highest ballot accepted, else its own
//!   Accept(ballot, value) ───────► accepts, unless a higher ballot came        the value
//!   ◄───────── Accepted
//!   (a majority)  chosen, for ever
//! ```

use std::{collections::BTreeSet, time::Duration};

use model::HostId;
use sys::Rng;

/// A proposer's turn. No two turns share a ballot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// Higher wins.
    pub round: u64,
    /// Whose.
    pub host: HostId,
}

/// Rounds that no incarnation of this node has used: the upper half counts up, the lower half is
/// the incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rounds {
    last: u64,
    incarnation: u32,
}

impl Rounds {
    /// For an incarnation (one start of one node) that was never used before.
    pub fn new(incarnation: u32) -> Rounds {
        Rounds { last: 0, incarnation }
    }

    /// A round above `seen` and above all that came from here.
    pub fn next(&mut self, seen: u64) -> u64 {
        let upper = (self.last.max(seen) >> 32).saturating_add(1);
        self.last = upper << 32 | u64::from(self.incarnation);
        self.last
    }
}

/// What a proposer asks of a voter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request<V> {
    /// Promise to take nothing lower, and say what you have accepted.
    Prepare(Ballot),
    /// Accept this value.
    Accept(Ballot, V),
}

/// What a voter answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reply<V> {
    /// To a prepare: promised.
    Promised {
        /// The ballot that was asked for.
        ballot: Ballot,
        /// What this voter has accepted before.
        accepted: Option<(Ballot, V)>,
    },
    /// To an accept: accepted.
    Accepted {
        /// The ballot that was asked for.
        ballot: Ballot,
    },
    /// To either: a higher ballot came before.
    Rejected {
        /// The ballot that was asked for.
        ballot: Ballot,
        /// The higher one.
        promised: Ballot,
    },
}

/// A voter's memory of one instance. The whole of it is what must be persisted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Acceptor<V> {
    /// Nothing lower is taken any more.
    pub promised: Option<Ballot>,
    /// The last value accepted.
    pub accepted: Option<(Ballot, V)>,
}

impl<V> Default for Acceptor<V> {
    fn default() -> Acceptor<V> {
        Acceptor { promised: None, accepted: None }
    }
}

/// A reply, and whether it depends on memory that is not on disk yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<V> {
    /// What to send.
    pub reply: Reply<V>,
    /// Whether the acceptor changed: then it must be persisted before the reply is sent.
    pub changed: bool,
}

impl<V: Clone> Acceptor<V> {
    /// Answers a request. Asking twice with one ballot is answered alike: messages repeat.
    pub fn on_request(&mut self, request: Request<V>) -> Answer<V> {
        match request {
            Request::Prepare(ballot) => self.on_prepare(ballot),
            Request::Accept(ballot, value) => self.on_accept(ballot, value),
        }
    }

    fn on_prepare(&mut self, ballot: Ballot) -> Answer<V> {
        match self.promised {
            Some(promised) if ballot < promised => rejected(ballot, promised),
            promised => {
                let changed = promised != Some(ballot);
                self.promised = Some(ballot);
                let reply = Reply::Promised { ballot, accepted: self.accepted.clone() };
                Answer { reply, changed }
            }
        }
    }

    fn on_accept(&mut self, ballot: Ballot, value: V) -> Answer<V> {
        match self.promised {
            Some(promised) if ballot < promised => rejected(ballot, promised),
            _ => {
                let changed = self.accepted.as_ref().map(|it| it.0) != Some(ballot);
                if changed {
                    self.promised = Some(ballot);
                    self.accepted = Some((ballot, value));
                }
                Answer { reply: Reply::Accepted { ballot }, changed }
            }
        }
    }
}

fn rejected<V>(ballot: Ballot, promised: Ballot) -> Answer<V> {
    Answer { reply: Reply::Rejected { ballot, promised }, changed: false }
}

/// How patient a proposer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Patience {
    /// How long until a request without answer is sent again.
    pub resend: Duration,
    /// How long a proposer that lost its turn waits at most before the next, the first time; then
    /// twice as long each time.
    pub backoff_min: Duration,
    /// Where that doubling ends.
    pub backoff_max: Duration,
}

/// What a proposer wants done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<V> {
    /// Nothing until a reply or a tick.
    Wait,
    /// Send this request to these voters.
    Send(Request<V>, Vec<HostId>),
    /// This value is chosen, for ever.
    Chosen(V),
    /// Only without a value of one's own: nothing was chosen before this proposer began.
    Nothing,
}

/// Drives one instance to its decision.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proposer<V> {
    voters: BTreeSet<HostId>,
    quorum: usize,
    own: Option<V>,
    patience: Patience,
    ballot: Ballot,
    phase: Phase<V>,
    round_seen: u64,
    turns_lost: u32,
    wake_at: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase<V> {
    Preparing { promises: BTreeSet<HostId>, found: Option<(Ballot, V)> },
    Accepting { value: V, accepted: BTreeSet<HostId> },
    BackingOff,
    Done,
}

/// Who votes and how many must agree. Any two quorums must share a voter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Electorate {
    /// Who votes.
    pub voters: BTreeSet<HostId>,
    /// How many of them decide; more than half.
    pub quorum: usize,
}

impl Electorate {
    /// More than half of the voters decide.
    pub fn majority(voters: BTreeSet<HostId>) -> Electorate {
        Electorate { quorum: voters.len() / 2 + 1, voters }
    }

    /// All voters decide.
    pub fn unanimous(voters: BTreeSet<HostId>) -> Electorate {
        Electorate { quorum: voters.len(), voters }
    }
}

impl<V: Clone> Proposer<V> {
    /// Begins the first turn of `me`. Without a value (`own`) it finishes what others began, or
    /// finds that nothing was chosen yet: a linearizable read.
    pub fn start(
        me: HostId,
        electorate: &Electorate,
        own: Option<V>,
        patience: Patience,
        rounds: &mut Rounds,
        now: Duration,
    ) -> (Proposer<V>, Step<V>) {
        let mut proposer = Proposer {
            voters: electorate.voters.clone(),
            quorum: electorate.quorum,
            own,
            patience,
            ballot: Ballot { round: 0, host: me },
            phase: Phase::BackingOff,
            round_seen: 0,
            turns_lost: 0,
            wake_at: now,
        };
        let step = proposer.begin_turn(rounds, now);
        (proposer, step)
    }

    /// The ballot of the present turn.
    pub fn ballot(&self) -> Ballot {
        self.ballot
    }

    /// The value that voters are being asked to accept, if it has come to that.
    pub fn accepting(&self) -> Option<&V> {
        match &self.phase {
            Phase::Accepting { value, .. } => Some(value),
            Phase::Preparing { .. } | Phase::BackingOff | Phase::Done => None,
        }
    }

    /// Takes a voter's reply. Replies to earlier turns, repeated ones and those of strangers change
    /// nothing.
    pub fn on_reply(
        &mut self,
        from: HostId,
        reply: Reply<V>,
        now: Duration,
        rng: &mut Rng,
    ) -> Step<V> {
        if !self.voters.contains(&from) {
            return Step::Wait;
        }
        match reply {
            Reply::Promised { ballot, accepted } if ballot == self.ballot => {
                self.on_promised(from, accepted, now)
            }
            Reply::Accepted { ballot } if ballot == self.ballot => self.on_accepted(from),
            Reply::Rejected { ballot, promised } => {
                self.round_seen = self.round_seen.max(promised.round);
                if ballot == self.ballot {
                    self.lose_turn(now, rng);
                }
                Step::Wait
            }
            Reply::Promised { .. } | Reply::Accepted { .. } => Step::Wait,
        }
    }

    /// Sends again what was not answered, or begins the next turn.
    pub fn tick(&mut self, rounds: &mut Rounds, now: Duration) -> Step<V> {
        if now < self.wake_at {
            return Step::Wait;
        }
        self.wake_at = now + self.patience.resend;
        match &self.phase {
            Phase::Preparing { promises, .. } => {
                let silent = self.voters.difference(promises).copied().collect();
                Step::Send(Request::Prepare(self.ballot), silent)
            }
            Phase::Accepting { value, accepted } => {
                let silent = self.voters.difference(accepted).copied().collect();
                Step::Send(Request::Accept(self.ballot, value.clone()), silent)
            }
            Phase::BackingOff => self.begin_turn(rounds, now),
            Phase::Done => Step::Wait,
        }
    }

    fn begin_turn(&mut self, rounds: &mut Rounds, now: Duration) -> Step<V> {
        self.ballot.round = rounds.next(self.round_seen);
        self.phase = Phase::Preparing { promises: BTreeSet::new(), found: None };
        self.wake_at = now + self.patience.resend;
        Step::Send(Request::Prepare(self.ballot), self.voters.iter().copied().collect())
    }

    fn on_promised(
        &mut self,
        from: HostId,
        accepted: Option<(Ballot, V)>,
        now: Duration,
    ) -> Step<V> {
        let Phase::Preparing { promises, found } = &mut self.phase else { return Step::Wait };
        promises.insert(from);
        let ballot_of = |it: &Option<(Ballot, V)>| it.as_ref().map(|(ballot, _)| *ballot);
        if ballot_of(found) < ballot_of(&accepted) {
            *found = accepted;
        }
        if promises.len() < self.quorum {
            return Step::Wait;
        }
        // A value that a majority may have accepted must not be replaced.
        let Some(value) = found.take().map(|(_, value)| value).or_else(|| self.own.clone()) else {
            self.phase = Phase::Done;
            return Step::Nothing;
        };
        self.phase = Phase::Accepting { value: value.clone(), accepted: BTreeSet::new() };
        self.wake_at = now + self.patience.resend;
        Step::Send(Request::Accept(self.ballot, value), self.voters.iter().copied().collect())
    }

    fn on_accepted(&mut self, from: HostId) -> Step<V> {
        let Phase::Accepting { value, accepted } = &mut self.phase else { return Step::Wait };
        accepted.insert(from);
        if accepted.len() < self.quorum {
            return Step::Wait;
        }
        let value = value.clone();
        self.phase = Phase::Done;
        Step::Chosen(value)
    }

    fn lose_turn(&mut self, now: Duration, rng: &mut Rng) {
        match self.phase {
            Phase::Preparing { .. } | Phase::Accepting { .. } => {}
            Phase::BackingOff | Phase::Done => return,
        }
        let doubled = self.patience.backoff_min * 2_u32.pow(self.turns_lost.min(16));
        let limit = doubled.min(self.patience.backoff_max);
        let micros = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        self.turns_lost = self.turns_lost.saturating_add(1);
        self.phase = Phase::BackingOff;
        // Random, so that two proposers do not take turns at stopping each other.
        self.wake_at = now + Duration::from_micros(rng.below(micros));
    }
}

#[cfg(test)]
mod tests;
