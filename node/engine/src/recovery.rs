//! Opening a data directory: what is there, what a crash left behind, and the log replayed.
//!
//! Everything is read and checked before anything is removed, so a directory that is refused is as it was.

mod applied;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use model::TableId;
use sys::{Clock, Disk, Lock};

use crate::commitlog::replay::{self, Segment};
use crate::commitlog::{self, Log, Position, Start, format};
use crate::inner::{Inner, Parts};
use crate::manifest::{Manifest, Op};
use crate::sstable::{self, Sstable};
use crate::stats::Counters;
use crate::table::{self, Table};
use crate::{Error, Options, TableShape, snapshot};

/// The format of a data directory as a whole.
const FORMAT: u32 = 1;

const FORMAT_PREFIX: &str = "helenus data directory, format ";

/// What opening the engine found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Whether the last run ended with [`Engine::close`](crate::Engine::close).
    pub clean: bool,
    /// Log segments read.
    pub segments: u64,
    /// Mutations applied from the log.
    pub replayed: u64,
    /// Mutations of the log that were in sstables already, or truncated.
    pub skipped: u64,
    /// Mutations of tables that are dropped.
    pub dropped: u64,
    /// Torn tail that was cut off the log: (file, offset, bytes). Never acknowledged.
    pub torn: Option<(PathBuf, u64, u64)>,
    /// Files that a crash left behind, removed.
    pub orphans: Vec<PathBuf>,
    /// Tables that the data directory holds and the caller did not list. They are open with the
    /// shape they had; drop them if the schema says so.
    pub unlisted: Vec<TableId>,
}

pub(crate) fn open(
    options: Options,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    shapes: Vec<TableShape>,
) -> Result<(Arc<Inner>, Recovery), Error> {
    let dir = options.data_dir.clone();
    let lock = prepare(&*disk, &dir)?;
    let mut manifest = Manifest::open(Arc::clone(&disk), &dir)?;
    let mut recovery = Recovery { clean: manifest.state().clean, ..Recovery::default() };
    let sstables = open_sstables(&*disk, &dir, &manifest)?;
    let chain = Chain::find(&disk, &dir, manifest.state().log_start)?;
    let files = Files::find(&*disk, &dir)?;
    let in_snapshots = snapshot::number_last(&*disk, &dir)?;

    let segment_next = chain.segment_last.max(manifest.state().segment_last()) + 1;
    let listed: BTreeSet<TableId> = shapes.iter().map(|it| it.id).collect();
    recovery.unlisted =
        manifest.state().tables.keys().filter(|it| !listed.contains(it)).copied().collect();
    let ops = opening_edit(&manifest, shapes, segment_next);
    if !ops.is_empty() {
        manifest.edit(ops)?;
    }
    let last = chain.cut_last(&*disk, &mut recovery)?;
    if let Some(archive) = &options.archive_dir {
        commitlog::archive::prepare(&*disk, archive, &dir, segment_next)?;
    }

    let counters = Arc::new(Counters::default());
    let start = Start {
        segment: segment_next,
        sequence: last.as_ref().and_then(|it| it.records.last()).map_or(0, |it| it.sequence),
        segments: chain.lengths(last.as_ref()),
    };
    let parts = (Arc::clone(&disk), Arc::clone(&clock), Arc::clone(&counters));
    let log = Log::new(&options, parts.0, parts.1, parts.2, start);
    let tables = open_tables(&dir, &manifest, sstables);
    let sstable_last = files.sstable_last.max(manifest.state().sstable_last()).max(in_snapshots);
    let mut orphans = files.orphans(&dir, &manifest, &chain);
    let parts = Parts { options, disk, clock, counters, log, manifest, tables, sstable_last, lock };
    let inner = Arc::new(Inner::new(parts));
    chain.replay(&inner, last, &mut recovery)?;
    inner.replaying.store(false, Ordering::Release);
    let given_up = chain.given_up.iter().filter(|it| inner.log.archive(**it));
    orphans.extend(given_up.map(|it| format::path(&chain.dir, *it)));
    remove_orphans(&inner, orphans, &mut recovery);
    for folder in snapshot::unfinished(&*inner.disk, &dir)? {
        snapshot::remove_quietly(&*inner.disk, &folder);
        recovery.orphans.push(folder);
    }
    Ok((inner, recovery))
}

