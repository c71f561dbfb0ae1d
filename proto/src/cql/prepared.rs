//! RESULT, a prepared statement.

use std::sync::Arc;

use bytes::{BufMut, BytesMut};

use super::{
    Version,
    metadata::{Column, GLOBAL_TABLE, Metadata, NO_METADATA, global_table, put_columns},
    primitive::{put_int, put_short_bytes},
};

/// What a client needs to know of a prepared statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// What to execute it by.
    pub id: Vec<u8>,
    /// What its description of rows goes by. Version 5.
    pub result_metadata_id: Vec<u8>,
    /// Its markers.
    pub markers: Vec<Column>,
    /// Which marker gives each column of the partition key; empty where one of them has none.
    pub partition_key: Vec<u16>,
    /// The columns of its rows; none where it has no rows.
    pub columns: Arc<Vec<Column>>,
}

impl Prepared {
    /// Writes it.
    pub fn put(&self, version: Version, out: &mut BytesMut) {
        put_short_bytes(out, &self.id);
        if version == Version::V5 {
            put_short_bytes(out, &self.result_metadata_id);
        }
        let global = global_table(&self.markers);
        out.put_i32(if global.is_some() { GLOBAL_TABLE } else { 0 });
        put_int(out, self.markers.len());
        put_int(out, self.partition_key.len());
        self.partition_key.iter().for_each(|it| out.put_u16(*it));
        put_columns(&self.markers, global, version, out);
        if self.columns.is_empty() {
            out.put_i32(NO_METADATA);
            out.put_i32(0);
        } else {
            Metadata::of(Arc::clone(&self.columns)).put(version, out);
        }
    }
}
