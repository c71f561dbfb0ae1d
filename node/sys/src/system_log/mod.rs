//! What must not be forgotten: a checksummed, fsynced, append-only log of records on a [`Disk`].
//!
//! A record that was acknowledged is there on every later open, or opening fails and says where the
//! file is bad. A record that was not acknowledged is there whole or not at all.
//!
//! ```text
//! header │ record │ record │ … │ record │ mark
//!                                         └ overwritten by the next record; never waited for
//! ```
//!
//! Every record carries the offset that was known durable when it was appended, and behind the last
//! one a mark carries it once more. A bad record that any later header calls durable is corruption;
//! one behind all such claims is the torn tail of an append that nobody was promised, and is cut.

mod error;
mod format;

#[cfg(test)]
mod tests;

pub use error::Error;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use self::format::{BadHeader, FILE_HEADER_BYTES, Item, RECORD_HEADER_BYTES};
use crate::disk::{self, Disk, File, Open};

/// The largest payload of one record, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Limits of one log. No default: the owner knows what it keeps.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the file at most; an append past it answers [`Error::Full`], and the owner rewrites
    /// the log shorter.
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

/// An open log with one owner. Every call blocks on the disk.
pub struct SystemLog {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: Arc<dyn File>,
    limits: Limits,
    /// Where the next record goes. All before it is durable.
    end: u64,
    cut: Option<Cut>,
    /// Set when a failure left in doubt what the file holds.
    poisoned: bool,
}

impl SystemLog {
    /// Opens or creates the log `<name>.log` in the folder `dir`, which is created too, and replays
    /// its records in order. The log must have no other owner: hold the lock of the data directory.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        name: &str,
        limits: Limits,
    ) -> Result<(Self, Vec<Record>), Error> {
        let path = dir.join(format!("{name}.log"));
        let io = |source| Error::Io { file: path.clone(), source };
        if !disk.exists(&path) {
            // Where the file is, its folder was durable before it.
            disk::create_dir_all_durably(&*disk, dir).map_err(io)?;
            let mut bytes = format::file_header().to_vec();
            bytes.extend_from_slice(&format::mark(FILE_HEADER_BYTES as u64));
            disk::write_atomically(&*disk, &path, &bytes).map_err(io)?;
        }
        // A rewrite that was killed leaves its new name in doubt, or its unfinished file behind.
        let tmp = tmp_of(&path);
        if disk.exists(&tmp) {
            disk.remove(&tmp).map_err(io)?;
        }
        disk.sync_dir(dir).map_err(io)?;
        let file = disk.open(&path, Open::Write).map_err(io)?;
        // An append is refused at the limit, so only the mark can lie behind it.
        let bytes_max = limits.log_bytes_max.saturating_add(RECORD_HEADER_BYTES as u64);
        let bytes = disk::read_all(&*disk, &path, bytes_max).map_err(io)?;
        let replay = Replay::read(&bytes, &path)?;
        let end = replay.end as u64;
        if let Some(cut) = &replay.cut {
            tracing::warn!(file = %path.display(), cut.offset, cut.bytes, "cut a torn tail");
            file.truncate(end).map_err(io)?;
        }
        // What a killed process wrote may be in the page cache only, and if its fsync failed, then
        // no later fsync writes it: so it is written again.
        let doubtful = &bytes[replay.durable..replay.end];
        file.write_at(doubtful, replay.durable as u64).map_err(io)?;
        file.sync().map_err(io)?;
        let log = Self { disk, path, file, limits, end, cut: replay.cut, poisoned: false };
        if !replay.marked {
            log.mark();
        }
        Ok((log, replay.records))
    }

    /// The records of the log `<name>.log` in the folder `dir`, in order, without a torn tail. Changes nothing, and needs
    /// not be the owner: for who looks at a log from outside.
    pub fn read(
        disk: &dyn Disk,
        dir: &Path,
        name: &str,
        limits: Limits,
    ) -> Result<Vec<Record>, Error> {
        let path = dir.join(format!("{name}.log"));
        let bytes_max = limits.log_bytes_max.saturating_add(RECORD_HEADER_BYTES as u64);
        let bytes = disk::read_all(disk, &path, bytes_max)
            .map_err(|source| Error::Io { file: path.clone(), source })?;
        Ok(Replay::read(&bytes, &path)?.records)
    }

    /// The torn tail that opening cut, if there was one: for the log line.
    pub fn cut(&self) -> Option<&Cut> {
        self.cut.as_ref()
    }

    /// The length of the log, in bytes: what tells the owner that it is time to rewrite.
    pub fn size(&self) -> u64 {
        self.end
    }

    /// Appends one record; it is durable once this answers.
    pub fn append(&mut self, kind: u8, payload: &[u8]) -> Result<(), Error> {
        self.append_batch(&[(kind, payload)])
    }

    /// Appends records in order with one fsync. A crash before it answers may keep any number of
    /// the first ones.
    pub fn append_batch(&mut self, records: &[(u8, &[u8])]) -> Result<(), Error> {
        self.refuse_poisoned()?;
        let bytes = self.encode(self.end, records)?;
        if bytes.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.file.write_at(&bytes, self.end) {
            self.take_back(&error);
            return Err(self.io(error));
        }
        if let Err(error) = self.file.sync() {
            self.poisoned = true;
            return Err(self.io(error));
        }
        self.end += bytes.len() as u64;
        self.mark();
        Ok(())
    }

    /// Replaces the whole log by `records`: a crash leaves the old log or the new one.
    ///
    /// Needs room for both. If it fails with [`Error::Full`] or for want of space, the old log goes
    /// on as before.
    pub fn rewrite(&mut self, records: &[(u8, &[u8])]) -> Result<(), Error> {
        self.refuse_poisoned()?;
        let mut bytes = format::file_header().to_vec();
        bytes.extend_from_slice(&self.encode(FILE_HEADER_BYTES as u64, records)?);
        let end = bytes.len() as u64;
        bytes.extend_from_slice(&format::mark(end));
        let tmp = tmp_of(&self.path);
        let file = match disk::write_synced(&*self.disk, &tmp, &bytes) {
            Ok(file) => file,
            Err(error) => {
                // Only to free the space; the next rewrite overwrites what stays behind.
                if let Err(error) = self.disk.remove(&tmp) {
                    let file = tmp.display();
                    tracing::debug!(%file, %error, "an unfinished rewrite stays behind");
                }
                return Err(self.io(error));
            }
        };
        let dir = disk::parent(&self.path);
        let renamed = self.disk.rename(&tmp, &self.path).and_then(|()| self.disk.sync_dir(dir));
        if let Err(error) = renamed {
            // Either file may come up after a crash: no append could be promised to last.
            self.poisoned = true;
            return Err(self.io(error));
        }
        self.file = file;
        self.end = end;
        Ok(())
    }

    /// The bytes of `records` for offset `base` on, if they are within the limits.
    fn encode(&self, base: u64, records: &[(u8, &[u8])]) -> Result<Vec<u8>, Error> {
        if let Some((_, large)) =
            records.iter().find(|(_, payload)| PAYLOAD_BYTES_MAX < payload.len())
        {
            return Err(Error::TooLarge { bytes: large.len() });
        }
        let size: usize =
            records.iter().map(|(_, payload)| RECORD_HEADER_BYTES + payload.len()).sum();
        if self.limits.log_bytes_max < base + size as u64 {
            return Err(Error::Full { file: self.path.clone(), bytes: base });
        }
        let mut bytes = Vec::with_capacity(size);
        for (kind, payload) in records {
            format::put_record(&mut bytes, base, base, *kind, payload);
        }
        Ok(bytes)
    }

    /// Says behind the last record that all of it is durable, so that rot in it is not taken for a
    /// torn tail. Nobody waits for it, and the next record overwrites it.
    fn mark(&self) {
        if let Err(error) = self.file.write_at(&format::mark(self.end), self.end) {
            let file = self.path.display();
            tracing::warn!(%file, %error, "could not mark the end of the log");
        }
    }

    /// After a failed write: a full disk is no reason to give up, if what was half written can be
    /// taken back.
    fn take_back(&mut self, error: &io::Error) {
        let full = error.kind() == io::ErrorKind::StorageFull;
        let taken_back =
            full && self.file.truncate(self.end).and_then(|()| self.file.sync()).is_ok();
        self.poisoned = !taken_back;
    }

    fn refuse_poisoned(&self) -> Result<(), Error> {
        if self.poisoned { Err(Error::Poisoned { file: self.path.clone() }) } else { Ok(()) }
    }

    fn io(&self, source: io::Error) -> Error {
        Error::Io { file: self.path.clone(), source }
    }
}

