//! Writes an sstable from partitions in order, holding one block, the index and one hash for each partition.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use model::columns::Columns;
use model::key::bottom;
use model::{Chunk, Clustering, Partition, PartitionKey, Row, TableId};
use sys::{Disk, File, Open};

use super::block::{self, Encoded, Fragment};
use super::compression::{self, BlockCompressor, Compression};
use super::filter::{self, Filter};
use super::format::{self, Extent, Filters, Footer, IndexEntry, Layout, SstableStats};
use super::symbols::{TableSymbols, TextCoder};
use super::{row_filter, statistics};
use crate::piece::{self, Piece, Summary};
use crate::{Error, TableShape};

/// Bytes handed to the disk at once.
const WRITE_BYTES: usize = 128 << 10;

/// About what a fragment takes beside its key and its rows.
const FRAGMENT_BYTES: usize = 4;

/// Rows of a block before they are turned into columns, bytes, at most: no more of the smallest ones than a block may have.
const BLOCK_BYTES_MAX: usize = 512 << 10;

/// Range tombstones in a fragment at most.
const RANGES_MAX: usize = 512;

/// An sstable being written.
pub(crate) struct Writer {
    path: PathBuf,
    file: Arc<dyn File>,
    id: u64,
    table: TableId,
    bloom_fp: f64,
    block_bytes: usize,
    compressor: BlockCompressor,
    coder: TextCoder,
    /// Wrapped blocks that are not written yet, and where they will lie.
    out: Vec<u8>,
    out_offset: u64,
    /// What the next block will hold, and about how many bytes of rows.
    block: Vec<Fragment>,
    block_len: usize,
    open: Option<OpenFragment>,
    index: Vec<IndexEntry>,
    hashes: Vec<u64>,
    rows: row_filter::Builder,
    statistics: statistics::Builder,
    stats: Option<SstableStats>,
}

/// The fragment that rows are added to.
struct OpenFragment {
    start: Bytes,
    part: Partition,
    bytes: usize,
}

impl Writer {
    /// Begins the file `id` at `path`, with blocks of about `block_bytes` of rows unless the table says otherwise, and texts
    /// coded by the `symbols` of the table.
    pub(crate) fn create(
        disk: &dyn Disk,
        path: &Path,
        id: u64,
        shape: &TableShape,
        block_bytes: usize,
        symbols: &Arc<TableSymbols>,
    ) -> Result<Writer, Error> {
        let file = disk.open(path, Open::CreateNew).map_err(|it| Error::io(path, it))?;
        let block_bytes =
            compression::block_bytes(shape).unwrap_or(block_bytes).min(BLOCK_BYTES_MAX);
        let compression = Compression::of(shape);
        // Zstd takes texts as they are, and makes them shorter still.
        let coder = match compression {
            Compression::Lz4 => TextCoder::new(block_bytes, Arc::clone(symbols)),
            Compression::Plain | Compression::Zstd(_) => TextCoder::off(),
        };
        Ok(Writer {
            path: path.to_path_buf(),
            file,
            id,
            table: shape.id,
            bloom_fp: shape.bloom_fp,
            block_bytes,
            compressor: BlockCompressor::new(compression),
            coder,
            out: format::header(format::VERSION, id).to_vec(),
            out_offset: 0,
            block: Vec::new(),
            block_len: 0,
            open: None,
            index: Vec::new(),
            hashes: Vec::new(),
            rows: row_filter::Builder::default(),
            statistics: statistics::Builder::default(),
            stats: None,
        })
    }

    /// Begins a partition with its deletion and static row.
    pub(crate) fn begin(&mut self, head: Partition) {
        assert!(self.open.is_none(), "the partition before is ended");
        let stats = self.stats.get_or_insert_with(|| SstableStats::none(own(&head.key)));
        assert!(stats.partitions == 0 || stats.last < head.key, "partitions ascend");
        if stats.partitions > 0 && stats.last.token == head.key.token {
            self.rows.collide();
        }
        stats.last = head.key.clone();
        stats.partitions += 1;
        if head.deletion.is_some() || !head.static_row.is_empty() {
            stats.layout.iter_mut().for_each(|it| it.heads += 1);
        }
        self.hashes.push(filter::hash(&head.key));
        let bytes = piece::row_bytes(&Clustering::default(), &head.static_row);
        self.open = Some(OpenFragment { start: bottom(), part: head, bytes });
    }

