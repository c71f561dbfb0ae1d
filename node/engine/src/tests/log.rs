//! The commit log after a crash: what is a torn tail and what is corruption (A2, A3).

use std::path::Path;

use sys::disk::Faults;

use super::*;

const SEGMENT: &str = "/data/commitlog/000000000001.log";

/// Three writes, each synced alone, and where their records begin.
fn three_writes() -> (World, Vec<u64>) {
    let mut world = World::new();
    world.options.segment_bytes = 1 << 20;
    let engine = world.engine();
    let mut begins = Vec::new();
    for at in 0..3 {
        begins.push(engine.stats().commitlog_bytes.max(40));
        write(&engine, &insert(1, 1, at, 1, b"some value")).unwrap();
    }
    drop(engine);
    world.disk.crash_keep_all();
    (world, begins)
}

fn cut(world: &World, len: u64) {
    let file = world.disk.open(Path::new(SEGMENT), sys::Open::Write).unwrap();
    file.truncate(len).unwrap();
    file.sync().unwrap();
}

#[test]
fn a_tail_that_nobody_was_promised_is_cut_and_reported() {
    let (world, begins) = three_writes();
    for keep in [1, 23, 24, 30] {
        let file = world.disk.open(Path::new(SEGMENT), sys::Open::Write).unwrap();
        let end = file.len().unwrap() - 24;
        // The mark overwritten by a record that did not make it.
        file.truncate(end).unwrap();
        file.write_at(&vec![0xAB; keep], end).unwrap();
        file.sync().unwrap();
        let (engine, recovery) = world.open().unwrap();
        assert_eq!(recovery.torn, Some((PathBuf::from(SEGMENT), end, keep as u64)));
        assert_eq!((recovery.replayed, rows(&engine, &all_of(1)).len()), (3, 3));
        drop(engine);
        let (_, again) = world.open().unwrap();
        assert_eq!(again.torn, None, "it is cut once");
        let file = world.disk.open(Path::new(SEGMENT), sys::Open::Write).unwrap();
        file.write_at(&[0; 24], end).unwrap();
    }
    assert_eq!(begins.len(), 3);
}

#[test]
fn a_bad_record_below_what_was_durable_is_refused_and_named() {
    for record in 0..3 {
        let (world, begins) = three_writes();
        world.disk.flip_bit(Path::new(SEGMENT), begins[record] + 30, 3).unwrap();
        let error = world.open().map(|_| ()).unwrap_err();
        let Error::Corrupt { file, offset, .. } = &error else { panic!("{error}") };
        assert_eq!((file.as_path(), *offset), (Path::new(SEGMENT), begins[record]), "{error}");
        // Refusing changes nothing: with the bit back the node opens.
        world.disk.flip_bit(Path::new(SEGMENT), begins[record] + 30, 3).unwrap();
        assert_eq!(world.open().unwrap().1.replayed, 3);
    }
}

#[test]
fn a_segment_that_the_next_one_knows_to_be_longer_is_refused() {
    let mut world = World::new();
    world.options.segment_bytes = 300;
    let engine = world.engine();
    for at in 0..20 {
        write(&engine, &insert(1, 1, at, 1, b"some value")).unwrap();
    }
    drop(engine);
    cut(&world, 200);
    assert!(matches!(world.open().map(|_| ()), Err(Error::Corrupt { .. })));
}

#[test]
fn a_missing_segment_is_refused_and_named() {
    let mut world = World::new();
    world.options.segment_bytes = 300;
    let engine = world.engine();
    for at in 0..20 {
        write(&engine, &insert(1, 1, at, 1, b"some value")).unwrap();
    }
    drop(engine);
    world.disk.remove(Path::new("/data/commitlog/000000000002.log")).unwrap();
    let error = world.open().map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("000000000002.log"), "{error}");
}

#[test]
fn replay_keeps_within_the_memtables_share() {
    let mut world = World::new();
    world.options.memtable_bytes = 1 << 20;
    let engine = world.engine();
    for at in 0..1_000 {
        write(&engine, &insert(1, at % 3, at, 1, b"some value")).unwrap();
    }
    drop(engine);
    world.options.memtable_bytes = 64 << 10;
    let (engine, recovery) = world.open().unwrap();
    assert_eq!(recovery.replayed, 1_000);
    let stats = engine.stats();
    assert!(stats.memtable_bytes <= 64 << 10 && stats.flushes > 0, "{stats:?}");
    assert_eq!(rows(&engine, &all_of(1)).len(), 1_000);
}

