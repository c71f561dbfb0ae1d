//! INSERT, UPDATE and DELETE: which rows, and which cells of them.

use std::sync::Arc;

use cql_lite::{
    ast::{self, Condition, Name, Spanned},
    code::Code,
    span::Span,
    types::{CqlType, NativeType},
};
use model::{
    Table,
    schema::{Column, ColumnKind},
};

use super::{
    CellColumn, Plan, Verb, key_markers,
    names::{Scope, column, list, not_supported},
    restrict::Conditions,
    rows::{Choice, Rows, bad_where},
    term::{Markers, Operand, Terms, null_in, pseudo},
};
use crate::{Error, system_tables};

mod lists;
mod parts;

pub(crate) use lists::{ListAction, ListChange};

/// A write, its markers still open.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    /// The table.
    pub(crate) table: Arc<Table>,
    /// What is allowed for each column of the partition key.
    pub(crate) keys: Vec<Choice>,
    /// Which rows of each partition.
    pub(crate) rows: Rows,
    /// What happens to them.
    pub(crate) change: Change,
    /// What happens to lists beside that, once they were read.
    pub(crate) lists: Vec<ListChange>,
    /// `USING TIMESTAMP`, microseconds.
    pub(crate) timestamp: Option<Spanned<Operand>>,
    /// `USING TTL`, seconds.
    pub(crate) ttl: Option<Spanned<Operand>>,
}

/// What happens to the rows.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Cells are set; an `INSERT` of a row also writes its marker.
    Set {
        /// Each cell, once.
        cells: Vec<Assignment>,
        /// Whether rows get a marker.
        marker: bool,
    },
    /// These cells, or parts of them, become tombstones.
    DeleteCells(Vec<Removal>),
    /// All rows of the partition go, and its statics.
    DeletePartition,
    /// Rows go, the statics stay.
    DeleteRows,
}

/// One cell to be set.
#[derive(Clone, Debug)]
pub(crate) struct Assignment {
    /// Whose cell.
    pub(crate) column: CellColumn,
    /// What becomes of it.
    pub(crate) action: Action,
}

/// What becomes of a column. Null deletes, unset leaves.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Its one cell gets this value.
    Cell(Operand),
    /// A column with a cell for each part of this type: it has these and no others.
    Replace(CqlType, Operand),
    /// These are put to those that it has: behind them, in a list.
    Append(CqlType, Operand),
    /// These are put in front of a list.
    Prepend(CqlType, Operand),
    /// These go: of a set its values, of a map its keys.
    Remove(CqlType, Operand),
    /// The value of one key of a map.
    Entry(Operand, Operand),
    /// One field of a user type, by its place.
    Field(u16, Operand),
    /// So much is added to a counter, or taken away from it.
    Increment(Sign, Operand),
}

/// Which way a counter goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Up.
    Plus,
    /// Down.
    Minus,
}

/// A cell that is deleted, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Removal {
    /// Whose cell.
    pub(crate) column: CellColumn,
    /// What of it.
    pub(crate) part: Removed,
}

/// What of a column is deleted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Removed {
    /// Its one cell.
    Cell,
    /// All of its cells.
    Elements,
    /// What lies under this key of a map, or this value of a set.
    Entry(Operand),
    /// One field of a user type, by its place.
    Field(u16),
}

impl Write {
    /// Whether it adds to counters: it cannot be repeated, and a leader has to carry it out.
    pub(crate) fn is_increment(&self) -> bool {
        self.table.has_counters() && matches!(self.change, Change::Set { .. })
    }
}

/// A write with what it takes to bind it.
pub(crate) struct Planned {
    /// What to do.
    pub(crate) write: Write,
    /// The markers met.
    pub(crate) markers: Markers,
    /// Whether a function was called that answers something new each time.
    pub(crate) is_volatile: bool,
}

impl Planned {
    /// The plan of a statement that is this write alone.
    pub(crate) fn finish(self) -> Result<Plan, Error> {
        let Planned { write, markers, is_volatile } = self;
        let variables = markers.variables()?;
        let partition_key = key_markers(&write.keys);
        let (verb, idempotent) = (Verb::Write(write), !is_volatile);
        Ok(Plan { verb, variables, columns: Arc::default(), partition_key, idempotent })
    }
}

