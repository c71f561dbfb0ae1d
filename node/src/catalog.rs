//! Schema, ring and peers, as `query` and `coordinator` want them.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use cluster::{Change, Metadata, Outcome, Refused};
use coordinator::{
    replica::{Call, Replica, Request, Response},
    view::{Snapshot, View},
};
use futures_util::{
    FutureExt,
    future::{BoxFuture, join_all},
};
use model::{HostId, Partition, Schema, read::Command};
use query::{Catalog, NodeInfo, SchemaChange, catalog};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    cluster_driver::{Input, Published},
    rpc::peers::WeakPeers,
};

/// How much longer than its deadline a proposal's outcome is waited for.
const OUTCOME_GRACE: Duration = Duration::from_secs(1);

/// How long a peer that is thought alive may take to learn of a change, before its statement is
/// answered without it.
const AGREEMENT_TIMEOUT: Duration = Duration::from_secs(2);

/// Before a peer that could not be asked is asked again.
const AGREEMENT_PAUSE: Duration = Duration::from_millis(20);

/// What this node knows of the cluster, for statements.
pub(crate) struct ClusterCatalog {
    host: HostId,
    published: Published,
    inputs: mpsc::Sender<Input>,
    /// Set once: peers need the local replica, and that is made later.
    peers: Arc<OnceLock<WeakPeers>>,
    snapshot: Mutex<Arc<Snapshot>>,
}

impl ClusterCatalog {
    /// Over what the driver publishes.
    pub(crate) fn new(
        host: HostId,
        published: Published,
        inputs: mpsc::Sender<Input>,
        peers: Arc<OnceLock<WeakPeers>>,
    ) -> ClusterCatalog {
        let snapshot = Mutex::new(Arc::new(Snapshot::of(&published.metadata.borrow())));
        ClusterCatalog { host, published, inputs, peers, snapshot }
    }

    /// The metadata now.
    pub(crate) fn metadata(&self) -> Arc<Metadata> {
        Arc::clone(&self.published.metadata.borrow())
    }

    /// Whether `host` was heard lately, and its streams stand.
    pub(crate) fn hears(&self, host: HostId) -> bool {
        host == self.host || self.published.alive.borrow().contains(&host)
    }

    /// Of each peer that is alive, its address and by how many microseconds its clock is ahead of this node's.
    pub(crate) fn clock_skews(&self) -> Vec<(String, i64)> {
        self.published.clock_skews()
    }

    /// The metadata, now and at every change.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Metadata>> {
        self.published.metadata.clone()
    }

    /// Resolves once every peer that is thought alive knows `epoch`: whoever was told of a change
    /// may go on with any of them.
    async fn agree(&self, epoch: u64) {
        let Some(peers) = self.peers.get() else { return };
        let alive = Arc::clone(&self.published.alive.borrow());
        let asked = alive.iter().filter_map(|host| peers.get(*host));
        let all = join_all(asked.map(|peer| self.catch_up_at(peer, epoch)));
        if tokio::time::timeout(AGREEMENT_TIMEOUT, all).await.is_err() {
            tracing::warn!(epoch, "some peers may not know of a change yet");
        }
    }

    /// Resolves once `peer` knows `epoch`, or is not thought alive any more.
    async fn catch_up_at(&self, peer: Arc<dyn Replica>, epoch: u64) {
        while self.hears(peer.host()) {
            let request = Request::CatchUp;
            let call = Call { trace: 0, epoch, timeout: AGREEMENT_TIMEOUT, report: None, request };
            if Arc::clone(&peer).call(call).await.is_ok() {
                return;
            }
            // Its stream is not up yet, or broke: it comes back, or is convicted.
            tokio::time::sleep(AGREEMENT_PAUSE).await;
        }
    }
}

impl View for ClusterCatalog {
    fn local(&self) -> HostId {
        self.host
    }

    fn is_alive(&self, host: HostId) -> bool {
        let standing = || self.published.standing.borrow().contains(&host);
        let connected = || self.peers.get().is_some_and(|it| it.is_up(host));
        self.hears(host) || (standing() && connected())
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        let metadata = self.published.metadata.borrow();
        let mut cached = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.epoch() != metadata.epoch {
            *cached = Arc::new(Snapshot::of(&metadata));
        }
        Arc::clone(&cached)
    }

    fn catch_up(&self, epoch: u64) -> BoxFuture<'_, ()> {
        async move {
            drop(self.inputs.try_send(Input::Behind(epoch)));
            let mut metadata = self.published.metadata.clone();
            // An error means that the node stops, and this future with it.
            drop(metadata.wait_for(|it| epoch <= it.epoch).await);
        }
        .boxed()
    }
}

impl Catalog for ClusterCatalog {
    fn schema(&self) -> Arc<Schema> {
        Arc::clone(&self.published.metadata.borrow().schema)
    }

