//! Nouns and merge rules.
//!
//! Pure values: this crate knows nothing of time, disks, networks or `async`. Whoever needs "now"
//! passes it in.
//!
//! In reading order.

// Where a row lies.
pub mod token;

pub mod key;

// What it holds, and how versions of it become one.
pub mod cell;

pub mod elements;

pub mod counter;

pub mod row;

pub mod columns;

pub mod rows;

pub mod partition;
mod ranges;
pub mod sorted;

// What is asked of a replica.
pub mod mutation;

pub mod written;

pub mod partial;

pub mod read;

// What the bytes mean, and the bytes.
pub mod schema;

pub mod codec;
mod encoding;

#[cfg(test)]
mod tests;

// Shared by tests.
#[cfg(test)]
mod documented;
#[cfg(test)]
mod worlds;

pub use cell::{Cell, Content, Deletion};
pub use cql_lite::Consistency;
pub use elements::{Element, Elements};
pub use key::{Clustering, PartitionKey, Slice};
pub use mutation::Mutation;
pub use partition::{Partition, RangeTombstone};
pub use row::{Liveness, Row};
pub use rows::{Chunk, Rows};
pub use schema::{ColumnId, Keyspace, Schema, Table, TableId};
pub use token::{Token, TokenRange};

/// A node of the cluster, named by the id that it drew once, at its first start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub uuid::Uuid);

impl std::fmt::Display for HostId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(out)
    }
}
