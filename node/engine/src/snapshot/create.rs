//! Making a snapshot: links, what is in memory only, the manifest, and its name at last.

use std::path::Path;
use std::sync::Arc;

use model::TableId;
use sys::Blocking;

use super::Error;
use super::format::{Entry, Manifest};
use super::store::{self, Listed};
use crate::flush::Dump;
use crate::inner::Inner;
use crate::sstable;
use crate::table::Table;
use crate::version::Version;
use crate::{Engine, Error as EngineError};

/// What of a table goes into a snapshot.
pub(crate) struct Part<'a> {
    pub(crate) table: &'a Table,
    pub(crate) version: &'a Version,
    /// Writes what is in memory to sstables of the snapshot alone.
    pub(crate) memory: bool,
}

impl Engine {
    /// Makes the snapshot `name` of these tables: flushes what is in memory, and gives every live sstable a second name.
    /// All that was acknowledged before this call is in it. Writes go on meanwhile; costs a flush, a link for each
    /// sstable and three syncs for each table.
    ///
    /// # Errors
    /// `Name`, `Exists`; `UnknownTable`, `DiskFull`, `Io` of the engine: there is no snapshot then.
    pub async fn create_snapshot(
        &self,
        name: &str,
        tables: &[TableId],
        blocking: &dyn Blocking,
    ) -> Result<Vec<Listed>, Error> {
        store::check_name(name)?;
        // Looked at again when it is made: this saves a flush.
        store::refuse_taken(&*self.inner.disk, &self.inner.options.data_dir, name)?;
        for table in tables {
            self.flush(Some(*table), blocking).await?;
        }
        let (inner, name, tables) = (Arc::clone(&self.inner), name.to_owned(), tables.to_vec());
        sys::run_fn(blocking, move || inner.make_snapshot(&name, &tables)).await?
    }
}

impl Inner {
    fn make_snapshot(&self, name: &str, tables: &[TableId]) -> Result<Vec<Listed>, Error> {
        // Held to the end: no compaction takes a file away that is about to be linked.
        let _manifest = self.manifest();
        self.refuse_closed()?;
        let (disk, data_dir) = (&*self.disk, &self.options.data_dir);
        store::refuse_taken(disk, data_dir, name)?;
        let tables = tables.iter().map(|it| self.table(*it));
        let tables = tables.collect::<Result<Vec<_>, EngineError>>()?;
        let versions: Vec<_> = tables.iter().map(|it| it.version()).collect();
        let parts = tables.iter().zip(&versions);
        let parts: Vec<Part> =
            parts.map(|(table, version)| Part { table, version, memory: false }).collect();
        write(self, name, &parts)?;
        store::list_one(disk, data_dir, name)
    }
}

/// Writes the snapshot `name`, which is free. Whoever calls it holds the manifest. After an error there is none.
pub(crate) fn write(inner: &Inner, name: &str, parts: &[Part<'_>]) -> Result<(), EngineError> {
    let disk = &*inner.disk;
    let folder = store::folder(&inner.options.data_dir);
    let (unfinished, finished) = (store::unfinished_name(&folder, name), folder.join(name));
    let written = write_unfinished(inner, &unfinished, parts).and_then(|()| {
        disk.rename(&unfinished, &finished).map_err(|it| EngineError::io(&finished, it))?;
        disk.sync_dir(&folder).map_err(|it| EngineError::io(&folder, it))
    });
    if written.is_err() {
        [&unfinished, &finished].into_iter().for_each(|it| store::remove_quietly(disk, it));
    }
    written
}

fn write_unfinished(
    inner: &Inner,
    unfinished: &Path,
    parts: &[Part<'_>],
) -> Result<(), EngineError> {
    let disk = &*inner.disk;
    // Of an attempt that failed, and could not even be removed.
    store::remove_quietly(disk, unfinished);
    sys::disk::create_dir_all_durably(disk, unfinished)
        .map_err(|it| EngineError::io(unfinished, it))?;
    let created = inner.clock.wall_micros();
    for part in parts {
        let dir = unfinished.join(part.table.id.0.to_string());
        disk.create_dir_all(&dir).map_err(|it| EngineError::io(&dir, it))?;
        let mut files = link(inner, part, &dir)?;
        if part.memory {
            files.extend(dump(inner, part, &dir)?);
        }
        files.sort_unstable_by_key(|it| it.number);
        let shape = part.table.shape().as_ref().clone();
        Manifest { created, shape, files }.write(disk, &dir)?;
        disk.sync_dir(&dir).map_err(|it| EngineError::io(&dir, it))?;
    }
    disk.sync_dir(unfinished).map_err(|it| EngineError::io(unfinished, it))
}

/// Gives each sstable a second name in `dir`.
fn link(inner: &Inner, part: &Part<'_>, dir: &Path) -> Result<Vec<Entry>, EngineError> {
    let disk = &*inner.disk;
    let link = |it: &Arc<sstable::Sstable>| {
        let path = sstable::path(dir, it.id);
        disk.hard_link(&it.path, &path).map_err(|it| EngineError::io(&path, it))?;
        Entry::of(disk, &path, it.id)
    };
    part.version.sstables.iter().map(link).collect()
}

/// Writes what is in memory only to sstables in `dir`.
fn dump(inner: &Inner, part: &Part<'_>, dir: &Path) -> Result<Vec<Entry>, EngineError> {
    let disk = &*inner.disk;
    let memtables = part.version.frozen.iter().chain([&part.version.active]);
    let mut files = Vec::new();
    for memtable in memtables.filter(|it| !it.is_empty()) {
        let id = inner.next_sstable();
        let path = sstable::path(dir, id);
        let block_bytes = inner.options.block_bytes;
        let (shape, symbols) = (part.table.shape(), &part.table.symbols);
        let mut writer = sstable::Writer::create(disk, &path, id, &shape, block_bytes, symbols)?;
        Dump::new(Arc::clone(memtable)).write(&mut writer, u64::MAX)?;
        if writer.finish()? {
            files.push(Entry::of(disk, &path, id)?);
        } else {
            inner.remove_unused(&path);
        }
    }
    Ok(files)
}
