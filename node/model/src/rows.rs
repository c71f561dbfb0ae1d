//! The rows of a partition: one by one, or where they lie as columns, or some so and some so.
//!
//! ```text
//!   block of an sstable   [ r0 r1 r2 r3 r4 r5 r6 r7 ]      columns, decoded once, shared
//!   rows of an answer            └─ 2..6 ─┘                a stretch of them: nothing is copied
//! ```
//!
//! Whoever looks at rows as a list gets a list: it is made the first time. Who goes over
//! [`Rows::views`] instead is shown each where it lies.

use std::{
    fmt, iter, mem,
    ops::{Deref, DerefMut, Range},
    sync::{Arc, OnceLock},
};

use crate::{
    cell::Cell,
    columns::{Amount, Columns},
    key::Clustering,
    row::Row,
    schema::ColumnId,
};

mod view;

pub use view::View;

/// A row with its clustering.
type Each = (Clustering, Row);

/// Rows in clustering order.
pub struct Rows(Form);

enum Form {
    Each(Vec<Each>),
    Parts(Box<Parts>),
}

/// Rows of which some, at least, lie as columns.
struct Parts {
    first: Part,
    others: Vec<Part>,
    /// The same as a list, once somebody wanted one.
    each: OnceLock<Vec<Each>>,
}

/// Rows that follow each other, one at least.
#[derive(Clone)]
enum Part {
    Each(Vec<Each>),
    Columns(Stretch),
}

/// Some of the rows of columns. All are settled (`Columns::are_settled`): they are live whenever one looks, and no
/// tombstone is among them.
#[derive(Clone)]
struct Stretch {
    columns: Arc<Columns>,
    from: u32,
    to: u32,
}

