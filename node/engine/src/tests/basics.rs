//! What each verb does on a good disk.

use std::pin::Pin;

use sys::{Blocking, Job, Stopped};

use super::*;
use crate::Lane;

#[test]
fn a_write_is_read_from_memory_from_an_sstable_and_after_a_restart() {
    let world = World::new();
    let engine = world.engine();
    write(&engine, &insert(1, 7, 3, 10, b"v")).unwrap();
    let expected = vec![(7, 3, b"v".to_vec())];
    assert_eq!(rows(&engine, &one(1, 7)), expected);
    flush(&engine).unwrap();
    assert_eq!(engine.stats().tables[&shape(1).id].sstables, 1);
    assert_eq!(rows(&engine, &one(1, 7)), expected);
    drop(engine);
    let (engine, recovery) = world.open().unwrap();
    assert_eq!(recovery.replayed, 0, "all of it was flushed");
    assert_eq!(rows(&engine, &one(1, 7)), expected);
    assert_eq!(rows(&engine, &one(2, 7)), vec![]);
}

#[test]
fn the_last_rows_of_a_large_partition_touch_few_blocks() {
    let world = World::new();
    let engine = world.engine();
    for at in 0..20_000 {
        drop(engine.apply(insert(1, 1, at, 1, b"some value").encode()).unwrap());
    }
    let mut last = one(1, 1);
    last.reversed = true;
    last.limits.rows = 50;
    let expected: Vec<_> = (19_950..20_000).map(|at| (1, at, b"some value".to_vec())).collect();
    assert_eq!(rows(&engine, &last), expected);
    flush(&engine).unwrap();
    assert_eq!(rows(&engine, &last), expected);
    let misses = engine.stats().cache_misses;
    assert!(misses <= 12, "read {misses} blocks for 50 rows");
    assert!(matches!(engine.read(&last).unwrap(), Read::Ready(_)), "the blocks are cached now");
}

#[test]
fn a_cold_read_is_a_job_that_answers() {
    let world = World::new();
    let engine = world.engine();
    write(&engine, &insert(1, 7, 3, 10, b"v")).unwrap();
    flush(&engine).unwrap();
    assert!(matches!(engine.read(&one(1, 7)).unwrap(), Read::Cold(_)));
    let answer = wait(engine.read_with(&one(1, 7), &Inline)).unwrap();
    assert_eq!(live_rows(&answer), vec![(7, 3, b"v".to_vec())]);
    assert_eq!((answer.live_rows, answer.sstables), (1, 1));
    assert!(matches!(engine.read(&one(1, 7)).unwrap(), Read::Ready(_)));
}

#[test]
#[expect(clippy::disallowed_methods, reason = "isolation shows only between real threads")]
fn a_read_sees_each_mutation_whole_or_not_at_all() {
    let world = World::new();
    let engine = world.engine();
    let both = |value: &[u8]| {
        let mut partition = Partition::empty(key(1));
        let timestamp = i64::from(value[0]);
        for at in [0, 5_000] {
            partition.put_row(clustering(at), row(timestamp, value));
        }
        Mutation { table: shape(1).id, partition }.encode()
    };
    for at in 0..5_000 {
        drop(engine.apply(insert(1, 1, at, 0, b"-").encode()).unwrap());
    }
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 1..=200 {
                drop(engine.apply(both(&[number])).unwrap());
            }
        });
        while !writer.is_finished() {
            let found = rows(&engine, &one(1, 1));
            let (first, last) = (&found[0], &found[found.len() - 1]);
            assert!(last.1 < 5_000 || first.2 == last.2, "{first:?} and {last:?}");
        }
    });
}

#[test]
fn writes_are_refused_while_memtables_are_past_their_share() {
    let mut world = World::new();
    world.options.memtable_bytes = 4096;
    let engine = world.engine();
    let mut refused = None;
    for at in 0..100 {
        if let Err(error) = engine.apply(insert(1, 1, at, 1, &[7; 64]).encode()) {
            refused = Some(error);
            break;
        }
    }
    assert!(matches!(refused, Some(Error::Overloaded { .. })), "{refused:?}");
    engine.run_jobs();
    write(&engine, &insert(1, 1, 200, 1, b"after the flush")).unwrap();
}

/// Somebody who drops table 2 whenever a job begins.
struct Dropping(Engine);

impl Blocking for Dropping {
    fn run(&self, job: Box<dyn Job>) -> Pin<Box<dyn Future<Output = Result<(), Stopped>> + Send>> {
        self.0.drop_table(shape(2).id).unwrap();
        Inline.run(job)
    }
}

