//! `system.local`, `system.peers`, `system.peers_v2`: who is there, and where.

use std::net::{IpAddr, SocketAddr};

use cql_lite::value::Value;
use xxhash_rust::xxh3::xxh3_128;

use super::{
    Definition, Record,
    kinds::{INET, INT, TEXT, TEXTS, UUID, UUID_MAP},
    text, texts,
};
use crate::{Catalog, NodeInfo};

/// What stock drivers switch on.
const RELEASE_VERSION: &str = "5.0.0";

pub(super) const TABLES: &[Definition] = &[
    Definition {
        name: "local",
        partition: &[("key", TEXT)],
        clustering: &[],
        regulars: &[
            ("bootstrapped", TEXT),
            ("broadcast_address", INET),
            ("broadcast_port", INT),
            ("cluster_name", TEXT),
            ("cql_version", TEXT),
            ("data_center", TEXT),
            ("gossip_generation", INT),
            ("helenus_version", TEXT),
            ("host_id", UUID),
            ("listen_address", INET),
            ("listen_port", INT),
            ("native_protocol_version", TEXT),
            ("partitioner", TEXT),
            ("rack", TEXT),
            ("release_version", TEXT),
            ("rpc_address", INET),
            ("rpc_port", INT),
            ("schema_version", UUID),
            ("tokens", TEXTS),
            ("truncated_at", UUID_MAP),
        ],
    },
    Definition {
        name: "peers",
        partition: &[("peer", INET)],
        clustering: &[],
        regulars: &[
            ("data_center", TEXT),
            ("host_id", UUID),
            ("preferred_ip", INET),
            ("rack", TEXT),
            ("release_version", TEXT),
            ("rpc_address", INET),
            ("schema_version", UUID),
            ("tokens", TEXTS),
        ],
    },
    Definition {
        name: "peers_v2",
        partition: &[("peer", INET)],
        clustering: &[("peer_port", INT)],
        regulars: &[
            ("data_center", TEXT),
            ("host_id", UUID),
            ("native_address", INET),
            ("native_port", INT),
            ("preferred_ip", INET),
            ("preferred_port", INT),
            ("rack", TEXT),
            ("release_version", TEXT),
            ("schema_version", UUID),
            ("tokens", TEXTS),
        ],
    },
];

pub(super) fn local(catalog: &dyn Catalog) -> Vec<Record> {
    let nodes = catalog.nodes();
    let Some(node) = nodes.first() else { return Vec::new() };
    let peer = peer_of(node);
    let mut record = of_node(node, catalog);
    record.extend([
        ("key", text("local")),
        ("bootstrapped", text("COMPLETED")),
        ("broadcast_address", Value::Inet(peer.ip())),
        ("broadcast_port", port(peer)),
        ("cluster_name", text(&catalog.cluster_name())),
        ("cql_version", text("3.4.7")),
        ("helenus_version", text(env!("CARGO_PKG_VERSION"))),
        ("listen_address", Value::Inet(peer.ip())),
        ("listen_port", port(peer)),
        ("native_protocol_version", text("5")),
        ("partitioner", text("org.apache.cassandra.dht.Murmur3Partitioner")),
        ("rpc_address", Value::Inet(node.cql.ip())),
        ("rpc_port", port(node.cql)),
    ]);
    vec![record]
}

pub(super) fn peers(catalog: &dyn Catalog) -> Vec<Record> {
    // Several nodes of one address, as on one machine, would be one row: the first one stays.
    let mut seen: Vec<IpAddr> = Vec::new();
    let mut records = Vec::new();
    for node in catalog.nodes().iter().skip(1) {
        let ip = peer_of(node).ip();
        if !seen.contains(&ip) {
            seen.push(ip);
            let mut record = of_node(node, catalog);
            record.insert("peer", Value::Inet(ip));
            record.insert("rpc_address", Value::Inet(node.cql.ip()));
            records.push(record);
        }
    }
    records
}

pub(super) fn peers_v2(catalog: &dyn Catalog) -> Vec<Record> {
    let record = |node: &NodeInfo| {
        let peer = peer_of(node);
        let mut record = of_node(node, catalog);
        record.extend([
            ("peer", Value::Inet(peer.ip())),
            ("peer_port", port(peer)),
            ("native_address", Value::Inet(node.cql.ip())),
            ("native_port", port(node.cql)),
        ]);
        record
    };
    catalog.nodes().iter().skip(1).map(record).collect()
}

/// Where peers reach a node. One that goes by its name among them is told apart by where clients
/// reach it.
fn peer_of(node: &NodeInfo) -> SocketAddr {
    if node.peer.ip().is_unspecified() { node.cql } else { node.peer }
}

fn port(address: SocketAddr) -> Value {
    Value::Int(address.port().into())
}

fn of_node(node: &NodeInfo, catalog: &dyn Catalog) -> Record {
    let epoch = catalog.schema().epoch.to_be_bytes();
    // Every node that knows this epoch says the same, and a change is answered once all do.
    let version = uuid::Builder::from_random_bytes(xxh3_128(&epoch).to_be_bytes()).into_uuid();
    let mut tokens: Vec<String> = node.tokens.iter().map(|it| it.0.to_string()).collect();
    tokens.sort_unstable();
    Record::from([
        ("data_center", text(&node.dc)),
        ("host_id", Value::Uuid(node.host.0)),
        ("rack", text(&node.rack)),
        ("release_version", text(RELEASE_VERSION)),
        ("schema_version", Value::Uuid(version)),
        ("tokens", texts(tokens.iter().map(String::as_str))),
    ])
}
