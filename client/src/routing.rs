//! Which node to ask first, and whom next.

use std::sync::Arc;

use crate::cluster::Cluster;
use crate::link::Link;
use crate::token;

/// Where a statement's partition lies.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) keyspace: String,
    pub(crate) token: i64,
}

impl Target {
    /// The place of a partition whose key columns have these bytes.
    pub(crate) fn of<'v>(
        keyspace: &str,
        columns: impl ExactSizeIterator<Item = &'v [u8]>,
    ) -> Option<Target> {
        let key = token::partition_key(columns)?;
        Some(Target { keyspace: keyspace.to_owned(), token: token::token(&key) })
    }
}

/// The nodes to try, in order: the replicas, then all others; those believed dead last. `turn`
/// rotates among equals, so that load spreads.
pub(crate) fn candidates(
    cluster: &Cluster,
    target: Option<&Target>,
    turn: usize,
) -> Vec<Arc<Link>> {
    let mut order: Vec<&Arc<Link>> = Vec::new();
    if let Some(topology) = &cluster.topology {
        let replicas = target
            .map(|target| topology.replicas(&target.keyspace, target.token))
            .unwrap_or_default();
        let others = (0..topology.nodes.len()).filter(|node| !replicas.contains(node)).collect();
        for group in [replicas, others] {
            let (mut alive, mut dead): (Vec<usize>, Vec<usize>) =
                group.into_iter().partition(|node| topology.nodes[*node].alive);
            rotate(&mut alive, turn);
            rotate(&mut dead, turn);
            order.extend(alive.into_iter().chain(dead).filter_map(|node| cluster.link_to(node)));
        }
    }
    if order.is_empty() {
        // No topology, or all its addresses are out of reach: whoever answered to a contact point.
        order = cluster.links.values().filter(|link| link.is_up()).collect();
        rotate(&mut order, turn);
    }
    order.into_iter().cloned().collect()
}

fn rotate<T>(group: &mut [T], turn: usize) {
    if !group.is_empty() {
        group.rotate_left(turn % group.len());
    }
}
