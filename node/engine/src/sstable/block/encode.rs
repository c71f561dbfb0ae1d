//! Writes a block.

use std::ops::Range;

use bytes::Bytes;
use model::codec::Writer;
use model::columns::{self, Codes, Columns, flag, kind, second_of};
use model::{Cell, Chunk, ColumnId, Content, Mutation, Partition, Row, TableId};

use super::values::{self, Integers};
use super::{Fragment, ints, keys};
use crate::piece;
use crate::sstable::statistics::{self, Statistics};
use crate::sstable::symbols::TextCoder;

/// What a fragment has beside its key and its rows.
pub(super) mod part {
    /// It does not begin below everything.
    pub(crate) const START: u8 = 1;
    /// It does not go up to the end of the partition.
    pub(crate) const END: u8 = 2;
    /// Deletion, statics or range tombstones.
    pub(crate) const HEAD: u8 = 4;
    pub(crate) const ALL: u8 = START | END | HEAD;
}

/// What a block was turned into.
pub(crate) struct Encoded {
    /// Its raw bytes.
    pub(crate) raw: Bytes,
    /// What its rows come to, if that is told.
    pub(crate) statistics: Option<Statistics>,
}

/// A block of these fragments of `table`, which are in order: `docs/formats/sstable.md`.
pub(crate) fn encode(table: TableId, fragments: &[Fragment], coder: &mut TextCoder) -> Encoded {
    let chunks = || fragments.iter().flat_map(|it| it.part.rows.chunks());
    let mut elements: Vec<(usize, ColumnId, Bytes)> = Vec::new();
    let (mut count, mut value_bytes) = (0, 0);
    for chunk in chunks() {
        match chunk {
            Chunk::Each(rows) => {
                for (at, (_, row)) in rows.iter().enumerate() {
                    value_bytes += row.cells.iter().map(|(_, it)| value_len(it)).sum::<usize>();
                    let encoded =
                        row.elements.iter().map(|(id, it)| (count + at, *id, it.encode()));
                    elements.extend(encoded);
                }
                count += rows.len();
            }
            Chunk::Columns(columns, rows) => {
                count += rows.len();
                value_bytes += columns.amount(rows).bytes;
            }
        }
    }
    // What values take is mostly what all takes: a buffer that grew to a large one would be copied again and again.
    let mut out = Writer::with_capacity(value_bytes + 1024);
    out.uint(fragments.len() as u64);
    for it in fragments {
        put_part(&mut out, table, it);
    }
    let mut columns = Rows::new(count, coder.symbols());
    for chunk in chunks() {
        match chunk {
            Chunk::Each(rows) => rows.iter().for_each(|(it, row)| columns.add(&it.0, row)),
            Chunk::Columns(plain, rows) => columns.add_plain(plain, rows),
        }
    }
    elements.iter().for_each(|(row, id, bytes)| columns.add_elements(*row as i64, *id, bytes));
    let mut statistics = None;
    if !columns.keys.is_empty() {
        let is_told = match fragments {
            [it] => it.part.range_tombstones.is_empty() && columns.are_settled(),
            _ => false,
        };
        statistics = columns.put(&mut out, coder, is_told);
        coder.put_symbols(&mut out);
    }
    Encoded { raw: out.finish(), statistics }
}

fn value_len(cell: &Cell) -> usize {
    match &cell.content {
        Content::Live { value } | Content::Expiring { value, .. } => value.len(),
        Content::Dead { .. } => 0,
    }
}

fn put_part(out: &mut Writer, table: TableId, fragment: &Fragment) {
    let Fragment { start, end, part } = fragment;
    let has_head =
        part.deletion.is_some() || !part.static_row.is_empty() || !part.range_tombstones.is_empty();
    let flags = [
        (part::START, !start.is_empty()),
        (part::END, *end != piece::top()),
        (part::HEAD, has_head),
    ];
    out.u8(flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag).sum());
    out.bytes(&part.key.bytes);
    out.uint(part.rows.len() as u64);
    if !start.is_empty() {
        out.bytes(start);
    }
    if *end != piece::top() {
        out.bytes(end);
    }
    if has_head {
        let head = Partition {
            key: part.key.clone(),
            deletion: part.deletion,
            static_row: part.static_row.clone(),
            rows: model::Rows::default(),
            range_tombstones: part.range_tombstones.clone(),
        };
        out.bytes(&Mutation { table, partition: head }.encode());
    }
}

