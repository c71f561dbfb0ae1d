//! `system_schema`: what there is, in the words of Cassandra's own tables.

use std::{collections::BTreeMap, sync::Arc};

use cql_lite::{ast::TypeName, value::Value};
use model::{
    Table,
    key::Order,
    schema::{Column, ColumnKind, CqlType, TableOptions, UserType},
};

use super::{
    Definition, KEYSPACES, Record, keyspace,
    kinds::{
        BIGINT, BLOB, BLOB_MAP, BOOLEAN, DOUBLE, INT, TEXT, TEXT_LIST, TEXT_MAP, TEXTS, TIMESTAMP,
        UUID,
    },
    map, text, texts,
};
use crate::{Catalog, prepared::Cache};

/// Where Cassandra keeps what a class is named by.
const LOCATOR: &str = "org.apache.cassandra.locator.";
const COMPACTION: &str = "org.apache.cassandra.db.compaction.";
const COMPRESSION: &str = "org.apache.cassandra.io.compress.";

pub(super) const TABLES: &[Definition] = &[
    Definition {
        name: "keyspaces",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[],
        regulars: &[("durable_writes", BOOLEAN), ("replication", TEXT_MAP)],
    },
    Definition {
        name: "tables",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[("table_name", TEXT)],
        regulars: &[
            ("additional_write_policy", TEXT),
            ("allow_auto_snapshot", BOOLEAN),
            ("bloom_filter_fp_chance", DOUBLE),
            ("caching", TEXT_MAP),
            ("cdc", BOOLEAN),
            ("comment", TEXT),
            ("compaction", TEXT_MAP),
            ("compression", TEXT_MAP),
            ("crc_check_chance", DOUBLE),
            ("dclocal_read_repair_chance", DOUBLE),
            ("default_time_to_live", INT),
            ("extensions", BLOB_MAP),
            ("flags", TEXTS),
            ("gc_grace_seconds", INT),
            ("id", UUID),
            ("incremental_backups", BOOLEAN),
            ("max_index_interval", INT),
            ("memtable", TEXT),
            ("memtable_flush_period_in_ms", INT),
            ("min_index_interval", INT),
            ("read_repair", TEXT),
            ("read_repair_chance", DOUBLE),
            ("speculative_retry", TEXT),
        ],
    },
    Definition {
        name: "columns",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[("table_name", TEXT), ("column_name", TEXT)],
        regulars: &[
            ("clustering_order", TEXT),
            ("column_name_bytes", BLOB),
            ("kind", TEXT),
            ("position", INT),
            ("type", TEXT),
        ],
    },
    Definition {
        name: "dropped_columns",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[("table_name", TEXT), ("column_name", TEXT)],
        regulars: &[("dropped_time", TIMESTAMP), ("kind", TEXT), ("type", TEXT)],
    },
    Definition {
        name: "indexes",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[("table_name", TEXT), ("index_name", TEXT)],
        regulars: &[("kind", TEXT), ("options", TEXT_MAP)],
    },
    Definition {
        name: "triggers",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[("table_name", TEXT), ("trigger_name", TEXT)],
        regulars: &[("options", TEXT_MAP)],
    },
    Definition {
        name: "types",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[("type_name", TEXT)],
        regulars: &[("field_names", TEXT_LIST), ("field_types", TEXT_LIST)],
    },
    Definition {
        name: "functions",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[("function_name", TEXT), ("argument_types", TEXT_LIST)],
        regulars: &[
            ("argument_names", TEXT_LIST),
            ("body", TEXT),
            ("called_on_null_input", BOOLEAN),
            ("language", TEXT),
            ("return_type", TEXT),
        ],
    },
    Definition {
        name: "aggregates",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[("aggregate_name", TEXT), ("argument_types", TEXT_LIST)],
        regulars: &[
            ("final_func", TEXT),
            ("initcond", TEXT),
            ("return_type", TEXT),
            ("state_func", TEXT),
            ("state_type", TEXT),
        ],
    },
    Definition {
        name: "views",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[("view_name", TEXT)],
        regulars: &[
            ("additional_write_policy", TEXT),
            ("allow_auto_snapshot", BOOLEAN),
            ("base_table_id", UUID),
            ("base_table_name", TEXT),
            ("bloom_filter_fp_chance", DOUBLE),
            ("caching", TEXT_MAP),
            ("cdc", BOOLEAN),
            ("comment", TEXT),
            ("compaction", TEXT_MAP),
            ("compression", TEXT_MAP),
            ("crc_check_chance", DOUBLE),
            ("dclocal_read_repair_chance", DOUBLE),
            ("default_time_to_live", INT),
            ("extensions", BLOB_MAP),
            ("gc_grace_seconds", INT),
            ("id", UUID),
            ("include_all_columns", BOOLEAN),
            ("incremental_backups", BOOLEAN),
            ("max_index_interval", INT),
            ("memtable", TEXT),
            ("memtable_flush_period_in_ms", INT),
            ("min_index_interval", INT),
            ("read_repair", TEXT),
            ("read_repair_chance", DOUBLE),
            ("speculative_retry", TEXT),
            ("where_clause", TEXT),
        ],
    },
];

