//! Connections come in, as many as there are places for.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use proto::cql::event::Event;
use query::{Error, Executor};
use sys::{Listener, SharedRng};
use tokio::{
    sync::{Semaphore, broadcast},
    task::JoinSet,
};

use super::{clients::Clients, connection::Connection, untaken::Untaken};
use crate::rpc::{client_door::Observed, transport::ACCEPT_RETRY, weight::Scales};

/// What the door needs of the node behind it.
pub(crate) trait Behind: Send + Sync + 'static {
    /// Resolves once this node may coordinate requests.
    fn settled(&self) -> BoxFuture<'_, ()>;

    /// Resolves once this node takes no more requests.
    fn draining(&self) -> BoxFuture<'_, ()>;

    /// Everything that was in hand when this node began to drain is answered.
    fn closed(&self);

    /// The executor, once this node serves: `Err` says why not yet, or not any more.
    fn executor(&self) -> Result<Arc<Executor>, Error>;

    /// A statement was prepared.
    fn prepared(&self, prepared: &query::Prepared, keyspace: Option<&str>, text: &str);

    /// Counts a finished request.
    fn observe(&self, request: &Observed, error: Option<&Error>);

    /// Time since an arbitrary origin.
    fn monotonic(&self) -> Duration;

    /// Everything that happens from now on.
    fn events(&self) -> broadcast::Receiver<Event>;
}

/// The door.
pub(crate) struct Door {
    /// The node behind.
    pub(crate) behind: Arc<dyn Behind>,
    /// Draws trace ids.
    pub(crate) rng: SharedRng,
    /// Who is connected.
    pub(crate) clients: Clients,
    /// Weigh the requests of all connections.
    pub(crate) scales: Scales,
    /// Connections held open.
    pub(crate) connections_max: usize,
    /// Bytes of answers that all peers together may leave untaken before each waits for its own.
    pub(crate) untaken_max: usize,
}

impl Door {
    /// Serves until it is dropped. Nobody is let in before this node coordinates: a driver that
    /// connects meanwhile waits in the backlog, and takes another node if that is too long.
    pub(crate) async fn serve(self, listener: Box<dyn Listener>) {
        tokio::select! {
            biased;
            () = self.behind.draining() => {}
            () = self.behind.settled() => self.let_in(listener).await,
        }
        self.behind.closed();
    }

    /// Until this node drains, and who is connected was answered.
    async fn let_in(&self, mut listener: Box<dyn Listener>) {
        let places = Arc::new(Semaphore::new(self.connections_max));
        let untaken = Untaken::new(self.untaken_max);
        let mut connections = JoinSet::new();
        loop {
            // Reaped as they end, so that the set does not grow.
            while connections.try_join_next().is_some() {}
            let next = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (place, listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                biased;
                () = self.behind.draining() => break,
                next = next => next,
            };
            let Ok((stream, address)) = accepted else {
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            };
            let connection = Connection::new(
                Arc::clone(&self.behind),
                self.rng.clone(),
                self.scales.of_stream(address.ip()),
                untaken.of_connection(),
                self.clients.connect(address),
            );
            connections.spawn(async move {
                if let Err(why) = connection.serve(stream).await {
                    tracing::debug!(%address, %why, "a native connection ended");
                }
                drop(place);
            });
        }
        // Each connection sees the draining itself, and answers what it has in hand.
        drop(listener);
        while connections.join_next().await.is_some() {}
    }
}
