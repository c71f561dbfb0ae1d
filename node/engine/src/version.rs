//! What a table consists of at an instant.

use std::sync::Arc;

use crate::memtable::Memtable;
use crate::merge::Source;
use crate::sstable::Sstable;

/// The memtables and live sstables of a table at one instant. Immutable but for the writes that the active
/// memtable takes: a flush or a compaction puts another version in its place.
#[derive(Clone)]
pub(crate) struct Version {
    /// Takes writes.
    pub(crate) active: Arc<Memtable>,
    /// Wait to be flushed, oldest first.
    pub(crate) frozen: Vec<Arc<Memtable>>,
    /// Oldest first.
    pub(crate) sstables: Vec<Arc<Sstable>>,
    /// The table is gone, and takes no writes.
    pub(crate) dropped: bool,
}

impl Version {
    /// Everything that may hold a partition, newest first.
    pub(crate) fn sources(&self) -> Vec<Source> {
        let active = std::iter::once(&self.active).filter(|it| !it.is_empty());
        let memtables = active.chain(self.frozen.iter().rev()).cloned().map(Source::Memtable);
        memtables.chain(self.sstables.iter().rev().cloned().map(Source::Sstable)).collect()
    }

    /// Bytes of all memtables.
    pub(crate) fn memtable_bytes(&self) -> u64 {
        self.active.bytes() + self.frozen_bytes()
    }

    /// Bytes of the frozen ones.
    pub(crate) fn frozen_bytes(&self) -> u64 {
        self.frozen.iter().map(|it| it.bytes()).sum()
    }
}
