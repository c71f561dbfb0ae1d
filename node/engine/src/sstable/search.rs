//! Where in an sstable a partition's rows lie: by the index, and by filters that say where they do not.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use model::key::bottom;
use model::{Partition, PartitionKey, Rows, Slice, Token};

use super::block::packed::{self, Packed};
use super::block::{Block, Stretch};
use super::format::Extent;
use super::index::Upto;
use super::row_filter::{self, PageOf, Seen};
use super::statistics::Statistics;
use super::{Map, Sstable, filter, format, read_exact, statistics};
use crate::Error;
use crate::cache::{Halt, Io, Place};
use crate::piece::{self, Piece};
use crate::shelf::{Held, Lines};

/// Where something of a partition is.
enum Found {
    Here(Spot),
    /// The partition is not here.
    Nowhere,
    /// The partition may be here, the row that is wanted is not.
    NoRow,
    /// The row that is wanted, and nothing covers it.
    Row(Rows),
}

/// Which block a search probably leads to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hint(Option<usize>);

/// Where a fragment lies.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    /// Number of its block.
    at: usize,
    block: Arc<Block>,
    part: usize,
}

impl Spot {
    /// Of what partition it is.
    pub(crate) fn key(&self) -> PartitionKey {
        self.block.key(self.part)
    }

    /// Where on the ring that lies.
    fn token(&self) -> Token {
        self.block.token(self.part)
    }

    /// Partition deletion and statics, if there are any and the partition begins here.
    pub(crate) fn head(&self) -> Option<Partition> {
        self.block.head(self.part)
    }

    /// The block in which the partition probably goes on in the direction of reading.
    fn hint(&self, reversed: bool) -> Hint {
        Hint(match (self.block.is_outermost(self.part, reversed), reversed) {
            (false, _) => None,
            (true, true) => self.at.checked_sub(1),
            (true, false) => self.at.checked_add(1),
        })
    }
}

/// A block of one partition of which statistics tell, probably.
pub(crate) struct ToldBlock {
    at: usize,
    /// Where it ends.
    pub(crate) end: Bytes,
}

impl ToldBlock {
    /// The block in which the partition goes on.
    pub(crate) fn next(&self) -> Hint {
        Hint(Some(self.at + 1))
    }
}

/// Blocks that need not be read, if a page of statistics is read for it.
const SPARED_MIN: usize = 4;

impl Sstable {
    /// Where the partition begins; `None` if it is not here.
    pub(crate) fn begin(&self, key: &PartitionKey, io: &Io) -> Result<Option<Spot>, Halt> {
        let want = Slice { start: bottom(), end: piece::top() };
        Ok(match self.find(key, &want, false, Hint::default(), io)? {
            Found::Here(spot) => Some(spot),
            // Nobody told of one row: all are wanted.
            Found::Nowhere | Found::NoRow | Found::Row(_) => None,
        })
    }

    /// What is known of the clusterings at the near end of `want`: at most `rows_max` rows. `None` if the partition is not
    /// here. `near` is where something of it was found last, and becomes where this was.
    pub(crate) fn piece(
        &self,
        key: &PartitionKey,
        want: &Slice,
        reversed: bool,
        rows_max: usize,
        near: &mut Option<Spot>,
        io: &Io,
    ) -> Result<Option<Piece>, Halt> {
        let is_there = |it: &Spot| it.block.is_near_end_of(it.part, want, reversed);
        if !near.as_ref().is_some_and(is_there) {
            let goes_on = |it: &&Spot| it.block.ends_where(it.part, want, reversed);
            let hint = near.as_ref().filter(goes_on).map(|it| it.hint(reversed));
            let hint = hint.unwrap_or_default();
            *near = match self.find(key, want, reversed, hint, io)? {
                Found::Here(spot) => Some(spot),
                Found::Nowhere => None,
                Found::NoRow => return Ok(Some(Piece::nothing(key, want))),
                Found::Row(rows) => {
                    let mut piece = Piece::nothing(key, want);
                    piece.part.rows = rows;
                    return Ok(Some(piece));
                }
            };
        }
        let Some(spot) = near else { return Ok(None) };
        let piece = spot.block.piece(key, spot.part, want, reversed, rows_max, io.writes_again());
        self.was_read(spot, piece.part.rows.len(), want, io);
        Ok(Some(piece))
    }

    /// As `piece`, of rows alone: `None` if that is not all there is. With a hint for what is wanted behind
    /// these.
    pub(crate) fn stretch(
        &self,
        key: &PartitionKey,
        want: &Slice,
        reversed: bool,
        rows_max: usize,
        hint: Hint,
        io: &Io,
    ) -> Result<Option<(Stretch, Hint)>, Halt> {
        let alone = |rows| Ok(Some((Stretch { rows, more: None }, Hint::default())));
        let found = match self.find(key, want, reversed, hint, io)? {
            Found::Here(found) => found,
            Found::Row(row) => return alone(row),
            Found::Nowhere | Found::NoRow => return alone(Rows::default()),
        };
        let stretch = found.block.stretch(found.part, want, reversed, rows_max);
        self.was_read(&found, stretch.as_ref().map_or(0, |it| it.rows.len()), want, io);
        Ok(stretch.map(|it| (it, found.hint(reversed))))
    }

