//! Decoded blocks in memory, and how a read gets at those that are not.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quick_cache::sync::Cache as QuickCache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use smallvec::SmallVec;
use sys::hash::SeededState;

use crate::Error;
use crate::shelf::{Held, Lines, Shared, Shelf};
use crate::sstable::block::Block;
use crate::sstable::block::packed::Packed;
use crate::sstable::statistics::Page;
use crate::stats::{Counters, count};

/// An sstable and the number of a block in it.
pub(crate) type BlockId = (u64, u32);

/// Why a look at a source went no further.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The block is not in memory, and this look may not wait for the disk. Nothing changed.
    Miss,
    /// The disk failed, or what it holds is wrong.
    Failed(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Halt {
        Halt::Failed(error)
    }
}

/// The number of a block or a page among those of its kind. The other bits tell which kind that is.
const NUMBER: u32 = (1 << 30) - 1;

/// A kind of what the cache keeps of sstables.
pub(crate) trait Kind: Shared {
    /// A bit of its own in the number, or none.
    const BIT: u32;

    /// Memory taken, bytes, about.
    fn bytes(&self) -> u64;

    fn kept(shelf: Arc<Shelf<Self>>, it: Self) -> Kept
    where
        Self: Sized;
}

impl Kind for Held {
    const BIT: u32 = 0;

    fn bytes(&self) -> u64 {
        Held::bytes(self)
    }

    fn kept(shelf: Arc<Shelf>, it: Held) -> Kept {
        Kept::Block(shelf, it)
    }
}

/// Pages of the filter of rows.
impl Kind for Lines {
    const BIT: u32 = 1 << 31;

    fn bytes(&self) -> u64 {
        size_of_val(&**self) as u64
    }

    fn kept(shelf: Arc<Shelf<Lines>>, it: Lines) -> Kept {
        Kept::Filter(shelf, it)
    }
}

/// Pages of block statistics.
impl Kind for Arc<Page> {
    const BIT: u32 = 1 << 30;

    fn bytes(&self) -> u64 {
        Page::bytes(self)
    }

    fn kept(shelf: Arc<Shelf<Arc<Page>>>, it: Arc<Page>) -> Kept {
        Kept::Statistics(shelf, it)
    }
}

/// A block or a page that may be in memory: of which sstable, and where it is found.
pub(crate) struct Place<'a, T = Held> {
    /// The number under which the sstable is in the cache.
    pub(crate) sstable: u64,
    /// Its own, below 2^30.
    pub(crate) at: u32,
    pub(crate) shelf: &'a Arc<Shelf<T>>,
}

impl<T> Clone for Place<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Place<'_, T> {}

impl<T: Kind> Place<'_, T> {
    fn id(&self) -> BlockId {
        (self.sstable, self.at | T::BIT)
    }
}

/// What the cache keeps, and where readers find it.
#[derive(Clone)]
pub(crate) enum Kept {
    Block(Arc<Shelf>, Held),
    Filter(Arc<Shelf<Lines>>, Lines),
    Statistics(Arc<Shelf<Arc<Page>>>, Arc<Page>),
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<BlockId, Kept> for ByBytes {
    fn weight(&self, _id: &BlockId, kept: &Kept) -> u64 {
        match kept {
            Kept::Block(_, block) => Kind::bytes(block).max(1),
            Kept::Filter(_, page) => Kind::bytes(page),
            Kept::Statistics(_, page) => Kind::bytes(page),
        }
    }
}

/// Tells the cache what was used, and clears slots.
#[derive(Clone)]
struct Clearing;

impl Lifecycle<BlockId, Kept> for Clearing {
    /// Blocks are given back when the cache is not locked any more.
    type RequestState = SmallVec<[Kept; 2]>;

    /// Nothing is. But whoever asks is the hand of the clock that decides what goes: the next use is a first one again, of which
    /// the cache hears.
    fn is_pinned(&self, (_, at): &BlockId, kept: &Kept) -> bool {
        match kept {
            Kept::Block(shelf, _) => shelf.forget_use(at & NUMBER),
            Kept::Filter(shelf, _) => shelf.forget_use(at & NUMBER),
            Kept::Statistics(shelf, _) => shelf.forget_use(at & NUMBER),
        }
        false
    }

