//! What a filter of rows keeps of those of a block.

use super::Block;
use crate::sstable::{filter, row_filter};

impl Block {
    /// The hashes of all rows, if a filter of them tells what is here: not where a range tombstone may cover a row that is not, nor
    /// where partitions have so few rows that it does not pay.
    pub(crate) fn row_hashes(&self) -> Option<Vec<u64>> {
        let has_ranges = self.heads.iter().any(|it| !it.range_tombstones.is_empty());
        if has_ranges || !row_filter::pays(self.row_count(), self.parts.len()) {
            return None;
        }
        let keys = &self.body.columns().keys;
        let mut hashes = Vec::with_capacity(self.row_count());
        for (at, part) in self.parts.iter().enumerate() {
            let partition = filter::hash(&self.key(at));
            hashes.extend(part.rows().map(|row| row_filter::hash(partition, keys.bytes(row))));
        }
        Some(hashes)
    }
}
