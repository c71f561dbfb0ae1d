//! What a door hands in, and what it gets back.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cql_lite::{ast::BatchKind, types::CqlType};
use model::{Consistency, TableId};

use crate::{Columns, RowValues};

/// Names a prepared statement on every node alike: a hash of its keyspace and its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PreparedId(pub [u8; 16]);

impl std::fmt::Display for PreparedId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// One statement to execute.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which statement.
    pub source: Source,
    /// The session's keyspace, for names that carry none.
    pub keyspace: Option<Arc<str>>,
    /// Bound values: one for each marker in order, or with `names` in any order.
    pub values: Vec<Bound>,
    /// The name of each value, for statements with `:name` markers. As many as `values`.
    pub names: Option<Vec<String>>,
    /// How many replicas must answer.
    pub consistency: Consistency,
    /// Most rows of a page; `None` takes the default of `Options`.
    pub page_rows: Option<u32>,
    /// Where the last page ended, from `Rows::paging_state`.
    pub paging_state: Option<Bytes>,
    /// Whether all rows are wanted at once: then there are no pages, and too many are refused.
    pub whole: bool,
    /// The client's write timestamp, microseconds since 1970; `USING TIMESTAMP` goes before it.
    pub timestamp: Option<i64>,
    /// What time it is, in seconds since 1970, in the place of the clock: for what expires.
    pub now_seconds: Option<i64>,
    /// How long the whole statement may take; `None` for as long as its kind may, see
    /// `Options::timeouts`.
    pub timeout: Option<Duration>,
    /// Names the request in the logs of every node that it touches.
    pub trace: u64,
}

/// Several writes to execute as one.
#[derive(Clone, Debug)]
pub struct BatchRequest {
    /// Each with its values, in the order of its markers.
    pub statements: Vec<(Source, Vec<Bound>)>,
    /// What it promises where it writes several partitions, and of what.
    pub kind: BatchKind,
    /// The session's keyspace, for names that carry none.
    pub keyspace: Option<Arc<str>>,
    /// How many replicas must answer.
    pub consistency: Consistency,
    /// As of [`Request::timestamp`]; that of a statement goes before it.
    pub timestamp: Option<i64>,
    /// As of [`Request::now_seconds`].
    pub now_seconds: Option<i64>,
    /// As of [`Request::timeout`].
    pub timeout: Option<Duration>,
    /// As of [`Request::trace`].
    pub trace: u64,
}

/// Which statement is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// This one.
    Text(String),
    /// The one that was prepared under this id.
    Prepared(PreparedId),
}

/// A value for a marker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// No value: writes a tombstone.
    Null,
    /// Nothing: leaves alone what is there.
    Unset,
    /// Serialized by the marker's type.
    Value(Bytes),
}

/// A column of a result, or a marker of a prepared statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// The keyspace of the table it belongs to.
    pub keyspace: String,
    /// The table it belongs to.
    pub table: String,
    /// Its name: of a selector without alias, as Cassandra prints it.
    pub name: String,
    /// Its type.
    pub cql_type: CqlType,
}

/// What a client needs to know of a prepared statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// What to execute it by.
    pub id: PreparedId,
    /// Its markers in order. A name written twice is two markers.
    pub variables: Vec<ColumnSpec>,
    /// Which marker gives each column of the partition key, in key order; empty where one of them
    /// is not a marker. With it a client computes the token.
    pub partition_key: Vec<u16>,
    /// The columns of its rows; empty where it has none.
    pub columns: Arc<Columns>,
    /// The table it reads or writes.
    pub table: Option<TableId>,
    /// Whether applying it twice with the same values and timestamp is as good as once.
    pub idempotent: bool,
}

/// The outcome of a statement, with remarks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What came of it.
    pub outcome: Outcome,
    /// What the user should know although it worked.
    pub warnings: Vec<String>,
}

/// What came of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, nothing to say.
    Void,
    /// Rows, perhaps not all.
    Rows(Rows),
    /// The session's keyspace from now on.
    SetKeyspace(String),
    /// The schema changed and this node knows the change.
    SchemaChange {
        /// What happened to it.
        effect: SchemaEffect,
        /// What changed.
        target: SchemaTarget,
        /// The keyspace.
        keyspace: String,
        /// The table or the type, where it is one that changed.
        name: Option<String>,
        /// The epoch that made the change.
        epoch: u64,
    },
    /// The answer of `DESCRIBE`.
    Description(Description),
}

/// What was described, twice: each door has one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// For people.
    pub text: String,
    /// For tools, as Cassandra answers: a row for each thing.
    pub rows: Rows,
}

/// A page of rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rows {
    /// What each value of a row is.
    pub columns: Arc<Columns>,
    /// Serialized values; each row has as many as there are `columns`. May be empty although more pages
    /// follow.
    pub rows: RowValues,
    /// Where the next page begins; `None` after the last page, and only then.
    pub paging_state: Option<Bytes>,
}

/// What happened to a part of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemaEffect {
    /// It is new.
    Created,
    /// It is another from now on.
    Updated,
    /// It is gone.
    Dropped,
}

/// What part of the schema changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemaTarget {
    /// A keyspace.
    Keyspace,
    /// A table.
    Table,
    /// A user type.
    Type,
}
