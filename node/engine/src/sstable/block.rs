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

mod coded;
mod decode;
mod encode;
mod hashes;
mod ints;
mod keys;
pub(crate) mod packed;
mod values;

use std::cmp;
use std::ops::{Bound, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use model::columns::Columns;
use model::key::bottom;
use model::sorted::first_not_spread;
use model::{Partition, PartitionKey, Rows, Slice, Token};
use smallvec::SmallVec;

use super::index::Upto;
use super::symbols::FileSymbols;
use crate::piece::{self, Piece};
use crate::prefix::{Edge, Prefix};
use coded::Coded;
pub(crate) use encode::{Encoded, encode};
pub(super) use ints::{put as put_ints, read as read_ints};
pub(super) use values::{put_doubles, read_doubles};

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
///
/// Of a tiny partition it keeps little more than where its key lies: a block holds hundreds of these.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Block {
    /// The rows of all fragments.
    body: Body,
    /// In order of (key, start).
    parts: SmallVec<[Part; 1]>,
    /// Where those begin and end that are not a whole partition, in the same order.
    edges: SmallVec<[Edges; 1]>,
    /// Where every so manyth of them begins in what it was read from; of a block that was decoded further, nothing.
    begins: SmallVec<[u32; 2]>,
    /// Deletions, statics and range tombstones of those that have any, in the same order.
    heads: Vec<Partition>,
    /// What it was read from.
    raw: Bytes,
    /// Where in it the fragments end: keys lie before.
    parts_end: u32,
    /// Texts that were decoded.
    text_bytes: usize,
    /// Rows that were decoded for somebody while texts were coded.
    decoded_rows: AtomicU32,
    bytes: u64,
}

/// The rows of a block.
#[derive(Debug)]
enum Body {
    Plain(Arc<Columns>),
    /// As they were read: texts are decoded for whoever asks for them.
    Coded(Box<Coded>),
}

impl Body {
    /// Whatever a search looks at.
    fn columns(&self) -> &Columns {
        match self {
            Body::Plain(columns) => columns,
            Body::Coded(it) => &it.columns,
        }
    }

    /// Some of the rows; with codes for whoever writes them again.
    fn rows(&self, rows: Range<usize>, with_codes: bool) -> Rows {
        match self {
            Body::Plain(columns) => Rows::of(columns, rows),
            Body::Coded(_) if rows.is_empty() => Rows::default(),
            Body::Coded(it) => {
                let columns = it.cut(rows.clone(), with_codes);
                Rows::of(&columns, 0..rows.len())
            }
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Body::Plain(columns) => columns.heap_bytes(),
            Body::Coded(it) => {
                let codes = it.codes.iter().map(|(_, it)| it.heap_bytes());
                size_of::<Coded>() + it.columns.heap_bytes() + codes.sum::<usize>()
            }
        }
    }
}

/// Rows at the near end of what is wanted, where nothing else is.
pub(crate) struct Stretch {
    pub(crate) rows: Rows,
    /// Where what is wanted goes on in another block, if it does.
    pub(crate) more: Option<Bytes>,
}

/// A fragment whose rows are among those of the block.
#[derive(Clone, Copy, Debug)]
struct Part {
    token: Token,
    /// Where its key lies in the block.
    key_from: u32,
    key_len: u32,
    first_row: u32,
    end_row: u32,
    /// Number of its edges, or `NONE`: it is a whole partition.
    edges: u32,
    /// Number of its head, or `NONE`.
    head: u32,
}

/// One byte is lost for so many where an allocator rounds sizes up, an eighth by and large, and where pages are not full: so
/// measured with a cache of 1 GiB that is full of blocks of messages.
const LOST_SHARE: usize = 5;

/// What a look at some rows takes beside decoding them, in rows.
const LOOK_ROWS: usize = 8;

/// In the place of a number of rows: whoever still has the block has an old one.
const REPLACED: u32 = u32::MAX;

/// No number.
const NONE: u32 = u32::MAX;

