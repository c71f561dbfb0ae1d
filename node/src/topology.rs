//! The clients' picture of the cluster: ring, nodes and tables.

use std::{collections::BTreeMap, sync::Arc};

use proto::client;
use tokio::sync::watch;

use crate::{catalog::ClusterCatalog, cluster_driver::Published};

/// Keeps the clients' picture of the cluster up to date.
pub(crate) async fn follow(
    catalog: Arc<ClusterCatalog>,
    published: Published,
    topology: watch::Sender<client::Topology>,
) {
    let (mut metadata, mut alive) = (published.metadata, published.alive);
    loop {
        tokio::select! {
            biased;
            changed = metadata.changed() => if changed.is_err() { return },
            changed = alive.changed() => if changed.is_err() { return },
        }
        topology.send_replace(picture(&catalog));
    }
}

pub(crate) fn picture(catalog: &ClusterCatalog) -> client::Topology {
    let metadata = catalog.metadata();
    let nodes = metadata.nodes.values().map(|node| client::NodeInfo {
        host_id: bytes::Bytes::copy_from_slice(node.host_id.0.as_bytes()),
        client_addr: node.client_addr.clone(),
        cql_addr: node.cql_addr.clone(),
        dc: node.dc.clone(),
        rack: node.rack.clone(),
        tokens: node.tokens.iter().map(|it| it.0).collect(),
        alive: catalog.hears(node.host_id),
    });
    let keyspaces = metadata.schema.keyspaces.values().map(|it| keyspace_info(it));
    client::Topology {
        epoch: metadata.epoch,
        nodes: nodes.collect(),
        keyspaces: keyspaces.collect(),
    }
}

fn keyspace_info(keyspace: &model::Keyspace) -> client::KeyspaceInfo {
    use model::schema::{ColumnKind, Replication};
    let (strategy, factors) = match &keyspace.replication {
        Replication::Simple { factor } => {
            let factors = [("replication_factor".to_owned(), *factor)];
            ("SimpleStrategy", BTreeMap::from(factors))
        }
        Replication::NetworkTopology(factors) => ("NetworkTopologyStrategy", factors.clone()),
    };
    let column = |it: &model::schema::Column| client::ColumnInfo {
        name: it.name.clone(),
        cql_type: it.cql_type.in_full(),
        kind: match it.kind {
            ColumnKind::Partition => "partition",
            ColumnKind::Clustering(_) => "clustering",
            ColumnKind::Static => "static",
            ColumnKind::Regular => "regular",
        }
        .into(),
    };
    let table = |it: &Arc<model::Table>| client::TableInfo {
        name: it.name.clone(),
        columns: it.columns().map(column).collect(),
    };
    client::KeyspaceInfo {
        name: keyspace.name.clone(),
        strategy: strategy.into(),
        factors: factors.into_iter().collect(),
        tables: keyspace.tables.values().map(table).collect(),
    }
}
