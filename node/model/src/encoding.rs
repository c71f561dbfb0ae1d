//! The one encoding of a partition, which mutations and answers share: `docs/formats/mutation.md`.
//!
//! Timestamps are written as differences to the one before, and local times as differences to
//! where the timestamp suggests them, so a row written at once costs its values and little more.

use crate::{
    cell::{Cell, Content, Deletion, TTL_MAX},
    codec::{Malformed, Reader, Writer},
    elements::Elements,
    key::{self, Clustering, PartitionKey},
    partition::{Partition, RangeTombstone},
    row::{Liveness, Row},
    schema::{ColumnId, TableId},
};

/// A partition takes at least this much: one byte for the length of its key, one for its flags.
pub(crate) const PARTITION_BYTES_MIN: usize = 2;
/// Length of the clustering, flags and at least the timestamp of a marker.
const ROW_BYTES_MIN: usize = 3;
/// Column, flags and a value's length.
const CELL_BYTES_MIN: usize = 3;
/// Column, flags and a count.
const ELEMENTS_BYTES_MIN: usize = 3;
/// Two lengths, one byte of end, two times.
const RANGE_BYTES_MIN: usize = 5;

/// What a partition has. A row has its own flags.
pub(crate) mod part {
    pub(crate) const DELETION: u8 = 0x01;
    pub(crate) const STATICS: u8 = 0x02;
    pub(crate) const ROWS: u8 = 0x04;
    pub(crate) const RANGES: u8 = 0x08;
    pub(crate) const ALL: u8 = DELETION | STATICS | ROWS | RANGES;
}

pub(crate) mod row_flag {
    pub(crate) const MARKER: u8 = 0x01;
    pub(crate) const MARKER_EXPIRES: u8 = 0x02;
    pub(crate) const DELETION: u8 = 0x04;
    pub(crate) const CELLS: u8 = 0x08;
    pub(crate) const ELEMENTS: u8 = 0x10;
    pub(crate) const ALL: u8 = MARKER | MARKER_EXPIRES | DELETION | CELLS | ELEMENTS;
}

pub(crate) mod cell_flag {
    pub(crate) const EXPIRING: u8 = 0x01;
    pub(crate) const DEAD: u8 = 0x02;
    /// A difference of timestamps follows; without it the timestamp is that of the item before.
    pub(crate) const TIMESTAMP: u8 = 0x04;
}

/// Room for `count` items that were announced but not yet seen: the vector grows with what is
/// really there, so that an announcement alone costs nothing.
pub(crate) fn vec<T>(count: usize) -> Vec<T> {
    Vec::with_capacity(count.min(64))
}

pub(crate) fn read_version(
    reader: &mut Reader,
    version: u8,
    what: &'static str,
) -> Result<(), Malformed> {
    let at = reader.malformed(what);
    if reader.u8(what)? == version { Ok(()) } else { Err(at) }
}

pub(crate) fn read_end(reader: &Reader, what: &'static str) -> Result<(), Malformed> {
    if reader.is_done() { Ok(()) } else { Err(reader.malformed(what)) }
}

pub(crate) fn read_table(reader: &mut Reader) -> Result<TableId, Malformed> {
    let bytes = reader.raw(16, "table id")?;
    let bytes = bytes.first_chunk().ok_or_else(|| reader.malformed("table id"))?;
    Ok(TableId(uuid::Uuid::from_bytes(*bytes)))
}

pub(crate) fn read_key(reader: &mut Reader) -> Result<PartitionKey, Malformed> {
    let key = reader.bytes("partition key")?;
    if key::PARTITION_KEY_BYTES_MAX < key.len() {
        return Err(reader.malformed("partition key"));
    }
    Ok(PartitionKey::new(key))
}

/// About how many bytes `write_partition` writes: rather too many than too few.
pub(crate) fn partition_len(partition: &Partition) -> usize {
    let cell_len = |(_, cell): &(ColumnId, Cell)| 12 + cell.heap_bytes();
    let element_len = |(path, cell): &(_, Cell)| 16 + bytes::Bytes::len(path) + cell.heap_bytes();
    let elements_len =
        |(_, it): &(ColumnId, Elements)| 24 + it.cells.iter().map(element_len).sum::<usize>();
    let row_len = |row: &Row| {
        let elements = row.elements.iter().map(elements_len).sum::<usize>();
        24 + row.cells.iter().map(cell_len).sum::<usize>() + elements
    };
    let rows = partition.rows.iter().map(|(at, row)| at.0.len() + row_len(row));
    let ranges = partition.range_tombstones.iter().map(|it| 16 + it.start.len() + it.end.len());
    let whole = 32 + partition.key.bytes.len() + row_len(&partition.static_row);
    whole + rows.sum::<usize>() + ranges.sum::<usize>()
}

