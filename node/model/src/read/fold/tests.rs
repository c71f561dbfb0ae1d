//! Folding piece by piece, and what equal digests promise.

use bytes::Bytes;
use proptest::{
    collection::{btree_set, vec},
    prelude::*,
};

use super::*;
use crate::{
    ColumnId, PartitionKey,
    partial::Number,
    read::{Limits, Target, tests},
    schema::TableId,
    worlds,
};

/// Between the first and the last expiry in the small worlds.
const NOW: i64 = 3;

fn command(reversed: bool) -> Command {
    Command {
        table: TableId(uuid::Uuid::nil()),
        target: Target::One(PartitionKey::new(Bytes::from_static(b"key"))),
        slices: Vec::new(),
        reversed,
        resume: None,
        limits: Limits::NONE,
        now: NOW,
        dropped: Vec::new(),
        filter: None,
        partial: Some(Asked { columns: vec![(ColumnId(1), Number::I8)], compared: true }),
    }
}

/// What comes of a partition that is cut at these clusterings.
fn folded(command: &Command, partition: &Partition, cuts: &[u8]) -> (Partial, u128) {
    let mut fold = Fold::new(command).expect("a partial is asked for");
    let pieces = tests::pieces(partition, cuts, command.reversed);
    pieces.iter().for_each(|it| fold.add(&it.rows));
    fold.end(partition);
    let (partial, digest) = fold.finish(None);
    (*partial, digest.expect("it is compared"))
}

/// What a reader sees of a partition, and when it was written.
fn live(partition: &Partition) -> (Vec<(Bytes, Row)>, Row) {
    let rows = partition.rows.iter().filter(|(_, row)| row.is_live(NOW));
    let rows = rows.map(|(at, row)| (at.0.clone(), seen(row, NOW).into_owned()));
    let statics = match partition.static_row.has_live_cell(NOW) {
        true => seen(&partition.static_row, NOW).into_owned(),
        false => Row::default(),
    };
    (rows.collect(), statics)
}

proptest! {
    #[test]
    fn where_it_is_cut_makes_no_difference(
        partition in worlds::partition(), reversed in any::<bool>(),
        cuts in btree_set(0_u8..8, 0..5)
    ) {
        let command = command(reversed);
        let cuts: Vec<u8> = cuts.into_iter().collect();
        prop_assert_eq!(folded(&command, &partition, &cuts), folded(&command, &partition, &[]));
    }

    #[test]
    fn digests_are_equal_where_readers_see_the_same(
        a in worlds::partition(), b in worlds::partition(), reversed in any::<bool>()
    ) {
        let command = command(reversed);
        let (of_a, of_b) = (folded(&command, &a, &[]).1, folded(&command, &b, &[]).1);
        prop_assert_eq!(of_a == of_b, live(&a) == live(&b));
    }

    /// What replicas agree on is what they know together, whatever tombstones each has.
    #[test]
    fn who_sees_the_same_sees_no_more_together(
        known in worlds::partition(), more in vec(worlds::partition(), 2)
    ) {
        let command = command(false);
        let mut replicas = more.into_iter().map(|it| {
            let mut replica = known.clone();
            replica.merge(it);
            replica
        });
        let (Some(a), Some(b)) = (replicas.next(), replicas.next()) else { return Ok(()) };
        let (of_a, of_b) = (folded(&command, &a, &[]), folded(&command, &b, &[]));
        if of_a.1 == of_b.1 {
            let mut both = a.clone();
            both.merge(b);
            prop_assert_eq!(&of_a, &of_b);
            prop_assert_eq!(&of_a, &folded(&command, &both, &[]));
            prop_assert_eq!(live(&a), live(&both));
        }
    }
}

#[test]
fn where_it_stopped_is_told_too() {
    let command = command(false);
    let at = |it: Option<&Position>| Fold::new(&command).map(|fold| fold.finish(it).1);
    let position =
        Position { key: PartitionKey::new(Bytes::from_static(b"key")), clustering: None };
    assert_ne!(at(None), at(Some(&position)));
}
