//! Rows as they were written become columns, without a row being made of any.

use std::ops::Range;
use std::sync::Arc;

use super::Place;
use crate::codec::Cursor;
use crate::columns::{Column, Columns, Ints, Strings, flag, kind, second_of};
use crate::encoding::{cell_flag, row_flag};
use crate::schema::ColumnId;
use crate::{Cell, Clustering, Content, Row, Rows};

/// Rows of so few take less as a list.
const ROWS_MIN: usize = 4;

/// Bytes of the values of a row that are copied at most: larger ones are shared.
const VALUES_MAX: usize = 4096;

/// Collects rows, in order: those that are plain in columns, others as they are.
#[derive(Debug, Default)]
pub struct Packer {
    /// What lies before those in the columns.
    done: Rows,
    keys: Strings,
    times: Vec<i64>,
    flags: Vec<i64>,
    /// Of markers that expire.
    expiring: Vec<Expiring>,
    columns: Vec<(ColumnId, Cells)>,
    /// The cells of the row that is looked at.
    row: Vec<Found>,
    /// About how many rows there will be.
    expected: usize,
}

/// The cells of one column.
#[derive(Debug)]
struct Cells {
    rows: Vec<u32>,
    times: Vec<i64>,
    expiring: Vec<Expiring>,
    values: Strings,
}

/// A marker or a cell that expires.
#[derive(Debug)]
struct Expiring {
    /// Which, of all rows or of all cells of the column.
    at: usize,
    lifetime: Lifetime,
}

/// As an encoded mutation has it.
#[derive(Clone, Copy, Debug)]
struct Lifetime {
    /// Seconds.
    ttl: i64,
    /// Seconds from the second of the timestamp to when the TTL began.
    begins: i64,
}

/// A cell where it was found.
#[derive(Debug)]
struct Found {
    column: ColumnId,
    timestamp: i64,
    lifetime: Option<Lifetime>,
    value: Range<usize>,
}

/// When a row was written, and what it has beside cells.
struct Head {
    time: i64,
    flags: i64,
    /// Of the marker.
    lifetime: Option<Lifetime>,
}

impl Packer {
    /// There will be `count` rows or so: memory is taken for these at once.
    pub fn expecting(count: usize) -> Packer {
        Packer {
            keys: Strings::expecting(count),
            times: Vec::with_capacity(count),
            flags: Vec::with_capacity(count),
            expected: count,
            ..Packer::default()
        }
    }

    /// Adds the row at `place` among `rows`, where it was found. `false`, with nothing changed, if it is not plain:
    /// then `add` it.
    pub fn add_written(&mut self, rows: &[u8], place: Place) -> bool {
        let mut cursor = Cursor { input: rows, at: place.at as usize };
        let Some(key) = cursor.bytes() else { return false };
        let Some(head) = self.find(&mut cursor, place.time) else { return false };
        if VALUES_MAX < self.row.iter().map(|it| it.value.len()).sum() {
            return false;
        }
        let mut row = std::mem::take(&mut self.row);
        let cells = row.drain(..).map(|it| (it.column, it.timestamp, it.lifetime, &rows[it.value]));
        self.put(key, head, cells);
        self.row = row;
        true
    }

    /// Adds a row.
    pub fn add(&mut self, clustering: Clustering, row: Row) {
        let first = row.cells.first().map(|(_, cell)| cell.timestamp);
        let time = row.liveness.map(|it| it.timestamp).or(first);
        let Some(time) = time.filter(|_| is_plain(&row)) else {
            self.end_columns();
            self.done.append(vec![(clustering, row)].into());
            return;
        };
        let expiry = row.liveness.and_then(|it| it.expiry);
        let head = Head::new(time, row.liveness.is_some(), expiry.map(|it| Lifetime::of(time, it)));
        let cells = row.cells.iter().filter_map(|(column, cell)| {
            let (value, lifetime) = match &cell.content {
                Content::Live { value } => (value, None),
                Content::Expiring { value, ttl, expires_at } => {
                    (value, Some(Lifetime::of(cell.timestamp, (*ttl, *expires_at))))
                }
                Content::Dead { .. } => return None,
            };
            Some((*column, cell.timestamp, lifetime, &value[..]))
        });
        self.put(&clustering.0, head, cells);
    }

