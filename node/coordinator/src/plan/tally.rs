//! Counting answers: each replica once, whatever arrives.

use std::sync::Arc;

use model::HostId;

use super::{Few, Need, Needs};

/// Where the count stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Keep waiting.
    Pending,
    /// Enough answered.
    Reached,
    /// Too few are left to ever reach it.
    Hopeless,
}

/// Counts the answers to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    needs: Needs,
    // A handful of replicas: scanned, not indexed.
    members: Few<Member>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    host: HostId,
    dc: Arc<str>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Acked,
    Failed,
}

impl Tally {
    /// Waits for all `members`, of which a host that is named twice counts once.
    pub fn new(needs: Needs, members: impl IntoIterator<Item = (HostId, Arc<str>)>) -> Tally {
        let mut tally = Tally { needs, members: Few::new() };
        for (host, dc) in members {
            if tally.members.iter().all(|it| it.host != host) {
                tally.members.push(Member { host, dc, state: State::Waiting });
            }
        }
        tally
    }

    /// Takes one answer. Answers from strangers, and second answers, change nothing.
    pub fn on_answer(&mut self, from: HostId, acked: bool) -> Verdict {
        let waiting = |it: &&mut Member| it.host == from && it.state == State::Waiting;
        if let Some(member) = self.members.iter_mut().find(waiting) {
            member.state = if acked { State::Acked } else { State::Failed };
        }
        self.verdict()
    }

    /// Where the count stands.
    pub fn verdict(&self) -> Verdict {
        let missing = |need: &&Need| self.count(need, State::Acked) < need.count;
        if !self.needs.iter().any(|need| missing(&need)) {
            return Verdict::Reached;
        }
        let possible = |need: &Need| {
            need.count <= self.count(need, State::Acked) + self.count(need, State::Waiting)
        };
        if self.needs.iter().all(possible) { Verdict::Pending } else { Verdict::Hopeless }
    }

    /// Required and received answers, where they fall short (of one data center, where the level
    /// counts by data center); of the first need otherwise.
    pub fn shortfall(&self) -> (usize, usize) {
        let counts = |need: &Need| (need.count, self.count(need, State::Acked));
        let short = self.needs.iter().map(counts).find(|(required, acked)| acked < required);
        short.or_else(|| self.needs.first().map(counts)).unwrap_or_default()
    }

    /// Those who have not acknowledged, in host order.
    pub fn missing(&self) -> Vec<HostId> {
        self.hosts(|state| state != State::Acked).into_vec()
    }

    /// Those who have not answered yet, in host order.
    pub fn waiting(&self) -> Few<HostId> {
        self.hosts(|state| state == State::Waiting)
    }

    /// Whether anyone acknowledged.
    pub fn any_acked(&self) -> bool {
        self.members.iter().any(|it| it.state == State::Acked)
    }

    /// Goes on counting by a newer plan: those who have answered need not answer again.
    pub fn carry_into(&self, mut newer: Tally) -> Tally {
        for member in self.members.iter().filter(|it| it.state == State::Acked) {
            newer.on_answer(member.host, true);
        }
        newer
    }

    fn count(&self, need: &Need, state: State) -> usize {
        self.members.iter().filter(|it| it.state == state && need.covers(&it.dc)).count()
    }

    fn hosts(&self, which: impl Fn(State) -> bool) -> Few<HostId> {
        let members = self.members.iter().filter(|it| which(it.state));
        let mut hosts: Few<HostId> = members.map(|it| it.host).collect();
        hosts.sort_unstable();
        hosts
    }
}
