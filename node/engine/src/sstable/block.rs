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

use std::ops::Range;

use bytes::Bytes;
use model::{
    Cell, Clustering, ColumnId, Content, Deletion, Elements, Liveness, Partition, PartitionKey,
    Row, Slice,
};

use crate::piece::{self, Piece};
pub(crate) use encode::encode;
use ints::Ints;
use values::Values;

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
    parts: Vec<Part>,
    rows: Rows,
    bytes: u64,
}

/// A fragment whose rows are among those of the block.
#[derive(Debug)]
struct Part {
    key: PartitionKey,
    start: Bytes,
    end: Bytes,
    /// Deletion, statics and range tombstones, where there are any.
    head: Option<Box<Partition>>,
    first_row: usize,
    end_row: usize,
}

/// The rows of all fragments.
#[derive(Debug)]
struct Rows {
    keys: Values,
    /// When each was written, microseconds: its marker; without one its first cell, or its deletion.
    times: Ints,
    /// What is there beside cells: `flag`.
    flags: Ints,
    /// Of markers that expire.
    ttls: Ints,
    /// Of markers that expire: seconds from `times` to when the TTL began.
    begins: Ints,
    /// Of row deletions: microseconds behind `times`.
    deletion_times: Ints,
    /// Of row deletions: seconds behind their timestamp.
    deleted_ats: Ints,
    /// For each row, how many before it have a marker that expires, and a deletion. `None`: every row has, or none.
    ranks: Option<Vec<(u32, u32)>>,
    columns: Vec<Column>,
}

/// What a row has beside cells.
mod flag {
    pub(super) const MARKER: i64 = 1;
    pub(super) const EXPIRES: i64 = 2;
    pub(super) const DELETION: i64 = 4;
    pub(super) const ALL: i64 = 7;
}

/// What a cell is.
mod kind {
    pub(super) const LIVE: i64 = 0;
    pub(super) const EXPIRING: i64 = 1;
    pub(super) const DEAD: i64 = 2;
    /// Not one cell but the elements of a column, as `Elements::encode` writes them.
    pub(super) const ELEMENTS: i64 = 3;
}

/// The cells of one column.
#[derive(Debug)]
struct Column {
    id: ColumnId,
    /// Which rows have one, ascending. `None`: every row.
    rows: Option<Vec<u32>>,
    /// Microseconds behind the row.
    times: Ints,
    /// What each is: `kind`.
    kinds: Ints,
    /// Of those that expire.
    ttls: Ints,
    /// Seconds from the cell's timestamp to when its TTL began, or to its deletion.
    seconds: Ints,
    /// Of those that are not dead.
    values: Values,
    /// For each cell, its place in `values`, `ttls` and `seconds`. `None`: its own.
    ranks: Option<Vec<[u32; 3]>>,
}

/// The second of a timestamp.
fn second_of(timestamp: i64) -> i64 {
    timestamp.div_euclid(1_000_000)
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

    /// Partition deletion and statics of the partition that begins here, without rows.
    pub(crate) fn head(&self, key: &PartitionKey) -> Option<Partition> {
        let begins = |it: &Part| (&it.key, it.start.as_ref()).cmp(&(key, b"".as_slice()));
        let part = &self.parts[self.parts.binary_search_by(begins).ok()?];
        let mut head = Partition::empty(key.clone());
        if let Some(it) = &part.head {
            head.deletion = it.deletion;
            head.static_row = it.static_row.clone();
        }
        Some(head)
    }

    /// The first key here that is not before.
    pub(crate) fn next_key(
        &self,
        is_before: impl Fn(&PartitionKey) -> bool,
    ) -> Option<PartitionKey> {
        let at = self.parts.partition_point(|it| is_before(&it.key));
        self.parts.get(at).map(|it| it.key.clone())
    }

    /// What is known of the clusterings at the near end of `want`: at most `rows_max` rows, from the last fragment
    /// of which `before` says that it begins before that end. `None` if it is not of this partition.
    pub(crate) fn piece(
        &self,
        key: &PartitionKey,
        before: impl Fn(&PartitionKey, &Bytes) -> bool,
        want: &Slice,
        reversed: bool,
        rows_max: usize,
    ) -> Option<Piece> {
        let at = self.parts.partition_point(|it| before(&it.key, &it.start));
        let part = self.parts[..at].last().filter(|it| it.key == *key)?;
        let mut start = (&part.start).max(&want.start).clone();
        let mut end = (&part.end).min(&want.end).clone();
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
        piece.rows = self.rows.make(from, to);
        if let Some(head) = &part.head {
            piece.range_tombstones = piece::clip_ranges(&head.range_tombstones, &start, &end);
        }
        Some(Piece { start, end, part: piece })
    }

    #[cfg(test)]
    fn into_fragments(self) -> Vec<Fragment> {
        let rows = self.rows;
        let fragment = |it: Part| {
            let empty = || Box::new(Partition::empty(it.key.clone()));
            let mut part = *it.head.clone().unwrap_or_else(empty);
            part.rows = rows.make(it.first_row, it.end_row);
            Fragment { start: it.start, end: it.end, part }
        };
        self.parts.into_iter().map(fragment).collect()
    }
}

