//! Partitions: the laws of merging, and what repair, purge and clipping owe each other.

use super::*;
use crate::{Cell, ColumnId, Content, Liveness, worlds};
use proptest::{collection::vec, prelude::*};

/// One thing written to a partition.
#[derive(Clone, Debug)]
enum Write {
    Row(Clustering, Row),
    Range((Bytes, Bytes), Deletion),
    All(Deletion),
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        6 => (worlds::clustering(), worlds::row()).prop_map(|(at, row)| Write::Row(at, row)),
        4 => (worlds::bounds(), worlds::deletion()).prop_map(|(at, it)| Write::Range(at, it)),
        1 => worlds::deletion().prop_map(Write::All),
    ]
}

fn empty() -> Partition {
    Partition::empty(PartitionKey::new(Bytes::from_static(b"key")))
}

fn clusterings() -> impl Iterator<Item = Clustering> {
    (1_u8..7).map(|at| Clustering(vec![at].into()))
}

/// What a reader sees of one row: marker and values.
type Seen = (bool, Vec<(ColumnId, Bytes)>, Vec<(ColumnId, Bytes, Bytes)>);

fn seen(row: &Row, now: i64) -> Seen {
    let value = |(id, cell): &(ColumnId, Cell)| Some((*id, cell.value(now)?.clone()));
    let is_marked = row.liveness.is_some_and(|it| it.is_live(now));
    let elements = row.elements.iter().flat_map(|(id, it)| it.cells.iter().map(|it| (*id, it)));
    let element = |(id, (path, cell)): (ColumnId, &(Bytes, Cell))| {
        Some((id, path.clone(), cell.value(now)?.clone()))
    };
    let elements = elements.filter_map(element).collect();
    (is_marked, row.cells.iter().filter_map(value).collect(), elements)
}

/// What a reader sees of the partition, statics first.
fn all_seen(partition: &Partition, now: i64) -> Vec<Seen> {
    let row = |at| partition.row(&at).map(|it| seen(it, now)).unwrap_or_default();
    std::iter::once(seen(&partition.static_row, now)).chain(clusterings().map(row)).collect()
}

/// The same writes, `by` later.
fn later(partition: &Partition, by: i64) -> Partition {
    let mut later = partition.clone();
    let deletions = later.range_tombstones.iter_mut().map(|it| &mut it.deletion);
    deletions.chain(&mut later.deletion).for_each(|it| it.timestamp += by);
    for row in later.rows.iter_mut().map(|(_, row)| row).chain([&mut later.static_row]) {
        row.deletion.iter_mut().for_each(|it| it.timestamp += by);
        row.liveness.iter_mut().for_each(|it| it.timestamp += by);
        row.cells.iter_mut().for_each(|(_, cell)| cell.timestamp += by);
        for (_, elements) in &mut row.elements {
            elements.deletion.iter_mut().for_each(|it| it.timestamp += by);
            elements.cells.iter_mut().for_each(|(_, cell)| cell.timestamp += by);
        }
    }
    later
}

fn cell(timestamp: i64, value: &'static str) -> Cell {
    Cell { timestamp, content: Content::Live { value: Bytes::from_static(value.as_bytes()) } }
}

#[test]
fn rows_that_are_seen_are_counted() {
    let mut partition = empty();
    assert_eq!(partition.live_rows(0), 0);
    partition.put_static(Row { cells: vec![(ColumnId(1), cell(1, "s"))], ..Row::default() });
    assert_eq!(partition.live_rows(0), 1);
    let mut clusterings = clusterings();
    let expiring = Liveness { timestamp: 1, expiry: Some((1, 5)) };
    for expiring in [expiring, Liveness { timestamp: 1, expiry: None }] {
        let clustering = clusterings.next().expect("enough of them");
        partition.put_row(clustering, Row { liveness: Some(expiring), ..Row::default() });
    }
    assert_eq!(partition.live_rows(4), 2);
    assert_eq!(partition.live_rows(5), 1);
}

