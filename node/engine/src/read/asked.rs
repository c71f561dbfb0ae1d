//! What a command asks for: where to begin, and which clusterings of each partition are left.

use std::ops::Bound;

use bytes::Bytes;
use model::key::{bottom, successor};
use model::read::{Command, Fold, Limits, Position, Target};
use model::{PartitionKey, Slice, Token, TokenRange};

/// Where to stop. Of a partial neither rows nor their bytes are answered: only what is scanned for it has limits.
pub(super) fn limits_of(command: &Command) -> Limits {
    let Limits { rows, rows_per_partition, bytes, scanned, tombstones } = command.limits;
    let answered = |limit: u64| if command.partial.is_some() { u64::MAX } else { limit };
    // A page that holds nothing never gets ahead.
    Limits {
        rows: answered(rows).max(1),
        rows_per_partition: answered(rows_per_partition).max(1),
        bytes: answered(bytes).max(1),
        scanned: scanned.max(1),
        tombstones: tombstones.max(1),
    }
}

/// What a look at the statistics of a block counts as, bytes that are scanned.
pub(super) const TOLD_BYTES: u64 = 64;

/// Whether statistics of blocks may tell what a command wants to know: of all rows, and of columns that are there.
pub(super) fn is_told(fold: &Fold, command: &Command) -> bool {
    let asked = command.partial.iter().flat_map(|it| &it.columns);
    fold.takes_partials()
        && command.filter.is_none()
        && asked.map(|it| it.0).all(|it| !command.dropped.contains(&it))
}

/// From where on to look for partitions of a range. `None` if there can be none.
pub(super) fn first_partition(
    tokens: &TokenRange,
    after: Option<&PartitionKey>,
    resume: Option<&Position>,
) -> Option<Bound<PartitionKey>> {
    let first = if tokens.start == tokens.end {
        Bound::Unbounded
    } else {
        let token = Token(tokens.start.0.checked_add(1)?);
        Bound::Included(PartitionKey { token, bytes: bottom() })
    };
    // Whatever lies furthest ahead; the rows that are left of a partition lie behind the one before it.
    let resumed = resume.map(|it| match it.clustering {
        Some(_) => Bound::Included(it.key.clone()),
        None => Bound::Excluded(it.key.clone()),
    });
    let after = after.map(|it| Bound::Excluded(it.clone()));
    Some(match (resumed, after) {
        (Some(resumed), Some(after)) if key_of(&after) <= key_of(&resumed) => resumed,
        (_, Some(after)) => after,
        (Some(resumed), None) => resumed,
        (None, None) => first,
    })
}

fn key_of(bound: &Bound<PartitionKey>) -> Option<&PartitionKey> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => Some(key),
        Bound::Unbounded => None,
    }
}

/// What lies around all of `slices`, which ascend.
pub(super) fn hull(slices: &[Slice]) -> Slice {
    match slices {
        [] => Slice { start: bottom(), end: bottom() },
        [first, .., last] => Slice { start: first.start.clone(), end: last.end.clone() },
        [only] => only.clone(),
    }
}

/// The slices to read of `key`, the first to read last, and where an earlier page has left off.
pub(super) fn slices_of(command: &mut Command, key: &PartitionKey) -> (Vec<Slice>, Option<Bytes>) {
    let mut slices = match command.target {
        Target::One(_) => std::mem::take(&mut command.slices),
        Target::Range { .. } => command.slices.clone(),
    };
    let resume = command.resume.as_ref().filter(|it| it.key == *key);
    let at = resume.and_then(|it| it.clustering.as_ref());
    let at = at.map(|at| if command.reversed { at.clone() } else { successor(at) });
    for slice in &mut slices {
        match &at {
            Some(at) if command.reversed => slice.end = slice.end.clone().min(at.clone()),
            Some(at) => slice.start = slice.start.clone().max(at.clone()),
            None => {}
        }
    }
    slices.retain(|it| it.start < it.end);
    if !command.reversed {
        slices.reverse();
    }
    (slices, at)
}
