//! Hash order: the seed's, and nothing else's.

use super::{HashMap, SeededState, set_hash_seed};

fn order(seed: u64) -> Vec<u32> {
    let mut map = HashMap::with_hasher(SeededState::with_seed(seed));
    map.extend((0..100).map(|key| (key, ())));
    map.into_keys().collect()
}

#[test]
fn the_same_seed_gives_the_same_order() {
    assert_eq!(order(5), order(5));
}

#[test]
fn another_seed_gives_another_order() {
    assert_ne!(order(5), order(6));
}

#[test]
fn new_maps_take_the_process_seed() {
    set_hash_seed(5);
    let mut map: HashMap<u32, ()> = HashMap::default();
    map.extend((0..100).map(|key| (key, ())));
    assert_eq!(map.into_keys().collect::<Vec<_>>(), order(5));
}
