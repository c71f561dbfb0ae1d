//! A row where it lies.

use std::borrow::Cow;

use bytes::Bytes;
use cql_lite::types::CqlType;

use crate::{
    columns::{Amount, Columns},
    elements::Elements,
    key::Clustering,
    row::Row,
    schema::ColumnId,
};

/// A row where it lies.
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// One of a list.
    Each(&'a Clustering, &'a Row),
    /// One of columns, all of whose shown rows are plain.
    Column(&'a Columns, usize),
}

impl<'a> View<'a> {
    /// Where it lies among the rows of its partition.
    #[inline]
    pub fn clustering(self) -> &'a [u8] {
        match self {
            View::Each(clustering, _) => &clustering.0,
            View::Column(columns, at) => columns.keys.bytes(at),
        }
    }

    /// As `clustering`, to be kept.
    #[inline]
    pub fn clustering_key(self) -> Clustering {
        match self {
            View::Each(clustering, _) => clustering.clone(),
            View::Column(columns, at) => Clustering(columns.keys.get(at)),
        }
    }

    /// How much there is of it, if it is known to be settled at `now` (seconds): plain, and nothing of it has expired.
    #[inline]
    pub fn amount(self, now: i64) -> Option<Amount> {
        match self {
            View::Column(columns, at) if now < columns.settled_until => {
                Some(columns.amount(at..at + 1))
            }
            View::Each(..) | View::Column(..) => None,
        }
    }

    /// The row by itself.
    pub fn row(self) -> Cow<'a, Row> {
        match self {
            View::Each(_, row) => Cow::Borrowed(row),
            View::Column(columns, at) => {
                let row = columns.make(at..at + 1).pop().unwrap_or_default().1;
                Cow::Owned(row)
            }
        }
    }

    /// Whether a reader sees it at `now` (seconds).
    #[inline]
    pub fn is_live(self, now: i64) -> bool {
        match self {
            View::Each(_, row) => row.is_live(now),
            View::Column(columns, at) => columns.is_live(at, now),
        }
    }

    /// The value of a cell at `now` (seconds), and when it was written, microseconds.
    // Always: for each value of each row a call takes as long as the look.
    #[inline(always)]
    pub fn cell(self, column: ColumnId, now: i64) -> Option<(i64, &'a [u8])> {
        match self {
            View::Each(_, row) => {
                let cell = row.cell(column)?;
                Some((cell.timestamp, cell.value(now)?))
            }
            View::Column(columns, at) => {
                let (column, place) = columns.place(at, column, now)?;
                let time = columns.times.get(at).wrapping_add(column.times.get(place));
                Some((time, column.values.bytes(column.value_of(place))))
            }
        }
    }

    /// The value of a cell at `now` (seconds).
    #[inline]
    pub fn bytes(self, column: ColumnId, now: i64) -> Option<&'a [u8]> {
        match self {
            View::Each(_, row) => row.cell(column)?.value(now).map(|it| &it[..]),
            View::Column(columns, at) => {
                let (column, place) = columns.place(at, column, now)?;
                Some(column.values.bytes(column.value_of(place)))
            }
        }
    }

    /// As `bytes`, to be kept.
    #[inline]
    pub fn value(self, column: ColumnId, now: i64) -> Option<Bytes> {
        match self {
            View::Each(_, row) => row.cell(column)?.value(now).cloned(),
            View::Column(columns, at) => {
                let (column, place) = columns.place(at, column, now)?;
                Some(column.values.get(column.value_of(place)))
            }
        }
    }

    /// As `value`, of a column of this type, which may have a cell for each part of its value.
    pub fn value_of(self, column: ColumnId, cql_type: &CqlType, now: i64) -> Option<Bytes> {
        match self {
            View::Each(_, row) => row.value(column, cql_type, now),
            // Elements are not plain.
            View::Column(..) => self.value(column, now),
        }
    }

    /// When the value that a cell has at `now` (seconds) expires, if it does.
    pub fn expires_at(self, column: ColumnId, now: i64) -> Option<i64> {
        match self {
            View::Each(_, row) => row.cell(column)?.expires_at(now),
            View::Column(columns, at) => columns.expires_at(at, column, now),
        }
    }

    /// The cells of a column that has one for each part of its value. Where rows are plain there is no
    /// such column.
    pub fn elements(self, column: ColumnId) -> Option<&'a Elements> {
        match self {
            View::Each(_, row) => row.elements_of(column),
            View::Column(..) => None,
        }
    }
}
