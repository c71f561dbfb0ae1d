//! Sstables: immutable sorted files of partitions, cut into checksummed blocks.
//!
//! The index says of each block with which partition, and where in that partition, it begins; blocks follow
//! each other without gaps, so a point read or a slice, from either end, touches the blocks it asks for and no
//! other. Index, filter and stats of an open sstable stay in memory.

pub(crate) mod block;
pub(crate) mod filter;
pub(crate) mod format;
pub(crate) mod writer;

use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use model::{Partition, PartitionKey, Slice};
use sys::{Disk, File, Open};

use crate::Error;
use crate::cache::{Halt, Io};
use crate::piece::Piece;
use block::Block;
use filter::Filter;
use format::{BadVersion, Extent, Footer, IndexEntry, SstableStats};
pub(crate) use writer::Writer;

/// Index and filter are read whole: an absurd length is an error, not an allocation.
const SECTION_BYTES_MAX: u64 = 1 << 30;

/// An open sstable.
pub(crate) struct Sstable {
    pub(crate) id: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) stats: SstableStats,
    version: u32,
    file: Arc<dyn File>,
    index: Vec<IndexEntry>,
    filter: Filter,
}

/// The file of sstable `id` in the folder of its table.
pub(crate) fn path(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:012}.sst"))
}

/// The sstable that a file's name speaks of.
pub(crate) fn id_of(name: &str) -> Option<u64> {
    name.strip_suffix(".sst")?.parse().ok()
}

impl Sstable {
    /// Opens file `id` and checks all but its blocks.
    pub(crate) fn open(disk: &dyn Disk, path: &Path, id: u64) -> Result<Sstable, Error> {
        let failed = |it| Error::io(path, it);
        let file = disk.open(path, Open::Read).map_err(failed)?;
        let bytes = file.len().map_err(failed)?;
        let least = format::HEADER_BYTES + format::FOOTER_BYTES;
        if bytes < least {
            return Err(Error::corrupt(path, bytes, "an sstable that ends before its footer"));
        }
        let read = |offset, bytes| read_exact(&*file, path, Extent { offset, bytes });
        let refuse = |bad: BadVersion, offset, what| match bad {
            BadVersion::Newer(found) => {
                Error::NewerFormat { file: path.into(), found, supported: format::VERSION }
            }
            BadVersion::Corrupt => Error::corrupt(path, offset, what),
        };
        let version = format::check_header(&read(0, format::HEADER_BYTES)?, id)
            .map_err(|it| refuse(it, 0, "the header of an sstable"))?;
        let offset = bytes - format::FOOTER_BYTES;
        let footer = Footer::decode(&read(offset, format::FOOTER_BYTES)?, id, offset);
        let footer = footer.map_err(|it| refuse(it, offset, "the footer of an sstable"))?;
        let section = |extent: Extent, what: &str| {
            let raw = read_exact(&*file, path, extent)?;
            format::unwrap(raw, id, extent.offset)
                .map_err(|it| Error::corrupt(path, extent.offset, format!("the {what}: {it}")))
        };
        let malformed =
            |extent: Extent| move |it| Error::corrupt(path, extent.offset, format!("{it}"));
        let index = format::decode_index(section(footer.index, "index")?);
        let filter = Filter::decode(section(footer.filter, "filter")?);
        let stats = SstableStats::decode(version, section(footer.stats, "stats")?);
        Ok(Sstable {
            id,
            path: path.to_path_buf(),
            bytes,
            version,
            index: index.map_err(malformed(footer.index))?,
            filter: filter.map_err(malformed(footer.filter))?,
            stats: stats.map_err(malformed(footer.stats))?,
            file,
        })
    }

    /// `false` if the partition is not here for sure.
    pub(crate) fn may_hold(&self, key: &PartitionKey, hash: u64) -> bool {
        self.stats.first <= *key && *key <= self.stats.last && self.filter.may_hold(hash)
    }

