//! Compactions that may write so many bytes a second, on tokio's virtual time: they take what that takes, nothing else does,
//! and whatever ends them ends a pause at once.

use std::num::NonZeroU64;
use std::path::Path;
use std::time::Duration;

use sys::{Clock, Stepping};
use tokio::sync::watch;
use tokio::time::Instant;

use super::*;
use crate::Lane;

/// One to be throttled, and one beside it.
const SLOW: u128 = 1;
const OTHER: u128 = 2;

/// Bytes a second: less than the four sstables of `SLOW` have, by far.
const RATE: u64 = 16 << 10;

/// Follows tokio's virtual time.
struct VirtualClock(Instant);

impl Clock for VirtualClock {
    fn wall_micros(&self) -> i64 {
        NOW * 1_000_000 + i64::try_from(self.monotonic().as_micros()).unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Runs in virtual time, which passes when nothing else is to be done.
fn simulate<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().expect("a runtime").block_on(future)
}

/// Partitions of each of them: a step of the merge writes a second's bytes, about.
const PARTITIONS: u64 = 600;

/// Their rows.
const ROWS: usize = 4 * PARTITIONS as usize;

/// What a step writes, and the end of the file: whoever comes next pays for it.
const LAST_STEP: Duration = Duration::from_secs(2);

/// An engine with four sstables of a table, which are due to be merged, and a row of the other in memory.
async fn due(bytes_per_second: u64) -> (World, Engine) {
    let mut world = World::new();
    world.options.compaction_bytes_per_second = NonZeroU64::new(bytes_per_second);
    world.tables[0].compression = BTreeMap::from([("enabled".into(), "false".into())]);
    let engine = open(&world);
    for file in 0..4 {
        let row = |at| insert(SLOW, at, file, 1, &[7; 100]);
        write_all(&engine, &(0..PARTITIONS).map(row).collect::<Vec<_>>()).unwrap();
        if file == 3 {
            write_all(&engine, &[insert(OTHER, 1, 0, 1, b"v")]).unwrap();
        }
        engine.flush(Some(shape(SLOW).id), &Inline).await.unwrap();
    }
    (world, engine)
}

fn open(world: &World) -> Engine {
    let disk: Arc<dyn Disk> = Arc::new(world.disk.clone());
    let clock = Arc::new(VirtualClock(Instant::now()));
    Engine::open(world.options.clone(), disk, clock, world.tables.clone()).unwrap().0
}

/// Lets virtual time pass until it is so.
async fn until(engine: &Engine, is_so: impl Fn(&crate::Stats) -> bool) {
    while !is_so(&engine.stats()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn is_held_back(stats: &crate::Stats) -> bool {
    stats.tasks.iter().any(|it| RATE < it.written_bytes)
}

fn folder(table: u128) -> PathBuf {
    crate::table::directory(Path::new("/data"), shape(table).id)
}

fn sstable_files(world: &World, table: u128) -> usize {
    let dir = folder(table);
    assert!(world.disk.is_dir(&dir), "{}", dir.display());
    world.disk.list(&dir).unwrap().len()
}

#[test]
fn a_compaction_takes_the_time_of_its_bytes_and_flushes_take_none() {
    simulate(async {
        let (_world, engine) = due(RATE).await;
        let (stop, stopped) = watch::channel(false);
        let driver = crate::background(engine.clone(), Arc::new(Stepping::immediate()), stopped);
        let driver = tokio::spawn(driver);
        let begun = Instant::now();
        until(&engine, is_held_back).await;
        for at in 0..3 {
            let before = Instant::now();
            engine.apply(insert(OTHER, 1, at, 2, b"v").encode()).unwrap().wait().await.unwrap();
            engine.flush(None, &Stepping::immediate()).await.unwrap();
            assert_eq!(before.elapsed(), Duration::ZERO);
        }
        assert!(is_held_back(&engine.stats()), "it is still under way");
        until(&engine, |it| it.compactions == 1).await;
        let (took, stats) = (begun.elapsed(), engine.stats());
        let bytes = stats.tables[&shape(SLOW).id].sstable_bytes;
        assert_eq!((stats.tables[&shape(SLOW).id].sstables, stats.compaction_bytes), (1, bytes));
        // A second's credit, and what is written last owes nothing to this one.
        let least = Duration::from_secs_f64((bytes - RATE) as f64 / RATE as f64) - LAST_STEP;
        assert!(Duration::from_secs(8) < least && least <= took, "{least:?} {took:?}");
        assert!(took <= least + LAST_STEP + Duration::from_secs(1), "{least:?} {took:?}");
        assert!(stats.compaction_held_back <= took, "{stats:?}");
        assert!(took <= stats.compaction_held_back + Duration::from_millis(50), "{stats:?}");
        stop.send_replace(true);
        driver.await.unwrap();
        assert_eq!(rows(&engine, &all_of(SLOW)).len(), ROWS);
    });
}

#[test]
fn without_a_bound_nothing_waits() {
    simulate(async {
        let (_world, engine) = due(0).await;
        let (stop, stopped) = watch::channel(false);
        let driver = crate::background(engine.clone(), Arc::new(Inline), stopped);
        let begun = Instant::now();
        let driver = tokio::spawn(driver);
        until(&engine, |it| it.compactions == 1).await;
        assert!(begun.elapsed() <= Duration::from_millis(1));
        assert_eq!(engine.stats().compaction_held_back, Duration::ZERO);
        stop.send_replace(true);
        driver.await.unwrap();
    });
}

/// With a byte a second a pause takes days.
#[test]
fn a_stop_ends_a_pause_and_leaves_nothing_behind() {
    let world = simulate(async {
        let (world, engine) = due(1).await;
        let (stop, stopped) = watch::channel(false);
        let driver = crate::background(engine.clone(), Arc::new(Stepping::immediate()), stopped);
        let driver = tokio::spawn(driver);
        until(&engine, |it| it.tasks.iter().any(|it| 0 < it.written_bytes)).await;
        let before = Instant::now();
        engine.apply(insert(OTHER, 1, 1, 1, b"v").encode()).unwrap().wait().await.unwrap();
        engine.close(&Stepping::immediate()).await.unwrap();
        assert_eq!(engine.stats().tasks.len(), 1, "to close is no reason to stop");
        stop.send_replace(true);
        driver.await.unwrap();
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert_eq!((engine.stats().tasks.len(), engine.stats().compactions), (0, 0));
        assert_eq!(sstable_files(&world, SLOW), 4);
        world
    });
    let engine = world.engine();
    assert_eq!(rows(&engine, &all_of(SLOW)).len(), ROWS);
    assert_eq!(rows(&engine, &all_of(OTHER)).len(), 2);
    engine.run_jobs();
    assert_eq!(engine.stats().tables[&shape(SLOW).id].sstables, 1, "done without a driver");
}

#[test]
fn tables_are_emptied_dropped_and_restored_while_a_compaction_is_held_back() {
    simulate(async {
        let (world, engine) = due(1).await;
        let blocking = Stepping::immediate();
        let tables = [shape(SLOW).id, shape(OTHER).id];
        engine.create_snapshot("kept", &tables, &blocking).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let driver = tokio::spawn(crate::background(engine.clone(), Arc::new(Inline), stopped));
        until(&engine, |it| it.tasks.iter().any(|it| 0 < it.written_bytes)).await;
        let before = Instant::now();
        engine.truncate(shape(OTHER).id).unwrap();
        engine.truncate(shape(SLOW).id).unwrap();
        assert!(rows(&engine, &all_of(SLOW)).is_empty());
        assert_eq!(engine.stats().tasks.len(), 1, "it does not know yet");
        // A restore needs the lane: the compaction goes on to its end, and what it wrote is not wanted.
        let kept = snapshots::listed(&engine, "kept", SLOW);
        let into = snapshots::into(SLOW);
        engine.restore_snapshot(&kept, None, &into, &blocking).await.unwrap();
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert_eq!(rows(&engine, &all_of(SLOW)).len(), ROWS);
        engine.drop_table(shape(SLOW).id).unwrap();
        assert_eq!(before.elapsed(), Duration::ZERO);
        stop.send_replace(true);
        driver.await.unwrap();
        assert!(engine.stats().tasks.is_empty());
        drop(world);
    });
}

/// It would go on for hours, in the lane of all others, for nothing.
#[test]
fn a_compaction_of_what_is_no_more_ends_with_its_next_step() {
    type Ends = fn(&Engine) -> Result<(), Error>;
    let ends: [Ends; 2] = [|it| it.truncate(shape(SLOW).id), |it| it.drop_table(shape(SLOW).id)];
    for end in ends {
        simulate(async {
            let (world, engine) = due(RATE).await;
            let (stop, stopped) = watch::channel(false);
            let driver = tokio::spawn(crate::background(engine.clone(), Arc::new(Inline), stopped));
            until(&engine, is_held_back).await;
            let (before, written) = (Instant::now(), engine.stats().compaction_bytes);
            end(&engine).unwrap();
            until(&engine, |it| it.tasks.is_empty()).await;
            assert!(before.elapsed() <= LAST_STEP, "{:?}", before.elapsed());
            let stats = engine.stats();
            assert_eq!((stats.compactions, stats.jobs_failed), (0, 0));
            assert_eq!(stats.compaction_bytes, written);
            let dir = folder(SLOW);
            assert!(!world.disk.is_dir(&dir) || world.disk.list(&dir).unwrap().is_empty());
            stop.send_replace(true);
            driver.await.unwrap();
        });
    }
}

#[test]
fn an_operators_compaction_is_held_back_too_and_ends_when_the_engine_is_closed() {
    simulate(async {
        let (world, engine) = due(RATE).await;
        let begun = Instant::now();
        engine.compact(Some(shape(SLOW).id), &Stepping::immediate()).await.unwrap();
        assert!(Duration::from_secs(8) < begun.elapsed(), "{:?}", begun.elapsed());
        assert_eq!(sstable_files(&world, SLOW), 1);

        let operator = engine.clone();
        let compacting =
            tokio::spawn(async move { operator.compact(None, &Stepping::immediate()).await });
        until(&engine, is_held_back).await;
        let before = Instant::now();
        engine.close(&Inline).await.unwrap();
        assert!(matches!(compacting.await.unwrap(), Err(Error::Closed)));
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert_eq!(sstable_files(&world, SLOW), 1, "what it wrote is removed");
        assert_eq!(rows(&engine, &all_of(SLOW)).len(), ROWS);
    });
}

#[test]
fn who_goes_away_leaves_no_file_behind_and_the_lane_free() {
    simulate(async {
        let (world, engine) = due(1).await;
        let forever = engine.compact(Some(shape(SLOW).id), &Inline);
        let gone = tokio::time::timeout(Duration::from_secs(60), forever).await;
        assert!(gone.is_err(), "it would take days");
        assert_eq!(sstable_files(&world, SLOW), 4);
        assert!(engine.next_job(Lane::Compaction).is_some());
    });
}
