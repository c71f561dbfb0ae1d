//! A stretch of a partition: rows in clustering order, and the deletions above them.

use std::hint::black_box;

use bytes::Bytes;
use model::written::Packer;
use model::{Deletion, Partition, PartitionKey, RangeTombstone, Slice};

use super::entry::Entry;
use crate::piece::{self, Piece};
use crate::prefix::Prefix;

/// Rows and range tombstones in a leaf at most: small enough to shift, large enough to be few.
pub(super) const LEAF_ITEMS_MAX: usize = 128;

/// Rows from `start` on, up to where the next leaf begins.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    start: Bytes,
    start_prefix: Prefix,
    entries: Vec<Entry>,
    /// Partition deletion and range tombstones, clipped to the leaf, where there are any; no rows.
    above: Option<Box<Partition>>,
}

impl Leaf {
    pub(super) fn new(start: Bytes) -> Leaf {
        let start_prefix = Prefix::of(&start);
        Leaf { start, start_prefix, entries: Vec::new(), above: None }
    }

    pub(super) fn start(&self) -> &Bytes {
        &self.start
    }

    /// Whether `clustering` lies in this leaf or behind it.
    pub(super) fn begins_by(&self, prefix: Prefix, clustering: &[u8]) -> bool {
        self.start_prefix < prefix || (self.start_prefix == prefix && self.start <= clustering)
    }

    /// Memory beside the leaf itself and what hangs on its entries, bytes.
    pub(super) fn heap_bytes(&self) -> usize {
        let above = self.above.as_ref().map_or(0, |it| it.memory_bytes());
        self.start.len() + self.entries.capacity() * size_of::<Entry>() + above
    }

    /// Rows and range tombstones.
    pub(super) fn items(&self) -> usize {
        self.entries.len() + self.ranges().len()
    }

    /// Of the last row; of none the least there is.
    pub(super) fn last_prefix(&self) -> Prefix {
        self.entries.last().map(Entry::prefix).unwrap_or_default()
    }

    /// Merges a row in, beneath the deletions that are here. Returns by how many bytes the memory grew that hangs
    /// on entries.
    pub(super) fn put(&mut self, entry: Entry) -> usize {
        let Some(above) = &self.above else { return self.insert(entry) };
        let (clustering, mut row) = entry.row();
        match above.deletion_at(&clustering) {
            Some(deletion) if piece::row_timestamp_min(&row) <= deletion.timestamp => {
                row.shadow(deletion);
                if row.is_empty() { 0 } else { self.insert(Entry::merged(clustering, row)) }
            }
            Some(_) | None => self.insert(entry),
        }
    }

    /// Merges a deletion of the whole partition in.
    pub(super) fn delete(&mut self, key: &PartitionKey, deletion: Deletion) {
        self.above(key).delete(deletion);
        self.shadow(0, self.entries.len(), deletion);
    }

    /// Merges a deletion of clusterings inside the leaf in.
    pub(super) fn delete_range(&mut self, key: &PartitionKey, range: RangeTombstone) {
        let (from, to) = (self.first_at(&range.start), self.first_at(&range.end));
        self.above(key).delete_range(range.start, range.end, range.deletion);
        self.shadow(from, to.max(from), range.deletion);
    }

    /// What is known of the clusterings at the near end of `want`, in a leaf that ends at `end`: at most `rows_max` rows.
    pub(super) fn cut(
        &self,
        key: &PartitionKey,
        leaf_end: &Bytes,
        want: &Slice,
        reversed: bool,
        rows_max: usize,
    ) -> Piece {
        let mut start = (&self.start).max(&want.start).clone();
        let mut end = leaf_end.min(&want.end).clone();
        let mut from = self.first_at(&start);
        let mut to = self.first_at(&end);
        if to - from > rows_max {
            if reversed {
                from = to - rows_max;
                start = Bytes::copy_from_slice(self.entries[from].clustering());
            } else {
                to = from + rows_max;
                end = Bytes::copy_from_slice(self.entries[to].clustering());
            }
        }
        let mut part = Partition::empty(key.clone());
        part.rows = match &self.entries[from..to] {
            [only] => vec![only.row()].into(),
            entries => {
                black_box(entries.iter().fold(0, |all, it| all ^ it.touch()));
                let mut packer = Packer::expecting(entries.len());
                entries.iter().for_each(|it| it.pack(&mut packer));
                packer.finish()
            }
        };
        part.range_tombstones = piece::clip_ranges(self.ranges(), &start, &end);
        Piece { start, end, part }
    }

