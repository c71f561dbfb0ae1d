//! The engine: the public verbs.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use model::read::{Answer, Command};
use model::{PartitionKey, TableId};
use sys::{Blocking, Clock, Disk, Job, Step, Stopped};
use tokio::sync::oneshot;

use crate::background::{Paced, paced};
use crate::cache::Halt;
use crate::compaction::next::Compaction;
use crate::compaction::run::{Dropping, Merging};
use crate::compaction::whole::Whole;
use crate::flush::{Flush, LaneJob, Work};
use crate::inner::Inner;
use crate::job::run;
use crate::lanes::LaneGuard;
use crate::memtable::Memtable;
use crate::read::straight::{self, Short};
use crate::read::{self, Scan};
use crate::sstable::filter;
use crate::stats::count;
use crate::table::Table;
use crate::{
    Cold, CommitlogSync, Error, Options, Read, Recovery, Stats, TableShape, TableStats, Ticket,
    recovery, write,
};

/// One node's storage. Clones share it; its files are unlocked when the last clone is gone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

/// The kinds of background jobs. One job of each runs at a time, but as many compactions as
/// [`Options::compactions_max`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Writes and syncs the commit log, and so resolves tickets. Urgent.
    Log,
    /// Writes a frozen memtable to an sstable.
    Flush,
    /// Merges sstables, and drops those that have expired.
    Compaction,
}

impl Engine {
    /// Opens the data directory, creating it if absent, and replays the log. Blocks: run it before
    /// serving, or through [`sys::run_fn`].
    ///
    /// `tables` are those of the schema. Tables that the directory holds beyond them stay and are
    /// named in [`Recovery::unlisted`].
    ///
    /// # Errors
    /// `Locked`, `NewerFormat`, `Corrupt` (nothing is removed then), `DiskFull`, `Io`.
    pub fn open(
        options: Options,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        tables: Vec<TableShape>,
    ) -> Result<(Engine, Recovery), Error> {
        let (inner, recovery) = recovery::open(options, disk, clock, tables)?;
        Ok((Engine { inner }, recovery))
    }

    /// Creates a table, durably; changes its shape if it is there already. Blocks for an fsync.
    ///
    /// # Errors
    /// `Closed`, `DiskFull`, `Io`.
    pub fn create_table(&self, shape: TableShape) -> Result<(), Error> {
        self.inner.create_table(shape)
    }

    /// Changes the shape of a table, durably. Blocks for an fsync.
    ///
    /// # Errors
    /// `UnknownTable`, `Closed`, `DiskFull`, `Io`.
    pub fn alter_table(&self, shape: TableShape) -> Result<(), Error> {
        self.inner.table(shape.id)?;
        self.inner.create_table(shape)
    }

    /// Removes a table: all that it holds goes to snapshot `dropped-<id>-<micros>`, what is only in
    /// memory too. No log replay brings it back. Blocks. Of an unknown table: nothing to do.
    ///
    /// # Errors
    /// `Closed`, `DiskFull`, `Io`.
    pub fn drop_table(&self, table: TableId) -> Result<(), Error> {
        self.inner.drop_table(table)
    }

    /// Empties a table, after a snapshot `truncated-<id>-<micros>` of all rows. No
    /// log replay brings them back; writes that begin after this call stay. Blocks.
    ///
    /// # Errors
    /// `UnknownTable`, `Closed`, `DiskFull`, `Io`.
    pub fn truncate(&self, table: TableId) -> Result<(), Error> {
        self.inner.truncate(table)
    }

    /// Takes in one encoded [`model::Mutation`]: atomic, and isolated from every read. It is visible
    /// at once and durable when the ticket resolves. Never waits for the disk.
    ///
    /// # Errors
    /// Nothing was written: `Malformed`, `TooLarge`, `UnknownTable`, `Overloaded`, `DiskFull`, `ReadOnly`,
    /// `OutOfFiles`, `LogFailed`, `Closed`.
    pub fn apply(&self, mutation: Bytes) -> Result<Ticket, Error> {
        write::apply(&self.inner, &[mutation])
    }

    /// Takes in many encoded mutations at once, all of them or none, for much less than one by one: they share a
    /// record of the log, which is durable as a whole or not at all. Each is atomic and isolated as with `apply`; a read may see
    /// some of them before others.
    ///
    /// # Errors
    /// As `apply`; `TooLarge` also if all together are longer than [`model::mutation::BYTES_MAX`].
    pub fn apply_all(&self, mutations: &[Bytes]) -> Result<Ticket, Error> {
        write::apply(&self.inner, mutations)
    }

