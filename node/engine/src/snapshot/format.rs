//! The manifest of a snapshot, byte by byte: `docs/formats/snapshot.md`.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use model::codec::{Malformed, Reader, Writer};
use sys::{Disk, Open};
use xxhash_rust::xxh3::xxh3_64;

use crate::manifest::{self, Op};
use crate::sstable::SECTION_BYTES_MAX;
use crate::sstable::format::{FOOTER_BYTES, Footer};
use crate::{Error, TableShape};

/// The version written, and the newest that is read.
pub(crate) const VERSION: u32 = 1;

const MAGIC: &[u8; 8] = b"HELSNAPS";

/// Magic and version.
const HEADER_BYTES: usize = 12;

/// The whole file at most, bytes: a million sstables, and the longest description.
const BYTES_MAX: u64 = 64 << 20;

/// What a snapshot holds of one table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Manifest {
    /// When, microseconds since 1970.
    pub(crate) created: i64,
    pub(crate) shape: TableShape,
    /// By number.
    pub(crate) files: Vec<Entry>,
}

/// An sstable of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    /// XXH3-64 of its stats and footer.
    pub(crate) tail: u64,
}

impl Entry {
    /// Describes the sstable `number` at `path`, without reading its blocks.
    pub(crate) fn of(disk: &dyn Disk, path: &Path, number: u64) -> Result<Entry, Error> {
        let failed = |it| Error::io(path, it);
        let file = disk.open(path, Open::Read).map_err(failed)?;
        let bytes = file.len().map_err(failed)?;
        let short = || Error::corrupt(path, bytes, "an sstable that ends before its footer");
        let offset = bytes.checked_sub(FOOTER_BYTES).ok_or_else(short)?;
        let mut footer = [0; FOOTER_BYTES as usize];
        file.read_exact_at(&mut footer, offset).map_err(failed)?;
        let wrong = || Error::corrupt(path, offset, "the footer of an sstable");
        let begin = Footer::decode(&footer, number, offset).map_err(|_| wrong())?.stats.offset;
        let length = offset.checked_sub(begin).filter(|it| *it <= SECTION_BYTES_MAX);
        let mut tail = vec![0; length.ok_or_else(wrong)? as usize];
        file.read_exact_at(&mut tail, begin).map_err(failed)?;
        tail.extend_from_slice(&footer);
        Ok(Entry { number, bytes, tail: xxh3_64(&tail) })
    }
}

impl Manifest {
    /// Where it lies in the folder of a table.
    pub(crate) fn path(dir: &Path) -> PathBuf {
        dir.join("snapshot.manifest")
    }

    /// Writes it to the folder `dir`, which has none, and syncs it.
    pub(crate) fn write(&self, disk: &dyn Disk, dir: &Path) -> Result<(), Error> {
        let path = Manifest::path(dir);
        let failed = |it| Error::io(&path, it);
        let file = disk.open(&path, Open::CreateNew).map_err(failed)?;
        file.write_at(&self.encode(), 0).map_err(failed)?;
        file.sync().map_err(failed)
    }

    /// Reads the one of the folder `dir`.
    pub(crate) fn read(disk: &dyn Disk, dir: &Path) -> Result<Manifest, Error> {
        let path = Manifest::path(dir);
        let bytes = sys::disk::read_all(disk, &path, BYTES_MAX);
        Manifest::decode(&path, bytes.map_err(|it| Error::io(&path, it))?.into())
    }

    fn encode(&self) -> Bytes {
        let mut out = Writer::default();
        out.raw(MAGIC);
        out.raw(&VERSION.to_le_bytes());
        out.int(self.created);
        out.bytes(&manifest::encode(&[Op::Table(self.shape.clone())]));
        out.uint(self.files.len() as u64);
        for it in &self.files {
            out.uint(it.number);
            out.uint(it.bytes);
            out.raw(&it.tail.to_le_bytes());
        }
        let body = out.finish();
        let sum = xxh3_64(&body);
        let mut out = Writer::with_capacity(body.len() + 8);
        out.raw(&body);
        out.raw(&sum.to_le_bytes());
        out.finish()
    }

    fn decode(path: &Path, bytes: Bytes) -> Result<Manifest, Error> {
        let corrupt = |offset: usize, what: &str| Error::corrupt(path, offset as u64, what);
        let end = bytes.len().checked_sub(8).filter(|it| HEADER_BYTES <= *it);
        let end =
            end.ok_or_else(|| corrupt(bytes.len(), "a snapshot's manifest that is cut short"))?;
        if bytes[..8] != *MAGIC {
            return Err(corrupt(0, "it is not the manifest of a snapshot"));
        }
        if bytes[end..] != xxh3_64(&bytes[..end]).to_le_bytes() {
            return Err(corrupt(end, "the checksum of a snapshot's manifest"));
        }
        let found = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]);
        if VERSION < found {
            return Err(Error::NewerFormat { file: path.into(), found, supported: VERSION });
        }
        let read = body(Reader::new(bytes.slice(HEADER_BYTES..end)));
        read.map_err(|it| corrupt(HEADER_BYTES + it.offset, &it.to_string()))
    }
}

fn body(mut reader: Reader) -> Result<Manifest, Malformed> {
    let created = reader.int("time")?;
    let mut ops = manifest::decode(reader.bytes("table")?)?;
    let (Some(Op::Table(shape)), true) = (ops.pop(), ops.is_empty()) else {
        return Err(reader.malformed("table"));
    };
    let count = reader.count(10, "files")?;
    let mut files: Vec<Entry> = Vec::with_capacity(count);
    for _ in 0..count {
        let (number, bytes) = (reader.uint("number")?, reader.uint("length")?);
        let mut tail = [0; 8];
        tail.copy_from_slice(&reader.raw(8, "checksum")?);
        if files.last().is_some_and(|last| number <= last.number) {
            return Err(reader.malformed("order of files"));
        }
        files.push(Entry { number, bytes, tail: u64::from_le_bytes(tail) });
    }
    if reader.is_done() {
        Ok(Manifest { created, shape, files })
    } else {
        Err(reader.malformed("end"))
    }
}
