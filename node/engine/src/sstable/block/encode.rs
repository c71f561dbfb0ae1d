//! Writes a block.

use bytes::Bytes;
use model::codec::Writer;
use model::columns::{flag, kind, second_of};
use model::{Cell, ColumnId, Content, Mutation, Partition, Row, TableId};

use super::{Fragment, ints, keys, values};
use crate::piece;

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

/// The raw bytes of a block of these fragments of `table`, which are in order: `docs/formats/sstable.md`.
pub(crate) fn encode(table: TableId, fragments: &[Fragment]) -> Bytes {
    // What values take is mostly what all takes: a buffer that grew to a large one would be copied again and again.
    let rows = || fragments.iter().flat_map(|it| &it.part.rows);
    let values = rows().flat_map(|(_, row)| &row.cells).map(|(_, cell)| match &cell.content {
        Content::Live { value } | Content::Expiring { value, .. } => value.len(),
        Content::Dead { .. } => 0,
    });
    let mut out = Writer::with_capacity(values.sum::<usize>() + 1024);
    out.uint(fragments.len() as u64);
    for it in fragments {
        put_part(&mut out, table, it);
    }
    let elements: Vec<(usize, ColumnId, Bytes)> = rows()
        .enumerate()
        .flat_map(|(at, (_, row))| row.elements.iter().map(move |(id, it)| (at, *id, it.encode())))
        .collect();
    let mut columns = Rows::default();
    for (clustering, row) in rows() {
        columns.add(&clustering.0, row);
    }
    elements.iter().for_each(|(row, id, bytes)| columns.add_elements(*row as i64, *id, bytes));
    if !columns.keys.is_empty() {
        columns.put(&mut out);
    }
    out.finish()
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
}

#[derive(Default)]
struct Column<'a> {
    rows: Vec<i64>,
    times: Vec<i64>,
    kinds: Vec<i64>,
    ttls: Vec<i64>,
    seconds: Vec<i64>,
    values: Vec<&'a [u8]>,
}

impl<'a> Rows<'a> {
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
            let place = match self.columns.get(near) {
                Some((it, _)) if it == id => near,
                Some(_) | None => match self.columns.binary_search_by_key(id, |(id, _)| *id) {
                    Ok(place) => place,
                    Err(place) => {
                        self.columns.insert(place, (*id, Column::default()));
                        place
                    }
                },
            };
            self.columns[place].1.add(at, time, cell);
            near = place + 1;
        }
    }

    /// The elements of a column of a row that was added. No column has both cells and elements.
    fn add_elements(&mut self, row: i64, id: ColumnId, bytes: &'a [u8]) {
        let place = match self.columns.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(place) => place,
            Err(place) => {
                self.columns.insert(place, (id, Column::default()));
                place
            }
        };
        let column = &mut self.columns[place].1;
        column.rows.push(row);
        column.times.push(0);
        column.kinds.push(kind::ELEMENTS);
        column.values.push(bytes);
    }

    fn put(&self, out: &mut Writer) {
        keys::put(out, &self.keys);
        ints::put(out, &self.times);
        ints::put(out, &self.flags);
        ints::put(out, &self.ttls);
        ints::put(out, &self.begins);
        ints::put(out, &self.deletion_times);
        ints::put(out, &self.deleted_ats);
        out.uint(self.columns.len() as u64);
        let mut next = 0;
        for (id, column) in &self.columns {
            out.uint(u64::from(id.0) - next);
            next = u64::from(id.0) + 1;
            column.put(out, self.keys.len());
        }
    }
}

impl<'a> Column<'a> {
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

    fn put(&self, out: &mut Writer, rows: usize) {
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
        values::put(out, &self.values);
    }
}
