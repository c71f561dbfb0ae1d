//! What is left of a replica's answer to a command with a filter, while it reads.
//!
//! ```text
//! rows and tombstones ──► digest of everything ──► beside the answer
//!         └─ rows that live and pass ────────────► the answer
//! ```
//!
//! Two replicas with the same digest know the same of all that they scanned: then the rows of one are
//! the rows that a merge would show, and no tombstone need travel with them. Where digests differ
//! what was left out may matter: the coordinator asks for everything instead.

use super::{Command, Filter, Position, told::Told};
use crate::{
    encoding,
    key::{Clustering, PartitionKey},
    partition::{Partition, RangeTombstone},
    row::Row,
};

/// Takes what is read of one partition after the other, piece by piece in reading direction. Where
/// it is cut into pieces makes no difference.
pub struct Sieve {
    filter: Filter,
    now: i64,
    reversed: bool,
    digest: Option<Digest>,
    /// Whether the partition at hand is meant.
    admits: bool,
    /// Which of the rows that were judged pass: they are sifted next.
    judged: Vec<bool>,
}

impl Sieve {
    /// For a command; `None` if all rows are meant.
    pub fn new(command: &Command) -> Option<Sieve> {
        let filter = command.filter.clone()?;
        let digest = filter.compared.then(Digest::default);
        let (now, reversed) = (command.now, command.reversed);
        Some(Sieve { filter, now, reversed, digest, admits: false, judged: Vec::new() })
    }

    /// Begins a partition. Whether its rows must be read: if not, nothing in it passes.
    pub fn begin(&mut self, key: &PartitionKey, statics: &Row) -> bool {
        self.admits = self.filter.admits(key, statics, self.now);
        self.admits
    }

    /// Whether the next row, in reading direction, lives and passes.
    pub fn judge(&mut self, clustering: &Clustering, row: &Row) -> bool {
        let passes =
            self.admits && row.is_live(self.now) && self.filter.passes(clustering, row, self.now);
        self.judged.push(passes);
        passes
    }

    /// Whether the statics of the partition at hand pass, should it have no rows.
    pub fn passes_statics(&self, statics: &Row) -> bool {
        self.admits && self.filter.passes_statics() && statics.has_live_cell(self.now)
    }

    /// Keeps those rows of a piece that pass, and no tombstones. All of its rows were judged.
    pub fn sift(&mut self, part: &mut Partition) {
        if let Some(digest) = &mut self.digest {
            digest.add(part, self.reversed);
        }
        let mut judged = std::mem::take(&mut self.judged);
        debug_assert_eq!(judged.len(), part.rows.len(), "each row is judged once");
        if self.reversed {
            judged.reverse();
        }
        let mut passing = judged.iter().copied();
        part.rows.retain(|_| passing.next().unwrap_or(false));
        part.range_tombstones.clear();
        judged.clear();
        self.judged = judged;
    }

    /// Ends a partition, of which all pieces were sifted: leaves it empty if nothing in it passes.
    pub fn end(&mut self, partition: &mut Partition) {
        if let Some(digest) = &mut self.digest {
            digest.end(partition);
        }
        partition.deletion = None;
        if partition.rows.is_empty() && !self.passes_statics(&partition.static_row) {
            partition.static_row = Row::default();
        }
    }

    /// The digest of everything up to `stopped_at`, if answers are compared.
    pub fn digest(&mut self, stopped_at: Option<&Position>) -> Option<u128> {
        self.digest.take().map(|it| it.all.finish(stopped_at))
    }
}

/// A digest that is told piece by piece. Rows and range tombstones are told apart, each in reading
/// direction: how they lie between each other depends on how they were cut.
#[derive(Default)]
struct Digest {
    all: Told,
    rows: Told,
    ranges: Told,
    /// It may go on in the next piece.
    range: Option<RangeTombstone>,
}

impl Digest {
    fn add(&mut self, part: &Partition, reversed: bool) {
        for at in 0..part.rows.len() {
            let at = if reversed { part.rows.len() - 1 - at } else { at };
            let (clustering, row) = &part.rows[at];
            self.rows.tell(|out| encoding::write_row_alone(out, clustering, row));
        }
        for at in 0..part.range_tombstones.len() {
            let at = if reversed { part.range_tombstones.len() - 1 - at } else { at };
            self.add_range(&part.range_tombstones[at], reversed);
        }
    }

    fn add_range(&mut self, range: &RangeTombstone, reversed: bool) {
        if let Some(last) = &mut self.range
            && last.deletion == range.deletion
        {
            if reversed && range.end == last.start {
                last.start.clone_from(&range.start);
                return;
            }
            if !reversed && last.end == range.start {
                last.end.clone_from(&range.end);
                return;
            }
        }
        self.end_range();
        self.range = Some(range.clone());
    }

    fn end_range(&mut self) {
        if let Some(range) = self.range.take() {
            self.ranges.tell(|out| encoding::write_range_alone(out, &range));
        }
    }

    /// Ends a partition, whose deletion and statics these are. One of which nothing is known is not
    /// told of.
    fn end(&mut self, head: &Partition) {
        self.end_range();
        let (rows, ranges) = (self.rows.take(), self.ranges.take());
        if head.deletion.is_none() && head.static_row.is_empty() && (rows, ranges) == (None, None) {
            return;
        }
        let mut bare = Partition::empty(head.key.clone());
        bare.deletion = head.deletion;
        bare.static_row = head.static_row.clone();
        self.all.tell(|out| {
            encoding::write_partition(out, &bare);
            for digest in [rows, ranges] {
                out.raw(&digest.unwrap_or(0).to_be_bytes());
            }
        });
    }
}

#[cfg(test)]
mod tests;