    /// The fragment at the near end of `want`.
    fn find(
        &self,
        key: &PartitionKey,
        want: &Slice,
        reversed: bool,
        hint: Hint,
        io: &Io,
    ) -> Result<Found, Halt> {
        let map = self.mapped(io)?;
        let index = &map.index;
        // Forward: up to the fragment that holds the first clustering. Backward: up to the last one that begins
        // below the end.
        let (bound, upto) = match reversed {
            false => (&want.start, Upto::Including),
            true => (&want.end, Upto::Excluding),
        };
        let last = |count: usize| count.checked_sub(1);
        let probable = match hint {
            Hint(Some(at)) if at < index.len() => Some(at),
            Hint(_) => index.probable_count(key.token, bound, upto).and_then(last),
        };
        if let (Some(at), Some(row)) = (probable, want.as_row())
            && map.rows.is_worth_a_look()
            && !self.may_hold_row(map, at, key, row, io)?
        {
            map.rows.has_seen(Seen::No);
            return Ok(Found::NoRow);
        }
        if let Some(at) = probable {
            let held = io.held(self.place(map, at));
            if let Some(Held::Packed(packed)) = &held
                && let Some(row) = want.as_row()
                && let Ok(found) = packed.row(key, row)
                && let Some(found) = self.made(map, at, packed, found, io)
            {
                return Ok(found);
            }
            let block = io.open(self.place(map, at), held, || self.read_block(map, at))?;
            if !reversed {
                // Mostly for one row, of which a search and then all columns are looked at.
                block.touch();
            }
            if let Some(part) = block.part_of(key, bound, upto) {
                return Ok(Found::Here(Spot { at, block, part }));
            }
        }
        let Some(at) = last(index.count(key, bound, upto)).filter(|it| Some(*it) != probable)
        else {
            return Ok(Found::Nowhere);
        };
        let block = self.block(at, io)?;
        let part = block.part_of(key, bound, upto);
        Ok(part.map_or(Found::Nowhere, |part| Found::Here(Spot { at, block, part })))
    }

    /// Where the first partition begins that is at or behind `from`.
    pub(crate) fn first(&self, from: Bound<&PartitionKey>, io: &Io) -> Result<Option<Spot>, Halt> {
        let is_behind = match from {
            Bound::Included(from) => self.stats.last < *from,
            Bound::Excluded(from) => self.stats.last <= *from,
            Bound::Unbounded => false,
        };
        if is_behind {
            return Ok(None);
        }
        let index = &self.mapped(io)?.index;
        let at = match from {
            Bound::Included(from) => index.blocks_of(from).start,
            Bound::Excluded(from) => index.blocks_of(from).end,
            Bound::Unbounded => 0,
        };
        // It begins with block `at`, or inside of the one before.
        let begins_there = matches!(from, Bound::Included(key) if index.begins_with(at, key));
        if let Some(before) = at.checked_sub(1).filter(|_| !begins_there)
            && let Some(spot) = self.first_in(before, from, io)?
        {
            return Ok(Some(spot));
        }
        self.first_in(at, from, io)
    }

    /// Where the partition begins that follows the one at `last`.
    pub(crate) fn after(&self, last: &Spot, io: &Io) -> Result<Option<Spot>, Halt> {
        let next = last.part + 1;
        // Mostly the very next one, here or in the next block.
        if next < last.block.len() && last.block.token(next) != last.token() {
            return Ok(Some(Spot { part: next, ..last.clone() }));
        }
        let index = &self.mapped(io)?.index;
        if next == last.block.len() && index.token(last.at + 1) != Some(last.token()) {
            return self.first_in(last.at + 1, Bound::Unbounded, io);
        }
        self.first(Bound::Excluded(&last.key()), io)
    }

    /// The first fragment of block `at` that is not before `from`, if there is such a block.
    fn first_in(
        &self,
        at: usize,
        from: Bound<&PartitionKey>,
        io: &Io,
    ) -> Result<Option<Spot>, Halt> {
        let map = self.mapped(io)?;
        if map.index.len() <= at {
            return Ok(None);
        }
        let block = io.whole(self.place(map, at), self.block(at, io)?, self.bytes);
        let part = block.first_not_before(from);
        Ok((part < block.len()).then_some(Spot { at, block, part }))
    }