/// Where a fragment begins and ends, with the first bytes of its key.
#[derive(Clone, Debug)]
struct Edges {
    prefix: Prefix,
    start: Edge,
    end: Edge,
}

impl Part {
    fn rows(&self) -> Range<usize> {
        self.first_row as usize..self.end_row as usize
    }
}

impl Block {
    /// Reads what `encode` wrote.
    ///
    /// # Errors
    /// Where the bytes are not what it writes.
    pub(crate) fn decode(
        raw: Bytes,
        known: &FileSymbols,
    ) -> Result<Block, model::codec::Malformed> {
        decode::block(raw, known)
    }

    /// The same with all texts decoded, if some are coded: it takes as much memory as they are long, and no time when they
    /// are read. With their codes, for whoever writes them again, it holds on to what it was read from.
    pub(crate) fn decoded(&self, with_codes: bool) -> Option<Block> {
        let Body::Coded(coded) = &self.body else { return None };
        let columns = coded.cut(0..self.row_count(), with_codes);
        let texts =
            coded.codes.iter().map(|(number, _)| columns.columns[*number].values.all_bytes());
        let text_bytes = texts.sum();
        let mut decoded = Block {
            parts: self.parts.clone(),
            begins: SmallVec::new(),
            edges: self.edges.clone(),
            heads: self.heads.clone(),
            raw: self.raw.clone(),
            parts_end: self.parts_end,
            body: Body::Plain(columns),
            text_bytes,
            decoded_rows: AtomicU32::new(0),
            bytes: 0,
        };
        // Mostly nothing but codes lies behind the fragments, of which little is kept. Then these go.
        let lies_apart = self.heads.is_empty() && decoded.body.columns().lie_apart(&self.raw);
        if lies_apart && !with_codes {
            decoded.raw = Bytes::copy_from_slice(&self.raw[..self.parts_end as usize]);
            let own = |it: &Edge| match &it.bytes()[..] {
                [] => Edge::new(bottom()),
                bytes => Edge::new(Bytes::copy_from_slice(bytes)),
            };
            for it in &mut decoded.edges {
                (it.start, it.end) = (own(&it.start), own(&it.end));
            }
        }
        decoded.weigh();
        Some(decoded)
    }

    /// Whether texts are decoded for whoever asks for them.
    pub(crate) fn is_coded(&self) -> bool {
        matches!(self.body, Body::Coded(_))
    }

    /// Whether texts are better decoded once and for all, so many rows of them having been decoded now. That is so when it took as
    /// much already as all of them would: then it takes at most twice the work that it would have taken whoever
    /// had known before. Not if they were.
    pub(crate) fn wants_decoding(&self, rows: usize) -> bool {
        let before = self.decoded_rows.load(Ordering::Relaxed);
        if before == REPLACED || rows == 0 {
            return false;
        }
        // Some that are lost in between make no difference.
        let now = u32::try_from(LOOK_ROWS + rows).unwrap_or(u32::MAX);
        let decoded = before.saturating_add(now).min(REPLACED - 1);
        self.decoded_rows.store(decoded, Ordering::Relaxed);
        self.row_count() <= decoded as usize
    }

    /// Rows of all fragments.
    fn row_count(&self) -> usize {
        self.parts.last().map_or(0, |it| it.end_row as usize)
    }

    /// A decoded block has taken its place.
    pub(crate) fn was_replaced(&self) {
        self.decoded_rows.store(REPLACED, Ordering::Relaxed);
    }

    fn weigh(&mut self) {
        let bytes = self.raw.len()
            + self.text_bytes
            + size_of::<Block>()
            + size_of::<Columns>()
            + self.parts.capacity() * size_of::<Part>()
            + self.begins.capacity() * size_of::<u32>()
            + self.edges.capacity() * size_of::<Edges>()
            + self.heads.iter().map(Partition::memory_bytes).sum::<usize>()
            + self.body.heap_bytes();
        self.bytes = (bytes + bytes / LOST_SHARE) as u64;
    }

