//! Types as they are written: names of user types are known only to those who know the schema.

use std::sync::Arc;

use super::{Name, Span, Spanned, TableName};
use crate::{
    code::Code,
    error::Error,
    suggest::suggest,
    types::{CqlType, NativeType, UserType, VECTOR_LEN_MAX},
};

/// A type as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeName {
    /// The name of a type without parts.
    Native(NativeType),
    /// `list<…>`
    List(Box<Spanned<TypeName>>),
    /// `set<…>`
    Set(Box<Spanned<TypeName>>),
    /// `map<…, …>`
    Map(Box<(Spanned<TypeName>, Spanned<TypeName>)>),
    /// `tuple<…>`, at least one.
    Tuple(Vec<Spanned<TypeName>>),
    /// `vector<…, length>`
    Vector(Box<Spanned<TypeName>>, Spanned<u16>),
    /// `frozen<…>`
    Frozen(Box<Spanned<TypeName>>),
    /// `[keyspace.]name`
    User(TableName),
}

/// A type, and whether it was written with `frozen` around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// It.
    pub cql_type: CqlType,
    /// Whether a value of it is one cell, whatever it is made of.
    pub is_frozen: bool,
}

/// The user types that a name may be of: those of a keyspace, where one is written.
pub type UserTypes<'t> = dyn Fn(Option<&Name>) -> Vec<&'t Arc<UserType>> + 't;

impl TypeName {
    /// How a type is written: `frozen` where its value is one cell and could be more, and around
    /// every tuple, as Cassandra does.
    pub fn of(cql_type: &CqlType, is_frozen: bool) -> TypeName {
        let spanned = |node| Spanned::new(node, Span::default());
        let inside = |of: &CqlType| spanned(TypeName::of(of, true));
        let name = match cql_type {
            CqlType::Native(native) => return TypeName::Native(*native),
            CqlType::Vector(of, len) => {
                return TypeName::Vector(Box::new(inside(of)), Spanned::new(*len, Span::default()));
            }
            CqlType::List(of) => TypeName::List(Box::new(inside(of))),
            CqlType::Set(of) => TypeName::Set(Box::new(inside(of))),
            CqlType::Map(of) => TypeName::Map(Box::new((inside(&of.0), inside(&of.1)))),
            CqlType::Tuple(parts) => TypeName::Tuple(parts.iter().map(inside).collect()),
            CqlType::User(user) => {
                TypeName::User(TableName { keyspace: None, table: Name::new(&user.name) })
            }
        };
        if is_frozen { TypeName::Frozen(Box::new(spanned(name))) } else { name }
    }
}

impl Spanned<TypeName> {
    /// The type that is meant.
    ///
    /// # Errors
    /// A name that is no type, or a type that no value can have.
    pub fn resolve(&self, user_types: &UserTypes<'_>) -> Result<Resolved, Error> {
        self.resolve_in(false, user_types)
    }

    /// As [`resolve`](Self::resolve); `in_frozen` where something around it is one cell.
    fn resolve_in(&self, in_frozen: bool, user_types: &UserTypes<'_>) -> Result<Resolved, Error> {
        let part = |of: &Spanned<TypeName>| of.part(in_frozen, user_types);
        // Whatever is inside of these is one cell with them.
        let inside = |of: &Spanned<TypeName>| of.part(true, user_types);
        let cql_type = match &self.node {
            TypeName::Native(native) => CqlType::Native(*native),
            TypeName::List(of) => CqlType::List(Arc::new(part(of)?)),
            TypeName::Set(of) => CqlType::Set(Arc::new(sorted("a set", part(of)?, of.span)?)),
            TypeName::Map(of) => {
                let key = sorted("the key of a map", part(&of.0)?, of.0.span)?;
                CqlType::Map(Arc::new((key, part(&of.1)?)))
            }
            TypeName::Tuple(parts) => {
                CqlType::Tuple(parts.iter().map(inside).collect::<Result<_, _>>()?)
            }
            TypeName::Vector(of, len) => {
                if !(1..=VECTOR_LEN_MAX).contains(&len.node) {
                    let message = format!("a vector has 1 to {VECTOR_LEN_MAX} values");
                    return Err(Error::new(Code::InvalidSchema, message, len.span));
                }
                CqlType::Vector(Arc::new(inside(of)?), len.node)
            }
            TypeName::Frozen(of) => {
                let cql_type = of.resolve_in(true, user_types)?.cql_type;
                if let CqlType::Native(native) = cql_type {
                    let message = format!("{native} has no parts that could be frozen");
                    let hint = "frozen<…> is for collections, tuples and user types";
                    return Err(Error::new(Code::InvalidSchema, message, self.span).with_hint(hint));
                }
                return Ok(Resolved { cql_type, is_frozen: true });
            }
            TypeName::User(name) => {
                let known = user_types(name.keyspace.as_ref());
                match known.iter().find(|it| it.name == name.table.text) {
                    Some(user) => CqlType::User(Arc::clone(user)),
                    None => return Err(unknown(&name.table, &known, self.span)),
                }
            }
        };
        let is_frozen = in_frozen || !cql_type.can_be_multi_cell();
        Ok(Resolved { cql_type, is_frozen })
    }

    /// A type inside another one.
    fn part(&self, in_frozen: bool, user_types: &UserTypes<'_>) -> Result<CqlType, Error> {
        let Resolved { cql_type, is_frozen } = self.resolve_in(in_frozen, user_types)?;
        if cql_type == NativeType::Counter {
            let message = "a counter is a column of its own: no other type has one inside";
            let error = Error::new(Code::InvalidSchema, message, self.span);
            return Err(error.with_hint("bigint is a number that is set"));
        }
        if !is_frozen {
            let message = format!("{cql_type} inside another type has to be frozen");
            let hint = format!("write frozen<{cql_type}>");
            return Err(Error::new(Code::InvalidSchema, message, self.span).with_hint(hint));
        }
        Ok(cql_type)
    }
}

/// A type whose values are kept in order.
fn sorted(what: &str, of: CqlType, span: Span) -> Result<CqlType, Error> {
    if of.has_order() {
        return Ok(of);
    }
    let message = format!("{of} has no order, which {what} needs");
    Err(Error::new(Code::InvalidSchema, message, span))
}

/// The error for a word that is the name of no type, not even of one of these.
fn unknown(name: &Name, known: &[&Arc<UserType>], span: Span) -> Error {
    let message = match NativeType::parse(&name.text) {
        Err(unknown) => unknown.to_string(),
        Ok(_) => return Error::new(Code::InvalidSchema, format!("no user type {name}"), span),
    };
    let error = Error::new(Code::InvalidSchema, message, span);
    let users = known.iter().map(|it| it.name.as_str());
    let natives = NativeType::ALL.map(NativeType::name);
    let with_parts = ["list", "set", "map", "tuple", "vector"];
    match suggest(&name.text, users.chain(natives).chain(with_parts)) {
        Some(meant) if with_parts.contains(&meant) => {
            error.with_hint(format!("did you mean `{meant}<…>`?"))
        }
        Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
        None => {
            let all = NativeType::ALL.map(NativeType::name).join(", ");
            error.with_hint(format!(
                "the types are {all}, list, set, map, tuple, vector, and those of CREATE TYPE"
            ))
        }
    }
}
