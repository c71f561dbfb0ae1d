//! A partition key as an operator writes it.

use bytes::Bytes;

/// The serialized partition key whose components `text` writes as CQL literals, with commas.
pub(crate) fn partition_key(table: &model::Table, text: &str) -> Result<Bytes, String> {
    let names: Vec<&str> = table.partition_key.iter().map(|it| it.name.as_str()).collect();
    let wanted =
        || format!("the partition key is ({}): write its values as CQL does", names.join(", "));
    let quoted: Vec<String> = names.iter().map(|it| format!("\"{it}\"")).collect();
    let statement = format!("INSERT INTO t ({}) VALUES ({text})", quoted.join(", "));
    let parsed = cql_lite::parse(&statement).map_err(|_| wanted())?;
    let cql_lite::ast::Statement::Write(cql_lite::ast::Write::Insert(insert)) = parsed else {
        return Err(wanted());
    };
    let mut components = Vec::new();
    for (column, term) in table.partition_key.iter().zip(&insert.values) {
        let value = cql_lite::value::Value::from_term(term, &column.cql_type);
        let value = value.map_err(|error| error.node.to_string())?.ok_or_else(wanted)?;
        components.push(value.encode());
    }
    if components.len() != names.len() {
        return Err(wanted());
    }
    let slices: Vec<&[u8]> = components.iter().map(Vec::as_slice).collect();
    model::key::compose(&slices).map_err(|error| error.to_string())
}
