//! Writes against scripted replicas, on a stopped clock.

use tokio::time::Instant;

use super::*;
use crate::{
    fakes::{Deed, TABLE, World, clustering, host, insert, key, live_row, rows},
    replica::Error as ReplicaError,
};

fn has_row(world: &World, replica: u32, partition: u8, row: u8) -> bool {
    let data = world.replica(replica).data.lock().expect("lock");
    data.get(&key(partition)).is_some_and(|it| it.row(&clustering(row)).is_some())
}

fn hinted(world: &World) -> Vec<(HostId, u64)> {
    world.coordinator.hints().pending().iter().map(|it| (it.host, it.count)).collect()
}

#[tokio::test(start_paused = true)]
async fn quorum_holds_with_one_dead_and_hints_it() {
    let world = World::new(3, 3);
    world.kill(3);
    world.write(insert(0, 1, 5), Consistency::Quorum).await.expect("two of three");
    assert!(has_row(&world, 1, 0, 1) && has_row(&world, 2, 0, 1));
    assert_eq!(world.log(3), Vec::<String>::new(), "the dead are not called");
    assert_eq!(hinted(&world), [(host(3), 1)]);
}

#[tokio::test(start_paused = true)]
async fn unavailable_names_the_dead_and_writes_nothing() {
    let world = World::new(3, 3);
    world.kill(3);
    let error = world.write(insert(0, 1, 5), Consistency::All).await.expect_err("one is dead");
    let text = error.to_string();
    assert!(text.contains(&host(3).to_string()), "{text}");
    let consistency = Consistency::All;
    let missing = vec![host(3)];
    assert_eq!(error, Error::Unavailable { consistency, required: 3, alive: 2, missing });
    assert_eq!(world.log(1), Vec::<String>::new());
    assert_eq!(hinted(&world), []);
}

