//! SELECT: which partitions and rows, in which order, and what of each.

use std::sync::Arc;

use bytes::Bytes;
use cql_lite::{
    ast::{self, Name, SelectExpr, Selectors, Spanned},
    code::Code,
    span::Span,
    types::{CqlType, NativeType},
};
use model::{
    Table,
    schema::{Column, ColumnKind},
};

use super::{
    CellColumn, Plan, Verb,
    filter::{self, Filter},
    key_markers,
    names::{Scope, column, list, spec},
    order::order,
    restrict::{Conditions, TokenEdge},
    rows::{Choice, Rows, bad_where},
    term::{Operand, Terms, pseudo},
};
use crate::{ColumnSpec, Columns, Error, fold::Number, functions::Scalar, system_tables};

mod parts;

use parts::{element, field, slice};

/// A read, its markers still open.
#[derive(Clone, Debug)]
pub(crate) struct Select {
    /// The table.
    pub(crate) table: Arc<Table>,
    /// Whether the table is one of ours, made up for each read.
    pub(crate) is_virtual: bool,
    /// Which partitions.
    pub(crate) target: Target,
    /// Which rows of each partition.
    pub(crate) rows: Rows,
    /// Which of these rows, by what the primary key does not serve.
    pub(crate) filters: Vec<Filter>,
    /// Whether rows come in descending stored order.
    pub(crate) reversed: bool,
    /// Whether each partition is returned once.
    pub(crate) distinct: bool,
    /// What is returned.
    pub(crate) output: Output,
    /// `LIMIT`
    pub(crate) limit: Option<Spanned<Operand>>,
    /// `PER PARTITION LIMIT`
    pub(crate) per_partition_limit: Option<Spanned<Operand>>,
}

/// Which partitions.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// Those with one of these values in each column of the key.
    Keys(Vec<Choice>),
    /// All with tokens between these edges.
    Tokens(Option<TokenEdge>, Option<TokenEdge>),
}

/// What is returned.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// These of each row.
    Rows(Vec<Expr>),
    /// One row about all rows.
    Aggregate(Vec<Aggregate>),
}

impl Output {
    /// Whether a column of the clustering key is looked at.
    pub(crate) fn shows_clustering(&self) -> bool {
        match self {
            Output::Rows(exprs) => exprs.iter().any(Expr::shows_clustering),
            Output::Aggregate(aggregates) => aggregates.iter().any(|it| match it {
                Aggregate::CountAll => false,
                Aggregate::Count(expr)
                | Aggregate::Min(expr, _)
                | Aggregate::Max(expr, _)
                | Aggregate::Sum(expr, _)
                | Aggregate::Average(expr, _)
                | Aggregate::First(expr) => expr.shows_clustering(),
            }),
        }
    }
}

/// What is computed from a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expr {
    /// This column of the partition key.
    Partition(usize),
    /// This column of the clustering key.
    Clustering(usize),
    /// The value of a cell.
    Cell(CellColumn),
    /// The value of a column of this type that has a cell for each part of it.
    Elements(CellColumn, CqlType),
    /// What a collection of this type has under this key.
    Element(Box<Expr>, CqlType, Bytes),
    /// What a collection of this type has from one key on, and up to another one.
    Slice(Box<Expr>, CqlType, Option<Bytes>, Option<Bytes>),
    /// This field of a value of this type.
    Field(Box<Expr>, CqlType, usize),
    /// What the cells say of themselves that a column, or one part of it, is made of.
    Property(Property, Box<Expr>),
    /// A function of others.
    Call(Scalar, Vec<Expr>),
}

impl Expr {
    /// What it is one part of, else itself.
    pub(crate) fn column(&self) -> &Expr {
        match self {
            Expr::Element(of, ..) | Expr::Slice(of, ..) | Expr::Field(of, ..) => of,
            Expr::Partition(_)
            | Expr::Clustering(_)
            | Expr::Cell(_)
            | Expr::Elements(..)
            | Expr::Property(..)
            | Expr::Call(..) => self,
        }
    }

    /// Whether a column of the clustering key is looked at.
    pub(crate) fn shows_clustering(&self) -> bool {
        match self {
            Expr::Clustering(_) => true,
            Expr::Call(_, args) => args.iter().any(Expr::shows_clustering),
            Expr::Element(of, ..)
            | Expr::Slice(of, ..)
            | Expr::Field(of, ..)
            | Expr::Property(_, of) => of.shows_clustering(),
            Expr::Partition(_) | Expr::Cell(_) | Expr::Elements(..) => false,
        }
    }
}

