//! The segments of version 5: checksummed pieces that envelopes travel in.
//!
//! ```text
//! plain  u24: 17 bits length, 1 bit whole envelopes · CRC24 · payload · CRC32
//! LZ4    u40: 17 bits length, 17 bits length before compression (0: not compressed),
//!             1 bit whole envelopes · CRC24 · payload · CRC32        all of it little-endian
//! ```
//!
//! The CRC32 is fed four bytes of its own first, as Cassandra does and its specification does not
//! say; and where the specification takes the other length for the sign of an uncompressed payload,
//! this is what servers and drivers do.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Malformed, compression::lz4_block, malformed};

/// Longest payload, bytes, before compression and after.
pub const PAYLOAD_BYTES_MAX: usize = (1 << 17) - 1;

const CRC24_BYTES: usize = 3;
const CRC32_BYTES: usize = 4;
const CRC24_START: u32 = 0x0087_5060;
const CRC24_POLYNOMIAL: u32 = 0x0197_4f0b;
const CRC32_START: [u8; 4] = [0xfa, 0x2d, 0x55, 0xca];

/// Whether payloads are compressed with LZ4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// They are not.
    Plain,
    /// Those that become shorter are.
    Lz4,
}

impl Packing {
    fn header_bytes(self) -> usize {
        match self {
            Packing::Plain => 3,
            Packing::Lz4 => 5,
        }
    }
}

/// A segment that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Whether it holds whole envelopes, else a part of one.
    pub is_whole: bool,
    /// What it holds.
    pub payload: Bytes,
}

/// Takes the next segment off `buffer`, once all of it is there.
///
/// # Errors
/// A checksum is wrong or the payload does not decompress: nothing after it can be trusted.
pub fn read(buffer: &mut BytesMut, packing: Packing) -> Result<Option<Segment>, Malformed> {
    let head = packing.header_bytes();
    let Some(header) = buffer.get(..head + CRC24_BYTES) else { return Ok(None) };
    let (fields, sum) = (little_endian(&header[..head]), little_endian(&header[head..]));
    if u64::from(crc24(fields, head)) != sum {
        return Err(malformed("segment header"));
    }
    let (length, before, is_whole) = match packing {
        Packing::Plain => (fields & 0x1_ffff, 0, fields >> 17 & 1 == 1),
        Packing::Lz4 => (fields & 0x1_ffff, fields >> 17 & 0x1_ffff, fields >> 34 & 1 == 1),
    };
    // Seventeen bits each.
    let (length, before) = (length as usize, before as usize);
    if buffer.len() < head + CRC24_BYTES + length + CRC32_BYTES {
        return Ok(None);
    }
    buffer.advance(head + CRC24_BYTES);
    let payload = buffer.split_to(length).freeze();
    if buffer.get_u32_le() != crc32(&payload) {
        return Err(malformed("segment"));
    }
    let payload = if packing == Packing::Plain || before == 0 {
        payload
    } else {
        lz4_block(&payload, before, PAYLOAD_BYTES_MAX)?
    };
    Ok(Some(Segment { is_whole, payload }))
}

/// Writes a segment. `payload` is at most [`PAYLOAD_BYTES_MAX`] long.
pub fn write(payload: &[u8], is_whole: bool, packing: Packing, out: &mut BytesMut) {
    assert!(payload.len() <= PAYLOAD_BYTES_MAX, "a segment of {} bytes", payload.len());
    let compressed = match packing {
        Packing::Plain => None,
        Packing::Lz4 => Some(lz4_flex::block::compress(payload)),
    };
    let compressed = compressed.filter(|it| it.len() < payload.len());
    let before = if compressed.is_some() { payload.len() } else { 0 };
    seal(compressed.as_deref().unwrap_or(payload), before, is_whole, packing, out);
}

/// Writes a segment of bytes as they are, which say that they were `before` bytes until they were
/// compressed; 0: they were not. Both are at most [`PAYLOAD_BYTES_MAX`].
pub fn seal(payload: &[u8], before: usize, is_whole: bool, packing: Packing, out: &mut BytesMut) {
    let head = packing.header_bytes();
    let before = before as u64;
    let fields = match packing {
        Packing::Plain => payload.len() as u64 | u64::from(is_whole) << 17,
        Packing::Lz4 => payload.len() as u64 | before << 17 | u64::from(is_whole) << 34,
    };
    out.reserve(head + CRC24_BYTES + payload.len() + CRC32_BYTES);
    out.put_uint_le(fields, head);
    out.put_uint_le(crc24(fields, head).into(), CRC24_BYTES);
    out.put_slice(payload);
    out.put_u32_le(crc32(payload));
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The checksum of the lowest `length` bytes of `fields`, the lowest first.
fn crc24(fields: u64, length: usize) -> u32 {
    fields.to_le_bytes().iter().take(length).fold(CRC24_START, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 16, |crc, _| {
            let crc = crc << 1;
            if crc & 0x0100_0000 == 0 { crc } else { crc ^ CRC24_POLYNOMIAL }
        })
    })
}

fn crc32(payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&CRC32_START);
    hasher.update(payload);
    hasher.finalize()
}
