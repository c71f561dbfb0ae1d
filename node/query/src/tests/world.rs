//! A cluster of one that is all in memory: a catalog that agrees with itself at once, and a store
//! that merges as replicas do.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use coordinator::replica::{Answering, at_once};
use cql_lite::value::Value;
use futures_util::future::{BoxFuture, Either, ready};
use model::{
    Consistency, HostId, Keyspace, Mutation, Partition, PartitionKey, Schema, TableId, Token,
    counter,
    partial::{Asked, Partial},
    read::Command,
};
use sys::{Clock as _, ManualClock, SharedRng};

use crate::{
    Acks, BatchRequest, Bound, Catalog, Error, Executor, NodeInfo, Options, Outcome, PreparedId,
    Reply, Request, Rows, SchemaChange, Source, Store, Timeouts, catalog,
    guardrail::{Guard, Guardrail, Limits},
    memory, store,
    tests::replicas::{Cluster, Sizes},
};

/// 2024-01-15 00:00:00 UTC: when every script begins.
pub(super) const BEGIN_MICROS: i64 = 1_705_276_800_000_000;

mod agreed;

pub(super) use agreed::Agreed;

/// The executor with everything it stands on, and a session.
pub(super) struct World {
    pub(super) executor: Arc<Executor>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) store: Arc<Fake>,
    pub(super) catalog: Arc<Agreed>,
    pub(super) keyspace: Option<Arc<str>>,
    pub(super) consistency: Consistency,
    pub(super) timestamp: Option<i64>,
    replicas: Option<(Arc<Cluster>, Mode)>,
    runtime: tokio::runtime::Runtime,
}

/// What happens behind every write of a world with real replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// One node flushes.
    Flushed,
    /// One node flushes and compacts.
    Compacted,
    /// Of three nodes the next one goes down, and the one before comes back.
    OneDown,
}

impl World {
    /// An empty cluster whose session is in the keyspace `ks`.
    pub(super) fn new() -> World {
        World::with_limits(1 << 20, 10_000)
    }

    /// The same, with pages of the store that end after so many bytes or tombstones.
    pub(super) fn with_limits(page_bytes_max: u64, page_tombstones_max: u64) -> World {
        World::with(page_bytes_max, page_tombstones_max, Guard::new(only_timestamps))
    }

    /// The same, with guardrails that a short script can reach.
    pub(super) fn narrow() -> World {
        World::with(1 << 20, 10_000, Guard::new(narrow))
    }

    /// The same as `new`, over engines and a coordinator instead of a store in memory.
    pub(super) fn with_replicas(mode: Mode) -> World {
        let mut world = World::new();
        let nodes = if mode == Mode::OneDown { 3 } else { 1 };
        let sizes = Sizes { block_bytes: 64, cache_bytes: 1 << 20 };
        let cluster = Cluster::new(nodes, world.catalog.schema(), &world.clock, sizes);
        let coordinator = {
            let _entered = world.runtime.enter();
            cluster.coordinator(&world.clock)
        };
        world.executor = Arc::new(Executor::new(
            Arc::clone(&world.catalog) as Arc<dyn Catalog>,
            Arc::new(coordinator),
            SharedRng::from_seed(7),
            Arc::clone(&world.clock) as Arc<dyn sys::Clock>,
            Options {
                page_rows: 5_000,
                page_bytes_max: 1 << 20,
                page_tombstones_max: 10_000,
                prepared_max: 3,
                guard: Arc::new(Guard::new(only_timestamps)),
                timeouts: TIMEOUTS,
                partition_bytes: Arc::new(|_, _, _| 0),
            },
        ));
        world.replicas = Some((cluster, mode));
        world
    }

    /// Follows a statement that did something: schemas are taken over, and what the mode says
    /// happens.
    fn follow(&self, outcome: &Outcome) {
        let Some((cluster, mode)) = &self.replicas else { return };
        match outcome {
            Outcome::SchemaChange { .. } => cluster.adopt(&self.catalog.schema()),
            Outcome::Void => {
                for node in 0..cluster.len() {
                    self.runtime.block_on(cluster.flush(node));
                    if *mode == Mode::Compacted {
                        self.runtime.block_on(cluster.compact(node));
                    }
                }
                if *mode == Mode::OneDown {
                    cluster.next_is_down();
                }
            }
            Outcome::Rows(_) | Outcome::SetKeyspace(_) | Outcome::Description(_) => {}
        }
    }

