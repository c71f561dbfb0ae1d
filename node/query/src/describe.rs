//! DESCRIBE: the schema, most of it CQL that creates it again: as text for people, and as the rows
//! that Cassandra answers.

use std::sync::Arc;

use cql_lite::{
    ast::{Describe, Described},
    code::Code,
    keyword::quote_name,
    types::{NativeType, UserType},
};
use model::{Keyspace, Table, schema::user_type_to_cql};

use crate::{
    Catalog, ColumnSpec, Columns, Description, Error, RowValues, Rows, plan::names::Scope,
    system_tables,
};

/// Something that is described.
struct Thing {
    keyspace: String,
    kind: &'static str,
    name: String,
    /// The statement that creates it again.
    create: String,
}

impl Thing {
    /// What a row says of it, both lists of names and descriptions.
    fn named(&self) -> Vec<&str> {
        vec![&self.keyspace, self.kind, &self.name]
    }

    fn whole(&self) -> Vec<&str> {
        vec![&self.keyspace, self.kind, &self.name, &self.create]
    }
}

/// What answers `describe`.
pub(crate) fn describe(
    describe: &Describe,
    scope: &Scope<'_>,
    catalog: &dyn Catalog,
) -> Result<Description, Error> {
    let keyspaces = &scope.schema.keyspaces;
    Ok(match &describe.target {
        Described::Cluster => cluster(catalog),
        Described::Schema => {
            let all: Vec<Vec<Thing>> = keyspaces.values().map(keyspace).collect();
            created(&all.into_iter().flatten().collect::<Vec<_>>())
        }
        Described::Keyspaces => {
            let ours = system_tables::KEYSPACES.iter().copied();
            let mut names: Vec<String> =
                keyspaces.keys().map(String::as_str).chain(ours).map(quote_name).collect();
            names.sort();
            let thing = |name: String| Thing {
                keyspace: name.clone(),
                kind: "keyspace",
                name,
                create: String::new(),
            };
            let things: Vec<Thing> = names.into_iter().map(thing).collect();
            let text: Vec<&str> = things.iter().map(|it| it.name.as_str()).collect();
            listed(text.join("\n"), &things)
        }
        Described::Tables => tables(scope)?,
        Described::Keyspace(name) => {
            let chosen = name.as_ref().map(|it| it.text.as_str()).or(scope.keyspace);
            let span = name.as_ref().map_or(describe.span, |it| it.span);
            let Some(chosen) = chosen else {
                return Err(Error::new(Code::UnknownTable, "no keyspace has been chosen")
                    .at(span)
                    .hint("write `DESCRIBE KEYSPACE name`, or `USE name` first"));
            };
            match (keyspaces.get(chosen), system_tables::keyspace(chosen)) {
                (Some(found), _) => created(&keyspace(found)),
                (None, Some(ours)) => created(&ours.iter().map(table).collect::<Vec<_>>()),
                (None, None) => return Err(scope.unknown_keyspace(chosen).at(span)),
            }
        }
        Described::Types => types(scope)?,
        Described::Type(name) => {
            let found = scope.user_type(name)?;
            created(&[user_type(&found)])
        }
        Described::Table(name) => created(&[table(&scope.table(name)?)]),
    })
}

fn cluster(catalog: &dyn Catalog) -> Description {
    let (nodes, name) = (catalog.nodes(), catalog.cluster_name());
    let partitioner = "Murmur3Partitioner";
    let mut text = format!("Cluster: {name}\nPartitioner: {partitioner}\nNodes: {}", nodes.len());
    for node in nodes {
        let state = if node.alive { "up" } else { "down" };
        text.push_str(&format!("\n  {} {}/{} {state} {}", node.cql, node.dc, node.rack, node.host));
    }
    // Data center and rack are given to each node: the snitch of Cassandra that reads them so.
    let row = vec![name.as_str(), partitioner, "GossipingPropertyFileSnitch"];
    Description { text, rows: rows(&["cluster", "partitioner", "snitch"], [row]) }
}

