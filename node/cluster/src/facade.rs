//! The whole of a node's membership behind one door.
//!
//! The driver calls [`Cluster::tick`] and the `on_…` functions, and for each [`Effects`] first
//! persists, then sends, then tells the rest of the node. Nothing here waits, blocks or draws.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use model::HostId;
use sys::Rng;

use crate::{
    api::{Effects, Event, Local, Now, OpenError, Options, Outbox, PeerView},
    failure::{Detector, Liveness},
    founding::{Founding, Hello},
    gossip::{Beat, Gossip, State, Status},
    message::{Envelope, Message},
    metadata::{Change, Metadata, NODES_MAX},
    metadata_log::{Context, MetadataLog},
    paxos::Rounds,
    record::{Identity, Record},
};

mod handlers;

/// One node's view of the cluster, and its part in it.
#[derive(Debug)]
pub struct Cluster {
    local: Local,
    identity: Identity,
    generation: u64,
    log: MetadataLog,
    gossip: Gossip,
    detector: Detector,
    founding: Founding,
    members: BTreeSet<HostId>,
    told: BTreeSet<String>,
    hello_at: Duration,
}

impl Cluster {
    /// A node that starts, for the first time (`recovered` is empty: it draws its host id) or again.
    /// `recovered` are all records of [`crate::record::KINDS`] in the order of the system log.
    ///
    /// # Errors
    /// When the records do not fit the configuration, or are incomplete.
    pub fn new(
        local: Local,
        options: Options,
        recovered: Vec<Record>,
        wall_micros: i64,
        rng: &mut Rng,
    ) -> Result<(Cluster, Effects), OpenError> {
        let now = Now { mono: Duration::ZERO, wall_micros };
        if NODES_MAX < local.seeds.len() {
            return Err(OpenError::TooManySeeds(local.seeds.len()));
        }
        let mut out = Outbox::default();
        let identity = match identity_of(&recovered, &local)? {
            Some(identity) => identity,
            None => {
                let identity = Identity {
                    host_id: HostId(rng.uuid_v4()),
                    cluster_name: local.cluster_name.clone(),
                    dc: local.dc.clone(),
                    rack: local.rack.clone(),
                };
                out.persist.push(Record::Identity(identity.clone()));
                identity
            }
        };
        let generation = generation_of(&recovered, now.wall_seconds());
        out.persist.push(Record::Generation(generation));
        let host_id = identity.host_id;
        let rounds = Rounds::new(generation as u32);
        let log = MetadataLog::recover(host_id, options.patience, rounds, recovered)
            .ok_or(OpenError::Incomplete("entries of the metadata log are missing"))?;
        let hello = hello(&local, host_id, generation);
        let own = State {
            host_id,
            beat: Beat { generation, version: 0 },
            peer_addr: local.peer_addr.clone(),
            epoch: log.metadata().epoch,
            load_bytes: 0,
            status: Status::Normal,
        };
        let mut cluster = Cluster {
            local,
            identity,
            generation,
            members: log.metadata().nodes.keys().copied().collect(),
            log,
            gossip: Gossip::new(options.gossip, own),
            detector: Detector::new(options.failure),
            founding: Founding::new(hello),
            told: BTreeSet::new(),
            hello_at: Duration::ZERO,
        };
        let effects = cluster.finish(out, now, rng);
        Ok((cluster, effects))
    }

    /// This node's name.
    pub fn host_id(&self) -> HostId {
        self.identity.host_id
    }

    /// Which start of this node this is: grows with each.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The metadata as far as it is known here; epoch 0 before founding.
    pub fn snapshot(&self) -> Arc<Metadata> {
        Arc::clone(self.log.metadata())
    }

    /// What is thought of `host`. This node itself is alive; one that is no member is dead.
    pub fn liveness(&self, host: HostId) -> Liveness {
        if host == self.identity.host_id { Liveness::Alive } else { self.detector.liveness(host) }
    }