/// Plans an `INSERT`, `UPDATE` or `DELETE`.
pub(crate) fn plan(write: &ast::Write, scope: &Scope<'_>) -> Result<Planned, Error> {
    match write {
        ast::Write::Insert(it) => insert(it, scope),
        ast::Write::Update(it) => update(it, scope),
        ast::Write::Delete(it) => delete(it, scope),
    }
}

fn insert(insert: &ast::Insert, scope: &Scope<'_>) -> Result<Planned, Error> {
    let table = writable(&insert.table, scope)?;
    if table.has_counters() {
        let message = format!("{} has counters: INSERT cannot add to them", table.name);
        let hint = "write UPDATE … SET c = c + 1 WHERE …, which makes the row where there is none";
        return Err(Error::new(Code::BadValue, message).at(insert.table.span()).hint(hint));
    }
    let mut terms = Terms::new(&table);
    if insert.if_not_exists {
        return Err(lightweight("IF NOT EXISTS", insert.table.span()));
    }
    if insert.columns.len() != insert.values.len() {
        let message =
            format!("{} columns but {} values", insert.columns.len(), insert.values.len());
        return Err(Error::new(Code::BadValue, message).at(insert.table.span()));
    }
    let mut keys = vec![None; table.partition_key.len()];
    let mut prefix = vec![None; table.clustering_key.len()];
    let mut cells = Cells::default();
    for (name, term) in insert.columns.iter().zip(&insert.values) {
        let column = column(&table, name)?;
        if insert.columns.iter().filter(|it| it.text == name.text).count() > 1 {
            let message = format!("column `{}` is given twice", name.text);
            return Err(Error::new(Code::BadValue, message).at(name.span));
        }
        let value = terms.of_column(term, column)?;
        let slot = match column.kind {
            ColumnKind::Partition => slot(&mut keys, &table.partition_key, column),
            ColumnKind::Clustering(_) => slot(&mut prefix, &table.clustering_key, column),
            ColumnKind::Static | ColumnKind::Regular => {
                cells.push(column, parts::set(column, value));
                continue;
            }
        };
        if value == Operand::Null {
            return Err(null_in(&column.name).at(term.span()));
        }
        *slot = Some(value);
    }
    let keys = whole(keys, &table.partition_key, &table)?;
    let only_statics =
        cells.statics > 0 && cells.regulars == 0 && prefix.iter().all(Option::is_none);
    let rows = if only_statics && !table.clustering_key.is_empty() {
        Rows::default()
    } else {
        Rows { prefix: whole(prefix, &table.clustering_key, &table)?, ..Rows::default() }
    };
    let marker = rows.is_exact(&table);
    let change = Change::Set { cells: cells.all, marker };
    let using = Using::plan(&insert.using, &mut terms)?;
    Ok(planned(&table, (keys, rows), (change, Vec::new()), using, terms))
}

fn update(update: &ast::Update, scope: &Scope<'_>) -> Result<Planned, Error> {
    let table = writable(&update.table, scope)?;
    let mut terms = Terms::new(&table);
    let conditions = (update.if_exists, &update.conditions[..], update.table.span());
    refuse_beside_counters(&table, conditions, &update.using)?;
    refuse_conditions(conditions)?;
    // In the order of the text, so that markers are met as they are numbered.
    let using = Using::plan(&update.using, &mut terms)?;
    let mut cells = Cells::default();
    let mut lists = Vec::new();
    for (at, assignment) in update.assignments.iter().enumerate() {
        let name = &assignment.target.column;
        let column = cell_column(&table, name, "set")?;
        let others = update.assignments[..at].iter().map(|it| &it.target);
        parts::refuse_repetition(&assignment.target, others)?;
        match lists::of_assignment(assignment, column, &mut terms)? {
            Some(change) => lists.push(change),
            None => cells.push(column, parts::action(assignment, column, &mut terms)?),
        }
    }
    let mut conditions = Conditions::sort(&update.where_, &table, &mut terms)?;
    let keys = partition(&mut conditions)?;
    let only_statics = cells.regulars == 0 && lists.iter().all(|it| it.column.is_static);
    let rows = cell_rows(&mut conditions, &table, only_statics, "UPDATE")?;
    let change = Change::Set { cells: cells.all, marker: false };
    Ok(planned(&table, (keys, rows), (change, lists), using, terms))
}