/// A flush of all tables looks them up, then waits for one after the other: any of them may be
/// dropped meanwhile. Counted off twice, the bytes fell below none, which read as 16 EiB, and the
/// node took no write until it was started again.
#[test]
fn a_table_that_is_dropped_before_its_turn_to_be_flushed_is_counted_off_once() {
    let world = World::new();
    let engine = world.engine();
    write(&engine, &insert(1, 7, 3, 10, b"v")).unwrap();
    write(&engine, &insert(2, 7, 3, 10, b"v")).unwrap();
    wait(engine.flush(None, &Dropping(engine.clone()))).unwrap();
    assert_eq!(engine.stats().memtable_bytes, 0);
    write(&engine, &insert(1, 7, 4, 11, b"w")).unwrap();
    drop(engine);
    assert_eq!(rows(&world.engine(), &all_of(1)).len(), 2);
}

#[test]
fn what_cannot_be_taken_in_is_refused_by_name() {
    let world = World::new();
    let engine = world.engine();
    let unknown = insert(9, 1, 1, 1, b"v").encode();
    assert!(matches!(engine.apply(unknown), Err(Error::UnknownTable(_))));
    assert!(matches!(engine.apply(Bytes::from_static(b"no mutation")), Err(Error::Malformed(_))));
    let large = insert(1, 1, 1, 1, &vec![7; model::mutation::BYTES_MAX]).encode();
    assert!(matches!(engine.apply(large), Err(Error::TooLarge { .. })));
    wait(engine.close(&Inline)).unwrap();
    assert!(matches!(engine.apply(insert(1, 1, 1, 1, b"v").encode()), Err(Error::Closed)));
    assert_eq!(rows(&engine, &one(1, 1)), vec![]);
}

#[test]
fn truncated_rows_stay_gone_and_later_ones_stay() {
    let world = World::new();
    let engine = world.engine();
    write(&engine, &insert(1, 1, 1, 10, b"in an sstable")).unwrap();
    flush(&engine).unwrap();
    write(&engine, &insert(1, 1, 2, 10, b"in the log")).unwrap();
    write(&engine, &insert(2, 1, 2, 10, b"of another table")).unwrap();
    engine.truncate(shape(1).id).unwrap();
    // Older than what was truncated, and yet it stays.
    write(&engine, &insert(1, 1, 3, 5, b"later")).unwrap();
    drop(engine);
    let engine = world.engine();
    assert_eq!(rows(&engine, &all_of(1)), vec![(1, 3, b"later".to_vec())]);
    assert_eq!(rows(&engine, &all_of(2)).len(), 1);
    let snapshots = world.disk.list(std::path::Path::new("/data/snapshots")).unwrap();
    assert_eq!(snapshots.len(), 1);
    assert!(snapshots[0].starts_with("truncated-"), "{snapshots:?}");
    let [kept] = &engine.snapshots().unwrap()[..] else { panic!("of one table") };
    assert_eq!((kept.table, kept.fault.as_deref()), (Some(shape(1).id), None));
    assert_eq!(kept.files, 2, "the sstable, and what was in memory only: {kept:?}");
}

#[test]
fn a_dropped_table_comes_back_empty() {
    let world = World::new();
    let engine = world.engine();
    write(&engine, &insert(1, 1, 1, 10, b"old")).unwrap();
    flush(&engine).unwrap();
    write(&engine, &insert(1, 1, 2, 10, b"old")).unwrap();
    engine.drop_table(shape(1).id).unwrap();
    assert!(matches!(engine.read(&one(1, 1)), Err(Error::UnknownTable(_))));
    assert_eq!(engine.stats().memtable_bytes, 0);
    engine.create_table(shape(1)).unwrap();
    assert_eq!(rows(&engine, &all_of(1)), vec![]);
    drop(engine);
    assert_eq!(rows(&world.engine(), &all_of(1)), vec![]);
}

#[test]
fn a_table_that_is_not_listed_stays_and_is_named() {
    let mut world = World::new();
    let engine = world.engine();
    write(&engine, &insert(2, 1, 1, 10, b"v")).unwrap();
    drop(engine);
    world.tables.truncate(1);
    let (engine, recovery) = world.open().unwrap();
    assert_eq!(recovery.unlisted, vec![shape(2).id]);
    assert_eq!(rows(&engine, &all_of(2)).len(), 1);
}

#[test]
fn a_directory_opens_once_and_not_for_a_newer_format() {
    let world = World::new();
    let engine = world.engine();
    assert!(matches!(world.open().map(|_| ()), Err(Error::Locked { .. })));
    drop(engine);
    let format = std::path::Path::new("/data/FORMAT");
    sys::disk::write_atomically(&world.disk, format, b"helenus data directory, format 2\n")
        .unwrap();
    let error = world.open().map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::NewerFormat { found: 2, .. }), "{error}");
}

