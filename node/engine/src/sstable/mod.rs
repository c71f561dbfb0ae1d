//! Sstables: immutable sorted files of partitions, cut into checksummed blocks.
//!
//! The index says of each block with which partition, and where in that partition, it begins; blocks follow
//! each other without gaps, so a point read or a slice, from either end, touches the blocks it asks for and no
//! other. The stats of an open sstable are in memory, so that opening it takes no longer however large it is; index and
//! filter from when they are first asked for.

pub(crate) mod block;
pub(crate) mod compression;
pub(crate) mod filter;
pub(crate) mod format;
pub(crate) mod index;
pub(crate) mod pages;
pub(crate) mod row_filter;
mod search;
pub(crate) mod statistics;
pub(crate) mod symbols;
pub(crate) mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use model::{PartitionKey, Slice, Token};
use sys::{Disk, File, Open};

use crate::Error;
use crate::cache::{Cache, Halt, Io, Place};
use crate::shelf::Shelf;
use block::Block;
use filter::Filter;
use format::{BadVersion, Extent, Filters, Footer, SstableStats};
use index::{Index, Upto};
use row_filter::RowFilter;
pub(crate) use search::{Hint, Spot, ToldBlock};
use symbols::FileSymbols;
pub(crate) use writer::Writer;

/// Index and filter are read whole: an absurd length is an error, not an allocation.
pub(crate) const SECTION_BYTES_MAX: u64 = 1 << 30;

/// An open sstable.
pub(crate) struct Sstable {
    pub(crate) id: u64,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) stats: SstableStats,
    /// The number under which its blocks are in the cache.
    cached_as: u64,
    version: u32,
    file: Arc<dyn File>,
    footer: Footer,
    map: OnceLock<Map>,
    symbols: FileSymbols,
}

