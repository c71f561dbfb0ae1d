//! One sstable, read from the first byte to the last and held against what it says of itself.

use std::path::Path;

use bytes::Bytes;
use model::{Partition, PartitionKey};
use sys::Disk;

use super::damage::{Damage, Place};
use super::error::Error;
use super::outline::{Outline, damage};
use super::told::Told;
use super::walk::{Step, Walk};
use crate::sstable::block::Fragment;
use crate::sstable::format::{self, Extent, SstableStats};
use crate::sstable::{filter, pages};

/// An sstable of which the outer parts were read: it holds its index and its filter, and later one block at a time.
pub struct Sstable(Outline);

/// What is in an sstable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The first partition.
    pub first: PartitionKey,
    /// The last one.
    pub last: PartitionKey,
    /// How many there are.
    pub partitions: u64,
    /// Rows, without statics.
    pub rows: u64,
    /// Deletions of partitions, ranges, rows, columns and cells.
    pub tombstones: u64,
    /// The oldest write timestamp, microseconds.
    pub timestamp_min: i64,
    /// The newest.
    pub timestamp_max: i64,
    /// When the last of it expires, seconds; `i64::MAX` if something never does, or nobody knows.
    pub expires_max: i64,
    /// When the last of it was deleted, or written to expire, seconds; `i64::MIN` if nothing was, `i64::MAX` if nobody
    /// knows.
    pub deleted_max: i64,
}

/// How many bytes each part of a file takes; nothing of what could not be found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sections {
    /// The whole file.
    pub file: u64,
    /// All blocks, as they lie there, and the pages between them.
    pub blocks: u64,
    /// The pages of the filter of rows alone.
    pub row_filter: u64,
    /// The pages of block statistics alone.
    pub statistics: u64,
    /// The index.
    pub index: u64,
    /// The filter.
    pub filter: u64,
    /// The stats.
    pub stats: u64,
}

/// What is shown of the blocks, one after the other.
pub enum Found<'a> {
    /// What one block holds of one partition.
    Part(Part<'a>),
    /// What cannot be read.
    Damage(&'a Damage),
}

/// The clusterings in `[start, end)` of one partition, from one block. The one that starts at the empty string has the
/// partition's deletion and statics.
pub struct Part<'a> {
    /// Where its block lies.
    pub offset: u64,
    /// Inclusive.
    pub start: &'a Bytes,
    /// Exclusive; `ff` is the end of the partition.
    pub end: &'a Bytes,
    /// What is known of it.
    pub partition: &'a Partition,
}

/// What was found in the blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Sound blocks.
    pub blocks: u64,
    /// What is in them; nothing if there is none.
    pub summary: Option<Summary>,
    /// Places that are damaged, those of the outer parts too.
    pub damaged: u64,
}

impl Counted {
    /// Whether nothing is damaged.
    pub fn is_whole(&self) -> bool {
        self.damaged == 0
    }

    /// Rows that were found.
    pub fn rows(&self) -> u64 {
        self.summary.as_ref().map_or(0, |it| it.rows)
    }

    /// Partitions that were found, in whole or in part.
    pub fn partitions(&self) -> u64 {
        self.summary.as_ref().map_or(0, |it| it.partitions)
    }
}

impl Sstable {
    /// Reads what lies in front of the blocks and behind them. Nothing is written, no lock taken.
    ///
    /// # Errors
    /// Where the file cannot be opened, is of a newer program, or nothing tells its number.
    pub fn open(disk: &dyn Disk, path: &Path) -> Result<Sstable, Error> {
        Outline::read(disk, path).map(Sstable)
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.0.id
    }

    /// Its format version, if the header tells.
    pub fn version(&self) -> Option<u32> {
        self.0.version
    }

    /// Where its bytes go.
    pub fn sections(&self) -> Sections {
        let file = self.0.input.len;
        let Some(footer) = self.0.footer else { return Sections { file, ..Sections::default() } };
        let filters = self.0.filters.as_ref();
        let bytes_of = |pages: &pages::Pages| {
            pages.extents().fold(0_u64, |sum, it| sum.saturating_add(it.bytes))
        };
        Sections {
            file,
            blocks: footer.index.offset - format::HEADER_BYTES,
            row_filter: filters.map_or(0, |it| bytes_of(&it.rows.all)),
            statistics: filters.map_or(0, |it| bytes_of(&it.statistics)),
            index: footer.index.bytes,
            filter: footer.filter.bytes,
            stats: footer.stats.bytes,
        }
    }

    /// What it says is in it, if its stats can be read.
    pub fn summary(&self) -> Option<Summary> {
        self.0.stats.as_ref().map(Summary::of)
    }

    /// What is wrong with its outer parts.
    pub fn damage(&self) -> &[Damage] {
        &self.0.damage
    }

