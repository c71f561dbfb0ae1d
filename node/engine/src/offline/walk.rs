//! From block to block of an sstable: by its index, or by the blocks themselves when that is gone.
//!
//! ```text
//!   by the index     block │ ▒▒▒▒▒ │ block │ block │ index        what is bad is stepped over: its bounds are known
//!   without          block │ ▒▒▒▒▒▒▒▒▒▒▒▒▒ │ block │ ……           the next that is good is looked for, byte by byte
//! ```
//!
//! Without index and footer nothing says where blocks end: the first sound section that is no block does.

use std::collections::VecDeque;

use bytes::Bytes;
use model::PartitionKey;
use model::codec::Malformed;

use super::boundary::{Finder, Wrapped, unwrap};
use super::damage::{At, Between, Damage, Place};
use super::outline::{Entries, Outline, damage};
use crate::piece;
use crate::sstable::block::Fragment;
use crate::sstable::format::{self, Extent, FOOTER_BYTES, HEADER_BYTES, IndexEntry};
use crate::sstable::symbols::FileSymbols;
use crate::sstable::{row_filter, statistics};

/// Behind the blocks: index, filter, stats.
const SECTIONS: u32 = 3;

/// What comes next in a file.
pub(crate) enum Step {
    /// A sound block.
    Block(Extent, Vec<Fragment>),
    /// What is not.
    Damage(Damage),
}

/// The blocks of a file, in order.
pub(super) struct Walk<'a> {
    outline: &'a Outline,
    way: Way<'a>,
    /// The one partition that is wanted: with an index, blocks that cannot hold it are not read.
    only: Option<&'a PartitionKey>,
    /// Where the last sound block ended.
    last: Option<At>,
    /// What was found at once with what was answered.
    next: VecDeque<Step>,
    symbols: FileSymbols,
}

enum Way<'a> {
    Index { entries: Entries, next: Option<IndexEntry> },
    Search { finder: Finder<'a>, at: u64, sections: u32 },
}

