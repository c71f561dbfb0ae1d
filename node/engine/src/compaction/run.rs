//! Carries out a compaction: merges sstables into one and forgets what nobody can miss, or drops what has expired.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use model::{ColumnId, Partition, PartitionKey, Slice, Token};

use super::Strategy;
use super::next::Claim;
use super::outputs::Outputs;
use crate::Error;
use crate::cache::{Halt, Io, Recent};
use crate::flush::Work;
use crate::inner::Inner;
use crate::manifest::Op;
use crate::merge::{Merge, Order, Source};
use crate::sstable::{Sstable, filter};
use crate::stats::{add, count};
use crate::table::Table;
use crate::tasks::{Task, Tracked};
use crate::walk::Walk;

/// Merged pieces between two steps.
const PIECES_PER_STEP: u32 = 64;

/// Merges `inputs` of one table into one sstable, or into several that do not overlap: all of them take the place of all of
/// these at once.
pub(crate) struct Merging {
    inner: Arc<Inner>,
    table: Arc<Table>,
    inputs: Claim,
    walk: Walk,
    recent: Recent,
    outputs: Option<Outputs>,
    task: Tracked,
    /// Of the outputs, so far.
    written_bytes: u64,
    current: Option<Current>,
    /// Seconds; the same for all of the merge.
    now: i64,
    gc_before: i64,
    /// Columns whose cells nobody reads any more.
    dropped: Vec<ColumnId>,
}

/// The partition being merged.
struct Current {
    merge: Merge,
    want: Slice,
    /// The purged head, until something of the partition is written.
    head: Option<Partition>,
    /// Once something was met that may be forgotten.
    max_purgeable: Option<i64>,
}

/// How far some steps have come.
enum Progress {
    More,
    /// In front of a partition that goes into another output.
    Edge(PartitionKey),
    End,
}

impl Merging {
    pub(crate) fn new(inner: Arc<Inner>, table: Arc<Table>, inputs: Claim) -> Merging {
        let begun = inner.clock.wall_micros();
        let now = begun.div_euclid(1_000_000);
        let task = inner.tasks.begin(Task {
            number: 0,
            table: table.id,
            begun,
            sstables: inputs.len() as u64,
            total_bytes: inputs.iter().map(|it| it.bytes).sum(),
            written_bytes: 0,
        });
        let shape = table.shape();
        let gc_before = now - i64::from(shape.gc_grace_seconds);
        let sources: Vec<Source> = inputs.iter().cloned().map(Source::Sstable).collect();
        let walk = Walk::new(&sources, Bound::Unbounded);
        Merging {
            inner,
            table,
            inputs,
            walk,
            recent: Recent::default(),
            outputs: None,
            task,
            written_bytes: 0,
            current: None,
            now,
            gc_before,
            dropped: shape.dropped.clone(),
        }
    }

    /// Looks where the output is cut, and begins it.
    fn begin(&self) -> Result<Outputs, Error> {
        // Where they are cut is read off the indexes.
        self.inputs.iter().try_for_each(|it| it.load())?;
        let first = self.inputs.iter().map(|it| it.stats.first.token).min();
        let last = self.inputs.iter().map(|it| it.stats.last.token).max();
        let bytes = self.inputs.iter().map(|it| it.bytes).sum();
        let before = |token: Token| self.inputs.iter().map(|it| it.bytes_before(token)).sum();
        let cuts = match (Strategy::of(&self.table.shape()).sharding(), first.zip(last)) {
            (Some(sharding), Some(hull)) => sharding.cuts(bytes, hull, before),
            (None, _) | (_, None) => Vec::new(),
        };
        Outputs::create(&self.inner, &self.table, cuts)
    }

