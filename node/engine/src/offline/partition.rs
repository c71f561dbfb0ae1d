//! Everything that the files of a data directory know of one partition, file by file.

use std::path::{Path, PathBuf};

use model::{Partition, PartitionKey, TableId};
use sys::Disk;

use super::damage::Damage;
use super::error::Error;
use super::segment::{End, Segment};
use super::sstable::Sstable;
use super::walk::Step;
use super::{segments, sstables};
use crate::commitlog::{self, Position};
use crate::manifest::{self, State};
use crate::table;

/// A partition is merged in memory up to so many bytes.
const MERGED_BYTES_MAX: usize = 256 << 20;

/// What is shown of a file, one after the other.
pub enum Known<'a> {
    /// What a block or a record of it knows.
    Part {
        /// The file.
        file: &'a Path,
        /// Where the block or the record lies.
        offset: u64,
        /// Whether a node reads it: the manifest names the sstable, or still needs the record.
        counts: bool,
        /// What it knows.
        partition: &'a Partition,
    },
    /// What cannot be read of it, and might know something.
    Damage {
        /// The file.
        file: &'a Path,
        /// Where and what.
        damage: &'a Damage,
    },
}

/// What all files together know.
pub struct Merged {
    /// All that counts, merged; `None` if it is more than is merged in memory.
    pub partition: Option<Partition>,
    /// Damaged places that might know more.
    pub damaged: u64,
    /// Why the manifest cannot tell what counts, if it cannot: then everything does.
    pub manifest: Option<crate::Error>,
}

/// Shows what each sstable of `table` and each segment of the commit log below `data_dir` knows of a partition. Nothing is
/// written, no lock taken.
///
/// # Errors
/// Where a file or folder cannot be opened that is there.
pub fn partition(
    disk: &dyn Disk,
    data_dir: &Path,
    table: TableId,
    key: &PartitionKey,
    see: &mut dyn FnMut(Known<'_>),
) -> Result<Merged, Error> {
    let (state, manifest) = match manifest::look(disk, data_dir) {
        Ok(state) => (Some(state), None),
        Err(error) => (None, Some(error)),
    };
    let counts = Counts { state, table };
    let mut look =
        Look { key, see, merged: Some(Partition::empty(key.clone())), bytes: 0, damaged: 0 };
    let folder = table::directory(data_dir, table);
    for file in listed(disk, &folder, sstables)? {
        let Some(it) = unless_gone(Sstable::open(disk, &file))? else { continue };
        let in_use = counts.sstable(it.id());
        it.damage().iter().for_each(|damage| look.meet(&file, damage));
        for step in it.walk_to(key) {
            match step {
                Step::Damage(damage) => look.meet(&file, &damage),
                Step::Block(extent, fragments) => {
                    let parts = fragments.into_iter().map(|it| it.part);
                    parts.for_each(|it| look.part(&file, extent.offset, in_use, it));
                }
            }
        }
    }
    for file in listed(disk, &commitlog::directory(data_dir), segments)? {
        let Some(it) = unless_gone(Segment::read(disk, &file))? else { continue };
        for record in &it.records {
            let in_use = counts.record(Position { segment: it.number, offset: record.offset });
            match it.mutations(record) {
                Ok(all) => all.into_iter().filter(|it| it.table == table).for_each(|it| {
                    look.part(&file, record.offset, in_use, it.partition);
                }),
                Err(damage) => look.meet(&file, &damage),
            }
        }
        if let End::Corrupt(damage) = &it.end {
            look.meet(&file, damage);
        }
    }
    Ok(Merged { partition: look.merged, damaged: look.damaged, manifest })
}

/// The files of a folder; none if it is not there.
fn listed(
    disk: &dyn Disk,
    folder: &Path,
    find: fn(&dyn Disk, &Path) -> Result<Vec<PathBuf>, crate::Error>,
) -> Result<Vec<PathBuf>, Error> {
    if disk.is_dir(folder) { Ok(find(disk, folder)?) } else { Ok(Vec::new()) }
}

/// A running node removes what it has compacted and flushed.
fn unless_gone<T>(opened: Result<T, Error>) -> Result<Option<T>, Error> {
    match opened {
        Err(Error::Engine(crate::Error::Io { source, .. }))
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok(None)
        }
        opened => opened.map(Some),
    }
}

/// What a node would read.
struct Counts {
    state: Option<State>,
    table: TableId,
}

impl Counts {
    fn sstable(&self, id: u64) -> bool {
        let Some(state) = &self.state else { return true };
        state.tables.get(&self.table).is_some_and(|it| it.sstables.contains(&id))
    }

    fn record(&self, at: Position) -> bool {
        let Some(state) = &self.state else { return true };
        let needed = state.tables.get(&self.table).is_some_and(|it| it.mark <= at);
        needed && state.log_start <= at.segment
    }
}

/// Shows and merges.
struct Look<'a> {
    key: &'a PartitionKey,
    see: &'a mut dyn FnMut(Known<'_>),
    merged: Option<Partition>,
    /// Of all that was merged.
    bytes: usize,
    damaged: u64,
}

impl Look<'_> {
    fn meet(&mut self, file: &Path, damage: &Damage) {
        self.damaged += 1;
        (self.see)(Known::Damage { file, damage });
    }

    fn part(&mut self, file: &Path, offset: u64, counts: bool, it: Partition) {
        if it.key != *self.key {
            return;
        }
        (self.see)(Known::Part { file, offset, counts, partition: &it });
        let Some(merged) = self.merged.as_mut().filter(|_| counts) else { return };
        self.bytes += it.memory_bytes();
        merged.merge(it);
        if MERGED_BYTES_MAX < self.bytes {
            self.merged = None;
        }
    }
}
