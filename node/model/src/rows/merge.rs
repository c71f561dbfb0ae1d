//! Merging rows: what only one side has stays where it lies.
//!
//! ```text
//!   ours      [ a b c . e f g h ]        columns
//!   theirs          c d                  a list
//!   merged    [ a b ] c d [ e f g h ]    c of both; the others are not touched
//! ```

use std::{cmp::Ordering, mem, vec};

use super::{Each, Form, Part, Rows, Stretch};

/// Parts of so few rows, by the mean, cost more than a list.
const ROWS_PER_PART_MIN: usize = 3;

impl Rows {
    /// Merges other versions of rows of the same partition in. No deletion above them is looked at.
    ///
    /// One that is new costs a search, and a move of what lies behind it in its list; many cost one pass over both
    /// where they are lists, and over what differs where they lie as columns.
    pub fn merge(&mut self, other: Rows) {
        let Some(first) = other.view(0) else { return };
        let Some(last) = self.views().next_back() else {
            *self = other;
            return;
        };
        if last.clustering() < first.clustering() {
            self.append(other);
            return;
        }
        let ends = other.views().next_back().zip(self.view(0));
        if ends.is_some_and(|(last, first)| last.clustering() < first.clustering()) {
            let ours = mem::replace(self, other);
            self.append(ours);
            return;
        }
        if other.len() == 1
            && let Form::Each(rows) = &mut self.0
        {
            other.into_each().into_iter().for_each(|it| put(rows, it));
            return;
        }
        // Rows before the first of `other` stay where they are.
        let from = self.first_at(first.clustering());
        let (mut ours, mut theirs) = (Side::new(self.split_off(from)), Side::new(other));
        if let Form::Each(rows) = &mut self.0 {
            rows.reserve(ours.listed().max(theirs.listed()));
        }
        while let (Some(left), Some(right)) = (ours.first(), theirs.first()) {
            match left.cmp(right) {
                Ordering::Less => ours.give_before(right, self),
                Ordering::Greater => theirs.give_before(left, self),
                Ordering::Equal => {
                    if let (Some((clustering, mut row)), Some((_, other))) =
                        (ours.next(), theirs.next())
                    {
                        row.merge(other);
                        self.push((clustering, row));
                    }
                }
            }
        }
        ours.give_all(self);
        theirs.give_all(self);
        if let Form::Parts(parts) = &self.0
            && self.len() < parts.all().count() * ROWS_PER_PART_MIN
        {
            *self = mem::take(self).into_each().into();
        }
    }

    /// Appends a row that lies behind these.
    fn push(&mut self, row: Each) {
        match &mut self.0 {
            Form::Each(rows) => rows.push(row),
            Form::Parts(parts) => match parts.last_mut() {
                Part::Each(rows) => {
                    rows.push(row);
                    parts.each.take();
                }
                Part::Columns(_) => self.push_part(Part::Each(vec![row])),
            },
        }
    }
}

/// Merges a row into a list.
fn put(rows: &mut Vec<Each>, (clustering, row): Each) {
    match rows.binary_search_by(|(it, _)| it.cmp(&clustering)) {
        Ok(at) => rows[at].1.merge(row),
        Err(at) => rows.insert(at, (clustering, row)),
    }
}

/// What is left of one of two that are merged.
struct Side {
    front: Front,
    /// The next one last.
    behind: Vec<Part>,
}

enum Front {
    Each(vec::IntoIter<Each>),
    Columns(Stretch),
}

impl Side {
    fn new(rows: Rows) -> Side {
        let mut behind = match rows.0 {
            Form::Each(rows) => vec![Part::Each(rows)],
            Form::Parts(parts) => parts.into_all().collect(),
        };
        behind.reverse();
        let mut side = Side { front: Front::Each(Vec::new().into_iter()), behind };
        side.look_on();
        side
    }

    /// How many rows it begins with that are a list.
    fn listed(&self) -> usize {
        match &self.front {
            Front::Each(rows) => rows.len(),
            Front::Columns(_) => 0,
        }
    }

    /// The first clustering.
    fn first(&self) -> Option<&[u8]> {
        match &self.front {
            Front::Each(rows) => rows.as_slice().first().map(|(it, _)| &it.0[..]),
            Front::Columns(it) => it.first(),
        }
    }

    /// Takes the first row.
    fn next(&mut self) -> Option<Each> {
        let row = match &mut self.front {
            Front::Each(rows) => rows.next(),
            Front::Columns(it) => it.next(),
        };
        self.look_on();
        row
    }

    /// Appends to `all` the rows of the first part that lie before `clustering`.
    fn give_before(&mut self, clustering: &[u8], all: &mut Rows) {
        match &mut self.front {
            Front::Each(rows) => {
                while rows.as_slice().first().is_some_and(|(it, _)| it.0[..] < *clustering) {
                    rows.next().into_iter().for_each(|it| all.push(it));
                }
            }
            Front::Columns(it) => {
                let before = it.take_before(clustering);
                all.push_part(Part::Columns(before));
            }
        }
        self.look_on();
    }

    fn give_all(mut self, all: &mut Rows) {
        let front = match self.front {
            Front::Each(rows) => Part::Each(rows.collect()),
            Front::Columns(it) => Part::Columns(it),
        };
        self.behind.push(front);
        while let Some(part) = self.behind.pop() {
            if part.len() > 0 {
                all.push_part(part);
            }
        }
    }

    /// Goes on to the next part behind one that is used up.
    fn look_on(&mut self) {
        while self.first().is_none()
            && let Some(part) = self.behind.pop()
        {
            self.front = match part {
                Part::Each(rows) => Front::Each(rows.into_iter()),
                Part::Columns(it) => Front::Columns(it),
            };
        }
    }
}
