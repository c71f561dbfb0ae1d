//! Conditions: which partitions, and which stretches of their rows.
//!
//! A `WHERE` is sorted by column first, whatever the order it was written in; then it is asked for
//! what a statement needs: the partition key whole, the clustering key as a prefix.

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
    partition: Vec<Option<Vec<Operand>>>,
    /// The values allowed for each clustering column.
    clustering: Vec<Option<Vec<Operand>>>,
    /// From which clustering column on rows lie above what.
    lower: Option<(usize, Edge)>,
    /// From which clustering column on rows lie below what.
    upper: Option<(usize, Edge)>,
    /// What tokens lie above.
    pub(crate) token_lower: Option<TokenEdge>,
    /// What tokens lie below.
    pub(crate) token_upper: Option<TokenEdge>,
    /// Conditions on other columns.
    others: Vec<Name>,
    /// Where the last condition on a clustering column was written.
    clustering_span: Option<Span>,
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
            lower: None,
            upper: None,
            token_lower: None,
            token_upper: None,
            others: Vec::new(),
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
        match column.kind {
            ColumnKind::Partition if op == Operator::Eq => {
                let value = terms.of_condition(term, column)?;
                self.allow(column, vec![value], span)
            }
            ColumnKind::Partition => Err(bad_where(format!(
                "partition key column `{}` can only be compared with = or IN",
                column.name
            ))
            .at(span)
            .hint(format!(
                "for a range of partitions write token({}) and a bigint",
                list(&self.table.partition_key)
            ))),
            ColumnKind::Clustering(_) if op == Operator::Eq => {
                let value = terms.of_condition(term, column)?;
                self.allow(column, vec![value], span)
            }
            ColumnKind::Clustering(_) => {
                let at = position(&self.table.clustering_key, column);
                let value = terms.of_condition(term, column)?;
                self.bound(at, op, vec![value], span)
            }
            ColumnKind::Static | ColumnKind::Regular => {
                // The marker in it must be known, even if the condition is refused later.
                terms.of_condition(term, column)?;
                self.others.push(name.clone());
                Ok(())
            }
        }
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
        let values: Result<Vec<Operand>, Error> =
            list.iter().map(|term| terms.of_condition(term, column)).collect();
        match column.kind {
            ColumnKind::Partition | ColumnKind::Clustering(_) => self.allow(column, values?, span),
            ColumnKind::Static | ColumnKind::Regular => {
                values?;
                self.others.push(name.clone());
                Ok(())
            }
        }
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
        if op == Operator::Eq {
            for (column, operand) in columns.into_iter().zip(operands) {
                self.allow(column, vec![operand], span)?;
            }
            return Ok(());
        }
        if columns.iter().any(|it| it.kind != columns[0].kind) {
            return Err(not_supported("a tuple over ascending and descending columns is", span));
        }
        self.bound(first, op, operands, span)
    }

    /// Only these values for a key column.
    fn allow(&mut self, column: &Column, values: Vec<Operand>, span: Span) -> Result<(), Error> {
        let slot = match column.kind {
            ColumnKind::Clustering(_) => {
                self.clustering_span = Some(span);
                &mut self.clustering[position(&self.table.clustering_key, column)]
            }
            ColumnKind::Partition | ColumnKind::Static | ColumnKind::Regular => {
                &mut self.partition[position(&self.table.partition_key, column)]
            }
        };
        if slot.is_some() {
            let message = format!("`{}` is compared with = or IN more than once", column.name);
            return Err(bad_where(message).at(span));
        }
        *slot = Some(values);
        Ok(())
    }

    /// Only rows beyond these values, from clustering column `at` on.
    fn bound(
        &mut self,
        at: usize,
        op: Operator,
        values: Vec<Operand>,
        span: Span,
    ) -> Result<(), Error> {
        self.clustering_span = Some(span);
        let inclusive = matches!(op, Operator::Ge | Operator::Le);
        let side = match op {
            Operator::Gt | Operator::Ge => &mut self.lower,
            Operator::Lt | Operator::Le => &mut self.upper,
            Operator::Eq | Operator::NotEq => return Err(not_supported("!= is", span)),
        };
        if side.is_some() {
            return Err(bad_where("rows are bounded twice on one side".to_owned()).at(span));
        }
        *side = Some((at, Edge { values, inclusive }));
        Ok(())
    }

    /// Whether the partition key is mentioned at all, other than by `token`.
    pub(crate) fn names_partition(&self) -> bool {
        self.partition.iter().any(Option::is_some)
    }

    /// Whether a range of tokens is asked for.
    pub(crate) fn names_token(&self) -> bool {
        self.token_lower.is_some() || self.token_upper.is_some()
    }

    /// Where rows inside partitions are restricted, if they are.
    pub(crate) fn clustering_span(&self) -> Option<Span> {
        self.clustering_span
    }

    /// Refuses conditions on columns outside the primary key, with this advice.
    pub(crate) fn refuse_others(&self, hint: &str) -> Result<(), Error> {
        match self.others.first() {
            None => Ok(()),
            Some(name) => Err(bad_where(format!(
                "`{}` is not part of the primary key, so WHERE cannot look rows up by it",
                name.text
            ))
            .at(name.span)
            .hint(hint)),
        }
    }

    /// A condition outside the primary key, if there is one.
    pub(crate) fn other(&self) -> Option<&Name> {
        self.others.first()
    }

    /// The partition key, which must be whole.
    pub(crate) fn partition(&mut self) -> Result<Vec<Vec<Operand>>, Error> {
        let missing = self.table.partition_key.iter().zip(&self.partition);
        let missing: Vec<&Column> =
            missing.filter(|(_, it)| it.is_none()).map(|(column, _)| column).collect();
        if !missing.is_empty() {
            let names = list(missing);
            let message = format!("the partition key is not whole: {names} is missing in WHERE");
            return Err(bad_where(message).hint(format!(
                "add a condition with = for {names}; the partition key is ({})",
                list(&self.table.partition_key)
            )));
        }
        Ok(std::mem::take(&mut self.partition).into_iter().flatten().collect())
    }

    /// The clustering conditions, which must be a prefix and then at most one stretch.
    pub(crate) fn rows(&mut self) -> Result<Rows, Error> {
        let columns = &self.table.clustering_key;
        let span = self.clustering_span.unwrap_or_default();
        let mut prefix: Vec<Vec<Operand>> = Vec::new();
        let mut open: Option<usize> = None;
        for (at, values) in std::mem::take(&mut self.clustering).into_iter().enumerate() {
            match (values, open) {
                (Some(values), None) => prefix.push(values),
                (None, None) => open = Some(at),
                (None, Some(_)) => {}
                (Some(_), Some(gap)) => return Err(gap_before(&columns[at], &columns[gap], span)),
            }
        }
        let edge = |side: Option<(usize, Edge)>| match side {
            None => Ok(None),
            Some((at, edge)) if at == prefix.len() => Ok(Some(edge)),
            Some((at, _)) if at < prefix.len() => {
                Err(bad_where(format!("`{}` has both = or IN and a range", columns[at].name))
                    .at(span))
            }
            Some((at, _)) => Err(gap_before(&columns[at], &columns[prefix.len()], span)),
        };
        let lower = edge(self.lower.take())?;
        let upper = edge(self.upper.take())?;
        Ok(Rows { prefix, lower, upper })
    }
}

impl Rows {
    /// Whether every row is meant.
    pub(crate) fn is_all(&self) -> bool {
        self.prefix.is_empty() && self.lower.is_none() && self.upper.is_none()
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

fn gap_before(column: &Column, gap: &Column, span: Span) -> Error {
    bad_where(format!(
        "clustering column `{}` cannot be restricted: `{}` before it is not restricted with =",
        column.name, gap.name
    ))
    .at(span)
    .hint(format!("add a condition with = for {}", list([gap])))
}

/// Where a column that is one of `columns` is among them.
fn position(columns: &[Column], column: &Column) -> usize {
    columns.iter().take_while(|it| it.id != column.id).count()
}
