//! Partials: what aggregates need to know of some rows, so that these need not travel.
//!
//! ```text
//! rows ──► summary of each column asked for ─┐
//!      └─► how many they are ────────────────┴─► partial ──merge──► of all pieces of a read
//! ```
//!
//! A partial can be taken of any stretch of rows; those of stretches that follow each other merge to
//! that of all of them.

use cql_lite::types::{CqlType, NativeType};

use crate::{
    codec::{Malformed, Reader, Writer},
    encoding,
    rows::Rows,
    schema::ColumnId,
};

mod sum;
mod summary;

pub use sum::Sum;
pub use summary::{Doubles, Integers, Summary, Values};

/// How the bytes of a value are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Number {
    /// A signed integer of one byte; as all of these, the most significant byte first.
    I8,
    /// Of two bytes.
    I16,
    /// Of four.
    I32,
    /// Of eight.
    I64,
    /// An IEEE 754 number of eight bytes.
    F64,
}

impl Number {
    /// As they are written.
    const ALL: [Number; 5] = [Number::I8, Number::I16, Number::I32, Number::I64, Number::F64];

    /// How values of a type are read; `None` for those that are no such numbers.
    pub fn of(cql_type: &CqlType) -> Option<Number> {
        match cql_type.native()? {
            NativeType::Tinyint => Some(Number::I8),
            NativeType::Smallint => Some(Number::I16),
            NativeType::Int => Some(Number::I32),
            NativeType::Bigint | NativeType::Timestamp | NativeType::Time => Some(Number::I64),
            NativeType::Double => Some(Number::F64),
            // Counters are elements.
            NativeType::Counter
            | NativeType::Float
            | NativeType::Varint
            | NativeType::Decimal
            | NativeType::Ascii
            | NativeType::Blob
            | NativeType::Boolean
            | NativeType::Date
            | NativeType::Duration
            | NativeType::Inet
            | NativeType::Text
            | NativeType::Timeuuid
            | NativeType::Uuid => None,
        }
    }

    /// Bytes of a value.
    pub fn size(self) -> usize {
        match self {
            Number::I8 => 1,
            Number::I16 => 2,
            Number::I32 => 4,
            Number::I64 | Number::F64 => 8,
        }
    }

    /// As it is written: its place in a list.
    pub(crate) fn code(self) -> u8 {
        Number::ALL.iter().take_while(|it| **it != self).count() as u8
    }

    pub(crate) fn read(reader: &mut Reader) -> Result<Number, Malformed> {
        let number = Number::ALL.get(usize::from(reader.u8("kind of number")?)).copied();
        number.ok_or_else(|| reader.malformed("kind of number"))
    }
}

/// What is to be known of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The values of these columns: ascending, each once. Regular columns, none of them with elements.
    pub columns: Vec<(ColumnId, Number)>,
    /// Whether answers of several replicas are compared: then each says the digest of all live rows that
    /// it folded, since equal sums prove nothing.
    pub compared: bool,
}

impl Asked {
    /// The encoding: `docs/formats/read.md`.
    pub fn write(&self, out: &mut Writer) {
        out.u8(u8::from(self.compared));
        out.uint(self.columns.len() as u64);
        for (column, number) in &self.columns {
            out.uint(u64::from(column.0));
            out.u8(number.code());
        }
    }

    /// Reads an encoding.
    ///
    /// # Errors
    /// Where the bytes are not what `write` writes.
    pub fn read(reader: &mut Reader) -> Result<Asked, Malformed> {
        let compared = match reader.u8("whether partials are compared")? {
            0 => false,
            1 => true,
            _ => return Err(reader.malformed("whether partials are compared")),
        };
        let count = reader.count(2, "count of folded columns")?;
        let mut columns: Vec<(ColumnId, Number)> = encoding::vec(count);
        for _ in 0..count {
            let id = u32::try_from(reader.uint("folded column")?).map(ColumnId);
            let id = id.map_err(|_| reader.malformed("folded column"))?;
            if columns.last().is_some_and(|(last, _)| id <= *last) {
                return Err(reader.malformed("order of folded columns"));
            }
            columns.push((id, Number::read(reader)?));
        }
        Ok(Asked { columns, compared })
    }
}

/// What is known of some rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partial {
    /// How many live ones there are.
    pub rows: u64,
    /// How many partitions there are of live statics and no live row.
    pub statics: u64,
    /// Of their values, for each column asked for, in that order.
    pub columns: Vec<Summary>,
}

/// Bytes of a summary that is written, at least.
const SUMMARY_BYTES_MIN: usize = 4;

impl Partial {
    /// Of no rows.
    pub fn new(asked: &Asked) -> Partial {
        let columns = asked.columns.iter().map(|(_, number)| Summary::new(*number)).collect();
        Partial { rows: 0, statics: 0, columns }
    }

    /// Those of a list that live at `now` (seconds) come behind.
    pub fn add(&mut self, asked: &Asked, rows: &Rows, now: i64) {
        self.rows = self.rows.saturating_add(rows.live(now) as u64);
        for ((column, _), summary) in asked.columns.iter().zip(&mut self.columns) {
            summary.add_column(rows, *column, now);
        }
    }

    /// The rows of another one come behind.
    pub fn merge(&mut self, next: &Partial) {
        self.rows = self.rows.saturating_add(next.rows);
        self.statics = self.statics.saturating_add(next.statics);
        self.columns.iter_mut().zip(&next.columns).for_each(|(ours, theirs)| ours.merge(theirs));
    }

    /// Whether it is an answer to this.
    pub fn answers(&self, asked: &Asked) -> bool {
        let numbers = self.columns.iter().map(Summary::number);
        numbers.eq(asked.columns.iter().map(|(_, number)| *number))
    }

    /// Whether it says all that can be known: not where a value was of no length that its type has.
    pub fn is_whole(&self) -> bool {
        self.columns.iter().all(|it| it.odd == 0)
    }

    /// The encoding: `docs/formats/read.md`.
    pub fn write(&self, out: &mut Writer) {
        out.uint(self.rows);
        out.uint(self.statics);
        out.uint(self.columns.len() as u64);
        self.columns.iter().for_each(|it| it.write(out));
    }

    /// Reads an encoding.
    ///
    /// # Errors
    /// Where the bytes are not what `write` writes, or no rows are like that.
    pub fn read(reader: &mut Reader) -> Result<Partial, Malformed> {
        let rows = reader.uint("count of folded rows")?;
        let statics = reader.uint("count of partitions of statics")?;
        let count = reader.count(SUMMARY_BYTES_MIN, "count of summaries")?;
        let mut columns = encoding::vec(count);
        for _ in 0..count {
            columns.push(Summary::read(reader)?);
        }
        // A row has one value of a column at most.
        if columns.iter().any(|it| rows < it.values()) {
            return Err(reader.malformed("count of folded rows"));
        }
        Ok(Partial { rows, statics, columns })
    }
}

#[cfg(test)]
pub(crate) mod tests;
