//! What `WHERE` and `IF` ask of a row.

use super::{Marker, Name, Span, Term};

/// One condition of a `WHERE`; all of them must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// What must hold.
    pub kind: RelationKind,
    /// The whole condition.
    pub span: Span,
}

/// What a `WHERE` asks of the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// `column op term`
    Column {
        /// The column.
        name: Name,
        /// How they compare.
        op: Operator,
        /// With what.
        term: Term,
    },
    /// `column CONTAINS term`
    Contains {
        /// A collection.
        name: Name,
        /// One of its values.
        term: Term,
    },
    /// `column CONTAINS KEY term`
    ContainsKey {
        /// A map.
        name: Name,
        /// One of its keys.
        term: Term,
    },
    /// `column[key] = term`
    Element {
        /// A map.
        name: Name,
        /// One of its keys.
        key: Term,
        /// The value of that key.
        term: Term,
    },
    /// `column IN …`
    In {
        /// The column.
        name: Name,
        /// Any of these.
        values: InValues,
    },
    /// `token(columns) op term`
    Token {
        /// The partition key, in its order.
        columns: Vec<Name>,
        /// How they compare.
        op: Operator,
        /// With what: a bigint or `token(…)` of values.
        term: Term,
    },
    /// `(columns) IN …`
    TupleIn {
        /// Clustering columns, in their order; at least one.
        names: Vec<Name>,
        /// Any of these.
        values: InValues<Values>,
    },
    /// `(columns) op values`, compared one after the other.
    Tuple {
        /// Clustering columns, in their order; at least one.
        names: Vec<Name>,
        /// How they compare.
        op: Operator,
        /// With what.
        values: Values,
    },
}

/// The right side of `IN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InValues<V = Term> {
    /// `(a, b, …)`, perhaps empty.
    List(Vec<V>),
    /// `?` or `:name`: one bound list.
    Marker(Marker),
}

/// Values of several columns, together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// `(a, b, …)`: as many as columns were named.
    Terms(Vec<Term>),
    /// `?` or `:name`: one bound tuple.
    Marker(Marker),
}

/// One condition of an `IF`; all of them must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The column looked at.
    pub name: Name,
    /// What must hold of it.
    pub test: Test,
    /// The whole condition.
    pub span: Span,
}

/// What an `IF` asks of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// `op term`
    Compare(Operator, Term),
    /// `IN …`
    In(InValues),
}

/// How two things compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `=`
    Eq,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `!=`
    NotEq,
}
