//! The folder of all snapshots: which there are, what they hold, and how they go.
//!
//! ```text
//!   snapshots/
//!   ├── before-upgrade/<table id>/      whole: it got its name last
//!   ├── truncated-<id>-<micros>/<id>/   of TRUNCATE; so are dropped-… and replaced-…
//!   └── nightly.unfinished/             being made, or on its way out: the next start removes it
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::TableId;
use sys::Disk;

use super::Error;
use super::format::Manifest;
use crate::inner::Inner;
use crate::options::Described;
use crate::{Engine, Error as EngineError, offline, sstable};

/// How long the name of a snapshot may be, bytes: one made of a table's id and a time fits.
pub const NAME_BYTES_MAX: usize = 64;

/// The end of a name that is not a snapshot's. No snapshot may be called so: it has a dot.
const UNFINISHED: &str = ".unfinished";

/// What a snapshot holds of one table.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub folder: PathBuf,
    /// Whose it is, if that is known.
    pub table: Option<TableId>,
    /// The table in words, as it was.
    pub described: Option<Arc<Described>>,
    /// When it was made, microseconds since 1970, if that is known.
    pub created: Option<i64>,
    /// How many sstables.
    pub files: u64,
    /// How long these are together, bytes. As long as the table has them too they take no room of their own.
    pub bytes: u64,
    /// Columns of the table that were dropped when it was made.
    pub dropped: Vec<model::ColumnId>,
    /// Why it cannot be restored, if that is known without reading its sstables.
    pub fault: Option<String>,
}

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// Of how many tables.
    pub tables: u64,
    /// How many sstables.
    pub files: u64,
}

impl Engine {
    /// Every snapshot, those of TRUNCATE and DROP too, by name and table. Blocks: reads a small file for each.
    ///
    /// # Errors
    /// `Io` where the folder cannot be listed. What is wrong with one of them is said there.
    pub fn snapshots(&self) -> Result<Vec<Listed>, EngineError> {
        list_in(&*self.inner.disk, &self.inner.options.data_dir)
    }

    /// Removes the snapshots that TRUNCATE, DROP and restores made by themselves longer ago than
    /// [`Options::automatic_snapshot_ttl`](crate::Options::automatic_snapshot_ttl) says, and counts them. Those that somebody named stay. Blocks.
    pub fn expire_snapshots(&self) -> u64 {
        self.inner.expire_snapshots()
    }

    /// Removes the snapshot `name`, or what it has of one table. Blocks. It needs no room, so it works on a full disk; after
    /// a crash the snapshot is there or not.
    ///
    /// # Errors
    /// `Name`, `Missing`; `Io` of the engine.
    pub fn delete_snapshot(&self, name: &str, table: Option<TableId>) -> Result<Deleted, Error> {
        check_name(name)?;
        // Nobody makes or removes another one meanwhile.
        let _manifest = self.inner.manifest();
        let (disk, data_dir) = (&*self.inner.disk, &self.inner.options.data_dir);
        let all = list_one(disk, data_dir, name)?;
        let is_meant = |it: &&Listed| table.is_none_or(|table| it.table == Some(table));
        let gone: Vec<&Listed> = all.iter().filter(is_meant).collect();
        let deleted =
            Deleted { tables: gone.len() as u64, files: gone.iter().map(|it| it.files).sum() };
        let folder = folder(data_dir);
        if gone.len() < all.len() {
            let Some(part) = gone.first() else {
                let of = table.map(|it| format!(" of table {}", it.0)).unwrap_or_default();
                return Err(Error::Missing { name: name.to_owned(), of });
            };
            let of = folder.join(name);
            let id = part.folder.file_name().and_then(|it| it.to_str()).unwrap_or_default();
            remove(disk, &of, id)?;
        } else {
            remove(disk, &folder, name)?;
        }
        Ok(deleted)
    }
}

