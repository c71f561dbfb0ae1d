//! Bytes in flight, counted before they are held.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// The limit is reached: nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{wanted} bytes asked for, {used} of {max} in flight")]
pub struct Full {
    /// What was asked for.
    pub wanted: u64,
    /// What was taken already.
    pub used: u64,
    /// The limit.
    pub max: u64,
}

/// A budget of bytes. A clone is the same budget.
#[derive(Clone, Debug)]
pub struct InFlight {
    used: Arc<AtomicU64>,
    max: u64,
}

/// Bytes taken from a budget; dropping them gives them back.
#[derive(Debug)]
pub struct Permit {
    from: InFlight,
    bytes: u64,
}

impl InFlight {
    /// A budget of `max` bytes.
    pub fn new(max: u64) -> InFlight {
        InFlight { used: Arc::default(), max }
    }

    /// Takes `bytes`.
    ///
    /// # Errors
    /// When the budget does not have them left.
    pub fn take(&self, bytes: u64) -> Result<Permit, Full> {
        self.add(bytes)?;
        Ok(Permit { from: self.clone(), bytes })
    }

    /// What is taken right now.
    pub fn bytes(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    fn add(&self, bytes: u64) -> Result<(), Full> {
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.max);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .map(drop)
            .map_err(|used| Full { wanted: bytes, used, max: self.max })
    }
}

impl Permit {
    /// Takes `bytes` more.
    ///
    /// # Errors
    /// When the budget does not have them left; what was held stays held.
    pub fn grow(&mut self, bytes: u64) -> Result<(), Full> {
        self.from.add(bytes)?;
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.from.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