impl<'a> Walk<'a> {
    pub(super) fn of(outline: &'a Outline, only: Option<&'a PartitionKey>) -> Walk<'a> {
        let entries = outline.index.clone().and_then(|it| Entries::of(it).ok());
        let way = match entries {
            Some(mut entries) => {
                let next = entries.next().and_then(Result::ok);
                Way::Index { entries, next }
            }
            None => {
                let finder = Finder::new(&outline.input, outline.id);
                Way::Search { finder, at: HEADER_BYTES, sections: 0 }
            }
        };
        Walk { outline, way, only, last: None, next: VecDeque::new(), symbols: FileSymbols::new() }
    }

    fn step(&mut self) -> Option<Step> {
        match &mut self.way {
            Way::Index { entries, next } => {
                let at = |it: &IndexEntry| At { key: it.key.clone(), clustering: it.start.clone() };
                loop {
                    let entry = next.take()?;
                    *next = entries.next().and_then(Result::ok);
                    let to = next.as_ref().map(at);
                    if self.only.is_none_or(|key| may_hold(&entry, to.as_ref(), key)) {
                        return Some(self.by_index(entry, to));
                    }
                }
            }
            Way::Search { .. } => self.by_search(),
        }
    }

    /// The block of an entry. Another begins at `to`.
    fn by_index(&mut self, entry: IndexEntry, to: Option<At>) -> Step {
        let IndexEntry { key, start, extent } = entry;
        let from = At { key, clustering: start };
        let raw = self.outline.input.read(extent);
        let raw =
            raw.and_then(|it| unwrap(it, self.outline.id, extent.offset).map_err(str::to_owned));
        let block = raw.and_then(|it| self.sound(it)).and_then(|fragments| {
            let begins = fragments.first().is_some_and(|it| at_start(it) == from);
            begins.then_some(fragments).ok_or_else(|| "it is not the one of the index".to_owned())
        });
        match block {
            Ok(fragments) => self.block(extent, fragments),
            Err(what) => {
                let to = to.or_else(|| self.end());
                let between = Some(Between { from: Some(from), to });
                Step::Damage(Damage { between, ..damage(Place::Block, extent, what) })
            }
        }
    }

    /// Looks for the next block, and for what lies between.
    fn by_search(&mut self) -> Option<Step> {
        let (end, has_footer) = (self.outline.blocks_end(), self.outline.footer.is_some());
        while self.next.is_empty() {
            let Way::Search { finder, at, sections } = &mut self.way else { return None };
            let (begin, is_behind, no_more) = (*at, *sections > 0, *sections == SECTIONS);
            // Behind the last section lies the footer, of which is known that it is bad.
            if end <= begin || (is_behind && begin + FOOTER_BYTES == end) {
                return None;
            }
            let found = finder.at(begin, end).or_else(|| finder.after(begin + 1, end));
            let Some(Wrapped { extent, raw }) = found else {
                *at = end;
                let gap = Extent { offset: begin, bytes: end - begin };
                return Some(self.lost(gap, self.end(), is_behind));
            };
            *at = extent.offset + extent.bytes;
            let is_page = !is_behind
                && (row_filter::decode(&raw).is_ok()
                    || statistics::Page::decode(raw.clone()).is_ok());
            let block = self.sound(raw);
            let gap = Extent { offset: begin, bytes: extent.offset - begin };
            if gap.bytes > 0 {
                let to = block.as_ref().ok().and_then(|it| it.first()).map(at_start);
                self.next.push_back(self.lost(gap, to, is_behind));
            }
            match block {
                // It lies between blocks, and says nothing that they do not.
                Err(_) if is_page => {}
                Ok(fragments) => {
                    let block = self.block(extent, fragments);
                    self.next.push_back(block);
                }
                Err(what) if has_footer || no_more => {
                    self.next.push_back(Step::Damage(damage(Place::Block, extent, what)));
                }
                // A section: it is sound, and no block.
                Err(_) => self.behind(),
            }
        }
        self.next.pop_front()
    }

    fn behind(&mut self) {
        if let Way::Search { sections, .. } = &mut self.way {
            *sections += 1;
        }
    }

    fn block(&mut self, extent: Extent, fragments: Vec<Fragment>) -> Step {
        if let Some(it) = fragments.last() {
            // Own bytes: the block that they are slices of goes.
            let key = PartitionKey { token: it.part.key.token, bytes: own(&it.part.key.bytes) };
            self.last = Some(At { key, clustering: own(&it.end) });
        }
        Step::Block(extent, fragments)
    }

    fn lost(&self, extent: Extent, to: Option<At>, is_behind: bool) -> Step {
        if is_behind {
            let what = "a section that no checksum says is whole";
            return Step::Damage(damage(Place::Index, extent, what));
        }
        let between = Some(Between { from: self.last.clone(), to });
        let what = "no checksum of a block fits";
        Step::Damage(Damage { between, ..damage(Place::Block, extent, what) })
    }

    /// Where the sstable ends, if its stats are there to tell.
    fn end(&self) -> Option<At> {
        let stats = self.outline.stats.as_ref()?;
        Some(At { key: stats.last.clone(), clustering: piece::top() })
    }

    /// The fragments of a raw block, if they are what a writer writes behind what was read before.
    fn sound(&self, raw: Bytes) -> Result<Vec<Fragment>, String> {
        let text = |it: Malformed| it.to_string();
        let symbols = &self.symbols;
        let block = match self.outline.version {
            Some(version) => format::block(version, raw, symbols),
            // Blocks of versions 2 to 4 are as those of 5 that have no symbols.
            None => format::block(format::VERSION, raw.clone(), symbols)
                .or_else(|_| format::block(1, raw, symbols)),
        };
        let fragments = block.map_err(text)?.into_fragments();
        if fragments.is_empty() {
            return Err("it has no fragments".into());
        }
        let mut last = self.last.as_ref().map(|it| (&it.key, &it.clustering));
        for it in &fragments {
            let follows = match last {
                Some((key, end)) if *key == it.part.key => *end <= it.start,
                Some((key, _)) => *key < it.part.key,
                None => true,
            };
            if !follows {
                return Err("its partitions are not in order".into());
            }
            if !is_sound(it) {
                return Err("its rows are not in order".into());
            }
            last = Some((&it.part.key, &it.end));
        }
        Ok(fragments)
    }
}

impl Iterator for Walk<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        match self.next.pop_front() {
            Some(step) => Some(step),
            None => self.step(),
        }
    }
}

/// Whether a fragment is in normal form, all of it in its interval, and what is of the whole partition in the first one.
fn is_sound(it: &Fragment) -> bool {
    let Fragment { start, end, part } = it;
    let has_head = part.deletion.is_some() || !part.static_row.is_empty();
    let rows = (part.rows.first(), part.rows.last());
    let ranges = (part.range_tombstones.first(), part.range_tombstones.last());
    start < end
        && *end <= piece::top()
        && (start.is_empty() || !has_head)
        && rows.0.is_none_or(|(first, _)| *start <= first.0)
        && rows.1.is_none_or(|(last, _)| last.0 < *end)
        && ranges.0.is_none_or(|first| *start <= first.start)
        && ranges.1.is_none_or(|last| last.end <= *end)
        && part.is_normal()
}

/// Whether the partition may have something in the block of `entry`, behind which another begins at `to`.
fn may_hold(entry: &IndexEntry, to: Option<&At>, key: &PartitionKey) -> bool {
    let first = At { key: key.clone(), clustering: Bytes::new() };
    entry.key <= *key && to.is_none_or(|it| first < *it)
}

fn at_start(it: &Fragment) -> At {
    At { key: it.part.key.clone(), clustering: it.start.clone() }
}

fn own(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