impl Inner {
    pub(crate) fn expire_snapshots(&self) -> u64 {
        let ttl = self.options.automatic_snapshot_ttl.as_micros();
        if ttl == 0 {
            return 0;
        }
        let (disk, data_dir) = (&*self.disk, &self.options.data_dir);
        let kept_since = self.clock.wall_micros().saturating_sub_unsigned(ttl as u64);
        // Nobody makes or removes another one meanwhile.
        let _manifest = self.manifest();
        let all = names(disk, data_dir).unwrap_or_else(|error| {
            tracing::warn!(%error, "snapshots cannot be listed: none of them expires");
            Vec::new()
        });
        let is_over = |it: &&String| automatic(it).is_some_and(|(_, made)| made < kept_since);
        let mut count = 0;
        for name in all.iter().filter(is_over) {
            match remove(disk, &folder(data_dir), name) {
                Ok(()) => {
                    tracing::info!(snapshot = name, "an automatic snapshot has expired");
                    count += 1;
                }
                Err(error) => tracing::warn!(%error, name, "a snapshot that has expired stays"),
            }
        }
        count
    }
}

/// The name of a snapshot that is made by itself before `table` loses what it has.
pub(crate) fn automatic_name(why: &str, table: TableId, micros: i64) -> String {
    format!("{why}-{}-{micros}", table.0)
}

/// Of which table a snapshot is that was made by itself, and when, microseconds, by its name.
fn automatic(name: &str) -> Option<(TableId, i64)> {
    let told =
        ["dropped-", "truncated-", "replaced-"].iter().find_map(|it| name.strip_prefix(it))?;
    let (id, micros) = told.rsplit_once('-')?;
    Some((TableId(uuid::Uuid::parse_str(id).ok()?), micros.parse().ok()?))
}

/// Whether this can be the name of a snapshot.
pub fn is_snapshot_name(name: &str) -> bool {
    let is_allowed = |it: u8| it.is_ascii_alphanumeric() || it == b'-' || it == b'_';
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_allowed)
}

pub(super) fn check_name(name: &str) -> Result<(), Error> {
    // What is said of it should not be longer than what it may be.
    let shown = || name.chars().take(NAME_BYTES_MAX).collect();
    if is_snapshot_name(name) { Ok(()) } else { Err(Error::Name { name: shown() }) }
}

/// The folder that holds them all.
pub(super) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("snapshots")
}

/// What the snapshot `name` is called in `folder` until it is whole, and when it goes.
pub(super) fn unfinished_name(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}{UNFINISHED}"))
}

pub(super) fn refuse_taken(disk: &dyn Disk, data_dir: &Path, name: &str) -> Result<(), Error> {
    let taken = disk.exists(&folder(data_dir).join(name));
    if taken { Err(Error::Exists { name: name.to_owned() }) } else { Ok(()) }
}

/// Every snapshot below the data directory `data_dir`, by name and table.
///
/// # Errors
/// `Io` where the folder cannot be listed.
pub fn list_in(disk: &dyn Disk, data_dir: &Path) -> Result<Vec<Listed>, EngineError> {
    let mut all = Vec::new();
    for name in names(disk, data_dir)? {
        // One that is removed meanwhile is not there.
        match list_one(disk, data_dir, &name) {
            Ok(parts) => all.extend(parts),
            Err(Error::Missing { .. }) => {}
            Err(Error::Engine(error)) => return Err(error),
            Err(other) => tracing::warn!(%other, name, "a snapshot cannot be listed"),
        }
    }
    Ok(all)
}

/// What the snapshot `name` has, by table.
pub(super) fn list_one(disk: &dyn Disk, data_dir: &Path, name: &str) -> Result<Vec<Listed>, Error> {
    let dir = folder(data_dir).join(name);
    if !disk.is_dir(&dir) {
        return Err(Error::Missing { name: name.to_owned(), of: String::new() });
    }
    let mut parts = Vec::new();
    let mut loose = 0;
    for id in list(disk, &dir)? {
        let folder = dir.join(&id);
        if sstable::id_of(&id).is_some() {
            loose += 1;
        } else if disk.is_dir(&folder) && !id.ends_with(UNFINISHED) {
            parts.push(part_of(disk, name, &id, folder)?);
        }
    }
    // Of a version that put sstables into the snapshot itself; or nothing at all, which somebody may want to remove.
    if loose > 0 || parts.is_empty() {
        parts.push(undescribed(disk, name, dir)?);
    }
    Ok(parts)
}

