//! RESULT, rows.

use bytes::{Bytes, BytesMut};

use super::{Version, metadata::Metadata, primitive::put_int};

/// A page of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// What their columns are.
    pub metadata: Metadata,
    /// How many there are.
    pub count: usize,
    /// A `[bytes]` for each value, row after row; each row has as many as there are columns.
    pub values: Bytes,
}

impl Rows {
    /// Writes them.
    pub fn put(&self, version: Version, out: &mut BytesMut) {
        self.metadata.put(version, out);
        put_int(out, self.count);
        out.extend_from_slice(&self.values);
    }
}
