//! The state machine of the metadata log: members and schema at each epoch.
//!
//! A [`Change`] is checked against one [`Metadata`] and makes the next; both are pure, so that every
//! node that applies the same entries holds the same metadata.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use model::{
    HostId, Keyspace, Schema, Table, TableId,
    schema::{Replication, UserType},
};
use uuid::Uuid;

use crate::{
    placement::Placement,
    ring::{Node, Ring, TOKENS_MAX},
};

mod encoding;
mod schema;

/// Keyspaces that a cluster may have. Each costs a placement at every topology change.
pub const KEYSPACES_MAX: usize = 1_000;
/// Tables that a cluster may have. Each costs a memtable; Cassandra suffers past a few hundred.
pub const TABLES_MAX: usize = 5_000;
/// Columns that a table may have.
pub const COLUMNS_MAX: usize = 10_000;
/// User types that a cluster may have.
pub const TYPES_MAX: usize = 5_000;
/// Fields that a user type may have.
pub const FIELDS_MAX: usize = 1_000;
/// What all tables may weigh together, bytes: a snapshot of the metadata is one record of the system
/// log and one message, at most 16 MiB each.
pub const SCHEMA_BYTES_MAX: usize = 8 << 20;
/// Members that a cluster may have: everyone sends heartbeats to everyone.
pub const NODES_MAX: usize = 256;
/// Members that vote on epochs after the first: three of seven may be down.
pub const VOTERS_MAX: usize = 7;

/// What only members know: a key for what they seal. Never printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// One step of the log.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Epoch 1: who the cluster is.
    Found(Found),
    /// A new keyspace, without tables.
    CreateKeyspace {
        /// The keyspace.
        keyspace: Keyspace,
    },
    /// Other replication or durability of a keyspace. Its tables stay as they are.
    AlterKeyspace {
        /// Its name.
        name: String,
        /// The replication from now on.
        replication: Replication,
        /// Whether writes go through the commit log from now on.
        durable_writes: bool,
    },
    /// A keyspace goes, with its tables.
    DropKeyspace {
        /// Its name.
        name: String,
    },
    /// A new table. The proposer has drawn its id; its `epoch` is set when it is applied.
    CreateTable {
        /// The table.
        table: Arc<Table>,
    },
    /// Another definition of a table (same id and name). `table.epoch` says which definition it
    /// was made from: when that is no longer the current one, the change is refused.
    AlterTable {
        /// The table.
        table: Arc<Table>,
    },
    /// A table goes: the one with this id, never one that was created after it under the same name.
    DropTable {
        /// Its keyspace.
        keyspace: String,
        /// Its name.
        name: String,
        /// Its id.
        id: TableId,
    },
    /// A new user type.
    CreateType {
        /// The type.
        user: UserType,
    },
    /// Another definition of a user type, wherever it is used. When `before` is no longer what it
    /// is, the change is refused.
    AlterType {
        /// What it was made from.
        before: UserType,
        /// What it is from now on: with the same fields under perhaps other names, and perhaps more.
        after: UserType,
    },
    /// A user type goes, which nothing uses.
    DropType {
        /// Its keyspace.
        keyspace: String,
        /// Its name.
        name: String,
    },
    /// A member has other addresses after a restart.
    UpdateNode {
        /// Which.
        host_id: HostId,
        /// Where peers reach it from now on.
        peer_addr: String,
        /// Where CQL drivers reach it from now on.
        cql_addr: String,
        /// Where the client crate reaches it from now on.
        client_addr: String,
    },
}

/// The first entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Tells this cluster from all others.
    pub cluster_id: Uuid,
    /// What members prove to each other that they know.
    pub secret: Secret,
    /// As configured on every founder.
    pub cluster_name: String,
    /// The founders with their tokens.
    pub nodes: Vec<Node>,
    /// Who votes on the next epochs.
    pub voters: BTreeSet<HostId>,
}

/// A change under the name by which its proposer knows it again.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// Drawn by the proposer.
    pub id: Uuid,
    /// What is proposed.
    pub change: Change,
}

