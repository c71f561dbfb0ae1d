//! Terms: constants checked, markers noted, calls resolved.

use bytes::Bytes;
use cql_lite::{
    ast::{Marker, Spanned, Term},
    code::Code,
    span::Span,
    types::{CqlType, NativeType},
    value::{self, Value},
};
use model::{Table, schema::Column};

use crate::{
    ColumnSpec, Error,
    bind::VALUE_BYTES_MAX,
    functions::{self, Scalar},
};

/// A value, known now or once values are bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// A constant, serialized.
    Value(Bytes),
    /// The constant `null`.
    Null,
    /// What is bound to this marker.
    Marker(usize),
    /// What a function answers.
    Call(Scalar, Vec<Operand>),
    /// A value of this type that is made of these, in the order in which values have them: a map of
    /// keys and values in turn. Null is allowed where the type allows it.
    Parts(CqlType, Vec<Operand>),
    /// One part of a value of this type, by its place.
    Part(Box<Operand>, CqlType, usize),
}

/// Turns terms into operands and collects the markers on the way.
pub(crate) struct Terms<'t> {
    table: &'t Table,
    markers: Markers,
    /// Whether a function was called that answers something new each time.
    pub(crate) volatile: bool,
}

impl<'t> Terms<'t> {
    /// For a statement about `table`.
    pub(crate) fn new(table: &'t Table) -> Terms<'t> {
        Terms { table, markers: Markers::default(), volatile: false }
    }

    /// A term that is compared with, or assigned to, `column`.
    pub(crate) fn of_column(&mut self, term: &Term, column: &Column) -> Result<Operand, Error> {
        self.operand(term, &column.name, &column.cql_type)
    }

    /// A term of a condition: never null.
    pub(crate) fn of_condition(&mut self, term: &Term, column: &Column) -> Result<Operand, Error> {
        match self.of_column(term, column)? {
            Operand::Null => Err(null_in(&column.name).at(term.span())),
            operand @ (Operand::Value(_)
            | Operand::Marker(_)
            | Operand::Call(..)
            | Operand::Parts(..)
            | Operand::Part(..)) => Ok(operand),
        }
    }

    /// A term of type `cql_type` that goes by `name`.
    pub(crate) fn operand(
        &mut self,
        term: &Term,
        name: &str,
        cql_type: &CqlType,
    ) -> Result<Operand, Error> {
        match term {
            Term::Null(_) => Ok(Operand::Null),
            Term::Marker(marker) => Ok(self.marker(marker, name, cql_type)),
            Term::Literal(literal) => {
                let value = match cql_type.native() {
                    Some(native) => Value::parse_literal(&literal.node, native),
                    None => Err(value::mismatched(term, cql_type)),
                };
                let value =
                    value.map_err(|error| Error::bad_value(name, &error).at(literal.span))?;
                let bytes = Bytes::from(value.encode());
                if bytes.len() > VALUE_BYTES_MAX {
                    return Err(too_large(name, bytes.len()).at(literal.span));
                }
                Ok(Operand::Value(bytes))
            }
            Term::List(..) | Term::Set(..) | Term::Map(..) | Term::User(..) | Term::Tuple(..) => {
                self.of_parts(term, name, cql_type)
            }
            Term::Hint(hint, inner) => {
                let hinted = self.resolve(hint)?;
                if hinted != *cql_type {
                    let message = format!("{name} is of type {cql_type}, not {hinted}");
                    return Err(Error::new(Code::BadValue, message).at(hint.span));
                }
                self.operand(inner, name, cql_type)
            }
            Term::FunctionCall { name: function, args, span } => {
                let (call, returns) = self.call(function, args, *span)?;
                if !functions::converts(&returns, cql_type) {
                    let message = format!(
                        "{name} is of type {cql_type}, but {}() answers {returns}",
                        function.text
                    );
                    return Err(Error::new(Code::BadValue, message).at(*span));
                }
                Ok(call)
            }
        }
    }

    /// A value made of others.
    fn of_parts(&mut self, term: &Term, name: &str, cql_type: &CqlType) -> Result<Operand, Error> {
        let bad = |error: Spanned<value::Error>| Error::bad_value(name, &error.node).at(error.span);
        let mut operands = Vec::new();
        for (part, of) in value::parts(term, cql_type).map_err(bad)? {
            operands.push(match part {
                Some(part) => self.operand(part, &format!("value({name})"), of)?,
                None => Operand::Null,
            });
        }
        let is_constant = |it: &Operand| matches!(it, Operand::Value(_) | Operand::Null);
        if !operands.iter().all(is_constant) {
            return Ok(Operand::Parts(cql_type.clone(), operands));
        }
        let parts = operands.iter().map(|it| match it {
            Operand::Value(bytes) => Some(bytes.clone()),
            Operand::Null
            | Operand::Marker(_)
            | Operand::Call(..)
            | Operand::Parts(..)
            | Operand::Part(..) => None,
        });
        join(name, cql_type, parts.collect())
            .map(Operand::Value)
            .map_err(|error| error.at(term.span()))
    }

    /// The type that a hint names.
    fn resolve(&self, hint: &Spanned<cql_lite::ast::TypeName>) -> Result<CqlType, Error> {
        let keyspace = self.table.keyspace.as_str();
        let of_table = |named: Option<&cql_lite::ast::Name>| {
            let named = named.map_or(keyspace, |it| it.text.as_str());
            let used = self.table.columns().flat_map(|it| it.cql_type.user_types());
            used.filter(|it| it.keyspace == named).collect()
        };
        Ok(hint.resolve(&of_table)?.cql_type)
    }

    /// A call and the type of its answer.
    fn call(
        &mut self,
        name: &cql_lite::ast::Name,
        args: &[Term],
        span: Span,
    ) -> Result<(Operand, CqlType), Error> {
        let function = Scalar::named(name)?;
        let key_types: Vec<CqlType> =
            self.table.partition_key.iter().map(|it| it.cql_type.clone()).collect();
        let mut types = Vec::new();
        let mut operands = Vec::new();
        for (at, arg) in args.iter().enumerate() {
            let label = format!("argument {} of {}()", at + 1, name.text);
            if let Term::FunctionCall { name: inner, args, span } = arg {
                let (operand, returns) = self.call(inner, args, *span)?;
                types.push(returns);
                operands.push(operand);
            } else {
                let accepted = function.accepts(at, &key_types);
                let Some(first) = accepted.first() else {
                    return Err(functions::wrong_arity(name, args.len()).at(span));
                };
                operands.push(self.operand(arg, &label, first)?);
                types.push(first.clone());
            }
        }
        let returns = function.check(name, &types, &key_types).map_err(|it| it.at(span))?;
        self.volatile |= function.is_volatile();
        Ok((Operand::Call(function, operands), returns))
    }

    /// A marker for a value of type `cql_type`, which goes by `name` unless it has one of its own.
    pub(super) fn marker(&mut self, marker: &Marker, name: &str, cql_type: &CqlType) -> Operand {
        self.markers.put(
            marker.index,
            ColumnSpec {
                keyspace: self.table.keyspace.clone(),
                table: self.table.name.clone(),
                name: marker.name.clone().unwrap_or_else(|| name.to_owned()),
                cql_type: cql_type.clone(),
            },
        );
        Operand::Marker(marker.index)
    }

    /// The markers met.
    pub(crate) fn into_markers(self) -> Markers {
        self.markers
    }
}

/// Markers of a statement, or of some part of it, by their place.
#[derive(Default)]
pub(crate) struct Markers(Vec<Option<ColumnSpec>>);

impl Markers {
    fn put(&mut self, index: usize, spec: ColumnSpec) {
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        self.0[index] = Some(spec);
    }

