//! What a node tells of itself in `system_views`. The node knows, this crate puts it in tables.

use std::net::SocketAddr;

use model::{HostId, TableId};

/// A node, as it is at one moment.
pub trait Views: Send + Sync + 'static {
    /// Every setting with its value, in the order of the settings.
    fn settings(&self) -> Vec<(String, String)>;

    /// CQL drivers that are connected.
    fn clients(&self) -> Vec<Client>;

    /// Its caches.
    fn caches(&self) -> Vec<Cache>;

    /// Whatever has a bound on how much it does at once.
    fn pools(&self) -> Vec<Pool>;

    /// Hints that wait for other nodes.
    fn hints(&self) -> Vec<Hints>;

    /// Compactions that are under way, the oldest first.
    fn compactions(&self) -> Vec<Compaction>;

    /// The largest partition of each table that has sstables, and its bytes in one of them.
    fn largest_partitions(&self) -> Vec<(TableId, u64)>;
}

/// A connected CQL driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Where it comes from.
    pub address: SocketAddr,
    /// What it said of itself when it began; empty before.
    pub options: Vec<(String, String)>,
    /// Whether it may ask already.
    pub is_ready: bool,
    /// The version it speaks, once that is known.
    pub version: Option<u8>,
    /// The keyspace that it chose.
    pub keyspace: Option<String>,
    /// Requests so far.
    pub requests: u64,
}

/// A cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// Its name.
    pub name: &'static str,
    /// Bytes that it may take.
    pub capacity_bytes: u64,
    /// Bytes that it takes.
    pub bytes: u64,
    /// How often something was looked for since the start, and how often it was there.
    pub requests: u64,
    /// See `requests`.
    pub hits: u64,
}

/// Work that is bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: &'static str,
    /// How much is going on, where that is counted.
    pub active: Option<u64>,
    /// How much may.
    pub limit: u64,
    /// How much waits, where that is counted.
    pub pending: Option<u64>,
    /// How much was done since the start.
    pub completed: u64,
}

/// A compaction that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// Names it among those of its node since the start.
    pub number: u64,
    /// Whose sstables it merges.
    pub table: TableId,
    /// When it began, microseconds since 1970.
    pub begun: i64,
    /// How many sstables it merges.
    pub sstables: u64,
    /// Their bytes.
    pub total_bytes: u64,
    /// Bytes that it has written.
    pub written_bytes: u64,
    /// Where it writes.
    pub directory: String,
}

/// Hints for one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hints {
    /// Which.
    pub host: HostId,
    /// When the oldest was kept, seconds since 1970.
    pub oldest: i64,
    /// Bytes of all.
    pub bytes: u64,
}
