//! Helenus, through the same verbs that a node calls: encoded mutations go in, merged rows come out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::{CommitlogSync, Engine, Options, Read, TableShape};
use model::partial::{Asked, Number, Values};
use model::read::{Answer, Command, Limits, Target};
use model::rows::{Chunk, View};
use model::token::TokenRange;
use model::{
    Cell, Clustering, ColumnId, Content, Deletion, Liveness, Mutation, Partition, PartitionKey,
    Row, Slice, TableId,
};
use sys::{RealClock, RealDisk, ThreadPool};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::engines::store::{Aggregate, Ask, Failure, Found, Log, Setup, Store, What};
use crate::engines::workload::Change;

/// The only column beside the key.
const VALUE: ColumnId = ColumnId(1);

/// Rows of a page when everything is read: as many as a node asks for.
const PAGE_ROWS: u64 = 5_000;

/// Before a write that was refused for want of room is tried again, as a client would.
const RETRY: Duration = Duration::from_millis(1);

/// How often the log is synced when nobody waits for it: as the node does unless told otherwise.
const SYNC_PERIOD: Duration = Duration::from_secs(1);

pub(in crate::engines) struct Helenus {
    pub(in crate::engines) engine: Engine,
    pub(in crate::engines) runtime: Runtime,
    jobs: Arc<ThreadPool>,
    stop: watch::Sender<bool>,
    background: JoinHandle<()>,
    ttl: u32,
}

impl Helenus {
    fn answer(&self, command: &Command) -> Result<Answer, Failure> {
        Ok(match self.engine.read(command)? {
            Read::Ready(answer) => answer,
            Read::Cold(cold) => cold.run()?,
        })
    }