fn delete(delete: &ast::Delete, scope: &Scope<'_>) -> Result<Planned, Error> {
    let table = writable(&delete.table, scope)?;
    let mut terms = Terms::new(&table);
    let conditions = (delete.if_exists, &delete.conditions[..], delete.table.span());
    refuse_beside_counters(&table, conditions, &delete.using)?;
    refuse_conditions(conditions)?;
    let using = Using::plan(&delete.using, &mut terms)?;
    let (mut cells, mut lists) = (Vec::new(), Vec::new());
    for target in &delete.columns {
        let column = cell_column(&table, &target.column, "deleted")?;
        if let Some(change) = lists::of_removal(target, column, &mut terms)? {
            lists.push(change);
            continue;
        }
        let part = parts::removal(target, column, &mut terms)?;
        cells.push(Removal { column: cell_of(column), part });
    }
    let mut conditions = Conditions::sort(&delete.where_, &table, &mut terms)?;
    let keys = partition(&mut conditions)?;
    let (rows, change) = if delete.columns.is_empty() {
        let rows = rows(&mut conditions)?;
        let change = if rows.is_all() { Change::DeletePartition } else { Change::DeleteRows };
        (rows, change)
    } else {
        let mut columns = cells.iter().map(|it| it.column).chain(lists.iter().map(|it| it.column));
        let only_statics = columns.all(|it| it.is_static);
        let rows = cell_rows(&mut conditions, &table, only_statics, "DELETE")?;
        (rows, Change::DeleteCells(cells))
    };
    Ok(planned(&table, (keys, rows), (change, lists), using, terms))
}

/// `USING`, checked.
struct Using {
    timestamp: Option<Spanned<Operand>>,
    ttl: Option<Spanned<Operand>>,
}

impl Using {
    fn plan(using: &ast::Using, terms: &mut Terms<'_>) -> Result<Using, Error> {
        let timestamp = using.timestamp.as_ref();
        Ok(Using {
            timestamp: pseudo(terms, timestamp, "[timestamp]", NativeType::Bigint)?,
            ttl: pseudo(terms, using.ttl.as_ref(), "[ttl]", NativeType::Int)?,
        })
    }
}

/// Cells to be set, counted by kind.
#[derive(Default)]
struct Cells {
    all: Vec<Assignment>,
    statics: usize,
    regulars: usize,
}

impl Cells {
    fn push(&mut self, column: &Column, action: Action) {
        let column = cell_of(column);
        if column.is_static {
            self.statics += 1;
        } else {
            self.regulars += 1;
        }
        self.all.push(Assignment { column, action });
    }
}

fn cell_of(column: &Column) -> CellColumn {
    CellColumn { id: column.id, is_static: column.kind == ColumnKind::Static }
}

fn planned(
    table: &Arc<Table>,
    (keys, rows): (Vec<Choice>, Rows),
    (change, lists): (Change, Vec<ListChange>),
    using: Using,
    terms: Terms<'_>,
) -> Planned {
    let is_volatile = terms.volatile;
    let markers = terms.into_markers();
    let Using { timestamp, ttl } = using;
    let write = Write { table: Arc::clone(table), keys, rows, change, lists, timestamp, ttl };
    Planned { write, markers, is_volatile }
}

/// The table, unless it is one of ours.
pub(crate) fn writable(name: &ast::TableName, scope: &Scope<'_>) -> Result<Arc<Table>, Error> {
    let table = scope.table(name)?;
    if system_tables::keyspace(&table.keyspace).is_some() {
        let message = format!("{}.{} can only be read", table.keyspace, table.name);
        return Err(Error::new(Code::Unauthorized, message)
            .at(name.span())
            .hint(system_tables::OURS));
    }
    Ok(table)
}

/// A column with cells: not one of the primary key.
fn cell_column<'t>(table: &'t Table, name: &Name, verb: &str) -> Result<&'t Column, Error> {
    let column = column(table, name)?;
    match column.kind {
        ColumnKind::Static | ColumnKind::Regular => Ok(column),
        ColumnKind::Partition | ColumnKind::Clustering(_) => {
            let message =
                format!("`{}` is part of the primary key: it cannot be {verb}", name.text);
            Err(bad_where(message).at(name.span).hint("primary key columns belong into WHERE"))
        }
    }
}

fn partition(conditions: &mut Conditions<'_>) -> Result<Vec<Choice>, Error> {
    if conditions.names_token() {
        return Err(bad_where("a write names its partitions: token() cannot".to_owned()));
    }
    let keys = conditions.partition();
    refuse_left(conditions)?;
    keys.ok_or_else(|| conditions.not_whole())
}

