//! EVENT: what a client asked to be told of.

use std::net::SocketAddr;

use bytes::BytesMut;

use super::primitive::{put_inet, put_string};

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nodes that come and go for good.
    Topology,
    /// Nodes that come up and go down.
    Status,
    /// The schema.
    Schema,
}

impl Kind {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Topology => "TOPOLOGY_CHANGE",
            Kind::Status => "STATUS_CHANGE",
            Kind::Schema => "SCHEMA_CHANGE",
        }
    }

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Kind> {
        [Kind::Topology, Kind::Status, Kind::Schema].into_iter().find(|it| it.name() == name)
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The node that clients reach at this address is new.
    NewNode(SocketAddr),
    /// It is no member any more.
    RemovedNode(SocketAddr),
    /// It serves.
    Up(SocketAddr),
    /// It does not answer.
    Down(SocketAddr),
    /// The schema changed.
    Schema(SchemaChange),
}

impl Event {
    /// What it is about.
    pub fn kind(&self) -> Kind {
        match self {
            Event::NewNode(_) | Event::RemovedNode(_) => Kind::Topology,
            Event::Up(_) | Event::Down(_) => Kind::Status,
            Event::Schema(_) => Kind::Schema,
        }
    }

    /// Writes the body.
    pub fn put(&self, out: &mut BytesMut) {
        put_string(out, self.kind().name());
        let (what, address) = match self {
            Event::NewNode(address) => ("NEW_NODE", address),
            Event::RemovedNode(address) => ("REMOVED_NODE", address),
            Event::Up(address) => ("UP", address),
            Event::Down(address) => ("DOWN", address),
            Event::Schema(change) => return change.put(out),
        };
        put_string(out, what);
        put_inet(out, *address);
    }
}

/// What happened to a part of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It is new.
    Created,
    /// It is another.
    Updated,
    /// It is gone.
    Dropped,
}

/// A change to the schema: the answer to who made it, and an event for others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchemaChange {
    /// What happened.
    pub effect: Effect,
    /// The keyspace that it happened to or in.
    pub keyspace: String,
    /// To what.
    pub subject: Subject,
}

/// A part of the schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The keyspace itself.
    Keyspace,
    /// The table of this name in it.
    Table(String),
    /// The user type of this name in it.
    Type(String),
}

impl SchemaChange {
    /// Writes it.
    pub fn put(&self, out: &mut BytesMut) {
        put_string(
            out,
            match self.effect {
                Effect::Created => "CREATED",
                Effect::Updated => "UPDATED",
                Effect::Dropped => "DROPPED",
            },
        );
        let (kind, name) = match &self.subject {
            Subject::Keyspace => ("KEYSPACE", None),
            Subject::Table(name) => ("TABLE", Some(name)),
            Subject::Type(name) => ("TYPE", Some(name)),
        };
        put_string(out, kind);
        put_string(out, &self.keyspace);
        name.into_iter().for_each(|it| put_string(out, it));
    }
}
