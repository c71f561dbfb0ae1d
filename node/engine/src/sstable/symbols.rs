//! Symbols: byte strings of up to eight bytes, by the numbers of which short texts are coded, each text alone.
//!
//! ```text
//!   symbols     0 "the "   1 "er"   2 "in"  …  254
//!   a text      "the winner"   →   00 ff 77 02 ff 6e 01          ff: the next byte stands for itself
//! ```
//!
//! After Boncz, Neumann, Leis, "FSST: Fast Random Access String Compression", VLDB 2020. LZ4 finds little in short texts, and
//! gives none back without all that lie before it.

use std::sync::Arc;

use bytes::Bytes;
use model::codec::{Malformed, Reader, Writer};
use model::columns::Values;

/// The next byte stands for itself.
const ESCAPE: u8 = 0xFF;
/// Bytes of a symbol at most.
const SYMBOL_BYTES_MAX: u8 = 8;
/// Codes that are decoded before a look at how long the text has become.
const CODES_AT_ONCE: usize = 64;

/// What codes stand for.
#[derive(Debug)]
pub(crate) struct Symbols {
    /// As they were written.
    written: Bytes,
    bytes: Box<[[u8; 8]; 256]>,
    /// Of each symbol. Of what is none, nothing: every sequence of codes stands for some text.
    lengths: Box<[u8; 256]>,
}

/// Texts of a column, each coded.
#[derive(Debug)]
pub(crate) struct Texts {
    /// One after the other.
    arena: Bytes,
    /// Where in it each ends.
    ends: Vec<u32>,
}

impl Symbols {
    /// Reads what `write` wrote: those of before, if they are the same.
    pub(crate) fn read(
        reader: &mut Reader,
        known: Option<&Arc<Symbols>>,
    ) -> Result<Arc<Symbols>, Malformed> {
        let written = reader.bytes("symbols")?;
        if let Some(known) = known.filter(|it| it.written == written) {
            return Ok(Arc::clone(known));
        }
        // Own bytes: those of the block go with it.
        let written = Bytes::copy_from_slice(&written);
        let mut reader = Reader::new(written.clone());
        let mut symbols =
            Symbols { written, bytes: Box::new([[0; 8]; 256]), lengths: Box::new([0; 256]) };
        let runs = reader.count(2, "runs of symbols")?;
        let mut lengths = Vec::new();
        for _ in 0..runs {
            let length = reader.u8("length of symbols")?;
            let count = usize::try_from(reader.uint("symbols of a length")?).unwrap_or(usize::MAX);
            let fits = count <= usize::from(ESCAPE) - lengths.len();
            if !(1..=SYMBOL_BYTES_MAX).contains(&length) || !fits {
                return Err(reader.malformed("length of symbols"));
            }
            lengths.resize(lengths.len() + count, length);
        }
        for (code, length) in lengths.into_iter().enumerate() {
            let bytes = reader.raw(usize::from(length), "a symbol")?;
            symbols.bytes[code][..bytes.len()].copy_from_slice(&bytes);
            symbols.lengths[code] = length;
        }
        if !reader.is_done() {
            return Err(reader.malformed("end of symbols"));
        }
        Ok(Arc::new(symbols))
    }

    /// Some of the texts.
    pub(crate) fn decode(&self, texts: &Texts, range: std::ops::Range<usize>) -> Values {
        let end = |at: usize| at.checked_sub(1).map_or(0, |at| texts.ends[at] as usize);
        let mut begin = end(range.start);
        let mut arena = Vec::with_capacity(2 * (end(range.end) - begin));
        let mut ends = Vec::with_capacity(range.len());
        let mut room = [0; (CODES_AT_ONCE + 1) * SYMBOL_BYTES_MAX as usize];
        for at in range {
            let end = texts.ends[at] as usize;
            self.decode_one(&texts.arena[begin..end], &mut room, &mut arena);
            ends.push(arena.len() as u32);
            begin = end;
        }
        arena.shrink_to_fit();
        Values::Any { arena: arena.into(), ends }
    }

    fn decode_one(
        &self,
        coded: &[u8],
        room: &mut [u8; (CODES_AT_ONCE + 1) * SYMBOL_BYTES_MAX as usize],
        out: &mut Vec<u8>,
    ) {
        let mut is_escaped = false;
        for codes in coded.chunks(CODES_AT_ONCE) {
            let mut len = 0;
            for code in codes {
                if is_escaped {
                    room[len] = *code;
                    len += 1;
                    is_escaped = false;
                } else if *code == ESCAPE {
                    is_escaped = true;
                } else {
                    // All eight, however long it is: what lies behind is written over.
                    let code = usize::from(*code);
                    room[len..len + 8].copy_from_slice(&self.bytes[code]);
                    len += usize::from(self.lengths[code]);
                }
            }
            out.extend_from_slice(&room[..len]);
        }
    }
}

impl Texts {
    /// Texts whose codes lie one after the other, and end there.
    pub(crate) fn new(arena: Bytes, ends: Vec<u32>) -> Texts {
        Texts { arena, ends }
    }

    /// Memory beside the value itself and the bytes that it was read from.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.ends.capacity() * size_of::<u32>()
    }
}

/// Blocks of an sstable before it is seen whether symbols pay: they are not worth finding in a small one.
const BLOCKS_BEFORE: u32 = 8;
/// Where it did not pay, it is seen again whether it does once there are so many times as many blocks.
const BLOCKS_GROWTH: u32 = 3;
/// Blocks that are looked at, at most.
const BLOCKS_SAMPLED: u32 = 16;
/// Texts by which symbols are found, bytes: more do not make them better.
const SAMPLE_BYTES: usize = 16 << 10;

