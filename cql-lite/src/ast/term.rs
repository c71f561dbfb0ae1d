//! Values as they are written.

use uuid::Uuid;

use super::{Name, Span, Spanned, TypeName};

/// A value, known now or when the statement runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// Written out.
    Literal(Spanned<Literal>),
    /// Bound later.
    Marker(Marker),
    /// `name(arguments)`, such as `now()`.
    FunctionCall {
        /// The function.
        name: Name,
        /// Its arguments.
        args: Vec<Term>,
        /// The whole call.
        span: Span,
    },
    /// `null`
    Null(Span),
    /// `[a, b, …]`, perhaps empty
    List(Vec<Term>, Span),
    /// `{a, b, …}`; empty, it is a map as well
    Set(Vec<Term>, Span),
    /// `{a: b, …}`, at least one
    Map(Vec<(Term, Term)>, Span),
    /// `{field: value, …}`, at least one: a value of a user type
    User(Vec<(Name, Term)>, Span),
    /// `(a, b, …)`, at least one
    Tuple(Vec<Term>, Span),
    /// `(type) value`
    Hint(Spanned<TypeName>, Box<Term>),
}

/// A value that is bound when the statement runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marker {
    /// Its place among the markers of the statement, from 0. A name that is written twice is two
    /// markers.
    pub index: usize,
    /// The name of `:name`; none for `?`.
    pub name: Option<String>,
    /// Where it was written.
    pub span: Span,
}

/// A constant as written: which value it is depends on the type it meets
/// ([`Value::parse_literal`](crate::value::Value::parse_literal)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Literal {
    /// Digits, perhaps behind a minus; of any length.
    Integer(String),
    /// Digits with a point, an exponent or both, perhaps behind a minus.
    Decimal(String),
    /// What stood between the quotes.
    Text(String),
    /// The bytes of `0x…`.
    Blob(Vec<u8>),
    /// A UUID, unquoted.
    Uuid(Uuid),
    /// `true` or `false`.
    Boolean(bool),
    /// Numbers with units, such as `1h30m` or `P1DT12H`, perhaps behind a minus.
    Duration(String),
    /// `NaN`
    Nan,
    /// `Infinity`
    Infinity,
    /// `-Infinity`
    NegativeInfinity,
}

impl Term {
    /// Where it was written.
    pub fn span(&self) -> Span {
        match self {
            Term::Literal(literal) => literal.span,
            Term::Marker(marker) => marker.span,
            Term::FunctionCall { span, .. }
            | Term::Null(span)
            | Term::List(_, span)
            | Term::Set(_, span)
            | Term::Map(_, span)
            | Term::User(_, span)
            | Term::Tuple(_, span) => *span,
            Term::Hint(hint, term) => hint.span.to(term.span()),
        }
    }
}
