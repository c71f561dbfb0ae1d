//! The parts that decide: tokens, replicas, stamps, the retry budget, the cache.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::Stuck;
use crate::chance::generator;
use crate::fake::{node_info, wire};
use crate::prepared::{CACHED_MAX, Cache, Plan, Prepared};
use crate::retry::{self, Budget};
use crate::stamp::Stamps;
use crate::token::{partition_key, token};
use crate::topology::Topology;

#[test]
fn tokens_are_those_of_stock_drivers() {
    let vectors: [(&[u8], i64); 8] = [
        (b"test", -6017608668500074083),
        ("kremówki".as_bytes(), 4354931215268080151),
        (&[0, 0, 0, 1], -4069959284402364209),
        (&[0xff; 4], 7297452126230313552),
        (&[0x80], -5284281814142962636),
        (&[0, 0, 0, 0, 0, 0, 0, 0x7f, 0x80], 8828351371702667477),
        (&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], -5563837382979743776),
        (&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0xff], -5612740317901377701),
    ];
    for (key, expected) in vectors {
        assert_eq!(token(key), expected, "{key:02x?}");
    }
    let long: Vec<u8> = (0xa0..=0xbe).collect();
    assert_eq!(token(&long), 3712717901644621844);
}

#[test]
fn a_key_of_several_columns_is_framed_and_one_is_bare() {
    let key = |columns: &[&[u8]]| partition_key(columns.iter().copied());
    assert_eq!(key(&[b"ab"]).unwrap(), b"ab");
    assert_eq!(key(&[b"ab", b""]).unwrap(), b"\0\x02ab\0\0\0\0");
    assert_eq!(key(&[&[0; 70_000], b""]), None);
}

fn topology(strategy: &str, factors: &[(&str, u32)], nodes: &[(&str, &str, &[i64])]) -> Topology {
    let nodes = nodes.iter().map(|(name, rack, tokens)| wire::NodeInfo {
        rack: (*rack).to_owned(),
        ..node_info(name, tokens)
    });
    let keyspace = wire::KeyspaceInfo {
        name: "ks".to_owned(),
        strategy: strategy.to_owned(),
        factors: factors.iter().map(|(dc, copies)| ((*dc).to_owned(), *copies)).collect(),
        tables: Vec::new(),
    };
    Topology::from(wire::Topology { epoch: 1, nodes: nodes.collect(), keyspaces: vec![keyspace] })
}

#[test]
fn simple_replicas_follow_around_the_ring() {
    let ring: [(&str, &str, &[i64]); 3] =
        [("a", "r", &[-10, 10]), ("b", "r", &[-5, 20]), ("c", "r", &[0])];
    let topology = topology("SimpleStrategy", &[("replication_factor", 2)], &ring);
    assert_eq!(topology.replicas("ks", -10), [0, 1]);
    assert_eq!(topology.replicas("ks", -9), [1, 2]);
    assert_eq!(topology.replicas("ks", 1), [0, 1]);
    assert_eq!(topology.replicas("ks", 21), [0, 1], "around the end");
    assert_eq!(topology.replicas("other", 1), [0; 0]);
}

#[test]
fn replicas_of_a_data_center_spread_over_racks() {
    let ring: [(&str, &str, &[i64]); 4] =
        [("a", "r1", &[0]), ("b", "r1", &[1]), ("c", "r2", &[2]), ("d", "r1", &[3])];
    let nts = |copies| topology("NetworkTopologyStrategy", &[("dc1", copies)], &ring);
    assert_eq!(nts(2).replicas("ks", 0), [0, 2]);
    assert_eq!(nts(3).replicas("ks", 0), [0, 1, 2], "one rack is used again");
    assert_eq!(nts(9).replicas("ks", 0), [0, 1, 2, 3], "no more than there are");
    let elsewhere = topology("NetworkTopologyStrategy", &[("dc9", 3)], &ring);
    assert_eq!(elsewhere.replicas("ks", 0), [0; 0]);
}

proptest! {
    #[test]
    fn replicas_are_distinct_and_as_many_as_asked(
        tokens in proptest::collection::vec(any::<i64>(), 1..40),
        copies in 1_u32..6,
        at in any::<i64>(),
    ) {
        let names: Vec<String> = (0..tokens.len().div_ceil(2)).map(|n| format!("n{n}")).collect();
        let racks = ["r1", "r2", "r3"];
        let nodes: Vec<(&str, &str, &[i64])> = tokens
            .chunks(2)
            .zip(&names)
            .enumerate()
            .map(|(n, (tokens, name))| (name.as_str(), racks[n % 3], tokens))
            .collect();
        let simple = topology("SimpleStrategy", &[("replication_factor", copies)], &nodes);
        let racked = topology("NetworkTopologyStrategy", &[("dc1", copies)], &nodes);
        for topology in [simple, racked] {
            let replicas = topology.replicas("ks", at);
            let distinct: BTreeSet<usize> = replicas.iter().copied().collect();
            prop_assert_eq!(distinct.len(), replicas.len());
            prop_assert_eq!(replicas.len(), nodes.len().min(copies as usize));
        }
    }

    #[test]
    fn pauses_stay_within_their_bounds(seed in any::<u64>()) {
        let mut rng = generator(seed);
        let mut last = None;
        for _ in 0..20 {
            let pause = retry::pause(last, &mut rng);
            prop_assert!((10..=1000).contains(&pause.as_millis()), "{:?}", pause);
            last = Some(pause);
        }
    }
}

#[test]
fn stamps_ascend_though_the_clock_stands_still() {
    let stamps = Stamps::new(Arc::new(Stuck));
    assert_eq!([stamps.next(1), stamps.next(3), stamps.next(1)], [7, 8, 11]);
}

#[test]
fn retries_are_a_tenth_of_the_requests_after_a_burst() {
    let mut budget = Budget::new();
    let burst = (0..100).filter(|_| budget.spend()).count();
    assert_eq!(burst, 10);
    let later = (0..100)
        .filter(|_| {
            budget.earn();
            budget.spend()
        })
        .count();
    assert_eq!(later, 10);
}

#[test]
fn the_cache_forgets_what_was_unused_for_longest() {
    let mut cache = Cache::default();
    let prepared = |text: &str| {
        let plan = Plan::from(wire::Prepared::default());
        Prepared::new(text, "ks", plan)
    };
    for n in 0..CACHED_MAX {
        cache.insert(prepared(&n.to_string()));
    }
    assert!(cache.get("ks", "0").is_some());
    assert!(cache.get("other", "0").is_none());
    cache.insert(prepared("one more"));
    assert!(cache.get("ks", "0").is_some(), "used just now");
    assert!(cache.get("ks", "1").is_none(), "the oldest");
    assert!(cache.get("ks", "one more").is_some());
}
