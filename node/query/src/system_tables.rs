//! Tables made up for each read: `system` and `system_schema`.
//!
//! They answer from this node alone, whatever the consistency level. Columns whose types do not
//! exist yet (sets, maps) are left out or written as CQL text.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use cql_lite::{types::CqlType, value::Value};
use futures_util::future::BoxFuture;
use model::{
    Cell, Clustering, ColumnId, Content, Mutation, Partition, PartitionKey, Row, Table, TableId,
    key::{self, Order},
    read::Command,
    schema::{Column, ColumnKind, TableOptions},
};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::{Catalog, NodeInfo, Store, memory, store};

/// The keyspaces that are ours.
pub(crate) const KEYSPACES: [&str; 2] = ["system", "system_schema"];

/// What stock drivers switch on.
const RELEASE_VERSION: &str = "5.0.0";

static SYSTEM: LazyLock<Vec<Arc<Table>>> = LazyLock::new(|| {
    use CqlType::{Inet, Int, Text, Uuid};
    vec![
        define(
            ("system", "local"),
            &[("key", Text)],
            &[],
            &[
                ("cluster_name", Text),
                ("cql_version", Text),
                ("data_center", Text),
                ("helenus_version", Text),
                ("host_id", Uuid),
                ("listen_address", Inet),
                ("native_protocol_version", Text),
                ("partitioner", Text),
                ("rack", Text),
                ("release_version", Text),
                ("rpc_address", Inet),
                ("rpc_port", Int),
                ("schema_version", Uuid),
            ],
        ),
        define(
            ("system", "peers"),
            &[("peer", Inet)],
            &[],
            &[
                ("data_center", Text),
                ("host_id", Uuid),
                ("rack", Text),
                ("release_version", Text),
                ("rpc_address", Inet),
                ("schema_version", Uuid),
            ],
        ),
    ]
});

static SYSTEM_SCHEMA: LazyLock<Vec<Arc<Table>>> = LazyLock::new(|| {
    use CqlType::{Boolean, Double, Int, Text, Uuid};
    vec![
        define(
            ("system_schema", "keyspaces"),
            &[("keyspace_name", Text)],
            &[],
            &[("durable_writes", Boolean), ("replication", Text)],
        ),
        define(
            ("system_schema", "tables"),
            &[("keyspace_name", Text)],
            &[("table_name", Text)],
            &[
                ("bloom_filter_fp_chance", Double),
                ("comment", Text),
                ("default_time_to_live", Int),
                ("gc_grace_seconds", Int),
                ("id", Uuid),
            ],
        ),
        define(
            ("system_schema", "columns"),
            &[("keyspace_name", Text)],
            &[("table_name", Text), ("column_name", Text)],
            &[("clustering_order", Text), ("kind", Text), ("position", Int), ("type", Text)],
        ),
    ]
});

/// The tables of a keyspace of ours.
pub(crate) fn keyspace(name: &str) -> Option<&'static [Arc<Table>]> {
    match name {
        "system" => Some(&SYSTEM),
        "system_schema" => Some(&SYSTEM_SCHEMA),
        _ => None,
    }
}

/// The rows of one of our tables, at the moment it was made.
pub(crate) struct Snapshot {
    partitions: Vec<Partition>,
}

impl Snapshot {
    /// What `table` shows now.
    pub(crate) fn of(table: &Table, catalog: &dyn Catalog) -> Snapshot {
        let records = match (table.keyspace.as_str(), table.name.as_str()) {
            ("system", "local") => local(catalog),
            ("system", "peers") => peers(catalog),
            ("system_schema", "keyspaces") => keyspaces(catalog),
            ("system_schema", "tables") => tables(catalog),
            ("system_schema", "columns") => columns(catalog),
            _ => Vec::new(),
        };
        let mut partitions: BTreeMap<PartitionKey, Partition> = BTreeMap::new();
        for record in records {
            let Some((key, clustering, row)) = stored(table, &record) else { continue };
            let partition = partitions.entry(key.clone()).or_insert_with(|| Partition::empty(key));
            partition.put_row(clustering, row);
        }
        Snapshot { partitions: partitions.into_values().collect() }
    }
}

