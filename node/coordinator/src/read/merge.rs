//! Answers of several replicas become one, and one becomes a page. Pure.

use std::{cmp::Ordering, collections::BTreeMap};

use bytes::Bytes;
use model::{
    Clustering, HostId, Partition, PartitionKey, Rows,
    partial::Partial,
    read::{Answer, Command, Filter, Limits, Position},
};

/// Which of two positions comes first in reading direction: a finished partition lies behind all of
/// its rows.
pub(super) fn compare(left: &Position, right: &Position, reversed: bool) -> Ordering {
    let clusterings = || match (&left.clustering, &right.clustering) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(left), Some(right)) if reversed => right.cmp(left),
        (Some(left), Some(right)) => left.cmp(right),
    };
    left.key.cmp(&right.key).then_with(clusterings)
}

/// What replicas know together, and what each of them lacks of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) partitions: Vec<Partition>,
    /// What all of them say of rows that they do not answer.
    pub(super) partial: Option<Partial>,
    /// How far it is complete: as far as the shortest answer.
    pub(super) stopped_at: Option<Position>,
    /// Tombstones met, by the replica that met most.
    pub(super) tombstones: u64,
    /// Bytes scanned, by the replica that scanned most.
    pub(super) scanned: u64,
    /// Whether the replicas knew the same.
    pub(super) agreed: bool,
    /// Mutations that a replica needs to have it all; who lacks nothing is left out.
    pub(super) missing: Vec<(HostId, Vec<Partition>)>,
}

/// Merges the answers of distinct replicas to `command`.
pub(super) fn merge(mut answers: Vec<(HostId, Answer)>, command: &Command) -> Merged {
    let reversed = command.reversed;
    let stops = answers.iter().filter_map(|(_, it)| it.stopped_at.clone());
    let mut stopped_at = stops.min_by(|left, right| compare(left, right, reversed));
    let tombstones = answers.iter().map(|(_, it)| it.tombstones).max().unwrap_or(0);
    let scanned = answers.iter().map(|(_, it)| it.scanned).max().unwrap_or(0);
    let ends = ends_in_partitions(&answers, command);
    let mut merged: BTreeMap<PartitionKey, Partition> = BTreeMap::new();
    for (_, answer) in &mut answers {
        // Behind its end an answer says nothing, neither that a row is there nor that it is not.
        if let Some(until) = &stopped_at {
            cut(&mut answer.partitions, until, reversed);
        }
        for partition in &mut answer.partitions {
            if let Some(end) = ends.get(&partition.key) {
                cut_rows(partition, end, reversed);
            }
            match merged.get_mut(&partition.key) {
                Some(known) => known.merge(partition.clone()),
                None => drop(merged.insert(partition.key.clone(), partition.clone())),
            }
        }
    }
    let mut partitions: Vec<Partition> = merged.into_values().collect();
    // A partition that came out short is gone on with, before those behind it.
    let short = partitions.iter().position(|it| {
        ends.contains_key(&it.key) && live_rows(it, command.now) < command.limits.rows_per_partition
    });
    if let Some(at) = short {
        partitions.truncate(at + 1);
        let key = &partitions[at].key;
        let end = position(key, ends.get(key).cloned());
        stopped_at = Some(match stopped_at {
            Some(stop) if compare(&stop, &end, reversed).is_lt() => stop,
            Some(_) | None => end,
        });
    }
    let lacks = |(host, answer): (HostId, Answer)| (host, missing(&answer.partitions, &partitions));
    let missing = answers.into_iter().map(lacks).filter(|(_, it)| !it.is_empty()).collect();
    let partial = None;
    Merged { partitions, partial, stopped_at, tombstones, scanned, agreed: false, missing }
}

