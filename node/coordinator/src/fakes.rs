//! A cluster of replicas in memory, for tests: what they do to a call is scripted, what they were
//! asked is remembered.

mod answer;

pub(crate) use answer::answer;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, Either, FutureExt as _};
use model::{
    Cell, Clustering, ColumnId, Consistency, Content, Deletion, HostId, Keyspace, Liveness,
    Mutation, Partition, PartitionKey, Row, Schema, Slice, Table, TableId, Token, TokenRange,
    counter,
    read::{Command, Limits, Target},
    schema::{Replication, TableOptions},
};
use sys::{Inline, ManualClock, MemoryDisk};
use uuid::Uuid;

use crate::{
    Coordinator, Options, Parts, clock, hints,
    hints::Hints,
    read,
    replica::{Answering, Call, Error, Origin, Replica, Replicas, Request, Response},
    view::{Place, Snapshot, View},
    write,
};

/// The second at which all tests happen.
pub(crate) const NOW: i64 = 1_000;

pub(crate) const TABLE: TableId = TableId(Uuid::from_u128(0x7AB1E));

/// What a replica does with one call.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// Fails without doing it.
    Refuse(Error),
    /// Does it, and the answer is lost: the connection breaks.
    DoAndBreak,
    /// Never answers.
    Hang,
    /// Does it after this time.
    After(Duration),
    /// Answers what it was not asked.
    Babble,
}

/// One replica.
pub(crate) struct Fake {
    host: HostId,
    pub(crate) data: Mutex<BTreeMap<PartitionKey, Partition>>,
    /// What it does with the next calls; without any it does as it is told.
    pub(crate) deeds: Mutex<VecDeque<Deed>>,
    /// What it does with all calls behind those.
    pub(crate) always: Mutex<Option<Deed>>,
    /// Calls as they arrived: `mutate client`, `read`, …
    pub(crate) log: Mutex<Vec<String>>,
    /// Mutations as they arrived.
    pub(crate) mutations: Mutex<Vec<Bytes>>,
    /// Calls that were dropped before they were answered.
    pub(crate) dropped: Mutex<usize>,
    /// Says that it is another host: a replica behind a mixed up connection.
    pub(crate) claims: Mutex<Option<HostId>>,
}

impl Fake {
    fn note(&self, request: &Request) {
        let what = match request {
            Request::Mutate { mutation, origin } => {
                self.mutations.lock().expect("lock").push(mutation.clone());
                match origin {
                    Origin::Client => "mutate client",
                    Origin::Hint => "mutate hint",
                    Origin::ReadRepair => "mutate repair",
                }
            }
            Request::Lead { .. } => "lead",
            Request::Read(_) => "read",
            Request::Digest(_) => "digest",
            Request::Truncate(_) => "truncate",
            Request::CatchUp => "catch up",
        };
        self.log.lock().expect("lock").push(what.to_owned());
    }

    fn carry_out(&self, request: Request) -> Response {
        let mut data = self.data.lock().expect("lock");
        match request {
            Request::Mutate { mutation, .. } => {
                let mutation = Mutation::decode(mutation).expect("an encoded mutation");
                apply(&mut data, mutation.partition);
                Response::Done
            }
            Request::Lead { increments } => {
                let increments = Mutation::decode(increments).expect("encoded increments");
                let key = increments.partition.key.clone();
                let shares = counter::lead(increments, data.get(&key), self.host, NOW * 1_000_000);
                apply(&mut data, shares.partition.clone());
                Response::Led { shares: shares.encode() }
            }
            Request::Read(command) => Response::Data(answer(&data, &command)),
            Request::Digest(command) => {
                Response::Digest { digest: answer(&data, &command).digest() }
            }
            Request::Truncate(_) => {
                data.clear();
                Response::Done
            }
            Request::CatchUp => Response::Done,
        }
    }
}

/// Counts a call that is dropped before it is answered.
struct Dropped(Arc<Fake>, bool);

impl Drop for Dropped {
    fn drop(&mut self) {
        if !self.1 {
            *self.0.dropped.lock().expect("lock") += 1;
        }
    }
}

