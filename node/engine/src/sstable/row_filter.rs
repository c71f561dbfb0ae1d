//! Bloom filters over the rows of an sstable: of a row that is looked for, "not here" for sure or "maybe here", without a
//! look into its block.
//!
//! ```text
//!   file    │ block 0 │ block 1 │ block 2 │ page │ block 3 │ block 4 │ page │ …
//!                └────── rows of these ──────┘       └── and of these ─┘
//! ```
//!
//! A page is for blocks that follow each other, and is written behind them, so that a writer holds the hashes of a few thousand
//! rows whatever the size of the file. In memory it lies in the cache like a block. All bits of a row lie in one line of 512,
//! so that a look waits for one place of memory: the blocked Bloom filter of Putze, Sanders and Singler ("Cache-, Hash- and
//! Space-Efficient Bloom Filters", 2007).
//!
//! Points, which take a few bytes, have none on the disk: it would be a good part of all they take. In memory they take more, and a
//! block in which rows are looked for that are not there gets a page of its own, which goes as it came. Partitions of a few rows
//! have none at all: the filter of partitions tells of those.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use model::codec::{Malformed, Reader, Writer};
use model::{Chunk, Partition};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::filter;
use super::format::Extent;
use super::pages::{self, Directory, PAGE};
use crate::shelf::{Lines, Shelf};

/// Rows behind which a page is written, with the end of a block: 4 KiB of ten bits each.
const PAGE_ROWS: usize = 3_200;

/// Rows of a partition, by and large, from which on it pays to tell them apart.
const ROWS_PER_PARTITION_MIN: usize = 4;

/// A page takes at most one byte in so many that its blocks take.
const SHARE: u64 = 5;

/// Bits of a row below which there is no page: a table that wants fewer has none.
const BITS_MIN: f64 = 8.0;

/// Bits of a row in pages that are made in memory.
const BITS_MADE: f64 = 10.0;

/// Bits tested for each row at most.
const PROBES_MAX: u8 = 16;

/// A line, bits and words.
const LINE_BITS: u32 = 512;
const LINE_WORDS: usize = 8;

/// Words in memory before the first line, so that lines are those of the processor: behind the counts of an `Arc`. The
/// first of them is the number of probes.
const HEAD_WORDS: usize = 6;

/// What a filter keeps of a row of the partition with this hash.
pub(crate) fn hash(partition: u64, clustering: &[u8]) -> u64 {
    xxh3_64_with_seed(clustering, partition)
}

/// Whether there are rows enough in so many partitions that it pays to tell them apart.
pub(super) fn pays(rows: usize, partitions: usize) -> bool {
    0 < rows && ROWS_PER_PARTITION_MIN * partitions <= rows
}

/// The rows of blocks that are being written.
#[derive(Debug, Default)]
pub(super) struct Builder {
    hashes: Vec<u64>,
    partitions: usize,
    blocks: u64,
    bytes: u64,
    /// What a range tombstone covers is no row, and yet not nothing.
    has_ranges: bool,
    pages: Pages,
}

/// Where the pages of a file lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pages {
    pub(crate) all: pages::Pages,
    /// Two partitions have one token: then a token does not tell in which block a row would be.
    pub(crate) have_collisions: bool,
}

impl Builder {
    /// The partition that comes next has the token of the one before.
    pub(super) fn collide(&mut self) {
        self.pages.have_collisions = true;
    }

    /// Counts the rows of a fragment in.
    pub(super) fn add(&mut self, part: &Partition) {
        let partition = filter::hash(&part.key);
        self.partitions += 1;
        self.has_ranges |= !part.range_tombstones.is_empty();
        for chunk in part.rows.chunks() {
            match chunk {
                Chunk::Each(rows) => {
                    self.hashes.extend(rows.iter().map(|(at, _)| hash(partition, &at.0)));
                }
                Chunk::Columns(columns, rows) => {
                    self.hashes.extend(rows.map(|at| hash(partition, columns.keys.bytes(at))));
                }
            }
        }
    }

