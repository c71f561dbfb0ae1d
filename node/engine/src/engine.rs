//! The engine: the public verbs.

use std::sync::Arc;

use bytes::Bytes;
use model::{
    TableId,
    read::{Answer, Command},
};
use sys::{Blocking, Clock, Disk, Job};

use crate::{Error, Options, Read, Recovery, Stats, TableShape, Ticket};

/// One node's storage. Clones share it; it is closed when told so, or when the last clone goes.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner;

/// The kinds of background jobs. At most one job of each runs at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Writes and syncs the commit log, and so resolves tickets. Urgent.
    Log,
    /// Writes a frozen memtable to an sstable.
    Flush,
    /// Merges sstables.
    Compaction,
}

impl Engine {
    /// Opens the data directory, creating it if absent, and replays the log. Blocks: run it before
    /// serving, or through [`sys::run_fn`].
    ///
    /// `tables` are those of the schema. Tables that the directory holds beyond them stay and are named in
    /// [`Recovery::unlisted`].
    ///
    /// # Errors
    /// `Locked`, `NewerFormat`, `Corrupt` (nothing is changed then), `DiskFull`, `Io`.
    pub fn open(
        _options: Options,
        _disk: Arc<dyn Disk>,
        _clock: Arc<dyn Clock>,
        _tables: Vec<TableShape>,
    ) -> Result<(Engine, Recovery), Error> {
        unimplemented!()
    }

    /// Creates a table, durably; changes its shape if it is there already. Blocks for an fsync.
    ///
    /// # Errors
    /// `Closed`, `DiskFull`, `Io`.
    pub fn create_table(&self, _shape: TableShape) -> Result<(), Error> {
        unimplemented!()
    }

    /// Changes the shape of a table, durably. Blocks for an fsync.
    ///
    /// # Errors
    /// `UnknownTable`, `Closed`, `DiskFull`, `Io`.
    pub fn alter_table(&self, _shape: TableShape) -> Result<(), Error> {
        unimplemented!()
    }

    /// Removes a table: what it holds on disk moves to `snapshots/dropped-<id>-<micros>/`, what is only in
    /// memory is gone. No log replay brings it back. Blocks. Of an unknown table: nothing to do.
    ///
    /// # Errors
    /// `Closed`, `DiskFull`, `Io`.
    pub fn drop_table(&self, _table: TableId) -> Result<(), Error> {
        unimplemented!()
    }

    /// Empties a table, after a snapshot of its sstables in `snapshots/truncated-<id>-<micros>/`. No log replay
    /// brings the rows back; writes that begin after this call stay. Blocks.
    ///
    /// # Errors
    /// `UnknownTable`, `Closed`, `DiskFull`, `Io`.
    pub fn truncate(&self, _table: TableId) -> Result<(), Error> {
        unimplemented!()
    }

    /// Takes in one encoded [`model::Mutation`]: atomic, and isolated from every read. It is visible
    /// at once and durable when the ticket resolves. Never blocks on the disk.
    ///
    /// # Errors
    /// Nothing was written: `Malformed`, `TooLarge`, `UnknownTable`, `Overloaded`, `DiskFull`, `LogFailed`, `Closed`.
    pub fn apply(&self, _mutation: Bytes) -> Result<Ticket, Error> {
        unimplemented!()
    }

    /// Reads, from memory as far as that goes.
    ///
    /// `limits.rows_per_partition` cuts a partition without setting `stopped_at`: an answer's
    /// partition with that many live rows may have more behind its last one. A limit of zero counts
    /// as one. Static rows and partition deletions are in every answer that touches the partition,
    /// also after `resume`.
    ///
    /// # Errors
    /// `UnknownTable`, `Closed`, `Corrupt` for a block whose checksum is wrong, `Io`.
    pub fn read(&self, _command: &Command) -> Result<Read, Error> {
        unimplemented!()
    }

    /// Reads, and goes to the disk on `blocking` where it must.
    ///
    /// # Errors
    /// As `read`; `Stopped` when `blocking` shuts down.
    pub async fn read_with(
        &self,
        _command: &Command,
        _blocking: &dyn Blocking,
    ) -> Result<Answer, Error> {
        unimplemented!()
    }

    /// The next thing to do in `lane`, if there is any and none is running. The lane is free again
    /// when the job is dropped.
    pub fn next_job(&self, _lane: Lane) -> Option<Box<dyn Job>> {
        unimplemented!()
    }

    /// Resolves when `lane` may have something to do.
    pub async fn work(&self, _lane: Lane) {
        unimplemented!()
    }

    /// Writes what is in memory of `table` (all tables for `None`) to sstables, on `blocking`.
    ///
    /// # Errors
    /// `UnknownTable`, `DiskFull`, `Io`: what was not written stays in memory and in the log.
    pub async fn flush(
        &self,
        _table: Option<TableId>,
        _blocking: &dyn Blocking,
    ) -> Result<(), Error> {
        unimplemented!()
    }

    /// Merges all sstables of `table` (of each table for `None`) into one, on `blocking`.
    ///
    /// # Errors
    /// `UnknownTable`, `DiskFull`, `Corrupt`, `Io`: the old sstables stay.
    pub async fn compact(
        &self,
        _table: Option<TableId>,
        _blocking: &dyn Blocking,
    ) -> Result<(), Error> {
        unimplemented!()
    }

    /// Refuses writes from now on, flushes everything, syncs the log and marks the directory clean.
    /// Reads go on until the engine is dropped. Again: nothing to do.
    ///
    /// # Errors
    /// As `flush`; what was acknowledged is safe in any case.
    pub async fn close(&self, _blocking: &dyn Blocking) -> Result<(), Error> {
        unimplemented!()
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        unimplemented!()
    }
}