impl Replica for Fake {
    fn host(&self) -> HostId {
        self.claims.lock().expect("lock").unwrap_or(self.host)
    }

    fn call(self: Arc<Self>, call: Call) -> Answering<Result<Response, Error>> {
        Either::Right(Box::pin(async move {
            let mut guard = Dropped(Arc::clone(&self), false);
            self.note(&call.request);
            let next = self.deeds.lock().expect("lock").pop_front();
            let deed = next.or_else(|| self.always.lock().expect("lock").clone());
            // Answers come in a later turn, as over a network.
            tokio::task::yield_now().await;
            let answer = match deed {
                None => Ok(self.carry_out(call.request)),
                Some(Deed::Refuse(error)) => Err(error),
                Some(Deed::DoAndBreak) => {
                    self.carry_out(call.request);
                    Err(Error::NoAnswer)
                }
                Some(Deed::Hang) => std::future::pending().await,
                Some(Deed::After(delay)) => {
                    tokio::time::sleep(delay).await;
                    Ok(self.carry_out(call.request))
                }
                Some(Deed::Babble) => match call.request {
                    Request::Mutate { .. }
                    | Request::Lead { .. }
                    | Request::Truncate(_)
                    | Request::CatchUp => Ok(Response::Digest { digest: 0 }),
                    Request::Read(_) | Request::Digest(_) => Ok(Response::Done),
                },
            };
            guard.1 = true;
            answer
        }))
    }
}

/// What a mutation does to a replica's data.
pub(crate) fn apply(data: &mut BTreeMap<PartitionKey, Partition>, partition: Partition) {
    let key = partition.key.clone();
    data.entry(key.clone()).or_insert_with(|| Partition::empty(key)).merge(partition);
}

/// The cluster: the view of one node, and all replicas.
pub(crate) struct Cluster {
    pub(crate) snapshot: Mutex<Arc<Snapshot>>,
    pub(crate) dead: Mutex<BTreeSet<HostId>>,
    pub(crate) replicas: BTreeMap<HostId, Arc<Fake>>,
}

impl View for Cluster {
    fn local(&self) -> HostId {
        host(1)
    }

    fn is_alive(&self, host: HostId) -> bool {
        !self.dead.lock().expect("lock").contains(&host)
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.lock().expect("lock"))
    }

    fn catch_up(&self, epoch: u64) -> BoxFuture<'_, ()> {
        let keyspace = self.snapshot().table(TABLE).expect("the table").0.clone();
        let hosts = self.replicas.len() as u32;
        Box::pin(async move {
            *self.snapshot.lock().expect("lock") = snapshot(epoch, hosts, &keyspace.replication);
        })
    }
}

impl Replicas for Cluster {
    fn get(&self, host: HostId) -> Option<Arc<dyn Replica>> {
        self.replicas.get(&host).map(|it| Arc::clone(it) as Arc<dyn Replica>)
    }
}

/// A coordinator on host 1 with what it stands on.
pub(crate) struct World {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) coordinator: Coordinator,
    pub(crate) disk: MemoryDisk,
    pub(crate) clock: Arc<ManualClock>,
}

impl World {
    /// `hosts` nodes in one data center, each range on `factor` of them.
    pub(crate) fn new(hosts: u32, factor: u32) -> World {
        World::with_hints(hosts, factor, hint_options())
    }

    pub(crate) fn with_hints(hosts: u32, factor: u32, options: hints::Options) -> World {
        let disk = MemoryDisk::new();
        let clock = Arc::new(ManualClock::new(NOW * 1_000_000));
        let fake = |number| {
            let fake = Fake {
                host: host(number),
                data: Mutex::default(),
                deeds: Mutex::default(),
                always: Mutex::default(),
                log: Mutex::default(),
                mutations: Mutex::default(),
                dropped: Mutex::default(),
                claims: Mutex::default(),
            };
            (host(number), Arc::new(fake))
        };
        let replication = Replication::Simple { factor };
        let cluster = Arc::new(Cluster {
            snapshot: Mutex::new(snapshot(1, hosts, &replication)),
            dead: Mutex::default(),
            replicas: (1..=hosts).map(fake).collect(),
        });
        let coordinator = coordinator(&cluster, &disk, &clock, options);
        World { cluster, coordinator, disk, clock }
    }

