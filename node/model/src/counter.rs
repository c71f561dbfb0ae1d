//! Counters: shares by the nodes that made them, and what a leader makes of increments.
//!
//! A counter is a column with elements. Each node that ever led an increment has one of them, its share:
//!
//! ```text
//!   path       the 16 bytes of its host id
//!   value      what it has added up, 8 bytes big-endian
//!   timestamp  the clock of the share, which ascends with every change that its node makes
//! ```
//!
//! A share is written by its own node alone. So of two versions of one share the later is the right
//! one, which is what a merge keeps anyway, and the counter is the sum over the nodes. What wraps, wraps:
//! the sum of shares that wrapped is the sum of their increments, wrapped.
//!
//! On its way to the leader an increment lies in the place of a share, under its place in the request:
//! so two of them for one counter are two elements, and both count.

use std::mem;

use bytes::Bytes;

use crate::{
    HostId,
    cell::{Cell, Content, Deletion},
    elements::Elements,
    key::Slice,
    mutation::Mutation,
    partition::Partition,
    read::{Command, Limits, Target},
    row::Row,
    schema::ColumnId,
};

/// What the shares that live at `now` (seconds) come to; none where there is none.
pub fn total(elements: &Elements, now: i64) -> Option<i64> {
    let shares = elements.cells.iter().filter_map(|(_, cell)| number(cell.value(now)?));
    shares.reduce(i64::wrapping_add)
}

/// The element of one increment: the `place`th of its request.
pub fn increment(place: u32, delta: i64, timestamp: i64) -> (Bytes, Cell) {
    let value = Bytes::copy_from_slice(&delta.to_be_bytes());
    let path = Bytes::copy_from_slice(&place.to_be_bytes());
    (path, Cell { timestamp, content: Content::Live { value } })
}

/// Whether nothing of the counters in it is anything but increments.
pub fn are_increments(partition: &Partition) -> bool {
    let is_increment = |(path, cell): &(Bytes, Cell)| {
        path.len() == size_of::<u32>() && live(cell).and_then(number).is_some()
    };
    let rows = partition.rows.iter().map(|(_, row)| row);
    rows.chain([&partition.static_row]).all(|row| {
        row.cells.is_empty() && row.elements.iter().all(|(_, it)| it.cells.iter().all(is_increment))
    })
}

/// The read of what the leader has to know before it can add: the rows named, whole, at `now`
/// (microseconds). `dropped` are columns that are not there any more, ascending.
pub fn command(increments: &Mutation, dropped: Vec<ColumnId>, now: i64) -> Command {
    let partition = &increments.partition;
    let rows = partition.rows.iter().filter(|(_, row)| !row.elements.is_empty());
    Command {
        table: increments.table,
        target: Target::One(partition.key.clone()),
        slices: rows.map(|(clustering, _)| Slice::row(&clustering.0)).collect(),
        reversed: false,
        resume: None,
        // As many as were named, and a request has a limit to what it names.
        limits: Limits::NONE,
        now: now.div_euclid(1_000_000),
        dropped,
        filter: None,
        partial: None,
    }
}

/// What `host` writes as the leader of `increments`, of whose rows `own` is all that it knows, if it knows
/// anything: its shares as they are then, and the deletions that came with the increments.
///
/// No share is older than `now` (microseconds), than what it was before, or than a deletion that is
/// known of: what was acknowledged must not be hidden by what was there first.
pub fn lead(increments: Mutation, own: Option<&Partition>, host: HostId, now: i64) -> Mutation {
    let Mutation { table, partition: mut written } = increments;
    let nothing = Partition::empty(written.key.clone());
    let own = own.unwrap_or(&nothing);
    let path = Bytes::copy_from_slice(host.0.as_bytes());
    let leader = Leader { path, now };
    let above = written.deletion.max(own.deletion);
    leader.lead_row(&mut written.static_row, &own.static_row, above);
    let unknown = Row::default();
    let mut rows = mem::take(&mut written.rows);
    for (clustering, row) in &mut rows {
        let above = written.deletion_at(clustering).max(own.deletion_at(clustering));
        leader.lead_row(row, own.row(clustering).unwrap_or(&unknown), above);
    }
    written.rows = rows;
    Mutation { table, partition: written }
}

struct Leader {
    path: Bytes,
    now: i64,
}

impl Leader {
    /// Puts shares into the place of the increments of one row; `above` is the newest deletion around it.
    fn lead_row(&self, written: &mut Row, own: &Row, above: Option<Deletion>) {
        let above = above.max(written.deletion).max(own.deletion);
        for (column, elements) in &mut written.elements {
            self.lead_column(elements, own.elements_of(*column), above);
        }
    }

    fn lead_column(&self, written: &mut Elements, own: Option<&Elements>, above: Option<Deletion>) {
        let above = above.max(written.deletion).max(own.and_then(|it| it.deletion));
        let deltas = written.cells.iter().filter_map(|(_, cell)| number(live(cell)?));
        let Some(delta) = deltas.reduce(i64::wrapping_add) else { return };
        let share = own.and_then(|it| it.cell(&self.path));
        // One that a deletion of this very request takes away begins again.
        let kept = share.filter(|it| !above.is_some_and(|above| above.covers(it.timestamp)));
        let before = kept.and_then(live).and_then(number).unwrap_or_default();
        let newest = above.map(|it| it.timestamp).max(share.map(|it| it.timestamp));
        let timestamp = newest.map_or(self.now, |it| self.now.max(it.saturating_add(1)));
        let value = Bytes::copy_from_slice(&before.wrapping_add(delta).to_be_bytes());
        let cell = Cell { timestamp, content: Content::Live { value } };
        written.cells = vec![(self.path.clone(), cell)];
    }
}

/// Shares and increments never expire.
fn live(cell: &Cell) -> Option<&Bytes> {
    match &cell.content {
        Content::Live { value } => Some(value),
        Content::Expiring { .. } | Content::Dead { .. } => None,
    }
}

fn number(value: &Bytes) -> Option<i64> {
    value[..].try_into().ok().map(i64::from_be_bytes)
}

#[cfg(test)]
mod tests;