/// What was chosen for one epoch.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its position, from 1.
    pub epoch: u64,
    /// What was chosen.
    pub proposal: Proposal,
}

/// Why a change does not fit the metadata that it meets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says what it is and its fields name things")]
pub enum Refused {
    #[error("the cluster is not founded yet")]
    NotFounded,
    #[error("the cluster is founded already")]
    AlreadyFounded,
    #[error("keyspace {0} exists already")]
    KeyspaceExists(String),
    #[error("keyspace {0} does not exist")]
    KeyspaceNotFound(String),
    #[error("table {keyspace}.{name} exists already")]
    TableExists { keyspace: String, name: String },
    #[error("table {keyspace}.{name} does not exist")]
    TableNotFound { keyspace: String, name: String },
    #[error("table {keyspace}.{name} was changed by somebody else meanwhile")]
    TableChanged { keyspace: String, name: String },
    #[error("type {keyspace}.{name} already exists")]
    TypeExists { keyspace: String, name: String },
    #[error("type {keyspace}.{name} does not exist")]
    TypeNotFound { keyspace: String, name: String },
    #[error("type {keyspace}.{name} was changed by somebody else meanwhile")]
    TypeChanged { keyspace: String, name: String },
    #[error("type {keyspace}.{name} is used by {user}")]
    TypeInUse { keyspace: String, name: String, user: String },
    #[error("there is no data center {0}")]
    DataCenterNotFound(String),
    #[error("replication keeps no copy of anything")]
    NoReplicas,
    #[error("there is no member {0}")]
    NodeNotFound(HostId),
    #[error("more than {max} {what}")]
    TooMany { what: &'static str, max: usize },
    #[error(transparent)]
    Schema(#[from] model::schema::Error),
    #[error("not a valid change: {0}")]
    Invalid(&'static str),
}

/// Everything that the log says, at one epoch. Immutable: a change makes a new one, which shares
/// what did not change.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    /// The last entry applied; 0 before founding.
    pub epoch: u64,
    /// Tells this cluster from all others; nil before founding.
    pub cluster_id: Uuid,
    /// What members prove to each other that they know.
    pub secret: Secret,
    /// As configured; empty before founding.
    pub cluster_name: String,
    /// Members.
    pub nodes: Arc<BTreeMap<HostId, Node>>,
    /// Members that vote on the next epoch.
    pub voters: Arc<BTreeSet<HostId>>,
    /// Keyspaces and tables.
    pub schema: Arc<Schema>,
    /// Tokens of the members.
    pub ring: Arc<Ring>,
    /// Where each keyspace's replicas are, by its name.
    pub placements: Arc<BTreeMap<String, Arc<Placement>>>,
}

impl Default for Metadata {
    fn default() -> Metadata {
        Metadata::unfounded()
    }
}

impl Metadata {
    /// What a node knows before there is a cluster.
    pub fn unfounded() -> Metadata {
        Metadata {
            epoch: 0,
            cluster_id: Uuid::nil(),
            secret: Secret([0; 32]),
            cluster_name: String::new(),
            nodes: Arc::default(),
            voters: Arc::default(),
            schema: Arc::default(),
            ring: Arc::default(),
            placements: Arc::default(),
        }
    }

    /// Whether there is a cluster.
    pub fn is_founded(&self) -> bool {
        self.epoch > 0
    }

    /// Where the replicas of a keyspace are.
    pub fn placement(&self, keyspace: &str) -> Option<&Arc<Placement>> {
        self.placements.get(keyspace)
    }

    /// One name for the schema at its epoch, the same on every node: what drivers compare.
    pub fn schema_version(&self) -> Uuid {
        let mixed = self.schema.epoch.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let bits = self.cluster_id.as_u128() ^ (u128::from(mixed) << 64 | u128::from(mixed));
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }

    /// Whether `change` may be the next one.
    ///
    /// # Errors
    /// Says what stands against it.
    pub fn check(&self, change: &Change) -> Result<(), Refused> {
        if let Change::Found(found) = change {
            return if self.is_founded() { Err(Refused::AlreadyFounded) } else { found.check() };
        }
        if !self.is_founded() {
            return Err(Refused::NotFounded);
        }
        match change {
            Change::Found(_) => Err(Refused::AlreadyFounded),
            Change::UpdateNode { host_id, .. } => {
                self.nodes.get(host_id).map(|_| ()).ok_or(Refused::NodeNotFound(*host_id))
            }
            Change::CreateKeyspace { .. }
            | Change::AlterKeyspace { .. }
            | Change::DropKeyspace { .. }
            | Change::CreateTable { .. }
            | Change::AlterTable { .. }
            | Change::DropTable { .. }
            | Change::CreateType { .. }
            | Change::AlterType { .. }
            | Change::DropType { .. } => schema::check(self, change),
        }
    }

    /// The metadata after `entry`. A change that `check` refuses takes up its epoch and does
    /// nothing else.
    ///
    /// # Panics
    /// When `entry` is not for the next epoch: a bug of the caller.
    pub fn apply(&self, entry: &Entry) -> Metadata {
        assert_eq!(entry.epoch, self.epoch + 1, "entries are applied in order");
        let change = &entry.proposal.change;
        let mut next = Metadata { epoch: entry.epoch, ..self.clone() };
        if self.check(change).is_err() {
            return next;
        }
        match change {
            Change::Found(found) => next.found(found),
            Change::UpdateNode { host_id, peer_addr, cql_addr, client_addr } => {
                if let Some(node) = Arc::make_mut(&mut next.nodes).get_mut(host_id) {
                    node.peer_addr.clone_from(peer_addr);
                    node.cql_addr.clone_from(cql_addr);
                    node.client_addr.clone_from(client_addr);
                }
            }
            Change::CreateKeyspace { .. }
            | Change::AlterKeyspace { .. }
            | Change::DropKeyspace { .. }
            | Change::CreateTable { .. }
            | Change::AlterTable { .. }
            | Change::DropTable { .. }
            | Change::CreateType { .. }
            | Change::AlterType { .. }
            | Change::DropType { .. } => {
                next.schema = Arc::new(schema::apply(&self.schema, entry.epoch, change));
                next.place();
            }
        }
        next
    }

    fn found(&mut self, found: &Found) {
        self.cluster_id = found.cluster_id;
        self.secret = found.secret;
        self.cluster_name.clone_from(&found.cluster_name);
        self.nodes =
            Arc::new(found.nodes.iter().map(|node| (node.host_id, node.clone())).collect());
        self.voters = Arc::new(found.voters.clone());
        self.ring = Arc::new(Ring::new(self.epoch, self.nodes.values()));
    }

    /// Brings placements up to date with schema and ring; what is still right is shared.
    fn place(&mut self) {
        let mut placements: BTreeMap<String, Arc<Placement>> = BTreeMap::new();
        for (name, keyspace) in &self.schema.keyspaces {
            let fits = |it: &&Arc<Placement>| {
                it.epoch() == self.ring.epoch() && *it.replication() == keyspace.replication
            };
            let known = self.placements.get(name).into_iter().chain(placements.values());
            let placement = match known.into_iter().find(fits) {
                Some(known) => Arc::clone(known),
                None => Arc::new(Placement::new(&self.ring, &keyspace.replication)),
            };
            placements.insert(name.clone(), placement);
        }
        self.placements = Arc::new(placements);
    }
}

impl Found {
    fn check(&self) -> Result<(), Refused> {
        if self.nodes.is_empty() || self.voters.is_empty() {
            return Err(Refused::Invalid("a cluster without members"));
        }
        if self.nodes.len() > NODES_MAX {
            return Err(Refused::TooMany { what: "members", max: NODES_MAX });
        }
        let hosts: BTreeSet<_> = self.nodes.iter().map(|it| it.host_id).collect();
        if hosts.len() != self.nodes.len() || !self.voters.is_subset(&hosts) {
            return Err(Refused::Invalid("voters and host ids that do not fit"));
        }
        if self.nodes.iter().any(|it| it.tokens.len() > TOKENS_MAX as usize) {
            return Err(Refused::TooMany { what: "tokens of a node", max: TOKENS_MAX as usize });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
