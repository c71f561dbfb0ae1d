//! Runs the sans-io cluster core: persist, then send, then tell the rest of the node.
//!
//! ```text
//!  peers ──messages──► ┌────────┐ ──records──► system log (fsynced first)
//!  doors ──proposals─► │ driver │ ──messages─► peers
//!  time  ──ticks─────► └────────┘ ──metadata─► engine, catalog, links, clients
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use cluster::{
    Change, Cluster, Destination, Effects, Envelope, Event, Liveness, Metadata, Outcome, PeerView,
    Status, TICK_MAX,
};
use coordinator::hints::Hints;
use engine::{Engine, TableShape};
use model::{HostId, TableId};
use sys::{Blocking, Clock, Rng, run_fn};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    described::described,
    rpc::{link::Watcher, peers::Peers},
    start::StartError,
    system_store::SystemStore,
};

/// Inputs that wait for the driver. Messages past it are dropped: the cluster layer tolerates loss.
pub(crate) const INPUTS_MAX: usize = 4096;

/// How often the node's own load is measured and the view of the peers renewed.
const VIEW_INTERVAL: Duration = Duration::from_secs(1);

/// What the driver is told.
pub(crate) enum Input {
    /// A peer says something.
    Message(Bytes),
    /// A stream to a host stands.
    Connected(HostId),
    /// A stream to a host broke.
    Disconnected(HostId),
    /// Somebody wants a change of the metadata.
    Propose(Change, Duration, oneshot::Sender<Outcome>),
    /// A request was planned at an epoch that this node has not seen.
    Behind(u64),
    /// Whether this node takes requests.
    Status(Status),
}

/// What the driver publishes.
#[derive(Clone)]
pub(crate) struct Published {
    /// The metadata, once the engine has its tables.
    pub(crate) metadata: watch::Receiver<Arc<Metadata>>,
    /// Hosts heard lately; this one is not among them.
    pub(crate) alive: watch::Receiver<Arc<BTreeSet<HostId>>>,
    /// Hosts not convicted: those alive, and those whose stream broke a moment ago. One of these
    /// whose stream stands again is as good as alive: leaving it out until it is heard would cost
    /// a quorum for nothing.
    pub(crate) standing: watch::Receiver<Arc<BTreeSet<HostId>>>,
    /// All members, renewed every second.
    pub(crate) peers: watch::Receiver<Arc<Vec<PeerView>>>,
}

impl Published {
    /// Of each peer that is alive, its address and by how many microseconds its clock is ahead of this node's.
    pub(crate) fn clock_skews(&self) -> Vec<(String, i64)> {
        let metadata = self.metadata.borrow();
        let skew = |it: &PeerView| {
            let node = metadata.nodes.get(&it.host_id)?;
            Some((node.peer_addr.clone(), it.skew_micros?))
        };
        self.peers.borrow().iter().filter_map(skew).collect()
    }
}

/// The driver's side of what it publishes.
pub(crate) struct Publisher {
    metadata: watch::Sender<Arc<Metadata>>,
    alive: watch::Sender<Arc<BTreeSet<HostId>>>,
    standing: watch::Sender<Arc<BTreeSet<HostId>>>,
    peers: watch::Sender<Arc<Vec<PeerView>>>,
}

/// Channels that begin with what `cluster` knows.
pub(crate) fn publish(cluster: &Cluster) -> (Publisher, Published) {
    let (metadata, metadata_receiver) = watch::channel(cluster.snapshot());
    let (alive, alive_receiver) = watch::channel(Arc::default());
    let (standing, standing_receiver) = watch::channel(Arc::default());
    let (peers, peers_receiver) = watch::channel(Arc::default());
    let published = Published {
        metadata: metadata_receiver,
        alive: alive_receiver,
        standing: standing_receiver,
        peers: peers_receiver,
    };
    (Publisher { metadata, alive, standing, peers }, published)
}

/// Everything the driver touches.
pub(crate) struct Driver {
    pub(crate) cluster: Cluster,
    pub(crate) rng: Rng,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: SystemStore,
    pub(crate) engine: Engine,
    pub(crate) hints: Hints,
    pub(crate) blocking: Arc<dyn Blocking>,
    pub(crate) peers: Peers,
    pub(crate) watcher: Arc<dyn Watcher>,
    pub(crate) seeds: Vec<String>,
    pub(crate) own_address: String,
    pub(crate) publisher: Publisher,
    pub(crate) inputs: mpsc::Receiver<Input>,
    pub(crate) failed: mpsc::Sender<StartError>,
}