    /// Reads every block, and shows what is in it or wrong with it; at the end what filter and stats say and is not so.
    pub fn read(&self, see: &mut dyn FnMut(Found<'_>)) -> Counted {
        self.read_while(&mut |it| {
            see(it);
            true
        })
    }

    /// As `read`, until it is told that this is enough.
    pub(crate) fn read_while(&self, see: &mut dyn FnMut(Found<'_>) -> bool) -> Counted {
        let mut count = Count { damaged: self.0.damage.len() as u64, ..Count::default() };
        let mut denied = false;
        let filters = self.0.filters.as_ref();
        let mut told = Told::of(&self.0);
        for (at, step) in self.walk().enumerate() {
            let (extent, fragments) = match step {
                Step::Block(extent, fragments) => (extent, fragments),
                Step::Damage(it) => {
                    count.damaged += 1;
                    count.lost |= it.place.holds_rows();
                    if !see(Found::Damage(&it)) {
                        return count.counted();
                    }
                    continue;
                }
            };
            count.blocks += 1;
            told.compare(at, &fragments);
            for it in &fragments {
                count.add(it);
                let hash = filter::hash(&it.part.key);
                denied |= filters.is_some_and(|it| !it.partitions.may_hold(hash));
                let Fragment { start, end, part: partition } = it;
                if !see(Found::Part(Part { offset: extent.offset, start, end, partition })) {
                    return count.counted();
                }
            }
        }
        let pages = filters.into_iter().flat_map(|it| it.rows.all.extents());
        let pages = pages.filter_map(|it| Some((Place::Filter, it, self.0.page(it).err()?)));
        let told = told.wrong().into_iter().map(|(it, what)| (Place::Statistics, it, what));
        for (place, extent, what) in pages.chain(told) {
            count.damaged += 1;
            if !see(Found::Damage(&damage(place, extent, what))) {
                return count.counted();
            }
        }
        let wrong = [
            denied.then_some((Place::Filter, "it denies a partition that is there")),
            count
                .contradicts(&self.0)
                .then_some((Place::Stats, "they are not those of the blocks")),
        ];
        for (place, what) in wrong.into_iter().flatten() {
            count.damaged += 1;
            if !see(Found::Damage(&damage(place, self.extent(place), what))) {
                break;
            }
        }
        count.counted()
    }

    pub(crate) fn walk(&self) -> impl Iterator<Item = Step> {
        Walk::of(&self.0, None)
    }

    pub(super) fn walk_to<'a>(&'a self, key: &'a PartitionKey) -> Walk<'a> {
        Walk::of(&self.0, Some(key))
    }

    fn extent(&self, place: Place) -> Extent {
        let footer = self.0.footer.unwrap_or_default();
        match place {
            Place::Filter => footer.filter,
            Place::Stats => footer.stats,
            Place::Index => footer.index,
            Place::Header | Place::Block | Place::Statistics | Place::Footer | Place::Record => {
                Extent::default()
            }
        }
    }
}

impl Summary {
    fn of(stats: &SstableStats) -> Summary {
        Summary {
            first: stats.first.clone(),
            last: stats.last.clone(),
            partitions: stats.partitions,
            rows: stats.rows,
            tombstones: stats.tombstones,
            timestamp_min: stats.timestamp_min,
            timestamp_max: stats.timestamp_max,
            expires_max: stats.expires_max,
            deleted_max: stats.deleted_max,
        }
    }
}

/// Counts what a writer counts.
#[derive(Default)]
struct Count {
    blocks: u64,
    damaged: u64,
    /// Some block is missing: what the stats say more is no wonder.
    lost: bool,
    stats: Option<SstableStats>,
}

impl Count {
    fn counted(&self) -> Counted {
        let summary = self.stats.as_ref().map(Summary::of);
        Counted { blocks: self.blocks, summary, damaged: self.damaged }
    }

    fn add(&mut self, it: &Fragment) {
        let key = &it.part.key;
        // Own bytes: the block that they are slices of goes.
        let own = || PartitionKey { token: key.token, bytes: Bytes::copy_from_slice(&key.bytes) };
        let stats = self.stats.get_or_insert_with(|| SstableStats::none(own()));
        if stats.partitions == 0 || stats.last != *key {
            stats.partitions += 1;
            stats.last = own();
        }
        stats.count(&it.part);
        let has_head = it.part.deletion.is_some() || !it.part.static_row.is_empty();
        if let Some(layout) = &mut stats.layout {
            layout.heads += u64::from(has_head);
            layout.count(&it.part);
        }
    }

    /// Whether the file's stats say something else, though all blocks are there.
    fn contradicts(&self, outline: &Outline) -> bool {
        let (Some(said), false) = (&outline.stats, self.lost) else { return false };
        let Some(counted) = &self.stats else { return true };
        let mut counted = counted.clone();
        // What earlier versions do not know, nobody can hold against them.
        if said.layout.is_none() {
            counted.layout = None;
        }
        if said.layout.is_none() && said.deleted_max == i64::MAX {
            (counted.expires_max, counted.deleted_max) = (said.expires_max, said.deleted_max);
        }
        counted != *said
    }
}
