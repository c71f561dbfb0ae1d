//! Pieces: what one source knows of one stretch of a partition's clusterings.
//!
//! Memtables keep a partition as leaves, sstables as fragments, and both hand out pieces. Each piece
//! names the half-open interval of clusterings that it speaks for, and holds every row and every range
//! tombstone (clipped) inside. So pieces of the same interval merge by `model`'s law alone, and
//! pieces that touch can be joined again.

use bytes::Bytes;
use model::columns::Amount;
use model::rows::View;
use model::{
    Chunk, Clustering, Content, Deletion, Partition, PartitionKey, RangeTombstone, Row, Slice,
};

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
    /// Of a partition of which a source knows nothing.
    pub(crate) fn nothing(key: &PartitionKey, want: &Slice) -> Piece {
        let part = Partition::empty(key.clone());
        Piece { start: want.start.clone(), end: want.end.clone(), part }
    }

    /// Keeps what lies below `at` and returns the rest. `at` lies inside.
    pub(crate) fn split_off(&mut self, at: &Bytes) -> Piece {
        let mut right = Partition::empty(self.part.key.clone());
        let row = self.part.rows.first_at(at);
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
    part.rows.append(next.rows);
    for it in next.range_tombstones {
        match part.range_tombstones.last_mut() {
            Some(last) if last.end == it.start && last.deletion == it.deletion => last.end = it.end,
            Some(_) | None => part.range_tombstones.push(it),
        }
    }
}

/// What a row takes when written, about, beside clustering and cells.
const ROW: usize = 12;
/// What a cell takes beside its value.
const CELL: usize = 10;

/// What a reader counts of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weight {
    /// As `row_bytes`.
    pub(crate) bytes: u64,
    /// As `row_tombstones`.
    pub(crate) tombstones: u64,
    pub(crate) is_live: bool,
    /// Some cell has a value that nobody is to see.
    pub(crate) has_expired: bool,
}

impl Weight {
    /// In one pass. Of a row that is read at `now`, seconds.
    pub(crate) fn of(row: View<'_>, now: i64) -> Weight {
        if let Some(amount) = row.amount(now) {
            let bytes = amount_bytes(amount) as u64;
            return Weight { bytes, tombstones: 0, is_live: true, has_expired: false };
        }
        let mut bytes = ROW + row.clustering().len();
        let row = &*row.row();
        let mut tombstones = u64::from(row.deletion.is_some());
        let (mut is_live, mut has_expired) = (false, false);
        if let Some(marker) = &row.liveness {
            is_live = marker.is_live(now);
            tombstones += u64::from(!is_live);
        }
        bytes += elements_bytes(row);
        tombstones += column_deletions(row).count() as u64;
        for cell in all_cells(row) {
            bytes += CELL + value_bytes(cell);
            match cell.value(now) {
                Some(_) => is_live = true,
                None => {
                    tombstones += 1;
                    has_expired |= matches!(cell.content, Content::Expiring { .. });
                }
            }
        }
        Weight { bytes: bytes as u64, tombstones, is_live, has_expired }
    }
}

/// As the weights of so many plain rows have it, of which nothing has expired.
pub(crate) fn amount_bytes(amount: Amount) -> usize {
    amount.rows * ROW + amount.cells * CELL + amount.bytes
}

/// About how many bytes a partition takes when written that has neither deletion nor statics, beside its rows.
pub(crate) fn partition_bytes(key: &PartitionKey) -> usize {
    ROW + key.bytes.len()
}

/// About how many bytes a row takes when written.
pub(crate) fn row_bytes(clustering: &Clustering, row: &Row) -> usize {
    let cells: usize = all_cells(row).map(|cell| CELL + value_bytes(cell)).sum();
    ROW + clustering.0.len() + cells + elements_bytes(row)
}

/// What columns with elements take beside their cells: their heads and the paths.
fn elements_bytes(row: &Row) -> usize {
    let paths = |elements: &model::Elements| -> usize {
        elements.cells.iter().map(|(path, _)| path.len()).sum()
    };
    row.elements.iter().map(|(_, it)| CELL + paths(it)).sum()
}

