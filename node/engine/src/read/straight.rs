//! The short way: a read of one partition of which one sstable alone knows, and knows nothing but rows.
//!
//! Such rows are in their final form where they lie: there is nothing to merge, and nothing to look at one by
//! one. Whatever is not so simple takes the long way, [`Scan`](super::Scan), which answers the same.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use model::read::{Answer, Command, Fold, Limits, Position, Target};
use model::{Partition, PartitionKey, Rows, Slice};

use super::PIECES_IN_PLACE;
use super::asked::{TOLD_BYTES, limits_of};
use crate::Error;
use crate::cache::{Cache, Halt, Io, Recent};
use crate::piece;
use crate::sstable::{Hint, Sstable, ToldBlock, filter};
use crate::version::Version;

/// Blocks that are read from the disk at most: whoever needs more of them takes the long way, and reads these again if nothing
/// keeps them.
const BLOCKS_ON_DISK: u32 = 8;

/// As many looks at the statistics of blocks take as long as one at a block.
const TOLD_PER_BLOCK: u32 = 16;

/// Where there is something to be found.
enum Sources<'a> {
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
    match answer(version, command, key, slice, io, blocks_max) {
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
    let mut taken = Taken { rows: Rows::default(), fold: Fold::new(command) };
    let sstable = match sources(version, key, slice, io)? {
        Sources::Nowhere => {
            taken.put_into(&mut answer, key);
            return Ok(Some(answer));
        }
        Sources::One(sstable) => sstable,
        Sources::More => return Ok(None),
    };
    answer.sstables = 1;
    answer.scanned = piece::partition_bytes(key) as u64;
    let limits = limits_of(command);
    let reversed = command.reversed;
    let mut want = slice.clone();
    let (mut blocks, mut told) = (0, 0);
    let mut hint = Hint::default();
    while want.start < want.end {
        // It goes on at the beginning, so whoever reads from the end would leave something out where that ends.
        if !reversed && let Some((rows, block)) = taken.skip(sstable, key, &want, hint, io)? {
            (want.start, hint) = (block.end.clone(), block.next());
            answer.live_rows += rows;
            answer.scanned += TOLD_BYTES;
            told += 1;
            if blocks_max < blocks + told / TOLD_PER_BLOCK {
                return Ok(None);
            }
            continue;
        }
        blocks += 1;
        let left = rows_left(&limits, &taken.rows);
        let Some((stretch, next)) = sstable.stretch(key, &want, reversed, left, hint, io)? else {
            return Ok(None);
        };
        hint = next;
        if !stretch.rows.is_empty() && !stretch.rows.are_settled(command.now) {
            return Ok(None);
        }
        let bytes = bytes_of(&stretch.rows, 0..stretch.rows.len());
        let is_long = limits.bytes.min(limits.scanned) <= answer.scanned + bytes;
        let is_more = is_long && !stretch.rows.is_empty();
        if (is_more && taken.fold.is_none()) || blocks_max < blocks + told / TOLD_PER_BLOCK {
            return Ok(None);
        }
        if is_more {
            let rows =
                first_of(stretch.rows, limits.scanned.saturating_sub(answer.scanned), reversed);
            answer.scanned += bytes_of(&rows, 0..rows.len());
            answer.live_rows += rows.len() as u64;
            answer.stopped_at = last_of(key, &rows, reversed);
            taken.add(rows, reversed);
            break;
        }
        answer.scanned += bytes;
        answer.live_rows += stretch.rows.len() as u64;
        taken.add(stretch.rows, reversed);
        if rows_left(&limits, &taken.rows) == 0 {
            answer.stopped_at = stopped_at(command, key, &taken.rows);
            break;
        }
        match stretch.more {
            None => break,
            Some(bound) if reversed => want.end = bound,
            Some(bound) => want.start = bound,
        }
    }
    taken.put_into(&mut answer, key);
    Ok(Some(answer))
}

/// What was read: the rows, or for a partial what is to be known of them.
struct Taken {
    rows: Rows,
    fold: Option<Box<Fold>>,
}

impl Taken {
    /// The next rows in reading direction.
    fn add(&mut self, rows: Rows, reversed: bool) {
        match &mut self.fold {
            Some(fold) => fold.add(&rows),
            None => self.rows = join(std::mem::take(&mut self.rows), rows, reversed),
        }
    }

    /// Takes in the block at the beginning of `want` by what its statistics tell, if that is enough: how many rows it has.
    fn skip(
        &mut self,
        sstable: &Sstable,
        key: &PartitionKey,
        want: &Slice,
        hint: Hint,
        io: &Io,
    ) -> Result<Option<(u64, ToldBlock)>, Halt> {
        let Some(fold) = self.fold.as_mut().filter(|it| it.takes_partials()) else {
            return Ok(None);
        };
        let Some(block) = sstable.told_block(key, want, hint, io)? else { return Ok(None) };
        let rows = sstable.statistics(&block, io, |it| it.add_to(fold))?.flatten();
        Ok(rows.map(|rows| (rows, block)))
    }

    /// Puts all of it into the answer.
    fn put_into(self, answer: &mut Answer, key: &PartitionKey) {
        let Taken { rows, fold } = self;
        let of = |rows| Partition { rows, ..Partition::empty(key.clone()) };
        match fold {
            Some(mut fold) => {
                fold.end(&of(rows));
                let (partial, digest) = fold.finish(answer.stopped_at.as_ref());
                (answer.partial, answer.scanned_digest) = (Some(partial), digest);
            }
            None if rows.is_empty() => {}
            None => answer.partitions.push(of(rows)),
        }
    }
}

/// Where a partition has something in `slice`.
fn sources<'a>(
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

/// How many rows may still be taken.
fn rows_left(limits: &Limits, rows: &Rows) -> usize {
    let most = limits.rows.min(limits.rows_per_partition);
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
fn bytes_of(rows: &Rows, range: Range<usize>) -> u64 {
    piece::amount_bytes(rows.amount(range).unwrap_or_default()) as u64
}

/// The first rows in reading direction, up to the one with which there are so many bytes.
fn first_of(mut rows: Rows, bytes: u64, reversed: bool) -> Rows {
    let len = rows.len();
    let range = |count: usize| if reversed { len - count..len } else { 0..count };
    let (mut fewer, mut enough) = (0, len);
    while fewer + 1 < enough {
        let middle = fewer.midpoint(enough);
        match bytes <= bytes_of(&rows, range(middle)) {
            true => enough = middle,
            false => fewer = middle,
        }
    }
    if reversed {
        rows.keep_last(enough)
    } else {
        rows.truncate(enough)
    }
    rows
}

/// Where a read has stopped that has as many rows as it may. What ends with its partition's share is complete.
fn stopped_at(command: &Command, key: &PartitionKey, rows: &Rows) -> Option<Position> {
    let is_full = command.limits.rows <= rows.len() as u64;
    if is_full { last_of(key, rows, command.reversed) } else { None }
}

/// The position of the last row in reading direction.
fn last_of(key: &PartitionKey, rows: &Rows, reversed: bool) -> Option<Position> {
    let last = if reversed { rows.views().next() } else { rows.views().next_back() };
    let clustering: Bytes = last?.clustering_key().0;
    Some(Position { key: key.clone(), clustering: Some(clustering) })
}
