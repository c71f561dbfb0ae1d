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
    sync::Arc,
};

use crate::{
    cell::Cell,
    columns::{Amount, Columns},
    key::Clustering,
    row::Row,
    schema::ColumnId,
};

mod merge;
mod part;
mod view;

use part::{Part, Parts, Stretch, live};
pub use view::View;

/// Plain rows in a row, among others, from which on they are left where they lie.
const PLAIN_MIN: usize = 4;

/// A row with its clustering.
type Each = (Clustering, Row);

/// Rows in clustering order.
pub struct Rows(Form);

enum Form {
    Each(Vec<Each>),
    Parts(Box<Parts>),
}

/// Rows that follow each other, where they lie.
#[derive(Clone, Debug)]
pub enum Chunk<'a> {
    /// A list.
    Each(&'a [(Clustering, Row)]),
    /// Some of the rows of columns, all of them plain.
    Columns(&'a Columns, Range<usize>),
}

impl Rows {
    /// Rows of columns. Those that are not plain are made one by one.
    #[inline]
    pub fn of(columns: &Arc<Columns>, rows: Range<usize>) -> Rows {
        if columns.are_plain(rows.clone()) {
            return Rows::of_plain(columns, rows);
        }
        let plain = columns.plain(rows.clone());
        let mut all = Rows::default();
        all.append_runs(columns, rows.start, &plain, |list| list);
        all
    }

    fn of_plain(columns: &Arc<Columns>, rows: Range<usize>) -> Rows {
        match (u32::try_from(rows.start), u32::try_from(rows.end)) {
            (Ok(from), Ok(to)) if from < to => {
                let stretch = Stretch { columns: Arc::clone(columns), from, to };
                Rows::of_part(Part::Columns(stretch))
            }
            _ => Rows(Form::Each(columns.make(rows))),
        }
    }

    /// Appends rows from `from` on, so many as `stay` tells of: those that do, and are plain, where they lie, unless they are so few
    /// that a list costs less; the others as `change` leaves a list of them.
    #[cold]
    fn append_runs(
        &mut self,
        columns: &Arc<Columns>,
        mut from: usize,
        stay: &[bool],
        mut change: impl FnMut(Vec<Each>) -> Vec<Each>,
    ) {
        for run in stay.chunk_by(|left, right| left == right) {
            let to = from + run.len();
            match (run[0], run.len()) {
                (true, PLAIN_MIN..) => self.append(Rows::of_plain(columns, from..to)),
                (true, _) => self.append(columns.make(from..to).into()),
                (false, _) => self.append(change(columns.make(from..to)).into()),
            }
            from = to;
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

    /// All of them, in order, where they lie.
    pub fn chunks(&self) -> impl Iterator<Item = Chunk<'_>> {
        let (each, parts) = match &self.0 {
            Form::Each(rows) => (Some(Chunk::Each(rows)), None),
            Form::Parts(parts) => (None, Some(parts.all())),
        };
        each.into_iter().chain(parts.into_iter().flatten().map(Part::chunk))
    }

    /// Whether all are known to be settled at `now` (seconds) without a look at each: plain, and nothing of them has expired.
    #[inline]
    pub fn are_settled(&self, now: i64) -> bool {
        match &self.0 {
            Form::Each(_) => false,
            Form::Parts(parts) => parts.all().all(|it| it.is_settled(now)),
        }
    }

    /// How much there is of `rows`, if all are known to be plain without a look at each.
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
            Part::Columns(it) => it.columns.each_value(it.rows(), column, now, &mut visit),
        })
    }

    /// Drops the rows that no reader sees at `now` (seconds).
    pub fn retain_live(&mut self, now: i64) {
        self.retain_unsettled(now, |row| row.is_live(now));
    }

    /// Shows those rows that are not known to be settled at `now` (seconds), and drops those that it is told to.
    pub fn retain_unsettled(&mut self, now: i64, mut keep: impl FnMut(&mut Row) -> bool) {
        let parts = match &mut self.0 {
            Form::Each(rows) => return rows.retain_mut(|(_, row)| keep(row)),
            Form::Parts(parts) => parts,
        };
        if parts.all().all(|it| it.is_settled(now)) {
            return;
        }
        let mut kept = |mut rows: Vec<Each>| {
            rows.retain_mut(|(_, row)| keep(row));
            rows
        };
        let Form::Parts(parts) = mem::take(self).0 else { return };
        for part in parts.into_all() {
            match part {
                Part::Each(rows) => self.append(kept(rows).into()),
                Part::Columns(it) if !it.is_settled(now) => {
                    let stay = it.columns.unexpired(it.rows(), now);
                    self.append_runs(&it.columns, it.rows().start, &stay, &mut kept);
                }
                Part::Columns(_) => self.push_part(part),
            }
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
                let (mut left, mut right) = (Rows::default(), Rows::default());
                let mut room = at;
                for part in parts.into_all() {
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
            Form::Parts(parts) => parts.into_all().for_each(|it| self.push_part(it)),
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
                match (parts.last_mut(), next) {
                    (Part::Each(rows), Part::Each(next)) => rows.extend(next),
                    (_, next) => parts.others.push(next),
                }
            }
        }
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
