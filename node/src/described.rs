//! Tables in words, for snapshots: how they are written, and how two are compared.

use std::collections::BTreeMap;

use engine::{Described, DescribedColumn};
use model::key::Order;
use model::schema::{self, ColumnKind, CqlType, UserType};
use model::{ColumnId, Table};

/// A table in words.
pub(crate) fn described(table: &Table) -> Described {
    let columns = table.columns().map(|it| DescribedColumn {
        id: it.id,
        name: it.name.clone(),
        cql_type: it.type_name().to_string(),
        part: part(it.kind).to_owned(),
    });
    let mut types = Vec::new();
    table.columns().for_each(|it| add_types(&it.cql_type, &mut types));
    let mut statement = String::new();
    for it in types {
        statement += &schema::user_type_to_cql(it);
        statement += "\n";
    }
    statement += &table.to_cql();
    Described {
        keyspace: table.keyspace.clone(),
        table: table.name.clone(),
        columns: columns.collect(),
        statement,
    }
}

/// Adds the user types that a type is made of, those first of which they are made themselves.
fn add_types<'t>(of: &'t CqlType, types: &mut Vec<&'t UserType>) {
    for it in of.user_types() {
        it.fields.iter().for_each(|(_, field)| add_types(field, types));
        if !types.iter().any(|known| known.name == it.name) {
            types.push(it);
        }
    }
}

fn part(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Partition => "partition key",
        ColumnKind::Clustering(Order::Asc) => "clustering key",
        ColumnKind::Clustering(Order::Desc) => "clustering key, descending",
        ColumnKind::Static => "static",
        ColumnKind::Regular => "regular",
    }
}

/// The numbers in `to` of the columns of `from`, or why what was written for `from` cannot be read as `to`.
pub(crate) fn columns(
    from: &Described,
    to: &Described,
) -> Result<BTreeMap<ColumnId, ColumnId>, String> {
    let is_key = |it: &&DescribedColumn| it.part != "static" && it.part != "regular";
    let keys =
        |it: &Described| -> Vec<String> { it.columns.iter().filter(is_key).map(words).collect() };
    let (theirs, ours) = (keys(from), keys(to));
    if theirs != ours {
        return Err(format!(
            "its primary key is ({}), and that of {} is ({}): create a table with the same key",
            theirs.join(", "),
            to.name(),
            ours.join(", ")
        ));
    }
    let mut map = BTreeMap::new();
    for it in from.columns.iter().filter(|it| !is_key(it)) {
        let Some(found) = to.columns.iter().find(|column| column.name == it.name) else {
            return Err(format!(
                "it has a column {}, and {} has none of this name: add it, or create the table as it was",
                words(it),
                to.name()
            ));
        };
        if (&found.cql_type, &found.part) != (&it.cql_type, &it.part) {
            return Err(format!(
                "its column {} is {} in {}: the types must agree",
                words(it),
                words(found),
                to.name()
            ));
        }
        map.insert(it.id, found.id);
    }
    Ok(map)
}

fn words(it: &DescribedColumn) -> String {
    format!("`{}` {} ({})", it.name, it.cql_type, it.part)
}
