//! What is known of some values of one column.

use std::{cmp::Ordering, convert::Infallible};

use super::{Number, Sum};
use crate::{
    codec::{Malformed, Reader, Writer},
    rows::Rows,
    schema::ColumnId,
};

/// What is known of some values of one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Those that are empty: values, below all others, and no numbers.
    pub empty: u64,
    /// Those that are neither empty nor of the length that their type has. More than how many there are
    /// is not known of them: whoever meets one must look at the values.
    pub odd: u64,
    /// The others.
    pub numbers: Values,
}

/// Numbers, by how they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Integers of one byte.
    I8(Integers),
    /// Of two.
    I16(Integers),
    /// Of four.
    I32(Integers),
    /// Of eight.
    I64(Integers),
    /// Doubles.
    F64(Doubles),
}

/// Some integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integers {
    /// How many.
    pub count: u64,
    /// The least; of none the greatest that there is.
    pub least: i64,
    /// The greatest; of none the least that there is.
    pub most: i64,
    /// All of them added up: 2^63 of them fit.
    pub sum: i128,
}

/// Some doubles.
#[derive(Clone, Copy, Debug)]
pub struct Doubles {
    /// How many.
    pub count: u64,
    /// The least, as CQL compares them, the first of those that are equal; of none infinity.
    pub least: f64,
    /// The greatest, likewise; of none negative infinity.
    pub most: f64,
    /// All of them added up.
    pub sum: Sum,
}

impl Summary {
    /// Of no value.
    pub fn new(number: Number) -> Summary {
        let numbers = match number {
            Number::I8 => Values::I8(Integers::NONE),
            Number::I16 => Values::I16(Integers::NONE),
            Number::I32 => Values::I32(Integers::NONE),
            Number::I64 => Values::I64(Integers::NONE),
            Number::F64 => Values::F64(Doubles::NONE),
        };
        Summary { empty: 0, odd: 0, numbers }
    }

    /// One more serialized value.
    #[inline]
    pub fn add(&mut self, bytes: &[u8]) {
        let is_number = match &mut self.numbers {
            Values::I8(it) => fixed(bytes).map(|bytes| it.add(i8::from_be_bytes(bytes).into())),
            Values::I16(it) => fixed(bytes).map(|bytes| it.add(i16::from_be_bytes(bytes).into())),
            Values::I32(it) => fixed(bytes).map(|bytes| it.add(i32::from_be_bytes(bytes).into())),
            Values::I64(it) => fixed(bytes).map(|bytes| it.add(i64::from_be_bytes(bytes))),
            Values::F64(it) => fixed(bytes).map(|bytes| it.add(f64::from_be_bytes(bytes))),
        };
        if is_number.is_none() {
            self.add_other(bytes);
        }
    }

    /// What the rows of a list that live at `now` (seconds) have in a column.
    pub fn add_column(&mut self, rows: &Rows, column: ColumnId, now: i64) {
        let (mut empty, mut odd) = (0, 0);
        let other = |bytes: &[u8]| if bytes.is_empty() { empty += 1 } else { odd += 1 };
        // What differs is told apart out here, not at each value.
        match &mut self.numbers {
            Values::I8(it) => {
                let add = |bytes| it.add(i8::from_be_bytes(bytes).into());
                each(rows, column, now, add, other);
            }
            Values::I16(it) => {
                let add = |bytes| it.add(i16::from_be_bytes(bytes).into());
                each(rows, column, now, add, other);
            }
            Values::I32(it) => {
                let add = |bytes| it.add(i32::from_be_bytes(bytes).into());
                each(rows, column, now, add, other);
            }
            Values::I64(it) => {
                let add = |bytes| it.add(i64::from_be_bytes(bytes));
                each(rows, column, now, add, other);
            }
            Values::F64(it) => {
                let add = |bytes| it.add(f64::from_be_bytes(bytes));
                each(rows, column, now, add, other);
            }
        }
        self.empty += empty;
        self.odd += odd;
    }

