//! One node, or three of which one may be down: coordinators over engines on disks in memory.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use coordinator::{
    Coordinator, Options, Parts, clock,
    hints::{self, Hints},
    replica::{Answering, Call, Error, Replica, Replicas, Request, Response},
    view::{Place, Snapshot, View},
};
use engine::{CommitlogSync, Engine, TableShape};
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Either, ready},
};
use model::{
    HostId, Mutation, Schema, Table, TableId, Token, TokenRange, counter, schema::Replication,
};
use sys::{Clock as _, Disk, Inline, ManualClock, MemoryDisk};

/// Nobody is down.
const NOBODY: usize = usize::MAX;

/// The sizes of an engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) block_bytes: usize,
    pub(super) cache_bytes: u64,
}

/// The nodes, and who of them is down.
pub(super) struct Cluster {
    nodes: Vec<Arc<Node>>,
    down: AtomicUsize,
    /// Bytes of data that nodes other than the first have answered.
    crossed: AtomicUsize,
    snapshot: Mutex<Arc<Snapshot>>,
}

struct Node {
    host: HostId,
    disk: MemoryDisk,
    clock: Arc<ManualClock>,
    sizes: Sizes,
    tables: Mutex<BTreeMap<TableId, TableShape>>,
    engine: Mutex<Option<Engine>>,
}

impl Node {
    fn open(&self) {
        let options = engine::Options {
            data_dir: PathBuf::from("/data"),
            commitlog_sync: CommitlogSync::Group,
            segment_bytes: 4096,
            commitlog_bytes_max: 1 << 30,
            archive_dir: None,
            memtable_bytes: 64 << 20,
            cache_bytes: self.sizes.cache_bytes,
            block_bytes: self.sizes.block_bytes,
            disk_warn: 80,
            disk_reject: 100,
            automatic_snapshot_ttl: Duration::ZERO,
            replay_threads: std::num::NonZeroUsize::MIN,
            compaction_bytes_per_second: None,
            compactions_max: std::num::NonZeroUsize::MIN,
        };
        let mut engine = self.engine.lock().unwrap();
        // The directory is locked as long as the old one lives.
        *engine = None;
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let tables = self.tables.lock().unwrap().values().cloned().collect();
        *engine = Some(Engine::open(options, disk, self.clock.clone(), tables).unwrap().0);
    }

    fn engine(&self) -> Engine {
        self.engine.lock().unwrap().clone().unwrap()
    }

    async fn carry_out(&self, request: Request) -> Response {
        let engine = self.engine();
        match request {
            Request::Mutate { mutation, .. } => {
                let ticket = engine.apply(mutation).unwrap();
                engine.run_jobs();
                ticket.outcome().unwrap().unwrap();
                Response::Done
            }
            Request::Lead { increments } => {
                let increments = Mutation::decode(increments).unwrap();
                let now = self.clock.wall_micros();
                let command = counter::command(&increments, Vec::new(), now);
                let answer = engine.read_with(&command, &Inline).await.unwrap();
                let own = answer.partitions.into_iter().next();
                let shares = counter::lead(increments, own.as_ref(), self.host, now);
                let shares = shares.encode();
                let ticket = engine.apply(shares.clone()).unwrap();
                engine.run_jobs();
                ticket.outcome().unwrap().unwrap();
                Response::Led { shares }
            }
            Request::Read(command) => {
                Response::Data(engine.read_with(&command, &Inline).await.unwrap())
            }
            Request::Digest(command) => {
                let answer = engine.read_with(&command, &Inline).await.unwrap();
                Response::Digest { digest: answer.digest() }
            }
            Request::Truncate(table) => {
                engine.truncate(table).unwrap();
                Response::Done
            }
            Request::CatchUp => Response::Done,
        }
    }
}

struct Link(Arc<Cluster>, usize);

impl Replica for Link {
    fn host(&self) -> HostId {
        self.0.nodes[self.1].host
    }

    fn call(self: Arc<Self>, call: Call) -> Answering<Result<Response, Error>> {
        Either::Right(Box::pin(async move {
            if self.0.down.load(Ordering::Relaxed) == self.1 {
                return Err(Error::Unreachable);
            }
            let response = self.0.nodes[self.1].carry_out(call.request).await;
            if let (Response::Data(answer), true) = (&response, 0 < self.1) {
                self.0.crossed.fetch_add(answer.encode().len(), Ordering::Relaxed);
            }
            Ok(response)
        }))
    }
}

struct Links(Arc<Cluster>);

impl Replicas for Links {
    fn get(&self, host: HostId) -> Option<Arc<dyn Replica>> {
        let at = self.0.nodes.iter().position(|it| it.host == host)?;
        Some(Arc::new(Link(Arc::clone(&self.0), at)))
    }
}

impl View for Cluster {
    fn local(&self) -> HostId {
        self.nodes[0].host
    }

    /// Whoever is down is not known to be: it is found out by asking.
    fn is_alive(&self, _: HostId) -> bool {
        true
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.lock().unwrap())
    }

    fn catch_up(&self, _: u64) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}

impl Cluster {
    /// So many nodes that hold everything, with the tables of `schema`.
    pub(super) fn new(
        count: usize,
        schema: Arc<Schema>,
        clock: &Arc<ManualClock>,
        sizes: Sizes,
    ) -> Arc<Cluster> {
        let node = |at: usize| {
            let node = Node {
                host: HostId(uuid::Uuid::from_u128(at as u128 + 1)),
                disk: MemoryDisk::new(),
                clock: Arc::clone(clock),
                sizes,
                tables: Mutex::default(),
                engine: Mutex::default(),
            };
            node.open();
            Arc::new(node)
        };
        let nodes: Vec<Arc<Node>> = (0..count).map(node).collect();
        let snapshot = Mutex::new(Arc::new(snapshot(&nodes, &schema)));
        let down = AtomicUsize::new(NOBODY);
        let cluster = Cluster { nodes, down, crossed: AtomicUsize::new(0), snapshot };
        cluster.adopt(&schema);
        Arc::new(cluster)
    }

