//! ALTER: what a keyspace or a table becomes.

use cql_lite::{ast, code::Code};
use model::{
    ColumnId, Table,
    schema::{self, Column, ColumnKind},
};

use super::{
    Decision, Proposal, exists, invalid, lone_static, missing, options, refuse_ours, replication,
};
use crate::{
    Error, NodeInfo, SchemaChange, SchemaEffect, SchemaTarget,
    plan::names::{Scope, column, list},
};

/// Decides on `ALTER KEYSPACE`.
pub(crate) fn alter_keyspace(
    alter: &ast::AlterKeyspace,
    scope: &Scope<'_>,
    nodes: &[NodeInfo],
) -> Result<Decision, Error> {
    let (name, span) = (&alter.name.text, alter.name.span);
    refuse_ours(name, span)?;
    let Some(current) = scope.schema.keyspaces.get(name) else {
        return missing(scope.unknown_keyspace(name), span, alter.if_exists);
    };
    let mut warnings = Vec::new();
    let replication = match &alter.replication {
        Some(map) => replication(map, span, nodes, &mut warnings)?,
        None => current.replication.clone(),
    };
    if replication != current.replication && !current.tables.is_empty() {
        // Hints and read repair are all that moves rows to a replica that is new.
        warnings.push(
            "rows written before stay where they are: read each table once at consistency ALL \
             (SELECT count(*) …), which copies them to their new replicas, before a lower level \
             can count on those"
                .to_owned(),
        );
    }
    Ok(Decision::change(Proposal {
        change: SchemaChange::AlterKeyspace {
            name: name.clone(),
            replication,
            durable_writes: alter.durable_writes.unwrap_or(current.durable_writes),
        },
        tolerant: alter.if_exists,
        effect: SchemaEffect::Updated,
        target: SchemaTarget::Keyspace,
        keyspace: name.clone(),
        table: None,
        warnings,
    }))
}

/// Decides on `ALTER TABLE`.
pub(crate) fn alter_table(alter: &ast::AlterTable, scope: &Scope<'_>) -> Result<Decision, Error> {
    let span = alter.name.span();
    refuse_ours(scope.keyspace_of(&alter.name)?, span)?;
    let current = match scope.table(&alter.name) {
        Ok(table) => table,
        Err(error) => return missing(error, span, alter.if_exists),
    };
    let mut table = Table::clone(&current);
    match &alter.change {
        ast::TableChange::Add { if_not_exists, columns } => {
            refuse_repetition(columns)?;
            columns.iter().try_for_each(|it| add(&mut table, it, *if_not_exists))?;
        }
        ast::TableChange::Rename { if_exists, names } => {
            names.iter().try_for_each(|(old, new)| rename(&mut table, old, new, *if_exists))?;
        }
        ast::TableChange::Options(given) => table.options = options(given, table.options)?,
    }
    if table == *current {
        return Ok(Decision::Rest);
    }
    schema::check_table(&table).map_err(|error| invalid(&error, span))?;
    let (keyspace, name) = (table.keyspace.clone(), table.name.clone());
    Ok(Decision::change(Proposal {
        change: SchemaChange::AlterTable(table),
        tolerant: alter.if_exists,
        effect: SchemaEffect::Updated,
        target: SchemaTarget::Table,
        keyspace,
        table: Some(name),
        warnings: Vec::new(),
    }))
}

/// Adds one column in its place, which is by name.
fn add(table: &mut Table, new: &ast::ColumnDef, tolerant: bool) -> Result<(), Error> {
    let (name, span) = (&new.name.text, new.name.span);
    if table.column(name).is_some() {
        return exists("column", name, span, tolerant).map(|_| ());
    }
    if new.is_static && table.clustering_key.is_empty() {
        return Err(lone_static(&new.name));
    }
    // No column is ever dropped, so the greatest id was the last one given.
    let last = table.columns().map(|it| it.id.0).max().unwrap_or(0);
    let (kind, columns) = match new.is_static {
        true => (ColumnKind::Static, &mut table.statics),
        false => (ColumnKind::Regular, &mut table.regulars),
    };
    let at = columns.partition_point(|it| it.name < *name);
    let (id, cql_type) = (ColumnId(last + 1), new.type_name.node);
    columns.insert(at, Column { id, name: name.clone(), cql_type, kind });
    Ok(())
}

/// Refuses a column that one statement adds twice, also where IF NOT EXISTS would let it pass.
fn refuse_repetition(columns: &[ast::ColumnDef]) -> Result<(), Error> {
    for (at, column) in columns.iter().enumerate() {
        if columns[..at].iter().any(|it| it.name.text == column.name.text) {
            let message = format!("column `{}` is added twice", column.name.text);
            return Err(Error::new(Code::InvalidSchema, message).at(column.name.span));
        }
    }
    Ok(())
}

/// Gives one column of the primary key another name.
fn rename(
    table: &mut Table,
    old: &ast::Name,
    new: &ast::Name,
    tolerant: bool,
) -> Result<(), Error> {
    let found = match column(table, old) {
        Ok(found) => found.id,
        Err(_) if tolerant => return Ok(()),
        Err(error) => return Err(error),
    };
    let keys = || table.partition_key.iter().chain(&table.clustering_key);
    if !keys().any(|it| it.id == found) {
        let message = format!("column `{}` is not part of the primary key", old.text);
        return Err(Error::new(Code::InvalidSchema, message)
            .at(old.span)
            .hint(format!("only these can be renamed: {}", list(keys()))));
    }
    if table.column(&new.text).is_some() {
        let message = format!("column `{}` already exists", new.text);
        return Err(Error::new(Code::AlreadyExists, message).at(new.span));
    }
    let mut keys = table.partition_key.iter_mut().chain(&mut table.clustering_key);
    if let Some(column) = keys.find(|it| it.id == found) {
        column.name.clone_from(&new.text);
    }
    Ok(())
}
