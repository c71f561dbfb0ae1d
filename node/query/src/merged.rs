//! Mutations of several writes, those of one partition merged into one, which replicas apply whole.

use std::collections::BTreeMap;

use model::{Mutation, PartitionKey, TableId};

/// What was merged so far.
pub(crate) struct Merged {
    bytes_max: usize,
    done: Vec<Mutation>,
    /// Where the mutation of a partition is that takes further writes.
    open: BTreeMap<(TableId, PartitionKey), Open>,
}

struct Open {
    at: usize,
    bytes: usize,
}

impl Merged {
    /// Nothing yet. A mutation takes no further writes once it takes `bytes_max` bytes in memory.
    pub(crate) fn new(bytes_max: usize) -> Merged {
        Merged { bytes_max, done: Vec::new(), open: BTreeMap::new() }
    }

    /// One more.
    pub(crate) fn add(&mut self, mutation: Mutation) {
        let bytes = mutation.partition.memory_bytes();
        let key = (mutation.table, mutation.partition.key.clone());
        if let Some(open) = self.open.get_mut(&key)
            && open.bytes.saturating_add(bytes) <= self.bytes_max
        {
            open.bytes += bytes;
            self.done[open.at].partition.merge(mutation.partition);
            return;
        }
        self.open.insert(key, Open { at: self.done.len(), bytes });
        self.done.push(mutation);
    }

    /// All of them, those that were added first in front.
    pub(crate) fn finish(self) -> Vec<Mutation> {
        self.done
    }
}