    /// All that was added.
    pub fn finish(mut self) -> Rows {
        self.end_columns();
        self.done
    }

    /// Looks for the cells of a row whose clustering was read. `None` if it is not plain.
    fn find(&mut self, cursor: &mut Cursor<'_>, mut time: i64) -> Option<Head> {
        self.row.clear();
        let flags = cursor.u8()?;
        if flags & !(row_flag::MARKER | row_flag::MARKER_EXPIRES | row_flag::CELLS) != 0 {
            return None;
        }
        let (mut marker, mut marker_lifetime) = (None, None);
        if flags & row_flag::MARKER != 0 {
            time = time.wrapping_add(cursor.int()?);
            marker = Some(time);
            if flags & row_flag::MARKER_EXPIRES != 0 {
                marker_lifetime = Some(Lifetime::read(cursor)?);
            }
        }
        if flags & row_flag::CELLS != 0 {
            let mut next = 0;
            for _ in 0..cursor.uint()? {
                let column = u32::try_from(cursor.uint()?.checked_add(next)?).ok()?;
                next = u64::from(column) + 1;
                let flags = cursor.u8()?;
                if flags & !(cell_flag::TIMESTAMP | cell_flag::EXPIRING) != 0 {
                    return None;
                }
                if flags & cell_flag::TIMESTAMP != 0 {
                    time = time.wrapping_add(cursor.int()?);
                }
                let expires = flags & cell_flag::EXPIRING != 0;
                let lifetime = if expires { Some(Lifetime::read(cursor)?) } else { None };
                let len = cursor.bytes()?.len();
                let value = cursor.at - len..cursor.at;
                self.row.push(Found { column: ColumnId(column), timestamp: time, lifetime, value });
            }
        }
        let time = marker.or_else(|| self.row.first().map(|it| it.timestamp))?;
        Some(Head::new(time, marker.is_some(), marker_lifetime))
    }

    fn put<'a>(
        &mut self,
        key: &[u8],
        head: Head,
        cells: impl Iterator<Item = (ColumnId, i64, Option<Lifetime>, &'a [u8])>,
    ) {
        let at = self.times.len();
        self.keys.push(key);
        self.times.push(head.time);
        self.flags.push(head.flags);
        if let Some(lifetime) = head.lifetime {
            self.expiring.push(Expiring { at, lifetime });
        }
        let mut near = 0;
        for (column, timestamp, lifetime, value) in cells {
            let place = match self.columns.get(near) {
                Some((it, _)) if *it == column => near,
                Some(_) | None => self.place_of(column),
            };
            let cells = &mut self.columns[place].1;
            if let Some(lifetime) = lifetime {
                cells.expiring.push(Expiring { at: cells.rows.len(), lifetime });
            }
            cells.rows.push(at as u32);
            cells.times.push(timestamp.wrapping_sub(head.time));
            cells.values.push(value);
            near = place + 1;
        }
    }

    fn place_of(&mut self, column: ColumnId) -> usize {
        self.columns.binary_search_by_key(&column, |(id, _)| *id).unwrap_or_else(|place| {
            // What the first row lacks few may have.
            let expected = if self.times.len() == 1 { self.expected } else { 0 };
            self.columns.insert(place, (column, Cells::expecting(expected)));
            place
        })
    }

    /// Puts what is in the columns behind what is done.
    fn end_columns(&mut self) {
        let count = self.times.len();
        if count == 0 {
            return;
        }
        let expiring = std::mem::take(&mut self.expiring);
        let ranks = (1..count).contains(&expiring.len());
        let ranks = ranks.then(|| before_each(&expiring, count).map(|it| (it, 0)).collect());
        let mut columns = Columns {
            keys: std::mem::take(&mut self.keys).finish(),
            times: ints(std::mem::take(&mut self.times)),
            flags: ints(std::mem::take(&mut self.flags)),
            ttls: ints(expiring.iter().map(|it| it.lifetime.ttl).collect()),
            begins: ints(expiring.iter().map(|it| it.lifetime.begins).collect()),
            deletion_times: Ints::Const(0),
            deleted_ats: Ints::Const(0),
            ranks,
            columns: std::mem::take(&mut self.columns)
                .into_iter()
                .map(|(id, cells)| cells.finish(id, count))
                .collect(),
            settled_until: i64::MAX,
        };
        columns.settled_until = columns.first_expiry(count);
        self.done.append(match count {
            ..ROWS_MIN => columns.make(0..count).into(),
            _ => Rows::of(&Arc::new(columns), 0..count),
        });
    }
}

