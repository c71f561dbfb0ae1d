//! What the doors see of the node behind them.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cluster::{Metadata, Status};
use coordinator::{clock::Timestamps, hints::Hints, view::View};
use cql_lite::code::Code;
use engine::Engine;
use futures_util::{FutureExt, future::BoxFuture};
use model::{HostId, PartitionKey, TableId};
use proto::{admin, client, cql::event::Event, peer};
use query::{Error, Executor, Retry};
use sys::{Blocking, Clock, Disk};
use tokio::sync::{Semaphore, broadcast, mpsc, watch};

use crate::{
    catalog::ClusterCatalog,
    cluster_driver::{Input, Published},
    config::Settings,
    http, key_text,
    metrics::{Ending, Metrics},
    native::clients::Clients,
    remembered::Remembered,
    rpc::{
        admin_door,
        client_door::{self, Observed},
        link::{Notice, Watcher},
        peer_door,
        peers::Peers,
        weight::Weighed,
    },
    snapshots,
    version::VERSION,
};

/// Names and addresses in a hello: what strangers say is remembered and logged.
const HELLO_TEXT_BYTES_MAX: usize = 1024;

/// Addresses by which a node is reached, as bound and as advertised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// For peers, as advertised.
    pub peer: String,
    /// For CQL drivers, as advertised.
    pub cql: String,
    /// For the client crate, as advertised.
    pub client: String,
    /// Health and metrics.
    pub http: String,
}

/// How long requests in hand may take when this node drains.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Compactions that operators have asked for and that have not ended, at most: they go on one after the other.
pub(crate) const COMPACTIONS_MAX: usize = 16;

/// What all doors share.
pub(crate) struct Shared {
    pub(crate) host: HostId,
    pub(crate) settings: Settings,
    pub(crate) addresses: Addresses,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) blocking: Arc<dyn Blocking>,
    pub(crate) engine: Engine,
    pub(crate) hints: Hints,
    pub(crate) timestamps: Arc<Timestamps>,
    pub(crate) executor: Arc<Executor>,
    pub(crate) remembered: Remembered,
    pub(crate) catalog: Arc<ClusterCatalog>,
    pub(crate) published: Published,
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) peers: Peers,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) topology: watch::Receiver<client::Topology>,
    /// Whether this node has heard its peers since it started, or waited long enough for them.
    pub(crate) settled: watch::Receiver<bool>,
    /// Whether this node takes no more requests.
    pub(crate) draining: watch::Sender<bool>,
    /// Whether CQL drivers were answered all that was in hand when this node began to drain.
    pub(crate) native_closed: watch::Sender<bool>,
    /// One for each compaction that was asked for and has not ended.
    pub(crate) compactions: Arc<Semaphore>,
    /// What happens to the schema and to the nodes.
    pub(crate) events: broadcast::Sender<Event>,
    /// CQL drivers that are connected.
    pub(crate) clients: Clients,
    /// Monotonic time of the start.
    pub(crate) begun: Duration,
}

impl Shared {
    pub(crate) fn metadata(&self) -> Arc<Metadata> {
        Arc::clone(&self.published.metadata.borrow())
    }

    /// Why this node does not serve; `Ok` when it does.
    pub(crate) fn serves(&self) -> Result<(), Error> {
        if *self.draining.borrow() {
            let draining = Error::new(Code::Draining, "this node is draining");
            return Err(draining.retry(Retry::Safe).hint("use another node"));
        }
        if !self.metadata().nodes.contains_key(&self.host) {
            let text = "this node is not a member of a founded cluster yet";
            let hint = "it waits for the other founders that --seeds names";
            return Err(Error::new(Code::NotReady, text).retry(Retry::Safe).hint(hint));
        }
        if !*self.settled.borrow() {
            let text = "this node has not heard its peers yet";
            return Err(Error::new(Code::NotReady, text).retry(Retry::Safe));
        }
        Ok(())
    }

    /// Refuses new requests, then puts everything on disk.
    pub(crate) async fn drain(&self) -> Result<String, String> {
        self.draining.send_replace(true);
        drop(self.inputs.send(Input::Status(Status::Draining)).await);
        // What was taken in hand still needs the engine.
        let mut closed = self.native_closed.subscribe();
        drop(tokio::time::timeout(DRAIN_TIMEOUT, closed.wait_for(|it| *it)).await);
        self.engine.close(&*self.blocking).await.map_err(|it| it.to_string())?;
        if let Err(error) = self.timestamps.close().await {
            tracing::warn!(%error, "the next start waits for the clock, as after a crash");
        }
        tracing::info!("drained");
        Ok("drained: everything is on disk, the node may be stopped".into())
    }

