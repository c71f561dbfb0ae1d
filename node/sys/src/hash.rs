//! Hash maps that are cheap, hard to flood from outside, and ordered alike in two runs of one seed.

#[cfg(test)]
mod tests;

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::{FixedState, FoldHasher};

/// Std's hash map with the process's seed. Iterate one only where the order cannot show.
pub type HashMap<K, V> = std::collections::HashMap<K, V, SeededState>;

/// Std's hash set with the process's seed.
pub type HashSet<K> = std::collections::HashSet<K, SeededState>;

/// What every map made from now on is seeded with.
static SEED: AtomicU64 = AtomicU64::new(0);

/// Seeds every map made from now on. Production calls it once at start with a random seed, so that
/// nobody outside can aim at one bucket; a simulation leaves it alone, or sets it before the first
/// map.
pub fn set_hash_seed(seed: u64) {
    SEED.store(seed, Ordering::Relaxed);
}

/// Builds the hashers of [`HashMap`]. Its default takes the process's seed.
#[derive(Clone, Debug)]
pub struct SeededState(FixedState);

impl SeededState {
    /// A state with a seed of its own, whatever the process's is.
    pub fn with_seed(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
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