#[test]
fn a_clean_close_leaves_nothing_to_replay() {
    let world = World::new();
    let engine = world.engine();
    for at in 0..200 {
        write(&engine, &insert(1, at % 3, at, 1, b"some value")).unwrap();
    }
    assert!(engine.stats().segments > 3);
    wait(engine.close(&Inline)).unwrap();
    drop(engine);
    let (engine, recovery) = world.open().unwrap();
    assert!(recovery.clean);
    let log = |recovery: &Recovery| (recovery.segments, recovery.replayed);
    assert_eq!((log(&recovery), recovery.torn.clone()), ((0, 0), None), "no log is read");
    assert_eq!(recovery.orphans, Vec::<PathBuf>::new());
    assert_eq!(rows(&engine, &all_of(1)).len(), 200);
    write(&engine, &insert(1, 1, 1, 2, b"behind the log that was given up")).unwrap();
    drop(engine);
    let (engine, recovery) = world.open().unwrap();
    assert!(!recovery.clean);
    assert_eq!(log(&recovery), (1, 1));
    assert_eq!(rows(&engine, &all_of(1)).len(), 200);
}

#[test]
fn tombstones_go_after_gc_grace_unless_they_shadow_something_outside() {
    let world = World::new();
    let engine = world.engine();
    write(&engine, &insert(1, 1, 1, 10, b"v")).unwrap();
    flush(&engine).unwrap();
    write(&engine, &delete_row(1, 1, 1, 20)).unwrap();
    flush(&engine).unwrap();
    compact(&engine).unwrap();
    let stats = || engine.stats().tables[&shape(1).id].clone();
    assert_eq!((stats().sstables, stats().tombstones), (1, 1), "within gc_grace it stays");
    world.clock.advance(std::time::Duration::from_secs(864_001));
    // Something older in a memtable: a tombstone that goes would bring it back.
    write(&engine, &insert(1, 1, 1, 5, b"late")).unwrap();
    compact(&engine).unwrap();
    assert_eq!(stats().tombstones, 1);
    assert_eq!(rows(&engine, &one(1, 1)), vec![]);
    flush(&engine).unwrap();
    compact(&engine).unwrap();
    assert_eq!(stats().sstables, 0, "nothing was left to write");
    assert_eq!(rows(&engine, &one(1, 1)), vec![]);
}

#[test]
fn similar_sstables_are_merged_in_the_background() {
    let world = World::new();
    let engine = world.engine();
    for at in 0..8 {
        write(&engine, &insert(1, at, at, 1, b"v")).unwrap();
        flush(&engine).unwrap();
        engine.run_jobs();
    }
    let stats = engine.stats();
    assert!(stats.compactions >= 2, "{stats:?}");
    assert!(stats.tables[&shape(1).id].sstables < 4);
    assert_eq!(rows(&engine, &all_of(1)).len(), 8);
}

#[test]
fn a_quiet_table_does_not_pin_the_log_for_ever() {
    let mut world = World::new();
    world.options.commitlog_bytes_max = 16 << 10;
    let engine = world.engine();
    write(&engine, &insert(2, 1, 1, 1, b"quiet")).unwrap();
    for at in 0..2_000 {
        write(&engine, &insert(1, at % 5, at, 1, b"some value or other")).unwrap();
    }
    let stats = engine.stats();
    assert!(stats.commitlog_bytes < 24 << 10, "{} bytes of log", stats.commitlog_bytes);
    drop(engine);
    let engine = world.engine();
    assert_eq!(rows(&engine, &all_of(1)).len(), 2_000);
    assert_eq!(rows(&engine, &all_of(2)).len(), 1);
}

#[test]
fn the_driver_syncs_flushes_and_compacts() {
    let mut world = World::new();
    world.options.memtable_bytes = 64 << 10;
    let engine = world.engine();
    wait(async {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let driver = crate::background(engine.clone(), Arc::new(Inline), stopped);
        let writes = async {
            for at in 0..2_000 {
                engine.apply(insert(1, at % 5, at, 1, b"some value").encode())?.wait().await?;
            }
            engine.close(&Inline).await?;
            drop(stop);
            Ok::<_, Error>(())
        };
        let ((), written) = tokio::join!(biased; driver, writes);
        written.unwrap();
    });
    let stats = engine.stats();
    assert!(stats.flushes > 3 && stats.compactions > 0, "{stats:?}");
    assert!(engine.next_job(Lane::Log).is_none());
    assert_eq!(rows(&engine, &all_of(1)).len(), 2_000);
}

