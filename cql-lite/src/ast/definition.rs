//! Statements that define keyspaces and tables, change them and drop them.

use super::{Literal, Name, Spanned, TableName, TypeName};

/// `CREATE KEYSPACE [IF NOT EXISTS] name WITH replication = {…} [AND durable_writes = …]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateKeyspace {
    /// The keyspace to make.
    pub name: Name,
    /// Whether an existing one is fine.
    pub if_not_exists: bool,
    /// The replication map as written, `class` among its keys. No key twice.
    pub replication: Vec<(String, String)>,
    /// False skips the commit log.
    pub durable_writes: bool,
}

/// `ALTER KEYSPACE [IF EXISTS] name WITH …`: what is not named stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterKeyspace {
    /// The keyspace to change.
    pub name: Name,
    /// Whether a missing one is fine.
    pub if_exists: bool,
    /// The new replication map as written. No key twice.
    pub replication: Option<Vec<(String, String)>>,
    /// Whether writes go through the commit log from now on.
    pub durable_writes: Option<bool>,
}

/// `DROP KEYSPACE [IF EXISTS] name`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropKeyspace {
    /// The keyspace to remove.
    pub name: Name,
    /// Whether a missing one is fine.
    pub if_exists: bool,
}

/// `CREATE TABLE [IF NOT EXISTS] name (columns, PRIMARY KEY (…)) [WITH …]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateTable {
    /// The table to make.
    pub name: TableName,
    /// Whether an existing one is fine.
    pub if_not_exists: bool,
    /// The columns in the order written, key columns among them.
    pub columns: Vec<ColumnDef>,
    /// The partition key: at least one name.
    pub partition_key: Vec<Name>,
    /// The clustering columns, perhaps none.
    pub clustering_key: Vec<Name>,
    /// `CLUSTERING ORDER BY`, as written; empty where it was not.
    pub clustering_order: Vec<(Name, Order)>,
    /// The other options, as written. No option twice.
    pub options: Vec<TableOption>,
}

/// `ALTER TABLE [IF EXISTS] name ADD … | DROP … | RENAME … | WITH …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterTable {
    /// The table to change.
    pub name: TableName,
    /// Whether a missing one is fine.
    pub if_exists: bool,
    /// What changes.
    pub change: TableChange,
}

/// What an `ALTER TABLE` changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableChange {
    /// `ADD [IF NOT EXISTS] column type [STATIC], …`
    Add {
        /// Whether columns that are there already are fine.
        if_not_exists: bool,
        /// The new columns, at least one.
        columns: Vec<ColumnDef>,
    },
    /// `DROP [IF EXISTS] column, …`
    Drop {
        /// Whether missing columns are fine.
        if_exists: bool,
        /// The columns that go, at least one.
        columns: Vec<Name>,
    },
    /// `RENAME [IF EXISTS] old TO new AND …`
    Rename {
        /// Whether missing columns are fine.
        if_exists: bool,
        /// Old and new names, at least one pair.
        names: Vec<(Name, Name)>,
    },
    /// `WITH option = value AND …`: no option twice, at least one.
    Options(Vec<TableOption>),
}

/// A column of `CREATE TABLE` or `ALTER TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnDef {
    /// Its name.
    pub name: Name,
    /// Its type.
    pub type_name: Spanned<TypeName>,
    /// Whether the whole partition shares one value.
    pub is_static: bool,
}

/// `name = value` behind `WITH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableOption {
    /// The option.
    pub name: Name,
    /// Its value.
    pub value: OptionValue,
}

/// The value of a table option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OptionValue {
    /// A plain value.
    Literal(Spanned<Literal>),
    /// `{'key': value, …}`; no key twice.
    Map(Vec<(Spanned<String>, Spanned<Literal>)>),
}

/// Ascending or descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Smallest first; the default.
    Asc,
    /// Greatest first.
    Desc,
}

/// `DROP TABLE [IF EXISTS] name`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropTable {
    /// The table to remove.
    pub name: TableName,
    /// Whether a missing one is fine.
    pub if_exists: bool,
}

/// `CREATE TYPE [IF NOT EXISTS] name (field type, …)`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateType {
    /// The type to make.
    pub name: TableName,
    /// Whether an existing one is fine.
    pub if_not_exists: bool,
    /// Its fields, at least one.
    pub fields: Vec<(Name, Spanned<TypeName>)>,
}

/// `ALTER TYPE [IF EXISTS] name ADD … | RENAME …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlterType {
    /// The type to change.
    pub name: TableName,
    /// Whether a missing one is fine.
    pub if_exists: bool,
    /// What changes.
    pub change: TypeChange,
}

/// What an `ALTER TYPE` changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeChange {
    /// `ADD [IF NOT EXISTS] field type`
    Add {
        /// Whether a field that is there already is fine.
        if_not_exists: bool,
        /// The new field.
        field: Name,
        /// Its type.
        type_name: Spanned<TypeName>,
    },
    /// `RENAME [IF EXISTS] old TO new AND …`
    Rename {
        /// Whether missing fields are fine.
        if_exists: bool,
        /// Old and new names, at least one pair.
        names: Vec<(Name, Name)>,
    },
}

/// `DROP TYPE [IF EXISTS] name`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropType {
    /// The type to remove.
    pub name: TableName,
    /// Whether a missing one is fine.
    pub if_exists: bool,
}