/// Tables of `system` that are about what was prepared and built.
pub(super) const REMEMBERED: &[Definition] = &[
    Definition {
        name: "prepared_statements",
        partition: &[("prepared_id", BLOB)],
        clustering: &[],
        regulars: &[("logged_keyspace", TEXT), ("query_string", TEXT)],
    },
    Definition {
        name: "built_views",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[("view_name", TEXT)],
        regulars: &[("status_replicated", BOOLEAN)],
    },
    Definition {
        name: "IndexInfo",
        partition: &[("table_name", TEXT)],
        clustering: &[("index_name", TEXT)],
        regulars: &[("value", BLOB)],
    },
    Definition {
        name: "size_estimates",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[("table_name", TEXT), ("range_start", TEXT), ("range_end", TEXT)],
        regulars: &[("mean_partition_size", BIGINT), ("partitions_count", BIGINT)],
    },
];

/// Drivers ask for them. Our tables stand in `system_schema` with all others, so that there is none.
pub(super) const VIRTUAL_TABLES: &[Definition] = &[
    Definition {
        name: "keyspaces",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[],
        regulars: &[],
    },
    Definition {
        name: "tables",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[("table_name", TEXT)],
        regulars: &[("comment", TEXT)],
    },
    Definition {
        name: "columns",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[("table_name", TEXT), ("column_name", TEXT)],
        regulars: &[
            ("clustering_order", TEXT),
            ("column_name_bytes", BLOB),
            ("kind", TEXT),
            ("position", INT),
            ("type", TEXT),
        ],
    },
];

pub(super) fn keyspaces(catalog: &dyn Catalog) -> Vec<Record> {
    let record = |name: &str, durable_writes: bool, replication: &BTreeMap<String, String>| {
        Record::from([
            ("keyspace_name", text(name)),
            ("durable_writes", Value::Boolean(durable_writes)),
            ("replication", classed(replication, LOCATOR)),
        ])
    };
    let schema = catalog.schema();
    let theirs = schema.keyspaces.values().map(|it| {
        record(&it.name, it.durable_writes, &it.replication.to_map().into_iter().collect())
    });
    let local = BTreeMap::from([("class".to_owned(), "LocalStrategy".to_owned())]);
    theirs.chain(KEYSPACES.iter().map(|it| record(it, true, &local))).collect()
}