/// Where a rewrite of the log at `path` is prepared.
fn tmp_of(path: &Path) -> PathBuf {
    path.with_extension("log.tmp")
}

/// What a file holds.
struct Replay {
    records: Vec<Record>,
    /// What of it is certainly durable: the bytes before this one.
    durable: usize,
    /// Where the records end.
    end: usize,
    cut: Option<Cut>,
    /// Whether the mark is in its place.
    marked: bool,
}

impl Replay {
    fn read(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        let corrupt =
            |offset: usize, what| Error::Corrupt { file: path.into(), offset: offset as u64, what };
        format::check_file_header(bytes).map_err(|bad| match bad {
            BadHeader::Short => corrupt(0, "the file is shorter than its header"),
            BadHeader::Magic => corrupt(0, "it does not begin as a system log does"),
            BadHeader::Checksum => corrupt(0, "the header's checksum does not match"),
            BadHeader::Version(version) => Error::Version { file: path.into(), version },
        })?;
        let mut replay = Self {
            records: Vec::new(),
            durable: FILE_HEADER_BYTES,
            end: FILE_HEADER_BYTES,
            cut: None,
            marked: false,
        };
        while let Some(Item::Record { kind, payload, durable }) = format::item_at(bytes, replay.end)
        {
            // No header that counts as whole claims more than what lies before it.
            replay.durable = replay.durable.max(usize::try_from(durable).unwrap_or(0));
            replay.end = payload.end;
            replay.records.push(Record { kind, payload: Bytes::copy_from_slice(&bytes[payload]) });
        }
        let rest = bytes.len() - replay.end;
        if rest == RECORD_HEADER_BYTES && format::item_at(bytes, replay.end) == Some(Item::Mark) {
            replay.marked = true;
            replay.durable = replay.end;
        } else if format::proves_durable(bytes, replay.end) {
            return Err(corrupt(replay.end, "a record that was acknowledged fails its checksum"));
        } else if rest != 0 {
            replay.cut = Some(Cut { offset: replay.end as u64, bytes: rest as u64 });
        }
        Ok(replay)
    }
}
