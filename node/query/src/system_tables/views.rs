//! `system_views`: what a node tells of itself, with the columns that Cassandra has. What it does not
//! know of them is null, and what it knows of nothing is a table without rows.

use cql_lite::value::Value;

use super::{
    Definition, Record,
    kinds::{BIGINT, BOOLEAN, DOUBLE, INET, INT, TEXT, TEXT_MAP, TIMESTAMP, TIMEUUID, UUID},
    map, text,
};
use crate::{
    Catalog, functions,
    views::{Cache, Client, Compaction, Pool, Views},
};

pub(super) const TABLES: &[Definition] = &[
    Definition {
        name: "settings",
        partition: &[("name", TEXT)],
        clustering: &[],
        regulars: &[("value", TEXT)],
    },
    Definition {
        name: "clients",
        partition: &[("address", INET)],
        clustering: &[("port", INT)],
        regulars: &[
            ("authentication_metadata", TEXT_MAP),
            ("authentication_mode", TEXT),
            ("client_options", TEXT_MAP),
            ("connection_stage", TEXT),
            ("driver_name", TEXT),
            ("driver_version", TEXT),
            ("hostname", TEXT),
            ("keyspace_name", TEXT),
            ("protocol_version", INT),
            ("request_count", BIGINT),
            ("ssl_cipher_suite", TEXT),
            ("ssl_enabled", BOOLEAN),
            ("ssl_protocol", TEXT),
            ("username", TEXT),
        ],
    },
    Definition {
        name: "caches",
        partition: &[("name", TEXT)],
        clustering: &[],
        regulars: &[
            ("capacity_bytes", BIGINT),
            ("entry_count", INT),
            ("hit_count", BIGINT),
            ("hit_ratio", DOUBLE),
            ("recent_hit_rate_per_second", BIGINT),
            ("recent_request_rate_per_second", BIGINT),
            ("request_count", BIGINT),
            ("size_bytes", BIGINT),
        ],
    },
    Definition {
        name: "thread_pools",
        partition: &[("name", TEXT)],
        clustering: &[],
        regulars: &[
            ("active_tasks", INT),
            ("active_tasks_limit", INT),
            ("blocked_tasks", BIGINT),
            ("blocked_tasks_all_time", BIGINT),
            ("completed_tasks", BIGINT),
            ("pending_tasks", INT),
        ],
    },
    Definition {
        name: "pending_hints",
        partition: &[("host_id", UUID)],
        clustering: &[],
        regulars: &[
            ("address", INET),
            ("dc", TEXT),
            ("files", INT),
            ("newest", TIMESTAMP),
            ("oldest", TIMESTAMP),
            ("port", INT),
            ("rack", TEXT),
            ("status", TEXT),
            ("total_size", BIGINT),
        ],
    },
    Definition {
        name: "sstable_tasks",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[("table_name", TEXT), ("task_id", TIMEUUID)],
        regulars: &[
            ("completion_ratio", DOUBLE),
            ("kind", TEXT),
            ("progress", BIGINT),
            ("sstables", INT),
            ("target_directory", TEXT),
            ("total", BIGINT),
            ("unit", TEXT),
        ],
    },
    Definition {
        name: "max_partition_size",
        partition: &[("keyspace_name", TEXT)],
        clustering: &[("table_name", TEXT)],
        regulars: &[("mebibytes", BIGINT)],
    },
];

/// The rows of the table of this name.
pub(super) fn records(name: &str, views: &dyn Views, catalog: &dyn Catalog) -> Vec<Record> {
    match name {
        "settings" => {
            let record = |(name, value): (String, String)| {
                Record::from([("name", text(&name)), ("value", text(&value))])
            };
            views.settings().into_iter().map(record).collect()
        }
        "clients" => views.clients().iter().map(client).collect(),
        "caches" => views.caches().iter().map(cache).collect(),
        "thread_pools" => views.pools().iter().map(pool).collect(),
        "pending_hints" => hints(views, catalog),
        "sstable_tasks" => compactions(views, catalog),
        "max_partition_size" => largest(views, catalog),
        // Nothing is known of them.
        _ => Vec::new(),
    }
}

