//! Cells, and which of two wins.

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
}

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
    pub fn merge(self, _other: Cell) -> Cell {
        unimplemented!()
    }

    /// The value, unless it is deleted or expired at `now` (seconds).
    pub fn value(&self, now: i64) -> Option<&Bytes> {
        match &self.content {
            Content::Live { value } => Some(value),
            Content::Expiring { value, expires_at, .. } if now < *expires_at => Some(value),
            Content::Expiring { .. } | Content::Dead { .. } => None,
        }
    }
}
