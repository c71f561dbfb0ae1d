//! The cluster as a coordinator must know it.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::BoxFuture;
use model::{HostId, Schema};

/// What this node knows of the cluster right now.
pub trait View: Send + Sync + 'static {
    /// This node.
    fn local(&self) -> HostId;

    /// Whether `host` is believed to be alive. This node is.
    fn is_alive(&self, host: HostId) -> bool;

    /// Schema and topology at one epoch.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// Resolves once the snapshot has reached `epoch`. May take forever: callers have a deadline.
    fn catch_up(&self, epoch: u64) -> BoxFuture<'_, ()>;
}

/// Schema and topology at one epoch: made once for each epoch, shared by all requests.
#[derive(Debug)]
pub struct Snapshot {
    epoch: u64,
    schema: Arc<Schema>,
    places: BTreeMap<HostId, Place>,
}

/// Where a node stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its data center.
    pub dc: String,
    /// Its rack.
    pub rack: String,
}

impl Snapshot {
    /// Which epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The tables.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Every node of the cluster, in host order.
    pub fn hosts(&self) -> impl Iterator<Item = HostId> {
        self.places.keys().copied()
    }
}
