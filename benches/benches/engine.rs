//! Parts of one node, each alone: parsing, merging, the memtable, flushes, point reads and slices.
//!
//! The data is the beginning of the metrics day of `helenus demo --data metrics`. Before anything is
//! measured, each part shows what it computes as a hash: the same in every run, and the same from
//! memory as from an sstable. Under `cargo test` everything runs once.

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use cql_lite::types::NativeType;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use engine::{CommitlogSync, Engine, Options, Read, TableShape};
use model::key::{Order, compose, encode_clustering, types};
use model::read::{Answer, Command, Limits, Target};
use model::{
    Cell, Clustering, ColumnId, Content, Liveness, Mutation, Partition, PartitionKey, Row, Slice,
    TableId,
};
use sys::{Inline, ManualClock, MemoryDisk};

/// 2024-01-15 in seconds.
const NOW: i64 = 1_705_276_800;

/// Partitions in the engine that is read; each is one server's day so far.
const PARTITIONS: u64 = 100;

/// Rows of each.
const ROWS: usize = 3_000;

/// Rows in the engines that are written and flushed.
const ROWS_WRITTEN: usize = 10_000;

const STATEMENTS: [&str; 3] = [
    "INSERT INTO metrics.server_metrics (server_id, metric_date, timestamp, metric_name, value) \
     VALUES (?, ?, ?, ?, ?) USING TIMESTAMP 1705276800000000",
    "SELECT timestamp, value FROM metrics.server_metrics WHERE server_id = 'server-1' AND \
     metric_date = '2024-01-15' AND timestamp >= '2024-01-15 10:00:00+0000' AND \
     timestamp < '2024-01-15 10:05:00+0000' ORDER BY timestamp DESC LIMIT 300",
    "CREATE TABLE IF NOT EXISTS chat.messages (conversation_id text, sent_at timestamp, \
     sender text, content text, PRIMARY KEY ((conversation_id), sent_at)) \
     WITH CLUSTERING ORDER BY (sent_at DESC) AND gc_grace_seconds = 86400",
];

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for (name, text) in ["insert", "select", "create table"].into_iter().zip(STATEMENTS) {
        let printed = cql_lite::parse(text).expect("it is CQL").to_string();
        tell(name, &printed);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| cql_lite::parse(black_box(text))));
    }
    group.finish();
}