fn value_bytes(cell: &model::Cell) -> usize {
    match &cell.content {
        Content::Live { value } | Content::Expiring { value, .. } => value.len(),
        Content::Dead { .. } => 0,
    }
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
fn column_deletions(row: &Row) -> impl Iterator<Item = Deletion> {
    row.elements.iter().filter_map(|(_, it)| it.deletion)
}

/// Smallest timestamp of anything in `part`, microseconds; `i64::MAX` of nothing.
pub(crate) fn timestamp_min(part: &Partition) -> i64 {
    let ranges = part.range_tombstones.iter().map(|it| it.deletion.timestamp);
    let above = part.deletion.iter().map(|it| it.timestamp).chain(ranges);
    let rows = part.rows.iter().map(|(_, it)| row_timestamp_min(it));
    above.chain(rows).fold(row_timestamp_min(&part.static_row), i64::min)
}

/// Smallest timestamp of anything in a row, microseconds; `i64::MAX` of nothing.
pub(crate) fn row_timestamp_min(row: &Row) -> i64 {
    let cells = all_cells(row).map(|cell| cell.timestamp);
    let cells = cells.chain(column_deletions(row).map(|it| it.timestamp));
    let marker = row.liveness.iter().map(|it| it.timestamp);
    let deletion = row.deletion.iter().map(|it| it.timestamp);
    cells.chain(marker).chain(deletion).min().unwrap_or(i64::MAX)
}

/// What the statistics of an sstable keep of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    /// Expired cells count as what they still are: whether they are tombstones depends on when one asks.
    pub(crate) tombstones: u64,
    /// Of anything, microseconds; `i64::MAX` and `i64::MIN` of nothing.
    pub(crate) timestamp_min: i64,
    pub(crate) timestamp_max: i64,
    /// When the last of it expires, seconds; `i64::MAX` if something never does, `i64::MIN` of nothing.
    pub(crate) expires_max: i64,
    /// When the last of it was deleted, or written to expire, seconds; `i64::MIN` of nothing.
    pub(crate) deleted_max: i64,
}

impl Summary {
    /// Of all that is in `part`.
    pub(crate) fn of(part: &Partition) -> Summary {
        let mut summary = Summary {
            tombstones: 0,
            timestamp_min: i64::MAX,
            timestamp_max: i64::MIN,
            expires_max: i64::MIN,
            deleted_max: i64::MIN,
        };
        let ranges = part.range_tombstones.iter().map(|it| it.deletion);
        part.deletion.into_iter().chain(ranges).for_each(|it| summary.deletion(it));
        summary.row(&part.static_row);
        for chunk in part.rows.chunks() {
            match chunk {
                Chunk::Each(rows) => rows.iter().for_each(|(_, row)| summary.row(row)),
                Chunk::Columns(columns, rows) => {
                    let (oldest, newest) = columns.timestamps(rows.clone());
                    summary.timestamp(oldest);
                    summary.timestamp(newest);
                    columns.each_lifetime(rows, |_, lifetime| summary.expiry(lifetime));
                }
            }
        }
        summary
    }

    fn row(&mut self, row: &Row) {
        if let Some(marker) = row.liveness {
            self.timestamp(marker.timestamp);
            self.expiry(marker.expiry);
        }
        row.deletion.into_iter().chain(column_deletions(row)).for_each(|it| self.deletion(it));
        for cell in all_cells(row) {
            self.timestamp(cell.timestamp);
            match &cell.content {
                Content::Live { .. } => self.expiry(None),
                Content::Expiring { ttl, expires_at, .. } => self.expiry(Some((*ttl, *expires_at))),
                Content::Dead { deleted_at } => {
                    self.tombstones += 1;
                    self.deleted_max = self.deleted_max.max(*deleted_at);
                }
            }
        }
    }

    fn timestamp(&mut self, at: i64) {
        self.timestamp_min = self.timestamp_min.min(at);
        self.timestamp_max = self.timestamp_max.max(at);
    }

    fn deletion(&mut self, it: Deletion) {
        self.tombstones += 1;
        self.timestamp(it.timestamp);
        self.deleted_max = self.deleted_max.max(it.deleted_at);
    }

    /// A TTL in seconds, and when it ends.
    fn expiry(&mut self, expiry: Option<(u32, i64)>) {
        match expiry {
            Some((ttl, at)) => {
                self.expires_max = self.expires_max.max(at);
                self.deleted_max = self.deleted_max.max(at.saturating_sub(i64::from(ttl)));
            }
            None => self.expires_max = i64::MAX,
        }
    }
}
