//! Pieces: what one source knows of one stretch of a partition's clusterings.
//!
//! Memtables keep a partition as leaves, sstables as fragments, and both hand out pieces. Each piece
//! names the half-open interval of clusterings that it speaks for, and holds every row and every range
//! tombstone (clipped) inside. So pieces of the same interval merge by `model`'s law alone, and
//! pieces that touch can be joined again.

use bytes::{BufMut, Bytes, BytesMut};
use model::{Clustering, Content, Partition, RangeTombstone, Row, Slice};

/// What a source knows of `[start, end)`. The part's deletion and statics are those of the whole partition,
/// where the source keeps them there.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) start: Bytes,
    pub(crate) end: Bytes,
    pub(crate) part: Partition,
}

/// Above every clustering: their first byte is at most 0xFE.
pub(crate) fn top() -> Bytes {
    Bytes::from_static(&[0xFF])
}

/// The smallest byte string above `bound`.
pub(crate) fn successor(bound: &[u8]) -> Bytes {
    let mut next = BytesMut::with_capacity(bound.len() + 1);
    next.put_slice(bound);
    next.put_u8(0);
    next.freeze()
}

/// Copies what `part`, which speaks for `[part_start, part_end)`, knows of `want`: at most `rows_max` rows,
/// from the end where the reading begins. Deletion and statics stay behind.
pub(crate) fn cut(
    part: &Partition,
    (part_start, part_end): (&Bytes, &Bytes),
    want: &Slice,
    reversed: bool,
    rows_max: usize,
) -> Piece {
    let mut start = part_start.max(&want.start).clone();
    let mut end = part_end.min(&want.end).clone();
    let mut from = part.rows.partition_point(|(it, _)| it.0 < start);
    let mut to = part.rows.partition_point(|(it, _)| it.0 < end);
    if to - from > rows_max {
        if reversed {
            from = to - rows_max;
            start = part.rows[from].0.0.clone();
        } else {
            to = from + rows_max;
            end = part.rows[to].0.0.clone();
        }
    }
    let mut piece = Partition::empty(part.key.clone());
    piece.rows.extend_from_slice(&part.rows[from..to]);
    piece.range_tombstones = clip_ranges(&part.range_tombstones, &start, &end);
    Piece { start, end, part: piece }
}

/// The range tombstones inside `[start, end)`.
pub(crate) fn clip_ranges(
    ranges: &[RangeTombstone],
    start: &Bytes,
    end: &Bytes,
) -> Vec<RangeTombstone> {
    let from = ranges.partition_point(|it| it.end <= *start);
    let inside = ranges[from..].iter().take_while(|it| it.start < *end);
    let clip = |it: &RangeTombstone| RangeTombstone {
        start: (&it.start).max(start).clone(),
        end: (&it.end).min(end).clone(),
        deletion: it.deletion,
    };
    inside.map(clip).collect()
}

impl Piece {
    /// Keeps what lies below `at` and returns the rest. `at` lies inside.
    pub(crate) fn split_off(&mut self, at: &Bytes) -> Piece {
        let mut right = Partition::empty(self.part.key.clone());
        let row = self.part.rows.partition_point(|(it, _)| it.0 < *at);
        right.rows = self.part.rows.split_off(row);
        let range = self.part.range_tombstones.partition_point(|it| it.end <= *at);
        right.range_tombstones = self.part.range_tombstones.split_off(range);
        if let Some(first) = right.range_tombstones.first_mut()
            && first.start < *at
        {
            let left = RangeTombstone { end: at.clone(), ..first.clone() };
            first.start = at.clone();
            self.part.range_tombstones.push(left);
        }
        let end = std::mem::replace(&mut self.end, at.clone());
        Piece { start: at.clone(), end, part: right }
    }
}

/// Appends rows and range tombstones that lie behind those of `part`.
pub(crate) fn append(part: &mut Partition, next: Partition) {
    if part.rows.is_empty() {
        part.rows = next.rows;
    } else {
        part.rows.extend(next.rows);
    }
    for it in next.range_tombstones {
        match part.range_tombstones.last_mut() {
            Some(last) if last.end == it.start && last.deletion == it.deletion => last.end = it.end,
            Some(_) | None => part.range_tombstones.push(it),
        }
    }
}

/// About how many bytes a row takes when written.
pub(crate) fn row_bytes(clustering: &Clustering, row: &Row) -> usize {
    const ROW: usize = 12;
    const CELL: usize = 10;
    let value = |cell: &model::Cell| match &cell.content {
        Content::Live { value } | Content::Expiring { value, .. } => value.len(),
        Content::Dead { .. } => 0,
    };
    let cells: usize = row.cells.iter().map(|(_, cell)| CELL + value(cell)).sum();
    let elements = row.elements.iter().flat_map(|(_, it)| &it.cells);
    let elements: usize = elements.map(|(path, cell)| CELL + path.len() + value(cell)).sum();
    ROW + clustering.0.len() + cells + elements + row.elements.len() * CELL
}

