//! Where a wrapped block ends, when no index is there to say so.
//!
//! ```text
//!   codec │ raw length │ payload │ checksum
//!     0        n         n bytes                 as it is: the length says it
//!     1        n         lz4 sequences           they end where they have made n bytes
//! ```
//!
//! In front of a block stands how long it is raw, not how long it lies there. Of an lz4 block that is enough: its
//! sequences are walked, without making the bytes that they stand for, until they have made as many. Whether that was
//! a block the checksum says, which covers the file's number and the offset too, so that no bytes pass by chance and
//! none inside of a value that looks like one.

use bytes::Bytes;

use super::input::{Input, Window};
use crate::sstable::format::{self, Extent};

/// Codec, raw length.
const HEAD_BYTES: u64 = 5;
const CHECKSUM_BYTES: u64 = 8;

/// Raw bytes of a block that is looked for: the largest mutation and as much again. A larger one, of one row that
/// many mutations have made, is read where it is known to begin.
const SOUGHT_BYTES_MAX: u64 = 2 * model::mutation::BYTES_MAX as u64;

/// Bytes that a search may look at for each byte of the file. Of random bytes a search looks at 500; more
/// than this only where somebody has made them for the purpose.
const PATIENCE: u64 = 4096;

/// Finds what is wrapped in a file.
pub(super) struct Finder<'a> {
    input: &'a Input,
    id: u64,
    window: Window<'a>,
    patience: u64,
}

/// What was wrapped, and where it lies.
pub(super) struct Wrapped {
    pub(super) extent: Extent,
    pub(super) raw: Bytes,
}

impl<'a> Finder<'a> {
    /// For what is wrapped in `input`, which is file `id`.
    pub(super) fn new(input: &'a Input, id: u64) -> Finder<'a> {
        let patience = input.len.saturating_mul(PATIENCE);
        Finder { input, id, window: Window::of(input), patience }
    }

    /// What is wrapped at `offset` and ends at `end` or before.
    pub(super) fn at(&mut self, offset: u64, end: u64) -> Option<Wrapped> {
        // One look costs no more than the file is long: patience is for many.
        let patience = std::mem::replace(&mut self.patience, u64::MAX);
        let length = self.length_at(offset, end, u64::from(u32::MAX));
        self.patience = patience;
        self.unwrapped(Extent { offset, bytes: length? })
    }

    /// The first that is wrapped at `from` or behind it.
    pub(super) fn after(&mut self, from: u64, end: u64) -> Option<Wrapped> {
        (from..end).find_map(|offset| {
            let bytes = self.length_at(offset, end, SOUGHT_BYTES_MAX)?;
            self.patience = self.patience.checked_sub(bytes)?;
            self.unwrapped(Extent { offset, bytes })
        })
    }

    fn unwrapped(&self, extent: Extent) -> Option<Wrapped> {
        let raw = unwrap(self.input.read(extent).ok()?, self.id, extent.offset).ok()?;
        Some(Wrapped { extent, raw })
    }

    /// How long it would be.
    fn length_at(&mut self, offset: u64, end: u64, raw_max: u64) -> Option<u64> {
        let codec = self.window.byte(offset).filter(|it| *it <= format::LZ4)?;
        let raw = u64::from(self.window.u32(offset + 1)?);
        if raw == 0 || raw_max < raw {
            return None;
        }
        let payload = offset + HEAD_BYTES;
        let end = end.checked_sub(CHECKSUM_BYTES)?;
        let last = match codec {
            format::RAW => Some(payload + raw).filter(|it| *it <= end)?,
            _ => self.lz4_end(payload, end, raw)?,
        };
        Some(last + CHECKSUM_BYTES - offset)
    }

    /// Where the lz4 sequences at `at` have made `raw` bytes.
    fn lz4_end(&mut self, mut at: u64, end: u64, raw: u64) -> Option<u64> {
        let begin = at;
        let mut made = 0;
        loop {
            self.patience = self.patience.checked_sub(1)?;
            let token = self.window.byte(at)?;
            at += 1;
            let literals = self.lz4_length(&mut at, token >> 4)?;
            at += literals;
            made += literals;
            if end < at || raw < made {
                return None;
            }
            // The last sequence has literals only.
            if made == raw {
                return Some(at).filter(|it| begin < *it);
            }
            let distance =
                u64::from(self.window.byte(at)?) + 256 * u64::from(self.window.byte(at + 1)?);
            if distance == 0 || made < distance {
                return None;
            }
            at += 2;
            made += 4 + self.lz4_length(&mut at, token & 15)?;
        }
    }

    /// A length of which the token has the first four bits.
    fn lz4_length(&mut self, at: &mut u64, bits: u8) -> Option<u64> {
        let mut length = u64::from(bits);
        let mut more = bits == 15;
        while more {
            self.patience = self.patience.checked_sub(1)?;
            let byte = self.window.byte(*at)?;
            *at += 1;
            length += u64::from(byte);
            more = byte == 255;
        }
        Some(length)
    }
}

/// What is wrapped in `bytes`, which lie at `offset` of file `id`. Nothing is allocated for a raw length that so many bytes
/// cannot have made.
pub(super) fn unwrap(bytes: Bytes, id: u64, offset: u64) -> Result<Bytes, &'static str> {
    // One byte of lz4 stands for 255 at most.
    if let Some(&[a, b, c, d]) = bytes.get(1..HEAD_BYTES as usize)
        && (bytes.len() as u64).saturating_mul(255) < u64::from(u32::from_le_bytes([a, b, c, d]))
    {
        return Err("its length");
    }
    format::unwrap(bytes, id, offset)
}