impl Rows {
    /// The first of `rows` at or behind `clustering`, which is probably near their beginning.
    fn first_near(&self, rows: Range<usize>, clustering: &[u8]) -> usize {
        let (mut from, mut len) = (rows.start, 1);
        while from + len < rows.end && self.keys.bytes(from + len - 1) < clustering {
            from += len;
            len *= 2;
        }
        self.first_at(from..rows.end.min(from + len), clustering)
    }

    /// The first of `rows` at or behind `clustering`.
    fn first_at(&self, rows: Range<usize>, clustering: &[u8]) -> usize {
        let (mut from, mut to) = (rows.start, rows.end);
        while from < to {
            let middle = from.midpoint(to);
            if self.keys.bytes(middle) < clustering {
                from = middle + 1;
            } else {
                to = middle;
            }
        }
        from
    }

    /// Rows of the columns, from `from` up to `to`.
    fn make(&self, from: usize, to: usize) -> Vec<(Clustering, Row)> {
        let everywhere = self.columns.iter().filter(|it| it.rows.is_none()).count();
        let mut rows: Vec<(Clustering, Row)> = (from..to)
            .map(|at| {
                let (liveness, deletion) = self.head(at);
                let cells = Vec::with_capacity(everywhere);
                let row = Row { liveness, deletion, cells, elements: Vec::new() };
                (Clustering(self.keys.get(at)), row)
            })
            .collect();
        for column in &self.columns {
            match &column.rows {
                None => {
                    for at in from..to {
                        column.put(&mut rows[at - from].1, at, self.times.get(at));
                    }
                }
                Some(present) => {
                    let first = present.partition_point(|it| (*it as usize) < from);
                    let inside = present[first..].iter().map(|it| *it as usize);
                    for (at, row) in (first..).zip(inside.take_while(|it| *it < to)) {
                        column.put(&mut rows[row - from].1, at, self.times.get(row));
                    }
                }
            }
        }
        rows
    }

    fn head(&self, at: usize) -> (Option<Liveness>, Option<Deletion>) {
        let (flags, timestamp) = (self.flags.get(at), self.times.get(at));
        if flags == flag::MARKER {
            return (Some(Liveness { timestamp, expiry: None }), None);
        }
        let (expiring, deleted) =
            self.ranks.as_ref().map_or((at, at), |it| (it[at].0 as usize, it[at].1 as usize));
        let expiry = (flags & flag::EXPIRES != 0).then(|| {
            let ttl = self.ttls.get(expiring);
            let begins = second_of(timestamp).wrapping_add(self.begins.get(expiring));
            (ttl as u32, begins.wrapping_add(ttl))
        });
        let deletion = (flags & flag::DELETION != 0).then(|| {
            let timestamp = timestamp.wrapping_add(self.deletion_times.get(deleted));
            let deleted_at = second_of(timestamp).wrapping_add(self.deleted_ats.get(deleted));
            Deletion { timestamp, deleted_at }
        });
        ((flags & flag::MARKER != 0).then_some(Liveness { timestamp, expiry }), deletion)
    }
}

impl Column {
    /// Puts what is at place `at` into its row, which was written at `row_time`.
    fn put(&self, row: &mut Row, at: usize, row_time: i64) {
        if self.kinds.get(at) != kind::ELEMENTS {
            row.cells.push((self.id, self.cell(at, row_time)));
            return;
        }
        let value = self.ranks.as_ref().map_or(at, |it| it[at][0] as usize);
        // Looked at when the block was decoded.
        let elements = Elements::decode(self.values.get(value)).unwrap_or_default();
        row.elements.push((self.id, elements));
    }

    /// The cell at place `at`, of a row written at `row_time`.
    fn cell(&self, at: usize, row_time: i64) -> Cell {
        let timestamp = row_time.wrapping_add(self.times.get(at));
        let kind = self.kinds.get(at);
        let ranks = self.ranks.as_ref().map_or([at; 3], |it| it[at].map(|it| it as usize));
        let [value, ttl, second] = ranks;
        let since = || second_of(timestamp).wrapping_add(self.seconds.get(second));
        let content = match kind {
            kind::LIVE => Content::Live { value: self.values.get(value) },
            kind::EXPIRING => {
                let ttl = self.ttls.get(ttl);
                let expires_at = since().wrapping_add(ttl);
                Content::Expiring { value: self.values.get(value), ttl: ttl as u32, expires_at }
            }
            _ => Content::Dead { deleted_at: since() },
        };
        Cell { timestamp, content }
    }
}

#[cfg(test)]
mod tests;
