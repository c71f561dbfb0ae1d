//! Schema changes: whether they fit, and what they make.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use model::{
    Keyspace, Schema, Table,
    schema::{CqlType, Replication, UserType, check_keyspace, check_table, check_type},
};

use super::{
    COLUMNS_MAX, Change, FIELDS_MAX, KEYSPACES_MAX, Metadata, Refused, SCHEMA_BYTES_MAX,
    TABLES_MAX, TYPES_MAX,
};

/// Whether a schema change may be the next one.
pub(super) fn check(metadata: &Metadata, change: &Change) -> Result<(), Refused> {
    let schema = &metadata.schema;
    match change {
        Change::Found(_) | Change::UpdateNode { .. } => Ok(()),
        Change::CreateKeyspace { keyspace } => {
            if schema.keyspaces.contains_key(&keyspace.name) {
                return Err(Refused::KeyspaceExists(keyspace.name.clone()));
            }
            if !keyspace.tables.is_empty() || !keyspace.types.is_empty() {
                return Err(Refused::Invalid("a new keyspace with tables or types"));
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
        Change::CreateType { user } => {
            let keyspace = keyspace_of(schema, &user.keyspace)?;
            if keyspace.types.contains_key(&user.name) {
                let (keyspace, name) = (user.keyspace.clone(), user.name.clone());
                return Err(Refused::TypeExists { keyspace, name });
            }
            if schema.keyspaces.values().map(|it| it.types.len()).sum::<usize>() >= TYPES_MAX {
                return Err(Refused::TooMany { what: "types", max: TYPES_MAX });
            }
            check_user_type(schema, user)
        }
        Change::AlterType { before, after } => check_altered_type(schema, before, after),
        Change::DropType { keyspace, name } => {
            type_of(schema, keyspace, name)?;
            match user_of_type(schema, keyspace, name) {
                Some(user) => {
                    let (keyspace, name) = (keyspace.clone(), name.clone());
                    Err(Refused::TypeInUse { keyspace, name, user })
                }
                None => Ok(()),
            }
        }
    }
}

/// Whether a user type may be another one from now on.
fn check_altered_type(schema: &Schema, before: &UserType, after: &UserType) -> Result<(), Refused> {
    let current = type_of(schema, &before.keyspace, &before.name)?;
    let is_same = (&after.keyspace, &after.name) == (&before.keyspace, &before.name);
    let same_types = before.fields.len() <= after.fields.len()
        && before.fields.iter().zip(&after.fields).all(|((_, a), (_, b))| a == b);
    if !is_same || !same_types {
        return Err(Refused::Invalid("another type in the place of the one altered"));
    }
    if current != before {
        let (keyspace, name) = (before.keyspace.clone(), before.name.clone());
        return Err(Refused::TypeChanged { keyspace, name });
    }
    check_user_type(schema, after)
}

/// What uses a type, in words; none where nothing does.
fn user_of_type(schema: &Schema, keyspace: &str, name: &str) -> Option<String> {
    let home = schema.keyspaces.get(keyspace)?;
    let by_table = home.tables.values().find_map(|table| {
        let column = table.columns().find(|it| it.cql_type.uses(keyspace, name))?;
        Some(format!("column {} of table {keyspace}.{}", column.name, table.name))
    });
    by_table.or_else(|| {
        let uses = |it: &&Arc<UserType>| it.fields.iter().any(|(_, of)| of.uses(keyspace, name));
        let user = home.types.values().find(uses)?;
        Some(format!("type {keyspace}.{}", user.name))
    })
}

fn type_of<'a>(schema: &'a Schema, keyspace: &str, name: &str) -> Result<&'a UserType, Refused> {
    let user = keyspace_of(schema, keyspace)?.types.get(name);
    user.map(Arc::as_ref).ok_or_else(|| Refused::TypeNotFound {
        keyspace: keyspace.to_owned(),
        name: name.to_owned(),
    })
}

/// Whether a user type can be, new or in the place of the one of its name.
fn check_user_type(schema: &Schema, user: &UserType) -> Result<(), Refused> {
    if FIELDS_MAX < user.fields.len() {
        return Err(Refused::TooMany { what: "fields of a type", max: FIELDS_MAX });
    }
    let types = schema.keyspaces.values().flat_map(|it| it.types.values());
    let others = types.filter(|it| (&it.keyspace, &it.name) != (&user.keyspace, &user.name));
    let bytes = others.map(|it| type_weight(it)).sum::<usize>() + type_weight(user);
    if SCHEMA_BYTES_MAX / 4 < bytes {
        return Err(Refused::TooMany { what: "bytes of types", max: SCHEMA_BYTES_MAX / 4 });
    }
    // What it uses is what those types are now.
    let is_current = |it: &Arc<UserType>| {
        type_of(schema, &it.keyspace, &it.name).is_ok_and(|current| *current == **it)
    };
    let used = user.fields.iter().flat_map(|(_, of)| of.user_types());
    if used.into_iter().any(|it| it.name == user.name || !is_current(it)) {
        return Err(Refused::Invalid("a field of a type that is not there"));
    }
    Ok(check_type(user)?)
}

fn type_weight(user: &UserType) -> usize {
    let field = |(name, of): &(String, CqlType)| name.len() + of.in_full().len();
    user.keyspace.len() + user.name.len() + user.fields.iter().map(field).sum::<usize>() + 16
}

/// Makes a user type what it is in this one, wherever it is used: types and columns know all that
/// they are made of. Tables that use it are of this epoch.
fn put_type(keyspace: &mut Keyspace, user: &UserType, epoch: u64) {
    let user = Arc::new(user.clone());
    let uses = |it: &CqlType| it.uses(&user.keyspace, &user.name);
    for other in keyspace.types.values_mut() {
        if other.fields.iter().any(|(_, of)| uses(of)) {
            let fields = &mut Arc::make_mut(other).fields;
            fields.iter_mut().for_each(|(_, of)| *of = of.with_user_type(&user));
        }
    }
    for table in keyspace.tables.values_mut() {
        if table.columns().any(|it| uses(&it.cql_type)) {
            let table = Arc::make_mut(table);
            table.epoch = epoch;
            table.columns_mut().for_each(|it| it.cql_type = it.cql_type.with_user_type(&user));
        }
    }
    keyspace.types.insert(user.name.clone(), user);
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
        Change::CreateType { user } | Change::AlterType { after: user, .. } => {
            edit(&mut next, &user.keyspace, |keyspace| put_type(keyspace, user, epoch));
        }
        Change::DropType { keyspace, name } => {
            edit(&mut next, keyspace, |keyspace| {
                keyspace.types.remove(name);
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
    let columns =
        table.columns().map(|it| it.name.len() + it.cql_type.in_full().len() + 18).sum::<usize>();
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
