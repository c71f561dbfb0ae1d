//! Rows as they were written become columns, without a row being made of any.

use std::ops::Range;
use std::sync::Arc;

use super::Place;
use crate::codec::Cursor;
use crate::columns::{Column, Columns, Ints, Values, flag, kind};
use crate::encoding::{cell_flag, row_flag};
use crate::schema::ColumnId;
use crate::{Cell, Clustering, Content, Row, Rows};

/// Rows of so few take less as a list.
const ROWS_MIN: usize = 4;

/// Bytes of the values of a row that are copied at most: larger ones are shared.
const VALUES_MAX: usize = 4096;

/// Collects rows, in order: those that are settled in columns, others as they are.
#[derive(Debug, Default)]
pub struct Packer {
    /// What lies before those in the columns.
    done: Rows,
    keys: Strings,
    times: Vec<i64>,
    flags: Vec<i64>,
    columns: Vec<(ColumnId, Cells)>,
    /// The cells of the row that is looked at.
    row: Vec<Found>,
}

/// The cells of one column.
#[derive(Debug, Default)]
struct Cells {
    rows: Vec<u32>,
    times: Vec<i64>,
    values: Strings,
}

/// Byte strings, one after the other.
#[derive(Debug, Default)]
struct Strings {
    arena: Vec<u8>,
    ends: Vec<u32>,
}

/// A cell where it was found.
#[derive(Debug)]
struct Found {
    column: ColumnId,
    timestamp: i64,
    value: Range<usize>,
}

impl Packer {
    /// Adds the row at `place` among `rows`, where it was found. `false`, with nothing changed, if it is not settled:
    /// then `add` it.
    pub fn add_written(&mut self, rows: &[u8], place: Place) -> bool {
        let mut cursor = Cursor { input: rows, at: place.at as usize };
        let Some(key) = cursor.bytes() else { return false };
        let Some((flags, marker)) = self.find(&mut cursor, place.time) else { return false };
        let first = self.row.first().map(|it| it.timestamp);
        let Some(time) = marker.or(first) else { return false };
        if VALUES_MAX < self.row.iter().map(|it| it.value.len()).sum() {
            return false;
        }
        let mut row = std::mem::take(&mut self.row);
        let cells = row.drain(..).map(|it| (it.column, it.timestamp, &rows[it.value]));
        self.put(key, time, flags, cells);
        self.row = row;
        true
    }

    /// Adds a row.
    pub fn add(&mut self, clustering: Clustering, row: Row) {
        let marker = row.liveness.map(|it| it.timestamp);
        let first = row.cells.first().map(|(_, cell)| cell.timestamp);
        let Some(time) = marker.or(first).filter(|_| is_settled(&row)) else {
            self.end_columns();
            self.done.append(vec![(clustering, row)].into());
            return;
        };
        let flags = if marker.is_some() { flag::MARKER } else { 0 };
        let cells = row.cells.iter().filter_map(|(column, cell)| match &cell.content {
            Content::Live { value } => Some((*column, cell.timestamp, &value[..])),
            Content::Expiring { .. } | Content::Dead { .. } => None,
        });
        self.put(&clustering.0, time, flags, cells);
    }

    /// All that was added.
    pub fn finish(mut self) -> Rows {
        self.end_columns();
        self.done
    }

    /// Looks for the cells of a row whose clustering was read. Its flags and the time of its marker; `None` if it is
    /// not settled.
    fn find(&mut self, cursor: &mut Cursor<'_>, mut time: i64) -> Option<(i64, Option<i64>)> {
        self.row.clear();
        let flags = cursor.u8()?;
        if flags & !(row_flag::MARKER | row_flag::CELLS) != 0 {
            return None;
        }
        let mut marker = None;
        if flags & row_flag::MARKER != 0 {
            time = time.wrapping_add(cursor.int()?);
            marker = Some(time);
        }
        if flags & row_flag::CELLS != 0 {
            let mut next = 0;
            for _ in 0..cursor.uint()? {
                let column = u32::try_from(cursor.uint()?.checked_add(next)?).ok()?;
                next = u64::from(column) + 1;
                let flags = cursor.u8()?;
                if flags & !cell_flag::TIMESTAMP != 0 {
                    return None;
                }
                if flags & cell_flag::TIMESTAMP != 0 {
                    time = time.wrapping_add(cursor.int()?);
                }
                let len = cursor.bytes()?.len();
                let value = cursor.at - len..cursor.at;
                self.row.push(Found { column: ColumnId(column), timestamp: time, value });
            }
        }
        Some((if marker.is_some() { flag::MARKER } else { 0 }, marker))
    }

