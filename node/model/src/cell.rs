//! Cells, and which of two wins.

use std::cmp::Reverse;

use bytes::Bytes;

/// When a deletion was written, and when (in seconds) it happened for the purposes of purging.
/// Covers data with `timestamp <= self.timestamp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deletion {
    /// Write timestamp, microseconds since the epoch.
    pub timestamp: i64,
    /// Local deletion time, seconds since the epoch.
    pub deleted_at: i64,
}

impl Deletion {
    /// Whether data written at `timestamp` is shadowed by this deletion.
    pub fn covers(&self, timestamp: i64) -> bool {
        timestamp <= self.timestamp
    }

    /// Whether a compaction may forget it: older than `gc_before` (seconds), and no data that it
    /// covers can hide elsewhere, since all of that has timestamps from `max_purgeable` on.
    pub fn is_purgeable(&self, gc_before: i64, max_purgeable: i64) -> bool {
        self.deleted_at < gc_before && self.timestamp < max_purgeable
    }
}

/// Longest time to live, seconds: twenty years.
pub const TTL_MAX: u32 = 630_720_000;

/// One value of one column, with when it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// Write timestamp, microseconds since the epoch.
    pub timestamp: i64,
    /// What was written.
    pub content: Content,
}

/// What a cell holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// A value that stays.
    Live {
        /// Serialized CQL value.
        value: Bytes,
    },
    /// A value that is a tombstone from `expires_at` on.
    Expiring {
        /// Serialized CQL value.
        value: Bytes,
        /// Time to live in seconds, as it was written: 1 to 630,720,000.
        ttl: u32,
        /// Seconds since the epoch; dead when `now >= expires_at`.
        expires_at: i64,
    },
    /// A tombstone.
    Dead {
        /// Local deletion time, seconds since the epoch.
        deleted_at: i64,
    },
}

impl Cell {
    /// The version that all replicas agree on, whichever order they saw them in (Cassandra's
    /// `Cells.reconcile`; see the table in the tests).
    #[must_use]
    pub fn merge(self, other: Cell) -> Cell {
        if self.supersedes(&other) { self } else { other }
    }

    /// Whether this version wins over `other`. No clock is asked, so that the answer is the same
    /// for ever: an expiring cell beats a live one of the same timestamp before it expires, too.
    pub fn supersedes(&self, other: &Cell) -> bool {
        self.rank() > other.rank()
    }

    /// Versions by who wins: the greatest does. Total: equal ranks are equal cells.
    fn rank(&self) -> (i64, u8, i64, &[u8], Reverse<u32>) {
        match &self.content {
            Content::Live { value } => (self.timestamp, 0, 0, value, Reverse(0)),
            // The longer time to live of two that end together was written earlier: it loses.
            Content::Expiring { value, ttl, expires_at } => {
                (self.timestamp, 1, *expires_at, value, Reverse(*ttl))
            }
            Content::Dead { deleted_at } => (self.timestamp, 2, *deleted_at, &[], Reverse(0)),
        }
    }

    /// Takes the value from an expired cell, which is a tombstone of the time when it was written;
    /// then forgets a tombstone that may be forgotten. The rule of `Partition::purge`.
    ///
    /// It stays an expiring cell, and does not become a dead one: a dead cell would beat another
    /// of the same timestamp that expires later, and whether that one is seen would depend on
    /// whether somebody had looked, or compacted, before the two met.
    #[must_use]
    pub fn purge(self, now: i64, gc_before: i64, max_purgeable: i64) -> Option<Cell> {
        let (deleted_at, content) = match self.content {
            Content::Expiring { ttl, expires_at, .. } if expires_at <= now => {
                let deleted_at = expires_at.saturating_sub(i64::from(ttl));
                (deleted_at, Content::Expiring { value: Bytes::new(), ttl, expires_at })
            }
            Content::Dead { deleted_at } => (deleted_at, Content::Dead { deleted_at }),
            Content::Live { .. } | Content::Expiring { .. } => return Some(self),
        };
        let deletion = Deletion { timestamp: self.timestamp, deleted_at };
        if deletion.is_purgeable(gc_before, max_purgeable) {
            return None;
        }
        Some(Cell { timestamp: self.timestamp, content })
    }

    /// About how many bytes the value takes beside the cell itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.content {
            Content::Live { value } | Content::Expiring { value, .. } => value.len(),
            Content::Dead { .. } => 0,
        }
    }

    /// The value, unless it is deleted or expired at `now` (seconds).
    pub fn value(&self, now: i64) -> Option<&Bytes> {
        match &self.content {
            Content::Live { value } => Some(value),
            Content::Expiring { value, expires_at, .. } if now < *expires_at => Some(value),
            Content::Expiring { .. } | Content::Dead { .. } => None,
        }
    }

    /// When the value that it has at `now` (seconds) expires, if it does.
    pub fn expires_at(&self, now: i64) -> Option<i64> {
        match &self.content {
            Content::Expiring { expires_at, .. } if now < *expires_at => Some(*expires_at),
            Content::Expiring { .. } | Content::Live { .. } | Content::Dead { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
