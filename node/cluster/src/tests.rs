//! Whole clusters in one thread: lost messages, cut links, restarts from what was persisted.

use std::collections::{BTreeMap, BTreeSet};
use std::{sync::Arc, time::Duration};

use model::{HostId, Keyspace, Table, TableId};
use sys::Rng;
use uuid::Uuid;

use crate::{
    Change, Cluster, Destination, Effects, Envelope, Event, Liveness, Local, Metadata, Now,
    Options, Outcome, PeerRefused, Record, Refused, Status, metadata::Entry,
};

mod clocks;
mod golden;
mod schemas;
mod types;
mod world;

use schemas::create;
pub(crate) use schemas::{keyspace, table};
use world::World;

const SECOND: Duration = Duration::from_secs(1);

/// Concurrent schema changes from every node through faults, then peace: one history, one schema.
fn storm(seed: u64) -> World {
    let nodes = 3 + seed as usize % 3;
    let mut world = World::new(seed, nodes);
    world.until("founded", 20 * SECOND, |it| it.all_at_epoch(1));
    world.propose(0, keyspace("ks", 3));
    world.until("keyspace", 20 * SECOND, |it| it.all_at_epoch(2));
    world.loss = world.rng.below(30) as f64 / 100.0;
    world.crash = world.rng.below(10) as f64 / 200.0;
    let mut next_id = 1;
    for _ in 0..40 {
        for node in 0..nodes {
            if !world.runs(node) {
                continue;
            }
            world.deadline = Duration::from_millis(100 + world.rng.below(8_000));
            let name = format!("t{}", world.rng.below(4));
            if world.rng.chance(0.5) {
                world.propose(node, create("ks", &name, next_id));
                next_id += 1;
            } else if let Some(table) = world.metadata(node).schema.table("ks", &name) {
                let id = table.id;
                world.propose(node, Change::DropTable { keyspace: "ks".to_owned(), name, id });
            }
        }
        if world.rng.chance(0.2) {
            let (from, to) = world.two_nodes();
            world.cut.insert((from, to));
        }
        if world.rng.chance(0.3) {
            world.cut.clear();
        }
        if world.rng.chance(0.2) {
            let node = world.rng.below(nodes as u64) as usize;
            world.restart(node);
        }
        let pause = Duration::from_millis(world.rng.below(1_500));
        world.run(pause);
    }
    world.heal();
    world.until("every outcome is told", 60 * SECOND, |it| it.waiting.is_empty());
    world.until("all agree", 60 * SECOND, World::agreed);
    world
}

#[test]
fn concurrent_schema_changes_end_in_one_schema() {
    let (mut applied, mut refused, mut unknown) = (0, 0, 0);
    for seed in 0..25 {
        let world = storm(seed);
        world.check_outcomes();
        for outcome in world.outcomes.values() {
            match outcome {
                Outcome::Applied { .. } => applied += 1,
                Outcome::Refused(_) => refused += 1,
                Outcome::TimedOut | Outcome::Unknown => unknown += 1,
                Outcome::Overloaded => {}
            }
        }
    }
    // Each kind of outcome was met, so the checks above looked at each.
    assert!(100 < applied && 100 < refused && 10 < unknown, "{applied} {refused} {unknown}");
}

/// Node 0 alone learns that its value was chosen, and dies; node 1, whose vote made it so, restarts
/// and proposes another with node 2.
fn restart_after_a_vote(forgets_votes: bool) -> World {
    let mut world = World::founded(17, 3);
    world.forgets_votes = forgets_votes;
    world.isolate(2);
    world.propose(0, keyspace("first", 1));
    world.until("accepted", SECOND * 5, |it| it.has_accepted(0) && it.has_accepted(1));
    world.cut.insert((0, 1));
    world.until("chosen", SECOND * 5, |it| it.metadata(0).epoch == 2);
    world.kill(0);
    world.restart(1);
    world.heal();
    world.apply(1, keyspace("second", 1));
    world
}

#[test]
fn a_vote_survives_a_restart() {
    let world = restart_after_a_vote(false);
    let schema = &world.metadata(1).schema;
    assert!(schema.keyspaces.contains_key("first") && schema.keyspaces.contains_key("second"));
}

#[test]
#[should_panic(expected = "disagrees")]
fn a_node_that_forgets_its_vote_is_found_out() {
    restart_after_a_vote(true);
}

#[test]
fn a_seed_reproduces_a_run() {
    let trace = |seed| storm(seed).trace;
    assert_eq!(trace(4), trace(4));
    assert_ne!(trace(4), trace(5));
}

