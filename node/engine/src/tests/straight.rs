//! The short way to the rows of one partition answers as the long way does.

use std::sync::LazyLock;

use model::partial::{Asked, Number};
use proptest::prelude::*;

use super::*;

static ENGINE: LazyLock<Engine> = LazyLock::new(|| engine(1 << 20));

/// As `ENGINE`, but each read goes to the disk.
static COLD: LazyLock<Engine> = LazyLock::new(|| engine(0));

/// Partitions of plain rows, of which those of one expire, one with some that were deleted, and one with a range tombstone: in one
/// sstable of small blocks, but for two rows that another one has.
fn engine(cache_bytes: u64) -> Engine {
    let mut world = World::new();
    world.options.cache_bytes = cache_bytes;
    let engine = world.engine();
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
        write(&engine, &expiring(6, at, NOW + 10 + at as i64 / 4)).unwrap();
    }
    let mut partition = Partition::empty(key(3));
    partition.delete_range(clustering(50).0, clustering(60).0, deletion(40));
    write(&engine, &Mutation { table: shape(1).id, partition }).unwrap();
    flush(&engine).unwrap();
    write(&engine, &insert(1, 4, 40, 50, b"newer")).unwrap();
    write(&engine, &insert(1, 4, 500, 50, b"behind")).unwrap();
    flush(&engine).unwrap();
    engine
}

/// A row that is there until `expires_at`: every third without a marker, and every fourth with a value that stays.
fn expiring(partition: u64, at: u64, expires_at: i64) -> Mutation {
    let (timestamp, expiry) = (NOW * 1_000_000, (60, expires_at));
    let value = Bytes::from_static(b"for a while");
    let content = Content::Expiring { value, ttl: expiry.0, expires_at };
    let mut cells = vec![(ColumnId(1), Cell { timestamp, content })];
    if at.is_multiple_of(4) {
        cells.push((ColumnId(2), value_cell(timestamp, b"for ever")));
    }
    let marker = Liveness { timestamp, expiry: Some(expiry) };
    let liveness = (!at.is_multiple_of(3)).then_some(marker);
    let mut partition = Partition::empty(key(partition));
    partition.put_row(clustering(at), Row { liveness, cells, ..Row::default() });
    Mutation { table: shape(1).id, partition }
}

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
        later in 0..60_i64,
        compared in prop::option::of(any::<bool>()),
    ) {
        let slice = Slice { start: clustering(from).0, end: clustering(to.max(from + 1)).0 };
        let limits = Limits { rows, rows_per_partition, bytes, scanned, ..Limits::NONE };
        let slices = vec![if is_all { Slice::all() } else { slice }];
        let columns = vec![(ColumnId(1), Number::I8), (ColumnId(2), Number::I32)];
        let partial = compared.map(|compared| Asked { columns, compared });
        let now = NOW + later;
        let short = Command { slices, limits, reversed, now, partial, ..one(1, partition) };
        // A column that no row has: the long way looks for it.
        let long = Command { dropped: vec![ColumnId(99)], ..short.clone() };
        let answer = read(&ENGINE, &short).unwrap();
        prop_assert_eq!(&answer, &read(&ENGINE, &long).unwrap());
        prop_assert_eq!(&answer, &read(&COLD, &short).unwrap(), "from the disk");
        if let Some(partial) = &answer.partial {
            prop_assert_eq!(answer.live_rows, partial.rows + partial.statics);
            return Ok(());
        }
        let live: usize = answer.partitions.iter().map(|it| it.live_rows(NOW + later)).sum();
        prop_assert_eq!(answer.live_rows, live as u64);
    }
}

#[test]
fn a_partition_of_plain_rows_is_answered_where_it_lies() {
    let answer = read(&ENGINE, &Command { reversed: true, ..one(1, 1) }).unwrap();
    assert!(answer.partitions[0].rows.are_settled(0));
    assert_eq!((answer.live_rows, answer.sstables, answer.stopped_at), (120, 1, None));
    let updated = read(&ENGINE, &one(1, 5)).unwrap();
    assert!(updated.partitions[0].rows.are_settled(0), "without markers too");
}

#[test]
fn a_block_that_is_not_in_memory_ends_the_short_way_and_the_job_begins_with_it() {
    let engine = engine(1 << 20);
    let first = Slice { start: clustering(0).0, end: clustering(5).0 };
    let command = Command { slices: vec![first], ..one(1, 1) };
    let is_cold = |it: Read| matches!(it, Read::Cold(_));
    assert!(is_cold(engine.read(&command).unwrap()));
    assert_eq!(read(&engine, &command).unwrap().live_rows, 5);
    assert!(!is_cold(engine.read(&command).unwrap()), "it is in memory now");
    assert_eq!(engine.stats().reads_cold, 2);
}

#[test]
fn rows_that_will_expire_are_answered_where_they_lie_until_the_first_does() {
    let at = |now: i64| read(&ENGINE, &Command { now, ..one(1, 6) }).unwrap();
    let before = at(NOW + 9);
    assert!(before.partitions[0].rows.are_settled(NOW + 9));
    assert_eq!((before.live_rows, before.tombstones), (120, 0));
    let behind = at(NOW + 11);
    assert!(!behind.partitions[0].rows.are_settled(NOW + 11));
    // Values of eight rows have expired by then, of which two have another that stays; five had markers, too.
    assert_eq!((behind.live_rows, behind.tombstones), (120 - 8 + 2, 8 + 5));
}
