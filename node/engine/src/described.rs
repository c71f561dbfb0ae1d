//! A table in words, as bytes: `docs/formats/manifest.md`.

use model::ColumnId;
use model::codec::{Malformed, Reader, Writer};

use crate::options::{Described, DescribedColumn};

/// Writes a description.
pub(crate) fn put(out: &mut Writer, it: &Described) {
    [&it.keyspace, &it.table, &it.statement].into_iter().for_each(|it| out.bytes(it.as_bytes()));
    out.uint(it.columns.len() as u64);
    for DescribedColumn { id, name, cql_type, part } in &it.columns {
        out.uint(u64::from(id.0));
        [name, cql_type, part].into_iter().for_each(|it| out.bytes(it.as_bytes()));
    }
}

/// Reads one.
pub(crate) fn read(reader: &mut Reader) -> Result<Described, Malformed> {
    let [keyspace, table, statement] =
        ["keyspace", "table", "statement"].map(|it| text(reader, it));
    let count = reader.count(4, "columns")?;
    let mut columns = Vec::with_capacity(count);
    for _ in 0..count {
        let id = u32::try_from(reader.uint("column")?).map(ColumnId);
        columns.push(DescribedColumn {
            id: id.map_err(|_| reader.malformed("column"))?,
            name: text(reader, "column name")?,
            cql_type: text(reader, "column type")?,
            part: text(reader, "column part")?,
        });
    }
    Ok(Described { keyspace: keyspace?, table: table?, columns, statement: statement? })
}

fn text(reader: &mut Reader, what: &'static str) -> Result<String, Malformed> {
    let bytes = reader.bytes(what)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| reader.malformed(what))
}