/// About how many bytes a range tombstone takes when written.
pub(crate) fn range_bytes(range: &RangeTombstone) -> usize {
    16 + range.start.len() + range.end.len()
}

/// Tombstones in a row at `now`: its deletion, its marker if expired, its dead and expired cells.
pub(crate) fn row_tombstones(row: &Row, now: i64) -> u64 {
    let dead = all_cells(row).filter(|cell| cell.value(now).is_none()).count() as u64;
    let expired = |it: &model::Liveness| it.expiry.is_some_and(|(_, at)| at <= now);
    let dead = dead + row.elements.iter().filter(|(_, it)| it.deletion.is_some()).count() as u64;
    dead + u64::from(row.deletion.is_some()) + u64::from(row.liveness.as_ref().is_some_and(expired))
}

/// Every cell of a row, those of columns with elements too.
fn all_cells(row: &Row) -> impl Iterator<Item = &model::Cell> {
    let elements = row.elements.iter().flat_map(|(_, it)| &it.cells).map(|(_, cell)| cell);
    row.cells.iter().map(|(_, cell)| cell).chain(elements)
}

/// The deletions of columns with elements.
fn column_deletions(row: &Row) -> impl Iterator<Item = model::Deletion> {
    row.elements.iter().filter_map(|(_, it)| it.deletion)
}

/// Smallest timestamp of anything in `part`, microseconds; `i64::MAX` of nothing.
pub(crate) fn timestamp_min(part: &Partition) -> i64 {
    fold_timestamps(part, i64::MAX, i64::min)
}

/// Largest timestamp of anything in `part`, microseconds; `i64::MIN` of nothing.
pub(crate) fn timestamp_max(part: &Partition) -> i64 {
    fold_timestamps(part, i64::MIN, i64::max)
}

fn fold_timestamps(part: &Partition, none: i64, pick: fn(i64, i64) -> i64) -> i64 {
    let row = |so_far: i64, row: &Row| {
        let cells = all_cells(row).map(|cell| cell.timestamp);
        let cells = cells.chain(column_deletions(row).map(|it| it.timestamp));
        let marker = row.liveness.iter().map(|it| it.timestamp);
        let deletion = row.deletion.iter().map(|it| it.timestamp);
        cells.chain(marker).chain(deletion).fold(so_far, pick)
    };
    let ranges = part.range_tombstones.iter().map(|it| it.deletion.timestamp);
    let above = part.deletion.iter().map(|it| it.timestamp).chain(ranges).fold(none, pick);
    let rows = part.rows.iter().fold(above, |so_far, (_, it)| row(so_far, it));
    row(rows, &part.static_row)
}

/// When the last of `part` expires, `i64::MAX` if something never does, and when the last of it was deleted, or written to
/// expire; seconds, `i64::MIN` of nothing.
pub(crate) fn ends(part: &Partition) -> (i64, i64) {
    let (mut expires, mut deleted) = (i64::MIN, i64::MIN);
    let mut expiring = |expiry: Option<(u32, i64)>| match expiry {
        Some((ttl, at)) => {
            expires = expires.max(at);
            deleted = deleted.max(at.saturating_sub(i64::from(ttl)));
        }
        None => expires = i64::MAX,
    };
    let rows = || part.rows.iter().map(|(_, row)| row).chain([&part.static_row]);
    for row in rows() {
        row.liveness.iter().for_each(|it| expiring(it.expiry));
        for cell in all_cells(row) {
            match &cell.content {
                Content::Live { .. } => expiring(None),
                Content::Expiring { ttl, expires_at, .. } => expiring(Some((*ttl, *expires_at))),
                Content::Dead { .. } => {}
            }
        }
    }
    let dead = |row: &Row| {
        let cells = all_cells(row).filter_map(|cell| match &cell.content {
            Content::Dead { deleted_at } => Some(*deleted_at),
            Content::Live { .. } | Content::Expiring { .. } => None,
        });
        let columns = column_deletions(row).map(|it| it.deleted_at);
        cells.chain(columns).chain(row.deletion.map(|it| it.deleted_at)).max()
    };
    let ranges = part.range_tombstones.iter().map(|it| it.deletion.deleted_at);
    let deletions =
        ranges.chain(part.deletion.map(|it| it.deleted_at)).chain(rows().filter_map(dead));
    (expires, deletions.fold(deleted, i64::max))
}
