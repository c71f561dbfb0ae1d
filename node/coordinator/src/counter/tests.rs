//! Increments against scripted replicas, on a stopped clock.

use std::time::Duration;

use model::{Cell, ColumnId, Content, Elements, Mutation, Partition, Row, counter};

use super::*;
use crate::{
    fakes::{Deed, NOW, TABLE, World, clustering, host, key},
    replica::{Error as ReplicaError, Unwritable},
};

fn increment(partition: u8, delta: i64) -> Partition {
    let (path, cell) = counter::increment(0, delta, 1);
    let elements = Elements { deletion: None, cells: vec![(path, cell)] };
    let mut it = Partition::empty(key(partition));
    it.put_row(clustering(1), Row { elements: vec![(ColumnId(0), elements)], ..Row::default() });
    it
}

async fn add(
    world: &World,
    increments: Vec<Partition>,
    consistency: Consistency,
) -> Result<(), Error> {
    let of = |partition| Mutation { table: TABLE, partition };
    let mutations = increments.into_iter().map(of).collect();
    let timeout = Duration::from_secs(2);
    world.coordinator.increment(Request { mutations, consistency, timeout, trace: 7 }).await
}

/// What a replica thinks that the counter of a partition is.
fn count(world: &World, replica: u32, partition: u8) -> Option<i64> {
    let data = world.replica(replica).data.lock().expect("lock");
    let row = data.get(&key(partition))?.row(&clustering(1))?;
    counter::total(row.elements_of(ColumnId(0))?, NOW)
}

fn hinted(world: &World) -> Vec<(HostId, u64)> {
    world.coordinator.hints().pending().iter().map(|it| (it.host, it.count)).collect()
}

#[tokio::test(start_paused = true)]
async fn this_node_leads_and_the_others_are_told_its_share() {
    let world = World::new(3, 3);
    add(&world, vec![increment(0, 5)], Consistency::Quorum).await.expect("all are up");
    add(&world, vec![increment(0, -2)], Consistency::All).await.expect("all are up");
    assert_eq!([1, 2, 3].map(|it| count(&world, it, 0)), [Some(3); 3]);
    assert_eq!(world.log(1), ["lead", "lead"], "it has what it led");
    assert_eq!(world.log(2), ["mutate client", "mutate client"]);
}

#[tokio::test(start_paused = true)]
async fn the_others_hear_of_it_when_the_leader_has_it_durably() {
    let world = World::new(3, 3);
    world.next(1, Deed::After(Duration::from_secs(1)));
    let mut adding = Box::pin(add(&world, vec![increment(0, 5)], Consistency::All));
    let waited = tokio::time::timeout(Duration::from_millis(999), &mut adding).await;
    assert!(waited.is_err());
    assert_eq!(world.log(2), Vec::<String>::new());
    adding.await.expect("it leads after a second");
    assert_eq!(count(&world, 2, 0), Some(5));
}

