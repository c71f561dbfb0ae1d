//! Memtables: what was written and is not in an sstable yet.
//!
//! A memtable is sharded by token, each shard behind a lock of its own that is held for one mutation or
//! for one look-up, never for a read. A partition is a [`Run`](run::Run): a reader takes a shared
//! snapshot of it, so it sees each mutation whole or not at all, and never holds up a writer.

pub(crate) mod run;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use model::{Partition, PartitionKey, Token};

use crate::commitlog::Position;
use crate::piece;
use run::Run;

/// Shards: a power of two. More than the cores of a big machine, few enough to walk.
const SHARDS: usize = 16;

/// One table's writes since the last freeze.
#[derive(Debug)]
pub(crate) struct Memtable {
    /// Everything below was in an older memtable or is in sstables.
    pub(crate) begins: Position,
    shards: [RwLock<BTreeMap<PartitionKey, Arc<Run>>>; SHARDS],
    bytes: AtomicU64,
    timestamp_min: AtomicI64,
    /// Whether the log holds, or is about to hold, something that is only here.
    logged: AtomicBool,
}

impl Memtable {
    pub(crate) fn new(begins: Position) -> Memtable {
        Memtable {
            begins,
            shards: std::array::from_fn(|_| RwLock::default()),
            bytes: AtomicU64::new(0),
            timestamp_min: AtomicI64::new(i64::MAX),
            logged: AtomicBool::new(false),
        }
    }

    /// Says, before a record is appended to the log, that this memtable will need it.
    pub(crate) fn set_logged(&self) {
        self.logged.store(true, Ordering::SeqCst);
    }

    /// Whether the log is needed for what is in here.
    pub(crate) fn is_logged(&self) -> bool {
        self.logged.load(Ordering::SeqCst)
    }

    /// Merges `partition` in. Returns by how many bytes the memtable grew.
    pub(crate) fn apply(&self, partition: Partition) -> u64 {
        let grown = partition.memory_bytes() as u64;
        let oldest = piece::timestamp_min(&partition);
        // Before the data is there to be seen: a compaction must not forget a tombstone above it.
        self.timestamp_min.fetch_min(oldest, Ordering::Relaxed);
        let shard = &self.shards[shard_of(partition.key.token)];
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        match shard.get_mut(&partition.key) {
            // Copies the list of leaves only while a reader holds the run.
            Some(run) => Arc::make_mut(run).merge(partition),
            None => {
                let key = partition.key.clone();
                let mut run = Run::new(key.clone());
                run.merge(partition);
                shard.insert(key, Arc::new(run));
            }
        }
        drop(shard);
        self.bytes.fetch_add(grown, Ordering::Relaxed);
        grown
    }

    /// The partition as it is now.
    pub(crate) fn get(&self, key: &PartitionKey) -> Option<Arc<Run>> {
        let shard = &self.shards[shard_of(key.token)];
        shard.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// The first partition that is at or behind `from`.
    pub(crate) fn next(&self, from: Bound<&PartitionKey>) -> Option<(PartitionKey, Arc<Run>)> {
        let first = match from {
            Bound::Included(key) | Bound::Excluded(key) => shard_of(key.token),
            Bound::Unbounded => 0,
        };
        self.shards[first..].iter().find_map(|shard| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let next = shard.range::<PartitionKey, _>((from, Bound::Unbounded)).next();
            next.map(|(key, run)| (key.clone(), Arc::clone(run)))
        })
    }

    /// Memory taken, bytes, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Nothing was ever applied.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// The oldest timestamp in it, microseconds; `i64::MAX` when empty.
    pub(crate) fn timestamp_min(&self) -> i64 {
        self.timestamp_min.load(Ordering::Relaxed)
    }
}

/// Tokens are evenly spread, so their top bits are; shards are in token order.
fn shard_of(token: Token) -> usize {
    let position = (token.0 as u64) ^ (1 << 63);
    (position >> (64 - SHARDS.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests;
