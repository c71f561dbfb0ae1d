//! What all clones of an engine share: tables, log and manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use model::TableId;
use sys::{Clock, Disk, Lock};
use tokio::sync::Notify;

use crate::cache::Cache;
use crate::commitlog::{Log, Position};
use crate::fullness::Fullness;
use crate::lanes::LaneState;
use crate::manifest::{Manifest, Op};
use crate::memtable::Memtable;
use crate::sstable::Sstable;
use crate::stats::Counters;
use crate::table::Table;
use crate::tasks::Tasks;
use crate::throttle::Throttle;
use crate::{Error, Lane, Options};

/// The engine behind its handles.
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) cache: Arc<Cache>,
    pub(crate) log: Log,
    pub(crate) fullness: Fullness,
    pub(crate) throttle: Throttle,
    closed: AtomicBool,
    closing: Notify,
    /// The log is not read to its end yet, so nobody knows which segments are needed.
    pub(crate) replaying: AtomicBool,
    pub(crate) tables: RwLock<BTreeMap<TableId, Arc<Table>>>,
    lanes: [LaneState; 3],
    /// Sstables that compactions have to themselves.
    pub(crate) claimed: Mutex<BTreeSet<u64>>,
    manifest: Mutex<Manifest>,
    sstable_last: AtomicU64,
    memtable_bytes: AtomicU64,
    /// Held until the last handle is gone.
    _lock: Box<dyn Lock>,
}

/// What an engine is put together from.
pub(crate) struct Parts {
    pub(crate) options: Options,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) log: Log,
    pub(crate) manifest: Manifest,
    pub(crate) tables: BTreeMap<TableId, Arc<Table>>,
    /// The largest sstable id that was ever used.
    pub(crate) sstable_last: u64,
    pub(crate) lock: Box<dyn Lock>,
}

impl Inner {
    pub(crate) fn new(parts: Parts) -> Inner {
        let counters = parts.counters;
        let cache = Arc::new(Cache::new(parts.options.cache_bytes, Arc::clone(&counters)));
        let throttle = Throttle::new(parts.options.compaction_bytes_per_second);
        let compactions = parts.options.compactions_max.get();
        Inner {
            options: parts.options,
            disk: parts.disk,
            clock: parts.clock,
            counters,
            tasks: Arc::default(),
            cache,
            log: parts.log,
            fullness: Fullness::default(),
            throttle,
            closed: AtomicBool::new(false),
            closing: Notify::new(),
            replaying: AtomicBool::new(true),
            tables: RwLock::new(parts.tables),
            lanes: [LaneState::new(1), LaneState::new(1), LaneState::new(compactions)],
            claimed: Mutex::default(),
            manifest: Mutex::new(parts.manifest),
            sstable_last: AtomicU64::new(parts.sstable_last),
            memtable_bytes: AtomicU64::new(0),
            _lock: parts.lock,
        }
    }