impl Store for Snapshot {
    fn write(
        &self,
        _: Vec<Mutation>,
        _: store::Options,
    ) -> BoxFuture<'_, Result<(), store::Error>> {
        Box::pin(async { Err(read_only()) })
    }

    fn read(
        &self,
        command: Command,
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

    fn timestamp(&self) -> BoxFuture<'_, Result<i64, store::Error>> {
        Box::pin(async { Err(read_only()) })
    }
}

fn read_only() -> store::Error {
    store::Error::Invalid("system tables can only be read".to_owned())
}

/// One row by column name.
type Record = BTreeMap<&'static str, Value>;

fn local(catalog: &dyn Catalog) -> Vec<Record> {
    let nodes = catalog.nodes();
    let Some(node) = nodes.first() else { return Vec::new() };
    let mut record = of_node(node, catalog);
    record.extend([
        ("key", text("local")),
        ("cluster_name", text(&catalog.cluster_name())),
        ("cql_version", text("3.4.7")),
        ("helenus_version", text(env!("CARGO_PKG_VERSION"))),
        ("listen_address", Value::Inet(node.peer.ip())),
        ("native_protocol_version", text("5")),
        ("partitioner", text("org.apache.cassandra.dht.Murmur3Partitioner")),
        ("rpc_port", Value::Int(i32::from(node.cql.port()))),
    ]);
    vec![record]
}

fn peers(catalog: &dyn Catalog) -> Vec<Record> {
    let peers = catalog.nodes();
    // Several nodes of one address, as on one machine, would be one row: the first one stays.
    let mut seen: Vec<IpAddr> = Vec::new();
    let mut records = Vec::new();
    for node in peers.iter().skip(1) {
        let ip = node.peer.ip();
        if !seen.contains(&ip) {
            seen.push(ip);
            let mut record = of_node(node, catalog);
            record.insert("peer", Value::Inet(ip));
            records.push(record);
        }
    }
    records
}

fn of_node(node: &NodeInfo, catalog: &dyn Catalog) -> Record {
    let epoch = catalog.schema().epoch.to_be_bytes();
    let version = uuid::Builder::from_random_bytes(xxh3_128(&epoch).to_be_bytes()).into_uuid();
    Record::from([
        ("data_center", text(&node.dc)),
        ("host_id", Value::Uuid(node.host.0)),
        ("rack", text(&node.rack)),
        ("release_version", text(RELEASE_VERSION)),
        ("rpc_address", Value::Inet(node.cql.ip())),
        ("schema_version", Value::Uuid(version)),
    ])
}

fn keyspaces(catalog: &dyn Catalog) -> Vec<Record> {
    let schema = catalog.schema();
    let record = |it: &Arc<model::Keyspace>| {
        let map: Vec<String> = it
            .replication
            .to_map()
            .into_iter()
            .map(|(key, value)| {
                format!("{}: {}", text(&key).to_literal(), text(&value).to_literal())
            })
            .collect();
        Record::from([
            ("keyspace_name", text(&it.name)),
            ("durable_writes", Value::Boolean(it.durable_writes)),
            ("replication", text(&format!("{{{}}}", map.join(", ")))),
        ])
    };
    schema.keyspaces.values().map(record).collect()
}

fn all_tables(catalog: &dyn Catalog) -> Vec<Arc<Table>> {
    let schema = catalog.schema();
    let theirs = schema.keyspaces.values().flat_map(|it| it.tables.values().cloned());
    theirs.chain(SYSTEM.iter().cloned()).chain(SYSTEM_SCHEMA.iter().cloned()).collect()
}

