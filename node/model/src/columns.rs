//! Many rows as columns: what all of them have lies side by side, as in a block of an sstable.
//!
//! ```text
//!   rows        keys        a b c d
//!               written at  …  …  …  …       with what markers and row deletions there are
//!   cells       column 1:   in which rows · when · value
//!               column 4:   …
//! ```
//!
//! A row by itself is made only for whoever wants one; [`Rows`](crate::Rows) shows those that lie here.

use std::hint::black_box;
use std::ops::Range;

use bytes::Bytes;

use crate::{
    cell::{Cell, Content, Deletion},
    elements::Elements,
    key::Clustering,
    row::{Liveness, Row},
    schema::ColumnId,
    sorted,
};

mod cut;
mod lifetime;
mod values;

pub use values::{Ints, Strings, Values};

/// Rows in order, column by column. Times are differences to those of the row.
///
/// What every look at a row needs lies first, side by side, and takes few lines of memory.
#[derive(Debug)]
#[repr(C)]
pub struct Columns {
    /// Cells, by column.
    pub columns: Vec<Column>,
    /// Clusterings.
    pub keys: Values,
    /// When each was written, microseconds: its marker; without one its first cell, or its deletion.
    pub times: Ints,
    /// What is there beside cells: `flag`.
    pub flags: Ints,
    /// `Columns::first_expiry`: before it no time decides who sees what of plain rows.
    pub settled_until: i64,
    /// Of markers that expire.
    pub ttls: Ints,
    /// Of markers that expire: seconds from `times` to when the TTL began.
    pub begins: Ints,
    /// Of row deletions: microseconds behind `times`.
    pub deletion_times: Ints,
    /// Of row deletions: seconds behind their timestamp.
    pub deleted_ats: Ints,
    /// For each row, how many before it have a marker that expires, and a deletion. `None`: every
    /// row has, or none.
    pub ranks: Option<Vec<(u32, u32)>>,
}

/// The cells of one column, in the same order.
#[derive(Debug)]
#[repr(C)]
pub struct Column {
    /// Which column.
    pub id: ColumnId,
    /// Of those that are not dead.
    pub values: Values,
    /// Which rows have one, ascending. `None`: every row.
    pub rows: Option<Vec<u32>>,
    /// Microseconds behind the row.
    pub times: Ints,
    /// For each cell, its place in `values`, `ttls` and `seconds`. `None`: its own.
    pub ranks: Option<Vec<[u32; 3]>>,
    /// What each is: `kind`.
    pub kinds: Ints,
    /// Of those that expire.
    pub ttls: Ints,
    /// Seconds from the cell's timestamp to when its TTL began, or to its deletion.
    pub seconds: Ints,
    /// The values as they were stored, for whoever stores them again.
    pub codes: Option<Codes>,
}

/// Values as codes, one for each.
#[derive(Debug)]
pub struct Codes {
    /// What they stand for, as it was stored.
    pub symbols: Bytes,
    /// The codes of each.
    pub values: Values,
}

/// What a row has beside cells.
pub mod flag {
    /// A marker.
    pub const MARKER: i64 = 1;
    /// The marker expires.
    pub const EXPIRES: i64 = 2;
    /// A deletion.
    pub const DELETION: i64 = 4;
    /// Any of these.
    pub const ALL: i64 = 7;
}

/// What a cell is.
pub mod kind {
    /// A value that stays.
    pub const LIVE: i64 = 0;
    /// A value that expires.
    pub const EXPIRING: i64 = 1;
    /// A tombstone.
    pub const DEAD: i64 = 2;
    /// Not one cell but the elements of a column, as `Elements::encode` writes them.
    pub const ELEMENTS: i64 = 3;

    /// Whether it is a value of a single cell.
    pub(super) fn is_plain(kind: i64) -> bool {
        matches!(kind, LIVE | EXPIRING)
    }
}

/// How much there is of some rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Rows.
    pub rows: usize,
    /// Their cells.
    pub cells: usize,
    /// Bytes of clusterings and values.
    pub bytes: usize,
}

/// Columns that are looked at before it is known which are asked for.
const TOUCHED_COLUMNS: usize = 2;

/// A clustering that is looked for. Its first bytes tell it from most others.
struct Sought<'a> {
    word: u64,
    clustering: &'a [u8],
}

impl<'a> Sought<'a> {
    fn new(clustering: &'a [u8]) -> Sought<'a> {
        Sought { word: word(clustering), clustering }
    }

    #[inline]
    fn is_behind(&self, key: &[u8]) -> bool {
        let word = word(key);
        word < self.word || (word == self.word && key < self.clustering)
    }
}

/// The first eight bytes, in the order of the bytes: of less than eight, with zeros behind.
#[inline]
pub fn word(bytes: &[u8]) -> u64 {
    if let Some(first) = bytes.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    bytes.iter().zip((0..8).rev()).fold(0, |word, (byte, at)| word | u64::from(*byte) << (8 * at))
}

/// The second of a timestamp.
pub fn second_of(timestamp: i64) -> i64 {
    timestamp.div_euclid(1_000_000)
}

impl Columns {
    /// The first of `rows` at or behind `clustering`, which is probably near their beginning.
    #[inline]
    pub fn first_near(&self, rows: Range<usize>, clustering: &[u8]) -> usize {
        let sought = Sought::new(clustering);
        sorted::first_not_near(rows, |at| sought.is_behind(self.keys.bytes(at)))
    }

