//! What the cluster looks like: nodes, their tokens, keyspaces and tables; and who holds what.

use std::collections::{BTreeMap, BTreeSet};

use cql_lite::types::CqlType;
use proto::client as wire;

/// The cluster at one epoch, as a node told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology {
    /// Position in the metadata log. Liveness changes without it.
    pub epoch: u64,
    /// Every node, by host id.
    pub nodes: Vec<Node>,
    /// Keyspaces by name.
    pub keyspaces: BTreeMap<String, Keyspace>,
    /// Every token and the index of the node it belongs to, in order of tokens.
    ring: Vec<(i64, usize)>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Who it is, for ever.
    pub host_id: Vec<u8>,
    /// Where clients reach it: `host:port`.
    pub client_addr: String,
    /// Its data center.
    pub dc: String,
    /// Its rack.
    pub rack: String,
    /// Whether the node that told us believes it alive.
    pub alive: bool,
}

/// A keyspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyspace {
    /// Tables by name.
    pub tables: BTreeMap<String, Table>,
    /// How replicas are chosen.
    placement: Placement,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Columns: of the partition key, clustering, static, regular.
    pub columns: Vec<TableColumn>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type, as `CqlType::in_full` writes it.
    pub cql_type: String,
    /// `partition`, `clustering`, `static` or `regular`.
    pub kind: String,
}

impl TableColumn {
    /// The type, if this client knows it.
    pub fn known_type(&self) -> Option<CqlType> {
        CqlType::parse(&self.cql_type).ok()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Placement {
    /// The next copies around the ring.
    Simple { copies: usize },
    /// So many copies in each data center, on distinct racks where there are enough.
    PerDataCenter(BTreeMap<String, usize>),
}

impl Topology {
    /// The indexes of the nodes that hold `token` in `keyspace`, the first around the ring first;
    /// none where the keyspace is not known.
    pub(crate) fn replicas(&self, keyspace: &str, token: i64) -> Vec<usize> {
        let Some(keyspace) = self.keyspaces.get(keyspace) else { return Vec::new() };
        match &keyspace.placement {
            Placement::Simple { copies } => self.simple(token, *copies),
            Placement::PerDataCenter(copies) => self.per_data_center(token, copies),
        }
    }

    /// Every node once, in the order in which the ring meets them from `token` on.
    fn walk(&self, token: i64) -> impl Iterator<Item = usize> {
        let start = self.ring.partition_point(|(at, _)| *at < token);
        let mut seen = BTreeSet::new();
        let around = self.ring[start..].iter().chain(&self.ring[..start]);
        around.map(|(_, node)| *node).filter(move |node| seen.insert(*node))
    }

    fn simple(&self, token: i64, copies: usize) -> Vec<usize> {
        self.walk(token).take(copies).collect()
    }

    /// As Cassandra's NetworkTopologyStrategy: a rack is used again only once each has one.
    fn per_data_center(&self, token: i64, copies: &BTreeMap<String, usize>) -> Vec<usize> {
        let mut racks: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut population: BTreeMap<&str, usize> = BTreeMap::new();
        for node in &self.nodes {
            racks.entry(&node.dc).or_default().insert(&node.rack);
            *population.entry(&node.dc).or_default() += 1;
        }
        let mut centers: BTreeMap<&str, Center> = copies
            .iter()
            .filter_map(|(dc, copies)| {
                let dc = dc.as_str();
                let wanted = (*copies).min(*population.get(dc)?);
                let repeats = wanted.saturating_sub(racks.get(dc)?.len());
                Some((dc, Center { wanted, repeats, racks_used: BTreeSet::new() }))
            })
            .collect();
        let mut chosen = Vec::new();
        for node in self.walk(token) {
            let Node { dc, rack, .. } = &self.nodes[node];
            if centers.get_mut(dc.as_str()).is_some_and(|center| center.takes(rack)) {
                chosen.push(node);
            }
            if centers.values().all(|center| center.wanted == 0) {
                break;
            }
        }
        chosen
    }
}

/// What a data center still lacks while its replicas are chosen.
struct Center<'t> {
    wanted: usize,
    /// How often a rack may be used again.
    repeats: usize,
    racks_used: BTreeSet<&'t str>,
}

impl<'t> Center<'t> {
    fn takes(&mut self, rack: &'t str) -> bool {
        if self.wanted == 0 {
            return false;
        }
        if !self.racks_used.insert(rack) {
            if self.repeats == 0 {
                return false;
            }
            self.repeats -= 1;
        }
        self.wanted -= 1;
        true
    }
}

impl From<wire::Topology> for Topology {
    fn from(wire: wire::Topology) -> Topology {
        let mut nodes = wire.nodes;
        nodes.sort_by(|a, b| a.host_id.cmp(&b.host_id));
        let mut ring: Vec<(i64, usize)> = nodes
            .iter()
            .enumerate()
            .flat_map(|(at, node)| node.tokens.iter().map(move |token| (*token, at)))
            .collect();
        ring.sort_unstable();
        Topology {
            epoch: wire.epoch,
            nodes: nodes.into_iter().map(Node::from).collect(),
            keyspaces: wire
                .keyspaces
                .into_iter()
                .map(|keyspace| (keyspace.name.clone(), Keyspace::from(keyspace)))
                .collect(),
            ring,
        }
    }
}

impl From<wire::NodeInfo> for Node {
    fn from(wire: wire::NodeInfo) -> Node {
        Node {
            host_id: wire.host_id.to_vec(),
            client_addr: wire.client_addr,
            dc: wire.dc,
            rack: wire.rack,
            alive: wire.alive,
        }
    }
}

impl From<wire::KeyspaceInfo> for Keyspace {
    fn from(wire: wire::KeyspaceInfo) -> Keyspace {
        let copies: BTreeMap<String, usize> =
            wire.factors.into_iter().map(|(dc, copies)| (dc, copies as usize)).collect();
        let placement = if wire.strategy.ends_with("SimpleStrategy") {
            Placement::Simple { copies: copies.get("replication_factor").copied().unwrap_or(1) }
        } else {
            Placement::PerDataCenter(copies)
        };
        let table = |table: wire::TableInfo| {
            let columns = table.columns.into_iter().map(|column| TableColumn {
                name: column.name,
                cql_type: column.cql_type,
                kind: column.kind,
            });
            (table.name, Table { columns: columns.collect() })
        };
        Keyspace { tables: wire.tables.into_iter().map(table).collect(), placement }
    }
}