/// The rows, by the primary key alone.
fn rows(conditions: &mut Conditions<'_>) -> Result<Rows, Error> {
    let rows = conditions.rows();
    refuse_left(conditions)?;
    Ok(rows)
}

/// A write does not look at rows before it changes them.
fn refuse_left(conditions: &Conditions<'_>) -> Result<(), Error> {
    match conditions.left().first() {
        None => Ok(()),
        Some(left) => {
            Err(left.error.clone().or_hint("a write names its rows by the primary key alone"))
        }
    }
}

/// The rows whose cells change: named by the whole clustering key, or none for statics alone.
fn cell_rows(
    conditions: &mut Conditions<'_>,
    table: &Table,
    only_statics: bool,
    verb: &str,
) -> Result<Rows, Error> {
    let span = conditions.clustering_span();
    let rows = rows(conditions)?;
    if only_statics && !table.clustering_key.is_empty() {
        return match span {
            None => Ok(rows),
            Some(span) => Err(bad_where(format!(
                "this {verb} changes static columns only, which belong to the whole partition"
            ))
            .at(span)
            .hint("leave out the clustering columns")),
        };
    }
    if rows.lower.is_some() || rows.upper.is_some() {
        let message = format!("{verb} of columns takes single rows, not a range of them");
        return Err(bad_where(message).at(span.unwrap_or_default()));
    }
    if !rows.is_exact(table) {
        let missing = list(&table.clustering_key[rows.width()..]);
        return Err(bad_where(format!(
            "the primary key is not whole: {missing} is missing in WHERE"
        ))
        .hint(format!("add a condition with = for {missing}")));
    }
    Ok(rows)
}

fn slot<'s>(
    slots: &'s mut [Option<Operand>],
    columns: &[Column],
    column: &Column,
) -> &'s mut Option<Operand> {
    let at = columns.iter().take_while(|it| it.id != column.id).count();
    &mut slots[at]
}

/// Every column of a key that `INSERT` gives, each as the only value allowed.
fn whole(
    values: Vec<Option<Operand>>,
    columns: &[Column],
    table: &Table,
) -> Result<Vec<Choice>, Error> {
    let missing: Vec<&Column> =
        columns.iter().zip(&values).filter(|(_, it)| it.is_none()).map(|(it, _)| it).collect();
    if !missing.is_empty() {
        let message = format!("INSERT lacks key column(s) {}", list(missing));
        let all = list(table.partition_key.iter().chain(&table.clustering_key));
        return Err(bad_where(message).hint(format!("the primary key is {all}")));
    }
    Ok(values.into_iter().flatten().map(Choice::only).collect())
}

/// `IF EXISTS`, other conditions, and what is to blame for the former.
type Conditional<'c> = (bool, &'c [Condition], Span);

/// What no write of counters has: a timestamp and a time to live are given to values, and an increment
/// is none; the timestamps of counters are those of their leaders.
fn refuse_beside_counters(
    table: &Table,
    (exists, conditions, span): Conditional<'_>,
    using: &ast::Using,
) -> Result<(), Error> {
    if !table.has_counters() {
        return Ok(());
    }
    let refused = |what: &str, hint: &str, span| {
        let message = format!("{} has counters, which are written without {what}", table.name);
        Err(Error::new(Code::BadValue, message).at(span).hint(hint))
    };
    let no_timestamp = "leave it out: the nodes that add say when";
    let no_ttl = "leave it out: what was added stays until it is deleted";
    let no_condition = "leave it out: what is added counts whatever there was before";
    match (&using.timestamp, &using.ttl, conditions.first()) {
        (Some(term), _, _) => refused("a timestamp", no_timestamp, term.span()),
        (None, Some(term), _) => refused("a TTL", no_ttl, term.span()),
        (None, None, Some(condition)) => refused("IF", no_condition, condition.span),
        (None, None, None) if exists => refused("IF", no_condition, span),
        (None, None, None) => Ok(()),
    }
}

fn refuse_conditions((exists, conditions, span): Conditional<'_>) -> Result<(), Error> {
    match conditions.first() {
        Some(condition) => Err(lightweight("IF", condition.span)),
        None if exists => Err(lightweight("IF EXISTS", span)),
        None => Ok(()),
    }
}

fn lightweight(what: &str, span: Span) -> Error {
    not_supported(&format!("{what} (a lightweight transaction) is"), span)
}
