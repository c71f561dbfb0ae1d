//! What a node does with messages and time.

use std::collections::VecDeque;

use model::HostId;
use sys::Rng;
use uuid::Uuid;

use super::Cluster;
use crate::{
    api::{Destination, Effects, Event, Now, Outbox},
    failure::Liveness,
    founding::{HELLO_INTERVAL, Hello, Refused},
    gossip::{Beat, ClockNews, Heard, Heartbeat, News, State, Status},
    message::{Envelope, Message},
    metadata::Change,
    metadata_log::Context,
};

/// Different refusals that are told; more are the work of a fuzzer.
const TOLD_MAX: usize = 256;

impl Cluster {
    /// Addresses what is to be sent, handles what this node says to itself, and follows the log.
    pub(super) fn finish(&mut self, mut out: Outbox, now: Now, rng: &mut Rng) -> Effects {
        let me = self.host_id();
        let mut send: Vec<(Destination, Message)> = Vec::new();
        let mut to_self = VecDeque::new();
        loop {
            self.follow_log(now, &mut out);
            for (host, message) in std::mem::take(&mut out.send) {
                if host == me {
                    to_self.push_back(message);
                } else if let Some(destination) = self.destination(host) {
                    send.push((destination, message));
                }
            }
            let Some(message) = to_self.pop_front() else { break };
            let mut context = Context { now: now.mono, rng, out: &mut out };
            self.log.on_message(me, message, &mut context);
        }
        let by_addr = std::mem::take(&mut out.send_addr).into_iter();
        send.extend(by_addr.map(|(addr, message)| (Destination::Addr(addr), message)));
        let metadata = self.log.metadata();
        let cluster_id = metadata.is_founded().then_some(metadata.cluster_id);
        let seal = |message| Envelope { from: me, cluster_id, message };
        Effects {
            persist: out.persist,
            send: send.into_iter().map(|(to, message)| (to, seal(message))).collect(),
            events: out.events,
        }
    }

    /// Whether this was not told before.
    pub(super) fn tells_first(&mut self, text: String) -> bool {
        self.told.len() < TOLD_MAX && self.told.insert(text)
    }

    /// Whether `from` is a member of our cluster or, before founding, a founder.
    pub(super) fn knows(&self, from: HostId, cluster_id: Option<Uuid>) -> bool {
        let metadata = self.log.metadata();
        if from == self.host_id() {
            false
        } else if metadata.is_founded() {
            let same = cluster_id.is_none_or(|it| it == metadata.cluster_id);
            same && self.members.contains(&from)
        } else {
            self.founding.addr_of(from).is_some()
        }
    }

    /// Takes a message from a node that `knows` lets through.
    pub(super) fn on_member(
        &mut self,
        from: HostId,
        message: Message,
        now: Now,
        rng: &mut Rng,
        out: &mut Outbox,
    ) {
        let founded = self.log.metadata().is_founded();
        match message {
            Message::Heartbeat(heartbeat) if heartbeat.state.host_id == from => {
                let epoch = heartbeat.state.epoch;
                if founded {
                    self.on_heartbeat(heartbeat, now, out);
                }
                let mut context = Context { now: now.mono, rng, out };
                self.log.on_peer_epoch(from, epoch, &mut context);
            }
            Message::Digest { known } if founded => {
                out.send.push((from, self.gossip.on_digest(&known)));
            }
            Message::Difference { states, wanted } if founded => {
                let states = self.of_members(states);
                let (news, answer) = self.gossip.on_difference(states, &wanted, now.wall_seconds());
                out.send.extend(answer.map(|it| (from, it)));
                tell_news(news, out);
            }
            Message::States { states } if founded => {
                let states = self.of_members(states);
                tell_news(self.gossip.on_states(states, now.wall_seconds()), out);
            }
            Message::Heartbeat(_)
            | Message::Digest { .. }
            | Message::Difference { .. }
            | Message::States { .. }
            | Message::Hello(_)
            | Message::Refuse(_) => {}
            Message::Ask { .. }
            | Message::Answer { .. }
            | Message::Fetch { .. }
            | Message::Entries { .. }
            | Message::Snapshot(_) => {
                let mut context = Context { now: now.mono, rng, out };
                self.log.on_message(from, message, &mut context);
            }
        }
    }