pub(crate) fn write_partition(out: &mut Writer, partition: &Partition) {
    out.bytes(&partition.key.bytes);
    let flag = |flag, is_there| if is_there { flag } else { 0 };
    out.u8(flag(part::DELETION, partition.deletion.is_some())
        | flag(part::STATICS, !partition.static_row.is_empty())
        | flag(part::ROWS, !partition.rows.is_empty())
        | flag(part::RANGES, !partition.range_tombstones.is_empty()));
    let mut times = Times::default();
    if let Some(deletion) = partition.deletion {
        times.write_deletion(out, deletion);
    }
    if !partition.static_row.is_empty() {
        write_row(out, &mut times, &partition.static_row);
    }
    if !partition.rows.is_empty() {
        out.uint(partition.rows.len() as u64);
        for (clustering, row) in &partition.rows {
            out.bytes(&clustering.0);
            write_row(out, &mut times, row);
        }
    }
    if !partition.range_tombstones.is_empty() {
        out.uint(partition.range_tombstones.len() as u64);
        for it in &partition.range_tombstones {
            out.bytes(&it.start);
            out.bytes(&it.end);
            times.write_deletion(out, it.deletion);
        }
    }
}

pub(crate) fn read_partition(reader: &mut Reader) -> Result<Partition, Malformed> {
    let mut partition = Partition::empty(read_key(reader)?);
    let flags = reader.u8("partition flags")?;
    if flags & !part::ALL != 0 {
        return Err(reader.malformed("partition flags"));
    }
    let mut times = Times::default();
    if flags & part::DELETION != 0 {
        partition.deletion = Some(times.read_deletion(reader)?);
    }
    if flags & part::STATICS != 0 {
        partition.static_row = read_row(reader, &mut times)?;
    }
    if flags & part::ROWS != 0 {
        let count = reader.count(ROW_BYTES_MIN, "row count")?;
        let mut rows = vec(count);
        for _ in 0..count {
            let clustering = Clustering(reader.bytes("clustering")?);
            let row = read_row(reader, &mut times)?;
            rows.push((clustering, row));
        }
        partition.rows = rows.into();
    }
    if flags & part::RANGES != 0 {
        let count = reader.count(RANGE_BYTES_MIN, "range tombstone count")?;
        partition.range_tombstones = vec(count);
        for _ in 0..count {
            let start = reader.bytes("range start")?;
            let end = reader.bytes("range end")?;
            let deletion = times.read_deletion(reader)?;
            partition.range_tombstones.push(RangeTombstone { start, end, deletion });
        }
    }
    // An announced part that is empty would be a second encoding of the same partition.
    let is_honest = (flags & part::ROWS == 0) == partition.rows.is_empty()
        && (flags & part::RANGES == 0) == partition.range_tombstones.is_empty();
    if is_honest && partition.is_normal() {
        Ok(partition)
    } else {
        Err(reader.malformed("partition that is not in normal form"))
    }
}

/// A row by itself: nothing is left out because something before it says the same.
pub(crate) fn write_row_alone(out: &mut Writer, clustering: &Clustering, row: &Row) {
    out.bytes(&clustering.0);
    write_row(out, &mut Times::default(), row);
}

/// A range tombstone by itself.
pub(crate) fn write_range_alone(out: &mut Writer, range: &RangeTombstone) {
    out.bytes(&range.start);
    out.bytes(&range.end);
    Times::default().write_deletion(out, range.deletion);
}