    /// Whether `host` should be asked: neither dead nor suspect.
    pub fn is_alive(&self, host: HostId) -> bool {
        self.liveness(host) == Liveness::Alive
    }

    /// Every member as this node sees it, in the order of host ids.
    pub fn peers(&self, now: Duration) -> Vec<PeerView> {
        let view = |host: &HostId| PeerView {
            host_id: *host,
            liveness: self.liveness(*host),
            phi: if *host == self.host_id() { 0.0 } else { self.detector.phi(*host, now) },
            state: self.gossip.state(*host).cloned(),
            skew_micros: self.is_alive(*host).then(|| self.gossip.skew_micros(*host)).flatten(),
        };
        self.members.iter().map(view).collect()
    }

    /// Where peers reach a member now: its own word if that is newer than the log's.
    pub fn peer_addr(&self, host: HostId) -> Option<&str> {
        let said = self.gossip.state(host).map(|it| it.peer_addr.as_str());
        said.or_else(|| self.log.metadata().nodes.get(&host).map(|it| it.peer_addr.as_str()))
    }

    /// The records that alone make this node again: for rewriting the system log when it has grown.
    pub fn checkpoint_records(&self) -> Vec<Record> {
        let mut records =
            vec![Record::Identity(self.identity.clone()), Record::Generation(self.generation)];
        records.extend(self.log.checkpoint());
        records
    }

    /// Bytes that this node stores: told to peers with the next heartbeat.
    pub fn set_load(&mut self, load_bytes: u64) {
        self.gossip.own_mut().load_bytes = load_bytes;
    }

    /// Tells everyone at once whether this node takes requests.
    pub fn set_status(&mut self, status: Status, now: Now, rng: &mut Rng) -> Effects {
        self.gossip.own_mut().status = status;
        let send = self.gossip.heartbeat_all(&self.members, now);
        self.finish(Outbox { send, ..Outbox::default() }, now, rng)
    }

    /// Lets time pass: heartbeats, conviction, founding, retries. Call it every [`crate::TICK_MAX`].
    pub fn tick(&mut self, now: Now, rng: &mut Rng) -> Effects {
        let mut out = Outbox::default();
        if self.log.metadata().is_founded() {
            self.update_own_node(now, rng, &mut out);
            self.greet_seeds(now, &mut out);
            let dead = self.members.iter().filter(|host| !self.is_alive(**host)).copied().collect();
            out.send.extend(self.gossip.tick(now, &self.members, &dead, rng));
            for host in self.detector.tick(now.mono) {
                out.events.push(Event::Liveness { host, liveness: Liveness::Dead });
            }
        } else {
            self.found(now, rng, &mut out);
        }
        self.log.tick(&mut Context { now: now.mono, rng, out: &mut out });
        self.finish(out, now, rng)
    }

    /// Proposes a change of the metadata. Its outcome is an event with this `request_id`, at the
    /// latest at the first tick after `deadline` (monotonic, as in [`Now::mono`]).
    pub fn propose(
        &mut self,
        request_id: u64,
        change: Change,
        deadline: Duration,
        now: Now,
        rng: &mut Rng,
    ) -> Effects {
        let mut out = Outbox::default();
        let mut context = Context { now: now.mono, rng, out: &mut out };
        self.log.propose(request_id, change, deadline, &mut context);
        self.finish(out, now, rng)
    }

    /// A stream to `host` stands: says hello to it at once, so that it revives.
    pub fn on_peer_connected(&mut self, host: HostId, now: Now, rng: &mut Rng) -> Effects {
        let known = self.members.contains(&host) && host != self.host_id();
        let send = known.then(|| self.gossip.heartbeat_one(host, now)).into_iter().collect();
        self.finish(Outbox { send, ..Outbox::default() }, now, rng)
    }

