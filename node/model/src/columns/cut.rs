//! Some of the rows of columns, as columns of their own.

use std::ops::Range;

use bytes::Bytes;

use super::{Codes, Column, Columns, Ints, Strings, Values, flag, kind};

impl Columns {
    /// Whether no value lies in these bytes.
    pub fn lie_apart(&self, bytes: &Bytes) -> bool {
        let values = self.columns.iter().map(|it| &it.values).chain([&self.keys]);
        !values.into_iter().any(|it| it.lies_in(bytes))
    }

    /// These rows alone. What is as large as the bytes of values is shared. `decoded` gives the values of column number so and so, of
    /// which that range is wanted, where they lie elsewhere, and perhaps their codes.
    pub fn cut(
        &self,
        rows: Range<usize>,
        mut decoded: impl FnMut(usize, Range<usize>) -> Option<(Values, Option<Codes>)>,
    ) -> Columns {
        let expiring = self.expiring_markers(rows.clone());
        let first = |ranks: &[(u32, u32)]| ranks.get(rows.start).copied().unwrap_or_default();
        let from = self.ranks.as_ref().map_or(rows.start, |it| first(it).1 as usize);
        let deletions = self.flags.count(rows.clone(), |flags| flags & flag::DELETION != 0);
        let deleted = from..from + deletions;
        let ranks = self.ranks.as_ref().map(|ranks| {
            let (expiring, deleted) = first(ranks);
            ranks[rows.clone()].iter().map(|it| (it.0 - expiring, it.1 - deleted)).collect()
        });
        let columns = self.columns.iter().enumerate().map(|(number, column)| {
            let places = column.places(rows.clone());
            column.cut(places, &rows, |values| decoded(number, values))
        });
        Columns {
            keys: self.keys.cut(rows.clone()),
            times: self.times.cut(rows.clone()),
            flags: self.flags.cut(rows.clone()),
            ttls: self.ttls.cut(expiring.clone()),
            begins: self.begins.cut(expiring),
            deletion_times: self.deletion_times.cut(deleted.clone()),
            deleted_ats: self.deleted_ats.cut(deleted),
            ranks,
            columns: columns.collect(),
            settled_until: self.settled_until,
        }
    }
}

impl Column {
    fn cut(
        &self,
        places: Range<usize>,
        rows: &Range<usize>,
        decoded: impl FnOnce(Range<usize>) -> Option<(Values, Option<Codes>)>,
    ) -> Column {
        let count = |is: fn(i64) -> bool| self.kinds.count(places.clone(), is);
        let begin = if places.is_empty() { [0; 3] } else { self.ranks_of(places.start) };
        let from = |at: usize, count: usize| begin[at]..begin[at] + count;
        let values = from(0, count(|it| it != kind::DEAD));
        let ttls = from(1, count(|it| it == kind::EXPIRING));
        let seconds = from(2, count(|it| matches!(it, kind::EXPIRING | kind::DEAD)));
        let (values, codes) =
            decoded(values.clone()).unwrap_or_else(|| (self.values.cut(values), None));
        let own = |it: &[u32; 3]| [0, 1, 2].map(|at| it[at] - begin[at] as u32);
        Column {
            id: self.id,
            rows: match &self.rows {
                Some(present) if places.len() < rows.len() => {
                    Some(present[places.clone()].iter().map(|it| it - rows.start as u32).collect())
                }
                Some(_) | None => None,
            },
            times: self.times.cut(places.clone()),
            kinds: self.kinds.cut(places.clone()),
            ttls: self.ttls.cut(ttls),
            seconds: self.seconds.cut(seconds),
            values,
            codes,
            ranks: self.ranks.as_ref().map(|it| it[places].iter().map(own).collect()),
        }
    }
}

impl Ints {
    fn cut(&self, range: Range<usize>) -> Ints {
        match self {
            _ if range.is_empty() => Ints::Const(0),
            Ints::Const(value) => Ints::Const(*value),
            Ints::Each(values) => Ints::Each(values[range].to_vec()),
        }
    }
}

impl Values {
    /// Of all, bytes.
    pub fn all_bytes(&self) -> usize {
        match self {
            Values::Fixed { arena, .. } | Values::Any { arena, .. } => arena.len(),
            Values::Repeated { distinct, .. } => distinct.all_bytes(),
        }
    }

    fn lies_in(&self, bytes: &Bytes) -> bool {
        match self {
            Values::Fixed { arena, .. } | Values::Any { arena, .. } => {
                bytes.as_ptr_range().contains(&arena.as_ptr())
            }
            Values::Repeated { distinct, .. } => distinct.lies_in(bytes),
        }
    }

    /// Those in a range.
    pub fn cut(&self, range: Range<usize>) -> Values {
        match self {
            Values::Fixed { arena, len } => {
                Values::Fixed { arena: arena.slice(range.start * len..range.end * len), len: *len }
            }
            Values::Any { arena, ends } => {
                let end = |at: usize| at.checked_sub(1).map_or(0, |at| ends[at]);
                let (from, to) = (end(range.start), end(range.end));
                let ends = ends[range].iter().map(|it| it - from).collect();
                Values::Any { arena: arena.slice(from as usize..to as usize), ends }
            }
            // Few are wanted mostly: less than what differs in all.
            Values::Repeated { .. } => {
                let mut few = Strings::default();
                range.for_each(|at| few.push(self.bytes(at)));
                few.finish()
            }
        }
    }
}
