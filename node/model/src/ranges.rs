//! Range tombstones as a function from clusterings to deletions: merged, clipped, looked up.
//!
//! A list here is in the normal form of `Partition`: ascending, disjoint, touching ones of equal
//! deletion are one. That form is unique, so equal functions are equal lists.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::{cell::Deletion, key::Slice, partition::RangeTombstone};

/// Merges `other` into `ours`. Costs the length of `other` and of that window of `ours` which it
/// touches (and a move of what lies behind): a memtable takes deletions one by one.
pub(crate) fn merge(ours: &mut Vec<RangeTombstone>, other: Vec<RangeTombstone>) {
    let (Some(first), Some(last)) = (other.first(), other.last()) else { return };
    let from = ours.partition_point(|it| it.end < first.start);
    let to = from + ours[from..].partition_point(|it| it.start <= last.end);
    let window: Vec<RangeTombstone> = ours.splice(from..to, []).collect();
    let merged = zip(window, other);
    ours.splice(from..from, merged);
}

/// Appends `next`, which begins no earlier than the last one ends, to a list in normal form.
pub(crate) fn push(list: &mut Vec<RangeTombstone>, next: RangeTombstone) {
    match list.last_mut() {
        Some(last) if last.end == next.start && last.deletion == next.deletion => {
            last.end = next.end;
        }
        Some(_) | None => list.push(next),
    }
}

/// The deletion of the range that `clustering` lies in.
pub(crate) fn find(list: &[RangeTombstone], clustering: &[u8]) -> Option<Deletion> {
    let at = list.partition_point(|it| it.end <= clustering);
    list.get(at).filter(|it| it.start <= clustering).map(|it| it.deletion)
}

/// What lies inside `slices`, which ascend and are disjoint.
pub(crate) fn clip(list: &[RangeTombstone], slices: &[Slice]) -> Vec<RangeTombstone> {
    let mut clipped = Vec::new();
    for slice in slices {
        let from = list.partition_point(|it| it.end <= slice.start);
        for it in list[from..].iter().take_while(|it| it.start < slice.end) {
            let start = (&it.start).max(&slice.start).clone();
            let end = (&it.end).min(&slice.end).clone();
            if start < end {
                push(&mut clipped, RangeTombstone { start, end, deletion: it.deletion });
            }
        }
    }
    clipped
}

/// The parts of `newer` where `ours` holds nothing as new.
pub(crate) fn missing(ours: &[RangeTombstone], newer: &[RangeTombstone]) -> Vec<RangeTombstone> {
    let mut missing = Vec::new();
    for it in newer {
        let from = ours.partition_point(|own| own.end <= it.start);
        let mut start = it.start.clone();
        for own in ours[from..].iter().take_while(|own| own.start < it.end) {
            if own.deletion < it.deletion {
                continue;
            }
            push_part(&mut missing, start, own.start.clone(), it.deletion);
            start = own.end.clone();
        }
        push_part(&mut missing, start, it.end.clone(), it.deletion);
    }
    missing
}

/// Whether a list is in normal form.
pub(crate) fn is_normal(list: &[RangeTombstone]) -> bool {
    list.iter().all(|it| it.start < it.end)
        && list.is_sorted_by(|left, right| {
            left.end < right.start || (left.end == right.start && left.deletion != right.deletion)
        })
}

fn push_part(list: &mut Vec<RangeTombstone>, start: Bytes, end: Bytes, deletion: Deletion) {
    if start < end {
        push(list, RangeTombstone { start, end, deletion });
    }
}

/// One pass over both: cuts where they overlap, and the newer deletion gets the overlap.
///
/// ```text
/// ours     [----5----)     [--3--)
/// other          [----7----)
/// merged   [--5--)[----7----)[-3-)
/// ```
fn zip(mut ours: Vec<RangeTombstone>, mut other: Vec<RangeTombstone>) -> Vec<RangeTombstone> {
    let mut merged = Vec::with_capacity(ours.len() + other.len());
    // As stacks, the next one on top: a range of which only the front is done stays there.
    ours.reverse();
    other.reverse();
    while let (Some(a), Some(b)) = (ours.last(), other.last()) {
        let (end, deletion) = match a.start.cmp(&b.start) {
            Ordering::Less => ((&a.end).min(&b.start), a.deletion),
            Ordering::Greater => ((&b.end).min(&a.start), b.deletion),
            Ordering::Equal => ((&a.end).min(&b.end), a.deletion.max(b.deletion)),
        };
        let (start, end) = ((&a.start).min(&b.start).clone(), end.clone());
        consume(&mut ours, &end);
        consume(&mut other, &end);
        push(&mut merged, RangeTombstone { start, end, deletion });
    }
    ours.into_iter().rev().chain(other.into_iter().rev()).for_each(|it| push(&mut merged, it));
    merged
}

/// Takes what lies before `end` off the range on top.
fn consume(stack: &mut Vec<RangeTombstone>, end: &Bytes) {
    match stack.last_mut() {
        Some(it) if it.end <= *end => {
            stack.pop();
        }
        Some(it) if it.start < *end => it.start = end.clone(),
        Some(_) | None => {}
    }
}
