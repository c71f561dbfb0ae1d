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

use model::{
    ColumnId, Rows,
    partial::{self, Asked, Partial, Sum, Summary, Values},
};

use crate::{
    Error, RowValues,
    functions::Moment,
    plan::{
        CellColumn,
        select::{Aggregate, Expr, Output, Select},
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
            let value = match (aggregate, argument(aggregate)) {
                (Aggregate::First(_), _) if 0 < self.rows => None,
                (_, Some(expr)) => view.evaluate(expr, moment)?,
                (_, None) => None,
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
        let of_cells = |it: &Aggregate| {
            let is_first = matches!(it, Aggregate::First(_));
            !is_first && argument(it).is_none_or(|it| cell_of(it).is_some())
        };
        if !aggregates.iter().all(of_cells) {
            return Ok(false);
        }
        for (state, aggregate) in self.states.iter_mut().zip(aggregates) {
            match (&mut *state, argument(aggregate).and_then(cell_of)) {
                (State::Count(count), None) => *count += live as i64,
                (_, Some(column)) => {
                    rows.each_value(column, now, |it| state.add(aggregate, Some(it)))?;
                }
                (State::Value(_) | State::Total(_), None) => {}
            }
        }
        self.rows += live as u64;
        Ok(true)
    }

    /// All rows that a partial tells of, `rows` of them.
    pub(crate) fn add_partial(
        &mut self,
        aggregates: &[Aggregate],
        asked: &Asked,
        partial: &Partial,
        rows: u64,
    ) -> Result<(), Error> {
        for (state, aggregate) in self.states.iter_mut().zip(aggregates) {
            let summary = argument(aggregate).and_then(cell_of).and_then(|column| {
                let at = asked.columns.binary_search_by_key(&column, |(id, _)| *id).ok()?;
                partial.columns.get(at)
            });
            match (state, summary) {
                (State::Count(count), None) => *count = count.saturating_add_unsigned(rows),
                (State::Count(count), Some(it)) => {
                    *count = count.saturating_add_unsigned(it.values());
                }
                (state @ State::Value(_), Some(it)) => {
                    let least = matches!(aggregate, Aggregate::Min(..));
                    let value = if least { it.least() } else { it.most() };
                    state.add(aggregate, value.as_deref())?;
                }
                (State::Total(total), Some(it)) => total.add_summary(it),
                (State::Value(_) | State::Total(_), None) => {}
            }
        }
        self.rows += rows;
        Ok(())
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

/// What replicas may fold of all rows that are read instead of answering them; `None` where rows must be looked at, because
/// more is asked for than aggregates of numbers in their cells.
pub(crate) fn asked(select: &Select) -> Option<Asked> {
    let Output::Aggregate(aggregates) = &select.output else { return None };
    if select.is_virtual {
        return None;
    }
    let mut columns = Vec::new();
    for aggregate in aggregates {
        let expr = match aggregate {
            Aggregate::CountAll => continue,
            Aggregate::First(_) => return None,
            Aggregate::Count(_)
            | Aggregate::Min(..)
            | Aggregate::Max(..)
            | Aggregate::Sum(..)
            | Aggregate::Average(..) => argument(aggregate)?,
        };
        let id = cell_of(expr)?;
        let column = select.table.regulars.iter().find(|it| it.id == id)?;
        columns.push((id, partial::Number::of(&column.cql_type)?));
    }
    columns.sort_unstable_by_key(|(id, _)| *id);
    columns.dedup();
    // Whether answers are compared is not decided here.
    Some(Asked { columns, compared: false })
}

/// What an aggregate is about, if it is not about rows as such.
fn argument(aggregate: &Aggregate) -> Option<&Expr> {
    match aggregate {
        Aggregate::CountAll => None,
        Aggregate::Count(expr)
        | Aggregate::Min(expr, _)
        | Aggregate::Max(expr, _)
        | Aggregate::Sum(expr, _)
        | Aggregate::Average(expr, _)
        | Aggregate::First(expr) => Some(expr),
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
    floats: Sum,
    /// Of numbers of any length.
    exact: Option<Decimal>,
}

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
                self.floats.add(f64::from(f32::from_be_bytes(bytes)));
            }
            Some(Number::Double) => {
                let Ok(bytes) = bytes.try_into() else { return Ok(()) };
                self.floats.add(f64::from_be_bytes(bytes));
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

    /// Values of which these are known.
    fn add_summary(&mut self, summary: &Summary) {
        match &summary.numbers {
            Values::I8(it) | Values::I16(it) | Values::I32(it) | Values::I64(it) => {
                self.integers = self.integers.wrapping_add(it.sum);
            }
            Values::F64(it) => self.floats.merge(&it.sum),
        }
        self.count = self.count.saturating_add_unsigned(summary.count());
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

    fn sum(&self, number: Number) -> Bytes {
        match number {
            Number::Integer(size) => narrow(self.integers, size),
            Number::Float | Number::Double => real(self.floats.divided(1.0), number),
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
            Number::Float | Number::Double => real(self.floats.divided(count as f64), number),
            // Cut towards zero, as the other integers are.
            Number::Varint => serialized(&Value::Varint(self.digits() / count)),
            Number::Decimal => serialized(&Value::Decimal(self.exact().part(count))),
        }
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

#[cfg(test)]
mod tests;
