//! One partition in a memtable: leaves of rows in clustering order.
//!
//! ```text
//!   head: partition deletion, static row
//!   leaves:  ["", b)      [b, k)      [k, 0xFF)     each at most 128 rows and range tombstones,
//!            a a2         b …         k … z         range tombstones clipped to the leaf
//! ```
//!
//! Leaves are shared: a snapshot copies nothing, and a write copies the one leaf it changes if a reader
//! holds it. Rows that arrive in order fill leaves to the brim; others split them in halves.

use std::sync::Arc;

use bytes::Bytes;
use model::{Clustering, Deletion, Partition, PartitionKey, RangeTombstone, Row, Slice};

use crate::piece::{self, Piece};

/// Rows and range tombstones in a leaf at most: small enough to shift, large enough to be few.
const LEAF_ITEMS_MAX: usize = 128;

/// A partition's rows with the tombstones above them.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Partition deletion and static row; no rows.
    head: Partition,
    /// By where they begin. Never empty; the first begins below everything.
    leaves: Vec<(Bytes, Arc<Partition>)>,
}

impl Run {
    pub(crate) fn new(key: PartitionKey) -> Run {
        let leaf = Arc::new(Partition::empty(key.clone()));
        Run { head: Partition::empty(key), leaves: vec![(Bytes::new(), leaf)] }
    }

    /// Merges `other`, a version of the same partition, in.
    pub(crate) fn merge(&mut self, other: Partition) {
        if let Some(deletion) = other.deletion {
            self.delete(deletion);
        }
        self.head.put_static(other.static_row);
        for range in other.range_tombstones {
            self.delete_range(range);
        }
        for (clustering, row) in other.rows {
            self.put_row(clustering, row);
        }
    }

    /// Partition deletion and static row, without rows.
    pub(crate) fn head(&self) -> &Partition {
        &self.head
    }

    /// What is known of the clusterings at the near end of `want`: at most `rows_max` rows.
    pub(crate) fn piece(&self, want: &Slice, reversed: bool, rows_max: usize) -> Piece {
        let at = match reversed {
            false => self.leaf_of(&want.start),
            // The last leaf that begins below the end.
            true => self.leaves.partition_point(|(start, _)| *start < want.end).max(1) - 1,
        };
        let (start, leaf) = &self.leaves[at];
        piece::cut(leaf, (start, &self.end_of(at)), want, reversed, rows_max)
    }

    #[cfg(test)]
    pub(crate) fn leaves(&self) -> usize {
        self.leaves.len()
    }

    fn leaf_of(&self, clustering: &Bytes) -> usize {
        match self.leaves.last() {
            // Rows mostly arrive in order.
            Some((start, _)) if start <= clustering => self.leaves.len() - 1,
            Some(_) | None => {
                self.leaves.partition_point(|(start, _)| start <= clustering).max(1) - 1
            }
        }
    }

    fn end_of(&self, leaf: usize) -> Bytes {
        self.leaves.get(leaf + 1).map_or_else(piece::top, |(start, _)| start.clone())
    }

    fn delete(&mut self, deletion: Deletion) {
        if Some(deletion) <= self.head.deletion {
            return;
        }
        self.head.delete(deletion);
        for (_, leaf) in &mut self.leaves {
            Arc::make_mut(leaf).delete(deletion);
        }
        self.join(0, self.leaves.len());
    }

    fn delete_range(&mut self, range: RangeTombstone) {
        let from = self.leaf_of(&range.start);
        let mut to = from;
        while to < self.leaves.len() && (to == from || self.leaves[to].0 < range.end) {
            let start = (&self.leaves[to].0).max(&range.start).clone();
            let end = self.end_of(to).min(range.end.clone());
            Arc::make_mut(&mut self.leaves[to].1).delete_range(start, end, range.deletion);
            to += 1;
        }
        if to - from == 1 {
            self.split_if_full(from);
        } else {
            self.join(from, to);
        }
    }

    fn put_row(&mut self, clustering: Clustering, row: Row) {
        let at = self.leaf_of(&clustering.0);
        Arc::make_mut(&mut self.leaves[at].1).put_row(clustering, row);
        self.split_if_full(at);
    }

    fn split_if_full(&mut self, at: usize) {
        let end = self.end_of(at);
        let is_last = at + 1 == self.leaves.len();
        let (start, leaf) = &mut self.leaves[at];
        let (rows, ranges) = (leaf.rows.len(), leaf.range_tombstones.len());
        if rows + ranges <= LEAF_ITEMS_MAX {
            return;
        }
        let bound = if is_last && ranges == 0 {
            leaf.rows[rows - 1].0.0.clone()
        } else if ranges <= rows {
            leaf.rows[rows / 2].0.0.clone()
        } else {
            leaf.range_tombstones[ranges / 2].start.clone()
        };
        let part = std::mem::replace(leaf, Arc::new(Partition::empty(self.head.key.clone())));
        let part = Arc::unwrap_or_clone(part);
        let deletion = part.deletion;
        let mut left = Piece { start: start.clone(), end, part };
        let mut right = left.split_off(&bound);
        right.part.deletion = deletion;
        *leaf = Arc::new(left.part);
        self.leaves.insert(at + 1, (bound, Arc::new(right.part)));
    }

    /// Joins what a deletion emptied: neighbors in `from..to` that fit well into one leaf.
    fn join(&mut self, from: usize, to: usize) {
        let items = |leaf: &Partition| leaf.rows.len() + leaf.range_tombstones.len();
        let mut joined: Vec<(Bytes, Arc<Partition>)> = Vec::new();
        for (start, leaf) in self.leaves.drain(from..to) {
            match joined.last_mut() {
                Some((_, last)) if items(last) + items(&leaf) <= LEAF_ITEMS_MAX / 2 => {
                    piece::append(Arc::make_mut(last), Arc::unwrap_or_clone(leaf));
                }
                Some(_) | None => joined.push((start, leaf)),
            }
        }
        self.leaves.splice(from..from, joined);
    }
}
