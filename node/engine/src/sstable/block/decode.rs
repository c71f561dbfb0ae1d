//! Reads a block.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use bytes::Bytes;
use model::cell::TTL_MAX;
use model::codec::{Malformed, Reader};
use model::columns::{Column, Columns, Ints, Values, flag, kind};
use model::key::bottom;
use model::{ColumnId, Elements, Mutation, Token};
use smallvec::SmallVec;

use super::encode::part;
use super::{Block, Body, Coded, Edges, NONE, Part, ROWS_MAX, ints, keys, packed, values};
use crate::piece;
use crate::prefix::{Edge, Prefix};
use crate::sstable::symbols::{FileSymbols, Symbols};

/// Flags, key, count of rows.
const PART_BYTES_MIN: usize = 3;
/// Id, count, and three columns of two bytes at least.
pub(super) const COLUMN_BYTES_MIN: usize = 8;

pub(super) fn block(raw: Bytes, known: &FileSymbols) -> Result<Block, Malformed> {
    let mut reader = Reader::new(raw.clone());
    if u32::try_from(raw.len()).is_err() {
        return Err(reader.malformed("length of a block"));
    }
    let count = reader.count(PART_BYTES_MIN, "fragment count")?;
    let mut block = Block {
        parts: SmallVec::with_capacity(count),
        begins: SmallVec::with_capacity(count.div_ceil(packed::STRIDE)),
        edges: SmallVec::new(),
        heads: Vec::new(),
        raw,
        parts_end: 0,
        text_bytes: 0,
        decoded_rows: AtomicU32::new(0),
        body: Body::Plain(Arc::new(no_rows())),
        bytes: 0,
    };
    let mut rows = 0;
    for number in 0..count {
        if number % packed::STRIDE == 0 {
            block.begins.push(reader.at() as u32);
        }
        rows = read_part(&mut reader, rows, &mut block)?;
    }
    block.parts_end = reader.at() as u32;
    if rows > 0 {
        block.body = read_rows(&mut reader, rows as usize, known)?;
    }
    if !reader.is_done() {
        return Err(reader.malformed("end of a block"));
    }
    block.weigh();
    Ok(block)
}

/// A fragment as it was read.
pub(super) struct Fragment {
    pub(super) key: Bytes,
    /// Its rows among those of the block.
    pub(super) rows: Range<u32>,
    /// Where it begins, unless with the partition.
    pub(super) start: Option<Bytes>,
    /// Where it ends, unless with the partition.
    pub(super) end: Option<Bytes>,
    /// What the partition has beside rows.
    pub(super) head: Option<Bytes>,
    /// Where the key lies.
    key_from: usize,
}

impl Fragment {
    /// Whose rows begin with `first_row`.
    pub(super) fn read(reader: &mut Reader, first_row: u32) -> Result<Fragment, Malformed> {
        let flags = reader.u8("fragment flags")?;
        if flags & !part::ALL != 0 {
            return Err(reader.malformed("fragment flags"));
        }
        let key = reader.bytes("partition key")?;
        let key_from = reader.at() - key.len();
        let count = u32::try_from(reader.uint("row count")?).unwrap_or(u32::MAX);
        let rows = first_row..first_row.saturating_add(count);
        if ROWS_MAX < rows.end as usize {
            return Err(reader.malformed("row count"));
        }
        let mut bytes_if = |flag: u8, what| match flags & flag {
            0 => Ok(None),
            _ => reader.bytes(what).map(Some),
        };
        let start = bytes_if(part::START, "fragment start")?;
        let end = bytes_if(part::END, "fragment end")?;
        let head = bytes_if(part::HEAD, "fragment head")?;
        Ok(Fragment { key, rows, start, end, head, key_from })
    }
}

