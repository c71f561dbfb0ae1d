//! The session: what a program holds on to.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::bind::Values;
use crate::chance::{entropy, generator};
use crate::cluster::{Cluster, Keeper};
use crate::connect::{Clock, Connector, SystemClock, TcpConnector};
use crate::error::Error;
use crate::link::Dial;
use crate::prepared::{Cache, Prepared, Statement};
use crate::request::{Action, Request};
use crate::retry::Budget;
use crate::stamp::Stamps;
use crate::topology::Topology;
use cql_lite::Consistency;

/// The client port of a node, where an address names none.
const PORT: u16 = 9044;

/// Events of links that wait to be folded into the map of the cluster.
const EVENTS_MAX: usize = 256;

/// A connection to a cluster. Cheap to clone; clones share everything, the keyspace chosen by
/// `USE` included. The connections close when the last clone is dropped.
#[derive(Clone)]
pub struct Session {
    pub(crate) inner: Arc<Inner>,
}

/// Which node was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its address, as it was reached.
    pub address: String,
    /// Its version of Helenus.
    pub version: String,
    /// The name of its cluster.
    pub cluster_name: String,
}

pub(crate) struct Inner {
    map: watch::Receiver<Arc<Cluster>>,
    keeper: AbortHandle,
    keyspace: RwLock<String>,
    /// The last change of the schema that this session made.
    pub(crate) epoch: AtomicU64,
    pub(crate) defaults: Defaults,
    pub(crate) stamps: Stamps,
    turn: AtomicUsize,
    rng: Mutex<SmallRng>,
    budget: Mutex<Budget>,
    cache: Mutex<Cache>,
}

/// What holds for requests that do not say otherwise.
#[derive(Clone, Copy)]
pub(crate) struct Defaults {
    pub(crate) consistency: Consistency,
    pub(crate) timeout: Duration,
}

impl Session {
    /// Begins to describe a session.
    pub fn builder() -> Builder {
        Builder {
            contacts: BTreeSet::new(),
            keyspace: String::new(),
            defaults: Defaults {
                consistency: Consistency::Quorum,
                timeout: Duration::from_secs(10),
            },
            connect_timeout: Duration::from_secs(2),
            connector: Arc::new(TcpConnector),
            clock: Arc::new(SystemClock),
            seed: None,
        }
    }

    /// A statement to run as it is: text, which the node parses each time, or a prepared one.
    pub fn execute(&self, statement: impl Into<Statement>, values: impl Values) -> Request {
        let action = match statement.into() {
            Statement::Text(text) => Action::Text(Arc::from(text)),
            Statement::Prepared(prepared) => Action::Prepared(prepared),
        };
        Request::new(self.clone(), action, values.into_bound())
    }

    /// A statement that is prepared when it is first seen, and from then on executed prepared.
    pub fn query(&self, text: &str, values: impl Values) -> Request {
        Request::new(self.clone(), Action::Cached(Arc::from(text)), values.into_bound())
    }

    /// What a `DESCRIBE` statement says: the text that recreates something, or a listing.
    pub async fn describe(&self, what: &str) -> Result<String, Error> {
        let request =
            Request::new(self.clone(), Action::Describe(Arc::from(what)), ().into_bound());
        request.await.map(|outcome| outcome.text().unwrap_or_default().to_owned())
    }

    /// Has a statement parsed once, for executing it often.
    pub async fn prepare(&self, text: &str) -> Result<Prepared, Error> {
        self.prepare_until(text, Instant::now() + self.inner.defaults.timeout).await
    }

    /// Chooses the keyspace of unqualified names, for this session and its clones. Whether it
    /// exists shows when it is used: `execute("USE …")` asks first.
    pub fn use_keyspace(&self, name: &str) {
        *self.inner.keyspace.write().unwrap_or_else(PoisonError::into_inner) = name.to_owned();
    }

    /// The keyspace of unqualified names; empty for none.
    pub fn keyspace(&self) -> String {
        self.inner.keyspace.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The cluster as it was last told: nodes, keyspaces, tables.
    pub fn topology(&self) -> Arc<Topology> {
        self.inner.cluster().topology.clone().unwrap_or_default()
    }

    /// The node that was reached last.
    pub fn server(&self) -> ServerInfo {
        self.inner.cluster().server.clone().unwrap_or_default()
    }

    /// The statement of this text, prepared now or before.
    pub(crate) async fn cached(&self, text: &str, deadline: Instant) -> Result<Prepared, Error> {
        let known = lock(&self.inner.cache).get(&self.keyspace(), text);
        match known {
            Some(prepared) => Ok(prepared),
            None => {
                let prepared = self.prepare_until(text, deadline).await?;
                lock(&self.inner.cache).insert(prepared.clone());
                Ok(prepared)
            }
        }
    }
}

impl Inner {
    pub(crate) fn cluster(&self) -> Arc<Cluster> {
        Arc::clone(&self.map.borrow())
    }

