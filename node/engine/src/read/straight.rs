//! The short way: a read of one partition of which one sstable alone knows, and knows nothing but rows.
//!
//! Such rows are in their final form where they lie: there is nothing to merge, and nothing to look at one by
//! one. Whatever is not so simple takes the long way, [`Scan`](super::Scan), which answers the same. Of a partial the short way is
//! [`folded`](super::folded).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use model::read::{Answer, Command, Fold, Limits, Position, Target};
use model::{Partition, PartitionKey, Rows, Slice};

use super::{PIECES_IN_PLACE, folded};
use crate::Error;
use crate::cache::{Cache, Halt, Io, Recent};
use crate::piece;
use crate::sstable::{Hint, Sstable, filter};
use crate::version::Version;

/// Blocks that are read from the disk at most: whoever needs more of them takes the long way, and reads these again if nothing
/// keeps them.
const BLOCKS_ON_DISK: u32 = 8;

/// Where there is something to be found.
pub(super) enum Sources<'a> {
    Nowhere,
    One(&'a Arc<Sstable>),
    /// Or where something is that takes more than a look at rows.
    More,
}

/// How far the short way went.
pub(crate) enum Short {
    Answer(Answer),
    /// Up to a block that is not in memory.
    Missed,
    /// Not as far as an answer: the command is not so simple, or the rows are not.
    LongWay,
}

/// Answers the command, if that is so simple and the blocks are in memory.
pub(crate) fn in_memory(
    version: &Version,
    command: &Command,
    cache: &Cache,
) -> Result<Short, Error> {
    let recent = Recent::default();
    read(version, command, &Io::cached(cache, &recent), PIECES_IN_PLACE)
}

/// Answers the command, if that is so simple, waiting for the disk.
pub(crate) fn on_disk(version: &Version, command: &Command, cache: &Cache) -> Result<Short, Error> {
    let recent = Recent::default();
    read(version, command, &Io::waiting(cache, &recent), BLOCKS_ON_DISK)
}

/// Of some blocks at most.
fn read(version: &Version, command: &Command, io: &Io, blocks_max: u32) -> Result<Short, Error> {
    let Target::One(key) = &command.target else { return Ok(Short::LongWay) };
    let [slice] = &command.slices[..] else { return Ok(Short::LongWay) };
    if command.resume.is_some() || command.filter.is_some() || !command.dropped.is_empty() {
        return Ok(Short::LongWay);
    }
    match Fold::new(command) {
        None => short(answer(version, command, key, slice, io, blocks_max)),
        Some(fold) => short(folded::answer(version, command, key, slice, fold, io, blocks_max)),
    }
}

#[inline]
fn short(answer: Result<Option<Answer>, Halt>) -> Result<Short, Error> {
    match answer {
        Ok(Some(answer)) => Ok(Short::Answer(answer)),
        Ok(None) => Ok(Short::LongWay),
        Err(Halt::Miss) => Ok(Short::Missed),
        Err(Halt::Failed(error)) => Err(error),
    }
}

fn answer(
    version: &Version,
    command: &Command,
    key: &PartitionKey,
    slice: &Slice,
    io: &Io,
    blocks_max: u32,
) -> Result<Option<Answer>, Halt> {
    let mut answer = Answer::default();
    let sstable = match sources(version, key, slice, io)? {
        Sources::Nowhere => return Ok(Some(answer)),
        Sources::One(sstable) => sstable,
        Sources::More => return Ok(None),
    };
    answer.sstables = 1;
    answer.scanned = piece::partition_bytes(key) as u64;
    let reversed = command.reversed;
    let mut rows = Rows::default();
    let mut want = slice.clone();
    let mut blocks = 0;
    let mut hint = Hint::default();
    while want.start < want.end {
        blocks += 1;
        let left = rows_left(&command.limits, &rows);
        let Some((stretch, next)) = sstable.stretch(key, &want, reversed, left, hint, io)? else {
            return Ok(None);
        };
        hint = next;
        if !stretch.rows.is_empty() && !stretch.rows.are_settled(command.now) {
            return Ok(None);
        }
        answer.scanned += bytes_of(&stretch.rows, 0..stretch.rows.len());
        let is_long = command.limits.bytes.min(command.limits.scanned) <= answer.scanned;
        if (is_long && !stretch.rows.is_empty()) || blocks_max < blocks {
            return Ok(None);
        }
        rows = join(rows, stretch.rows, reversed);
        if rows_left(&command.limits, &rows) == 0 {
            answer.stopped_at = stopped_at(command, key, &rows);
            break;
        }
        match stretch.more {
            None => break,
            Some(bound) if reversed => want.end = bound,
            Some(bound) => want.start = bound,
        }
    }
    answer.live_rows = rows.len() as u64;
    if !rows.is_empty() {
        answer.partitions.push(Partition { rows, ..Partition::empty(key.clone()) });
    }
    Ok(Some(answer))
}

/// Where a partition has something in `slice`.
pub(super) fn sources<'a>(
    version: &'a Version,
    key: &PartitionKey,
    slice: &Slice,
    io: &Io,
) -> Result<Sources<'a>, Halt> {
    let memtables = version.frozen.iter().chain([&version.active]).filter(|it| !it.is_empty());
    if memtables.map(|it| it.get(key)).any(|it| it.is_some()) {
        return Ok(Sources::More);
    }
    let hash = filter::hash(key);
    let mut found = Sources::Nowhere;
    for sstable in &version.sstables {
        let may_have_heads = sstable.may_have_heads();
        if !may_have_heads && !sstable.may_have_rows(slice) {
            continue;
        }
        if !sstable.may_hold(key, hash, io)? {
            continue;
        }
        found = match found {
            Sources::Nowhere if !may_have_heads => Sources::One(sstable),
            Sources::Nowhere | Sources::One(_) | Sources::More => return Ok(Sources::More),
        };
    }
    Ok(found)
}

/// How many rows may still be taken. A limit of zero counts as one.
fn rows_left(limits: &Limits, rows: &Rows) -> usize {
    let most = limits.rows.min(limits.rows_per_partition).max(1);
    usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(rows.len())
}

fn join(mut rows: Rows, mut next: Rows, reversed: bool) -> Rows {
    if reversed {
        next.append(rows);
        return next;
    }
    rows.append(next);
    rows
}

/// Bytes of some of these rows, which are settled.
pub(super) fn bytes_of(rows: &Rows, range: Range<usize>) -> u64 {
    piece::amount_bytes(rows.amount(range).unwrap_or_default()) as u64
}

/// Where a read has stopped that has as many rows as it may. What ends with its partition's share is complete.
fn stopped_at(command: &Command, key: &PartitionKey, rows: &Rows) -> Option<Position> {
    let is_full = command.limits.rows <= rows.len() as u64;
    if is_full { last_of(key, rows, command.reversed) } else { None }
}

/// The position of the last row in reading direction.
pub(super) fn last_of(key: &PartitionKey, rows: &Rows, reversed: bool) -> Option<Position> {
    let last = if reversed { rows.views().next() } else { rows.views().next_back() };
    let clustering: Bytes = last?.clustering_key().0;
    Some(Position { key: key.clone(), clustering: Some(clustering) })
}