#[test]
fn memory_grows_with_what_is_held() {
    let mut partition = empty();
    let mut last = partition.memory_bytes();
    for clustering in clusterings() {
        let value = Bytes::from(vec![b'x'; 1000]);
        let cell = Cell { timestamp: 1, content: Content::Live { value } };
        partition.put_row(clustering, Row { cells: vec![(ColumnId(1), cell)], ..Row::default() });
        assert!(last + 1000 < partition.memory_bytes());
        last = partition.memory_bytes();
    }
}

/// As many tombstones as a queue leaves behind, one by one in any order, end as one.
#[test]
fn touching_range_tombstones_of_one_deletion_join() {
    let deletion = Deletion { timestamp: 1, deleted_at: 1 };
    let bound = |at: u32| Bytes::from(at.to_be_bytes().to_vec());
    let mut partition = empty();
    for at in (0..1000).rev().step_by(2).chain((0..1000).step_by(2)) {
        partition.delete_range(bound(at), bound(at + 1), deletion);
    }
    let whole = RangeTombstone { start: bound(0), end: bound(1000), deletion };
    assert_eq!(partition.range_tombstones, [whole]);
}

fn merged(mut left: Partition, right: Partition) -> Partition {
    left.merge(right);
    left
}

proptest! {
    #[test]
    fn merging_partitions_commutes_associates_and_is_idempotent(
        a in worlds::partition(), b in worlds::partition(), c in worlds::partition()
    ) {
        prop_assert!(a.is_normal());
        let both = merged(a.clone(), b.clone());
        prop_assert!(both.is_normal());
        prop_assert_eq!(&both, &merged(b.clone(), a.clone()));
        prop_assert_eq!(merged(both, c.clone()), merged(a.clone(), merged(b, c)));
        prop_assert_eq!(merged(a.clone(), a.clone()), a);
    }

    #[test]
    fn what_was_missing_makes_up_for_the_newer_version(
        ours in worlds::partition(), newer in worlds::partition()
    ) {
        let whole = merged(ours.clone(), newer.clone());
        for newer in [newer, whole.clone()] {
            match ours.missing_from(&newer) {
                Some(missing) => {
                    prop_assert!(missing.is_normal());
                    prop_assert_ne!(&ours, &whole);
                    prop_assert_eq!(&merged(ours.clone(), missing), &whole);
                }
                None => prop_assert_eq!(&ours, &whole),
            }
        }
    }

    /// Against the definition: of all that was written to a cell the winner, unless the newest
    /// deletion over it covers it.
    #[test]
    fn a_merge_of_writes_is_what_the_rules_say(writes in vec(write(), 0..8)) {
        let mut partition = empty();
        for write in &writes {
            match write.clone() {
                Write::Row(clustering, row) => partition.put_row(clustering, row),
                Write::Range((start, end), it) => partition.delete_range(start, end, it),
                Write::All(it) => partition.delete(it),
            }
            prop_assert!(partition.is_normal());
        }
        for clustering in clusterings() {
            let rows: Vec<&Row> = writes.iter().filter_map(|write| match write {
                Write::Row(at, row) if *at == clustering => Some(row),
                Write::Row(..) | Write::Range(..) | Write::All(_) => None,
            }).collect();
            let above = writes.iter().filter_map(|write| match write {
                Write::All(it) => Some(*it),
                Write::Range((start, end), it) => {
                    (*start <= clustering.0 && clustering.0 < *end).then_some(*it)
                }
                Write::Row(..) => None,
            }).max();
            let shadow = rows.iter().filter_map(|row| row.deletion).max().max(above);
            let shows = |timestamp: i64| shadow.is_none_or(|it| it.timestamp < timestamp);
            let row = partition.row(&clustering).cloned().unwrap_or_default();
            for column in (0..4).map(ColumnId) {
                let versions = rows.iter().filter_map(|row| row.cell(column)).cloned();
                let winner = versions.reduce(Cell::merge).filter(|it| shows(it.timestamp));
                prop_assert_eq!(row.cell(column), winner.as_ref());
            }
            for column in (5..7).map(ColumnId) {
                let versions = || rows.iter().filter_map(|row| row.elements_of(column));
                let emptied = versions().filter_map(|it| it.deletion).max().max(shadow);
                let shows = |at: i64| emptied.is_none_or(|it| it.timestamp < at);
                for path in [&b"x"[..], b"y"] {
                    let winner = versions().filter_map(|it| it.cell(path)).cloned();
                    let winner = winner.reduce(Cell::merge).filter(|it| shows(it.timestamp));
                    let found = row.elements_of(column).and_then(|it| it.cell(path));
                    prop_assert_eq!(found, winner.as_ref());
                }
            }
            let winner = rows.iter().filter_map(|row| row.liveness).reduce(Liveness::merge);
            prop_assert_eq!(row.liveness, winner.filter(|it| shows(it.timestamp)));
            prop_assert_eq!(partition.deletion_at(&clustering).map(|it| it.timestamp),
                above.map(|it| it.timestamp));
        }
    }

    /// A reader sees the same before and after, also when newer data comes from elsewhere.
    #[test]
    fn purging_hides_nothing_and_wakes_nothing(
        ours in worlds::partition(), other in worlds::partition(),
        now in 0_i64..7, grace in 0_i64..3, max_purgeable in 0_i64..6
    ) {
        let mut purged = ours.clone();
        purged.purge(now, now - grace, max_purgeable);
        prop_assert!(purged.is_normal());
        prop_assert_eq!(all_seen(&purged, now), all_seen(&ours, now));
        let mut again = purged.clone();
        again.purge(now, now - grace, max_purgeable);
        prop_assert_eq!(&again, &purged);
        let other = later(&other, 10);
        prop_assert!(other.is_normal());
        prop_assert_eq!(
            all_seen(&merged(purged, other.clone()), now),
            all_seen(&merged(ours, other), now)
        );
    }

    /// All that is not newer than what may hide elsewhere stays.
    #[test]
    fn purging_keeps_what_may_be_needed(ours in worlds::partition(), now in 0_i64..7) {
        let mut purged = ours.clone();
        purged.purge(now, i64::MAX, i64::MIN);
        let mut kept = ours.clone();
        kept.purge(now, i64::MIN, i64::MAX);
        prop_assert_eq!(&purged, &kept);
        prop_assert_eq!(purged.deletion, ours.deletion);
        prop_assert_eq!(purged.range_tombstones, ours.range_tombstones);
        prop_assert_eq!(purged.rows.len(), ours.rows.len());
    }

    #[test]
    fn purging_all_leaves_what_lives(ours in worlds::partition(), now in 0_i64..7) {
        let mut purged = ours.clone();
        purged.purge(now, i64::MAX, i64::MAX);
        prop_assert!(purged.deletion.is_none() && purged.range_tombstones.is_empty());
        prop_assert_eq!(purged.live_rows(now), ours.live_rows(now));
        prop_assert!(purged.rows.iter().all(|(_, row)| row.is_live(now)));
    }

    /// Inside the slices all is as before, outside is nothing; what is above the rows stays.
    #[test]
    fn clipping_keeps_what_lies_inside(
        ours in worlds::partition(), a in worlds::bounds(), b in worlds::bounds()
    ) {
        let mut slices: Vec<Slice> = [a, b].into_iter().filter(|(start, end)| start < end)
            .map(|(start, end)| Slice { start, end }).collect();
        slices.sort();
        slices.dedup_by(|right, left| right.start < left.end);
        let mut clipped = ours.clone();
        clipped.clip_slices(&slices);
        prop_assert!(clipped.is_normal());
        prop_assert_eq!(clipped.deletion, ours.deletion);
        prop_assert_eq!(&clipped.static_row, &ours.static_row);
        for clustering in clusterings() {
            if slices.iter().any(|it| it.contains(&clustering)) {
                prop_assert_eq!(clipped.row(&clustering), ours.row(&clustering));
                prop_assert_eq!(clipped.deletion_at(&clustering), ours.deletion_at(&clustering));
            } else {
                prop_assert_eq!(clipped.row(&clustering), None);
                prop_assert_eq!(clipped.deletion_at(&clustering), ours.deletion);
            }
        }
        if let [slice] = &slices[..] {
            let mut one = ours.clone();
            one.clip(&slice.start, &slice.end);
            prop_assert_eq!(one, clipped);
        }
    }
}