/// A map that names a class, which Cassandra writes in full.
fn classed(map_of: &BTreeMap<String, String>, package: &str) -> Value {
    let full = |(key, value): (&String, &String)| {
        let short = key == "class" && !value.contains('.');
        (key.clone(), if short { format!("{package}{value}") } else { value.clone() })
    };
    let entries: BTreeMap<String, String> = map_of.iter().map(full).collect();
    map(entries.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

fn all_tables(catalog: &dyn Catalog) -> Vec<Arc<Table>> {
    let schema = catalog.schema();
    let theirs = schema.keyspaces.values().flat_map(|it| it.tables.values().cloned());
    let ours = KEYSPACES.iter().flat_map(|it| keyspace(it).unwrap_or_default().iter().cloned());
    theirs.chain(ours).collect()
}

pub(super) fn tables(catalog: &dyn Catalog) -> Vec<Record> {
    all_tables(catalog).iter().map(|it| of_table(it)).collect()
}

/// A row of `tables`. Options that do not exist here have the values that Cassandra begins with,
/// since drivers write them into what they show.
fn of_table(table: &Table) -> Record {
    let seconds = |it: u32| Value::Int(i32::try_from(it).unwrap_or(i32::MAX));
    let TableOptions {
        comment,
        gc_grace_seconds,
        default_time_to_live,
        compaction,
        compression,
        bloom_filter_fp_chance,
    } = &table.options;
    Record::from([
        ("keyspace_name", text(&table.keyspace)),
        ("table_name", text(&table.name)),
        ("additional_write_policy", text("99p")),
        ("allow_auto_snapshot", Value::Boolean(true)),
        ("bloom_filter_fp_chance", Value::Double(*bloom_filter_fp_chance)),
        ("caching", map([("keys", "ALL"), ("rows_per_partition", "NONE")])),
        ("cdc", Value::Boolean(false)),
        ("comment", text(comment)),
        ("compaction", classed(compaction, COMPACTION)),
        ("compression", classed(compression, COMPRESSION)),
        ("crc_check_chance", Value::Double(1.0)),
        ("dclocal_read_repair_chance", Value::Double(0.0)),
        ("default_time_to_live", seconds(*default_time_to_live)),
        ("extensions", map([])),
        ("flags", texts(["compound"])),
        ("gc_grace_seconds", seconds(*gc_grace_seconds)),
        ("id", Value::Uuid(table.id.0)),
        ("incremental_backups", Value::Boolean(true)),
        ("max_index_interval", Value::Int(2048)),
        ("memtable", text("default")),
        ("memtable_flush_period_in_ms", Value::Int(0)),
        ("min_index_interval", Value::Int(128)),
        ("read_repair", text("BLOCKING")),
        ("read_repair_chance", Value::Double(0.0)),
        ("speculative_retry", text("99p")),
    ])
}

pub(super) fn columns(catalog: &dyn Catalog) -> Vec<Record> {
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
    let of = column.type_name().node.to_string();
    Record::from([
        ("keyspace_name", text(&table.keyspace)),
        ("table_name", text(&table.name)),
        ("column_name", text(&column.name)),
        ("clustering_order", text(order)),
        ("column_name_bytes", Value::Blob(column.name.as_bytes().to_vec())),
        ("kind", text(kind)),
        ("position", Value::Int(position)),
        ("type", text(&of)),
    ])
}

pub(super) fn types(catalog: &dyn Catalog) -> Vec<Record> {
    let schema = catalog.schema();
    let types = schema.keyspaces.values().flat_map(|it| it.types.values());
    let record = |user: &Arc<UserType>| {
        let names = user.fields.iter().map(|(name, _)| text(name)).collect();
        let of = |it: &CqlType| text(&TypeName::of(it, true).to_string());
        Record::from([
            ("keyspace_name", text(&user.keyspace)),
            ("type_name", text(&user.name)),
            ("field_names", Value::List(names)),
            ("field_types", Value::List(user.fields.iter().map(|(_, it)| of(it)).collect())),
        ])
    };
    types.map(record).collect()
}

pub(super) fn prepared_statements(prepared: &Cache) -> Vec<Record> {
    let mut records = Vec::new();
    for entry in prepared.all() {
        let id = Value::Blob(entry.prepared.id.0.to_vec());
        let mut record = Record::from([("prepared_id", id), ("query_string", text(&entry.text))]);
        if let Some(keyspace) = &entry.keyspace {
            record.insert("logged_keyspace", text(keyspace));
        }
        records.push(record);
    }
    records
}