    fn with(page_bytes_max: u64, page_tombstones_max: u64, guard: Guard) -> World {
        let clock = Arc::new(ManualClock::new(BEGIN_MICROS));
        let store = Arc::new(Fake::new(&clock));
        let catalog = Arc::new(Agreed::default());
        let options = Options {
            page_rows: 5_000,
            page_bytes_max,
            page_tombstones_max,
            prepared_max: 3,
            guard: Arc::new(guard),
            timeouts: TIMEOUTS,
            // A partition whose key ends in 3 has 300 bytes.
            partition_bytes: Arc::new(|_, key, _| {
                100 * key.bytes.last().map_or(0, |it| u64::from(*it))
            }),
        };
        let executor = Executor::new(
            Arc::clone(&catalog) as Arc<dyn Catalog>,
            Arc::clone(&store) as Arc<dyn Store>,
            SharedRng::from_seed(7),
            Arc::clone(&clock) as Arc<dyn sys::Clock>,
            options,
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut world = World {
            executor: Arc::new(executor),
            clock,
            store,
            catalog,
            keyspace: None,
            consistency: Consistency::Quorum,
            timestamp: None,
            replicas: None,
            runtime,
        };
        let replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
        world.run(&format!("CREATE KEYSPACE ks WITH replication = {replication}")).unwrap();
        world.run("USE ks").unwrap();
        world
    }

    /// Executes a statement without values.
    pub(super) fn run(&mut self, text: &str) -> Result<Reply, Error> {
        self.execute(self.request(Source::Text(text.to_owned())))
    }

    /// A request with the session's settings and no values.
    pub(super) fn request(&self, source: Source) -> Request {
        Request {
            source,
            keyspace: self.keyspace.clone(),
            values: Vec::new(),
            names: None,
            consistency: self.consistency,
            page_rows: None,
            paging_state: None,
            whole: false,
            timestamp: self.timestamp,
            now_seconds: None,
            timeout: Some(Duration::from_secs(1)),
            trace: 1,
        }
    }

    /// Executes a request and follows `USE`.
    pub(super) fn execute(&mut self, request: Request) -> Result<Reply, Error> {
        // TRUNCATE takes all nodes.
        let truncates =
            matches!(&request.source, Source::Text(text) if text.starts_with("TRUNCATE"));
        if let (Some((cluster, _)), true) = (&self.replicas, truncates) {
            cluster.silence(None);
        }
        let reply = self.runtime.block_on(async {
            let reply = self.executor.execute(request).await;
            // What goes on behind an answer at QUORUM comes to its end here.
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            reply
        })?;
        self.follow(&reply.outcome);
        if let Outcome::SetKeyspace(keyspace) = &reply.outcome {
            self.keyspace = Some(keyspace.as_str().into());
        }
        Ok(reply)
    }

    /// Whether a request is answered before anybody else may run.
    pub(super) fn is_answered_at_once(&self, request: Request) -> bool {
        let _runtime = self.runtime.enter();
        matches!(self.executor.execute(request), Either::Left(_))
    }

    pub(super) fn execute_many(&self, request: Request, rows: usize) -> Result<Reply, Error> {
        self.runtime.block_on(self.executor.execute_many(request, rows))
    }

    pub(super) fn execute_batch(&self, batch: BatchRequest) -> Result<Reply, Error> {
        self.runtime.block_on(self.executor.execute_batch(batch))
    }

    /// Every page of a read.
    pub(super) fn pages(&mut self, request: &Request, page_rows: u32) -> Result<Vec<Rows>, Error> {
        let mut pages = Vec::new();
        let mut paging_state = None;
        loop {
            let request = Request { page_rows: Some(page_rows), paging_state, ..request.clone() };
            let reply = self.execute(request)?;
            let Outcome::Rows(rows) = reply.outcome else { panic!("a read answers rows") };
            assert!(rows.rows.len() <= page_rows as usize, "a page is longer than asked for");
            paging_state = rows.paging_state.clone();
            pages.push(rows);
            assert!(pages.len() < 10_000, "the pages do not end");
            if paging_state.is_none() {
                return Ok(pages);
            }
        }
    }

    /// The id of a statement, prepared now.
    pub(super) fn prepare(&self, text: &str) -> Result<PreparedId, Error> {
        Ok(self.executor.prepare(text, self.keyspace.as_deref())?.id)
    }
}

/// Longer than any script takes.
pub(super) const TIMEOUTS: Timeouts = {
    let long = Duration::from_secs(5);
    Timeouts { read: long, write: long, schema: long }
};

/// As production limits them; scripts about other things meet no other guardrail.
fn only_timestamps(guardrail: Guardrail) -> Limits {
    if guardrail == Guardrail::TimestampAhead { narrow(guardrail) } else { Limits::default() }
}

/// Guardrails that a short script can reach.
fn narrow(guardrail: Guardrail) -> Limits {
    let limits = |warn, fail| Limits { warn: Some(warn), fail: Some(fail) };
    match guardrail {
        Guardrail::CellBytes => limits(10, 20),
        Guardrail::RowBytes => limits(25, 35),
        Guardrail::WriteBytes => limits(60, 100),
        Guardrail::PartitionBytes => limits(1_000, 2_000),
        Guardrail::StatementBytes => limits(300, 600),
        Guardrail::PartitionsIn => limits(3, 5),
        Guardrail::PageTombstones => limits(3, 5),
        Guardrail::BatchBytes => limits(60, 150),
        Guardrail::BatchPartitions => limits(2, 3),
        Guardrail::ListReads => limits(1, 2),
        Guardrail::TimestampAhead => limits(60, 259_200),
        Guardrail::ReplicationFactor => limits(2, 1),
        Guardrail::Keyspaces => limits(2, 3),
        Guardrail::Tables => limits(2, 3),
        Guardrail::Columns => limits(4, 6),
        Guardrail::StreamBytes | Guardrail::AddressBytes | Guardrail::RequestBytes => {
            Limits::default()
        }
    }
}

/// A value for a bound marker, written as in CQL.
pub(super) fn bound(text: &str, cql_type: &cql_lite::types::CqlType) -> Bound {
    match text {
        "null" => return Bound::Null,
        "unset" => return Bound::Unset,
        _ => {}
    }
    let insert = cql_lite::parse(&format!("INSERT INTO t (c) VALUES ({text})")).unwrap();
    use cql_lite::ast::{Statement, Write};
    let Statement::Write(Write::Insert(insert)) = insert else { panic!("an insert") };
    let value = match Value::from_term(&insert.values[0], cql_type) {
        Ok(value) => value.expect("a value").encode(),
        // To show what happens to bytes that do not fit, blobs are taken as they are.
        Err(error) => {
            let cql_lite::ast::Term::Literal(literal) = &insert.values[0] else {
                panic!("{}", error.node)
            };
            let cql_lite::ast::Literal::Blob(bytes) = &literal.node else {
                panic!("{}", error.node)
            };
            bytes.clone()
        }
    };
    Bound::Value(Bytes::from(value))
}

/// A store with one replica, which merges everything it is told.
pub(super) struct Fake {
    tables: Mutex<BTreeMap<TableId, BTreeMap<PartitionKey, Partition>>>,
    clock: Arc<ManualClock>,
    issued: Mutex<i64>,
    failure: Mutex<Option<store::Error>>,
    writes: Mutex<usize>,
}

impl Fake {
    /// An empty store.
    pub(super) fn new(clock: &Arc<ManualClock>) -> Fake {
        Fake {
            tables: Mutex::default(),
            clock: Arc::clone(clock),
            issued: Mutex::new(0),
            failure: Mutex::default(),
            writes: Mutex::new(0),
        }
    }

