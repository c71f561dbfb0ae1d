//! Finds symbols for the texts of a table, and codes by them.
//!
//! ```text
//!   block   0 … 7   8  9        10 …
//!           ──────┼ sample ┼─►  coded, if that pays; if not, a sample again behind three times as many
//!   next sstable    coded from its first block on, by the same symbols: a compaction copies codes
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use fsst::Compressor;
use model::codec::Writer;

/// Blocks of an sstable before it is seen whether symbols pay: they are not worth finding in a small one.
pub(super) const BLOCKS_BEFORE: u32 = 8;
/// Where it did not pay, it is seen again whether it does once there are so many times as many blocks.
const BLOCKS_GROWTH: u32 = 3;
/// Blocks that are looked at, at most.
pub(super) const BLOCKS_SAMPLED: u32 = 16;
/// Texts by which symbols are found, bytes: more do not make them better.
const SAMPLE_BYTES: usize = 16 << 10;
/// After so many texts, bytes, it is seen whether the symbols are still good ones.
const CHECK_BYTES: usize = 1 << 20;

/// The symbols by which the sstables of a table are coded that are written now.
#[derive(Default)]
pub(crate) struct TableSymbols(Mutex<Option<Arc<Found>>>);

/// Symbols that were found.
struct Found {
    compressor: Compressor,
    /// As a block has them.
    written: Bytes,
    /// What they made of the sample, thousandths of it.
    share: usize,
}

/// Codes the texts of one sstable, once enough of them were seen, and if it pays.
pub(crate) struct TextCoder {
    state: State,
    shared: Arc<TableSymbols>,
    /// Blocks that were written.
    blocks: u32,
    /// Enough of a sample, bytes.
    enough: usize,
}

enum State {
    /// Enough was not seen yet, or it did not pay: it is looked at behind so many blocks.
    Sampling(Sample, u32),
    Coding(Coding),
    /// Never.
    Off,
}

/// What was seen.
#[derive(Default)]
struct Sample {
    arena: Vec<u8>,
    ends: Vec<usize>,
    /// Texts of the blocks that were looked at, bytes.
    text_bytes: usize,
    /// Those blocks before they were compressed, and after.
    raw_bytes: usize,
    compressed_bytes: usize,
}

struct Coding {
    found: Arc<Found>,
    /// Of the texts that are coded now.
    codes: Vec<u8>,
    ends: Vec<u64>,
    /// Of those among them that came without codes.
    new_codes: Vec<u8>,
    new_ends: Vec<u64>,
    /// Codes in this block, bytes.
    block_codes: usize,
    /// Texts since the symbols were looked at last, and their codes: bytes.
    text_bytes: usize,
    code_bytes: usize,
}

/// What was coded.
pub(crate) struct Coded<'a> {
    /// One text after the other.
    pub(crate) codes: &'a [u8],
    /// Where each ends.
    pub(crate) ends: &'a [u64],
}

impl TableSymbols {
    fn get(&self) -> Option<Arc<Found>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, found: Arc<Found>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
    }
}

impl TextCoder {
    /// For blocks of about so many bytes, by the symbols of the table if there are any.
    pub(crate) fn new(block_bytes: usize, shared: Arc<TableSymbols>) -> TextCoder {
        let state = match shared.get() {
            Some(found) => State::Coding(Coding::by(found)),
            None => State::Sampling(Sample::default(), BLOCKS_BEFORE),
        };
        TextCoder { state, shared, blocks: 0, enough: block_bytes.min(SAMPLE_BYTES) }
    }

    /// Never codes.
    pub(crate) fn off() -> TextCoder {
        TextCoder { state: State::Off, shared: Arc::default(), blocks: 0, enough: 0 }
    }

    /// The symbols by which it codes now, as a block has them.
    pub(crate) fn symbols(&self) -> Option<Bytes> {
        match &self.state {
            State::Coding(coding) => Some(coding.found.written.clone()),
            State::Sampling(..) | State::Off => None,
        }
    }

    /// The texts of a column, coded if that makes them a tenth shorter. The first ones may come with codes by `symbols`.
    pub(crate) fn code(&mut self, texts: &[&[u8]], codes: &[Option<&[u8]>]) -> Option<Coded<'_>> {
        match &mut self.state {
            State::Off => None,
            State::Sampling(sample, before) => {
                if *before <= self.blocks {
                    sample.take(texts, self.enough);
                }
                None
            }
            State::Coding(coding) => coding.code(texts, codes),
        }
    }

    /// What a block has behind its columns, if some of them were coded.
    pub(crate) fn put_symbols(&self, out: &mut Writer) {
        if let State::Coding(coding) = &self.state
            && coding.block_codes > 0
        {
            out.bytes(&coding.found.written);
        }
    }

    /// Whether most of the raw block is codes, in which no compression finds anything.
    pub(crate) fn is_coded(&self, raw: &[u8]) -> bool {
        match &self.state {
            State::Coding(coding) => raw.len() / 2 <= coding.block_codes,
            State::Sampling(..) | State::Off => false,
        }
    }

    /// Whether it looks for symbols still, or again.
    #[cfg(test)]
    pub(super) fn is_sampling_behind(&self) -> Option<u32> {
        match &self.state {
            State::Sampling(_, before) => Some(*before),
            State::Coding(_) | State::Off => None,
        }
    }

    /// Ends a block, which took so many bytes before it was compressed, and after.
    pub(crate) fn end_block(&mut self, raw_bytes: usize, compressed_bytes: usize) {
        self.blocks = self.blocks.saturating_add(1);
        match &mut self.state {
            State::Off => {}
            State::Coding(coding) => {
                coding.block_codes = 0;
                if coding.is_outdated() {
                    self.state = State::Sampling(Sample::default(), self.blocks);
                }
            }
            State::Sampling(_, before) if self.blocks <= *before => {}
            State::Sampling(sample, before) => {
                sample.raw_bytes += raw_bytes;
                sample.compressed_bytes += compressed_bytes;
                let sampled = self.blocks - *before;
                if self.enough <= sample.arena.len() || BLOCKS_SAMPLED <= sampled {
                    self.state = match sample.found(sampled) {
                        Some(found) => {
                            self.shared.set(Arc::clone(&found));
                            State::Coding(Coding::by(found))
                        }
                        None => {
                            let later = self.blocks.saturating_mul(BLOCKS_GROWTH);
                            State::Sampling(Sample::default(), later)
                        }
                    };
                }
            }
        }
    }
}