impl Merged {
    /// What all replicas answer alike.
    pub(super) fn of(answer: Answer) -> Merged {
        let Answer { partitions, partial, stopped_at, tombstones, scanned, .. } = answer;
        let (partial, agreed, missing) = (partial.map(|it| *it), true, Vec::new());
        Merged { partitions, partial, stopped_at, tombstones, scanned, agreed, missing }
    }

    /// As a part of a page.
    pub(super) fn into_piece(self) -> Piece {
        let Merged { partitions, partial, stopped_at, tombstones, scanned, .. } = self;
        Piece { partitions, partial, stopped_at, tombstones, scanned }
    }
}

/// Up to which clustering all answers are complete, in the partitions where one was cut by the limit
/// of rows for each partition.
fn ends_in_partitions(
    answers: &[(HostId, Answer)],
    command: &Command,
) -> BTreeMap<PartitionKey, Bytes> {
    let mut ends: BTreeMap<PartitionKey, Bytes> = BTreeMap::new();
    if command.limits.rows_per_partition == u64::MAX {
        return ends;
    }
    for partition in answers.iter().flat_map(|(_, it)| &it.partitions) {
        if live_rows(partition, command.now) < command.limits.rows_per_partition {
            continue;
        }
        let end = if command.reversed { partition.rows.first() } else { partition.rows.last() };
        let Some((Clustering(end), _)) = end else { continue };
        let nearest = ends.entry(partition.key.clone()).or_insert_with(|| end.clone());
        let nearer = if command.reversed { *nearest < *end } else { *end < *nearest };
        if nearer {
            nearest.clone_from(end);
        }
    }
    ends
}

fn live_rows(partition: &Partition, now: i64) -> u64 {
    partition.rows.live(now) as u64
}

/// What `own` lacks of `all`, both in key order.
fn missing(own: &[Partition], all: &[Partition]) -> Vec<Partition> {
    let lacks = |newer: &Partition| match own.binary_search_by(|it| it.key.cmp(&newer.key)) {
        Ok(at) => own[at].missing_from(newer),
        Err(_) => Partition::empty(newer.key.clone()).missing_from(newer),
    };
    all.iter().filter_map(lacks).collect()
}

/// Keeps what lies up to and including `until`.
fn cut(partitions: &mut Vec<Partition>, until: &Position, reversed: bool) {
    partitions.truncate(partitions.partition_point(|it| it.key <= until.key));
    let last = partitions.last_mut().filter(|it| it.key == until.key);
    if let (Some(last), Some(clustering)) = (last, &until.clustering) {
        cut_rows(last, clustering, reversed);
    }
}

/// Keeps the rows up to and including `end`, in reading direction.
fn cut_rows(partition: &mut Partition, end: &[u8], reversed: bool) {
    if reversed {
        partition.clip(end, &[0xFF]);
    } else {
        // No key lies between a clustering and the same with a zero behind it.
        partition.clip(&[], &[end, &[0]].concat());
    }
}

/// A part of what a page is made of.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) partitions: Vec<Partition>,
    /// What there is to know of other rows.
    pub(super) partial: Option<Partial>,
    /// Up to where it is complete; `None`: it is all there is.
    pub(super) stopped_at: Option<Position>,
    /// Tombstones met for it.
    pub(super) tombstones: u64,
    /// Bytes scanned for it.
    pub(super) scanned: u64,
}

/// A page in the making: takes what is known piece by piece, in reading order.
#[derive(Debug)]
pub(super) struct Builder {
    limits: Limits,
    now: i64,
    reversed: bool,
    /// Which of the live rows are meant.
    filter: Option<Filter>,
    /// The partition that an earlier page began, or a partial: its static row has been seen there.
    begun: Option<PartitionKey>,
    partial: Option<Partial>,
    partitions: Vec<Partition>,
    rows: u64,
    bytes: u64,
    scanned: u64,
    tombstones: u64,
    /// Behind the last row that was taken, or its partition when that is done.
    taken: Option<Position>,
}

/// What is to be done after a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The page is full and the next one begins here.
    Full(Position),
    /// There is room; go on here.
    More(Position),
    /// All that was asked for is here.
    Exhausted,
}