#[test]
fn a_table_dropped_and_created_again_is_another_one() {
    let mut world = World::founded(1, 3);
    world.apply(0, keyspace("ks", 3));
    world.apply(0, create("ks", "t", 1));
    let drop = |id| Change::DropTable {
        keyspace: "ks".to_owned(),
        name: "t".to_owned(),
        id: TableId(Uuid::from_u128(id)),
    };
    world.apply(1, drop(1));
    world.apply(2, create("ks", "t", 2));
    let late = world.propose(0, drop(1));
    world.until("refused", SECOND * 5, |it| it.outcomes.contains_key(&late));
    assert!(matches!(world.outcomes[&late], Outcome::Refused(Refused::TableNotFound { .. })));
    let metadata = world.metadata(1);
    assert_eq!(Some(TableId(Uuid::from_u128(2))), metadata.schema.table("ks", "t").map(|it| it.id));
}

#[test]
fn an_alteration_of_an_old_definition_is_refused() {
    let mut world = World::founded(2, 3);
    world.apply(0, keyspace("ks", 3));
    world.apply(0, create("ks", "t", 1));
    let base = world.metadata(0).schema.table("ks", "t").unwrap().clone();
    let alter = |comment: &str| {
        let mut table = Table::clone(&base);
        table.options.comment = comment.to_owned();
        Change::AlterTable { table: Arc::new(table) }
    };
    let both = [world.propose(0, alter("one")), world.propose(1, alter("two"))];
    world.until("outcomes", SECOND * 10, |it| both.iter().all(|id| it.outcomes.contains_key(id)));
    let outcomes: Vec<_> = both.iter().map(|id| world.outcomes[id].clone()).collect();
    assert!(outcomes.iter().any(|it| matches!(it, Outcome::Applied { .. })), "{outcomes:?}");
    assert!(
        outcomes.iter().any(|it| matches!(it, Outcome::Refused(Refused::TableChanged { .. }))),
        "{outcomes:?}"
    );
}

#[test]
fn a_minority_cannot_change_the_schema_and_says_whether_it_may_have() {
    let mut world = World::founded(3, 3);
    world.isolate(0);
    let alone = world.propose(0, keyspace("lonely", 1));
    world.apply(1, keyspace("ks", 1));
    world.until("outcome", SECOND * 15, |it| it.outcomes.contains_key(&alone));
    assert_eq!(Outcome::TimedOut, world.outcomes[&alone]);
    world.heal();
    world.until("agreement", SECOND * 10, World::agreed);
    assert!(world.metadata(0).schema.keyspaces.contains_key("ks"));
    assert!(!world.metadata(1).schema.keyspaces.contains_key("lonely"));
}

#[test]
fn what_a_dead_proposer_left_undecided_is_finished_by_others() {
    let mut world = World::founded(4, 3);
    // Node 0 dies once the others have accepted its value and before it hears of it.
    let request = world.propose(0, keyspace("ks", 1));
    world.until("accepted at home", SECOND * 5, |it| it.has_accepted(0));
    world.cut.extend([(1, 0), (2, 0)]);
    world.until("accepted elsewhere", SECOND * 5, |it| it.has_accepted(1) && it.has_accepted(2));
    world.kill(0);
    world.heal();
    world.until("finished", SECOND * 10, |it| {
        it.metadata(1).epoch == 2 && it.metadata(2).epoch == 2
    });
    assert!(!world.outcomes.contains_key(&request));
    world.start(0, |_| {});
    world.until("caught up", SECOND * 10, World::agreed);
    assert!(world.metadata(0).schema.keyspaces.contains_key("ks"));
}

#[test]
fn a_restart_never_founds_again_and_keeps_what_it_knew() {
    let mut world = World::founded(5, 3);
    world.apply(0, keyspace("ks", 3));
    world.until("all", SECOND * 5, |it| it.all_at_epoch(2));
    let before = world.metadata(0);
    for node in 0..3 {
        world.kill(node);
    }
    world.start(0, |_| {});
    world.run(SECOND * 20);
    assert_eq!(*before, *world.metadata(0), "alone it knows what it knew, and founds nothing");
    world.start(1, |_| {});
    world.start(2, |_| {});
    world.apply(0, create("ks", "t", 1));
    world.until("agreement", SECOND * 5, World::agreed);
    assert_eq!(before.cluster_id, world.metadata(2).cluster_id);
}

#[test]
fn a_checkpoint_is_all_that_a_restart_needs() {
    for seed in 0..10 {
        let mut world = storm(seed);
        for node in 0..world.count() {
            world.checkpoint(node);
        }
        let before = world.metadata(0);
        for node in 0..world.count() {
            world.restart(node);
        }
        world.until("agreement", SECOND * 10, World::agreed);
        assert_eq!(before, world.metadata(0));
        world.apply(0, keyspace("after", 1));
    }
}

