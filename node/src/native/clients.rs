//! Who is connected to this door, for whoever looks.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use query::views;

/// Options of a driver that are shown, and characters of each: it may say what it likes.
const OPTIONS_SHOWN: usize = 16;
const OPTION_CHARS: usize = 256;

/// All that are connected. A clone is the same ones.
#[derive(Clone, Default)]
pub(crate) struct Clients {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connected: Mutex<BTreeMap<u64, Arc<Client>>>,
    next: AtomicU64,
    /// Requests of those that are gone.
    requests: AtomicU64,
}

/// One that is connected, until it is dropped.
pub(super) struct Connected {
    shared: Arc<Shared>,
    number: u64,
    client: Arc<Client>,
}

struct Client {
    address: SocketAddr,
    requests: AtomicU64,
    in_hand: AtomicU64,
    said: Mutex<Said>,
}

/// What changes seldom.
#[derive(Default)]
struct Said {
    options: Vec<(String, String)>,
    version: Option<u8>,
    keyspace: Option<Arc<str>>,
}

impl Clients {
    /// One more is there.
    pub(super) fn connect(&self, address: SocketAddr) -> Connected {
        let number = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let client = Arc::new(Client {
            address,
            requests: AtomicU64::new(0),
            in_hand: AtomicU64::new(0),
            said: Mutex::default(),
        });
        lock(&self.shared.connected).insert(number, Arc::clone(&client));
        Connected { shared: Arc::clone(&self.shared), number, client }
    }

    /// All that are connected now, in the order in which they came.
    pub(crate) fn all(&self) -> Vec<views::Client> {
        lock(&self.shared.connected).values().map(|it| it.view()).collect()
    }

    /// Requests in hand, and requests since the start.
    pub(crate) fn requests(&self) -> (u64, u64) {
        let connected = lock(&self.shared.connected);
        let sum = |of: fn(&Client) -> &AtomicU64| -> u64 {
            connected.values().map(|it| of(it).load(Ordering::Relaxed)).sum()
        };
        let gone = self.shared.requests.load(Ordering::Relaxed);
        (sum(|it| &it.in_hand), gone + sum(|it| &it.requests))
    }
}

impl Client {
    fn view(&self) -> views::Client {
        let said = lock(&self.said);
        views::Client {
            address: self.address,
            options: said.options.clone(),
            is_ready: said.version.is_some(),
            version: said.version,
            keyspace: said.keyspace.as_ref().map(ToString::to_string),
            requests: self.requests.load(Ordering::Relaxed),
        }
    }
}

impl Connected {
    /// Where it comes from.
    pub(super) fn address(&self) -> SocketAddr {
        self.client.address
    }

    /// What it said when it began.
    pub(super) fn started<'o>(
        &self,
        version: u8,
        options: impl Iterator<Item = (&'o str, &'o str)>,
    ) {
        let short = |text: &str| text.chars().take(OPTION_CHARS).collect::<String>();
        let shown = options.take(OPTIONS_SHOWN).map(|(key, value)| (short(key), short(value)));
        let mut said = lock(&self.client.said);
        said.options = shown.collect();
        said.version = Some(version);
    }

    /// It chose a keyspace.
    pub(super) fn uses(&self, keyspace: Arc<str>) {
        lock(&self.client.said).keyspace = Some(keyspace);
    }

    /// It has so many requests in hand, and `more` of them are new.
    pub(super) fn asked(&self, more: u64, in_hand: usize) {
        self.client.requests.fetch_add(more, Ordering::Relaxed);
        self.client.in_hand.store(in_hand as u64, Ordering::Relaxed);
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let mut connected = lock(&self.shared.connected);
        connected.remove(&self.number);
        let requests = self.client.requests.load(Ordering::Relaxed);
        self.shared.requests.fetch_add(requests, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