fn client(it: &Client) -> Record {
    let options = it.options.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut record = Record::from([
        ("address", Value::Inet(it.address.ip())),
        ("port", Value::Int(it.address.port().into())),
        ("client_options", map(options)),
        ("connection_stage", text(if it.is_ready { "ready" } else { "established" })),
        ("hostname", text(&it.address.ip().to_string())),
        ("request_count", count(it.requests)),
        ("ssl_enabled", Value::Boolean(false)),
        ("username", text("anonymous")),
    ]);
    for (column, option) in [("driver_name", "DRIVER_NAME"), ("driver_version", "DRIVER_VERSION")] {
        if let Some((_, value)) = it.options.iter().find(|(name, _)| name == option) {
            record.insert(column, text(value));
        }
    }
    if let Some(version) = it.version {
        record.insert("protocol_version", Value::Int(version.into()));
    }
    if let Some(keyspace) = &it.keyspace {
        record.insert("keyspace_name", text(keyspace));
    }
    record
}

fn cache(it: &Cache) -> Record {
    let ratio = if it.requests == 0 { f64::NAN } else { it.hits as f64 / it.requests as f64 };
    Record::from([
        ("name", text(it.name)),
        ("capacity_bytes", count(it.capacity_bytes)),
        ("hit_count", count(it.hits)),
        ("hit_ratio", Value::Double(ratio)),
        ("request_count", count(it.requests)),
        ("size_bytes", count(it.bytes)),
    ])
}

fn pool(it: &Pool) -> Record {
    let mut record = Record::from([
        ("name", text(it.name)),
        ("active_tasks_limit", int(it.limit)),
        ("completed_tasks", count(it.completed)),
    ]);
    record.extend(it.active.map(|active| ("active_tasks", int(active))));
    record.extend(it.pending.map(|pending| ("pending_tasks", int(pending))));
    record
}

fn hints(views: &dyn Views, catalog: &dyn Catalog) -> Vec<Record> {
    let nodes = catalog.nodes();
    let mut records = Vec::new();
    for it in views.hints() {
        let mut record = Record::from([
            ("host_id", Value::Uuid(it.host.0)),
            // One log for each node.
            ("files", Value::Int(1)),
            ("oldest", Value::Timestamp(it.oldest.saturating_mul(1000))),
            ("total_size", count(it.bytes)),
        ]);
        if let Some(node) = nodes.iter().find(|node| node.host == it.host) {
            record.extend([
                ("address", Value::Inet(node.peer.ip())),
                ("port", Value::Int(node.peer.port().into())),
                ("dc", text(&node.dc)),
                ("rack", text(&node.rack)),
                ("status", text(if node.alive { "UP" } else { "DOWN" })),
            ]);
        }
        records.push(record);
    }
    records
}

fn compactions(views: &dyn Views, catalog: &dyn Catalog) -> Vec<Record> {
    let schema = catalog.schema();
    let record = |it: Compaction| {
        // It has no name any more when it was dropped meanwhile.
        let table = schema.table_by_id(it.table)?;
        // What was compacted to less than it was is ready before all of it is written again.
        let ratio = it.written_bytes as f64 / it.total_bytes.max(1) as f64;
        let id = functions::timeuuid_of(it.begun, it.number);
        Some(Record::from([
            ("keyspace_name", text(&table.keyspace)),
            ("table_name", text(&table.name)),
            ("task_id", Value::Timeuuid(id)),
            ("completion_ratio", Value::Double(ratio.min(1.0))),
            ("kind", text("compaction")),
            ("progress", count(it.written_bytes)),
            ("sstables", int(it.sstables)),
            ("target_directory", text(&it.directory)),
            ("total", count(it.total_bytes)),
            ("unit", text("bytes")),
        ]))
    };
    views.compactions().into_iter().filter_map(record).collect()
}

fn largest(views: &dyn Views, catalog: &dyn Catalog) -> Vec<Record> {
    let schema = catalog.schema();
    let record = |(table, bytes)| {
        let table = schema.table_by_id(table)?;
        Some(Record::from([
            ("keyspace_name", text(&table.keyspace)),
            ("table_name", text(&table.name)),
            ("mebibytes", count(bytes >> 20)),
        ]))
    };
    views.largest_partitions().into_iter().filter_map(record).collect()
}

fn count(count: u64) -> Value {
    Value::Bigint(i64::try_from(count).unwrap_or(i64::MAX))
}

fn int(count: u64) -> Value {
    Value::Int(i32::try_from(count).unwrap_or(i32::MAX))
}
