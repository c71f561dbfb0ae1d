//! One partition from many sources, as one stream of merged pieces, from either end.
//!
//! ```text
//!   memtable   [------- a -------)[--- b ---)
//!   sstable 9  [-- c --)[-------- d --------)
//!   merged     [- a+c -)[- a+d --)[-- b+d --)      cut where any source's piece ends
//! ```

use std::sync::Arc;

use bytes::Bytes;
use model::key::successor;
use model::{ColumnId, Partition, PartitionKey, Slice};

use crate::cache::{Halt, Io};
use crate::memtable::Memtable;
use crate::memtable::run::Run;
use crate::piece::Piece;
use crate::sstable::statistics::Statistics;
use crate::sstable::{Hint, Spot, Sstable, filter};

/// Rows that a read copies from a source at once at most.
pub(crate) const PIECE_ROWS_MAX: usize = 256;

/// A source is asked for one of so many of the rows that are wanted, or for more.
const MISSING_SHARE: usize = 4;

/// Something that holds partitions.
#[derive(Clone)]
pub(crate) enum Source {
    Memtable(Arc<Memtable>),
    Sstable(Arc<Sstable>),
}

/// What will be asked of a partition.
#[derive(Clone, Copy)]
pub(crate) struct Order<'a> {
    /// All slices that will be asked for lie inside.
    pub(crate) hull: &'a Slice,
    pub(crate) reversed: bool,
    /// The first pieces are asked for with so many rows at most.
    pub(crate) rows_max: usize,
}

/// One partition of all sources that hold it.
pub(crate) struct Merge {
    /// Deletion and statics of the whole partition.
    head: Partition,
    inputs: Vec<Input>,
    reversed: bool,
    rows_max: usize,
}

/// One source, and what is left of the last piece it gave.
pub(crate) struct Input {
    rows: Rows,
    left: Option<Piece>,
}

enum Rows {
    Memtable(Arc<Run>),
    Sstable {
        sstable: Arc<Sstable>,
        /// The partition is here for sure.
        is_here: bool,
        /// Where something of it was found last.
        near: Option<Spot>,
    },
}

impl Input {
    /// Of a memtable. What it knows of the whole partition goes into `head`.
    pub(crate) fn of_run(run: Arc<Run>, head: &mut Partition) -> Input {
        run.head().cloned().into_iter().for_each(|it| head.merge(it));
        Input { rows: Rows::Memtable(run), left: None }
    }

    /// Of an sstable that has the partition, where it begins.
    pub(crate) fn of_spot(sstable: &Arc<Sstable>, spot: Spot, head: &mut Partition) -> Input {
        spot.head().into_iter().for_each(|it| head.merge(it));
        let sstable = Arc::clone(sstable);
        Input { rows: Rows::Sstable { sstable, is_here: true, near: Some(spot) }, left: None }
    }

    /// Of an sstable in which nothing has a head: whether the partition is here the first look for rows tells.
    fn of_sstable(sstable: &Arc<Sstable>) -> Input {
        let sstable = Arc::clone(sstable);
        Input { rows: Rows::Sstable { sstable, is_here: false, near: None }, left: None }
    }

    /// Whether it has nothing there, as far as can be told without a look at the disk.
    fn has_nothing_in(&self, within: &Slice) -> bool {
        let is_bare = |it: &Piece| {
            let mut ranges = it.part.range_tombstones.iter();
            within.end <= it.end
                && it.part.rows.first_at(&within.end) == 0
                && ranges.next().is_none_or(|it| within.end <= it.start)
        };
        match (&self.left, &self.rows) {
            (Some(left), _) => is_bare(left),
            (None, Rows::Memtable(run)) => is_bare(&run.piece(within, false, 1)),
            (None, Rows::Sstable { sstable, .. }) => !sstable.may_have_rows(within),
        }
    }

    /// The rows of what is left of its last piece.
    fn rows_left(&self) -> Option<&model::Rows> {
        self.left.as_ref().map(|it| &it.part.rows)
    }
}