/// Rows taken apart. See the columns of the decoded block.
#[derive(Default)]
struct Rows<'a> {
    keys: Vec<&'a [u8]>,
    times: Vec<i64>,
    flags: Vec<i64>,
    ttls: Vec<i64>,
    begins: Vec<i64>,
    deletion_times: Vec<i64>,
    deleted_ats: Vec<i64>,
    columns: Vec<(ColumnId, Column<'a>)>,
    /// By which texts are coded here.
    symbols: Option<Bytes>,
}

#[derive(Default)]
struct Column<'a> {
    rows: Vec<i64>,
    times: Vec<i64>,
    kinds: Vec<i64>,
    ttls: Vec<i64>,
    seconds: Vec<i64>,
    values: Vec<&'a [u8]>,
    /// Of the first values, those that come with them. The others have none.
    codes: Vec<Option<&'a [u8]>>,
}

impl<'a> Rows<'a> {
    fn new(count: usize, symbols: Option<Bytes>) -> Rows<'a> {
        Rows {
            symbols,
            keys: Vec::with_capacity(count),
            times: Vec::with_capacity(count),
            flags: Vec::with_capacity(count),
            ..Rows::default()
        }
    }

    /// Rows of columns, all of them plain.
    fn add_plain(&mut self, columns: &'a Columns, rows: Range<usize>) {
        let first = self.keys.len();
        self.keys.extend(rows.clone().map(|at| columns.keys.bytes(at)));
        columns.times.extend(rows.clone(), &mut self.times);
        columns.flags.extend(rows.clone(), &mut self.flags);
        let expiring = columns.expiring_markers(rows.clone());
        columns.ttls.extend(expiring.clone(), &mut self.ttls);
        columns.begins.extend(expiring, &mut self.begins);
        for column in &columns.columns {
            let places = column.places(rows.clone());
            if places.is_empty() {
                continue;
            }
            let place = self.place_of(column.id, 0);
            let codes =
                column.codes.as_ref().filter(|it| Some(&it.symbols) == self.symbols.as_ref());
            self.columns[place].1.add_plain(column, codes, places, [first, rows.start]);
        }
    }

    /// Where the column is, which is `near` probably; it is made if it is new.
    fn place_of(&mut self, id: ColumnId, near: usize) -> usize {
        if self.columns.get(near).is_some_and(|(it, _)| *it == id) {
            return near;
        }
        self.columns.binary_search_by_key(&id, |(id, _)| *id).unwrap_or_else(|place| {
            self.columns.insert(place, (id, Column::default()));
            place
        })
    }

    fn add(&mut self, key: &'a [u8], row: &'a Row) {
        let marker = row.liveness.map(|it| it.timestamp);
        let cell = row.cells.first().map(|(_, it)| it.timestamp);
        let deletion = row.deletion.map(|it| it.timestamp);
        let time = marker.or(cell).or(deletion).unwrap_or(0);
        let mut flags = 0;
        if let Some(marker) = row.liveness {
            flags |= flag::MARKER;
            if let Some((ttl, expires_at)) = marker.expiry {
                flags |= flag::EXPIRES;
                self.ttls.push(i64::from(ttl));
                let begins = expires_at.wrapping_sub(i64::from(ttl));
                self.begins.push(begins.wrapping_sub(second_of(time)));
            }
        }
        if let Some(deletion) = row.deletion {
            flags |= flag::DELETION;
            self.deletion_times.push(deletion.timestamp.wrapping_sub(time));
            self.deleted_ats.push(deletion.deleted_at.wrapping_sub(second_of(deletion.timestamp)));
        }
        let at = self.keys.len() as i64;
        self.keys.push(key);
        self.times.push(time);
        self.flags.push(flags);
        let mut near = 0;
        for (id, cell) in &row.cells {
            // The columns of a row mostly follow each other.
            let place = self.place_of(*id, near);
            self.columns[place].1.add(at, time, cell);
            near = place + 1;
        }
    }

    /// The elements of a column of a row that was added. No column has both cells and elements.
    fn add_elements(&mut self, row: i64, id: ColumnId, bytes: &'a [u8]) {
        let place = self.place_of(id, 0);
        let column = &mut self.columns[place].1;
        column.rows.push(row);
        column.times.push(0);
        column.kinds.push(kind::ELEMENTS);
        column.values.push(bytes);
    }

    /// Whether all of them, which are not few, live for ever.
    fn are_settled(&self) -> bool {
        statistics::ROWS_MIN <= self.keys.len()
            && self.flags.iter().all(|it| *it == flag::MARKER)
            && self.columns.iter().all(|(_, it)| it.kinds.iter().all(|it| *it == kind::LIVE))
    }

    /// What they come to, if that `is_told`.
    fn put(&self, out: &mut Writer, coder: &mut TextCoder, is_told: bool) -> Option<Statistics> {
        keys::put(out, &self.keys);
        ints::put(out, &self.times);
        ints::put(out, &self.flags);
        ints::put(out, &self.ttls);
        ints::put(out, &self.begins);
        ints::put(out, &self.deletion_times);
        ints::put(out, &self.deleted_ats);
        out.uint(self.columns.len() as u64);
        let mut next = 0;
        let mut numbers = Vec::new();
        for (id, column) in &self.columns {
            out.uint(u64::from(id.0) - next);
            next = u64::from(id.0) + 1;
            let integers = column.put(out, self.keys.len(), coder).filter(|_| is_told);
            numbers.extend(integers.map(|it| (*id, statistics::values_of(it.len, &it.each))));
        }
        let has_others = numbers.len() < self.columns.len();
        (!numbers.is_empty()).then(|| Statistics {
            rows: self.keys.len() as u64,
            columns: numbers.into(),
            has_others,
        })
    }
}

