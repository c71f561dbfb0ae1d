//! Placement against a restatement of the rules, and as tables that one can read.

use std::{collections::BTreeSet, error::Error, fmt::Write as _, path::Path};

use proptest::prelude::*;
use test_each_file::test_each_path;
use uuid::Uuid;

use super::*;
use crate::ring::Node;

test_each_path! { in "node/cluster/goldens/placement" as golden => run }

fn run(path: &Path) {
    goldenscript::run(&mut Runner::default(), path).expect("golden");
}

#[derive(Default)]
struct Runner {
    nodes: BTreeMap<String, Node>,
}

#[derive(goldenscript::Command)]
enum Command {
    /// Adds a node: `node a dc1 rack1 -10 20`.
    Node(String, String, String, Vec<i64>),
    /// Prints the replicas of every range: `simple 3`.
    Simple(u32),
    /// Prints the replicas of every range: `topology dc1 3 dc2 1`.
    Topology(Vec<String>),
}

fn host(name: &str) -> HostId {
    HostId(Uuid::from_u128(u128::from(name.as_bytes()[0])))
}

fn node(name: &str, dc: &str, rack: &str, tokens: &[i64]) -> Node {
    Node {
        host_id: host(name),
        peer_addr: String::new(),
        cql_addr: String::new(),
        client_addr: String::new(),
        dc: dc.to_owned(),
        rack: rack.to_owned(),
        tokens: tokens.iter().map(|it| Token(*it)).collect(),
    }
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(
        &mut self,
        command: &Command,
        _: &goldenscript::Context,
    ) -> Result<String, Box<dyn Error>> {
        let replication = match command {
            Command::Node(name, dc, rack, tokens) => {
                self.nodes.insert(name.clone(), node(name, dc, rack, tokens));
                return Ok(String::new());
            }
            Command::Simple(factor) => Replication::Simple { factor: *factor },
            Command::Topology(factors) => {
                let mut map = BTreeMap::new();
                for pair in factors.chunks(2) {
                    let [dc, factor] = pair else { return Err("topology DC FACTOR …".into()) };
                    map.insert(dc.clone(), factor.parse()?);
                }
                Replication::NetworkTopology(map)
            }
        };
        let ring = Ring::new(1, self.nodes.values());
        let mut out = String::new();
        for (range, hosts) in Placement::new(&ring, &replication).ranges() {
            let name = |it: &HostId| {
                let name = self.nodes.iter().find(|(_, node)| node.host_id == *it);
                name.map_or("?", |(name, _)| name.as_str())
            };
            let names: Vec<&str> = hosts.iter().map(name).collect();
            let (start, end) = (range.start.0, range.end.0);
            writeln!(out, "({start:>4}, {end:>4}] → {}", names.join(" "))?;
        }
        Ok(out)
    }
}

/// The rules once more, in another shape: all nodes of a data center in the order in which they are
/// met, then the first of each rack and the first others, as many as are wanted, in that order.
fn restated(ring: &Ring, replication: &Replication, token: Token) -> Vec<HostId> {
    let mut met = Vec::new();
    for host in ring.walk(token) {
        if !met.contains(&host) {
            met.push(host);
        }
    }
    let factors = match replication {
        Replication::Simple { factor } => {
            met.truncate(*factor as usize);
            return met;
        }
        Replication::NetworkTopology(factors) => factors,
    };
    let mut taken = BTreeSet::new();
    for (dc, factor) in factors {
        let local: Vec<HostId> =
            met.iter().copied().filter(|it| ring.places()[it].dc == *dc).collect();
        let racks: BTreeSet<&str> =
            local.iter().map(|it| ring.places()[it].rack.as_str()).collect();
        let rack = |it: &HostId| ring.places()[it].rack.as_str();
        let is_first =
            |index: usize| local[..index].iter().all(|before| rack(before) != rack(&local[index]));
        let repeats = (*factor as usize).saturating_sub(racks.len());
        let (first, other): (Vec<usize>, Vec<usize>) =
            (0..local.len()).partition(|index| is_first(*index));
        let mut wanted: Vec<usize> =
            first.into_iter().chain(other.into_iter().take(repeats)).collect();
        wanted.sort_unstable();
        taken.extend(wanted.into_iter().take(*factor as usize).map(|index| local[index]));
    }
    met.retain(|host| taken.contains(host));
    met
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let node = (0_usize..3, 0_usize..3, proptest::collection::vec(-60_i64..60, 1..5));
    proptest::collection::vec(node, 1..9).prop_map(|nodes| {
        let nodes = nodes.into_iter().enumerate();
        nodes
            .map(|(index, (dc, rack, tokens))| {
                let name = char::from(b'a' + index as u8).to_string();
                node_of(&name, dc, rack, &tokens, index)
            })
            .collect()
    })
}

/// Tokens of different nodes differ.
fn node_of(name: &str, dc: usize, rack: usize, tokens: &[i64], index: usize) -> Node {
    let tokens: Vec<i64> = tokens.iter().map(|it| it * 16 + index as i64).collect();
    node(name, &format!("dc{dc}"), &format!("rack{rack}"), &tokens)
}

proptest! {
    #[test]
    fn replicas_follow_the_rules(
        nodes in nodes(),
        simple in 1_u32..6,
        factors in proptest::collection::btree_map("dc[0-2]", 0_u32..6, 0..4),
        token in -1_000_i64..1_000,
    ) {
        let ring = Ring::new(1, &nodes);
        let (simple, topology) =
            (Replication::Simple { factor: simple }, Replication::NetworkTopology(factors));
        for replication in [simple, topology] {
            let expected = restated(&ring, &replication, Token(token));
            prop_assert_eq!(&expected, &replicas(&ring, &replication, Token(token)));
            let placement = Placement::new(&ring, &replication);
            prop_assert_eq!(&expected, placement.replicas(Token(token)));
            let scan = placement.scan_ranges();
            let at: Vec<_> =
                scan.iter().filter(|(range, _)| range.contains(Token(token))).collect();
            prop_assert_eq!(1, at.len());
            prop_assert_eq!(&expected[..], &at[0].1[..]);
            prop_assert!(scan.iter().all(|(range, _)| range.start < range.end));
        }
    }
}