    fn put<'a>(
        &mut self,
        key: &[u8],
        time: i64,
        flags: i64,
        cells: impl Iterator<Item = (ColumnId, i64, &'a [u8])>,
    ) {
        let at = self.times.len() as u32;
        self.keys.push(key);
        self.times.push(time);
        self.flags.push(flags);
        let mut near = 0;
        for (column, timestamp, value) in cells {
            let place = match self.columns.get(near) {
                Some((it, _)) if *it == column => near,
                Some(_) | None => self.place_of(column),
            };
            let cells = &mut self.columns[place].1;
            cells.rows.push(at);
            cells.times.push(timestamp.wrapping_sub(time));
            cells.values.push(value);
            near = place + 1;
        }
    }

    fn place_of(&mut self, column: ColumnId) -> usize {
        self.columns.binary_search_by_key(&column, |(id, _)| *id).unwrap_or_else(|place| {
            self.columns.insert(place, (column, Cells::default()));
            place
        })
    }

    /// Puts what is in the columns behind what is done.
    fn end_columns(&mut self) {
        let count = self.times.len();
        if count == 0 {
            return;
        }
        let column = |(id, cells): (ColumnId, Cells)| Column {
            id,
            rows: (cells.rows.len() < count).then_some(cells.rows),
            times: ints(cells.times),
            kinds: Ints::Const(kind::LIVE),
            ttls: Ints::Const(0),
            seconds: Ints::Const(0),
            values: cells.values.finish(),
            ranks: None,
        };
        let columns = Columns {
            keys: std::mem::take(&mut self.keys).finish(),
            times: ints(std::mem::take(&mut self.times)),
            flags: ints(std::mem::take(&mut self.flags)),
            ttls: Ints::Const(0),
            begins: Ints::Const(0),
            deletion_times: Ints::Const(0),
            deleted_ats: Ints::Const(0),
            ranks: None,
            columns: std::mem::take(&mut self.columns).into_iter().map(column).collect(),
        };
        self.done.append(match count {
            ..ROWS_MIN => columns.make(0..count).into(),
            _ => Rows::of(&Arc::new(columns), 0..count),
        });
    }
}

/// Whether a row is nothing but values that stay, and not too large to be copied.
fn is_settled(row: &Row) -> bool {
    let len = |(_, cell): &(ColumnId, Cell)| match &cell.content {
        Content::Live { value } => Some(value.len()),
        Content::Expiring { .. } | Content::Dead { .. } => None,
    };
    let bytes: Option<usize> = row.cells.iter().map(len).sum();
    row.deletion.is_none()
        && row.elements.is_empty()
        && row.liveness.is_none_or(|it| it.expiry.is_none())
        && bytes.is_some_and(|it| it <= VALUES_MAX)
}

impl Strings {
    fn push(&mut self, bytes: &[u8]) {
        self.arena.extend_from_slice(bytes);
        self.ends.push(self.arena.len() as u32);
    }

    fn finish(self) -> Values {
        let Strings { arena, ends } = self;
        let len = ends.first().map_or(0, |it| *it as usize);
        let are_alike = ends.iter().zip(1..).all(|(end, count)| *end as usize == len * count);
        let arena = arena.into();
        if are_alike { Values::Fixed { arena, len } } else { Values::Any { arena, ends } }
    }
}

fn ints(values: Vec<i64>) -> Ints {
    match values.split_first() {
        Some((first, others)) if others.iter().all(|it| it == first) => Ints::Const(*first),
        _ => Ints::Each(values),
    }
}
