//! Reading partitions that are in memory already: tables made up for each read, and fakes in
//! tests. The same answers as a replica's, limits included, but for partials: rows are always answered themselves.

use std::borrow::Cow;

use bytes::Bytes;
use model::{
    Clustering, Partition, Row,
    read::{Command, Filter, Position, Target},
};

use crate::store::Page;

/// Where a read of one partition ended.
enum End {
    /// At its end.
    Done,
    /// At a limit, after this row.
    After(Bytes),
}

/// What has been met so far.
#[derive(Default)]
struct Met {
    rows: u64,
    bytes: u64,
    scanned: u64,
    tombstones: u64,
}

impl Met {
    fn is_full(&self, command: &Command) -> bool {
        let limits = &command.limits;
        self.rows >= limits.rows
            || self.bytes >= limits.bytes
            || self.scanned >= limits.scanned
            || self.tombstones >= limits.tombstones
    }
}

/// Carries out `command` over `partitions`, which are in (token, bytes) order.
pub(crate) fn read<'p>(
    partitions: impl IntoIterator<Item = &'p Partition>,
    command: &Command,
) -> Page {
    let mut met = Met::default();
    let mut found = Vec::new();
    for partition in partitions.into_iter().filter(|it| is_target(it, &command.target)) {
        let mut known = Cow::Borrowed(partition);
        if !command.dropped.is_empty() {
            known.to_mut().forget(&command.dropped);
        }
        let (part, end) = read_one(&known, command, &mut met);
        found.push(part);
        let clustering = match end {
            End::After(clustering) => Some(clustering),
            End::Done if met.is_full(command) => None,
            End::Done => continue,
        };
        let next = Some(Position { key: partition.key.clone(), clustering });
        return page(found, next, &met);
    }
    page(found, None, &met)
}

fn page(partitions: Vec<Partition>, next: Option<Position>, met: &Met) -> Page {
    Page { partitions, partial: None, next, tombstones: met.tombstones, permit: None }
}

fn is_target(partition: &Partition, target: &Target) -> bool {
    match target {
        Target::One(key) => partition.key == *key,
        Target::Range { tokens, after } => {
            tokens.contains(partition.key.token)
                && after.as_ref().is_none_or(|after| *after < partition.key)
        }
    }
}

fn read_one(partition: &Partition, command: &Command, met: &mut Met) -> (Partition, End) {
    let mut part = Partition::empty(partition.key.clone());
    let filter = command.filter.as_ref();
    if filter.is_some_and(|it| !it.admits(&partition.key, &partition.static_row, command.now)) {
        return (part, End::Done);
    }
    let resume = command.resume.as_ref().filter(|it| it.key == partition.key);
    let resume = resume.and_then(|it| it.clustering.as_ref());
    let wanted = |clustering: &Clustering| {
        let beyond = resume.is_none_or(|last| {
            if command.reversed { clustering.0 < *last } else { clustering.0 > *last }
        });
        beyond && command.slices.iter().any(|slice| slice.contains(clustering))
    };
    let passes =
        |at: &Clustering, row: &Row| filter.is_none_or(|it| it.passes(at, row, command.now));
    let rows = partition.rows.iter().filter(|(clustering, _)| wanted(clustering));
    let rows: Vec<&(Clustering, Row)> =
        if command.reversed { rows.rev().collect() } else { rows.collect() };
    let mut live = 0;
    let mut end = End::Done;
    for (clustering, row) in rows {
        if live == command.limits.rows_per_partition {
            break;
        }
        let bytes = (row.heap_bytes() + clustering.0.len()) as u64;
        met.scanned += bytes;
        if !row.is_live(command.now) {
            met.tombstones += 1;
        }
        if passes(clustering, row) {
            part.rows.push((clustering.clone(), row.clone()));
            met.bytes += bytes;
            live += u64::from(row.is_live(command.now));
            met.rows += u64::from(row.is_live(command.now));
        }
        if met.is_full(command) {
            end = End::After(clustering.0.clone());
            break;
        }
    }
    if live > 0 || filter.is_none_or(Filter::passes_statics) {
        part.static_row = partition.static_row.clone();
    }
    if live == 0 && matches!(end, End::Done) && part.static_row.has_live_cell(command.now) {
        met.rows += 1;
    }
    part.rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    (part, end)
}
