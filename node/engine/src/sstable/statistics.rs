//! Block statistics: what the rows of a block come to, so that whoever wants no more than that need not read the block.
//!
//! ```text
//!   file    │ block 0 │ … │ block 127 │ page │ block 128 │ …
//!                └── an entry of each ───┘
//!   entry   how many rows · of each column of numbers how many, the least, the most, their sum
//! ```
//!
//! Only of blocks that are of one partition, and whose rows are settled for ever: what of the others lives depends on when
//! one asks. Nothing tells what eight bytes are, so they are doubles here if all of a column could well be, and integers
//! otherwise; whoever wants the other reads the block.
//!
//! In a page the entries are columns again, of integers and doubles as in a block: a block takes about ten bytes.

use std::sync::Arc;

use bytes::Bytes;
use model::ColumnId;
use model::codec::{Malformed, Reader, Writer};
use model::partial::{Doubles, Integers, Number, Partial, Sum, Summary, Values};
use model::read::Fold;

use super::block::{self, ROWS_MAX};
use super::format::Extent;
use super::pages::{Directory, PAGE, Pages};
use crate::shelf::{Shared, Shelf};

/// Rows of a block from which on it has statistics: of fewer they would be more than a hundredth of what points take, and spare
/// little.
pub(super) const ROWS_MIN: usize = 200;

/// Blocks of a page.
const BLOCKS_MAX: usize = 128;

/// Blocks with statistics that a page has at least: of fewer it takes more than it spares.
const BLOCKS_MIN: usize = 4;

/// The second byte of a page. In that place a filter of rows has how many bits it tests, which is one at least.
const KIND: u8 = 0;

/// In the place of how long integers are.
const DOUBLES: u8 = 0;

/// What a sum leaves out of the last place of its double is told in so many parts of that.
const PARTS: f64 = 256.0;

/// Of these: half a place would be that of another double.
const PARTS_MAX: f64 = 127.0;

/// What the rows of a block come to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Statistics {
    pub(super) rows: u64,
    /// Of each column that has numbers here and nothing else, ascending.
    pub(super) columns: Box<[(ColumnId, Values)]>,
    /// Other columns have values here too.
    pub(super) has_others: bool,
}

impl Statistics {
    /// Adds what its rows come to, and how many they are. `None`, and nothing is added, where not all is known that is asked.
    pub(crate) fn add_to(&self, fold: &mut Fold) -> Option<u64> {
        let (partial, asked) = fold.partial();
        let of = |(id, number): &(ColumnId, Number)| self.summary(*id, *number);
        let columns = asked.columns.iter().map(of).collect::<Option<Vec<Summary>>>()?;
        partial.merge(&Partial { rows: self.rows, statics: 0, columns });
        Some(self.rows)
    }

    fn summary(&self, id: ColumnId, number: Number) -> Option<Summary> {
        let none = Summary::new(number);
        let Ok(at) = self.columns.binary_search_by_key(&id, |it| it.0) else {
            return (!self.has_others).then_some(none);
        };
        let mut numbers = self.columns[at].1;
        // Zeros are zeros however they are read.
        if let (Values::F64(it), Number::I64) = (&numbers, number)
            && are_zeros(it)
        {
            numbers = Values::I64(Integers { count: it.count, least: 0, most: 0, sum: 0 });
        }
        let found = Summary { numbers, ..none };
        (found.number() == number).then_some(found)
    }
}

fn are_zeros(doubles: &Doubles) -> bool {
    // Not those below zero: -0.0 is less than 0.0.
    [doubles.least, doubles.most].map(f64::to_bits) == [0; 2]
}

/// What some values come to, of which there is one at least: of this length, told as signed big-endian integers.
pub(super) fn values_of(len: usize, values: &[i64]) -> Values {
    let mut integers = Integers::NONE;
    let mut add = || values.iter().for_each(|it| integers.add(*it));
    match len {
        1 => {
            add();
            Values::I8(integers)
        }
        2 => {
            add();
            Values::I16(integers)
        }
        4 => {
            add();
            Values::I32(integers)
        }
        _ if values.iter().all(|it| may_be_double(*it)) => {
            let mut doubles = Doubles::NONE;
            values.iter().for_each(|it| doubles.add(f64::from_bits(it.cast_unsigned())));
            Values::F64(Doubles { sum: Told::of(&doubles.sum).sum(), ..doubles })
        }
        _ => {
            add();
            Values::I64(integers)
        }
    }
}

