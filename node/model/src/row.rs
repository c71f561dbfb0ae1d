//! Rows: a marker, a deletion and cells, and how two versions of a row become one.

use std::{cmp::Reverse, mem};

use bytes::Bytes;
use cql_lite::types::CqlType;

use crate::{
    cell::{Cell, Content, Deletion},
    elements::Elements,
    schema::ColumnId,
    sorted,
};

/// The row marker that INSERT writes and UPDATE does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Liveness {
    /// Write timestamp, microseconds since the epoch.
    pub timestamp: i64,
    /// With a TTL: (ttl in seconds, expiry in seconds since the epoch).
    pub expiry: Option<(u32, i64)>,
}

impl Liveness {
    /// The version that all replicas agree on: the later write; of two of the same timestamp an
    /// expiring one beats one that stays, then the later expiry wins, then the shorter TTL.
    #[must_use]
    pub fn merge(self, other: Liveness) -> Liveness {
        if self.supersedes(&other) { self } else { other }
    }

    /// Whether this version wins over `other`.
    pub fn supersedes(&self, other: &Liveness) -> bool {
        self.rank() > other.rank()
    }

    /// Whether it makes its row live at `now` (seconds).
    pub fn is_live(&self, now: i64) -> bool {
        self.expiry.is_none_or(|(_, expires_at)| now < expires_at)
    }

    /// Versions by who wins: the greatest does.
    fn rank(&self) -> (i64, Option<(i64, Reverse<u32>)>) {
        (self.timestamp, self.expiry.map(|(ttl, expires_at)| (expires_at, Reverse(ttl))))
    }

    /// An expired marker hides markers beneath it until it may be forgotten like a tombstone.
    fn is_purgeable(&self, now: i64, gc_before: i64, max_purgeable: i64) -> bool {
        self.expiry.is_some_and(|(ttl, expires_at)| {
            let deleted_at = expires_at.saturating_sub(i64::from(ttl));
            let deletion = Deletion { timestamp: self.timestamp, deleted_at };
            expires_at <= now && deletion.is_purgeable(gc_before, max_purgeable)
        })
    }
}

/// One row, or what a mutation says of it. Also the static part of a partition.
///
/// Normal form, which every function here keeps: cells ascend by column, one for each, and so do
/// columns with elements; nothing in the row is shadowed by its own deletion.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// The row marker.
    pub liveness: Option<Liveness>,
    /// Deletion of this row alone.
    pub deletion: Option<Deletion>,
    /// Cells in column order.
    pub cells: Vec<(ColumnId, Cell)>,
    /// Columns that have a cell for each part of their value, in their order.
    pub elements: Vec<(ColumnId, Elements)>,
}

