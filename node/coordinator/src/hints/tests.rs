//! Hints: their bounds, their logs, and their way back to the host.

use model::{Consistency, Mutation};
use sys::{Faults, Inline, ManualClock, MemoryDisk};

use super::*;
use crate::fakes::{Deed, NOW, TABLE, World, coordinator, hint_options, host, insert, rows};

fn hint(row: u8) -> Hint {
    let mutation = Mutation { table: TABLE, partition: insert(0, row, 5) }.encode();
    Hint { table: TABLE, gc_grace: 1_000, mutation }
}

fn replay_options() -> ReplayOptions {
    ReplayOptions {
        bytes_per_second: 1 << 20,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
    }
}

fn open(disk: &MemoryDisk, clock: &Arc<ManualClock>, options: Options) -> Hints {
    Hints::open(Arc::new(disk.clone()), Arc::new(Inline), clock.clone(), options).expect("hints")
}

/// A store on a disk of its own.
fn store(options: Options) -> (Hints, MemoryDisk, Arc<ManualClock>) {
    let (disk, clock) = (MemoryDisk::new(), Arc::new(ManualClock::new(NOW * 1_000_000)));
    (open(&disk, &clock, options), disk, clock)
}

#[tokio::test(start_paused = true)]
async fn a_host_that_comes_back_gets_the_original_mutations_in_order() {
    let world = World::new(3, 3);
    let task = tokio::spawn(replay(world.coordinator.clone(), replay_options()));
    world.kill(3);
    let mut written = Vec::new();
    for row in 0..40 {
        let partition = insert(0, row, 5 + i64::from(row));
        written.push(Mutation { table: TABLE, partition: partition.clone() }.encode());
        world.write(partition, Consistency::Quorum).await.expect("two of three");
    }
    world.pass(5).await;
    assert_eq!(world.log(3), Vec::<String>::new(), "the dead are left alone");
    world.revive(3);
    world.pass(5).await;
    assert_eq!(world.log(3), vec!["mutate hint"; 40]);
    assert_eq!(*world.replica(3).mutations.lock().expect("lock"), written);
    assert_eq!(world.coordinator.hints().pending(), []);
    assert_eq!(world.coordinator.hints().counts().replayed, 40);
    // Alone it answers every row, with the timestamps that the others have.
    let whole = |replica: u32| world.replica(replica).data.lock().expect("lock").clone();
    assert_eq!(whole(3), whole(1));
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn hints_survive_a_restart_and_what_was_acknowledged_does_not_come_back() {
    let world = World::new(3, 3);
    world.kill(3);
    for row in 0..10 {
        world.write(insert(0, row, 5), Consistency::Quorum).await.expect("two of three");
    }
    world.pass(1).await;
    world.disk.crash_all_lost();
    let again = coordinator(&world.cluster, &world.disk, &world.clock, hint_options());
    let pending = again.hints().pending();
    assert_eq!((pending[0].host, pending[0].count, pending[0].oldest), (host(3), 10, NOW));

    // The host takes four and fails again.
    world.revive(3);
    for _ in 0..4 {
        world.next(3, Deed::After(Duration::ZERO));
    }
    world.always(3, Deed::Refuse(crate::replica::Error::NoAnswer));
    let task = tokio::spawn(replay(again.clone(), replay_options()));
    world.pass(3).await;
    assert_eq!(again.hints().pending()[0].count, 6);
    task.abort();

    world.disk.crash_all_lost();
    let again = coordinator(&world.cluster, &world.disk, &world.clock, hint_options());
    assert_eq!(again.hints().pending()[0].count, 6);
    world.revive(3);
    let task = tokio::spawn(replay(again.clone(), replay_options()));
    world.pass(3).await;
    assert_eq!(again.hints().pending(), []);
    let data: Vec<_> = world.replica(3).data.lock().expect("lock").values().cloned().collect();
    assert_eq!(rows(&data), (0..10).map(|row| (0, row)).collect::<Vec<_>>());
    task.abort();
    world.disk.crash_all_lost();
    let again = coordinator(&world.cluster, &world.disk, &world.clock, hint_options());
    assert_eq!(again.hints().pending(), [], "an empty queue is empty after a restart too");
}

#[tokio::test(start_paused = true)]
async fn replay_is_throttled() {
    let world = World::new(3, 3);
    world.kill(3);
    for row in 0..200 {
        world.write(insert(row, 1, 5), Consistency::Quorum).await.expect("two of three");
        world.write(insert(row, 2, 5), Consistency::Quorum).await.expect("two of three");
    }
    let bytes = world.coordinator.hints().pending()[0].bytes;
    world.revive(3);
    let options = ReplayOptions { bytes_per_second: bytes / 10, ..replay_options() };
    let task = tokio::spawn(replay(world.coordinator.clone(), options));
    world.pass(2).await;
    let left = world.coordinator.hints().pending()[0].count;
    assert!((100..200).contains(&left), "one batch of 256, then a pause: {left}");
    world.pass(20).await;
    assert_eq!(world.coordinator.hints().pending(), []);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn past_the_bounds_hints_are_counted_and_not_kept() {
    let bytes = hint(0).mutation.len() as u64;
    let by_count = Options { host_count_max: 3, ..hint_options() };
    let by_bytes = Options { host_bytes_max: bytes * 3, ..hint_options() };
    let in_all = Options { total_bytes_max: bytes * 3, ..hint_options() };
    for options in [by_count, by_bytes, in_all] {
        let (hints, _, _) = store(options);
        for row in 0..5 {
            hints.store(host(3), hint(row));
        }
        let pending = hints.pending();
        assert_eq!((pending[0].count, pending[0].bytes), (3, bytes * 3));
        let counts = hints.counts();
        assert_eq!((counts.stored, counts.overflowed), (3, 2));
        assert!(!hints.store_durably(host(3), hint(9)).await, "and level ANY is told");
    }
}

#[tokio::test(start_paused = true)]
async fn another_host_has_bounds_of_its_own() {
    let (hints, _, _) = store(Options { host_count_max: 3, ..hint_options() });
    for row in 0..5 {
        hints.store(host(3), hint(row));
    }
    hints.store(host(2), hint(0));
    let pending: Vec<_> = hints.pending().iter().map(|it| (it.host, it.count)).collect();
    assert_eq!(pending, [(host(2), 1), (host(3), 3)]);
}

#[tokio::test(start_paused = true)]
async fn no_more_hints_for_a_host_that_has_been_away_for_the_window() {
    let (hints, disk, clock) = store(hint_options());
    assert!(hints.store_durably(host(3), hint(0)).await);
    clock.advance(Duration::from_secs(3 * 3600 + 1));
    assert!(!hints.store_durably(host(3), hint(1)).await);
    // Nor after a restart.
    let hints = open(&disk, &clock, hint_options());
    assert!(!hints.store_durably(host(3), hint(1)).await);
    assert_eq!(hints.counts().overflowed, 1);
}

#[tokio::test(start_paused = true)]
async fn hints_of_a_dropped_table_and_those_older_than_gc_grace_are_dropped() {
    let world = World::new(3, 3);
    let hints = world.coordinator.hints().clone();
    let gone = Hint { table: TableId(uuid::Uuid::from_u128(99)), ..hint(0) };
    hints.store(host(3), gone);
    hints.store(host(3), hint(1));
    world.clock.advance(Duration::from_secs(1_001));
    hints.store(host(3), hint(2));
    let task = tokio::spawn(replay(world.coordinator.clone(), replay_options()));
    world.pass(3).await;
    let counts = hints.counts();
    assert_eq!((counts.orphaned, counts.expired, counts.replayed), (1, 1, 1));
    assert_eq!(hints.pending(), []);
    assert_eq!(*world.replica(3).mutations.lock().expect("lock"), [hint(2).mutation]);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn what_is_forgotten_stays_forgotten() {
    let (hints, disk, clock) = store(hint_options());
    let other = TableId(uuid::Uuid::from_u128(99));
    hints.store(host(3), hint(0));
    hints.store(host(3), Hint { table: other, ..hint(1) });
    assert!(hints.store_durably(host(3), hint(2)).await);
    hints.forget_table(TABLE);
    assert!(hints.store_durably(host(2), hint(3)).await, "the logs are written in turn");
    assert_eq!(hints.counts().orphaned, 2);
    drop(hints);
    disk.crash_all_lost();
    let hints = open(&disk, &clock, hint_options());
    let left: Vec<_> = hints.peek(host(3), 10, 1_000).into_iter().map(|it| it.hint.table).collect();
    assert_eq!(left, [other]);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_for_a_while_loses_no_hints() {
    let (hints, disk, clock) = store(hint_options());
    assert!(hints.store_durably(host(3), hint(0)).await);
    disk.set_faults(Faults { sync_error: true, ..Faults::default() });
    assert!(!hints.store_durably(host(3), hint(1)).await, "not durable, and says so");
    assert_eq!(hints.pending()[0].count, 2, "kept in memory");
    disk.set_faults(Faults::default());
    clock.advance(Duration::from_secs(11));
    assert!(hints.store_durably(host(3), hint(2)).await);
    disk.crash_all_lost();
    let hints = open(&disk, &clock, hint_options());
    assert_eq!(hints.pending()[0].count, 3);
}

/// Power fails at every operation of a script in turn: whatever was acknowledged as durable is
/// there, once, and in order.
#[tokio::test(start_paused = true)]
async fn power_loss_at_any_operation_loses_nothing_durable() {
    for ops in 0.. {
        let (disk, clock) = (MemoryDisk::from_seed(ops), Arc::new(ManualClock::new(NOW)));
        let first = open(&disk, &clock, hint_options());
        disk.set_faults(Faults { fail_after_ops: Some(disk.ops() + ops), ..Faults::default() });
        let mut durable = Vec::new();
        for row in 0..6 {
            if first.store_durably(host(3), hint(row)).await {
                durable.push(hint(row));
            }
        }
        first.done(host(3), 2);
        let all = first.store_durably(host(2), hint(7)).await;
        drop(first);
        disk.crash(&mut sys::Rng::from_seed(ops));
        let again = open(&disk, &clock, hint_options());
        let found: Vec<Hint> =
            again.peek(host(3), 10, 1_000_000).into_iter().map(|it| it.hint).collect();
        let lost = durable.iter().skip(2).find(|it| !found.contains(it));
        assert!(lost.is_none(), "after {ops} operations");
        assert!(found.is_sorted_by_key(|it| it.mutation.clone()), "after {ops} operations");
        if all {
            assert_eq!(found.len(), 4);
            assert!(10 < ops, "the script does write");
            return;
        }
    }
}

#[test]
fn a_record_is_read_back_and_nothing_else_is() {
    let entry = Entry { sequence: 300, written_at: -5, hint: hint(3) };
    let (kind, bytes) = record::hint(&entry);
    assert_eq!(record::read(kind, bytes.clone()), Ok(record::Said::Hint(entry)));
    let (done, sequence) = record::done(7);
    assert_eq!(record::read(done, sequence), Ok(record::Said::Done(7)));
    for len in 0..bytes.len() {
        assert!(record::read(kind, bytes.slice(..len)).is_err(), "cut at {len}");
    }
    assert!(record::read(9, bytes.clone()).is_err());
    let longer = [&*bytes, b"x"].concat();
    assert!(record::read(kind, longer.into()).is_err());
}