    /// Fails the next read or write.
    pub(super) fn fail(&self, error: store::Error) {
        *self.failure.lock().unwrap() = Some(error);
    }

    /// Mutations that were written.
    pub(super) fn writes(&self) -> usize {
        *self.writes.lock().unwrap()
    }

    /// What is stored of a table.
    pub(super) fn partitions(&self, table: TableId) -> Vec<Partition> {
        let tables = self.tables.lock().unwrap();
        tables.get(&table).map(|it| it.values().cloned().collect()).unwrap_or_default()
    }

    fn failure(&self) -> Result<(), store::Error> {
        self.failure.lock().unwrap().take().map_or(Ok(()), Err)
    }

    fn apply(&self, mutations: Vec<Mutation>) -> Result<(), store::Error> {
        self.failure()?;
        let mut tables = self.tables.lock().unwrap();
        for mutation in mutations {
            *self.writes.lock().unwrap() += 1;
            // Through the bytes, so that what cannot be encoded is noticed.
            let mutation = Mutation::decode(mutation.encode()).unwrap();
            assert!(mutation.partition.is_normal(), "{:?}", mutation.partition);
            let table = tables.entry(mutation.table).or_default();
            let key = mutation.partition.key.clone();
            let partition = table.entry(key.clone()).or_insert_with(|| Partition::empty(key));
            partition.merge(mutation.partition);
        }
        Ok(())
    }