    /// Also of a block that another has replaced: that is in the slot by then.
    fn on_evict(&self, given_up: &mut Self::RequestState, (_, at): BlockId, kept: Kept) {
        match &kept {
            Kept::Block(shelf, block) => shelf.clear(at & NUMBER, block),
            Kept::Filter(shelf, page) => shelf.clear(at & NUMBER, page),
            Kept::Statistics(shelf, page) => shelf.clear(at & NUMBER, page),
        }
        given_up.push(kept);
    }
}

/// Blocks in memory, bytes, from which on new ones lie in huge pages: below, a node takes little memory and the processor
/// finds its way among few pages.
const HUGE_PAGES_FROM: u64 = 8 << 20;

/// One in so many bytes is for blocks of one new sstable of which nobody has asked for one.
const WARM_SHARE: u64 = 4;

/// Decoded blocks that go back to what they were read from when another comes and there is no room.
const PACKED_AT_ONCE: usize = 2;

/// A file that takes one in so many bytes of the cache, or less, may lie there with its texts decoded.
const SMALL_SHARE: u64 = 4;

/// The block cache, within its budget.
pub(crate) struct Cache {
    blocks: QuickCache<BlockId, Kept, ByBytes, SeededState, Clearing>,
    is_large: AtomicBool,
    counters: Arc<Counters>,
}

impl Cache {
    pub(crate) fn new(bytes: u64, counters: Arc<Counters>) -> Cache {
        // A decoded block is about as large as what it was cut from.
        const BLOCK_BYTES: u64 = 16 << 10;
        let mut options = OptionsBuilder::new();
        options
            .estimated_items_capacity((bytes / BLOCK_BYTES).max(16) as usize)
            .weight_capacity(bytes)
            // Sharding must not depend on the machine's cores: a simulation evicts alike everywhere.
            .shards(if bytes < 64 << 20 { 1 } else { 16 });
        let hash = SeededState::default();
        let blocks = match options.build() {
            Ok(options) => QuickCache::with_options(options, ByBytes, hash, Clearing),
            Err(_) => QuickCache::with(16, bytes, ByBytes, hash, Clearing),
        };
        Cache { blocks, is_large: AtomicBool::new(false), counters }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.blocks.weight()
    }

    fn get(&self, place: Place<'_>) -> Option<Held> {
        let (block, is_first_use) = place.shelf.get(place.at)?;
        if is_first_use {
            self.was_used(&place.id());
        }
        Some(block)
    }

    fn look<T: Kind, R>(&self, place: Place<'_, T>, look: impl FnOnce(&T) -> R) -> Option<R> {
        let (seen, is_first_use) = place.shelf.with(place.at, look)?;
        if is_first_use {
            self.was_used(&place.id());
        }
        Some(seen)
    }

    /// The first of any number of uses, so it counts as two: the hand takes one when it moves a block among those that are used
    /// again and again, and only the next time says that it came by.
    fn was_used(&self, id: &BlockId) {
        drop(self.blocks.get(id));
        drop(self.blocks.get(id));
    }

    /// Bytes that one new sstable may have here before anybody has asked for its blocks.
    pub(crate) fn warm_bytes(&self) -> u64 {
        self.blocks.capacity() / WARM_SHARE
    }

    /// Takes a block in that was just read: as it was read where decoded ones would drive out others.
    pub(crate) fn take_in(&self, place: Place<'_>, block: &Arc<Block>) {
        if self.has_room_for(block.bytes()) {
            self.insert(place, Held::Decoded(Arc::clone(block)));
            return;
        }
        let packed = |it: &Block| it.packed().map(|it| Held::Packed(Arc::new(it)));
        self.insert(place, packed(block).unwrap_or_else(|| Held::Decoded(Arc::clone(block))));
        // Whatever was decoded while there was room goes the same way, if nobody has used it lately.
        for _ in 0..PACKED_AT_ONCE {
            let Some((at, block)) = place.shelf.next_idle() else { return };
            if let Some(packed) = packed(&block) {
                self.insert(Place { at, ..place }, packed);
            }
        }
    }

