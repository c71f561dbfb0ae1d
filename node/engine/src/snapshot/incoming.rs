//! Sstables on their way into a table: read to the end and judged first, then linked or written again, then live at once.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::{ColumnId, Partition, PartitionKey};
use sys::{Blocking, Open, run_fn};

use super::Error;
use super::admission::{Columns, Target};
use super::format::Entry;
use crate::flush::Output;
use crate::inner::Inner;
use crate::lanes::LaneGuard;
use crate::offline::{self, Damage, Found, FragmentCopy, Step};
use crate::sstable::{self, Sstable};
use crate::table::{self, Table};
use crate::{Error as EngineError, Lane};

/// A file that is to be taken in.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) path: PathBuf,
    /// What the snapshot says of it. A file without may be linked nowhere.
    pub(super) entry: Option<Entry>,
    pub(super) columns: Columns,
    /// Columns that were dropped where the file comes from.
    pub(super) dropped: Vec<ColumnId>,
    /// It may become live under its own number.
    pub(super) own: bool,
}

/// What was found in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) partitions: u64,
    pub(super) rows: u64,
    /// Partitions that this node is not asked for.
    pub(super) strange: u64,
    pub(super) bytes: u64,
}

/// Sstables that lie in the folder of their table and are not live. They are removed unless they become so.
pub(crate) struct Incoming {
    inner: Arc<Inner>,
    sstables: Vec<Arc<Sstable>>,
    /// Live already, and they stay so.
    stay: Vec<Arc<Sstable>>,
    /// How many of them got a second name, instead of being written again.
    pub(super) linked: u64,
}

impl Incoming {
    fn new(inner: &Arc<Inner>) -> Incoming {
        let (sstables, stay) = (Vec::new(), Vec::new());
        Incoming { inner: Arc::clone(inner), sstables, stay, linked: 0 }
    }

    /// How many.
    pub(super) fn len(&self) -> u64 {
        (self.sstables.len() + self.stay.len()) as u64
    }

    /// Those that are live already.
    pub(crate) fn stay(&self) -> &[Arc<Sstable>] {
        &self.stay
    }

    /// The numbers of the others.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u64> {
        self.sstables.iter().map(|it| it.id)
    }

    /// Hands the others over: from here on they stay, also where the edit that makes them live fails, for it may have happened.
    pub(crate) fn keep(mut self) -> Vec<Arc<Sstable>> {
        std::mem::take(&mut self.sstables)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.sstables.iter().for_each(|it| self.inner.remove_unused(&it.path));
    }
}

/// Reads every file from the first byte to the last, and asks whether it may come in. Changes nothing.
pub(super) async fn verify(
    inner: &Arc<Inner>,
    sources: &[Source],
    target: &Target,
    blocking: &dyn Blocking,
) -> Result<Seen, Error> {
    let mut all = Seen::default();
    for source in sources {
        let (inner, source, target) = (Arc::clone(inner), source.clone(), target.clone());
        let seen = run_fn(blocking, move || look(&inner, &source, &target)).await??;
        all.partitions += seen.partitions;
        all.rows += seen.rows;
        all.strange += seen.strange;
        all.bytes += seen.bytes;
    }
    if all.strange > 0 && !target.all_tokens {
        return Err(Error::NotOwned { count: all.strange, all: all.partitions });
    }
    Ok(all)
}

/// Puts every file into the folder of the table. The lane of compactions is the caller's: none may be under way with numbers
/// that come back.
pub(super) async fn prepare(
    inner: &Arc<Inner>,
    sources: &[Source],
    target: &Target,
    blocking: &dyn Blocking,
) -> Result<Incoming, Error> {
    let table = inner.table(target.table)?;
    let mut incoming = Incoming::new(inner);
    for source in sources {
        let (table, source) = (Arc::clone(&table), source.clone());
        // What is there already travels with the job: whoever drops it on the way has it removed.
        incoming = run_fn(blocking, move || take_in(incoming, &table, &source)).await??;
    }
    Ok(incoming)
}

