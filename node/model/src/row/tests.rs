//! Rows: what lives, what a deletion takes, and the laws of merging.

use super::*;
use crate::{cell::Content, worlds};
use proptest::prelude::*;

fn cell(timestamp: i64) -> Cell {
    Cell { timestamp, content: Content::Live { value: Bytes::from_static(b"v") } }
}

fn merged(mut left: Row, right: Row) -> Row {
    left.merge(right);
    left
}

#[test]
fn of_two_markers_the_expiring_one_wins_a_tie() {
    let marker = |timestamp, expiry| Liveness { timestamp, expiry };
    let table = [
        (marker(2, None), marker(1, Some((1, 9)))),
        (marker(1, Some((1, 9))), marker(1, None)),
        (marker(1, Some((1, 9))), marker(1, Some((1, 8)))),
        (marker(1, Some((1, 9))), marker(1, Some((2, 9)))),
    ];
    for (winner, loser) in table {
        assert_eq!(winner.merge(loser), winner);
        assert_eq!(loser.merge(winner), winner);
    }
}

#[test]
fn a_row_lives_by_its_marker_or_by_a_cell() {
    let updated = Row { cells: vec![(ColumnId(1), cell(1))], ..Row::default() };
    assert!(updated.is_live(0));
    let marker = Liveness { timestamp: 1, expiry: Some((5, 10)) };
    let inserted = Row { liveness: Some(marker), ..Row::default() };
    assert!(inserted.is_live(9) && !inserted.is_live(10));
    assert!(!Row::default().is_live(0) && Row::default().is_empty());
}

#[test]
fn a_deletion_takes_what_is_not_newer() {
    let all = Row {
        liveness: Some(Liveness { timestamp: 5, expiry: None }),
        deletion: None,
        cells: vec![(ColumnId(1), cell(5)), (ColumnId(2), cell(6))],
        elements: Vec::new(),
    };
    let deletion = Deletion { timestamp: 5, deleted_at: 1 };
    let left = merged(all, Row { deletion: Some(deletion), ..Row::default() });
    assert_eq!(left.liveness, None);
    assert_eq!(left.deletion, Some(deletion));
    assert_eq!(left.cells, [(ColumnId(2), cell(6))]);
}

#[test]
fn an_expired_marker_stays_until_it_may_be_forgotten() {
    let marker = Liveness { timestamp: 7, expiry: Some((10, 100)) };
    let purged = |now, gc_before, max_purgeable| {
        let mut row = Row { liveness: Some(marker), ..Row::default() };
        row.purge(now, gc_before, max_purgeable);
        row.liveness
    };
    assert_eq!(purged(99, 91, 8), Some(marker));
    assert_eq!(purged(100, 90, 8), Some(marker));
    assert_eq!(purged(100, 91, 7), Some(marker));
    assert_eq!(purged(100, 91, 8), None);
}

proptest! {
    #[test]
    fn merging_markers_commutes_and_associates(
        a in worlds::liveness(), b in worlds::liveness(), c in worlds::liveness()
    ) {
        prop_assert_eq!(a.merge(b), b.merge(a));
        prop_assert_eq!(a.merge(b).merge(c), a.merge(b.merge(c)));
        prop_assert_eq!(a.merge(a), a);
    }

    #[test]
    fn merging_rows_commutes_associates_and_is_idempotent(
        a in worlds::row(), b in worlds::row(), c in worlds::row()
    ) {
        let both = merged(a.clone(), b.clone());
        prop_assert!(both.is_normal());
        prop_assert_eq!(&both, &merged(b.clone(), a.clone()));
        prop_assert_eq!(merged(both, c.clone()), merged(a.clone(), merged(b, c)));
        prop_assert_eq!(merged(a.clone(), a.clone()), a);
    }

    #[test]
    fn shadowing_is_merging_with_the_deletion_and_forgetting_it(
        row in worlds::row(), deletion in worlds::deletion()
    ) {
        let mut shadowed = row.clone();
        shadowed.shadow(deletion);
        let with = merged(row, Row { deletion: Some(deletion), ..Row::default() });
        prop_assert_eq!(&shadowed.cells, &with.cells);
        prop_assert_eq!(shadowed.liveness, with.liveness);
        prop_assert!(shadowed.deletion.is_none_or(|it| deletion.timestamp < it.timestamp));
    }

    #[test]
    fn putting_a_cell_is_merging_it(
        row in worlds::row(), column in 0_u32..4, cell in worlds::cell()
    ) {
        let column = ColumnId(column);
        let mut put = row.clone();
        put.put(column, cell.clone());
        prop_assert_eq!(put, merged(row, Row { cells: vec![(column, cell)], ..Row::default() }));
    }
}
