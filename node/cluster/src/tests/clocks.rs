//! A wall clock that is far off is told by all who see it, and so is that it is right again.

use super::*;

/// Who told what about whose clock, in the order of nodes: (who, whose, by how many seconds, whether it differs).
fn told(world: &World) -> Vec<(usize, usize, i64, bool)> {
    let mut told = Vec::new();
    for node in 0..world.count() {
        for event in &world.events[node] {
            if let Event::Clock { host, skew_micros, differs } = event {
                let whose = (0..world.count()).find(|it| world.host(*it) == *host).unwrap();
                let seconds = (skew_micros + 500_000).div_euclid(1_000_000);
                told.push((node, whose, seconds, *differs));
            }
        }
    }
    told
}

#[test]
fn a_clock_that_is_far_off_is_told_by_both_sides_and_told_again_when_it_is_right() {
    let mut world = World::founded(3, 3);
    world.run(3 * SECOND);
    assert_eq!(told(&world), [], "clocks that agree");
    world.jump(2, 5_000_000);
    world.run(2 * SECOND);
    let differs = [(0, 2, 5, true), (1, 2, 5, true), (2, 0, -5, true), (2, 1, -5, true)];
    assert_eq!(told(&world), differs);
    for (node, other) in [(0, 2), (2, 0)] {
        let peers = world.cluster(node).peers(world.now);
        let skew = peers.iter().find(|it| it.host_id == world.host(other)).unwrap().skew_micros;
        let off = skew.unwrap().unsigned_abs();
        assert!((4_900_000..=5_000_000).contains(&off), "n{node} of n{other}: {skew:?}");
    }
    world.jump(2, -5_000_000);
    world.run(2 * SECOND);
    let right = told(&world).into_iter().filter(|it| !it.3).map(|it| (it.0, it.1));
    assert_eq!(right.collect::<Vec<_>>(), [(0, 2), (1, 2), (2, 0), (2, 1)]);
    assert!(world.all_alive(), "a wrong clock convicts nobody");
}

#[test]
fn of_a_dead_peer_no_clock_is_known() {
    let mut world = World::founded(4, 3);
    world.jump(1, 9_000_000);
    world.run(2 * SECOND);
    world.kill(1);
    world.run(10 * SECOND);
    let peers = world.cluster(0).peers(world.now);
    let dead = peers.iter().find(|it| it.host_id == world.host(1)).unwrap();
    assert_eq!((dead.liveness, dead.skew_micros), (Liveness::Dead, None));
}