/// 2^256: hardly anything that is measured or counted is larger, or smaller than one over it.
const DOUBLE_MAX: f64 = 1.157_920_892_373_162e77;

/// Whether an integer may well be the bits of a double: of a zero, or of some size between 2^-256 and 2^256. But for zero none from
/// -2^61 to 2^61 is.
fn may_be_double(bits: i64) -> bool {
    let size = f64::from_bits(bits.cast_unsigned()).abs();
    size == 0.0 || (1.0 / DOUBLE_MAX..=DOUBLE_MAX).contains(&size)
}

/// A sum of doubles as a page has it.
#[derive(Clone, Copy)]
struct Told {
    /// The double next to it.
    double: f64,
    /// What lies between, in parts of that one's last place.
    parts: i64,
}

impl Told {
    fn of(sum: &Sum) -> Told {
        let double = sum.divided(1.0);
        let mut rest = *sum;
        rest.add(-double);
        let parts = rest.divided(1.0) / place_of(double) * PARTS;
        Told { double, parts: parts.round().clamp(-PARTS_MAX, PARTS_MAX) as i64 }
    }

    fn sum(self) -> Sum {
        let mut sum = Sum::NONE;
        sum.add(self.double);
        sum.add(self.parts as f64 / PARTS * place_of(self.double));
        sum
    }
}

/// How far the next double is away from zero.
fn place_of(double: f64) -> f64 {
    double.abs().next_up() - double.abs()
}

/// The statistics of blocks that are being written.
#[derive(Debug, Default)]
pub(super) struct Builder {
    blocks: Vec<Option<Statistics>>,
    /// Blocks since the last page that is there, before these.
    untold: u64,
    pages: Pages,
}

impl Builder {
    /// A block ends that has these statistics, if any. Whether a page should follow.
    pub(super) fn end_block(&mut self, statistics: Option<Statistics>) -> bool {
        self.blocks.push(statistics);
        self.blocks.len() == BLOCKS_MAX
    }

    /// The raw page of the blocks since the last one, if there is something to tell.
    pub(super) fn page(&self) -> Option<Bytes> {
        let told: Vec<&Statistics> = self.blocks.iter().flatten().collect();
        if told.len() < BLOCKS_MIN {
            return None;
        }
        let mut out = Writer::default();
        out.u8(PAGE);
        out.u8(KIND);
        out.uint(self.blocks.len() as u64);
        let rows = self.blocks.iter().map(|it| it.as_ref().map_or(0, |it| it.rows as i64));
        block::put_ints(&mut out, &rows.collect::<Vec<_>>());
        let others = told.iter().map(|it| i64::from(it.has_others));
        block::put_ints(&mut out, &others.collect::<Vec<_>>());
        let columns = told.iter().flat_map(|it| &it.columns).map(|(id, it)| (*id, kind_of(it)));
        let mut columns: Vec<(ColumnId, u8)> = columns.collect();
        columns.sort_unstable();
        columns.dedup();
        out.uint(columns.len() as u64);
        let mut last = 0;
        for (id, kind) in columns {
            out.uint(u64::from(id.0 - last));
            last = id.0;
            out.u8(kind);
            put_column(&mut out, &told, id, kind);
        }
        Some(out.finish())
    }

    /// The page that was asked for was written there, or nowhere.
    pub(super) fn end_page(&mut self, extent: Option<Extent>) {
        let blocks = self.blocks.len() as u64;
        self.blocks.clear();
        if extent.is_none() {
            self.untold += blocks;
            return;
        }
        self.pages.push(std::mem::take(&mut self.untold), None);
        self.pages.push(blocks, extent);
    }

    /// Where all pages lie.
    pub(super) fn pages(&self) -> &Pages {
        &self.pages
    }
}

fn kind_of(values: &Values) -> u8 {
    match values {
        Values::I8(_) => 1,
        Values::I16(_) => 2,
        Values::I32(_) => 4,
        Values::I64(_) => 8,
        Values::F64(_) => DOUBLES,
    }
}

