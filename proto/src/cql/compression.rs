//! Compression of bodies and segments.

use bytes::{BufMut, Bytes, BytesMut};

use super::{Malformed, lengths, malformed};

/// How a peer wants what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// LZ4 blocks.
    Lz4,
    /// Snappy, without frames. Version 4 only.
    Snappy,
}

impl Compression {
    /// The one of this name, as STARTUP names it.
    pub fn from_name(name: &str) -> Option<Compression> {
        [Compression::Lz4, Compression::Snappy]
            .into_iter()
            .find(|it| it.name().eq_ignore_ascii_case(name))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Lz4 => "lz4",
            Compression::Snappy => "snappy",
        }
    }

    /// The body of an envelope of version 4, as it was before. LZ4 says its length before it,
    /// Snappy in it: nothing is made room for before the bytes were seen to come to as much.
    ///
    /// # Errors
    /// It is damaged, or longer than `most`.
    pub fn decompress(self, body: &[u8], most: usize) -> Result<Bytes, Malformed> {
        let what = "compressed body";
        match self {
            Compression::Lz4 => {
                let (length, block) = body.split_first_chunk::<4>().ok_or(malformed(what))?;
                let length = u32::from_be_bytes(*length) as usize;
                lz4_block(block, length, most)
            }
            Compression::Snappy => {
                let length = snap::raw::decompress_len(body).map_err(|_| malformed(what))?;
                if most < length || lengths::snappy(body) != Some(length) {
                    return Err(malformed(what));
                }
                let mut decoder = snap::raw::Decoder::new();
                decoder.decompress_vec(body).map(Bytes::from).map_err(|_| malformed(what))
            }
        }
    }

    /// Writes `body` compressed, as an envelope of version 4 carries it.
    pub fn compress(self, body: &[u8], out: &mut BytesMut) {
        match self {
            Compression::Lz4 => {
                super::primitive::put_int(out, body.len());
                out.put_slice(&lz4_flex::block::compress(body));
            }
            Compression::Snappy => {
                let mut encoder = snap::raw::Encoder::new();
                match encoder.compress_vec(body) {
                    Ok(compressed) => out.put_slice(&compressed),
                    // Only bodies beyond 4 GiB: there are none.
                    Err(_) => debug_assert!(false, "{} bytes", body.len()),
                }
            }
        }
    }
}

/// An LZ4 block that becomes `length` bytes.
pub(crate) fn lz4_block(block: &[u8], length: usize, most: usize) -> Result<Bytes, Malformed> {
    let what = "LZ4 block";
    if most < length || lengths::lz4(block) != Some(length) {
        return Err(malformed(what));
    }
    let plain = lz4_flex::block::decompress(block, length).map_err(|_| malformed(what))?;
    if plain.len() == length { Ok(Bytes::from(plain)) } else { Err(malformed(what)) }
}
