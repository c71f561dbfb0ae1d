//! What is measured, of which statement.

use model::{Cell, Content, Keyspace, Mutation, Partition, Row, Schema, schema::Replication};

use super::{Guard, Guardrail, PartitionBytes, Verdict};
use crate::{Error, NodeInfo, SchemaChange, Source};

/// Measures a statement before it is planned.
pub(crate) fn source(
    guard: &Guard,
    source: &Source,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    match source {
        Source::Text(text) => statement(guard, text, warnings),
        Source::Prepared(_) => Ok(()),
    }
}

/// Measures the text of a statement.
pub(crate) fn statement(
    guard: &Guard,
    text: &str,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    warnings.extend(guard.check(Guardrail::StatementBytes, text.len() as u64)?);
    Ok(())
}

/// Measures what a statement writes, and where to: the largest of each kind.
pub(crate) fn mutations(
    guard: &Guard,
    mutations: &[Mutation],
    partition_bytes: &PartitionBytes,
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    let cells = mutations.iter().map(largest_cell).max().unwrap_or(0);
    warnings.extend(guard.check(Guardrail::CellBytes, cells as u64)?);
    let rows = mutations.iter().map(largest_row).max().unwrap_or(0);
    warnings.extend(guard.check(Guardrail::RowBytes, rows as u64)?);
    // What it takes in memory bounds what it takes encoded, which is dearer to know.
    let near = |it: &&Mutation| {
        let bytes = it.partition.memory_bytes() as u64;
        guard.judge(Guardrail::WriteBytes, bytes) != Verdict::Ok
    };
    let bytes = mutations.iter().filter(near).map(|it| it.encode().len()).max().unwrap_or(0);
    warnings.extend(guard.check(Guardrail::WriteBytes, bytes as u64)?);
    if let Some(enough) = guard.enough(Guardrail::PartitionBytes) {
        // Whoever deletes makes it smaller.
        let growing = mutations.iter().filter(|it| has_values(&it.partition));
        let bytes = growing.map(|it| partition_bytes(it.table, &it.partition.key, enough));
        warnings.extend(guard.check(Guardrail::PartitionBytes, bytes.max().unwrap_or(0))?);
    }
    Ok(())
}

/// Measures a change of the schema, which these nodes carry out.
pub(crate) fn change(
    guard: &Guard,
    change: &SchemaChange,
    schema: &Schema,
    nodes: &[NodeInfo],
    warnings: &mut Vec<String>,
) -> Result<(), Error> {
    let mut check = |guardrail, value: usize| -> Result<(), Error> {
        warnings.extend(guard.check(guardrail, value as u64)?);
        Ok(())
    };
    match change {
        SchemaChange::CreateKeyspace(Keyspace { replication, .. }) => {
            check(Guardrail::Keyspaces, schema.keyspaces.len() + 1)?;
            copies(replication, nodes).map_or(Ok(()), |it| check(Guardrail::ReplicationFactor, it))
        }
        SchemaChange::AlterKeyspace { replication, .. } => {
            copies(replication, nodes).map_or(Ok(()), |it| check(Guardrail::ReplicationFactor, it))
        }
        SchemaChange::CreateTable(table) => {
            let tables: usize = schema.keyspaces.values().map(|it| it.tables.len()).sum();
            check(Guardrail::Tables, tables + 1)?;
            check(Guardrail::Columns, table.columns().count())
        }
        SchemaChange::AlterTable(table) => {
            let before = schema.table_by_id(table.id).map_or(0, |it| it.columns().count());
            let columns = table.columns().count();
            if before < columns { check(Guardrail::Columns, columns) } else { Ok(()) }
        }
        SchemaChange::DropKeyspace(_)
        | SchemaChange::DropTable { .. }
        | SchemaChange::CreateType(_)
        | SchemaChange::AlterType { .. }
        | SchemaChange::DropType { .. } => Ok(()),
    }
}

fn largest_row(mutation: &Mutation) -> usize {
    let of_row = |row: &Row| cells(row).map(|(path, cell)| path + bytes(cell)).sum::<usize>();
    let partition = &mutation.partition;
    let rows = partition.rows.iter().map(|(at, row)| at.0.len() + of_row(row)).max();
    rows.unwrap_or(0).max(of_row(&partition.static_row))
}

/// Whether anything in it stays.
fn has_values(partition: &Partition) -> bool {
    let has = |row: &Row| {
        let is_value = |cell: &Cell| !matches!(cell.content, Content::Dead { .. });
        row.liveness.is_some() || cells(row).any(|(_, cell)| is_value(cell))
    };
    has(&partition.static_row) || partition.rows.iter().any(|(_, row)| has(row))
}

fn largest_cell(mutation: &Mutation) -> usize {
    let of_row = |row: &Row| cells(row).map(|(path, cell)| path + bytes(cell)).max().unwrap_or(0);
    let partition = &mutation.partition;
    let rows = partition.rows.iter().map(|(_, row)| of_row(row)).max().unwrap_or(0);
    rows.max(of_row(&partition.static_row))
}

/// Every cell of a row, those of collections with the length of their paths.
fn cells(row: &Row) -> impl Iterator<Item = (usize, &Cell)> {
    let elements = row.elements.iter().flat_map(|(_, it)| &it.cells);
    let elements = elements.map(|(path, cell)| (path.len(), cell));
    row.cells.iter().map(|(_, cell)| (0, cell)).chain(elements)
}

fn bytes(cell: &Cell) -> usize {
    match &cell.content {
        Content::Live { value } | Content::Expiring { value, .. } => value.len(),
        Content::Dead { .. } => 0,
    }
}

/// The fewest copies in a data center that has nodes for more; none where there are not.
fn copies(replication: &Replication, nodes: &[NodeInfo]) -> Option<usize> {
    let scarce = |factor: u32, nodes: usize| Some(factor as usize).filter(|it| *it < nodes);
    match replication {
        Replication::Simple { factor } => scarce(*factor, nodes.len()),
        Replication::NetworkTopology(factors) => {
            let here = |dc: &str| nodes.iter().filter(|it| it.dc == *dc).count();
            factors.iter().filter_map(|(dc, factor)| scarce(*factor, here(dc))).min()
        }
    }
}
