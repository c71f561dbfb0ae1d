//! The short way of a partial: of one partition of which one sstable alone knows, and knows nothing but rows.
//!
//! As the short way of rows, but that these are folded where they lie, and that blocks of which statistics tell enough are not
//! read.

use model::read::{Answer, Command, Fold};
use model::{Partition, PartitionKey, Rows, Slice};

use super::asked::{TOLD_BYTES, limits_of};
use super::straight::{Sources, bytes_of, last_of, sources};
use crate::cache::{Halt, Io};
use crate::piece;
use crate::sstable::{Hint, Sstable, ToldBlock};
use crate::version::Version;

/// As many looks at the statistics of blocks take as long as one at a block.
const TOLD_PER_BLOCK: u32 = 16;

/// The answer, if rows are all there is, and it takes so many blocks at most.
pub(super) fn answer(
    version: &Version,
    command: &Command,
    key: &PartitionKey,
    slice: &Slice,
    mut fold: Box<Fold>,
    io: &Io,
    blocks_max: u32,
) -> Result<Option<Answer>, Halt> {
    let mut answer = Answer::default();
    let sstable = match sources(version, key, slice, io)? {
        Sources::Nowhere => None,
        Sources::One(sstable) => Some(sstable),
        Sources::More => return Ok(None),
    };
    if sstable.is_some() {
        answer.sstables = 1;
        answer.scanned = piece::partition_bytes(key) as u64;
    }
    let scanned_max = limits_of(command).scanned;
    let reversed = command.reversed;
    let mut want = slice.clone();
    let (mut blocks, mut told) = (0, 0);
    let mut hint = Hint::default();
    while let Some(sstable) = sstable
        && want.start < want.end
    {
        if blocks_max <= blocks + told / TOLD_PER_BLOCK {
            return Ok(None);
        }
        // It goes on at the beginning, so whoever reads from the end would leave something out where that ends.
        if !reversed && let Some((rows, block)) = skip(sstable, key, &want, hint, &mut fold, io)? {
            (want.start, hint) = (block.end.clone(), block.next());
            answer.live_rows += rows;
            answer.scanned += TOLD_BYTES;
            told += 1;
            continue;
        }
        blocks += 1;
        let found = sstable.stretch(key, &want, reversed, usize::MAX, hint, io)?;
        let Some((stretch, next)) = found else { return Ok(None) };
        hint = next;
        let mut rows = stretch.rows;
        if !rows.is_empty() && !rows.are_settled(command.now) {
            return Ok(None);
        }
        let left = scanned_max.saturating_sub(answer.scanned);
        let is_more = !rows.is_empty() && left <= bytes_of(&rows, 0..rows.len());
        if is_more {
            rows = first_of(rows, left, reversed);
            answer.stopped_at = last_of(key, &rows, reversed);
        }
        answer.scanned += bytes_of(&rows, 0..rows.len());
        answer.live_rows += rows.len() as u64;
        fold.add(&rows);
        match stretch.more {
            _ if is_more => break,
            None => break,
            Some(bound) if reversed => want.end = bound,
            Some(bound) => want.start = bound,
        }
    }
    fold.end(&Partition::empty(key.clone()));
    let (partial, scanned_digest) = fold.finish(answer.stopped_at.as_ref());
    Ok(Some(Answer { partial: Some(partial), scanned_digest, ..answer }))
}

/// Takes in the block at the beginning of `want` by what its statistics tell, if that is enough: how many rows it has.
fn skip(
    sstable: &Sstable,
    key: &PartitionKey,
    want: &Slice,
    hint: Hint,
    fold: &mut Fold,
    io: &Io,
) -> Result<Option<(u64, ToldBlock)>, Halt> {
    if !fold.takes_partials() {
        return Ok(None);
    }
    let Some(block) = sstable.told_block(key, want, hint, io)? else { return Ok(None) };
    let rows = sstable.statistics(&block, io, |it| it.add_to(fold))?.flatten();
    Ok(rows.map(|rows| (rows, block)))
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
