//! Sifting piece by piece.

use bytes::Bytes;
use proptest::{collection::btree_set, prelude::*};

use super::*;
use crate::{
    ColumnId, Rows,
    read::{Condition, Limits, Operator, Place, Target, Test, tests},
    schema::{NativeType, TableId},
    worlds,
};

/// Between the first and the last expiry in the small worlds.
const NOW: i64 = 3;

fn command(place: Place, reversed: bool) -> Command {
    let any_of = vec![vec![Bytes::from_static(b"a")]];
    let condition = Condition {
        columns: vec![(place, NativeType::Blob.into())],
        test: Test::Compare(Operator::Ge),
        any_of,
    };
    Command {
        table: TableId(uuid::Uuid::nil()),
        target: Target::One(PartitionKey::new(Bytes::from_static(b"key"))),
        slices: Vec::new(),
        reversed,
        resume: None,
        limits: Limits::NONE,
        now: NOW,
        dropped: Vec::new(),
        filter: Some(Filter {
            partition_columns: 1,
            clustering: Vec::new(),
            conditions: vec![condition],
            compared: true,
        }),
        partial: None,
    }
}

/// What is left of a partition that comes cut at these clusterings, and the digest of it.
fn sifted(command: &Command, partition: &Partition, cuts: &[u8]) -> (Partition, u128) {
    let mut sieve = Sieve::new(command).expect("a filter");
    let pieces = tests::pieces(partition, cuts, command.reversed);
    sieve.begin(&partition.key, &partition.static_row);
    let mut left =
        Partition { rows: Rows::default(), range_tombstones: Vec::new(), ..partition.clone() };
    for mut piece in pieces {
        let mut rows = piece.rows.to_vec();
        if command.reversed {
            rows.reverse();
        }
        for (clustering, row) in &rows {
            sieve.judge(clustering, row);
        }
        sieve.sift(&mut piece);
        assert!(piece.range_tombstones.is_empty(), "no tombstone travels");
        left.rows.extend(piece.rows);
    }
    left.rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    sieve.end(&mut left);
    (left, sieve.digest(None).expect("it is compared"))
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        Just(Place::Regular(ColumnId(1))),
        Just(Place::Static(ColumnId(1))),
        Just(Place::Partition(0)),
    ]
}

proptest! {
    #[test]
    fn where_it_is_cut_makes_no_difference(
        partition in worlds::partition(), place in place(), reversed in any::<bool>(),
        cuts in btree_set(0_u8..8, 0..5)
    ) {
        let command = command(place, reversed);
        let cuts: Vec<u8> = cuts.into_iter().collect();
        prop_assert_eq!(sifted(&command, &partition, &cuts), sifted(&command, &partition, &[]));
    }

    /// Of what is left out too: that is what the digest is for.
    #[test]
    fn digests_are_equal_where_everything_is(
        a in worlds::partition(), b in worlds::partition(), reversed in any::<bool>()
    ) {
        let command = command(Place::Regular(ColumnId(1)), reversed);
        let (of_a, of_b) = (sifted(&command, &a, &[]).1, sifted(&command, &b, &[]).1);
        prop_assert_eq!(of_a == of_b, a == b);
    }

    #[test]
    fn rows_that_live_and_pass_are_left(partition in worlds::partition(), place in place()) {
        let command = command(place, false);
        let filter = command.filter.clone().expect("a filter");
        let (left, _) = sifted(&command, &partition, &[]);
        let admits = filter.admits(&partition.key, &partition.static_row, NOW);
        let mut expected = Partition::empty(partition.key.clone());
        expected.rows = partition.rows.clone();
        expected
            .rows
            .retain(|(at, row)| admits && row.is_live(NOW) && filter.passes(at, row, NOW));
        let statics = &partition.static_row;
        let alone = admits && filter.passes_statics() && statics.has_live_cell(NOW);
        if alone || !expected.rows.is_empty() {
            expected.static_row = statics.clone();
        }
        prop_assert_eq!(left, expected);
    }
}

#[test]
fn partitions_of_which_nothing_is_known_are_not_told_of() {
    let command = command(Place::Partition(0), false);
    let empty = Partition::empty(PartitionKey::new(Bytes::from_static(b"key")));
    let (left, digest) = sifted(&command, &empty, &[]);
    assert!(left.is_empty());
    let none = Sieve::new(&command).and_then(|mut it| it.digest(None));
    assert_eq!(Some(digest), none);
    let other = Position { key: empty.key, clustering: None };
    assert_ne!(none, Sieve::new(&command).and_then(|mut it| it.digest(Some(&other))));
}