/// Reads a fragment whose rows begin with `first_row`, and tells where they end.
fn read_part(reader: &mut Reader, first_row: u32, block: &mut Block) -> Result<u32, Malformed> {
    let Fragment { key, rows, start, end, head, key_from } = Fragment::read(reader, first_row)?;
    let mut edges = NONE;
    if start.is_some() || end.is_some() {
        let start = Edge::new(start.unwrap_or_else(bottom));
        let end = Edge::new(end.unwrap_or_else(piece::top));
        edges = block.edges.len() as u32;
        block.edges.push(Edges { prefix: Prefix::of(&key), start, end });
    }
    let mut number = NONE;
    if let Some(head) = head {
        number = block.heads.len() as u32;
        block.heads.push(Mutation::decode(head)?.partition);
    }
    // The block is not as long as that.
    let (key_from, key_len) = (key_from as u32, key.len() as u32);
    let (token, first_row, end_row) = (Token::of(&key), rows.start, rows.end);
    block.parts.push(Part { token, key_from, key_len, first_row, end_row, edges, head: number });
    Ok(end_row)
}

fn read_rows(reader: &mut Reader, count: usize, known: &FileSymbols) -> Result<Body, Malformed> {
    let keys = keys::read(reader, count)?;
    let times = ints::read(reader, count)?;
    let flags = ints::read(reader, count)?;
    let is_sound = |flags: i64| {
        flags & !flag::ALL == 0 && flags & (flag::MARKER | flag::EXPIRES) != flag::EXPIRES
    };
    let (mut expiring, mut deleted) = (0_u32, 0_u32);
    let mut ranks = Vec::new();
    match &flags {
        // Every row has, or none.
        Ints::Const(flags) if is_sound(*flags) => {
            expiring = if flags & flag::EXPIRES != 0 { count as u32 } else { 0 };
            deleted = if flags & flag::DELETION != 0 { count as u32 } else { 0 };
        }
        Ints::Each(all) if all.iter().all(|it| is_sound(*it)) => {
            ranks.reserve_exact(count);
            for flags in all {
                ranks.push((expiring, deleted));
                expiring += u32::from(flags & flag::EXPIRES != 0);
                deleted += u32::from(flags & flag::DELETION != 0);
            }
        }
        Ints::Const(_) | Ints::Each(_) => return Err(reader.malformed("row flags")),
    }
    let (expiring, deleted) = (expiring as usize, deleted as usize);
    let ttls = ints::read(reader, expiring)?;
    check_ttls(reader, &ttls, expiring)?;
    let mut rows = Columns {
        keys,
        times,
        flags,
        ttls,
        begins: ints::read(reader, expiring)?,
        deletion_times: ints::read(reader, deleted)?,
        deleted_ats: ints::read(reader, deleted)?,
        ranks: (![0, count].contains(&expiring) || ![0, count].contains(&deleted)).then_some(ranks),
        columns: Vec::new(),
        settled_until: i64::MAX,
    };
    let columns = reader.count(COLUMN_BYTES_MIN, "column count")?;
    rows.columns = Vec::with_capacity(columns);
    let mut next = 0_u64;
    let mut codes = Vec::new();
    for number in 0..columns {
        let id = column_id(reader, next)?;
        next = u64::from(id) + 1;
        let (column, coded) = read_column(reader, ColumnId(id), count)?;
        rows.columns.push(column);
        codes.extend(coded.map(|it| (number, it)));
    }
    rows.settled_until = rows.first_expiry(count);
    if codes.is_empty() {
        return Ok(Body::Plain(Arc::new(rows)));
    }
    let symbols = Symbols::read(reader, known.get())?;
    known.get_or_init(|| Arc::clone(&symbols));
    Ok(Body::Coded(Box::new(Coded { columns: rows, codes, symbols })))
}

/// The id of a column, which is `least` or more.
pub(super) fn column_id(reader: &mut Reader, least: u64) -> Result<u32, Malformed> {
    let id = reader.uint("column")?.checked_add(least).and_then(|it| u32::try_from(it).ok());
    id.ok_or_else(|| reader.malformed("column"))
}

