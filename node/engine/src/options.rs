//! What the engine is told: where it lives, what it may use, and the shape of each table.

use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use model::{ColumnId, TableId};

/// How the engine runs. No `Default`: the node knows its memory and its disk, this crate does not.
#[derive(Clone, Debug)]
pub struct Options {
    /// The data directory: created if absent, locked while open.
    pub data_dir: PathBuf,
    /// When a write counts as durable.
    pub commitlog_sync: CommitlogSync,
    /// Size of one commit log segment, bytes; 32 MiB is usual. A larger mutation gets a segment of its own.
    pub segment_bytes: u64,
    /// Log kept at most, bytes, before the tables that hold on to the oldest segment are flushed.
    /// What a restart replays; 1 GiB is usual.
    pub commitlog_bytes_max: u64,
    /// Where segments of the log are kept when they are full: a folder on the disk of the data directory, of this engine
    /// alone. Nothing is ever removed there; a segment that cannot be kept there stays in the log.
    pub archive_dir: Option<PathBuf>,
    /// All memtables together, bytes. A flush begins at half of it; past it writes are refused with
    /// [`Error::Overloaded`](crate::Error::Overloaded).
    pub memtable_bytes: u64,
    /// Decoded sstable blocks kept in memory, bytes.
    pub cache_bytes: u64,
    /// Data of one sstable block before compression, bytes; 16 KiB is usual.
    pub block_bytes: usize,
    /// Use of the disk, percent, from which on the log warns. 80 is usual.
    pub disk_warn: u8,
    /// Use of the disk, percent, from which on writes are refused with
    /// [`Error::DiskFull`](crate::Error::DiskFull): the rest is for the log of what was taken in, for flushes
    /// and for compactions. 95 is usual, 100 is never.
    pub disk_reject: u8,
    /// How long snapshots are kept that TRUNCATE, DROP and restores make by themselves; a day is usual, zero is for ever.
    pub automatic_snapshot_ttl: Duration,
    /// Threads that read the log at once when the engine is opened; 16 at most count. What they make of it is the same on any number.
    pub replay_threads: NonZeroUsize,
    /// Bytes that compactions write in a second; `None`: as many as they can. Flushes are not counted, nor what
    /// [`Engine::run_jobs`](crate::Engine::run_jobs) does.
    pub compaction_bytes_per_second: Option<NonZeroU64>,
    /// Compactions that run at once, of sstables that each has to itself. All of them share the bytes above.
    pub compactions_max: NonZeroUsize,
}

/// When a write counts as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitlogSync {
    /// After an fdatasync that covers it; one fdatasync serves every write waiting. The default
    /// of the node: an acknowledged write survives a power cut.
    Group,
    /// As `Group`: the log is synced as soon as the disk is free. Kept as a word of its own because
    /// operators know it.
    Batch,
    /// At once; an fdatasync follows within this time. A power cut loses what was acknowledged
    /// since the last one.
    Periodic(Duration),
}

/// What the engine knows of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct TableShape {
    /// Names the table for its whole life.
    pub id: TableId,
    /// How long a tombstone is kept, seconds.
    pub gc_grace_seconds: u32,
    /// Target false positive rate of filters, above 0 and at most 1.
    pub bloom_fp: f64,
    /// The compaction map as CQL writes it. Read here: `class`, `enabled`; of size-tiered and time windows
    /// `min_threshold` and `max_threshold`; of time windows `compaction_window_unit` and
    /// `compaction_window_size`; of unified `scaling_parameters`, `target_sstable_size`, `min_sstable_size` and
    /// `base_shard_count`. What is missing or cannot be read counts as the default.
    pub compaction: BTreeMap<String, String>,
    /// The compression map as CQL writes it. Read here: `class`, `enabled`, `chunk_length_in_kb` (1 to 512, in the place of
    /// [`Options::block_bytes`]), and of zstd `compression_level` (1 to 22). What is missing or cannot be read counts as the default:
    /// LZ4.
    pub compression: BTreeMap<String, String>,
    /// Whether writes go through the commit log. Without it a crash loses what was not flushed.
    pub durable: bool,
    /// Columns that are not there any more, ascending: a compaction forgets their cells, and their
    /// ids are never given again.
    pub dropped: Vec<ColumnId>,
    /// What it is called and made of, for whoever restores a snapshot of it.
    pub described: Option<Arc<Described>>,
}

impl TableShape {
    /// A table that names no options.
    pub fn new(id: TableId) -> TableShape {
        TableShape {
            id,
            gc_grace_seconds: 864_000,
            bloom_fp: 0.01,
            compaction: BTreeMap::new(),
            compression: BTreeMap::new(),
            durable: true,
            dropped: Vec::new(),
            described: None,
        }
    }
}

/// A table in words: the engine keeps them beside the shape and in snapshots, and never reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// The keyspace it is in.
    pub keyspace: String,
    /// Its name.
    pub table: String,
    /// All columns, those of the key first and in its order.
    pub columns: Vec<DescribedColumn>,
    /// The CQL that creates it again.
    pub statement: String,
}

/// A column in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribedColumn {
    /// Names its cells in sstables; of a key column: unused.
    pub id: ColumnId,
    /// As CQL names it, already folded.
    pub name: String,
    /// Its type as CQL writes it.
    pub cql_type: String,
    /// Its part in the table, for example `clustering descending`: columns match when all but the id are equal.
    pub part: String,
}

impl Described {
    /// `keyspace.table`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.keyspace, self.table)
    }
}