    /// The leaf to go on with, behind this one, if it has taken all that it may and `entry` lies behind everything in it.
    pub(super) fn next(&self, key: &PartitionKey, entry: &Entry) -> Option<Leaf> {
        let last = self.entries.last().filter(|_| LEAF_ITEMS_MAX <= self.entries.len())?;
        let (prefix, clustering) = (entry.prefix(), entry.clustering());
        if !self.ranges().is_empty() || last.compare(prefix, clustering).is_ge() {
            return None;
        }
        let mut next = Leaf::new(Bytes::copy_from_slice(clustering));
        if let Some(deletion) = self.above.as_ref().and_then(|it| it.deletion) {
            next.above(key).deletion = Some(deletion);
        }
        Some(next)
    }

    /// Splits a leaf that ends at `end`, and has too many items. The right half.
    pub(super) fn split(&mut self, end: Bytes) -> Leaf {
        let (rows, ranges) = (self.entries.len(), self.ranges());
        let clustering = |at: usize| Bytes::copy_from_slice(self.entries[at].clustering());
        let bound = if ranges.len() <= rows {
            clustering(rows / 2)
        } else {
            ranges[ranges.len() / 2].start.clone()
        };
        let mut right = Leaf::new(bound.clone());
        let at = self.first_at(&bound);
        right.entries = self.entries.split_off(at);
        if let Some(part) = self.above.take() {
            let deletion = part.deletion;
            let mut left = Piece { start: self.start.clone(), end, part: *part };
            let mut behind = left.split_off(&bound);
            behind.part.deletion = deletion;
            self.above = Some(Box::new(left.part));
            right.above = Some(Box::new(behind.part));
        }
        right
    }

    /// Takes in the leaf that follows.
    pub(super) fn append(&mut self, next: Leaf) {
        self.entries.extend(next.entries);
        match (&mut self.above, next.above) {
            (Some(above), Some(next)) => piece::append(above, *next),
            (above @ None, next) => *above = next,
            (Some(_), None) => {}
        }
    }

    fn ranges(&self) -> &[RangeTombstone] {
        self.above.as_ref().map_or(&[], |it| &it.range_tombstones)
    }

    fn above(&mut self, key: &PartitionKey) -> &mut Partition {
        self.above.get_or_insert_with(|| Box::new(Partition::empty(key.clone())))
    }

    /// The first row at or behind `clustering`.
    fn first_at(&self, clustering: &[u8]) -> usize {
        let prefix = Prefix::of(clustering);
        self.entries.partition_point(|it| it.compare(prefix, clustering).is_lt())
    }

    fn insert(&mut self, entry: Entry) -> usize {
        let (prefix, clustering) = (entry.prefix(), entry.clustering());
        let grown = entry.heap_bytes();
        // Rows mostly arrive in order.
        if self.entries.last().is_none_or(|it| it.compare(prefix, clustering).is_lt()) {
            if self.entries.is_empty() {
                // Many partitions never get another.
                self.entries.reserve_exact(1);
            }
            self.entries.push(entry);
            return grown;
        }
        match self.entries.binary_search_by(|it| it.compare(prefix, clustering)) {
            Err(at) => {
                self.entries.insert(at, entry);
                grown
            }
            Ok(at) => {
                let (clustering, mut row) = self.entries[at].row();
                row.merge(entry.row().1);
                self.entries[at] = Entry::merged(clustering, row);
                self.entries[at].heap_bytes()
            }
        }
    }

    /// Applies a deletion to some of the rows.
    fn shadow(&mut self, from: usize, to: usize, deletion: Deletion) {
        let shadowed = self.entries.drain(from..to).filter_map(|entry| {
            let (clustering, mut row) = entry.row();
            if deletion.timestamp < piece::row_timestamp_min(&row) {
                return Some(entry);
            }
            row.shadow(deletion);
            (!row.is_empty()).then(|| Entry::merged(clustering, row))
        });
        let left: Vec<Entry> = shadowed.collect();
        self.entries.splice(from..from, left);
    }
}
