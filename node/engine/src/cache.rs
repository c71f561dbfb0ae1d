//! Decoded blocks in memory, and how a read gets at those that are not.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quick_cache::sync::Cache as QuickCache;
use quick_cache::{Lifecycle, OptionsBuilder, Weighter};
use smallvec::SmallVec;
use sys::hash::SeededState;

use crate::Error;
use crate::shelf::Shelf;
use crate::sstable::block::Block;
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

/// A block that may be in memory: its name, and where it is found.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) id: BlockId,
    pub(crate) shelf: &'a Arc<Shelf>,
}

/// A block that the cache keeps, and where readers find it.
#[derive(Clone)]
struct Kept {
    shelf: Arc<Shelf>,
    block: Arc<Block>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<BlockId, Kept> for ByBytes {
    fn weight(&self, _id: &BlockId, kept: &Kept) -> u64 {
        kept.block.bytes().max(1)
    }
}

/// Tells the cache what was used, and clears slots.
#[derive(Clone)]
struct Clearing;

impl Lifecycle<BlockId, Kept> for Clearing {
    /// Blocks are given back when the cache is not locked any more.
    type RequestState = SmallVec<[Arc<Block>; 2]>;

    /// What was used since the last time stays for now. Readers ask the cache itself only for the first of many uses.
    fn is_pinned(&self, id: &BlockId, kept: &Kept) -> bool {
        kept.shelf.take_used(id.1)
    }

    /// Also of a block that another has replaced: that is in the slot by then.
    fn on_evict(&self, given_up: &mut Self::RequestState, id: BlockId, kept: Kept) {
        kept.shelf.clear(id.1, &kept.block);
        given_up.push(kept.block);
    }
}

/// Blocks in memory, bytes, from which on new ones lie in huge pages: below, a node takes little memory and the processor
/// finds its way among few pages.
const HUGE_PAGES_FROM: u64 = 8 << 20;

/// One in so many bytes is for blocks of one new sstable of which nobody has asked for one.
const WARM_SHARE: u64 = 4;

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

    fn get(&self, place: Place<'_>) -> Option<Arc<Block>> {
        let (block, is_first_use) = place.shelf.get(place.id.1)?;
        if is_first_use {
            drop(self.blocks.get(&place.id));
        }
        Some(block)
    }

    /// Bytes that one new sstable may have here before anybody has asked for its blocks.
    pub(crate) fn warm_bytes(&self) -> u64 {
        self.blocks.capacity() / WARM_SHARE
    }

    /// Takes a block in, in the place of another if there is one.
    pub(crate) fn insert(&self, place: Place<'_>, block: &Arc<Block>) {
        place.shelf.put(place.id.1, Arc::clone(block));
        let kept = Kept { shelf: Arc::clone(place.shelf), block: Arc::clone(block) };
        self.blocks.insert(place.id, kept);
        if !self.is_large.load(Ordering::Relaxed) && HUGE_PAGES_FROM <= self.bytes() {
            self.is_large.store(true, Ordering::Relaxed);
            sys::memory::use_huge_pages();
        }
    }

    /// Gives up the blocks of an sstable, `cached_as` that number, of which nobody will ask again.
    pub(crate) fn forget(&self, cached_as: u64, shelf: &Shelf) {
        for (at, block) in shelf.blocks() {
            drop(self.blocks.remove(&(cached_as, at)));
            shelf.clear(at, &block);
        }
    }

    /// Whether half of it stays free with so many bytes more.
    fn has_room_for(&self, bytes: u64) -> bool {
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
            && self.cache.has_room_for(2 * block.bytes())
            && let Some(decoded) = block.decoded(false)
        {
            block.was_replaced();
            self.keep(place, &Arc::new(decoded));
        }
    }

    /// A block for whoever goes over all partitions in it: with texts decoded, and for a compaction with their codes.
    pub(crate) fn whole(&self, place: Place<'_>, block: Arc<Block>) -> Arc<Block> {
        let Some(decoded) = block.decoded(!self.keeps) else { return block };
        let decoded = Arc::new(decoded);
        match self.keeps && self.cache.has_room_for(2 * block.bytes()) {
            true => self.keep(place, &decoded),
            false => self.recent.put(place.id, &decoded),
        }
        decoded
    }

    pub(crate) fn keep(&self, place: Place<'_>, block: &Arc<Block>) {
        self.recent.put(place.id, block);
        self.cache.insert(place, block);
    }

    /// The block there, which `read` reads from the disk.
    pub(crate) fn block(
        &self,
        place: Place<'_>,
        read: impl FnOnce() -> Result<Block, Error>,
    ) -> Result<Arc<Block>, Halt> {
        if let Some(block) = self.recent.get(place.id) {
            return Ok(block);
        }
        let block = match self.cache.get(place) {
            Some(block) => {
                count(&self.cache.counters.cache_hits);
                block
            }
            None if self.may_wait => {
                count(&self.cache.counters.cache_misses);
                let block = Arc::new(read()?);
                if self.keeps {
                    self.cache.insert(place, &block);
                }
                block
            }
            None => return Err(Halt::Miss),
        };
        self.recent.put(place.id, &block);
        Ok(block)
    }
}