    /// `false` if there is neither the row nor a range tombstone in block `at`, in which it would be.
    fn may_hold_row(
        &self,
        map: &Map,
        at: usize,
        key: &PartitionKey,
        row: &[u8],
        io: &Io,
    ) -> Result<bool, Halt> {
        let hash = row_filter::hash(filter::hash(key), row);
        let may_hold = |page: &[u64]| row_filter::may_hold(page, hash);
        let (page, extent) = match map.rows.page_of(at) {
            PageOf::Written(page, extent) => (page, extent),
            PageOf::Made(page) => {
                return Ok(io.made_page(self.page_place(map, page), may_hold).unwrap_or(true));
            }
        };
        let read = || {
            let raw = self.read_page(extent)?;
            row_filter::decode(&raw)
                .map_err(|it| Error::corrupt(&self.path, extent.offset, format!("a filter: {it}")))
        };
        io.page(self.page_place(map, page), |page: &Lines| may_hold(page), read)
    }

    fn read_page(&self, extent: Extent) -> Result<Bytes, Error> {
        let bytes = read_exact(&*self.file, &self.path, extent)?;
        format::unwrap(bytes, self.id, extent.offset)
            .map_err(|it| Error::corrupt(&self.path, extent.offset, format!("a page: {it}")))
    }

    /// The block that begins where `want` does and ends in it, if it has statistics that are worth a look.
    pub(crate) fn told_block(
        &self,
        key: &PartitionKey,
        want: &Slice,
        hint: Hint,
        io: &Io,
    ) -> Result<Option<ToldBlock>, Halt> {
        let Map { index, statistics, .. } = self.mapped(io)?;
        if statistics.is_empty() {
            return Ok(None);
        }
        let last = || index.count(key, &want.start, Upto::Including).checked_sub(1);
        let Some(at) = hint.0.or_else(last) else { return Ok(None) };
        let Some((page, _)) = statistics.page_of(at) else { return Ok(None) };
        let begins = |at: usize| (at < index.len()).then(|| index.begins(at));
        let is_begin = begins(at).is_some_and(|it| it.0 == *key && it.1 == want.start);
        let next = begins(at + 1).filter(|it| it.0 == *key);
        let end = next.map_or_else(piece::top, |it| it.1);
        if !is_begin || want.end < end {
            return Ok(None);
        }
        let are_enough = || SPARED_MIN <= index.count(key, &want.end, Upto::Excluding) - at;
        let is_worth_it = statistics.shelf.holds(page) || are_enough();
        Ok(is_worth_it.then_some(ToldBlock { at, end }))
    }

    /// What `look` sees in the statistics of a block, if it has any.
    pub(crate) fn statistics<R>(
        &self,
        block: &ToldBlock,
        io: &Io,
        look: impl FnOnce(&Statistics) -> R,
    ) -> Result<Option<R>, Halt> {
        let statistics = &self.mapped(io)?.statistics;
        let Some((page, extent)) = statistics.page_of(block.at) else { return Ok(None) };
        let read = || {
            let malformed = |it| Error::corrupt(&self.path, extent.offset, format!("{it}"));
            statistics::Page::decode(self.read_page(extent)?).map(Arc::new).map_err(malformed)
        };
        let (at, mut look) = (block.at - statistics.first_of(page), Some(look));
        let see = |page: &Arc<statistics::Page>| {
            let it = page.0.get(at)?.as_ref()?;
            look.take().map(|look| look(it))
        };
        let place = Place { sstable: self.cached_as, at: page, shelf: &statistics.shelf };
        io.page(place, see, read)
    }

    /// What was told of a row without the others of its block, if that is enough.
    fn made(
        &self,
        map: &Map,
        at: usize,
        packed: &Packed,
        found: packed::Found,
        io: &Io,
    ) -> Option<Found> {
        let (seen, found) = match found {
            packed::Found::Row(row) => (Seen::Row, Found::Row(row)),
            packed::Found::Nothing => (Seen::NoRow, Found::NoRow),
            packed::Found::Unclear => return None,
        };
        map.rows.has_seen(seen);
        io.made_row(self.place(map, at), packed);
        Some(found)
    }

    fn page_place<'a>(&self, map: &'a Map, page: u32) -> Place<'a, Lines> {
        Place { sstable: self.cached_as, at: page, shelf: &map.rows.shelf }
    }

    /// Tells that so many rows of `want` were read there.
    fn was_read(&self, spot: &Spot, rows: usize, want: &Slice, io: &Io) {
        let Some(map) = self.map.get() else { return };
        if want.as_row().is_some() {
            map.rows.has_seen(if rows > 0 { Seen::Row } else { Seen::NoRow });
            if rows == 0
                && let Some(page) = map.rows.wanted(spot.at)
                && let Some(hashes) = spot.block.row_hashes()
            {
                io.keep_page(self.page_place(map, page), || row_filter::made(&hashes));
            }
        }
        if spot.block.is_coded() {
            io.was_read(self.place(map, spot.at), &spot.block, rows);
        }
    }
}
