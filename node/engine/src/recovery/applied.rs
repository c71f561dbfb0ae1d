//! Records of the log go back into memtables, on several threads.
//!
//! ```text
//!   a group of records   │ r1 r2 r3 │ r4 r5 r6 │      each thread reads some of them
//!                          ╲ ╳ ╱        ╲ ╳ ╱
//!   tokens               [0, 1/2)     [1/2, 1)        and takes in what lies in its part of the ring, in the log's order
//! ```
//!
//! So nothing depends on which thread is faster: memtables and what they are said to take are the same on any number of them.

use std::sync::Arc;

use model::TableId;
use model::written::Place;

use super::Recovery;
use crate::Error;
use crate::commitlog::Position;
use crate::commitlog::format::{self, Record};
use crate::commitlog::replay::Segment;
use crate::flush::{Flush, Work};
use crate::inner::Inner;
use crate::write::{Copies, Incoming, touch};

/// Bytes of records that are applied together at most: their rows share buffers, as those of a batch do.
const GROUP_BYTES: u64 = 256 << 10;

/// As `GROUP_BYTES`, for each thread where there are several: to begin one takes as long as to read a kilobyte or two.
const GROUP_BYTES_OF_THREAD: u64 = 2 << 20;

/// Threads at most.
const THREADS_MAX: usize = 16;

/// What was read of some records.
struct Parsed<'a> {
    places: Vec<Place>,
    /// Mutations that are not in an sstable yet, by the part of the ring in which they lie.
    parts: Vec<Vec<Incoming<'a>>>,
    replayed: u64,
    skipped: u64,
    dropped: u64,
}

/// Applies the records of a segment that are not in an sstable yet.
pub(super) fn segment(
    inner: &Arc<Inner>,
    number: u64,
    read: &Segment,
    recovery: &mut Recovery,
) -> Result<(), Error> {
    // A small part of what memtables may take: between two groups it is looked whether they should be flushed.
    let bytes_max = inner.options.memtable_bytes / 16;
    let threads = inner.options.replay_threads.get().min(THREADS_MAX);
    let of_threads = GROUP_BYTES_OF_THREAD * threads as u64;
    let (threads, group_bytes) = if threads > 1 && of_threads <= bytes_max {
        (threads, of_threads)
    } else {
        (1, GROUP_BYTES.min(bytes_max))
    };
    let mut records = &read.records[..];
    while let Some(first) = records.first() {
        let is_near = |it: &Record| it.end() - first.offset <= group_bytes;
        let (group, behind) = records.split_at(records.partition_point(is_near).max(1));
        apply_group(inner, number, read, group, threads, recovery)?;
        // Between two records: the log is needed from one on, not from inside of it.
        let end = group.last().unwrap_or(first).end();
        make_room(inner, Position { segment: number, offset: end })?;
        records = behind;
    }
    Ok(())
}

/// Applies records that follow each other.
fn apply_group(
    inner: &Inner,
    number: u64,
    segment: &Segment,
    group: &[Record],
    threads: usize,
    recovery: &mut Recovery,
) -> Result<(), Error> {
    let chunks = group.chunks(group.len().div_ceil(threads)).collect();
    let parsed = sys::at_once(chunks, |it| parse(inner, number, segment, it, threads));
    let mut parsed = parsed.into_iter().collect::<Result<Vec<Parsed<'_>>, Error>>()?;
    for it in &parsed {
        recovery.replayed += it.replayed;
        recovery.skipped += it.skipped;
        recovery.dropped += it.dropped;
    }
    let mut parts: Vec<Vec<Vec<Incoming<'_>>>> = (0..threads).map(|_| Vec::new()).collect();
    for it in &mut parsed {
        parts.iter_mut().zip(it.parts.drain(..)).for_each(|(part, own)| part.push(own));
    }
    let applied = sys::at_once(parts, |part| {
        let mut own = part.into_iter().zip(&parsed);
        own.try_for_each(|(part, it)| apply(inner, part, &it.places))
    });
    applied.into_iter().collect()
}