    fn merge_some(&mut self, recent: &Recent) -> Result<Progress, Halt> {
        let inner = Arc::clone(&self.inner);
        let io = Io::passing(&inner.cache, recent);
        for _ in 0..PIECES_PER_STEP {
            if self.current.is_none() {
                let Some(key) = self.begin_partition(&io)? else { return Ok(Progress::End) };
                if self.outputs.as_ref().is_some_and(|it| it.end_before(&key)) {
                    return Ok(Progress::Edge(key));
                }
            }
            let Some(current) = &mut self.current else { continue };
            let writer = self.outputs.as_mut().and_then(Outputs::writer);
            let Some(writer) = writer else { return Ok(Progress::End) };
            if current.want.start == current.want.end {
                match current.head.take() {
                    Some(head) if head.is_empty() => {}
                    Some(head) => {
                        writer.begin(head);
                        writer.end()?;
                    }
                    None => writer.end()?,
                }
                self.current = None;
                continue;
            }
            let mut piece = current.merge.next(&current.want, &io)?;
            current.want.start = piece.end.clone();
            piece.part.forget(&self.dropped);
            if !piece.part.range_tombstones.is_empty() || !piece.part.rows.are_settled(self.now) {
                let max = match current.max_purgeable {
                    Some(max) => max,
                    None => max_purgeable(&self.table, &self.inputs, &piece.part.key),
                };
                current.max_purgeable = Some(max);
                piece.part.purge(self.now, self.gc_before, max);
            }
            if piece.part.is_empty() {
                continue;
            }
            if let Some(head) = current.head.take() {
                writer.begin(head);
            }
            writer.add(piece)?;
        }
        Ok(Progress::More)
    }

    /// Goes on to the next partition, if there is one.
    fn begin_partition(&mut self, io: &Io) -> Result<Option<PartitionKey>, Halt> {
        let order = Order { hull: &Slice::all(), reversed: false, rows_max: usize::MAX };
        let Some(merge) = self.walk.next(order, |_| true, io)? else { return Ok(None) };
        let mut head = merge.head().clone();
        let max_purgeable =
            (!head.is_empty()).then(|| max_purgeable(&self.table, &self.inputs, &head.key));
        if let Some(max) = max_purgeable {
            head.forget(&self.dropped);
            head.purge(self.now, self.gc_before, max);
        }
        let (key, want) = (head.key.clone(), Slice::all());
        self.current = Some(Current { merge, want, head: Some(head), max_purgeable });
        Ok(Some(key))
    }

    /// Hears how much is written.
    fn wrote(&mut self) {
        let bytes = self.outputs.as_ref().map_or(0, Outputs::bytes);
        let more = bytes.saturating_sub(self.written_bytes);
        if more == 0 {
            return;
        }
        self.written_bytes = bytes;
        self.task.wrote(bytes);
        add(&self.inner.counters.compaction_bytes, more);
        self.inner.throttle.wrote(more, || self.inner.clock.monotonic());
    }

    /// Whether the table still has the inputs: it may be truncated or dropped meanwhile, or restored.
    fn is_wanted(&self) -> bool {
        let version = self.table.version();
        let is_live = |input: &Arc<Sstable>| version.sstables.iter().any(|it| it.id == input.id);
        self.inputs.iter().all(is_live)
    }

    /// Puts the outputs in the inputs' place.
    fn commit(&mut self) -> Result<(), Error> {
        let Some(outputs) = &mut self.outputs else { return Ok(()) };
        outputs.end(&self.inner, &self.table)?;
        self.wrote();
        let Some(outputs) = self.outputs.take() else { return Ok(()) };
        // What was in memory of the inputs is in memory of the outputs.
        let was_in_memory = |key: &PartitionKey, start: &Bytes| {
            self.inputs.iter().any(|it| it.has_in_memory(key, start))
        };
        let warmed = |it: &Arc<Sstable>| it.warm(&self.inner.cache, was_in_memory);
        if let Err(error) = outputs.whole().iter().try_for_each(warmed) {
            outputs.give_up(&self.inner);
            return Err(error);
        }
        let mut manifest = self.inner.manifest();
        let id = self.table.id;
        let live = manifest.state().tables.get(&id).map(|it| &it.sstables);
        // Truncated or dropped meanwhile.
        if !live.is_some_and(|live| self.inputs.iter().all(|it| live.contains(&it.id))) {
            outputs.give_up(&self.inner);
            return Ok(());
        }
        let merged = outputs.keep();
        let mut ops: Vec<Op> = merged.iter().map(|it| Op::Add(id, it.id)).collect();
        ops.extend(self.inputs.iter().map(|it| Op::Remove(id, it.id)));
        manifest.edit(ops)?;
        self.table.change(|version| {
            version.sstables.retain(|it| !self.inputs.iter().any(|input| input.id == it.id));
            version.sstables.extend(merged);
            version.sstables.sort_by_key(|it| it.id);
        });
        drop(manifest);
        self.inputs.iter().for_each(|it| self.inner.retire(it));
        count(&self.inner.counters.compactions);
        Ok(())
    }
}