    /// A stream to or from `host` broke: suspects it until it is heard again.
    pub fn on_peer_disconnected(&mut self, host: HostId, now: Now, rng: &mut Rng) -> Effects {
        let mut out = Outbox::default();
        if self.detector.suspect(host) {
            out.events.push(Event::Liveness { host, liveness: Liveness::Suspect });
        }
        self.finish(out, now, rng)
    }

    /// A request of `host` carried this epoch: fetches what is missing here.
    pub fn on_epoch(&mut self, host: HostId, epoch: u64, now: Now, rng: &mut Rng) -> Effects {
        let mut out = Outbox::default();
        if self.members.contains(&host) {
            let mut context = Context { now: now.mono, rng, out: &mut out };
            self.log.on_peer_epoch(host, epoch, &mut context);
        }
        self.finish(out, now, rng)
    }

    /// Takes a message. Whatever it says, this never panics; a stranger's is refused or ignored.
    pub fn on_message(&mut self, envelope: Envelope, now: Now, rng: &mut Rng) -> Effects {
        let mut out = Outbox::default();
        let Envelope { from, cluster_id, message } = envelope;
        match message {
            Message::Hello(hello) => self.on_hello(*hello, now, rng, &mut out),
            Message::Refuse(refused) => {
                if self.tells_first(refused.to_string()) {
                    out.events.push(Event::Refused(refused));
                }
            }
            message if self.knows(from, cluster_id) => {
                self.on_member(from, message, now, rng, &mut out);
            }
            Message::Heartbeat(_)
            | Message::Digest { .. }
            | Message::Difference { .. }
            | Message::States { .. }
            | Message::Ask { .. }
            | Message::Answer { .. }
            | Message::Fetch { .. }
            | Message::Entries { .. }
            | Message::Snapshot(_) => {}
        }
        self.finish(out, now, rng)
    }
}

/// Who the records say this node is.
fn identity_of(recovered: &[Record], local: &Local) -> Result<Option<Identity>, OpenError> {
    let identity = recovered.iter().find_map(|record| match record {
        Record::Identity(identity) => Some(identity),
        Record::Generation(_)
        | Record::Acceptor { .. }
        | Record::Entry(_)
        | Record::Snapshot(_) => None,
    });
    let Some(identity) = identity else {
        if recovered.is_empty() {
            return Ok(None);
        }
        return Err(OpenError::Incomplete("there is no record of who this node is"));
    };
    if identity.cluster_name != local.cluster_name {
        let (recorded, given) = (identity.cluster_name.clone(), local.cluster_name.clone());
        return Err(OpenError::OtherCluster { recorded, given });
    }
    if identity.dc != local.dc || identity.rack != local.rack {
        let recorded = format!("{}/{}", identity.dc, identity.rack);
        return Err(OpenError::Moved { recorded, given: format!("{}/{}", local.dc, local.rack) });
    }
    Ok(Some(identity.clone()))
}

/// The wall clock's second, or one more than the last start's where the clock stands behind it.
fn generation_of(recovered: &[Record], wall_seconds: u64) -> u64 {
    let last = recovered.iter().filter_map(|record| match record {
        Record::Generation(generation) => Some(*generation),
        Record::Identity(_) | Record::Acceptor { .. } | Record::Entry(_) | Record::Snapshot(_) => {
            None
        }
    });
    last.max().map_or(wall_seconds, |last| wall_seconds.max(last + 1))
}

fn hello(local: &Local, host_id: HostId, generation: u64) -> Hello {
    let mut founders: BTreeSet<String> = local.seeds.iter().cloned().collect();
    if founders.is_empty() {
        founders.insert(local.peer_addr.clone());
    }
    Hello {
        host_id,
        generation,
        cluster_name: local.cluster_name.clone(),
        peer_addr: local.peer_addr.clone(),
        cql_addr: local.cql_addr.clone(),
        client_addr: local.client_addr.clone(),
        dc: local.dc.clone(),
        rack: local.rack.clone(),
        num_tokens: local.num_tokens,
        founders,
        cluster_id: None,
        epoch: 0,
        answer: false,
    }
}
