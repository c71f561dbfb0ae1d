//! The bytes of an sstable: `docs/formats/sstable.md`.
//!
//! ```text
//!   header | block | block | … | index | filter | stats | footer
//! ```
//!
//! Blocks and the three sections behind them are wrapped alike: a codec byte, the raw length, the
//! payload, and a checksum over file id, offset and all of it, so that bytes of another file or of another
//! place never pass.

use bytes::{BufMut, Bytes, BytesMut};
use model::codec::{Malformed, Reader, Writer};
use model::key::successor;
use model::rows::View;
use model::{Mutation, Partition, PartitionKey, Slice, TableId};
use xxhash_rust::xxh3::Xxh3;

use super::block::{self, Block, Fragment};
use super::compression::{self, BlockCompressor};
use super::filter::Filter;
use super::pages::Pages;
use super::row_filter;
use super::symbols::{FileSymbols, TextCoder};

/// Magic, version, file id, checksum.
pub(crate) const HEADER_BYTES: u64 = 28;

/// Three sections as offset and length, file id, version, checksum, magic.
pub(crate) const FOOTER_BYTES: u64 = 72;

/// The version written, and the newest that is read. All before are read too.
pub(crate) const VERSION: u32 = 8;

const MAGIC: &[u8; 8] = b"HELSSTBL";

/// Codec byte, raw length, checksum.
const WRAP_BYTES: usize = 13;

/// The header of file `id` of a version.
pub(crate) fn header(version: u32, id: u64) -> [u8; HEADER_BYTES as usize] {
    let mut bytes = [0; HEADER_BYTES as usize];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&version.to_le_bytes());
    bytes[12..20].copy_from_slice(&id.to_le_bytes());
    let sum = checksum(id, 0, &bytes[..20]);
    bytes[20..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// Checks the header of file `id`, and tells its version. In every version it is as long, and begins and ends alike.
pub(crate) fn check_header(bytes: &[u8], id: u64) -> Result<u32, BadVersion> {
    let version = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
    if bytes[..8] != *MAGIC || bytes[20..] != checksum(id, 0, &bytes[..20]).to_le_bytes() {
        return Err(BadVersion::Corrupt);
    }
    if VERSION < version {
        return Err(BadVersion::Newer(version));
    }
    if version > 0 && bytes == header(version, id) { Ok(version) } else { Err(BadVersion::Corrupt) }
}

/// Where a section lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
}

/// What the last bytes of a file say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footer {
    pub(crate) index: Extent,
    pub(crate) filter: Extent,
    pub(crate) stats: Extent,
}

/// Why a header or a footer cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadVersion {
    Newer(u32),
    Corrupt,
}

impl Footer {
    /// The footer of file `id`, to lie at `offset`.
    pub(crate) fn encode(&self, id: u64, offset: u64) -> Bytes {
        let mut bytes = BytesMut::with_capacity(FOOTER_BYTES as usize);
        for extent in [self.index, self.filter, self.stats] {
            bytes.put_u64_le(extent.offset);
            bytes.put_u64_le(extent.bytes);
        }
        bytes.put_u32_le(VERSION);
        bytes.put_u32_le(0);
        let sum = checksum(id, offset, &bytes);
        bytes.put_u64_le(sum);
        bytes.put_slice(MAGIC);
        bytes.freeze()
    }

    /// Reads the footer of file `id` at `offset`.
    pub(crate) fn decode(bytes: &[u8], id: u64, offset: u64) -> Result<Footer, BadVersion> {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        if bytes.len() as u64 != FOOTER_BYTES || bytes[64..] != *MAGIC {
            return Err(BadVersion::Corrupt);
        }
        if checksum(id, offset, &bytes[..56]) != word(56) {
            return Err(BadVersion::Corrupt);
        }
        let version = word(48) as u32;
        if VERSION < version {
            return Err(BadVersion::Newer(version));
        }
        let extent = |at: usize| Extent { offset: word(at), bytes: word(at + 8) };
        Ok(Footer { index: extent(0), filter: extent(16), stats: extent(32) })
    }
}

/// Wraps a block or section of file `id` that will lie at `offset`: compressed if that helps.
pub(crate) fn wrap(
    raw: &[u8],
    compressor: &mut BlockCompressor,
    id: u64,
    offset: u64,
    out: &mut Vec<u8>,
) {
    let begin = out.len();
    out.push(0);
    out.extend_from_slice(&(raw.len() as u32).to_le_bytes());
    out[begin] = compressor.compress(raw, out);
    let sum = checksum(id, offset, &out[begin..]);
    out.extend_from_slice(&sum.to_le_bytes());
}