/// What a column of this kind comes to in the blocks of `told`.
fn put_column(out: &mut Writer, told: &[&Statistics], id: ColumnId, kind: u8) {
    let mut missing = Vec::with_capacity(told.len());
    let (mut integers, mut doubles) = (Vec::new(), Vec::new());
    for it in told {
        let found = it.columns.binary_search_by_key(&id, |it| it.0).ok();
        let found = found.map(|at| &it.columns[at].1).filter(|it| kind_of(it) == kind);
        let count = match found {
            Some(Values::I8(it) | Values::I16(it) | Values::I32(it) | Values::I64(it)) => {
                integers.push(it);
                it.count
            }
            Some(Values::F64(it)) => {
                doubles.push(it);
                it.count
            }
            None => 0,
        };
        missing.push((it.rows - count) as i64);
    }
    block::put_ints(out, &missing);
    if kind == DOUBLES {
        let told: Vec<Told> = doubles.iter().map(|it| Told::of(&it.sum)).collect();
        let mut put = |of: &dyn Fn(usize) -> f64| {
            block::put_doubles(out, &(0..doubles.len()).map(of).collect::<Vec<_>>());
        };
        put(&|at| doubles[at].least);
        put(&|at| doubles[at].most);
        put(&|at| told[at].double);
        block::put_ints(out, &told.iter().map(|it| it.parts).collect::<Vec<_>>());
        return;
    }
    let mut put = |of: &dyn Fn(&Integers) -> i64| {
        block::put_ints(out, &integers.iter().map(|it| of(it)).collect::<Vec<_>>());
    };
    put(&|it| it.least);
    put(&|it| it.most.wrapping_sub(it.least));
    put(&|it| (average(it) as i64).wrapping_sub(it.least));
    put(&|it| (it.sum - average(it) * i128::from(it.count)) as i64);
}

/// Without what is left over.
fn average(integers: &Integers) -> i128 {
    integers.sum.div_euclid(i128::from(integers.count))
}

/// The statistics of some blocks that follow each other.
#[derive(Debug, PartialEq)]
pub(crate) struct Page(pub(crate) Box<[Option<Statistics>]>);

impl Shared for Arc<Page> {
    fn is_same(&self, other: &Arc<Page>) -> bool {
        Arc::ptr_eq(self, other)
    }
}

impl Page {
    /// Reads what `Builder::page` wrote.
    ///
    /// # Errors
    /// Where the bytes are not what it writes.
    pub(crate) fn decode(raw: Bytes) -> Result<Page, Malformed> {
        let mut reader = Reader::new(raw);
        if reader.u8("page")? != PAGE || reader.u8("kind of page")? != KIND {
            return Err(reader.malformed("kind of page"));
        }
        let count = usize::try_from(reader.uint("blocks of a page")?).unwrap_or(usize::MAX);
        if !(BLOCKS_MIN..=BLOCKS_MAX).contains(&count) {
            return Err(reader.malformed("blocks of a page"));
        }
        let rows = read_ints(&mut reader, count, 0, ROWS_MAX as i64)?;
        let told = rows.iter().filter(|it| **it > 0).count();
        let others = read_ints(&mut reader, told, 0, 1)?;
        let mut columns: Vec<Vec<(ColumnId, Values)>> = vec![Vec::new(); told];
        let told_rows: Vec<i64> = rows.iter().copied().filter(|it| *it > 0).collect();
        let mut last: Option<(ColumnId, u8)> = None;
        for _ in 0..reader.count(COLUMN_BYTES_MIN, "number of columns")? {
            let id = reader.uint("column")?.checked_add(last.map_or(0, |it| it.0.0.into()));
            let id = id.and_then(|it| u32::try_from(it).ok()).map(ColumnId);
            let column = (id.ok_or_else(|| reader.malformed("column"))?, reader.u8("kind")?);
            if last.is_some_and(|it| column <= it) {
                return Err(reader.malformed("order of columns"));
            }
            last = Some(column);
            read_column(&mut reader, column, &told_rows, &mut columns)?;
        }
        if !reader.is_done() {
            return Err(reader.malformed("end of a page"));
        }
        let mut told = columns.into_iter().zip(others);
        let blocks = rows.into_iter().map(|rows| {
            let (columns, others) = if rows > 0 { told.next()? } else { return None };
            Some(Statistics { rows: rows as u64, columns: columns.into(), has_others: others == 1 })
        });
        Ok(Page(blocks.collect()))
    }

    /// Memory taken, bytes, about.
    pub(crate) fn bytes(&self) -> u64 {
        let columns = self.0.iter().flatten().map(|it| size_of_val(&*it.columns));
        (size_of_val(&*self.0) + columns.sum::<usize>()) as u64
    }
}

