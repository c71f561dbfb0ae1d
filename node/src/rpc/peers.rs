//! All peers: their links, by address and by host.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use bytes::Bytes;
use coordinator::replica::{Answering, Call, Error, Replica, Replicas, Request, Response};
use futures_util::{FutureExt, future::Either};
use model::HostId;
use proto::peer::{Lane, PeerFrame, peer_frame::Body};
use sys::Net;
use tokio::sync::mpsc;

use super::{
    link::{Link, Watcher},
    weight::Weighed,
};

/// Strangers remembered at once: more do not come while a cluster is founded.
const CALLERS_MAX: usize = 256;

/// The three lanes to one peer, so that a large answer never delays a heartbeat.
pub(crate) struct Peer {
    host: HostId,
    urgent: Link,
    small: Link,
    large: Link,
}

/// Every peer this node talks to. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Peers {
    shared: Arc<Shared>,
}

struct Shared {
    net: Arc<dyn Net>,
    local: Arc<dyn Replica>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    // Ordered, because they are iterated.
    seeds: BTreeMap<String, Link>,
    peers: BTreeMap<HostId, (String, Arc<Peer>)>,
    // Streams that strangers opened to us, by the address they gave: the way to answer them.
    callers: BTreeMap<String, mpsc::Sender<Weighed<PeerFrame>>>,
}

impl Peers {
    /// No peers yet. `local` answers for this node itself.
    pub(crate) fn new(net: Arc<dyn Net>, local: Arc<dyn Replica>) -> Peers {
        Peers { shared: Arc::new(Shared { net, local, state: Mutex::default() }) }
    }

    /// Keeps an urgent lane to each of these addresses, whoever answers there: founding.
    pub(crate) fn seek(&self, addresses: &[String], watcher: &Arc<dyn Watcher>) {
        let mut state = self.state();
        state.seeds.retain(|address, _| addresses.contains(address));
        for address in addresses {
            state.seeds.entry(address.clone()).or_insert_with(|| {
                let net = Arc::clone(&self.shared.net);
                Link::start(net, address.clone(), Lane::Urgent, Arc::clone(watcher))
            });
        }
    }

    /// Keeps all lanes to exactly these peers; links to others are closed.
    pub(crate) fn set(&self, nodes: &BTreeMap<HostId, String>, watcher: &Arc<dyn Watcher>) {
        let mut state = self.state();
        state.peers.retain(|host, (address, _)| nodes.get(host) == Some(address));
        for (host, address) in nodes {
            if state.peers.contains_key(host) {
                continue;
            }
            let start = |lane| {
                let net = Arc::clone(&self.shared.net);
                Link::start(net, address.clone(), lane, Arc::clone(watcher))
            };
            let peer = Peer {
                host: *host,
                urgent: start(Lane::Urgent),
                small: start(Lane::Small),
                large: start(Lane::Large),
            };
            state.peers.insert(*host, (address.clone(), Arc::new(peer)));
        }
    }

    /// Sends a cluster message to a host. Lost when it is not connected.
    pub(crate) fn send_to_host(&self, host: HostId, message: Bytes) {
        let peer = self.state().peers.get(&host).map(|(_, peer)| Arc::clone(peer));
        if let Some(peer) = peer {
            peer.urgent.send_cluster(message);
        }
    }

    /// Sends a cluster message to whoever listens at `address`.
    pub(crate) fn send_to_address(&self, address: &str, message: Bytes) {
        let state = self.state();
        if let Some(link) = state.seeds.get(address).filter(|it| it.is_up()) {
            link.send_cluster(message);
            return;
        }
        let known = state.peers.values().find(|(at, _)| at == address);
        if let Some((_, peer)) = known {
            peer.urgent.send_cluster(message);
        } else if let Some(caller) = state.callers.get(address) {
            let frame = PeerFrame { body: Some(Body::Cluster(message)) };
            // The cluster layer tolerates loss.
            drop(caller.try_send((Ok(frame), None)));
        }
    }

    /// Remembers the stream that a stranger opened, so that it can be answered.
    pub(crate) fn caller(&self, address: &str, answers: mpsc::Sender<Weighed<PeerFrame>>) {
        let mut state = self.state();
        state.callers.retain(|_, caller| !caller.is_closed());
        if state.callers.len() < CALLERS_MAX {
            state.callers.insert(address.to_owned(), answers);
        }
    }

    /// Forgets a stream that is over: it ends for the stranger too.
    pub(crate) fn caller_left(&self, address: &str, answers: &mpsc::Sender<Weighed<PeerFrame>>) {
        let mut state = self.state();
        // The stranger may have come again meanwhile.
        if state.callers.get(address).is_some_and(|it| it.same_channel(answers)) {
            state.callers.remove(address);
        }
    }

    /// Closes all links, and with them what their tasks hold on to.
    pub(crate) fn close(&self) {
        *self.state() = State::default();
    }

    /// The same peers, without keeping them.
    pub(crate) fn downgrade(&self) -> WeakPeers {
        WeakPeers(Arc::downgrade(&self.shared))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Peers as metrics and catalog see them, which live as long as anyone who asks them: a node that is
/// gone must not be kept by its counters.
pub(crate) struct WeakPeers(Weak<Shared>);

impl WeakPeers {
    /// How many peers have all their lanes up.
    pub(crate) fn connected(&self) -> usize {
        let Some(shared) = self.0.upgrade() else { return 0 };
        let state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_up = |it: &Peer| it.urgent.is_up() && it.small.is_up() && it.large.is_up();
        state.peers.values().filter(|(_, peer)| is_up(peer)).count()
    }

    /// Whether the small lane to this host is up.
    pub(crate) fn is_up(&self, host: HostId) -> bool {
        let Some(shared) = self.0.upgrade() else { return false };
        let state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.peers.get(&host).is_some_and(|(_, peer)| peer.small.is_up())
    }

    /// The peer of this host.
    pub(crate) fn get(&self, host: HostId) -> Option<Arc<dyn Replica>> {
        Peers { shared: self.0.upgrade()? }.get(host)
    }
}

impl Replicas for Peers {
    fn get(&self, host: HostId) -> Option<Arc<dyn Replica>> {
        if host == self.shared.local.host() {
            return Some(Arc::clone(&self.shared.local));
        }
        let (_, peer) = self.state().peers.get(&host)?.clone();
        Some(peer)
    }
}

impl Replica for Peer {
    fn host(&self) -> HostId {
        self.host
    }

    fn call(self: Arc<Self>, call: Call) -> Answering<Result<Response, Error>> {
        let lane = match &call.request {
            Request::Mutate { origin: coordinator::replica::Origin::Hint, .. }
            | Request::Read(_) => Lane::Large,
            Request::Mutate { .. }
            | Request::Lead { .. }
            | Request::Digest(_)
            | Request::Truncate(_)
            | Request::CatchUp => Lane::Small,
        };
        let answer = async move {
            match lane {
                Lane::Large => self.large.call(call).await,
                Lane::Urgent | Lane::Small => self.small.call(call).await,
            }
        };
        Either::Right(answer.boxed())
    }
}