#[test]
fn one_sync_covers_every_write_that_waits() {
    let world = World::new();
    let engine = world.engine();
    let tickets: Vec<_> =
        (0..50).map(|at| engine.apply(insert(1, 1, at, 1, b"v").encode()).unwrap()).collect();
    assert!(tickets.iter().all(|it| it.outcome().is_none()));
    engine.run_jobs();
    assert!(tickets.iter().all(|it| matches!(it.outcome(), Some(Ok(())))));
    // 50 records of some 60 bytes fill two segments of 2 KiB.
    assert_eq!(engine.stats().fsync.count(), 2);
}

#[test]
fn periodic_acknowledges_at_once_and_syncs_later() {
    let mut world = World::new();
    let period = std::time::Duration::from_millis(200);
    world.options.commitlog_sync = CommitlogSync::Periodic(period);
    let engine = world.engine();
    let ticket = engine.apply(insert(1, 1, 1, 1, b"v").encode()).unwrap();
    assert!(matches!(ticket.outcome(), Some(Ok(()))));
    assert_eq!(engine.stats().fsync.count(), 0);
    engine.run_jobs();
    drop(engine);
    world.disk.crash_all_lost();
    assert_eq!(rows(&world.engine(), &all_of(1)).len(), 1);
}

/// Rows of both tables, each of a value as long as its number says.
fn batch(numbers: std::ops::Range<u64>) -> Vec<Mutation> {
    let row = |at: u64| insert(u128::from(1 + at % 2), at % 3, at, 1, &vec![7; at as usize]);
    numbers.map(row).collect()
}

#[test]
fn a_batch_is_one_record_and_comes_back_whole() {
    let world = World::new();
    let engine = world.engine();
    write_all(&engine, &batch(0..10)).unwrap();
    assert_eq!((engine.stats().writes, engine.stats().fsync.count()), (10, 1));
    let before = [rows(&engine, &all_of(1)), rows(&engine, &all_of(2))];
    assert_eq!(before.each_ref().map(Vec::len), [5, 5]);
    drop(engine);
    world.disk.crash_all_lost();
    let (engine, recovery) = world.open().unwrap();
    assert_eq!(recovery.replayed, 10);
    assert_eq!([rows(&engine, &all_of(1)), rows(&engine, &all_of(2))], before);
}

#[test]
fn a_torn_batch_is_not_there_at_all() {
    let mut world = World::new();
    world.options.segment_bytes = 1 << 20;
    let engine = world.engine();
    write(&engine, &insert(1, 1, 1, 1, b"before")).unwrap();
    let end = engine.stats().commitlog_bytes;
    write_all(&engine, &batch(2..12)).unwrap();
    drop(engine);
    world.disk.crash_keep_all();
    cut(&world, end + 100);
    let (engine, recovery) = world.open().unwrap();
    assert_eq!((recovery.replayed, recovery.torn.map(|it| it.2)), (1, Some(100)));
    assert_eq!(rows(&engine, &all_of(1)), vec![(1, 1, b"before".to_vec())]);
    assert_eq!(rows(&engine, &all_of(2)), vec![]);
}

#[test]
fn of_a_batch_that_holds_something_bad_nothing_is_taken_in() {
    let world = World::new();
    let engine = world.engine();
    let mut encoded: Vec<Bytes> = batch(0..4).iter().map(Mutation::encode).collect();
    encoded[2] = Bytes::from_static(b"no mutation");
    assert!(matches!(engine.apply_all(&encoded), Err(Error::Malformed(_))));
    encoded[2] = insert(9, 1, 1, 1, b"of no table").encode();
    assert!(matches!(engine.apply_all(&encoded), Err(Error::UnknownTable(_))));
    let large = vec![7; model::mutation::BYTES_MAX / 2];
    let large = [insert(1, 1, 1, 1, &large).encode(), insert(1, 1, 2, 1, &large).encode()];
    assert!(matches!(engine.apply_all(&large), Err(Error::TooLarge { .. })));
    assert_eq!(rows(&engine, &all_of(1)), vec![]);
    assert_eq!(engine.stats().memtable_bytes, 0);
    assert!(engine.apply_all(&[]).unwrap().outcome().is_some(), "of nothing, nothing");
}

