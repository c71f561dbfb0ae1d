//! Blocks: fragments of partitions with their rows turned into columns.
//!
//! ```text
//!   fragments   p1 ["", ff) 2 rows · p2 ["", k) 3 rows           key, interval, deletions and statics of each
//!   rows        keys        a b a c d                            one column for all rows of all fragments
//!               written at  …  …  …  …  …                        with what markers and row deletions there are
//!   cells       column 1:   in which rows · when · value         one after the other, by column
//!               column 4:   …
//! ```
//!
//! Times are told as differences to the row's own, and those as integers of a column, so what is regular costs
//! next to nothing. A decoded block keeps its columns; rows are made of it only where a reader asks for them.

mod decode;
mod encode;
mod ints;
mod keys;
mod values;

use std::sync::Arc;

use bytes::Bytes;
use model::columns::Columns;
use model::{Partition, PartitionKey, Rows, Slice};
use smallvec::SmallVec;

use super::index::Upto;
use crate::piece::{self, Piece};
use crate::prefix::{Edge, Prefix};
pub(crate) use encode::encode;

/// Rows of a block at most.
pub(crate) const ROWS_MAX: usize = 1 << 16;

/// What a block holds of one partition: the clusterings in `[start, end)`. The one that starts at the empty
/// string carries partition deletion and statics.
#[derive(Debug)]
pub(crate) struct Fragment {
    pub(crate) start: Bytes,
    pub(crate) end: Bytes,
    pub(crate) part: Partition,
}

/// A decoded block.
#[derive(Debug)]
pub(crate) struct Block {
    /// In order of (key, start).
    parts: SmallVec<[Part; 1]>,
    /// Of all fragments.
    rows: Arc<Columns>,
    bytes: u64,
}

/// Settled rows at the near end of what is wanted.
pub(crate) struct Stretch {
    pub(crate) rows: Rows,
    /// Where what is wanted goes on in another block, if it does.
    pub(crate) more: Option<Bytes>,
}

/// A fragment whose rows are among those of the block.
#[derive(Debug)]
struct Part {
    key: PartitionKey,
    prefix: Prefix,
    start: Edge,
    end: Edge,
    /// Deletion, statics and range tombstones, where there are any.
    head: Option<Box<Partition>>,
    first_row: usize,
    end_row: usize,
}

impl Part {
    fn is_of(&self, key: &PartitionKey, prefix: Prefix) -> bool {
        self.key.token == key.token
            && Prefix::are_same((self.prefix, &self.key.bytes), (prefix, &key.bytes))
    }
}

impl Block {
    /// Reads what `encode` wrote.
    ///
    /// # Errors
    /// Where the bytes are not what it writes.
    pub(crate) fn decode(raw: Bytes) -> Result<Block, model::codec::Malformed> {
        decode::block(raw)
    }

    /// Memory taken, bytes, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The last fragment that begins before `bound`, or there, if it is of this partition.
    pub(crate) fn part_of(&self, key: &PartitionKey, bound: &[u8], upto: Upto) -> Option<usize> {
        let prefix = Prefix::of(&key.bytes);
        let counts = |it: &Part| match it.is_of(key, prefix) {
            true => upto.counts(it.start.compare(bound)),
            false => it.key < *key,
        };
        let last = self.parts.partition_point(counts).checked_sub(1)?;
        self.parts[last].is_of(key, prefix).then_some(last)
    }

    /// See [`Columns::touch`].
    pub(crate) fn touch(&self) {
        self.rows.touch();
    }

    /// Whether no fragment lies behind this one in the direction of reading.
    pub(crate) fn is_outermost(&self, part: usize, reversed: bool) -> bool {
        part == if reversed { 0 } else { self.parts.len() - 1 }
    }