    /// Memory taken, bytes, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The last fragment that begins before `bound`, or there, if it is of this partition.
    pub(crate) fn part_of(&self, key: &PartitionKey, bound: &[u8], upto: Upto) -> Option<usize> {
        let prefix = Prefix::of(&key.bytes);
        let counts = |at: usize| match &self.parts[at] {
            it if self.is_of(it, key, prefix) => upto.counts(self.start_to(it, bound)),
            it => (it.token, self.key_bytes(it)) < (key.token, &key.bytes[..]),
        };
        let (all, number) = (0..self.len(), |at: usize| self.token(at).position());
        let last = first_not_spread(all, key.token.position(), number, counts).checked_sub(1)?;
        self.is_of(&self.parts[last], key, prefix).then_some(last)
    }

    fn is_of(&self, part: &Part, key: &PartitionKey, prefix: Prefix) -> bool {
        if part.token != key.token || part.key_len as usize != key.bytes.len() {
            return false;
        }
        match self.edges_of(part) {
            Some(it) if key.bytes.len() <= size_of::<Prefix>() => it.prefix == prefix,
            Some(_) | None => self.key_bytes(part) == key.bytes,
        }
    }

    fn edges_of(&self, part: &Part) -> Option<&Edges> {
        self.edges.get(part.edges as usize)
    }

    fn key_bytes(&self, part: &Part) -> &[u8] {
        &self.raw[part.key_from as usize..][..part.key_len as usize]
    }

    /// How the beginning of a fragment lies to `bound`.
    fn start_to(&self, part: &Part, bound: &[u8]) -> cmp::Ordering {
        match self.edges_of(part) {
            Some(it) => it.start.compare(bound),
            None => 0.cmp(&bound.len()),
        }
    }

    /// How the end of a fragment lies to `bound`.
    fn end_to(&self, part: &Part, bound: &[u8]) -> cmp::Ordering {
        match self.edges_of(part) {
            Some(it) => it.end.compare(bound),
            None => [0xFF][..].cmp(bound),
        }
    }

    fn start_of(&self, part: &Part) -> Bytes {
        self.edges_of(part).map_or_else(bottom, |it| it.start.bytes().clone())
    }

    fn end_of(&self, part: &Part) -> Bytes {
        self.edges_of(part).map_or_else(piece::top, |it| it.end.bytes().clone())
    }

    fn head_of(&self, part: &Part) -> Option<&Partition> {
        self.heads.get(part.head as usize)
    }

