//! A time series that expires: windows merge by themselves, and go unread when they are over.

use std::time::Duration;

use super::*;

const HOUR: i64 = 3_600;

/// What a monitor writes at `second` into series 1, for `ttl` seconds.
fn point(second: i64, ttl: i64) -> Mutation {
    let (ttl, expires_at) = (ttl as u32, second + ttl);
    let value = Bytes::from(vec![second as u8; 8]);
    let cell = Cell {
        timestamp: second * 1_000_000,
        content: Content::Expiring { value, ttl, expires_at },
    };
    let row = Row {
        liveness: Some(Liveness { timestamp: second * 1_000_000, expiry: Some((ttl, expires_at)) }),
        deletion: None,
        cells: vec![(ColumnId(1), cell)],
        elements: Vec::new(),
    };
    let mut partition = Partition::empty(key(1));
    partition.put_row(clustering((second - NOW) as u64 / 60), row);
    Mutation { table: shape(1).id, partition }
}

/// Tables in windows of an hour.
fn world() -> World {
    let mut world = World::new();
    for it in &mut world.tables {
        it.gc_grace_seconds = 60;
        for (name, value) in [
            ("class", "TimeWindowCompactionStrategy"),
            ("compaction_window_unit", "HOURS"),
            ("min_threshold", "2"),
        ] {
            it.compaction.insert(name.to_owned(), value.to_owned());
        }
    }
    world
}

/// A point every minute of `hour`, flushed in two halves.
fn write_hour(world: &World, engine: &Engine, hour: i64) {
    for half in 0..2 {
        for minute in 0..30 {
            let second = NOW + hour * HOUR + (half * 30 + minute) * 60;
            world.clock.set(second * 1_000_000);
            write(engine, &point(second, 2 * HOUR + 60)).unwrap();
        }
        flush(engine).unwrap();
        engine.run_jobs();
    }
}

fn sstables(engine: &Engine) -> u64 {
    engine.stats().tables[&shape(1).id].sstables
}

#[test]
fn hours_merge_within_themselves_and_go_unread_when_they_are_over() {
    let world = world();
    let engine = world.engine();
    for hour in 0..3 {
        write_hour(&world, &engine, hour);
        assert_eq!(sstables(&engine), hour as u64 + 1, "one for each hour");
    }
    let before = engine.stats();
    // The last point of the first hour expires at the end of the third, and its tombstones may be forgotten by then.
    world.clock.set((NOW + 3 * HOUR) * 1_000_000);
    engine.run_jobs();
    let after = engine.stats();
    assert_eq!((sstables(&engine), after.sstables_expired), (2, 1));
    assert_eq!(after.cache_misses, before.cache_misses, "nothing was read");
    let mut left = all_of(1);
    left.now = NOW + 3 * HOUR;
    let answer = read(&engine, &left).unwrap();
    assert_eq!(answer.live_rows, 120, "the other two hours are there");
    world.clock.advance(Duration::from_secs(3 * 3_600));
    engine.run_jobs();
    assert_eq!(sstables(&engine), 0);
    drop(engine);
    assert_eq!(sstables(&world.engine()), 0, "and after a restart");
}

#[test]
fn what_came_late_keeps_what_may_hide_it() {
    let world = world();
    let engine = world.engine();
    write_hour(&world, &engine, 0);
    // Late, for ever, and older than the tombstones that the first hour turns into.
    write(&engine, &insert(1, 1, 5, NOW * 1_000_000 + 1, b"shadowed by nobody")).unwrap();
    world.clock.set((NOW + 9 * HOUR) * 1_000_000);
    engine.run_jobs();
    assert_eq!((sstables(&engine), engine.stats().sstables_expired), (1, 0), "in a memtable");
    flush(&engine).unwrap();
    engine.run_jobs();
    assert_eq!(engine.stats().sstables_expired, 0, "in an sstable");
}