#[test]
fn one_node_founds_itself_without_a_message() {
    let mut rng = Rng::from_seed(6);
    let local = Local { seeds: Vec::new(), ..world::local(0, 1) };
    let (mut cluster, _) =
        Cluster::new(local, Options::production(), Vec::new(), 1_000, &mut rng).unwrap();
    let effects = cluster.tick(Now { mono: Duration::ZERO, wall_micros: 1_000_000_000 }, &mut rng);
    assert!(effects.send.is_empty());
    assert!(
        matches!(&effects.events[..], [Event::Applied { metadata, .. }] if metadata.epoch == 1)
    );
    assert!(effects.persist.iter().any(|it| matches!(it, Record::Entry(Entry { epoch: 1, .. }))));
}

#[test]
fn nodes_that_all_moved_find_each_other_through_the_seeds() {
    let mut world = World::founded(7, 3);
    for node in 0..3 {
        world.kill(node);
    }
    let moved: Vec<String> = (0..3).map(|it| format!("moved{it}:7000")).collect();
    for (node, addr) in moved.iter().enumerate() {
        world.start(node, |local| {
            local.peer_addr.clone_from(addr);
            local.seeds.clone_from(&moved);
        });
    }
    world.until("the log knows", SECOND * 10, |it| {
        let nodes = &it.metadata(0).nodes;
        it.agreed() && nodes.values().all(|it| it.peer_addr.starts_with("moved"))
    });
}

#[test]
fn a_member_that_drains_says_so() {
    let mut world = World::founded(8, 3);
    world.until("alive", SECOND * 3, World::all_alive);
    let host = world.host(1);
    world.call(1, |cluster, now, rng| cluster.set_status(Status::Draining, now, rng));
    world.run(SECOND);
    for node in [0, 2] {
        assert!(world.events[node].contains(&Event::Status { host, status: Status::Draining }));
    }
}

#[test]
fn both_ends_of_a_half_cut_link_notice_and_recover() {
    let mut world = World::founded(9, 3);
    world.until("alive", SECOND * 3, World::all_alive);
    let (a, b) = (world.host(0), world.host(1));
    world.cut.insert((0, 1));
    world.run(SECOND * 5);
    assert_eq!(Liveness::Dead, world.cluster(1).liveness(a), "hears nothing");
    assert_eq!(Liveness::Dead, world.cluster(0).liveness(b), "is not heard");
    assert!(world.cluster(2).is_alive(a) && world.cluster(2).is_alive(b));
    // The log goes on: whatever one of them lacks, the third has.
    world.apply(1, keyspace("ks", 1));
    world.until("agreement", SECOND * 5, World::agreed);
    world.heal();
    world.until("alive again", SECOND, World::all_alive);
}

#[test]
fn members_beyond_the_voters_propose_too() {
    let mut world = World::founded(18, 9);
    assert_eq!(7, world.metadata(0).voters.len());
    let voters = Arc::clone(&world.metadata(0).voters);
    for node in 0..9 {
        world.apply(node, keyspace(&format!("ks{node}"), 3));
    }
    let voting: Vec<usize> = (0..9).filter(|it| voters.contains(&world.host(*it))).collect();
    // Three of seven voters may be down.
    for node in &voting[..3] {
        world.kill(*node);
    }
    let other = (0..9).find(|it| !voting.contains(it)).unwrap();
    world.apply(other, keyspace("after", 3));
    for node in &voting[..3] {
        world.start(*node, |_| {});
    }
    world.until("agreement", SECOND * 10, World::agreed);
}

#[test]
fn news_goes_round_where_two_nodes_cannot_reach_each_other() {
    let mut world = World::founded(15, 3);
    world.cut.extend([(0, 1), (1, 0)]);
    let (host, load) = (world.host(1), 12_345);
    world.call(1, |cluster, _, _| {
        cluster.set_load(load);
        Effects::default()
    });
    world.until("told by the third", SECOND * 10, |it| {
        let peers = it.cluster(0).peers(it.now);
        let peer = peers.iter().find(|peer| peer.host_id == host);
        peer.and_then(|it| it.state.as_ref()).is_some_and(|it| it.load_bytes == load)
    });
}

#[test]
fn a_node_far_behind_catches_up_by_a_snapshot() {
    let mut world = World::founded(16, 3);
    world.kill(2);
    for index in 0..300 {
        world.apply(index % 2, keyspace(&format!("ks{index}"), 1));
    }
    world.start(2, |_| {});
    world.until("caught up", SECOND * 10, World::agreed);
    let jumps = |event: &Event| matches!(event, Event::Applied { before, metadata } if before.epoch + 1 < metadata.epoch);
    assert!(world.events[2].iter().any(jumps), "by a snapshot, not by entries");
    world.restart(2);
    world.apply(2, keyspace("after", 1));
    world.until("agreement", SECOND * 10, World::agreed);
}

