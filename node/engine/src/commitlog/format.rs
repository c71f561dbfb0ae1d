//! The bytes of a segment: `docs/formats/commit-log.md`.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// Magic, version, segment, previous segment and its length, checksum.
pub(crate) const HEADER_BYTES: u64 = 40;

/// Length, checksum, sequence, durable offset.
pub(crate) const RECORD_HEADER_BYTES: u64 = 24;

/// The version written, and the newest that is read. All before are read too: version 1 has no batches.
pub(crate) const VERSION: u32 = 2;

/// First byte of the payload of several mutations: no version of a mutation.
const BATCH: u8 = 0xFF;

const MAGIC: &[u8; 8] = b"HELSEGMT";

/// What a segment says of itself and of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) segment: u64,
    /// The segment written before; 0 for none.
    pub(crate) previous: u64,
    /// How much of that one was durable when this one began: all that it ever held.
    pub(crate) previous_bytes: u64,
}

/// Why a header cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    Newer(u32),
    Corrupt,
}

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER_BYTES as usize] {
        let mut bytes = [0; HEADER_BYTES as usize];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.segment.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.previous.to_le_bytes());
        bytes[28..36].copy_from_slice(&self.previous_bytes.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..36]);
        bytes[36..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the header of `segment`, of which the file's name speaks.
    pub(crate) fn decode(bytes: &[u8], segment: u64) -> Result<Header, BadHeader> {
        let bytes = bytes.get(..HEADER_BYTES as usize).ok_or(BadHeader::Corrupt)?;
        if bytes[..8] != *MAGIC || crc32fast::hash(&bytes[..36]) != u32_at(bytes, 36) {
            return Err(BadHeader::Corrupt);
        }
        let version = u32_at(bytes, 8);
        if VERSION < version {
            return Err(BadHeader::Newer(version));
        }
        let header = Header {
            segment: u64_at(bytes, 12),
            previous: u64_at(bytes, 20),
            previous_bytes: u64_at(bytes, 28),
        };
        if header.segment == segment { Ok(header) } else { Err(BadHeader::Corrupt) }
    }
}

/// A record as it lies in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// Where its header begins.
    pub(crate) offset: u64,
    /// Length of the payload.
    pub(crate) bytes: u64,
    pub(crate) sequence: u64,
    /// Below this offset everything was durable when the record was written.
    pub(crate) durable: u64,
}

impl Record {
    /// Whether it is a mark.
    pub(crate) fn is_mark(&self) -> bool {
        self.sequence == 0
    }

    /// Behind its last byte.
    pub(crate) fn end(&self) -> u64 {
        self.offset + RECORD_HEADER_BYTES + self.bytes
    }
}

/// Length of the payload that holds `mutations`.
pub(crate) fn payload_bytes(mutations: &[&[u8]]) -> usize {
    match mutations {
        [only] => only.len(),
        many => 1 + many.iter().map(|it| 4 + it.len()).sum::<usize>(),
    }
}

/// Appends a record of `mutations`; checksum and durable offset follow with `seal`.
pub(crate) fn put_record(buffer: &mut Vec<u8>, sequence: u64, mutations: &[&[u8]]) {
    put_head(buffer, sequence, payload_bytes(mutations));
    if let [only] = mutations {
        buffer.extend_from_slice(only);
        return;
    }
    buffer.push(BATCH);
    for it in mutations {
        buffer.extend_from_slice(&(it.len() as u32).to_le_bytes());
        buffer.extend_from_slice(it);
    }
}

fn put_head(buffer: &mut Vec<u8>, sequence: u64, payload: usize) {
    buffer.extend_from_slice(&(payload as u32).to_le_bytes());
    buffer.extend_from_slice(&[0; 4]);
    buffer.extend_from_slice(&sequence.to_le_bytes());
    buffer.extend_from_slice(&[0; 8]);
}

/// Where the mutations of a payload lie in it; `None` if it is not what `put_record` writes.
pub(crate) fn mutations(payload: &[u8]) -> Option<Vec<Range<usize>>> {
    if payload.first() != Some(&BATCH) {
        return Some(std::iter::once(0..payload.len()).collect());
    }
    let mut found = Vec::new();
    let mut at = 1;
    while at < payload.len() {
        let start = at.checked_add(4).filter(|it| *it <= payload.len())?;
        let end = start.checked_add(u32_at(payload, at) as usize)?;
        if payload.len() < end {
            return None;
        }
        found.push(start..end);
        at = end;
    }
    Some(found)
}

/// What lies behind the last record at `offset` of `segment`: a record of nothing, which says that all before it is
/// durable.
pub(crate) fn mark(segment: u64, offset: u64) -> Vec<u8> {
    let mut mark = Vec::new();
    put_head(&mut mark, 0, 0);
    seal(&mut mark, segment, offset, offset);
    mark
}

/// Completes the records in `buffer`, which will lie at `offset` of `segment`, with the offset that is durable now.
pub(crate) fn seal(buffer: &mut [u8], segment: u64, offset: u64, durable: u64) {
    let mut at = 0;
    while at < buffer.len() {
        let end = at + RECORD_HEADER_BYTES as usize + u32_at(buffer, at) as usize;
        let record = &mut buffer[at..end];
        record[16..24].copy_from_slice(&durable.to_le_bytes());
        let sum = checksum(record, segment, offset + at as u64);
        record[4..8].copy_from_slice(&sum.to_le_bytes());
        at = end;
    }
}

/// The record at `offset` of `segment`, if its bytes are what `seal` wrote there.
pub(crate) fn read_record(bytes: &[u8], segment: u64, offset: u64) -> Option<Record> {
    let at = usize::try_from(offset).ok()?;
    let head = bytes.get(at..at.checked_add(RECORD_HEADER_BYTES as usize)?)?;
    let record = Record {
        offset,
        bytes: u64::from(u32_at(head, 0)),
        sequence: u64_at(head, 8),
        durable: u64_at(head, 16),
    };
    let whole = bytes.get(at..usize::try_from(record.end()).ok()?)?;
    let good = record.durable <= offset && checksum(whole, segment, offset) == u32_at(head, 4);
    good.then_some(record)
}

/// What would be the sequence of a record at `offset`, whose header lies inside.
pub(crate) fn sequence_at(bytes: &[u8], offset: u64) -> u64 {
    u64_at(bytes, offset as usize + 8)
}

/// Over where the record lies and all of it but the checksum itself.
fn checksum(record: &[u8], segment: u64, offset: u64) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&segment.to_le_bytes());
    sum.update(&offset.to_le_bytes());
    sum.update(&record[..4]);
    sum.update(&record[8..]);
    sum.finalize()
}

/// The file of `segment`.
pub(crate) fn path(dir: &Path, segment: u64) -> PathBuf {
    dir.join(format!("{segment:012}.log"))
}

/// The segment that a file's name speaks of.
pub(crate) fn segment_of(name: &str) -> Option<u64> {
    name.strip_suffix(".log")?.parse().ok()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
