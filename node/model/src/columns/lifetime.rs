//! What expires among rows in columns, and when.

use std::ops::Range;

use super::{Column, Columns, flag, kind, second_of};
use crate::schema::ColumnId;

impl Columns {
    /// Which of these rows, which are plain, have nothing in them that has expired at `now` (seconds).
    pub fn unexpired(&self, rows: Range<usize>, now: i64) -> Vec<bool> {
        let mut unexpired = vec![true; rows.len()];
        self.each_lifetime(rows.clone(), |row, lifetime| {
            let has_expired = lifetime.is_some_and(|(_, at)| at <= now);
            unexpired[row - rows.start] &= !has_expired;
        });
        unexpired
    }

    /// When the first of all markers and values expires, seconds; `i64::MAX` if none does.
    pub fn first_expiry(&self, rows: usize) -> i64 {
        let mut first = i64::MAX;
        self.each_lifetime(0..rows, |_, lifetime| {
            first = lifetime.map_or(first, |(_, at)| first.min(at));
        });
        first
    }

    /// Shows the TTL of every marker and value of these rows that expires, and when it does, both seconds; `None` for those that
    /// stay, once for many of them.
    pub fn each_lifetime(
        &self,
        rows: Range<usize>,
        mut visit: impl FnMut(usize, Option<(u32, i64)>),
    ) {
        let mut stay = 0;
        if self.expiring_markers(rows.clone()).is_empty() {
            stay += self.flags.count(rows.clone(), |flags| flags & flag::MARKER != 0);
        } else {
            let markers = rows.clone().filter_map(|at| Some((at, self.head(at).0?)));
            markers.for_each(|(at, marker)| visit(at, marker.expiry));
        }
        for column in &self.columns {
            let places = column.places(rows.clone());
            if column.expiring(places.clone())[0].is_empty() {
                stay += column.kinds.count(places, |kind| kind == kind::LIVE);
                continue;
            }
            for place in places {
                let row = column.row_of(place);
                match column.kinds.get(place) {
                    kind::LIVE => visit(row, None),
                    kind::EXPIRING => visit(row, Some(column.expiry(place, self.times.get(row)))),
                    _ => {}
                }
            }
        }
        if stay > 0 {
            visit(rows.start, None);
        }
    }

    /// Where the TTLs of these rows' markers lie in `ttls` and `begins`.
    pub fn expiring_markers(&self, rows: Range<usize>) -> Range<usize> {
        let from = match (&self.ranks, rows.is_empty()) {
            (Some(ranks), false) => ranks[rows.start].0 as usize,
            (_, _) => rows.start,
        };
        from..from + self.flags.count(rows, |flags| flags & flag::EXPIRES != 0)
    }

    /// Whether a reader sees a plain row at `now` (seconds).
    #[inline]
    pub fn is_live(&self, at: usize, now: i64) -> bool {
        now < self.settled_until || self.is_live_yet(at, now)
    }

    /// As `is_live`, where something has expired.
    #[cold]
    fn is_live_yet(&self, at: usize, now: i64) -> bool {
        let time = self.times.get(at);
        self.head(at).0.is_some_and(|it| it.is_live(now))
            || self.columns.iter().any(|it| it.at(at).is_some_and(|at| it.is_live(at, time, now)))
    }

    /// When what a plain row has in `column` at `now` (seconds) expires, if it does.
    pub(crate) fn expires_at(&self, at: usize, column: ColumnId, now: i64) -> Option<i64> {
        let (column, place) = self.place(at, column, now)?;
        let expires = column.kinds.get(place) == kind::EXPIRING;
        expires.then(|| column.expiry(place, self.times.get(at)).1)
    }
}

impl Column {
    /// Whether the cell at `place`, of a row written at `row_time`, has a value at `now` (seconds). It is not one of elements.
    pub(super) fn is_live(&self, place: usize, row_time: i64, now: i64) -> bool {
        match self.kinds.get(place) {
            kind::LIVE => true,
            kind::EXPIRING => now < self.expiry(place, row_time).1,
            _ => false,
        }
    }

    /// The TTL of an expiring cell at `place`, of a row written at `row_time`, and when it ends: seconds.
    pub(super) fn expiry(&self, place: usize, row_time: i64) -> (u32, i64) {
        let [_, ttl, second] = self.ranks_of(place);
        let begins = second_of(row_time.wrapping_add(self.times.get(place)));
        let ttl = self.ttls.get(ttl);
        (ttl as u32, begins.wrapping_add(self.seconds.get(second)).wrapping_add(ttl))
    }

    /// Where what is to be told of plain cells that expire lies in `ttls` and in `seconds`.
    pub fn expiring(&self, places: Range<usize>) -> [Range<usize>; 2] {
        let [_, ttl, second] = if places.is_empty() { [0; 3] } else { self.ranks_of(places.start) };
        let count = self.kinds.count(places, |kind| kind == kind::EXPIRING);
        [ttl..ttl + count, second..second + count]
    }
}
