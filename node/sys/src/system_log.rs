//! What must not be forgotten: a checksummed, fsynced, append-only log of records.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::Disk;

/// The largest payload of one record, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Limits of one log. No default: the owner knows what it keeps.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the file at most; an append past it answers [`Error::Full`], and the owner rewrites the log shorter.
    pub log_bytes_max: u64,
}

/// One record: what the owner appended. What a kind means is the owner's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The owner's kind.
    pub kind: u8,
    /// The owner's bytes.
    pub payload: Bytes,
}

/// A torn tail that was cut when the log was opened: it was never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where the tail began, in bytes from the start of the file.
    pub offset: u64,
    /// How long it was.
    pub bytes: u64,
}

/// Why a log could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bytes that were once acknowledged are wrong: rot, or a disk that lies. Refuse to start; restore or rebuild from
    /// replicas.
    #[error("{} is corrupt at byte {offset}: {what}", file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// Bytes from its start.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// A newer program wrote it, or it is no log at all. Start the program that wrote it.
    #[error("{} has format version {version}, and this program reads version 1", file.display())]
    Version {
        /// The file.
        file: PathBuf,
        /// The version found.
        version: u8,
    },
    /// The caller's record is larger than [`PAYLOAD_BYTES_MAX`]; nothing was written.
    #[error("a record of {bytes} bytes is larger than the {PAYLOAD_BYTES_MAX} allowed")]
    TooLarge {
        /// The payload's length.
        bytes: usize,
    },
    /// The log has reached its limit; nothing was written. Rewrite it shorter.
    #[error("{} is full at {bytes} bytes", file.display())]
    Full {
        /// The file.
        file: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// An earlier write or fsync failed, so nobody knows what is durable. Only opening the log anew can tell.
    #[error("{} failed earlier and takes no more records", file.display())]
    Poisoned {
        /// The file.
        file: PathBuf,
    },
    /// The disk failed. After an append the record may or may not be there on the next open.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
}

/// An open log with one owner. Every call blocks on the disk.
pub struct SystemLog {}

impl SystemLog {
    /// Opens or creates the log `name` in the folder `dir`, which is created too, and replays its records in order.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        name: &str,
        limits: Limits,
    ) -> Result<(Self, Vec<Record>), Error> {
        let _ = (disk, dir, name, limits);
        unimplemented!("follows within the hour")
    }

    /// The torn tail that opening cut, if there was one: for the log line.
    pub fn cut(&self) -> Option<&Cut> {
        unimplemented!("follows within the hour")
    }

    /// Appends one record; it is durable once this answers.
    pub fn append(&mut self, kind: u8, payload: &[u8]) -> Result<(), Error> {
        self.append_batch(&[(kind, payload)])
    }

    /// Appends records in order with one fsync. A crash before it answers may keep any number of the first ones.
    pub fn append_batch(&mut self, records: &[(u8, &[u8])]) -> Result<(), Error> {
        let _ = records;
        unimplemented!("follows within the hour")
    }

    /// Replaces the whole log by `records`: a crash leaves the old log or the new one.
    pub fn rewrite(&mut self, records: &[(u8, &[u8])]) -> Result<(), Error> {
        let _ = records;
        unimplemented!("follows within the hour")
    }

    /// The length of the file, in bytes: what tells the owner that it is time to rewrite.
    pub fn size(&self) -> u64 {
        unimplemented!("follows within the hour")
    }
}