/// A tombstone of `key` that is at least as new as the answer (microseconds) may shadow something outside of the merge
/// of `inputs`.
///
/// The answer stays right while other compactions end. Until one of them does, the version has its inputs, and from then on its
/// outputs, which hold nothing that these did not; a flush likewise puts an sstable in the place of its memtable, in one
/// change. So all that lies outside when the version is looked up was looked at, wherever it is later. Of two merges neither
/// forgets a tombstone for what only the other one has, since each sees the inputs of the other or what they became.
/// What is written later than the look is as if it had been written when the merge was over; and restores and imports, which
/// bring what is older, have the lane to themselves.
fn max_purgeable(table: &Table, inputs: &[Arc<Sstable>], key: &PartitionKey) -> i64 {
    let version = table.version();
    let hash = filter::hash(key);
    let is_input = |it: &Sstable| inputs.iter().any(|input| input.id == it.id);
    let outside = version.sstables.iter().filter(|it| !is_input(it) && it.may_hold_now(key, hash));
    let memtables = version.frozen.iter().chain([&version.active]);
    let memtables = memtables.filter(|it| it.get(key).is_some());
    let oldest = outside.map(|it| it.stats.timestamp_min).min().unwrap_or(i64::MAX);
    memtables.map(|it| it.timestamp_min()).fold(oldest, i64::min)
}

impl Work for Merging {
    fn advance(&mut self) -> Result<bool, Error> {
        if !self.is_wanted() {
            self.give_up();
            return Ok(true);
        }
        if self.outputs.is_none() {
            self.outputs = Some(self.begin()?);
            return Ok(false);
        }
        let recent = std::mem::take(&mut self.recent);
        let result = self.merge_some(&recent);
        self.recent = recent;
        let progress = match result {
            Ok(progress) => progress,
            Err(Halt::Miss) => Progress::More,
            Err(Halt::Failed(error)) => return Err(error),
        };
        let ended = match (progress, &mut self.outputs) {
            (Progress::Edge(key), Some(outputs)) => {
                outputs.turn(&self.inner, &self.table, &key).map(|()| false)
            }
            (Progress::End, _) => self.commit().map(|()| true),
            (Progress::More | Progress::Edge(_), _) => Ok(false),
        };
        self.wrote();
        ended
    }

    fn give_up(&mut self) {
        if let Some(outputs) = self.outputs.take() {
            outputs.give_up(&self.inner);
        }
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

/// Removes sstables of which everything has expired.
pub(crate) struct Dropping {
    inner: Arc<Inner>,
    table: Arc<Table>,
    expired: Claim,
}

impl Dropping {
    pub(crate) fn new(inner: Arc<Inner>, table: Arc<Table>, expired: Claim) -> Dropping {
        Dropping { inner, table, expired }
    }
}

impl Work for Dropping {
    fn advance(&mut self) -> Result<bool, Error> {
        let Dropping { inner, table, expired } = self;
        let is_expired = |it: u64| expired.iter().any(|expired| expired.id == it);
        let mut manifest = inner.manifest();
        // Those that were not truncated or dropped meanwhile.
        let live = manifest.state().tables.get(&table.id).map(|it| it.sstables.iter());
        let gone: Vec<u64> =
            live.into_iter().flatten().copied().filter(|it| is_expired(*it)).collect();
        manifest.edit(gone.iter().map(|it| Op::Remove(table.id, *it)).collect())?;
        table.change(|version| version.sstables.retain(|it| !is_expired(it.id)));
        drop(manifest);
        for it in expired.iter().filter(|it| gone.contains(&it.id)) {
            inner.retire(it);
            count(&inner.counters.sstables_expired);
        }
        Ok(true)
    }

    fn give_up(&mut self) {}

    fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}
