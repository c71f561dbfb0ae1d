//! Changes of lists that depend on what these have: they are read first.
//!
//! ```text
//!   l[2] = v       the value at a place
//!   l = l - [v]    values wherever they are
//!   DELETE l[2]    the value at a place
//! ```

use cql_lite::{
    ast::{self, Part, Spanned, Target},
    types::{CqlType, NativeType},
};
use model::schema::Column;

use super::{cell_of, parts::changed};
use crate::{
    Error,
    plan::{
        CellColumn,
        term::{Operand, Terms, null_in},
    },
};

/// What becomes of a list, once it is known.
#[derive(Clone, Debug)]
pub(crate) struct ListChange {
    /// Whose cells.
    pub(crate) column: CellColumn,
    /// The type of the list.
    pub(crate) cql_type: CqlType,
    /// What becomes of them.
    pub(crate) action: ListAction,
}

/// What becomes of values of a list.
#[derive(Clone, Debug)]
pub(crate) enum ListAction {
    /// The value at this place becomes another one. Null deletes it, unset leaves it.
    Set(Spanned<Operand>, Operand),
    /// The value at this place goes.
    Delete(Spanned<Operand>),
    /// All values go that are in this list.
    Discard(Operand),
}

/// The change of a list that an assignment of an `UPDATE` is, if it is one that has to read it.
pub(super) fn of_assignment(
    assignment: &ast::Assignment,
    column: &Column,
    terms: &mut Terms<'_>,
) -> Result<Option<ListChange>, Error> {
    let CqlType::List(of) = &column.cql_type else { return Ok(None) };
    let ast::Assignment { target, change, .. } = assignment;
    let action = match (&target.part, change) {
        (Some(Part::Element(index)), ast::Change::Set(term)) => {
            changed(column, target)?;
            let index = place(index, column, terms)?;
            let value = terms.operand(term, &format!("value({})", column.name), of)?;
            ListAction::Set(index, value)
        }
        (None, ast::Change::Subtract(term)) => {
            changed(column, target)?;
            ListAction::Discard(terms.of_column(term, column)?)
        }
        (Some(_) | None, _) => return Ok(None),
    };
    Ok(Some(change_of(column, action, terms)))
}

/// The change of a list that a column of a `DELETE` is, if it is one that has to read it.
pub(super) fn of_removal(
    target: &Target,
    column: &Column,
    terms: &mut Terms<'_>,
) -> Result<Option<ListChange>, Error> {
    let (CqlType::List(_), Some(Part::Element(index))) = (&column.cql_type, &target.part) else {
        return Ok(None);
    };
    changed(column, target)?;
    let index = place(index, column, terms)?;
    Ok(Some(change_of(column, ListAction::Delete(index), terms)))
}

fn change_of(column: &Column, action: ListAction, terms: &mut Terms<'_>) -> ListChange {
    // A second time the list is another one.
    terms.volatile = true;
    ListChange { column: cell_of(column), cql_type: column.cql_type.clone(), action }
}

/// A place of a list, counted from 0.
fn place(
    index: &ast::Term,
    column: &Column,
    terms: &mut Terms<'_>,
) -> Result<Spanned<Operand>, Error> {
    let int = CqlType::Native(NativeType::Int);
    let operand = terms.operand(index, &format!("idx({})", column.name), &int)?;
    if operand == Operand::Null {
        return Err(null_in(&format!("idx({})", column.name)).at(index.span()));
    }
    Ok(Spanned::new(operand, index.span()))
}
