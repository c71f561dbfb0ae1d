//! Partitions: rows in clustering order with the tombstones above them.

use bytes::Bytes;

use crate::{
    cell::Deletion,
    key::{Clustering, PartitionKey, Slice},
    ranges,
    row::Row,
    rows::Rows,
    schema::ColumnId,
};

/// A deletion of the clusterings in `[start, end)`, as encoded bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RangeTombstone {
    /// Inclusive.
    pub start: Bytes,
    /// Exclusive.
    pub end: Bytes,
    /// When.
    pub deletion: Deletion,
}

/// One partition or a part of one: what a mutation writes, what a memtable holds, what a replica
/// answers.
///
/// Normal form, which every function here keeps: rows ascend strictly; range tombstones ascend, do
/// not overlap, touching ones of equal deletion are one; nothing is shadowed by a deletion that is
/// here too (a range tombstone not newer than the partition's deletion is gone); empty rows are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Whose rows these are.
    pub key: PartitionKey,
    /// Deletion of the whole partition, statics included.
    pub deletion: Option<Deletion>,
    /// The static row. No marker, no row deletion.
    pub static_row: Row,
    /// Rows in clustering order.
    pub rows: Rows,
    /// Range tombstones in order.
    pub range_tombstones: Vec<RangeTombstone>,
}

impl Partition {
    /// A partition of which nothing is known.
    pub fn empty(key: PartitionKey) -> Partition {
        Partition {
            key,
            deletion: None,
            static_row: Row::default(),
            rows: Rows::default(),
            range_tombstones: Vec::new(),
        }
    }

    /// Nothing at all, not even a tombstone.
    pub fn is_empty(&self) -> bool {
        self.deletion.is_none()
            && self.static_row.is_empty()
            && self.rows.is_empty()
            && self.range_tombstones.is_empty()
    }

    /// Merges another version of the same partition into this one.
    ///
    /// Costs the length of `other` times a search in `self`, and a move of the rows behind the
    /// first new one; one pass over both where `other` is not much the smaller. A deletion costs
    /// a look at what it may shadow.
    ///
    /// # Panics
    /// When the keys differ.
    pub fn merge(&mut self, mut other: Partition) {
        assert_eq!(self.key, other.key, "only versions of one partition merge");
        if let Some(deletion) = other.deletion {
            self.delete(deletion);
        }
        if let Some(deletion) = self.deletion {
            other.delete(deletion);
        }
        self.static_row.merge(other.static_row);
        for it in &other.range_tombstones {
            self.shadow_range(it);
        }
        if !self.range_tombstones.is_empty() {
            other.rows.retain_mut(|(clustering, row)| {
                if let Some(deletion) = ranges::find(&self.range_tombstones, &clustering.0) {
                    row.shadow(deletion);
                }
                !row.is_empty()
            });
        }
        ranges::merge(&mut self.range_tombstones, other.range_tombstones);
        self.rows.merge(other.rows);
    }

    /// Merges a deletion of the whole partition into it.
    pub fn delete(&mut self, deletion: Deletion) {
        if Some(deletion) <= self.deletion {
            return;
        }
        self.deletion = Some(deletion);
        self.static_row.shadow(deletion);
        self.range_tombstones.retain(|it| !deletion.covers(it.deletion.timestamp));
        self.rows.iter_mut().for_each(|(_, row)| row.shadow(deletion));
        self.rows.retain(|(_, row)| !row.is_empty());
    }

    /// Merges a deletion of the clusterings in `[start, end)` into this partition. An empty range
    /// changes nothing.
    pub fn delete_range(&mut self, start: Bytes, end: Bytes, deletion: Deletion) {
        if end <= start || self.deletion.is_some_and(|it| it.covers(deletion.timestamp)) {
            return;
        }
        let tombstone = RangeTombstone { start, end, deletion };
        self.shadow_range(&tombstone);
        ranges::merge(&mut self.range_tombstones, vec![tombstone]);
    }

    /// Merges a version of one row into this partition.
    pub fn put_row(&mut self, clustering: Clustering, mut row: Row) {
        if let Some(deletion) = self.deletion_at(&clustering) {
            row.shadow(deletion);
        }
        if !row.is_empty() {
            self.rows.merge(vec![(clustering, row)].into());
        }
    }

    /// Merges a version of the static row into this partition.
    pub fn put_static(&mut self, mut row: Row) {
        if let Some(deletion) = self.deletion {
            row.shadow(deletion);
        }
        self.static_row.merge(row);
    }

    /// Drops the cells of these columns, which ascend, and rows that nothing else is known of.
    pub fn forget(&mut self, columns: &[ColumnId]) {
        if columns.is_empty() {
            return;
        }
        self.static_row.forget(columns);
        self.rows.iter_mut().for_each(|(_, row)| row.forget(columns));
        self.rows.retain(|(_, row)| !row.is_empty());
    }

    /// The newest deletion around the row at `clustering`: of a range or of the partition.
    pub fn deletion_at(&self, clustering: &Clustering) -> Option<Deletion> {
        // A range tombstone that is there at all is newer than the partition's deletion.
        ranges::find(&self.range_tombstones, &clustering.0).or(self.deletion)
    }

    /// The row at `clustering`.
    pub fn row(&self, clustering: &Clustering) -> Option<&Row> {
        let at = self.rows.binary_search_by(|(it, _)| it.cmp(clustering)).ok()?;
        Some(&self.rows[at].1)
    }

