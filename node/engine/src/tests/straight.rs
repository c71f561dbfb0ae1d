//! The short way to the rows of one partition answers as the long way does.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

/// Partitions of plain rows, one with some that were deleted or expire, and one with a range tombstone: in one sstable
/// of small blocks, but for two rows that another one has.
static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let engine = World::new().engine();
    for at in 0..120 {
        let value = vec![b'a'; at as usize % 7];
        for partition in 1..=4 {
            write(&engine, &insert(1, partition, at, 10 + at as i64 % 3, &value)).unwrap();
        }
        if at % 10 == 3 {
            write(&engine, &delete_row(1, 2, at + 1, 30)).unwrap();
        }
        // An UPDATE, of another column: no marker, and not in every row.
        let mut partition = Partition::empty(key(5));
        let cells = vec![(ColumnId(1 + (at % 2) as u32), value_cell(7, b"updated"))];
        partition.put_row(clustering(at), Row { cells, ..Row::default() });
        write(&engine, &Mutation { table: shape(1).id, partition }).unwrap();
    }
    let mut partition = Partition::empty(key(3));
    partition.delete_range(clustering(50).0, clustering(60).0, deletion(40));
    write(&engine, &Mutation { table: shape(1).id, partition }).unwrap();
    flush(&engine).unwrap();
    write(&engine, &insert(1, 4, 40, 50, b"newer")).unwrap();
    write(&engine, &insert(1, 4, 500, 50, b"behind")).unwrap();
    flush(&engine).unwrap();
    engine
});

fn any_limit() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(u64::MAX), 2 => 0..60_u64, 1 => 0..3000_u64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn both_ways_answer_alike(
        partition in 0..8_u64,
        (from, to) in (0..130_u64, 0..600_u64),
        is_all in any::<bool>(),
        reversed in any::<bool>(),
        (rows, rows_per_partition) in (any_limit(), any_limit()),
        (bytes, scanned) in (any_limit(), any_limit()),
    ) {
        let slice = Slice { start: clustering(from).0, end: clustering(to.max(from + 1)).0 };
        let limits = Limits { rows, rows_per_partition, bytes, scanned, ..Limits::NONE };
        let slices = vec![if is_all { Slice::all() } else { slice }];
        let short = Command { slices, limits, reversed, ..one(1, partition) };
        // A column that no row has: the long way looks for it.
        let long = Command { dropped: vec![ColumnId(99)], ..short.clone() };
        prop_assert_eq!(read(&ENGINE, &short).unwrap(), read(&ENGINE, &long).unwrap());
    }
}

#[test]
fn a_partition_of_plain_rows_is_answered_where_it_lies() {
    let answer = read(&ENGINE, &Command { reversed: true, ..one(1, 1) }).unwrap();
    assert!(answer.partitions[0].rows.are_settled());
    assert_eq!((answer.live_rows, answer.sstables, answer.stopped_at), (120, 1, None));
    let updated = read(&ENGINE, &one(1, 5)).unwrap();
    assert!(updated.partitions[0].rows.are_settled(), "without markers too");
}
