//! Which rows of a partition: what the first clustering columns may be, then at most one stretch.

use cql_lite::{ast::Operator, code::Code, span::Span};
use model::{Table, schema::Column};

use super::{
    any_of::AnyOf,
    names::{list, not_supported},
    term::Operand,
};
use crate::Error;

/// What one column of a key may be, or several that are named together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// How many columns.
    pub(crate) width: usize,
    /// One of these will do.
    pub(crate) any_of: AnyOf,
}

impl Choice {
    /// This value for one column.
    pub(crate) fn only(value: Operand) -> Choice {
        Choice { width: 1, any_of: AnyOf::one(vec![value]) }
    }
}

/// Rows of a partition: equal to one of each in `prefix`, then between two edges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// What is allowed for the first clustering columns.
    pub(crate) prefix: Vec<Choice>,
    /// What the columns after the prefix lie above.
    pub(crate) lower: Option<Edge>,
    /// What the columns after the prefix lie below.
    pub(crate) upper: Option<Edge>,
}

/// One end of a stretch of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    /// Values of the columns right after the prefix; several for `(a, b) > (1, 2)`.
    pub(crate) values: Vec<Operand>,
    /// Whether rows equal to `values` belong to it.
    pub(crate) inclusive: bool,
}

/// Clustering columns from `at` on, compared with as many values.
pub(super) struct Bounded {
    pub(super) at: usize,
    pub(super) op: Operator,
    pub(super) values: Vec<Operand>,
    pub(super) span: Span,
}

impl Bounded {
    fn is_lower(&self) -> bool {
        matches!(self.op, Operator::Gt | Operator::Ge)
    }
}

impl Rows {
    /// How many clustering columns the prefix names.
    pub(crate) fn width(&self) -> usize {
        self.prefix.iter().map(|it| it.width).sum()
    }

    /// Whether every row is meant.
    pub(crate) fn is_all(&self) -> bool {
        self.prefix.is_empty() && self.lower.is_none() && self.upper.is_none()
    }

    /// Why these rows cannot be bounded so, if they cannot.
    pub(super) fn refusal(&self, bounded: &Bounded, columns: &[Column]) -> Option<Error> {
        let open = self.width();
        let Bounded { at, ref values, span, .. } = *bounded;
        if at < open {
            let message = format!("`{}` has both = or IN and a range", columns[at].name);
            return Some(bad_where(message));
        }
        if open < at {
            return Some(gap_before(&columns[at], &columns[open]));
        }
        let compared = &columns[at..at + values.len()];
        if compared.iter().any(|it| it.kind != compared[0].kind) {
            return Some(not_supported("a tuple over ascending and descending columns is", span));
        }
        let side = if bounded.is_lower() { &self.lower } else { &self.upper };
        side.as_ref().map(|_| bad_where("rows are bounded twice on one side".to_owned()))
    }

    pub(super) fn bound(&mut self, bounded: Bounded) {
        let inclusive = matches!(bounded.op, Operator::Ge | Operator::Le);
        let side = if bounded.is_lower() { &mut self.lower } else { &mut self.upper };
        *side = Some(Edge { values: bounded.values, inclusive });
    }

    /// Whether single rows are named, each by its whole clustering key.
    pub(crate) fn is_exact(&self, table: &Table) -> bool {
        self.width() == table.clustering_key.len()
    }
}

/// The error for a `WHERE` that does not lead to the rows.
pub(crate) fn bad_where(message: String) -> Error {
    Error::new(Code::BadWhere, message)
}

/// The error for a clustering column behind one that is not restricted.
pub(super) fn gap_before(column: &Column, gap: &Column) -> Error {
    bad_where(format!(
        "clustering column `{}` cannot be restricted: `{}` before it is not restricted with =",
        column.name, gap.name
    ))
    .hint(format!("add a condition with = for {}", list([gap])))
}