impl Sample {
    fn take(&mut self, texts: &[&[u8]], enough: usize) {
        for text in texts {
            self.text_bytes += text.len();
            if self.arena.len() < enough {
                self.arena.extend_from_slice(&text[..text.len().min(enough)]);
                self.ends.push(self.arena.len());
            }
        }
    }

    /// Finds symbols, if so many blocks with them are not much longer than compressed: they are read sooner.
    fn found(&self, blocks: u32) -> Option<Arc<Found>> {
        // Where there is little text, there is nothing to find.
        if self.arena.is_empty() || self.text_bytes < self.raw_bytes / 2 {
            return None;
        }
        let mut begin = 0;
        let texts =
            self.ends.iter().map(|end| &self.arena[std::mem::replace(&mut begin, *end)..*end]);
        let texts: Vec<&[u8]> = texts.collect();
        let compressor = Compressor::train(&texts);
        let mut written = Writer::default();
        write(&compressor, &mut written);
        let (mut codes, mut ends) = (Vec::new(), Vec::new());
        compress(&compressor, &texts, &mut codes, &mut ends);
        let share = codes.len() * 1_000 / self.arena.len();
        let written = written.finish();
        let others = self.raw_bytes.saturating_sub(self.text_bytes);
        let expected = others + self.text_bytes * share / 1_000 + blocks as usize * written.len();
        let pays = expected <= self.compressed_bytes / 10 * 11;
        pays.then(|| Arc::new(Found { compressor, written, share }))
    }
}

impl Coding {
    fn by(found: Arc<Found>) -> Coding {
        Coding {
            found,
            codes: Vec::new(),
            ends: Vec::new(),
            new_codes: Vec::new(),
            new_ends: Vec::new(),
            block_codes: 0,
            text_bytes: 0,
            code_bytes: 0,
        }
    }

    fn code(&mut self, texts: &[&[u8]], codes: &[Option<&[u8]>]) -> Option<Coded<'_>> {
        self.codes.clear();
        self.ends.clear();
        if codes.is_empty() {
            compress(&self.found.compressor, texts, &mut self.codes, &mut self.ends);
        } else {
            self.join(texts, codes);
        }
        let bytes: usize = texts.iter().map(|it| it.len()).sum();
        self.text_bytes += bytes;
        self.code_bytes += self.codes.len();
        if bytes / 10 * 9 <= self.codes.len() {
            return None;
        }
        self.block_codes += self.codes.len();
        Some(Coded { codes: &self.codes, ends: &self.ends })
    }

    /// Codes the texts that come without codes, and joins them with the others.
    fn join(&mut self, texts: &[&[u8]], codes: &[Option<&[u8]>]) {
        let codes = || codes.iter().copied().chain(std::iter::repeat(None));
        let new = texts.iter().zip(codes()).filter(|(_, codes)| codes.is_none());
        let new: Vec<&[u8]> = new.map(|(text, _)| *text).collect();
        self.new_codes.clear();
        self.new_ends.clear();
        compress(&self.found.compressor, &new, &mut self.new_codes, &mut self.new_ends);
        let (mut begin, mut ends) = (0, self.new_ends.iter());
        for (_, codes) in texts.iter().zip(codes()) {
            let codes = codes.unwrap_or_else(|| {
                let end = ends.next().map_or(begin, |it| *it as usize);
                &self.new_codes[std::mem::replace(&mut begin, end)..end]
            });
            self.codes.extend_from_slice(codes);
            self.ends.push(self.codes.len() as u64);
        }
    }

    /// Whether texts are no more what they were when the symbols were found.
    fn is_outdated(&mut self) -> bool {
        if self.text_bytes < CHECK_BYTES {
            return false;
        }
        let share = self.code_bytes.saturating_mul(1_000) / self.text_bytes;
        (self.text_bytes, self.code_bytes) = (0, 0);
        self.found.share / 4 * 5 < share
    }
}

fn compress(compressor: &Compressor, texts: &[&[u8]], codes: &mut Vec<u8>, ends: &mut Vec<u64>) {
    const LANES: usize = Compressor::DEFAULT_BULK_LANES;
    compressor.compress_bulk_into::<LANES>(texts, codes, ends);
}

/// Appends the symbols by which it codes.
fn write(compressor: &Compressor, out: &mut Writer) {
    let lengths = compressor.symbol_lengths();
    let runs = || lengths.chunk_by(|left, right| left == right);
    out.uint(runs().count() as u64);
    for run in runs() {
        out.u8(run[0]);
        out.uint(run.len() as u64);
    }
    for (symbol, length) in compressor.symbol_table().iter().zip(lengths) {
        out.raw(&symbol.to_u64().to_le_bytes()[..usize::from(*length)]);
    }
}