#[test]
fn replay_flushes_between_batches_and_loses_nothing() {
    let mut world = World::new();
    world.options.segment_bytes = 1 << 20;
    world.options.memtable_bytes = 1 << 20;
    let engine = world.engine();
    for round in 0..40 {
        write_all(&engine, &batch(round * 10..(round + 1) * 10)).unwrap();
    }
    let before = [rows(&engine, &all_of(1)), rows(&engine, &all_of(2))];
    drop(engine);
    world.options.memtable_bytes = 32 << 10;
    let (engine, recovery) = world.open().unwrap();
    assert_eq!(recovery.replayed, 400);
    assert!(engine.stats().flushes > 3);
    drop(engine);
    // What the replay flushed is not replayed again, and what it did not is.
    let (engine, again) = world.open().unwrap();
    assert_eq!(again.replayed + again.skipped, 400);
    assert!(0 < again.skipped);
    assert_eq!([rows(&engine, &all_of(1)), rows(&engine, &all_of(2))], before);
}

#[test]
fn replay_is_the_same_on_any_number_of_threads() {
    const ROWS: u64 = 40_000;
    let mut world = World::new();
    (world.options.segment_bytes, world.options.memtable_bytes) = (8 << 20, 256 << 20);
    let engine = world.engine();
    let value = [7; 100];
    for round in 0..2 {
        for rows in 0..ROWS / 100 {
            // Written twice: the later one counts.
            let row = |at: u64| insert(1 + u128::from(at % 2), at % 97, at, round + 1, &value);
            let batch: Vec<_> = (rows * 100..).take(100).map(|at| row(at).encode()).collect();
            drop(engine.apply_all(&batch).unwrap());
        }
        engine.run_jobs();
    }
    drop(engine);
    let mut open = |threads| {
        world.options.replay_threads = std::num::NonZeroUsize::new(threads).unwrap();
        let (engine, recovery) = world.open().unwrap();
        let found: Vec<_> = [1, 2].map(|table| rows(&engine, &all_of(table))).into();
        (recovery, engine.stats().memtable_bytes, found)
    };
    let (recovery, bytes, found) = open(1);
    assert_eq!((recovery.replayed, recovery.segments > 1), (2 * ROWS, true));
    assert_eq!(found.iter().map(Vec::len).sum::<usize>() as u64, ROWS);
    for threads in [2, 3, 7, 50] {
        let (again, again_bytes, again_found) = open(threads);
        assert_eq!(again.replayed, recovery.replayed);
        assert!(again_found == found, "on {threads} threads");
        // Each buffer has a holder of its own, and on more threads there are a few more.
        assert!(again_bytes.abs_diff(bytes) < bytes / 100, "{again_bytes} of {bytes}");
    }
}

#[test]
fn a_periodic_log_is_due_with_every_megabyte_that_waits() {
    let mut world = World::new();
    world.options.segment_bytes = 64 << 20;
    world.options.commitlog_sync = CommitlogSync::Periodic(std::time::Duration::from_secs(10));
    let engine = world.engine();
    let is_due = || {
        let work = async {
            tokio::time::timeout(std::time::Duration::ZERO, engine.work(crate::Lane::Log)).await
        };
        wait(work).is_ok()
    };
    let half = vec![7; 520 << 10];
    for at in 0..8 {
        drop(engine.apply(insert(1, 1, at, 1, &half).encode()).unwrap());
        // Nothing is written meanwhile, as if the disk were still busy with the first of it.
        assert_eq!(is_due(), at % 2 == 1, "after {} times half a megabyte", at + 1);
    }
}

/// With a folder for full segments, which a crash may end at any time.
fn archiving() -> World {
    let mut world = World::new();
    world.options.archive_dir = Some("/archive".into());
    world
}

/// The clusterings of all mutations in the segments of a folder.
fn archived(world: &World) -> Vec<String> {
    let disk = Arc::new(world.disk.clone()) as Arc<dyn Disk>;
    let dir = Path::new("/archive");
    let mut found = Vec::new();
    for segment in crate::commitlog::replay::list(&*disk, dir).unwrap() {
        let read = crate::commitlog::replay::read(&disk, dir, segment, None).unwrap();
        for record in &read.records {
            let payload = read.payload(record);
            for place in crate::commitlog::format::mutations(payload).unwrap() {
                let bytes = Bytes::copy_from_slice(&payload[place]);
                let partition = Mutation::decode(bytes).unwrap().partition;
                found.extend(partition.rows.iter().map(|(at, _)| format!("{:?}", at.0)));
            }
        }
    }
    found
}

