//! The tree of a statement.
//!
//! Every node knows where it was written (`Span`), and no span takes part in equality. Names are
//! as the server knows them: folded to lower case unless they were quoted.

pub use crate::span::{Span, Spanned};

mod condition;
mod definition;
mod term;
mod type_name;

pub use condition::{Condition, InValues, Operator, Relation, RelationKind, Test, Values};
pub use definition::{
    AlterKeyspace, AlterTable, AlterType, ColumnDef, CreateKeyspace, CreateTable, CreateType,
    DropKeyspace, DropTable, DropType, OptionValue, Order, TableChange, TableOption, TypeChange,
};
pub use term::{Literal, Marker, Term};
pub use type_name::{Resolved, TypeName, UserTypes};

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// `CREATE KEYSPACE …`
    CreateKeyspace(CreateKeyspace),
    /// `ALTER KEYSPACE …`
    AlterKeyspace(AlterKeyspace),
    /// `DROP KEYSPACE …`
    DropKeyspace(DropKeyspace),
    /// `CREATE TABLE …`
    CreateTable(CreateTable),
    /// `ALTER TABLE …`
    AlterTable(AlterTable),
    /// `DROP TABLE …`
    DropTable(DropTable),
    /// `CREATE TYPE …`
    CreateType(CreateType),
    /// `ALTER TYPE …`
    AlterType(AlterType),
    /// `DROP TYPE …`
    DropType(DropType),
    /// `TRUNCATE …`
    Truncate(Truncate),
    /// `USE …`
    Use(Use),
    /// `INSERT …`, `UPDATE …` or `DELETE …`
    Write(Write),
    /// `BEGIN BATCH … APPLY BATCH`
    Batch(Batch),
    /// `SELECT …`
    Select(Select),
    /// `DESCRIBE …`
    Describe(Describe),
}

/// A statement that changes rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// `INSERT …`
    Insert(Insert),
    /// `UPDATE …`
    Update(Update),
    /// `DELETE …`
    Delete(Delete),
}

/// The name of a keyspace, table, column or function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// The name, in lower case unless it was quoted.
    pub text: String,
    /// Where it was written, quotes included.
    pub span: Span,
}

/// A table, perhaps with its keyspace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TableName {
    /// The keyspace; without it the session's is meant.
    pub keyspace: Option<Name>,
    /// The table.
    pub table: Name,
}

/// `TRUNCATE [TABLE] name`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truncate {
    /// The table to empty.
    pub table: TableName,
}

/// `USE keyspace`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The keyspace of the session from now on.
    pub keyspace: Name,
}

/// `INSERT INTO table (columns) VALUES (values) [IF NOT EXISTS] [USING …]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insert {
    /// The table written to.
    pub table: TableName,
    /// The columns named, at least one.
    pub columns: Vec<Name>,
    /// As many values as columns.
    pub values: Vec<Term>,
    /// Whether the row must not exist (a lightweight transaction).
    pub if_not_exists: bool,
    /// Timestamp and time to live.
    pub using: Using,
}

/// `UPDATE table [USING …] SET assignments WHERE … [IF …]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The table written to.
    pub table: TableName,
    /// Timestamp and time to live.
    pub using: Using,
    /// What is set, at least one.
    pub assignments: Vec<Assignment>,
    /// Which row.
    pub where_: Vec<Relation>,
    /// `IF EXISTS` (a lightweight transaction).
    pub if_exists: bool,
    /// `IF column = … AND …` (a lightweight transaction); empty where there is none.
    pub conditions: Vec<Condition>,
}

/// One change of a column, or of a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// What changes.
    pub target: Target,
    /// How.
    pub change: Change,
    /// The whole assignment.
    pub span: Span,
}

/// A column, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The column.
    pub column: Name,
    /// Its part; none means all of it.
    pub part: Option<Part>,
}

/// A part of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// `[key]`: of a map by its key, of a list by its place, of a set the value itself.
    Element(Term),
    /// `.field`
    Field(Name),
}

/// How a column changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// `c = value`
    Set(Term),
    /// `c = c + value`, also `c += value`
    Add(Term),
    /// `c = value + c`
    Prepend(Term),
    /// `c = c - value`, also `c -= value`
    Subtract(Term),
}

/// `DELETE [columns] FROM table [USING TIMESTAMP …] WHERE … [IF …]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// The columns deleted, or parts of them; none means whole rows.
    pub columns: Vec<Target>,
    /// The table deleted from.
    pub table: TableName,
    /// The timestamp; never a time to live.
    pub using: Using,
    /// Which rows.
    pub where_: Vec<Relation>,
    /// `IF EXISTS` (a lightweight transaction).
    pub if_exists: bool,
    /// `IF column = … AND …` (a lightweight transaction); empty where there is none.
    pub conditions: Vec<Condition>,
}

