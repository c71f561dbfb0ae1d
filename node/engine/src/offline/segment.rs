//! One segment of a commit log: its records, and how it ends.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use model::Mutation;
use sys::Disk;

use super::damage::{Damage, Place};
use super::error::Error;
use super::input::Input;
use crate::commitlog::format::{self, BadHeader, HEADER_BYTES, Header};
use crate::commitlog::replay::{self, SEGMENT_BYTES_MAX};
use crate::sstable::format::Extent;

/// A segment that was read and judged.
pub struct Segment {
    /// Its number.
    pub number: u64,
    /// The whole file, bytes.
    pub bytes: u64,
    /// What its header says, if that can be read.
    pub header: Option<SegmentHeader>,
    /// Records that count.
    pub records: Vec<Record>,
    /// Good records behind a bad one, which no node reads.
    pub behind: Vec<Record>,
    /// How it ends.
    pub end: End,
    all: Bytes,
}

/// What a segment says of itself and of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Its format version.
    pub version: u32,
    /// The segment before; 0 for none.
    pub previous: u64,
    /// How long that one was.
    pub previous_bytes: u64,
}

/// Where a record lies and what it says beside its mutations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Bytes from the start of the file.
    pub offset: u64,
    /// Bytes of its mutations.
    pub bytes: u64,
    /// Grows by one each time.
    pub sequence: u64,
    /// Below this offset all was durable when it was written.
    pub durable: u64,
}

/// How a segment ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With the mark behind its last record: all of it was synced.
    Marked,
    /// With its last record; the next segment says that this is all.
    Followed,
    /// With its last record, of which nothing says whether it was synced.
    Unmarked,
    /// With bytes that are no record and were never durable: nobody was promised them, the next start cuts them off.
    Torn {
        /// Where they begin.
        offset: u64,
        /// How many.
        bytes: u64,
    },
    /// In its header, which was never durable: it holds nothing.
    Unborn,
    /// With bytes that were durable once and are wrong now.
    Corrupt(Damage),
}

impl Segment {
    /// Reads the segment at `path`. In the same folder it looks for the one that was written next, which says how long this
    /// one was. Nothing is written, no lock taken.
    ///
    /// # Errors
    /// Where the file cannot be read, is of a newer program, or nothing tells its number.
    pub fn read(disk: &dyn Disk, path: &Path) -> Result<Segment, Error> {
        let bytes = sys::disk::read_all(disk, path, SEGMENT_BYTES_MAX)
            .map_err(|it| crate::Error::io(path, it))?;
        let bytes = Bytes::from(bytes);
        let named = path.file_name().and_then(|it| format::segment_of(it.to_str()?));
        let own = bytes.get(12..20).map(|it| {
            let mut word = [0; 8];
            word.copy_from_slice(it);
            u64::from_le_bytes(word)
        });
        let own = own.filter(|it| Header::decode(&bytes, *it) != Err(BadHeader::Corrupt));
        let Some(number) = own.or(named) else { return Err(Error::Unnamed { file: path.into() }) };
        let header = match Header::decode(&bytes, number) {
            Ok(header) => Some(header),
            Err(BadHeader::Corrupt) => None,
            Err(BadHeader::Newer(found)) => {
                let (file, supported) = (path.to_path_buf(), format::VERSION);
                return Err(crate::Error::NewerFormat { file, found, supported }.into());
            }
        };
        let floor = next_header(disk, path, number).map(|it| it.previous_bytes);
        Ok(Segment::judge(path, bytes, (number, named), header, floor))
    }

    fn judge(
        path: &Path,
        bytes: Bytes,
        (number, named): (u64, Option<u64>),
        header: Option<Header>,
        floor: Option<u64>,
    ) -> Segment {
        let len = bytes.len() as u64;
        let version =
            bytes.get(8..12).map_or(0, |it| u32::from_le_bytes([it[0], it[1], it[2], it[3]]));
        let read = replay::judge(path.to_path_buf(), bytes.clone(), number, floor);
        let record = |it: &format::Record| Record {
            offset: it.offset,
            bytes: it.bytes,
            sequence: it.sequence,
            durable: it.durable,
        };
        let bad_header = |what: String| {
            let place = (0, HEADER_BYTES.min(len));
            End::Corrupt(Damage::new(Place::Header, place, what))
        };
        let end = match (&header, floor) {
            (None, None) if len <= HEADER_BYTES => End::Unborn,
            (None, _) => bad_header("it is not the header of a log segment".into()),
            _ if named.is_some_and(|it| it != number) => {
                bad_header(format!("it is of segment {number}, and the file has another number"))
            }
            _ if read.is_corrupt() => {
                let next = read.behind.first().map_or(read.bytes.len() as u64, |it| it.offset);
                let place = (read.end, next.max(read.end) - read.end);
                End::Corrupt(Damage::new(Place::Record, place, "it was durable once"))
            }
            _ if read.marked => End::Marked,
            _ if read.torn > 0 => End::Torn { offset: read.end, bytes: read.torn },
            (_, Some(_)) => End::Followed,
            (_, None) => End::Unmarked,
        };
        let header = header.map(|it| SegmentHeader {
            version,
            previous: it.previous,
            previous_bytes: it.previous_bytes,
        });
        let is_behind = |it: &&format::Record| read.is_corrupt() && !it.is_mark();
        Segment {
            number,
            bytes: len,
            header,
            records: read.records.iter().map(record).collect(),
            behind: read.behind.iter().filter(is_behind).map(record).collect(),
            end,
            all: bytes,
        }
    }

    /// The mutations of one of its records, in order.
    ///
    /// # Errors
    /// Where its bytes pass their checksum and are not what a node writes.
    pub fn mutations(&self, record: &Record) -> Result<Vec<Mutation>, Box<Damage>> {
        let damage = |what: String| {
            let bytes = format::RECORD_HEADER_BYTES + record.bytes;
            Box::new(Damage::new(Place::Record, (record.offset, bytes), what))
        };
        let start = (record.offset + format::RECORD_HEADER_BYTES) as usize;
        let payload = self.all.slice(start..start + record.bytes as usize);
        let places = format::mutations(&payload)
            .ok_or_else(|| damage("it is not of whole mutations".into()))?;
        let decode = |it| Mutation::decode(payload.slice(it));
        places
            .into_iter()
            .map(decode)
            .collect::<Result<_, _>>()
            .map_err(|it| damage(it.to_string()))
    }
}

/// The header of the segment that was written behind `number`, if it lies in the same folder.
fn next_header(disk: &dyn Disk, path: &Path, number: u64) -> Option<Header> {
    let dir = folder_of(path);
    let next = replay::list(disk, &dir).ok()?.into_iter().find(|it| number < *it)?;
    let input = Input::open(disk, &format::path(&dir, next)).ok()?;
    let bytes = input.read(Extent { offset: 0, bytes: HEADER_BYTES }).ok()?;
    Header::decode(&bytes, next).ok().filter(|it| it.previous == number)
}

/// The folder that holds `path`; `.` for a bare name.
fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        Some(_) | None => PathBuf::from("."),
    }
}
