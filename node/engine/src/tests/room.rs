//! What takes room on the disk, and gives it back.

use std::pin::pin;
use std::task::{Context, Waker};

use sys::Stepping;

use super::*;

/// Reads leave them out from the start; the disk gets its room back, and after a restart too nobody
/// finds them again.
#[test]
fn a_compaction_forgets_the_cells_of_dropped_columns() {
    let (kept, dropped) = (ColumnId(1), ColumnId(2));
    let mut world = World::new();
    let engine = world.engine();
    // Bytes that do not compress.
    let mut rng = sys::Rng::from_seed(1);
    for at in 0..50 {
        let large: Vec<u8> = (0..1_000).map(|_| rng.below(256) as u8).collect();
        let mut partition = Partition::empty(key(1));
        let mut it = row(10, b"v");
        it.put(dropped, value_cell(10, &large));
        partition.put_row(clustering(at), it);
        // A row of nothing else.
        let cells = vec![(dropped, value_cell(10, &large))];
        partition.put_row(clustering(100 + at), Row { cells: cells.clone(), ..Row::default() });
        partition.put_static(Row { cells, ..Row::default() });
        write(&engine, &Mutation { table: shape(1).id, partition }).unwrap();
    }
    flush(&engine).unwrap();
    let altered = TableShape { dropped: vec![dropped], ..shape(1) };
    engine.alter_table(altered.clone()).unwrap();
    let bytes = |engine: &Engine| engine.stats().tables[&shape(1).id].sstable_bytes;
    let command = Command { dropped: vec![dropped], ..one(1, 1) };
    let (before, bytes_before) = (read(&engine, &command).unwrap(), bytes(&engine));
    assert!(100_000 < bytes_before, "{bytes_before}");

    compact(&engine).unwrap();
    assert!(bytes(&engine) < bytes_before / 20, "{} of {bytes_before}", bytes(&engine));
    let after = read(&engine, &command).unwrap();
    assert_eq!(after.partitions, before.partitions);
    assert_eq!(after.partitions[0].rows.len(), 50);
    // Nor does a read that was not told of it.
    assert_eq!(read(&engine, &one(1, 1)).unwrap().partitions, before.partitions);
    assert!(after.partitions[0].rows.iter().all(|(_, row)| row.cell(kept).is_some()));

    drop(engine);
    world.tables[0] = altered;
    let engine = world.engine();
    assert_eq!(read(&engine, &one(1, 1)).unwrap().partitions, before.partitions);
}

#[test]
fn a_compaction_is_seen_while_it_is_under_way() {
    let world = World::new();
    let engine = world.engine();
    for at in 0..2 {
        for partition in 0..200 {
            write(&engine, &insert(1, partition, at, 1, b"value")).unwrap();
        }
        flush(&engine).unwrap();
    }
    assert_eq!(engine.stats().tasks, []);
    let bytes = engine.stats().tables[&shape(1).id].sstable_bytes;
    let stepping = Stepping::immediate();
    let mut compacting = pin!(engine.compact(None, &stepping));
    let mut context = Context::from_waker(Waker::noop());
    let mut seen = Vec::new();
    // Between two of its steps.
    while compacting.as_mut().poll(&mut context).map(Result::unwrap).is_pending() {
        seen.push(engine.stats().tasks);
    }
    let mut written = 0;
    for tasks in &seen {
        let [task] = &tasks[..] else { panic!("{tasks:?}") };
        assert_eq!((task.table, task.sstables, task.total_bytes), (shape(1).id, 2, bytes));
        assert!(written <= task.written_bytes);
        written = task.written_bytes;
    }
    assert!(1 < seen.len() && 0 < written, "{seen:?}");
    assert_eq!(engine.stats().tasks, []);
}

/// Known from the index alone: a write can be refused for it.
#[test]
fn the_size_of_a_partition_is_that_of_its_blocks() {
    let world = World::new();
    let engine = world.engine();
    let mut rng = sys::Rng::from_seed(1);
    for partition in 1..=3 {
        for at in 0..partition * 20 {
            let value: Vec<u8> = (0..100).map(|_| rng.below(256) as u8).collect();
            write(&engine, &insert(1, partition, at, 1, &value)).unwrap();
        }
    }
    let bytes = |number| engine.partition_bytes(shape(1).id, &key(number), 0);
    assert_eq!(bytes(1), 0, "what is not flushed takes no room yet");
    flush(&engine).unwrap();
    let all = engine.stats().tables[&shape(1).id].sstable_bytes;
    assert!(bytes(1) + bytes(2) + bytes(3) <= all);
    for number in 1..=3 {
        let values = number * 20 * 100;
        let found = bytes(number);
        // A block at its edge may be shared with another partition.
        assert!((values * 8 / 10..values * 13 / 10).contains(&found), "{found} of {values}");
    }
    flush(&engine).unwrap();
    let before = bytes(3);
    assert_eq!(engine.largest_partitions(), [(shape(1).id, before)]);
    let beyond = |enough| engine.partition_bytes(shape(1).id, &key(3), enough);
    assert_eq!((beyond(before - 1), beyond(before)), (before, 0), "no more is not looked up");
    write(&engine, &insert(1, 3, 1, 2, &[7; 100])).unwrap();
    flush(&engine).unwrap();
    assert!(before < bytes(3), "a second sstable adds its own");
    assert_eq!(beyond(before), bytes(3));
    assert_eq!((bytes(9), engine.partition_bytes(shape(9).id, &key(1), 0)), (0, 0));
}
