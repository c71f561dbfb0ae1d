//! Disks that refuse for a while, each for its reason: writes are refused by name, reads go on, and so do writes as soon
//! as the disk takes them.

use std::path::Path;
use std::time::Duration;

use sys::disk::Faults;

use super::*;

/// What a disk does for a while, and what an error says of it.
fn troubles(world: &World) -> [(Faults, &'static str); 3] {
    let full = Some(world.disk.used_bytes() + 40);
    [
        (Faults { capacity: full, ..Faults::default() }, "is full: free some space"),
        (Faults { read_only: true, ..Faults::default() }, "takes no writes"),
        (Faults { out_of_files: true, ..Faults::default() }, "too many files are open"),
    ]
}

/// An engine whose next record needs a new segment.
fn at_the_end_of_a_segment() -> (World, Engine) {
    let mut world = World::new();
    world.options.segment_bytes = 300;
    let engine = world.engine();
    let mut at = 0;
    while engine.stats().commitlog_bytes < 250 {
        write(&engine, &insert(1, 1, at, 1, b"before")).unwrap();
        at += 1;
    }
    (world, engine)
}

#[test]
fn a_write_that_is_under_way_when_the_disk_refuses_is_unknown_and_comes_true_later() {
    for trouble in 0..3 {
        let (world, engine) = at_the_end_of_a_segment();
        let before = rows(&engine, &one(1, 1)).len();
        let (faults, says) = troubles(&world)[trouble].clone();
        world.disk.set_faults(faults);
        let under_way = write(&engine, &insert(1, 1, 100, 1, &[7; 200])).unwrap_err();
        assert!(under_way.to_string().contains(says), "{under_way}");
        // From now on nothing is taken in, so that all else is a refusal and no riddle.
        let next = engine.apply(insert(1, 1, 101, 1, b"refused").encode()).unwrap_err();
        assert_eq!(next.to_string(), under_way.to_string());
        assert_eq!(engine.refusal().unwrap().to_string(), next.to_string());
        assert_eq!(rows(&engine, &one(1, 1)).len(), before + 1, "reads go on");
        engine.run_jobs();
        assert!(engine.refusal().is_some(), "trying again changes nothing yet");

        world.clock.advance(Duration::from_secs(60));
        world.disk.set_faults(Faults::default());
        engine.run_jobs();
        assert!(engine.refusal().is_none());
        assert_eq!(engine.commitlog_wait(), Duration::ZERO, "to refuse is not to be slow");
        write(&engine, &insert(1, 1, 102, 1, b"after")).unwrap();
        drop(engine);
        world.disk.crash_all_lost();
        let found: Vec<u64> = rows(&world.engine(), &one(1, 1)).iter().map(|it| it.1).collect();
        assert_eq!(found.len(), before + 2, "{found:?}");
        assert!(found.contains(&100) && found.contains(&102), "{found:?}");
    }
}

#[test]
fn flushes_and_compactions_wait_for_the_disk_and_lose_nothing() {
    for trouble in 0..3 {
        let (world, engine) = at_the_end_of_a_segment();
        flush(&engine).unwrap();
        write(&engine, &insert(1, 1, 50, 1, b"in memory")).unwrap();
        let (faults, says) = troubles(&world)[trouble].clone();
        let faults = Faults { capacity: faults.capacity.map(|it| it + 2_000), ..faults };
        world.disk.set_faults(faults);
        let expected = rows(&engine, &one(1, 1));
        for _ in 0..3 {
            let failed = flush(&engine).and_then(|()| compact(&engine));
            if let Err(error) = failed {
                assert!(error.to_string().contains(says), "{error}");
            }
            assert_eq!(rows(&engine, &one(1, 1)), expected);
        }
        world.disk.set_faults(Faults::default());
        flush(&engine).unwrap();
        compact(&engine).unwrap();
        drop(engine);
        world.disk.crash_all_lost();
        assert_eq!(rows(&world.engine(), &one(1, 1)), expected);
    }
}

#[test]
fn opening_names_the_folder_that_takes_no_writes() {
    let (world, engine) = at_the_end_of_a_segment();
    drop(engine);
    for faults in [
        Faults { read_only: true, ..Faults::default() },
        Faults { out_of_files: true, ..Faults::default() },
    ] {
        world.disk.set_faults(faults);
        let error = world.open().map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("/data"), "{error}");
        assert!(matches!(error, Error::ReadOnly { .. } | Error::OutOfFiles { .. }), "{error}");
    }
    let empty = World::new();
    empty.disk.set_faults(Faults { read_only: true, ..Faults::default() });
    let error = empty.open().map(|_| ()).unwrap_err();
    assert!(matches!(&error, Error::ReadOnly { file } if file == Path::new("/data")), "{error}");
    world.disk.set_faults(Faults::default());
    assert!(!rows(&world.engine(), &one(1, 1)).is_empty(), "refusing changes nothing");
}

#[test]
fn how_long_writes_wait_for_the_disk_is_told_while_they_do_and_a_little_longer() {
    let world = World::new();
    let engine = world.engine();
    assert_eq!(engine.commitlog_wait(), Duration::ZERO);
    let ticket = engine.apply(insert(1, 1, 1, 1, b"waits").encode()).unwrap();
    world.clock.advance(Duration::from_secs(3));
    assert_eq!(engine.commitlog_wait(), Duration::from_secs(3));
    engine.run_jobs();
    assert!(matches!(ticket.outcome(), Some(Ok(()))));
    write(&engine, &insert(1, 1, 2, 1, b"does not")).unwrap();
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(engine.stats().commitlog_wait, Duration::from_secs(3));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(engine.commitlog_wait(), Duration::ZERO, "that is long over");
}
