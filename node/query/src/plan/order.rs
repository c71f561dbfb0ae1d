//! ORDER BY: the stored order, or all of it reversed.

use cql_lite::ast::{self, Name, Order};
use model::{Table, key, schema::ColumnKind};

use super::{
    names::{column, list, not_supported},
    rows::bad_where,
    select::Target,
};
use crate::Error;

/// Whether rows come in descending stored order.
pub(super) fn order(select: &ast::Select, table: &Table, target: &Target) -> Result<bool, Error> {
    let Some((first, _)) = select.order_by.first() else { return Ok(false) };
    let Target::Keys(keys) = target else {
        let names = list(&table.partition_key);
        return Err(bad_where("ORDER BY needs the partition key in WHERE".into())
            .at(first.span)
            .hint(format!("add a condition with = for {names}")));
    };
    if keys.iter().any(|it| it.any_of.may_be_several()) {
        return Err(not_supported("ORDER BY over several partitions is", first.span)
            .hint("ask for one partition at a time, or leave out ORDER BY"));
    }
    let mut reversed = None;
    for (at, (name, order)) in select.order_by.iter().enumerate() {
        let column = column(table, name)?;
        let ColumnKind::Clustering(stored) = column.kind else {
            return Err(wrong_order(table, "ORDER BY takes clustering columns only", name));
        };
        if table.clustering_key.get(at) != Some(column) {
            return Err(wrong_order(
                table,
                "ORDER BY takes clustering columns in their order",
                name,
            ));
        }
        let against = matches!(
            (stored, order),
            (key::Order::Asc, Order::Desc) | (key::Order::Desc, Order::Asc)
        );
        if *reversed.get_or_insert(against) != against {
            return Err(wrong_order(
                table,
                "ORDER BY is either the stored order or all of it reversed",
                name,
            ));
        }
    }
    Ok(reversed.unwrap_or(false))
}

fn wrong_order(table: &Table, message: &str, name: &Name) -> Error {
    let stored: Vec<String> = table
        .clustering_key
        .iter()
        .map(|it| match it.kind {
            ColumnKind::Clustering(key::Order::Desc) => format!("{} DESC", list([it])),
            ColumnKind::Clustering(key::Order::Asc)
            | ColumnKind::Partition
            | ColumnKind::Static
            | ColumnKind::Regular => format!("{} ASC", list([it])),
        })
        .collect();
    let error = bad_where(message.to_owned()).at(name.span);
    if stored.is_empty() {
        return error.hint(format!("table `{}` has no clustering columns", table.name));
    }
    error.hint(format!("rows are stored in the order {}", stored.join(", ")))
}
