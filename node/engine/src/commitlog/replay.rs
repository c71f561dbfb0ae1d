//! Reading a segment after a crash: which records count, and whether what does not is a torn tail or rot.
//!
//! ```text
//!   durable offset of each record:        0    0    40   40
//!   segment:             header |  r1  |  r2  |  r3  | ▒▒▒▒ |        bad at or above 40: a torn tail, cut
//!                        header | ▒▒▒▒ |  r2  |  r3  |  r4  |        bad below 40: corruption, refused
//! ```
//!
//! The floor, below which everything was durable, is the highest durable offset of any good record of the
//! segment, also behind the bad one, or what the header of the next segment says.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sys::Disk;

use super::format::{self, BadHeader, Header, Record};
use crate::Error;

/// The longest segment that is read: an absurd length is an error, not an allocation.
pub(crate) const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// One segment, read and judged.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Bytes,
    pub(crate) records: Vec<Record>,
    /// Behind the last good record.
    pub(crate) end: u64,
    /// What is certainly durable: the bytes before this one.
    pub(crate) durable: u64,
    /// What lies behind the last good record, bytes, and is no mark: a torn tail.
    pub(crate) torn: u64,
    /// Whether its mark lies behind the last good record.
    pub(crate) marked: bool,
    /// Good records behind a bad one, marks too.
    pub(crate) behind: Vec<Record>,
}

impl Segment {
    /// Whether what is bad was durable once.
    pub(crate) fn is_corrupt(&self) -> bool {
        self.end < self.durable
    }

    /// The payload of one of its records.
    pub(crate) fn payload(&self, record: &Record) -> &[u8] {
        let start = (record.offset + format::RECORD_HEADER_BYTES) as usize;
        &self.bytes[start..record.end() as usize]
    }
}

/// The segments in `dir`, oldest first.
pub(crate) fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<u64>, Error> {
    let names = disk.list(dir).map_err(|it| Error::io(dir, it))?;
    let mut segments: Vec<u64> = names.iter().filter_map(|it| format::segment_of(it)).collect();
    segments.sort_unstable();
    Ok(segments)
}

/// The header of `segment`. `None` if the crash came before it was durable: then the segment holds nothing.
pub(crate) fn header(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    segment: u64,
) -> Result<Option<Header>, Error> {
    let path = format::path(dir, segment);
    let failed = |it| Error::io(&path, it);
    let file = disk.open(&path, sys::Open::Read).map_err(failed)?;
    let len = file.len().map_err(failed)?;
    let mut bytes = vec![0; len.min(format::HEADER_BYTES) as usize];
    file.read_exact_at(&mut bytes, 0).map_err(failed)?;
    match Header::decode(&bytes, segment) {
        Ok(header) => Ok(Some(header)),
        Err(BadHeader::Newer(found)) => {
            Err(Error::NewerFormat { file: path, found, supported: format::VERSION })
        }
        // Records are written only behind a durable header.
        Err(BadHeader::Corrupt) if len <= format::HEADER_BYTES => Ok(None),
        Err(BadHeader::Corrupt) => Err(Error::corrupt(&path, 0, "the header of a log segment")),
    }
}

/// Reads `segment`. `floor` is what the next segment's header says was durable of this one: all of it.
pub(crate) fn read(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    segment: u64,
    floor: Option<u64>,
) -> Result<Segment, Error> {
    let path = format::path(dir, segment);
    let bytes = sys::disk::read_all(&**disk, &path, SEGMENT_BYTES_MAX)
        .map_err(|it| Error::io(&path, it))?;
    let read = judge(path, bytes.into(), segment, floor);
    if read.is_corrupt() {
        return Err(Error::corrupt(&read.path, read.end, "a log record that was durable once"));
    }
    Ok(read)
}

/// Which records of `segment` count, and what is to be thought of what lies behind them. `floor` as of `read`.
pub(crate) fn judge(path: PathBuf, bytes: Bytes, segment: u64, floor: Option<u64>) -> Segment {
    let len = floor.map_or(bytes.len() as u64, |it| it.min(bytes.len() as u64));
    let bytes = bytes.slice(..len as usize);
    let (records, end) = good_records(&bytes, segment);
    let marked =
        format::read_record(&bytes, segment, end).is_some_and(|it| it.is_mark() && it.end() == len);
    let behind = records_behind(&bytes, segment, end, records.last());
    let durable = records.iter().chain(&behind).map(|it| it.durable).max();
    let durable = durable.unwrap_or(format::HEADER_BYTES).max(floor.unwrap_or(0));
    let torn = if marked { 0 } else { len.saturating_sub(end) };
    Segment { path, bytes, records, end, durable, torn, marked, behind }
}

/// The records from the first to the last before a bad one, and where that one begins.
fn good_records(bytes: &[u8], segment: u64) -> (Vec<Record>, u64) {
    let mut records: Vec<Record> = Vec::new();
    let mut at = format::HEADER_BYTES;
    while let Some(record) = format::read_record(bytes, segment, at) {
        if record.is_mark() || records.last().is_some_and(|it| record.sequence <= it.sequence) {
            break;
        }
        at = record.end();
        records.push(record);
    }
    (records, at)
}

/// The good records behind a bad one.
fn records_behind(bytes: &[u8], segment: u64, bad: u64, last: Option<&Record>) -> Vec<Record> {
    // A record's sequence grows by one each time, and a mark's is zero: what is far off is neither, and need not be summed.
    const SEQUENCES: u64 = 1 << 32;
    const FAR: u64 = 1 << 44;
    let sequence = last.map_or(0, |it| it.sequence);
    let mut behind = Vec::new();
    let mut at = bad;
    while at + format::RECORD_HEADER_BYTES <= bytes.len() as u64 {
        let near = |it: u64| {
            it == 0 || (sequence < it && it < FAR && (sequence == 0 || it - sequence < SEQUENCES))
        };
        if near(format::sequence_at(bytes, at))
            && let Some(record) = format::read_record(bytes, segment, at)
        {
            at = record.end();
            behind.push(record);
        } else {
            at += 1;
        }
    }
    behind
}
