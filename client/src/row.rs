//! Rows of an answer: borrowed from the bytes that came, decoded when asked.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use cql_lite::code::Code;
use cql_lite::types::CqlType;
use cql_lite::value::Value;
use proto::client as wire;
use serde::de::DeserializeOwned;

use crate::de;
use crate::error::Error;

/// A column of rows, or a parameter of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The keyspace of its table.
    pub keyspace: String,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Its type, as `CqlType::in_full` writes it.
    pub cql_type: String,
}

impl Column {
    /// The type; none if it is of a later version than this client.
    pub fn kind(&self) -> Option<CqlType> {
        CqlType::parse(&self.cql_type).ok()
    }
}

impl From<wire::ColumnSpec> for Column {
    fn from(wire: wire::ColumnSpec) -> Column {
        let wire::ColumnSpec { keyspace, table, name, cql_type } = wire;
        Column { keyspace, table, name, cql_type }
    }
}

/// The rows of one answer.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) columns: Vec<Column>,
    kinds: Vec<Option<CqlType>>,
    bytes: Bytes,
    /// Start and length of every cell, row by row; a length below zero is null.
    cells: Vec<(u32, i32)>,
}

impl Page {
    pub(crate) fn row_count(&self) -> usize {
        self.cells.len().checked_div(self.columns.len()).unwrap_or(0)
    }

    /// Takes an answer apart, and believes none of its lengths.
    pub(crate) fn read(wire: wire::Rows) -> Result<Page, Error> {
        let columns: Vec<Column> = wire.columns.into_iter().map(Column::from).collect();
        let kinds = columns.iter().map(Column::kind).collect();
        let expected = u64::from(wire.row_count) * columns.len() as u64;
        if columns.is_empty() && wire.row_count != 0 {
            return Err(Error::malformed("rows without columns"));
        }
        let mut cells = Vec::new();
        let mut rest = wire.cells.as_ref();
        let total = rest.len();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let length = i32::from_be_bytes(*length);
            let taken = usize::try_from(length).unwrap_or(0);
            let start = u32::try_from(total - after.len());
            let start = start.map_err(|_| Error::malformed("a page of more than 4 GiB"))?;
            rest = after.get(taken..).ok_or_else(|| Error::malformed("a cell is cut short"))?;
            cells.push((start, length));
        }
        if !rest.is_empty() || cells.len() as u64 != expected {
            let told = format!("{} cells instead of {expected}", cells.len());
            return Err(Error::malformed(told));
        }
        Ok(Page { columns, kinds, bytes: wire.cells, cells })
    }
}

/// One row. Cheap to clone; keeps its page in memory.
#[derive(Clone)]
pub struct Row {
    page: Arc<Page>,
    index: usize,
}

impl Row {
    pub(crate) fn new(page: Arc<Page>, index: usize) -> Row {
        Row { page, index }
    }

    /// The columns, in the order of the cells.
    pub fn columns(&self) -> &[Column] {
        &self.page.columns
    }

    /// The number of columns.
    pub fn len(&self) -> usize {
        self.page.columns.len()
    }

    /// Whether there are no columns at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes of a cell; none where it is null or there is no such column.
    pub fn raw(&self, column: usize) -> Option<&[u8]> {
        if self.len() <= column {
            return None;
        }
        let (start, length) = *self.page.cells.get(self.index * self.len() + column)?;
        let (start, length) = (start as usize, usize::try_from(length).ok()?);
        self.page.bytes.get(start..start + length)
    }

    /// The value of a cell; none where it is null or there is no such column. A type that this
    /// client does not know yet reads as a blob.
    pub fn value(&self, column: usize) -> Result<Option<Value>, Error> {
        let Some(bytes) = self.raw(column) else { return Ok(None) };
        match &self.page.kinds[column] {
            None => Ok(Some(Value::Blob(bytes.to_vec()))),
            Some(kind) => Value::decode_answer(kind, bytes).map(Some).map_err(|error| {
                Error::malformed(format!("column `{}`: {error}", self.columns()[column].name))
            }),
        }
    }

    /// One column by name, as a Rust value.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        let names = || self.columns().iter().map(|column| column.name.as_str());
        match names().position(|known| known == name) {
            Some(column) => de::cell(self, column),
            None => Err(Error::invalid(
                Code::BadValue,
                format!("the rows have no column `{name}`, only {}", list(names())),
            )),
        }
    }

    /// The row as a Rust value: a struct or map by column names, a tuple by position, or anything
    /// else if there is one column only.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, Error> {
        de::row(self)
    }
}

/// Names for a message.
pub(crate) fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl fmt::Debug for Row {
    /// Names and types only: values do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns().iter();
        f.debug_map().entries(columns.map(|column| (&column.name, &column.cql_type))).finish()
    }
}

/// What a row can be turned into: anything that serde deserializes, or the row itself.
pub trait FromRow: Sized {
    /// Turns a row into a value.
    fn from_row(row: Row) -> Result<Self, Error>;
}

impl FromRow for Row {
    fn from_row(row: Row) -> Result<Self, Error> {
        Ok(row)
    }
}

impl<T: DeserializeOwned> FromRow for T {
    fn from_row(row: Row) -> Result<Self, Error> {
        row.deserialize()
    }
}
