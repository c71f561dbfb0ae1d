//! Partitions: rows in clustering order with the tombstones above them.

use bytes::Bytes;

use crate::{cell::Deletion, key::Clustering, key::PartitionKey, row::Row};

/// A deletion of the clusterings in `[start, end)`, as encoded bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RangeTombstone {
    /// Inclusive.
    pub start: Bytes,
    /// Exclusive.
    pub end: Bytes,
    /// When.
    pub deletion: Deletion,
}

/// One partition or a part of one: what a mutation writes, what a memtable holds, what a replica
/// answers.
///
/// Normal form, which every function here keeps: rows ascend strictly; range tombstones ascend, do
/// not overlap, touching ones of equal deletion are one; nothing is shadowed by a deletion that is
/// here too (a range tombstone not newer than the partition's deletion is gone); empty rows are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Whose rows these are.
    pub key: PartitionKey,
    /// Deletion of the whole partition, statics included.
    pub deletion: Option<Deletion>,
    /// The static row. No marker, no row deletion.
    pub static_row: Row,
    /// Rows in clustering order.
    pub rows: Vec<(Clustering, Row)>,
    /// Range tombstones in order.
    pub range_tombstones: Vec<RangeTombstone>,
}

impl Partition {
    /// A partition of which nothing is known.
    pub fn empty(key: PartitionKey) -> Partition {
        Partition {
            key,
            deletion: None,
            static_row: Row::default(),
            rows: Vec::new(),
            range_tombstones: Vec::new(),
        }
    }

    /// Nothing at all, not even a tombstone.
    pub fn is_empty(&self) -> bool {
        self.deletion.is_none()
            && self.static_row.is_empty()
            && self.rows.is_empty()
            && self.range_tombstones.is_empty()
    }

    /// Merges another version of the same partition into this one.
    ///
    /// # Panics
    /// When the keys differ.
    pub fn merge(&mut self, _other: Partition) {
        unimplemented!()
    }

    /// Turns expired cells into tombstones and drops tombstones that a compaction may forget:
    /// those with `deleted_at < gc_before` whose write timestamp is below `max_purgeable`
    /// (microseconds; nothing older can hide outside).
    pub fn purge(&mut self, _now: i64, _gc_before: i64, _max_purgeable: i64) {
        unimplemented!()
    }

    /// What `newer` has that `self` lacks: the repair that makes a merge of `self` with it equal to
    /// a merge of `self` with `newer`. `None` when nothing is missing.
    pub fn missing_from(&self, _newer: &Partition) -> Option<Partition> {
        unimplemented!()
    }

    /// Keeps the clusterings in `[start, end)` and the tombstones clipped to it; partition
    /// deletion and statics stay.
    pub fn clip(&mut self, _start: &[u8], _end: &[u8]) {
        unimplemented!()
    }

    /// About how many bytes this takes in memory.
    pub fn memory_bytes(&self) -> usize {
        unimplemented!()
    }
}