    pub(crate) fn replica(&self, number: u32) -> &Fake {
        &self.cluster.replicas[&host(number)]
    }

    pub(crate) fn kill(&self, number: u32) {
        self.cluster.dead.lock().expect("lock").insert(host(number));
        self.always(number, Deed::Refuse(Error::Unreachable));
    }

    pub(crate) fn revive(&self, number: u32) {
        self.cluster.dead.lock().expect("lock").remove(&host(number));
        *self.replica(number).always.lock().expect("lock") = None;
    }

    pub(crate) fn next(&self, number: u32, deed: Deed) {
        self.replica(number).deeds.lock().expect("lock").push_back(deed);
    }

    pub(crate) fn always(&self, number: u32, deed: Deed) {
        *self.replica(number).always.lock().expect("lock") = Some(deed);
    }

    /// What a replica was asked, in order.
    pub(crate) fn log(&self, number: u32) -> Vec<String> {
        self.replica(number).log.lock().expect("lock").clone()
    }

    pub(crate) fn put(&self, number: u32, partition: Partition) {
        apply(&mut self.replica(number).data.lock().expect("lock"), partition);
    }

    pub(crate) async fn write(
        &self,
        partition: Partition,
        consistency: Consistency,
    ) -> Result<(), write::Error> {
        let mutations = vec![Mutation { table: TABLE, partition }];
        let timeout = Duration::from_secs(2);
        let request = write::Request { mutations, consistency, timeout, trace: 7 };
        self.coordinator.write(&request).await
    }

    pub(crate) async fn read(
        &self,
        command: Command,
        consistency: Consistency,
    ) -> Result<read::Page, read::Error> {
        let timeout = Duration::from_secs(2);
        let command = Arc::new(command);
        self.coordinator.read(read::Request { command, consistency, timeout, trace: 7 }).await
    }

    /// Lets everything happen that is about to, up to `seconds` later.
    pub(crate) async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

pub(crate) fn coordinator(
    cluster: &Arc<Cluster>,
    disk: &MemoryDisk,
    clock: &Arc<ManualClock>,
    options: hints::Options,
) -> Coordinator {
    let hints = Hints::open(Arc::new(disk.clone()), Arc::new(Inline), clock.clone(), options)
        .expect("hints");
    let timestamps = clock::Timestamps::open(clock.clone(), Arc::new(Forgets), i64::MIN);
    let timestamps = timestamps.now_or_never().expect("nothing to wait for").expect("reserved");
    let parts = Parts {
        view: cluster.clone(),
        replicas: cluster.clone(),
        hints,
        timestamps: Arc::new(timestamps),
    };
    let options = Options {
        in_flight_bytes_max: 64 << 20,
        background_bytes_max: 16 << 20,
        speculate_after: Some(Duration::from_millis(50)),
    };
    Coordinator::new(parts, options)
}

/// A reservation that takes anything.
struct Forgets;

impl clock::Reservation for Forgets {
    fn reserve(&self, _: i64) -> BoxFuture<'_, Result<(), clock::NotReserved>> {
        Box::pin(async { Ok(()) })
    }
}

pub(crate) fn hint_options() -> hints::Options {
    hints::Options {
        dir: PathBuf::from("/hints"),
        host_bytes_max: 1 << 20,
        host_count_max: 1_000,
        total_bytes_max: 4 << 20,
        window: Duration::from_secs(3 * 3600),
    }
}

pub(crate) fn host(number: u32) -> HostId {
    HostId(Uuid::from_u128(u128::from(number)))
}