#[test]
fn a_table_without_a_log_is_written_by_flushes_alone() {
    let mut world = World::new();
    world.tables[0].durable = false;
    let engine = world.engine();
    let ticket = engine.apply(insert(1, 1, 1, 1, b"flushed").encode()).unwrap();
    assert!(matches!(ticket.outcome(), Some(Ok(()))));
    flush(&engine).unwrap();
    drop(engine.apply(insert(1, 1, 2, 1, b"only in memory").encode()).unwrap());
    drop(engine);
    assert_eq!(rows(&world.engine(), &all_of(1)), vec![(1, 1, b"flushed".to_vec())]);
}

#[test]
fn writes_are_refused_before_the_disk_is_full_and_the_log_makes_room() {
    let mut world = World::new();
    world.options.disk_reject = 95;
    world.options.block_bytes = 16 << 10;
    let engine = world.engine();
    engine.look_at_disk();
    for at in 0..100 {
        write(&engine, &insert(1, 1, at, 1, &[7; 1_000])).unwrap();
    }
    let faults = world.disk.faults();
    let capacity = Some(world.disk.used_bytes() * 100 / 96);
    world.disk.set_faults(sys::disk::Faults { capacity, ..faults });
    engine.look_at_disk();
    let refused = engine.apply(insert(1, 1, 100, 1, b"refused").encode());
    assert!(matches!(refused, Err(Error::DiskFull { .. })), "{refused:?}");
    let stats = engine.stats();
    assert!(stats.disk_full && stats.writes_refused == 1, "{stats:?}");
    assert_eq!(rows(&engine, &one(1, 1)).len(), 100, "reads go on");
    // What fills the disk is the log: what is flushed needs none.
    engine.run_jobs();
    engine.look_at_disk();
    assert!(engine.refusal().is_none(), "{:?}", engine.stats());
    write(&engine, &insert(1, 1, 101, 1, b"after")).unwrap();
    drop(engine);
    assert_eq!(rows(&world.engine(), &one(1, 1)).len(), 101);
}

#[test]
fn a_full_disk_refuses_writes_and_serves_reads_until_there_is_room() {
    let world = World::new();
    let engine = world.engine();
    write(&engine, &insert(1, 1, 1, 1, b"before")).unwrap();
    let faults = world.disk.faults();
    let full = sys::disk::Faults { capacity: Some(world.disk.used_bytes() + 40), ..faults.clone() };
    world.disk.set_faults(full);
    let in_flight = write(&engine, &insert(1, 1, 2, 1, &[7; 100]));
    assert!(matches!(in_flight, Err(Error::DiskFull { .. })), "{in_flight:?}");
    let next = engine.apply(insert(1, 1, 3, 1, b"refused").encode());
    assert!(matches!(next, Err(Error::DiskFull { .. })));
    assert!(rows(&engine, &one(1, 1)).contains(&(1, 1, b"before".to_vec())));
    assert!(flush(&engine).is_err());
    world.disk.set_faults(faults);
    engine.run_jobs();
    write(&engine, &insert(1, 1, 4, 1, b"after")).unwrap();
    world.disk.crash_all_lost();
    drop(engine);
    let found = rows(&world.engine(), &one(1, 1));
    assert!(
        found.contains(&(1, 1, b"before".to_vec())) && found.contains(&(1, 4, b"after".to_vec()))
    );
}

#[test]
fn after_a_failed_fsync_nothing_is_acknowledged_any_more() {
    let world = World::new();
    let engine = world.engine();
    write(&engine, &insert(1, 1, 1, 1, b"safe")).unwrap();
    let faults = world.disk.faults();
    world.disk.set_faults(sys::disk::Faults { sync_error: true, ..faults.clone() });
    assert!(matches!(write(&engine, &insert(1, 1, 2, 1, b"lost")), Err(Error::LogFailed)));
    world.disk.set_faults(faults);
    let next = engine.apply(insert(1, 1, 3, 1, b"refused").encode());
    assert!(matches!(next, Err(Error::LogFailed)), "a sync that succeeds now proves nothing");
    assert_eq!(rows(&engine, &one(1, 1)).len(), 2, "reads go on");
    drop(engine);
    world.disk.crash_all_lost();
    assert_eq!(rows(&world.engine(), &one(1, 1)), vec![(1, 1, b"safe".to_vec())]);
}

#[test]
fn a_disk_whose_fsync_lies_loses_what_was_acknowledged() {
    let world = World::new();
    let engine = world.engine();
    write(&engine, &insert(1, 1, 1, 1, b"v")).unwrap();
    let lying = sys::disk::Faults { lying_sync: true, ..world.disk.faults() };
    world.disk.set_faults(lying);
    write(&engine, &insert(1, 1, 2, 1, b"lost")).unwrap();
    drop(engine);
    world.disk.crash_all_lost();
    // That the loss shows is what lets a simulation catch such a disk.
    assert_eq!(rows(&world.engine(), &one(1, 1)), vec![(1, 1, b"v".to_vec())]);
}
