//! Sstables of another table, node or cluster become part of a table.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{ColumnId, TableId};
use sys::{Blocking, Disk, run_fn};

use super::Error;
use super::admission::{Columns, Target};
use super::format::{Entry, Manifest};
use super::incoming::{self, Incoming, Seen, Source};
use crate::inner::Inner;
use crate::manifest::Op;
use crate::options::Described;
use crate::{Engine, Error as EngineError, offline, sstable};

/// Files that are imported at once, at most: each is open and costs an edit of the manifest a few bytes.
const FILES_MAX: usize = 10_000;

/// A file from elsewhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Foreign {
    /// Where it lies.
    pub path: PathBuf,
    /// Of which table it is: by the manifest of a snapshot beside it, or by the name of its folder.
    pub table: Option<TableId>,
    /// That table in words, if there is a manifest.
    pub described: Option<Arc<Described>>,
    /// Columns of it that were dropped.
    pub dropped: Vec<ColumnId>,
    /// The numbers of its columns in the table that takes it in; the same where there are none.
    pub columns: Option<BTreeMap<ColumnId, ColumnId>>,
    entry: Option<Entry>,
}

/// What was taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Sstables.
    pub files: u64,
    /// Partitions in them, those counted twice that lie in two.
    pub partitions: u64,
    /// Rows in them, counted likewise.
    pub rows: u64,
    /// Of the partitions, those that this node is not asked for.
    pub strange: u64,
}

impl Foreign {
    /// The sstables below each of `paths`, with what is said of them there. Reads no block. Blocks.
    ///
    /// # Errors
    /// `Nothing`, `TooMany`; `Damaged` for a manifest, `NewerFormat` and `Io` of the engine.
    pub fn find(disk: &dyn Disk, paths: &[PathBuf]) -> Result<Vec<Foreign>, Error> {
        let mut files = Vec::new();
        for path in paths {
            let is_there = disk.exists(path);
            let found = if is_there { offline::sstables(disk, path)? } else { Vec::new() };
            if found.is_empty() {
                return Err(Error::Nothing { path: path.clone() });
            }
            files.extend(found);
            if FILES_MAX < files.len() {
                return Err(Error::TooMany { count: files.len(), max: FILES_MAX });
            }
        }
        // Two paths may lead to one file.
        files.sort_unstable();
        files.dedup();
        let mut manifests: BTreeMap<PathBuf, Option<Manifest>> = BTreeMap::new();
        files.into_iter().map(|it| Foreign::of(disk, it, &mut manifests)).collect()
    }

    fn of(
        disk: &dyn Disk,
        path: PathBuf,
        manifests: &mut BTreeMap<PathBuf, Option<Manifest>>,
    ) -> Result<Foreign, Error> {
        let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let by_name = folder.file_name().and_then(|it| uuid::Uuid::parse_str(it.to_str()?).ok());
        if !manifests.contains_key(&folder) {
            manifests.insert(folder.clone(), manifest_in(disk, &folder)?);
        }
        let Some(Some(manifest)) = manifests.get(&folder) else {
            return Ok(Foreign { path, table: by_name.map(TableId), ..Foreign::default() });
        };
        let number = path.file_name().and_then(|it| sstable::id_of(it.to_str()?));
        Ok(Foreign {
            entry: manifest.files.iter().find(|it| Some(it.number) == number).copied(),
            path,
            table: Some(manifest.shape.id),
            described: manifest.shape.described.clone(),
            dropped: manifest.shape.dropped.clone(),
            columns: None,
        })
    }

    fn source(&self) -> Source {
        Source {
            path: self.path.clone(),
            entry: self.entry,
            columns: self.columns.clone().map_or(Columns::Same, Columns::Mapped),
            dropped: self.dropped.clone(),
            own: false,
        }
    }
}

fn manifest_in(disk: &dyn Disk, folder: &Path) -> Result<Option<Manifest>, Error> {
    if !disk.exists(&Manifest::path(folder)) {
        return Ok(None);
    }
    Manifest::read(disk, folder).map(Some).map_err(Error::of_file)
}

impl Engine {
    /// Adds what `files` hold to a table, by their write timestamps: each is read from the first byte to the last and
    /// judged, then written again under a new number of this node, and all become live in one edit. The files stay where they
    /// are. A tombstone that was forgotten here already hides nothing in them.
    ///
    /// # Errors
    /// `Damaged`, `Unfit`, `NotOwned`; `UnknownTable`, `DiskFull`, `Io`, `Closed` of the engine. The table is as it was then;
    /// after an `Io` of the manifest the next start tells.
    pub async fn import(
        &self,
        files: &[Foreign],
        target: &Target,
        blocking: &dyn Blocking,
    ) -> Result<Imported, Error> {
        let inner = &self.inner;
        inner.refuse_closed()?;
        inner.table(target.table)?;
        let sources: Vec<Source> = files.iter().map(Foreign::source).collect();
        let seen = incoming::verify(inner, &sources, target, blocking).await?;
        if !inner.has_room(seen.bytes) {
            let file = inner.options.data_dir.clone();
            return Err(EngineError::DiskFull { file }.into());
        }
        // A compaction that runs may purge a tombstone that hides something in what comes.
        let lane = incoming::without_compaction(inner).await;
        let incoming = incoming::prepare(inner, &sources, target, blocking).await?;
        let files = incoming.len();
        let (shared, table) = (Arc::clone(inner), target.table);
        run_fn(blocking, move || shared.add(table, incoming)).await??;
        drop(lane);
        let Seen { partitions, rows, strange, .. } = seen;
        Ok(Imported { files, partitions, rows, strange })
    }
}

impl Inner {
    /// Makes sstables live beside those that are.
    fn add(&self, id: TableId, incoming: Incoming) -> Result<(), EngineError> {
        self.refuse_closed()?;
        let mut manifest = self.manifest();
        let table = self.table(id)?;
        let ops: Vec<Op> = incoming.ids().map(|it| Op::Add(id, it)).collect();
        let sstables = incoming.keep();
        manifest.edit(ops)?;
        table.change(|version| {
            version.sstables.extend(sstables);
            version.sstables.sort_by_key(|it| it.id);
        });
        Ok(())
    }
}
