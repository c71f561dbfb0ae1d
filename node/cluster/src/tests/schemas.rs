//! Keyspaces and tables to be created.

use std::collections::BTreeMap;

use model::{
    ColumnId,
    schema::{Column, ColumnKind, NativeType, Replication, TableOptions},
};

use super::*;

pub(crate) fn keyspace(name: &str, factor: u32) -> Change {
    Change::CreateKeyspace {
        keyspace: Keyspace {
            name: name.to_owned(),
            replication: Replication::Simple { factor },
            durable_writes: true,
            tables: BTreeMap::new(),
            types: Default::default(),
        },
    }
}

pub(crate) fn table(keyspace: &str, name: &str, id: u128) -> Table {
    let column = |id, name: &str, kind| Column {
        id: ColumnId(id),
        name: name.to_owned(),
        cql_type: NativeType::Text.into(),
        is_multi_cell: false,
        kind,
    };
    Table {
        id: TableId(Uuid::from_u128(id)),
        keyspace: keyspace.to_owned(),
        name: name.to_owned(),
        partition_key: vec![column(0, "k", ColumnKind::Partition)],
        clustering_key: Vec::new(),
        statics: Vec::new(),
        regulars: vec![column(1, "v", ColumnKind::Regular)],
        dropped: Vec::new(),
        options: TableOptions::default(),
        epoch: 0,
    }
}

pub(super) fn create(keyspace: &str, name: &str, id: u128) -> Change {
    Change::CreateTable { table: Arc::new(table(keyspace, name, id)) }
}