/// Makes the folders, takes the lock and checks the format.
fn prepare(disk: &dyn Disk, dir: &Path) -> Result<Box<dyn Lock>, Error> {
    // A file that is there was made after its folder, and the manifest after all folders: these are durable.
    let make = |path: &Path, behind: &Path| {
        if disk.exists(behind) && disk.exists(path) {
            return Ok(());
        }
        sys::disk::create_dir_all_durably(disk, path).map_err(|it| Error::io(path, it))
    };
    let (file, manifest) = (dir.join("FORMAT"), dir.join("manifest.log"));
    make(dir, &file)?;
    let lock_file = dir.join("LOCK");
    let lock = disk.lock(&lock_file).map_err(|it| {
        if it.kind() == std::io::ErrorKind::WouldBlock {
            return Error::Locked { dir: dir.to_path_buf() };
        }
        Error::io(&lock_file, it)
    })?;
    if disk.exists(&file) {
        check_format(disk, &file)?;
    } else if disk.exists(&manifest) {
        return Err(Error::corrupt(&file, 0, "it is missing"));
    } else {
        let text = format!("{FORMAT_PREFIX}{FORMAT}\n");
        sys::disk::write_atomically(disk, &file, text.as_bytes())
            .map_err(|it| Error::io(&file, it))?;
    }
    make(&commitlog::directory(dir), &manifest)?;
    make(&table::all_directory(dir), &manifest)?;
    Ok(lock)
}

fn check_format(disk: &dyn Disk, file: &Path) -> Result<(), Error> {
    let text = sys::disk::read_all(disk, file, 4096).map_err(|it| Error::io(file, it))?;
    let text = String::from_utf8_lossy(&text);
    let version = text.strip_prefix(FORMAT_PREFIX).and_then(|it| it.strip_suffix('\n'));
    match version.and_then(|it| it.parse::<u32>().ok()) {
        Some(FORMAT) => Ok(()),
        Some(found) if FORMAT < found => {
            Err(Error::NewerFormat { file: file.to_path_buf(), found, supported: FORMAT })
        }
        Some(_) | None => Err(Error::corrupt(file, 0, "it is not the format of a data directory")),
    }
}

fn open_sstables(
    disk: &dyn Disk,
    dir: &Path,
    manifest: &Manifest,
) -> Result<BTreeMap<TableId, Vec<Arc<Sstable>>>, Error> {
    let mut all = BTreeMap::new();
    for (&id, entry) in &manifest.state().tables {
        let dir = table::directory(dir, id);
        let mut sstables = Vec::new();
        for &sstable in &entry.sstables {
            let path = sstable::path(&dir, sstable);
            if !disk.exists(&path) {
                return Err(Error::corrupt(
                    &path,
                    0,
                    "an sstable that the manifest names is missing",
                ));
            }
            sstables.push(Arc::new(Sstable::open(disk, &path, sstable)?));
        }
        all.insert(id, sstables);
    }
    Ok(all)
}

/// What differs from what the manifest says: shapes, new tables, and that the directory is in use.
fn opening_edit(manifest: &Manifest, shapes: Vec<TableShape>, segment_next: u64) -> Vec<Op> {
    let state = manifest.state();
    let mut ops = Vec::new();
    for shape in shapes {
        let id = shape.id;
        match state.tables.get(&id) {
            Some(entry) if entry.shape == shape => {}
            Some(_) => ops.push(Op::Table(shape)),
            None => {
                // Whatever the log holds of a table of this id is of one that was dropped.
                ops.push(Op::Table(shape));
                ops.push(Op::Mark(id, Position { segment: segment_next, offset: 0 }));
            }
        }
    }
    if state.clean {
        ops.push(Op::Clean(false));
    }
    ops
}

fn open_tables(
    dir: &Path,
    manifest: &Manifest,
    mut sstables: BTreeMap<TableId, Vec<Arc<Sstable>>>,
) -> BTreeMap<TableId, Arc<Table>> {
    let open = |(id, entry): (&TableId, &crate::manifest::TableEntry)| {
        let sstables = sstables.remove(id).unwrap_or_default();
        let table = Table::new(dir, entry.shape.clone(), entry.mark, sstables);
        (*id, Arc::new(table))
    };
    manifest.state().tables.iter().map(open).collect()
}

/// The segments that are needed, oldest first, each with how much of it the next one says was durable.
struct Chain {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    links: Vec<(u64, Option<u64>)>,
    /// Given up already.
    given_up: Vec<u64>,
    /// Created by a crash's last breath.
    empty: Vec<u64>,
    segment_last: u64,
}

impl Chain {
    fn find(disk: &Arc<dyn Disk>, data_dir: &Path, first: u64) -> Result<Chain, Error> {
        let dir = commitlog::directory(data_dir);
        let segments = replay::list(&**disk, &dir)?;
        let mut chain = Chain {
            disk: Arc::clone(disk),
            links: Vec::new(),
            given_up: Vec::new(),
            empty: Vec::new(),
            segment_last: segments.last().copied().unwrap_or(0),
            dir,
        };
        for &segment in &segments {
            if segment < first {
                chain.given_up.push(segment);
                continue;
            }
            let Some(header) = replay::header(disk, &chain.dir, segment)? else {
                // If it was ever in use, the next one says that it is missing.
                chain.empty.push(segment);
                continue;
            };
            let present = chain.links.last().map_or(0, |(segment, _)| *segment);
            if first <= header.previous && header.previous != present && header.previous != 0 {
                let path = format::path(&chain.dir, header.previous);
                return Err(Error::corrupt(&path, 0, "a log segment is missing"));
            }
            if let Some((_, floor)) = chain.links.last_mut() {
                *floor = Some(header.previous_bytes);
            }
            chain.links.push((segment, None));
        }
        Ok(chain)
    }

