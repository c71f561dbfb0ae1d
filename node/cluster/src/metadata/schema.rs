//! Schema changes: whether they fit, and what they make.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use model::{
    Keyspace, Schema, Table,
    schema::{Replication, check_keyspace, check_table},
};

use super::{COLUMNS_MAX, Change, KEYSPACES_MAX, Metadata, Refused, SCHEMA_BYTES_MAX, TABLES_MAX};

/// Whether a schema change may be the next one.
pub(super) fn check(metadata: &Metadata, change: &Change) -> Result<(), Refused> {
    let schema = &metadata.schema;
    match change {
        Change::Found(_) | Change::UpdateNode { .. } => Ok(()),
        Change::CreateKeyspace { keyspace } => {
            if schema.keyspaces.contains_key(&keyspace.name) {
                return Err(Refused::KeyspaceExists(keyspace.name.clone()));
            }
            if !keyspace.tables.is_empty() {
                return Err(Refused::Invalid("a new keyspace with tables"));
            }
            check_keyspace(keyspace)?;
            if schema.keyspaces.len() >= KEYSPACES_MAX {
                return Err(Refused::TooMany { what: "keyspaces", max: KEYSPACES_MAX });
            }
            check_replication(metadata, &keyspace.replication)
        }
        Change::AlterKeyspace { name, replication, .. } => {
            keyspace_of(schema, name)?;
            check_replication(metadata, replication)
        }
        Change::DropKeyspace { name } => keyspace_of(schema, name).map(|_| ()),
        Change::CreateTable { table } => check_new_table(schema, table),
        Change::AlterTable { table } => {
            let current = table_of(schema, &table.keyspace, &table.name)?;
            if current.id != table.id || current.epoch != table.epoch {
                let (keyspace, name) = (table.keyspace.clone(), table.name.clone());
                return Err(Refused::TableChanged { keyspace, name });
            }
            check_size(schema, table)?;
            check_columns(table)
        }
        Change::DropTable { keyspace, name, id } => {
            if table_of(schema, keyspace, name)?.id == *id {
                return Ok(());
            }
            Err(Refused::TableNotFound { keyspace: keyspace.clone(), name: name.clone() })
        }
    }
}

/// The schema after a change that `check` let through.
pub(super) fn apply(schema: &Schema, epoch: u64, change: &Change) -> Schema {
    let mut next = Schema { epoch, ..schema.clone() };
    match change {
        Change::Found(_) | Change::UpdateNode { .. } => {}
        Change::CreateKeyspace { keyspace } => {
            next.keyspaces.insert(keyspace.name.clone(), Arc::new(keyspace.clone()));
        }
        Change::AlterKeyspace { name, replication, durable_writes } => {
            edit(&mut next, name, |keyspace| {
                keyspace.replication = replication.clone();
                keyspace.durable_writes = *durable_writes;
                // Whoever still asks the replicas of before is fenced.
                for table in keyspace.tables.values_mut() {
                    Arc::make_mut(table).epoch = epoch;
                }
            });
        }
        Change::DropKeyspace { name } => {
            next.keyspaces.remove(name);
        }
        Change::CreateTable { table } | Change::AlterTable { table } => {
            let table = Table { epoch, ..Table::clone(table) };
            edit(&mut next, &table.keyspace.clone(), |keyspace| {
                keyspace.tables.insert(table.name.clone(), Arc::new(table));
            });
        }
        Change::DropTable { keyspace, name, .. } => {
            edit(&mut next, keyspace, |keyspace| {
                keyspace.tables.remove(name);
            });
        }
    }
    next
}

fn edit(schema: &mut Schema, keyspace: &str, change: impl FnOnce(&mut Keyspace)) {
    if let Some(keyspace) = schema.keyspaces.get_mut(keyspace) {
        change(Arc::make_mut(keyspace));
    }
}

fn keyspace_of<'a>(schema: &'a Schema, name: &str) -> Result<&'a Keyspace, Refused> {
    let keyspace = schema.keyspaces.get(name).ok_or_else(|| name.to_owned());
    keyspace.map(Arc::as_ref).map_err(Refused::KeyspaceNotFound)
}

fn table_of<'a>(schema: &'a Schema, keyspace: &str, name: &str) -> Result<&'a Table, Refused> {
    let table = keyspace_of(schema, keyspace)?.tables.get(name);
    table.map(Arc::as_ref).ok_or_else(|| Refused::TableNotFound {
        keyspace: keyspace.to_owned(),
        name: name.to_owned(),
    })
}

fn check_new_table(schema: &Schema, table: &Table) -> Result<(), Refused> {
    let keyspace = keyspace_of(schema, &table.keyspace)?;
    if keyspace.tables.contains_key(&table.name) {
        let (keyspace, name) = (table.keyspace.clone(), table.name.clone());
        return Err(Refused::TableExists { keyspace, name });
    }
    if schema.table_by_id(table.id).is_some() {
        return Err(Refused::Invalid("a table id that is in use"));
    }
    if schema.keyspaces.values().map(|it| it.tables.len()).sum::<usize>() >= TABLES_MAX {
        return Err(Refused::TooMany { what: "tables", max: TABLES_MAX });
    }
    check_size(schema, table)?;
    check_columns(table)
}

/// Whether all tables still fit into one snapshot with this one, new or in place of its namesake.
fn check_size(schema: &Schema, table: &Table) -> Result<(), Refused> {
    let tables = schema.keyspaces.values().flat_map(|it| it.tables.values());
    let others = tables.filter(|it| it.id != table.id);
    let bytes = others.map(|it| weight(it)).sum::<usize>() + weight(table);
    if SCHEMA_BYTES_MAX < bytes {
        return Err(Refused::TooMany { what: "bytes of schema", max: SCHEMA_BYTES_MAX });
    }
    Ok(())
}

/// About how many bytes a table takes encoded, rather too many.
fn weight(table: &Table) -> usize {
    let options = &table.options;
    let maps = options.compaction.iter().chain(&options.compression);
    let maps = maps.map(|(name, value)| name.len() + value.len() + 8).sum::<usize>();
    let columns = table.columns().map(|it| it.name.len() + 24).sum::<usize>();
    let columns = columns + table.dropped.len() * 16;
    table.keyspace.len() + table.name.len() + options.comment.len() + maps + columns + 80
}

fn check_columns(table: &Table) -> Result<(), Refused> {
    if COLUMNS_MAX < table.columns().count() + table.dropped.len() {
        return Err(Refused::TooMany {
            what: "columns of a table, dropped ones included,",
            max: COLUMNS_MAX,
        });
    }
    Ok(check_table(table)?)
}

fn check_replication(metadata: &Metadata, replication: &Replication) -> Result<(), Refused> {
    match replication {
        Replication::Simple { factor: 0 } => Err(Refused::NoReplicas),
        Replication::Simple { .. } => Ok(()),
        Replication::NetworkTopology(factors) => check_centers(metadata, factors),
    }
}

fn check_centers(metadata: &Metadata, factors: &BTreeMap<String, u32>) -> Result<(), Refused> {
    let known: BTreeSet<_> = metadata.nodes.values().map(|it| it.dc.as_str()).collect();
    if let Some(unknown) = factors.keys().find(|it| !known.contains(it.as_str())) {
        return Err(Refused::DataCenterNotFound(unknown.clone()));
    }
    if factors.values().all(|factor| *factor == 0) {
        return Err(Refused::NoReplicas);
    }
    Ok(())
}