impl Merge {
    /// Looks for the partition everywhere.
    pub(crate) fn open(
        key: &PartitionKey,
        sources: &[Source],
        order: Order<'_>,
        io: &Io,
    ) -> Result<Merge, Halt> {
        let mut head = Partition::empty(key.clone());
        let mut inputs = Vec::new();
        let hash = filter::hash(key);
        for source in sources {
            inputs.extend(match source {
                Source::Memtable(memtable) => {
                    memtable.get(key).map(|run| Input::of_run(run, &mut head))
                }
                Source::Sstable(sstable)
                    if !sstable.may_have_heads() && !sstable.may_have_rows(order.hull) =>
                {
                    None
                }
                Source::Sstable(sstable) if !sstable.may_hold(key, hash, io)? => None,
                Source::Sstable(sstable) if !sstable.may_have_heads() => {
                    Some(Input::of_sstable(sstable))
                }
                Source::Sstable(sstable) => {
                    sstable.begin(key, io)?.map(|spot| Input::of_spot(sstable, spot, &mut head))
                }
            });
        }
        Ok(Merge::of(head, inputs, order))
    }

    /// Of what was found. The head is that of all inputs.
    pub(crate) fn of(head: Partition, inputs: Vec<Input>, order: Order<'_>) -> Merge {
        let Order { reversed, rows_max, .. } = order;
        Merge { head, inputs, reversed, rows_max }
    }