/// A column, and the codes of its values, if they are coded: then it has none itself.
fn read_column(
    reader: &mut Reader,
    id: ColumnId,
    row_count: usize,
) -> Result<(Column, Option<Values>), Malformed> {
    let count = usize::try_from(reader.uint("cell count")?).unwrap_or(usize::MAX);
    if row_count <= count {
        return Err(reader.malformed("cell count"));
    }
    let (count, rows) = match count {
        0 => (row_count, None),
        count => (count, Some(read_places(reader, count, row_count)?)),
    };
    let times = ints::read(reader, count)?;
    let kinds = ints::read(reader, count)?;
    let has = |kind| match kind {
        kind::LIVE | kind::ELEMENTS => Some([1, 0, 0]),
        kind::EXPIRING => Some([1, 1, 1]),
        kind::DEAD => Some([0, 0, 1]),
        _ => None,
    };
    let mut next = [0_u32; 3];
    let mut ranks = None;
    match &kinds {
        // Where all are of one kind, each is at its own place in whatever that kind has.
        Ints::Const(kind) => {
            let has = has(*kind).ok_or_else(|| reader.malformed("kind of cell"))?;
            next = has.map(|it| it * count as u32);
        }
        Ints::Each(kinds) => {
            let ranks = ranks.insert(Vec::with_capacity(count));
            for kind in kinds {
                ranks.push(next);
                let has = has(*kind).ok_or_else(|| reader.malformed("kind of cell"))?;
                next.iter_mut().zip(has).for_each(|(next, has)| *next += has);
            }
        }
    }
    let [value_count, ttl_count, second_count] = next.map(|it| it as usize);
    let ttls = ints::read(reader, ttl_count)?;
    check_ttls(reader, &ttls, ttl_count)?;
    let seconds = ints::read(reader, second_count)?;
    let (values, codes) = match values::read(reader, value_count)? {
        values::Column::Values(values) => (values, None),
        values::Column::Codes(codes) => (no_values(), Some(codes)),
    };
    if kinds != Ints::Const(kind::LIVE) {
        for at in (0..count).filter(|at| kinds.get(*at) == kind::ELEMENTS) {
            if codes.is_some() {
                return Err(reader.malformed("elements, coded"));
            }
            let value = ranks.as_ref().map_or(at, |it| it[at][0] as usize);
            Elements::decode(values.get(value))?;
        }
    }
    let column = Column { id, rows, times, kinds, ttls, seconds, values, ranks, codes: None };
    Ok((column, codes))
}

/// Which rows have a cell: ascending, below `row_count`.
fn read_places(reader: &mut Reader, count: usize, row_count: usize) -> Result<Vec<u32>, Malformed> {
    let places = ints::read(reader, count)?;
    let mut rows = Vec::with_capacity(count);
    for at in 0..count {
        let row = u32::try_from(places.get(at)).ok().filter(|it| (*it as usize) < row_count);
        let row = row.filter(|it| rows.last().is_none_or(|last| last < it));
        rows.push(row.ok_or_else(|| reader.malformed("row of a cell"))?);
    }
    Ok(rows)
}

fn check_ttls(reader: &Reader, ttls: &Ints, count: usize) -> Result<(), Malformed> {
    let is_sound = (0..count).all(|at| (1..=i64::from(TTL_MAX)).contains(&ttls.get(at)));
    if is_sound { Ok(()) } else { Err(reader.malformed("ttl")) }
}

fn no_values() -> Values {
    Values::Fixed { arena: bottom(), len: 0 }
}

/// Of a block without rows.
fn no_rows() -> Columns {
    let none = || Ints::Const(0);
    Columns {
        keys: no_values(),
        times: none(),
        flags: none(),
        ttls: none(),
        begins: none(),
        deletion_times: none(),
        deleted_ats: none(),
        ranks: None,
        columns: Vec::new(),
        settled_until: i64::MAX,
    }
}