impl Row {
    /// Merges another version of this row into this one.
    pub fn merge(&mut self, other: Row) {
        self.liveness = match (self.liveness, other.liveness) {
            (Some(ours), Some(theirs)) => Some(ours.merge(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.deletion = self.deletion.max(other.deletion);
        self.merge_cells(other.cells);
        other.elements.into_iter().for_each(|(column, it)| self.merge_elements(column, it));
        if let Some(deletion) = self.deletion {
            self.shadow_data(deletion);
        }
    }

    /// Merges one more version of one cell into this row.
    pub fn put(&mut self, column: ColumnId, cell: Cell) {
        if self.deletion.is_some_and(|it| it.covers(cell.timestamp)) {
            return;
        }
        match self.cells.binary_search_by_key(&column, |(id, _)| *id) {
            Ok(at) if cell.supersedes(&self.cells[at].1) => self.cells[at].1 = cell,
            Ok(_) => {}
            Err(at) => self.cells.insert(at, (column, cell)),
        }
    }

    /// Merges one more version of a column with elements into this row.
    pub fn put_elements(&mut self, column: ColumnId, mut elements: Elements) {
        if let Some(deletion) = self.deletion {
            elements.shadow(deletion);
        }
        self.merge_elements(column, elements);
    }

    /// Drops what `deletion` (of the partition or of a range) shadows.
    pub fn shadow(&mut self, deletion: Deletion) {
        self.deletion = self.deletion.filter(|it| !deletion.covers(it.timestamp));
        self.shadow_data(deletion);
    }

    /// Whether a reader sees this row: its marker lives, or some regular cell does.
    pub fn is_live(&self, now: i64) -> bool {
        self.liveness.is_some_and(|it| it.is_live(now)) || self.has_live_cell(now)
    }

    /// Whether some cell has a value at `now` (seconds): what makes static content visible.
    pub fn has_live_cell(&self, now: i64) -> bool {
        self.cells.iter().any(|(_, cell)| cell.value(now).is_some())
            || self.elements.iter().any(|(_, it)| it.has_live_cell(now))
    }

    /// Nothing at all, not even a tombstone.
    pub fn is_empty(&self) -> bool {
        self.liveness.is_none()
            && self.deletion.is_none()
            && self.cells.is_empty()
            && self.elements.is_empty()
    }

    /// Drops the cells of these columns, which ascend.
    pub fn forget(&mut self, columns: &[ColumnId]) {
        self.cells.retain(|(id, _)| columns.binary_search(id).is_err());
        self.elements.retain(|(id, _)| columns.binary_search(id).is_err());
    }

    /// The elements of `column`.
    pub fn elements_of(&self, column: ColumnId) -> Option<&Elements> {
        let at = self.elements.binary_search_by_key(&column, |(id, _)| *id).ok()?;
        Some(&self.elements[at].1)
    }

    /// The cell of `column`.
    pub fn cell(&self, column: ColumnId) -> Option<&Cell> {
        let at = self.cells.binary_search_by_key(&column, |(id, _)| *id).ok()?;
        Some(&self.cells[at].1)
    }

    /// The serialized value of `column`, which is of this type, at `now` (seconds): of its cell or of
    /// its elements.
    pub fn value(&self, column: ColumnId, cql_type: &CqlType, now: i64) -> Option<Bytes> {
        match self.cell(column) {
            Some(cell) => cell.value(now).cloned(),
            None => self.elements_of(column)?.value(cql_type, now),
        }
    }

    /// As `Partition::purge`, for this row alone.
    pub fn purge(&mut self, now: i64, gc_before: i64, max_purgeable: i64) {
        self.liveness = self.liveness.filter(|it| !it.is_purgeable(now, gc_before, max_purgeable));
        self.deletion = self.deletion.filter(|it| !it.is_purgeable(gc_before, max_purgeable));
        // Nearly always all of them are values that stay.
        let stays = |(_, cell): &(ColumnId, Cell)| matches!(cell.content, Content::Live { .. });
        if self.elements.is_empty() && self.cells.iter().all(stays) {
            return;
        }
        for (column, cell) in mem::take(&mut self.cells) {
            if let Some(cell) = cell.purge(now, gc_before, max_purgeable) {
                self.cells.push((column, cell));
            }
        }
        self.elements.iter_mut().for_each(|(_, it)| it.purge(now, gc_before, max_purgeable));
        self.elements.retain(|(_, it)| !it.is_empty());
    }

    /// What `newer` has that neither this row nor `above` (the newest deletion around this row
    /// where it is known) makes moot.
    #[must_use]
    pub fn missing_from(&self, newer: &Row, above: Option<Deletion>) -> Row {
        let hides = |by: Option<Deletion>, timestamp| by.is_some_and(|it| it.covers(timestamp));
        let deletion = newer.deletion.filter(|it| !hides(above, it.timestamp));
        let below = self.deletion.max(above);
        let liveness = newer.liveness.filter(|it| {
            !hides(below, it.timestamp) && self.liveness.is_none_or(|ours| it.supersedes(&ours))
        });
        let is_news = |(column, cell): &&(ColumnId, Cell)| {
            !hides(below, cell.timestamp)
                && self.cell(*column).is_none_or(|ours| cell.supersedes(ours))
        };
        let none = Elements::default();
        let elements = newer.elements.iter().map(|(column, theirs)| {
            let ours = self.elements_of(*column).unwrap_or(&none);
            (*column, ours.missing_from(theirs, below))
        });
        Row {
            liveness,
            deletion: deletion.filter(|it| Some(*it) > self.deletion),
            cells: newer.cells.iter().filter(is_news).cloned().collect(),
            elements: elements.filter(|(_, it)| !it.is_empty()).collect(),
        }
    }

    /// About how many bytes this takes in memory beside the row itself.
    pub fn heap_bytes(&self) -> usize {
        let values: usize = self.cells.iter().map(|(_, cell)| cell.heap_bytes()).sum();
        let elements: usize = self.elements.iter().map(|(_, it)| it.heap_bytes()).sum();
        values
            + elements
            + self.cells.capacity() * size_of::<(ColumnId, Cell)>()
            + self.elements.capacity() * size_of::<(ColumnId, Elements)>()
    }

    /// Whether it is in the normal form that the type promises.
    pub fn is_normal(&self) -> bool {
        let hidden = |timestamp| self.deletion.is_some_and(|it| it.covers(timestamp));
        self.cells.is_sorted_by(|(left, _), (right, _)| left < right)
            && !self.liveness.is_some_and(|it| hidden(it.timestamp))
            && !self.cells.iter().any(|(_, cell)| hidden(cell.timestamp))
            && self.elements.is_sorted_by(|(left, _), (right, _)| left < right)
            && self.elements.iter().all(|(_, it)| it.is_normal() && !it.is_hidden_by(self.deletion))
    }

    fn shadow_data(&mut self, deletion: Deletion) {
        self.liveness = self.liveness.filter(|it| !deletion.covers(it.timestamp));
        self.cells.retain(|(_, cell)| !deletion.covers(cell.timestamp));
        self.elements.iter_mut().for_each(|(_, it)| it.shadow(deletion));
        self.elements.retain(|(_, it)| !it.is_empty());
    }

    fn merge_elements(&mut self, column: ColumnId, elements: Elements) {
        if elements.is_empty() {
            return;
        }
        match self.elements.binary_search_by_key(&column, |(id, _)| *id) {
            Ok(at) => self.elements[at].1.merge(elements),
            Err(at) => self.elements.insert(at, (column, elements)),
        }
    }

    /// Both ascend, so the result is zipped from them.
    fn merge_cells(&mut self, other: Vec<(ColumnId, Cell)>) {
        if self.cells.is_empty() {
            self.cells = other;
            return;
        }
        if other.len() <= 1 {
            other.into_iter().for_each(|(column, cell)| self.put(column, cell));
            return;
        }
        self.cells = sorted::merge(mem::take(&mut self.cells), other, Cell::merge);
    }
}

#[cfg(test)]
mod tests;