    /// Reads, from memory as far as that goes, and not so long that the caller's thread is held up.
    ///
    /// `limits.rows_per_partition` cuts a partition without setting `stopped_at`: an answer's
    /// partition with that many live rows may have more behind its last one. A limit of zero counts
    /// as one. Static rows and partition deletions are in every answer that touches the partition,
    /// also after `resume`. A read that met too many range tombstones may stop at the start of one:
    /// `stopped_at` is then no row's clustering, and as good a place to resume.
    ///
    /// # Errors
    /// `UnknownTable`, `Corrupt` for a block whose checksum is wrong, `Io`.
    pub fn read(&self, command: &Command) -> Result<Read, Error> {
        let inner = &self.inner;
        let table = inner.table(command.table)?;
        count(&inner.counters.reads);
        let version = table.version();
        let short = straight::in_memory(&version, command, &inner.cache)?;
        if let Short::Answer(answer) = short {
            return Ok(Read::Ready(answer));
        }
        table.was_read();
        let cold = if matches!(short, Short::Missed) {
            Cold::short(version, command, Arc::clone(&inner.cache))
        } else {
            let mut scan = Scan::new(&version, command);
            match scan.in_memory(&inner.cache, read::PIECES_IN_PLACE) {
                Ok(Some(answer)) => return Ok(Read::Ready(answer)),
                Ok(None) | Err(Halt::Miss) => Cold::new(scan, Arc::clone(&inner.cache)),
                Err(Halt::Failed(error)) => return Err(error),
            }
        };
        count(&inner.counters.reads_cold);
        Ok(Read::Cold(cold))
    }

    /// Reads, and goes to the disk on `blocking` where it must.
    ///
    /// # Errors
    /// As `read`; `Stopped` when `blocking` shuts down.
    pub async fn read_with(
        &self,
        command: &Command,
        blocking: &dyn Blocking,
    ) -> Result<Answer, Error> {
        match self.read(command)? {
            Read::Ready(answer) => Ok(answer),
            Read::Cold(cold) => cold.finish(blocking).await,
        }
    }

    /// Bytes that a partition takes in the sstables of this node, about: whole blocks, and as often as
    /// it lies there. Looks into no file, so an sstable counts for nothing until somebody has read from it, or
    /// [`load_indexes`](Self::load_indexes) came to it; 0 of an unknown table. May answer 0, which is quicker, where it takes
    /// `enough` or less.
    pub fn partition_bytes(&self, table: TableId, key: &PartitionKey, enough: u64) -> u64 {
        let Ok(table) = self.inner.table(table) else { return 0 };
        let version = table.version();
        let most: u64 = version.sstables.iter().map(|it| it.largest_bytes()).sum();
        if most <= enough {
            return 0;
        }
        let hash = filter::hash(key);
        let holds = version.sstables.iter().filter(|it| it.may_hold_now(key, hash));
        holds.map(|it| it.partition_bytes(key)).sum()
    }

    /// The largest partition of each table that has sstables: its bytes in one of them, about, as
    /// [`partition_bytes`](Self::partition_bytes) counts them.
    pub fn largest_partitions(&self) -> Vec<(TableId, u64)> {
        let tables = self.inner.all_tables();
        let largest = tables.iter().filter_map(|table| {
            let version = table.version();
            Some((table.id, version.sstables.iter().map(|it| it.largest_bytes()).max()?))
        });
        largest.filter(|(_, bytes)| *bytes > 0).collect()
    }

    /// The next thing to do in `lane`, if there is any and the lane has a place for it, which is free again when the job is
    /// dropped.
    pub fn next_job(&self, lane: Lane) -> Option<Box<dyn Job>> {
        let inner = &self.inner;
        let guard = inner.try_lane(lane)?;
        match lane {
            Lane::Log => {
                let work = inner.log.is_dirty().then(|| SyncLog { inner: Arc::clone(inner) });
                quiet(guard, work)
            }
            Lane::Flush => {
                let work = inner.choose_flush();
                quiet(guard, work.map(|(table, memtable)| self.flushing(&table, memtable)))
            }
            Lane::Compaction => {
                let shared = Arc::clone(inner);
                let chosen = inner.choose_compaction();
                if chosen.is_some() {
                    inner.wake_another(lane);
                }
                match chosen {
                    Some((table, Compaction::Drop(expired))) => {
                        quiet(guard, Some(Dropping::new(shared, table, expired)))
                    }
                    Some((table, Compaction::Merge(inputs))) => {
                        quiet(guard, Some(Merging::new(shared, table, inputs)))
                    }
                    None => quiet(guard, None::<Merging>),
                }
            }
        }
    }