#[tokio::test(start_paused = true)]
async fn its_own_acknowledgement_is_one_of_those_asked_for() {
    let world = World::new(3, 3);
    world.next(2, Deed::Hang);
    world.next(3, Deed::Hang);
    add(&world, vec![increment(0, 5)], Consistency::One).await.expect("the leader is one");
    world.pass(3).await;
    assert_eq!(hinted(&world), [(host(2), 1), (host(3), 1)], "shares are hinted as all else is");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_nothing_was_sent_to_is_replaced() {
    let world = World::new(3, 3);
    world.next(1, Deed::Refuse(ReplicaError::Unreachable));
    let full = ReplicaError::Unwritable(Unwritable::DiskFull, "the disk is full".to_owned());
    world.next(2, Deed::Refuse(full));
    add(&world, vec![increment(0, 5)], Consistency::Quorum).await.expect("the third leads");
    assert_eq!(count(&world, 3, 0), Some(5));
    assert_eq!(world.log(3), ["lead"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_never_asked_for_again() {
    let world = World::new(3, 3);
    world.next(1, Deed::DoAndBreak);
    let error = add(&world, vec![increment(0, 5)], Consistency::Quorum).await.expect_err("lost");
    let (consistency, missing) = (Consistency::Quorum, vec![host(1), host(2), host(3)]);
    assert_eq!(error, Error::Timeout { consistency, required: 2, received: 0, missing });
    assert_eq!((count(&world, 1, 0), world.log(2).len(), world.log(3).len()), (Some(5), 0, 0));
    assert_eq!(hinted(&world), [], "an increment is no hint");
    // The next one that it leads tells the others of both.
    add(&world, vec![increment(0, 1)], Consistency::All).await.expect("all are up");
    assert_eq!([1, 2, 3].map(|it| count(&world, it, 0)), [Some(6); 3]);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_fails_is_an_unknown_outcome_with_its_reason() {
    for (deed, reason) in [
        (Deed::Refuse(ReplicaError::Failed("io".to_owned())), "io"),
        (Deed::Babble, "it answered what it was not asked"),
    ] {
        let world = World::new(3, 3);
        world.next(1, deed);
        let error = add(&world, vec![increment(0, 5)], Consistency::One).await.expect_err("failed");
        let Error::Failed { failures, .. } = error else { panic!("{error:?}") };
        assert_eq!(failures, [(host(1), reason.to_owned())]);
        assert_eq!(world.log(2), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_refused_before_anything_was_done_did_not_happen() {
    let world = World::new(3, 3);
    world.next(1, Deed::Refuse(ReplicaError::Overloaded("queue full".to_owned())));
    let error = add(&world, vec![increment(0, 5)], Consistency::One).await.expect_err("refused");
    assert_eq!(error, Error::Overloaded("queue full".to_owned()));
    (1..=3).for_each(|it| world.always(it, Deed::Refuse(ReplicaError::Unreachable)));
    let error = add(&world, vec![increment(0, 5)], Consistency::One).await.expect_err("nobody");
    assert!(matches!(error, Error::Unavailable { required: 1, alive: 0, .. }), "{error:?}");
    world.kill(2);
    world.kill(3);
    let error = add(&world, vec![increment(0, 5)], Consistency::Quorum).await.expect_err("one");
    assert!(matches!(error, Error::Unavailable { required: 2, alive: 1, .. }), "{error:?}");
    assert_eq!([1, 2, 3].map(|it| count(&world, it, 0)), [None; 3]);
    assert_eq!(hinted(&world), []);
}

#[tokio::test(start_paused = true)]
async fn too_few_others_are_an_unknown_outcome() {
    let world = World::new(3, 3);
    world.next(2, Deed::Refuse(ReplicaError::Overloaded("queue full".to_owned())));
    world.next(3, Deed::Refuse(ReplicaError::Unreachable));
    let error = add(&world, vec![increment(0, 5)], Consistency::Quorum).await.expect_err("one");
    let (consistency, missing) = (Consistency::Quorum, vec![host(2), host(3)]);
    assert_eq!(error, Error::Timeout { consistency, required: 2, received: 1, missing });
    assert_eq!(hinted(&world), [(host(2), 1), (host(3), 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_changed_is_planned_again_and_led_once() {
    let world = World::new(3, 3);
    world.next(1, Deed::Refuse(ReplicaError::StaleEpoch { have: 2 }));
    add(&world, vec![increment(0, 5)], Consistency::All).await.expect("planned again");
    assert_eq!([1, 2, 3].map(|it| count(&world, it, 0)), [Some(5); 3]);
    assert_eq!(world.log(1), ["lead", "lead"]);
}

#[tokio::test(start_paused = true)]
async fn of_several_partitions_each_has_a_leader_and_one_refusal_leaves_all_unknown() {
    let world = World::new(3, 3);
    let both = || vec![increment(0, 5), increment(1, 7)];
    add(&world, both(), Consistency::All).await.expect("all are up");
    assert_eq!((count(&world, 2, 0), count(&world, 3, 1)), (Some(5), Some(7)));
    world.next(1, Deed::Refuse(ReplicaError::Overloaded("queue full".to_owned())));
    let error = add(&world, both(), Consistency::All).await.expect_err("half of it");
    assert!(matches!(error, Error::Timeout { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_no_replica() {
    let world = World::new(3, 3);
    let error = add(&world, vec![increment(0, 5)], Consistency::Any).await.expect_err("ANY");
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn more_increments_than_shares_fit_a_mutation_are_refused() {
    let world = World::new(3, 3);
    let mut large = increment(0, 5);
    let value = Bytes::from(vec![0; INCREMENTS_BYTES_MAX]);
    let cell = Cell { timestamp: 1, content: Content::Live { value } };
    large.put_row(clustering(2), Row { cells: vec![(ColumnId(0), cell)], ..Row::default() });
    let error = add(&world, vec![large], Consistency::One).await.expect_err("too large");
    assert!(matches!(error, Error::Invalid(_)), "{error:?}");
}
