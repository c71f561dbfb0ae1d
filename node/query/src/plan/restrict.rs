//! Conditions: which partitions, and which stretches of their rows.
//!
//! A `WHERE` is sorted by column first, whatever the order it was written in; then it is asked for
//! what a statement needs: the partition key whole, the clustering key as a prefix. What none of
//! that serves is left, each condition with the reason why.

use cql_lite::{
    ast::{InValues, Name, Operator, Relation, RelationKind, Term},
    code::Code,
    span::Span,
    types::CqlType,
};
use model::{
    Table,
    schema::{Column, ColumnKind},
};

use super::{
    filter::{Filter, Left},
    names::{column, list, not_supported},
    term::{Operand, Terms},
};
use crate::Error;

/// Most values of one `IN`, and most keys or rows that several of them make together.
pub(crate) const IN_MAX: usize = 100;

/// Rows of a partition: equal to one of each in `prefix`, then between two edges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// The values allowed for each of the first clustering columns.
    pub(crate) prefix: Vec<Vec<Operand>>,
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

/// One end of a range of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenEdge {
    /// A bigint.
    pub(crate) value: Operand,
    /// Whether the token itself belongs to it.
    pub(crate) inclusive: bool,
}

/// The conditions of a `WHERE`, by column.
pub(crate) struct Conditions<'t> {
    table: &'t Table,
    /// The values allowed for each column of the partition key.
    partition: Vec<Option<Allowed>>,
    /// The values allowed for each clustering column.
    clustering: Vec<Option<Allowed>>,
    /// What rows lie above or below.
    bounds: Vec<Bounded>,
    /// What tokens lie above.
    pub(crate) token_lower: Option<TokenEdge>,
    /// What tokens lie below.
    pub(crate) token_upper: Option<TokenEdge>,
    /// What the primary key does not serve, as far as it is known.
    left: Vec<Left>,
    /// Where the last condition on a clustering column was written.
    clustering_span: Option<Span>,
}

/// The values that a key column may have.
#[derive(Clone)]
struct Allowed {
    values: Vec<Operand>,
    span: Span,
}

/// Clustering columns from `at` on, compared with as many values.
struct Bounded {
    at: usize,
    op: Operator,
    values: Vec<Operand>,
    span: Span,
}

