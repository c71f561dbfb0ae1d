//! What a read need not look at, it does not look at; and it answers the same.

use model::read::Position;

use super::*;

/// Rows 10 to 19 of two partitions in an sstable, and whatever `more` writes before; opened anew, so that nothing of it is in
/// memory.
fn reopened(more: impl Fn(&Engine)) -> Engine {
    let mut world = World::new();
    world.options.block_bytes = 64;
    let engine = world.engine();
    for at in 10..20 {
        write(&engine, &insert(1, 1, at, 1, b"some value of its own")).unwrap();
        write(&engine, &insert(1, 2, at, 1, b"some value of its own")).unwrap();
    }
    more(&engine);
    wait(engine.close(&Inline)).unwrap();
    drop(engine);
    world.engine()
}

fn slice(from: u64, to: u64) -> Command {
    let slices = vec![Slice { start: clustering(from).0, end: clustering(to).0 }];
    Command { slices, ..one(1, 1) }
}

/// Blocks that the read of a slice takes, each for the first time.
fn blocks(engine: &Engine, command: &Command) -> u64 {
    let before = engine.stats().cache_misses;
    read(engine, command).unwrap();
    engine.stats().cache_misses - before
}

#[test]
fn outside_of_all_clusterings_no_file_is_looked_into() {
    let engine = reopened(|_| ());
    for (from, to) in [(0, 10), (20, 30), (25, 26)] {
        let answer = read(&engine, &slice(from, to)).unwrap();
        assert_eq!((answer.partitions.len(), answer.sstables), (0, 0));
    }
    assert_eq!(engine.stats().reads_cold, 0, "not even its index");
    assert_eq!(rows(&engine, &slice(9, 11)).len(), 1);
    assert_eq!(rows(&engine, &slice(19, 25)).len(), 1);
    assert_eq!(rows(&engine, &slice(0, 90)).len(), 10);
}

#[test]
fn a_row_in_the_middle_takes_one_block() {
    let engine = reopened(|_| ());
    assert_eq!(
        blocks(&engine, &slice(15, 16)),
        1,
        "the partition has neither deletion nor statics"
    );
}

#[test]
fn a_deletion_or_statics_anywhere_are_looked_for_wherever_one_reads() {
    let engine = reopened(|engine| {
        let mut partition = Partition::empty(key(1));
        partition.delete(deletion(0));
        write(engine, &Mutation { table: shape(1).id, partition }).unwrap();
    });
    assert_eq!(blocks(&engine, &slice(15, 16)), 2, "and the one in which the partition begins");
    let answer = read(&engine, &slice(30, 40)).unwrap();
    assert_eq!(answer.partitions[0].deletion, Some(deletion(0)));
}

#[test]
fn a_range_tombstone_counts_with_the_clusterings() {
    let engine = reopened(|engine| {
        let mut partition = Partition::empty(key(2));
        partition.delete_range(clustering(30).0, clustering(40).0, deletion(5));
        write(engine, &Mutation { table: shape(1).id, partition }).unwrap();
    });
    let of_two = Command { target: Target::One(key(2)), ..slice(35, 36) };
    let answer = read(&engine, &of_two).unwrap();
    assert_eq!(answer.partitions[0].range_tombstones.len(), 1);
    assert_eq!(rows(&engine, &slice(0, 90)).len(), 10);
}

#[test]
fn a_range_that_goes_on_where_a_block_begins_needs_not_the_one_before() {
    let engine = reopened(|_| ());
    let last = [key(1), key(2)].into_iter().max().unwrap();
    let resume = Some(Position { key: last, clustering: Some(clustering(18).0) });
    // One with the partition's beginning, and the last one.
    assert_eq!(blocks(&engine, &Command { resume, ..all_of(1) }), 2);
}

#[test]
fn an_index_is_read_when_it_is_first_asked_for() {
    let engine = reopened(|_| ());
    assert_eq!(engine.partition_bytes(shape(1).id, &key(1), 0), 0, "nobody has read yet");
    assert!(matches!(engine.read(&slice(12, 13)).unwrap(), Read::Cold(_)));
    assert_eq!(rows(&engine, &slice(12, 13)).len(), 1);
    assert!(matches!(engine.read(&slice(12, 13)).unwrap(), Read::Ready(_)));
    assert!(engine.partition_bytes(shape(1).id, &key(1), 0) > 0);
}

#[test]
fn the_sizes_of_partitions_are_known_once_indexes_were_loaded() {
    let engine = reopened(|_| ());
    engine.load_indexes();
    assert!(engine.partition_bytes(shape(1).id, &key(1), 0) > 0);
}

