//! The unit of atomicity: changes to one partition of one table.

use bytes::Bytes;

use crate::{codec, partition::Partition, schema::TableId};

/// A change to one partition. One encoding serves the commit log, peer messages, hints and
/// streaming: `docs/formats/mutation.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutation {
    /// Of which table.
    pub table: TableId,
    /// What changes.
    pub partition: Partition,
}

/// Largest encoded mutation, bytes: half a commit log segment.
pub const BYTES_MAX: usize = 16 << 20;

impl Mutation {
    /// The encoding, versioned from its first byte.
    pub fn encode(&self) -> Bytes {
        unimplemented!()
    }

    /// Reads an encoding. Slices of `bytes` are shared, not copied.
    ///
    /// # Errors
    /// Where the bytes are not what `encode` writes.
    pub fn decode(_bytes: Bytes) -> Result<Mutation, codec::Malformed> {
        unimplemented!()
    }
}