    /// A block of so many bytes ends. Whether a page should follow.
    pub(super) fn end_block(&mut self, bytes: u64) -> bool {
        self.blocks += 1;
        self.bytes += bytes;
        PAGE_ROWS <= self.hashes.len()
    }

    /// The raw page of the blocks since the last one, if it pays to have one.
    pub(super) fn page(&mut self, false_positives: f64) -> Option<Bytes> {
        let rows = self.hashes.len();
        if self.has_ranges || !pays(rows, self.partitions) {
            return None;
        }
        let affordable = (8 * self.bytes / SHARE) as f64 / rows as f64;
        let bits = filter::bits_for(false_positives).min(affordable);
        if bits < BITS_MIN {
            return None;
        }
        let (probes, words) = lines(&self.hashes, bits);
        let mut out = Writer::with_capacity(2 + words.len() * 8);
        out.u8(PAGE);
        out.u8(probes);
        words.iter().for_each(|word| out.raw(&word.to_le_bytes()));
        Some(out.finish())
    }

    /// The page that was asked for was written there, or nowhere.
    pub(super) fn end_page(&mut self, extent: Option<Extent>) {
        self.pages.all.push(self.blocks, extent);
        self.hashes.clear();
        (self.partitions, self.blocks, self.bytes, self.has_ranges) = (0, 0, 0, false);
    }

    /// Where all pages lie.
    pub(super) fn pages(&self) -> &Pages {
        &self.pages
    }
}

impl Pages {
    pub(super) fn put(&self, out: &mut Writer) {
        out.u8(u8::from(self.have_collisions));
        self.all.put(out);
    }

    pub(super) fn read(reader: &mut Reader) -> Result<Pages, Malformed> {
        let have_collisions = match reader.u8("flags of pages")? {
            flag @ 0..=1 => flag == 1,
            _ => return Err(reader.malformed("flags of pages")),
        };
        Ok(Pages { all: pages::Pages::read(reader)?, have_collisions })
    }
}

/// Bits tested for each row, and lines in which those of all rows are set, of which there is one at least.
fn lines(hashes: &[u64], bits: f64) -> (u8, Vec<u64>) {
    let probes = ((bits * std::f64::consts::LN_2).round() as u8).clamp(1, PROBES_MAX);
    let lines = (hashes.len() as f64 * bits / f64::from(LINE_BITS)).floor().max(1.0) as usize;
    let mut words = vec![0_u64; lines * LINE_WORDS];
    for hash in hashes {
        let line = line_of(*hash, lines) * LINE_WORDS;
        for bit in bits_of(*hash, probes) {
            words[line + bit / 64] |= 1 << (bit % 64);
        }
    }
    (probes, words)
}

/// The page of rows with these hashes, in memory.
pub(super) fn made(hashes: &[u64]) -> Arc<[u64]> {
    let (probes, words) = lines(hashes, BITS_MADE);
    in_memory(probes, words.into_iter())
}

/// A page as it is looked at.
fn in_memory(probes: u8, words: impl Iterator<Item = u64>) -> Arc<[u64]> {
    std::iter::once(u64::from(probes)).chain([0; HEAD_WORDS - 1]).chain(words).collect()
}

/// A page that was written, as it is looked at.
///
/// # Errors
/// Where the bytes are not what `Builder::page` made.
pub(crate) fn decode(raw: &[u8]) -> Result<Arc<[u64]>, &'static str> {
    let Some(([PAGE, probes @ 1..=PROBES_MAX], lines)) = raw.split_first_chunk() else {
        return Err("the head of a page");
    };
    let (words, rest) = lines.as_chunks::<8>();
    if words.is_empty() || !words.len().is_multiple_of(LINE_WORDS) || !rest.is_empty() {
        return Err("the lines of a page");
    }
    Ok(in_memory(*probes, words.iter().map(|it| u64::from_le_bytes(*it))))
}

/// Whether a row with this hash may be in the blocks of the page.
pub(crate) fn may_hold(page: &[u64], hash: u64) -> bool {
    let (head, words) = page.split_at(HEAD_WORDS);
    let line = &words[line_of(hash, words.len() / LINE_WORDS) * LINE_WORDS..][..LINE_WORDS];
    bits_of(hash, head[0] as u8).all(|bit| line[bit / 64] & (1 << (bit % 64)) != 0)
}

