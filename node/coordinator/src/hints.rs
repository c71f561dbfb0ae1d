//! Hints: writes kept for replicas that missed them, and their replay.

use std::{path::PathBuf, sync::Arc, time::Duration};

use model::{HostId, TableId};
use sys::{Blocking, Clock, Disk};

/// Where hints are kept, and how many. No `Default`: the node's settings decide.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder; each host has a log of its own in it.
    pub dir: PathBuf,
    /// Bytes of hints that wait for one host at most. They are in memory too.
    pub host_bytes_max: u64,
    /// Hints that wait for one host at most.
    pub host_count_max: u64,
    /// Bytes of hints that wait for all hosts together at most.
    pub total_bytes_max: u64,
    /// No more hints for a host whose oldest one is older: repair is what it needs. Cassandra's 3 h.
    pub window: Duration,
}

/// What waits for one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Whose hints.
    pub host: HostId,
    /// How many.
    pub count: u64,
    /// Bytes of their mutations.
    pub bytes: u64,
    /// When the oldest was written, seconds since the epoch.
    pub oldest: i64,
}

/// What became of hints since the start of this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken in.
    pub stored: u64,
    /// Applied by their host.
    pub replayed: u64,
    /// Refused: a bound of bytes or count was reached, or the window was over. The host needs a
    /// repair.
    pub overflowed: u64,
    /// Dropped at replay: older than their table's gc_grace. The host needs a repair.
    pub expired: u64,
    /// Dropped at replay: their table is gone.
    pub orphaned: u64,
}

/// Why hints could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder could not be read or made.
    #[error("{}: {source}", dir.display())]
    Io {
        /// The folder.
        dir: PathBuf,
        /// What the disk said.
        source: std::io::Error,
    },
    /// A log could not be opened.
    #[error(transparent)]
    Log(#[from] sys::system_log::Error),
}

/// The hints of all hosts. A clone is the same store.
#[derive(Clone)]
pub struct Hints {}

impl Hints {
    /// Opens the logs in the folder and takes up what waits in them. Blocks on the disk: called
    /// once, at start.
    ///
    /// # Errors
    /// When the disk fails or a log is corrupt.
    pub fn open(
        _disk: Arc<dyn Disk>,
        _blocking: Arc<dyn Blocking>,
        _clock: Arc<dyn Clock>,
        _options: Options,
    ) -> Result<Hints, OpenError> {
        unimplemented!()
    }

    /// What waits, in host order; hosts without hints are left out.
    pub fn pending(&self) -> Vec<Pending> {
        unimplemented!()
    }

    /// What became of hints since the start.
    pub fn counts(&self) -> Counts {
        unimplemented!()
    }

    /// Drops the hints of a table that was truncated or dropped: replayed later, they would bring
    /// its rows back.
    pub fn forget_table(&self, _table: TableId) {
        unimplemented!()
    }
}

/// How hints are replayed. No `Default`: the node's settings decide.
#[derive(Clone, Copy, Debug)]
pub struct ReplayOptions {
    /// Bytes of mutations a second, for each host. Cassandra's 1 MiB.
    pub bytes_per_second: u64,
    /// How often hosts are looked at: alive again, and are there hints for them?
    pub interval: Duration,
    /// How long a host may take to answer one hint.
    pub timeout: Duration,
}

/// Replays hints to the hosts that are alive, for ever: a node spawns it once.
pub async fn replay(_coordinator: crate::Coordinator, _options: ReplayOptions) {
    unimplemented!()
}
