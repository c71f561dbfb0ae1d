//! Hints: writes kept for replicas that missed them, and their replay.
//!
//! ```text
//! store ─► queue of the host (memory) ─► its log (disk), in groups        replay ─► host
//!              └── bounds: bytes, count, window; past them counted           │
//!              ◄────────────── acknowledged through sequence n ◄─────────────┘
//! ```
//!
//! A hint is the original mutation with its original timestamps, so replaying one twice changes
//! nothing. All hints are in memory and on disk: docs/formats/hints.md.

mod flush;
mod queue;
mod record;
mod replay;

pub use replay::{ReplayOptions, replay};

use std::{
    collections::BTreeMap,
    future::Future,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use model::{HostId, TableId, codec::Malformed};
use sys::{Blocking, Clock, Disk};
use tokio::sync::oneshot;

use self::{
    flush::Log,
    queue::{Entry, Queue, Refused},
};

/// Where hints are kept, and how many. No `Default`: the node's settings decide.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder; each host has a log of its own in it.
    pub dir: PathBuf,
    /// Bytes of hints that wait for one host at most.
    pub host_bytes_max: u64,
    /// Hints that wait for one host at most.
    pub host_count_max: u64,
    /// Bytes of hints that wait for all hosts together at most: they are in memory too.
    pub total_bytes_max: u64,
    /// No more hints for a host whose oldest one is older: repair is what it needs. Cassandra's 3 h.
    pub window: Duration,
}

/// A mutation that a replica missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Of which table.
    pub table: TableId,
    /// The table's gc_grace in seconds when it was written: an older hint could bring back what was
    /// deleted.
    pub gc_grace: u32,
    /// The encoded mutation.
    pub mutation: Bytes,
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
    /// Dropped: their table is gone or was truncated.
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
    /// A log could not be opened. Without it the node starts; its host then needs a repair.
    #[error(
        "{0}; or remove this file: the node it is for then misses what only these hints tell it"
    )]
    Log(#[from] sys::system_log::Error),
    /// A record of a log is not one of ours.
    #[error(
        "{}: {source}; restore the file from a backup, or remove it: the node it is for then misses \
         what only these hints tell it",
        file.display()
    )]
    Malformed {
        /// The log.
        file: PathBuf,
        /// What is wrong with it.
        source: Malformed,
    },
}

/// The hints of all hosts. A clone is the same store.
#[derive(Clone)]
pub struct Hints {
    inner: Arc<Inner>,
}

struct Inner {
    disk: Arc<dyn Disk>,
    blocking: Arc<dyn Blocking>,
    clock: Arc<dyn Clock>,
    options: Options,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    hosts: BTreeMap<HostId, Host>,
    counts: Counts,
    bytes: u64,
    /// Whether a task writes logs right now, and which host it wrote last.
    flushing: bool,
    flushed_last: Option<HostId>,
}

#[derive(Default)]
struct Host {
    queue: Queue,
    log: Log,
    waiters: Vec<(u64, oneshot::Sender<bool>)>,
    /// Whether the last hint was refused: tells the first of many refusals, which is logged.
    refusing: bool,
}

impl Hints {
    /// Opens the logs in the folder and takes up what waits in them. Blocks on the disk: called
    /// once, at start.
    ///
    /// # Errors
    /// When the disk fails or a log is corrupt.
    pub fn open(
        disk: Arc<dyn Disk>,
        blocking: Arc<dyn Blocking>,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Hints, OpenError> {
        let mut state = State::default();
        for (host, queue, log) in flush::open_all(&disk, &options)? {
            state.bytes += queue.bytes();
            state.hosts.insert(host, Host { queue, log, ..Host::default() });
        }
        let state = Mutex::new(state);
        Ok(Hints { inner: Arc::new(Inner { disk, blocking, clock, options, state }) })
    }

    /// Keeps a hint for `host`. It is written to disk soon; past the bounds it is counted as
    /// overflowed instead. Needs a tokio runtime.
    pub fn store(&self, host: HostId, hint: Hint) {
        self.push(host, hint, None);
    }

    /// As `store`, at once; the answer says whether it came to be durable.
    pub fn store_durably(
        &self,
        host: HostId,
        hint: Hint,
    ) -> impl Future<Output = bool> + Send + 'static + use<> {
        let (durable, answer) = oneshot::channel();
        self.push(host, hint, Some(durable));
        async move { answer.await.unwrap_or(false) }
    }