/// What tells where to look, and whether.
struct Map {
    index: Index,
    filter: Filter,
    rows: RowFilter,
    statistics: statistics::Located,
    shelf: Arc<Shelf>,
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
    /// Opens file `id` and checks header, footer and stats.
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
        let section = read_section(&*file, path, id, footer.stats, "stats")?;
        let stats = SstableStats::decode(version, section)
            .map_err(|it| Error::corrupt(path, footer.stats.offset, format!("{it}")))?;
        let (path, map) = (path.to_path_buf(), OnceLock::new());
        let symbols = FileSymbols::new();
        Ok(Sstable { id, path, bytes, stats, cached_as: id, version, file, footer, map, symbols })
    }

    /// Itself, with a number of its own in the cache: of a file that comes back from a snapshot, which another one that
    /// had its number may have left blocks in.
    pub(crate) fn cached_as(self, number: u64) -> Sstable {
        Sstable { cached_as: number, ..self }
    }

    /// Reads index and filter if they are not in memory yet.
    pub(crate) fn load(&self) -> Result<(), Error> {
        self.map().map(|_| ())
    }

    fn map(&self) -> Result<&Map, Error> {
        if let Some(map) = self.map.get() {
            return Ok(map);
        }
        let section = |extent, what| read_section(&*self.file, &self.path, self.id, extent, what);
        let malformed =
            |extent: Extent| move |it| Error::corrupt(&self.path, extent.offset, format!("{it}"));
        let Footer { index, filter, .. } = self.footer;
        let index = Index::decode(section(index, "index")?).map_err(malformed(index))?;
        let filters = Filters::decode(section(filter, "filter")?).map_err(malformed(filter))?;
        let map = Map {
            filter: filters.partitions,
            rows: RowFilter::new(&filters.rows, index.len()),
            statistics: statistics::Located::new(&filters.statistics),
            shelf: Arc::new(Shelf::new(index.len())),
            index,
        };
        // Whoever was first: both have read the same.
        Ok(self.map.get_or_init(|| map))
    }

    /// Index and filter, as far as `io` may go for them.
    fn mapped(&self, io: &Io) -> Result<&Map, Halt> {
        match self.map.get() {
            Some(map) => Ok(map),
            None if io.may_wait() => Ok(self.map()?),
            None => Err(Halt::Miss),
        }
    }

    /// Whether partitions have deletions or statics here, as far as is known.
    pub(crate) fn may_have_heads(&self) -> bool {
        self.stats.layout.as_ref().is_none_or(|it| it.heads > 0)
    }

    /// Whether a partition has rows or range tombstones in `want` here, as far as is known.
    pub(crate) fn may_have_rows(&self, want: &Slice) -> bool {
        self.stats.layout.as_ref().is_none_or(|it| it.meets(want))
    }

    /// `false` if the partition is not here for sure.
    pub(crate) fn may_hold(&self, key: &PartitionKey, hash: u64, io: &Io) -> Result<bool, Halt> {
        Ok(self.spans(key) && self.mapped(io)?.filter.may_hold(hash))
    }

    /// As `may_hold`, by what is in memory.
    pub(crate) fn may_hold_now(&self, key: &PartitionKey, hash: u64) -> bool {
        self.spans(key) && self.map.get().is_none_or(|it| it.filter.may_hold(hash))
    }

    fn spans(&self, key: &PartitionKey) -> bool {
        self.stats.first <= *key && *key <= self.stats.last
    }

    /// Bytes that a partition takes here, about: of its blocks, less those that it shares with the
    /// partition before. From memory: 0 while nobody has read from here.
    pub(crate) fn partition_bytes(&self, key: &PartitionKey) -> u64 {
        let Some(Map { index, .. }) = self.map.get() else { return 0 };
        let blocks = index.blocks_of(key);
        if blocks.is_empty() {
            return 0;
        }
        let (first, last) = (index.extent(blocks.start), index.extent(blocks.end - 1));
        last.offset + last.bytes - first.offset
    }

    /// Bytes of the blocks that begin in front of a token, about what lies there. From memory: 0 while nobody has read from
    /// here.
    pub(crate) fn bytes_before(&self, token: Token) -> u64 {
        let Some(Map { index, .. }) = self.map.get() else { return 0 };
        let key = PartitionKey { token, bytes: Bytes::new() };
        let last = index.count(&key, &[], Upto::Excluding).checked_sub(1);
        last.map_or(0, |at| index.extent(at).offset + index.extent(at).bytes)
    }

    /// `partition_bytes` of the partition that has most here: 0 while nobody has read from here.
    pub(crate) fn largest_bytes(&self) -> u64 {
        self.map.get().map_or(0, |it| it.index.largest_bytes())
    }

    fn place<'a>(&self, map: &'a Map, at: usize) -> Place<'a> {
        Place { sstable: self.cached_as, at: at as u32, shelf: &map.shelf }
    }

    /// Gives up what the cache has of it: it was replaced by others.
    pub(crate) fn leave(&self, cache: &Cache) {
        if let Some(map) = self.map.get() {
            cache.forget(self.cached_as, &map.shelf);
            cache.forget(self.cached_as, &map.rows.shelf);
            cache.forget(self.cached_as, &map.statistics.shelf);
        }
    }

    /// Where blocks begin in their partitions.
    #[cfg(test)]
    fn starts(&self) -> Vec<Bytes> {
        self.map().expect("it is whole").index.starts()
    }

    /// Blocks with texts that are coded by symbols, and all blocks.
    #[cfg(test)]
    pub(crate) fn coded_blocks(&self, io: &Io) -> (usize, usize) {
        let count = self.map().expect("it is whole").index.len();
        let is_coded = |at: &usize| self.block(*at, io).expect("it is whole").is_coded();
        ((0..count).filter(is_coded).count(), count)
    }

    /// What is wrong when a partition that is here has no fragment where the index says.
    pub(crate) fn without_rows(&self) -> Error {
        Error::corrupt(&self.path, 0, "a partition without rows")
    }

    fn block(&self, at: usize, io: &Io) -> Result<Arc<Block>, Halt> {
        let map = self.mapped(io)?;
        io.block(self.place(map, at), || self.read_block(map, at))
    }

    fn read_block(&self, map: &Map, at: usize) -> Result<Block, Error> {
        let extent = map.index.extent(at);
        let bytes = read_exact(&*self.file, &self.path, extent)?;
        let raw = format::unwrap(bytes, self.id, extent.offset)
            .map_err(|it| Error::corrupt(&self.path, extent.offset, format!("a block: {it}")))?;
        format::block(self.version, raw, &self.symbols)
            .map_err(|it| Error::corrupt(&self.path, extent.offset, format!("{it}")))
    }

    /// How many blocks there are; 0 while nobody has read from here.
    pub(crate) fn blocks(&self) -> u64 {
        self.map.get().map_or(0, |it| it.index.len() as u64)
    }

    /// Reads blocks of a new sstable into the cache, before readers go there: those that `is_wanted` for where they begin, as
    /// far as the cache has room for what nobody has asked for.
    ///
    /// # Errors
    /// `Corrupt` or `Io` for a block that could not be read.
    pub(crate) fn warm(
        &self,
        cache: &Cache,
        is_wanted: impl Fn(&PartitionKey, &Bytes) -> bool,
    ) -> Result<(), Error> {
        let map = self.map()?;
        let mut left = cache.warm_bytes();
        for at in 0..map.index.len() {
            let (key, start) = map.index.begins(at);
            if !is_wanted(&key, &start) {
                continue;
            }
            let block = Arc::new(self.read_block(map, at)?);
            let Some(rest) = left.checked_sub(block.bytes()) else { break };
            left = rest;
            cache.take_in(self.place(map, at), &block);
        }
        Ok(())
    }

    /// Whether the block is in memory in which a partition has `clustering`, if it is here.
    pub(crate) fn has_in_memory(&self, key: &PartitionKey, clustering: &[u8]) -> bool {
        self.map.get().is_some_and(|map| {
            let count = map.index.count(key, clustering, Upto::Including);
            count.checked_sub(1).is_some_and(|at| map.shelf.holds(at as u32))
        })
    }
}

/// The raw bytes of one of the sections behind the blocks of file `id`.
fn read_section(
    file: &dyn File,
    path: &Path,
    id: u64,
    extent: Extent,
    what: &str,
) -> Result<Bytes, Error> {
    let raw = read_exact(file, path, extent)?;
    format::unwrap(raw, id, extent.offset)
        .map_err(|it| Error::corrupt(path, extent.offset, format!("the {what}: {it}")))
}

fn read_exact(file: &dyn File, path: &Path, extent: Extent) -> Result<Bytes, Error> {
    if SECTION_BYTES_MAX < extent.bytes {
        return Err(Error::corrupt(path, extent.offset, "an absurd length"));
    }
    let bytes = file.read_bytes_at(extent.bytes as usize, extent.offset).map_err(|it| {
        if it.kind() == std::io::ErrorKind::UnexpectedEof {
            return Error::corrupt(path, extent.offset, "the end of the file");
        }
        Error::io(path, it)
    })?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests;
