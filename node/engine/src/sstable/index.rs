//! The index of an sstable in memory: where each block begins, and where it lies.
//!
//! ```text
//!   tokens   -7  -7  -7   3   9 …       of the partition that each block begins in
//!   words     0  ab  f3   0   0 …       the first eight bytes of where in it
//!   entries   ·   ·   ·   ·   · …       where keys and beginnings lie whole, as they were written
//! ```
//!
//! A search goes over tokens and words, which lie side by side. Only where these do not tell does it look at the rest.

use std::cmp::Ordering;
use std::ops::Range;

use bytes::Bytes;
use model::codec::{Malformed, Reader};
use model::columns::word;
use model::sorted::{first_not, first_not_near, first_not_spread};
use model::{PartitionKey, Token};

use super::format::{Extent, IndexEntry};

/// Blocks in order.
#[derive(Debug, Default)]
pub(crate) struct Index {
    tokens: Vec<Token>,
    words: Vec<u64>,
    /// Where the entry of each block begins in the section.
    entries: Vec<u32>,
    extents: Vec<Extent>,
    /// The index's section.
    raw: Bytes,
    /// Blocks that follow each other begin in different partitions of one token.
    has_collisions: bool,
    /// Bytes of the blocks that begin in one partition, of the one that has most.
    largest_bytes: u64,
}

/// Which blocks a search counts that begin exactly where it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upto {
    /// Those too.
    Including,
    /// Only those before.
    Excluding,
}

impl Upto {
    /// Whether a block counts that begins so.
    pub(crate) fn counts(self, begins: Ordering) -> bool {
        begins.is_lt() || (begins.is_eq() && self == Upto::Including)
    }
}

impl Index {
    /// Reads what `format::encode_index` wrote.
    pub(crate) fn decode(raw: Bytes) -> Result<Index, Malformed> {
        let mut reader = Reader::new(raw.clone());
        let count = reader.count(5, "index length")?;
        let mut index = Index {
            tokens: Vec::with_capacity(count),
            words: Vec::with_capacity(count),
            entries: Vec::with_capacity(count),
            extents: Vec::with_capacity(count),
            raw,
            has_collisions: false,
            largest_bytes: 0,
        };
        let mut last: Option<PartitionKey> = None;
        // Where the blocks of the partition begin that is read now.
        let mut begins = 0;
        for _ in 0..count {
            let at = u32::try_from(reader.at()).map_err(|_| reader.malformed("index length"))?;
            let IndexEntry { key, start, extent } = IndexEntry::read(&mut reader)?;
            if last.as_ref() != Some(&key) {
                begins = extent.offset;
                index.has_collisions |= last.is_some_and(|it| it.token == key.token);
            }
            let end = extent.offset.saturating_add(extent.bytes);
            index.largest_bytes = index.largest_bytes.max(end.saturating_sub(begins));
            index.tokens.push(key.token);
            index.words.push(word(&start));
            index.entries.push(at);
            index.extents.push(extent);
            last = Some(key);
        }
        Ok(index)
    }

    /// Bytes of the blocks that begin in one partition, of the one that has most.
    pub(crate) fn largest_bytes(&self) -> u64 {
        self.largest_bytes
    }

    /// How many blocks there are.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Where block `at` lies.
    pub(crate) fn extent(&self, at: usize) -> Extent {
        self.extents[at]
    }

    /// The token of the partition in which block `at` begins, if there is such a block.
    pub(crate) fn token(&self, at: usize) -> Option<Token> {
        self.tokens.get(at).copied()
    }

    /// In which partition block `at` begins, and where in it.
    pub(crate) fn begins(&self, at: usize) -> (PartitionKey, Bytes) {
        let IndexEntry { key, start, .. } = self.entry(at);
        (key, start)
    }

    /// Whether block `at` begins with the beginning of the partition.
    pub(crate) fn begins_with(&self, at: usize, key: &PartitionKey) -> bool {
        self.token(at) == Some(key.token) && {
            let entry = self.entry(at);
            entry.key == *key && entry.start.is_empty()
        }
    }

    /// How many blocks begin before `clustering` of `key`, or there.
    pub(crate) fn count(&self, key: &PartitionKey, clustering: &[u8], upto: Upto) -> usize {
        self.count_if(key.token, |at| {
            let it = self.entry(at);
            upto.counts((&it.key.bytes[..], &it.start[..]).cmp(&(&key.bytes[..], clustering)))
        })
    }

    /// As `count`, without a look at keys: right if the last block that counts holds something of `key`, of which there
    /// then is nothing in another that would be looked at instead. `None` where tokens do not tell partitions apart.
    pub(crate) fn probable_count(
        &self,
        token: Token,
        clustering: &[u8],
        upto: Upto,
    ) -> Option<usize> {
        if self.has_collisions {
            return None;
        }
        let Range { start, end } = self.blocks_of_token(token);
        let sought = word(clustering);
        let word_at = |at: usize| self.words[at];
        let first = first_not_spread(start..end, sought, word_at, |at| self.words[at] < sought);
        let same = first_not_near(first..end, |at| self.words[at] == sought);
        let is_before = |at: usize| upto.counts(self.entry(at).start[..].cmp(clustering));
        Some(first_not(first..same, is_before))
    }

    /// The blocks that begin in the partition.
    pub(crate) fn blocks_of(&self, key: &PartitionKey) -> Range<usize> {
        let from = self.count_if(key.token, |at| self.entry(at).key.bytes < key.bytes);
        from..self.count_if(key.token, |at| self.entry(at).key.bytes <= key.bytes)
    }

    #[cfg(test)]
    pub(super) fn starts(&self) -> Vec<Bytes> {
        (0..self.tokens.len()).map(|at| self.entry(at).start).collect()
    }

    fn entry(&self, at: usize) -> IndexEntry {
        let mut reader = Reader::starting_at(self.raw.clone(), self.entries[at] as usize);
        IndexEntry::read(&mut reader).expect("it was read when the index was")
    }

    /// How many blocks there are of lesser tokens, and of `token` such that `is_before`.
    fn count_if(&self, token: Token, is_before: impl Fn(usize) -> bool) -> usize {
        let Range { start, end } = self.blocks_of_token(token);
        first_not(start..end, is_before)
    }

    /// The blocks that begin in a partition of this token.
    fn blocks_of_token(&self, token: Token) -> Range<usize> {
        let number = |at: usize| self.tokens[at].position();
        let is_before = |at: usize| self.tokens[at] < token;
        let from = first_not_spread(0..self.tokens.len(), token.position(), number, is_before);
        // Nearly always one partition, and mostly of few blocks; or of all there are.
        if self.tokens.last() == Some(&token) {
            return from..self.tokens.len();
        }
        from..first_not_near(from..self.tokens.len(), |at| self.tokens[at] == token)
    }
}
