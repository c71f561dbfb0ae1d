//! Flushing: a frozen memtable becomes an sstable, and the log that held it may go.

use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use model::key::bottom;
use model::{Partition, PartitionKey, Slice};
use sys::{Job, Step};
use tokio::sync::oneshot;

use crate::Error;
use crate::inner::Inner;
use crate::lanes::LaneGuard;
use crate::manifest::Op;
use crate::memtable::Memtable;
use crate::memtable::run::Run;
use crate::piece;
use crate::sstable::{self, Sstable};
use crate::stats::count;
use crate::table::{self, Table};

/// Bytes written between two steps, about.
const STEP_BYTES: u64 = 512 << 10;

/// Blocks of a new sstable for each read since the one before, at most, for which it pays to have them in memory at once.
const BLOCKS_PER_READ: u64 = 4;

/// Writes one frozen memtable.
pub(crate) struct Flush {
    inner: Arc<Inner>,
    table: Arc<Table>,
    memtable: Arc<Memtable>,
    dump: Dump,
    output: Option<Output>,
}

/// A memtable on its way into an sstable.
pub(crate) struct Dump {
    memtable: Arc<Memtable>,
    next: Bound<PartitionKey>,
    /// The partition being written, and from where on.
    current: Option<(Arc<Run>, Bytes)>,
}

impl Dump {
    pub(crate) fn new(memtable: Arc<Memtable>) -> Dump {
        Dump { memtable, next: Bound::Unbounded, current: None }
    }

    /// Goes on until the file has some `until` bytes. `true` when the memtable is at its end.
    pub(crate) fn write(
        &mut self,
        writer: &mut sstable::Writer,
        until: u64,
    ) -> Result<bool, Error> {
        while writer.bytes() < until {
            match self.current.take() {
                Some((_, from)) if from == piece::top() => writer.end()?,
                Some((run, from)) => {
                    let want = Slice { start: from, end: piece::top() };
                    let piece = run.piece(&want, false, usize::MAX);
                    let end = piece.end.clone();
                    writer.add(piece)?;
                    self.current = Some((run, end));
                }
                None => {
                    let Some(run) = self.memtable.next(self.next.as_ref()) else {
                        return Ok(true);
                    };
                    let bare = || Partition::empty(run.key().clone());
                    writer.begin(run.head().cloned().unwrap_or_else(bare));
                    self.next = Bound::Excluded(run.key().clone());
                    self.current = Some((run, bottom()));
                }
            }
        }
        Ok(false)
    }
}

/// The sstable being written.
pub(crate) struct Output {
    pub(crate) writer: sstable::Writer,
    pub(crate) id: u64,
    pub(crate) path: PathBuf,
}

impl Output {
    /// Begins the next sstable of `table`.
    pub(crate) fn create(inner: &Inner, table: &Table) -> Result<Output, Error> {
        let id = inner.next_sstable();
        let path = sstable::path(&table.dir, id);
        let disk = &*inner.disk;
        let tables = table::all_directory(&inner.options.data_dir);
        let made = disk.create_dir_all(&table.dir).and_then(|()| disk.sync_dir(&tables));
        made.map_err(|it| Error::io(&table.dir, it))?;
        let block_bytes = inner.options.block_bytes;
        let shape = table.shape();
        let writer = sstable::Writer::create(disk, &path, id, &shape, block_bytes, &table.symbols)?;
        Ok(Output { writer, id, path })
    }

    /// Makes it durable and opens it. `None` if nothing was written into it.
    pub(crate) fn finish(
        self,
        inner: &Inner,
        table: &Table,
    ) -> Result<Option<Arc<Sstable>>, Error> {
        let disk = &*inner.disk;
        if !self.writer.finish()? {
            inner.remove_unused(&self.path);
            return Ok(None);
        }
        disk.sync_dir(&table.dir).map_err(|it| Error::io(&table.dir, it))?;
        let sstable = Sstable::open(disk, &self.path, self.id)?;
        // Here, where nobody waits for it.
        sstable.load()?;
        Ok(Some(Arc::new(sstable)))
    }
}

impl Flush {
    pub(crate) fn new(inner: Arc<Inner>, table: Arc<Table>, memtable: Arc<Memtable>) -> Flush {
        let dump = Dump::new(Arc::clone(&memtable));
        Flush { inner, table, memtable, dump, output: None }
    }

