//! What may come into a table of this node from a file: its partitions, its columns, and values of their types.

use std::sync::Arc;

use bytes::Bytes;
use cluster::Placement;
use cql_lite::value::Value;
use engine::snapshot::Admission;
use model::key::{Components, Order, decode_clustering, decompose};
use model::schema::{Column, ColumnKind};
use model::{ColumnId, Content, HostId, Partition, PartitionKey, Row, Table};

/// A table, as one node has it.
pub(crate) struct Belongs {
    pub(crate) host: HostId,
    pub(crate) placement: Option<Arc<Placement>>,
    pub(crate) table: Arc<Table>,
}

impl Admission for Belongs {
    fn owns(&self, key: &PartitionKey) -> bool {
        self.placement.as_ref().is_none_or(|it| it.replicas(key.token).contains(&self.host))
    }

    fn fault(&self, part: &Partition) -> Option<String> {
        self.check(part).err()
    }
}

impl Belongs {
    fn check(&self, part: &Partition) -> Result<(), String> {
        let table = &self.table;
        let name = format!("{}.{}", table.keyspace, table.name);
        let of = |it: String| format!("partition {:x} cannot be of {name}: {it}", part.key.bytes);
        let key = decompose(&part.key.bytes, table.partition_key.len());
        let key = key.map_err(|it| of(it.to_string()))?;
        let values = table.partition_key.iter().zip(&key);
        values.into_iter().try_for_each(|(column, it)| fits(column, it)).map_err(of)?;
        self.row(&table.statics, &part.static_row).map_err(of)?;
        let mut components = Components::default();
        for (clustering, row) in part.rows.iter() {
            self.clustering(&clustering.0, &mut components).map_err(of)?;
            self.row(&table.regulars, row).map_err(of)?;
        }
        Ok(())
    }

    fn clustering(&self, bytes: &Bytes, components: &mut Components) -> Result<(), String> {
        let columns = &self.table.clustering_key;
        let order = |it: &Column| match it.kind {
            ColumnKind::Clustering(order) => order,
            ColumnKind::Partition | ColumnKind::Static | ColumnKind::Regular => Order::Asc,
        };
        let types = columns.iter().map(|it| (&it.cql_type, order(it)));
        decode_clustering(types, bytes, components)
            .map_err(|it| format!("the key of a row: {it}"))?;
        for (at, column) in columns.iter().enumerate() {
            let value = components.get(at).ok_or("the key of a row is too short")?;
            fits(column, value)?;
        }
        Ok(())
    }

    /// Cells of columns that were dropped are as good as gone.
    fn row(&self, columns: &[Column], row: &Row) -> Result<(), String> {
        let column = |id: ColumnId| {
            let found = columns.iter().find(|it| it.id == id);
            if found.is_none() && self.table.dropped.binary_search(&id).is_err() {
                return Err(format!("it has a column {}, and the table has none", id.0));
            }
            Ok(found)
        };
        for (id, cell) in &row.cells {
            let Some(column) = column(*id)? else { continue };
            if column.is_multi_cell {
                return Err(format!("column {} has one cell instead of several", column.name));
            }
            match &cell.content {
                Content::Live { value } | Content::Expiring { value, .. } => fits(column, value)?,
                Content::Dead { .. } => {}
            }
        }
        for (id, _) in &row.elements {
            if column(*id)?.is_some_and(|it| !it.is_multi_cell) {
                return Err(format!("column {} has several cells instead of one", id.0));
            }
        }
        Ok(())
    }
}

fn fits(column: &Column, value: &[u8]) -> Result<(), String> {
    let decoded = Value::decode(&column.cql_type, value);
    decoded.map(drop).map_err(|it| format!("column {}: {it}", column.name))
}
