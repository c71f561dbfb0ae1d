//! What of a column is returned: a value of a collection, a field, or when it was written.

use cql_lite::{
    ast::{self, Name, SelectExpr},
    code::Code,
    span::Span,
    types::{CqlType, NativeType},
    value::Value,
};
use model::Table;

use super::{Expr, of_column, row_expr};
use crate::{
    Error,
    plan::{
        names::{column, field_of, not_supported},
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
    let (key_type, value_type) = match &cql_type {
        CqlType::Map(of) => (of.0.clone(), of.1.clone()),
        CqlType::Set(of) => (CqlType::clone(of), CqlType::clone(of)),
        CqlType::Native(_)
        | CqlType::List(_)
        | CqlType::Tuple(_)
        | CqlType::Vector(..)
        | CqlType::User(_) => {
            let message = format!("[…] takes a map or a set, not {cql_type}");
            return Err(Error::new(Code::BadValue, message).at(of.span()));
        }
    };
    if let ast::Term::Marker(_) | ast::Term::FunctionCall { .. } = key {
        return Err(not_supported("a key that is no constant is", key.span()));
    }
    let value = Value::from_term(key, &key_type)
        .map_err(|error| Error::bad_value(&text, &error.node).at(error.span))?;
    let Some(value) = value else {
        return Err(null_in(&text).at(key.span()));
    };
    let printed = format!("{text}[{}]", value.to_literal());
    Ok((Expr::Element(Box::new(inner), cql_type, value.encode().into()), value_type, printed))
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

/// `writetime(c)` or `ttl(c)`
pub(super) fn cell_property(
    name: &Name,
    args: &[SelectExpr],
    span: Span,
    table: &Table,
) -> Result<(Expr, CqlType, String), Error> {
    let [SelectExpr::Column(of)] = args else {
        return Err(
            Error::new(Code::BadValue, format!("{}() takes one column", name.text)).at(span)
        );
    };
    let found = column(table, of)?;
    if found.is_counter() {
        let message = format!("`{}` is a counter: it has no {}", of.text, name.text);
        let hint = "it was added to many times; select the counter itself";
        return Err(Error::new(Code::BadValue, message).at(of.span).hint(hint));
    }
    if found.is_multi_cell {
        let what = format!("{}() of a column with a cell for each element is", name.text);
        return Err(not_supported(&what, of.span));
    }
    let Expr::Cell(cell) = of_column(table, found) else {
        let message = format!("`{}` is part of the primary key: it has no {}", of.text, name.text);
        return Err(Error::new(Code::BadValue, message).at(of.span));
    };
    let printed = format!("{}({})", name.text, of.text);
    Ok(match name.text.as_str() {
        "ttl" => (Expr::Ttl(cell), NativeType::Int.into(), printed),
        _ => (Expr::Writetime(cell), NativeType::Bigint.into(), printed),
    })
}
