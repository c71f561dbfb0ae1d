//! Rows that follow each other: as a list, or where they lie in columns.

use std::{
    iter,
    ops::Range,
    sync::{Arc, OnceLock},
};

use super::{Chunk, Each, View};
use crate::columns::Columns;

/// Rows of which some, at least, lie as columns.
pub(super) struct Parts {
    pub(super) first: Part,
    pub(super) others: Vec<Part>,
    /// The same as a list, once somebody wanted one.
    pub(super) each: OnceLock<Vec<Each>>,
}

/// Rows that follow each other, one at least.
#[derive(Clone)]
pub(super) enum Part {
    Each(Vec<Each>),
    Columns(Stretch),
}

/// Some of the rows of columns. All are plain (`Columns::are_plain`): no tombstone is among them, and they are live until they
/// expire.
#[derive(Clone)]
pub(super) struct Stretch {
    pub(super) columns: Arc<Columns>,
    pub(super) from: u32,
    pub(super) to: u32,
}

pub(super) fn live(rows: &[Each], now: i64) -> usize {
    rows.iter().filter(|(_, row)| row.is_live(now)).count()
}

impl Parts {
    /// Boxed, so that a list, which is what most partitions have, is not larger than it was.
    pub(super) fn new(first: Part, others: Vec<Part>) -> Box<Parts> {
        Box::new(Parts { first, others, each: OnceLock::new() })
    }

    pub(super) fn into_all(self) -> impl Iterator<Item = Part> {
        iter::once(self.first).chain(self.others)
    }

    pub(super) fn last_mut(&mut self) -> &mut Part {
        self.others.last_mut().unwrap_or(&mut self.first)
    }

    #[inline]
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &Part> {
        iter::once(&self.first).chain(&self.others)
    }
}

impl Part {
    pub(super) fn len(&self) -> usize {
        match self {
            Part::Each(rows) => rows.len(),
            Part::Columns(it) => it.rows().len(),
        }
    }

    pub(super) fn chunk(&self) -> Chunk<'_> {
        match self {
            Part::Each(rows) => Chunk::Each(rows),
            Part::Columns(it) => Chunk::Columns(&it.columns, it.rows()),
        }
    }

    #[inline]
    pub(super) fn views(&self) -> impl DoubleEndedIterator<Item = View<'_>> {
        let (each, stretch) = match self {
            Part::Each(rows) => (&rows[..], None),
            Part::Columns(it) => (&[][..], Some(it)),
        };
        let in_columns = stretch.into_iter().flat_map(|it| {
            let view = |at| View::Column(&it.columns, at);
            it.rows().map(view)
        });
        each.iter().map(|(clustering, row)| View::Each(clustering, row)).chain(in_columns)
    }

    pub(super) fn view(&self, at: usize) -> Option<View<'_>> {
        match self {
            Part::Each(rows) => rows.get(at).map(|(clustering, row)| View::Each(clustering, row)),
            Part::Columns(it) => Some(View::Column(&it.columns, it.from as usize + at)),
        }
    }

    pub(super) fn live(&self, now: i64) -> usize {
        match self {
            Part::Each(rows) => live(rows, now),
            Part::Columns(it) if it.is_settled(now) => it.rows().len(),
            Part::Columns(it) => it.rows().filter(|at| it.columns.is_live(*at, now)).count(),
        }
    }

    /// Whether all are known to be settled at `now` (seconds) without a look at each.
    pub(super) fn is_settled(&self, now: i64) -> bool {
        match self {
            Part::Each(_) => false,
            Part::Columns(it) => it.is_settled(now),
        }
    }

    pub(super) fn first_at(&self, clustering: &[u8]) -> usize {
        match self {
            Part::Each(rows) => rows.partition_point(|(it, _)| it.0 < *clustering),
            Part::Columns(it) => it.columns.first_at(it.rows(), clustering) - it.from as usize,
        }
    }

    /// The first `at` rows and the others, where there are any.
    pub(super) fn split(self, at: usize) -> (Option<Part>, Option<Part>) {
        if at == 0 {
            return (None, Some(self));
        }
        if at == self.len() {
            return (Some(self), None);
        }
        match self {
            Part::Each(mut rows) => {
                let right = rows.split_off(at);
                (Some(Part::Each(rows)), Some(Part::Each(right)))
            }
            Part::Columns(it) => {
                // Below the count, which is one of 32 bits.
                let middle = it.from + at as u32;
                let right = Stretch { from: middle, ..it.clone() };
                (Some(Part::Columns(Stretch { to: middle, ..it })), Some(Part::Columns(right)))
            }
        }
    }

    pub(super) fn into_each(self) -> Vec<Each> {
        match self {
            Part::Each(rows) => rows,
            Part::Columns(it) => it.columns.make(it.rows()),
        }
    }
}

impl Stretch {
    /// The first clustering.
    pub(super) fn first(&self) -> Option<&[u8]> {
        (self.from < self.to).then(|| self.columns.keys.bytes(self.from as usize))
    }

    /// Takes the first row.
    pub(super) fn next(&mut self) -> Option<Each> {
        let first =
            self.columns.make(self.from as usize..self.rows().end.min(self.from as usize + 1));
        self.from += first.len() as u32;
        first.into_iter().next()
    }

    /// Takes the rows before `clustering`, which is probably near the first.
    pub(super) fn take_before(&mut self, clustering: &[u8]) -> Stretch {
        // Between the bounds, which are of 32 bits.
        let at = self.columns.first_near(self.rows(), clustering) as u32;
        let before = Stretch { to: at, ..self.clone() };
        self.from = at;
        before
    }

    /// Whether nothing has expired at `now` (seconds), as far as is known without a look at each.
    pub(super) fn is_settled(&self, now: i64) -> bool {
        now < self.columns.settled_until
    }

    pub(super) fn rows(&self) -> Range<usize> {
        self.from as usize..self.to as usize
    }
}