fn look(inner: &Inner, source: &Source, target: &Target) -> Result<Seen, Error> {
    let path = &source.path;
    let damaged = |what: String| Error::Damaged { file: path.clone(), what };
    if let Some(entry) = &source.entry {
        compare(inner, path, entry)?;
    }
    let file = offline::Sstable::open(&*inner.disk, path)?;
    if let Some(it) = file.damage().first() {
        return Err(damaged(in_words(it)));
    }
    let known = source.known();
    let mut seen = Seen { bytes: file.sections().file, ..Seen::default() };
    let mut wrong = None;
    let counted = file.read_while(&mut |it| {
        let part = match it {
            Found::Damage(it) => {
                wrong = Some(damaged(in_words(it)));
                return false;
            }
            Found::Part(part) => part,
        };
        wrong = judge(inner, part.partition, source, &known, target);
        if part.start.is_empty() {
            seen.partitions += 1;
            seen.strange += u64::from(!target.admission.owns(&part.partition.key));
        }
        wrong.is_none()
    });
    seen.rows = counted.rows();
    match wrong {
        Some(error) => Err(error),
        None if counted.is_whole() => Ok(seen),
        None => Err(damaged("it is not whole".to_owned())),
    }
}

/// Whether the file is the one that the snapshot was made of.
fn compare(inner: &Inner, path: &Path, entry: &Entry) -> Result<(), Error> {
    let damaged = |what: String| Error::Damaged { file: path.to_path_buf(), what };
    if !inner.disk.exists(path) {
        return Err(damaged("it is missing".to_owned()));
    }
    let file = inner.disk.open(path, Open::Read).and_then(|it| it.len());
    let bytes = file.map_err(|it| EngineError::io(path, it))?;
    if bytes != entry.bytes {
        return Err(damaged(format!("it has {bytes} bytes instead of {}", entry.bytes)));
    }
    let found = Entry::of(&*inner.disk, path, entry.number).map_err(Error::of_file)?;
    if found.tail == entry.tail {
        return Ok(());
    }
    Err(damaged("it is not the file that the snapshot was made of".to_owned()))
}

fn in_words(it: &Damage) -> String {
    format!("the {} at byte {}, {} bytes: {}", it.place, it.offset, it.bytes, it.what)
}

/// What keeps a part of a partition out.
fn judge(
    inner: &Inner,
    part: &Partition,
    source: &Source,
    known: &Option<BTreeSet<ColumnId>>,
    target: &Target,
) -> Option<Error> {
    if let Err(closed) = inner.refuse_closed() {
        return Some(closed.into());
    }
    let unfit = |what: String| Some(Error::Unfit { file: source.path.clone(), what });
    // A reader looks for it where its token says.
    if PartitionKey::new(part.key.bytes.clone()) != part.key {
        return unfit(format!("partition {:x} has the token of another", part.key.bytes));
    }
    let strange = known.as_ref().and_then(|known| columns(part).find(|it| !known.contains(it)));
    if let Some(ColumnId(number)) = strange {
        return unfit(format!("it has a column {number} that its snapshot does not name"));
    }
    let mapped;
    let part = match &source.columns {
        Columns::Same => part,
        Columns::Mapped(_) => {
            mapped = source.columns.of(part.clone());
            &mapped
        }
    };
    target.admission.fault(part).and_then(unfit)
}

/// The columns that have cells in it, each as often as it has.
fn columns(part: &Partition) -> impl Iterator<Item = ColumnId> {
    let rows = part.rows.iter().map(|(_, row)| row).chain([&part.static_row]);
    rows.flat_map(|it| {
        it.cells.iter().map(|(id, _)| *id).chain(it.elements.iter().map(|(id, _)| *id))
    })
}

impl Source {
    /// The columns that a file may have, if somebody said.
    fn known(&self) -> Option<BTreeSet<ColumnId>> {
        match &self.columns {
            Columns::Same => None,
            Columns::Mapped(map) => Some(map.keys().chain(&self.dropped).copied().collect()),
        }
    }
}

fn take_in(mut incoming: Incoming, table: &Table, source: &Source) -> Result<Incoming, Error> {
    let inner = Arc::clone(&incoming.inner);
    inner.refuse_closed()?;
    if let Some(sstable) = live(&inner, table, source) {
        incoming.stay.push(sstable);
        incoming.linked += 1;
    } else if let Some(sstable) = link(&inner, table, source)? {
        incoming.sstables.push(Arc::new(sstable));
        incoming.linked += 1;
    } else if let Some(sstable) = rewrite(&inner, table, source)? {
        incoming.sstables.push(sstable);
    }
    Ok(incoming)
}

