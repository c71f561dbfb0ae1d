//! Everything that can be seen of a run, as one number and as a story.
//!
//! Two runs of one seed must come to the same number: it covers every byte on the network with
//! its time, what every client was answered and when, every fault, and the state of every disk
//! and generator at the end.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3Default;

use crate::clock::now;

/// Lines that are kept for whoever reads a failure: all of a usual run.
const LINES_MAX: usize = 10_000;

/// The trace of a run. A clone is the same trace.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<State>>);

struct State {
    hash: Xxh3Default,
    lines: VecDeque<String>,
}

impl Trace {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State { hash: Xxh3Default::new(), lines: VecDeque::new() })))
    }

    /// Something that a reader wants to know.
    pub fn note(&self, what: impl fmt::Display) {
        self.note_at(now(), what);
    }

    /// As [`Trace::note`], by whoever stands outside of all hosts.
    pub fn note_at(&self, at: Duration, what: impl fmt::Display) {
        let line = format!("{:>9.3}s  {what}", at.as_secs_f64());
        let mut state = self.lock();
        state.hash.update(line.as_bytes());
        if state.lines.len() == LINES_MAX {
            state.lines.pop_front();
        }
        state.lines.push_back(line);
    }

    /// Bytes that were written to a connection.
    pub fn bytes(&self, link: u64, bytes: &[u8]) {
        let mut state = self.lock();
        state.hash.update(&now().as_nanos().to_le_bytes());
        state.hash.update(&link.to_le_bytes());
        state.hash.update(bytes);
    }

    /// A number that must be the same: a count, a draw.
    pub fn number(&self, number: u64) {
        self.lock().hash.update(&number.to_le_bytes());
    }

    /// All of it as one number.
    pub fn hash(&self) -> u64 {
        self.lock().hash.digest()
    }

    /// The lines, or the last of very many.
    pub fn lines(&self) -> Vec<String> {
        self.lock().lines.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Trace {
    fn default() -> Self {
        Self::new()
    }
}