impl<'t> Conditions<'t> {
    /// Sorts the conditions of a `WHERE`.
    pub(crate) fn sort(
        relations: &[Relation],
        table: &'t Table,
        terms: &mut Terms<'t>,
    ) -> Result<Conditions<'t>, Error> {
        let mut sorted = Conditions {
            table,
            partition: vec![None; table.partition_key.len()],
            clustering: vec![None; table.clustering_key.len()],
            bounds: Vec::new(),
            token_lower: None,
            token_upper: None,
            left: Vec::new(),
            clustering_span: None,
        };
        for relation in relations {
            match &relation.kind {
                RelationKind::Column { name, op, term } => {
                    sorted.compare(name, *op, term, relation.span, terms)?;
                }
                RelationKind::In { name, values } => {
                    sorted.any_of(name, values, relation.span, terms)?;
                }
                RelationKind::Token { columns, op, term } => {
                    sorted.token(columns, *op, term, relation.span, terms)?;
                }
                RelationKind::Tuple { names, op, terms: values } => {
                    sorted.tuple(names, *op, values, relation.span, terms)?;
                }
            }
        }
        Ok(sorted)
    }

    fn compare(
        &mut self,
        name: &Name,
        op: Operator,
        term: &Term,
        span: Span,
        terms: &mut Terms<'t>,
    ) -> Result<(), Error> {
        let column = column(self.table, name)?;
        if op == Operator::NotEq {
            return Err(not_supported("!= is", span));
        }
        let value = terms.of_condition(term, column)?;
        match column.kind {
            ColumnKind::Partition | ColumnKind::Clustering(_) if op == Operator::Eq => {
                self.allow(column, vec![value], span);
            }
            ColumnKind::Partition => {
                let message = format!(
                    "partition key column `{}` can only be compared with = or IN",
                    column.name
                );
                let keys = list(&self.table.partition_key);
                let hint = format!("for a range of partitions write token({keys}) and a bigint");
                let error = bad_where(message).hint(hint);
                self.left.push(Left::new(Filter::compare(column, op, value), error, span));
            }
            ColumnKind::Clustering(_) => {
                let at = position(&self.table.clustering_key, column);
                self.bound(Bounded { at, op, values: vec![value], span });
            }
            ColumnKind::Static | ColumnKind::Regular => {
                self.leave_cell(name, Filter::compare(column, op, value));
            }
        }
        Ok(())
    }

    fn any_of(
        &mut self,
        name: &Name,
        values: &InValues,
        span: Span,
        terms: &mut Terms<'t>,
    ) -> Result<(), Error> {
        let column = column(self.table, name)?;
        let list = match values {
            InValues::List(list) => list,
            InValues::Marker(marker) => {
                return Err(not_supported("one marker for the whole list of IN is", marker.span)
                    .hint("write one marker for each value: IN (?, ?)"));
            }
        };
        if list.len() > IN_MAX {
            let message = format!("{} values in IN, more than {IN_MAX}", list.len());
            return Err(Error::new(Code::TooLarge, message).at(span));
        }
        let mut values = Vec::with_capacity(list.len());
        for term in list {
            values.push(terms.of_condition(term, column)?);
        }
        match column.kind {
            ColumnKind::Partition | ColumnKind::Clustering(_) => self.allow(column, values, span),
            ColumnKind::Static | ColumnKind::Regular => {
                self.leave_cell(name, Filter::any_of(column, values));
            }
        }
        Ok(())
    }

    fn token(
        &mut self,
        columns: &[Name],
        op: Operator,
        term: &Term,
        span: Span,
        terms: &mut Terms<'t>,
    ) -> Result<(), Error> {
        let keys = &self.table.partition_key;
        if !columns.iter().map(|it| &it.text).eq(keys.iter().map(|it| &it.name)) {
            return Err(bad_where(
                "token() takes the whole partition key, in its order".to_owned(),
            )
            .at(span)
            .hint(format!("write token({})", list(keys))));
        }
        let value = terms.operand(term, "partition key token", &CqlType::Bigint)?;
        if value == Operand::Null {
            return Err(super::term::null_in("partition key token").at(term.span()));
        }
        let edge = |inclusive| Some(TokenEdge { value: value.clone(), inclusive });
        let twice = || bad_where("token() is bounded twice on one side".to_owned()).at(span);
        let (lower, upper) = match op {
            Operator::Eq => (edge(true), edge(true)),
            Operator::Gt | Operator::Ge => (edge(op == Operator::Ge), None),
            Operator::Lt | Operator::Le => (None, edge(op == Operator::Le)),
            Operator::NotEq => return Err(not_supported("!= is", span)),
        };
        if lower.is_some() && self.token_lower.is_some()
            || upper.is_some() && self.token_upper.is_some()
        {
            return Err(twice());
        }
        self.token_lower = lower.or(self.token_lower.take());
        self.token_upper = upper.or(self.token_upper.take());
        Ok(())
    }

    fn tuple(
        &mut self,
        names: &[Name],
        op: Operator,
        values: &[Term],
        span: Span,
        terms: &mut Terms<'t>,
    ) -> Result<(), Error> {
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            columns.push(column(self.table, name)?);
        }
        let clustering = &self.table.clustering_key;
        let first = columns.first().and_then(|it| clustering.iter().position(|c| c == *it));
        let Some(first) = first.filter(|first| {
            columns.iter().copied().eq(clustering.iter().skip(*first).take(columns.len()))
        }) else {
            return Err(bad_where("a tuple takes clustering columns in their order".to_owned())
                .at(span)
                .hint(format!("the clustering columns are {}", list(clustering))));
        };
        if values.len() != columns.len() {
            let message =
                format!("{} columns compared with {} values", columns.len(), values.len());
            return Err(bad_where(message).at(span));
        }
        let mut operands = Vec::with_capacity(values.len());
        for (term, column) in values.iter().zip(&columns) {
            operands.push(terms.of_condition(term, column)?);
        }
        match op {
            Operator::Eq => {
                for (column, operand) in columns.into_iter().zip(operands) {
                    self.allow(column, vec![operand], span);
                }
            }
            Operator::NotEq => return Err(not_supported("!= is", span)),
            Operator::Lt | Operator::Le | Operator::Gt | Operator::Ge => {
                self.bound(Bounded { at: first, op, values: operands, span });
            }
        }
        Ok(())
    }

    /// Only these values for a key column.
    fn allow(&mut self, column: &Column, values: Vec<Operand>, span: Span) {
        let slot = match column.kind {
            ColumnKind::Clustering(_) => {
                self.clustering_span = Some(span);
                &mut self.clustering[position(&self.table.clustering_key, column)]
            }
            ColumnKind::Partition | ColumnKind::Static | ColumnKind::Regular => {
                &mut self.partition[position(&self.table.partition_key, column)]
            }
        };
        if slot.is_none() {
            *slot = Some(Allowed { values, span });
            return;
        }
        let message = format!("`{}` is compared with = or IN more than once", column.name);
        self.left.push(Left::new(Filter::any_of(column, values), bad_where(message), span));
    }

    /// Only rows beyond these values.
    fn bound(&mut self, bounded: Bounded) {
        self.clustering_span = Some(bounded.span);
        self.bounds.push(bounded);
    }

    /// A condition on a column outside the primary key.
    fn leave_cell(&mut self, name: &Name, filter: Filter) {
        let error = bad_where(format!(
            "`{}` is not part of the primary key, so WHERE cannot look rows up by it",
            name.text
        ));
        self.left.push(Left::new(filter, error, name.span));
    }

    /// Whether a range of tokens is asked for.
    pub(crate) fn names_token(&self) -> bool {
        self.token_lower.is_some() || self.token_upper.is_some()
    }

    /// Where rows inside partitions are restricted, if they are.
    pub(crate) fn clustering_span(&self) -> Option<Span> {
        self.clustering_span
    }

    /// What the primary key does not serve, once it was asked for all that it may serve.
    pub(crate) fn left(&self) -> &[Left] {
        &self.left
    }

    /// What is to be checked on each row that is read.
    pub(crate) fn into_filters(self) -> Vec<Filter> {
        self.left.into_iter().map(|it| it.filter).collect()
    }

    /// The partition key. None if it is not whole: then what is known of it is left.
    pub(crate) fn partition(&mut self) -> Option<Vec<Vec<Operand>>> {
        if self.partition.iter().any(Option::is_none) {
            let error = self.not_whole();
            self.leave_partition(&error);
            return None;
        }
        let allowed = std::mem::take(&mut self.partition).into_iter().flatten();
        Some(allowed.map(|it| it.values).collect())
    }

    /// The error for a partition key that is not whole.
    pub(crate) fn not_whole(&self) -> Error {
        let slots = self.table.partition_key.iter().zip(&self.partition);
        let names = list(slots.filter(|(_, it)| it.is_none()).map(|(column, _)| column));
        let message = format!("the partition key is not whole: {names} is missing in WHERE");
        bad_where(message).hint(format!(
            "add a condition with = for {names}; the partition key is ({})",
            list(&self.table.partition_key)
        ))
    }

    /// Leaves what is known of the partition key, for this reason.
    pub(crate) fn leave_partition(&mut self, error: &Error) {
        for (column, slot) in self.table.partition_key.iter().zip(&self.partition) {
            let Some(Allowed { values, span }) = slot else { continue };
            let filter = Filter::any_of(column, values.clone());
            self.left.push(Left::new(filter, error.clone(), *span));
        }
    }

    /// The clustering conditions: a prefix and then at most one stretch. The others are left.
    pub(crate) fn rows(&mut self) -> Rows {
        let columns = &self.table.clustering_key;
        let mut rows = Rows::default();
        for (at, allowed) in std::mem::take(&mut self.clustering).into_iter().enumerate() {
            let Some(Allowed { values, span }) = allowed else { continue };
            let open = rows.prefix.len();
            if at == open {
                rows.prefix.push(values);
                continue;
            }
            let error = gap_before(&columns[at], &columns[open]);
            self.left.push(Left::new(Filter::any_of(&columns[at], values), error, span));
        }
        for bounded in std::mem::take(&mut self.bounds) {
            match rows.refusal(&bounded, columns) {
                Some(error) => {
                    let Bounded { at, op, values, span } = bounded;
                    let columns = columns[at..at + values.len()].to_vec();
                    let filter = Filter { columns, op, any_of: vec![values] };
                    self.left.push(Left::new(filter, error, span));
                }
                None => rows.bound(bounded),
            }
        }
        rows
    }
}

