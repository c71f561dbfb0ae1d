//! Puts a node together, and takes it apart.
//!
//! ```text
//! lock ─► system log ─► who am I, what is the schema ─► engine replays its log ─► doors open
//!      ─► founded or joined: it serves ─► drain: doors refuse, memtables to disk ─► gone
//! ```

use std::{
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use cluster::Cluster;
use coordinator::{Coordinator, clock::Timestamps, hints, replica::Replica, view::View};
use engine::Engine;
use query::{Executor, guardrail::Guard, sessions::Sessions};
use sys::{Blocking, Clock, Disk, FactStore, Lock, Net, SharedRng, facts};
use tokio::{
    sync::{Mutex, Semaphore, broadcast, mpsc, watch},
    task::JoinSet,
};

use crate::{
    catalog::ClusterCatalog,
    cluster_driver::{self, Driver, INPUTS_MAX, Input},
    config::Settings,
    doors,
    metrics::{Gauges, Metrics},
    native, open,
    remembered::Remembered,
    replica::{leader::Turns, local::Local},
    rpc::{
        link::Watcher,
        peers::{Peers, WeakPeers},
    },
    shared::{COMPACTIONS_MAX, Shared},
    topology,
    views::NodeViews,
    warm_up,
};

mod error;

pub use self::error::StartError;
pub(crate) use self::error::code_of_engine;
pub use crate::shared::Addresses;

/// A replica that did not answer a read for this long is not waited for alone: one more is asked.
const SPECULATE_AFTER: Duration = Duration::from_millis(50);

/// How often hints are looked at.
const HINTS_INTERVAL: Duration = Duration::from_millis(500);

/// The machine, or a simulation of one.
#[derive(Clone)]
pub struct Seams {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub rng: SharedRng,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Connections.
    pub net: Arc<dyn Net>,
    /// Threads for whatever blocks for a moment.
    pub blocking: Arc<dyn Blocking>,
    /// Threads for the commit log, flushes and compactions, which no read may take: one each, and as many as
    /// `compaction.concurrent` for the last.
    pub jobs: Arc<dyn Blocking>,
    /// Opens the store of small facts in a folder.
    pub facts: OpenFacts,
}

/// Opens a fact store in a folder: on the disk, or in memory for a simulation.
pub type OpenFacts = Arc<dyn Fn(&Path) -> Result<Arc<dyn FactStore>, facts::Error> + Send + Sync>;

/// A running node. Dropping it, and then the runtime that it runs on, is a kill: nothing is flushed.
pub struct Node {
    shared: Arc<Shared>,
    failed: Mutex<mpsc::Receiver<StartError>>,
    shutdown: watch::Sender<bool>,
    disk: Arc<dyn Disk>,
    // Tasks end with the set.
    _tasks: JoinSet<()>,
    _lock: Box<dyn Lock>,
}

impl Node {
    /// Starts a node. It serves once it is a member of a founded cluster: `serving`.
    ///
    /// # Errors
    /// See `StartError`.
    #[expect(clippy::too_many_lines, reason = "the list of all parts, in the order they are made")]
    pub async fn start(settings: Settings, seams: Seams) -> Result<Node, StartError> {
        let (doors, addresses) = doors::open(&settings, &*seams.net).await?;
        let lock = open::directory(&settings, &seams).await?;
        let (store, recovered) = open::store(&settings, &seams).await?;
        let mut rng = seams.rng.fork();
        let (cluster, effects) = Cluster::new(
            identity(&settings, &addresses),
            cluster_options(&settings),
            recovered,
            seams.clock.wall_micros(),
            &mut rng,
        )?;
        let snapshot = cluster.snapshot();
        let (engine, hints, timestamps, facts) = tokio::try_join!(
            open::engine(&settings, &seams, &snapshot),
            open::hints(&settings, &seams),
            open::timestamps(&settings, &seams),
            open::facts(&settings, &seams),
        )?;
        let (publisher, published) = cluster_driver::publish(&cluster);
        let (inputs, inputs_receiver) = mpsc::channel(INPUTS_MAX);
        let weak_peers: Arc<OnceLock<WeakPeers>> = Arc::default();
        let catalog = Arc::new(ClusterCatalog::new(
            cluster.host_id(),
            published.clone(),
            inputs.clone(),
            Arc::clone(&weak_peers),
        ));
        let stored = Stored { engine: engine.clone(), hints: hints.clone(), timestamps };
        let replicas =
            Replicated::new(&settings, &seams, stored, &catalog, &weak_peers, inputs.clone());
        let clients = native::clients::Clients::default();
        let (coordinator, executor) =
            serve_statements(&settings, &seams, &replicas, &catalog, &clients);
        let (settled_sender, settled) = watch::channel(false);
        let (topology_sender, topology) = watch::channel(topology::picture(&catalog));
        let events = broadcast::Sender::new(native::events::EVENTS_MAX);
        let shared = Arc::new(Shared {
            host: cluster.host_id(),
            addresses,
            clock: Arc::clone(&seams.clock),
            disk: Arc::clone(&seams.disk),
            blocking: Arc::clone(&seams.blocking),
            engine: engine.clone(),
            hints: hints.clone(),
            timestamps: Arc::clone(&replicas.stored.timestamps),
            executor: Arc::new(executor),
            remembered: Remembered::new(facts, Arc::clone(&seams.blocking)),
            catalog: Arc::clone(&catalog),
            published: published.clone(),
            inputs,
            peers: replicas.peers.clone(),
            metrics: replicas.metrics,
            topology,
            settled,
            draining: watch::Sender::new(false),
            compactions: Arc::new(Semaphore::new(COMPACTIONS_MAX)),
            native_closed: watch::Sender::new(false),
            events: events.clone(),
            clients,
            begun: seams.clock.monotonic(),
            settings: settings.clone(),
        });
        let (failed_sender, failed) = mpsc::channel(4);
        let (shutdown, shutdown_receiver) = watch::channel(false);
        let driver = Driver {
            cluster,
            rng,
            clock: Arc::clone(&seams.clock),
            store,
            engine: engine.clone(),
            hints,
            blocking: Arc::clone(&seams.blocking),
            peers: replicas.peers,
            watcher: Arc::clone(&shared) as Arc<dyn Watcher>,
            seeds: settings.seeds.clone(),
            own_address: shared.addresses.peer.clone(),
            publisher,
            inputs: inputs_receiver,
            failed: failed_sender,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(engine::background(engine, Arc::clone(&seams.jobs), shutdown_receiver));
        tasks.spawn(driver.run(effects));
        tasks.spawn(Arc::clone(&replicas.stored.timestamps).keep_ahead());
        tasks.spawn(hints::replay(coordinator, replay_options(&settings)));
        tasks.spawn(native::events::follow(Arc::clone(&catalog), published.clone(), events));
        tasks.spawn(topology::follow(catalog, published, topology_sender));
        tasks.spawn(warm_up::recall(Arc::clone(&shared)));
        tasks.spawn(warm_up::settle(Arc::clone(&shared), settled_sender));
        doors::spawn(&mut tasks, doors, &shared, replicas.local, replicas.guard, &seams);
        log_start(&shared);
        let failed = Mutex::new(failed);
        Ok(Node { shared, failed, shutdown, disk: seams.disk, _tasks: tasks, _lock: lock })
    }

    /// Where this node is reached.
    pub fn addresses(&self) -> &Addresses {
        &self.shared.addresses
    }

    /// This node's id.
    pub fn host(&self) -> model::HostId {
        self.shared.host
    }

    /// Resolves once this node serves requests.
    pub async fn serving(&self) {
        let mut settled = self.shared.settled.clone();
        // An error means that the node stops: `failed` says why.
        if settled.wait_for(|it| *it).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Resolves once this node believes at least `count` other members alive.
    pub async fn peers_alive_at_least(&self, count: usize) {
        let mut alive = self.shared.published.alive.clone();
        // An error means that the driver stopped: `failed` says why.
        if alive.wait_for(|it| count <= it.len()).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Resolves when the node cannot go on.
    pub async fn failed(&self) -> StartError {
        match self.failed.lock().await.recv().await {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }

    /// Refuses new requests, then puts everything on disk.
    ///
    /// # Errors
    /// What the engine says: then the log is replayed at the next start.
    pub async fn drain(&self) -> Result<(), String> {
        self.shared.drain().await?;
        self.shutdown.send_replace(true);
        Ok(())
    }

    /// Writes the addresses to `path`, atomically: the sign for scripts that the node serves.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write_ready_file(&self, path: &Path) -> std::io::Result<()> {
        let it = self.addresses();
        let text =
            format!("peer={}\ncql={}\nclient={}\nhttp={}\n", it.peer, it.cql, it.client, it.http);
        sys::disk::write_atomically(&*self.disk, path, text.as_bytes())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.shared.peers.close();
    }
}

fn identity(settings: &Settings, addresses: &Addresses) -> cluster::Local {
    cluster::Local {
        cluster_name: settings.cluster_name.clone(),
        peer_addr: addresses.peer.clone(),
        cql_addr: addresses.cql.clone(),
        client_addr: addresses.client.clone(),
        dc: settings.dc.clone(),
        rack: settings.rack.clone(),
        num_tokens: settings.num_tokens,
        seeds: settings.seeds.clone(),
    }
}

fn cluster_options(settings: &Settings) -> cluster::Options {
    let options = cluster::Options::production();
    let gossip = cluster::gossip::Options { skew_max: settings.clock_skew_warn, ..options.gossip };
    cluster::Options { gossip, ..options }
}

/// What is on disk.
struct Stored {
    engine: Engine,
    hints: hints::Hints,
    timestamps: Arc<Timestamps>,
}

/// This node's replica and the ways to the others.
struct Replicated {
    stored: Stored,
    local: Arc<dyn Replica>,
    peers: Peers,
    metrics: Arc<Metrics>,
    guard: Arc<Guard>,
    sessions: Sessions,
}

impl Replicated {
    fn new(
        settings: &Settings,
        seams: &Seams,
        stored: Stored,
        catalog: &Arc<ClusterCatalog>,
        weak_peers: &Arc<OnceLock<WeakPeers>>,
        inputs: mpsc::Sender<Input>,
    ) -> Replicated {
        let guard = Arc::new(Guard::new(|it| settings.guardrails[it as usize]));
        let source = Gauged {
            engine: stored.engine.clone(),
            hints: stored.hints.clone(),
            catalog: Arc::clone(catalog),
            peers: Arc::clone(weak_peers),
            guard: Arc::clone(&guard),
        };
        let metrics = Arc::new(Metrics::new(Arc::new(move || source.read())));
        let sessions = Sessions::default();
        let local: Arc<dyn Replica> = Arc::new(Local {
            host: catalog.local(),
            engine: stored.engine.clone(),
            hints: stored.hints.clone(),
            blocking: Arc::clone(&seams.blocking),
            metadata: catalog.watch(),
            inputs,
            sessions: sessions.clone(),
            metrics: Arc::clone(&metrics),
            timestamps: Arc::clone(&stored.timestamps),
            turns: Turns::default(),
        });
        let peers = Peers::new(Arc::clone(&seams.net), Arc::clone(&local));
        drop(weak_peers.set(peers.downgrade()));
        Replicated { stored, local, peers, metrics, guard, sessions }
    }
}

fn serve_statements(
    settings: &Settings,
    seams: &Seams,
    replicas: &Replicated,
    catalog: &Arc<ClusterCatalog>,
    clients: &native::clients::Clients,
) -> (Coordinator, Executor) {
    let views = Arc::new(NodeViews {
        settings: settings.clone(),
        engine: replicas.stored.engine.clone(),
        hints: replicas.stored.hints.clone(),
        clients: clients.clone(),
    });
    let coordinator = Coordinator::new(
        coordinator::Parts {
            view: Arc::clone(catalog) as Arc<dyn View>,
            replicas: Arc::new(replicas.peers.clone()),
            hints: replicas.stored.hints.clone(),
            timestamps: Arc::clone(&replicas.stored.timestamps),
        },
        coordinator::Options {
            in_flight_bytes_max: settings.memory / 10,
            background_bytes_max: settings.memory / 20,
            speculate_after: Some(SPECULATE_AFTER),
        },
    );
    let executor = Executor::new(
        Arc::clone(catalog) as Arc<dyn query::Catalog>,
        Arc::new(coordinator.clone()),
        seams.rng.clone(),
        Arc::clone(&seams.clock),
        query::Options {
            page_rows: 5_000,
            page_bytes_max: 1 << 20,
            page_tombstones_max: 10_000,
            prepared_max: 10_000,
            guard: Arc::clone(&replicas.guard),
            timeouts: query::Timeouts {
                read: settings.timeout_read,
                write: settings.timeout_write,
                schema: settings.timeout_schema,
            },
            partition_bytes: Arc::new({
                let engine = replicas.stored.engine.clone();
                move |table, key, enough| engine.partition_bytes(table, key, enough)
            }),
        },
    )
    .with_traces(coordinator.traces().clone())
    .with_sessions(replicas.sessions.clone())
    .with_views(views);
    (coordinator, executor)
}

fn replay_options(settings: &Settings) -> hints::ReplayOptions {
    hints::ReplayOptions {
        bytes_per_second: settings.hint_throttle,
        interval: HINTS_INTERVAL,
        timeout: settings.timeout_write,
    }
}

/// Where the gauges are read off.
struct Gauged {
    engine: Engine,
    hints: hints::Hints,
    catalog: Arc<ClusterCatalog>,
    peers: Arc<OnceLock<WeakPeers>>,
    guard: Arc<Guard>,
}

impl Gauged {
    fn read(&self) -> Gauges {
        let metadata = self.catalog.metadata();
        let pending = self.hints.pending();
        let counts = self.hints.counts();
        let alive = metadata.nodes.keys().filter(|host| self.catalog.hears(**host)).count();
        Gauges {
            engine: self.engine.stats(),
            hints_pending: pending.iter().map(|it| it.count).sum(),
            hints_bytes: pending.iter().map(|it| it.bytes).sum(),
            hints_dropped: counts.overflowed + counts.expired + counts.orphaned,
            peers_connected: self.peers.get().map_or(0, |it| it.connected() as u64),
            nodes_alive: alive as u64,
            nodes: metadata.nodes.len() as u64,
            epoch: metadata.epoch,
            clock_skews: self.catalog.clock_skews(),
            guardrails: self.guard.counts(),
        }
    }
}

fn log_start(shared: &Shared) {
    let Addresses { peer, cql: _, client, http } = &shared.addresses;
    tracing::info!(
        version = crate::version::VERSION,
        cluster = shared.settings.cluster_name,
        host_id = %shared.host,
        peer,
        client,
        http,
        data_dir = %shared.settings.data_dir.display(),
        memory_mib = shared.settings.memory >> 20,
        commitlog_sync = ?shared.settings.commitlog_sync,
        insecure = shared.settings.insecure,
        "started"
    );
}
