//! Memtables: what was written and is not in an sstable yet.
//!
//! A memtable is sharded by token, each shard behind a lock of its own that is held for one mutation or
//! for one look-up, never for a read. A partition is a [`Run`](run::Run): a reader takes a shared
//! snapshot of it, so it sees each mutation whole or not at all, and never holds up a writer. Rows stay in the
//! bytes that they were written in until somebody asks for them ([`entry`]).

mod entry;
mod leaf;
pub(crate) mod run;

use std::hint::black_box;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use model::written::Place;
use model::{Partition, PartitionKey, Token};
use sys::HashMap;

use crate::commitlog::Position;
use crate::piece;
use crate::prefix::Prefix;
pub(crate) use entry::Copied;
use entry::Entry;
use run::Run;

/// Shards: as many as the bits of a word tell apart, so that those with nothing in them are not looked into.
const SHARDS: usize = u64::BITS as usize;

/// One byte is lost for so many where an allocator rounds sizes up, and where pages are not full. So measured with lists of rows
/// that grow: a process holds more than that, but some of it is for the next memtable.
const LOST_SHARE: usize = 6;

/// What a partition takes in its shard.
const SLOT_BYTES: usize = (size_of::<(Token, Slot)>() + size_of::<Token>()) * 3 / 2;

/// One table's writes since the last freeze.
#[derive(Debug)]
pub(crate) struct Memtable {
    /// Everything below was in an older memtable or is in sstables.
    pub(crate) begins: Position,
    shards: Box<[RwLock<Shard>]>,
    /// A bit for each shard that holds something.
    occupied: AtomicU64,
    bytes: AtomicU64,
    timestamp_min: AtomicI64,
    /// Whether the log holds, or is about to hold, something that is only here.
    logged: AtomicBool,
}

/// Some of the partitions.
#[derive(Debug, Default)]
struct Shard {
    slots: HashMap<Token, Slot>,
    /// The keys of `slots`. Put in order when somebody goes over them: a write only looks one up.
    tokens: Vec<Token>,
    /// So many of `tokens` are in order.
    ordered: usize,
}

/// The partitions of one token, by their keys: nearly always one.
#[derive(Debug)]
struct Slot {
    first: Arc<Run>,
    others: Vec<Arc<Run>>,
}

/// A change to one partition.
pub(crate) enum Change<'a> {
    /// The rows of an encoded mutation that was looked over: at these places in their bytes.
    Rows { token: Token, key: &'a [u8], rows: Copied, places: &'a [Place], timestamp_min: i64 },
    /// Anything, with how many bytes the mutation takes that its values lie in.
    Any { partition: Partition, bytes: usize },
}

impl Memtable {
    pub(crate) fn new(begins: Position) -> Memtable {
        Memtable {
            begins,
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            occupied: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            timestamp_min: AtomicI64::new(i64::MAX),
            logged: AtomicBool::new(false),
        }
    }

    /// Says, before a record is appended to the log, that this memtable will need it.
    pub(crate) fn set_logged(&self) {
        self.logged.store(true, Ordering::SeqCst);
    }

    /// Whether the log is needed for what is in here.
    pub(crate) fn is_logged(&self) -> bool {
        self.logged.load(Ordering::SeqCst)
    }

    /// Merges a change in. Returns by how many bytes the memtable grew.
    pub(crate) fn apply(&self, change: Change<'_>) -> u64 {
        // Before the data is there to be seen: a compaction must not forget a tombstone above it. Seldom: what is changed
        // here is taken away from whoever reads beside it.
        let oldest = change.timestamp_min();
        if oldest < self.timestamp_min() {
            self.timestamp_min.fetch_min(oldest, Ordering::Relaxed);
        }
        let mut grown = change.bytes();
        let token = change.token();
        let number = shard_of(token);
        let mut shard = self.shards[number].write().unwrap_or_else(PoisonError::into_inner);
        match shard.get_mut(token, change.key()) {
            Some(run) => {
                // Copies the list of leaves, and the last one, only while a reader holds the run.
                let run = Arc::make_mut(run);
                let before = run.bytes();
                change.put_into(run);
                grown += run.bytes() - before;
            }
            None => {
                let bytes = Bytes::copy_from_slice(change.key());
                let mut run = Run::new(PartitionKey { token, bytes });
                change.put_into(&mut run);
                grown += run.bytes() + SLOT_BYTES;
                shard.insert(Arc::new(run));
                self.occupied.fetch_or(1 << number, Ordering::Release);
            }
        }
        drop(shard);
        grown += grown / LOST_SHARE;
        self.bytes.fetch_add(grown as u64, Ordering::Relaxed);
        grown as u64
    }

    /// Looks at what writes to partitions of these tokens will change. Partitions lie anywhere: where many are written one
    /// after the other, it costs a fraction to have looked at all of them first, for the processor fetches what it needs of
    /// many at once.
    pub(crate) fn touch(&self, tokens: &[Token]) {
        let shards = tokens.iter().fold(0_u64, |all, it| all | 1 << shard_of(*it));
        // In ascending order, and nobody holds one who asks for a lower one.
        let held = (0..SHARDS).filter(|it| shards >> it & 1 == 1);
        let held = held.map(|it| self.shards[it].read().unwrap_or_else(PoisonError::into_inner));
        let held: Vec<_> = held.collect();
        let shard = |token: Token| {
            let below = (1_u64 << shard_of(token)) - 1;
            &held[(shards & below).count_ones() as usize]
        };
        // Pass by pass, so that what is fetched for one does not wait for what is fetched for another.
        let slots = tokens.iter().filter_map(|it| shard(*it).slots.get(it));
        let runs: Vec<&Run> = slots.map(|it| &*it.first).collect();
        black_box(runs.iter().fold(0, |all, it| all ^ it.last_len()));
        black_box(runs.iter().fold(Prefix::default(), |last, it| last.max(it.last_prefix())));
    }