    /// Reads what sstables say of where partitions lie, of those that nobody has read from since the start. Blocks;
    /// [`background`](crate::background) does it once.
    pub fn load_indexes(&self) {
        for table in self.inner.all_tables() {
            // One that cannot be read is named to whoever reads from it.
            table.version().sstables.iter().for_each(|it| drop(it.load()));
        }
    }

    /// Looks how full the disk is, and lets writes in or refuses them accordingly. Blocks for a moment;
    /// [`background`](crate::background) does it every second.
    pub fn look_at_disk(&self) {
        self.inner.look_at_disk();
    }

    /// Looks whether sstables have expired as a whole: the compaction lane removes them.
    /// [`background`](crate::background) does it every minute.
    pub fn look_for_expired(&self) {
        self.inner.wake(Lane::Compaction);
    }

    /// Why writes are refused, if they are: the disk is too full or takes none, too many files are open, or the commit
    /// log failed. Reads go on.
    pub fn refusal(&self) -> Option<Error> {
        let full = self.inner.refuses_writes();
        let full = full.then(|| Error::DiskFull { file: self.inner.options.data_dir.clone() });
        full.or_else(|| self.inner.log.refusal())
    }

    /// How long writes wait for the disk of the commit log, as in [`Stats::commitlog_wait`].
    pub fn commitlog_wait(&self) -> Duration {
        self.inner.log.wait()
    }

    /// Resolves when `lane` may have something to do.
    pub async fn work(&self, lane: Lane) {
        self.inner.work(lane).await;
    }

    /// Runs all background work that is due, on this thread: for tests and tools without a driver. A job that fails
    /// is counted, and the next lane's turn comes.
    pub fn run_jobs(&self) {
        for lane in [Lane::Log, Lane::Flush, Lane::Compaction] {
            while let Some(mut job) = self.next_job(lane) {
                while job.step() == Step::More {}
                if self.inner.take_failed(lane) {
                    break;
                }
            }
        }
    }

    /// Writes what is in memory of `table` (all tables for `None`) to sstables, on `blocking`.
    ///
    /// # Errors
    /// `UnknownTable`, `DiskFull`, `Io`: what was not written stays in memory and in the log.
    pub async fn flush(
        &self,
        table: Option<TableId>,
        blocking: &dyn Blocking,
    ) -> Result<(), Error> {
        for table in self.some_tables(table)? {
            let mut wanted = self.inner.freeze(&table);
            loop {
                let guard = self.inner.whole_lane(Lane::Flush).await;
                // The oldest first: the log's mark moves with each.
                let frozen = table.version().frozen.clone();
                wanted.retain(|it| frozen.iter().any(|frozen| Arc::ptr_eq(it, frozen)));
                let (false, Some(oldest)) = (wanted.is_empty(), frozen.into_iter().next()) else {
                    break;
                };
                let (sender, receiver) = oneshot::channel();
                let job = LaneJob::new(self.flushing(&table, oldest), guard, Some(sender));
                run(blocking, Box::new(job), receiver).await?;
            }
        }
        Ok(())
    }

    /// Merges all sstables of `table` (of each table for `None`) until no two overlap, on `blocking`, as fast as
    /// [`Options::compaction_bytes_per_second`] lets it. Dropped before its end it may be given up: what overlaps is
    /// merged by itself, and stays so.
    ///
    /// # Errors
    /// `UnknownTable`, `DiskFull`, `Corrupt`, `Io`, and `Closed` when it was held back while the engine was closed: the old
    /// sstables stay.
    pub async fn compact(
        &self,
        table: Option<TableId>,
        blocking: &dyn Blocking,
    ) -> Result<(), Error> {
        for table in self.some_tables(table)? {
            let guard = self.inner.whole_lane(Lane::Compaction).await;
            if table.version().sstables.is_empty() {
                continue;
            }
            let (sender, receiver) = oneshot::channel();
            let work = Whole::new(Arc::clone(&self.inner), table);
            let job = Box::new(LaneJob::new(work, guard, Some(sender)));
            match paced(&self.inner, blocking, job, self.inner.until_closed()).await? {
                Paced::Ended => receiver.await.unwrap_or(Err(Stopped::Panicked.into()))?,
                Paced::GivenUp => return Err(Error::Closed),
            }
        }
        Ok(())
    }