fn part_of(disk: &dyn Disk, name: &str, id: &str, folder: PathBuf) -> Result<Listed, EngineError> {
    if !disk.exists(&Manifest::path(&folder)) {
        let table = uuid::Uuid::parse_str(id).ok().map(TableId);
        return Ok(Listed { table, ..undescribed(disk, name, folder)? });
    }
    let fault = match Manifest::read(disk, &folder) {
        Ok(it) if it.shape.id.0.to_string() == id => {
            return Ok(Listed {
                name: name.to_owned(),
                folder,
                table: Some(it.shape.id),
                described: it.shape.described,
                created: Some(it.created),
                files: it.files.len() as u64,
                bytes: it.files.iter().map(|it| it.bytes).sum(),
                dropped: it.shape.dropped,
                fault: None,
            });
        }
        Ok(it) => format!("its manifest is of table {}", it.shape.id.0),
        Err(error) => error.to_string(),
    };
    let table = uuid::Uuid::parse_str(id).ok().map(TableId);
    Ok(Listed { table, fault: Some(fault), ..undescribed(disk, name, folder)? })
}

/// A folder with sstables and without a word about them. Those of TRUNCATE and DROP say whose they were in their name.
fn undescribed(disk: &dyn Disk, name: &str, folder: PathBuf) -> Result<Listed, EngineError> {
    let told = automatic(name);
    let (mut files, mut bytes) = (0, 0);
    for path in offline::sstables(disk, &folder)? {
        let file = disk.open(&path, sys::Open::Read).and_then(|it| it.len());
        bytes += file.map_err(|it| EngineError::io(&path, it))?;
        files += 1;
    }
    Ok(Listed {
        name: name.to_owned(),
        folder,
        table: told.map(|it| it.0),
        described: None,
        created: told.map(|it| it.1),
        files,
        bytes,
        dropped: Vec::new(),
        fault: Some("it has no manifest: take its sstables in with `helenus import`".to_owned()),
    })
}

/// The largest number of an sstable in any snapshot: it is not given again while that is there.
pub(crate) fn number_last(disk: &dyn Disk, data_dir: &Path) -> Result<u64, EngineError> {
    let folder = folder(data_dir);
    if !disk.is_dir(&folder) {
        return Ok(0);
    }
    let files = offline::sstables(disk, &folder)?;
    let number = |it: &PathBuf| sstable::id_of(it.file_name()?.to_str()?);
    Ok(files.iter().filter_map(number).max().unwrap_or(0))
}

/// What was being made or removed when the last run ended.
pub(crate) fn unfinished(disk: &dyn Disk, data_dir: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let folder = folder(data_dir);
    if !disk.is_dir(&folder) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    let is_unfinished = |it: &String| it.ends_with(UNFINISHED);
    for name in list(disk, &folder)? {
        let dir = folder.join(&name);
        if is_unfinished(&name) {
            found.push(dir);
        } else if disk.is_dir(&dir) {
            let parts = list(disk, &dir)?.into_iter().filter(is_unfinished);
            found.extend(parts.map(|it| dir.join(it)));
        }
    }
    Ok(found)
}

/// Removes a folder that may be there. If that fails it stays behind.
pub(crate) fn remove_quietly(disk: &dyn Disk, dir: &Path) {
    if disk.exists(dir)
        && let Err(error) = disk.remove_dir_all(dir)
    {
        tracing::warn!(dir = %dir.display(), %error, "a part of a snapshot stays behind");
    }
}

/// Takes the name away first, so that it goes as a whole, and then what it held.
fn remove(disk: &dyn Disk, folder: &Path, name: &str) -> Result<(), EngineError> {
    let (dir, gone) = (folder.join(name), unfinished_name(folder, name));
    // Of one that went by the same name.
    remove_quietly(disk, &gone);
    let failed = |it| EngineError::io(&dir, it);
    disk.rename(&dir, &gone).map_err(failed)?;
    disk.sync_dir(folder).map_err(failed)?;
    disk.remove_dir_all(&gone).map_err(|it| EngineError::io(&gone, it))
}

fn names(disk: &dyn Disk, data_dir: &Path) -> Result<Vec<String>, EngineError> {
    let folder = folder(data_dir);
    if !disk.is_dir(&folder) {
        return Ok(Vec::new());
    }
    let is_one = |it: &String| is_snapshot_name(it) && disk.is_dir(&folder.join(it));
    Ok(list(disk, &folder)?.into_iter().filter(is_one).collect())
}

fn list(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>, EngineError> {
    disk.list(dir).map_err(|it| EngineError::io(dir, it))
}
