//! Blocks as they were read: little memory, and single rows without the others.
//!
//! ```text
//!   decoded   parts · keys 8 B a row · times 8 B · ends 4 B · values        several times what the file has
//!   packed    fragments │ keys │ times │ … │ values                         what the file has
//!               ^ 0       ^ 8                            where every eighth fragment lies
//! ```
//!
//! Of a block whose rows all have the same columns, one row is a search among fragments and keys, and one integer or value of
//! each column. Whoever wants more decodes all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use model::codec::{Malformed, Reader};
use model::columns::{Column, Columns, Ints, Values, flag, kind};
use model::{ColumnId, PartitionKey, Rows, Token};

use super::decode::Fragment;
use super::{Block, Body, LOOK_ROWS, LOST_SHARE, Part, decode, ints, keys, values};
use crate::sstable::symbols::{FileSymbols, Symbols};

/// Fragments between two of which it is known where they lie.
pub(super) const STRIDE: usize = 8;

/// A block that was decoded once, and may be again.
#[derive(Debug)]
pub(crate) struct Packed {
    raw: Bytes,
    /// Every so manyth fragment.
    strides: Box<[Stride]>,
    fragments: u32,
    /// Where the fragments end: the keys of rows lie there.
    fragments_end: u32,
    rows: u32,
    /// All rows have the same columns.
    is_even: bool,
    symbols: Option<Arc<Symbols>>,
    /// Rows that were made for somebody.
    made_rows: AtomicU32,
    bytes: u64,
    /// Decoded.
    decoded_bytes: u64,
}

/// Where a fragment lies.
#[derive(Debug)]
struct Stride {
    /// The upper half of how far behind the beginning of the ring its partition is.
    ring: u32,
    /// In the block.
    at: u32,
    first_row: u32,
}

/// The upper half of how far behind the beginning of the ring a token is.
fn ring(token: Token) -> u32 {
    (token.position() >> 32) as u32
}

/// What is known of a row.
pub(crate) enum Found {
    Row(Rows),
    /// Neither it nor anything that covers it is here.
    Nothing,
    /// Only the decoded block tells.
    Unclear,
}

impl Block {
    /// The same as it was read, if this is how it was read, and takes a quarter less so.
    pub(crate) fn packed(&self) -> Option<Packed> {
        if self.begins.is_empty() {
            return None;
        }
        let symbols = match &self.body {
            Body::Plain(_) => None,
            Body::Coded(it) => Some(Arc::clone(&it.symbols)),
        };
        let parts = self.parts.iter().step_by(STRIDE).zip(&self.begins);
        let stride = |(it, at): (&Part, &u32)| Stride {
            ring: ring(it.token),
            at: *at,
            first_row: it.first_row,
        };
        let strides: Box<[Stride]> = parts.map(stride).collect();
        let columns = self.body.columns();
        let bytes = size_of::<Packed>() + self.raw.len() + size_of_val(&strides[..]);
        let packed = Packed {
            strides,
            fragments: self.parts.len() as u32,
            fragments_end: self.parts_end,
            rows: self.row_count() as u32,
            is_even: is_even(columns),
            symbols,
            made_rows: AtomicU32::new(0),
            bytes: (bytes + bytes / LOST_SHARE) as u64,
            decoded_bytes: self.bytes,
            raw: self.raw.clone(),
        };
        (packed.bytes <= self.bytes / 4 * 3).then_some(packed)
    }
}

/// Whether each row has its own place in all that there is.
fn is_even(columns: &Columns) -> bool {
    let is_value = |kinds: &Ints| matches!(kinds, Ints::Const(kind::LIVE | kind::EXPIRING));
    matches!(columns.flags, Ints::Const(flags) if flags & flag::DELETION == 0)
        && columns.columns.iter().all(|it| it.rows.is_none() && is_value(&it.kinds))
}

impl Packed {
    /// Memory taken, bytes, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Memory that it takes when it is decoded, bytes, about.
    pub(crate) fn decoded_bytes(&self) -> u64 {
        self.decoded_bytes
    }

    /// All of it. It was so once: only what has changed in memory since is an error.
    pub(crate) fn decode(&self) -> Result<Block, Malformed> {
        let known = self.symbols.clone().map_or_else(FileSymbols::new, FileSymbols::from);
        decode::block(self.raw.clone(), &known)
    }

    /// Whether it is better decoded once and for all, one row more having been made: see [`Block::wants_decoding`].
    pub(crate) fn wants_decoding(&self) -> bool {
        let made = self.made_rows.load(Ordering::Relaxed).saturating_add(1 + LOOK_ROWS as u32);
        self.made_rows.store(made, Ordering::Relaxed);
        self.rows <= made
    }