fn tables(catalog: &dyn Catalog) -> Vec<Record> {
    let seconds = |it: u32| Value::Int(i32::try_from(it).unwrap_or(i32::MAX));
    let record = |it: Arc<Table>| {
        Record::from([
            ("keyspace_name", text(&it.keyspace)),
            ("table_name", text(&it.name)),
            ("bloom_filter_fp_chance", Value::Double(it.options.bloom_filter_fp_chance)),
            ("comment", text(&it.options.comment)),
            ("default_time_to_live", seconds(it.options.default_time_to_live)),
            ("gc_grace_seconds", seconds(it.options.gc_grace_seconds)),
            ("id", Value::Uuid(it.id.0)),
        ])
    };
    all_tables(catalog).into_iter().map(record).collect()
}

fn columns(catalog: &dyn Catalog) -> Vec<Record> {
    let mut records = Vec::new();
    for table in all_tables(catalog) {
        let parts = [&table.partition_key, &table.clustering_key];
        for (position, column) in parts.iter().flat_map(|part| part.iter().enumerate()) {
            records.push(of_column(&table, column, i32::try_from(position).unwrap_or(i32::MAX)));
        }
        for column in table.statics.iter().chain(&table.regulars) {
            records.push(of_column(&table, column, -1));
        }
    }
    records
}

fn of_column(table: &Table, column: &Column, position: i32) -> Record {
    let (kind, order) = match column.kind {
        ColumnKind::Partition => ("partition_key", "none"),
        ColumnKind::Clustering(Order::Asc) => ("clustering", "asc"),
        ColumnKind::Clustering(Order::Desc) => ("clustering", "desc"),
        ColumnKind::Static => ("static", "none"),
        ColumnKind::Regular => ("regular", "none"),
    };
    Record::from([
        ("keyspace_name", text(&table.keyspace)),
        ("table_name", text(&table.name)),
        ("column_name", text(&column.name)),
        ("clustering_order", text(order)),
        ("kind", text(kind)),
        ("position", Value::Int(position)),
        ("type", text(column.cql_type.name())),
    ])
}

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
    let clustering = key::encode_clustering(&table.clustering_types(), &parts).ok()?;
    let mut row =
        Row { liveness: Some(model::Liveness { timestamp: 0, expiry: None }), ..Row::default() };
    for column in &table.regulars {
        if let Some(value) = record.get(column.name.as_str()) {
            let content = Content::Live { value: Bytes::from(value.encode()) };
            row.put(column.id, Cell { timestamp: 0, content });
        }
    }
    Some((key, Clustering(clustering), row))
}

/// The definition of one of our tables. Columns are given in key order, or by name.
fn define(
    (keyspace, name): (&str, &str),
    partition: &[(&str, CqlType)],
    clustering: &[(&str, CqlType)],
    regulars: &[(&str, CqlType)],
) -> Arc<Table> {
    let mut ids = (0..).map(ColumnId);
    let mut columns = |parts: &[(&str, CqlType)], kind: ColumnKind| -> Vec<Column> {
        let column = |((name, cql_type), id): (&(&str, CqlType), ColumnId)| Column {
            id,
            name: (*name).to_owned(),
            cql_type: *cql_type,
            kind,
        };
        parts.iter().zip(ids.by_ref()).map(column).collect()
    };
    let id = xxh3_128(format!("{keyspace}.{name}").as_bytes());
    Arc::new(Table {
        id: TableId(Uuid::from_u128(id)),
        keyspace: keyspace.to_owned(),
        name: name.to_owned(),
        partition_key: columns(partition, ColumnKind::Partition),
        clustering_key: columns(clustering, ColumnKind::Clustering(Order::Asc)),
        statics: Vec::new(),
        regulars: columns(regulars, ColumnKind::Regular),
        dropped: Vec::new(),
        options: TableOptions::default(),
        epoch: 0,
    })
}
