//! Chance: one generator, owned or shared, that a seed determines wholly.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rand::rngs::SmallRng;
use rand::{Rng as _, RngCore as _, SeedableRng as _};
use uuid::Uuid;

/// A random generator. Fast, seedable, not for secrets that an attacker may watch being drawn.
#[derive(Debug)]
pub struct Rng(SmallRng);

impl Rng {
    /// The generator that `seed` determines: the same draws in every run of this build.
    pub fn from_seed(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// A generator that the operating system seeds: different in every run.
    pub fn from_os() -> Self {
        Self(SmallRng::from_os_rng())
    }

    /// Any `u64`.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..limit`, evenly. Zero for a `limit` of zero, so that no caller can panic on
    /// an empty range.
    pub fn below(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.0.random_range(0..limit) }
    }

    /// True with this probability; what lies outside `0.0..=1.0` counts as the nearer end, and NaN
    /// as never.
    pub fn chance(&mut self, probability: f64) -> bool {
        // Draw always, so that changing a probability to zero does not shift every later draw.
        self.0.random::<f64>() < probability
    }

    /// Fills `bytes` with random ones.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// A new generator that depends on this one's state, for a part that draws on its own schedule.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::from_seed(self.next_u64())
    }

    /// Puts `items` into random order; every order is equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let chosen = self.0.random_range(0..=last);
            items.swap(last, chosen);
        }
    }

    /// A random (version 4) UUID.
    pub fn uuid_v4(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// One generator behind a lock, for those who cannot own one. A clone shares its state.
#[derive(Clone, Debug)]
pub struct SharedRng(Arc<Mutex<Rng>>);

impl SharedRng {
    /// Shares `rng`.
    pub fn new(rng: Rng) -> Self {
        Self(Arc::new(Mutex::new(rng)))
    }

    /// The shared generator that `seed` determines.
    pub fn from_seed(seed: u64) -> Self {
        Self::new(Rng::from_seed(seed))
    }

    /// Any `u64`.
    pub fn next_u64(&self) -> u64 {
        self.lock().next_u64()
    }

    /// See [`Rng::below`].
    pub fn below(&self, limit: u64) -> u64 {
        self.lock().below(limit)
    }

    /// See [`Rng::chance`].
    pub fn chance(&self, probability: f64) -> bool {
        self.lock().chance(probability)
    }

    /// Fills `bytes` with random ones.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.lock().fill(bytes);
    }

    /// A generator of one's own, seeded from this one.
    #[must_use]
    pub fn fork(&self) -> Rng {
        self.lock().fork()
    }

    /// Puts `items` into random order.
    pub fn shuffle<T>(&self, items: &mut [T]) {
        self.lock().shuffle(items);
    }

    /// A random (version 4) UUID.
    pub fn uuid_v4(&self) -> Uuid {
        self.lock().uuid_v4()
    }

    fn lock(&self) -> MutexGuard<'_, Rng> {
        // A panic between two draws leaves the generator in a state as good as any other.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
