//! What can go wrong, by what the caller can do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::TableId;

/// Why the engine refused or failed. Cheap to clone: one failed fsync answers many tickets.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Memtables are past their share and the flush cannot keep up, or too much of the log waits
    /// for the disk. Nothing was written; try again in a moment.
    #[error("overloaded: {what} at {bytes} bytes of {max} allowed; retry in a moment")]
    Overloaded {
        /// What is full.
        what: &'static str,
        /// How full it is.
        bytes: u64,
        /// Its share.
        max: u64,
    },
    /// The table was never created here, or is dropped. Nothing was written.
    #[error("unknown table {}", .0.0)]
    UnknownTable(TableId),
    /// The bytes are not a mutation. Nothing was written; the sender has a bug.
    #[error("not a mutation: {0}")]
    Malformed(#[from] model::codec::Malformed),
    /// The mutation is larger than the log takes. Nothing was written; split it.
    #[error("a mutation of {bytes} bytes is larger than the {max} allowed")]
    TooLarge {
        /// Its encoded length.
        bytes: usize,
        /// The longest allowed.
        max: usize,
    },
    /// The commit log failed to write or sync: nobody knows what is durable, so nothing is acknowledged
    /// any more. Reads go on. Restart the node: recovery finds out what the disk kept.
    #[error(
        "the commit log failed and acknowledges nothing more; check the disk, then restart the node"
    )]
    LogFailed,
    /// The disk is full. Reads go on; writes do too once there is room. Of a write that was already taken
    /// in when the disk filled up, the outcome is unknown.
    #[error("the disk that holds {} is full: free some space, writes go on by themselves", file.display())]
    DiskFull {
        /// What could not grow.
        file: PathBuf,
    },
    /// The file system takes no writes. Reads go on; writes do too once it takes them again. Of a write that was
    /// already taken in, the outcome is unknown.
    #[error(
        "{} lies on a file system that takes no writes: look why, and mount it for writing; \
         writes go on by themselves",
        file.display()
    )]
    ReadOnly {
        /// What could not be changed.
        file: PathBuf,
    },
    /// The process has as many files open as it may. Reads of open files go on; writes do too once one more can be
    /// opened. Of a write that was already taken in, the outcome is unknown.
    #[error(
        "{} cannot be opened, too many files are open: raise `files_max` and the hard limit of the \
         system (`ulimit -Hn`, LimitNOFILE=); writes go on by themselves",
        file.display()
    )]
    OutOfFiles {
        /// What could not be opened.
        file: PathBuf,
    },
    /// The engine is closed. Nothing was done.
    #[error("the engine is closed")]
    Closed,
    /// Another process has the data directory open. Stop it, or choose another directory.
    #[error("{} is in use by another process: stop it, or choose another --data-dir", dir.display())]
    Locked {
        /// The data directory.
        dir: PathBuf,
    },
    /// The folder for full segments of the commit log cannot be used.
    #[error(
        "{} cannot be the commit log's archive: {why}; choose an empty folder on the disk of the data directory",
        dir.display()
    )]
    BadArchive {
        /// The folder.
        dir: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Files of a newer program. Start that program, or restore a snapshot taken with this one.
    #[error(
        "{} has format version {found}, and this program reads up to {supported}: \
         start the newer program",
        file.display()
    )]
    NewerFormat {
        /// The file that says so.
        file: PathBuf,
        /// Its version.
        found: u32,
        /// The newest this program reads.
        supported: u32,
    },
    /// Bytes that were once durable are wrong: rot, or a disk that lies. Nothing is guessed.
    #[error(
        "{} is corrupt at byte {offset}: {what}; restore the file from a snapshot, \
         or move the data directory away and rebuild this node from its replicas",
        file.display()
    )]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// Bytes from its start.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The operating system failed.
    #[error("{}: {source}; look at the disk, its permissions and the kernel's log", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What it said.
        source: Arc<io::Error>,
    },
    /// The job that should have done it was stopped.
    #[error("stopped: {0}")]
    Stopped(#[from] sys::Stopped),
}

impl Error {
    /// An operating system error at `file`, told apart by what can be done about it.
    pub(crate) fn io(file: &Path, source: io::Error) -> Error {
        let file = file.to_path_buf();
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Error::DiskFull { file };
        }
        if source.kind() == io::ErrorKind::ReadOnlyFilesystem {
            return Error::ReadOnly { file };
        }
        if sys::disk::is_out_of_files(&source) {
            return Error::OutOfFiles { file };
        }
        Error::Io { file, source: Arc::new(source) }
    }

    /// Whether nothing was written, and the same may succeed later without a restart.
    pub(crate) fn passes(&self) -> bool {
        matches!(self, Error::DiskFull { .. } | Error::ReadOnly { .. } | Error::OutOfFiles { .. })
    }

    /// Wrong bytes at `offset` of `file`.
    pub(crate) fn corrupt(file: &Path, offset: u64, what: impl Into<String>) -> Error {
        Error::Corrupt { file: file.to_path_buf(), offset, what: what.into() }
    }
}
