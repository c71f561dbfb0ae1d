//! One partition in a memtable: leaves of rows in clustering order.
//!
//! ```text
//!   head: partition deletion, static row
//!   leaves:  ["", b)      [b, k)      [k, 0xFF)     each at most 128 rows and range tombstones,
//!            a a2         b …         k … z         range tombstones clipped to the leaf
//! ```
//!
//! All leaves but the last are shared: a snapshot copies none of them, and a write copies the one leaf it changes
//! if a reader holds it. Rows that arrive in order go into the last leaf, which lies in the run itself, and fill
//! leaves to the brim; others split them in halves.

use std::sync::Arc;

use bytes::Bytes;
use model::key::bottom;
use model::{Deletion, Partition, PartitionKey, RangeTombstone, Slice};

use super::entry::Entry;
use super::leaf::{LEAF_ITEMS_MAX, Leaf};
use crate::piece::{self, Piece};
use crate::prefix::Prefix;

/// A partition's rows with the tombstones above them.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    key: PartitionKey,
    key_prefix: Prefix,
    /// Partition deletion and static row, where there is one; no rows.
    head: Option<Box<Partition>>,
    /// All leaves but the last, in order.
    full: Vec<Arc<Leaf>>,
    last: Leaf,
    /// Memory beside the run itself and the mutations that its rows lie in, as far as it ever grew.
    heap_bytes: usize,
}

impl Run {
    pub(crate) fn new(key: PartitionKey) -> Run {
        let (key_prefix, heap_bytes) = (Prefix::of(&key.bytes), key.bytes.len());
        let last = Leaf::new(bottom());
        Run { key, key_prefix, head: None, full: Vec::new(), last, heap_bytes }
    }

    pub(crate) fn key(&self) -> &PartitionKey {
        &self.key
    }

    /// Whether this is the partition of these bytes. Of short ones it looks at nothing but the run itself.
    pub(super) fn is_of(&self, key: &[u8]) -> bool {
        Prefix::are_same((self.key_prefix, &self.key.bytes), (Prefix::of(key), key))
    }