/// `BEGIN [UNLOGGED | COUNTER] BATCH [USING TIMESTAMP …] writes APPLY BATCH`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// What it promises, and of what.
    pub kind: BatchKind,
    /// The timestamp of all writes that have none of their own; never a time to live.
    pub using: Using,
    /// What is written, perhaps nothing.
    pub writes: Vec<Write>,
    /// Its first words, `BATCH` included.
    pub span: Span,
}

/// What a batch promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BatchKind {
    /// All of it or nothing.
    Logged,
    /// `UNLOGGED`: it may be torn apart between partitions when a node fails.
    Unlogged,
    /// `COUNTER`: it adds to counters, and may be torn apart as one that is not logged.
    Counter,
}

/// `USING TIMESTAMP … AND TTL …`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Using {
    /// Microseconds since 1970 that the write is stamped with.
    pub timestamp: Option<Term>,
    /// Seconds until what is written expires.
    pub ttl: Option<Term>,
}

/// `SELECT [DISTINCT] selectors FROM table [WHERE …] [ORDER BY …] [PER PARTITION LIMIT …]
/// [LIMIT …] [ALLOW FILTERING]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// Whether each partition is returned once.
    pub distinct: bool,
    /// What is returned of each row.
    pub selectors: Selectors,
    /// The table read.
    pub from: TableName,
    /// Which rows; empty means all.
    pub where_: Vec<Relation>,
    /// In which order, by which columns.
    pub order_by: Vec<(Name, Order)>,
    /// Most rows of one partition.
    pub per_partition_limit: Option<Term>,
    /// Most rows.
    pub limit: Option<Term>,
    /// Whether rows may be read only to be dropped.
    pub allow_filtering: bool,
}

/// What is returned of each row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selectors {
    /// `*`
    All,
    /// At least one.
    Some(Vec<Selector>),
}

/// One returned column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// What is computed.
    pub expr: SelectExpr,
    /// `AS alias`.
    pub alias: Option<Name>,
}

/// What a selector computes from a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectExpr {
    /// A column.
    Column(Name),
    /// `count(*)`, also written `count(1)`.
    CountAll(Span),
    /// `name(arguments)`: also `writetime(c)`, `ttl(c)`, `count(c)` and the other aggregates.
    Function {
        /// The function.
        name: Name,
        /// Its arguments.
        args: Vec<SelectExpr>,
        /// The whole call.
        span: Span,
    },
    /// `CAST(argument AS type)`
    Cast {
        /// What is converted.
        arg: Box<SelectExpr>,
        /// To what.
        to: Spanned<TypeName>,
        /// The whole call.
        span: Span,
    },
    /// `value[key]`
    Element {
        /// A map, a list or a set.
        of: Box<SelectExpr>,
        /// Which of its values.
        key: Box<Term>,
        /// All of it.
        span: Span,
    },
    /// `value[from..to]`, both ends included; where one is left out there is none.
    Slice {
        /// A map or a set.
        of: Box<SelectExpr>,
        /// The first of its keys.
        from: Option<Box<Term>>,
        /// The last one.
        to: Option<Box<Term>>,
        /// All of it.
        span: Span,
    },
    /// `value.field`
    Field {
        /// A value of a user type.
        of: Box<SelectExpr>,
        /// Which of its fields.
        name: Name,
        /// All of it.
        span: Span,
    },
}

/// `DESCRIBE …`, answered from the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Describe {
    /// What is described.
    pub target: Described,
    /// The whole statement.
    pub span: Span,
}

/// What `DESCRIBE` describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Described {
    /// Name, partitioner and the like of the cluster.
    Cluster,
    /// Every keyspace and its tables, as CQL.
    Schema,
    /// The names of all keyspaces.
    Keyspaces,
    /// The names of the tables.
    Tables,
    /// One keyspace and its tables, as CQL; without a name the session's.
    Keyspace(Option<Name>),
    /// One table, as CQL.
    Table(TableName),
    /// The names of the user types.
    Types,
    /// One user type, as CQL.
    Type(TableName),
}

impl Name {
    /// A name that was written nowhere, for trees that are built rather than parsed.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), span: Span::default() }
    }
}

impl TableName {
    /// From the first byte of the name to its last.
    pub fn span(&self) -> Span {
        self.keyspace.as_ref().map_or(self.table.span, |keyspace| keyspace.span.to(self.table.span))
    }
}

impl SelectExpr {
    /// Where it was written.
    pub fn span(&self) -> Span {
        match self {
            SelectExpr::Column(name) => name.span,
            SelectExpr::CountAll(span)
            | SelectExpr::Function { span, .. }
            | SelectExpr::Cast { span, .. }
            | SelectExpr::Element { span, .. }
            | SelectExpr::Slice { span, .. }
            | SelectExpr::Field { span, .. } => *span,
        }
    }
}
