//! Puts a node together, and takes it apart.
//!
//! ```text
//! lock ─► system log ─► who am I, what is the schema ─► engine replays its log ─► doors open
//!      ─► founded or joined: it serves ─► drain: doors refuse, memtables to disk ─► gone
//! ```

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Duration,
};

use cluster::{Cluster, Metadata, OpenError, PeerRefused};
use coordinator::{
    Coordinator,
    clock::{LogReservation, NotReserved, Timestamps},
    hints,
    replica::Replica,
};
use cql_lite::code::Code;
use engine::Engine;
use proto::client;
use query::Executor;
use sys::{Blocking, Clock, Disk, Listener, Lock, Net, SharedRng, run_fn, system_log};
use tokio::{
    sync::{Mutex, mpsc, watch},
    task::JoinSet,
};

use crate::{
    catalog::ClusterCatalog,
    cluster_driver::{self, Driver, INPUTS_MAX},
    config::{CommitlogSync, Settings},
    http,
    metrics::{Gauges, Metrics},
    replica::local::Local,
    rpc::{
        admin_door::AdminDoor,
        client_door::ClientDoor,
        link::Watcher,
        peer_door::PeerDoor,
        peers::{Peers, WeakPeers},
        transport,
    },
    shared::Shared,
    system_store::SystemStore,
};

pub use crate::shared::Addresses;

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
    /// Threads.
    pub blocking: Arc<dyn Blocking>,
}

