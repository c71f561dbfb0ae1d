//! What of a column is returned: a value of a collection, a field, or when it was written.

use bytes::Bytes;
use cql_lite::{
    ast::{self, Name, SelectExpr},
    code::Code,
    span::Span,
    types::{CqlType, NativeType},
    value::Value,
};
use model::Table;

use super::{Expr, Property, row_expr};
use crate::{
    Error,
    plan::{
        names::{field_of, not_supported},
        term::null_in,
    },
};

/// `value[key]`
pub(super) fn element(
    of: &SelectExpr,
    key: &ast::Term,
    table: &Table,
) -> Result<(Expr, CqlType, String), Error> {
    let (inner, cql_type, text) = row_expr(of, table)?;
    let (key_type, value_type) = keys_and_values(&cql_type, of.span())?;
    let value = constant(key, key_type, &text)?;
    let printed = format!("{text}[{}]", value.to_literal());
    let value_type = value_type.clone();
    Ok((Expr::Element(Box::new(inner), cql_type, value.encode().into()), value_type, printed))
}

/// `value[from..to]`
pub(super) fn slice(
    of: &SelectExpr,
    from: Option<&ast::Term>,
    to: Option<&ast::Term>,
    table: &Table,
) -> Result<(Expr, CqlType, String), Error> {
    let (inner, cql_type, text) = row_expr(of, table)?;
    let (key_type, _) = keys_and_values(&cql_type, of.span())?;
    let end = |term: Option<&ast::Term>| -> Result<(Option<Bytes>, String), Error> {
        let Some(term) = term else { return Ok((None, String::new())) };
        let value = constant(term, key_type, &text)?;
        Ok((Some(value.encode().into()), value.to_literal()))
    };
    let ((from, first), (to, last)) = (end(from)?, end(to)?);
    let printed = format!("{text}[{first}..{last}]");
    Ok((Expr::Slice(Box::new(inner), cql_type.clone(), from, to), cql_type, printed))
}

/// The types of what stands in brackets behind a collection, and of what is found there.
fn keys_and_values(cql_type: &CqlType, span: Span) -> Result<(&CqlType, &CqlType), Error> {
    match cql_type {
        CqlType::Map(of) => Ok((&of.0, &of.1)),
        CqlType::Set(of) => Ok((of, of)),
        CqlType::Native(_)
        | CqlType::List(_)
        | CqlType::Tuple(_)
        | CqlType::Vector(..)
        | CqlType::User(_) => {
            let message = format!("[…] takes a map or a set, not {cql_type}");
            Err(Error::new(Code::BadValue, message).at(span))
        }
    }
}

/// A key that is written out.
fn constant(key: &ast::Term, key_type: &CqlType, text: &str) -> Result<Value, Error> {
    if let ast::Term::Marker(_) | ast::Term::FunctionCall { .. } = key {
        return Err(not_supported("a key that is no constant is", key.span()));
    }
    let value = Value::from_term(key, key_type)
        .map_err(|error| Error::bad_value(text, &error.node).at(error.span))?;
    value.ok_or_else(|| null_in(text).at(key.span()))
}

/// `value.field`
pub(super) fn field(
    of: &SelectExpr,
    name: &Name,
    table: &Table,
) -> Result<(Expr, CqlType, String), Error> {
    let (inner, cql_type, text) = row_expr(of, table)?;
    let CqlType::User(user) = &cql_type else {
        let message = format!("a value of type {cql_type} has no fields");
        return Err(Error::new(Code::BadValue, message).at(name.span));
    };
    let at = field_of(user, name)?;
    let (printed, field_type) = (format!("{text}.{}", name.text), user.fields[at].1.clone());
    Ok((Expr::Field(Box::new(inner), cql_type, at), field_type, printed))
}

/// `writetime(…)`, `maxwritetime(…)` or `ttl(…)` of a column or of a part of it.
pub(super) fn property(
    property: Property,
    (name, span): (&Name, Span),
    args: &[SelectExpr],
    table: &Table,
) -> Result<(Expr, CqlType, String), Error> {
    let refused = |message: String| Error::new(Code::BadValue, message);
    let takes_one =
        || refused(format!("{}() takes one column, or a part of one", name.text)).at(span);
    let [arg] = args else { return Err(takes_one()) };
    let (of, _, text) = row_expr(arg, table)?;
    let native = match property {
        Property::Writetime | Property::MaxWritetime => NativeType::Bigint,
        Property::Ttl => NativeType::Int,
    };
    let one = CqlType::Native(native);
    let each = match property {
        Property::Writetime | Property::Ttl => CqlType::List(one.clone().into()),
        Property::MaxWritetime => one.clone(),
    };
    let answers = match (of.column(), &of) {
        (Expr::Elements(_, CqlType::Native(_)), _) => {
            let message = format!("`{text}` is a counter: it has no {}", name.text);
            let hint = "it was added to many times; select the counter itself";
            return Err(refused(message).at(arg.span()).hint(hint));
        }
        (Expr::Partition(_) | Expr::Clustering(_), _) => {
            let message = format!("`{text}` is part of the primary key: it has no {}", name.text);
            return Err(refused(message).at(arg.span()));
        }
        (Expr::Elements(..), Expr::Elements(..) | Expr::Slice(..)) => each,
        (Expr::Cell(_) | Expr::Elements(..), _) => one,
        (
            Expr::Element(..)
            | Expr::Slice(..)
            | Expr::Field(..)
            | Expr::Property(..)
            | Expr::Call(..),
            _,
        ) => return Err(takes_one()),
    };
    let printed = format!("{}({text})", name.text);
    Ok((Expr::Property(property, Box::new(of)), answers, printed))
}
