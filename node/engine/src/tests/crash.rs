//! Power cut at every operation of a script, and what must be there after it: scenarios A1, A2, A4, A5, A6, A7 and A12.
//!
//! Each row is written by its script alone, with growing timestamps, so that after a crash each row shows what was
//! acknowledged last, or something later that was attempted. And of what a job had begun nothing stays behind.

use sys::Rng;
use sys::disk::Faults;

use super::*;

/// A step of the script.
#[derive(Clone, Copy, Debug)]
enum Step {
    Put(u128, u64),
    Delete(u128, u64),
    /// Three writes that one sync covers.
    Group(u64),
    /// Three rows of both tables in one record of the log.
    Batch(u64),
    Sync,
    Flush,
    Compact,
    Truncate(u128),
    Close,
}

const SCRIPT: &[Step] = &[
    Step::Put(1, 1),
    Step::Put(2, 2),
    Step::Sync,
    Step::Group(3),
    Step::Sync,
    Step::Flush,
    Step::Put(1, 1),
    Step::Delete(1, 3),
    Step::Sync,
    Step::Flush,
    Step::Put(2, 9),
    Step::Put(1, 4),
    Step::Sync,
    Step::Compact,
    Step::Truncate(2),
    Step::Put(2, 5),
    Step::Put(1, 6),
    Step::Sync,
    Step::Group(10),
    Step::Sync,
    Step::Batch(13),
    Step::Sync,
    Step::Batch(1),
    Step::Flush,
    Step::Delete(1, 10),
    Step::Flush,
    Step::Compact,
    Step::Put(1, 10),
    Step::Sync,
    Step::Close,
];

/// Of these are the rows: enough for a merge to be cut.
const PARTITIONS: u64 = 5;

/// What each row of each table may show.
#[derive(Default)]
struct Promise {
    /// Acknowledged; `None`: must not be there.
    acked: BTreeMap<(u128, u64), Option<i64>>,
    /// Attempted since, in order.
    pending: Vec<((u128, u64), Option<i64>)>,
}

impl Promise {
    fn settle(&mut self) {
        self.acked.extend(self.pending.drain(..));
    }

    fn check(&self, engine: &Engine, context: &str) {
        for table in [1, 2] {
            let found: BTreeMap<u64, i64> = rows(engine, &all_of(table))
                .into_iter()
                .map(|(_, at, value)| (at, String::from_utf8(value).unwrap().parse().unwrap()))
                .collect();
            let keys = self.acked.keys().chain(self.pending.iter().map(|(key, _)| key));
            let keys: std::collections::BTreeSet<_> = keys.filter(|it| it.0 == table).collect();
            for row in &keys {
                let shown = found.get(&row.1).copied();
                let acked = self.acked.get(row).copied().flatten();
                let later = self.pending.iter().filter(|(key, _)| key == *row).map(|(_, it)| *it);
                let allowed: Vec<Option<i64>> = later.chain([acked]).collect();
                assert!(
                    allowed.contains(&shown),
                    "{context}: {row:?} shows {shown:?}, not {allowed:?}"
                );
            }
            let attempted = |at: &u64| keys.iter().any(|it| it.1 == *at);
            assert!(found.keys().all(attempted), "{context}: nobody wrote all of {found:?}");
        }
    }
}

/// Runs the script until it ends or the power does.
fn run(world: &World, script: &[Step], promise: &mut Promise) -> Result<(), Error> {
    let (engine, _) = world.open()?;
    let mut timestamp = 0;
    let mut tickets = Vec::new();
    for step in script {
        timestamp += 1;
        let mut put = |table: u128, at: u64, promise: &mut Promise| {
            let value = timestamp.to_string();
            let write = insert(table, at % PARTITIONS, at, timestamp, value.as_bytes());
            promise.pending.push(((table, at), Some(timestamp)));
            tickets.push(engine.apply(write.encode())?);
            Ok::<_, Error>(())
        };
        match *step {
            Step::Put(table, at) => put(table, at, promise)?,
            Step::Group(at) => {
                put(1, at, promise)?;
                put(2, at + 1, promise)?;
                put(1, at + 2, promise)?;
            }
            Step::Batch(at) => {
                let rows = [(1, at), (2, at + 1), (1, at + 2)];
                let write = |(table, at): (u128, u64)| {
                    let value = timestamp.to_string();
                    insert(table, at % PARTITIONS, at, timestamp, value.as_bytes()).encode()
                };
                promise.pending.extend(rows.map(|it| (it, Some(timestamp))));
                tickets.push(engine.apply_all(&rows.map(write))?);
            }
            Step::Delete(table, at) => {
                promise.pending.push(((table, at), None));
                tickets.push(
                    engine.apply(delete_row(table, at % PARTITIONS, at, timestamp).encode())?,
                );
            }
            Step::Sync => {
                engine.run_jobs();
                for ticket in tickets.drain(..) {
                    ticket.outcome().unwrap_or(Err(Error::LogFailed))?;
                }
                promise.settle();
            }
            Step::Flush => flush(&engine)?,
            Step::Compact => compact(&engine)?,
            Step::Truncate(table) => {
                let rows: Vec<u64> =
                    promise.acked.keys().filter(|it| it.0 == table).map(|it| it.1).collect();
                promise.pending.extend(rows.into_iter().map(|at| ((table, at), None)));
                engine.truncate(shape(table).id)?;
                promise.settle();
            }
            Step::Close => wait(engine.close(&Inline))?,
        }
    }
    Ok(())
}