    /// See [`Columns::touch`].
    pub(crate) fn touch(&self) {
        self.body.columns().touch();
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
    pub(crate) fn key(&self, part: usize) -> PartitionKey {
        let Part { token, key_from, key_len, .. } = self.parts[part];
        let bytes = self.raw.slice(key_from as usize..(key_from + key_len) as usize);
        PartitionKey { token, bytes }
    }

    /// Where on the ring the partition of a fragment lies.
    pub(crate) fn token(&self, part: usize) -> Token {
        self.parts[part].token
    }

    /// Whether a fragment holds what lies at the near end of `want`.
    pub(crate) fn is_near_end_of(&self, part: usize, want: &Slice, reversed: bool) -> bool {
        let part = &self.parts[part];
        match reversed {
            false => {
                self.start_to(part, &want.start).is_le() && self.end_to(part, &want.start).is_gt()
            }
            true => self.start_to(part, &want.end).is_lt() && self.end_to(part, &want.end).is_ge(),
        }
    }

    /// Whether a fragment ends where `want` begins, in the direction of reading.
    pub(crate) fn ends_where(&self, part: usize, want: &Slice, reversed: bool) -> bool {
        let part = &self.parts[part];
        match reversed {
            false => self.end_to(part, &want.start).is_eq(),
            true => self.start_to(part, &want.end).is_eq(),
        }
    }

    /// Partition deletion and statics of a fragment, if there are any and it begins the partition.
    pub(crate) fn head(&self, part: usize) -> Option<Partition> {
        let it = self.head_of(&self.parts[part])?;
        if it.deletion.is_none() && it.static_row.is_empty() {
            return None;
        }
        let mut head = Partition::empty(self.key(part));
        head.deletion = it.deletion;
        head.static_row = it.static_row.clone();
        Some(head)
    }

    /// The first fragment whose partition is not before `from`.
    pub(crate) fn first_not_before(&self, from: Bound<&PartitionKey>) -> usize {
        self.parts.partition_point(|it| {
            let key = (it.token, self.key_bytes(it));
            match from {
                Bound::Included(from) => key < (from.token, &from.bytes[..]),
                Bound::Excluded(from) => key <= (from.token, &from.bytes[..]),
                Bound::Unbounded => false,
            }
        })
    }

    /// What a fragment knows of the clusterings at the near end of `want`: at most `rows_max` rows. With the codes of their texts
    /// for whoever writes them again.
    pub(crate) fn piece(
        &self,
        key: &PartitionKey,
        part: usize,
        want: &Slice,
        reversed: bool,
        rows_max: usize,
        with_codes: bool,
    ) -> Piece {
        let part = &self.parts[part];
        let own = part.rows();
        // What is asked for often begins or ends with the fragment: then there is nothing to search.
        let (mut start, mut end) = (want.start.clone(), want.end.clone());
        let (mut from, mut to) = (own.start, own.end);
        match self.start_to(part, &start) {
            cmp::Ordering::Greater => start = self.start_of(part),
            cmp::Ordering::Equal => {}
            cmp::Ordering::Less => from = self.body.columns().first_at(own.clone(), &start),
        }
        match self.end_to(part, &end) {
            cmp::Ordering::Less => end = self.end_of(part),
            cmp::Ordering::Equal => {}
            cmp::Ordering::Greater => to = self.body.columns().first_near(from..own.end, &end),
        }
        if to - from > rows_max {
            if reversed {
                from = to - rows_max;
                start = self.body.columns().keys.get(from);
            } else {
                to = from + rows_max;
                end = self.body.columns().keys.get(to);
            }
        }
        let mut piece = Partition::empty(key.clone());
        piece.rows = self.body.rows(from..to, with_codes);
        if let Some(head) = self.head_of(part) {
            piece.range_tombstones = piece::clip_ranges(&head.range_tombstones, &start, &end);
        }
        Piece { start, end, part: piece }
    }

    /// As `piece`, of rows alone: `None` if that is not all there is.
    pub(crate) fn stretch(
        &self,
        part: usize,
        want: &Slice,
        reversed: bool,
        rows_max: usize,
    ) -> Option<Stretch> {
        let part = &self.parts[part];
        if self.head_of(part).is_some_and(|it| !it.range_tombstones.is_empty()) {
            return None;
        }
        let own = part.rows();
        // What is asked for often begins or ends with the partition: then there is nothing to search.
        let mut from = own.start;
        let begin = self.start_to(part, &want.start);
        if begin.is_lt() {
            from = self.body.columns().first_at(own.clone(), &want.start);
        }
        let mut to = own.end;
        let end = self.end_to(part, &want.end);
        if end.is_gt() {
            to = self.body.columns().first_near(from..to, &want.end);
        }
        let more = match reversed {
            false => end.is_lt().then(|| self.end_of(part)),
            true => begin.is_gt().then(|| self.start_of(part)),
        };
        if reversed {
            from = from.max(to.saturating_sub(rows_max));
        } else {
            to = to.min(from.saturating_add(rows_max));
        }
        let rows = self.body.rows(from..to, false);
        Some(Stretch { rows, more })
    }

    /// All that it holds, fragment by fragment.
    pub(crate) fn into_fragments(self) -> Vec<Fragment> {
        let fragment = |(at, it): (usize, &Part)| {
            let empty = || Partition::empty(self.key(at));
            let mut part = self.head_of(it).cloned().unwrap_or_else(empty);
            part.rows = self.body.rows(it.rows(), true);
            Fragment { start: self.start_of(it), end: self.end_of(it), part }
        };
        self.parts.iter().enumerate().map(fragment).collect()
    }
}

#[cfg(test)]
mod tests;
