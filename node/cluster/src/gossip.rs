//! What nodes tell each other all the time: heartbeats, load, status and how far their log is.
//!
//! Every node tells every other about itself at each heartbeat. Once a second it also compares notes
//! with one peer (digest, difference, difference back), so that news goes round even where two nodes
//! cannot reach each other. Of two states of one node the higher (generation, version) wins.
//!
//! Being alive is a round trip: a heartbeat repeats which of the receiver's heartbeats its sender has
//! heard, and counts only when that has moved on. So when one direction of a link is cut, both ends
//! notice. The same round trip compares the two wall clocks: see `skew_of`.
//!
//! Decides nothing about membership: the metadata log does.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use model::HostId;
use sys::Rng;

use crate::{api::Now, message::Message};

/// How far ahead of our clock a generation (wall seconds of a start) may be: beyond it, a peer's
/// clock was broken, and believing it would make us deaf to it once the clock is right.
const GENERATION_AHEAD_SECONDS_MAX: u64 = 366 * 86_400;

/// Own heartbeats whose times are remembered: what a peer repeats is seldom older than two.
const SENT_MAX: usize = 64;

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
    /// How long ago that was when this one was sent.
    pub held: Duration,
    /// The sender's wall clock when this one was sent, microseconds since 1970.
    pub wall_micros: i64,
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Between two heartbeats to everyone.
    pub heartbeat: Duration,
    /// Between two comparisons of notes with one peer.
    pub exchange: Duration,
    /// Clocks of two nodes may differ by so much.
    pub skew_max: Duration,
}

/// What received states taught us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Who takes requests again, or no longer.
    pub statuses: Vec<(HostId, Status)>,
    /// Whose clock has come to differ from ours by too much, or agrees again.
    pub clock: Option<ClockNews>,
}

/// A clock that differs, or no longer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockNews {
    /// Whose.
    pub host: HostId,
    /// By how much it is ahead of ours for certain, microseconds.
    pub skew_micros: i64,
    /// Whether that is more than [`Options::skew_max`].
    pub differs: bool,
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
    /// Versions of our last heartbeats, and when each was sent.
    sent: VecDeque<(u64, Duration)>,
    heartbeat_at: Duration,
    exchange_at: Duration,
}

#[derive(Debug, Default)]
struct Peer {
    state: Option<State>,
    /// The last heartbeat that came from it directly, and when.
    direct: Beat,
    direct_at: Duration,
    /// The last of our heartbeats that it says it has heard.
    echoed: Beat,
    /// By how much its clock was ahead of ours at the last round trip, microseconds.
    skew_micros: Option<i64>,
    /// That was told as too much.
    differs: bool,
}

