//! What happens to the schema and to the nodes, each thing once.
//!
//! Two pictures are compared: that several things happened between them makes no difference.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use model::{HostId, Keyspace, Schema};
use proto::cql::event::{Effect, Event, SchemaChange, Subject};
use query::{Catalog, NodeInfo};
use tokio::sync::broadcast;

use crate::{catalog::ClusterCatalog, cluster_driver::Published};

/// Events that a connection may be behind; one that is further behind is let go of, and its client
/// looks at everything anew.
pub(crate) const EVENTS_MAX: usize = 1024;

/// The cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Picture {
    pub(super) schema: Arc<Schema>,
    /// Where clients reach the nodes, and whether they are alive.
    pub(super) nodes: BTreeMap<HostId, (SocketAddr, bool)>,
}

/// Tells everything that happens, until the node stops.
pub(crate) async fn follow(
    catalog: Arc<ClusterCatalog>,
    published: Published,
    events: broadcast::Sender<Event>,
) {
    let (mut metadata, mut alive) = (published.metadata, published.alive);
    let mut before = picture(&*catalog);
    loop {
        tokio::select! {
            biased;
            changed = metadata.changed() => if changed.is_err() { return },
            changed = alive.changed() => if changed.is_err() { return },
        }
        let after = picture(&*catalog);
        for event in difference(&before, &after) {
            // Nobody may be listening.
            drop(events.send(event));
        }
        before = after;
    }
}

fn picture(catalog: &dyn Catalog) -> Picture {
    let node = |it: NodeInfo| (it.host, (it.cql, it.alive));
    Picture { schema: catalog.schema(), nodes: catalog.nodes().into_iter().map(node).collect() }
}

/// What happened between two pictures.
pub(super) fn difference(before: &Picture, after: &Picture) -> Vec<Event> {
    let mut events = Vec::new();
    nodes(before, after, &mut events);
    if before.schema.epoch != after.schema.epoch {
        keyspaces(&before.schema, &after.schema, &mut events);
    }
    events
}

fn nodes(before: &Picture, after: &Picture, events: &mut Vec<Event>) {
    for (host, (address, was_alive)) in &before.nodes {
        match after.nodes.get(host) {
            Some((now, is_alive)) if now == address => match (was_alive, is_alive) {
                (false, true) => events.push(Event::Up(*address)),
                (true, false) => events.push(Event::Down(*address)),
                (true, true) | (false, false) => {}
            },
            // Gone, or elsewhere, which is another node to drivers.
            Some(_) | None => events.push(Event::RemovedNode(*address)),
        }
    }
    for (host, (address, is_alive)) in &after.nodes {
        if before.nodes.get(host).is_none_or(|(was, _)| was != address) {
            events.push(Event::NewNode(*address));
            if *is_alive {
                events.push(Event::Up(*address));
            }
        }
    }
}

fn keyspaces(before: &Schema, after: &Schema, events: &mut Vec<Event>) {
    let mut tell = |effect, keyspace: &str, subject| {
        let keyspace = keyspace.to_owned();
        events.push(Event::Schema(SchemaChange { effect, keyspace, subject }));
    };
    for (name, was) in &before.keyspaces {
        match after.keyspaces.get(name) {
            None => tell(Effect::Dropped, name, Subject::Keyspace),
            Some(is) => {
                if (&was.replication, was.durable_writes) != (&is.replication, is.durable_writes) {
                    tell(Effect::Updated, name, Subject::Keyspace);
                }
                types(was, is, &mut tell);
                tables(was, is, &mut tell);
            }
        }
    }
    for (name, is) in &after.keyspaces {
        if !before.keyspaces.contains_key(name) {
            tell(Effect::Created, name, Subject::Keyspace);
            is.types.keys().for_each(|it| tell(Effect::Created, name, Subject::Type(it.clone())));
            is.tables.keys().for_each(|it| tell(Effect::Created, name, Subject::Table(it.clone())));
        }
    }
}

fn types(was: &Keyspace, is: &Keyspace, tell: &mut impl FnMut(Effect, &str, Subject)) {
    for (user, old) in &was.types {
        let effect = match is.types.get(user) {
            None => Effect::Dropped,
            Some(new) if new != old => Effect::Updated,
            Some(_) => continue,
        };
        tell(effect, &was.name, Subject::Type(user.clone()));
    }
    for user in is.types.keys().filter(|it| !was.types.contains_key(*it)) {
        tell(Effect::Created, &was.name, Subject::Type(user.clone()));
    }
}

fn tables(was: &Keyspace, is: &Keyspace, tell: &mut impl FnMut(Effect, &str, Subject)) {
    let mut tell = |effect, table: &String| tell(effect, &was.name, Subject::Table(table.clone()));
    for (table, old) in &was.tables {
        match is.tables.get(table) {
            None => tell(Effect::Dropped, table),
            Some(new) if new.id != old.id => {
                tell(Effect::Dropped, table);
                tell(Effect::Created, table);
            }
            Some(new) if new.epoch != old.epoch => tell(Effect::Updated, table),
            Some(_) => {}
        }
    }
    for table in is.tables.keys().filter(|it| !was.tables.contains_key(*it)) {
        tell(Effect::Created, table);
    }
}