/// What `wrap` wrapped, or what is wrong with it.
pub(crate) fn unwrap(bytes: Bytes, id: u64, offset: u64) -> Result<Bytes, &'static str> {
    if bytes.len() < WRAP_BYTES {
        return Err("too short");
    }
    let body = bytes.slice(..bytes.len() - 8);
    if bytes[body.len()..] != checksum(id, offset, &body).to_le_bytes() {
        return Err("its checksum");
    }
    // Checked, so the length below is what the writer wrote.
    let raw_len = u32::from_le_bytes([body[1], body[2], body[3], body[4]]) as usize;
    compression::decompress(body[0], body.slice(5..), raw_len)
}

fn checksum(id: u64, offset: u64, bytes: &[u8]) -> u64 {
    let mut sum = Xxh3::new();
    sum.update(&id.to_le_bytes());
    sum.update(&offset.to_le_bytes());
    sum.update(bytes);
    sum.digest()
}

/// Reads the raw block of a file of this version.
pub(crate) fn block(version: u32, raw: Bytes, known: &FileSymbols) -> Result<Block, Malformed> {
    match version {
        1 => {
            let table = TableId(uuid::Uuid::nil());
            Block::decode(block::encode(table, &fragments(raw)?, &mut TextCoder::off()).raw, known)
        }
        _ => Block::decode(raw, known),
    }
}

/// A raw block of version 1: fragments as they are, row by row.
fn fragments(raw: Bytes) -> Result<Vec<Fragment>, Malformed> {
    let mut reader = Reader::new(raw);
    let mut fragments = Vec::new();
    while !reader.is_done() {
        let start = reader.bytes("fragment start")?;
        let end = reader.bytes("fragment end")?;
        let part = Mutation::decode(reader.bytes("fragment rows")?)?.partition;
        fragments.push(Fragment { start, end, part });
    }
    Ok(fragments)
}

/// What the filter section says.
#[derive(Debug)]
pub(crate) struct Filters {
    /// Over partition keys.
    pub(crate) partitions: Filter,
    /// Of the filter over rows.
    pub(crate) rows: row_filter::Pages,
    /// Of block statistics.
    pub(crate) statistics: Pages,
}

impl Filters {
    pub(crate) fn encode(
        partitions: &Filter,
        rows: &row_filter::Pages,
        statistics: &Pages,
    ) -> Bytes {
        let mut out = Writer::default();
        partitions.put(&mut out);
        rows.put(&mut out);
        statistics.put(&mut out);
        out.finish()
    }

    /// Before version 6 there are no pages, and before version 8 none of statistics.
    pub(crate) fn decode(raw: Bytes) -> Result<Filters, Malformed> {
        let mut reader = Reader::new(raw);
        let partitions = Filter::read(&mut reader)?;
        let rows = match reader.is_done() {
            true => row_filter::Pages::default(),
            false => row_filter::Pages::read(&mut reader)?,
        };
        let statistics =
            if reader.is_done() { Pages::default() } else { Pages::read(&mut reader)? };
        if !reader.is_done() {
            return Err(reader.malformed("end of the filters"));
        }
        Ok(Filters { partitions, rows, statistics })
    }

    /// Where pages lie between the blocks, in order.
    pub(crate) fn pages(&self) -> Vec<Extent> {
        let mut all: Vec<Extent> =
            self.rows.all.extents().chain(self.statistics.extents()).collect();
        all.sort_unstable_by_key(|it| it.offset);
        all
    }
}

/// A block by where it begins.
#[derive(Clone, Debug)]
pub(crate) struct IndexEntry {
    /// Partition of its first fragment.
    pub(crate) key: PartitionKey,
    /// Where in that partition it begins.
    pub(crate) start: Bytes,
    pub(crate) extent: Extent,
}

/// The index section, raw.
pub(crate) fn encode_index(entries: &[IndexEntry]) -> Bytes {
    let mut out = Writer::default();
    out.uint(entries.len() as u64);
    for entry in entries {
        put_key(&mut out, &entry.key);
        out.bytes(&entry.start);
        out.uint(entry.extent.offset);
        out.uint(entry.extent.bytes);
    }
    out.finish()
}

impl IndexEntry {
    pub(crate) fn read(reader: &mut Reader) -> Result<IndexEntry, Malformed> {
        let key = read_key(reader)?;
        let start = reader.bytes("block start")?;
        let offset = reader.uint("block offset")?;
        let bytes = reader.uint("block length")?;
        Ok(IndexEntry { key, start, extent: Extent { offset, bytes } })
    }
}

