//! What an engine must be able to do to be measured: the seam between the measures and the engines.

use std::path::Path;

use super::args::Compression;
use super::workload::Change;

/// Why a measure did not come about.
pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How an engine is opened: the same for all.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    /// Block cache, bytes.
    pub(super) cache_bytes: u64,
    /// One memtable; as much again may wait for its flush.
    pub(super) memtable_bytes: u64,
    pub(super) log: Log,
    /// Of Helenus' blocks.
    pub(super) compression: Compression,
    /// Of Helenus' rows, seconds; 0 for none.
    pub(super) ttl: u32,
}

/// When a write is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Log {
    /// Nobody waits for the disk.
    Unsynced,
    /// A write is acknowledged when an fdatasync covers it.
    Synced,
}

/// One read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) partition: [u8; 16],
    pub(super) what: What,
}

/// Which rows of the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The row of this time.
    Row(i64),
    /// The newest ones, newest first.
    Last(u64),
    /// Those of these times, the second exclusive.
    Range(i64, i64),
    /// All.
    All,
}

/// What a read has found. Adding them up forgets the order, so that engines compare whatever theirs is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) rows: u64,
    pub(super) sum: u64,
}

impl Found {
    /// Looks at everything a reader is owed of a row: its time, its write timestamp, its value.
    pub(super) fn row(&mut self, time: i64, written: i64, value: &[u8]) {
        self.rows += 1;
        let value = value.len() as u64 + value.first().map_or(0, |it| u64::from(*it) << 8);
        self.sum = self.sum.wrapping_add(time as u64 ^ (written as u64) << 1).wrapping_add(value);
    }

    pub(super) fn add(&mut self, other: Found) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// Sum, least and greatest of the doubles of some rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aggregate {
    pub(super) rows: u64,
    pub(super) sum: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Default for Aggregate {
    fn default() -> Aggregate {
        Aggregate { rows: 0, sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY }
    }
}

impl Aggregate {
    /// Takes the double in. What has not eight bytes is none.
    #[cfg(feature = "fjall")]
    pub(super) fn take(&mut self, value: &[u8]) {
        let Ok(bytes) = value.try_into() else { return };
        let value = f64::from_be_bytes(bytes);
        self.rows += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// To compare engines by: to the cent, because each adds up in an order of its own.
    pub(super) fn found(&self) -> Found {
        let cents = |value: f64| (value * 100.0).round() as i64 as u64;
        let sum = cents(self.sum) ^ cents(self.min) << 40 ^ cents(self.max) << 20;
        Found { rows: self.rows, sum }
    }
}

/// An engine that is open.
pub(super) trait Store: Sized + Send + Sync {
    /// What one write takes, as its caller would have it at hand.
    type Write: Send;

    /// What one read takes, likewise.
    type Query;

    /// Opens the directory, which may be empty.
    fn open(dir: &Path, setup: &Setup) -> Result<Self, Failure>;

    /// Makes one write of these changes. No clock is running.
    fn prepare(&self, changes: &[Change]) -> Self::Write;

    /// Makes one read. No clock is running.
    fn query(&self, ask: &Ask) -> Self::Query;

    /// Writes, and waits where the engine makes its writers wait.
    fn write(&self, write: &Self::Write) -> Result<(), Failure>;

    /// Reads live rows.
    fn read(&self, query: &Self::Query) -> Result<Found, Failure>;

    /// Reads every live row.
    fn scan(&self) -> Result<Found, Failure>;

    /// Sum, least and greatest of what `query` reads, by the best means that the engine has.
    fn aggregate(&self, query: &Self::Query) -> Result<Aggregate, Failure>;

    /// Flushes, lets background work end, and compacts everything.
    fn settle(&self) -> Result<(), Failure>;

    /// Bytes of what is live on disk, the log not counted.
    fn stored_bytes(&self) -> Result<u64, Failure>;

    /// Ends in good order.
    fn close(self) -> Result<(), Failure>;
}