impl Builder {
    /// A page of what `command` asks for.
    pub(super) fn new(command: &Command) -> Self {
        let resume = command.resume.as_ref();
        let begun = resume.filter(|it| it.clustering.is_some()).map(|it| it.key.clone());
        Builder {
            limits: command.limits,
            now: command.now,
            reversed: command.reversed,
            filter: command.filter.clone(),
            begun,
            partial: None,
            partitions: Vec::new(),
            rows: 0,
            bytes: 0,
            scanned: 0,
            tombstones: 0,
            taken: None,
        }
    }

    /// Takes a piece that is complete up to where it stopped.
    pub(super) fn add(&mut self, piece: Piece) -> Next {
        let Piece { partitions, partial, mut stopped_at, tombstones, scanned } = piece;
        self.tombstones = self.tombstones.saturating_add(tombstones);
        self.scanned = self.scanned.saturating_add(scanned);
        for partition in partitions {
            let is_open = stopped_at
                .as_ref()
                .is_some_and(|it| it.clustering.is_some() && it.key == partition.key);
            let key = partition.key.clone();
            let Some(rows_in_it) = self.take(partition, is_open) else {
                // A live row was left over, so one was taken before it: a limit is at least 1.
                return match self.taken.clone() {
                    Some(position) => Next::Full(position),
                    None => Next::Exhausted,
                };
            };
            if is_open && self.limits.rows_per_partition <= rows_in_it {
                stopped_at = Some(Position { key, clustering: None });
            }
        }
        if let Some(partial) = &partial {
            self.take_partial(partial, stopped_at.as_ref());
        }
        match stopped_at {
            None => Next::Exhausted,
            Some(position) if !self.is_full() && !self.is_worn_out() => Next::More(position),
            Some(position) if !self.ends_in_doubt(&position) => Next::Full(position),
            Some(position) => match self.taken.clone() {
                // The next page begins with this partition, and finds out.
                Some(taken) => {
                    self.partitions.pop();
                    Next::Full(taken)
                }
                None => Next::More(position),
            },
        }
    }

    /// Takes the live rows of a partition, or of its next part. Answers how many rows of it the page
    /// has, or `None` when a row was left over for the next page.
    fn take(&mut self, mut partition: Partition, is_open: bool) -> Option<u64> {
        let key = partition.key.clone();
        let earlier = self.partitions.pop_if(|it| it.key == key);
        let mut in_it = earlier.as_ref().map_or(0, |it| it.rows.len() as u64);
        let mut fits = true;
        let mut rows = std::mem::take(&mut partition.rows);
        rows.retain_live(self.now);
        let admitted = self.filter_rows(&partition, &mut rows);
        let wanted = self.limits.rows_per_partition.saturating_sub(in_it);
        self.keep_first(&mut rows, wanted);
        let left = self.limits.rows.saturating_sub(self.rows);
        if left < rows.len() as u64 {
            fits = false;
            self.keep_first(&mut rows, left);
        }
        in_it += rows.len() as u64;
        self.rows += rows.len() as u64;
        let last = if self.reversed { rows.views().next() } else { rows.views().next_back() };
        if let Some(last) = last {
            self.taken = Some(position(&key, Some(last.clustering_key().0)));
        }
        // What shadows has done its work.
        partition.rows = rows;
        partition.deletion = None;
        partition.range_tombstones.clear();
        if let Some(earlier) = earlier {
            self.bytes = self.bytes.saturating_sub(earlier.memory_bytes() as u64);
            partition.merge(earlier);
        }
        let static_lives = admitted
            && self.filter.as_ref().is_none_or(Filter::passes_statics)
            && partition.static_row.has_live_cell(self.now);
        if fits && !is_open && in_it == 0 && static_lives && self.begun.as_ref() != Some(&key) {
            fits = left > 0;
            self.rows += u64::from(fits);
        }
        let shows = in_it > 0 || (static_lives && fits);
        if shows {
            self.bytes = self.bytes.saturating_add(partition.memory_bytes() as u64);
            self.partitions.push(partition);
        }
        if fits && !is_open && shows {
            self.taken = Some(position(&key, None));
        }
        fits.then_some(in_it)
    }

