//! Why a system log could not be opened or written.

use std::io;
use std::path::PathBuf;

use super::PAYLOAD_BYTES_MAX;
use super::format::VERSION;

/// Why a log could not be opened or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Bytes that were once acknowledged are wrong: rot, or a disk that lies. Refuse to start;
    /// restore the file, or rebuild this node from its replicas.
    #[error(
        "{} is corrupt at byte {offset}: {what}; restore the file from a backup, \
         or move the data directory away and rebuild this node from its replicas",
        file.display()
    )]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// Bytes from its start.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// A newer program wrote it. Start that program, or one newer still.
    #[error(
        "{} has format version {version}, and this program reads version {VERSION}: \
         start the newer program",
        file.display()
    )]
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
    /// An earlier write or fsync failed, so nobody knows what is durable. Only opening the log anew
    /// can tell.
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
