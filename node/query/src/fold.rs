//! Aggregates: what is known after some rows, and the one row that comes of it.
//!
//! As in Cassandra, `sum` and `avg` answer the type they are asked about: a sum wraps where its
//! type ends, an average is cut towards zero, and of no value at all both are 0.

use bytes::Bytes;
use cql_lite::{
    code::Code,
    types::{CqlType, NativeType},
    value::{self, BigInt, Decimal, Value},
};

use model::{ColumnId, Rows};

use crate::{
    Error, RowValues,
    functions::Moment,
    plan::{
        CellColumn,
        select::{Aggregate, Expr},
    },
    row::View,
};

/// What aggregates know after some rows.
pub(crate) struct Folded {
    states: Vec<State>,
    rows: u64,
}

/// What one aggregate knows.
enum State {
    Count(i64),
    Value(Option<Vec<u8>>),
    Total(Total),
}

impl Folded {
    /// After no row.
    pub(crate) fn new(aggregates: &[Aggregate]) -> Folded {
        let state = |it: &Aggregate| match it {
            Aggregate::CountAll | Aggregate::Count(_) => State::Count(0),
            Aggregate::Min(..) | Aggregate::Max(..) | Aggregate::First(_) => State::Value(None),
            Aggregate::Sum(..) | Aggregate::Average(..) => State::Total(Total::default()),
        };
        Folded { states: aggregates.iter().map(state).collect(), rows: 0 }
    }

    /// One more row.
    pub(crate) fn add(
        &mut self,
        aggregates: &[Aggregate],
        view: &View<'_>,
        moment: &Moment<'_>,
    ) -> Result<(), Error> {
        for (state, aggregate) in self.states.iter_mut().zip(aggregates) {
            let value = match aggregate {
                Aggregate::CountAll => None,
                Aggregate::First(_) if 0 < self.rows => None,
                Aggregate::Count(expr)
                | Aggregate::Min(expr, _)
                | Aggregate::Max(expr, _)
                | Aggregate::Sum(expr, _)
                | Aggregate::Average(expr, _)
                | Aggregate::First(expr) => view.evaluate(expr, moment)?,
            };
            state.add(aggregate, value.as_deref())?;
        }
        self.rows += 1;
        Ok(())
    }

    /// All live rows of a list, `live` of them, column by column. `false`, and nothing happened, where the aggregates are
    /// about more than cells of rows.
    pub(crate) fn add_all(
        &mut self,
        aggregates: &[Aggregate],
        rows: &Rows,
        live: usize,
        now: i64,
    ) -> Result<bool, Error> {
        let of_cells = |it: &Aggregate| match it {
            Aggregate::CountAll => true,
            Aggregate::Count(expr)
            | Aggregate::Min(expr, _)
            | Aggregate::Max(expr, _)
            | Aggregate::Sum(expr, _)
            | Aggregate::Average(expr, _) => cell_of(expr).is_some(),
            Aggregate::First(_) => false,
        };
        if !aggregates.iter().all(of_cells) {
            return Ok(false);
        }
        for (state, aggregate) in self.states.iter_mut().zip(aggregates) {
            match (&mut *state, aggregate) {
                (State::Count(count), Aggregate::CountAll) => *count += live as i64,
                (
                    _,
                    Aggregate::Count(expr)
                    | Aggregate::Min(expr, _)
                    | Aggregate::Max(expr, _)
                    | Aggregate::Sum(expr, _)
                    | Aggregate::Average(expr, _),
                ) => {
                    let Some(column) = cell_of(expr) else { continue };
                    rows.each_value(column, now, |it| state.add(aggregate, Some(it)))?;
                }
                (_, Aggregate::CountAll | Aggregate::First(_)) => {}
            }
        }
        self.rows += live as u64;
        Ok(true)
    }

    /// The one row of the result.
    pub(crate) fn finish(self, aggregates: &[Aggregate]) -> RowValues {
        let mut values = RowValues::default();
        for (state, aggregate) in self.states.into_iter().zip(aggregates) {
            values.put(state.finish(aggregate).as_deref());
        }
        values.end_row();
        values
    }
}

/// The column of rows whose cell an expression is.
fn cell_of(expr: &Expr) -> Option<ColumnId> {
    match expr {
        Expr::Cell(CellColumn { id, is_static: false }) => Some(*id),
        Expr::Cell(_)
        | Expr::Partition(_)
        | Expr::Clustering(_)
        | Expr::Elements(..)
        | Expr::Element(..)
        | Expr::Field(..)
        | Expr::Slice(..)
        | Expr::Property(..)
        | Expr::Call(..) => None,
    }
}