    fn peers_hello(&self, lane: peer::Lane) -> peer::Hello {
        let metadata = self.metadata();
        peer::Hello {
            protocol_version: proto::PEER_PROTOCOL,
            cluster_name: self.settings.cluster_name.clone(),
            cluster_id: if metadata.is_founded() {
                Bytes::copy_from_slice(metadata.cluster_id.as_bytes())
            } else {
                Bytes::new()
            },
            host_id: Bytes::copy_from_slice(self.host.0.as_bytes()),
            peer_addr: self.addresses.peer.clone(),
            epoch: metadata.epoch,
            lane: lane.into(),
            software_version: VERSION.into(),
        }
    }

    fn node_status(&self, node: &cluster::Node, owns: f64) -> admin::NodeStatus {
        let peers = self.published.peers.borrow();
        let view = peers.iter().find(|it| it.host_id == node.host_id);
        let state = view.and_then(|it| it.state.as_ref());
        let up = node.host_id == self.host || self.published.alive.borrow().contains(&node.host_id);
        let own = node.host_id == self.host;
        let wall = u64::try_from(self.clock.wall_micros() / 1_000_000).unwrap_or(0);
        let uptime = state.map_or(0, |it| wall.saturating_sub(it.beat.generation));
        let load = if own { self.load() } else { state.map_or(0, |it| it.load_bytes) };
        let pending = self.hints.pending();
        admin::NodeStatus {
            state: if up { "UN" } else { "DN" }.into(),
            address: node.peer_addr.clone(),
            load_bytes: load,
            tokens: u32::try_from(node.tokens.len()).unwrap_or(u32::MAX),
            owns,
            host_id: node.host_id.to_string(),
            dc: node.dc.clone(),
            rack: node.rack.clone(),
            version: if own { VERSION.into() } else { String::new() },
            uptime_seconds: if own { self.uptime().as_secs() } else { uptime },
            pending_hints: pending
                .iter()
                .filter(|it| it.host == node.host_id)
                .map(|it| it.count)
                .sum(),
            client_addr: node.client_addr.clone(),
            clock_skew_micros: view.and_then(|it| it.skew_micros).unwrap_or(0),
        }
    }

    fn load(&self) -> u64 {
        self.engine.stats().tables.values().map(|it| it.sstable_bytes + it.memtable_bytes).sum()
    }

    fn uptime(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.begun)
    }

    pub(crate) fn table(
        &self,
        keyspace: &str,
        table: &str,
    ) -> Result<Option<Vec<TableId>>, String> {
        if keyspace.is_empty() {
            return Ok(None);
        }
        let schema = Arc::clone(&self.metadata().schema);
        let found = schema.keyspaces.get(keyspace);
        let found = found.ok_or_else(|| format!("keyspace {keyspace} does not exist"))?;
        if table.is_empty() {
            return Ok(Some(found.tables.values().map(|it| it.id).collect()));
        }
        let found = found.tables.get(table);
        let found = found.ok_or_else(|| format!("table {keyspace}.{table} does not exist"))?;
        Ok(Some(vec![found.id]))
    }
}

impl Watcher for Shared {
    fn on_notice(&self, address: &str, lane: peer::Lane, notice: Notice) {
        match notice {
            Notice::Up(hello) => {
                tracing::info!(
                    peer = address,
                    ?lane,
                    version = hello.software_version,
                    "connected"
                );
                if let Ok(host) = uuid::Uuid::from_slice(&hello.host_id) {
                    drop(self.inputs.try_send(Input::Connected(HostId(host))));
                }
            }
            Notice::Down => {
                tracing::warn!(peer = address, ?lane, "the stream closed");
                let metadata = self.metadata();
                let node = metadata.nodes.values().find(|it| it.peer_addr == address);
                if let Some(node) = node {
                    drop(self.inputs.try_send(Input::Disconnected(node.host_id)));
                }
            }
            Notice::Refused { code, message } => {
                tracing::warn!(peer = address, code, message, "a peer does not let this node in");
            }
        }
    }

    fn on_cluster(&self, message: Bytes) {
        drop(self.inputs.try_send(Input::Message(message)));
    }

    fn hello(&self, lane: peer::Lane) -> peer::Hello {
        self.peers_hello(lane)
    }
}

