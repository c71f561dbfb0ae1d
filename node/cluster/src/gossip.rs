//! What nodes tell each other all the time: heartbeats, load, status and how far their log is.
//!
//! Every node tells every other about itself at each heartbeat. Once a second it also compares notes
//! with one peer (digest, difference, difference back), so that news goes round even where two nodes
//! cannot reach each other. Of two states of one node the higher (generation, version) wins.
//!
//! Being alive is a round trip: a heartbeat repeats which of the receiver's heartbeats its sender has
//! heard, and counts only when that has moved on. So when one direction of a link is cut, both ends
//! notice.
//!
//! Decides nothing about membership: the metadata log does.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::HostId;
use sys::Rng;

use crate::message::Message;

/// How far ahead of our clock a generation (wall seconds of a start) may be: beyond it, a peer's
/// clock was broken, and believing it would make us deaf to it once the clock is right.
const GENERATION_AHEAD_SECONDS_MAX: u64 = 366 * 86_400;

/// Whether a node takes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It does.
    Normal,
    /// It is about to stop: send it nothing new.
    Draining,
}

/// A position in what one node has said about itself: its start, then its heartbeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Beat {
    /// Grows with every start: wall seconds, or one more than last time.
    pub generation: u64,
    /// Grows with every heartbeat, from 1.
    pub version: u64,
}

/// What a node says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Who.
    pub host_id: HostId,
    /// When.
    pub beat: Beat,
    /// Where peers reach it: newer than the log's word after a restart.
    pub peer_addr: String,
    /// The last epoch that it has applied.
    pub epoch: u64,
    /// Bytes that it stores.
    pub load_bytes: u64,
    /// Whether it takes requests.
    pub status: Status,
}

/// A node's word about itself, sent by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// The sender.
    pub state: State,
    /// The last heartbeat of the receiver that reached the sender.
    pub heard: Beat,
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Between two heartbeats to everyone.
    pub heartbeat: Duration,
    /// Between two comparisons of notes with one peer.
    pub exchange: Duration,
}

/// What received states taught us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Who takes requests again, or no longer.
    pub statuses: Vec<(HostId, Status)>,
}

/// What became of a heartbeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Old or repeated.
    Stale,
    /// New, but its sender has not heard us lately.
    OneWay,
    /// New, and its sender hears us.
    RoundTrip,
}

/// Everyone's state as far as it is known here.
#[derive(Debug)]
pub struct Gossip {
    options: Options,
    own: State,
    peers: BTreeMap<HostId, Peer>,
    heartbeat_at: Duration,
    exchange_at: Duration,
}

#[derive(Debug, Default)]
struct Peer {
    state: Option<State>,
    /// The last heartbeat that came from it directly.
    direct: Beat,
    /// The last of our heartbeats that it says it has heard.
    echoed: Beat,
}

impl Gossip {
    /// Knows only itself.
    pub fn new(options: Options, own: State) -> Gossip {
        let zero = Duration::ZERO;
        Gossip { options, own, peers: BTreeMap::new(), heartbeat_at: zero, exchange_at: zero }
    }

    /// What we say about ourselves. Change what is said, never who or when.
    pub fn own_mut(&mut self) -> &mut State {
        &mut self.own
    }

    /// What we say about ourselves.
    pub fn own(&self) -> &State {
        &self.own
    }

    /// What `host` last said about itself, ourselves included.
    pub fn state(&self, host: HostId) -> Option<&State> {
        if host == self.own.host_id {
            return Some(&self.own);
        }
        self.peers.get(&host)?.state.as_ref()
    }

    /// Heartbeats and the comparison of notes, when they are due. `dead` are members that need not
    /// be asked often.
    pub fn tick(
        &mut self,
        now: Duration,
        members: &BTreeSet<HostId>,
        dead: &BTreeSet<HostId>,
        rng: &mut Rng,
    ) -> Vec<(HostId, Message)> {
        let mut send = Vec::new();
        if self.heartbeat_at <= now {
            self.heartbeat_at = due_next(self.heartbeat_at, self.options.heartbeat, now);
            send.extend(self.heartbeat_all(members));
        }
        if self.exchange_at <= now {
            self.exchange_at = due_next(self.exchange_at, self.options.exchange, now);
            let partner = self.partner(members, dead, rng);
            send.extend(partner.map(|host| (host, Message::Digest { known: self.digest() })));
        }
        send
    }

    /// Heartbeats to every member, now.
    pub fn heartbeat_all(&mut self, members: &BTreeSet<HostId>) -> Vec<(HostId, Message)> {
        self.own.beat.version += 1;
        let others = members.iter().filter(|host| **host != self.own.host_id);
        others.map(|host| (*host, self.heartbeat_for(*host))).collect()
    }