/// Reads records, and sorts what is in them by part of the ring.
fn parse<'a>(
    inner: &Inner,
    number: u64,
    segment: &'a Segment,
    records: &[Record],
    parts: usize,
) -> Result<Parsed<'a>, Error> {
    let mut parsed = Parsed {
        places: Vec::new(),
        parts: (0..parts).map(|_| Vec::new()).collect(),
        replayed: 0,
        skipped: 0,
        dropped: 0,
    };
    // Where the log is needed from on for a table, if there is one: most mutations are of the table of the one before.
    let mut last: Option<(TableId, Option<Position>)> = None;
    let mut needed_from = |id: TableId| match last {
        Some((of, from)) if of == id => from,
        Some(_) | None => {
            let from = inner.table(id).ok().map(|it| it.version().active.begins);
            last = Some((id, from));
            from
        }
    };
    for record in records {
        let corrupt = |why: String| Error::corrupt(&segment.path, record.offset, why);
        let payload = segment.payload(record);
        let found = format::mutations(payload)
            .ok_or_else(|| corrupt("a record that is not of whole mutations".into()))?;
        let position = Position { segment: number, offset: record.offset };
        for place in found {
            let it = Incoming::read(&payload[place], &mut parsed.places)
                .map_err(|it| corrupt(it.to_string()))?;
            match needed_from(it.table) {
                Some(from) if from <= position => {
                    let part = u128::from(it.token().position()) * parts as u128;
                    parsed.parts[(part >> u64::BITS) as usize].push(it);
                    parsed.replayed += 1;
                }
                Some(_) => parsed.skipped += 1,
                None => parsed.dropped += 1,
            }
        }
    }
    Ok(parsed)
}

/// Takes mutations in, of which rows lie at `places`.
fn apply(inner: &Inner, incoming: Vec<Incoming<'_>>, places: &[Place]) -> Result<(), Error> {
    let mut tables: Vec<TableId> = incoming.iter().map(|it| it.table).collect();
    tables.sort_unstable();
    tables.dedup();
    let mut targets = Vec::with_capacity(tables.len());
    for id in tables {
        let version = inner.table(id)?.version();
        version.active.set_logged();
        touch(&version.active, id, &incoming);
        targets.push((id, Copies::of(&incoming, id), version));
    }
    let mut grown = 0;
    for it in incoming {
        let at = targets.partition_point(|(id, ..)| *id < it.table);
        let (_, copies, version) = &mut targets[at];
        let rows = copies.next(&it);
        grown += version.active.apply(it.change(places, rows));
    }
    inner.grow_memtables(grown);
    Ok(())
}

/// Keeps memtables within their budget while the log is being replayed and has come to `position`. The largest is frozen at half of it,
/// as ever; but it is flushed in the background when the engine is open, and here only where the budget would not last: at three
/// quarters, so that some of it is left for writes.
fn make_room(inner: &Arc<Inner>, position: Position) -> Result<(), Error> {
    let max = inner.options.memtable_bytes;
    if inner.memtable_bytes() < max / 2 {
        return Ok(());
    }
    let tables = inner.all_tables();
    let freeze_largest = || {
        let largest = tables.iter().max_by_key(|it| it.version().active.bytes());
        largest.into_iter().for_each(|it| inner.freeze_at(it, position));
    };
    let frozen: u64 = tables.iter().map(|it| it.version().frozen_bytes()).sum();
    if max / 2 <= inner.memtable_bytes().saturating_sub(frozen) {
        freeze_largest();
    }
    while 0 < inner.memtable_bytes() && max / 4 * 3 <= inner.memtable_bytes() {
        let Some((table, memtable)) = inner.frozen() else {
            freeze_largest();
            continue;
        };
        let mut flush = Flush::new(Arc::clone(inner), table, memtable);
        while !Work::advance(&mut flush)? {}
    }
    Ok(())
}