/// Codes the texts of one sstable, once it has seen enough of them, and if it pays.
pub(crate) struct TextCoder {
    state: State,
    /// Blocks that were written.
    blocks: u32,
    /// Enough of a sample, bytes.
    enough: usize,
}

enum State {
    /// Enough was not seen yet, or it did not pay: it is looked at behind so many blocks.
    Sampling(Sample, u32),
    Coding(Box<Coding>),
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
    compressor: fsst::Compressor,
    /// The symbols as a block has them.
    written: Bytes,
    /// Of the texts that are coded now.
    codes: Vec<u8>,
    ends: Vec<u64>,
    /// Codes in this block, bytes.
    block_codes: usize,
}

/// What was coded.
pub(crate) struct Coded<'a> {
    /// One text after the other.
    pub(crate) codes: &'a [u8],
    /// Where each ends.
    pub(crate) ends: &'a [u64],
}

impl TextCoder {
    /// For blocks of about so many bytes.
    pub(crate) fn new(block_bytes: usize) -> TextCoder {
        let state = State::Sampling(Sample::default(), BLOCKS_BEFORE);
        TextCoder { state, blocks: 0, enough: block_bytes.min(SAMPLE_BYTES) }
    }

    /// Never codes.
    pub(crate) fn off() -> TextCoder {
        TextCoder { state: State::Off, blocks: 0, enough: 0 }
    }

    /// The texts of a column, coded if that makes them a tenth shorter.
    pub(crate) fn code(&mut self, texts: &[&[u8]]) -> Option<Coded<'_>> {
        match &mut self.state {
            State::Off => None,
            State::Sampling(sample, before) => {
                if *before <= self.blocks {
                    sample.take(texts, self.enough);
                }
                None
            }
            State::Coding(coding) => coding.code(texts),
        }
    }

    /// What a block has behind its columns, if some of them were coded.
    pub(crate) fn put_symbols(&self, out: &mut Writer) {
        if let State::Coding(coding) = &self.state
            && coding.block_codes > 0
        {
            out.bytes(&coding.written);
        }
    }

    /// Whether most of the raw block is codes, in which no compression finds anything.
    pub(crate) fn is_coded(&self, raw: &[u8]) -> bool {
        match &self.state {
            State::Coding(coding) => raw.len() / 2 <= coding.block_codes,
            State::Sampling(..) | State::Off => false,
        }
    }

    /// Ends a block, which took so many bytes before it was compressed, and after.
    pub(crate) fn end_block(&mut self, raw_bytes: usize, compressed_bytes: usize) {
        self.blocks = self.blocks.saturating_add(1);
        match &mut self.state {
            State::Off => {}
            State::Coding(coding) => coding.block_codes = 0,
            State::Sampling(_, before) if self.blocks <= *before => {}
            State::Sampling(sample, before) => {
                sample.raw_bytes += raw_bytes;
                sample.compressed_bytes += compressed_bytes;
                let sampled = self.blocks - *before;
                if self.enough <= sample.arena.len() || BLOCKS_SAMPLED <= sampled {
                    let later = self.blocks.saturating_mul(BLOCKS_GROWTH);
                    let again = State::Sampling(Sample::default(), later);
                    self.state =
                        sample.coding(sampled).map_or(again, |it| State::Coding(Box::new(it)));
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
                self.arena.extend_from_slice(text);
                self.ends.push(self.arena.len());
            }
        }
    }

    /// Finds symbols, if so many blocks with them are not much longer than compressed: they are read sooner.
    fn coding(&self, blocks: u32) -> Option<Coding> {
        // Where there is little text, there is nothing to find.
        if self.text_bytes < self.raw_bytes / 2 {
            return None;
        }
        let mut begin = 0;
        let texts =
            self.ends.iter().map(|end| &self.arena[std::mem::replace(&mut begin, *end)..*end]);
        let texts: Vec<&[u8]> = texts.collect();
        let compressor = fsst::Compressor::train(&texts);
        let mut written = Writer::default();
        write(&compressor, &mut written);
        let mut coding = Coding {
            compressor,
            written: written.finish(),
            codes: Vec::new(),
            ends: Vec::new(),
            block_codes: 0,
        };
        let sampled = coding.code(&texts)?.codes.len();
        coding.block_codes = 0;
        let texts = self.text_bytes * sampled / self.arena.len();
        let expected =
            self.raw_bytes - self.text_bytes + texts + blocks as usize * coding.written.len();
        (expected <= self.compressed_bytes / 10 * 11).then_some(coding)
    }
}

impl Coding {
    fn code(&mut self, texts: &[&[u8]]) -> Option<Coded<'_>> {
        self.codes.clear();
        self.ends.clear();
        let Coding { compressor, codes, ends, .. } = self;
        const LANES: usize = fsst::Compressor::DEFAULT_BULK_LANES;
        compressor.compress_bulk_into::<LANES>(texts, codes, ends);
        let bytes: usize = texts.iter().map(|it| it.len()).sum();
        if bytes / 10 * 9 <= self.codes.len() {
            return None;
        }
        self.block_codes += self.codes.len();
        Some(Coded { codes: &self.codes, ends: &self.ends })
    }
}

/// Appends the symbols by which it codes.
fn write(compressor: &fsst::Compressor, out: &mut Writer) {
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

#[cfg(test)]
mod tests;
