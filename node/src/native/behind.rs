//! The node as this door sees it.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use proto::cql::event::Event;
use query::{Error, Executor};
use tokio::sync::broadcast;

use super::door::Behind;
use crate::{
    rpc::client_door::{self, Observed},
    shared::Shared,
};

impl Behind for Shared {
    fn settled(&self) -> BoxFuture<'_, ()> {
        client_door::Behind::settled(self)
    }

    fn draining(&self) -> BoxFuture<'_, ()> {
        let mut draining = self.draining.subscribe();
        // An error means that the node is gone, and this future with it.
        async move { drop(draining.wait_for(|it| *it).await) }.boxed()
    }

    fn closed(&self) {
        self.native_closed.send_replace(true);
    }

    fn executor(&self) -> Result<Arc<Executor>, Error> {
        client_door::Behind::executor(self)
    }

    fn prepared(&self, prepared: &query::Prepared, keyspace: Option<&str>, text: &str) {
        client_door::Behind::prepared(self, prepared, keyspace, text);
    }

    fn observe(&self, request: &Observed, error: Option<&Error>) {
        client_door::Behind::observe(self, request, error);
    }

    fn monotonic(&self) -> Duration {
        client_door::Behind::monotonic(self)
    }

    fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}