/// What cells say of themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Property {
    /// When each was written, microseconds.
    Writetime,
    /// When the last of them was written, microseconds.
    MaxWritetime,
    /// How many seconds each has left.
    Ttl,
}

impl Property {
    /// The one that a function of this name answers.
    fn named(name: &str) -> Option<Property> {
        match name {
            "writetime" => Some(Property::Writetime),
            "maxwritetime" => Some(Property::MaxWritetime),
            "ttl" => Some(Property::Ttl),
            _ => None,
        }
    }
}

/// The functions that make one value of all rows.
const AGGREGATES: [&str; 5] = ["count", "min", "max", "sum", "avg"];

/// What is computed from all rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    /// How many there are.
    CountAll,
    /// How many have a value here.
    Count(Expr),
    /// The least value.
    Min(Expr, CqlType),
    /// The greatest value.
    Max(Expr, CqlType),
    /// All values added up.
    Sum(Expr, Number),
    /// Their sum by their number.
    Average(Expr, Number),
    /// The value in the first row.
    First(Expr),
}

/// Plans a `SELECT`.
pub(crate) fn plan(select: &ast::Select, scope: &Scope<'_>) -> Result<Plan, Error> {
    let table = scope.table(&select.from)?;
    let mut terms = Terms::new(&table);
    let (output, columns) = output(select, &table)?;
    let mut conditions = Conditions::sort(&select.where_, &table, &mut terms)?;
    let target = target(&mut conditions, &table);
    let clustering_span = conditions.clustering_span();
    let rows = conditions.rows();
    if !select.allow_filtering {
        refuse_filtering(&conditions, &target, &rows, &table)?;
    }
    let filters = conditions.into_filters();
    let reversed = order(select, &table, &target)?;
    let limits = [
        pseudo(
            &mut terms,
            select.per_partition_limit.as_ref(),
            "[per_partition_limit]",
            NativeType::Int,
        )?,
        pseudo(&mut terms, select.limit.as_ref(), "[limit]", NativeType::Int)?,
    ];
    let [per_partition_limit, limit] = limits;
    if let (Some(term), Output::Aggregate(_)) = (&select.per_partition_limit, &output) {
        let message = "PER PARTITION LIMIT cannot be used with aggregates";
        return Err(Error::new(Code::BadWhere, message).at(term.span()));
    }
    if select.distinct {
        check_distinct(select, &table, clustering_span, &output)?;
        check_distinct_filters(&filters, select.from.span())?;
    }
    let variables = terms.into_markers().variables()?;
    let partition_key = match &target {
        Target::Keys(keys) => key_markers(keys),
        Target::Tokens(..) => Vec::new(),
    };
    let is_virtual = system_tables::keyspace(&table.keyspace).is_some();
    let distinct = select.distinct;
    let verb = Verb::Select(Select {
        table,
        is_virtual,
        target,
        rows,
        filters,
        reversed,
        distinct,
        output,
        limit,
        per_partition_limit,
    });
    let columns = Arc::new(Columns::new(columns));
    Ok(Plan { verb, variables, columns, partition_key, idempotent: true })
}

fn target(conditions: &mut Conditions<'_>, table: &Table) -> Target {
    if conditions.names_token() {
        let names = list(&table.partition_key);
        conditions.leave_partition(&bad_where(format!(
            "token({names}) and its columns cannot both be restricted"
        )));
        return Target::Tokens(conditions.token_lower.take(), conditions.token_upper.take());
    }
    conditions.partition().map_or(Target::Tokens(None, None), Target::Keys)
}

/// Refuses to read rows that are not returned.
fn refuse_filtering(
    conditions: &Conditions<'_>,
    target: &Target,
    rows: &Rows,
    table: &Table,
) -> Result<(), Error> {
    if let Some(left) = conditions.left().first() {
        return Err(left.not_allowed());
    }
    match (target, conditions.clustering_span()) {
        (Target::Tokens(..), Some(span)) if !rows.is_all() => {
            let message = "clustering columns are restricted without the partition key";
            let names = list(&table.partition_key);
            let error = bad_where(message.into())
                .at(span)
                .hint(format!("add a condition with = for {names}"));
            Err(filter::not_allowed(error, table.clustering_key.first()))
        }
        (Target::Tokens(..) | Target::Keys(_), _) => Ok(()),
    }
}

