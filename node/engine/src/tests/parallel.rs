//! Compactions that run at the same time: none has an sstable of another, and together they leave what one by one they would.

use std::num::NonZeroUsize;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use sys::{Job, Step, Stepping};
use tokio::sync::watch;

use super::*;
use crate::Lane;

/// Tables of which every partition is merged by itself, two sstables at once, and where nothing deleted is kept.
fn world(compactions: usize) -> World {
    let mut world = World::new();
    world.options.compactions_max = NonZeroUsize::new(compactions).unwrap();
    for it in &mut world.tables {
        it.compaction = shards::cut_at("1B", "N");
        it.gc_grace_seconds = 0;
    }
    world.clock.advance(std::time::Duration::from_secs(10));
    world
}

/// Two sstables of each of some partitions, which wait to be merged.
fn due(engine: &Engine, partitions: std::ops::Range<u64>) {
    for round in 0..2 {
        for partition in partitions.clone() {
            drop(engine.apply(insert(1, partition, round, 1, b"v").encode()).unwrap());
            flush(engine).unwrap();
        }
    }
}

fn finish(mut job: Box<dyn Job>) {
    while job.step() == Step::More {}
}

fn sstables(engine: &Engine) -> u64 {
    engine.stats().tables[&shape(1).id].sstables
}

#[test]
fn as_many_run_as_may_and_each_has_its_own() {
    let world = world(3);
    let engine = world.engine();
    due(&engine, 0..5);
    assert_eq!(engine.stats().compactions_pending, 5);
    let next = || engine.next_job(Lane::Compaction);
    let mut running: Vec<Box<dyn Job>> = [next(), next(), next()].map(Option::unwrap).into();
    assert!(next().is_none(), "three are all that may");
    let stats = engine.stats();
    assert_eq!((stats.tasks.len(), stats.compactions_pending), (3, 2));
    // In turns, to the end of all.
    running.iter_mut().for_each(|it| assert_eq!(it.step(), Step::More));
    finish(running.remove(1));
    running.push(next().expect("there is a place, and two wait"));
    running.into_iter().for_each(finish);
    engine.run_jobs();
    assert_eq!((sstables(&engine), engine.stats().compactions), (5, 5));
    assert_eq!(rows(&engine, &all_of(1)).len(), 10);
}

#[test]
fn what_is_given_up_is_there_for_the_next() {
    let world = world(2);
    let engine = world.engine();
    due(&engine, 0..1);
    let mut job = engine.next_job(Lane::Compaction).unwrap();
    assert_eq!(job.step(), Step::More);
    assert!(engine.next_job(Lane::Compaction).is_none(), "nothing else is due");
    drop(job);
    finish(engine.next_job(Lane::Compaction).unwrap());
    assert_eq!(sstables(&engine), 1);
}

#[test]
fn who_must_be_alone_waits_for_all_and_nobody_begins_meanwhile() {
    let world = world(2);
    let engine = world.engine();
    due(&engine, 0..4);
    let next = || engine.next_job(Lane::Compaction);
    let (first, second) = (next().unwrap(), next().unwrap());
    let mut context = Context::from_waker(Waker::noop());
    {
        let mut gone = pin!(engine.compact(None, &Inline));
        assert!(gone.as_mut().poll(&mut context).is_pending());
        finish(first);
        assert!(gone.as_mut().poll(&mut context).is_pending());
        assert!(next().is_none(), "somebody waits");
    }
    let third = next().expect("he has gone away");
    let mut compacting = pin!(engine.compact(None, &Inline));
    assert!(compacting.as_mut().poll(&mut context).is_pending());
    finish(second);
    finish(third);
    assert!(matches!(compacting.as_mut().poll(&mut context), Poll::Ready(Ok(()))));
    assert_eq!(sstables(&engine), 4);
    assert!(next().is_none(), "nothing is left to do");
}