    /// Adds the next stretch of the partition; it begins where the last one ended.
    pub(crate) fn add(&mut self, mut piece: Piece) -> Result<(), Error> {
        loop {
            let Some(open) = &mut self.open else { return Ok(()) };
            let room = self.block_bytes.saturating_sub(self.block_len + open.bytes);
            // A piece of one row is never cut, so that a block would take in any number of them.
            if room == 0 && open.start < piece.start {
                self.cut(piece.start.clone())?;
                continue;
            }
            let (cut, bytes) = cut_point(&piece.part, room);
            open.bytes += bytes;
            let Some(bound) = cut else {
                open.bytes +=
                    piece.part.range_tombstones.iter().map(piece::range_bytes).sum::<usize>();
                piece::append(&mut open.part, piece.part);
                return Ok(());
            };
            let rest = piece.split_off(&bound);
            piece::append(&mut open.part, piece.part);
            self.cut(bound)?;
            piece = rest;
        }
    }

    /// Ends the block at `bound`, inside the partition.
    fn cut(&mut self, bound: Bytes) -> Result<(), Error> {
        let Some(open) = &self.open else { return Ok(()) };
        let next = Partition::empty(open.part.key.clone());
        self.end_fragment(bound.clone());
        self.end_block()?;
        self.open = Some(OpenFragment { start: bound, part: next, bytes: 0 });
        Ok(())
    }

    /// Ends the partition.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        let is_tail = self.open.as_ref().is_some_and(|it| !it.start.is_empty());
        self.end_fragment(piece::top());
        // The last block of a large partition is its own: tiny ones are packed with each other.
        if is_tail || self.block_bytes <= self.block_len {
            self.end_block()?;
        }
        Ok(())
    }

    /// Bytes of the file so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.out_offset + self.out.len() as u64
    }

    /// Writes what is left and syncs the file. `false` if there was no partition at all: then there is no sstable.
    pub(crate) fn finish(mut self) -> Result<bool, Error> {
        self.end_block()?;
        self.end_page();
        self.end_statistics();
        let Some(stats) = self.stats.take() else { return Ok(false) };
        let index = self.section(&format::encode_index(&self.index));
        let filter = Filter::build(&self.hashes, self.bloom_fp);
        let (rows, statistics) = (self.rows.pages(), self.statistics.pages());
        let filter = self.section(&Filters::encode(&filter, rows, statistics));
        let stats = self.section(&stats.encode());
        let footer = Footer { index, filter, stats }.encode(self.id, self.bytes());
        self.out.extend_from_slice(&footer);
        self.write_out()?;
        self.file.sync().map_err(|it| Error::io(&self.path, it))?;
        Ok(true)
    }

    fn end_fragment(&mut self, end: Bytes) {
        let Some(OpenFragment { start, part, bytes }) = self.open.take() else { return };
        if let Some(stats) = &mut self.stats {
            stats.count(&part);
            stats.layout.iter_mut().for_each(|it| it.count(&part));
        }
        self.rows.add(&part);
        self.block_len += FRAGMENT_BYTES + part.key.bytes.len() + bytes;
        self.block.push(Fragment { start, end, part });
    }

    fn end_block(&mut self) -> Result<(), Error> {
        let Some(first) = self.block.first() else { return Ok(()) };
        // Own bytes: what came from a block would keep that in memory until the file is complete.
        let key = match self.index.last() {
            Some(last) if last.key == first.part.key => last.key.clone(),
            Some(_) | None => own(&first.part.key),
        };
        let start = Bytes::copy_from_slice(&first.start);
        let Encoded { raw, statistics } = block::encode(self.table, &self.block, &mut self.coder);
        // Where there is nothing to find, nothing is looked for.
        let compressor =
            self.coder.is_coded(&raw).then(|| BlockCompressor::new(Compression::Plain));
        let extent = self.wrap(&raw, compressor);
        self.coder.end_block(raw.len(), extent.bytes as usize);
        self.block.clear();
        self.block_len = 0;
        self.index.push(IndexEntry { key, start, extent });
        if self.rows.end_block(extent.bytes) {
            self.end_page();
        }
        if self.statistics.end_block(statistics) {
            self.end_statistics();
        }
        if self.out.len() >= WRITE_BYTES { self.write_out() } else { Ok(()) }
    }

    /// Writes the page of the filter of rows, if the blocks since the last one have one.
    fn end_page(&mut self) {
        let page = self.rows.page(self.bloom_fp).map(|raw| self.wrap_plain(&raw));
        self.rows.end_page(page);
    }

    /// Writes the page of the statistics of the blocks since the last one, if they have any.
    fn end_statistics(&mut self) {
        let page = self.statistics.page().map(|raw| self.wrap_plain(&raw));
        self.statistics.end_page(page);
    }

    /// A page: nothing is to be found in it that repeats.
    fn wrap_plain(&mut self, raw: &[u8]) -> Extent {
        self.wrap(raw, Some(BlockCompressor::new(Compression::Plain)))
    }

    fn section(&mut self, raw: &[u8]) -> Extent {
        self.wrap(raw, None)
    }

    /// By its own compressor, unless there is another.
    fn wrap(&mut self, raw: &[u8], mut other: Option<BlockCompressor>) -> Extent {
        let offset = self.bytes();
        let compressor = other.as_mut().unwrap_or(&mut self.compressor);
        format::wrap(raw, compressor, self.id, offset, &mut self.out);
        Extent { offset, bytes: self.bytes() - offset }
    }

    fn write_out(&mut self) -> Result<(), Error> {
        self.file.write_at(&self.out, self.out_offset).map_err(|it| Error::io(&self.path, it))?;
        self.out_offset += self.out.len() as u64;
        self.out.clear();
        Ok(())
    }
}