/// What is read of one place alone lies beneath a deletion that another one knows of, though that has nothing near it.
#[test]
fn a_deletion_counts_where_its_file_is_not_looked_into() {
    let world = World::new();
    let engine = world.engine();
    for at in 10..20 {
        write(&engine, &insert(1, 1, at, 5, b"deleted")).unwrap();
    }
    flush(&engine).unwrap();
    write(&engine, &insert(1, 1, 30, 9, b"newer")).unwrap();
    let mut partition = Partition::empty(key(1));
    partition.delete(deletion(6));
    write(&engine, &Mutation { table: shape(1).id, partition }).unwrap();
    flush(&engine).unwrap();
    for (from, to, found) in [(10, 20, 0), (25, 40, 1), (0, 90, 1)] {
        for reversed in [false, true] {
            assert_eq!(rows(&engine, &Command { reversed, ..slice(from, to) }).len(), found);
        }
    }
}

#[test]
fn where_the_newest_have_enough_rows_together_older_files_are_not_read() {
    let world = World::new();
    let engine = world.engine();
    let put = |at| write(&engine, &insert(1, 1, at, 1, b"v")).unwrap();
    for rows in [10..30, 30..35] {
        rows.for_each(put);
        flush(&engine).unwrap();
    }
    (40..43).for_each(put);
    let mut last = Command { reversed: true, ..slice(0, 90) };
    last.limits.rows = 6;
    assert_eq!(blocks(&engine, &last), 1, "two of three sources");
    let found: Vec<u64> = rows(&engine, &last).into_iter().map(|(_, at, _)| at).collect();
    assert_eq!(found, [32, 33, 34, 40, 41, 42]);
    let mut first = slice(12, 90);
    first.limits.rows = 30;
    assert_eq!(rows(&engine, &first).len(), 26, "and all of them where that is what it takes");
}

#[test]
fn a_row_that_is_not_there_takes_a_look_into_the_filter_and_none_into_a_block() {
    const ROWS: u64 = 8_000;
    let mut world = World::new();
    world.options.block_bytes = 1_000;
    let engine = world.engine();
    for at in 0..ROWS {
        // Of which little is common: a page takes no more than a fifth of its blocks.
        let value = (at + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        write(&engine, &insert(1, 1, at * 2, 1, &[value, value].concat())).unwrap();
    }
    flush(&engine).unwrap();
    drop(engine);
    let engine = world.engine();
    let row = |at| Command { slices: vec![Slice::row(&clustering(at).0)], ..one(1, 1) };
    let looks: u64 = (0..ROWS).map(|at| blocks(&engine, &row(at * 2 + 1))).sum();
    assert!(looks < 3 + ROWS / 40, "{looks}: three pages, and where the filter is wrong");
    for at in 0..ROWS {
        assert_eq!(rows(&engine, &row(at * 2)).len(), 1, "row {at}");
    }
    assert_eq!(rows(&engine, &row(7)).len(), 0);
}

#[test]
fn of_points_a_filter_is_made_in_memory_where_rows_are_not_there() {
    const ROWS: u64 = 8_000;
    let mut world = World::new();
    world.options.block_bytes = 4_000;
    let engine = world.engine();
    for at in 0..ROWS {
        write(&engine, &insert(1, 1, at * 2, 1, b"v")).unwrap();
    }
    flush(&engine).unwrap();
    let row = |at| Command { slices: vec![Slice::row(&clustering(at).0)], ..one(1, 1) };
    let looked = || engine.stats().cache_misses + engine.stats().cache_hits;
    let looks = || {
        let before = looked();
        (0..ROWS).for_each(|at| assert_eq!(rows(&engine, &row(at * 2 + 1)).len(), 0));
        looked() - before
    };
    let (first, again) = (looks(), looks());
    assert!((50..500).contains(&first), "{first}: each block once, and where a filter is wrong");
    assert!(again < first, "{again} after {first}: no block is looked into twice for its filter");
    for at in 0..ROWS {
        assert_eq!(rows(&engine, &row(at * 2)).len(), 1, "row {at}");
    }
    let before = looked();
    (0..9).for_each(|_| assert_eq!(rows(&engine, &row(7)).len(), 0));
    assert!((1..9).contains(&(looked() - before)), "it is asked again when rows are not there");
}

#[test]
fn a_range_tombstone_counts_where_the_row_is_not() {
    let world = World::new();
    let engine = world.engine();
    for at in 10..40 {
        write(&engine, &insert(1, 1, at, 1, b"older")).unwrap();
    }
    flush(&engine).unwrap();
    for at in 50..80 {
        write(&engine, &insert(1, 1, at, 9, b"newer")).unwrap();
    }
    let mut partition = Partition::empty(key(1));
    partition.delete_range(clustering(20).0, clustering(30).0, deletion(5));
    write(&engine, &Mutation { table: shape(1).id, partition }).unwrap();
    flush(&engine).unwrap();
    let found = |at| {
        let slices = vec![Slice::row(&clustering(at).0)];
        rows(&engine, &Command { slices, ..one(1, 1) }).len()
    };
    let found: Vec<usize> = [15, 25, 45, 55].map(found).into();
    assert_eq!(found, [1, 0, 0, 1]);
}