/// Callers that wait for their proposals.
type Waiting = BTreeMap<u64, oneshot::Sender<Outcome>>;

impl Driver {
    /// Runs until the node stops. `begun` is what the cluster wants done at once.
    pub(crate) async fn run(mut self, begun: Effects) {
        let mut waiting = Waiting::new();
        let mut request_id = 0;
        let mut view_at = Duration::ZERO;
        self.connect();
        if self.carry_out(begun, &mut waiting).await.is_err() {
            return;
        }
        let mut ticks = tokio::time::interval(TICK_MAX);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let effects = tokio::select! {
                biased;
                _ = ticks.tick() => self.tick(&mut view_at),
                input = self.inputs.recv() => match input {
                    None => return,
                    Some(Input::Propose(change, timeout, reply)) => {
                        request_id += 1;
                        waiting.insert(request_id, reply);
                        let now = self.now();
                        let deadline = now.mono + timeout;
                        self.cluster.propose(request_id, change, deadline, now, &mut self.rng)
                    }
                    Some(input) => self.take(input),
                },
            };
            if self.carry_out(effects, &mut waiting).await.is_err() {
                return;
            }
        }
    }

    fn now(&self) -> cluster::Now {
        cluster::Now { mono: self.clock.monotonic(), wall_micros: self.clock.wall_micros() }
    }

    fn tick(&mut self, view_at: &mut Duration) -> Effects {
        let now = self.now();
        if *view_at <= now.mono {
            *view_at = now.mono + VIEW_INTERVAL;
            let load = self.engine.stats().tables.values().map(|it| it.sstable_bytes).sum();
            self.cluster.set_load(load);
            self.publisher.peers.send_replace(Arc::new(self.cluster.peers(now.mono)));
            self.connect();
        }
        self.cluster.tick(now, &mut self.rng)
    }

    fn take(&mut self, input: Input) -> Effects {
        let now = self.now();
        let rng = &mut self.rng;
        match input {
            Input::Message(bytes) => match Envelope::decode(bytes) {
                Ok(envelope) => self.cluster.on_message(envelope, now, rng),
                Err(error) => {
                    tracing::warn!(%error, "a peer sent a message that cannot be read");
                    Effects::default()
                }
            },
            Input::Connected(host) => self.cluster.on_peer_connected(host, now, rng),
            Input::Disconnected(host) => self.cluster.on_peer_disconnected(host, now, rng),
            Input::Status(status) => self.cluster.set_status(status, now, rng),
            Input::Behind(epoch) => {
                let ahead = self.cluster.peers(now.mono).into_iter().find(|it| {
                    it.liveness == Liveness::Alive && it.host_id != self.cluster.host_id()
                });
                match ahead {
                    Some(peer) => self.cluster.on_epoch(peer.host_id, epoch, now, rng),
                    None => Effects::default(),
                }
            }
            Input::Propose(..) => Effects::default(),
        }
    }

    /// Persist, then send, then tell. An error stops the node: nobody knows what is durable.
    async fn carry_out(&mut self, effects: Effects, waiting: &mut Waiting) -> Result<(), ()> {
        if !effects.persist.is_empty() {
            let cluster = &self.cluster;
            let persisted =
                self.store.persist(&effects.persist, || cluster.checkpoint_records()).await;
            if let Err(why) = persisted {
                self.fail(StartError::NotPersisted(why)).await;
                return Err(());
            }
        }
        for (destination, envelope) in effects.send {
            let bytes = envelope.encode();
            match destination {
                Destination::Host(host) => self.peers.send_to_host(host, bytes),
                Destination::Addr(address) => self.peers.send_to_address(&address, bytes),
            }
        }
        for event in effects.events {
            self.tell(event, waiting).await?;
        }
        Ok(())
    }

    async fn tell(&mut self, event: Event, waiting: &mut Waiting) -> Result<(), ()> {
        match event {
            Event::Applied { before, metadata } => {
                tracing::info!(epoch = metadata.epoch, "the metadata moved on");
                if let Err(why) = self.follow(&before, &metadata).await {
                    self.fail(StartError::Engine(why)).await;
                    return Err(());
                }
                self.publisher.metadata.send_replace(metadata);
                self.connect();
            }
            Event::Proposed { request_id, outcome } => {
                if let Some(reply) = waiting.remove(&request_id) {
                    // Whoever proposed may have gone away.
                    drop(reply.send(outcome));
                }
            }
            Event::Liveness { host, liveness } => {
                tracing::info!(%host, ?liveness, "a peer is thought of differently");
                note(&self.publisher.alive, host, liveness == Liveness::Alive);
                note(&self.publisher.standing, host, liveness != Liveness::Dead);
            }
            Event::Status { host, status } => {
                tracing::info!(%host, ?status, "a peer changed its status");
            }
            Event::Clock { host, skew_micros, differs } => {
                let peer = self.cluster.peer_addr(host).unwrap_or_default();
                let skew_ms = skew_micros / 1_000;
                if differs {
                    tracing::warn!(
                        peer,
                        %host,
                        skew_ms,
                        "the clocks of a peer and of this node differ: look at the time service of both"
                    );
                } else {
                    tracing::info!(peer, %host, skew_ms, "the clocks of a peer and of this node agree again");
                }
            }
            Event::Refused(refused) => {
                let founded = self.cluster.snapshot().is_founded();
                tracing::error!(%refused, founded, "this node is not let in");
                if !founded {
                    self.fail(StartError::Refused(refused)).await;
                    return Err(());
                }
            }
            Event::RefusedPeer { peer_addr, refused } => {
                tracing::warn!(peer = %peer_addr, %refused, "a peer was not let in");
            }
        }
        Ok(())
    }

    /// Makes the engine's tables those of `after`, before anyone is told of them.
    async fn follow(&self, before: &Metadata, after: &Metadata) -> Result<(), engine::Error> {
        let (old, new) = (shapes(before), shapes(after));
        let gone: Vec<TableId> = old.keys().filter(|id| !new.contains_key(id)).copied().collect();
        let come: Vec<TableShape> =
            new.into_iter().filter(|(id, it)| old.get(id) != Some(it)).map(|(_, it)| it).collect();
        if gone.is_empty() && come.is_empty() {
            return Ok(());
        }
        for table in &gone {
            self.hints.forget_table(*table);
        }
        let engine = self.engine.clone();
        run_fn(&*self.blocking, move || {
            come.into_iter().try_for_each(|shape| engine.create_table(shape))?;
            gone.into_iter().try_for_each(|table| engine.drop_table(table))
        })
        .await?
    }

    /// Keeps links to members where they are now, and to seeds that are no members.
    fn connect(&self) {
        let metadata = self.cluster.snapshot();
        let own = self.cluster.host_id();
        let address = |host: &HostId| Some((*host, self.cluster.peer_addr(*host)?.to_owned()));
        let members: BTreeMap<HostId, String> =
            metadata.nodes.keys().filter(|host| **host != own).filter_map(address).collect();
        let known: BTreeSet<&String> = members.values().collect();
        let seek: Vec<String> = self
            .seeds
            .iter()
            .filter(|it| **it != self.own_address && !known.contains(it))
            .cloned()
            .collect();
        self.peers.set(&members, &self.watcher);
        self.peers.seek(&seek, &self.watcher);
    }

    async fn fail(&self, why: StartError) {
        tracing::error!(%why, "the node cannot go on");
        drop(self.failed.send(why).await);
    }
}

/// Enters `host` in a published set, or takes it out.
fn note(set: &watch::Sender<Arc<BTreeSet<HostId>>>, host: HostId, belongs: bool) {
    set.send_modify(|hosts| {
        let hosts = Arc::make_mut(hosts);
        if belongs {
            hosts.insert(host);
        } else {
            hosts.remove(&host);
        }
    });
}

/// The shape of every table, as the engine needs it.
pub(crate) fn shapes(metadata: &Metadata) -> BTreeMap<TableId, TableShape> {
    let mut shapes = BTreeMap::new();
    for keyspace in metadata.schema.keyspaces.values() {
        for table in keyspace.tables.values() {
            let shape = TableShape {
                id: table.id,
                gc_grace_seconds: table.options.gc_grace_seconds,
                bloom_fp: table.options.bloom_filter_fp_chance,
                compaction: table.options.compaction.clone(),
                compression: table.options.compression.clone(),
                durable: keyspace.durable_writes,
                dropped: table.dropped.clone(),
                described: Some(Arc::new(described(table))),
            };
            shapes.insert(table.id, shape);
        }
    }
    shapes
}