fn write_row(out: &mut Writer, times: &mut Times, row: &Row) {
    let mut flags = 0;
    if let Some(marker) = row.liveness {
        let expires = if marker.expiry.is_some() { row_flag::MARKER_EXPIRES } else { 0 };
        flags |= row_flag::MARKER | expires;
    }
    if row.deletion.is_some() {
        flags |= row_flag::DELETION;
    }
    if !row.cells.is_empty() {
        flags |= row_flag::CELLS;
    }
    if !row.elements.is_empty() {
        flags |= row_flag::ELEMENTS;
    }
    out.u8(flags);
    if let Some(marker) = row.liveness {
        times.write_timestamp(out, marker.timestamp);
        if let Some((ttl, expires_at)) = marker.expiry {
            times.write_expiry(out, ttl, expires_at);
        }
    }
    if let Some(deletion) = row.deletion {
        times.write_deletion(out, deletion);
    }
    if !row.cells.is_empty() {
        out.uint(row.cells.len() as u64);
        let mut next = 0;
        for (column, cell) in &row.cells {
            out.uint(u64::from(column.0) - next);
            next = u64::from(column.0) + 1;
            write_cell(out, times, cell);
        }
    }
    if !row.elements.is_empty() {
        out.uint(row.elements.len() as u64);
        let mut next = 0;
        for (column, elements) in &row.elements {
            out.uint(u64::from(column.0) - next);
            next = u64::from(column.0) + 1;
            write_elements(out, times, elements);
        }
    }
}

/// The elements of one column alone, for blocks of sstables.
pub(crate) fn write_elements_alone(out: &mut Writer, elements: &Elements) {
    write_elements(out, &mut Times::default(), elements);
}

/// What [`write_elements_alone`] wrote.
pub(crate) fn read_elements_alone(reader: &mut Reader) -> Result<Elements, Malformed> {
    let elements = read_elements(reader, &mut Times::default())?;
    if elements.is_normal() { Ok(elements) } else { Err(reader.malformed("elements")) }
}

fn write_elements(out: &mut Writer, times: &mut Times, elements: &Elements) {
    out.u8(u8::from(elements.deletion.is_some()));
    if let Some(deletion) = elements.deletion {
        times.write_deletion(out, deletion);
    }
    out.uint(elements.cells.len() as u64);
    for (path, cell) in &elements.cells {
        out.bytes(path);
        write_cell(out, times, cell);
    }
}

fn read_elements(reader: &mut Reader, times: &mut Times) -> Result<Elements, Malformed> {
    let deletion = match reader.u8("flags of elements")? {
        0 => None,
        1 => Some(times.read_deletion(reader)?),
        _ => return Err(reader.malformed("flags of elements")),
    };
    let mut elements = Elements { deletion, cells: Vec::new() };
    let count = reader.count(CELL_BYTES_MIN, "count of elements")?;
    elements.cells = vec(count);
    for _ in 0..count {
        let path = reader.bytes("path of an element")?;
        elements.cells.push((path, read_cell(reader, times)?));
    }
    Ok(elements)
}

/// A column in a list of ascending ones, told by the distance to the one before.
fn read_column(reader: &mut Reader, next: &mut u64) -> Result<ColumnId, Malformed> {
    let column = reader.uint("column")?.checked_add(*next);
    let column = column.and_then(|it| u32::try_from(it).ok());
    let column = column.ok_or_else(|| reader.malformed("column"))?;
    *next = u64::from(column) + 1;
    Ok(ColumnId(column))
}

/// A row with its clustering, told from the timestamp before it (microseconds).
pub(crate) fn read_row_after(
    reader: &mut Reader,
    time: i64,
) -> Result<(Clustering, Row), Malformed> {
    let clustering = Clustering(reader.bytes("clustering")?);
    Ok((clustering, read_row(reader, &mut Times { last: time })?))
}

fn read_row(reader: &mut Reader, times: &mut Times) -> Result<Row, Malformed> {
    let flags = reader.u8("row flags")?;
    let marker = flags & (row_flag::MARKER | row_flag::MARKER_EXPIRES);
    if flags == 0 || flags & !row_flag::ALL != 0 || marker == row_flag::MARKER_EXPIRES {
        return Err(reader.malformed("row flags"));
    }
    let mut row = Row::default();
    if flags & row_flag::MARKER != 0 {
        let timestamp = times.read_timestamp(reader)?;
        let expires = flags & row_flag::MARKER_EXPIRES != 0;
        let expiry = if expires { Some(times.read_expiry(reader)?) } else { None };
        row.liveness = Some(Liveness { timestamp, expiry });
    }
    if flags & row_flag::DELETION != 0 {
        row.deletion = Some(times.read_deletion(reader)?);
    }
    if flags & row_flag::CELLS != 0 {
        let count = reader.count(CELL_BYTES_MIN, "cell count")?;
        if count == 0 {
            return Err(reader.malformed("cell count"));
        }
        row.cells = vec(count);
        let mut next = 0_u64;
        for _ in 0..count {
            let column = read_column(reader, &mut next)?;
            row.cells.push((column, read_cell(reader, times)?));
        }
    }
    if flags & row_flag::ELEMENTS != 0 {
        let count = reader.count(ELEMENTS_BYTES_MIN, "count of columns with elements")?;
        if count == 0 {
            return Err(reader.malformed("count of columns with elements"));
        }
        row.elements = vec(count);
        let mut next = 0_u64;
        for _ in 0..count {
            let column = read_column(reader, &mut next)?;
            row.elements.push((column, read_elements(reader, times)?));
        }
    }
    Ok(row)
}