    /// The values of another one come behind. It is of the same column.
    pub fn merge(&mut self, next: &Summary) {
        self.empty = self.empty.saturating_add(next.empty);
        self.odd = self.odd.saturating_add(next.odd);
        match (&mut self.numbers, &next.numbers) {
            (Values::I8(ours), Values::I8(theirs))
            | (Values::I16(ours), Values::I16(theirs))
            | (Values::I32(ours), Values::I32(theirs))
            | (Values::I64(ours), Values::I64(theirs)) => ours.merge(theirs),
            (Values::F64(ours), Values::F64(theirs)) => ours.merge(theirs),
            (ours, theirs) => debug_assert!(false, "{ours:?} and {theirs:?} are of two columns"),
        }
    }

    /// How the numbers are read.
    pub fn number(&self) -> Number {
        match self.numbers {
            Values::I8(_) => Number::I8,
            Values::I16(_) => Number::I16,
            Values::I32(_) => Number::I32,
            Values::I64(_) => Number::I64,
            Values::F64(_) => Number::F64,
        }
    }

    /// How many values there are, of whatever length.
    pub fn values(&self) -> u64 {
        self.empty.saturating_add(self.odd).saturating_add(self.count())
    }

    /// How many numbers there are.
    pub fn count(&self) -> u64 {
        match &self.numbers {
            Values::I8(it) | Values::I16(it) | Values::I32(it) | Values::I64(it) => it.count,
            Values::F64(it) => it.count,
        }
    }

    /// The least value, serialized. None of them is odd.
    pub fn least(&self) -> Option<Vec<u8>> {
        if 0 < self.empty { Some(Vec::new()) } else { self.written(|it| it.least, |it| it.least) }
    }

    /// The greatest value, serialized. None of them is odd.
    pub fn most(&self) -> Option<Vec<u8>> {
        let empty = (0 < self.empty).then(Vec::new);
        self.written(|it| it.most, |it| it.most).or(empty)
    }

    /// One of the numbers, if there are any, serialized.
    fn written(
        &self,
        integer: impl Fn(&Integers) -> i64,
        double: impl Fn(&Doubles) -> f64,
    ) -> Option<Vec<u8>> {
        if self.count() == 0 {
            return None;
        }
        let bytes = match &self.numbers {
            Values::I8(it) | Values::I16(it) | Values::I32(it) | Values::I64(it) => {
                integer(it).to_be_bytes()
            }
            Values::F64(it) => double(it).to_be_bytes(),
        };
        Some(bytes[8 - self.number().size()..].to_vec())
    }

    #[cold]
    fn add_other(&mut self, bytes: &[u8]) {
        let count = if bytes.is_empty() { &mut self.empty } else { &mut self.odd };
        *count += 1;
    }

    /// The encoding: `docs/formats/read.md`.
    pub fn write(&self, out: &mut Writer) {
        out.u8(self.number().code());
        [self.empty, self.odd, self.count()].into_iter().for_each(|it| out.uint(it));
        if self.count() == 0 {
            return;
        }
        match &self.numbers {
            Values::I8(it) | Values::I16(it) | Values::I32(it) | Values::I64(it) => {
                out.int(it.least);
                out.int(it.most);
                out.raw(&it.sum.to_be_bytes());
            }
            Values::F64(it) => it.parts().iter().for_each(|it| out.raw(&it.to_be_bytes())),
        }
    }

    /// Reads an encoding.
    ///
    /// # Errors
    /// Where the bytes are not what `write` writes, or no values are like that.
    pub fn read(reader: &mut Reader) -> Result<Summary, Malformed> {
        let mut summary = Summary::new(Number::read(reader)?);
        summary.empty = reader.uint("count of empty values")?;
        summary.odd = reader.uint("count of odd values")?;
        let count = reader.uint("count of numbers")?;
        if COUNT_MAX < summary.empty.max(summary.odd).max(count) {
            return Err(reader.malformed("count of values"));
        }
        if count == 0 {
            return Ok(summary);
        }
        let bits = 8 * summary.number().size();
        match &mut summary.numbers {
            Values::I8(it) | Values::I16(it) | Values::I32(it) | Values::I64(it) => {
                *it = Integers::read(reader, count)?;
                let fits = |value: i64| value << (64 - bits) >> (64 - bits) == value;
                if !fits(it.least) || !fits(it.most) {
                    return Err(reader.malformed("size of numbers"));
                }
            }
            Values::F64(it) => *it = Doubles::read(reader, count)?,
        }
        Ok(summary)
    }
}

/// Values that one answer can be about, at most: more than any disk holds, and so few that no sum of what answers say wraps.
const COUNT_MAX: u64 = 1 << 48;