/// `DISTINCT` is about partitions: it takes their keys, all of them, and statics.
fn check_distinct(
    select: &ast::Select,
    table: &Table,
    clustering_span: Option<Span>,
    output: &Output,
) -> Result<(), Error> {
    if let Some(span) = clustering_span {
        let message = "SELECT DISTINCT cannot restrict clustering columns";
        return Err(bad_where(message.into()).at(span));
    }
    let Output::Rows(exprs) = output else {
        return Err(bad_where("SELECT DISTINCT cannot be used with aggregates".into()));
    };
    let keys = list(&table.partition_key);
    if !exprs.iter().all(fits_distinct) {
        let message = "SELECT DISTINCT takes partition key and static columns only";
        return Err(bad_where(message.into())
            .at(select.from.span())
            .hint(format!("the partition key is ({keys})")));
    }
    let all = (0..table.partition_key.len()).all(|at| exprs.contains(&Expr::Partition(at)));
    if !all {
        let message = "SELECT DISTINCT takes every column of the partition key";
        return Err(bad_where(message.into())
            .at(select.from.span())
            .hint(format!("the partition key is ({keys})")));
    }
    Ok(())
}

/// Whether it is the same for all rows of a partition.
fn fits_distinct(expr: &Expr) -> bool {
    match expr {
        Expr::Partition(_) => true,
        Expr::Cell(column) | Expr::Elements(column, _) => column.is_static,
        Expr::Element(of, ..)
        | Expr::Slice(of, ..)
        | Expr::Field(of, ..)
        | Expr::Property(_, of) => fits_distinct(of),
        Expr::Clustering(_) => false,
        Expr::Call(Scalar::Token, _) => true,
        Expr::Call(..) => false,
    }
}

/// What `DISTINCT` filters is partitions.
fn check_distinct_filters(filters: &[Filter], span: Span) -> Result<(), Error> {
    let mut columns = filters.iter().flat_map(|it| &it.columns);
    let stray = columns.find(|it| match it.kind {
        ColumnKind::Partition | ColumnKind::Static => false,
        ColumnKind::Clustering(_) | ColumnKind::Regular => true,
    });
    match stray {
        None => Ok(()),
        Some(column) => {
            let message = "SELECT DISTINCT filters by partition key and static columns only";
            let hint = format!("`{}` is one value of each row", column.name);
            Err(bad_where(message.into()).at(span).hint(hint))
        }
    }
}

/// What is returned, and the columns that describe it.
fn output(select: &ast::Select, table: &Table) -> Result<(Output, Vec<ColumnSpec>), Error> {
    let selectors = match &select.selectors {
        Selectors::All => {
            let columns = table.columns().map(|it| spec(table, it)).collect();
            let exprs = table.columns().map(|it| of_column(table, it)).collect();
            return Ok((Output::Rows(exprs), columns));
        }
        Selectors::Some(selectors) => selectors,
    };
    let mut columns = Vec::with_capacity(selectors.len());
    let mut computed = Vec::with_capacity(selectors.len());
    for selector in selectors {
        let (selection, cql_type, printed) = selection(&selector.expr, table)?;
        let name = selector.alias.as_ref().map_or(printed, |alias| alias.text.clone());
        let (keyspace, table) = (table.keyspace.clone(), table.name.clone());
        columns.push(ColumnSpec { keyspace, table, name, cql_type });
        computed.push(selection);
    }
    if computed.iter().any(|it| matches!(it, Selection::All(_))) {
        let aggregates = computed.into_iter().map(|it| match it {
            Selection::All(aggregate) => aggregate,
            Selection::Row(expr) => Aggregate::First(expr),
        });
        return Ok((Output::Aggregate(aggregates.collect()), columns));
    }
    let exprs = computed.into_iter().filter_map(|it| match it {
        Selection::Row(expr) => Some(expr),
        Selection::All(_) => None,
    });
    Ok((Output::Rows(exprs.collect()), columns))
}

/// What one selector is about.
enum Selection {
    Row(Expr),
    All(Aggregate),
}

