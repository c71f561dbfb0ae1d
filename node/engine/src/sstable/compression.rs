//! How blocks are compressed: per table, as its `compression` option says.

use std::cell::RefCell;

use bytes::Bytes;
use model::schema::compression::{CHUNK_KIB, ZSTD_LEVELS};
use zstd::bulk::{Compressor, Decompressor};

use crate::TableShape;

/// Stored as it is.
pub(crate) const RAW: u8 = 0;
/// One lz4 block.
pub(crate) const LZ4: u8 = 1;
/// One zstd frame.
pub(crate) const ZSTD: u8 = 2;

/// What zstd does if nobody says how hard it is to try.
const ZSTD_LEVEL: i32 = 3;

/// What blocks of a table are compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Plain,
    Lz4,
    Zstd(i32),
}

impl Compression {
    /// As the table's options say. What is missing or cannot be read counts as the default, which is LZ4.
    pub(crate) fn of(shape: &TableShape) -> Compression {
        let text = |name: &str| shape.compression.get(name).map(String::as_str);
        if text("enabled").is_some_and(|it| it.eq_ignore_ascii_case("false")) {
            return Compression::Plain;
        }
        match text("class").unwrap_or_default().rsplit('.').next().unwrap_or_default() {
            "NoopCompressor" => Compression::Plain,
            "ZstdCompressor" => {
                let level = text("compression_level").and_then(|it| it.parse().ok());
                let level = level.filter(|it| ZSTD_LEVELS.contains(it));
                Compression::Zstd(level.unwrap_or(ZSTD_LEVEL))
            }
            _ => Compression::Lz4,
        }
    }
}

/// Data of a block before compression, bytes, if the table says how much.
pub(crate) fn block_bytes(shape: &TableShape) -> Option<usize> {
    let kib = shape.compression.get("chunk_length_in_kb")?.parse().ok()?;
    CHUNK_KIB.contains(&kib).then_some((kib as usize) << 10)
}

/// Compresses one block after the other.
pub(crate) struct BlockCompressor {
    compression: Compression,
    /// What zstd works in: larger than many blocks, and kept from one to the next.
    zstd: Option<Compressor<'static>>,
}

impl BlockCompressor {
    pub(crate) fn new(compression: Compression) -> BlockCompressor {
        BlockCompressor { compression, zstd: None }
    }

    /// Appends `raw`, compressed if that makes it shorter, and tells the codec.
    pub(crate) fn compress(&mut self, raw: &[u8], out: &mut Vec<u8>) -> u8 {
        let begin = out.len();
        let (codec, len) = match self.compression {
            Compression::Plain => (RAW, None),
            Compression::Lz4 => {
                // In place: a buffer for each block would be as large as the block.
                out.resize(begin + lz4_flex::block::get_maximum_output_size(raw.len()), 0);
                (LZ4, lz4_flex::block::compress_into(raw, &mut out[begin..]).ok())
            }
            Compression::Zstd(level) => (ZSTD, self.compress_zstd(level, raw, out)),
        };
        match len {
            Some(len) if len < raw.len() => {
                out.truncate(begin + len);
                codec
            }
            Some(_) | None => {
                out.truncate(begin);
                out.extend_from_slice(raw);
                RAW
            }
        }
    }

    fn compress_zstd(&mut self, level: i32, raw: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        if self.zstd.is_none() {
            self.zstd = Compressor::new(level).ok();
        }
        let begin = out.len();
        out.resize(begin + zstd::zstd_safe::compress_bound(raw.len()), 0);
        self.zstd.as_mut()?.compress_to_buffer(raw, &mut out[begin..]).ok()
    }
}

thread_local! {
    static UNZSTD: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// The `raw_len` bytes that were compressed into `payload`, or what is wrong with it. The length is one that a checksum vouches for.
pub(crate) fn decompress(codec: u8, payload: Bytes, raw_len: usize) -> Result<Bytes, &'static str> {
    match codec {
        RAW if payload.len() == raw_len => Ok(payload),
        LZ4 => {
            let raw = lz4_flex::block::decompress(&payload, raw_len).map_err(|_| "its lz4")?;
            Ok(raw.into())
        }
        ZSTD => {
            let unzstd = |payload: &[u8]| {
                UNZSTD.with_borrow_mut(|kept| {
                    let kept = match kept {
                        Some(kept) => kept,
                        None => kept.insert(Decompressor::new()?),
                    };
                    kept.decompress(payload, raw_len)
                })
            };
            let raw = unzstd(&payload).map_err(|_| "its zstd")?;
            if raw.len() == raw_len { Ok(raw.into()) } else { Err("its zstd") }
        }
        _ => Err("its codec"),
    }
}