/// A key that keeps nothing else in memory.
fn own(key: &PartitionKey) -> PartitionKey {
    PartitionKey { token: key.token, bytes: Bytes::copy_from_slice(&key.bytes) }
}

/// Where a part must be cut so that its rows fit into `room` bytes, if it must, and how many bytes of rows lie before.
/// At least one row or range tombstone lies before the cut, so that every cut gets ahead.
fn cut_point(part: &Partition, room: usize) -> (Option<Bytes>, usize) {
    let (mut bytes, mut is_first) = (0, true);
    let mut at_row = None;
    for chunk in part.rows.chunks() {
        at_row = match chunk {
            Chunk::Each(rows) => cut_in_list(rows, room, &mut is_first, &mut bytes),
            Chunk::Columns(columns, rows) => {
                let cut = cut_in_columns(columns, rows, room, is_first, &mut bytes);
                is_first = false;
                cut
            }
        };
        if at_row.is_some() {
            break;
        }
    }
    let at_range = part.range_tombstones.get(RANGES_MAX).map(|it| it.start.clone());
    let cut = at_row.into_iter().chain(at_range).min();
    (cut, bytes)
}

fn cut_in_list(
    rows: &[(Clustering, Row)],
    room: usize,
    is_first: &mut bool,
    bytes: &mut usize,
) -> Option<Bytes> {
    for (clustering, row) in rows {
        if *bytes >= room && !*is_first {
            return Some(clustering.0.clone());
        }
        *bytes += piece::row_bytes(clustering, row);
        *is_first = false;
    }
    None
}

fn cut_in_columns(
    columns: &Columns,
    rows: Range<usize>,
    room: usize,
    is_first: bool,
    bytes: &mut usize,
) -> Option<Bytes> {
    let up_to = |end: usize| *bytes + piece::amount_bytes(columns.amount(rows.start..end));
    // The first row in front of which there are enough.
    let (mut from, mut to) = (rows.start + usize::from(is_first), rows.end);
    if up_to(to) >= room {
        while from < to {
            let middle = from.midpoint(to);
            if up_to(middle) < room { from = middle + 1 } else { to = middle }
        }
    }
    *bytes = up_to(to);
    (to < rows.end).then(|| columns.keys.get(to))
}

impl SstableStats {
    /// Before anything was counted.
    pub(crate) fn none(first: PartitionKey) -> SstableStats {
        SstableStats {
            last: first.clone(),
            first,
            partitions: 0,
            rows: 0,
            tombstones: 0,
            timestamp_min: i64::MAX,
            timestamp_max: i64::MIN,
            expires_max: i64::MIN,
            deleted_max: i64::MIN,
            layout: Some(Layout::default()),
        }
    }

    /// Counts a stretch of a partition in; `Layout::count` and heads are apart.
    pub(crate) fn count(&mut self, part: &Partition) {
        let summary = Summary::of(part);
        self.rows += part.rows.len() as u64;
        self.tombstones += summary.tombstones;
        self.timestamp_min = self.timestamp_min.min(summary.timestamp_min);
        self.timestamp_max = self.timestamp_max.max(summary.timestamp_max);
        self.expires_max = self.expires_max.max(summary.expires_max);
        self.deleted_max = self.deleted_max.max(summary.deleted_max);
    }
}
