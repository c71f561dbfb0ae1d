//! Rows: a marker, a deletion and cells, and how two versions of a row become one.

use crate::{
    cell::{Cell, Deletion},
    schema::ColumnId,
};

/// The row marker that INSERT writes and UPDATE does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Liveness {
    /// Write timestamp, microseconds since the epoch.
    pub timestamp: i64,
    /// With a TTL: (ttl in seconds, expiry in seconds since the epoch).
    pub expiry: Option<(u32, i64)>,
}

/// One row, or what a mutation says of it. Also the static part of a partition.
///
/// Normal form, which every function here keeps: cells ascend by column, one for each; nothing in
/// the row is shadowed by its own deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// The row marker.
    pub liveness: Option<Liveness>,
    /// Deletion of this row alone.
    pub deletion: Option<Deletion>,
    /// Cells in column order.
    pub cells: Vec<(ColumnId, Cell)>,
}

impl Row {
    /// Merges another version of this row into this one.
    pub fn merge(&mut self, _other: Row) {
        unimplemented!()
    }

    /// Drops what `deletion` (of the partition or of a range) shadows.
    pub fn shadow(&mut self, _deletion: Deletion) {
        unimplemented!()
    }

    /// Whether a reader sees this row: its marker lives, or some regular cell does.
    pub fn is_live(&self, _now: i64) -> bool {
        unimplemented!()
    }

    /// Nothing at all, not even a tombstone.
    pub fn is_empty(&self) -> bool {
        self.liveness.is_none() && self.deletion.is_none() && self.cells.is_empty()
    }

    /// The cell of `column`.
    pub fn cell(&self, column: ColumnId) -> Option<&Cell> {
        let at = self.cells.binary_search_by_key(&column, |(id, _)| *id).ok()?;
        Some(&self.cells[at].1)
    }
}
