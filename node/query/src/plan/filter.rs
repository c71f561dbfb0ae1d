//! Conditions that the primary key does not serve: refused, or checked on each row that is read.

use cql_lite::{ast::Operator, span::Span};
use model::{
    read::Test,
    schema::{Column, ColumnKind},
};

use super::{any_of::AnyOf, names::list, term::Operand};
use crate::Error;

/// A condition that is checked on each row. Null never meets it.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    /// What is compared: one column, or clustering columns one after the other.
    pub(crate) columns: Vec<Column>,
    /// How.
    pub(crate) test: Test,
    /// With what: one of these will do.
    pub(crate) any_of: AnyOf,
}

impl Filter {
    /// One column compared with one value.
    pub(crate) fn compare(column: &Column, op: Operator, value: Operand) -> Filter {
        Filter::test(column, Test::Compare(op), value)
    }

    /// Something asked of one column.
    pub(crate) fn test(column: &Column, test: Test, value: Operand) -> Filter {
        Filter { columns: vec![column.clone()], test, any_of: AnyOf::one(vec![value]) }
    }

    /// Columns equal to one of several tuples, each with a value for each of them.
    pub(crate) fn any_of(columns: &[&Column], any_of: AnyOf) -> Filter {
        let columns = columns.iter().copied().cloned().collect();
        Filter { columns, test: Test::Compare(Operator::Eq), any_of }
    }
}

/// What the primary key leaves, with what is to be said where that cannot be executed.
#[derive(Clone, Debug)]
pub(crate) struct Left {
    /// The condition.
    pub(crate) filter: Filter,
    /// Why the key does not serve it.
    pub(crate) error: Error,
}

impl Left {
    /// Leaves `filter`, for a reason that points at `span`.
    pub(crate) fn new(filter: Filter, error: Error, span: Span) -> Left {
        Left { filter, error: error.at(span) }
    }

    /// The error for a read that does not allow filtering.
    pub(crate) fn not_allowed(&self) -> Error {
        let in_key =
            |it: &Column| matches!(it.kind, ColumnKind::Partition | ColumnKind::Clustering(_));
        let error = self.error.clone();
        let error = if self.filter.columns.iter().all(in_key) {
            error
        } else {
            error.or_hint("a table whose primary key begins with it answers this question")
        };
        not_allowed(error, &self.filter.columns)
    }
}

/// The error for a read that does not allow filtering, and would have to look at `columns` of rows
/// that it does not return.
pub(crate) fn not_allowed<'c>(
    error: Error,
    columns: impl IntoIterator<Item = &'c Column>,
) -> Error {
    let names = list(columns);
    let advice = match &error.hint {
        Some(hint) => format!("{hint}; or add ALLOW FILTERING, which checks {names} row by row"),
        None => format!("add ALLOW FILTERING, which checks {names} row by row"),
    };
    error.hint(advice)
}
