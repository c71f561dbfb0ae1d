//! Where a wrapped block ends, when no index is there to say so.
//!
//! ```text
//!   codec │ raw length │ payload │ checksum
//!     0        n         n bytes                 as it is: the length says it
//!     1        n         lz4 sequences           they end where they have made n bytes
//!     2        n         a zstd frame            its blocks have their lengths in front
//! ```
//!
//! In front of a block stands how long it is raw, not how long it lies there. Of an lz4 block that is enough: its
//! sequences are walked, without making the bytes that they stand for, until they have made as many. Whether that was
//! a block the checksum says, which covers the file's number and the offset too, so that no bytes pass by chance and
//! none inside of a value that looks like one.

use bytes::Bytes;

use super::input::{Input, Window};
use crate::sstable::compression::{LZ4, RAW, ZSTD};
use crate::sstable::format::{self, Extent};

/// The first bytes of a zstd frame, as an integer.
const ZSTD_MAGIC: u32 = 0xFD2F_B528;

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
        let codec = self.window.byte(offset).filter(|it| *it <= ZSTD)?;
        let raw = u64::from(self.window.u32(offset + 1)?);
        if raw == 0 || raw_max < raw {
            return None;
        }
        let payload = offset + HEAD_BYTES;
        let end = end.checked_sub(CHECKSUM_BYTES)?;
        let last = match codec {
            RAW => Some(payload + raw).filter(|it| *it <= end)?,
            LZ4 => self.lz4_end(payload, end, raw)?,
            _ => self.zstd_end(payload, end)?,
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

    /// Where the zstd frame at `at` ends (RFC 8878, section 3.1.1).
    fn zstd_end(&mut self, at: u64, end: u64) -> Option<u64> {
        if self.window.u32(at)? != ZSTD_MAGIC {
            return None;
        }
        let descriptor = self.window.byte(at + 4)?;
        let (is_single, has_checksum) = (descriptor & 0x20 != 0, descriptor & 0x04 != 0);
        let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
        let content = match descriptor >> 6 {
            0 => u64::from(is_single),
            size => 1 << size,
        };
        let mut at = at + 5 + u64::from(!is_single) + dictionary + content;
        loop {
            self.patience = self.patience.checked_sub(1)?;
            let header = self.window.u32(at)? & 0x00FF_FFFF;
            let (kind, size) = (header >> 1 & 3, u64::from(header >> 3));
            at += 3 + if kind == 1 { 1 } else { size };
            if kind == 3 || end < at {
                return None;
            }
            if header & 1 == 1 {
                let at = at + if has_checksum { 4 } else { 0 };
                return Some(at).filter(|it| *it <= end);
            }
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

/// So many bytes one byte of a codec stands for at most: of lz4 a length, of zstd a quarter of a block of one value.
fn expansion(codec: u8) -> u64 {
    if codec == ZSTD { 32 << 10 } else { 255 }
}

/// What is wrapped in `bytes`, which lie at `offset` of file `id`. Nothing is allocated for a raw length that so many bytes
/// cannot have made.
pub(super) fn unwrap(bytes: Bytes, id: u64, offset: u64) -> Result<Bytes, &'static str> {
    if let Some(&[codec, a, b, c, d]) = bytes.get(..HEAD_BYTES as usize)
        && (bytes.len() as u64).saturating_mul(expansion(codec))
            < u64::from(u32::from_le_bytes([a, b, c, d]))
    {
        return Err("its length");
    }
    format::unwrap(bytes, id, offset)
}