/// Where the pages of an open sstable lie, in the file and in memory.
#[derive(Debug)]
pub(crate) struct Located {
    pages: Directory,
    pub(crate) shelf: Arc<Shelf<Arc<Page>>>,
}

impl Located {
    pub(crate) fn new(pages: &Pages) -> Located {
        Located { pages: Directory::new(&pages.0), shelf: Arc::new(Shelf::new(pages.0.len())) }
    }

    /// Whether nothing is told of any block.
    pub(crate) fn is_empty(&self) -> bool {
        self.pages.len() == 0
    }

    /// The page of block `at`, if it has one: its number, and where it lies.
    pub(crate) fn page_of(&self, at: usize) -> Option<(u32, Extent)> {
        self.pages.page_of(at).map(|(page, extent)| (page as u32, extent))
    }

    /// The first block of a page.
    pub(crate) fn first_of(&self, page: u32) -> usize {
        self.pages.first_of(page as usize)
    }
}

/// Bytes of a column at least.
const COLUMN_BYTES_MIN: usize = 4;

/// Integers that lie between `least` and `most`.
fn read_ints(
    reader: &mut Reader,
    count: usize,
    least: i64,
    most: i64,
) -> Result<Vec<i64>, Malformed> {
    let found = block::read_ints(reader, count)?;
    let found: Vec<i64> = (0..count).map(|at| found.get(at)).collect();
    match found.iter().all(|it| (least..=most).contains(it)) {
        true => Ok(found),
        false => Err(reader.malformed("integers of statistics")),
    }
}

/// Reads what `put_column` wrote, of blocks of so many rows.
fn read_column(
    reader: &mut Reader,
    (id, kind): (ColumnId, u8),
    rows: &[i64],
    columns: &mut [Vec<(ColumnId, Values)>],
) -> Result<(), Malformed> {
    let missing = read_ints(reader, rows.len(), 0, ROWS_MAX as i64)?;
    let counts: Vec<i64> = rows.iter().zip(missing).map(|(rows, missing)| rows - missing).collect();
    let blocks = || (0..counts.len()).filter(|at| counts[*at] != 0);
    let len = blocks().count();
    if counts.iter().any(|it| *it < 0) {
        return Err(reader.malformed("cells of statistics"));
    }
    let mut put = |block: usize, values: Values| {
        let is_new = columns[block].last().is_none_or(|it| it.0 < id);
        columns[block].push((id, values));
        is_new
    };
    let mut is_sound = true;
    if kind == DOUBLES {
        let least = block::read_doubles(reader, len)?;
        let most = block::read_doubles(reader, len)?;
        let sums = block::read_doubles(reader, len)?;
        let parts = read_ints(reader, len, -(PARTS_MAX as i64), PARTS_MAX as i64)?;
        for (at, block) in blocks().enumerate() {
            let sum = Told { double: sums[at], parts: parts[at] }.sum();
            let (least, most) = (least[at], most[at]);
            let are_numbers = [least, most, sums[at]].into_iter().all(f64::is_finite);
            is_sound &= are_numbers && least.total_cmp(&most).is_le();
            let count = counts[block] as u64;
            is_sound &= put(block, Values::F64(Doubles { count, least, most, sum }));
        }
    } else {
        let values: fn(Integers) -> Values = match kind {
            1 => Values::I8,
            2 => Values::I16,
            4 => Values::I32,
            8 => Values::I64,
            _ => return Err(reader.malformed("kind of numbers")),
        };
        let unused = 64 - 8 * u32::from(kind);
        let least = block::read_ints(reader, len)?;
        let spread = block::read_ints(reader, len)?;
        let average = block::read_ints(reader, len)?;
        let rest = read_ints(reader, len, 0, ROWS_MAX as i64)?;
        for (at, block) in blocks().enumerate() {
            let least = least.get(at);
            let most = least.wrapping_add(spread.get(at));
            let average = least.wrapping_add(average.get(at));
            is_sound &= least <= average && average <= most && rest[at] < counts[block];
            is_sound &= [least, most].into_iter().all(|it| it << unused >> unused == it);
            let count = counts[block] as u64;
            let sum = i128::from(average) * i128::from(count) + i128::from(rest[at]);
            is_sound &= put(block, values(Integers { count, least, most, sum }));
        }
    }
    if is_sound { Ok(()) } else { Err(reader.malformed("statistics")) }
}

#[cfg(test)]
mod tests;