    /// The first of `rows` at or behind `clustering`.
    #[inline]
    pub fn first_at(&self, rows: Range<usize>, clustering: &[u8]) -> usize {
        let sought = Sought::new(clustering);
        let word_at = |at: usize| word(self.keys.bytes(at));
        let is_behind = |at: usize| sought.is_behind(self.keys.bytes(at));
        sorted::first_not_spread(rows, sought.word, word_at, is_behind)
    }

    /// Looks at what a search for rows will look at. It lies in several places: whoever goes there step by step waits for
    /// memory at each, but the processor fetches all of them at once where none depends on another.
    #[inline]
    pub fn touch(&self) {
        let cells = self.columns.iter().take(TOUCHED_COLUMNS).fold(0, |all, it| {
            all ^ it.values.touch() ^ usize::from(it.rows.is_some() ^ it.ranks.is_some())
        });
        let is_const = matches!(self.flags, Ints::Const(_));
        black_box(cells ^ self.keys.touch() ^ usize::from(is_const));
    }

    /// Whether these rows are plain: values, that stay or expire, and nothing else.
    #[inline]
    pub fn are_plain(&self, rows: Range<usize>) -> bool {
        self.flags.all(rows.clone(), |flags| flags & flag::DELETION == 0)
            && self.columns.iter().all(|it| {
                let cells = it.places(rows.clone());
                it.kinds.all(cells, kind::is_plain)
            })
    }

    /// Which of these rows are plain.
    pub fn plain(&self, rows: Range<usize>) -> Vec<bool> {
        let is_plain = |at| self.flags.get(at) & flag::DELETION == 0;
        let mut plain: Vec<bool> = rows.clone().map(is_plain).collect();
        for column in &self.columns {
            if let Ints::Const(kind::LIVE | kind::EXPIRING) = column.kinds {
                continue;
            }
            for place in column.places(rows.clone()) {
                if !kind::is_plain(column.kinds.get(place)) {
                    plain[column.row_of(place) - rows.start] = false;
                }
            }
        }
        plain
    }

    /// The oldest and the newest timestamp of anything in rows that are plain, microseconds; of none the largest and the
    /// least there is.
    pub fn timestamps(&self, rows: Range<usize>) -> (i64, i64) {
        let mut ends = (i64::MAX, i64::MIN);
        let mut take = |it: i64| ends = (ends.0.min(it), ends.1.max(it));
        // That of a row is that of its marker or of its first cell.
        rows.clone().for_each(|at| take(self.times.get(at)));
        for column in self.columns.iter().filter(|it| it.times != Ints::Const(0)) {
            for place in column.places(rows.clone()) {
                take(self.times.get(column.row_of(place)).wrapping_add(column.times.get(place)));
            }
        }
        ends
    }

    /// How much there is of rows that are plain.
    #[inline]
    pub fn amount(&self, rows: Range<usize>) -> Amount {
        let mut amount =
            Amount { rows: rows.len(), cells: 0, bytes: self.keys.bytes_of(rows.clone()) };
        for column in &self.columns {
            let cells = column.places(rows.clone());
            amount.cells += cells.len();
            let first = if cells.is_empty() { 0 } else { column.value_of(cells.start) };
            amount.bytes += column.values.bytes_of(first..first + cells.len());
        }
        amount
    }

    /// Shows what rows that are plain have in a column at `now` (seconds).
    #[inline]
    pub fn each_value<E>(
        &self,
        rows: Range<usize>,
        column: ColumnId,
        now: i64,
        mut visit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Ok(found) = self.columns.binary_search_by_key(&column, |it| it.id) else {
            return Ok(());
        };
        let column = &self.columns[found];
        let mut cells = column.places(rows);
        if self.settled_until <= now {
            let time = |place| self.times.get(column.row_of(place));
            return cells.try_for_each(|it| match column.is_live(it, time(it), now) {
                true => visit(column.values.bytes(column.value_of(it))),
                false => Ok(()),
            });
        }
        // All of them have values, so these follow each other.
        let first = if cells.is_empty() { 0 } else { column.value_of(cells.start) };
        column.values.each(first..first + cells.len(), visit)
    }

    /// The rows, one by one.
    pub fn make(&self, rows: Range<usize>) -> Vec<(Clustering, Row)> {
        let everywhere = self.columns.iter().filter(|it| it.rows.is_none()).count();
        let bare = rows.clone().map(|at| {
            let (liveness, deletion) = self.head(at);
            let cells = Vec::with_capacity(everywhere);
            let row = Row { liveness, deletion, cells, elements: Vec::new() };
            (Clustering(self.keys.get(at)), row)
        });
        let mut made: Vec<(Clustering, Row)> = bare.collect();
        for column in &self.columns {
            for place in column.places(rows.clone()) {
                let row = column.row_of(place);
                column.put(&mut made[row - rows.start].1, place, self.times.get(row));
            }
        }
        made
    }