    /// Goes on for one step. `true` when all is done.
    fn advance(&mut self) -> Result<bool, Error> {
        let Some(output) = &mut self.output else {
            self.output = Some(Output::create(&self.inner, &self.table)?);
            return Ok(false);
        };
        let until = output.writer.bytes() + STEP_BYTES;
        if !self.dump.write(&mut output.writer, until)? {
            return Ok(false);
        }
        self.commit().map(|()| true)
    }

    /// Puts the sstable in the memtable's place.
    fn commit(&mut self) -> Result<(), Error> {
        let Some(output) = self.output.take() else { return Ok(()) };
        let path = output.path.clone();
        let sstable = output.finish(&self.inner, &self.table).inspect_err(|_| {
            self.inner.remove_unused(&path);
        })?;
        let reads = self.table.take_recent_reads();
        if let Some(sstable) = sstable.as_ref().filter(|it| it.blocks() <= reads * BLOCKS_PER_READ)
        {
            // What was written lately is read: the next who does so finds it in memory, as it was before.
            sstable
                .warm(&self.inner.cache, |_, _| true)
                .inspect_err(|_| self.inner.remove_unused(&path))?;
        }
        let mut manifest = self.inner.manifest();
        let version = self.table.version();
        // Truncated or dropped meanwhile: what was written is not wanted any more.
        let Some(at) = version.frozen.iter().position(|it| Arc::ptr_eq(it, &self.memtable)) else {
            self.inner.remove_unused(&path);
            return Ok(());
        };
        let behind = version.frozen.get(at + 1).unwrap_or(&version.active);
        let mut ops = vec![Op::Mark(self.table.id, behind.begins)];
        ops.extend(sstable.iter().map(|it| Op::Add(self.table.id, it.id)));
        // If this fails the edit may have happened all the same: the file stays.
        manifest.edit(ops)?;
        self.table.change(|version| {
            version.frozen.retain(|it| !Arc::ptr_eq(it, &self.memtable));
            version.sstables.extend(sstable);
        });
        self.inner.shrink_memtables(self.memtable.bytes());
        self.inner.release_log(&mut manifest)?;
        count(&self.inner.counters.flushes);
        Ok(())
    }
}

/// A step of a job of a lane, and how it ended.
pub(crate) trait Work: Send {
    /// Goes on for one step. `true` when all is done.
    fn advance(&mut self) -> Result<bool, Error>;

    /// Throws away what was begun.
    fn give_up(&mut self);

    fn inner(&self) -> &Arc<Inner>;
}

impl Work for Flush {
    fn advance(&mut self) -> Result<bool, Error> {
        Flush::advance(self)
    }

    fn give_up(&mut self) {
        if let Some(output) = self.output.take() {
            self.inner.remove_unused(&output.path);
        }
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

/// Runs work in its lane. Dropped before its end, it gives the work up.
pub(crate) struct LaneJob<W: Work> {
    work: W,
    ended: bool,
    lane: LaneGuard,
    done: Option<oneshot::Sender<Result<(), Error>>>,
}

impl<W: Work> LaneJob<W> {
    pub(crate) fn new(
        work: W,
        lane: LaneGuard,
        done: Option<oneshot::Sender<Result<(), Error>>>,
    ) -> LaneJob<W> {
        LaneJob { work, ended: false, lane, done }
    }
}

impl<W: Work> Job for LaneJob<W> {
    fn step(&mut self) -> Step {
        let result = match self.work.advance() {
            Ok(false) => return Step::More,
            Ok(true) => Ok(()),
            Err(error) => {
                tracing::error!(%error, lane = ?self.lane.lane(), "a background job failed");
                self.work.give_up();
                count(&self.work.inner().counters.jobs_failed);
                self.lane.set_failed();
                Err(error)
            }
        };
        self.ended = true;
        if let Some(done) = self.done.take() {
            // Whoever asked may have gone away.
            drop(done.send(result));
        }
        Step::Done
    }
}

impl<W: Work> Drop for LaneJob<W> {
    fn drop(&mut self) {
        if !self.ended {
            self.work.give_up();
        }
    }
}
