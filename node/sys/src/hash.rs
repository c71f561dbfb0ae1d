//! Hash maps that are cheap, hard to flood from outside, and ordered alike in two runs of one seed.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use foldhash::SharedSeed;
use foldhash::fast::{FoldHasher, SeedableRandomState};

/// Std's hash map with the process's seed. Iterate one only where the order cannot show.
pub type HashMap<K, V> = std::collections::HashMap<K, V, SeededState>;

/// Std's hash set with the process's seed.
pub type HashSet<K> = std::collections::HashSet<K, SeededState>;

/// What every map made from now on is seeded with.
static SEED: AtomicU64 = AtomicU64::new(0);

/// Seeds every map made from now on. Production calls it once at start with a random seed, so that
/// nobody outside can aim at one bucket; a simulation leaves it alone, or sets it before the first
/// map. Each different seed costs some dozens of bytes for the life of the process.
pub fn set_hash_seed(seed: u64) {
    SEED.store(seed, Ordering::Relaxed);
}

/// Builds the hashers of [`HashMap`]. Its default takes the process's seed.
#[derive(Clone, Debug)]
pub struct SeededState(SeedableRandomState);

impl SeededState {
    /// A state with a seed of its own, whatever the process's is.
    pub fn with_seed(seed: u64) -> Self {
        Self(SeedableRandomState::with_seed(seed, multipliers(seed)))
    }
}

impl Default for SeededState {
    fn default() -> Self {
        Self::with_seed(SEED.load(Ordering::Relaxed))
    }
}

impl BuildHasher for SeededState {
    type Hasher = FoldHasher<'static>;

    fn build_hasher(&self) -> Self::Hasher {
        self.0.build_hasher()
    }
}

/// The words that the hash multiplies with, as `seed` determines them. Whoever knows them can make
/// keys that collide under any starting value, so they are seeded too.
fn multipliers(seed: u64) -> &'static SharedSeed {
    type Known = Option<(u64, &'static SharedSeed)>;
    thread_local! {
        /// The seed asked for last: nearly always the only one.
        static LAST: Cell<Known> = const { Cell::new(None) };
    }
    static ALL: Mutex<BTreeMap<u64, &'static SharedSeed>> = Mutex::new(BTreeMap::new());

    if let Some((_, words)) = LAST.get().filter(|(known, _)| *known == seed) {
        return words;
    }
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let words = *all.entry(seed).or_insert_with(|| Box::leak(Box::new(SharedSeed::from_u64(seed))));
    LAST.set(Some((seed, words)));
    words
}