    /// Takes a block or a page in, in the place of another if there is one.
    fn insert<T: Kind>(&self, place: Place<'_, T>, it: T) {
        place.shelf.put(place.at, it.clone());
        self.blocks.insert(place.id(), T::kept(Arc::clone(place.shelf), it));
        if !self.is_large.load(Ordering::Relaxed) && HUGE_PAGES_FROM <= self.bytes() {
            self.is_large.store(true, Ordering::Relaxed);
            sys::memory::use_huge_pages();
        }
    }

    /// Gives up the blocks or the pages of an sstable, of which nobody will ask again.
    pub(crate) fn forget<T: Kind>(&self, sstable: u64, shelf: &Shelf<T>) {
        for (at, it) in shelf.blocks() {
            drop(self.blocks.remove(&(sstable, at | T::BIT)));
            shelf.clear(at, &it);
        }
    }

    /// Whether some of it stays free with so many bytes more.
    fn has_room_for(&self, bytes: u64) -> bool {
        self.blocks.weight() + bytes <= self.blocks.capacity() / 8 * 7
    }

    /// Whether half of it stays free with so many bytes more.
    fn has_much_room_for(&self, bytes: u64) -> bool {
        self.blocks.weight() + bytes <= self.blocks.capacity() / 2
    }
}

/// The last block that a reader used of each sstable: it is decoded once however small the cache, and however
/// many tiny partitions share it.
#[derive(Debug, Default)]
pub(crate) struct Recent(RefCell<Blocks>);

#[derive(Debug, Default)]
struct Blocks {
    /// Most reads look into one sstable.
    first: Option<(BlockId, Arc<Block>)>,
    others: Vec<(BlockId, Arc<Block>)>,
}

impl Recent {
    fn get(&self, id: BlockId) -> Option<Arc<Block>> {
        let Blocks { first, others } = &*self.0.borrow();
        let mut recent = first.iter().chain(others);
        recent.find(|it| it.0 == id).map(|(_, block)| Arc::clone(block))
    }

    fn put(&self, id: BlockId, block: &Arc<Block>) {
        let Blocks { first, others } = &mut *self.0.borrow_mut();
        let block = (id, Arc::clone(block));
        if first.as_ref().is_none_or(|it| it.0.0 == id.0) {
            *first = Some(block);
            return;
        }
        match others.iter_mut().find(|it| it.0.0 == id.0) {
            Some(last) => *last = block,
            None => others.push(block),
        }
    }
}

/// How a look at sstables may use cache and disk.
#[derive(Clone, Copy)]
pub(crate) struct Io<'a> {
    cache: &'a Cache,
    recent: &'a Recent,
    may_wait: bool,
    /// What it has read, and decoded.
    keeps: bool,
}

