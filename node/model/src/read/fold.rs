//! What becomes of rows where an aggregate is asked for, while a replica reads.
//!
//! ```text
//! live rows ──► partial ──────────────────────► the answer
//!       └─────► digest, if answers are compared ──► beside it
//! ```
//!
//! Two replicas with the same digest see the same rows, written at the same times: then neither hides
//! anything that the other sees, and a merge would show these rows too. Tombstones beneath which nothing
//! is to be seen do not matter: replicas forget them at different times.

use std::borrow::Cow;

use super::{Command, Position, told::Told};
use crate::{
    Row, Rows, encoding,
    partial::{Asked, Partial},
    partition::Partition,
    rows::View,
};

/// Takes what is read of one partition after the other, piece by piece in reading direction. Where it
/// is cut into pieces makes no difference to the digest.
pub struct Fold {
    asked: Asked,
    now: i64,
    reversed: bool,
    partial: Partial,
    digest: Option<Digest>,
}

/// Of all that lives.
#[derive(Default)]
struct Digest {
    all: Told,
    /// Of the partition at hand.
    rows: Told,
}

impl Fold {
    /// For a command; `None` if it asks for rows, as nearly all do.
    #[inline]
    pub fn new(command: &Command) -> Option<Box<Fold>> {
        command.partial.as_ref().map(|asked| Box::new(Fold::of(asked.clone(), command)))
    }

    fn of(asked: Asked, command: &Command) -> Fold {
        let partial = Partial::new(&asked);
        let digest = asked.compared.then(Digest::default);
        Fold { asked, now: command.now, reversed: command.reversed, partial, digest }
    }

    /// The rows of the next piece.
    pub fn add(&mut self, rows: &Rows) {
        self.partial.add(&self.asked, rows, self.now);
        if let Some(digest) = &mut self.digest {
            digest.add(rows, self.now, self.reversed);
        }
    }

    /// Whether it is enough to know of a stretch of rows what they come to; otherwise each must be told of.
    pub fn takes_partials(&self) -> bool {
        self.digest.is_none()
    }

    /// The partial so far, for whoever adds to it what rows come to that nobody looks at, and what is asked of these.
    pub fn partial(&mut self) -> (&mut Partial, &Asked) {
        (&mut self.partial, &self.asked)
    }

    /// The partition at hand has live statics and no live row.
    pub fn add_statics(&mut self) {
        self.partial.statics += 1;
    }

    /// Ends a partition, of which all pieces were added: this is its head.
    pub fn end(&mut self, head: &Partition) {
        if let Some(digest) = &mut self.digest {
            digest.end(head, self.now);
        }
    }

    /// What came of it, and the digest of everything up to `stopped_at` if answers are compared.
    pub fn finish(self, stopped_at: Option<&Position>) -> (Box<Partial>, Option<u128>) {
        (Box::new(self.partial), self.digest.map(|it| it.all.finish(stopped_at)))
    }
}

impl Digest {
    fn add(&mut self, rows: &Rows, now: i64, reversed: bool) {
        let mut views = rows.views();
        let mut made = Row::default();
        while let Some(view) = if reversed { views.next_back() } else { views.next() } {
            if !view.is_live(now) {
                continue;
            }
            let row = match view {
                View::Each(_, row) => row,
                View::Column(columns, at) => {
                    columns.make_into(at, &mut made);
                    &made
                }
            };
            let (clustering, row) = (view.clustering_key(), seen(row, now));
            self.rows.tell(|out| encoding::write_row_alone(out, &clustering, &row));
        }
    }

    /// A partition in which nothing lives is not told of.
    fn end(&mut self, head: &Partition, now: i64) {
        let rows = self.rows.take();
        let mut bare = Partition::empty(head.key.clone());
        if head.static_row.has_live_cell(now) {
            bare.static_row = seen(&head.static_row, now).into_owned();
        }
        if rows.is_none() && bare.static_row.is_empty() {
            return;
        }
        self.all.tell(|out| {
            encoding::write_partition(out, &bare);
            out.raw(&rows.unwrap_or(0).to_be_bytes());
        });
    }
}

/// What a reader sees of a row at `now` (seconds), and when it was written.
fn seen(row: &Row, now: i64) -> Cow<'_, Row> {
    let lives = |cell: &crate::Cell| cell.value(now).is_some();
    let is_all = row.deletion.is_none()
        && row.liveness.is_none_or(|it| it.is_live(now))
        && row.cells.iter().all(|(_, it)| lives(it))
        && row
            .elements
            .iter()
            .all(|(_, it)| it.deletion.is_none() && it.cells.iter().all(|(_, cell)| lives(cell)));
    if is_all {
        return Cow::Borrowed(row);
    }
    let mut row = row.clone();
    row.deletion = None;
    row.liveness = row.liveness.filter(|it| it.is_live(now));
    row.cells.retain(|(_, it)| lives(it));
    for (_, elements) in &mut row.elements {
        elements.deletion = None;
        elements.cells.retain(|(_, it)| lives(it));
    }
    row.elements.retain(|(_, it)| !it.is_empty());
    Cow::Owned(row)
}

#[cfg(test)]
mod tests;