    /// Takes the values from expired cells and drops tombstones that a compaction may forget:
    /// those with `deleted_at < gc_before` whose write timestamp is below `max_purgeable`
    /// (microseconds; nothing older can hide outside).
    pub fn purge(&mut self, now: i64, gc_before: i64, max_purgeable: i64) {
        let stays = |it: &Deletion| !it.is_purgeable(gc_before, max_purgeable);
        self.deletion = self.deletion.filter(stays);
        self.static_row.purge(now, gc_before, max_purgeable);
        self.rows.retain_unsettled(now, |row| {
            row.purge(now, gc_before, max_purgeable);
            !row.is_empty()
        });
        self.range_tombstones.retain(|it| stays(&it.deletion));
    }

    /// What `newer` has that `self` lacks: the repair that makes a merge of `self` with it equal to
    /// a merge of `self` with `newer`. `None` when nothing is missing.
    pub fn missing_from(&self, newer: &Partition) -> Option<Partition> {
        let row_missing = |(clustering, row): &(Clustering, Row)| {
            let above = self.deletion_at(clustering);
            let missing = match self.row(clustering) {
                Some(ours) => ours.missing_from(row, above),
                None => Row::default().missing_from(row, above),
            };
            (!missing.is_empty()).then(|| (clustering.clone(), missing))
        };
        let mut range_tombstones = ranges::missing(&self.range_tombstones, &newer.range_tombstones);
        range_tombstones
            .retain(|it| !self.deletion.is_some_and(|own| own.covers(it.deletion.timestamp)));
        let missing = Partition {
            key: self.key.clone(),
            deletion: newer.deletion.filter(|it| self.deletion < Some(*it)),
            static_row: self.static_row.missing_from(&newer.static_row, self.deletion),
            rows: newer.rows.iter().filter_map(row_missing).collect(),
            range_tombstones,
        };
        (!missing.is_empty()).then_some(missing)
    }

    /// Keeps the clusterings in `[start, end)` and the tombstones clipped to it; partition
    /// deletion and statics stay.
    pub fn clip(&mut self, start: &[u8], end: &[u8]) {
        let (start, end) = (Bytes::copy_from_slice(start), Bytes::copy_from_slice(end));
        self.clip_slices(&[Slice { start, end }]);
    }

    /// As `clip`, to several slices: ascending and disjoint.
    pub fn clip_slices(&mut self, slices: &[Slice]) {
        self.rows.retain(|(clustering, _)| {
            let at = slices.partition_point(|it| it.end <= clustering.0);
            slices.get(at).is_some_and(|it| it.contains(clustering))
        });
        self.range_tombstones = ranges::clip(&self.range_tombstones, slices);
    }

    /// Rows that a reader sees at `now` (seconds). A partition with live statics and no live row
    /// counts as one, as for `read::Limits`.
    pub fn live_rows(&self, now: i64) -> usize {
        match self.rows.live(now) {
            0 => usize::from(self.static_row.has_live_cell(now)),
            count => count,
        }
    }

    /// About how many bytes this takes in memory.
    pub fn memory_bytes(&self) -> usize {
        let range_bytes = |it: &RangeTombstone| it.start.len() + it.end.len();
        size_of::<Partition>()
            + self.key.bytes.len()
            + self.static_row.heap_bytes()
            + self.rows.heap_bytes()
            + self.range_tombstones.capacity() * size_of::<RangeTombstone>()
            + self.range_tombstones.iter().map(range_bytes).sum::<usize>()
    }

    /// Whether this is in the normal form that the type promises.
    pub fn is_normal(&self) -> bool {
        let shows = |by: Option<Deletion>, timestamp| !by.is_some_and(|it| it.covers(timestamp));
        let row_shows = |row: &Row, by| {
            row.deletion.is_none_or(|it| shows(by, it.timestamp))
                && row.liveness.is_none_or(|it| shows(by, it.timestamp))
                && row.cells.iter().all(|(_, cell)| shows(by, cell.timestamp))
                && !row.elements.iter().any(|(_, it)| it.is_hidden_by(by))
        };
        let fixed = &self.static_row;
        fixed.is_normal()
            && fixed.deletion.is_none()
            && fixed.liveness.is_none()
            && row_shows(fixed, self.deletion)
            && ranges::is_normal(&self.range_tombstones)
            && self.range_tombstones.iter().all(|it| shows(self.deletion, it.deletion.timestamp))
            && self.rows.is_sorted_by(|(left, _), (right, _)| left < right)
            && self.rows.iter().all(|(clustering, row)| {
                !row.is_empty() && row.is_normal() && row_shows(row, self.deletion_at(clustering))
            })
    }

    /// Applies one range tombstone to the rows alone.
    fn shadow_range(&mut self, tombstone: &RangeTombstone) {
        let from = self.rows.partition_point(|(it, _)| it.0 < tombstone.start);
        let to = from + self.rows[from..].partition_point(|(it, _)| it.0 < tombstone.end);
        let mut has_emptied = false;
        for (_, row) in &mut self.rows[from..to] {
            row.shadow(tombstone.deletion);
            has_emptied |= row.is_empty();
        }
        if has_emptied {
            self.rows.extract_if(from..to, |(_, row)| row.is_empty()).for_each(drop);
        }
    }
}

#[cfg(test)]
mod tests;
