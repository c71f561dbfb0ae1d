//! A table becomes what a snapshot holds of it.
//!
//! ```text
//!   verify every file ──► link or write them again ──► what is there: a snapshot ──► one edit: these out, those in
//!          │ damaged, missing, strange       │ full
//!          └── nothing was changed ◄─────────┘
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use model::{ColumnId, TableId};
use sys::{Blocking, run_fn};

use super::Error;
use super::admission::{Columns, Target};
use super::format::Manifest;
use super::incoming::{self, Source};
use super::store::Listed;
use crate::inner::Inner;
use crate::{Engine, sstable};

/// What was restored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Sstables that the table consists of now.
    pub files: u64,
    /// How many of them are second names of those of the snapshot, or were there all the time; the others were written
    /// again.
    pub linked: u64,
    /// Partitions in them, those counted twice that lie in two.
    pub partitions: u64,
    /// Rows in them, counted likewise.
    pub rows: u64,
    /// The snapshot that keeps what was there, if there was anything.
    pub kept: Option<String>,
}

impl Engine {
    /// Puts what a snapshot holds in the place of all that the table has on this node, which goes into a snapshot
    /// `replaced-<table id>-<micros>` first. `columns` are the numbers of the snapshot's columns in the table, where these
    /// are not the same; one that is missing there is left out. Reads and writes go on; what is written meanwhile goes with
    /// what was there, or stays.
    ///
    /// # Errors
    /// `Undescribed`, `Damaged`, `Unfit`, `NotOwned`; `UnknownTable`, `DiskFull`, `Io`, `Closed` of the engine. The table is as it
    /// was then; after an `Io` of the manifest the next start tells.
    pub async fn restore_snapshot(
        &self,
        from: &Listed,
        columns: Option<BTreeMap<ColumnId, ColumnId>>,
        target: &Target,
        blocking: &dyn Blocking,
    ) -> Result<Restored, Error> {
        let inner = &self.inner;
        inner.refuse_closed()?;
        inner.table(target.table)?;
        let (shared, from) = (Arc::clone(inner), from.clone());
        let own = columns.is_none().then_some(target.table);
        let columns = columns.map_or(Columns::Same, Columns::Mapped);
        let sources = run_fn(blocking, move || sources(&shared, &from, &columns, own)).await??;
        let seen = incoming::verify(inner, &sources, target, blocking).await?;
        let lane = incoming::without_compaction(inner).await;
        let incoming = incoming::prepare(inner, &sources, target, blocking).await?;
        let (files, linked) = (incoming.len(), incoming.linked);
        let (shared, table) = (Arc::clone(inner), target.table);
        let kept =
            run_fn(blocking, move || shared.replace(table, "replaced", Some(incoming))).await??;
        drop(lane);
        Ok(Restored { files, linked, partitions: seen.partitions, rows: seen.rows, kept })
    }
}

/// The files of a snapshot, as its manifest names them. Those of the table `own` may be linked.
fn sources(
    inner: &Inner,
    from: &Listed,
    columns: &Columns,
    own: Option<TableId>,
) -> Result<Vec<Source>, Error> {
    let (disk, folder): (_, &Path) = (&*inner.disk, &from.folder);
    if !disk.is_dir(folder) {
        return Err(Error::Missing { name: from.name.clone(), of: String::new() });
    }
    let path = Manifest::path(folder);
    if !disk.exists(&path) {
        return Err(Error::Undescribed { name: from.name.clone(), folder: folder.to_path_buf() });
    }
    let manifest = Manifest::read(disk, folder).map_err(Error::of_file)?;
    if Some(manifest.shape.id) != from.table {
        let what = format!("it is of table {}", manifest.shape.id.0);
        return Err(Error::Damaged { file: path, what });
    }
    let source = |it: &super::format::Entry| Source {
        path: sstable::path(folder, it.number),
        entry: Some(*it),
        columns: columns.clone(),
        dropped: manifest.shape.dropped.clone(),
        own: own == Some(manifest.shape.id),
    };
    Ok(manifest.files.iter().map(source).collect())
}
