//! Filters with their values: which of the rows that are read are meant.
//!
//! The replicas apply them, and the coordinator once more to what these know together.

use model::{
    Table,
    read::{self, Place},
    schema::{Column, ColumnKind},
};

use crate::{Error, bind::Bindings, plan};

/// The filters of a statement with the values of one execution; `None` if it has none.
pub(crate) fn bind(
    filters: &[plan::filter::Filter],
    table: &Table,
    bindings: &Bindings<'_>,
) -> Result<Option<read::Filter>, Error> {
    if filters.is_empty() {
        return Ok(None);
    }
    let one = |filter: &plan::filter::Filter| {
        let any_of = bindings.any_of(&filter.any_of, &filter.columns)?;
        let columns = filter.columns.iter().map(|it| (place(table, it), it.cql_type.clone()));
        let columns = columns.collect();
        Ok(read::Condition { columns, test: filter.test, any_of })
    };
    let conditions: Result<Vec<read::Condition>, Error> = filters.iter().map(one).collect();
    Ok(Some(read::Filter {
        partition_columns: table.partition_key.len(),
        clustering: table.clustering_types().map(|(of, order)| (of.clone(), order)).collect(),
        conditions: conditions?,
        compared: false,
    }))
}

fn place(table: &Table, column: &Column) -> Place {
    let position = |columns: &[Column]| columns.iter().take_while(|it| it.id != column.id).count();
    match column.kind {
        ColumnKind::Partition => Place::Partition(position(&table.partition_key)),
        ColumnKind::Clustering(_) => Place::Clustering(position(&table.clustering_key)),
        ColumnKind::Static => Place::Static(column.id),
        ColumnKind::Regular => Place::Regular(column.id),
    }
}