fn write_cell(out: &mut Writer, times: &mut Times, cell: &Cell) {
    let kind = match &cell.content {
        Content::Live { .. } => 0,
        Content::Expiring { .. } => cell_flag::EXPIRING,
        Content::Dead { .. } => cell_flag::DEAD,
    };
    if cell.timestamp == times.last {
        out.u8(kind);
    } else {
        out.u8(kind | cell_flag::TIMESTAMP);
        times.write_timestamp(out, cell.timestamp);
    }
    match &cell.content {
        Content::Live { value } => out.bytes(value),
        Content::Expiring { value, ttl, expires_at } => {
            times.write_expiry(out, *ttl, *expires_at);
            out.bytes(value);
        }
        Content::Dead { deleted_at } => times.write_second(out, *deleted_at),
    }
}

fn read_cell(reader: &mut Reader, times: &mut Times) -> Result<Cell, Malformed> {
    let flags = reader.u8("cell flags")?;
    let timestamp = match flags & cell_flag::TIMESTAMP {
        0 => times.last,
        _ => times.read_timestamp(reader)?,
    };
    let content = match flags & !cell_flag::TIMESTAMP {
        0 => Content::Live { value: reader.bytes("value")? },
        cell_flag::EXPIRING => {
            let (ttl, expires_at) = times.read_expiry(reader)?;
            Content::Expiring { value: reader.bytes("value")?, ttl, expires_at }
        }
        cell_flag::DEAD => Content::Dead { deleted_at: times.read_second(reader)? },
        _ => return Err(reader.malformed("cell flags")),
    };
    Ok(Cell { timestamp, content })
}

/// The timestamp before, from which the next is told. Starts at 0, so the first is written whole.
#[derive(Default)]
struct Times {
    last: i64,
}

impl Times {
    fn write_timestamp(&mut self, out: &mut Writer, timestamp: i64) {
        out.int(timestamp.wrapping_sub(self.last));
        self.last = timestamp;
    }

    fn read_timestamp(&mut self, reader: &mut Reader) -> Result<i64, Malformed> {
        self.last = self.last.wrapping_add(reader.int("timestamp")?);
        Ok(self.last)
    }

    /// A local time, as the difference to the second of the last timestamp.
    fn write_second(&self, out: &mut Writer, second: i64) {
        out.int(second.wrapping_sub(self.second()));
    }

    fn read_second(&self, reader: &mut Reader) -> Result<i64, Malformed> {
        Ok(self.second().wrapping_add(reader.int("local time")?))
    }

    fn write_expiry(&self, out: &mut Writer, ttl: u32, expires_at: i64) {
        out.uint(u64::from(ttl));
        self.write_second(out, expires_at.wrapping_sub(i64::from(ttl)));
    }

    fn read_expiry(&self, reader: &mut Reader) -> Result<(u32, i64), Malformed> {
        let ttl = u32::try_from(reader.uint("ttl")?).unwrap_or(0);
        if !(1..=TTL_MAX).contains(&ttl) {
            return Err(reader.malformed("ttl"));
        }
        Ok((ttl, self.read_second(reader)?.wrapping_add(i64::from(ttl))))
    }

    fn write_deletion(&mut self, out: &mut Writer, deletion: Deletion) {
        self.write_timestamp(out, deletion.timestamp);
        self.write_second(out, deletion.deleted_at);
    }

    fn read_deletion(&mut self, reader: &mut Reader) -> Result<Deletion, Malformed> {
        let timestamp = self.read_timestamp(reader)?;
        Ok(Deletion { timestamp, deleted_at: self.read_second(reader)? })
    }

    fn second(&self) -> i64 {
        self.last.div_euclid(1_000_000)
    }
}
