//! Answers that peers do not take, of all connections together.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// What one connection has that its peer does not take, beside what all have. Dropped, it has none.
pub(super) struct Untaken {
    together: Arc<Together>,
    own: usize,
}

struct Together {
    bytes: AtomicUsize,
    /// Who has something waits past it.
    max: usize,
}

impl Untaken {
    /// Nothing waits anywhere, and `max` bytes may.
    pub(super) fn new(max: usize) -> Untaken {
        let together = Arc::new(Together { bytes: AtomicUsize::new(0), max });
        Untaken { together, own: 0 }
    }

    /// Those of one more connection.
    pub(super) fn of_connection(&self) -> Untaken {
        Untaken { together: Arc::clone(&self.together), own: 0 }
    }

    /// So many bytes wait now.
    pub(super) fn set(&mut self, bytes: usize) {
        if self.own < bytes {
            self.together.bytes.fetch_add(bytes - self.own, Ordering::Relaxed);
        } else if bytes < self.own {
            self.together.bytes.fetch_sub(self.own - bytes, Ordering::Relaxed);
        }
        self.own = bytes;
    }

    /// Whether one more answer may wait. One that is alone on its connection always may: whoever takes
    /// its answers is not held up by those who do not, and who is held up is woken by its own peer.
    pub(super) fn has_room(&self) -> bool {
        self.own == 0 || self.together.bytes.load(Ordering::Relaxed) < self.together.max
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        self.set(0);
    }
}