/// The tables of the session's keyspace, else of all keyspaces.
fn tables(scope: &Scope<'_>) -> Result<Description, Error> {
    let keyspaces = &scope.schema.keyspaces;
    let Some(chosen) = scope.keyspace else {
        let all = keyspaces.values().flat_map(|it| it.tables.values());
        let things: Vec<Thing> = all.map(table).collect();
        let text = things.iter().map(|it| format!("{}.{}", it.keyspace, it.name));
        return Ok(listed(text.collect::<Vec<_>>().join("\n"), &things));
    };
    let things: Vec<Thing> = match (keyspaces.get(chosen), system_tables::keyspace(chosen)) {
        (Some(found), _) => found.tables.values().map(table).collect(),
        (None, Some(ours)) => ours.iter().map(table).collect(),
        (None, None) => return Err(scope.unknown_keyspace(chosen)),
    };
    let names: Vec<&str> = things.iter().map(|it| it.name.as_str()).collect();
    Ok(listed(names.join("\n"), &things))
}

/// The types of the session's keyspace, else of all keyspaces.
fn types(scope: &Scope<'_>) -> Result<Description, Error> {
    let keyspaces = &scope.schema.keyspaces;
    let Some(chosen) = scope.keyspace else {
        let all = keyspaces.values().flat_map(|it| it.types.values());
        let things: Vec<Thing> = all.map(|it| user_type(it)).collect();
        let text = things.iter().map(|it| format!("{}.{}", it.keyspace, it.name));
        return Ok(listed(text.collect::<Vec<_>>().join("\n"), &things));
    };
    let things: Vec<Thing> = match (keyspaces.get(chosen), system_tables::keyspace(chosen)) {
        (Some(found), _) => found.types.values().map(|it| user_type(it)).collect(),
        (None, Some(_)) => Vec::new(),
        (None, None) => return Err(scope.unknown_keyspace(chosen)),
    };
    let names: Vec<&str> = things.iter().map(|it| it.name.as_str()).collect();
    Ok(listed(names.join("\n"), &things))
}

fn keyspace(keyspace: &Arc<Keyspace>) -> Vec<Thing> {
    let name = quote_name(&keyspace.name);
    let itself =
        Thing { keyspace: name.clone(), kind: "keyspace", name, create: keyspace.to_cql() };
    let types = in_order(keyspace).into_iter().map(user_type);
    std::iter::once(itself).chain(types).chain(keyspace.tables.values().map(table)).collect()
}

/// The types of a keyspace, each behind those that it is made of.
fn in_order(keyspace: &Keyspace) -> Vec<&UserType> {
    let mut left: Vec<&UserType> = keyspace.types.values().map(Arc::as_ref).collect();
    let mut done: Vec<&UserType> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let is_ready = |it: &UserType| {
            let used = it.fields.iter().flat_map(|(_, of)| of.user_types());
            used.into_iter().all(|of| !left.iter().any(|other| other.name == of.name))
        };
        // No type is made of itself, so one is always ready.
        let ready = left.iter().position(|it| is_ready(it)).unwrap_or(0);
        done.push(left.remove(ready));
    }
    done
}

fn user_type(user: &UserType) -> Thing {
    Thing {
        keyspace: quote_name(&user.keyspace),
        kind: "type",
        name: quote_name(&user.name),
        create: user_type_to_cql(user),
    }
}

fn table(table: &Arc<Table>) -> Thing {
    Thing {
        keyspace: quote_name(&table.keyspace),
        kind: "table",
        name: quote_name(&table.name),
        create: table.to_cql(),
    }
}

/// Things with the statements that create them.
fn created(things: &[Thing]) -> Description {
    let text: Vec<&str> = things.iter().map(|it| it.create.as_str()).collect();
    let names = ["keyspace_name", "type", "name", "create_statement"];
    Description { text: text.join("\n\n"), rows: rows(&names, things.iter().map(Thing::whole)) }
}

/// Things by their names.
fn listed(text: String, things: &[Thing]) -> Description {
    let names = ["keyspace_name", "type", "name"];
    Description { text, rows: rows(&names, things.iter().map(Thing::named)) }
}

fn rows<'t>(names: &[&str], rows: impl IntoIterator<Item = Vec<&'t str>>) -> Rows {
    let column = |name: &&str| ColumnSpec {
        keyspace: "system".to_owned(),
        table: "describe".to_owned(),
        name: (*name).to_owned(),
        cql_type: NativeType::Text.into(),
    };
    let mut values = RowValues::default();
    rows.into_iter().for_each(|row| values.put_row(row.iter().map(|it| Some(it.as_bytes()))));
    Rows {
        columns: Arc::new(Columns::new(names.iter().map(column).collect())),
        rows: values,
        paging_state: None,
    }
}