/// The upper half of the hash, spread over the lines.
fn line_of(hash: u64, lines: usize) -> usize {
    (((hash >> 32) * lines as u64) >> 32) as usize
}

/// Double hashing by the lower half: an odd stride reaches every bit of a line.
fn bits_of(hash: u64, probes: u8) -> impl Iterator<Item = usize> {
    let (base, stride) = (hash as u32, (hash as u32 >> 9) | 1);
    (0..u32::from(probes))
        .map(move |probe| (base.wrapping_add(probe.wrapping_mul(stride)) % LINE_BITS) as usize)
}

/// The pages of an open sstable.
#[derive(Debug)]
pub(crate) struct RowFilter {
    written: Directory,
    /// Those that were written, and behind them, unless all were, a place for each block, for a page that is made of it.
    pub(crate) shelf: Arc<Shelf<Lines>>,
    worth: Worth,
}

/// The page that tells of the rows of a block, by its number on the shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageOf {
    /// It lies in the file.
    Written(u32, Extent),
    /// It is in memory if somebody has made it.
    Made(u32),
}

impl RowFilter {
    /// Of a file of so many blocks.
    pub(crate) fn new(pages: &Pages, blocks: usize) -> RowFilter {
        // With collisions a token does not tell in which block a row would be.
        let pages = if pages.have_collisions { None } else { Some(&pages.all.0[..]) };
        let is_written = |it: &pages::Page| it.extent.bytes > 0;
        let made = match pages {
            Some(pages) if pages.is_empty() || !pages.iter().all(is_written) => blocks,
            Some(_) | None => 0,
        };
        let written = Directory::new(pages.unwrap_or_default());
        let shelf = Arc::new(Shelf::new(written.len() + made));
        RowFilter { written, shelf, worth: Worth::default() }
    }

    /// The page of block `at`.
    pub(crate) fn page_of(&self, at: usize) -> PageOf {
        match self.written.page_of(at) {
            Some((page, extent)) => PageOf::Written(page as u32, extent),
            None => PageOf::Made((self.written.len() + at) as u32),
        }
    }

    /// The number of the page that should be made of block `at`, in which a row was looked for that is not there.
    pub(crate) fn wanted(&self, at: usize) -> Option<u32> {
        match self.page_of(at) {
            PageOf::Made(page) if self.is_worth_a_look() && self.shelf.lacks(page) => Some(page),
            PageOf::Made(_) | PageOf::Written(..) => None,
        }
    }

    /// Whether looking for a row in the filter first has been the shorter way.
    pub(crate) fn is_worth_a_look(&self) -> bool {
        WORTH_A_LOOK <= self.worth.0.load(Ordering::Relaxed)
    }

    /// A row was looked for, and found in its block or not; or the filter has said that it is not there.
    pub(crate) fn has_seen(&self, seen: Seen) {
        let before = self.worth.0.load(Ordering::Relaxed);
        let after = match seen {
            Seen::Row => before.saturating_sub(1),
            Seen::NoRow => (before + 8).min(WORTH_MAX),
            Seen::No => (before + 2).min(WORTH_MAX),
        };
        // Mostly it stays as it is: then the line stays with all processors.
        if after != before {
            self.worth.0.store(after, Ordering::Relaxed);
        }
    }
}

/// How a look for a row ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It was in its block.
    Row,
    /// It was not, and the filter had not said so.
    NoRow,
    /// The filter said so.
    No,
}

/// Rises with rows that are not there, and falls with those that are: a look at the filter is a fifth of one into a block.
#[derive(Debug)]
struct Worth(AtomicU32);

/// From here on the filter is asked.
const WORTH_A_LOOK: u32 = 16;

/// So many hits and more in a row, and the filter is not asked any more.
const WORTH_MAX: u32 = 255;

impl Default for Worth {
    fn default() -> Worth {
        Worth(AtomicU32::new(WORTH_A_LOOK))
    }
}

#[cfg(test)]
mod tests;