    /// A number that is another one each time, to spread load.
    pub(crate) fn turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn with_rng<T>(&self, draw: impl FnOnce(&mut SmallRng) -> T) -> T {
        draw(&mut lock(&self.rng))
    }

    pub(crate) fn with_budget<T>(&self, use_it: impl FnOnce(&mut Budget) -> T) -> T {
        use_it(&mut lock(&self.budget))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// How to connect.
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    contacts: BTreeSet<String>,
    keyspace: String,
    defaults: Defaults,
    connect_timeout: Duration,
    connector: Arc<dyn Connector>,
    clock: Arc<dyn Clock>,
    seed: Option<u64>,
}

impl Builder {
    /// A node to begin with, `host` or `host:port`; the others are discovered. Any one of several
    /// will do.
    pub fn known_node(mut self, address: impl AsRef<str>) -> Self {
        self.contacts.insert(with_port(address.as_ref()));
        self
    }

    /// The keyspace of unqualified names. Default: none.
    pub fn keyspace(mut self, name: impl Into<String>) -> Self {
        self.keyspace = name.into();
        self
    }

    /// How many replicas must answer, where a request does not say. Default: `QUORUM`.
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.defaults.consistency = consistency;
        self
    }

    /// How long a request may take, retries included. Default: 10 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.defaults.timeout = timeout;
        self
    }

    /// How long a connection may take to be made. Default: 2 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// What opens connections. Default: TCP.
    pub fn connector(mut self, connector: Arc<dyn Connector>) -> Self {
        self.connector = connector;
        self
    }

    /// What stamps writes. Default: the machine's clock.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Where all chance comes from. Default: the machine's entropy.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Connects: ends when one node has answered and told what the cluster looks like, or when
    /// none of them could be reached.
    pub async fn build(mut self) -> Result<Session, Error> {
        if self.contacts.is_empty() {
            self.contacts.insert(with_port("127.0.0.1"));
        }
        let mut rng = generator(self.seed.unwrap_or_else(entropy));
        let (events_in, events_out) = mpsc::channel(EVENTS_MAX);
        let (map_in, mut map) = watch::channel(Arc::new(Cluster::default()));
        let dial = Dial {
            connector: self.connector,
            connect_timeout: self.connect_timeout,
            events: events_in,
        };
        let contacts = self.contacts.clone();
        let keeper = Keeper { contacts, dial, rng: generator(rng.random()), map: map_in };
        let keeper = tokio::spawn(keeper.run(events_out)).abort_handle();
        // Dropping it closes everything again, should connecting fail.
        let session = Session {
            inner: Arc::new(Inner {
                map: map.clone(),
                keeper,
                keyspace: RwLock::new(self.keyspace),
                epoch: AtomicU64::new(0),
                defaults: self.defaults,
                stamps: Stamps::new(self.clock),
                turn: AtomicUsize::new(rng.random_range(0..1 << 16)),
                rng: Mutex::new(rng),
                budget: Mutex::new(Budget::new()),
                cache: Mutex::new(Cache::default()),
            }),
        };
        let settled = |cluster: &Arc<Cluster>| {
            let hopeless = self.contacts.iter().all(|it| cluster.failures.contains_key(it));
            cluster.is_ready() || hopeless
        };
        // A connection and its first frame: each has the whole of the connect timeout.
        let deadline = Instant::now() + 2 * self.connect_timeout;
        drop(timeout_at(deadline, map.wait_for(settled)).await);
        let cluster = session.inner.cluster();
        if cluster.is_ready() {
            Ok(session)
        } else {
            Err(unreachable_nodes(&self.contacts, &cluster))
        }
    }
}

fn unreachable_nodes(contacts: &BTreeSet<String>, cluster: &Cluster) -> Error {
    let reasons = contacts.iter().map(|address| {
        let up = cluster.links.get(address).is_some_and(|link| link.is_up());
        let silence = if up { "it did not tell what the cluster looks like" } else { "no answer" };
        let reason = cluster.failures.get(address).map_or(silence, String::as_str);
        format!("{address} ({reason})")
    });
    Error::connect(format!("cannot connect to {}", reasons.collect::<Vec<_>>().join(", ")))
}

/// The address with a port: `host`, `host:port`, `[v6]`, `[v6]:port` and a bare v6 address.
fn with_port(address: &str) -> String {
    if address.parse::<std::net::Ipv6Addr>().is_ok() {
        return format!("[{address}]:{PORT}");
    }
    match address.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => address.to_owned(),
        Some(_) | None => format!("{address}:{PORT}"),
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
