//! One table: its shape, its folder, and its current version.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use model::TableId;

use crate::TableShape;
use crate::commitlog::Position;
use crate::memtable::Memtable;
use crate::sstable::Sstable;
use crate::sstable::symbols::TableSymbols;
use crate::version::Version;

/// A table that is open.
pub(crate) struct Table {
    pub(crate) id: TableId,
    /// Where its sstables are.
    pub(crate) dir: PathBuf,
    shape: RwLock<Arc<TableShape>>,
    /// A write holds it to read while it goes into the log and the memtable, so whoever holds it to write stands
    /// between two writes.
    version: RwLock<Arc<Version>>,
    /// Reads since the last flush that took more than a look into one sstable: of what was written lately, mostly.
    recent_reads: AtomicU64,
    /// By which texts are coded.
    pub(crate) symbols: Arc<TableSymbols>,
}

/// The folder that holds those of all tables.
pub(crate) fn all_directory(data_dir: &Path) -> PathBuf {
    data_dir.join("tables")
}

/// The folder of `table`.
pub(crate) fn directory(data_dir: &Path, table: TableId) -> PathBuf {
    all_directory(data_dir).join(table.0.to_string())
}

impl Table {
    pub(crate) fn new(
        data_dir: &Path,
        shape: TableShape,
        begins: Position,
        sstables: Vec<Arc<Sstable>>,
    ) -> Table {
        let active = Arc::new(Memtable::new(begins));
        Table {
            id: shape.id,
            dir: directory(data_dir, shape.id),
            shape: RwLock::new(Arc::new(shape)),
            version: RwLock::new(Arc::new(Version {
                active,
                frozen: Vec::new(),
                sstables,
                dropped: false,
            })),
            recent_reads: AtomicU64::new(0),
            symbols: Arc::default(),
        }
    }

    pub(crate) fn shape(&self) -> Arc<TableShape> {
        Arc::clone(&self.shape.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether its writes go into the log.
    pub(crate) fn is_durable(&self) -> bool {
        self.shape.read().unwrap_or_else(PoisonError::into_inner).durable
    }

    pub(crate) fn set_shape(&self, shape: TableShape) {
        *self.shape.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(shape);
    }

    /// What the table consists of now.
    pub(crate) fn version(&self) -> Arc<Version> {
        Arc::clone(&self.write_into())
    }

    /// Holds the version still for one write.
    pub(crate) fn write_into(&self) -> RwLockReadGuard<'_, Arc<Version>> {
        self.version.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears of a read of what was written lately.
    pub(crate) fn was_read(&self) {
        self.recent_reads.fetch_add(1, Ordering::Relaxed);
    }

    /// How often that was since this was asked last.
    pub(crate) fn take_recent_reads(&self) -> u64 {
        self.recent_reads.swap(0, Ordering::Relaxed)
    }

    /// Puts another version in place of the current one, between two writes.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Version) -> T) -> T {
        let mut current = self.version.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = Version::clone(&current);
        let answer = change(&mut next);
        *current = Arc::new(next);
        answer
    }

    /// Ends the active memtable: what is written from now on, from `position` in the log, goes into a new one. Of a
    /// table that is gone nothing is flushed any more, though somebody may have looked it up before.
    pub(crate) fn freeze(&self, position: impl FnOnce() -> Position) {
        self.change(|version| {
            if version.dropped {
                return;
            }
            let next = Arc::new(Memtable::new(position()));
            let frozen = std::mem::replace(&mut version.active, next);
            version.frozen.push(frozen);
        });
    }

    /// From where on the log is needed, if it is at all.
    pub(crate) fn log_needed_from(&self) -> Option<Position> {
        let version = self.version();
        let mut memtables = version.frozen.iter().chain([&version.active]);
        memtables.find(|it| it.is_logged()).map(|it| it.begins)
    }
}
