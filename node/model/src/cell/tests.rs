//! Which cell wins: the table, and its laws.

use super::*;
use crate::worlds;
use proptest::prelude::*;

fn live(timestamp: i64, value: &'static str) -> Cell {
    Cell { timestamp, content: Content::Live { value: Bytes::from_static(value.as_bytes()) } }
}

fn expiring(timestamp: i64, value: &'static str, ttl: u32, expires_at: i64) -> Cell {
    let value = Bytes::from_static(value.as_bytes());
    Cell { timestamp, content: Content::Expiring { value, ttl, expires_at } }
}

fn dead(timestamp: i64, deleted_at: i64) -> Cell {
    Cell { timestamp, content: Content::Dead { deleted_at } }
}

/// Each line: the winner, the loser. At equal timestamps a tombstone hides what may come back,
/// an expiring cell will be one, and from there on any rule does that all replicas share.
#[test]
fn the_winner_of_two() {
    let table = [
        (live(2, "a"), live(1, "b")),
        (live(2, "a"), dead(1, 9)),
        (dead(2, 1), live(1, "b")),
        (dead(1, 1), live(1, "b")),
        (expiring(1, "a", 10, 10), live(1, "b")),
        (dead(1, 1), expiring(1, "b", 10, 99)),
        (dead(1, 2), dead(1, 1)),
        (expiring(1, "a", 10, 12), expiring(1, "b", 10, 11)),
        (expiring(1, "b", 10, 11), expiring(1, "a", 10, 11)),
        (expiring(1, "a", 5, 11), expiring(1, "a", 10, 11)),
        (live(1, "b"), live(1, "a")),
        (live(1, "\u{7f}\u{80}"), live(1, "\u{7f}")),
        (live(1, "\u{e9}"), live(1, "z")),
    ];
    for (winner, loser) in table {
        assert_eq!(winner.clone().merge(loser.clone()), winner);
        assert_eq!(loser.clone().merge(winner.clone()), winner);
        assert!(winner.supersedes(&loser) && !loser.supersedes(&winner));
    }
}

#[test]
fn a_value_is_gone_from_the_second_it_expires() {
    let cell = expiring(1, "a", 10, 100);
    assert_eq!(cell.value(99), Some(&Bytes::from_static(b"a")));
    assert_eq!(cell.value(100), None);
    assert_eq!(dead(1, 1).value(0), None);
}

#[test]
fn an_expired_cell_is_a_tombstone_of_its_write_time_and_goes_with_those() {
    let cell = expiring(7, "a", 10, 100);
    assert_eq!(cell.clone().purge(99, i64::MAX, i64::MAX), Some(cell.clone()));
    assert_eq!(cell.clone().purge(100, 90, i64::MAX), Some(expiring(7, "", 10, 100)));
    assert_eq!(cell.clone().purge(100, 91, 7), Some(expiring(7, "", 10, 100)));
    assert_eq!(cell.purge(100, 91, 8), None);
    assert_eq!(live(1, "a").purge(i64::MAX, i64::MAX, i64::MAX), Some(live(1, "a")));
}

/// A compaction that saw one of the two alone must not decide between them.
#[test]
fn an_expired_cell_still_loses_to_one_of_its_timestamp_that_expires_later() {
    let (early, late) = (expiring(6, "t", 1, 76), expiring(6, "t", 26, 101));
    let purged = early.clone().purge(100, i64::MIN, i64::MIN).unwrap();
    assert_eq!(purged.merge(late.clone()), early.merge(late));
}

proptest! {
    /// So that it does not matter whether replicas, or sstables, meet before or after a purge.
    #[test]
    fn what_is_visible_does_not_depend_on_whether_one_side_was_purged_before(
        a in worlds::cell(), b in worlds::cell(), now in 0_i64..8
    ) {
        let purged = a.clone().purge(now, i64::MIN, i64::MIN).unwrap();
        let (early, late) = (purged.merge(b.clone()), a.merge(b));
        prop_assert_eq!(early.value(now), late.value(now));
    }

    #[test]
    fn merging_cells_commutes_associates_and_is_idempotent(
        a in worlds::cell(), b in worlds::cell(), c in worlds::cell()
    ) {
        prop_assert_eq!(a.clone().merge(b.clone()), b.clone().merge(a.clone()));
        prop_assert_eq!(
            a.clone().merge(b.clone()).merge(c.clone()),
            a.clone().merge(b.merge(c))
        );
        prop_assert_eq!(a.clone().merge(a.clone()), a);
    }
}
