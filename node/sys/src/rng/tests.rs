//! The generator: a seed determines it, and its helpers stay in their ranges.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Rng, SharedRng};

proptest! {
    #[test]
    fn a_seed_determines_every_draw(seed: u64, limit: u64) {
        let draw = || {
            let mut rng = Rng::from_seed(seed);
            let mut bytes = [0; 7];
            rng.fill(&mut bytes);
            let fork = rng.fork().next_u64();
            (rng.next_u64(), rng.below(limit), rng.chance(0.5), bytes, fork, rng.uuid_v4())
        };
        prop_assert_eq!(draw(), draw());
    }

    #[test]
    fn below_stays_below(seed: u64, limit in 1..u64::MAX) {
        prop_assert!(Rng::from_seed(seed).below(limit) < limit);
    }

    #[test]
    fn shuffle_keeps_every_item(seed: u64, mut items: Vec<u8>) {
        let mut sorted = items.clone();
        Rng::from_seed(seed).shuffle(&mut items);
        items.sort_unstable();
        sorted.sort_unstable();
        prop_assert_eq!(items, sorted);
    }
}

#[test]
fn edges_do_not_panic() {
    let mut rng = Rng::from_seed(1);
    assert_eq!(rng.below(0), 0);
    assert_eq!(rng.below(1), 0);
    for _ in 0..100 {
        assert!(!rng.chance(0.0) && !rng.chance(f64::NAN) && !rng.chance(-1.0));
        assert!(rng.chance(1.0) && rng.chance(7.0));
    }
    rng.shuffle::<u8>(&mut []);
}

#[test]
fn shuffle_reaches_every_order() {
    let mut rng = Rng::from_seed(3);
    let orders: BTreeSet<[u8; 3]> = (0..200)
        .map(|_| {
            let mut items = [1, 2, 3];
            rng.shuffle(&mut items);
            items
        })
        .collect();
    assert_eq!(orders.len(), 6);
}

#[test]
fn uuids_are_version_4() {
    let uuid = Rng::from_os().uuid_v4();
    assert_eq!(uuid.get_version_num(), 4);
    assert_eq!(uuid.get_variant(), uuid::Variant::RFC4122);
}

#[test]
fn clones_of_a_shared_generator_share_its_state() {
    let (shared, mut alone) = (SharedRng::from_seed(9), Rng::from_seed(9));
    let other = shared.clone();
    let drawn = [shared.next_u64(), other.next_u64(), shared.next_u64()];
    assert_eq!(drawn, [alone.next_u64(), alone.next_u64(), alone.next_u64()]);
}