impl Bounded {
    fn is_lower(&self) -> bool {
        matches!(self.op, Operator::Gt | Operator::Ge)
    }
}

impl Rows {
    /// Whether every row is meant.
    pub(crate) fn is_all(&self) -> bool {
        self.prefix.is_empty() && self.lower.is_none() && self.upper.is_none()
    }

    /// Why these rows cannot be bounded so, if they cannot.
    fn refusal(&self, bounded: &Bounded, columns: &[Column]) -> Option<Error> {
        let open = self.prefix.len();
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

    fn bound(&mut self, bounded: Bounded) {
        let inclusive = matches!(bounded.op, Operator::Ge | Operator::Le);
        let side = if bounded.is_lower() { &mut self.lower } else { &mut self.upper };
        *side = Some(Edge { values: bounded.values, inclusive });
    }

    /// Whether single rows are named, each by its whole clustering key.
    pub(crate) fn is_exact(&self, table: &Table) -> bool {
        self.prefix.len() == table.clustering_key.len()
    }
}

/// The error for a `WHERE` that does not lead to the rows.
pub(crate) fn bad_where(message: String) -> Error {
    Error::new(Code::BadWhere, message)
}

fn gap_before(column: &Column, gap: &Column) -> Error {
    bad_where(format!(
        "clustering column `{}` cannot be restricted: `{}` before it is not restricted with =",
        column.name, gap.name
    ))
    .hint(format!("add a condition with = for {}", list([gap])))
}

/// Where a column that is one of `columns` is among them.
fn position(columns: &[Column], column: &Column) -> usize {
    columns.iter().take_while(|it| it.id != column.id).count()
}