    /// A heartbeat to one member, now.
    pub fn heartbeat_one(&mut self, host: HostId) -> (HostId, Message) {
        self.own.beat.version += 1;
        (host, self.heartbeat_for(host))
    }

    /// Takes a heartbeat from the node itself.
    pub fn on_heartbeat(&mut self, heartbeat: Heartbeat, wall_seconds: u64) -> (Heard, News) {
        let Heartbeat { state, heard } = heartbeat;
        if self.refuses(&state, wall_seconds) {
            return (Heard::Stale, News::default());
        }
        let peer = self.peers.entry(state.host_id).or_default();
        if state.beat <= peer.direct {
            return (Heard::Stale, News::default());
        }
        peer.direct = state.beat;
        let echoes = heard.generation == self.own.beat.generation && peer.echoed < heard;
        if echoes {
            peer.echoed = heard;
        }
        let news = self.on_states(vec![state], wall_seconds);
        (if echoes { Heard::RoundTrip } else { Heard::OneWay }, news)
    }

    /// Takes a digest: answers with what its sender lacks and asks for what we lack.
    pub fn on_digest(&mut self, known: &[(HostId, Beat)]) -> Message {
        let known: BTreeMap<HostId, Beat> = known.iter().copied().collect();
        let beat_of = |host: &HostId| known.get(host).copied().unwrap_or_default();
        let states = self.states().filter(|it| beat_of(&it.host_id) < it.beat).cloned().collect();
        let lacks = |(host, beat): &(&HostId, &Beat)| {
            self.state(**host).map_or(Beat::default(), |it| it.beat) < **beat
        };
        let wanted = known.iter().filter(lacks).map(|(host, _)| *host).collect();
        Message::Difference { states, wanted }
    }

    /// Takes the answer to a digest: learns, and answers what was asked for.
    pub fn on_difference(
        &mut self,
        states: Vec<State>,
        wanted: &[HostId],
        wall_seconds: u64,
    ) -> (News, Option<Message>) {
        let news = self.on_states(states, wall_seconds);
        let states: Vec<State> =
            wanted.iter().filter_map(|host| self.state(*host)).cloned().collect();
        let answer = (!states.is_empty()).then_some(Message::States { states });
        (news, answer)
    }

    /// Takes states of anyone from anyone.
    pub fn on_states(&mut self, states: Vec<State>, wall_seconds: u64) -> News {
        let mut statuses = Vec::new();
        for state in states {
            if self.refuses(&state, wall_seconds) {
                continue;
            }
            let known = &mut self.peers.entry(state.host_id).or_default().state;
            if known.as_ref().is_some_and(|known| state.beat <= known.beat) {
                continue;
            }
            let before = known.as_ref().map_or(Status::Normal, |it| it.status);
            if before != state.status {
                statuses.push((state.host_id, state.status));
            }
            *known = Some(state);
        }
        News { statuses }
    }

    /// Forgets whoever is not a member.
    pub fn retain(&mut self, members: &BTreeSet<HostId>) {
        self.peers.retain(|host, _| members.contains(host));
    }

    fn refuses(&self, state: &State, wall_seconds: u64) -> bool {
        let generation_max = wall_seconds.saturating_add(GENERATION_AHEAD_SECONDS_MAX);
        state.host_id == self.own.host_id || generation_max < state.beat.generation
    }

    fn heartbeat_for(&self, host: HostId) -> Message {
        let heard = self.peers.get(&host).map_or(Beat::default(), |peer| peer.direct);
        Message::Heartbeat(Heartbeat { state: self.own.clone(), heard })
    }

    fn states(&self) -> impl Iterator<Item = &State> {
        self.peers.values().filter_map(|peer| peer.state.as_ref()).chain([&self.own])
    }

    fn digest(&self) -> Vec<(HostId, Beat)> {
        self.states().map(|it| (it.host_id, it.beat)).collect()
    }

    /// A random live member, or now and then a dead one: it may have come back where only we see it.
    fn partner(
        &self,
        members: &BTreeSet<HostId>,
        dead: &BTreeSet<HostId>,
        rng: &mut Rng,
    ) -> Option<HostId> {
        let others = members.iter().filter(|host| **host != self.own.host_id);
        let (dead, live): (Vec<HostId>, Vec<HostId>) =
            others.copied().partition(|host| dead.contains(host));
        let ask_dead = rng.chance(dead.len() as f64 / (live.len() as f64 + 1.0));
        let from = if ask_dead || live.is_empty() { dead } else { live };
        from.get(usize::try_from(rng.below(from.len() as u64)).unwrap_or(0)).copied()
    }
}

/// One interval after the last time, so that late ticks do not slow the beat; after a pause, from now.
fn due_next(last: Duration, interval: Duration, now: Duration) -> Duration {
    let next = last + interval;
    if now < next { next } else { now + interval }
}

#[cfg(test)]
mod tests;
