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
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use model::codec::{Malformed, Reader};
use model::columns::{Codes, Values};

pub(crate) use coder::{TableSymbols, TextCoder};

/// The next byte stands for itself.
const ESCAPE: u8 = 0xFF;
/// Bytes of a symbol at most.
const SYMBOL_BYTES_MAX: u8 = 8;
/// Codes of a column in a block, bytes, at most: what they stand for has a length of 32 bits.
pub(crate) const CODES_MAX: usize = (u32::MAX / SYMBOL_BYTES_MAX as u32) as usize;
/// Codes that are decoded before a look at how long the text has become.
const CODES_AT_ONCE: usize = 64;
/// What so many become at most, and a symbol more.
const ROOM: usize = (CODES_AT_ONCE + 1) * SYMBOL_BYTES_MAX as usize;

/// What codes stand for.
#[derive(Debug)]
pub(crate) struct Symbols {
    /// As they were written.
    written: Bytes,
    bytes: Box<[[u8; 8]; 256]>,
    /// Of each symbol. Of what is none, nothing: every sequence of codes stands for some text.
    lengths: Box<[u8; 256]>,
}

/// The symbols that the blocks of one file share.
pub(crate) type FileSymbols = OnceLock<Arc<Symbols>>;

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

    /// Some of the codes as they are stored.
    pub(crate) fn codes(&self, codes: &Values, range: Range<usize>) -> Codes {
        Codes { symbols: self.written.clone(), values: codes.cut(range) }
    }

    /// The text that these codes stand for.
    pub(crate) fn text(&self, codes: &[u8]) -> Bytes {
        let mut text = Vec::with_capacity(2 * codes.len());
        self.decode_one(codes, &mut [0; ROOM], &mut text);
        text.into()
    }

    /// The texts that some of the codes stand for.
    pub(crate) fn decode(&self, codes: &Values, range: Range<usize>) -> Values {
        let len = range.clone().map(|at| codes.bytes(at).len()).sum::<usize>();
        // Twice is as much as they have become mostly, and too much to be kept: an allocator leaves what shrinks where it is.
        let mut arena = Vec::with_capacity(2 * len);
        let mut ends = Vec::with_capacity(range.len());
        let mut room = [0; ROOM];
        for at in range {
            self.decode_one(codes.bytes(at), &mut room, &mut arena);
            ends.push(arena.len() as u32);
        }
        Values::Any { arena: Bytes::copy_from_slice(&arena), ends }
    }

    fn decode_one(&self, coded: &[u8], room: &mut [u8; ROOM], out: &mut Vec<u8>) {
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

#[cfg(test)]
mod tests;
