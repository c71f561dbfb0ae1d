//! Decoded blocks in memory, and how a read gets at those that are not.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quick_cache::sync::{Cache as QuickCache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};
use sys::hash::SeededState;

use crate::Error;
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

#[derive(Clone)]
struct ByBytes;

impl Weighter<BlockId, Arc<Block>> for ByBytes {
    fn weight(&self, _id: &BlockId, block: &Arc<Block>) -> u64 {
        block.bytes().max(1)
    }
}

/// Blocks in memory, bytes, from which on new ones lie in huge pages: below, a node takes little memory and the processor
/// finds its way among few pages.
const HUGE_PAGES_FROM: u64 = 8 << 20;

/// The block cache, within its budget.
pub(crate) struct Cache {
    blocks: QuickCache<BlockId, Arc<Block>, ByBytes, SeededState>,
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
        let blocks = match options.build() {
            Ok(options) => QuickCache::with_options(
                options,
                ByBytes,
                SeededState::default(),
                DefaultLifecycle::default(),
            ),
            Err(_) => QuickCache::with(
                16,
                bytes,
                ByBytes,
                SeededState::default(),
                DefaultLifecycle::default(),
            ),
        };
        Cache { blocks, is_large: AtomicBool::new(false), counters }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.blocks.weight()
    }

    fn insert(&self, id: BlockId, block: &Arc<Block>) {
        self.blocks.insert(id, Arc::clone(block));
        if !self.is_large.load(Ordering::Relaxed) && HUGE_PAGES_FROM <= self.bytes() {
            self.is_large.store(true, Ordering::Relaxed);
            sys::memory::use_huge_pages();
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

    /// Hears that so many rows of block `id` were read. Texts that are decoded for good take half as much again: where memory
    /// is short, it is better to have more blocks.
    pub(crate) fn was_read(&self, id: BlockId, block: &Block, rows: usize) {
        if self.keeps
            && block.wants_decoding(rows)
            && self.cache.has_room_for(2 * block.bytes())
            && let Some(decoded) = block.decoded(false)
        {
            block.was_replaced();
            self.keep(id, &Arc::new(decoded));
        }
    }

    /// Block `id` for whoever goes over all partitions in it: with texts decoded, and for a compaction with their codes.
    pub(crate) fn whole(&self, id: BlockId, block: Arc<Block>) -> Arc<Block> {
        let Some(decoded) = block.decoded(!self.keeps) else { return block };
        let decoded = Arc::new(decoded);
        match self.keeps && self.cache.has_room_for(2 * block.bytes()) {
            true => self.keep(id, &decoded),
            false => self.recent.put(id, &decoded),
        }
        decoded
    }

    fn keep(&self, id: BlockId, block: &Arc<Block>) {
        self.recent.put(id, block);
        self.cache.insert(id, block);
    }

    /// The block `id`, which `read` reads from the disk.
    pub(crate) fn block(
        &self,
        id: BlockId,
        read: impl FnOnce() -> Result<Block, Error>,
    ) -> Result<Arc<Block>, Halt> {
        if let Some(block) = self.recent.get(id) {
            return Ok(block);
        }
        let block = match self.cache.blocks.get(&id) {
            Some(block) => {
                count(&self.cache.counters.cache_hits);
                block
            }
            None if self.may_wait => {
                count(&self.cache.counters.cache_misses);
                let block = Arc::new(read()?);
                if self.keeps {
                    self.cache.insert(id, &block);
                }
                block
            }
            None => return Err(Halt::Miss),
        };
        self.recent.put(id, &block);
        Ok(block)
    }
}