/// Nodes 1, 2, … in one rack, one range each, its replicas the node and those behind it.
fn snapshot(epoch: u64, hosts: u32, replication: &Replication) -> Arc<Snapshot> {
    let Replication::Simple { factor } = replication else { panic!("tests use one factor") };
    let place = Place { dc: "dc1".into(), rack: "r1".into() };
    let width = u64::MAX / u64::from(hosts);
    let end = |index: u32| match index {
        it if it == hosts => Token::MAX,
        it => Token((u64::from(it) * width) as i64 ^ i64::MIN),
    };
    let range = |index: u32| {
        let start = if index == 0 { Token::MIN } else { end(index) };
        let replicas = (0..*factor).map(|step| host((index + step) % hosts + 1)).collect();
        (TokenRange { start, end: end(index + 1) }, replicas)
    };
    let table = Arc::new(Table {
        id: TABLE,
        keyspace: "ks".to_owned(),
        name: "t".to_owned(),
        partition_key: Vec::new(),
        clustering_key: Vec::new(),
        statics: Vec::new(),
        regulars: Vec::new(),
        dropped: Vec::new(),
        options: TableOptions {
            comment: String::new(),
            gc_grace_seconds: 864_000,
            default_time_to_live: 0,
            compaction: BTreeMap::new(),
            compression: BTreeMap::new(),
            bloom_filter_fp_chance: 0.01,
        },
        epoch,
    });
    let keyspace = Arc::new(Keyspace {
        name: "ks".to_owned(),
        replication: replication.clone(),
        durable_writes: true,
        tables: BTreeMap::from([("t".to_owned(), table)]),
        types: Default::default(),
    });
    let schema = Schema { epoch, keyspaces: BTreeMap::from([("ks".to_owned(), keyspace)]) };
    Arc::new(Snapshot::new(
        epoch,
        Arc::new(schema),
        (1..=hosts).map(|it| (host(it), place.clone())).collect(),
        BTreeMap::from([("ks".to_owned(), Arc::new((0..hosts).map(range).collect()))]),
    ))
}

pub(crate) fn key(number: u8) -> PartitionKey {
    PartitionKey::new(Bytes::copy_from_slice(&[b'k', number]))
}

pub(crate) fn clustering(number: u8) -> Clustering {
    Clustering(Bytes::copy_from_slice(&[0x10 + number]))
}

/// A partition with one row: an INSERT.
pub(crate) fn insert(partition: u8, row: u8, timestamp: i64) -> Partition {
    let mut it = Partition::empty(key(partition));
    it.put_row(clustering(row), live_row(timestamp));
    it
}

pub(crate) fn live_row(timestamp: i64) -> Row {
    let value = Bytes::from(timestamp.to_string());
    Row {
        liveness: Some(Liveness { timestamp, expiry: None }),
        deletion: None,
        cells: vec![(ColumnId(0), Cell { timestamp, content: Content::Live { value } })],
        elements: Vec::new(),
    }
}

/// A partition with one deleted row: a DELETE.
pub(crate) fn delete(partition: u8, row: u8, timestamp: i64) -> Partition {
    let mut it = Partition::empty(key(partition));
    let deletion = Some(Deletion { timestamp, deleted_at: NOW - 1 });
    it.put_row(clustering(row), Row { deletion, ..Row::default() });
    it
}

/// Everything, a page of `rows` at a time.
pub(crate) fn command(target: Target, rows: u64) -> Command {
    Command {
        table: TABLE,
        target,
        slices: vec![Slice::all()],
        reversed: false,
        resume: None,
        limits: Limits {
            rows,
            rows_per_partition: u64::MAX,
            bytes: 1 << 20,
            scanned: u64::MAX,
            tombstones: 10_000,
        },
        now: NOW,
        dropped: Vec::new(),
        filter: None,
        partial: None,
    }
}

pub(crate) fn whole_ring() -> Target {
    Target::Range { tokens: TokenRange { start: Token::MIN, end: Token::MAX }, after: None }
}

/// The rows of partitions, as `(second byte of the key, row number)`.
pub(crate) fn rows(partitions: &[Partition]) -> Vec<(u8, u8)> {
    let rows = |it: &Partition| {
        let key = it.key.bytes[1];
        it.rows.iter().map(move |(row, _)| (key, row.0[0] - 0x10)).collect::<Vec<_>>()
    };
    partitions.iter().flat_map(rows).collect()
}
