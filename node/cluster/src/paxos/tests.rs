//! Tests of Paxos: a checker that looks for two chosen values, shown to find planted bugs.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::*;

const VOTERS: usize = 3;
const PATIENCE: Patience = Patience {
    resend: Duration::from_secs(1),
    backoff_min: Duration::from_millis(10),
    backoff_max: Duration::from_millis(10),
};

fn host(index: usize) -> HostId {
    HostId(Uuid::from_u128(index as u128 + 1))
}

fn voters() -> Electorate {
    Electorate::majority((0..VOTERS).map(host).collect())
}

/// What an acceptor may do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bug {
    None,
    /// It replies before its memory is on disk, and then crashes.
    Unpersisted,
    /// It promises whatever it is asked, also below what it promised.
    PromisesTwice,
    /// It forgets what it accepted when it promises.
    ForgetsAccepted,
}

fn answer(bug: Bug, acceptor: &mut Acceptor<u8>, request: Request<u8>) -> Reply<u8> {
    match (bug, &request) {
        (Bug::PromisesTwice, Request::Prepare(ballot)) => {
            acceptor.promised = Some(*ballot);
            Reply::Promised { ballot: *ballot, accepted: acceptor.accepted }
        }
        (Bug::ForgetsAccepted, Request::Prepare(_)) => match acceptor.on_request(request).reply {
            Reply::Promised { ballot, .. } => Reply::Promised { ballot, accepted: None },
            reply @ (Reply::Accepted { .. } | Reply::Rejected { .. }) => reply,
        },
        _ => acceptor.on_request(request).reply,
    }
}

/// Remembers what acceptors have said: a value is chosen once a majority accepted one ballot.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Checker {
    accepted: BTreeMap<Ballot, (u8, BTreeSet<usize>)>,
}

impl Checker {
    fn accepted(&mut self, voter: usize, ballot: Ballot, value: u8) {
        self.accepted.entry(ballot).or_insert((value, BTreeSet::new())).1.insert(voter);
    }

    fn chosen(&self) -> BTreeSet<u8> {
        let chosen = self.accepted.values().filter(|(_, voters)| VOTERS / 2 < voters.len());
        chosen.map(|(value, _)| *value).collect()
    }
}

/// A message under way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Packet {
    Ask { proposer: usize, voter: usize, request: Request<u8> },
    Answer { proposer: usize, voter: usize, reply: Reply<u8> },
}

/// Two proposers, three voters, every order of delivery, every loss, every crash of a voter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct World {
    voters: Vec<Acceptor<u8>>,
    proposers: Vec<Proposer<u8>>,
    packets: BTreeSet<Packet>,
    checker: Checker,
}

impl World {
    fn new() -> World {
        let mut world = World {
            voters: vec![Acceptor::default(); VOTERS],
            proposers: Vec::new(),
            packets: BTreeSet::new(),
            checker: Checker::default(),
        };
        for index in 0..2 {
            // Proposer 1 has the higher ballot.
            let mut rounds = Rounds::new(index as u32);
            let (proposer, step) = Proposer::start(
                host(index),
                &voters(),
                Some(index as u8),
                PATIENCE,
                &mut rounds,
                Duration::ZERO,
            );
            world.proposers.push(proposer);
            world.send(index, step);
        }
        world
    }

    fn send(&mut self, proposer: usize, step: Step<u8>) {
        let Step::Send(request, to) = step else { return };
        for voter in (0..VOTERS).filter(|it| to.contains(&host(*it))) {
            let request = request.clone();
            self.packets.insert(Packet::Ask { proposer, voter, request });
        }
    }

    fn deliver(&mut self, packet: Packet, bug: Bug, crash: bool) {
        match packet {
            Packet::Ask { proposer, voter, request } => {
                let before = self.voters[voter].clone();
                let reply = answer(bug, &mut self.voters[voter], request.clone());
                if let (Request::Accept(ballot, value), Reply::Accepted { .. }) = (request, &reply)
                {
                    self.checker.accepted(voter, ballot, value);
                }
                if crash {
                    // Only what was not on disk is lost: nothing, unless the bug is there.
                    self.voters[voter] = before;
                }
                self.packets.insert(Packet::Answer { proposer, voter, reply });
            }
            Packet::Answer { proposer, voter, reply } => {
                let mut rng = Rng::from_seed(0);
                let step =
                    self.proposers[proposer].on_reply(host(voter), reply, Duration::ZERO, &mut rng);
                if let Step::Chosen(value) = &step {
                    assert!(self.checker.chosen().contains(value), "chosen by a majority");
                }
                self.send(proposer, step);
            }
        }
    }

    /// Takes away messages that cannot lead anywhere new: a rejection only stops its proposer, which
    /// is the same as never delivering what else is on its way to it; that a value was accepted the
    /// checker knows already.
    fn forget_idle(&mut self) {
        let proposers = &self.proposers;
        self.packets.retain(|packet| match packet {
            Packet::Ask { .. } => true,
            Packet::Answer { proposer, reply: Reply::Promised { .. }, .. } => {
                matches!(proposers[*proposer].phase, Phase::Preparing { .. })
            }
            Packet::Answer { reply: Reply::Accepted { .. } | Reply::Rejected { .. }, .. } => false,
        });
    }

    /// Every world that one event leads to. A lost message is one that is never delivered.
    fn next(&self, bug: Bug) -> Vec<World> {
        let mut worlds = Vec::new();
        for packet in &self.packets {
            let crashes: &[bool] = match (bug, packet) {
                (Bug::Unpersisted, Packet::Ask { .. }) => &[false, true],
                _ => &[false],
            };
            for crash in crashes {
                let mut next = self.clone();
                next.packets.remove(packet);
                next.deliver(packet.clone(), bug, *crash);
                next.forget_idle();
                worlds.push(next);
            }
        }
        worlds
    }
}