    /// The partition as it is now.
    pub(crate) fn get(&self, key: &PartitionKey) -> Option<Arc<Run>> {
        let shard = &self.shards[shard_of(key.token)];
        shard.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// The first partition that is at or behind `from`.
    pub(crate) fn next(&self, from: Bound<&PartitionKey>) -> Option<Arc<Run>> {
        let first = match from {
            Bound::Included(key) | Bound::Excluded(key) => shard_of(key.token),
            Bound::Unbounded => 0,
        };
        let mut occupied = self.occupied.load(Ordering::Acquire) & (u64::MAX << first);
        while occupied != 0 {
            let number = occupied.trailing_zeros() as usize;
            let next = self.ordered(number, |shard| shard.next(from).cloned());
            if next.is_some() {
                return next;
            }
            occupied &= occupied - 1;
        }
        None
    }

    /// Looks into a shard whose tokens are in order.
    fn ordered<T>(&self, number: usize, look: impl Fn(&Shard) -> T) -> T {
        let shard = self.shards[number].read().unwrap_or_else(PoisonError::into_inner);
        if shard.ordered == shard.tokens.len() {
            return look(&shard);
        }
        drop(shard);
        let mut shard = self.shards[number].write().unwrap_or_else(PoisonError::into_inner);
        // Finds that most of them are in order already.
        shard.tokens.sort();
        shard.ordered = shard.tokens.len();
        look(&shard)
    }

    /// Memory taken, bytes, about.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Nothing was ever applied.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// The oldest timestamp in it, microseconds; `i64::MAX` when empty.
    pub(crate) fn timestamp_min(&self) -> i64 {
        self.timestamp_min.load(Ordering::Relaxed)
    }
}

impl Change<'_> {
    fn key(&self) -> &[u8] {
        match self {
            Change::Rows { key, .. } => key,
            Change::Any { partition, .. } => &partition.key.bytes,
        }
    }

    fn token(&self) -> Token {
        match self {
            Change::Rows { token, .. } => *token,
            Change::Any { partition, .. } => partition.key.token,
        }
    }

    fn timestamp_min(&self) -> i64 {
        match self {
            Change::Rows { timestamp_min, .. } => *timestamp_min,
            Change::Any { partition, .. } => piece::timestamp_min(partition),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Change::Rows { rows, .. } => rows.bytes(),
            Change::Any { bytes, .. } => *bytes,
        }
    }

    fn put_into(self, run: &mut Run) {
        match self {
            Change::Any { partition, .. } => run.merge(partition),
            Change::Rows { rows, places, .. } => {
                let Some((last, places)) = places.split_last() else { return };
                places.iter().for_each(|it| run.put(Entry::written(&rows, *it)));
                run.put(Entry::written_last(rows, *last));
            }
        }
    }
}

impl Shard {
    fn get(&self, key: &PartitionKey) -> Option<&Arc<Run>> {
        self.slots.get(&key.token)?.runs().find(|it| it.is_of(&key.bytes))
    }

    fn get_mut(&mut self, token: Token, key: &[u8]) -> Option<&mut Arc<Run>> {
        let Slot { first, others } = self.slots.get_mut(&token)?;
        std::iter::once(first).chain(others).find(|it| it.is_of(key))
    }

    fn insert(&mut self, run: Arc<Run>) {
        let token = run.key().token;
        match self.slots.get_mut(&token) {
            None => {
                self.slots.insert(token, Slot { first: run, others: Vec::new() });
                let is_next = self.ordered == self.tokens.len()
                    && self.tokens.last().is_none_or(|last| *last < token);
                self.tokens.push(token);
                self.ordered += usize::from(is_next);
            }
            Some(slot) => {
                slot.others.push(run);
                slot.others.sort_by(|left, right| left.key().cmp(right.key()));
                if slot.others[0].key() < slot.first.key() {
                    std::mem::swap(&mut slot.first, &mut slot.others[0]);
                }
            }
        }
    }

    /// Of a shard whose tokens are in order.
    fn next(&self, from: Bound<&PartitionKey>) -> Option<&Arc<Run>> {
        let first = match from {
            Bound::Included(key) | Bound::Excluded(key) => {
                self.tokens.partition_point(|it| *it < key.token)
            }
            Bound::Unbounded => 0,
        };
        let slots = self.tokens[first..].iter().filter_map(|it| self.slots.get(it));
        slots.flat_map(Slot::runs).find(|it| match from {
            Bound::Included(key) => key <= it.key(),
            Bound::Excluded(key) => key < it.key(),
            Bound::Unbounded => true,
        })
    }
}

impl Slot {
    fn runs(&self) -> impl Iterator<Item = &Arc<Run>> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

/// Tokens are evenly spread, so their top bits are; shards are in token order.
fn shard_of(token: Token) -> usize {
    (token.position() >> (u64::BITS - SHARDS.trailing_zeros())) as usize
}

#[cfg(test)]
mod tests;