/// A selector with the type of its value and its text as Cassandra prints it.
fn selection(expr: &SelectExpr, table: &Table) -> Result<(Selection, CqlType, String), Error> {
    if let SelectExpr::CountAll(_) = expr {
        let all = Selection::All(Aggregate::CountAll);
        return Ok((all, NativeType::Bigint.into(), "count".to_owned()));
    }
    if let SelectExpr::Function { name, args, .. } = expr
        && let [arg] = args.as_slice()
        && AGGREGATES.contains(&name.text.as_str())
    {
        let (inner, cql_type, printed) = row_expr(arg, table)?;
        let printed = format!("system.{}({printed})", name.text);
        let (aggregate, cql_type) = match name.text.as_str() {
            "count" => (Aggregate::Count(inner), NativeType::Bigint.into()),
            "min" | "max" if !cql_type.has_order() => {
                let message = format!("{}() takes values with an order, not {cql_type}", name.text);
                return Err(Error::new(Code::BadValue, message).at(arg.span()));
            }
            "min" => (Aggregate::Min(inner, cql_type.clone()), cql_type),
            "max" => (Aggregate::Max(inner, cql_type.clone()), cql_type),
            "sum" => (Aggregate::Sum(inner, number(name, arg, &cql_type)?), cql_type),
            _ => (Aggregate::Average(inner, number(name, arg, &cql_type)?), cql_type),
        };
        return Ok((Selection::All(aggregate), cql_type, printed));
    }
    let (expr, cql_type, printed) = row_expr(expr, table)?;
    Ok((Selection::Row(expr), cql_type, printed))
}

/// The number that `sum` or `avg` adds up.
fn number(name: &Name, arg: &SelectExpr, cql_type: &CqlType) -> Result<Number, Error> {
    Number::from_type(cql_type).ok_or_else(|| {
        let message = format!("{}() takes a number, not {cql_type}", name.text);
        Error::new(Code::BadValue, message)
            .at(arg.span())
            .hint("numbers are tinyint, smallint, int, bigint, varint, float, double and decimal")
    })
}

fn row_expr(expr: &SelectExpr, table: &Table) -> Result<(Expr, CqlType, String), Error> {
    match expr {
        SelectExpr::Column(name) => {
            let column = column(table, name)?;
            Ok((of_column(table, column), column.cql_type.clone(), name.text.clone()))
        }
        SelectExpr::Cast { arg, to, span } => {
            let (inner, from, text) = row_expr(arg, table)?;
            let target = to.resolve(&|_| Vec::new())?.cql_type;
            let function = Scalar::cast(&from, &target).map_err(|error| error.at(*span))?;
            let printed = format!("cast({text} as {})", to.node);
            Ok((Expr::Call(function, vec![inner]), target, printed))
        }
        SelectExpr::Element { of, key, .. } => element(of, key, table),
        SelectExpr::Slice { of, from, to, .. } => slice(of, from.as_deref(), to.as_deref(), table),
        SelectExpr::Field { of, name, .. } => field(of, name, table),
        SelectExpr::CountAll(span) => {
            Err(Error::new(Code::BadValue, "an aggregate cannot be an argument").at(*span))
        }
        SelectExpr::Function { name, args, span } => {
            if let Some(property) = Property::named(&name.text) {
                return parts::property(property, (name, *span), args, table);
            }
            if AGGREGATES.contains(&name.text.as_str()) {
                let message = format!("{}() takes one column and stands alone", name.text);
                return Err(Error::new(Code::BadValue, message).at(*span));
            }
            let function = Scalar::named(name)?;
            let (mut exprs, mut types, mut texts) = (Vec::new(), Vec::new(), Vec::new());
            for arg in args {
                let (expr, cql_type, text) = row_expr(arg, table)?;
                exprs.push(expr);
                types.push(cql_type);
                texts.push(text);
            }
            let keys: Vec<CqlType> =
                table.partition_key.iter().map(|it| it.cql_type.clone()).collect();
            let returns = function.check(name, &types, &keys).map_err(|it| it.at(*span))?;
            if function == Scalar::Token
                && !exprs.iter().enumerate().all(|(at, it)| *it == Expr::Partition(at))
            {
                let hint = format!("write token({})", list(&table.partition_key));
                let message = "token() takes the partition key, in its order";
                return Err(bad_where(message.into()).at(*span).hint(hint));
            }
            let printed = format!("system.{}({})", name.text, texts.join(", "));
            Ok((Expr::Call(function, exprs), returns, printed))
        }
    }
}

/// The value of a column.
pub(crate) fn of_column(table: &Table, column: &Column) -> Expr {
    let position = |columns: &[Column]| columns.iter().take_while(|it| it.id != column.id).count();
    match column.kind {
        ColumnKind::Partition => Expr::Partition(position(&table.partition_key)),
        ColumnKind::Clustering(_) => Expr::Clustering(position(&table.clustering_key)),
        ColumnKind::Static | ColumnKind::Regular => {
            let cell = CellColumn { id: column.id, is_static: column.kind == ColumnKind::Static };
            match column.is_multi_cell {
                true => Expr::Elements(cell, column.cql_type.clone()),
                false => Expr::Cell(cell),
            }
        }
    }
}