impl State {
    /// One more row, where the aggregate's argument has this value.
    fn add(&mut self, aggregate: &Aggregate, value: Option<&[u8]>) -> Result<(), Error> {
        match (self, value) {
            (State::Count(count), value) => {
                *count += i64::from(matches!(aggregate, Aggregate::CountAll) || value.is_some());
            }
            (State::Value(best), Some(value)) => {
                let wins = best.as_ref().is_none_or(|best| beats(aggregate, value, best));
                if wins {
                    let best = best.get_or_insert_default();
                    best.clear();
                    best.extend_from_slice(value);
                }
            }
            (State::Total(total), Some(value)) => total.add(value, Number::of(aggregate))?,
            (State::Value(_) | State::Total(_), None) => {}
        }
        Ok(())
    }

    fn finish(self, aggregate: &Aggregate) -> Option<Bytes> {
        match self {
            State::Count(count) => Some(Bytes::copy_from_slice(&count.to_be_bytes())),
            State::Value(value) => value.map(Bytes::from),
            State::Total(total) => {
                let number = Number::of(aggregate)?;
                let is_average = matches!(aggregate, Aggregate::Average(..));
                Some(if is_average { total.average(number) } else { total.sum(number) })
            }
        }
    }
}

/// Whether a value takes the place of the best one so far.
fn beats(aggregate: &Aggregate, value: &[u8], best: &[u8]) -> bool {
    match aggregate {
        Aggregate::Min(_, cql_type) => value::compare(cql_type, value, best).is_lt(),
        Aggregate::Max(_, cql_type) => value::compare(cql_type, value, best).is_gt(),
        Aggregate::CountAll
        | Aggregate::Count(_)
        | Aggregate::Sum(..)
        | Aggregate::Average(..)
        | Aggregate::First(_) => false,
    }
}

/// The types that can be added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// Integers of so many bytes.
    Integer(usize),
    /// `float`
    Float,
    /// `double`
    Double,
    /// `varint`
    Varint,
    /// `decimal`
    Decimal,
}

impl Number {
    /// The number that a type is; none for those that cannot be added up.
    pub(crate) fn from_type(cql_type: &CqlType) -> Option<Number> {
        match cql_type.native()? {
            NativeType::Tinyint => Some(Number::Integer(1)),
            NativeType::Smallint => Some(Number::Integer(2)),
            NativeType::Int => Some(Number::Integer(4)),
            NativeType::Bigint | NativeType::Counter => Some(Number::Integer(8)),
            NativeType::Float => Some(Number::Float),
            NativeType::Double => Some(Number::Double),
            NativeType::Varint => Some(Number::Varint),
            NativeType::Decimal => Some(Number::Decimal),
            NativeType::Ascii
            | NativeType::Blob
            | NativeType::Boolean
            | NativeType::Date
            | NativeType::Duration
            | NativeType::Inet
            | NativeType::Text
            | NativeType::Time
            | NativeType::Timestamp
            | NativeType::Timeuuid
            | NativeType::Uuid => None,
        }
    }

    fn of(aggregate: &Aggregate) -> Option<Number> {
        match aggregate {
            Aggregate::Sum(_, number) | Aggregate::Average(_, number) => Some(*number),
            Aggregate::CountAll
            | Aggregate::Count(_)
            | Aggregate::Min(..)
            | Aggregate::Max(..)
            | Aggregate::First(_) => None,
        }
    }
}

/// Values added up.
#[derive(Default)]
struct Total {
    /// How many.
    count: i64,
    /// Of integers. 2^63 values of 2^63 fit.
    integers: i128,
    /// Of the others.
    floats: Compensated,
    /// The same in units of 2^64, where a sum that `double` cannot hold still fits.
    floats_scaled: Compensated,
    /// Of numbers of any length.
    exact: Option<Decimal>,
}

/// 2^-64: multiplying by it loses nothing of the numbers that are large enough to matter.
const SCALE: f64 = 1.0 / 18_446_744_073_709_551_616.0;

