//! Conditions: which partitions, and which stretches of their rows.
//!
//! A `WHERE` is sorted by column first, whatever the order it was written in; then it is asked for
//! what a statement needs: the partition key whole, the clustering key as a prefix. What none of
//! that serves is left, each condition with the reason why.

use cql_lite::{
    ast::{InValues, Name, Operator, Relation, RelationKind, Term, Values},
    span::Span,
    types::{CqlType, NativeType},
};
use model::{
    Table,
    read::Test,
    schema::{Column, ColumnKind},
};

use super::{
    any_of::{AnyOf, together},
    filter::{Filter, Left},
    names::{column, list, not_supported},
    rows::{Bounded, Choice, Rows, bad_where, gap_before},
    term::{Operand, Terms},
};
use crate::Error;

mod parts;

use parts::of_cells;

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

/// What a key column may be, alone or with those that follow it.
#[derive(Clone)]
struct Allowed {
    choice: Choice,
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
                RelationKind::Contains { name, term } => {
                    sorted.contains(name, Test::Contains, term, terms)?;
                }
                RelationKind::ContainsKey { name, term } => {
                    sorted.contains(name, Test::ContainsKey, term, terms)?;
                }
                RelationKind::Element { name, key, term } => {
                    sorted.entry(name, key, term, terms)?;
                }
                RelationKind::In { name, values } => {
                    sorted.any_of(name, values, relation.span, terms)?;
                }
                RelationKind::Token { columns, op, term } => {
                    sorted.token(columns, *op, term, relation.span, terms)?;
                }
                RelationKind::TupleIn { names, values } => {
                    sorted.any_tuple(names, values, relation.span, terms)?;
                }
                RelationKind::Tuple { names, op, values } => {
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
        if column.is_multi_cell && !column.is_counter() {
            return Err(of_cells(column, name));
        }
        let value = terms.of_condition(term, column)?;
        if op != Operator::Eq && !column.cql_type.has_order() {
            let message = format!("`{}` is a {}, which has no order", column.name, column.cql_type);
            return Err(bad_where(message).at(span).hint("compare it with = or IN"));
        }
        match column.kind {
            ColumnKind::Partition | ColumnKind::Clustering(_) if op == Operator::Eq => {
                self.allow(&[column], Choice::only(value), span);
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
        if column.is_multi_cell && !column.is_counter() {
            return Err(of_cells(column, name));
        }
        let any_of = AnyOf::of_column(values, column, span, terms)?;
        match column.kind {
            ColumnKind::Partition | ColumnKind::Clustering(_) => {
                self.allow(&[column], Choice { width: 1, any_of }, span);
            }
            ColumnKind::Static | ColumnKind::Regular => {
                self.leave_cell(name, Filter::any_of(&[column], any_of));
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
        let value =
            terms.operand(term, "partition key token", &CqlType::Native(NativeType::Bigint))?;
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
        values: &Values,
        span: Span,
        terms: &mut Terms<'t>,
    ) -> Result<(), Error> {
        let (first, columns) = self.tuple_columns(names, span)?;
        let operands = together(values, &columns, span, terms)?;
        match op {
            Operator::Eq => {
                for (column, operand) in columns.into_iter().zip(operands) {
                    self.allow(&[column], Choice::only(operand), span);
                }
            }
            Operator::NotEq => return Err(not_supported("!= is", span)),
            Operator::Lt | Operator::Le | Operator::Gt | Operator::Ge => {
                self.bound(Bounded { at: first, op, values: operands, span });
            }
        }
        Ok(())
    }

    fn any_tuple(
        &mut self,
        names: &[Name],
        values: &InValues<Values>,
        span: Span,
        terms: &mut Terms<'t>,
    ) -> Result<(), Error> {
        let (_, columns) = self.tuple_columns(names, span)?;
        let any_of = AnyOf::of_columns(values, &columns, span, terms)?;
        self.allow(&columns, Choice { width: columns.len(), any_of }, span);
        Ok(())
    }

    /// Clustering columns that follow each other, and which of them is the first.
    fn tuple_columns(&self, names: &[Name], span: Span) -> Result<(usize, Vec<&'t Column>), Error> {
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            columns.push(column(self.table, name)?);
        }
        let clustering = &self.table.clustering_key;
        let first = columns.first().and_then(|it| clustering.iter().position(|c| c == *it));
        let in_order = |first: &usize| {
            columns.iter().copied().eq(clustering.iter().skip(*first).take(columns.len()))
        };
        match first.filter(in_order) {
            Some(first) => Ok((first, columns)),
            None => Err(bad_where("a tuple takes clustering columns in their order".to_owned())
                .at(span)
                .hint(format!("the clustering columns are {}", list(clustering)))),
        }
    }

    /// Only these values for a key column, or for several clustering columns in a row.
    fn allow(&mut self, columns: &[&Column], choice: Choice, span: Span) {
        let Some(column) = columns.first() else { return };
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
            *slot = Some(Allowed { choice, span });
            return;
        }
        let message = format!("`{}` is compared with = or IN more than once", column.name);
        self.left.push(Left::new(Filter::any_of(columns, choice.any_of), bad_where(message), span));
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
    pub(crate) fn partition(&mut self) -> Option<Vec<Choice>> {
        if self.partition.iter().any(Option::is_none) {
            let error = self.not_whole();
            self.leave_partition(&error);
            return None;
        }
        let allowed = std::mem::take(&mut self.partition).into_iter().flatten();
        Some(allowed.map(|it| it.choice).collect())
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
            let Some(Allowed { choice, span }) = slot else { continue };
            let filter = Filter::any_of(&[column], choice.any_of.clone());
            self.left.push(Left::new(filter, error.clone(), *span));
        }
    }

    /// The clustering conditions: a prefix and then at most one stretch. The others are left.
    pub(crate) fn rows(&mut self) -> Rows {
        let columns = &self.table.clustering_key;
        let mut rows = Rows::default();
        for (at, allowed) in std::mem::take(&mut self.clustering).into_iter().enumerate() {
            let Some(Allowed { choice, span }) = allowed else { continue };
            let open = rows.width();
            if at == open {
                rows.prefix.push(choice);
                continue;
            }
            let error = match columns.get(open).filter(|_| open < at) {
                Some(gap) => gap_before(&columns[at], gap),
                None => {
                    let name = &columns[at].name;
                    bad_where(format!("`{name}` is compared with = or IN more than once"))
                }
            };
            let named: Vec<&Column> = columns[at..at + choice.width].iter().collect();
            self.left.push(Left::new(Filter::any_of(&named, choice.any_of), error, span));
        }
        for bounded in std::mem::take(&mut self.bounds) {
            match rows.refusal(&bounded, columns) {
                Some(error) => {
                    let Bounded { at, op, values, span } = bounded;
                    let columns = columns[at..at + values.len()].to_vec();
                    let any_of = AnyOf::one(values);
                    let filter = Filter { columns, test: Test::Compare(op), any_of };
                    self.left.push(Left::new(filter, error, span));
                }
                None => rows.bound(bounded),
            }
        }
        rows
    }
}

/// Where a column that is one of `columns` is among them.
fn position(columns: &[Column], column: &Column) -> usize {
    columns.iter().take_while(|it| it.id != column.id).count()
}
