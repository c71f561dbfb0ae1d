//! DESCRIBE: the schema as text, most of it CQL that creates it again.

use std::sync::Arc;

use cql_lite::{
    ast::{Describe, Target},
    code::Code,
    keyword::quote_name,
};
use model::{Keyspace, Table};

use crate::{Catalog, Error, plan::names::Scope, system_tables};

/// The text that answers `describe`.
pub(crate) fn describe(
    describe: &Describe,
    scope: &Scope<'_>,
    catalog: &dyn Catalog,
) -> Result<String, Error> {
    let keyspaces = &scope.schema.keyspaces;
    Ok(match &describe.target {
        Target::Cluster => cluster(catalog),
        Target::Schema => {
            let all: Vec<String> = keyspaces.values().map(|it| keyspace(it)).collect();
            all.join("\n\n")
        }
        Target::Keyspaces => {
            let ours = system_tables::KEYSPACES.iter().copied();
            let mut names: Vec<String> =
                keyspaces.keys().map(String::as_str).chain(ours).map(quote_name).collect();
            names.sort();
            names.join("\n")
        }
        Target::Tables => tables(scope)?,
        Target::Keyspace(name) => {
            let chosen = name.as_ref().map(|it| it.text.as_str()).or(scope.keyspace);
            let span = name.as_ref().map_or(describe.span, |it| it.span);
            let Some(chosen) = chosen else {
                return Err(Error::new(Code::UnknownTable, "no keyspace has been chosen")
                    .at(span)
                    .hint("write `DESCRIBE KEYSPACE name`, or `USE name` first"));
            };
            match (keyspaces.get(chosen), system_tables::keyspace(chosen)) {
                (Some(found), _) => keyspace(found),
                (None, Some(ours)) => all_tables(ours),
                (None, None) => return Err(scope.unknown_keyspace(chosen).at(span)),
            }
        }
        Target::Table(name) => scope.table(name)?.to_cql(),
    })
}

fn cluster(catalog: &dyn Catalog) -> String {
    let nodes = catalog.nodes();
    let mut text = format!(
        "Cluster: {}\nPartitioner: Murmur3Partitioner\nNodes: {}",
        catalog.cluster_name(),
        nodes.len()
    );
    for node in nodes {
        let state = if node.alive { "up" } else { "down" };
        text.push_str(&format!("\n  {} {}/{} {state} {}", node.cql, node.dc, node.rack, node.host));
    }
    text
}

/// The names of the tables of the session's keyspace, else of all keyspaces.
fn tables(scope: &Scope<'_>) -> Result<String, Error> {
    let keyspaces = &scope.schema.keyspaces;
    let Some(chosen) = scope.keyspace else {
        let names = keyspaces.values().flat_map(|keyspace| {
            let table = |it: &String| format!("{}.{}", quote_name(&keyspace.name), quote_name(it));
            keyspace.tables.keys().map(table).collect::<Vec<_>>()
        });
        return Ok(names.collect::<Vec<_>>().join("\n"));
    };
    let names: Vec<String> = match (keyspaces.get(chosen), system_tables::keyspace(chosen)) {
        (Some(found), _) => found.tables.keys().map(|it| quote_name(it)).collect(),
        (None, Some(ours)) => ours.iter().map(|it| quote_name(&it.name)).collect(),
        (None, None) => return Err(scope.unknown_keyspace(chosen)),
    };
    Ok(names.join("\n"))
}

fn keyspace(keyspace: &Keyspace) -> String {
    let tables: Vec<Arc<Table>> = keyspace.tables.values().cloned().collect();
    if tables.is_empty() {
        return keyspace.to_cql();
    }
    format!("{}\n\n{}", keyspace.to_cql(), all_tables(&tables))
}

fn all_tables(tables: &[Arc<Table>]) -> String {
    tables.iter().map(|it| it.to_cql()).collect::<Vec<_>>().join("\n\n")
}