    /// Bytes that a partition takes here, about: of its blocks, less those that it shares with the
    /// partition before. From memory.
    pub(crate) fn partition_bytes(&self, key: &PartitionKey) -> u64 {
        let from = self.index.partition_point(|it| it.key < *key);
        let to = self.index.partition_point(|it| it.key <= *key);
        match &self.index[from..to] {
            [] => 0,
            [first, .., last] => last.extent.offset + last.extent.bytes - first.extent.offset,
            [only] => only.extent.bytes,
        }
    }

    /// Partition deletion and statics, without rows; `None` if the partition is not here.
    pub(crate) fn head(&self, key: &PartitionKey, io: &Io) -> Result<Option<Partition>, Halt> {
        let Some(at) = self.block_at(key, &Bytes::new()) else { return Ok(None) };
        Ok(self.block(at, io)?.head(key))
    }

    /// What is known of the clusterings at the near end of `want`, of a partition that is here: at most `rows_max` rows.
    pub(crate) fn piece(
        &self,
        key: &PartitionKey,
        want: &Slice,
        reversed: bool,
        rows_max: usize,
        io: &Io,
    ) -> Result<Piece, Halt> {
        // Forward: the fragment that holds the first clustering. Backward: the last one that begins below the end.
        let before = |it_key: &PartitionKey, start: &Bytes| match reversed {
            false => (it_key, start) <= (key, &want.start),
            true => (it_key, start) < (key, &want.end),
        };
        let at = self.index.partition_point(|it| before(&it.key, &it.start));
        let block = self.block(at.saturating_sub(1), io)?;
        block
            .piece(key, before, want, reversed, rows_max)
            .ok_or_else(|| Halt::Failed(Error::corrupt(&self.path, 0, "a partition without rows")))
    }

    /// The first partition at or behind `from`.
    pub(crate) fn next_key(
        &self,
        from: Bound<&PartitionKey>,
        io: &Io,
    ) -> Result<Option<PartitionKey>, Halt> {
        let is_before = |it: &PartitionKey| match from {
            Bound::Included(from) => it < from,
            Bound::Excluded(from) => it <= from,
            Bound::Unbounded => false,
        };
        if is_before(&self.stats.last) {
            return Ok(None);
        }
        let at = self.index.partition_point(|it| is_before(&it.key));
        let next = self.index.get(at).map(|it| it.key.clone());
        if at == 0 || matches!((from, &next), (Bound::Included(from), Some(next)) if from == next) {
            return Ok(next);
        }
        let block = self.block(at - 1, io)?;
        Ok(block.next_key(is_before).or(next))
    }

    /// The block that holds `clustering` of `key`, if any does.
    fn block_at(&self, key: &PartitionKey, clustering: &Bytes) -> Option<usize> {
        let begins = |it: &IndexEntry| (&it.key, &it.start) <= (key, clustering);
        self.index.partition_point(begins).checked_sub(1)
    }

    fn block(&self, at: usize, io: &Io) -> Result<Arc<Block>, Halt> {
        io.block((self.id, at as u32), || {
            let extent = self.index[at].extent;
            let bytes = read_exact(&*self.file, &self.path, extent)?;
            let raw = format::unwrap(bytes, self.id, extent.offset).map_err(|it| {
                Error::corrupt(&self.path, extent.offset, format!("a block: {it}"))
            })?;
            format::block(self.version, raw)
                .map_err(|it| Error::corrupt(&self.path, extent.offset, format!("{it}")))
        })
    }
}

fn read_exact(file: &dyn File, path: &Path, extent: Extent) -> Result<Bytes, Error> {
    if SECTION_BYTES_MAX < extent.bytes {
        return Err(Error::corrupt(path, extent.offset, "an absurd length"));
    }
    let mut bytes = vec![0; extent.bytes as usize];
    file.read_exact_at(&mut bytes, extent.offset).map_err(|it| {
        if it.kind() == std::io::ErrorKind::UnexpectedEof {
            return Error::corrupt(path, extent.offset, "the end of the file");
        }
        Error::io(path, it)
    })?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests;
