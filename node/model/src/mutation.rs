//! The unit of atomicity: changes to one partition of one table.

use bytes::Bytes;

use crate::{
    codec::{self, Reader, Writer},
    encoding,
    key::PartitionKey,
    partition::Partition,
    schema::TableId,
};

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

/// First byte of every encoding.
pub(crate) const VERSION: u8 = 1;

impl Mutation {
    /// The encoding, versioned from its first byte.
    pub fn encode(&self) -> Bytes {
        debug_assert!(self.partition.is_normal(), "only partitions in normal form are written");
        let mut out = Writer::with_capacity(17 + encoding::partition_len(&self.partition));
        out.u8(VERSION);
        out.raw(self.table.0.as_bytes());
        encoding::write_partition(&mut out, &self.partition);
        out.finish()
    }

    /// Reads an encoding. Slices of `bytes` are shared, not copied.
    ///
    /// # Errors
    /// Where the bytes are not what `encode` writes.
    pub fn decode(bytes: Bytes) -> Result<Mutation, codec::Malformed> {
        let mut reader = Reader::new(bytes);
        let table = read_head(&mut reader)?;
        let partition = encoding::read_partition(&mut reader)?;
        encoding::read_end(&reader, "mutation")?;
        Ok(Mutation { table, partition })
    }

    /// Table and key of an encoded mutation, which is all that routing needs. What comes after
    /// them is not looked at.
    ///
    /// # Errors
    /// Where the beginning is not what `encode` writes.
    pub fn peek(bytes: &Bytes) -> Result<(TableId, PartitionKey), codec::Malformed> {
        let mut reader = Reader::new(bytes.clone());
        let table = read_head(&mut reader)?;
        Ok((table, encoding::read_key(&mut reader)?))
    }
}

fn read_head(reader: &mut Reader) -> Result<TableId, codec::Malformed> {
    encoding::read_version(reader, VERSION, "mutation version")?;
    encoding::read_table(reader)
}

#[cfg(test)]
mod tests;
