//! Keyspaces, tables, columns.

use std::{collections::BTreeMap, sync::Arc};

use uuid::Uuid;

pub use cql_lite::types::{CqlType, NativeType, UserType};

use crate::key::Order;

mod check;
pub mod compaction;
pub mod compression;
mod ddl;
mod options;

pub use check::{Error, check_keyspace, check_table, check_type};
pub use ddl::user_type_to_cql;

/// A table for its whole life: dropped and created again, it is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableId(pub Uuid);

/// A static or regular column of a table for its whole life; never reused within the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnId(pub u32);

/// What part a column plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ColumnKind {
    /// Of the partition key.
    Partition,
    /// Of the clustering key, stored this way round.
    Clustering(Order),
    /// One for each partition.
    Static,
    /// One for each row.
    Regular,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Names its cells (of key columns: unused but unique).
    pub id: ColumnId,
    /// As CQL names it, already folded.
    pub name: String,
    /// Its type.
    pub cql_type: CqlType,
    /// Whether it has a cell for each part of its value: a collection or a user type that was not
    /// declared `frozen`, and every counter.
    pub is_multi_cell: bool,
    /// Its part.
    pub kind: ColumnKind,
}

impl Column {
    /// Whether it is a counter.
    pub fn is_counter(&self) -> bool {
        self.cql_type == NativeType::Counter
    }
}

/// Table options that exist so far.
#[derive(Clone, Debug, PartialEq)]
pub struct TableOptions {
    /// Free text.
    pub comment: String,
    /// How long tombstones are kept, seconds. Default 864,000.
    pub gc_grace_seconds: u32,
    /// TTL of writes that name none, seconds; 0 for none.
    pub default_time_to_live: u32,
    /// The compaction map as written, `class` included.
    pub compaction: BTreeMap<String, String>,
    /// The compression map as written.
    pub compression: BTreeMap<String, String>,
    /// Target false positive rate of filters. Default 0.01.
    pub bloom_filter_fp_chance: f64,
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// Its identity.
    pub id: TableId,
    /// The keyspace it is in.
    pub keyspace: String,
    /// Its name.
    pub name: String,
    /// Partition key columns in key order.
    pub partition_key: Vec<Column>,
    /// Clustering columns in key order.
    pub clustering_key: Vec<Column>,
    /// Static columns by name.
    pub statics: Vec<Column>,
    /// Regular columns by name.
    pub regulars: Vec<Column>,
    /// Columns that were there once, ascending: their cells are as good as gone, and their ids are
    /// not given again.
    pub dropped: Vec<ColumnId>,
    /// Options.
    pub options: TableOptions,
    /// The epoch that created or last changed it: requests that are older are fenced.
    pub epoch: u64,
}

/// How a keyspace is replicated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replication {
    /// Clockwise, whatever data center or rack.
    Simple {
        /// Copies of each range, at least 1.
        factor: u32,
    },
    /// Copies in each data center, spread over its racks.
    NetworkTopology(BTreeMap<String, u32>),
}

/// A keyspace.
#[derive(Clone, Debug, PartialEq)]
pub struct Keyspace {
    /// Its name.
    pub name: String,
    /// How it is replicated.
    pub replication: Replication,
    /// Whether writes go through the commit log.
    pub durable_writes: bool,
    /// Tables by name.
    pub tables: BTreeMap<String, Arc<Table>>,
    /// Types that `CREATE TYPE` made, by name.
    pub types: BTreeMap<String, Arc<UserType>>,
}

/// All keyspaces at one epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    /// The metadata epoch of the last schema change.
    pub epoch: u64,
    /// Keyspaces by name.
    pub keyspaces: BTreeMap<String, Arc<Keyspace>>,
}

impl Schema {
    /// The table of this name.
    pub fn table(&self, keyspace: &str, name: &str) -> Option<&Arc<Table>> {
        self.keyspaces.get(keyspace)?.tables.get(name)
    }

    /// The table with this id.
    pub fn table_by_id(&self, id: TableId) -> Option<&Arc<Table>> {
        self.keyspaces.values().flat_map(|it| it.tables.values()).find(|it| it.id == id)
    }
}

impl Table {
    /// Types and orders of the clustering columns: what the key codec needs.
    pub fn clustering_types(&self) -> impl Iterator<Item = (&CqlType, Order)> {
        let order = |kind| match kind {
            ColumnKind::Clustering(order) => order,
            ColumnKind::Partition | ColumnKind::Static | ColumnKind::Regular => Order::Asc,
        };
        self.clustering_key.iter().map(move |it| (&it.cql_type, order(it.kind)))
    }

    /// The column of this name, whatever its part.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns().find(|it| it.name == name)
    }

    /// Whether its values are counters: then all of them are, and rows are changed by adding to them.
    pub fn has_counters(&self) -> bool {
        self.statics.iter().chain(&self.regulars).any(Column::is_counter)
    }

    /// Every column: partition key, clustering key, statics, regulars.
    pub fn columns(&self) -> impl Iterator<Item = &Column> {
        let keys = self.partition_key.iter().chain(&self.clustering_key);
        keys.chain(&self.statics).chain(&self.regulars)
    }

    /// The same, to be changed.
    pub fn columns_mut(&mut self) -> impl Iterator<Item = &mut Column> {
        let keys = self.partition_key.iter_mut().chain(&mut self.clustering_key);
        keys.chain(&mut self.statics).chain(&mut self.regulars)
    }
}

#[cfg(test)]
mod tests;
