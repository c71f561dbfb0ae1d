//! Tables made up for each read: `system`, `system_schema`, `system_virtual_schema`, `system_traces`
//! and `system_views`, with the columns and types of Cassandra 5, which is what stock drivers read when
//! they connect.
//!
//! They answer from this node alone, whatever the consistency level; `system_traces` from all nodes that
//! are alive, since each keeps what it coordinated.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use coordinator::replica::{Answering, at_once};
use cql_lite::{
    types::{CqlType, NativeType},
    value::{self, Value},
};
use futures_util::future::BoxFuture;
use model::{
    Cell, Clustering, ColumnId, Content, Elements, Mutation, Partition, PartitionKey, Row, Table,
    TableId,
    key::{self, Order},
    read::Command,
    schema::{Column, ColumnKind, TableOptions},
};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    Catalog, Store, memory,
    prepared::Cache,
    sessions::{Session, Sessions},
    store,
    views::Views,
};

mod nodes;
mod schema;
mod traces;
mod views;

/// What to do where a statement would change what is ours.
pub(crate) const OURS: &str =
    "it tells what the nodes know, and nobody changes it: use a keyspace of your own";

/// The keyspaces that are ours.
pub(crate) const KEYSPACES: [&str; 5] =
    ["system", "system_schema", "system_traces", "system_views", "system_virtual_schema"];

/// The type of a column, as it is defined below.
#[derive(Clone, Copy)]
enum Kind {
    Plain(NativeType),
    Set(NativeType),
    List(NativeType),
    Map(NativeType, NativeType),
}

impl Kind {
    fn cql_type(self) -> CqlType {
        match self {
            Kind::Plain(native) => CqlType::Native(native),
            Kind::Set(of) => CqlType::Set(Arc::new(of.into())),
            Kind::List(of) => CqlType::List(Arc::new(of.into())),
            Kind::Map(key, value) => CqlType::Map(Arc::new((key.into(), value.into()))),
        }
    }
}

/// The definition of a table of ours. Columns are given in key order, or by name.
struct Definition {
    name: &'static str,
    partition: &'static [(&'static str, Kind)],
    clustering: &'static [(&'static str, Kind)],
    regulars: &'static [(&'static str, Kind)],
}

type Tables = LazyLock<Vec<Arc<Table>>>;

static SYSTEM: Tables = LazyLock::new(|| {
    let all = nodes::TABLES.iter().chain(schema::REMEMBERED);
    all.map(|it| define("system", it)).collect()
});

static SYSTEM_SCHEMA: Tables =
    LazyLock::new(|| schema::TABLES.iter().map(|it| define("system_schema", it)).collect());

static SYSTEM_VIRTUAL_SCHEMA: Tables = LazyLock::new(|| {
    schema::VIRTUAL_TABLES.iter().map(|it| define("system_virtual_schema", it)).collect()
});

static SYSTEM_TRACES: Tables =
    LazyLock::new(|| traces::TABLES.iter().map(|it| define("system_traces", it)).collect());

static SYSTEM_VIEWS: Tables =
    LazyLock::new(|| views::TABLES.iter().map(|it| define("system_views", it)).collect());

/// The tables of a keyspace of ours.
pub(crate) fn keyspace(name: &str) -> Option<&'static [Arc<Table>]> {
    match name {
        "system" => Some(&SYSTEM),
        "system_schema" => Some(&SYSTEM_SCHEMA),
        "system_traces" => Some(&SYSTEM_TRACES),
        "system_views" => Some(&SYSTEM_VIEWS),
        "system_virtual_schema" => Some(&SYSTEM_VIRTUAL_SCHEMA),
        _ => None,
    }
}

/// What the rows are made of.
pub(crate) struct Sources<'s> {
    pub(crate) catalog: &'s dyn Catalog,
    pub(crate) prepared: &'s Cache,
    pub(crate) sessions: &'s Sessions,
    pub(crate) views: Option<&'s dyn Views>,
}

/// The rows of one of our tables, at the moment it was made.
pub(crate) struct Snapshot {
    partitions: Vec<Partition>,
}