#[test]
fn silence_convicts_within_five_seconds_and_a_broken_stream_at_once() {
    let mut world = World::founded(10, 3);
    world.until("alive", SECOND * 3, World::all_alive);
    let host = world.host(2);
    world.kill(2);
    world.call(0, |cluster, now, rng| cluster.on_peer_disconnected(host, now, rng));
    assert_eq!(Liveness::Suspect, world.cluster(0).liveness(host));
    assert_eq!(Liveness::Alive, world.cluster(1).liveness(host));
    world.run(SECOND * 3);
    assert_eq!(Liveness::Alive, world.cluster(1).liveness(host), "not yet");
    world.run(SECOND * 2);
    for node in [0, 1] {
        assert_eq!(Liveness::Dead, world.cluster(node).liveness(host));
    }
    world.start(2, |_| {});
    world.until("alive again", SECOND, World::all_alive);
}

#[test]
fn a_pause_of_ours_is_not_held_against_others() {
    let mut world = World::founded(11, 3);
    world.until("alive", SECOND * 3, World::all_alive);
    let other = world.host(1);
    world.pause(0, SECOND * 30);
    assert!(world.cluster(0).is_alive(other));
    assert!(
        !world.events[0].iter().any(|it| matches!(
            it,
            Event::Liveness { host, liveness: Liveness::Dead } if *host == other
        )),
        "never convicted"
    );
}

#[test]
fn a_wiped_founder_cannot_make_a_second_cluster() {
    for seed in 0..20 {
        let mut world = World::new(seed, 3);
        // Somewhere in the middle of founding node 0 loses its disk.
        let moment = Duration::from_millis(world.rng.below(200));
        world.run(moment);
        world.wipe(0);
        world.run(SECOND * 20);
        let ids: BTreeSet<Uuid> = (0..3)
            .map(|it| world.metadata(it))
            .filter(|it| it.is_founded())
            .map(|it| it.cluster_id)
            .collect();
        assert_eq!(1, ids.len(), "seed {seed}");
        // Either the new node 0 is a member, or it knows that it is not.
        let host = world.host(0);
        let refused = world.events[0].iter().any(|it| matches!(it, Event::Refused(_)));
        assert!(refused != world.metadata(1).nodes.contains_key(&host), "seed {seed}");
    }
}

#[test]
fn strangers_are_told_why_they_are_not_let_in() {
    let mut world = World::founded(12, 3);
    let mut refusal_of = |change: fn(&mut Local)| {
        let node = world.add(change);
        world.until("refused", SECOND * 5, |it| {
            it.events[node].iter().any(|event| matches!(event, Event::Refused(_)))
        });
        world.events[node].iter().find_map(|event| match event {
            Event::Refused(refused) => Some(refused.clone()),
            Event::Applied { .. }
            | Event::Proposed { .. }
            | Event::Liveness { .. }
            | Event::Status { .. }
            | Event::Clock { .. }
            | Event::RefusedPeer { .. } => None,
        })
    };
    assert!(matches!(refusal_of(|_| {}), Some(PeerRefused::NotAFounder { .. })));
    let other_name = refusal_of(|local| local.cluster_name = "other".to_owned());
    assert!(matches!(other_name, Some(PeerRefused::OtherClusterName { .. })));
}

#[test]
fn founders_with_different_seeds_are_told() {
    let mut world = World::new(13, 2);
    world.kill(1);
    world.wipe_and(1, |local| local.seeds.push("node9:7000".to_owned()));
    world.run(SECOND * 3);
    for node in 0..2 {
        assert!(!world.metadata(node).is_founded());
        assert!(
            world.events[node]
                .iter()
                .any(|it| matches!(it, Event::Refused(PeerRefused::FoundersDiffer { .. })))
        );
    }
}

#[test]
fn a_data_directory_of_another_cluster_or_rack_is_refused() {
    let mut rng = Rng::from_seed(14);
    let local = world::local(0, 1);
    let start = |local: &Local, records: Vec<Record>, rng: &mut Rng| {
        Cluster::new(local.clone(), Options::production(), records, 1, rng)
    };
    let (_, effects) = start(&local, Vec::new(), &mut rng).unwrap();
    let renamed = Local { cluster_name: "other".to_owned(), ..local.clone() };
    let moved = Local { rack: "other".to_owned(), ..local.clone() };
    let wrong = |local: &Local, rng: &mut Rng| {
        start(local, effects.persist.clone(), rng).map(|_| ()).unwrap_err()
    };
    assert!(matches!(wrong(&renamed, &mut rng), crate::OpenError::OtherCluster { .. }));
    assert!(matches!(wrong(&moved, &mut rng), crate::OpenError::Moved { .. }));
    let headless = start(&local, vec![Record::Generation(1)], &mut rng).map(|_| ()).unwrap_err();
    assert!(matches!(headless, crate::OpenError::Incomplete(_)));
}