    /// Every node takes over a schema: its tables are made, altered and dropped.
    pub(super) fn adopt(&self, schema: &Arc<Schema>) {
        *self.snapshot.lock().unwrap() = Arc::new(snapshot(&self.nodes, schema));
        let tables: BTreeMap<TableId, TableShape> =
            schema.keyspaces.values().flat_map(|it| it.tables.values()).map(shape).collect();
        for node in &self.nodes {
            let known = std::mem::replace(&mut *node.tables.lock().unwrap(), tables.clone());
            for id in known.keys().filter(|it| !tables.contains_key(it)) {
                node.engine().drop_table(*id).unwrap();
            }
            tables.values().for_each(|it| node.engine().create_table(it.clone()).unwrap());
        }
    }

    /// A coordinator on the first node.
    pub(super) fn coordinator(self: &Arc<Cluster>, clock: &Arc<ManualClock>) -> Coordinator {
        let options = hints::Options {
            dir: PathBuf::from("/hints"),
            host_bytes_max: 1 << 20,
            host_count_max: 1_000,
            total_bytes_max: 4 << 20,
            window: Duration::from_secs(3 * 3600),
        };
        let disk = Arc::new(MemoryDisk::new());
        let hints = Hints::open(disk, Arc::new(Inline), clock.clone(), options).unwrap();
        let timestamps = clock::Timestamps::open(clock.clone(), Arc::new(Forgets), i64::MIN);
        let parts = Parts {
            view: Arc::clone(self) as Arc<dyn View>,
            replicas: Arc::new(Links(Arc::clone(self))),
            hints,
            timestamps: Arc::new(timestamps.now_or_never().unwrap().unwrap()),
        };
        let options = Options {
            in_flight_bytes_max: 64 << 20,
            background_bytes_max: 16 << 20,
            speculate_after: None,
        };
        Coordinator::new(parts, options)
    }

    /// From now on this node answers nothing, or all do.
    pub(super) fn silence(&self, node: Option<usize>) {
        self.down.store(node.map_or(NOBODY, |it| it % self.nodes.len()), Ordering::Relaxed);
    }

    /// The node after the one that is down goes down in its place; at first the first one does.
    pub(super) fn next_is_down(&self) {
        let next = match self.down.load(Ordering::Relaxed) {
            NOBODY => 0,
            node => (node + 1) % self.nodes.len(),
        };
        self.silence(Some(next));
    }

    /// Bytes of data that came from other nodes since this was asked last.
    pub(super) fn take_crossed(&self) -> usize {
        self.crossed.swap(0, Ordering::Relaxed)
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Writes memtables of a node to its disk.
    pub(super) async fn flush(&self, node: usize) {
        self.nodes[node % self.nodes.len()].engine().flush(None, &Inline).await.unwrap();
    }

    /// Merges the sstables of a node.
    pub(super) async fn compact(&self, node: usize) {
        self.nodes[node % self.nodes.len()].engine().compact(None, &Inline).await.unwrap();
    }

    /// Kills a node and starts it again.
    pub(super) fn restart(&self, node: usize) {
        self.nodes[node % self.nodes.len()].open();
    }
}

fn shape(table: &Arc<Table>) -> (TableId, TableShape) {
    let shape = TableShape {
        gc_grace_seconds: table.options.gc_grace_seconds,
        bloom_fp: 0.1,
        dropped: table.dropped.clone(),
        ..TableShape::new(table.id)
    };
    (table.id, shape)
}

/// Every node has all of every keyspace, whatever that says.
fn snapshot(nodes: &[Arc<Node>], schema: &Schema) -> Snapshot {
    let mut schema = schema.clone();
    for keyspace in schema.keyspaces.values_mut() {
        let factor = u32::try_from(nodes.len()).unwrap();
        Arc::make_mut(keyspace).replication = Replication::Simple { factor };
    }
    let hosts: Vec<HostId> = nodes.iter().map(|it| it.host).collect();
    let place = Place { dc: "dc1".into(), rack: "r1".into() };
    let places = hosts.iter().map(|it| (*it, place.clone())).collect();
    // Two ranges, so that scans cross from one to another.
    let middle = Token(0);
    let ranges = [(Token::MIN, middle), (middle, Token::MAX)].into_iter().enumerate();
    let ranges = ranges.map(|(at, (start, end))| {
        let mut hosts = hosts.clone();
        hosts.rotate_left(at.min(nodes.len() - 1));
        (TokenRange { start, end }, hosts.into())
    });
    let ranges: Arc<Vec<_>> = Arc::new(ranges.collect());
    let of_keyspace = |name: &String| (name.clone(), Arc::clone(&ranges));
    let ranges = schema.keyspaces.keys().map(of_keyspace).collect();
    Snapshot::new(schema.epoch, Arc::new(schema), places, ranges)
}

/// A reservation that takes anything.
struct Forgets;

impl clock::Reservation for Forgets {
    fn reserve(&self, _: i64) -> BoxFuture<'_, Result<(), clock::NotReserved>> {
        Box::pin(ready(Ok(())))
    }
}