impl Snapshot {
    /// What `table` shows now.
    pub(crate) fn of(table: &Table, from: &Sources<'_>) -> Snapshot {
        let Sources { catalog, prepared, sessions, views } = *from;
        let records = match (table.keyspace.as_str(), table.name.as_str()) {
            ("system", "local") => nodes::local(catalog),
            ("system", "peers") => nodes::peers(catalog),
            ("system", "peers_v2") => nodes::peers_v2(catalog),
            ("system", "prepared_statements") => schema::prepared_statements(prepared),
            ("system_schema", "keyspaces") => schema::keyspaces(catalog),
            ("system_schema", "tables") => schema::tables(catalog),
            ("system_schema", "columns") => schema::columns(catalog),
            ("system_schema", "types") => schema::types(catalog),
            ("system_traces", "sessions") => traces::sessions(&sessions.all()),
            ("system_traces", "events") => traces::events(&sessions.all()),
            ("system_views", name) => {
                views.map_or_else(Vec::new, |it| views::records(name, it, catalog))
            }
            // What they list does not exist yet.
            _ => Vec::new(),
        };
        Snapshot { partitions: partitions(table, &records) }
    }

    /// The same, with what other nodes show of it.
    pub(crate) fn and(mut self, others: Vec<Partition>) -> Snapshot {
        self.partitions.extend(others);
        self.partitions.sort_by(|a, b| a.key.cmp(&b.key));
        // What several nodes know is the same.
        self.partitions.dedup_by(|a, b| a.key == b.key);
        self
    }
}

/// Whether each node has rows of its own in `table`, and all of them are shown.
pub(crate) fn is_of_all_nodes(table: &Table) -> bool {
    table.keyspace == "system_traces"
}

/// The rows of this table of `system_traces`; none where it is another table.
pub(crate) fn of_sessions(table: TableId, kept: &[Arc<Session>]) -> Option<Vec<Partition>> {
    let table = SYSTEM_TRACES.iter().find(|it| it.id == table)?;
    let records = if table.name == "events" { traces::events } else { traces::sessions };
    Some(partitions(table, &records(kept)))
}

fn partitions(table: &Table, records: &[Record]) -> Vec<Partition> {
    let mut partitions: BTreeMap<PartitionKey, Partition> = BTreeMap::new();
    for record in records {
        let Some((key, clustering, row)) = stored(table, record) else { continue };
        let partition = partitions.entry(key.clone()).or_insert_with(|| Partition::empty(key));
        partition.put_row(clustering, row);
    }
    partitions.into_values().collect()
}

impl Store for Snapshot {
    fn write(&self, _: Vec<Mutation>, _: store::Options) -> Answering<Result<(), store::Error>> {
        at_once(Err(read_only()))
    }

    fn increment(
        &self,
        _: Vec<Mutation>,
        _: store::Options,
    ) -> BoxFuture<'_, Result<(), store::Error>> {
        Box::pin(async { Err(read_only()) })
    }

    fn read(
        &self,
        command: Arc<Command>,
        _: store::Options,
    ) -> BoxFuture<'_, Result<store::Page, store::Error>> {
        Box::pin(async move { Ok(memory::read(&self.partitions, &command)) })
    }

    fn truncate(
        &self,
        _: TableId,
        _: std::time::Duration,
        _: u64,
    ) -> BoxFuture<'_, Result<(), store::Error>> {
        Box::pin(async { Err(read_only()) })
    }

    fn timestamp(&self) -> Result<i64, store::Error> {
        Err(read_only())
    }
}

fn read_only() -> store::Error {
    store::Error::Invalid("system tables can only be read".to_owned())
}

/// One row by column name.
type Record = BTreeMap<&'static str, Value>;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// A record as keys and cells. None where a key lacks a value.
fn stored(table: &Table, record: &Record) -> Option<(PartitionKey, Clustering, Row)> {
    let values = |columns: &[Column]| -> Option<Vec<Vec<u8>>> {
        columns.iter().map(|it| record.get(it.name.as_str()).map(Value::encode)).collect()
    };
    let partition = values(&table.partition_key)?;
    let parts: Vec<&[u8]> = partition.iter().map(Vec::as_slice).collect();
    let key = PartitionKey::new(key::compose(&parts).ok()?);
    let clustering = values(&table.clustering_key)?;
    let parts: Vec<&[u8]> = clustering.iter().map(Vec::as_slice).collect();
    let clustering = key::encode_clustering(table.clustering_types(), &parts).ok()?;
    let mut row =
        Row { liveness: Some(model::Liveness { timestamp: 0, expiry: None }), ..Row::default() };
    for column in &table.regulars {
        if let Some(value) = record.get(column.name.as_str()) {
            if column.is_multi_cell {
                row.put_elements(column.id, elements(&column.cql_type, value));
                continue;
            }
            let content = Content::Live { value: Bytes::from(value.encode()) };
            row.put(column.id, Cell { timestamp: 0, content });
        }
    }
    Some((key, Clustering(clustering), row))
}

