//! The engine as a whole, against a model, a bad disk and a power cut.

mod basics;
mod crash;
mod expiry;
mod log;
mod oracle;
mod outside;
mod parallel;
mod room;
mod rot;
mod shards;
mod skip;
mod snapshot_crash;
mod snapshots;
mod statistics;
mod straight;
mod texts;
mod throttle;
mod trouble;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use model::read::{Answer, Command, Limits, Target};
use model::{
    Cell, Clustering, ColumnId, Content, Deletion, Elements, Liveness, Mutation, Partition,
    PartitionKey, Row, Slice, TableId, TokenRange,
};
use sys::disk::MemoryDisk;
use sys::{Disk, Inline, ManualClock};

use crate::{CommitlogSync, Engine, Error, Options, Read, Recovery, TableShape};

/// 2024-01-15, in seconds.
const NOW: i64 = 1_705_276_800;

fn options() -> Options {
    Options {
        data_dir: PathBuf::from("/data"),
        commitlog_sync: CommitlogSync::Group,
        segment_bytes: 2048,
        commitlog_bytes_max: 1 << 30,
        archive_dir: None,
        memtable_bytes: 64 << 20,
        cache_bytes: 1 << 20,
        block_bytes: 256,
        disk_warn: 80,
        disk_reject: 100,
        automatic_snapshot_ttl: std::time::Duration::from_secs(86_400),
        replay_threads: std::num::NonZeroUsize::MIN,
        compaction_bytes_per_second: None,
        compactions_max: std::num::NonZeroUsize::MIN,
    }
}

fn shape(table: u128) -> TableShape {
    TableShape::new(TableId(uuid::Uuid::from_u128(table)))
}

/// An engine on a disk in memory, with the disk.
struct World {
    disk: MemoryDisk,
    clock: Arc<ManualClock>,
    options: Options,
    tables: Vec<TableShape>,
}

impl World {
    fn new() -> World {
        World {
            disk: MemoryDisk::new(),
            clock: Arc::new(ManualClock::new(NOW * 1_000_000)),
            options: options(),
            tables: vec![shape(1), shape(2)],
        }
    }

    fn open(&self) -> Result<(Engine, Recovery), Error> {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        Engine::open(self.options.clone(), disk, self.clock.clone(), self.tables.clone())
    }

    fn engine(&self) -> Engine {
        self.open().expect("it opens").0
    }
}

/// Runs a future that waits for nothing but jobs run inline.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(future)
}

fn flush(engine: &Engine) -> Result<(), Error> {
    wait(engine.flush(None, &Inline))
}

fn compact(engine: &Engine) -> Result<(), Error> {
    wait(engine.compact(None, &Inline))
}

fn key(number: u64) -> PartitionKey {
    PartitionKey::new(Bytes::copy_from_slice(&number.to_be_bytes()))
}

/// Clusterings whose bytes lie in 0x01..=0xFE, in the order of the numbers.
fn clustering(number: u64) -> Clustering {
    let digit = |at: u32| 1 + ((number / 200_u64.pow(at)) % 200) as u8;
    Clustering(Bytes::copy_from_slice(&[digit(2), digit(1), digit(0)]))
}

fn value_cell(timestamp: i64, value: &[u8]) -> Cell {
    Cell { timestamp, content: Content::Live { value: Bytes::copy_from_slice(value) } }
}

/// What INSERT writes, of one value.
fn row(timestamp: i64, value: &[u8]) -> Row {
    Row {
        liveness: Some(Liveness { timestamp, expiry: None }),
        deletion: None,
        cells: vec![(ColumnId(1), value_cell(timestamp, value))],
        elements: Vec::new(),
    }
}

fn deletion(timestamp: i64) -> Deletion {
    Deletion { timestamp, deleted_at: NOW }
}

fn insert(table: u128, partition: u64, at: u64, timestamp: i64, value: &[u8]) -> Mutation {
    let mut partition = Partition::empty(key(partition));
    partition.put_row(clustering(at), row(timestamp, value));
    Mutation { table: shape(table).id, partition }
}

fn delete_row(table: u128, partition: u64, at: u64, timestamp: i64) -> Mutation {
    let mut partition = Partition::empty(key(partition));
    let row = Row { deletion: Some(deletion(timestamp)), ..Row::default() };
    partition.put_row(clustering(at), row);
    Mutation { table: shape(table).id, partition }
}

/// Applies and makes durable.
fn write(engine: &Engine, mutation: &Mutation) -> Result<(), Error> {
    let ticket = engine.apply(mutation.encode())?;
    engine.run_jobs();
    ticket.outcome().expect("the log was synced")
}

/// Applies all at once, and makes them durable.
fn write_all(engine: &Engine, mutations: &[Mutation]) -> Result<(), Error> {
    let encoded: Vec<Bytes> = mutations.iter().map(Mutation::encode).collect();
    let ticket = engine.apply_all(&encoded)?;
    engine.run_jobs();
    ticket.outcome().expect("the log was synced")
}

fn all_of(table: u128) -> Command {
    Command {
        table: shape(table).id,
        target: Target::Range { tokens: TokenRange::ALL, after: None },
        slices: vec![Slice::all()],
        reversed: false,
        resume: None,
        limits: Limits::NONE,
        now: NOW,
        dropped: Vec::new(),
        filter: None,
        partial: None,
    }
}

fn one(table: u128, partition: u64) -> Command {
    Command { target: Target::One(key(partition)), ..all_of(table) }
}

fn read(engine: &Engine, command: &Command) -> Result<Answer, Error> {
    match engine.read(command)? {
        Read::Ready(answer) => Ok(answer),
        Read::Cold(cold) => cold.run(),
    }
}

/// Clustering and first value of each live row of a partition.
fn rows(engine: &Engine, command: &Command) -> Vec<(u64, u64, Vec<u8>)> {
    let answer = read(engine, command).expect("it reads");
    live_rows(&answer)
}

fn live_rows(answer: &Answer) -> Vec<(u64, u64, Vec<u8>)> {
    let mut found = Vec::new();
    for partition in &answer.partitions {
        let mut number = [0; 8];
        number.copy_from_slice(&partition.key.bytes);
        for (clustering, row) in &partition.rows {
            if !row.is_live(NOW) {
                continue;
            }
            let at =
                clustering.0.iter().fold(0, |so_far, digit| so_far * 200 + u64::from(*digit - 1));
            let value = row.cell(ColumnId(1)).and_then(|it| it.value(NOW)).expect("a value");
            found.push((u64::from_be_bytes(number), at, value.to_vec()));
        }
    }
    found.sort();
    found
}
