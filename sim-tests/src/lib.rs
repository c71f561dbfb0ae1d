//! A cluster in one thread, from one seed.
//!
//! The same node library and the same client as in production, on simulated seams: turmoil's
//! network, disks that lose power, clocks that are wrong, and a nemesis. See README.md.
//!
//! In reading order:

pub mod scenario;

pub mod run;

pub mod nemesis;
pub mod world;

pub mod load;

pub mod judge;

pub mod check;
pub mod history;

pub mod clock;
pub mod host;
pub mod http2;
pub mod net;
pub mod wire;

pub mod seeds;
pub mod trace;

use std::sync::{Arc, Mutex, PoisonError};

/// What must not have happened, and did. A clone is the same list.
#[derive(Clone, Debug, Default)]
pub struct Violations(Arc<Mutex<Vec<String>>>);

impl Violations {
    /// One more.
    pub fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(what.into());
    }

    /// Some more.
    pub fn extend(&self, what: impl IntoIterator<Item = String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(what);
    }

    /// All so far.
    pub fn list(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