    /// Whether no source holds anything of it.
    pub(crate) fn is_nothing(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Partition deletion and statics, without rows.
    pub(crate) fn head(&self) -> &Partition {
        &self.head
    }

    /// As `head`, at the end.
    pub(crate) fn into_head(self) -> Partition {
        self.head
    }

    /// Drops the cells of these columns from the static row.
    pub(crate) fn forget_statics(&mut self, columns: &[ColumnId]) {
        if !columns.is_empty() {
            self.head.static_row.forget(columns);
        }
    }

    /// The next merged piece, at the near end of `want`: what is still wanted of one slice. Call `jump` before
    /// going on with another slice.
    pub(crate) fn next(&mut self, want: &Slice, io: &Io) -> Result<Piece, Halt> {
        let Merge { head, inputs, reversed, rows_max } = self;
        let goal = goal(*rows_max);
        // What will be merged lies inside. It shrinks with each piece, and the newest come first: what lies further away
        // than as many rows as are wanted is not looked for.
        let mut reach = want.clone();
        let mut is_enough = false;
        let are_few = *rows_max < PIECE_ROWS_MAX;
        for at in 0..inputs.len() {
            let (before, rest) = inputs.split_at_mut(at);
            let Some(input) = rest.first_mut() else { break };
            if input.left.is_none() {
                if matches!(&input.rows, Rows::Sstable { sstable, .. } if !sstable.may_have_rows(&reach))
                {
                    continue;
                }
                let asked = if is_enough { &reach } else { want };
                let rows = if are_few { missing(before, goal) } else { goal };
                input.left = Some(match &mut input.rows {
                    Rows::Memtable(run) => run.piece(asked, *reversed, rows),
                    Rows::Sstable { sstable, is_here, near } => {
                        match sstable.piece(&head.key, asked, *reversed, rows, near, io)? {
                            Some(piece) => piece,
                            None if *is_here => return Err(sstable.without_rows().into()),
                            None => Piece::nothing(&head.key, asked),
                        }
                    }
                });
            }
            match &input.left {
                Some(piece) if *reversed => reach.start = piece.start.clone().max(reach.start),
                Some(piece) => reach.end = piece.end.clone().min(reach.end),
                None => {}
            }
            if !is_enough && are_few {
                is_enough = shorten(&mut reach, &inputs[..=at], *reversed, goal);
            }
        }
        // What a few rows did not settle takes more: the next ones may all be dead.
        if self.rows_max < PIECE_ROWS_MAX {
            self.rows_max = (self.rows_max * 2).min(PIECE_ROWS_MAX);
        }
        Ok(if self.reversed { self.merge_last(reach) } else { self.merge_first(reach) })
    }

    /// Goes on behind the block at the beginning of `want` without a look into it, if its statistics tell enough, and no other
    /// source has anything where it lies: what `look` saw in them, and where the block ends.
    pub(crate) fn skip<R>(
        &mut self,
        want: &Slice,
        io: &Io,
        look: impl FnOnce(&Statistics) -> Option<R>,
    ) -> Result<Option<(R, Bytes)>, Halt> {
        if self.reversed || self.head.deletion.is_some() {
            return Ok(None);
        }
        let mut found = None;
        for (at, input) in self.inputs.iter().enumerate() {
            if let (Rows::Sstable { sstable, .. }, None) = (&input.rows, &input.left)
                && let Some(block) =
                    sstable.told_block(&self.head.key, want, Hint::default(), io)?
            {
                found = Some((at, sstable, block));
                break;
            }
        }
        let Some((at, sstable, block)) = found else { return Ok(None) };
        let within = Slice { start: want.start.clone(), end: block.end.clone() };
        let mut others = self.inputs.iter().enumerate().filter(|it| it.0 != at);
        if !others.all(|(_, it)| it.has_nothing_in(&within)) {
            return Ok(None);
        }
        let seen = sstable.statistics(&block, io, look)?.flatten();
        if seen.is_some() {
            // What others know ends there too, or goes on.
            for input in &mut self.inputs {
                input.left.take_if(|it| it.end <= block.end);
            }
        }
        Ok(seen.map(|it| (it, block.end)))
    }

    /// How many sstables may hold the partition.
    pub(crate) fn sstables(&self) -> u32 {
        self.inputs.iter().filter(|it| matches!(it.rows, Rows::Sstable { .. })).count() as u32
    }

    /// Forgets the rest of the pieces.
    pub(crate) fn jump(&mut self) {
        self.inputs.iter_mut().for_each(|it| it.left = None);
    }

    /// The merged piece of `reach`, with what lies behind it left for the next one.
    fn merge_first(&mut self, reach: Slice) -> Piece {
        let Slice { start, end } = reach;
        let taken = self.inputs.iter_mut().filter_map(|input| {
            let mut piece = input.left.take()?;
            if end < piece.end {
                input.left = Some(piece.split_off(&end));
            }
            Some(piece.part)
        });
        let taken = taken.collect();
        let part = merge_parts(&self.head, taken, self.inputs.len() == 1);
        Piece { start, end, part }
    }

    fn merge_last(&mut self, reach: Slice) -> Piece {
        let Slice { start, end } = reach;
        let taken = self.inputs.iter_mut().filter_map(|input| {
            let mut piece = input.left.take()?;
            if piece.start < start {
                let right = piece.split_off(&start);
                input.left = Some(piece);
                return Some(right.part);
            }
            Some(piece.part)
        });
        let taken = taken.collect();
        let part = merge_parts(&self.head, taken, self.inputs.len() == 1);
        Piece { start, end, part }
    }
}

/// How many rows are looked for where so many are wanted: some may be dead, or be the same in two sources.
fn goal(rows_max: usize) -> usize {
    rows_max.saturating_add(rows_max / 8)
}

/// How many rows to ask the next source for, where `goal` are wanted of all: those that newer ones lack, which mostly are all
/// newer than any of its own. Where they lie among them that is too few, and it is asked again.
fn missing(before: &[Input], goal: usize) -> usize {
    let found = before.iter().filter_map(Input::rows_left).map(model::Rows::len).sum();
    goal.saturating_sub(found).max(goal / MISSING_SHARE).max(1)
}

/// Ends `reach` where the pieces of `inputs` have `goal` rows together at its near end, if they have. What is newest comes
/// first, so that most sstables then lie outside.
fn shorten(reach: &mut Slice, inputs: &[Input], reversed: bool, goal: usize) -> bool {
    let Some((last, before)) = inputs.split_last() else { return false };
    let Some(last) = last.rows_left() else { return false };
    let before = || before.iter().filter_map(Input::rows_left);
    // As many of the last as if all others lay nearer; and as many more as do not.
    let mut taken = goal.saturating_sub(before().map(model::Rows::len).sum());
    for _ in 0..2 {
        if taken == 0 || last.len() < taken {
            return false;
        }
        let furthest = last.view(if reversed { last.len() - taken } else { taken - 1 });
        let Some(furthest) = furthest.map(|it| it.clustering_key().0) else { return false };
        let bound = if reversed { furthest } else { successor(&furthest) };
        let nearer = |it: &model::Rows| match (it.first_at(&bound), reversed) {
            (at, true) => it.len() - at,
            (at, false) => at,
        };
        let found = taken + before().map(nearer).sum::<usize>();
        if goal <= found {
            match reversed {
                true => reach.start = bound.max(std::mem::take(&mut reach.start)),
                false => reach.end = bound.min(std::mem::take(&mut reach.end)),
            }
            return true;
        }
        taken += goal - found;
    }
    false
}

/// Merges parts of one interval beneath the partition's deletion, and leaves that deletion out again.
fn merge_parts(head: &Partition, mut parts: Vec<Partition>, is_only_source: bool) -> Partition {
    // What one source gave is in normal form beneath its own deletion, but not beneath that of another.
    if parts.len() == 1 && (is_only_source || head.deletion.is_none()) {
        return parts.swap_remove(0);
    }
    let mut merged = Partition::empty(head.key.clone());
    merged.deletion = head.deletion;
    parts.into_iter().for_each(|part| merged.merge(part));
    merged.deletion = None;
    merged
}
