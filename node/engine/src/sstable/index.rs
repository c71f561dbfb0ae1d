//! The index of an sstable in memory: where each block begins, and where it lies.
//!
//! A search goes over the tokens, which lie side by side, and looks at keys and clusterings only among blocks that begin
//! in a partition of the same token.

use std::ops::Range;

use bytes::Bytes;
use model::codec::{Malformed, Reader};
use model::{PartitionKey, Token};

use super::format::{Extent, IndexEntry};

/// Blocks in order.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Of the partition that each block begins in.
    tokens: Vec<Token>,
    blocks: Vec<Block>,
    /// Bytes of the blocks that begin in one partition, of the one that has most.
    largest_bytes: u64,
}

#[derive(Debug)]
struct Block {
    /// Of the partition; a slice of the index's section, as `start` is.
    key: Bytes,
    /// Where in the partition it begins.
    start: Bytes,
    extent: Extent,
}

impl Index {
    /// Reads what `format::encode_index` wrote.
    pub(crate) fn decode(raw: Bytes) -> Result<Index, Malformed> {
        let mut reader = Reader::new(raw);
        let count = reader.count(5, "index length")?;
        let mut index = Index {
            tokens: Vec::with_capacity(count),
            blocks: Vec::with_capacity(count),
            largest_bytes: 0,
        };
        // Where the blocks of the partition begin that is read now.
        let mut begins = 0;
        for _ in 0..count {
            let IndexEntry { key, start, extent } = IndexEntry::read(&mut reader)?;
            if index.blocks.last().is_none_or(|it| it.key != key.bytes) {
                begins = extent.offset;
            }
            let end = extent.offset.saturating_add(extent.bytes);
            index.largest_bytes = index.largest_bytes.max(end.saturating_sub(begins));
            index.tokens.push(key.token);
            index.blocks.push(Block { key: key.bytes, start, extent });
        }
        Ok(index)
    }

    /// Bytes of the blocks that begin in one partition, of the one that has most.
    pub(crate) fn largest_bytes(&self) -> u64 {
        self.largest_bytes
    }

    /// Where block `at` lies.
    pub(crate) fn extent(&self, at: usize) -> Extent {
        self.blocks[at].extent
    }

    /// The partition in which block `at` begins, if there is such a block.
    pub(crate) fn key(&self, at: usize) -> Option<PartitionKey> {
        let key = &self.blocks.get(at)?.key;
        Some(PartitionKey { token: self.tokens[at], bytes: key.clone() })
    }

    /// How many blocks begin before `clustering` of `key`, or there.
    pub(crate) fn up_to(&self, key: &PartitionKey, clustering: &[u8]) -> usize {
        self.count(key.token, |it| (&it.key[..], &it.start[..]) <= (&key.bytes[..], clustering))
    }

    /// How many blocks begin before `clustering` of `key`.
    pub(crate) fn before(&self, key: &PartitionKey, clustering: &[u8]) -> usize {
        self.count(key.token, |it| (&it.key[..], &it.start[..]) < (&key.bytes[..], clustering))
    }

    /// The blocks that begin in the partition.
    pub(crate) fn blocks_of(&self, key: &PartitionKey) -> Range<usize> {
        let from = self.count(key.token, |it| it.key < key.bytes);
        from..self.count(key.token, |it| it.key <= key.bytes)
    }

    #[cfg(test)]
    pub(super) fn starts(&self) -> Vec<Bytes> {
        self.blocks.iter().map(|it| it.start.clone()).collect()
    }

    /// How many blocks there are of lesser tokens, and of `token` such that `is_before`.
    fn count(&self, token: Token, is_before: impl Fn(&Block) -> bool) -> usize {
        let from = self.tokens.partition_point(|it| *it < token);
        // Nearly always one partition, and mostly of few blocks.
        let mut len = 1;
        while self.tokens.get(from + len - 1) == Some(&token) {
            len *= 2;
        }
        let to = (from + len - 1).min(self.tokens.len());
        let same = self.tokens[from..to].partition_point(|it| *it == token);
        from + self.blocks[from..from + same].partition_point(is_before)
    }
}
