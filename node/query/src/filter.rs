//! Filters with their values: which of the rows that were read are meant.
//!
//! They are checked here, on rows that are already merged from what the replicas know: no replica
//! drops a row of which another knows better.

use std::cmp::Ordering;

use bytes::Bytes;
use cql_lite::{ast::Operator, types::CqlType, value};
use model::Table;

use crate::{
    Error,
    bind::Bindings,
    functions::Moment,
    plan::{
        self,
        select::{Expr, of_column},
    },
    row::View,
};

/// A condition with its values.
pub(crate) struct Filter {
    columns: Vec<(Expr, CqlType)>,
    op: Operator,
    any_of: Vec<Vec<Bytes>>,
}

/// The filters of a statement with the values of one execution.
pub(crate) fn bind(
    filters: &[plan::filter::Filter],
    table: &Table,
    bindings: &Bindings<'_>,
) -> Result<Vec<Filter>, Error> {
    let one = |filter: &plan::filter::Filter| {
        let values = |operands: &Vec<plan::term::Operand>| -> Result<Vec<Bytes>, Error> {
            let pairs = operands.iter().zip(&filter.columns);
            pairs.map(|(operand, column)| bindings.required(operand, &column.name)).collect()
        };
        let any_of: Result<Vec<Vec<Bytes>>, Error> = filter.any_of.iter().map(values).collect();
        let columns = filter.columns.iter().map(|it| (of_column(table, it), it.cql_type)).collect();
        Ok(Filter { columns, op: filter.op, any_of: any_of? })
    };
    filters.iter().map(one).collect()
}

impl Filter {
    /// Whether the row is meant. Null is not.
    pub(crate) fn passes(&self, view: &View<'_>, moment: &Moment<'_>) -> Result<bool, Error> {
        let mut found = Vec::with_capacity(self.columns.len());
        for (expr, _) in &self.columns {
            match view.evaluate(expr, moment)? {
                Some(value) => found.push(value),
                None => return Ok(false),
            }
        }
        Ok(self.any_of.iter().any(|values| self.holds(self.compare(&found, values))))
    }

    fn compare(&self, found: &[Bytes], values: &[Bytes]) -> Ordering {
        let pairs = self.columns.iter().zip(found.iter().zip(values));
        let mut orders =
            pairs.map(|((_, cql_type), (found, value))| value::compare(*cql_type, found, value));
        orders.find(|it| it.is_ne()).unwrap_or(Ordering::Equal)
    }

    fn holds(&self, order: Ordering) -> bool {
        match self.op {
            Operator::Eq => order.is_eq(),
            Operator::Lt => order.is_lt(),
            Operator::Le => order.is_le(),
            Operator::Gt => order.is_gt(),
            Operator::Ge => order.is_ge(),
            Operator::NotEq => order.is_ne(),
        }
    }

    /// Whether all rows of a partition pass, or none.
    pub(crate) fn is_of_partitions(&self) -> bool {
        self.columns.iter().all(|(expr, _)| expr.is_of_partition())
    }

    /// Whether a column of the clustering key is looked at.
    pub(crate) fn shows_clustering(&self) -> bool {
        self.columns.iter().any(|(expr, _)| expr.shows_clustering())
    }
}
