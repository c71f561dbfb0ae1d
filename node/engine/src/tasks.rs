//! Compactions that are under way, for whoever looks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::TableId;

/// A compaction that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// Names it, since the start of this engine.
    pub number: u64,
    /// Whose sstables it merges.
    pub table: TableId,
    /// When it began, microseconds since 1970.
    pub begun: i64,
    /// How many sstables it merges.
    pub sstables: u64,
    /// Their bytes on disk.
    pub total_bytes: u64,
    /// Bytes of what they become so far: in the end about `total_bytes`, or fewer where something was forgotten.
    pub written_bytes: u64,
}

/// All that are under way.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    running: Mutex<BTreeMap<u64, Arc<Running>>>,
    last: AtomicU64,
}

#[derive(Debug)]
struct Running {
    begun: Task,
    written_bytes: AtomicU64,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Tracked {
    tasks: Arc<Tasks>,
    running: Arc<Running>,
}

impl Tasks {
    /// One more begins. Its number is given here.
    pub(crate) fn begin(self: &Arc<Self>, task: Task) -> Tracked {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let begun = Task { number, ..task };
        let running = Arc::new(Running { begun, written_bytes: AtomicU64::new(0) });
        self.running().insert(number, Arc::clone(&running));
        Tracked { tasks: Arc::clone(self), running }
    }

    /// As they are now, the oldest first.
    pub(crate) fn all(&self) -> Vec<Task> {
        let written = |it: &Running| it.written_bytes.load(Ordering::Relaxed);
        let running = self.running();
        running.values().map(|it| Task { written_bytes: written(it), ..it.begun.clone() }).collect()
    }

    /// Bytes that they may still write, if nothing is forgotten.
    pub(crate) fn left_bytes(&self) -> u64 {
        let left = |it: Task| it.total_bytes.saturating_sub(it.written_bytes);
        self.all().into_iter().map(left).sum()
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Running>>> {
        // Nothing here can panic half way.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tracked {
    /// What it has written has so many bytes.
    pub(crate) fn wrote(&self, bytes: u64) {
        self.running.written_bytes.store(bytes, Ordering::Relaxed);
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.tasks.running().remove(&self.running.begun.number);
    }
}
