//! The values of a page of rows, as both doors send them.

use bytes::{BufMut, Bytes, BytesMut};

/// Values, row after row; all rows have as many. Of each its length, a big-endian `i32`, then its bytes; of null the
/// length -1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowValues {
    rows: usize,
    bytes: BytesMut,
}

impl RowValues {
    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// All of it, as above.
    pub fn into_bytes(self) -> Bytes {
        self.bytes.freeze()
    }

    /// How many bytes that is.
    pub(crate) fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Makes room for about so many bytes more.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.bytes.reserve(bytes);
    }

    /// The next value of the row that is being added.
    #[inline]
    pub(crate) fn put(&mut self, value: Option<&[u8]>) {
        match value {
            None => self.bytes.put_i32(-1),
            Some(value) => {
                // Nothing is stored that is longer than a request.
                self.bytes.put_i32(i32::try_from(value.len()).unwrap_or(i32::MAX));
                self.bytes.extend_from_slice(value);
            }
        }
    }

    /// The row has all its values.
    pub(crate) fn end_row(&mut self) {
        self.rows += 1;
    }

    /// A row of these values.
    pub(crate) fn put_row<'v>(&mut self, values: impl IntoIterator<Item = Option<&'v [u8]>>) {
        values.into_iter().for_each(|it| self.put(it));
        self.end_row();
    }

    /// More rows, behind these.
    pub(crate) fn append(&mut self, more: &RowValues) {
        self.rows += more.rows;
        self.bytes.extend_from_slice(&more.bytes);
    }

    /// The values of each row.
    #[cfg(test)]
    pub(crate) fn listed(&self) -> Vec<Vec<Option<Bytes>>> {
        use bytes::Buf;

        let (mut left, mut values) = (self.bytes.clone().freeze(), Vec::new());
        while left.has_remaining() {
            let len = usize::try_from(left.get_i32());
            values.push(len.ok().map(|len| left.split_to(len)));
        }
        let width = values.len().checked_div(self.rows).unwrap_or(1);
        values.chunks(width).map(<[_]>::to_vec).collect()
    }
}