impl Cells {
    fn expecting(count: usize) -> Cells {
        Cells {
            rows: Vec::with_capacity(count),
            times: Vec::with_capacity(count),
            expiring: Vec::new(),
            values: Strings::expecting(count),
        }
    }

    /// Of `count` rows.
    fn finish(self, id: ColumnId, count: usize) -> Column {
        let Cells { rows, times, expiring, values } = self;
        let cells = rows.len();
        let mut kinds = Ints::Const(kind::LIVE);
        let mut ranks = None;
        if expiring.len() == cells {
            kinds = Ints::Const(kind::EXPIRING);
        } else if !expiring.is_empty() {
            let mut all = vec![kind::LIVE; cells];
            expiring.iter().for_each(|it| all[it.at] = kind::EXPIRING);
            let of = |(at, before)| [at, before, before];
            ranks = Some((0..).zip(before_each(&expiring, cells)).map(of).collect());
            kinds = Ints::Each(all);
        }
        Column {
            id,
            rows: (cells < count).then_some(rows),
            times: ints(times),
            kinds,
            ttls: ints(expiring.iter().map(|it| it.lifetime.ttl).collect()),
            seconds: ints(expiring.iter().map(|it| it.lifetime.begins).collect()),
            values: values.finish(),
            ranks,
            codes: None,
        }
    }
}

/// For each of `count`, how many before it expire.
fn before_each(expiring: &[Expiring], count: usize) -> impl Iterator<Item = u32> {
    let mut expiring = expiring.iter().peekable();
    (0..count).scan(0, move |before, at| {
        let expires = expiring.next_if(|it| it.at == at).is_some();
        Some(std::mem::replace(before, *before + u32::from(expires)))
    })
}

impl Head {
    fn new(time: i64, has_marker: bool, lifetime: Option<Lifetime>) -> Head {
        let flags = match (has_marker, lifetime) {
            (false, _) => 0,
            (true, None) => flag::MARKER,
            (true, Some(_)) => flag::MARKER | flag::EXPIRES,
        };
        Head { time, flags, lifetime }
    }
}

impl Lifetime {
    /// Of what was written at `timestamp`, with a TTL, and expires then.
    fn of(timestamp: i64, (ttl, expires_at): (u32, i64)) -> Lifetime {
        let ttl = i64::from(ttl);
        let begins = expires_at.wrapping_sub(ttl).wrapping_sub(second_of(timestamp));
        Lifetime { ttl, begins }
    }

    fn read(cursor: &mut Cursor<'_>) -> Option<Lifetime> {
        let ttl = i64::try_from(cursor.uint()?).ok()?;
        Some(Lifetime { ttl, begins: cursor.int()? })
    }
}

/// Whether a row is nothing but values, and not too large to be copied.
fn is_plain(row: &Row) -> bool {
    let len = |(_, cell): &(ColumnId, Cell)| match &cell.content {
        Content::Live { value } | Content::Expiring { value, .. } => Some(value.len()),
        Content::Dead { .. } => None,
    };
    let bytes: Option<usize> = row.cells.iter().map(len).sum();
    row.deletion.is_none() && row.elements.is_empty() && bytes.is_some_and(|it| it <= VALUES_MAX)
}

fn ints(values: Vec<i64>) -> Ints {
    match values.split_first() {
        None => Ints::Const(0),
        Some((first, others)) if others.iter().all(|it| it == first) => Ints::Const(*first),
        Some(_) => Ints::Each(values),
    }
}