impl Rows {
    /// Rows of columns. Those that are not all settled are made one by one.
    #[inline]
    pub fn of(columns: &Arc<Columns>, rows: Range<usize>) -> Rows {
        let bounds = (u32::try_from(rows.start), u32::try_from(rows.end));
        match bounds {
            (Ok(from), Ok(to)) if from < to && columns.are_settled(rows.clone()) => {
                let stretch = Stretch { columns: Arc::clone(columns), from, to };
                Rows::of_part(Part::Columns(stretch))
            }
            _ => Rows(Form::Each(columns.make(rows))),
        }
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Each(rows) => rows.len(),
            Form::Parts(parts) => parts.all().map(Part::len).sum(),
        }
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Shows each row where it lies.
    #[inline]
    pub fn views(&self) -> impl DoubleEndedIterator<Item = View<'_>> {
        let (each, parts) = match &self.0 {
            Form::Each(rows) => (&rows[..], None),
            Form::Parts(parts) => (&[][..], Some(&**parts)),
        };
        let each = each.iter().map(|(clustering, row)| View::Each(clustering, row));
        each.chain(parts.into_iter().flat_map(Parts::all).flat_map(Part::views))
    }

    /// The row at `at`, which is below the count.
    #[inline]
    pub fn view(&self, mut at: usize) -> Option<View<'_>> {
        match &self.0 {
            Form::Each(rows) => rows.get(at).map(|(clustering, row)| View::Each(clustering, row)),
            Form::Parts(parts) => parts.all().find_map(|it| {
                let found = if at < it.len() { it.view(at) } else { None };
                at = at.wrapping_sub(it.len());
                found
            }),
        }
    }

    /// Whether all are known to be settled without a look at each.
    #[inline]
    pub fn are_settled(&self) -> bool {
        match &self.0 {
            Form::Each(_) => false,
            Form::Parts(parts) => parts.all().all(|it| matches!(it, Part::Columns(_))),
        }
    }

    /// How much there is of `rows`, if all are known to be settled without a look at each.
    #[inline]
    pub fn amount(&self, rows: Range<usize>) -> Option<Amount> {
        let Form::Parts(parts) = &self.0 else { return None };
        let (mut amount, mut before) = (Amount::default(), 0);
        for part in parts.all() {
            let Part::Columns(it) = part else { return None };
            let end = before + part.len();
            let (from, to) = (rows.start.clamp(before, end), rows.end.clamp(before, end));
            let base = it.from as usize;
            let here = it.columns.amount(base + from - before..base + to - before);
            amount.rows += here.rows;
            amount.cells += here.cells;
            amount.bytes += here.bytes;
            before = end;
        }
        Some(amount)
    }

    /// Rows that a reader sees at `now` (seconds).
    pub fn live(&self, now: i64) -> usize {
        match &self.0 {
            Form::Each(rows) => live(rows, now),
            Form::Parts(parts) => parts.all().map(|it| it.live(now)).sum(),
        }
    }

    /// Shows the value that each live row has in `column` at `now` (seconds), a row without one left out, until one is
    /// refused. Where rows lie as columns it goes along the column.
    #[inline]
    pub fn each_value<E>(
        &self,
        column: ColumnId,
        now: i64,
        mut visit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let listed = |rows: &[Each], visit: &mut dyn FnMut(&[u8]) -> Result<(), E>| {
            let live = rows.iter().filter(|(_, row)| row.is_live(now));
            let mut values = live.filter_map(|(_, row)| row.cell(column)?.value(now));
            values.try_for_each(|it| visit(it))
        };
        let parts = match &self.0 {
            Form::Each(rows) => return listed(rows, &mut visit),
            Form::Parts(parts) => parts,
        };
        parts.all().try_for_each(|part| match part {
            Part::Each(rows) => listed(rows, &mut visit),
            Part::Columns(it) => it.columns.each_value(it.rows(), column, &mut visit),
        })
    }

    /// Drops the rows that no reader sees at `now` (seconds).
    pub fn retain_live(&mut self, now: i64) {
        if self.live(now) < self.len() {
            self.retain(|(_, row)| row.is_live(now));
        }
    }

    /// How many lie before `clustering`.
    pub fn first_at(&self, clustering: &[u8]) -> usize {
        let parts = match &self.0 {
            Form::Each(rows) => return rows.partition_point(|(it, _)| it.0 < *clustering),
            Form::Parts(parts) => parts,
        };
        let mut before = 0;
        for it in parts.all() {
            let found = it.first_at(clustering);
            before += found;
            if found < it.len() {
                break;
            }
        }
        before
    }

    /// Keeps the first `at` rows, and returns the others.
    pub fn split_off(&mut self, at: usize) -> Rows {
        match mem::take(self).0 {
            Form::Each(mut rows) => {
                let right = rows.split_off(at.min(rows.len()));
                *self = rows.into();
                right.into()
            }
            Form::Parts(parts) => {
                let Parts { first, others, .. } = *parts;
                let (mut left, mut right) = (Rows::default(), Rows::default());
                let mut room = at;
                for part in iter::once(first).chain(others) {
                    let len = part.len();
                    let (here, there) = part.split(room.min(len));
                    room -= room.min(len);
                    here.into_iter().for_each(|it| left.push_part(it));
                    there.into_iter().for_each(|it| right.push_part(it));
                }
                *self = left;
                right
            }
        }
    }

    /// Keeps the first `count` rows.
    pub fn truncate(&mut self, count: usize) {
        if count < self.len() {
            drop(self.split_off(count));
        }
    }

    /// Keeps the last `count` rows.
    pub fn keep_last(&mut self, count: usize) {
        let len = self.len();
        if count < len {
            *self = self.split_off(len - count);
        }
    }

    /// Appends rows that lie behind these.
    pub fn append(&mut self, next: Rows) {
        match next.0 {
            Form::Each(rows) if rows.is_empty() => {}
            Form::Each(rows) => self.push_part(Part::Each(rows)),
            Form::Parts(parts) => {
                let Parts { first, others, .. } = *parts;
                self.push_part(first);
                others.into_iter().for_each(|it| self.push_part(it));
            }
        }
    }

    /// As a list.
    pub fn into_each(self) -> Vec<Each> {
        match self.0 {
            Form::Each(rows) => rows,
            Form::Parts(parts) => {
                let Parts { first, others, each } = *parts;
                let make = || iter::once(first).chain(others).flat_map(Part::into_each).collect();
                each.into_inner().unwrap_or_else(make)
            }
        }
    }

    /// About how many bytes this takes in memory beside the value itself, or would as a list.
    pub fn heap_bytes(&self) -> usize {
        let listed = |rows: &Vec<Each>| {
            let of = |(clustering, row): &Each| clustering.0.len() + row.heap_bytes();
            rows.capacity() * size_of::<Each>() + rows.iter().map(of).sum::<usize>()
        };
        let parts = match &self.0 {
            Form::Each(rows) => return listed(rows),
            Form::Parts(parts) => parts,
        };
        let of = |part: &Part| match part {
            Part::Each(rows) => listed(rows),
            Part::Columns(it) => {
                let Amount { rows, cells, bytes } = it.columns.amount(it.rows());
                rows * size_of::<Each>() + cells * size_of::<(ColumnId, Cell)>() + bytes
            }
        };
        parts.all().map(of).sum()
    }

    fn of_part(part: Part) -> Rows {
        match part {
            Part::Each(rows) => rows.into(),
            Part::Columns(_) => Rows(Form::Parts(Parts::new(part, Vec::new()))),
        }
    }

    fn push_part(&mut self, next: Part) {
        match (&mut self.0, next) {
            (Form::Each(rows), next) if rows.is_empty() => *self = Rows::of_part(next),
            (Form::Each(rows), Part::Each(next)) => rows.extend(next),
            (Form::Each(rows), next @ Part::Columns(_)) => {
                let first = Part::Each(mem::take(rows));
                self.0 = Form::Parts(Parts::new(first, vec![next]));
            }
            (Form::Parts(parts), next) => {
                parts.each.take();
                parts.others.push(next);
            }
        }
    }
}