    /// Takes what there is to know of rows up to `stopped_at`.
    fn take_partial(&mut self, partial: &Partial, stopped_at: Option<&Position>) {
        match &mut self.partial {
            Some(known) => known.merge(partial),
            None => self.partial = Some(partial.clone()),
        }
        // No page may end before these rows.
        self.taken = stopped_at.cloned();
        if let Some(open) = stopped_at.filter(|it| it.clustering.is_some())
            && self.begun.as_ref() != Some(&open.key)
        {
            self.forget_begun();
            self.begun = Some(open.key.clone());
        }
    }

    /// Drops the partition that was begun earlier, if nothing but its static row is here, which was
    /// seen before.
    fn forget_begun(&mut self) {
        let begun = self.begun.take();
        self.partitions.retain(|it| !it.rows.is_empty() || Some(&it.key) != begun.as_ref());
    }

    /// Whether a page that ended here could not tell if a partition with a live static row has
    /// rows, which decides whether the static row counts as one.
    pub(super) fn ends_in_doubt(&self, at: &Position) -> bool {
        let last = self.partitions.last().filter(|it| it.key == at.key && it.rows.is_empty());
        at.clustering.is_some() && last.is_some() && self.begun.as_ref() != Some(&at.key)
    }

    /// Keeps so many rows, the first in reading direction.
    fn keep_first(&self, rows: &mut Rows, count: u64) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if self.reversed { rows.keep_last(count) } else { rows.truncate(count) }
    }

    /// Keeps the rows of a partition that are meant; whether it is meant itself.
    fn filter_rows(&self, partition: &Partition, rows: &mut Rows) -> bool {
        let Some(filter) = &self.filter else { return true };
        let admitted = filter.admits(&partition.key, &partition.static_row, self.now);
        rows.retain(|(at, row)| admitted && filter.passes(at, row, self.now));
        admitted
    }

    /// What is left of the limits: at least 1 of each, so that every round gets on.
    pub(super) fn limits_left(&self) -> Limits {
        let left = |limit: u64, used: u64| limit.saturating_sub(used).max(1);
        Limits {
            rows: left(self.limits.rows, self.rows),
            rows_per_partition: self.limits.rows_per_partition,
            bytes: left(self.limits.bytes, self.bytes),
            scanned: left(self.limits.scanned, self.scanned),
            tombstones: left(self.limits.tombstones, self.tombstones),
        }
    }

    /// Behind the last partition that was taken.
    pub(super) fn taken(&self) -> Option<Position> {
        self.taken.clone()
    }

    /// Whether as much was scanned for the page as may be. Where that happens between ranges the
    /// next one still says how far it is: its replicas stop at once.
    fn is_worn_out(&self) -> bool {
        self.limits.scanned <= self.scanned
    }

    /// Whether the page has reached one of its other limits.
    pub(super) fn is_full(&self) -> bool {
        self.limits.rows <= self.rows
            || self.limits.bytes <= self.bytes
            || self.limits.tombstones <= self.tombstones
    }

    /// The page, how many live rows it has, and where the next one begins.
    pub(super) fn finish(mut self, next: Option<Position>) -> (Piece, u64) {
        self.forget_begun();
        let Builder { partitions, partial, tombstones, scanned, .. } = self;
        (Piece { partitions, partial, stopped_at: next, tombstones, scanned }, self.rows)
    }
}

fn position(key: &PartitionKey, clustering: Option<Bytes>) -> Position {
    Position { key: key.clone(), clustering }
}

#[cfg(test)]
mod tests;
