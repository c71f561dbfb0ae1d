//! Columns that have a cell for each part of their value: what may be changed of them.
//!
//! A counter is one of them: it is only ever added to. What has to read a list first is in `lists`.

use cql_lite::{
    ast::{self, Part, Target},
    code::Code,
    types::CqlType,
};
use model::schema::Column;

use super::{Action, Removed, Sign};
use crate::{
    Error,
    plan::{
        names::field_of,
        term::{Operand, Terms, null_in},
    },
};

/// A whole column is set.
pub(super) fn set(column: &Column, value: Operand) -> Action {
    match column.is_multi_cell {
        true => Action::Replace(column.cql_type.clone(), value),
        false => Action::Cell(value),
    }
}

/// What an assignment of an `UPDATE` does.
pub(super) fn action(
    assignment: &ast::Assignment,
    column: &Column,
    terms: &mut Terms<'_>,
) -> Result<Action, Error> {
    let ast::Assignment { target, change, span } = assignment;
    if column.is_counter() {
        return increment(assignment, column, terms);
    }
    match (&target.part, change) {
        (None, ast::Change::Set(term)) => Ok(set(column, terms.of_column(term, column)?)),
        (Some(part), ast::Change::Set(term)) => part_action(part, term, target, column, terms),
        (None, ast::Change::Add(term)) => {
            let cql_type = changed(column, target)?.clone();
            let value = terms.of_column(term, column)?;
            // A list is another one after each time.
            terms.volatile |= matches!(cql_type, CqlType::List(_));
            Ok(Action::Append(cql_type, value))
        }
        (None, ast::Change::Prepend(term)) => match changed(column, target)? {
            of @ CqlType::List(_) => {
                terms.volatile = true;
                Ok(Action::Prepend(of.clone(), terms.of_column(term, column)?))
            }
            // The others have no front.
            of @ (CqlType::Native(_)
            | CqlType::Set(_)
            | CqlType::Map(_)
            | CqlType::Tuple(_)
            | CqlType::Vector(..)
            | CqlType::User(_)) => Ok(Action::Append(of.clone(), terms.of_column(term, column)?)),
        },
        (None, ast::Change::Subtract(term)) => match changed(column, target)? {
            of @ CqlType::Set(_) => Ok(Action::Remove(of.clone(), terms.of_column(term, column)?)),
            CqlType::Map(of) => {
                let keys = CqlType::Set(of.0.clone().into());
                let value = terms.operand(term, &column.name, &keys)?;
                Ok(Action::Remove(keys, value))
            }
            of @ (CqlType::Native(_)
            | CqlType::List(_)
            | CqlType::Tuple(_)
            | CqlType::Vector(..)
            | CqlType::User(_)) => {
                let message =
                    format!("`{}` is of type {of}: nothing is taken away from it", column.name);
                Err(Error::new(Code::BadValue, message).at(*span))
            }
        },
        (Some(_), _) => {
            Err(Error::new(Code::BadValue, "a part of a column can only be set").at(*span))
        }
    }
}

/// What is added to a counter, or taken away from it.
fn increment(
    assignment: &ast::Assignment,
    column: &Column,
    terms: &mut Terms<'_>,
) -> Result<Action, Error> {
    let ast::Assignment { target, change, span } = assignment;
    let name = &target.column;
    let refused = |message: String| {
        let hint = format!("write {name} = {name} + 1 or {name} = {name} - 1");
        Err(Error::new(Code::BadValue, message).at(*span).hint(hint))
    };
    let (term, sign) = match change {
        _ if target.part.is_some() => {
            return refused(format!("`{}` is a counter, which has no parts", column.name));
        }
        ast::Change::Set(_) => {
            return refused(format!("`{}` is a counter: it cannot be set", column.name));
        }
        ast::Change::Add(term) | ast::Change::Prepend(term) => (term, Sign::Plus),
        ast::Change::Subtract(term) => (term, Sign::Minus),
    };
    let operand = terms.of_column(term, column)?;
    if operand == Operand::Null {
        return Err(null_in(&column.name).at(term.span()).hint("0 changes nothing"));
    }
    // It is another one after each time.
    terms.volatile = true;
    Ok(Action::Increment(sign, operand))
}

fn part_action(
    part: &Part,
    term: &ast::Term,
    target: &Target,
    column: &Column,
    terms: &mut Terms<'_>,
) -> Result<Action, Error> {
    match (part, changed(column, target)?) {
        (Part::Element(key), CqlType::Map(of)) => {
            let operand = terms.operand(key, &format!("key({})", column.name), &of.0)?;
            if operand == Operand::Null {
                return Err(null_in(&format!("key({})", column.name)).at(key.span()));
            }
            let value = terms.operand(term, &format!("value({})", column.name), &of.1)?;
            Ok(Action::Entry(operand, value))
        }
        (Part::Field(name), CqlType::User(user)) => {
            let at = field_of(user, name)?;
            let value = terms.operand(term, &name.text, &user.fields[at].1)?;
            Ok(Action::Field(place(at), value))
        }
        (part, cql_type) => Err(no_such_part(part, cql_type, column).at(target.column.span)),
    }
}

/// What a column of a `DELETE` loses.
pub(super) fn removal(
    target: &Target,
    column: &Column,
    terms: &mut Terms<'_>,
) -> Result<Removed, Error> {
    let Some(part) = &target.part else {
        return Ok(if column.is_multi_cell { Removed::Elements } else { Removed::Cell });
    };
    match (part, changed(column, target)?) {
        (Part::Element(key), CqlType::Map(_) | CqlType::Set(_)) => {
            // The first of the parts of either: the value of a set, the key of a map.
            let parts = column.cql_type.parts();
            let of = parts.first().copied().unwrap_or(&column.cql_type);
            let operand = terms.operand(key, &format!("key({})", column.name), of)?;
            if operand == Operand::Null {
                return Err(null_in(&format!("key({})", column.name)).at(key.span()));
            }
            Ok(Removed::Entry(operand))
        }
        (Part::Field(name), CqlType::User(user)) => {
            Ok(Removed::Field(place(field_of(user, name)?)))
        }
        (part, cql_type) => Err(no_such_part(part, cql_type, column).at(target.column.span)),
    }
}

/// A column may be changed once as a whole, or each of its parts.
pub(super) fn refuse_repetition<'t>(
    target: &Target,
    mut others: impl Iterator<Item = &'t Target>,
) -> Result<(), Error> {
    let name = &target.column;
    let clashes =
        |it: &Target| it.column.text == name.text && (it.part.is_none() || target.part.is_none());
    if !others.any(clashes) {
        return Ok(());
    }
    let message = format!("column `{}` is set twice", name.text);
    Err(Error::new(Code::BadValue, message).at(name.span))
}

/// The type of a column whose parts can be changed.
pub(super) fn changed<'c>(column: &'c Column, target: &Target) -> Result<&'c CqlType, Error> {
    if column.is_multi_cell {
        return Ok(&column.cql_type);
    }
    let message = match column.cql_type.can_be_multi_cell() {
        true => format!("`{}` is frozen: it can only be set as a whole", column.name),
        false => format!("`{}` is a {}: it can only be set", column.name, column.cql_type),
    };
    Err(Error::new(Code::BadValue, message).at(target.column.span))
}

fn no_such_part(part: &Part, cql_type: &CqlType, column: &Column) -> Error {
    let what = match part {
        Part::Element(_) => "values under keys",
        Part::Field(_) => "fields",
    };
    Error::new(Code::BadValue, format!("`{}` is a {cql_type}, which has no {what}", column.name))
}

/// Where a field lies. No type has more fields than fit.
fn place(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}