/// A set or a map as a cell for each of its values.
fn elements(cql_type: &CqlType, value: &Value) -> Elements {
    let bytes = Bytes::from(value.encode());
    let parts = value::split(cql_type, &bytes).unwrap_or_default();
    let mut elements = Elements::default();
    let step = if matches!(cql_type, CqlType::Map(_)) { 2 } else { 1 };
    for part in parts.chunks(step) {
        let path = part[0].map(|it| bytes.slice_ref(it)).unwrap_or_default();
        let value = part.get(1).copied().flatten().map(|it| bytes.slice_ref(it));
        let content = Content::Live { value: value.unwrap_or_default() };
        elements.put(path, Cell { timestamp: 0, content });
    }
    elements
}

/// A set of these texts.
fn texts<'t>(all: impl IntoIterator<Item = &'t str>) -> Value {
    Value::Set(all.into_iter().map(text).collect())
}

/// A map of texts.
fn map<'t>(pairs: impl IntoIterator<Item = (&'t str, &'t str)>) -> Value {
    Value::Map(pairs.into_iter().map(|(key, value)| (text(key), text(value))).collect())
}

fn define(keyspace: &str, definition: &Definition) -> Arc<Table> {
    let mut ids = (0..).map(ColumnId);
    let mut columns = |parts: &[(&str, Kind)], kind: ColumnKind| -> Vec<Column> {
        let column = |((name, of), id): (&(&str, Kind), ColumnId)| Column {
            id,
            name: (*name).to_owned(),
            cql_type: of.cql_type(),
            // As in Cassandra: collections of the schema are written whole, those of nodes are not.
            is_multi_cell: !keyspace.ends_with("_schema")
                && matches!(of, Kind::Set(_) | Kind::Map(..)),
            kind,
        };
        parts.iter().zip(ids.by_ref()).map(column).collect()
    };
    let Definition { name, partition, clustering, regulars } = definition;
    let id = xxh3_128(format!("{keyspace}.{name}").as_bytes());
    Arc::new(Table {
        id: TableId(Uuid::from_u128(id)),
        keyspace: keyspace.to_owned(),
        name: (*name).to_owned(),
        partition_key: columns(partition, ColumnKind::Partition),
        clustering_key: columns(clustering, ColumnKind::Clustering(Order::Asc)),
        statics: Vec::new(),
        regulars: columns(regulars, ColumnKind::Regular),
        dropped: Vec::new(),
        options: TableOptions::default(),
        epoch: 0,
    })
}

/// Short names of the types that are used most.
mod kinds {
    use super::{Kind, NativeType};

    pub(super) const BLOB: Kind = Kind::Plain(NativeType::Blob);
    pub(super) const BIGINT: Kind = Kind::Plain(NativeType::Bigint);
    pub(super) const BOOLEAN: Kind = Kind::Plain(NativeType::Boolean);
    pub(super) const DOUBLE: Kind = Kind::Plain(NativeType::Double);
    pub(super) const INET: Kind = Kind::Plain(NativeType::Inet);
    pub(super) const INT: Kind = Kind::Plain(NativeType::Int);
    pub(super) const TEXT: Kind = Kind::Plain(NativeType::Text);
    pub(super) const TIMESTAMP: Kind = Kind::Plain(NativeType::Timestamp);
    pub(super) const TIMEUUID: Kind = Kind::Plain(NativeType::Timeuuid);
    pub(super) const UUID: Kind = Kind::Plain(NativeType::Uuid);
    pub(super) const TEXTS: Kind = Kind::Set(NativeType::Text);
    pub(super) const TEXT_LIST: Kind = Kind::List(NativeType::Text);
    pub(super) const TEXT_MAP: Kind = Kind::Map(NativeType::Text, NativeType::Text);
    pub(super) const BLOB_MAP: Kind = Kind::Map(NativeType::Text, NativeType::Blob);
    pub(super) const UUID_MAP: Kind = Kind::Map(NativeType::Uuid, NativeType::Blob);
}