    /// Takes over those of another part.
    pub(crate) fn merge(&mut self, other: Markers) {
        let met = other.0.into_iter().enumerate();
        met.for_each(|(index, spec)| spec.into_iter().for_each(|it| self.put(index, it)));
    }

    /// All in order.
    pub(crate) fn variables(self) -> Result<Vec<ColumnSpec>, Error> {
        let all: Option<Vec<ColumnSpec>> = self.0.into_iter().collect();
        all.ok_or_else(|| Error::new(Code::Internal, "a marker of the statement was not planned"))
    }
}

/// The value of these parts, in the form that is stored.
pub(crate) fn join(
    name: &str,
    cql_type: &CqlType,
    parts: Vec<Option<Bytes>>,
) -> Result<Bytes, Error> {
    let parts: Vec<Option<&[u8]>> = parts.iter().map(Option::as_deref).collect();
    let value = value::compose(cql_type, &parts).map_err(|error| Error::bad_value(name, &error))?;
    let bytes = Bytes::from(value.encode());
    if bytes.len() > VALUE_BYTES_MAX { Err(too_large(name, bytes.len())) } else { Ok(bytes) }
}

/// The serialized parts of a value, as `join` takes them.
pub(crate) fn split(cql_type: &CqlType, bytes: &Bytes) -> Result<Vec<Option<Bytes>>, Error> {
    let parts = value::split(cql_type, bytes)
        .map_err(|error| Error::new(Code::BadValue, error.to_string()))?;
    Ok(parts.into_iter().map(|it| it.map(|it| bytes.slice_ref(it))).collect())
}

/// The error for null where a condition or a key needs a value.
pub(crate) fn null_in(name: &str) -> Error {
    Error::new(Code::BadValue, format!("invalid null value for {name}"))
}

/// The error for a value that is too large.
pub(crate) fn too_large(name: &str, bytes: usize) -> Error {
    let message = format!("{name} is {bytes} bytes, more than {VALUE_BYTES_MAX}");
    Error::new(Code::TooLarge, message)
}

/// A part of the statement that is not a column, such as `[limit]`, with where it was written: what
/// it may be is known only once it has a value.
pub(crate) fn pseudo(
    terms: &mut Terms<'_>,
    term: Option<&Term>,
    name: &str,
    native: NativeType,
) -> Result<Option<Spanned<Operand>>, Error> {
    let Some(term) = term else { return Ok(None) };
    let operand = terms.operand(term, name, &CqlType::Native(native))?;
    Ok(Some(Spanned::new(operand, term.span())))
}