    /// Memory taken beside the mutations that rows lie in, bytes. Never shrinks: what a deletion frees is free with
    /// the memtable.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Run>() + self.heap_bytes
    }

    /// Merges `other`, a version of the same partition, in.
    pub(crate) fn merge(&mut self, other: Partition) {
        if other.deletion.is_some() || !other.static_row.is_empty() {
            self.heap_bytes += size_of::<Partition>() + other.static_row.heap_bytes();
        }
        if let Some(deletion) = other.deletion {
            self.delete(deletion);
        }
        if !other.static_row.is_empty() {
            self.head_mut().put_static(other.static_row);
        }
        for range in other.range_tombstones {
            self.delete_range(range);
        }
        for (clustering, row) in other.rows {
            self.put(Entry::merged(clustering, row));
        }
    }

    /// Merges a row in.
    pub(crate) fn put(&mut self, entry: Entry) {
        let at = self.leaf_of(entry.prefix(), entry.clustering());
        if at == self.full.len()
            && let Some(next) = self.last.next(&self.key, &entry)
        {
            self.end_last(next);
            return self.change(at + 1, |leaf| leaf.put(entry));
        }
        self.change(at, |leaf| leaf.put(entry));
        self.split_if_full(at);
    }

    /// Partition deletion and static row, without rows; `None` if there is neither.
    pub(crate) fn head(&self) -> Option<&Partition> {
        self.head.as_deref()
    }

    /// What is known of the clusterings at the near end of `want`: at most `rows_max` rows.
    pub(crate) fn piece(&self, want: &Slice, reversed: bool, rows_max: usize) -> Piece {
        let at = match reversed {
            false => self.leaf_of(Prefix::of(&want.start), &want.start),
            // The last leaf that begins below the end.
            true if *self.last.start() < want.end => self.full.len(),
            true => self.full.partition_point(|it| *it.start() < want.end).max(1) - 1,
        };
        self.leaf(at).cut(&self.key, &self.end_of(at), want, reversed, rows_max)
    }

    /// Rows of the last leaf.
    pub(super) fn last_len(&self) -> usize {
        self.last.items()
    }

    /// Of the last row.
    pub(super) fn last_prefix(&self) -> Prefix {
        self.last.last_prefix()
    }

    #[cfg(test)]
    pub(crate) fn leaves(&self) -> usize {
        self.full.len() + 1
    }

    fn leaf(&self, at: usize) -> &Leaf {
        self.full.get(at).map_or(&self.last, |it| &**it)
    }

    /// Changes a leaf, and keeps account. `change` tells by how much more than the leaf itself memory grew.
    fn change(&mut self, at: usize, change: impl FnOnce(&mut Leaf) -> usize) {
        let leaf = match self.full.get_mut(at) {
            Some(leaf) => Arc::make_mut(leaf),
            None => &mut self.last,
        };
        let before = leaf.heap_bytes();
        let beside = change(leaf);
        self.heap_bytes += beside + leaf.heap_bytes().saturating_sub(before);
    }

    fn leaf_of(&self, prefix: Prefix, clustering: &[u8]) -> usize {
        if self.last.begins_by(prefix, clustering) {
            return self.full.len();
        }
        self.full.partition_point(|it| it.begins_by(prefix, clustering)).max(1) - 1
    }

    fn end_of(&self, leaf: usize) -> Bytes {
        if leaf < self.full.len() { self.leaf(leaf + 1).start().clone() } else { piece::top() }
    }

    fn head_mut(&mut self) -> &mut Partition {
        self.head.get_or_insert_with(|| Box::new(Partition::empty(self.key.clone())))
    }

    fn delete(&mut self, deletion: Deletion) {
        if Some(deletion) <= self.head.as_ref().and_then(|it| it.deletion) {
            return;
        }
        self.head_mut().delete(deletion);
        let key = self.key.clone();
        for at in 0..=self.full.len() {
            self.change(at, |leaf| {
                leaf.delete(&key, deletion);
                0
            });
        }
        self.join(0, self.full.len() + 1);
    }

    fn delete_range(&mut self, range: RangeTombstone) {
        let key = self.key.clone();
        let from = self.leaf_of(Prefix::of(&range.start), &range.start);
        let mut to = from;
        while to <= self.full.len() && (to == from || *self.leaf(to).start() < range.end) {
            let start = self.leaf(to).start().max(&range.start).clone();
            let end = self.end_of(to).min(range.end.clone());
            let clipped = RangeTombstone { start, end, deletion: range.deletion };
            self.change(to, |leaf| {
                leaf.delete_range(&key, clipped);
                0
            });
            to += 1;
        }
        if to - from == 1 {
            self.split_if_full(from);
        } else {
            self.join(from, to);
        }
    }

    fn split_if_full(&mut self, at: usize) {
        if self.leaf(at).items() <= LEAF_ITEMS_MAX {
            return;
        }
        let end = self.end_of(at);
        match self.full.get_mut(at) {
            Some(leaf) => {
                let right = Arc::make_mut(leaf).split(end);
                self.count_leaf(&right);
                self.full.insert(at + 1, Arc::new(right));
            }
            None => {
                let right = self.last.split(end);
                self.end_last(right);
            }
        }
    }

    /// Puts `next` behind the last leaf.
    fn end_last(&mut self, next: Leaf) {
        self.count_leaf(&next);
        let last = std::mem::replace(&mut self.last, next);
        self.full.push(Arc::new(last));
    }

    fn count_leaf(&mut self, leaf: &Leaf) {
        self.heap_bytes += 16 + size_of::<Leaf>() + size_of::<Arc<Leaf>>() + leaf.heap_bytes();
    }

    /// Joins what a deletion emptied: neighbors in `from..to` that fit well into one leaf.
    fn join(&mut self, from: usize, to: usize) {
        let has_last = self.full.len() < to;
        let to = to.min(self.full.len());
        let mut leaves: Vec<Leaf> = self.full.drain(from..to).map(Arc::unwrap_or_clone).collect();
        if has_last {
            leaves.push(std::mem::replace(&mut self.last, Leaf::new(bottom())));
        }
        let mut joined: Vec<Leaf> = Vec::new();
        for leaf in leaves {
            match joined.last_mut() {
                Some(last) if last.items() + leaf.items() <= LEAF_ITEMS_MAX / 2 => {
                    last.append(leaf)
                }
                Some(_) | None => joined.push(leaf),
            }
        }
        if has_last && let Some(last) = joined.pop() {
            self.last = last;
        }
        self.full.splice(from..from, joined.into_iter().map(Arc::new));
    }
}