fn fixed<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

/// Shows values of `N` bytes to `add`, all others to `other`.
#[inline]
fn each<const N: usize>(
    rows: &Rows,
    column: ColumnId,
    now: i64,
    mut add: impl FnMut([u8; N]),
    mut other: impl FnMut(&[u8]),
) {
    let Ok(()) = rows.each_value(column, now, |bytes| {
        match fixed(bytes) {
            Some(bytes) => add(bytes),
            None => other(bytes),
        }
        Ok::<(), Infallible>(())
    });
}

impl Integers {
    /// Of no integer.
    pub const NONE: Integers = Integers { count: 0, least: i64::MAX, most: i64::MIN, sum: 0 };

    /// One more.
    #[inline]
    pub fn add(&mut self, value: i64) {
        self.count += 1;
        self.least = self.least.min(value);
        self.most = self.most.max(value);
        self.sum += i128::from(value);
    }

    /// The integers of another one come behind.
    pub fn merge(&mut self, next: &Integers) {
        self.count = self.count.saturating_add(next.count);
        self.least = self.least.min(next.least);
        self.most = self.most.max(next.most);
        self.sum = self.sum.wrapping_add(next.sum);
    }

    fn read(reader: &mut Reader, count: u64) -> Result<Integers, Malformed> {
        let (least, most) = (reader.int("least integer")?, reader.int("greatest integer")?);
        let sum = reader.raw(16, "sum of integers")?;
        let sum = sum.first_chunk().ok_or_else(|| reader.malformed("sum of integers"))?;
        let sum = i128::from_be_bytes(*sum);
        let at_least = i128::from(least) * i128::from(count);
        let at_most = i128::from(most) * i128::from(count);
        if most < least || sum < at_least || at_most < sum {
            return Err(reader.malformed("sum of integers"));
        }
        Ok(Integers { count, least, most, sum })
    }
}

impl Doubles {
    /// Of no double.
    pub const NONE: Doubles =
        Doubles { count: 0, least: f64::INFINITY, most: f64::NEG_INFINITY, sum: Sum::NONE };

    /// One more.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.take(value, value, 1);
        self.sum.add(value);
    }

    /// The doubles of another one come behind.
    pub fn merge(&mut self, next: &Doubles) {
        if next.count == 0 {
            return;
        }
        self.take(next.least, next.most, next.count);
        self.sum.merge(&next.sum);
    }

    #[inline]
    fn take(&mut self, least: f64, most: f64, count: u64) {
        let is_first = self.count == 0;
        if is_first || compare(least, self.least).is_lt() {
            self.least = least;
        }
        if is_first || compare(most, self.most).is_gt() {
            self.most = most;
        }
        self.count = self.count.saturating_add(count);
    }

    fn parts(&self) -> [f64; 6] {
        let [sum, lost, scaled_sum, scaled_lost] = self.sum.parts();
        [self.least, self.most, sum, lost, scaled_sum, scaled_lost]
    }

    fn read(reader: &mut Reader, count: u64) -> Result<Doubles, Malformed> {
        let mut double = || {
            let bytes = reader.raw(8, "double")?;
            let bytes = bytes.first_chunk().ok_or_else(|| reader.malformed("double"))?;
            Ok(f64::from_be_bytes(*bytes))
        };
        let (least, most) = (double()?, double()?);
        let sum = Sum::from_parts([double()?, double()?, double()?, double()?]);
        if compare(most, least).is_lt() {
            return Err(reader.malformed("order of doubles"));
        }
        Ok(Doubles { count, least, most, sum })
    }
}

/// Equal where all that they know is, one NaN as good as another: which one a sum comes to is not defined.
impl PartialEq for Doubles {
    fn eq(&self, other: &Doubles) -> bool {
        let mut pairs = self.parts().into_iter().zip(other.parts());
        self.count == other.count
            && pairs.all(|(left, right)| {
                left.to_bits() == right.to_bits() || left.is_nan() && right.is_nan()
            })
    }
}

impl Eq for Doubles {}

/// As `cql_lite::value::compare` has it: `-0.0` below `0.0`, all NaNs equal and above everything.
#[inline]
fn compare(left: f64, right: f64) -> Ordering {
    match (left.is_nan(), right.is_nan()) {
        (false, false) => left.total_cmp(&right),
        (left, right) => left.cmp(&right),
    }
}