    /// The row of a partition at `clustering`.
    pub(crate) fn row(&self, key: &PartitionKey, clustering: &[u8]) -> Result<Found, Malformed> {
        if !self.is_even {
            return Ok(Found::Unclear);
        }
        let Some(fragment) = self.fragment(key, clustering)? else { return Ok(Found::Unclear) };
        if fragment.head.is_some() {
            return Ok(Found::Unclear);
        }
        let count = self.rows as usize;
        let mut reader = Reader::starting_at(self.raw.clone(), self.fragments_end as usize);
        if fragment.rows.is_empty() {
            return Ok(Found::Nothing);
        }
        let keys::Packed::Fixed(keys) = keys::Packed::read(&mut reader, count)? else {
            return Ok(Found::Unclear);
        };
        let rows = fragment.rows.start as usize..fragment.rows.end as usize;
        let Some(at) = keys.find(rows, clustering) else { return Ok(Found::Nothing) };
        let columns = self.make(&mut reader, clustering, at)?;
        Ok(Found::Row(Rows::of(&Arc::new(columns), 0..1)))
    }

    /// The fragment of a partition that holds `clustering`, if there is one.
    fn fragment(
        &self,
        key: &PartitionKey,
        clustering: &[u8],
    ) -> Result<Option<Fragment>, Malformed> {
        let ring = ring(key.token);
        // It begins behind the first of these, and before the last.
        let first = self.strides.partition_point(|it| it.ring < ring).saturating_sub(1);
        let last = self.strides.partition_point(|it| it.ring <= ring);
        let Some(Stride { at, first_row, .. }) = self.strides.get(first) else { return Ok(None) };
        let mut reader = Reader::starting_at(self.raw.clone(), *at as usize);
        let (mut next_row, mut was_there) = (*first_row, false);
        for number in first * STRIDE..self.fragments as usize {
            let fragment = Fragment::read(&mut reader, next_row)?;
            next_row = fragment.rows.end;
            let is_there = fragment.key == key.bytes;
            if is_there && holds(&fragment, clustering) {
                return Ok(Some(fragment));
            }
            if !is_there && (was_there || last * STRIDE <= number) {
                break;
            }
            was_there = is_there;
        }
        Ok(None)
    }

    /// The row at `at` alone, from behind the keys.
    fn make(
        &self,
        reader: &mut Reader,
        clustering: &[u8],
        at: usize,
    ) -> Result<Columns, Malformed> {
        let count = self.rows as usize;
        let one = |reader: &mut Reader, are_there: bool| {
            let column = ints::Packed::read(reader, if are_there { count } else { 0 })?;
            Ok(Ints::Const(column.get(at)))
        };
        let times = one(reader, true)?;
        let flags = one(reader, true)?;
        let expires = flags.get(0) & flag::EXPIRES != 0;
        let mut row = Columns {
            keys: alone(Bytes::copy_from_slice(clustering)),
            times,
            flags,
            ttls: one(reader, expires)?,
            begins: one(reader, expires)?,
            deletion_times: Ints::Const(0),
            deleted_ats: Ints::Const(0),
            ranks: None,
            columns: Vec::new(),
            settled_until: i64::MAX,
        };
        let columns = reader.count(decode::COLUMN_BYTES_MIN, "column count")?;
        row.columns.reserve_exact(columns);
        let mut next = 0_u64;
        for number in 1..=columns {
            let id = decode::column_id(reader, next)?;
            next = u64::from(id) + 1;
            if reader.uint("cell count")? != 0 {
                return Err(reader.malformed("cell count"));
            }
            let times = one(reader, true)?;
            let kinds = one(reader, true)?;
            let expires = kinds.get(0) == kind::EXPIRING;
            let ttls = one(reader, expires)?;
            let seconds = one(reader, expires)?;
            let values = alone(match values::read_one(reader, count, at, number == columns)? {
                values::One::Value(value) => value,
                values::One::Codes(codes) => match &self.symbols {
                    Some(symbols) => symbols.text(&codes),
                    None => return Err(reader.malformed("codes")),
                },
            });
            let id = ColumnId(id);
            let (rows, ranks, codes) = (None, None, None);
            row.columns.push(Column {
                id,
                rows,
                times,
                kinds,
                ttls,
                seconds,
                values,
                ranks,
                codes,
            });
        }
        row.settled_until = row.first_expiry(1);
        Ok(row)
    }
}

/// Whether a clustering lies between the ends of a fragment.
fn holds(fragment: &Fragment, clustering: &[u8]) -> bool {
    fragment.start.as_ref().is_none_or(|start| start <= clustering)
        && fragment.end.as_ref().is_none_or(|end| clustering < end)
}

/// One value.
fn alone(bytes: Bytes) -> Values {
    let len = bytes.len();
    Values::Fixed { arena: bytes, len }
}

#[cfg(test)]
mod tests;
