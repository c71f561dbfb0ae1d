//! The bytes of a system log: docs/formats/system-log.md draws them.

use std::ops::Range;

use super::PAYLOAD_BYTES_MAX;

/// The version of the format, in the file's header.
pub(super) const VERSION: u8 = 1;

/// Length of the file's header.
pub(super) const FILE_HEADER_BYTES: usize = 12;

/// Length of a record's header, and of a mark.
pub(super) const RECORD_HEADER_BYTES: usize = 21;

const MAGIC: &[u8; 7] = b"HELSLOG";

/// In place of a payload's length: no record but a mark, which says that everything before it is
/// durable.
const MARK: u32 = u32::MAX;

/// The header that every file begins with.
pub(super) fn file_header() -> [u8; FILE_HEADER_BYTES] {
    let mut header = [0; FILE_HEADER_BYTES];
    header[..7].copy_from_slice(MAGIC);
    header[7] = VERSION;
    let sum = crc32fast::hash(&header[..8]);
    header[8..].copy_from_slice(&sum.to_le_bytes());
    header
}

/// What is wrong with a file's header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    Short,
    Checksum,
    Magic,
    Version(u8),
}

/// Checks the first bytes of a file.
pub(super) fn check_file_header(bytes: &[u8]) -> Result<(), BadHeader> {
    let header: [u8; FILE_HEADER_BYTES] = field(bytes, 0).ok_or(BadHeader::Short)?;
    if &header[..7] != MAGIC {
        return Err(BadHeader::Magic);
    }
    // Every version keeps these twelve bytes, so that rot in the version is not taken for a newer
    // program.
    if crc32fast::hash(&header[..8]).to_le_bytes() != header[8..] {
        return Err(BadHeader::Checksum);
    }
    if header[7] == VERSION { Ok(()) } else { Err(BadHeader::Version(header[7])) }
}

/// Appends a record to `to`, whose first byte will be at `base` of the file; `durable` is the
/// offset that is known durable.
pub(super) fn put_record(to: &mut Vec<u8>, base: u64, durable: u64, kind: u8, payload: &[u8]) {
    let offset = base + to.len() as u64;
    // The caller has checked the length against PAYLOAD_BYTES_MAX.
    let len = payload.len() as u32;
    to.extend_from_slice(&header(offset, len, crc32fast::hash(payload), durable, kind));
    to.extend_from_slice(payload);
}

/// The mark for a log that ends at `offset`, with everything before it durable.
pub(super) fn mark(offset: u64) -> [u8; RECORD_HEADER_BYTES] {
    header(offset, MARK, 0, offset, 0)
}

/// One thing read back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    Record {
        kind: u8,
        payload: Range<usize>,
        durable: u64,
    },
    /// Everything before it is durable.
    Mark,
}

/// The whole and unharmed thing at byte `at` of the file, if there is one.
pub(super) fn item_at(file: &[u8], at: usize) -> Option<Item> {
    let header = header_at(file, at)?;
    if header.len == MARK {
        return (header.durable == at as u64).then_some(Item::Mark);
    }
    let len = usize::try_from(header.len).ok().filter(|len| *len <= PAYLOAD_BYTES_MAX)?;
    let start = at + RECORD_HEADER_BYTES;
    let payload = start..start.checked_add(len)?;
    let bytes = file.get(payload.clone())?;
    let whole = crc32fast::hash(bytes) == header.payload_sum;
    whole.then_some(Item::Record { kind: header.kind, payload, durable: header.durable })
}

/// Whether anything behind byte `at` proves that byte `at` was durable once: then what is bad there
/// is corruption.
pub(super) fn proves_durable(file: &[u8], at: usize) -> bool {
    // Byte by byte, because a bad record does not tell where the next begins.
    (at + 1..file.len())
        .any(|later| header_at(file, later).is_some_and(|h| (at as u64) < h.durable))
}

struct Header {
    len: u32,
    payload_sum: u32,
    durable: u64,
    kind: u8,
}

fn header_at(file: &[u8], at: usize) -> Option<Header> {
    let bytes: [u8; RECORD_HEADER_BYTES] = field(file, at)?;
    let len = u32::from_le_bytes(field(&bytes, 0)?);
    let payload_sum = u32::from_le_bytes(field(&bytes, 4)?);
    let durable = u64::from_le_bytes(field(&bytes, 8)?);
    let kind = bytes[16];
    // Nothing later than the record itself can have been durable before it; checked first, because
    // it is cheap.
    let plausible = durable <= at as u64;
    let whole = plausible && header(at as u64, len, payload_sum, durable, kind) == bytes;
    whole.then_some(Header { len, payload_sum, durable, kind })
}

fn header(
    offset: u64,
    len: u32,
    payload_sum: u32,
    durable: u64,
    kind: u8,
) -> [u8; RECORD_HEADER_BYTES] {
    let mut header = [0; RECORD_HEADER_BYTES];
    header[..4].copy_from_slice(&len.to_le_bytes());
    header[4..8].copy_from_slice(&payload_sum.to_le_bytes());
    header[8..16].copy_from_slice(&durable.to_le_bytes());
    header[16] = kind;
    let mut sum = crc32fast::Hasher::new();
    sum.update(&offset.to_le_bytes());
    sum.update(&header[..17]);
    header[17..].copy_from_slice(&sum.finalize().to_le_bytes());
    header
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}