/// Whose merges are cut in front of every partition, and begin with two sstables.
fn cut_everywhere() -> World {
    let mut world = World::new();
    world.tables.iter_mut().for_each(|it| it.compaction = shards::cut_at("1B", "N"));
    world
}

/// Every crash point in a world that is made so, with what `crash` leaves.
fn crash_everywhere(
    segment_bytes: u64,
    world: fn() -> World,
    crash: impl Fn(&MemoryDisk, u64),
) -> u64 {
    let mut points = 0;
    for point in 0.. {
        let mut world = world();
        world.options.segment_bytes = segment_bytes;
        // So that tombstones are purged where they may be.
        world.tables.iter_mut().for_each(|it| it.gc_grace_seconds = 0);
        world.clock.advance(std::time::Duration::from_secs(10));
        world.disk.set_faults(Faults { fail_after_ops: Some(point), ..Faults::default() });
        let mut promise = Promise::default();
        let ended = run(&world, SCRIPT, &mut promise);
        crash(&world.disk, point);
        let context = format!("crash at operation {point}");
        let (engine, _) = world.open().unwrap_or_else(|it| panic!("{context}: {it}"));
        promise.check(&engine, &context);
        let live: u64 = engine.stats().tables.values().map(|it| it.sstables).sum();
        assert_eq!(shards::files(&world), live, "{context}: files that nobody knows");
        // It goes on from there.
        write(&engine, &insert(1, 7, 99, 1_000, b"1000")).unwrap();
        points += 1;
        if ended.is_ok() {
            break;
        }
    }
    points
}

#[test]
fn all_that_was_not_synced_is_lost() {
    let points = crash_everywhere(1 << 20, World::new, |disk, _| disk.crash_all_lost());
    assert!(points > 150, "{points} crash points");
}

#[test]
fn of_a_merge_that_is_cut_all_is_there_or_nothing() {
    let uncut = crash_everywhere(1 << 20, World::new, |disk, _| disk.crash_keep_all());
    let points = crash_everywhere(1 << 20, cut_everywhere, |disk, _| disk.crash_all_lost());
    assert!(uncut + 50 < points, "{points} crash points, {uncut} if it is not cut");
    for seed in 20..23 {
        crash_everywhere(300, cut_everywhere, |disk, point| {
            disk.crash(&mut Rng::from_seed(seed * 1_000_003 + point));
        });
    }
}

#[test]
fn some_of_what_was_not_synced_is_lost_and_some_is_torn() {
    for seed in 0..3 {
        crash_everywhere(1 << 20, World::new, |disk, point| {
            disk.crash(&mut Rng::from_seed(seed * 1_000_003 + point));
        });
    }
}

#[test]
fn with_many_small_segments_too() {
    for seed in 10..12 {
        crash_everywhere(150, World::new, |disk, point| {
            disk.crash(&mut Rng::from_seed(seed * 1_000_003 + point));
        });
    }
}

#[test]
fn a_killed_process_loses_nothing() {
    crash_everywhere(300, World::new, |disk, _| disk.crash_keep_all());
}

#[test]
fn recovery_survives_crashes_of_its_own() {
    for first in (20..200).step_by(12) {
        for second in (0..60).step_by(3) {
            let mut world = if first % 24 == 20 { cut_everywhere() } else { World::new() };
            world.options.segment_bytes = 300;
            world.disk.set_faults(Faults { fail_after_ops: Some(first), ..Faults::default() });
            let mut promise = Promise::default();
            drop(run(&world, SCRIPT, &mut promise));
            let mut rng = Rng::from_seed(first * 1_000 + second);
            world.disk.crash(&mut rng);
            for attempt in 0..5 {
                let at = (second + attempt * 7) % 60;
                world.disk.set_faults(Faults { fail_after_ops: Some(at), ..Faults::default() });
                drop(world.open());
                world.disk.crash(&mut rng);
            }
            let context = format!("crash at {first}, then in recovery from {second}");
            let (engine, _) = world.open().unwrap_or_else(|it| panic!("{context}: {it}"));
            promise.check(&engine, &context);
        }
    }
}

#[test]
fn a_quiet_tables_log_does_not_bring_back_what_another_purged() {
    let mut world = World::new();
    world.tables[0].gc_grace_seconds = 0;
    let engine = world.engine();
    write(&engine, &insert(2, 1, 1, 1, b"pins the log")).unwrap();
    write(&engine, &insert(1, 1, 1, 1, b"deleted soon")).unwrap();
    write(&engine, &delete_row(1, 1, 1, 2)).unwrap();
    wait(engine.flush(Some(shape(1).id), &Inline)).unwrap();
    world.clock.advance(std::time::Duration::from_secs(5));
    compact(&engine).unwrap();
    assert_eq!(engine.stats().tables[&shape(1).id].sstables, 0, "row and tombstone are gone");
    drop(engine);
    world.disk.crash_all_lost();
    let (engine, recovery) = world.open().unwrap();
    assert_eq!((recovery.replayed, recovery.skipped), (1, 2));
    assert_eq!(rows(&engine, &all_of(1)), vec![]);
    assert_eq!(rows(&engine, &all_of(2)).len(), 1);
}