impl<'a> Io<'a> {
    /// From memory only.
    pub(crate) fn cached(cache: &'a Cache, recent: &'a Recent) -> Io<'a> {
        Io { cache, recent, may_wait: false, keeps: true }
    }

    /// From the disk where it must; what it reads is kept.
    pub(crate) fn waiting(cache: &'a Cache, recent: &'a Recent) -> Io<'a> {
        Io { cache, recent, may_wait: true, keeps: true }
    }

    /// From the disk; a compaction reads each block once, and must not drive out what readers use.
    pub(crate) fn passing(cache: &'a Cache, recent: &'a Recent) -> Io<'a> {
        Io { cache, recent, may_wait: true, keeps: false }
    }

    /// Whether it may go to the disk.
    pub(crate) fn may_wait(&self) -> bool {
        self.may_wait
    }

    /// Whether what is read is written again.
    pub(crate) fn writes_again(&self) -> bool {
        !self.keeps
    }

    /// Hears that so many rows of a block were read. Texts that are decoded for good take half as much again: where memory
    /// is short, it is better to have more blocks.
    pub(crate) fn was_read(&self, place: Place<'_>, block: &Block, rows: usize) {
        if self.keeps
            && block.wants_decoding(rows)
            && self.cache.has_much_room_for(2 * block.bytes())
            && let Some(decoded) = block.decoded(false)
        {
            block.was_replaced();
            self.keep(place, &Arc::new(decoded));
        }
    }

    /// A block for whoever goes over all partitions of a file of so many bytes: with texts decoded, and for a compaction with their
    /// codes. Those stay of a small file: of a large one they would drive out what others use.
    pub(crate) fn whole(&self, place: Place<'_>, block: Arc<Block>, bytes: u64) -> Arc<Block> {
        let Some(decoded) = block.decoded(!self.keeps) else { return block };
        let decoded = Arc::new(decoded);
        let is_small = bytes <= self.cache.blocks.capacity() / SMALL_SHARE;
        match self.keeps && is_small && self.cache.has_much_room_for(2 * block.bytes()) {
            true => self.keep(place, &decoded),
            false => self.recent.put(place.id(), &decoded),
        }
        decoded
    }

    pub(crate) fn keep(&self, place: Place<'_>, block: &Arc<Block>) {
        self.recent.put(place.id(), block);
        self.cache.insert(place, Held::Decoded(Arc::clone(block)));
    }

    /// Hears that a row was made of a block as it was read.
    pub(crate) fn made_row(&self, place: Place<'_>, packed: &Packed) {
        if packed.wants_decoding() && self.may_keep(packed) {
            self.decode(place, packed);
        }
    }

    /// All of a block that is in memory as it was read, which stays so where memory is short. `None` if it is not what it was any
    /// more.
    fn decode(&self, place: Place<'_>, packed: &Packed) -> Option<Arc<Block>> {
        let block = Arc::new(packed.decode().ok()?);
        if self.may_keep(packed) {
            self.cache.insert(place, Held::Decoded(Arc::clone(&block)));
        }
        Some(block)
    }

    /// Whether a block may stay that was decoded.
    fn may_keep(&self, packed: &Packed) -> bool {
        self.keeps && self.cache.has_room_for(packed.decoded_bytes())
    }

    /// What `look` sees in a page that somebody may have made.
    pub(crate) fn made_page<R>(
        &self,
        place: Place<'_, Lines>,
        look: impl Fn(&[u64]) -> R,
    ) -> Option<R> {
        self.cache.look(place, |page| look(page))
    }

    /// Keeps a page that was made of a block.
    pub(crate) fn keep_page(&self, place: Place<'_, Lines>, make: impl FnOnce() -> Lines) {
        if self.keeps {
            self.cache.insert(place, make());
        }
    }

    /// What `look` sees in a page, which `read` reads from the disk.
    pub(crate) fn page<T: Kind, R>(
        &self,
        place: Place<'_, T>,
        mut look: impl FnMut(&T) -> R,
        read: impl FnOnce() -> Result<T, Error>,
    ) -> Result<R, Halt> {
        if let Some(seen) = self.cache.look(place, &mut look) {
            return Ok(seen);
        }
        if !self.may_wait {
            return Err(Halt::Miss);
        }
        count(&self.cache.counters.cache_misses);
        let page = read()?;
        let seen = look(&page);
        if self.keeps {
            self.cache.insert(place, page);
        }
        Ok(seen)
    }

    /// The block there, which `read` reads from the disk.
    pub(crate) fn block(
        &self,
        place: Place<'_>,
        read: impl FnOnce() -> Result<Block, Error>,
    ) -> Result<Arc<Block>, Halt> {
        self.open(place, self.held(place), read)
    }

    /// The block there, if it is in memory.
    #[inline]
    pub(crate) fn held(&self, place: Place<'_>) -> Option<Held> {
        if let Some(block) = self.recent.get(place.id()) {
            return Some(Held::Decoded(block));
        }
        let held = self.cache.get(place)?;
        count(&self.cache.counters.cache_hits);
        if let Held::Decoded(block) = &held {
            self.recent.put(place.id(), block);
        }
        Some(held)
    }

    /// The block there as readers want it: what is held, or what `read` reads from the disk.
    pub(crate) fn open(
        &self,
        place: Place<'_>,
        held: Option<Held>,
        read: impl FnOnce() -> Result<Block, Error>,
    ) -> Result<Arc<Block>, Halt> {
        let block = match held {
            Some(Held::Decoded(block)) => return Ok(block),
            Some(Held::Packed(packed)) => self.decode(place, &packed),
            None => None,
        };
        let block = match block {
            Some(block) => block,
            None if self.may_wait => {
                count(&self.cache.counters.cache_misses);
                let block = Arc::new(read()?);
                if self.keeps {
                    self.cache.take_in(place, &block);
                }
                block
            }
            None => return Err(Halt::Miss),
        };
        self.recent.put(place.id(), &block);
        Ok(block)
    }
}