    /// What waits, in host order; hosts without hints are left out.
    pub fn pending(&self) -> Vec<Pending> {
        let state = self.inner.lock();
        let hosts = state.hosts.iter();
        let pending = |(host, it): (&HostId, &Host)| {
            let oldest = it.queue.oldest()?;
            Some(Pending { host: *host, count: it.queue.len(), bytes: it.queue.bytes(), oldest })
        };
        hosts.filter_map(pending).collect()
    }

    /// What became of hints since the start.
    pub fn counts(&self) -> Counts {
        self.inner.lock().counts
    }

    /// Drops the hints of a table that was truncated or dropped: replayed later, they would bring
    /// its rows back. Every node does so when it empties the table. Needs a tokio runtime.
    pub fn forget_table(&self, table: TableId) {
        let mut state = self.inner.lock();
        let State { hosts, counts, bytes, .. } = &mut *state;
        for host in hosts.values_mut() {
            let before = (host.queue.len(), host.queue.bytes());
            host.queue.forget_table(table);
            if host.queue.len() < before.0 {
                host.log.rewrite();
            }
            counts.orphaned += before.0 - host.queue.len();
            *bytes -= before.1 - host.queue.bytes();
        }
        drop(state);
        flush::start(&self.inner);
    }

    /// The next hints of `host` in the order in which they were stored: up to `count`, and about
    /// `bytes`.
    fn peek(&self, host: HostId, count: usize, bytes: u64) -> Vec<Entry> {
        let state = self.inner.lock();
        state.hosts.get(&host).map_or(Vec::new(), |it| it.queue.peek(count, bytes))
    }

    /// Drops the hints of `host` through this sequence number.
    fn done(&self, host: HostId, through: u64) {
        let mut state = self.inner.lock();
        let State { hosts, bytes, .. } = &mut *state;
        if let Some(host) = hosts.get_mut(&host) {
            let before = host.queue.bytes();
            host.queue.done(through);
            *bytes -= before - host.queue.bytes();
        }
        drop(state);
        flush::start(&self.inner);
    }

    fn count(&self, count: impl FnOnce(&mut Counts)) {
        count(&mut self.inner.lock().counts);
    }

    fn push(&self, host: HostId, hint: Hint, durable: Option<oneshot::Sender<bool>>) {
        let options = &self.inner.options;
        let now = self.inner.seconds();
        let monotonic = self.inner.clock.monotonic();
        let mut state = self.inner.lock();
        let State { hosts, counts, bytes, .. } = &mut *state;
        let fits = *bytes + hint.mutation.len() as u64 <= options.total_bytes_max;
        let entry = hosts.entry(host).or_default();
        let before = entry.queue.bytes();
        let pushed =
            if fits { entry.queue.push(hint, now, options) } else { Err(Refused::TotalBytes) };
        match pushed {
            Ok(sequence) => {
                *bytes += entry.queue.bytes() - before;
                counts.stored += 1;
                entry.refusing = false;
                // A log that has just failed is not written for some time: who waits is told so.
                let waiter = durable.filter(|_| !entry.log.rests(monotonic));
                entry.waiters.extend(waiter.map(|it| (sequence, it)));
            }
            Err(refused) => {
                counts.overflowed += 1;
                if !entry.refusing {
                    entry.refusing = true;
                    let pending = entry.queue.len();
                    tracing::warn!(%host, %refused, pending, "hints are refused: the node needs a repair");
                }
            }
        }
        drop(state);
        flush::start(&self.inner);
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whoever panicked with the lock held had counted a hint, or not: both will do.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seconds(&self) -> i64 {
        self.clock.wall_micros().div_euclid(1_000_000)
    }
}

#[cfg(test)]
mod tests;
