//! Reads against scripted replicas, on a stopped clock.

use tokio::time::Instant;

use super::*;
use crate::{
    fakes::{Deed, World, answer, command, delete, host, insert, key, live_row, rows, whole_ring},
    replica::Error as ReplicaError,
    view::View,
};

mod filters;
mod laws;
mod partials;

fn one(partition: u8, rows: u64) -> Command {
    command(Target::One(key(partition)), rows)
}

/// All pages of `command`: how many there were, and their rows.
async fn all_pages(
    world: &World,
    mut command: Command,
    consistency: Consistency,
) -> (usize, Vec<(u8, u8)>) {
    let (mut pages, mut all) = (0, Vec::new());
    loop {
        let page = world.read(command.clone(), consistency).await.expect("a page");
        pages += 1;
        assert!(page.rows <= command.limits.rows);
        assert!(pages < 1_000, "pages do not end");
        let mut rows = rows(&page.partitions);
        if command.reversed {
            rows.reverse();
        }
        all.extend(rows);
        match page.next.and_then(|it| resume_at(command.clone(), it)) {
            Some(next) => command = next,
            None => return (pages, all),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn quorum_reads_data_once_and_a_digest_once() {
    let world = World::new(3, 3);
    world.write(insert(0, 1, 5), Consistency::All).await.expect("written");
    let page = world.read(one(0, 10), Consistency::Quorum).await.expect("read");
    assert_eq!((rows(&page.partitions), page.rows, page.next), (vec![(0, 1)], 1, None));
    let asked: Vec<String> = (1..=3).flat_map(|it| world.log(it)).collect();
    let count = |what: &str| asked.iter().filter(|it| *it == what).count();
    assert_eq!((count("read"), count("digest")), (1, 1));
    assert!(world.log(1).contains(&"read".to_owned()), "this node is the nearest");
}

#[tokio::test(start_paused = true)]
async fn replicas_that_differ_are_repaired_before_the_answer() {
    let world = World::new(3, 3);
    world.put(1, insert(0, 1, 5));
    world.put(2, insert(0, 2, 6));
    world.put(3, insert(0, 2, 6));
    let page = world.read(one(0, 10), Consistency::All).await.expect("read");
    assert_eq!(rows(&page.partitions), [(0, 1), (0, 2)]);
    for replica in 1..=3 {
        let data = world.replica(replica).data.lock().expect("lock").clone();
        assert_eq!(rows(&answer(&data, &one(0, 10)).partitions), [(0, 1), (0, 2)], "{replica}");
        let repairs = world.log(replica).iter().filter(|it| *it == "mutate repair").count();
        assert_eq!(repairs, 1, "each lacks something");
    }
}

#[tokio::test(start_paused = true)]
async fn only_those_who_differ_are_read_again() {
    let world = World::new(3, 3);
    for replica in 1..=3 {
        world.put(replica, insert(0, 1, 5));
    }
    world.put(3, insert(0, 2, 6));
    world.read(one(0, 10), Consistency::All).await.expect("read");
    let digest_only = (1..=3).filter(|it| !world.log(*it).contains(&"read".to_owned())).count();
    assert_eq!(digest_only, 1, "who agrees with the data need not send it");
}

#[tokio::test(start_paused = true)]
async fn the_newer_value_wins_and_is_written_to_the_older() {
    let world = World::new(3, 3);
    world.put(1, insert(0, 1, 9));
    world.put(2, insert(0, 1, 5));
    world.put(3, insert(0, 1, 5));
    let page = world.read(one(0, 10), Consistency::All).await.expect("read");
    assert_eq!(page.partitions[0].rows[0].1, live_row(9));
    for replica in 1..=3 {
        let data = world.replica(replica).data.lock().expect("lock").clone();
        assert_eq!(data[&key(0)].rows[0].1, live_row(9));
    }
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_hangs_makes_the_read_time_out() {
    let world = World::new(3, 3);
    world.put(1, insert(0, 1, 5));
    world.kill(3);
    world.next(2, Deed::After(Duration::ZERO));
    world.next(2, Deed::After(Duration::ZERO));
    world.next(2, Deed::Hang);
    let error = world.read(one(0, 10), Consistency::Quorum).await.expect_err("not repaired");
    let (consistency, missing) = (Consistency::Quorum, vec![host(2)]);
    assert_eq!(error, Error::Timeout { consistency, required: 2, received: 1, missing });
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_fails_or_takes_long_goes_to_another_replica() {
    let failed = ReplicaError::Failed("full".to_owned());
    let cases = [(Deed::Refuse(failed), Duration::ZERO), (Deed::Hang, Duration::from_millis(50))];
    for (deed, latency) in cases {
        let world = World::new(3, 3);
        world.put(1, insert(0, 1, 5));
        // The nearest two are read; whichever of 2 and 3 lacks the row and fails, the other takes it.
        for replica in [2, 3] {
            world.next(replica, Deed::After(Duration::ZERO));
            world.next(replica, Deed::After(Duration::ZERO));
        }
        let order = View::snapshot(&*world.cluster).replicas("ks", key(0).token).to_vec();
        let nearest = order.into_iter().find(|it| *it != host(1));
        let second = if nearest == Some(host(2)) { 2 } else { 3 };
        let third = 5 - second;
        world.always(second, deed);
        let begun = tokio::time::Instant::now();
        let page = world.read(one(0, 10), Consistency::Quorum).await.expect("repaired elsewhere");
        assert_eq!((page.rows, begun.elapsed()), (1, latency));
        assert_eq!(world.log(third), ["mutate repair"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_replica_takes_over_for_one_that_fails() {
    let world = World::new(3, 3);
    world.write(insert(0, 1, 5), Consistency::All).await.expect("written");
    world.next(1, Deed::Refuse(ReplicaError::NoAnswer));
    let start = Instant::now();
    let page = world.read(one(0, 10), Consistency::Quorum).await.expect("two others");
    assert_eq!(page.rows, 1);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_next_replica_is_asked_when_one_is_slow() {
    let world = World::new(3, 3);
    world.write(insert(0, 1, 5), Consistency::All).await.expect("written");
    world.next(1, Deed::Hang);
    let start = Instant::now();
    let page = world.read(one(0, 10), Consistency::Quorum).await.expect("two others");
    assert_eq!(page.rows, 1);
    assert_eq!(start.elapsed(), Duration::from_millis(50));
    assert_eq!(*world.replica(1).dropped.lock().expect("lock"), 1, "it need not go on");
}

#[tokio::test(start_paused = true)]
async fn errors_say_what_to_do() {
    let world = World::new(3, 3);
    let (consistency, required) = (Consistency::Quorum, 2);
    world.kill(2);
    world.kill(3);
    let missing = vec![host(2), host(3)];
    let error = world.read(one(0, 10), consistency).await.expect_err("two are dead");
    assert_eq!(error, Error::Unavailable { consistency, required, alive: 1, missing });

    world.revive(2);
    world.always(2, Deed::Hang);
    let missing = vec![host(2), host(3)];
    let error = world.read(one(0, 10), consistency).await.expect_err("one hangs");
    assert_eq!(error, Error::Timeout { consistency, required, received: 1, missing });

    world.always(2, Deed::Refuse(ReplicaError::Failed("corrupt sstable 7".to_owned())));
    let error = world.read(one(0, 10), consistency).await.expect_err("one is broken");
    let failures = vec![(host(2), "corrupt sstable 7".to_owned())];
    assert!(matches!(&error, Error::Failed { failures: it, .. } if *it == failures), "{error:?}");

    world.always(2, Deed::Refuse(ReplicaError::Overloaded("busy".to_owned())));
    let error = world.read(one(0, 10), consistency).await.expect_err("one is busy");
    assert_eq!(error, Error::Overloaded("busy".to_owned()));

    world.always(2, Deed::Refuse(ReplicaError::Unreachable));
    let error = world.read(one(0, 10), consistency).await.expect_err("one is not there");
    assert!(matches!(error, Error::Unavailable { alive: 1, .. }), "{error:?}");

    for level in [Consistency::Any, Consistency::EachQuorum, Consistency::Serial] {
        let error = world.read(one(0, 10), level).await.expect_err("no level of reads");
        assert!(matches!(error, Error::Invalid(_)), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_epoch_is_planned_again_inside() {
    let world = World::new(3, 3);
    world.write(insert(0, 1, 5), Consistency::All).await.expect("written");
    world.next(1, Deed::Refuse(ReplicaError::StaleEpoch { have: 9 }));
    let page = world.read(one(0, 10), Consistency::Quorum).await.expect("at the new epoch");
    assert_eq!(page.rows, 1);
    assert_eq!(View::snapshot(&*world.cluster).epoch(), 9);
}

#[tokio::test(start_paused = true)]
async fn rows_that_another_replica_has_deleted_are_made_up_for() {
    let world = World::new(3, 3);
    // Replica 1 answers its first rows, all of which 2 has deleted: without going on, the page
    // would be empty and the last row lost.
    for row in 0..100 {
        world.put(1, insert(0, row, 5));
        if row < 99 {
            world.put(2, delete(0, row, 6));
            world.put(3, delete(0, row, 6));
        }
    }
    let page = world.read(one(0, 1), Consistency::All).await.expect("read");
    assert_eq!(rows(&page.partitions), [(0, 99)]);
    let reads = world.log(1).iter().filter(|it| *it == "read" || *it == "digest").count();
    assert!(reads <= 10, "rounds grow: {reads}");
}

#[tokio::test(start_paused = true)]
async fn pages_of_one_row_among_tombstones_lose_and_repeat_nothing() {
    let world = World::new(3, 3);
    for row in 0..30 {
        let part = if row % 3 == 0 { insert(0, row, 5) } else { delete(0, row, 6) };
        world.write(part, Consistency::All).await.expect("written");
    }
    let expected: Vec<(u8, u8)> = (0..30).filter(|it| it % 3 == 0).map(|it| (0, it)).collect();
    for reversed in [false, true] {
        let command = Command { reversed, ..one(0, 1) };
        let (pages, mut all) = all_pages(&world, command, Consistency::Quorum).await;
        if reversed {
            all.reverse();
        }
        assert_eq!(all, expected);
        assert!((10..=11).contains(&pages), "{pages}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_of_tombstones_is_empty_and_gets_on() {
    let world = World::new(3, 3);
    for row in 0..50 {
        world.write(delete(0, row, 6), Consistency::All).await.expect("written");
    }
    world.write(insert(0, 50, 5), Consistency::All).await.expect("written");
    let mut command = one(0, 10);
    command.limits.tombstones = 10;
    let first = world.read(command.clone(), Consistency::Quorum).await.expect("read");
    assert_eq!((first.rows, first.partitions.len()), (0, 0));
    assert!(first.next.is_some());
    assert_eq!(all_pages(&world, command, Consistency::Quorum).await, (6, vec![(0, 50)]));
}

#[tokio::test(start_paused = true)]
async fn scans_walk_all_ranges_in_token_order() {
    let world = World::new(5, 2);
    for partition in 0..40 {
        for row in 0..3 {
            world.write(insert(partition, row, 5), Consistency::All).await.expect("written");
        }
    }
    let mut keys: Vec<_> = (0..40).map(|it| (key(it), it)).collect();
    keys.sort();
    let expected: Vec<(u8, u8)> =
        keys.iter().flat_map(|(_, it)| (0..3).map(|row| (*it, row))).collect();
    for page_size in [1, 2, 7, 1_000] {
        let (_, all) =
            all_pages(&world, command(whole_ring(), page_size), Consistency::Quorum).await;
        assert_eq!(all, expected, "{page_size}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_does_not_get_on_is_not_asked_for_ever() {
    let world = World::new(1, 1);
    for row in 0..10 {
        world.put(1, insert(0, row, 5));
    }
    let page = world.read(one(0, 3), Consistency::One).await.expect("read");
    let next = resume_at(one(0, 3), page.next.expect("more")).expect("more");
    world.next(1, Deed::Babble);
    let error = world.read(next, Consistency::One).await.expect_err("nonsense");
    assert!(matches!(error, Error::Failed { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn answers_count_against_the_budget() {
    let world = World::new(1, 1);
    let mut partition = Partition::empty(key(0));
    for row in 0..70 {
        let mut big = live_row(5);
        big.cells[0].1.content = model::Content::Live { value: vec![0; 1 << 20].into() };
        partition.put_row(crate::fakes::clustering(row), big);
    }
    world.put(1, partition);
    let error = world.read(one(0, 1_000), Consistency::One).await.expect_err("70 MiB of 64");
    assert!(matches!(error, Error::Overloaded(_)), "{error:?}");
    assert_eq!(world.coordinator.in_flight_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_dropped_drops_its_calls() {
    let world = World::new(3, 3);
    for replica in 1..=3 {
        world.always(replica, Deed::Hang);
    }
    let read = world.read(one(0, 10), Consistency::Quorum);
    let gone = tokio::time::timeout(Duration::from_millis(10), read).await;
    assert!(gone.is_err());
    let dropped: usize = (1..=3).map(|it| *world.replica(it).dropped.lock().expect("lock")).sum();
    assert_eq!(dropped, 2, "two were asked");
    assert_eq!(world.coordinator.in_flight_bytes(), 0);
}

/// Doors spawn requests on a runtime of many threads.
#[test]
fn requests_may_move_between_threads() {
    fn moves<T: Send>(_: &T) {}
    let world = World::new(1, 1);
    moves(&world.read(one(0, 1), Consistency::One));
    moves(&world.read(command(whole_ring(), 1), Consistency::One));
    moves(&world.write(insert(0, 1, 5), Consistency::One));
    moves(&world.coordinator.truncate(crate::fakes::TABLE, Duration::ZERO, 1));
}
