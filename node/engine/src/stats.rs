//! Plain counters, read by whoever exports metrics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::TableId;

use crate::tasks::Task;

/// The engine at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes in all memtables, frozen ones included.
    pub memtable_bytes: u64,
    /// Bytes in frozen memtables: what flushes still have to write.
    pub frozen_bytes: u64,
    /// Commit log segments on disk.
    pub segments: u64,
    /// Bytes of the commit log on disk or on their way.
    pub commitlog_bytes: u64,
    /// Segments that got a name in the archive since the start.
    pub segments_archived: u64,
    /// Attempts to give a segment its name in the archive that failed since the start; they are repeated.
    pub archive_failures: u64,
    /// Latency of fdatasync on the commit log.
    pub fsync: Histogram,
    /// Room on the disk, at the last look.
    pub disk: sys::disk::Space,
    /// Whether it is too full for writes.
    pub disk_full: bool,
    /// How long writes wait for the commit log's disk: the oldest that waits now, or the longest wait of the last 10 s.
    pub commitlog_wait: Duration,
    /// Writes refused for that since the start.
    pub writes_refused: u64,
    /// Writes taken in since the start.
    pub writes: u64,
    /// Reads begun since the start.
    pub reads: u64,
    /// Reads that had to go to the disk.
    pub reads_cold: u64,
    /// Blocks found in the cache.
    pub cache_hits: u64,
    /// Blocks that were not.
    pub cache_misses: u64,
    /// Bytes in the block cache.
    pub cache_bytes: u64,
    /// Memtables flushed since the start.
    pub flushes: u64,
    /// Compactions finished since the start.
    pub compactions: u64,
    /// Bytes that compactions have written since the start.
    pub compaction_bytes: u64,
    /// How long compactions were held back since the start, so that they write no more than
    /// [`Options::compaction_bytes_per_second`](crate::Options::compaction_bytes_per_second).
    pub compaction_held_back: Duration,
    /// Sstables removed unread since the start, because everything in them had expired.
    pub sstables_expired: u64,
    /// Compactions that wait until those that run have ended.
    pub compactions_pending: u64,
    /// Flushes and compactions that failed since the start; they are tried again.
    pub jobs_failed: u64,
    /// Compactions that are under way, the oldest first.
    pub tasks: Vec<Task>,
    /// By table.
    pub tables: BTreeMap<TableId, TableStats>,
}

/// One table at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableStats {
    /// Bytes in its memtables, frozen ones included.
    pub memtable_bytes: u64,
    /// Live sstables.
    pub sstables: u64,
    /// Their bytes on disk.
    pub sstable_bytes: u64,
    /// Partitions in them; one that is in several counts for each.
    pub partitions: u64,
    /// Rows in them, likewise.
    pub rows: u64,
    /// Tombstones in them, likewise.
    pub tombstones: u64,
}

/// How many durations fell below each bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Counts by bucket: at most 1, 2, 4, … 2^22 times 16 µs; the last holds all longer ones.
    pub buckets: [u64; 24],
    /// All of them together.
    pub sum: Duration,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { buckets: [0; 24], sum: Duration::ZERO }
    }
}

impl Histogram {
    /// The upper bound of bucket `index`, inclusive; `None` for the last.
    pub fn bound(index: usize) -> Option<Duration> {
        (index < 23).then(|| Duration::from_micros(16 << index))
    }

    /// How many durations there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// A histogram that threads add to.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    buckets: [AtomicU64; 24],
    sum_nanos: AtomicU64,
}

impl Timer {
    pub(crate) fn record(&self, took: Duration) {
        let slots = took.as_micros().div_ceil(16).max(1);
        let bucket = (128 - (slots - 1).leading_zeros()).min(23) as usize;
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(crate) fn snapshot(&self) -> Histogram {
        let buckets = std::array::from_fn(|i| self.buckets[i].load(Ordering::Relaxed));
        Histogram { buckets, sum: Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)) }
    }
}

/// Counts of things done since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) fsync: Timer,
    pub(crate) segments_archived: AtomicU64,
    pub(crate) archive_failures: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) writes_refused: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) reads_cold: AtomicU64,
    pub(crate) cache_hits: AtomicU64,
    pub(crate) cache_misses: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) compactions: AtomicU64,
    pub(crate) compaction_bytes: AtomicU64,
    pub(crate) compaction_held_back_nanos: AtomicU64,
    pub(crate) sstables_expired: AtomicU64,
    pub(crate) jobs_failed: AtomicU64,
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    add(counter, 1);
}

/// Some more.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
