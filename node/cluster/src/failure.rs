//! Who is alive: a phi-accrual failure detector over arrivals of heartbeats.
//!
//! Phi says how surprising a silence is, given how often a peer was heard lately: a silence with
//! phi 8 is one that a live peer keeps once in 10^8 times. Knows nothing of what a heartbeat says.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use model::HostId;

/// 1 / ln 10: turns a silence in mean intervals into powers of ten.
const PHI_FACTOR: f64 = std::f64::consts::LOG10_E;

/// Intervals that the mean is taken over: enough to forget a hiccup, few enough to follow a change.
const INTERVALS_MAX: usize = 100;

/// When to give up on a peer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// The phi at which a peer is convicted.
    pub phi_convict: f64,
    /// The mean interval is taken for at least this: the interval at which heartbeats are sent.
    pub interval_min: Duration,
    /// The mean interval is taken for at most this, so that a peer that was slow before it died is
    /// convicted in time all the same: after `phi_convict * ln 10` times this.
    pub interval_max: Duration,
    /// A pause of this process longer than this is not held against its peers.
    pub pause_max: Duration,
}

/// What is thought of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Liveness {
    /// Heard lately.
    Alive,
    /// Its stream broke and nothing was heard since: ask others first.
    Suspect,
    /// Silent for too long, or never heard.
    Dead,
}

/// Watches peers. Each is dead until it is heard.
#[derive(Debug)]
pub struct Detector {
    options: Options,
    peers: BTreeMap<HostId, Peer>,
    ticked_at: Option<Duration>,
}

#[derive(Debug)]
struct Peer {
    heard_at: Duration,
    intervals: VecDeque<Duration>,
    liveness: Liveness,
}

impl Detector {
    /// Watches nobody yet.
    pub fn new(options: Options) -> Detector {
        Detector { options, peers: BTreeMap::new(), ticked_at: None }
    }

    /// A heartbeat of `host` arrived. Answers whether that revives it.
    pub fn heard(&mut self, host: HostId, now: Duration) -> bool {
        let options = self.options;
        let peer = self.peers.entry(host).or_insert_with(|| Peer {
            heard_at: now,
            intervals: VecDeque::new(),
            liveness: Liveness::Dead,
        });
        let interval = now.saturating_sub(peer.heard_at);
        // The gap that a dead or paused peer leaves says nothing about how often it sends.
        if peer.liveness != Liveness::Dead && interval <= options.interval_max * 4 {
            if peer.intervals.len() == INTERVALS_MAX {
                peer.intervals.pop_front();
            }
            peer.intervals.push_back(interval);
        }
        peer.heard_at = now;
        let revived = peer.liveness != Liveness::Alive;
        peer.liveness = Liveness::Alive;
        revived
    }

    /// The stream to or from `host` broke. Answers whether that changes anything: a dead peer is
    /// not revived by it.
    pub fn suspect(&mut self, host: HostId) -> bool {
        match self.peers.get_mut(&host) {
            Some(peer) if peer.liveness == Liveness::Alive => {
                peer.liveness = Liveness::Suspect;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Convicts whoever was silent for too long; call it often. Answers who is dead now.
    pub fn tick(&mut self, now: Duration) -> Vec<HostId> {
        let paused = now.saturating_sub(self.ticked_at.unwrap_or(now));
        self.ticked_at = Some(now);
        if self.options.pause_max < paused {
            // We were the silent one: nothing that peers sent meanwhile has been looked at.
            for peer in self.peers.values_mut() {
                peer.heard_at += paused;
            }
            return Vec::new();
        }
        let silent = |peer: &Peer| self.options.phi_convict < phi(peer, &self.options, now);
        let convicted: Vec<HostId> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.liveness != Liveness::Dead && silent(peer))
            .map(|(host, _)| *host)
            .collect();
        for host in &convicted {
            if let Some(peer) = self.peers.get_mut(host) {
                peer.liveness = Liveness::Dead;
            }
        }
        convicted
    }

    /// What is thought of `host`.
    pub fn liveness(&self, host: HostId) -> Liveness {
        self.peers.get(&host).map_or(Liveness::Dead, |peer| peer.liveness)
    }

    /// How surprising the silence of `host` is; infinite for one that was never heard.
    pub fn phi(&self, host: HostId, now: Duration) -> f64 {
        self.peers.get(&host).map_or(f64::INFINITY, |peer| phi(peer, &self.options, now))
    }
}

fn phi(peer: &Peer, options: &Options, now: Duration) -> f64 {
    let silence = now.saturating_sub(peer.heard_at).as_secs_f64();
    let sum: Duration = peer.intervals.iter().sum();
    let count = u32::try_from(peer.intervals.len()).unwrap_or(u32::MAX);
    let mean = sum.checked_div(count).unwrap_or(options.interval_min);
    let mean = mean.clamp(options.interval_min, options.interval_max);
    PHI_FACTOR * silence / mean.as_secs_f64()
}

#[cfg(test)]
mod tests;