    /// How many fragments there are.
    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }

    /// Of what partition a fragment is.
    pub(crate) fn key(&self, part: usize) -> &PartitionKey {
        &self.parts[part].key
    }

    /// Whether a fragment holds what lies at the near end of `want`.
    pub(crate) fn is_near_end_of(&self, part: usize, want: &Slice, reversed: bool) -> bool {
        let Part { start, end, .. } = &self.parts[part];
        match reversed {
            false => start.compare(&want.start).is_le() && end.compare(&want.start).is_gt(),
            true => start.compare(&want.end).is_lt() && end.compare(&want.end).is_ge(),
        }
    }

    /// Whether a fragment ends where `want` begins, in the direction of reading.
    pub(crate) fn ends_where(&self, part: usize, want: &Slice, reversed: bool) -> bool {
        let Part { start, end, .. } = &self.parts[part];
        let begin = if reversed { start.compare(&want.end) } else { end.compare(&want.start) };
        begin.is_eq()
    }

    /// Partition deletion and statics of a fragment, if there are any and it begins the partition.
    pub(crate) fn head(&self, part: usize) -> Option<Partition> {
        let Part { key, head, .. } = &self.parts[part];
        let it = head.as_ref().filter(|it| it.deletion.is_some() || !it.static_row.is_empty())?;
        let mut head = Partition::empty(key.clone());
        head.deletion = it.deletion;
        head.static_row = it.static_row.clone();
        Some(head)
    }

    /// The first fragment whose partition is not before.
    pub(crate) fn first_not(&self, is_before: impl Fn(&PartitionKey) -> bool) -> usize {
        self.parts.partition_point(|it| is_before(&it.key))
    }

    /// What a fragment knows of the clusterings at the near end of `want`: at most `rows_max` rows.
    pub(crate) fn piece(
        &self,
        key: &PartitionKey,
        part: usize,
        want: &Slice,
        reversed: bool,
        rows_max: usize,
    ) -> Piece {
        let part = &self.parts[part];
        let mut start = part.start.bytes().max(&want.start).clone();
        let mut end = part.end.bytes().min(&want.end).clone();
        let mut from = self.rows.first_at(part.first_row..part.end_row, &start);
        let mut to = self.rows.first_near(from..part.end_row, &end);
        if to - from > rows_max {
            if reversed {
                from = to - rows_max;
                start = self.rows.keys.get(from);
            } else {
                to = from + rows_max;
                end = self.rows.keys.get(to);
            }
        }
        let mut piece = Partition::empty(key.clone());
        piece.rows = Rows::of(&self.rows, from..to);
        if let Some(head) = &part.head {
            piece.range_tombstones = piece::clip_ranges(&head.range_tombstones, &start, &end);
        }
        Piece { start, end, part: piece }
    }

    /// As `piece`, of rows alone: `None` if not all that is there are settled rows.
    pub(crate) fn stretch(
        &self,
        part: usize,
        want: &Slice,
        reversed: bool,
        rows_max: usize,
    ) -> Option<Stretch> {
        let part = &self.parts[part];
        if part.head.as_ref().is_some_and(|it| !it.range_tombstones.is_empty()) {
            return None;
        }
        // What is asked for often begins or ends with the partition: then there is nothing to search.
        let mut from = part.first_row;
        let begin = part.start.compare(&want.start);
        if begin.is_lt() {
            from = self.rows.first_at(from..part.end_row, &want.start);
        }
        let mut to = part.end_row;
        let end = part.end.compare(&want.end);
        if end.is_gt() {
            to = self.rows.first_near(from..to, &want.end);
        }
        let more = match reversed {
            false => end.is_lt().then(|| part.end.bytes().clone()),
            true => begin.is_gt().then(|| part.start.bytes().clone()),
        };
        if reversed {
            from = from.max(to.saturating_sub(rows_max));
        } else {
            to = to.min(from.saturating_add(rows_max));
        }
        let rows = Rows::of(&self.rows, from..to);
        (from == to || rows.are_settled()).then_some(Stretch { rows, more })
    }

    /// All that it holds, fragment by fragment.
    pub(crate) fn into_fragments(self) -> Vec<Fragment> {
        let rows = self.rows;
        let fragment = |it: Part| {
            let empty = || Box::new(Partition::empty(it.key.clone()));
            let mut part = *it.head.clone().unwrap_or_else(empty);
            part.rows = Rows::of(&rows, it.first_row..it.end_row);
            Fragment { start: it.start.bytes().clone(), end: it.end.bytes().clone(), part }
        };
        self.parts.into_iter().map(fragment).collect()
    }
}

#[cfg(test)]
mod tests;