/// Why a node did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is open to the network, and there is no authentication yet.
    #[error(
        "--listen {0} is not loopback and there is no authentication yet: add --insecure to allow it"
    )]
    Insecure(String),
    /// A door could not be opened.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The data directory cannot be used.
    #[error("data directory {dir}: {source}")]
    Directory {
        /// Which.
        dir: String,
        /// What the disk said.
        source: std::io::Error,
    },
    /// Another process has the data directory.
    #[error("data directory {0} is in use by another process")]
    Locked(String),
    /// The system log is damaged, or cannot be written.
    #[error("system log: {0}")]
    SystemLog(String),
    /// The data directory is not this node's.
    #[error("{0}")]
    Foreign(#[from] OpenError),
    /// The engine could not open, or failed.
    #[error("{0}")]
    Engine(#[from] engine::Error),
    /// The hints could not be opened.
    #[error("hints: {0}")]
    Hints(#[from] hints::OpenError),
    /// The other founders do not let this node in.
    #[error("{0}")]
    Refused(PeerRefused),
    /// Write timestamps could not be reserved.
    #[error("{0}")]
    Timestamps(#[from] NotReserved),
    /// A thread was stopped.
    #[error("{0}")]
    Stopped(#[from] sys::Stopped),
}

impl From<system_log::Error> for StartError {
    fn from(error: system_log::Error) -> StartError {
        StartError::SystemLog(error.to_string())
    }
}

impl StartError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            StartError::Insecure(_) => Code::InsecureListen,
            StartError::Listen { .. } => Code::PortInUse,
            StartError::Directory { .. } | StartError::Timestamps(_) | StartError::Stopped(_) => {
                Code::Internal
            }
            StartError::Locked(_) | StartError::Engine(engine::Error::Locked { .. }) => {
                Code::DirectoryLocked
            }
            StartError::Foreign(_) | StartError::Engine(engine::Error::NewerFormat { .. }) => {
                Code::DirectoryForeign
            }
            StartError::Engine(engine::Error::DiskFull { .. }) => Code::DiskFull,
            StartError::Engine(engine::Error::LogFailed) => Code::LogFailed,
            StartError::SystemLog(_) | StartError::Engine(_) | StartError::Hints(_) => {
                Code::CorruptFile
            }
            StartError::Refused(PeerRefused::NotAFounder { .. } | PeerRefused::NotASeed { .. }) => {
                Code::NotFounder
            }
            StartError::Refused(_) => Code::WrongCluster,
        }
    }
}

/// A running node. Dropping it stops it at once, as a kill would.
pub struct Node {
    shared: Arc<Shared>,
    failed: Mutex<mpsc::Receiver<StartError>>,
    shutdown: watch::Sender<bool>,
    disk: Arc<dyn Disk>,
    // Tasks end with the set.
    _tasks: JoinSet<()>,
    _lock: Box<dyn Lock>,
}

struct Doors {
    peer: Box<dyn Listener>,
    client: Box<dyn Listener>,
    http: Box<dyn Listener>,
}

impl Node {
    /// Starts a node. It serves once it is a member of a founded cluster: `serving`.
    ///
    /// # Errors
    /// See `StartError`.
    pub async fn start(settings: Settings, seams: Seams) -> Result<Node, StartError> {
        check_listen(&settings)?;
        let (doors, addresses) = open_doors(&settings, &*seams.net).await?;
        let begun = seams.clock.monotonic();
        let lock = lock_directory(&settings, &seams).await?;
        let (store, recovered) = open_store(&settings, &seams).await?;
        let mut rng = seams.rng.fork();
        let wall_seconds = u64::try_from(seams.clock.wall_micros() / 1_000_000).unwrap_or(0);
        let (cluster, effects) = Cluster::new(
            cluster::Local {
                cluster_name: settings.cluster_name.clone(),
                peer_addr: addresses.peer.clone(),
                cql_addr: addresses.cql.clone(),
                client_addr: addresses.client.clone(),
                dc: settings.dc.clone(),
                rack: settings.rack.clone(),
                num_tokens: settings.num_tokens,
                seeds: settings.seeds.clone(),
            },
            cluster::Options::production(),
            recovered,
            wall_seconds,
            &mut rng,
        )?;
        let host = cluster.host_id();
        let engine = open_engine(&settings, &seams, &cluster.snapshot()).await?;
        let hints = open_hints(&settings, &seams).await?;
        let (publisher, published) = cluster_driver::publish(&cluster);
        let (inputs, inputs_receiver) = mpsc::channel(INPUTS_MAX);
        let weak_peers: Arc<OnceLock<WeakPeers>> = Arc::default();
        let catalog = Arc::new(ClusterCatalog::new(
            host,
            published.clone(),
            inputs.clone(),
            Arc::clone(&weak_peers),
        ));
        let metrics = Arc::new(Metrics::new(gauges(
            engine.clone(),
            hints.clone(),
            Arc::clone(&catalog),
            Arc::clone(&weak_peers),
        )));
        let local: Arc<dyn Replica> = Arc::new(Local {
            host,
            engine: engine.clone(),
            blocking: Arc::clone(&seams.blocking),
            metadata: published.metadata.clone(),
            inputs: inputs.clone(),
            metrics: Arc::clone(&metrics),
        });
        let peers = Peers::new(Arc::clone(&seams.net), Arc::clone(&local));
        drop(weak_peers.set(peers.downgrade()));
        let timestamps = open_timestamps(&settings, &seams).await?;
        let coordinator = Coordinator::new(
            coordinator::Parts {
                view: Arc::clone(&catalog) as Arc<dyn coordinator::view::View>,
                replicas: Arc::new(peers.clone()),
                hints: hints.clone(),
                timestamps: Arc::clone(&timestamps),
            },
            coordinator::Options {
                in_flight_bytes_max: settings.memory / 10,
                background_bytes_max: settings.memory / 20,
                speculate_after: Some(Duration::from_millis(50)),
            },
        );
        let executor = Executor::new(
            Arc::clone(&catalog) as Arc<dyn query::Catalog>,
            Arc::new(coordinator.clone()),
            seams.rng.clone(),
            Arc::clone(&seams.clock),
            query::Options {
                page_rows: 5_000,
                page_bytes_max: 1 << 20,
                page_tombstones_max: 10_000,
                prepared_max: 10_000,
            },
        );
        let (topology_sender, topology) = watch::channel(topology_of(&catalog));
        let shared = Arc::new(Shared {
            host,
            addresses,
            clock: Arc::clone(&seams.clock),
            blocking: Arc::clone(&seams.blocking),
            engine: engine.clone(),
            hints: hints.clone(),
            executor: Arc::new(executor),
            catalog: Arc::clone(&catalog),
            published: published.clone(),
            inputs,
            peers: OnceLock::from(peers.clone()),
            metrics,
            topology,
            draining: AtomicBool::new(false),
            begun,
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
            peers,
            watcher: Arc::clone(&shared) as Arc<dyn Watcher>,
            seeds: settings.seeds.clone(),
            own_address: shared.addresses.peer.clone(),
            publisher,
            inputs: inputs_receiver,
            failed: failed_sender,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(engine::background(engine, Arc::clone(&seams.blocking), shutdown_receiver));
        tasks.spawn(driver.run(effects));
        tasks.spawn(timestamps.keep_ahead());
        tasks.spawn(hints::replay(
            coordinator,
            hints::ReplayOptions {
                bytes_per_second: settings.hint_throttle,
                interval: Duration::from_millis(500),
                timeout: settings.timeout_write,
            },
        ));
        tasks.spawn(follow_topology(catalog, published, topology_sender));
        spawn_doors(&mut tasks, doors, &shared, local, &seams);
        log_start(&shared);
        Ok(Node {
            shared,
            failed: Mutex::new(failed),
            shutdown,
            disk: seams.disk,
            _tasks: tasks,
            _lock: lock,
        })
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
        let mut metadata = self.shared.published.metadata.clone();
        let host = self.shared.host;
        // An error means that the driver stopped: `failed` says why.
        if metadata.wait_for(|it| it.nodes.contains_key(&host)).await.is_err() {
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

fn check_listen(settings: &Settings) -> Result<(), StartError> {
    let loopback = settings.listen == "localhost"
        || settings.listen.parse::<std::net::IpAddr>().is_ok_and(|it| it.is_loopback());
    if loopback || settings.insecure {
        Ok(())
    } else {
        Err(StartError::Insecure(settings.listen.clone()))
    }
}

async fn open_doors(settings: &Settings, net: &dyn Net) -> Result<(Doors, Addresses), StartError> {
    let peer = open_door(settings, settings.peer_port, net).await?;
    let client = open_door(settings, settings.client_port, net).await?;
    let http = open_door(settings, settings.http_port, net).await?;
    let or = |given: &str, port: u16| match given {
        "" => format!("{}:{port}", settings.advertise),
        given => given.to_owned(),
    };
    let addresses = Addresses {
        peer: or("", port_of(&*peer)),
        cql: or(&settings.advertise_cql, settings.cql_port),
        client: or(&settings.advertise_client, port_of(&*client)),
        http: format!("{}:{}", settings.listen, port_of(&*http)),
    };
    Ok((Doors { peer, client, http }, addresses))
}

async fn open_door(
    settings: &Settings,
    port: u16,
    net: &dyn Net,
) -> Result<Box<dyn Listener>, StartError> {
    let address = format!("{}:{port}", settings.listen);
    let listener = net.listen(&address).await;
    listener.map_err(|source| StartError::Listen { address, source })
}

fn port_of(listener: &dyn Listener) -> u16 {
    listener.local_addr().map_or(0, |it| it.port())
}

async fn lock_directory(settings: &Settings, seams: &Seams) -> Result<Box<dyn Lock>, StartError> {
    let (disk, dir) = (Arc::clone(&seams.disk), settings.data_dir.clone());
    let locked = run_fn(&*seams.blocking, move || {
        disk.create_dir_all(&dir)?;
        disk.lock(&dir.join("LOCK"))
    });
    let dir = settings.data_dir.display().to_string();
    locked.await?.map_err(|source| match source.kind() {
        std::io::ErrorKind::WouldBlock => StartError::Locked(dir),
        _ => StartError::Directory { dir, source },
    })
}

async fn open_store(
    settings: &Settings,
    seams: &Seams,
) -> Result<(SystemStore, Vec<cluster::Record>), StartError> {
    let (disk, dir) = (Arc::clone(&seams.disk), settings.data_dir.join("system"));
    let blocking = Arc::clone(&seams.blocking);
    let opened = run_fn(&*seams.blocking, move || SystemStore::open(disk, &dir, blocking));
    Ok(opened.await??)
}

async fn open_timestamps(
    settings: &Settings,
    seams: &Seams,
) -> Result<Arc<Timestamps>, StartError> {
    let (disk, dir) = (Arc::clone(&seams.disk), settings.data_dir.join("system"));
    let blocking = Arc::clone(&seams.blocking);
    let opened = run_fn(&*seams.blocking, move || LogReservation::open(disk, blocking, &dir));
    let (reservation, reserved) = opened.await??;
    let timestamps = Timestamps::open(Arc::clone(&seams.clock), Arc::new(reservation), reserved);
    Ok(Arc::new(timestamps.await?))
}

async fn open_engine(
    settings: &Settings,
    seams: &Seams,
    metadata: &Metadata,
) -> Result<Engine, StartError> {
    let options = engine::Options {
        data_dir: settings.data_dir.join("data"),
        commitlog_sync: match settings.commitlog_sync {
            CommitlogSync::Group => engine::CommitlogSync::Group,
            CommitlogSync::Batch => engine::CommitlogSync::Batch,
            CommitlogSync::Periodic(period) => engine::CommitlogSync::Periodic(period),
        },
        segment_bytes: settings.commitlog_segment,
        commitlog_bytes_max: 1 << 30,
        memtable_bytes: settings.memory / 2,
        cache_bytes: settings.memory / 4,
        block_bytes: 16 << 10,
        disk_reserve_bytes: 64 << 20,
    };
    let shapes = cluster_driver::shapes(metadata).into_values().collect();
    let (disk, clock) = (Arc::clone(&seams.disk), Arc::clone(&seams.clock));
    let opened = run_fn(&*seams.blocking, move || Engine::open(options, disk, clock, shapes));
    let (engine, recovery) = opened.await??;
    if let Some((file, offset, bytes)) = &recovery.torn {
        tracing::warn!(file = %file.display(), offset, bytes, "a torn tail of the commit log was cut: never acknowledged");
    }
    tracing::info!(
        clean = recovery.clean,
        segments = recovery.segments,
        replayed = recovery.replayed,
        "the data directory is open"
    );
    // Dropped while this node was away.
    for table in recovery.unlisted {
        let engine = engine.clone();
        run_fn(&*seams.blocking, move || engine.drop_table(table)).await??;
    }
    Ok(engine)
}

async fn open_hints(settings: &Settings, seams: &Seams) -> Result<hints::Hints, StartError> {
    let options = hints::Options {
        dir: settings.data_dir.join("hints"),
        host_bytes_max: settings.hint_bytes_max.min(settings.memory / 8),
        host_count_max: 4_000_000,
        total_bytes_max: settings.memory / 4,
        window: settings.hint_window,
    };
    let (disk, clock) = (Arc::clone(&seams.disk), Arc::clone(&seams.clock));
    let blocking = Arc::clone(&seams.blocking);
    let opened =
        run_fn(&*seams.blocking, move || hints::Hints::open(disk, blocking, clock, options));
    Ok(opened.await??)
}

fn gauges(
    engine: Engine,
    hints: hints::Hints,
    catalog: Arc<ClusterCatalog>,
    peers: Arc<OnceLock<WeakPeers>>,
) -> crate::metrics::Source {
    Arc::new(move || {
        use coordinator::view::View;
        let metadata = catalog.metadata();
        let pending = hints.pending();
        let counts = hints.counts();
        let alive = metadata.nodes.keys().filter(|host| catalog.is_alive(**host)).count();
        Gauges {
            engine: engine.stats(),
            hints_pending: pending.iter().map(|it| it.count).sum(),
            hints_bytes: pending.iter().map(|it| it.bytes).sum(),
            hints_dropped: counts.overflowed + counts.expired + counts.orphaned,
            peers_connected: peers.get().map_or(0, |it| it.connected() as u64),
            nodes_alive: alive as u64,
            nodes: metadata.nodes.len() as u64,
            epoch: metadata.epoch,
        }
    })
}

fn spawn_doors(
    tasks: &mut JoinSet<()>,
    doors: Doors,
    shared: &Arc<Shared>,
    local: Arc<dyn Replica>,
    seams: &Seams,
) {
    let peer = proto::peer::peer_server::PeerServer::new(PeerDoor {
        behind: Arc::clone(shared) as _,
        local,
    })
    .max_decoding_message_size(proto::PEER_FRAME_BYTES_MAX)
    .max_encoding_message_size(proto::PEER_FRAME_BYTES_MAX);
    let client = client::client_server::ClientServer::new(ClientDoor {
        behind: Arc::clone(shared) as _,
        rng: seams.rng.clone(),
    })
    .max_decoding_message_size(proto::CLIENT_FRAME_BYTES_MAX)
    .max_encoding_message_size(proto::PEER_FRAME_BYTES_MAX);
    let admin =
        proto::admin::admin_server::AdminServer::new(AdminDoor { behind: Arc::clone(shared) as _ });
    let date = || tower::util::MapResponseLayer::new(transport::fix_date);
    let peers = transport::server()
        .layer(date())
        .add_service(peer)
        .serve_with_incoming(transport::incoming(doors.peer));
    tasks.spawn(async move { drop(peers.await) });
    let clients = transport::server()
        .layer(date())
        .add_service(client)
        .add_service(admin)
        .serve_with_incoming(transport::incoming(doors.client));
    tasks.spawn(async move { drop(clients.await) });
    tasks.spawn(http::serve(doors.http, Arc::clone(shared) as _));
}

/// Keeps the clients' picture of the cluster up to date.
async fn follow_topology(
    catalog: Arc<ClusterCatalog>,
    published: cluster_driver::Published,
    topology: watch::Sender<client::Topology>,
) {
    let (mut metadata, mut alive) = (published.metadata, published.alive);
    loop {
        tokio::select! {
            biased;
            changed = metadata.changed() => if changed.is_err() { return },
            changed = alive.changed() => if changed.is_err() { return },
        }
        topology.send_replace(topology_of(&catalog));
    }
}

fn topology_of(catalog: &ClusterCatalog) -> client::Topology {
    use coordinator::view::View;
    let metadata = catalog.metadata();
    let nodes = metadata.nodes.values().map(|node| client::NodeInfo {
        host_id: bytes::Bytes::copy_from_slice(node.host_id.0.as_bytes()),
        client_addr: node.client_addr.clone(),
        cql_addr: node.cql_addr.clone(),
        dc: node.dc.clone(),
        rack: node.rack.clone(),
        tokens: node.tokens.iter().map(|it| it.0).collect(),
        alive: catalog.is_alive(node.host_id),
    });
    let keyspaces = metadata.schema.keyspaces.values().map(|it| keyspace_info(it));
    client::Topology {
        epoch: metadata.epoch,
        nodes: nodes.collect(),
        keyspaces: keyspaces.collect(),
    }
}

fn keyspace_info(keyspace: &model::Keyspace) -> client::KeyspaceInfo {
    use model::schema::{ColumnKind, Replication};
    let (strategy, factors) = match &keyspace.replication {
        Replication::Simple { factor } => {
            let factors = [("replication_factor".to_owned(), *factor)];
            ("SimpleStrategy", BTreeMap::from(factors))
        }
        Replication::NetworkTopology(factors) => ("NetworkTopologyStrategy", factors.clone()),
    };
    let column = |it: &model::schema::Column| client::ColumnInfo {
        name: it.name.clone(),
        cql_type: it.cql_type.to_string(),
        kind: match it.kind {
            ColumnKind::Partition => "partition",
            ColumnKind::Clustering(_) => "clustering",
            ColumnKind::Static => "static",
            ColumnKind::Regular => "regular",
        }
        .into(),
    };
    let table = |it: &Arc<model::Table>| client::TableInfo {
        name: it.name.clone(),
        columns: it.columns().map(column).collect(),
    };
    client::KeyspaceInfo {
        name: keyspace.name.clone(),
        strategy: strategy.into(),
        factors: factors.into_iter().collect(),
        tables: keyspace.tables.values().map(table).collect(),
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