impl Total {
    /// One more serialized value. One that is empty is no number.
    fn add(&mut self, bytes: &[u8], number: Option<Number>) -> Result<(), Error> {
        match number {
            Some(Number::Integer(size)) if size == bytes.len() => {
                // The sign fills what is in front of the value.
                let sign = if bytes[0] < 0x80 { 0 } else { 0xFF };
                let mut wide = [sign; 16];
                wide[16 - size..].copy_from_slice(bytes);
                self.integers += i128::from_be_bytes(wide);
            }
            Some(Number::Float) => {
                let Ok(bytes) = bytes.try_into() else { return Ok(()) };
                self.add_float(f64::from(f32::from_be_bytes(bytes)));
            }
            Some(Number::Double) => {
                let Ok(bytes) = bytes.try_into() else { return Ok(()) };
                self.add_float(f64::from_be_bytes(bytes));
            }
            Some(Number::Varint) => {
                return self.add_exact(Value::decode_native(NativeType::Varint, bytes));
            }
            Some(Number::Decimal) => {
                return self.add_exact(Value::decode_native(NativeType::Decimal, bytes));
            }
            Some(Number::Integer(_)) | None => return Ok(()),
        }
        self.count += 1;
        Ok(())
    }

    /// One more number of any length.
    fn add_exact(&mut self, value: Result<Value, value::Error>) -> Result<(), Error> {
        let more = match value {
            Ok(Value::Decimal(number)) => number,
            Ok(Value::Varint(number)) => Decimal::new(number, 0).map_err(too_long)?,
            Ok(_) | Err(_) => return Ok(()),
        };
        self.exact = Some(match self.exact.take() {
            Some(sum) => sum.plus(&more).map_err(too_long)?,
            None => more,
        });
        self.count += 1;
        Ok(())
    }

    fn add_float(&mut self, value: f64) {
        self.floats.add(value);
        self.floats_scaled.add(value * SCALE);
    }

    fn sum(&self, number: Number) -> Bytes {
        match number {
            Number::Integer(size) => narrow(self.integers, size),
            Number::Float | Number::Double => real(self.divided(1.0), number),
            Number::Varint => serialized(&Value::Varint(self.digits())),
            Number::Decimal => serialized(&Value::Decimal(self.exact())),
        }
    }

    fn digits(&self) -> BigInt {
        self.exact().unscaled().clone()
    }

    /// The exact sum, 0 of nothing.
    fn exact(&self) -> Decimal {
        self.exact.clone().unwrap_or_default()
    }

    fn average(&self, number: Number) -> Bytes {
        let count = self.count.max(1);
        match number {
            Number::Integer(size) => narrow(self.integers / i128::from(count), size),
            #[expect(clippy::cast_precision_loss, reason = "2^53 rows are more than a read has")]
            Number::Float | Number::Double => real(self.divided(count as f64), number),
            // Cut towards zero, as the other integers are.
            Number::Varint => serialized(&Value::Varint(self.digits() / count)),
            Number::Decimal => serialized(&Value::Decimal(self.exact().part(count))),
        }
    }

    fn divided(&self, count: f64) -> f64 {
        let plain = self.floats.value();
        if plain.is_finite() || !self.floats_scaled.value().is_finite() {
            return plain / count;
        }
        self.floats_scaled.value() / count / SCALE
    }
}

fn serialized(value: &Value) -> Bytes {
    value.encode().into()
}

/// The error for a sum that is no value any more.
fn too_long(error: value::Error) -> Error {
    Error::new(Code::TooLarge, format!("the sum cannot be written: {error}"))
}

/// The last `size` bytes of an integer: what does not fit wraps, as in Cassandra.
fn narrow(value: i128, size: usize) -> Bytes {
    Bytes::copy_from_slice(&value.to_be_bytes()[16 - size..])
}

#[expect(clippy::cast_possible_truncation, reason = "an answer about floats is a float")]
fn real(value: f64, number: Number) -> Bytes {
    match number {
        Number::Float => Bytes::copy_from_slice(&(value as f32).to_be_bytes()),
        Number::Double | Number::Integer(_) | Number::Varint | Number::Decimal => {
            Bytes::copy_from_slice(&value.to_be_bytes())
        }
    }
}

/// A sum that keeps what rounding loses (Neumaier's variant of Kahan's summation).
#[derive(Default)]
struct Compensated {
    sum: f64,
    lost: f64,
}

impl Compensated {
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += match self.sum.abs() >= value.abs() {
            true => (self.sum - sum) + value,
            false => (value - sum) + self.sum,
        };
        self.sum = sum;
    }

    /// The plain sum where infinities or NaN are among the values: nothing was lost there.
    fn value(&self) -> f64 {
        if self.lost.is_finite() { self.sum + self.lost } else { self.sum }
    }
}

#[cfg(test)]
mod tests;