#[test]
fn no_segment_goes_before_it_is_in_the_archive() {
    let world = archiving();
    let engine = world.engine();
    let value = [7; 100];
    for at in 0..200 {
        write(&engine, &insert(1, 1, at, 1, &value)).unwrap();
        if at % 50 == 49 {
            flush(&engine).unwrap();
        }
    }
    let stats = engine.stats();
    assert!(stats.segments_archived > 5 && stats.archive_failures == 0, "{stats:?}");
    wait(engine.close(&Inline)).unwrap();
    drop(engine);
    let expected: Vec<String> = (0..200).map(|at| format!("{:?}", clustering(at).0)).collect();
    assert_eq!(archived(&world), expected, "and the last one when it was closed");
    let (engine, recovery) = world.open().unwrap();
    assert_eq!(recovery.replayed, 0);
    assert_eq!(rows(&engine, &all_of(1)).len(), 200);
}

#[test]
fn a_segment_that_the_archive_does_not_take_stays_in_the_log_until_it_does() {
    let world = archiving();
    let engine = world.engine();
    let fill = |from: u64| {
        (from..from + 60).for_each(|at| write(&engine, &insert(1, 1, at, 1, &[7; 100])).unwrap());
        flush(&engine).unwrap();
    };
    // Nobody can give a file a name in a folder that is not there.
    world.disk.remove_dir_all(Path::new("/archive")).unwrap();
    fill(0);
    let stats = engine.stats();
    assert!(stats.archive_failures > 0 && stats.segments > 2, "{stats:?}");
    world.disk.create_dir_all(Path::new("/archive")).unwrap();
    fill(60);
    assert_eq!(engine.stats().segments, 1, "all but the one that is written");
    wait(engine.close(&Inline)).unwrap();
    assert_eq!(archived(&world).len(), 120);
}

#[test]
fn an_archive_of_another_node_is_refused() {
    let mut world = archiving();
    let engine = world.engine();
    (0..100).for_each(|at| write(&engine, &insert(1, 1, at, 1, &[7; 100])).unwrap());
    wait(engine.close(&Inline)).unwrap();
    drop(engine);
    assert!(world.open().is_ok(), "it is this one's");
    world.options.data_dir = "/other".into();
    let error = world.open().map(|_| ()).unwrap_err();
    assert!(matches!(&error, Error::BadArchive { .. }), "{error}");
    assert!(error.to_string().contains("/archive"), "{error}");
}

/// What was acknowledged is in the archive when the node has come back from `crash`, wherever that comes, and was stopped.
fn crash_everywhere(rows: u64, crash: impl Fn(&World, u64)) {
    for point in 0..1_000 {
        let world = archiving();
        world.disk.set_faults(Faults { fail_after_ops: Some(point), ..Faults::default() });
        let mut acknowledged = 0;
        let mut run = || {
            let (engine, _) = world.open()?;
            for at in 0..rows {
                write(&engine, &insert(1, 1, at, 1, &[7; 300]))?;
                acknowledged = at + 1;
                if at % 10 == 9 {
                    wait(engine.flush(None, &Inline))?;
                }
            }
            wait(engine.close(&Inline))
        };
        let ended = run();
        // What comes last may fail unseen.
        let is_over = ended.is_ok() && world.disk.ops() <= point;
        crash(&world, point);
        come_and_go(&world);
        let found = archived(&world);
        let expected = (0..acknowledged).map(|at| format!("{:?}", clustering(at).0));
        assert!(
            expected.eq(found.iter().take(acknowledged as usize).cloned()),
            "{point}: {found:?}"
        );
        if is_over {
            assert!(point > 40, "{point} crash points");
            return;
        }
    }
    panic!("it never comes to its end");
}

fn come_and_go(world: &World) {
    wait(world.engine().close(&Inline)).unwrap();
}

#[test]
fn whatever_was_acknowledged_comes_into_the_archive_wherever_a_crash_comes() {
    crash_everywhere(40, |world, _| world.disk.crash_all_lost());
}

/// A name that was given by a process that was killed is there, and not yet durable: the segment must not go for it.
#[test]
fn so_it_does_where_power_is_cut_after_a_process_was_killed() {
    for seed in 0..64 {
        crash_everywhere(8, |world, point| {
            world.disk.crash_keep_all();
            come_and_go(world);
            world.disk.crash(&mut sys::Rng::from_seed(seed * 1_000_003 + point));
        });
    }
}