    /// Takes mutations in. No ticket is waited for.
    fn apply(&self, mutations: &[Bytes]) -> Result<(), Failure> {
        loop {
            match self.engine.apply_all(mutations) {
                Ok(_unwaited) => return Ok(()),
                Err(engine::Error::Overloaded { .. }) => {
                    // Inside of the runtime: its clock is not there before.
                    self.runtime.block_on(async { tokio::time::sleep(RETRY).await });
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Store for Helenus {
    /// A mutation for each partition, all with one record of the log.
    type Write = Vec<Bytes>;
    type Query = Command;

    fn open(dir: &Path, setup: &Setup) -> Result<Helenus, Failure> {
        // As the node begins.
        sys::memory::use_small_pages();
        let options = Options {
            data_dir: dir.to_path_buf(),
            commitlog_sync: match setup.log {
                Log::Unsynced => CommitlogSync::Periodic(SYNC_PERIOD),
                Log::Synced => CommitlogSync::Group,
            },
            segment_bytes: 32 << 20,
            commitlog_bytes_max: 1 << 30,
            // A flush begins at half of it.
            archive_dir: None,
            memtable_bytes: 2 * setup.memtable_bytes,
            cache_bytes: setup.cache_bytes,
            block_bytes: 16 << 10,
            disk_warn: 100,
            disk_reject: 100,
            automatic_snapshot_ttl: Duration::ZERO,
            replay_threads: sys::threads::processors(),
            compaction_bytes_per_second: None,
            compactions_max: std::num::NonZeroUsize::MIN,
        };
        let shape = TableShape {
            // Peers forget a deletion once nothing lies beneath it: no replica is owed it.
            gc_grace_seconds: 0,
            compression: BTreeMap::from([("class".into(), setup.compression.class().into())]),
            ..TableShape::new(table())
        };
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
        let disk = Arc::new(RealDisk);
        let (engine, _) = Engine::open(options, disk, Arc::new(RealClock::new()), vec![shape])?;
        let jobs = Arc::new(ThreadPool::new(4));
        let (stop, stopped) = watch::channel(false);
        let background = engine::background(engine.clone(), Arc::clone(&jobs) as _, stopped);
        let background = runtime.spawn(background);
        Ok(Helenus { engine, runtime, jobs, stop, background, ttl: setup.ttl })
    }

    fn prepare(&self, changes: &[Change]) -> Vec<Bytes> {
        changes.iter().map(|it| mutation(it, self.ttl)).collect()
    }

    fn query(&self, ask: &Ask) -> Command {
        let all = Slice::all();
        let mut rows = u64::MAX;
        let slice = match ask.what {
            What::Row(time) => Slice::row(&clustering(time)),
            What::Range(from, to) => Slice { start: clustering(from), end: clustering(to) },
            What::Last(count) => {
                rows = count;
                all
            }
            What::All => all,
        };
        let mut command = command(Target::One(key(&ask.partition)), slice);
        command.limits.rows = rows;
        command.reversed = matches!(ask.what, What::Last(_));
        command
    }

    fn write(&self, write: &Vec<Bytes>) -> Result<(), Failure> {
        self.apply(write)
    }

    fn read(&self, query: &Command) -> Result<Found, Failure> {
        let mut found = Found::default();
        let answer = self.answer(query)?;
        each(&answer, |time, written, value| found.row(time, written, value));
        Ok(found)
    }

    fn scan(&self) -> Result<Found, Failure> {
        let mut found = Found::default();
        for tokens in TokenRange::ALL.unwrap_ranges() {
            let mut command = command(Target::Range { tokens, after: None }, Slice::all());
            command.limits.rows = PAGE_ROWS;
            loop {
                let answer = self.answer(&command)?;
                each(&answer, |time, written, value| found.row(time, written, value));
                command.resume = answer.stopped_at;
                if command.resume.is_none() {
                    break;
                }
            }
        }
        Ok(found)
    }

    fn aggregate(&self, query: &Command) -> Result<Aggregate, Failure> {
        // As a node does: the engine folds the rows, and none comes out.
        let asked = Asked { columns: vec![(VALUE, Number::F64)], compared: false };
        let query = Command { partial: Some(asked), ..query.clone() };
        let partial = self.answer(&query)?.partial;
        let summary = partial.as_ref().and_then(|it| it.columns.first());
        Ok(match summary.map(|it| it.numbers) {
            Some(Values::F64(it)) => {
                Aggregate { rows: it.count, sum: it.sum.divided(1.0), min: it.least, max: it.most }
            }
            Some(Values::I8(_) | Values::I16(_) | Values::I32(_) | Values::I64(_)) | None => {
                Aggregate::default()
            }
        })
    }

    fn settle(&self) -> Result<(), Failure> {
        let jobs = &*self.jobs;
        self.runtime.block_on(async {
            self.engine.flush(None, jobs).await?;
            self.engine.compact(None, jobs).await?;
            Ok(())
        })
    }

    fn stored_bytes(&self) -> Result<u64, Failure> {
        Ok(self.engine.stats().tables.values().map(|it| it.sstable_bytes).sum())
    }

    fn close(self) -> Result<(), Failure> {
        self.runtime.block_on(async {
            self.engine.close(&*self.jobs).await?;
            self.stop.send_replace(true);
            Ok(self.background.await?)
        })
    }
}

/// Shows every live row to `visit`: its time, when its value was written, and that.
fn each(answer: &Answer, mut visit: impl FnMut(i64, i64, &[u8])) {
    for chunk in answer.partitions.iter().flat_map(|it| it.rows.chunks()) {
        let mut one = |row: View<'_>| {
            if let Some((written, value)) = row.cell(VALUE, NOW).filter(|_| row.is_live(NOW)) {
                visit(time(row.clustering()), written, value);
            }
        };
        match chunk {
            Chunk::Each(rows) => rows.iter().for_each(|(at, row)| one(View::Each(at, row))),
            Chunk::Columns(columns, rows) => rows.for_each(|at| one(View::Column(columns, at))),
        }
    }
}

/// The second of all reads: nothing expires.
const NOW: i64 = 1_800_000_000;

fn table() -> TableId {
    TableId(uuid::Uuid::from_u128(1))
}

fn key(partition: &[u8; 16]) -> PartitionKey {
    PartitionKey::new(Bytes::copy_from_slice(partition))
}

/// A time as the ordered encoding of a `timestamp` has it.
fn clustering(time: i64) -> Bytes {
    Bytes::copy_from_slice(&(time ^ i64::MIN).to_be_bytes())
}

fn time(clustering: &[u8]) -> i64 {
    let bytes = clustering.try_into();
    bytes.map_or(0, |it| i64::from_be_bytes(it) ^ i64::MIN)
}

fn command(target: Target, slice: Slice) -> Command {
    let most = u64::MAX;
    Command {
        table: table(),
        target,
        slices: vec![slice],
        reversed: false,
        resume: None,
        limits: Limits {
            rows: most,
            rows_per_partition: most,
            bytes: most,
            tombstones: most,
            scanned: most,
        },
        filter: None,
        partial: None,
        now: NOW,
        dropped: Vec::new(),
    }
}

/// An INSERT, with a TTL in seconds unless that is 0, or a DELETE of the row.
pub(in crate::engines) fn mutation(change: &Change, ttl: u32) -> Bytes {
    let timestamp = change.written;
    let second = timestamp / 1_000_000;
    let expiry = (ttl > 0).then(|| (ttl, second + i64::from(ttl)));
    let row = match &change.value {
        Some(value) => {
            let value = Bytes::copy_from_slice(value);
            let content = match expiry {
                Some((ttl, expires_at)) => Content::Expiring { value, ttl, expires_at },
                None => Content::Live { value },
            };
            Row {
                liveness: Some(Liveness { timestamp, expiry }),
                cells: vec![(VALUE, Cell { timestamp, content })],
                ..Row::default()
            }
        }
        None => {
            let deletion = Deletion { timestamp, deleted_at: second };
            Row { deletion: Some(deletion), ..Row::default() }
        }
    };
    let mut partition = Partition::empty(key(&change.partition));
    partition.rows.push((Clustering(clustering(change.time)), row));
    Mutation { table: table(), partition }.encode()
}