fn merge(criterion: &mut Criterion) {
    // Two replicas that each missed every third row.
    let half = |missed: usize| {
        let mut partition = server_day(1, 450);
        let rows = partition.rows.into_iter().enumerate();
        partition.rows = rows.filter(|(at, _)| at % 3 != missed).map(|(_, row)| row).collect();
        partition
    };
    let (ours, theirs) = (half(0), half(1));
    let mut merged = ours.clone();
    merged.merge(theirs.clone());
    assert_eq!(merged, server_day(1, 450), "together they have all rows");
    tell("merge", &merged);
    let mut group = criterion.benchmark_group("merge");
    group.throughput(Throughput::Elements(600));
    group.bench_function("two versions of 300 rows", |bencher| {
        bencher.iter_batched(
            || (ours.clone(), theirs.clone()),
            |(mut ours, theirs)| {
                ours.merge(theirs);
                ours
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn write(criterion: &mut Criterion) {
    let mutations: Vec<Bytes> = rows_one_by_one(1, ROWS_WRITTEN).collect();
    let filled = || {
        let engine = open();
        mutations.iter().for_each(|it| apply(&engine, it));
        engine
    };
    let flushed = filled();
    flush(&flushed);
    let answer = read(&flushed, &all_rows(1));
    assert_eq!(answer.live_rows, ROWS_WRITTEN as u64);
    assert_eq!(answer.digest(), read(&filled(), &all_rows(1)).digest(), "a flush changes nothing");
    tell("write", &answer.digest());
    let mut group = criterion.benchmark_group("engine write");
    group.sample_size(20).throughput(Throughput::Elements(ROWS_WRITTEN as u64));
    group.bench_function("memtable insert, 10,000 rows of a partition", |bencher| {
        bencher.iter_batched_ref(
            open,
            |engine| mutations.iter().for_each(|it| apply(engine, it)),
            BatchSize::PerIteration,
        );
    });
    group.bench_function("flush, 10,000 rows", |bencher| {
        bencher.iter_batched_ref(filled, |engine| flush(engine), BatchSize::PerIteration);
    });
    group.finish();
}

fn reads(criterion: &mut Criterion) {
    let engine = open();
    for server in 0..PARTITIONS {
        let partition = server_day(server, ROWS);
        apply(&engine, &Mutation { table: table(), partition }.encode());
    }
    let commands = [
        ("point read", point(7, 1_234), 1),
        ("slice, last 50 reversed", last(7, 50), 50),
        ("slice, 300 rows", range(7, 1_500, 300), 300),
    ];
    let in_memory = commands.clone().map(|(_, command, _)| read(&engine, &command).digest());
    bench_reads(criterion, "engine read, memtable", &engine, &commands);
    flush(&engine);
    let in_sstable = commands.clone().map(|(_, command, _)| read(&engine, &command).digest());
    assert_eq!(in_memory, in_sstable, "a flush changes nothing");
    bench_reads(criterion, "engine read, cached sstable", &engine, &commands);
}

fn bench_reads(
    criterion: &mut Criterion,
    name: &str,
    engine: &Engine,
    commands: &[(&str, Command, u64)],
) {
    let mut group = criterion.benchmark_group(name);
    for (name, command, rows) in commands {
        let answer = read(engine, command);
        assert_eq!(answer.live_rows, *rows, "{name}");
        tell(name, &answer.digest());
        group.throughput(Throughput::Elements(*rows));
        group.bench_function(*name, |bencher| bencher.iter(|| read(engine, black_box(command))));
    }
    group.finish();
}

/// Says what was computed, as a hash of how it prints.
fn tell(what: &str, computed: &dyn std::fmt::Debug) {
    // FNV-1a: short, and the same in every build.
    let hash = format!("{computed:?}").bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    eprintln!("{what}: {hash:016x}");
}

fn table() -> TableId {
    TableId(uuid::Uuid::from_u128(1))
}

/// An engine on a disk in memory, whose writes wait for nothing: what is measured is ours.
fn open() -> Engine {
    let options = Options {
        data_dir: PathBuf::from("/data"),
        commitlog_sync: CommitlogSync::Periodic(std::time::Duration::from_secs(3600)),
        segment_bytes: 32 << 20,
        commitlog_bytes_max: 1 << 30,
        archive_dir: None,
        memtable_bytes: 1 << 30,
        cache_bytes: 256 << 20,
        block_bytes: 16 << 10,
        disk_warn: 100,
        disk_reject: 100,
        automatic_snapshot_ttl: std::time::Duration::ZERO,
        replay_threads: sys::threads::processors(),
        compaction_bytes_per_second: None,
        compactions_max: std::num::NonZeroUsize::MIN,
    };
    let shape = TableShape::new(table());
    let clock = Arc::new(ManualClock::new(NOW * 1_000_000));
    let opened = Engine::open(options, Arc::new(MemoryDisk::new()), clock, vec![shape]);
    opened.expect("an empty directory").0
}

fn apply(engine: &Engine, mutation: &Bytes) {
    // Nothing waits for the disk here: the ticket has nothing to tell.
    drop(engine.apply(mutation.clone()).expect("there is room"));
}

fn flush(engine: &Engine) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let flushed = runtime.expect("a runtime").block_on(engine.flush(None, &Inline));
    flushed.expect("memory has room");
}

fn read(engine: &Engine, command: &Command) -> Answer {
    let answer = match engine.read(command).expect("the table is there") {
        Read::Ready(answer) => Ok(answer),
        Read::Cold(cold) => cold.run(),
    };
    answer.expect("memory does not rot")
}

fn partition_key(server: u64) -> PartitionKey {
    let date = ((1_u32 << 31) + 19_737).to_be_bytes();
    let key = compose(&[format!("server-{server}").as_bytes(), &date]);
    PartitionKey::new(key.expect("it is short"))
}

fn clustering(timestamp: i64, metric: &str) -> Clustering {
    let columns =
        [(NativeType::Timestamp.into(), Order::Asc), (NativeType::Text.into(), Order::Asc)];
    let components: [&[u8]; 2] = [&timestamp.to_be_bytes(), metric.as_bytes()];
    Clustering(encode_clustering(types(&columns), &components).expect("the types fit"))
}

/// The first `rows` rows of a day.
fn server_day(server: u64, rows: usize) -> Partition {
    let mut partition = Partition::empty(partition_key(server));
    let rows = node::cli::metrics().take(rows).map(|it| {
        let timestamp = NOW * 1_000_000 + it.timestamp % 86_400_000;
        let value = Bytes::copy_from_slice(&it.value.to_be_bytes());
        let cell = Cell { timestamp, content: Content::Live { value } };
        let liveness = Some(Liveness { timestamp, expiry: None });
        let row =
            Row { liveness, deletion: None, cells: vec![(ColumnId(1), cell)], ..Row::default() };
        (clustering(it.timestamp, it.name), row)
    });
    partition.rows = rows.collect();
    partition
}

fn rows_one_by_one(server: u64, rows: usize) -> impl Iterator<Item = Bytes> {
    let Partition { key, rows, .. } = server_day(server, rows);
    rows.into_iter().map(move |row| {
        let partition = Partition { rows: vec![row].into(), ..Partition::empty(key.clone()) };
        Mutation { table: table(), partition }.encode()
    })
}

fn command(server: u64, slice: Slice) -> Command {
    let most = u64::MAX;
    Command {
        table: table(),
        target: Target::One(partition_key(server)),
        slices: vec![slice],
        reversed: false,
        resume: None,
        limits: Limits {
            rows: most,
            rows_per_partition: most,
            bytes: most,
            scanned: most,
            tombstones: most,
        },
        now: NOW,
        dropped: Vec::new(),
        filter: None,
        partial: None,
    }
}

fn all_rows(server: u64) -> Command {
    command(server, Slice::all())
}

/// The `at`-th row.
fn point(server: u64, at: usize) -> Command {
    range(server, at, 1)
}

/// `count` rows from the `from`-th on.
fn range(server: u64, from: usize, count: usize) -> Command {
    let day = server_day(server, from + count + 1);
    let start = day.rows[from].0.0.clone();
    command(server, Slice { start, end: day.rows[from + count].0.0.clone() })
}

/// The last `count` rows.
fn last(server: u64, count: u64) -> Command {
    let mut command = all_rows(server);
    command.reversed = true;
    command.limits.rows = count;
    command
}

criterion_group!(benches, parse, merge, write, reads);
criterion_main!(benches);