fn live(rows: &[Each], now: i64) -> usize {
    rows.iter().filter(|(_, row)| row.is_live(now)).count()
}

impl Parts {
    /// Boxed, so that a list, which is what most partitions have, is not larger than it was.
    fn new(first: Part, others: Vec<Part>) -> Box<Parts> {
        Box::new(Parts { first, others, each: OnceLock::new() })
    }

    #[inline]
    fn all(&self) -> impl DoubleEndedIterator<Item = &Part> {
        iter::once(&self.first).chain(&self.others)
    }
}

impl Part {
    fn len(&self) -> usize {
        match self {
            Part::Each(rows) => rows.len(),
            Part::Columns(it) => it.rows().len(),
        }
    }

    #[inline]
    fn views(&self) -> impl DoubleEndedIterator<Item = View<'_>> {
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

    fn view(&self, at: usize) -> Option<View<'_>> {
        match self {
            Part::Each(rows) => rows.get(at).map(|(clustering, row)| View::Each(clustering, row)),
            Part::Columns(it) => Some(View::Column(&it.columns, it.from as usize + at)),
        }
    }

    fn live(&self, now: i64) -> usize {
        match self {
            Part::Each(rows) => live(rows, now),
            Part::Columns(it) => it.rows().len(),
        }
    }

    fn first_at(&self, clustering: &[u8]) -> usize {
        match self {
            Part::Each(rows) => rows.partition_point(|(it, _)| it.0 < *clustering),
            Part::Columns(it) => it.columns.first_at(it.rows(), clustering) - it.from as usize,
        }
    }

    /// The first `at` rows and the others, where there are any.
    fn split(self, at: usize) -> (Option<Part>, Option<Part>) {
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

    fn into_each(self) -> Vec<Each> {
        match self {
            Part::Each(rows) => rows,
            Part::Columns(it) => it.columns.make(it.rows()),
        }
    }
}

impl Stretch {
    fn rows(&self) -> Range<usize> {
        self.from as usize..self.to as usize
    }
}

impl Default for Rows {
    fn default() -> Rows {
        Rows(Form::Each(Vec::new()))
    }
}

impl Deref for Rows {
    type Target = Vec<Each>;

    fn deref(&self) -> &Vec<Each> {
        match &self.0 {
            Form::Each(rows) => rows,
            Form::Parts(parts) => {
                parts.each.get_or_init(|| parts.all().cloned().flat_map(Part::into_each).collect())
            }
        }
    }
}

impl DerefMut for Rows {
    fn deref_mut(&mut self) -> &mut Vec<Each> {
        if let Form::Parts(_) = self.0 {
            let each = mem::take(self).into_each();
            self.0 = Form::Each(each);
        }
        match &mut self.0 {
            Form::Each(rows) => rows,
            Form::Parts(_) => unreachable!("a list was made of them"),
        }
    }
}

impl Clone for Rows {
    fn clone(&self) -> Rows {
        match &self.0 {
            Form::Each(rows) => rows.clone().into(),
            Form::Parts(parts) => {
                Rows(Form::Parts(Parts::new(parts.first.clone(), parts.others.clone())))
            }
        }
    }
}

impl PartialEq for Rows {
    fn eq(&self, other: &Rows) -> bool {
        **self == **other
    }
}

impl Eq for Rows {}

impl fmt::Debug for Rows {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.deref().fmt(out)
    }
}

impl From<Vec<Each>> for Rows {
    fn from(rows: Vec<Each>) -> Rows {
        Rows(Form::Each(rows))
    }
}

impl FromIterator<Each> for Rows {
    fn from_iter<I: IntoIterator<Item = Each>>(rows: I) -> Rows {
        Vec::from_iter(rows).into()
    }
}

impl IntoIterator for Rows {
    type Item = Each;
    type IntoIter = std::vec::IntoIter<Each>;

    fn into_iter(self) -> Self::IntoIter {
        self.into_each().into_iter()
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = &'a Each;
    type IntoIter = std::slice::Iter<'a, Each>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Rows {
    type Item = &'a mut Each;
    type IntoIter = std::slice::IterMut<'a, Each>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

#[cfg(test)]
mod tests;