    /// Reads the last segment, cuts off its torn tail, and makes durable what is left of it: a killed process may have left
    /// it in the page cache only, and after a failed fsync no later one writes it, so it is written again.
    fn cut_last(&self, disk: &dyn Disk, recovery: &mut Recovery) -> Result<Option<Segment>, Error> {
        let Some((segment, floor)) = self.links.last() else { return Ok(None) };
        let last = replay::read(&self.disk, &self.dir, *segment, *floor)?;
        if last.torn > 0 {
            let file = last.path.display();
            tracing::warn!(%file, offset = last.end, bytes = last.torn, "cut a torn tail off the log");
            recovery.torn = Some((last.path.clone(), last.end, last.torn));
        }
        if last.torn > 0 || last.durable < last.end {
            let failed = |it| Error::io(&last.path, it);
            let file = disk.open(&last.path, sys::Open::Write).map_err(failed)?;
            file.truncate(last.end).map_err(failed)?;
            let doubtful = &last.bytes[last.durable as usize..last.end as usize];
            file.write_at(doubtful, last.durable).map_err(failed)?;
            file.sync().map_err(failed)?;
        }
        Ok(Some(last))
    }

    /// Segments with their lengths.
    fn lengths(&self, last: Option<&Segment>) -> Vec<(u64, u64)> {
        let end = last.map_or(0, |it| it.end);
        self.links.iter().map(|(segment, floor)| (*segment, floor.unwrap_or(end))).collect()
    }

    /// Applies every record that is not in an sstable yet.
    fn replay(
        &self,
        inner: &Arc<Inner>,
        last: Option<Segment>,
        recovery: &mut Recovery,
    ) -> Result<(), Error> {
        let mut last = last;
        for (at, (segment, floor)) in self.links.iter().enumerate() {
            let is_last = at + 1 == self.links.len();
            let read = match last.take_if(|_| is_last) {
                Some(last) => last,
                None => replay::read(&self.disk, &self.dir, *segment, *floor)?,
            };
            recovery.segments += 1;
            applied::segment(inner, *segment, &read, recovery)?;
        }
        Ok(())
    }
}

/// The files of all tables.
struct Files {
    found: Vec<(PathBuf, Option<TableId>, Vec<String>)>,
    sstable_last: u64,
}

impl Files {
    fn find(disk: &dyn Disk, data_dir: &Path) -> Result<Files, Error> {
        let list = |dir: &Path| disk.list(dir).map_err(|it| Error::io(dir, it));
        let tables = table::all_directory(data_dir);
        let mut files = Files { found: Vec::new(), sstable_last: 0 };
        for name in list(&tables)? {
            let dir = tables.join(&name);
            let id = uuid::Uuid::parse_str(&name).ok().map(TableId);
            let names = if disk.is_dir(&dir) { list(&dir)? } else { Vec::new() };
            let last = names.iter().filter_map(|it| sstable::id_of(it)).max().unwrap_or(0);
            files.sstable_last = files.sstable_last.max(last);
            files.found.push((dir, id, names));
        }
        Ok(files)
    }

    /// What the manifest does not name, and segments that hold nothing.
    fn orphans(&self, data_dir: &Path, manifest: &Manifest, chain: &Chain) -> Vec<PathBuf> {
        let mut orphans = Vec::new();
        for (dir, id, names) in &self.found {
            // What is not ours by its name is left alone.
            let Some(id) = id else { continue };
            let live = manifest.state().tables.get(id).map(|it| &it.sstables);
            let is_live = |it: &u64| live.is_some_and(|live| live.contains(it));
            let dead = |name: &&String| sstable::id_of(name).is_some_and(|it| !is_live(&it));
            orphans.extend(names.iter().filter(dead).map(|name| dir.join(name)));
        }
        let segments = commitlog::directory(data_dir);
        orphans.extend(chain.empty.iter().map(|it| format::path(&segments, *it)));
        orphans
    }
}

fn remove_orphans(inner: &Inner, orphans: Vec<PathBuf>, recovery: &mut Recovery) {
    for path in orphans {
        tracing::info!(file = %path.display(), "removed a file that a crash left behind");
        inner.remove_unused(&path);
        recovery.orphans.push(path);
    }
}