/// The sstable of the table that is this file, or whole and as good: then nothing need be written.
fn live(inner: &Inner, table: &Table, source: &Source) -> Option<Arc<Sstable>> {
    let entry = source.entry.filter(|_| source.own)?;
    let version = table.version();
    let live = version.sstables.iter().find(|it| it.id == entry.number)?;
    compare(inner, &live.path, &entry).ok()?;
    let file = offline::Sstable::open(&*inner.disk, &live.path).ok()?;
    file.read_while(&mut |it| matches!(it, Found::Part(_))).is_whole().then(|| Arc::clone(live))
}

/// Gives a file its own number back, if that is free: every checksum in it is over that number.
fn link(inner: &Inner, table: &Table, source: &Source) -> Result<Option<Sstable>, Error> {
    let (Some(entry), true) = (&source.entry, source.own) else { return Ok(None) };
    let (disk, number) = (&*inner.disk, entry.number);
    let path = sstable::path(&table.dir, number);
    let is_live = |manifest: &crate::manifest::State| {
        manifest.tables.values().any(|it| it.sstables.contains(&number))
    };
    if is_live(inner.manifest().state()) || disk.exists(&path) {
        return Ok(None);
    }
    let tables = table::all_directory(&inner.options.data_dir);
    let made = disk.create_dir_all(&table.dir).and_then(|()| disk.sync_dir(&tables));
    made.map_err(|it| EngineError::io(&table.dir, it))?;
    match disk.hard_link(&source.path, &path) {
        Ok(()) => {}
        Err(error)
            if matches!(error.kind(), ErrorKind::CrossesDevices | ErrorKind::AlreadyExists) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(EngineError::io(&path, error).into()),
    }
    inner.saw_sstable(number);
    let opened = open_linked(inner, table, &path, number);
    if opened.is_err() {
        inner.remove_unused(&path);
    }
    Ok(Some(opened?))
}

fn open_linked(
    inner: &Inner,
    table: &Table,
    path: &Path,
    number: u64,
) -> Result<Sstable, EngineError> {
    let disk = &*inner.disk;
    // Somebody may have copied the snapshot there a moment ago.
    let synced = disk.open(path, Open::Write).and_then(|it| it.sync());
    synced.and_then(|()| disk.sync_dir(&table.dir)).map_err(|it| EngineError::io(path, it))?;
    let sstable = Sstable::open(disk, path, number)?.cached_as(inner.next_sstable());
    sstable.load()?;
    Ok(sstable)
}

/// Writes a file again, under a new number and with new checksums. In memory are one block, its index and what a writer holds.
/// `None` of one in which nothing is left.
fn rewrite(inner: &Inner, table: &Table, source: &Source) -> Result<Option<Arc<Sstable>>, Error> {
    let old = offline::Sstable::open(&*inner.disk, &source.path)?;
    if !inner.has_room(old.sections().file) {
        return Err(EngineError::DiskFull { file: table.dir.clone() }.into());
    }
    let output = Output::create(inner, table)?;
    let path = output.path.clone();
    let written = copy(inner, &old, output, source).and_then(|it| Ok(it.finish(inner, table)?));
    if written.is_err() && inner.disk.exists(&path) {
        inner.remove_unused(&path);
    }
    written
}

fn copy(
    inner: &Inner,
    old: &offline::Sstable,
    output: Output,
    source: &Source,
) -> Result<Output, Error> {
    let damaged = |it: &Damage| Error::Damaged { file: source.path.clone(), what: in_words(it) };
    if let Some(it) = old.damage().first() {
        return Err(damaged(it));
    }
    let Output { writer, id, path } = output;
    let mut copy = FragmentCopy::into(writer);
    for step in old.walk() {
        inner.refuse_closed()?;
        match step {
            // It was whole a moment ago.
            Step::Damage(it) => return Err(damaged(&it)),
            Step::Block(_, fragments) => {
                fragments.into_iter().try_for_each(|it| copy.put(source.columns.apply(it)))?;
            }
        }
    }
    Ok(Output { writer: copy.end()?, id, path })
}

/// Takes all of the lane of compactions, so that no merge that began before ends with files that are no more. Those that run are not
/// held back any more: an operator waits.
pub(super) async fn without_compaction(inner: &Arc<Inner>) -> LaneGuard {
    let _lifted = inner.throttle.lift();
    inner.whole_lane(Lane::Compaction).await
}