    /// Takes a hello, from whomever.
    pub(super) fn on_hello(&mut self, hello: Hello, now: Now, rng: &mut Rng, out: &mut Outbox) {
        let addr = hello.peer_addr.clone();
        if hello.host_id == self.host_id() && addr == self.local.peer_addr {
            return;
        }
        let (from, epoch, answer) = (hello.host_id, hello.epoch, hello.answer);
        if let Err(refused) = self.admit(hello, now) {
            if self.tells_first(format!("{addr} {refused}")) {
                let event =
                    Event::RefusedPeer { peer_addr: addr.clone(), refused: refused.clone() };
                out.events.push(event);
            }
            out.send_addr.push((addr, Message::Refuse(refused)));
            return;
        }
        if !answer {
            let hello = Hello { answer: true, ..self.own_hello() };
            out.send_addr.push((addr, Message::Hello(Box::new(hello))));
        }
        self.log.on_peer_epoch(from, epoch, &mut Context { now: now.mono, rng, out });
    }

    /// Lets the sender of a hello in, or says why not.
    fn admit(&mut self, hello: Hello, now: Now) -> Result<(), Refused> {
        let by = self.local.peer_addr.clone();
        if hello.host_id == self.host_id() {
            return Err(Refused::DuplicateHostId { by, host_id: hello.host_id });
        }
        let metadata = self.log.metadata();
        if !metadata.is_founded() {
            return self.founding.on_hello(hello);
        }
        if hello.cluster_name != metadata.cluster_name {
            return Err(Refused::OtherClusterName { by, name: metadata.cluster_name.clone() });
        }
        if hello.cluster_id.is_some_and(|it| it != metadata.cluster_id) {
            return Err(Refused::OtherCluster { by, cluster_id: metadata.cluster_id });
        }
        if !self.members.contains(&hello.host_id) {
            return Err(Refused::NotAFounder { by });
        }
        // Its heartbeats will say the same, and more: but they may not find the way to us before we
        // know its new address.
        let state = State {
            host_id: hello.host_id,
            beat: Beat { generation: hello.generation, version: 0 },
            peer_addr: hello.peer_addr,
            epoch: hello.epoch,
            load_bytes: 0,
            status: Status::Normal,
        };
        self.gossip.on_states(vec![state], now.wall_seconds());
        Ok(())
    }

    /// One step towards founding.
    pub(super) fn found(&mut self, now: Now, rng: &mut Rng, out: &mut Outbox) {
        let hellos = self.founding.tick(now.mono).into_iter();
        out.send_addr.extend(hellos.map(|(addr, it)| (addr, Message::Hello(Box::new(it)))));
        self.log.set_founders(self.founding.electorate().unwrap_or_default());
        if !self.log.has_own_proposal()
            && let Some(found) = self.founding.proposal(now.mono, rng)
        {
            let mut context = Context { now: now.mono, rng, out };
            self.log.propose_own(Change::Found(found), &mut context);
        }
    }

    /// Proposes our addresses where the log has old ones.
    pub(super) fn update_own_node(&mut self, now: Now, rng: &mut Rng, out: &mut Outbox) {
        let metadata = self.log.metadata();
        let Some(node) = metadata.nodes.get(&self.host_id()) else { return };
        let known = (&node.peer_addr, &node.cql_addr, &node.client_addr);
        let local = &self.local;
        if known == (&local.peer_addr, &local.cql_addr, &local.client_addr)
            || self.log.has_own_proposal()
        {
            return;
        }
        let change = Change::UpdateNode {
            host_id: self.host_id(),
            peer_addr: local.peer_addr.clone(),
            cql_addr: local.cql_addr.clone(),
            client_addr: local.client_addr.clone(),
        };
        self.log.propose_own(change, &mut Context { now: now.mono, rng, out });
    }