/// Visits every reachable world; answers the first in which two values are chosen.
fn explore(bug: Bug, worlds_max: usize) -> (usize, Option<World>) {
    let mut seen = BTreeSet::from([World::new()]);
    let mut open = vec![World::new()];
    while let Some(world) = open.pop() {
        if 1 < world.checker.chosen().len() {
            return (seen.len(), Some(world));
        }
        for next in world.next(bug) {
            if seen.len() < worlds_max && seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    (seen.len(), None)
}

#[test]
fn no_order_of_events_chooses_two_values() {
    let worlds_max = 400_000;
    let (worlds, found) = explore(Bug::None, worlds_max);
    assert_eq!(None, found);
    assert!(1_000 < worlds && worlds < worlds_max, "the search was complete: {worlds} worlds");
}

#[test]
fn the_search_finds_planted_bugs() {
    for bug in [Bug::Unpersisted, Bug::PromisesTwice, Bug::ForgetsAccepted] {
        let (worlds, found) = explore(bug, 400_000);
        assert!(found.is_some(), "{bug:?} was not found in {worlds} worlds");
    }
}

/// Many turns, lost, repeated and reordered messages, crashes of voters and of proposers.
fn run(seed: u64, bug: Bug) -> BTreeSet<u8> {
    let mut rng = Rng::from_seed(seed);
    let (loss, crash) = (rng.below(40) as f64 / 100.0, rng.below(10) as f64 / 100.0);
    let mut now = Duration::ZERO;
    let mut incarnation = 0;
    let mut world = World::new();
    let mut rounds: Vec<Rounds> = (0..2).map(Rounds::new).collect();
    let mut packets: Vec<Packet> = Vec::new();
    let mut persisted = world.voters.clone();
    for _ in 0..300 {
        packets.extend(std::mem::take(&mut world.packets));
        now += Duration::from_millis(20);
        let index = rng.below(packets.len() as u64 + 1) as usize;
        if let Some(packet) = packets.get(index).cloned() {
            // A message that stays may come again.
            if !rng.chance(0.2) {
                packets.swap_remove(index);
            }
            if !rng.chance(loss) {
                world.deliver(packet, bug, false);
                if bug != Bug::Unpersisted || rng.chance(0.7) {
                    persisted.clone_from(&world.voters);
                }
            }
        } else {
            let proposer = rng.below(2) as usize;
            let step = world.proposers[proposer].tick(&mut rounds[proposer], now);
            world.send(proposer, step);
        }
        if rng.chance(crash) {
            let voter = rng.below(VOTERS as u64) as usize;
            world.voters[voter] = persisted[voter].clone();
        }
        if rng.chance(crash / 4.0) {
            let proposer = rng.below(2) as usize;
            incarnation += 1;
            rounds[proposer] = Rounds::new(incarnation * 2 + proposer as u32);
            let own = Some(10 + incarnation as u8);
            let (started, step) = Proposer::start(
                host(proposer),
                &voters(),
                own,
                PATIENCE,
                &mut rounds[proposer],
                now,
            );
            world.proposers[proposer] = started;
            world.send(proposer, step);
        }
    }
    world.checker.chosen()
}

#[test]
fn random_faults_never_choose_two_values() {
    let mut decided = 0;
    for seed in 0..1_000 {
        let chosen = run(seed, Bug::None);
        assert!(chosen.len() <= 1, "seed {seed} chose {chosen:?}");
        decided += chosen.len();
    }
    assert!(500 < decided, "most runs decide: {decided}");
}

#[test]
fn random_faults_find_planted_bugs() {
    for bug in [Bug::Unpersisted, Bug::PromisesTwice, Bug::ForgetsAccepted] {
        let found = (0..1_000).find(|seed| 1 < run(*seed, bug).len());
        assert!(found.is_some(), "{bug:?} was not found");
    }
}

#[test]
fn without_a_value_it_finishes_what_others_began_or_finds_nothing() {
    let mut rng = Rng::from_seed(0);
    let accepted = |value| Some((Ballot { round: 1, host: host(2) }, value));
    for (promises, expected) in [([None, None], None), ([None, accepted(7)], Some(7))] {
        let (mut proposer, _) = Proposer::<u8>::start(
            host(0),
            &voters(),
            None,
            PATIENCE,
            &mut Rounds::new(5),
            Duration::ZERO,
        );
        let ballot = proposer.ballot();
        let mut last = Step::Wait;
        for (index, accepted) in promises.into_iter().enumerate() {
            let reply = Reply::Promised { ballot, accepted };
            last = proposer.on_reply(host(index), reply, Duration::ZERO, &mut rng);
        }
        match expected {
            None => assert_eq!(Step::Nothing, last),
            Some(value) => assert!(matches!(
                last,
                Step::Send(Request::Accept(_, it), _) if it == value
            )),
        }
    }
}

#[test]
fn rounds_of_two_incarnations_never_meet() {
    let (mut first, mut second) = (Rounds::new(1), Rounds::new(2));
    let a: BTreeSet<u64> = (0..50).map(|it| first.next(it << 32)).collect();
    let b: BTreeSet<u64> = (0..50).map(|it| second.next(it << 31)).collect();
    assert_eq!((50, 50), (a.len(), b.len()), "each is higher than the one before");
    assert!(a.is_disjoint(&b));
    assert!(u64::from(u32::MAX) < second.next(u64::from(u32::MAX)));
}
