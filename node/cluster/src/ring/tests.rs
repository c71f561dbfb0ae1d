//! Laws of rings and of token allocation.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::placement::replicas;
use model::schema::Replication;

fn founder(index: usize, dc: &str, rack: &str, num_tokens: u32) -> Founder {
    // Host ids that are not in the order of the indexes, as drawn ones are not.
    let id = (index as u128 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    let place = Place { dc: dc.to_owned(), rack: rack.to_owned() };
    Founder { host_id: HostId(Uuid::from_u128(id)), place, num_tokens }
}

/// The ring that founders get.
fn ring_of(founders: &[Founder]) -> Ring {
    let mut tokens = allocate(founders);
    let nodes: Vec<Node> = founders
        .iter()
        .map(|it| Node {
            host_id: it.host_id,
            peer_addr: String::new(),
            cql_addr: String::new(),
            client_addr: String::new(),
            dc: it.place.dc.clone(),
            rack: it.place.rack.clone(),
            tokens: tokens.remove(&it.host_id).unwrap(),
        })
        .collect();
    Ring::new(1, &nodes)
}

/// Largest share of data over the mean, when each range has `factor` replicas.
fn imbalance(ring: &Ring, replication: &Replication) -> f64 {
    let mut shares: BTreeMap<HostId, f64> = BTreeMap::new();
    for (range, _) in ring.ranges() {
        let width = range.end.0.wrapping_sub(range.start.0) as u64 as f64;
        for host in replicas(ring, replication, range.end) {
            *shares.entry(host).or_default() += width;
        }
    }
    let mean = shares.values().sum::<f64>() / ring.places().len() as f64;
    shares.values().fold(0.0, |max: f64, it| max.max(it / mean))
}

#[test]
fn every_node_owns_the_same_share() {
    for nodes in 1..=12 {
        for num_tokens in [1, 4, 16, 256] {
            let founders: Vec<_> =
                (0..nodes).map(|it| founder(it, "dc1", "rack1", num_tokens)).collect();
            for (host, share) in ring_of(&founders).ownership() {
                let mean = 1.0 / nodes as f64;
                assert!((share - mean).abs() < mean * 1e-9, "{nodes} nodes: {host} has {share}");
            }
        }
    }
}

#[test]
fn replicas_are_spread_evenly_too() {
    for nodes in 3..=12 {
        let founders: Vec<_> = (0..nodes).map(|it| founder(it, "dc1", "rack1", 16)).collect();
        let worst = imbalance(&ring_of(&founders), &Replication::Simple { factor: 3 });
        assert!(worst < 1.10, "{nodes} nodes: {worst}");
    }
    for racks in 3..=4 {
        for rack_size in 1..=4 {
            let founders: Vec<_> = (0..racks * rack_size)
                .map(|it| founder(it, "dc1", &format!("rack{}", it % racks), 16))
                .collect();
            let factors = BTreeMap::from([("dc1".to_owned(), 3)]);
            let worst = imbalance(&ring_of(&founders), &Replication::NetworkTopology(factors));
            assert!(worst < 1.15, "{racks} racks of {rack_size}: {worst}");
        }
    }
}

#[test]
fn each_data_center_is_balanced_by_itself() {
    let mut founders: Vec<_> = (0..5).map(|it| founder(it, "east", "rack1", 16)).collect();
    founders.extend((5..8).map(|it| founder(it, "west", "rack1", 16)));
    for dc in ["east", "west"] {
        let factors = BTreeMap::from([(dc.to_owned(), 1)]);
        let ring = ring_of(&founders);
        let mut shares: BTreeMap<HostId, f64> = BTreeMap::new();
        for (range, _) in ring.ranges() {
            let replication = Replication::NetworkTopology(factors.clone());
            let host = replicas(&ring, &replication, range.end)[0];
            let width = range.end.0.wrapping_sub(range.start.0) as u64 as f64;
            *shares.entry(host).or_default() += width;
        }
        let (low, high) = shares
            .values()
            .fold((f64::MAX, 0.0_f64), |(low, high), it| (low.min(*it), high.max(*it)));
        assert!(high / low < 1.01, "{dc}: {low} to {high}");
    }
}

#[test]
fn a_dead_nodes_load_falls_on_many() {
    let founders: Vec<_> = (0..9).map(|it| founder(it, "dc1", "rack1", 16)).collect();
    let ring = ring_of(&founders);
    let dead = founders[0].host_id;
    let heirs: BTreeSet<HostId> = ring
        .ranges()
        .filter(|(_, host)| *host == dead)
        .filter_map(|(range, _)| ring.walk(range.end).find(|host| *host != dead))
        .collect();
    assert!(4 <= heirs.len(), "{heirs:?}");
}

#[test]
fn more_tokens_are_a_larger_share() {
    let founders = [founder(0, "dc1", "r", 16), founder(1, "dc1", "r", 32)];
    let shares = ring_of(&founders).ownership();
    assert!((shares[&founders[1].host_id] - 2.0 / 3.0).abs() < 1e-6);
}

proptest! {
    #[test]
    fn allocation_does_not_depend_on_order(
        sizes in proptest::collection::vec((0_usize..3, 0_usize..3, 1_u32..20), 1..10),
        seed: u64,
    ) {
        let mut founders: Vec<_> = sizes
            .iter()
            .enumerate()
            .map(|(index, (dc, rack, tokens))| {
                founder(index, &format!("dc{dc}"), &format!("rack{rack}"), *tokens)
            })
            .collect();
        let tokens = allocate(&founders);
        sys::Rng::from_seed(seed).shuffle(&mut founders);
        prop_assert_eq!(&tokens, &allocate(&founders));
        let all: BTreeSet<Token> = tokens.values().flatten().copied().collect();
        prop_assert!(!all.contains(&Token::MIN));
        prop_assert_eq!(all.len(), tokens.values().map(Vec::len).sum::<usize>());
        for it in &founders {
            prop_assert_eq!(it.num_tokens as usize, tokens[&it.host_id].len());
        }
    }

    #[test]
    fn ranges_cover_each_token_once_and_name_its_primary(
        tokens in proptest::collection::btree_set(any::<i64>(), 1..20),
        token: i64,
    ) {
        let nodes: Vec<Node> = tokens
            .iter()
            .enumerate()
            .map(|(index, token)| Node {
                host_id: HostId(Uuid::from_u128(index as u128 % 5)),
                peer_addr: String::new(),
                cql_addr: String::new(),
                client_addr: String::new(),
                dc: String::new(),
                rack: String::new(),
                tokens: vec![Token(*token)],
            })
            .collect();
        let ring = Ring::new(1, &nodes);
        let owners: Vec<_> =
            ring.ranges().filter(|(range, _)| range.contains(Token(token))).collect();
        prop_assert_eq!(1, owners.len());
        prop_assert_eq!(Some(owners[0].1), ring.primary(Token(token)));
    }
}