    /// While a member is missing, says hello at the seeds' addresses too: after a restart at new
    /// addresses they are the way to find each other.
    pub(super) fn greet_seeds(&mut self, now: Now, out: &mut Outbox) {
        let (found, missing): (Vec<HostId>, Vec<HostId>) =
            self.members.iter().copied().partition(|host| self.is_alive(*host));
        if missing.is_empty() || now.mono < self.hello_at {
            return;
        }
        self.hello_at = now.mono + HELLO_INTERVAL;
        let reached: Vec<_> = found.iter().filter_map(|host| self.peer_addr(*host)).collect();
        let hello = Message::Hello(Box::new(self.own_hello()));
        let seeds = self.local.seeds.iter();
        let unreached = seeds.filter(|addr| !reached.contains(&addr.as_str()));
        out.send_addr.extend(unreached.map(|addr| (addr.clone(), hello.clone())));
    }

    fn own_hello(&self) -> Hello {
        let metadata = self.log.metadata();
        Hello {
            cluster_id: metadata.is_founded().then_some(metadata.cluster_id),
            epoch: metadata.epoch,
            ..self.founding.own().clone()
        }
    }

    fn on_heartbeat(&mut self, heartbeat: Heartbeat, now: Now, out: &mut Outbox) {
        let host = heartbeat.state.host_id;
        let (heard, news) = self.gossip.on_heartbeat(heartbeat, now);
        tell_news(news, out);
        match heard {
            Heard::Stale => {}
            Heard::RoundTrip => {
                if self.detector.heard(host, now.mono) {
                    out.events.push(Event::Liveness { host, liveness: Liveness::Alive });
                }
            }
            Heard::OneWay => {
                // It cannot know yet that we hear it: tell it now, so that both revive.
                if !self.is_alive(host) {
                    out.send.push(self.gossip.heartbeat_one(host, now));
                }
            }
        }
    }

    fn of_members(&self, states: Vec<State>) -> Vec<State> {
        states.into_iter().filter(|it| self.members.contains(&it.host_id)).collect()
    }

    /// Brings what depends on the metadata up to its epoch.
    fn follow_log(&mut self, now: Now, out: &mut Outbox) {
        let metadata = self.log.metadata();
        if metadata.epoch == self.gossip.own().epoch {
            return;
        }
        let founded_now = self.gossip.own().epoch == 0;
        self.gossip.own_mut().epoch = metadata.epoch;
        self.members = metadata.nodes.keys().copied().collect();
        self.gossip.retain(&self.members);
        let me = self.host_id();
        if !self.members.contains(&me) {
            let by = metadata.cluster_name.clone();
            if self.tells_first(format!("expelled by {by}")) {
                out.events.push(Event::Refused(Refused::NotAFounder { by }));
            }
            return;
        }
        if founded_now {
            // Founders that have said hello need not prove it again.
            let heard = |host: &&HostId| **host != me && self.founding.addr_of(**host).is_some();
            for host in self.members.iter().filter(heard) {
                if self.detector.heard(*host, now.mono) {
                    out.events.push(Event::Liveness { host: *host, liveness: Liveness::Alive });
                }
            }
        }
    }

    fn destination(&self, host: HostId) -> Option<Destination> {
        if self.members.contains(&host) {
            return Some(Destination::Host(host));
        }
        self.founding.addr_of(host).map(|addr| Destination::Addr(addr.to_owned()))
    }
}

fn tell_news(news: News, out: &mut Outbox) {
    let events = news.statuses.into_iter().map(|(host, status)| Event::Status { host, status });
    out.events.extend(events);
    out.events.extend(news.clock.map(|ClockNews { host, skew_micros, differs }| Event::Clock {
        host,
        skew_micros,
        differs,
    }));
}