/// What is known of an sstable without reading its blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SstableStats {
    pub(crate) first: PartitionKey,
    pub(crate) last: PartitionKey,
    pub(crate) partitions: u64,
    pub(crate) rows: u64,
    pub(crate) tombstones: u64,
    /// Microseconds; of anything in it.
    pub(crate) timestamp_min: i64,
    pub(crate) timestamp_max: i64,
    /// When the last of it expires, seconds; `i64::MAX` if something never does.
    pub(crate) expires_max: i64,
    /// When the last of its tombstones was written, or of what expires, seconds.
    pub(crate) deleted_max: i64,
    /// What lies where. `None`: nobody has looked.
    pub(crate) layout: Option<Layout>,
}

/// What a reader need not look for in an sstable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Partitions with a deletion or statics.
    pub(crate) heads: u64,
    /// All rows and range tombstones lie between, the end exclusive. Empty if there are none.
    pub(crate) clusterings: (Bytes, Bytes),
}

impl Layout {
    /// Counts a stretch of a partition in.
    pub(crate) fn count(&mut self, part: &Partition) {
        let (rows, ranges) = (&part.rows, &part.range_tombstones);
        let firsts = rows.views().next().map(View::clustering).into_iter();
        let first = firsts.chain(ranges.first().map(|it| &it.start[..])).min();
        let row_end = rows.views().next_back().map(|it| successor(it.clustering()));
        let end = row_end.into_iter().chain(ranges.last().map(|it| it.end.clone())).max();
        let (Some(first), Some(end)) = (first, end) else { return };
        let (least, most) = &mut self.clusterings;
        // Own bytes: what came from a block would keep that in memory.
        if most.is_empty() || *first < least[..] {
            *least = Bytes::copy_from_slice(first);
        }
        if *most < end {
            *most = Bytes::copy_from_slice(&end);
        }
    }

    /// Whether something lies in `[start, end)` of some partition.
    pub(crate) fn meets(&self, want: &Slice) -> bool {
        self.clusterings.0 < want.end && want.start < self.clusterings.1
    }

    fn put(&self, out: &mut Writer) {
        out.uint(self.heads);
        out.bytes(&self.clusterings.0);
        out.bytes(&self.clusterings.1);
    }

    fn read(reader: &mut Reader) -> Result<Layout, Malformed> {
        let heads = reader.uint("heads")?;
        let own = |it: Bytes| Bytes::copy_from_slice(&it);
        let first = own(reader.bytes("first clustering")?);
        Ok(Layout { heads, clusterings: (first, own(reader.bytes("end of clusterings")?)) })
    }
}

impl SstableStats {
    pub(crate) fn encode(&self) -> Bytes {
        let mut out = Writer::default();
        put_key(&mut out, &self.first);
        put_key(&mut out, &self.last);
        out.uint(self.partitions);
        out.uint(self.rows);
        out.uint(self.tombstones);
        out.int(self.timestamp_min);
        out.int(self.timestamp_max);
        out.int(self.expires_max);
        out.int(self.deleted_max);
        self.layout.iter().for_each(|it| it.put(&mut out));
        out.finish()
    }

    /// Of a file of this version.
    pub(crate) fn decode(version: u32, raw: Bytes) -> Result<SstableStats, Malformed> {
        let mut reader = Reader::new(raw);
        // Of version 1 nobody knows.
        let since_2 = |reader: &mut Reader, what| match version {
            1 => Ok(i64::MAX),
            _ => reader.int(what),
        };
        Ok(SstableStats {
            first: read_key(&mut reader)?,
            last: read_key(&mut reader)?,
            partitions: reader.uint("partitions")?,
            rows: reader.uint("rows")?,
            tombstones: reader.uint("tombstones")?,
            timestamp_min: reader.int("oldest timestamp")?,
            timestamp_max: reader.int("newest timestamp")?,
            expires_max: since_2(&mut reader, "last expiry")?,
            deleted_max: since_2(&mut reader, "last deletion")?,
            layout: if version < 3 { None } else { Some(Layout::read(&mut reader)?) },
        })
    }
}

fn put_key(out: &mut Writer, key: &PartitionKey) {
    out.int(key.token.0);
    out.bytes(&key.bytes);
}

fn read_key(reader: &mut Reader) -> Result<PartitionKey, Malformed> {
    let token = model::Token(reader.int("token")?);
    Ok(PartitionKey { token, bytes: reader.bytes("partition key")? })
}
