//! Founding: the nodes that `--seeds` names agree, once, on who the cluster is.
//!
//! Every founder says hello to every other until it has heard all. Then they agree on epoch 1 by
//! Paxos, and the value is a pure function of the hellos but for the cluster's id and secret. The
//! decision needs every founder, not a majority: so two founding attempts that share one node cannot
//! both succeed, even when another was wiped in between.
//!
//! Knows nothing of Paxos itself: it says who votes and what to propose.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::HostId;
use sys::Rng;
use uuid::Uuid;

use crate::{
    metadata::{Found, Secret, VOTERS_MAX},
    paxos::Electorate,
    ring::{Founder, Node, Place, allocate},
};

/// Between two hellos to a founder.
pub(crate) const HELLO_INTERVAL: Duration = Duration::from_millis(500);

/// How long a founder waits for each one before it (by host id) to propose, so that normally one
/// alone does.
const TURN: Duration = Duration::from_secs(2);

/// Who a node is, before peers know it from the metadata log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Its name.
    pub host_id: HostId,
    /// Which start of it this is.
    pub generation: u64,
    /// The cluster that it wants to be in.
    pub cluster_name: String,
    /// Where peers reach it.
    pub peer_addr: String,
    /// Where CQL drivers reach it.
    pub cql_addr: String,
    /// Where the client crate reaches it.
    pub client_addr: String,
    /// Its data center.
    pub dc: String,
    /// Its rack.
    pub rack: String,
    /// How many tokens it wants.
    pub num_tokens: u32,
    /// The peer addresses of all founders, as configured on it.
    pub founders: BTreeSet<String>,
    /// The cluster that it is in, if it is.
    pub cluster_id: Option<Uuid>,
    /// The last epoch that it has applied.
    pub epoch: u64,
    /// Whether this answers a hello: answers are not answered.
    pub answer: bool,
}

/// Why a node is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The cluster was founded without it. A member that lost its data directory is somebody new.
    #[error("not a founder: the cluster of {by} was founded without this node")]
    NotAFounder {
        /// The peer address of who says so.
        by: String,
    },
    /// The peer's seeds do not name it.
    #[error("not a founder: the seeds of {by} do not name this node's address")]
    NotASeed {
        /// The peer address of who says so.
        by: String,
    },
    /// The two are configured for clusters of different names.
    #[error("{by} is in a cluster named {name:?}")]
    OtherClusterName {
        /// The peer address of who says so.
        by: String,
        /// Its cluster's name.
        name: String,
    },
    /// Same name, but another cluster: one of the two has old data.
    #[error("{by} is in another cluster of the same name (id {cluster_id})")]
    OtherCluster {
        /// The peer address of who says so.
        by: String,
        /// Its cluster's id.
        cluster_id: Uuid,
    },
    /// The founders are configured with different seeds.
    #[error("{by} has other seeds: {}", seeds.join(","))]
    FoundersDiffer {
        /// The peer address of who says so.
        by: String,
        /// Its seeds.
        seeds: Vec<String>,
    },
    /// Two nodes have one host id: a data directory was copied.
    #[error("{by} knows host id {host_id} as another node: was a data directory copied?")]
    DuplicateHostId {
        /// The peer address of who says so.
        by: String,
        /// The id.
        host_id: HostId,
    },
}

/// A node on its way to a cluster.
#[derive(Debug)]
pub struct Founding {
    own: Hello,
    /// By peer address.
    hellos: BTreeMap<String, Hello>,
    hello_at: Duration,
    complete_at: Option<Duration>,
}

impl Founding {
    /// Begins, or begins again after a restart.
    pub fn new(own: Hello) -> Founding {
        let mut hellos = BTreeMap::new();
        if own.founders.contains(&own.peer_addr) {
            hellos.insert(own.peer_addr.clone(), own.clone());
        }
        Founding { own, hellos, hello_at: Duration::ZERO, complete_at: None }
    }

    /// What we say of ourselves.
    pub fn own(&self) -> &Hello {
        &self.own
    }

    /// Hellos that are due, by address.
    pub fn tick(&mut self, now: Duration) -> Vec<(String, Hello)> {
        if now < self.hello_at {
            return Vec::new();
        }
        self.hello_at = now + HELLO_INTERVAL;
        let others = self.own.founders.iter().filter(|addr| **addr != self.own.peer_addr);
        others.map(|addr| (addr.clone(), self.own.clone())).collect()
    }

