//! What the columns of a result are, and the markers of a statement.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};

use super::{
    Version,
    primitive::{put_bytes, put_int, put_short_bytes, put_string},
    wire_type::{DURATION_CLASS, WireType},
};

pub(crate) const GLOBAL_TABLE: i32 = 0x0001;
pub(crate) const MORE_PAGES: i32 = 0x0002;
pub(crate) const NO_METADATA: i32 = 0x0004;
pub(crate) const METADATA_CHANGED: i32 = 0x0008;

/// A column, or a marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The keyspace of its table.
    pub keyspace: String,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Its type.
    pub wire_type: WireType,
}

/// The columns of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What they are.
    pub columns: Arc<Vec<Column>>,
    /// Whether the client knows already.
    pub skip: bool,
    /// Where the next page begins, if there is one.
    pub paging_state: Option<Vec<u8>>,
    /// What the client thinks they are is out of date: they go by this id now. Version 5.
    pub changed: Option<Vec<u8>>,
}

impl Metadata {
    /// Of these columns, told in full.
    pub fn of(columns: impl Into<Arc<Vec<Column>>>) -> Metadata {
        Metadata { columns: columns.into(), skip: false, paging_state: None, changed: None }
    }

    /// Writes it.
    pub fn put(&self, version: Version, out: &mut BytesMut) {
        let global = global_table(&self.columns);
        let changed = self.changed.as_deref().filter(|_| version == Version::V5);
        let mut flags = if self.skip { NO_METADATA } else { 0 };
        flags |= if !self.skip && global.is_some() { GLOBAL_TABLE } else { 0 };
        flags |= self.paging_state.as_ref().map_or(0, |_| MORE_PAGES);
        flags |= changed.map_or(0, |_| METADATA_CHANGED);
        out.put_i32(flags);
        put_int(out, self.columns.len());
        if let Some(state) = &self.paging_state {
            put_bytes(out, Some(state));
        }
        if let Some(id) = changed {
            put_short_bytes(out, id);
        }
        if !self.skip {
            put_columns(&self.columns, global, version, out);
        }
    }
}

/// The table that all columns are of, if there is one.
pub(crate) fn global_table(columns: &[Column]) -> Option<(&str, &str)> {
    let (first, rest) = columns.split_first()?;
    let same = |it: &Column| it.keyspace == first.keyspace && it.table == first.table;
    rest.iter().all(same).then_some((&first.keyspace, &first.table))
}

pub(crate) fn put_columns(
    columns: &[Column],
    global: Option<(&str, &str)>,
    version: Version,
    out: &mut BytesMut,
) {
    if let Some((keyspace, table)) = global {
        put_string(out, keyspace);
        put_string(out, table);
    }
    for column in columns {
        if global.is_none() {
            put_string(out, &column.keyspace);
            put_string(out, &column.table);
        }
        put_string(out, &column.name);
        match (version, &column.wire_type) {
            (Version::V4, WireType::Duration) => {
                WireType::Custom(DURATION_CLASS.to_owned()).put(out);
            }
            (Version::V4 | Version::V5, wire_type) => wire_type.put(out),
        }
    }
}