impl peer_door::Behind for Shared {
    fn admit(&self, hello: &peer::Hello) -> Result<(), (&'static str, String)> {
        if hello.protocol_version != proto::PEER_PROTOCOL {
            let text = format!(
                "peer protocol {} is spoken here, and {} there: run one version on all nodes",
                proto::PEER_PROTOCOL,
                hello.protocol_version
            );
            return Err(("HX7003", text));
        }
        let texts = [&hello.cluster_name, &hello.peer_addr, &hello.software_version];
        if texts.iter().any(|it| HELLO_TEXT_BYTES_MAX < it.len()) {
            let text = format!("a hello whose texts are longer than {HELLO_TEXT_BYTES_MAX} bytes");
            return Err(("HX2012", text));
        }
        // Strangers may speak to the cluster layer, which tells them why they are not let in, and to
        // nobody else.
        if hello.lane() == peer::Lane::Urgent {
            return Ok(());
        }
        let metadata = self.metadata();
        if hello.cluster_id.as_ref() != metadata.cluster_id.as_bytes() && metadata.is_founded() {
            let text = format!("this is cluster `{}`, and another one", self.settings.cluster_name);
            return Err(("HX7002", text));
        }
        let host = uuid::Uuid::from_slice(&hello.host_id).map(HostId);
        let host = host.map_err(|_| ("HX2012", "a host id of another length".to_owned()))?;
        // One who is ahead of us may have become a member in what we have not seen.
        if metadata.nodes.contains_key(&host) || metadata.epoch < hello.epoch {
            return Ok(());
        }
        Err(("HX7001", format!("{host} is not a member of this cluster")))
    }

    fn hello(&self, lane: peer::Lane) -> peer::Hello {
        self.peers_hello(lane)
    }

    fn on_cluster(&self, message: Bytes) {
        drop(self.inputs.try_send(Input::Message(message)));
    }

    fn slow(&self) -> Duration {
        self.settings.slow_query
    }

    fn on_caller(&self, address: &str, answers: mpsc::Sender<Weighed<peer::PeerFrame>>) {
        self.peers.caller(address, answers);
    }

    fn on_caller_left(&self, address: &str, answers: &mpsc::Sender<Weighed<peer::PeerFrame>>) {
        self.peers.caller_left(address, answers);
    }
}

impl client_door::Behind for Shared {
    fn hello(&self) -> client::ServerHello {
        let metadata = self.metadata();
        client::ServerHello {
            protocol_version: proto::CLIENT_PROTOCOL,
            server_version: VERSION.into(),
            cluster_name: self.settings.cluster_name.clone(),
            cluster_id: Bytes::copy_from_slice(metadata.cluster_id.as_bytes()),
            host_id: Bytes::copy_from_slice(self.host.0.as_bytes()),
        }
    }

    fn settled(&self) -> BoxFuture<'_, ()> {
        let mut settled = self.settled.clone();
        // An error means that the node stops, and this future with it.
        async move { drop(settled.wait_for(|it| *it).await) }.boxed()
    }

    fn executor(&self) -> Result<Arc<Executor>, Error> {
        self.serves()?;
        Ok(Arc::clone(&self.executor))
    }

    fn prepared(&self, prepared: &query::Prepared, keyspace: Option<&str>, text: &str) {
        self.remembered.note(prepared.id, keyspace, text);
    }

    fn catch_up(&self, epoch: u64) -> BoxFuture<'_, ()> {
        if epoch <= self.published.metadata.borrow().epoch {
            return std::future::ready(()).boxed();
        }
        self.catalog.catch_up(epoch)
    }

    fn topology(&self) -> watch::Receiver<client::Topology> {
        self.topology.clone()
    }

    fn observe(&self, request: &Observed, error: Option<&Error>) {
        let ending = match error {
            None => Ending::Ok,
            Some(error) => match error.retry {
                Retry::No => Ending::Invalid,
                Retry::Safe => Ending::Refused,
                Retry::UnknownOutcome => Ending::Unknown,
            },
        };
        let Observed { kind, consistency, took, trace } = *request;
        self.metrics.request(kind, consistency, ending, took);
        if self.settings.slow_query <= took {
            self.metrics.slow_request();
            let (kind, outcome) = (kind.name(), ending.name());
            let (took_ms, trace) = (took.as_millis() as u64, format!("{trace:016x}"));
            tracing::warn!(trace, kind, outcome, took_ms, "slow request");
        }
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }
}

impl http::Behind for Shared {
    fn ready(&self) -> Result<(), String> {
        self.serves().map_err(|error| error.message)
    }

    fn metrics(&self) -> &Metrics {
        &self.metrics
    }
}

