//! The CQL that creates a keyspace or a table again.

use cql_lite::ast::{
    ColumnDef, CreateKeyspace, CreateTable, CreateType, Name, Order, Spanned, TableName, TypeName,
};
use cql_lite::types::UserType;

use super::{Column, ColumnKind, Keyspace, Table};
use crate::key;

impl Keyspace {
    /// The statement that creates this keyspace, without its tables: one line that ends with `;`.
    pub fn to_cql(&self) -> String {
        let statement = CreateKeyspace {
            name: Name::new(&self.name),
            if_not_exists: false,
            replication: self.replication.to_map(),
            durable_writes: self.durable_writes,
        };
        format!("{statement};")
    }
}

impl Table {
    /// The statement that creates this table, over several lines, ending with `;`. Every option is
    /// spelled out, so that other defaults elsewhere change nothing. Ids are not part of CQL.
    pub fn to_cql(&self) -> String {
        let names = |columns: &[Column]| columns.iter().map(|it| Name::new(&it.name)).collect();
        let column = |it: &Column| ColumnDef {
            name: Name::new(&it.name),
            type_name: it.type_name(),
            is_static: it.kind == ColumnKind::Static,
        };
        let statement = CreateTable {
            name: TableName {
                keyspace: Some(Name::new(&self.keyspace)),
                table: Name::new(&self.name),
            },
            if_not_exists: false,
            columns: self.columns().map(column).collect(),
            partition_key: names(&self.partition_key),
            clustering_key: names(&self.clustering_key),
            clustering_order: self.clustering_key.iter().map(clustering_order).collect(),
            options: self.options.to_ast(),
        };
        format!("{statement:#};")
    }
}

impl Column {
    /// Its type as CQL writes it, with `frozen` where its value is one cell and could be more.
    pub fn type_name(&self) -> Spanned<TypeName> {
        Spanned::new(TypeName::of(&self.cql_type, !self.is_multi_cell), Default::default())
    }
}

/// The statement that creates this type, over several lines, ending with `;`.
pub fn user_type_to_cql(user: &UserType) -> String {
    let field = |(name, of): &(String, super::CqlType)| {
        (Name::new(name), Spanned::new(TypeName::of(of, true), Default::default()))
    };
    let statement = CreateType {
        name: TableName { keyspace: Some(Name::new(&user.keyspace)), table: Name::new(&user.name) },
        if_not_exists: false,
        fields: user.fields.iter().map(field).collect(),
    };
    format!("{statement:#};")
}

fn clustering_order(column: &Column) -> (Name, Order) {
    let order = match column.kind {
        ColumnKind::Clustering(key::Order::Desc) => Order::Desc,
        ColumnKind::Clustering(key::Order::Asc)
        | ColumnKind::Partition
        | ColumnKind::Static
        | ColumnKind::Regular => Order::Asc,
    };
    (Name::new(&column.name), order)
}