impl Gossip {
    /// Knows only itself.
    pub fn new(options: Options, own: State) -> Gossip {
        let zero = Duration::ZERO;
        Gossip {
            options,
            own,
            peers: BTreeMap::new(),
            sent: VecDeque::new(),
            heartbeat_at: zero,
            exchange_at: zero,
        }
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

    /// By how much the clock of `host` was ahead of ours when it was last compared, microseconds.
    pub fn skew_micros(&self, host: HostId) -> Option<i64> {
        self.peers.get(&host)?.skew_micros
    }

    /// Heartbeats and the comparison of notes, when they are due. `dead` are members that need not
    /// be asked often.
    pub fn tick(
        &mut self,
        now: Now,
        members: &BTreeSet<HostId>,
        dead: &BTreeSet<HostId>,
        rng: &mut Rng,
    ) -> Vec<(HostId, Message)> {
        let mut send = Vec::new();
        if self.heartbeat_at <= now.mono {
            self.heartbeat_at = due_next(self.heartbeat_at, self.options.heartbeat, now.mono);
            send.extend(self.heartbeat_all(members, now));
        }
        if self.exchange_at <= now.mono {
            self.exchange_at = due_next(self.exchange_at, self.options.exchange, now.mono);
            let partner = self.partner(members, dead, rng);
            send.extend(partner.map(|host| (host, Message::Digest { known: self.digest() })));
        }
        send
    }

    /// Heartbeats to every member, now.
    pub fn heartbeat_all(
        &mut self,
        members: &BTreeSet<HostId>,
        now: Now,
    ) -> Vec<(HostId, Message)> {
        self.count(now);
        let others = members.iter().filter(|host| **host != self.own.host_id);
        others.map(|host| (*host, self.heartbeat_for(*host, now))).collect()
    }

    /// A heartbeat to one member, now.
    pub fn heartbeat_one(&mut self, host: HostId, now: Now) -> (HostId, Message) {
        self.count(now);
        (host, self.heartbeat_for(host, now))
    }

    /// Takes a heartbeat from the node itself.
    pub fn on_heartbeat(&mut self, heartbeat: Heartbeat, now: Now) -> (Heard, News) {
        let Heartbeat { state, heard, held, wall_micros } = heartbeat;
        if self.refuses(&state, now.wall_seconds()) {
            // One of the two clocks is so wrong that they cannot speak: that, at least, is told.
            let skew_micros = skew_of(wall_micros, now.wall_micros, Duration::ZERO);
            let peer = self.peers.get_mut(&state.host_id);
            let max = self.options.skew_max;
            let clock = peer.and_then(|it| it.compare(state.host_id, skew_micros, max));
            return (Heard::Stale, News { clock, ..News::default() });
        }
        let peer = self.peers.entry(state.host_id).or_default();
        if state.beat <= peer.direct {
            return (Heard::Stale, News::default());
        }
        peer.direct = state.beat;
        peer.direct_at = now.mono;
        let echoes = heard.generation == self.own.beat.generation && peer.echoed < heard;
        let mut clock = None;
        if echoes {
            peer.echoed = heard;
            let sent = self.sent.iter().find(|(version, _)| *version == heard.version);
            if let Some((_, sent_at)) = sent {
                let trip = now.mono.saturating_sub(*sent_at).saturating_sub(held);
                let skew_micros = skew_of(wall_micros, now.wall_micros, trip);
                clock = peer.compare(state.host_id, skew_micros, self.options.skew_max);
            }
        }
        let news = News { clock, ..self.on_states(vec![state], now.wall_seconds()) };
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
        News { statuses, clock: None }
    }

    /// Forgets whoever is not a member.
    pub fn retain(&mut self, members: &BTreeSet<HostId>) {
        self.peers.retain(|host, _| members.contains(host));
    }

    fn refuses(&self, state: &State, wall_seconds: u64) -> bool {
        let generation_max = wall_seconds.saturating_add(GENERATION_AHEAD_SECONDS_MAX);
        state.host_id == self.own.host_id || generation_max < state.beat.generation
    }

    /// Begins a new heartbeat.
    fn count(&mut self, now: Now) {
        self.own.beat.version += 1;
        self.sent.push_back((self.own.beat.version, now.mono));
        if SENT_MAX < self.sent.len() {
            self.sent.pop_front();
        }
    }

    fn heartbeat_for(&self, host: HostId, now: Now) -> Message {
        let peer = self.peers.get(&host);
        let (heard, heard_at) = peer.map_or_else(Default::default, |it| (it.direct, it.direct_at));
        let held = now.mono.saturating_sub(heard_at);
        let (state, wall_micros) = (self.own.clone(), now.wall_micros);
        Message::Heartbeat(Heartbeat { state, heard, held, wall_micros })
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

impl Peer {
    /// Remembers a comparison of clocks; says so when what is thought of its clock has changed.
    fn compare(&mut self, host: HostId, skew_micros: i64, max: Duration) -> Option<ClockNews> {
        self.skew_micros = Some(skew_micros);
        let skew = Duration::from_micros(skew_micros.unsigned_abs());
        // Told once, and not again and again by a clock that lies about the limit.
        let differs = if self.differs { max / 2 < skew } else { max < skew };
        let changed = differs != self.differs;
        self.differs = differs;
        changed.then_some(ClockNews { host, skew_micros, differs })
    }
}

/// By how much a clock that showed `theirs` is ahead of ours for certain, microseconds, when that word took part in
/// a round trip of `trip` and arrived as ours showed `ours`.
///
/// ```text
/// ours     ──sent────────────────────┬─ours──►      theirs was shown half a trip ago, give or take
///               \                   /              half a trip: so far the truth may be nearer
/// theirs   ──────heard── held ──theirs───────►      to no difference at all
/// ```
fn skew_of(theirs: i64, ours: i64, trip: Duration) -> i64 {
    let half = i128::try_from(trip.as_micros() / 2).unwrap_or(i128::MAX / 4);
    let middle = i128::from(theirs) + half - i128::from(ours);
    let certain = middle.abs().saturating_sub(half).max(0) * middle.signum();
    i64::try_from(certain).unwrap_or(if certain < 0 { i64::MIN } else { i64::MAX })
}

/// One interval after the last time, so that late ticks do not slow the beat; after a pause, from now.
fn due_next(last: Duration, interval: Duration, now: Duration) -> Duration {
    let next = last + interval;
    if now < next { next } else { now + interval }
}

#[cfg(test)]
mod tests;
