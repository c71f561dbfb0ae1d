//! Symbols: byte strings of up to eight bytes, by the numbers of which short texts are coded, each text alone.
//!
//! ```text
//!   symbols     0 "the "   1 "er"   2 "in"  …  254
//!   a text      "the winner"   →   00 ff 77 02 ff 6e 01          ff: the next byte stands for itself
//! ```
//!
//! After Boncz, Neumann, Leis, "FSST: Fast Random Access String Compression", VLDB 2020. LZ4 finds little in short texts, and
//! gives none back without all that lie before it.

mod coder;

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use model::codec::{Malformed, Reader};
use model::columns::{Codes, Values};

pub(crate) use coder::{TableSymbols, TextCoder};

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

    /// Some of the texts as they are stored.
    pub(crate) fn codes(&self, texts: &Texts, range: Range<usize>) -> Codes {
        let end = |at: usize| at.checked_sub(1).map_or(0, |at| texts.ends[at]);
        let (from, to) = (end(range.start), end(range.end));
        let ends = texts.ends[range].iter().map(|it| it - from).collect();
        let arena = texts.arena.slice(from as usize..to as usize);
        Codes { symbols: self.written.clone(), arena, ends }
    }

    /// Some of the texts.
    pub(crate) fn decode(&self, texts: &Texts, range: Range<usize>) -> Values {
        let end = |at: usize| at.checked_sub(1).map_or(0, |at| texts.ends[at] as usize);
        let mut begin = end(range.start);
        // Twice is as much as they have become mostly, and too much to be kept: an allocator leaves what shrinks where it is.
        let mut arena = Vec::with_capacity(2 * (end(range.end) - begin));
        let mut ends = Vec::with_capacity(range.len());
        let mut room = [0; (CODES_AT_ONCE + 1) * SYMBOL_BYTES_MAX as usize];
        for at in range {
            let end = texts.ends[at] as usize;
            self.decode_one(&texts.arena[begin..end], &mut room, &mut arena);
            ends.push(arena.len() as u32);
            begin = end;
        }
        Values::Any { arena: Bytes::copy_from_slice(&arena), ends }
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

#[cfg(test)]
mod tests;