    /// As a replica that leads them all.
    fn lead(&self, increments: Vec<Mutation>) -> Result<(), store::Error> {
        let host = HostId(uuid::Uuid::from_u128(1));
        for mutation in increments {
            let shares = {
                let tables = self.tables.lock().unwrap();
                let key = mutation.partition.key.clone();
                let own = tables.get(&mutation.table).and_then(|it| it.get(&key));
                counter::lead(mutation, own, host, self.clock.wall_micros())
            };
            self.apply(vec![shares])?;
        }
        Ok(())
    }

    fn answer(&self, command: &Command) -> Result<store::Page, store::Error> {
        self.failure()?;
        let command = Command::decode(command.encode()).unwrap();
        let tables = self.tables.lock().unwrap();
        let empty = BTreeMap::new();
        let table = tables.get(&command.table).unwrap_or(&empty);
        let page = memory::read(table.values(), &command);
        Ok(match &command.partial {
            Some(asked) => folded(page, asked, &command),
            None => page,
        })
    }
}

/// What a page tells of its rows instead of them, but for partitions of which it has a part.
fn folded(page: store::Page, asked: &Asked, command: &Command) -> store::Page {
    let mut partial = Partial::new(asked);
    let (from, to) = (command.resume.as_ref(), page.next.as_ref());
    let mut parts = Vec::new();
    for it in &page.partitions {
        let is_cut = [from, to].into_iter().flatten().any(|at| at.key == it.key);
        if is_cut {
            parts.push(it.clone());
            continue;
        }
        partial.add(asked, &it.rows, command.now);
        let are_alone = it.rows.live(command.now) == 0 && it.static_row.has_live_cell(command.now);
        partial.statics += u64::from(are_alone);
    }
    match partial.is_whole() {
        true => store::Page { partitions: parts, partial: Some(partial), ..page },
        false => page,
    }
}

impl Store for Fake {
    fn write(
        &self,
        mutations: Vec<Mutation>,
        _: store::Options,
    ) -> Answering<Result<(), store::Error>> {
        at_once(self.apply(mutations))
    }

    fn increment(
        &self,
        increments: Vec<Mutation>,
        _: store::Options,
    ) -> BoxFuture<'_, Result<(), store::Error>> {
        Box::pin(ready(self.lead(increments)))
    }

    fn read(
        &self,
        command: Arc<Command>,
        _: store::Options,
    ) -> BoxFuture<'_, Result<store::Page, store::Error>> {
        Box::pin(ready(self.answer(&command)))
    }

    fn truncate(
        &self,
        table: TableId,
        _: Duration,
        _: u64,
    ) -> BoxFuture<'_, Result<(), store::Error>> {
        self.tables.lock().unwrap().remove(&table);
        Box::pin(ready(Ok(())))
    }

    fn timestamp(&self) -> Result<i64, store::Error> {
        let mut issued = self.issued.lock().unwrap();
        *issued = self.clock.wall_micros().max(*issued + 1);
        Ok(*issued)
    }
}

/// The acks of an answer that host 3 did not give.
pub(super) fn acks(required: usize, received: usize) -> Acks {
    let missing = vec![HostId(uuid::Uuid::from_u128(3)).to_string()];
    Acks { consistency: Consistency::All, required, received, missing }
}
