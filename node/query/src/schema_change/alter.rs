//! ALTER: what a keyspace or a table becomes.

use std::collections::BTreeSet;

use cql_lite::{ast, code::Code};
use model::{
    ColumnId, Table,
    schema::{self, ColumnKind},
};

use super::{
    Decision, Proposal, invalid, lone_static, missing, new_column, options, refuse_mixture,
    refuse_ours, replication,
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
        name: None,
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
            refuse_repetition(columns.iter().map(|it| &it.name), "added")?;
            columns.iter().try_for_each(|it| add(&mut table, it, *if_not_exists, scope))?;
            refuse_mixture(&table, columns)?;
        }
        ast::TableChange::Drop { if_exists, columns } => {
            refuse_repetition(columns.iter(), "dropped")?;
            columns.iter().try_for_each(|it| drop_column(&mut table, it, *if_exists))?;
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
        name: Some(name),
        warnings: Vec::new(),
    }))
}

/// Adds one column in its place, which is by name.
fn add(
    table: &mut Table,
    new: &ast::ColumnDef,
    tolerant: bool,
    scope: &Scope<'_>,
) -> Result<(), Error> {
    let (name, span) = (&new.name.text, new.name.span);
    if table.column(name).is_some() {
        if tolerant {
            return Ok(());
        }
        let message = format!("column `{name}` already exists");
        return Err(Error::new(Code::AlreadyExists, message).at(span).hint("add IF NOT EXISTS"));
    }
    if new.is_static && table.clustering_key.is_empty() {
        return Err(lone_static(&new.name));
    }
    // Ids ascend as they are given, and those of dropped columns are remembered: the greatest was
    // the last.
    let given = table.columns().map(|it| it.id).chain(table.dropped.iter().copied());
    let last = given.map(|it| it.0).max().unwrap_or(0);
    let (kind, columns) = match new.is_static {
        true => (ColumnKind::Static, &mut table.statics),
        false => (ColumnKind::Regular, &mut table.regulars),
    };
    let at = columns.partition_point(|it| it.name < *name);
    let resolved = scope.resolve(&new.type_name, &table.keyspace)?;
    columns.insert(at, new_column(ColumnId(last + 1), &new.name, resolved, kind));
    Ok(())
}

/// Refuses a column that one statement names twice, also where IF [NOT] EXISTS would let it pass.
fn refuse_repetition<'n>(
    names: impl Iterator<Item = &'n ast::Name>,
    what: &str,
) -> Result<(), Error> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(&name.text) {
            let message = format!("column `{}` is {what} twice", name.text);
            return Err(Error::new(Code::InvalidSchema, message).at(name.span));
        }
    }
    Ok(())
}

/// Takes one column out. Its cells stay where they are, but no read shows them, and no other column
/// ever gets its id: they do not come back with one of the same name.
fn drop_column(table: &mut Table, name: &ast::Name, tolerant: bool) -> Result<(), Error> {
    let found = match column(table, name) {
        Ok(found) => found.clone(),
        Err(_) if tolerant => return Ok(()),
        Err(error) => return Err(error),
    };
    match found.kind {
        ColumnKind::Static => table.statics.retain(|it| it.id != found.id),
        ColumnKind::Regular => table.regulars.retain(|it| it.id != found.id),
        ColumnKind::Partition | ColumnKind::Clustering(_) => {
            let message =
                format!("column `{}` is part of the primary key: it cannot be dropped", name.text);
            return Err(Error::new(Code::InvalidSchema, message).at(name.span));
        }
    }
    let at = table.dropped.partition_point(|it| *it < found.id);
    table.dropped.insert(at, found.id);
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