    fn propose(
        &self,
        change: SchemaChange,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<u64, catalog::Error>> {
        async move {
            let (reply, outcome) = oneshot::channel();
            let input = Input::Propose(change_of(change), timeout, reply);
            if self.inputs.send(input).await.is_err() {
                return Err(catalog::Error::Unavailable("the node stops".into()));
            }
            match tokio::time::timeout(timeout + OUTCOME_GRACE, outcome).await {
                Ok(Ok(Outcome::Applied { epoch })) => {
                    let mut metadata = self.published.metadata.clone();
                    drop(metadata.wait_for(|it| epoch <= it.epoch).await);
                    self.agree(epoch).await;
                    Ok(epoch)
                }
                Ok(Ok(Outcome::Refused(refused))) => Err(refusal(refused)),
                Ok(Ok(Outcome::TimedOut)) => {
                    Err(catalog::Error::Unavailable("no quorum of voters answered".into()))
                }
                Ok(Ok(Outcome::Overloaded)) => {
                    Err(catalog::Error::Unavailable("too many schema changes wait".into()))
                }
                Ok(Ok(Outcome::Unknown) | Err(_)) | Err(_) => Err(catalog::Error::Timeout),
            }
        }
        .boxed()
    }

    fn nodes(&self) -> Vec<NodeInfo> {
        let metadata = self.metadata();
        let info = |node: &cluster::Node| NodeInfo {
            host: node.host_id,
            peer: socket(&node.peer_addr),
            address: node.peer_addr.clone(),
            cql: socket(&node.cql_addr),
            dc: node.dc.clone(),
            rack: node.rack.clone(),
            tokens: node.tokens.clone(),
            alive: self.hears(node.host_id),
        };
        let own = metadata.nodes.get(&self.host).map(info);
        let others = metadata.nodes.values().filter(|it| it.host_id != self.host).map(info);
        own.into_iter().chain(others).collect()
    }

    fn ask_others(&self, command: Command, timeout: Duration) -> BoxFuture<'_, Vec<Partition>> {
        async move {
            let Some(peers) = self.peers.get() else { return Vec::new() };
            let alive = Arc::clone(&self.published.alive.borrow());
            let command = Arc::new(command);
            let ask = |peer: Arc<dyn Replica>| {
                let request = Request::Read(Arc::clone(&command));
                async move {
                    peer.call(Call { trace: 0, epoch: 0, timeout, report: None, request }).await
                }
            };
            let others = alive.iter().filter(|host| **host != self.host);
            let answers = join_all(others.filter_map(|host| peers.get(*host)).map(ask)).await;
            let data = answers.into_iter().filter_map(|answer| match answer {
                Ok(Response::Data(answer)) => Some(answer.partitions),
                Ok(Response::Done | Response::Digest { .. } | Response::Led { .. }) | Err(_) => {
                    None
                }
            });
            data.flatten().collect()
        }
        .boxed()
    }

    fn cluster_name(&self) -> String {
        self.metadata().cluster_name.clone()
    }

    fn secret(&self) -> [u8; 32] {
        self.metadata().secret.0
    }
}

/// An address as system tables show it. A host name has no number there: 0.0.0.0 stands for it.
fn socket(address: &str) -> SocketAddr {
    address.parse().unwrap_or_else(|_| {
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0);
        SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
    })
}

fn change_of(change: SchemaChange) -> Change {
    match change {
        SchemaChange::CreateKeyspace(keyspace) => Change::CreateKeyspace { keyspace },
        SchemaChange::AlterKeyspace { name, replication, durable_writes } => {
            Change::AlterKeyspace { name, replication, durable_writes }
        }
        SchemaChange::DropKeyspace(name) => Change::DropKeyspace { name },
        SchemaChange::CreateTable(table) => Change::CreateTable { table: Arc::new(table) },
        SchemaChange::AlterTable(table) => Change::AlterTable { table: Arc::new(table) },
        SchemaChange::DropTable { keyspace, name, id } => Change::DropTable { keyspace, name, id },
        SchemaChange::CreateType(user) => Change::CreateType { user },
        SchemaChange::AlterType { before, after } => Change::AlterType { before, after },
        SchemaChange::DropType { keyspace, name } => Change::DropType { keyspace, name },
    }
}

fn refusal(refused: Refused) -> catalog::Error {
    match refused {
        Refused::KeyspaceExists(name) => catalog::Error::AlreadyExists(format!("keyspace {name}")),
        Refused::TableExists { keyspace, name } => {
            catalog::Error::AlreadyExists(format!("table {keyspace}.{name}"))
        }
        Refused::KeyspaceNotFound(name) => catalog::Error::NotFound(format!("keyspace {name}")),
        Refused::TableNotFound { keyspace, name } => {
            catalog::Error::NotFound(format!("table {keyspace}.{name}"))
        }
        Refused::TableChanged { keyspace, name } => {
            catalog::Error::Changed(format!("table {keyspace}.{name}"))
        }
        Refused::TypeExists { keyspace, name } => {
            catalog::Error::AlreadyExists(format!("type {keyspace}.{name}"))
        }
        Refused::TypeNotFound { keyspace, name } => {
            catalog::Error::NotFound(format!("type {keyspace}.{name}"))
        }
        Refused::TypeChanged { keyspace, name } => {
            catalog::Error::Changed(format!("type {keyspace}.{name}"))
        }
        Refused::TypeInUse { .. }
        | Refused::NotFounded
        | Refused::AlreadyFounded
        | Refused::DataCenterNotFound(_)
        | Refused::NoReplicas
        | Refused::NodeNotFound(_)
        | Refused::TooMany { .. }
        | Refused::Schema(_)
        | Refused::Invalid(_) => catalog::Error::Invalid(refused.to_string()),
    }
}
