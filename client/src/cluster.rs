//! The map of the cluster: which links there are, and who is behind each.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::sync::{mpsc, watch};

use crate::link::{Dial, Event, Link};
use crate::session::ServerInfo;
use crate::topology::Topology;

/// What is known at one moment. Readers take a copy of the `Arc` and keep it for a request.
#[derive(Clone, Default)]
pub(crate) struct Cluster {
    /// None until a node has told.
    pub(crate) topology: Option<Arc<Topology>>,
    /// Every link, by address.
    pub(crate) links: BTreeMap<String, Arc<Link>>,
    /// The host id behind each address that has answered once.
    hosts: BTreeMap<String, Vec<u8>>,
    /// Why an address could not be reached when it was last tried.
    pub(crate) failures: BTreeMap<String, String>,
    /// The node that answered last.
    pub(crate) server: Option<ServerInfo>,
}

impl Cluster {
    /// The link to a node: by the address it advertises if that works, else by any other.
    pub(crate) fn link_to(&self, node: usize) -> Option<&Arc<Link>> {
        let node = self.topology.as_ref()?.nodes.get(node)?;
        if let Some(link) = self.links.get(&node.client_addr).filter(|link| link.is_up()) {
            return Some(link);
        }
        let others = self.hosts.iter().filter(|(_, host)| **host == node.host_id);
        others.filter_map(|(address, _)| self.links.get(address)).find(|link| link.is_up())
    }

    /// Whether statements can be sent and routed.
    pub(crate) fn is_ready(&self) -> bool {
        self.topology.is_some() && self.links.values().any(|link| link.is_up())
    }
}

/// Keeps the map: folds what happens on links into it, and opens and closes links as nodes come
/// and go. Ends with the session.
pub(crate) struct Keeper {
    pub(crate) contacts: BTreeSet<String>,
    pub(crate) dial: Dial,
    pub(crate) rng: SmallRng,
    pub(crate) map: watch::Sender<Arc<Cluster>>,
}

impl Keeper {
    pub(crate) async fn run(mut self, mut events: mpsc::Receiver<Event>) {
        let mut cluster = Cluster::default();
        self.open_and_close(&mut cluster);
        self.map.send_replace(Arc::new(cluster.clone()));
        while let Some(event) = events.recv().await {
            if self.on_event(&mut cluster, event) {
                self.map.send_replace(Arc::new(cluster.clone()));
            }
        }
    }

    /// Folds one event into the map; tells whether anything changed.
    fn on_event(&mut self, cluster: &mut Cluster, event: Event) -> bool {
        match event {
            Event::Up { address, hello } => {
                tracing::debug!(address, cluster = hello.cluster_name, "connected");
                cluster.failures.remove(&address);
                cluster.hosts.insert(address.clone(), hello.host_id.to_vec());
                cluster.server = Some(ServerInfo {
                    address,
                    version: hello.server_version,
                    cluster_name: hello.cluster_name,
                });
                true
            }
            Event::Failed { address, reason } => {
                cluster.failures.insert(address, reason);
                true
            }
            Event::Topology(topology) => {
                let stale =
                    |known: &Arc<Topology>| topology.epoch < known.epoch || **known == *topology;
                if cluster.topology.as_ref().is_some_and(stale) {
                    return false;
                }
                cluster.topology = Some(Arc::from(topology));
                self.open_and_close(cluster);
                true
            }
        }
    }

    /// One link for each contact point and for each node of the topology.
    fn open_and_close(&mut self, cluster: &mut Cluster) {
        let mut wanted = self.contacts.clone();
        if let Some(topology) = &cluster.topology {
            let advertised = topology.nodes.iter().map(|node| node.client_addr.clone());
            wanted.extend(advertised.filter(|address| !address.is_empty()));
        }
        cluster.links.retain(|address, _| wanted.contains(address));
        cluster.hosts.retain(|address, _| wanted.contains(address));
        cluster.failures.retain(|address, _| wanted.contains(address));
        for address in wanted {
            if let Entry::Vacant(place) = cluster.links.entry(address) {
                let link = Link::open(place.key().clone(), self.dial.clone(), self.rng.random());
                place.insert(Arc::new(link));
            }
        }
    }
}
