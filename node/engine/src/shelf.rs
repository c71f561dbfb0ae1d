//! Which blocks of one sstable are in memory, by their number.
//!
//! The cache decides which blocks stay. Where a reader finds one is its slot here: no search, and one place of memory to wait
//! for where a map has four.
//!
//! ```text
//!   cache   (sstable 7, block 2) · (sstable 9, block 0) · …      weights, and who was asked for last
//!                    |                      |
//!   shelves 7  [ · , · , block , · ]     9  [ block , · ]
//! ```
//!
//! Invariant: what is in a slot is in the cache, or is about to be: whoever puts it there tells the cache next. What
//! the cache gives up is cleared here. The other way round a slot may be empty for a while; then the block is read again.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::sstable::block::Block;
use crate::sstable::block::packed::Packed;

/// What many hold: whoever takes it away knows it from another that came in its place.
pub(crate) trait Shared: Clone {
    /// Whether both are the very same.
    fn is_same(&self, other: &Self) -> bool;
}

/// The lines of a page of a filter.
pub(crate) type Lines = Arc<[u64]>;

impl Shared for Lines {
    fn is_same(&self, other: &Lines) -> bool {
        Arc::ptr_eq(self, other)
    }
}

/// A block in memory.
#[derive(Clone, Debug)]
pub(crate) enum Held {
    /// As readers want it.
    Decoded(Arc<Block>),
    /// As it was read: several of these take as much memory.
    Packed(Arc<Packed>),
}

impl Held {
    /// Memory taken, bytes, about.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Held::Decoded(it) => it.bytes(),
            Held::Packed(it) => it.bytes(),
        }
    }
}

impl Shared for Held {
    fn is_same(&self, other: &Held) -> bool {
        match (self, other) {
            (Held::Decoded(it), Held::Decoded(other)) => Arc::ptr_eq(it, other),
            (Held::Packed(it), Held::Packed(other)) => Arc::ptr_eq(it, other),
            (Held::Decoded(_), Held::Packed(_)) | (Held::Packed(_), Held::Decoded(_)) => false,
        }
    }
}

/// The slots of one sstable: of its blocks, or of the pages of its filter.
#[derive(Debug)]
pub(crate) struct Shelf<T = Held> {
    slots: Box<[Slot<T>]>,
    /// Where `next_idle` looks next.
    hand: AtomicU32,
}

/// Slots that are looked at for one that is idle.
const IDLE_LOOKS: usize = 16;

#[derive(Debug)]
struct Slot<T> {
    block: RwLock<Option<T>>,
    /// Somebody has used it since the cache looked last.
    was_used: AtomicBool,
}

impl<T> Slot<T> {
    fn is_taken(&self) -> bool {
        self.block.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl<T: Shared> Shelf<T> {
    /// Of an sstable of so many blocks, of which none is in memory.
    pub(crate) fn new(blocks: usize) -> Shelf<T> {
        let slot = |_| Slot { block: RwLock::new(None), was_used: AtomicBool::new(false) };
        Shelf { slots: (0..blocks).map(slot).collect(), hand: AtomicU32::new(0) }
    }

    /// Block `at`, if it is in memory, and whether nobody has used it since the cache looked last.
    pub(crate) fn get(&self, at: u32) -> Option<(T, bool)> {
        self.with(at, T::clone)
    }

    /// As `get`, for whoever needs no more than a look.
    #[inline]
    pub(crate) fn with<R>(&self, at: u32, look: impl FnOnce(&T) -> R) -> Option<(R, bool)> {
        let slot = self.slot(at)?;
        let seen = slot.block.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(look)?;
        // Mostly it is set: then the line stays with all processors.
        let is_first = !slot.was_used.load(Ordering::Relaxed);
        if is_first {
            slot.was_used.store(true, Ordering::Relaxed);
        }
        Some((seen, is_first))
    }

    /// Whether block `at` is in memory.
    pub(crate) fn holds(&self, at: u32) -> bool {
        self.slot(at).is_some_and(Slot::is_taken)
    }

    /// Whether block `at` has a slot, and is not in memory.
    pub(crate) fn lacks(&self, at: u32) -> bool {
        self.slot(at).is_some_and(|it| !it.is_taken())
    }

    /// All that are in memory, with their numbers.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = (u32, T)> {
        let block = |it: &Slot<T>| it.block.read().unwrap_or_else(PoisonError::into_inner).clone();
        (0..).zip(&self.slots).filter_map(move |(at, slot)| Some((at, block(slot)?)))
    }

    /// Puts block `at` where readers find it.
    pub(crate) fn put(&self, at: u32, block: T) {
        let Some(slot) = self.slot(at) else { return };
        let mut place = slot.block.write().unwrap_or_else(PoisonError::into_inner);
        let before = place.replace(block);
        drop(place);
        drop(before);
    }

    /// Takes `block` out, if it is still in its slot.
    pub(crate) fn clear(&self, at: u32, block: &T) {
        let Some(slot) = self.slot(at) else { return };
        let mut place = slot.block.write().unwrap_or_else(PoisonError::into_inner);
        place.take_if(|it| it.is_same(block));
    }

    /// The next use of block `at` is a first one.
    pub(crate) fn forget_use(&self, at: u32) {
        if let Some(slot) = self.slot(at) {
            slot.was_used.store(false, Ordering::Relaxed);
        }
    }

    fn slot(&self, at: u32) -> Option<&Slot<T>> {
        self.slots.get(at as usize)
    }
}

impl Shelf {
    /// A decoded block that nobody has used since the cache looked last, with its number, if there is one among the next few.
    pub(crate) fn next_idle(&self) -> Option<(u32, Arc<Block>)> {
        (0..IDLE_LOOKS.min(self.slots.len())).find_map(|_| {
            let at = self.hand.fetch_add(1, Ordering::Relaxed) % self.slots.len() as u32;
            let slot = self.slot(at).filter(|it| !it.was_used.load(Ordering::Relaxed))?;
            match &*slot.block.read().unwrap_or_else(PoisonError::into_inner) {
                Some(Held::Decoded(block)) => Some((at, Arc::clone(block))),
                Some(Held::Packed(_)) | None => None,
            }
        })
    }
}

#[cfg(test)]
mod tests;
