//! What a statement must know of the cluster, and how it changes the schema. Implemented in the
//! node, so that this crate does not see how schema changes are agreed.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use model::{
    HostId, Keyspace, Partition, Schema, Table, TableId, Token,
    read::Command,
    schema::{Replication, UserType},
};

/// The schema and the nodes as this node knows them.
pub trait Catalog: Send + Sync + 'static {
    /// The schema now. Cheap: called for every statement.
    fn schema(&self) -> Arc<Schema>;

    /// Proposes a change and answers the epoch that made it, once this node has applied it: so
    /// that `schema` then shows it. Names are checked again by the agreed log, since another node
    /// may have been faster.
    fn propose(&self, change: SchemaChange, timeout: Duration)
    -> BoxFuture<'_, Result<u64, Error>>;

    /// All nodes of the cluster, this one first.
    fn nodes(&self) -> Vec<NodeInfo>;

    /// The name of the cluster.
    fn cluster_name(&self) -> String;

    /// What the other nodes that are alive answer to `command`, which reads a table that each of them
    /// makes up for itself; those that do not answer in time are left out.
    fn ask_others(&self, command: Command, timeout: Duration) -> BoxFuture<'_, Vec<Partition>>;

    /// What seals paging states: the same on every node, known to no client.
    fn secret(&self) -> [u8; 32];
}

/// A change to the schema, complete with the ids of what it makes.
#[derive(Clone, Debug, PartialEq)]
pub enum SchemaChange {
    /// Makes a keyspace, without tables.
    CreateKeyspace(Keyspace),
    /// Gives the keyspace of this name another replication and durability.
    AlterKeyspace {
        /// Its name.
        name: String,
        /// From now on.
        replication: Replication,
        /// Whether writes go through the commit log from now on.
        durable_writes: bool,
    },
    /// Removes the keyspace of this name with all its tables.
    DropKeyspace(String),
    /// Makes a table. Its `epoch` is 0: the log fills it in.
    CreateTable(Table),
    /// Puts a table in the place of the one with its id. Its `epoch` is that of the table it was
    /// made from, and if that changed since, so is nothing: see [`Error::Changed`].
    AlterTable(Table),
    /// Removes this table, and not another of the same name that came since.
    DropTable {
        /// Its keyspace.
        keyspace: String,
        /// Its name.
        name: String,
        /// Its identity.
        id: TableId,
    },
    /// Makes a user type.
    CreateType(UserType),
    /// Gives a user type other names for its fields, or more fields, wherever it is used.
    AlterType {
        /// What the change was made from: if that changed since, see [`Error::Changed`].
        before: UserType,
        /// What it is from now on.
        after: UserType,
    },
    /// Removes a user type that nothing uses.
    DropType {
        /// Its keyspace.
        keyspace: String,
        /// Its name.
        name: String,
    },
}

/// Why the schema did not change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The name is taken.
    #[error("{0} already exists")]
    AlreadyExists(String),
    /// What was to be changed or dropped, or the keyspace to create in, is not there.
    #[error("{0} does not exist")]
    NotFound(String),
    /// It is no longer what the change was made from; nothing was changed.
    #[error("{0} was changed by somebody else meanwhile")]
    Changed(String),
    /// The cluster refuses the change for this reason.
    #[error("{0}")]
    Invalid(String),
    /// Too few voters are alive; nothing was proposed.
    #[error("schema changes need more nodes than are alive: {0}")]
    Unavailable(String),
    /// It was proposed, but the answer did not come in time: it may have been agreed.
    #[error("the schema change was not confirmed in time")]
    Timeout,
}

/// A node, for system tables and for checks of data centers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its id.
    pub host: HostId,
    /// Where peers reach it.
    pub peer: SocketAddr,
    /// The same as it was advertised, perhaps by name: what people know the node by.
    pub address: String,
    /// Where CQL clients reach it, as advertised.
    pub cql: SocketAddr,
    /// Its data center.
    pub dc: String,
    /// Its rack.
    pub rack: String,
    /// Its tokens, ascending.
    pub tokens: Vec<Token>,
    /// Whether this node believes it alive.
    pub alive: bool,
}