#[tonic::async_trait]
impl admin_door::Behind for Shared {
    fn status(&self) -> admin::StatusAnswer {
        let metadata = self.metadata();
        let owns = metadata.ring.ownership();
        let share = |host: &HostId| owns.get(host).copied().unwrap_or(0.0);
        let nodes: Vec<admin::NodeStatus> =
            metadata.nodes.iter().map(|(host, node)| self.node_status(node, share(host))).collect();
        let down: Vec<&str> =
            nodes.iter().filter(|it| it.state != "UN").map(|it| it.address.as_str()).collect();
        let verdict = match (nodes.len(), down.as_slice()) {
            (0, _) => "The cluster is not founded yet: waiting for the other founders.".to_owned(),
            (1, []) => "The only node is up.".to_owned(),
            (all, []) => format!("All {all} nodes are up."),
            (all, [down]) => format!("1 of {all} nodes is down: {down}."),
            (all, down) => format!("{} of {all} nodes are down: {}.", down.len(), down.join(", ")),
        };
        admin::StatusAnswer {
            cluster_name: self.settings.cluster_name.clone(),
            epoch: metadata.epoch,
            verdict,
            nodes,
            host_id: self.host.to_string(),
            clocks: self.wrong_clocks(),
        }
    }

    fn unhealthy(&self) -> Vec<String> {
        self.complaints()
    }

    async fn flush(&self, keyspace: &str, table: &str) -> Result<String, String> {
        match self.table(keyspace, table)? {
            None => self.engine.flush(None, &*self.blocking).await.map_err(|it| it.to_string())?,
            Some(tables) => {
                for table in tables {
                    let flushed = self.engine.flush(Some(table), &*self.blocking).await;
                    flushed.map_err(|it| it.to_string())?;
                }
            }
        }
        Ok("flushed".into())
    }

    async fn compact(&self, keyspace: &str, table: &str) -> Result<String, String> {
        let tables = match self.table(keyspace, table)? {
            None => vec![None],
            Some(tables) => tables.into_iter().map(Some).collect(),
        };
        let permit = Arc::clone(&self.compactions).try_acquire_owned().map_err(|_| {
            format!(
                "{COMPACTIONS_MAX} compactions were asked for and have not ended: try again when one has; \
                 system_views.sstable_tasks shows how far they are"
            )
        })?;
        let (engine, blocking) = (self.engine.clone(), Arc::clone(&self.blocking));
        // What is held back may take hours: it goes on when whoever asked has gone away, until the engine is closed.
        let compacting = tokio::spawn(async move {
            let _permit = permit;
            for table in tables {
                engine.compact(table, &*blocking).await.map_err(|it| it.to_string())?;
            }
            Ok("compacted".to_owned())
        });
        compacting.await.unwrap_or_else(|it| Err(it.to_string()))
    }

    async fn drain(&self) -> Result<String, String> {
        Shared::drain(self).await
    }

    fn settings(&self) -> Vec<admin::Setting> {
        let setting = |(key, value): (&str, &crate::config::Value)| admin::Setting {
            key: key.into(),
            value: value.text.clone(),
            origin: value.origin.to_string(),
        };
        self.settings.layers.iter().map(setting).collect()
    }

    fn locate(&self, keyspace: &str, table: &str, key: &str) -> Result<admin::WhereAnswer, String> {
        let metadata = self.metadata();
        let table = metadata.schema.table(keyspace, table);
        let table = table.ok_or_else(|| format!("no such table in {keyspace}"))?;
        let bytes = key_text::partition_key(table, key)?;
        let token = PartitionKey::new(bytes).token;
        let placement = metadata.placement(keyspace);
        let hosts = placement.map_or(&[][..], |it| it.replicas(token));
        let replicas = hosts
            .iter()
            .filter_map(|host| metadata.nodes.get(host))
            .map(|node| self.node_status(node, 0.0))
            .collect();
        Ok(admin::WhereAnswer { token: token.0, replicas })
    }

    async fn snapshot_create(
        &self,
        request: admin::SnapshotRequest,
    ) -> Result<admin::SnapshotsAnswer, String> {
        snapshots::create(self, request).await
    }

    async fn snapshot_list(&self) -> Result<admin::SnapshotsAnswer, String> {
        snapshots::list(self).await
    }

    async fn snapshot_restore(
        &self,
        request: admin::SnapshotRestoreRequest,
    ) -> Result<admin::SnapshotRestoreAnswer, String> {
        snapshots::restore(self, request).await
    }

    async fn snapshot_delete(
        &self,
        request: admin::SnapshotRequest,
    ) -> Result<admin::SnapshotDeleteAnswer, String> {
        snapshots::delete(self, request).await
    }

    async fn import(&self, request: admin::ImportRequest) -> Result<admin::ImportAnswer, String> {
        snapshots::import(self, request).await
    }
}
