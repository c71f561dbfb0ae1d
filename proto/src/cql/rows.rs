//! RESULT, rows.

use bytes::{Bytes, BytesMut};

use super::{
    Version,
    metadata::Metadata,
    primitive::{put_bytes, put_int},
};

/// A page of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// What their columns are.
    pub metadata: Metadata,
    /// Values, none for null; each row as long as there are columns.
    pub rows: Vec<Vec<Option<Bytes>>>,
}

impl Rows {
    /// Writes them.
    pub fn put(&self, version: Version, out: &mut BytesMut) {
        self.metadata.put(version, out);
        let size = |value: &Option<Bytes>| 4 + value.as_ref().map_or(0, Bytes::len);
        out.reserve(4 + self.rows.iter().flatten().map(size).sum::<usize>());
        put_int(out, self.rows.len());
        self.rows.iter().flatten().for_each(|it| put_bytes(out, it.as_deref()));
    }
}