impl<'a> Column<'a> {
    /// Cells of rows that are plain, which begin with `from` there and with `first` here.
    fn add_plain(
        &mut self,
        column: &'a columns::Column,
        codes: Option<&'a Codes>,
        places: Range<usize>,
        [first, from]: [usize; 2],
    ) {
        self.rows.extend(places.clone().map(|it| (first + column.row_of(it) - from) as i64));
        column.times.extend(places.clone(), &mut self.times);
        column.kinds.extend(places.clone(), &mut self.kinds);
        let [ttls, seconds] = column.expiring(places.clone());
        column.ttls.extend(ttls, &mut self.ttls);
        column.seconds.extend(seconds, &mut self.seconds);
        // All of them have values, so these follow each other.
        let value = column.value_of(places.start);
        let values = value..value + places.len();
        if let Some(codes) = codes {
            self.codes.resize(self.values.len(), None);
            self.codes.extend(values.clone().map(|it| Some(codes.values.bytes(it))));
        }
        self.values.extend(values.map(|it| column.values.bytes(it)));
    }

    fn add(&mut self, row: i64, row_time: i64, cell: &'a Cell) {
        self.rows.push(row);
        self.times.push(cell.timestamp.wrapping_sub(row_time));
        let second = second_of(cell.timestamp);
        match &cell.content {
            Content::Live { value } => {
                self.kinds.push(kind::LIVE);
                self.values.push(value);
            }
            Content::Expiring { value, ttl, expires_at } => {
                self.kinds.push(kind::EXPIRING);
                self.ttls.push(i64::from(*ttl));
                let begins = expires_at.wrapping_sub(i64::from(*ttl));
                self.seconds.push(begins.wrapping_sub(second));
                self.values.push(value);
            }
            Content::Dead { deleted_at } => {
                self.kinds.push(kind::DEAD);
                self.seconds.push(deleted_at.wrapping_sub(second));
            }
        }
    }

    /// Tells the values as integers if they may be numbers.
    fn put(&self, out: &mut Writer, rows: usize, coder: &mut TextCoder) -> Option<Integers> {
        // Zero, which no column has, says "in every row".
        if self.rows.len() == rows {
            out.uint(0);
        } else {
            out.uint(self.rows.len() as u64);
            ints::put(out, &self.rows);
        }
        ints::put(out, &self.times);
        ints::put(out, &self.kinds);
        ints::put(out, &self.ttls);
        ints::put(out, &self.seconds);
        match self.kinds.first() {
            // They have a form of their own.
            Some(&kind::ELEMENTS) => values::put(out, &self.values, &[], &mut TextCoder::off()),
            Some(_) | None => values::put(out, &self.values, &self.codes, coder),
        }
    }
}