    /// Refuses writes from now on, flushes everything, syncs the log and marks the directory clean.
    /// Reads go on until the engine is dropped. Again: nothing to do.
    ///
    /// # Errors
    /// As `flush`; what was acknowledged is safe in any case.
    pub async fn close(&self, blocking: &dyn Blocking) -> Result<(), Error> {
        if !self.inner.set_closed() {
            return Ok(());
        }
        let guard = self.inner.whole_lane(Lane::Log).await;
        let (sender, receiver) = oneshot::channel();
        let work = SyncLog { inner: Arc::clone(&self.inner) };
        run(blocking, Box::new(LaneJob::new(work, guard, Some(sender))), receiver).await?;
        self.flush(None, blocking).await?;
        let inner = Arc::clone(&self.inner);
        sys::run_fn(blocking, move || inner.end_log()).await?
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        let inner = &self.inner;
        let counters = &inner.counters;
        let load = |it: &std::sync::atomic::AtomicU64| it.load(Ordering::Relaxed);
        let (segments, commitlog_bytes) = inner.log.size();
        let tables = inner.all_tables();
        Stats {
            memtable_bytes: inner.memtable_bytes(),
            frozen_bytes: tables.iter().map(|it| it.version().frozen_bytes()).sum(),
            segments,
            commitlog_bytes,
            fsync: counters.fsync.snapshot(),
            disk: inner.fullness.space(),
            disk_full: inner.refuses_writes(),
            commitlog_wait: inner.log.wait(),
            writes_refused: load(&counters.writes_refused),
            writes: load(&counters.writes),
            reads: load(&counters.reads),
            reads_cold: load(&counters.reads_cold),
            cache_hits: load(&counters.cache_hits),
            segments_archived: load(&counters.segments_archived),
            archive_failures: load(&counters.archive_failures),
            cache_misses: load(&counters.cache_misses),
            cache_bytes: inner.cache.bytes(),
            flushes: load(&counters.flushes),
            compactions: load(&counters.compactions),
            compaction_bytes: load(&counters.compaction_bytes),
            compaction_held_back: Duration::from_nanos(load(&counters.compaction_held_back_nanos)),
            sstables_expired: load(&counters.sstables_expired),
            compactions_pending: inner.pending_compactions(),
            jobs_failed: load(&counters.jobs_failed),
            tasks: inner.tasks.all(),
            tables: tables.iter().map(|it| (it.id, table_stats(it))).collect(),
        }
    }

    /// How long an acknowledged write may stay unsynced, if it may at all.
    pub(crate) fn sync_period(&self) -> Option<Duration> {
        match self.inner.options.commitlog_sync {
            CommitlogSync::Group | CommitlogSync::Batch => None,
            CommitlogSync::Periodic(period) => Some(period),
        }
    }

    pub(crate) fn take_failed(&self, lane: Lane) -> bool {
        self.inner.take_failed(lane)
    }

    fn flushing(&self, table: &Arc<Table>, memtable: Arc<Memtable>) -> Flush {
        Flush::new(Arc::clone(&self.inner), Arc::clone(table), memtable)
    }

    fn some_tables(&self, table: Option<TableId>) -> Result<Vec<Arc<Table>>, Error> {
        match table {
            Some(id) => Ok(vec![self.inner.table(id)?]),
            None => Ok(self.inner.all_tables()),
        }
    }
}

fn table_stats(table: &Table) -> TableStats {
    let version = table.version();
    let sum =
        |of: fn(&crate::sstable::Sstable) -> u64| version.sstables.iter().map(|it| of(it)).sum();
    TableStats {
        memtable_bytes: version.memtable_bytes(),
        sstables: version.sstables.len() as u64,
        sstable_bytes: sum(|it| it.bytes),
        partitions: sum(|it| it.stats.partitions),
        rows: sum(|it| it.stats.rows),
        tombstones: sum(|it| it.stats.tombstones),
    }
}

/// A job that nobody waits for.
fn quiet<W: Work + 'static>(guard: LaneGuard, work: Option<W>) -> Option<Box<dyn Job>> {
    match work {
        Some(work) => Some(Box::new(LaneJob::new(work, guard, None))),
        None => {
            guard.release_quietly();
            None
        }
    }
}

/// Writes and syncs what waits in the log.
struct SyncLog {
    inner: Arc<Inner>,
}

impl Work for SyncLog {
    fn advance(&mut self) -> Result<bool, Error> {
        let synced = self.inner.log.sync();
        // A fast writer fills a small disk between two looks of the driver, and a look is cheap beside a sync.
        self.inner.look_at_disk();
        synced?;
        // Whoever waits for the disk came during this sync, mostly: the next begins without a way through the scheduler.
        let waits = match self.inner.options.commitlog_sync {
            CommitlogSync::Group | CommitlogSync::Batch => self.inner.log.is_dirty(),
            CommitlogSync::Periodic(_) => false,
        };
        Ok(!waits)
    }

    fn give_up(&mut self) {}

    fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}
