//! Why a node does not start or cannot go on, and the code that it is called by.

use std::io;

use cluster::{OpenError, PeerRefused};
use coordinator::{clock::NotReserved, hints};
use cql_lite::code::Code;
use sys::{facts, system_log};

/// Why a node did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is open to the network, and there is no authentication yet.
    #[error(
        "--listen {0} is not loopback and there is no authentication yet: add --insecure to allow it"
    )]
    Insecure(String),
    /// A door could not be opened.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error("data directory {dir}: {source}")]
    Directory {
        /// Which.
        dir: String,
        /// What the disk said.
        source: io::Error,
    },
    /// Another process has the data directory.
    #[error("data directory {0} is in use by another process")]
    Locked(String),
    /// The system log is damaged, or cannot be written.
    #[error("system log: {0}")]
    SystemLog(#[from] system_log::Error),
    /// The system log could not be written while the node ran.
    #[error("system log: {0}")]
    NotPersisted(String),
    /// The data directory is not this node's.
    #[error("{0}")]
    Foreign(#[from] OpenError),
    /// The engine could not open, or failed.
    #[error("{0}")]
    Engine(#[from] engine::Error),
    /// The hints could not be opened.
    #[error("hints: {0}")]
    Hints(#[from] hints::OpenError),
    /// The other founders do not let this node in.
    #[error("{0}")]
    Refused(PeerRefused),
    /// The store of small facts could not be opened.
    #[error("facts: {0}")]
    Facts(#[from] facts::Error),
    /// Write timestamps could not be reserved.
    #[error("{0}")]
    Timestamps(#[from] NotReserved),
    /// A thread was stopped.
    #[error("{0}")]
    Stopped(#[from] sys::Stopped),
}

impl StartError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            StartError::Insecure(_) => Code::InsecureListen,
            StartError::Listen { .. } => Code::PortInUse,
            StartError::Directory { .. } => Code::DirectoryUnusable,
            StartError::Stopped(_) => Code::Internal,
            StartError::Locked(_) => Code::DirectoryLocked,
            StartError::Foreign(_) => Code::DirectoryForeign,
            StartError::Engine(error) => code_of_engine(error),
            StartError::SystemLog(error) => code_of_log(error),
            StartError::Hints(error) => match error {
                hints::OpenError::Io { source, .. } => code_of_disk(source),
                hints::OpenError::Log(error) => code_of_log(error),
                hints::OpenError::Malformed { .. } => Code::CorruptFile,
            },
            StartError::NotPersisted(_) | StartError::Timestamps(_) => Code::LogFailed,
            StartError::Facts(_) => Code::DirectoryUnusable,
            StartError::Refused(PeerRefused::NotAFounder { .. } | PeerRefused::NotASeed { .. }) => {
                Code::NotFounder
            }
            StartError::Refused(_) => Code::WrongCluster,
        }
    }
}

/// The code that an error of the engine is called by.
pub(crate) fn code_of_engine(error: &engine::Error) -> Code {
    match error {
        engine::Error::Locked { .. } => Code::DirectoryLocked,
        engine::Error::NewerFormat { .. } => Code::DirectoryForeign,
        engine::Error::DiskFull { .. } => Code::DiskFull,
        engine::Error::LogFailed => Code::LogFailed,
        engine::Error::Corrupt { .. } => Code::CorruptFile,
        engine::Error::Io { .. }
        | engine::Error::ReadOnly { .. }
        | engine::Error::BadArchive { .. }
        | engine::Error::OutOfFiles { .. } => Code::DirectoryUnusable,
        engine::Error::Overloaded { .. }
        | engine::Error::UnknownTable(_)
        | engine::Error::Malformed(_)
        | engine::Error::TooLarge { .. }
        | engine::Error::Closed
        | engine::Error::Stopped(_) => Code::Internal,
    }
}

fn code_of_log(error: &system_log::Error) -> Code {
    match error {
        system_log::Error::Corrupt { .. } => Code::CorruptFile,
        system_log::Error::Version { .. } => Code::DirectoryForeign,
        system_log::Error::Io { source, .. } => code_of_disk(source),
        system_log::Error::TooLarge { .. }
        | system_log::Error::Full { .. }
        | system_log::Error::Poisoned { .. } => Code::LogFailed,
    }
}

fn code_of_disk(error: &io::Error) -> Code {
    let kind = error.kind();
    if matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        Code::DiskFull
    } else if kind == io::ErrorKind::FileTooLarge {
        Code::CorruptFile
    } else {
        Code::DirectoryUnusable
    }
}