    /// Takes the hello of a peer. One that is in a cluster already is welcome too: we may be a founder
    /// that crashed before it learned of it.
    ///
    /// # Errors
    /// Why the two cannot be in one cluster; to be told to the peer.
    pub fn on_hello(&mut self, hello: Hello) -> Result<(), Refused> {
        let by = self.own.peer_addr.clone();
        if hello.cluster_name != self.own.cluster_name {
            return Err(Refused::OtherClusterName { by, name: self.own.cluster_name.clone() });
        }
        if !self.own.founders.contains(&hello.peer_addr) {
            return Err(Refused::NotASeed { by });
        }
        if hello.cluster_id.is_none() && hello.founders != self.own.founders {
            let seeds = self.own.founders.iter().cloned().collect();
            return Err(Refused::FoundersDiffer { by, seeds });
        }
        let same_id = |it: &&Hello| it.host_id == hello.host_id && it.peer_addr != hello.peer_addr;
        if self.hellos.values().any(|it| same_id(&it)) {
            return Err(Refused::DuplicateHostId { by, host_id: hello.host_id });
        }
        let known = self.hellos.get(&hello.peer_addr);
        if known.is_some_and(|it| it.host_id != hello.host_id) {
            // It was wiped: whoever waits for it must count anew.
            self.complete_at = None;
        }
        if known.is_none_or(|it| it.generation <= hello.generation || it.host_id != hello.host_id) {
            self.hellos.insert(hello.peer_addr.clone(), hello);
        }
        Ok(())
    }

    /// The founders, once all have been heard: all of them must agree on epoch 1.
    pub fn electorate(&self) -> Option<Electorate> {
        let complete = self.hellos.len() == self.own.founders.len();
        let hosts = || self.hellos.values().map(|it| it.host_id).collect();
        complete.then(|| Electorate::unanimous(hosts()))
    }

    /// What to propose for epoch 1, when all have been heard and it is our turn.
    pub fn proposal(&mut self, now: Duration, rng: &mut Rng) -> Option<Found> {
        let electorate = self.electorate()?;
        let complete_at = *self.complete_at.get_or_insert(now);
        let rank = electorate.voters.iter().take_while(|host| **host < self.own.host_id).count();
        let turn = TURN * u32::try_from(rank).unwrap_or(u32::MAX);
        (complete_at + turn <= now).then(|| {
            let mut secret = [0; 32];
            rng.fill(&mut secret);
            found(&self.hellos, rng.uuid_v4(), Secret(secret))
        })
    }

    /// The peer address of a founder that has said hello.
    pub fn addr_of(&self, host: HostId) -> Option<&str> {
        let hello = self.hellos.values().find(|it| it.host_id == host);
        hello.map(|it| it.peer_addr.as_str())
    }
}

/// The first entry: a pure function of the hellos and two random numbers.
fn found(hellos: &BTreeMap<String, Hello>, cluster_id: Uuid, secret: Secret) -> Found {
    let mut sorted: Vec<&Hello> = hellos.values().collect();
    sorted.sort_unstable_by_key(|it| it.host_id);
    let founders: Vec<Founder> = sorted
        .iter()
        .map(|it| Founder {
            host_id: it.host_id,
            place: Place { dc: it.dc.clone(), rack: it.rack.clone() },
            num_tokens: it.num_tokens,
        })
        .collect();
    let mut tokens = allocate(&founders);
    let nodes = sorted.iter().map(|it| Node {
        host_id: it.host_id,
        peer_addr: it.peer_addr.clone(),
        cql_addr: it.cql_addr.clone(),
        client_addr: it.client_addr.clone(),
        dc: it.dc.clone(),
        rack: it.rack.clone(),
        tokens: tokens.remove(&it.host_id).unwrap_or_default(),
    });
    Found {
        cluster_id,
        secret,
        cluster_name: sorted.first().map(|it| it.cluster_name.clone()).unwrap_or_default(),
        nodes: nodes.collect(),
        voters: sorted.iter().take(VOTERS_MAX).map(|it| it.host_id).collect(),
    }
}