    /// The table, if it is there.
    pub(crate) fn table(&self, id: TableId) -> Result<Arc<Table>, Error> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        tables.get(&id).cloned().ok_or(Error::UnknownTable(id))
    }

    /// Every table, by id.
    pub(crate) fn all_tables(&self) -> Vec<Arc<Table>> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The manifest. Whoever holds it is the only one who changes which files are live.
    pub(crate) fn manifest(&self) -> MutexGuard<'_, Manifest> {
        self.manifest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn refuse_closed(&self) -> Result<(), Error> {
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Refuses what changes something from now on. `false` if it did before.
    pub(crate) fn set_closed(&self) -> bool {
        let was_open = !self.closed.swap(true, Ordering::AcqRel);
        self.closing.notify_waiters();
        was_open
    }

    /// Resolves when the engine is closed.
    pub(crate) async fn until_closed(&self) {
        let closing = self.closing.notified();
        let mut closing = std::pin::pin!(closing);
        closing.as_mut().enable();
        if !self.closed.load(Ordering::Acquire) {
            closing.await;
        }
    }

    pub(crate) fn next_sstable(&self) -> u64 {
        self.sstable_last.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A number that was given before comes back: none above it may be given twice either.
    pub(crate) fn saw_sstable(&self, id: u64) {
        self.sstable_last.fetch_max(id, Ordering::Relaxed);
    }

    pub(crate) fn memtable_bytes(&self) -> u64 {
        self.memtable_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn grow_memtables(&self, bytes: u64) {
        self.memtable_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn shrink_memtables(&self, bytes: u64) {
        self.memtable_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Memtables have grown so far that the largest should be flushed.
    pub(crate) fn wants_flush(&self) -> bool {
        self.options.memtable_bytes / 2 <= self.memtable_bytes()
    }

    /// Removes the file of an sstable that the manifest does not name any more, and its blocks from the cache.
    pub(crate) fn retire(&self, sstable: &Sstable) {
        sstable.leave(&self.cache);
        self.remove_unused(&sstable.path);
    }

    /// Removes a file that the manifest does not name. If that fails it is an orphan, and the next start removes it.
    pub(crate) fn remove_unused(&self, path: &Path) {
        if let Err(error) = self.disk.remove(path) {
            tracing::warn!(file = %path.display(), %error, "an unused file stays behind");
        }
    }

    /// Gives up the segments that no table needs any more.
    pub(crate) fn release_log(&self, manifest: &mut Manifest) -> Result<(), Error> {
        if self.replaying.load(Ordering::Acquire) {
            return Ok(());
        }
        // Looked up before the tables: what is appended meanwhile lies at or above it.
        let end = self.log.position();
        let needed = self.all_tables().iter().filter_map(|it| it.log_needed_from()).min();
        let first = needed.unwrap_or(end).segment;
        if self.log.oldest().is_some_and(|oldest| oldest < first) {
            // The manifest first: a segment that is missing must be one that was given up.
            manifest.edit(vec![Op::LogStart(first)])?;
            self.log.remove_below(first)?;
        }
        Ok(())
    }

    /// Marks the directory clean, and gives up the whole log if no table needs any of it: the next opening reads none.
    pub(crate) fn end_log(&self) -> Result<(), Error> {
        let mut manifest = self.manifest();
        // A write that was let in before the engine closed is either refused here, or its memtable says so.
        let is_needed = || self.all_tables().iter().any(|it| it.log_needed_from().is_some());
        match self.log.close() {
            Some(first) if !is_needed() => {
                manifest.edit(vec![Op::LogStart(first), Op::Clean(true)])?;
                self.log.remove_all()
            }
            Some(_) | None => {
                self.release_log(&mut manifest)?;
                manifest.edit(vec![Op::Clean(true)])
            }
        }
    }

    pub(crate) fn lane_state(&self, lane: Lane) -> &LaneState {
        &self.lanes[lane as usize]
    }

    /// What to flush next: what is frozen already; the largest memtable when all of them are too large; whatever holds on to the
    /// oldest segment when the log is too long.
    pub(crate) fn choose_flush(&self) -> Option<(Arc<Table>, Arc<Memtable>)> {
        if let Some(flush) = self.frozen() {
            return Some(flush);
        }
        let tables = self.all_tables();
        let full = if self.wants_flush() {
            tables.iter().max_by_key(|it| it.version().active.bytes())
        } else if self.options.commitlog_bytes_max < self.log.size().1 || self.refuses_writes() {
            let needed = |it: &&Arc<Table>| it.log_needed_from();
            tables.iter().filter(|it| needed(it).is_some()).min_by_key(needed)
        } else {
            None
        };
        let full = full.filter(|it| !it.version().active.is_empty())?;
        full.freeze(|| self.log.position());
        self.frozen()
    }

    /// A memtable that waits to be flushed, of a table the one that has waited longest.
    pub(crate) fn frozen(&self) -> Option<(Arc<Table>, Arc<Memtable>)> {
        self.all_tables().into_iter().find_map(|table| {
            let memtable = table.version().frozen.first().cloned()?;
            Some((table, memtable))
        })
    }

    /// Ends the active memtable of `table` if there is anything in it.
    pub(crate) fn freeze(&self, table: &Table) -> Vec<Arc<Memtable>> {
        if !table.version().active.is_empty() {
            table.freeze(|| self.log.position());
        }
        table.version().frozen.clone()
    }

    /// As `freeze`, when the log is being replayed and has come to `position`.
    pub(crate) fn freeze_at(&self, table: &Table, position: Position) {
        table.freeze(|| position);
    }
}