#[tokio::test(start_paused = true)]
async fn a_slow_replica_is_not_waited_for_and_gets_the_write() {
    let world = World::new(3, 3);
    world.next(2, Deed::After(Duration::from_millis(500)));
    let start = Instant::now();
    world.write(insert(0, 1, 5), Consistency::Quorum).await.expect("two are fast");
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert!(!has_row(&world, 2, 0, 1));
    world.pass(1).await;
    assert!(has_row(&world, 2, 0, 1));
    assert_eq!(hinted(&world), []);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_never_answers_gets_a_hint() {
    let world = World::new(3, 3);
    world.next(2, Deed::Hang);
    world.write(insert(0, 1, 5), Consistency::Quorum).await.expect("two are fast");
    world.pass(1).await;
    assert_eq!(hinted(&world), []);
    world.pass(2).await;
    assert_eq!(hinted(&world), [(host(2), 1)]);
    assert_eq!(world.coordinator.in_flight_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_an_unknown_outcome_and_the_others_decide() {
    let world = World::new(3, 3);
    world.next(1, Deed::DoAndBreak);
    world.write(insert(0, 1, 5), Consistency::Quorum).await.expect("two of three");
    world.pass(1).await;
    assert_eq!(hinted(&world), [(host(1), 1)], "it may have missed it");
}

#[tokio::test(start_paused = true)]
async fn out_of_reach_answers_at_once_with_unknown_outcome() {
    let world = World::new(3, 3);
    world.next(1, Deed::DoAndBreak);
    world.next(2, Deed::Refuse(ReplicaError::Failed("disk full".to_owned())));
    world.next(3, Deed::Hang);
    let start = Instant::now();
    let error = world.write(insert(0, 1, 5), Consistency::Quorum).await.expect_err("one is left");
    assert_eq!(start.elapsed(), Duration::ZERO, "the deadline is not waited for");
    let (consistency, missing) = (Consistency::Quorum, vec![host(1), host(2), host(3)]);
    let failures = vec![(host(2), "disk full".to_owned())];
    assert_eq!(error, Error::Failed { consistency, required: 2, received: 0, missing, failures });
    world.pass(3).await;
    assert_eq!(hinted(&world), [(host(1), 1), (host(2), 1), (host(3), 1)]);
}

#[tokio::test(start_paused = true)]
async fn too_slow_is_a_timeout_with_the_count() {
    let world = World::new(3, 3);
    world.next(2, Deed::Hang);
    world.next(3, Deed::After(Duration::from_secs(5)));
    let start = Instant::now();
    let error = world.write(insert(0, 1, 5), Consistency::Quorum).await.expect_err("one in time");
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    let (consistency, missing) = (Consistency::Quorum, vec![host(2), host(3)]);
    assert_eq!(error, Error::Timeout { consistency, required: 2, received: 1, missing });
    world.pass(1).await;
    assert_eq!(hinted(&world), [(host(2), 1), (host(3), 1)]);
}

#[tokio::test(start_paused = true)]
async fn refused_everywhere_is_overloaded_and_leaves_nothing_behind() {
    let world = World::new(3, 3);
    for replica in 1..=3 {
        world.next(replica, Deed::Refuse(ReplicaError::Overloaded("queue full".to_owned())));
    }
    let error = world.write(insert(0, 1, 5), Consistency::Quorum).await.expect_err("refused");
    // The third is still under way when two have refused: it may happen there.
    assert!(matches!(error, Error::Timeout { received: 0, .. }), "{error:?}");
    let error = {
        world.kill(3);
        world.next(1, Deed::Refuse(ReplicaError::Overloaded("queue full".to_owned())));
        world.next(2, Deed::Refuse(ReplicaError::Overloaded("queue full".to_owned())));
        world.pass(3).await;
        let before = hinted(&world);
        let error = world.write(insert(0, 2, 5), Consistency::One).await.expect_err("refused");
        assert_eq!(hinted(&world), before, "what did not happen leaves no hints");
        error
    };
    assert_eq!(error, Error::Overloaded("queue full".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn disks_that_take_no_writes_refuse_by_name_and_leave_nothing_behind() {
    for why in [Unwritable::DiskFull, Unwritable::ReadOnly, Unwritable::LogFailed] {
        let world = World::new(3, 3);
        for replica in 1..=3 {
            let text = "its disk takes no writes".to_owned();
            world.next(replica, Deed::Refuse(ReplicaError::Unwritable(why, text)));
        }
        let error = world.write(insert(0, 1, 5), Consistency::Quorum).await.expect_err("refused");
        let Error::Unwritable(found, text) = error else { panic!("{error:?}") };
        assert_eq!(found, why);
        assert!(text.starts_with("node ") && text.ends_with("takes no writes"), "{text}");
        assert_eq!(hinted(&world), [], "what did not happen leaves no hints");
    }
}

#[tokio::test(start_paused = true)]
async fn one_disk_that_takes_no_writes_costs_a_hint_and_nothing_else() {
    let world = World::new(3, 3);
    let refused = ReplicaError::Unwritable(Unwritable::ReadOnly, "no writes here".to_owned());
    world.next(2, Deed::Refuse(refused));
    world.write(insert(0, 1, 5), Consistency::Quorum).await.expect("two of three");
    world.pass(1).await;
    assert_eq!(hinted(&world), [(host(2), 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_replica_behind_two_names_counts_once() {
    let world = World::new(3, 3);
    // A mixed up connection: who is asked as 2 says it is 1, and 3 is dead.
    *world.replica(2).claims.lock().expect("lock") = Some(host(1));
    world.kill(3);
    let error = world.write(insert(0, 1, 5), Consistency::Quorum).await.expect_err("only 1 has it");
    assert!(matches!(error, Error::Timeout { required: 2, .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn any_takes_a_durable_hint_for_an_answer() {
    let world = World::new(3, 2);
    for replica in 1..=3 {
        world.kill(replica);
    }
    let error = world.write(insert(0, 1, 5), Consistency::One).await.expect_err("all are dead");
    assert!(matches!(error, Error::Unavailable { alive: 0, .. }), "{error:?}");
    world.write(insert(0, 1, 5), Consistency::Any).await.expect("hinted");
    assert_eq!(hinted(&world).len(), 2);
    // It is durable: power fails, and the hints are there.
    world.disk.crash_all_lost();
    let cluster = &world.cluster;
    let again =
        crate::fakes::coordinator(cluster, &world.disk, &world.clock, crate::fakes::hint_options());
    assert!(!again.hints().pending().is_empty());
}

#[tokio::test(start_paused = true)]
async fn any_fails_when_the_hint_cannot_be_stored() {
    let world = World::new(3, 3);
    for replica in 1..=3 {
        world.kill(replica);
    }
    world.disk.set_faults(sys::Faults { write_error: true, ..sys::Faults::default() });
    let error = world.write(insert(0, 1, 5), Consistency::Any).await.expect_err("no hint");
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stale_epoch_is_planned_again_inside() {
    let world = World::new(3, 3);
    for replica in 1..=2 {
        world.next(replica, Deed::Refuse(ReplicaError::StaleEpoch { have: 4 }));
    }
    world.write(insert(0, 1, 5), Consistency::All).await.expect("at the new epoch");
    assert_eq!(world.log(1), ["mutate client", "mutate client"]);
    assert_eq!(world.log(3), ["mutate client"], "who has acknowledged is not asked again");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_stays_stale_is_given_up() {
    let world = World::new(3, 3);
    world.always(2, Deed::Refuse(ReplicaError::StaleEpoch { have: 4 }));
    world.write(insert(0, 1, 5), Consistency::Quorum).await.expect("two of three");
    world.pass(1).await;
    assert_eq!(hinted(&world), [(host(2), 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_dropped_drops_its_calls() {
    let world = World::new(3, 3);
    for replica in 1..=3 {
        world.next(replica, Deed::Hang);
    }
    let write = world.write(insert(0, 1, 5), Consistency::Quorum);
    let gone = tokio::time::timeout(Duration::from_millis(10), write).await;
    assert!(gone.is_err());
    for replica in 1..=3 {
        assert_eq!(*world.replica(replica).dropped.lock().expect("lock"), 1);
    }
    assert_eq!(world.coordinator.in_flight_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_another_question_is_no_acknowledgment() {
    let world = World::new(3, 3);
    world.next(1, Deed::Babble);
    world.next(2, Deed::Babble);
    let error = world.write(insert(0, 1, 5), Consistency::Quorum).await.expect_err("nonsense");
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn several_mutations_all_reach_the_level() {
    let world = World::new(5, 3);
    let mutations =
        (0..20).map(|number| Mutation { table: TABLE, partition: insert(number, 1, 5) }).collect();
    let request = Request {
        mutations,
        consistency: Consistency::All,
        timeout: Duration::from_secs(1),
        trace: 1,
    };
    world.coordinator.write(&request).await.expect("all are alive");
    let copies: usize = (1..=5)
        .map(|replica| {
            let data = world.replica(replica).data.lock().expect("lock");
            rows(&data.values().cloned().collect::<Vec<_>>()).len()
        })
        .sum();
    assert_eq!(copies, 20 * 3);
}

#[tokio::test(start_paused = true)]
async fn more_in_flight_than_allowed_is_overloaded() {
    let world = World::new(3, 3);
    let mut partition = model::Partition::empty(key(0));
    let mut row = live_row(5);
    row.cells[0].1.content = model::Content::Live { value: vec![0; 15 << 20].into() };
    partition.put_row(clustering(1), row);
    for replica in 1..=3 {
        world.always(replica, Deed::Hang);
    }
    let writes = (0..5).map(|_| world.write(partition.clone(), Consistency::One));
    let answers = futures_util::future::join_all(writes).await;
    let overloaded = answers.iter().filter(|it| matches!(it, Err(Error::Overloaded(_)))).count();
    assert_eq!(overloaded, 1, "four of 15 MiB fit into 64 MiB");
    assert_eq!(world.coordinator.in_flight_bytes(), 0);
}

#[tokio::test(start_paused = true)]
async fn serial_levels_are_refused() {
    let world = World::new(3, 3);
    let error = world.write(insert(0, 1, 5), Consistency::Serial).await.expect_err("no LWT");
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn truncate_needs_every_node_and_forgets_hints() {
    let world = World::new(3, 2);
    world.kill(3);
    for number in 0..8 {
        world.write(insert(number, 1, 5), Consistency::Any).await.expect("two of three, or a hint");
    }
    assert!(!hinted(&world).is_empty());
    let second = Duration::from_secs(1);
    let error = world.coordinator.truncate(TABLE, second, 1).await.expect_err("one is dead");
    assert!(matches!(error, Error::Unavailable { required: 3, alive: 2, .. }), "{error:?}");
    assert!(!hinted(&world).is_empty(), "a refused truncation drops nothing");
    world.revive(3);
    world.coordinator.truncate(TABLE, second, 1).await.expect("all are alive");
    assert_eq!(hinted(&world), []);
    assert!((1..=3).all(|it| world.replica(it).data.lock().expect("lock").is_empty()));
}