#[test]
fn drivers_run_as_many_as_may() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let world = world(2);
    let engine = world.engine();
    due(&engine, 0..8);
    runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let blocking = Arc::new(Stepping::immediate());
        let driver = tokio::spawn(crate::background(engine.clone(), blocking, stopped));
        let mut most = 0;
        while engine.stats().compactions < 8 {
            most = most.max(engine.stats().tasks.len());
            tokio::task::yield_now().await;
        }
        assert_eq!((most, sstables(&engine)), (2, 8));
        stop.send_replace(true);
        driver.await.unwrap();
    });
}

/// What happens to an engine whose jobs are stepped by hand.
#[derive(Clone, Debug)]
enum Action {
    Put(u64, u64),
    DeleteRow(u64, u64),
    DeletePartition(u64),
    Flush,
    Begin,
    Step(usize),
    GiveUp(usize),
    Truncate,
    Compact,
}

fn any_action() -> impl Strategy<Value = Action> {
    let (partition, row) = (0..4_u64, 0..3_u64);
    prop_oneof![
        6 => (partition.clone(), row.clone()).prop_map(|(it, row)| Action::Put(it, row)),
        3 => (partition.clone(), row).prop_map(|(it, row)| Action::DeleteRow(it, row)),
        2 => partition.prop_map(Action::DeletePartition),
        6 => Just(Action::Flush),
        6 => Just(Action::Begin),
        9 => (0..4_usize).prop_map(Action::Step),
        1 => (0..4_usize).prop_map(Action::GiveUp),
        1 => Just(Action::Truncate),
        1 => Just(Action::Compact),
    ]
}

proptest! {
    /// With tombstones that are forgotten as soon as they may be: nothing that they hide comes back.
    #[test]
    fn whatever_runs_at_once_nothing_comes_back(
        actions in prop::collection::vec(any_action(), 1..120),
        target in prop::sample::select(vec!["1B", "1GiB"]),
    ) {
        let mut world = world(3);
        world.tables[0].compaction = shards::cut_at(target, "N");
        let engine = world.engine();
        let mut model: BTreeMap<(u64, u64), i64> = BTreeMap::new();
        let mut running: Vec<Box<dyn Job>> = Vec::new();
        for (action, timestamp) in actions.into_iter().zip(1..) {
            let apply = |it: Mutation| drop(engine.apply(it.encode()).unwrap());
            match action {
                Action::Put(partition, row) => {
                    apply(insert(1, partition, row, timestamp, timestamp.to_string().as_bytes()));
                    model.insert((partition, row), timestamp);
                }
                Action::DeleteRow(partition, row) => {
                    apply(delete_row(1, partition, row, timestamp));
                    model.remove(&(partition, row));
                }
                Action::DeletePartition(number) => {
                    let mut partition = Partition::empty(key(number));
                    partition.delete(deletion(timestamp));
                    apply(Mutation { table: shape(1).id, partition });
                    model.retain(|it, _| it.0 != number);
                }
                Action::Flush => flush(&engine).unwrap(),
                Action::Begin => running.extend(engine.next_job(Lane::Compaction)),
                Action::Step(at) if at < running.len() => {
                    if running[at].step() == Step::Done {
                        drop(running.remove(at));
                    }
                }
                Action::GiveUp(at) if at < running.len() => drop(running.remove(at)),
                Action::Step(_) | Action::GiveUp(_) => {}
                Action::Truncate => {
                    engine.truncate(shape(1).id).unwrap();
                    model.clear();
                }
                Action::Compact => {
                    running.drain(..).for_each(finish);
                    compact(&engine).unwrap();
                }
            }
            check(&engine, &model)?;
        }
        running.drain(..).for_each(finish);
        check(&engine, &model)?;
        // The log too is synced.
        engine.run_jobs();
        drop(engine);
        let (engine, recovery) = world.open().unwrap();
        prop_assert_eq!(recovery.orphans, Vec::<PathBuf>::new());
        check(&engine, &model)?;
    }
}

fn check(engine: &Engine, model: &BTreeMap<(u64, u64), i64>) -> Result<(), TestCaseError> {
    let row = |it: (&(u64, u64), &i64)| (it.0.0, it.0.1, it.1.to_string().into_bytes());
    let expected: Vec<(u64, u64, Vec<u8>)> = model.iter().map(row).collect();
    prop_assert_eq!(rows(engine, &all_of(1)), expected);
    Ok(())
}