    /// Makes one row of another one, whose memory is used again.
    pub(crate) fn make_into(&self, at: usize, row: &mut Row) {
        (row.liveness, row.deletion) = self.head(at);
        row.cells.clear();
        row.elements.clear();
        for column in &self.columns {
            if let Some(place) = column.at(at) {
                column.put(row, place, self.times.get(at));
            }
        }
    }

    /// Marker and deletion of a row.
    pub(crate) fn head(&self, at: usize) -> (Option<Liveness>, Option<Deletion>) {
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

    /// Of a plain row: the cells of `column`, and which of them is the row's, if that has a value at `now` (seconds).
    // Always: for each value of each row a call takes as long as the look.
    #[inline(always)]
    pub(crate) fn place(&self, at: usize, column: ColumnId, now: i64) -> Option<(&Column, usize)> {
        let column = match &self.columns[..] {
            [only] if only.id == column => only,
            all => &all[all.binary_search_by_key(&column, |it| it.id).ok()?],
        };
        let place = column.at(at)?;
        let is_live = now < self.settled_until || column.is_live(place, self.times.get(at), now);
        is_live.then_some((column, place))
    }

    /// Memory taken beside the value itself and the bytes that it was read from.
    pub fn heap_bytes(&self) -> usize {
        let ints = [
            &self.times,
            &self.flags,
            &self.ttls,
            &self.begins,
            &self.deletion_times,
            &self.deleted_ats,
        ];
        let ranks = self.ranks.as_ref().map_or(0, |it| it.capacity() * size_of::<(u32, u32)>());
        self.keys.heap_bytes()
            + ints.into_iter().map(Ints::heap_bytes).sum::<usize>()
            + ranks
            + self.columns.capacity() * size_of::<Column>()
            + self.columns.iter().map(Column::heap_bytes).sum::<usize>()
    }
}

impl Column {
    /// Where the cells of `rows` are.
    #[inline]
    pub fn places(&self, rows: Range<usize>) -> Range<usize> {
        match &self.rows {
            None => rows,
            Some(present) => {
                let place = |row: usize| present.partition_point(|it| (*it as usize) < row);
                place(rows.start)..place(rows.end)
            }
        }
    }

    /// Whose the cell at `place` is.
    #[inline]
    pub fn row_of(&self, place: usize) -> usize {
        self.rows.as_ref().map_or(place, |it| it[place] as usize)
    }

    /// Which cell is that of a row.
    #[inline]
    fn at(&self, row: usize) -> Option<usize> {
        match &self.rows {
            None => Some(row),
            Some(rows) => rows.binary_search(&(row as u32)).ok(),
        }
    }

    /// The place of a cell in `values`, `ttls` and `seconds`.
    fn ranks_of(&self, place: usize) -> [usize; 3] {
        self.ranks.as_ref().map_or([place; 3], |it| it[place].map(|it| it as usize))
    }

    /// Which of the values a cell has that is not dead.
    #[inline]
    pub fn value_of(&self, place: usize) -> usize {
        self.ranks.as_ref().map_or(place, |it| it[place][0] as usize)
    }

    /// Puts what is at `place` into its row, which was written at `row_time`.
    fn put(&self, row: &mut Row, place: usize, row_time: i64) {
        if self.kinds.get(place) != kind::ELEMENTS {
            row.cells.push((self.id, self.cell(place, row_time)));
            return;
        }
        // Whoever made the column has looked at them.
        let elements = Elements::decode(self.values.get(self.value_of(place))).unwrap_or_default();
        row.elements.push((self.id, elements));
    }

    /// The cell at `place`, of a row written at `row_time`.
    fn cell(&self, place: usize, row_time: i64) -> Cell {
        let timestamp = row_time.wrapping_add(self.times.get(place));
        let kind = self.kinds.get(place);
        let [value, _, second] = self.ranks_of(place);
        let content = match kind {
            kind::LIVE => Content::Live { value: self.values.get(value) },
            kind::EXPIRING => {
                let (ttl, expires_at) = self.expiry(place, row_time);
                Content::Expiring { value: self.values.get(value), ttl, expires_at }
            }
            _ => {
                let deleted_at = second_of(timestamp).wrapping_add(self.seconds.get(second));
                Content::Dead { deleted_at }
            }
        };
        Cell { timestamp, content }
    }

    fn heap_bytes(&self) -> usize {
        let ints = [&self.times, &self.kinds, &self.ttls, &self.seconds];
        ints.into_iter().map(Ints::heap_bytes).sum::<usize>()
            + self.rows.as_ref().map_or(0, |it| it.capacity() * size_of::<u32>())
            + self.ranks.as_ref().map_or(0, |it| it.capacity() * size_of::<[u32; 3]>())
            + self.codes.as_ref().map_or(0, |it| it.values.heap_bytes())
            + self.values.heap_bytes()
    }
}
