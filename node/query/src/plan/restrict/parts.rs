//! Conditions on collections: on what they contain, which no key serves.

use cql_lite::{
    ast::{Name, Term},
    types::CqlType,
};
use model::{read::Test, schema::Column};

use super::Conditions;
use crate::{
    Error,
    plan::{
        filter::Filter,
        names::column,
        rows::bad_where,
        term::{Operand, Terms, null_in},
    },
};

impl<'t> Conditions<'t> {
    /// `column CONTAINS [KEY] term`
    pub(super) fn contains(
        &mut self,
        name: &Name,
        test: Test,
        term: &Term,
        terms: &mut Terms<'t>,
    ) -> Result<(), Error> {
        let column = column(self.table, name)?;
        let of = match (&column.cql_type, test) {
            (CqlType::List(of) | CqlType::Set(of), Test::Contains) => CqlType::clone(of),
            (CqlType::Map(of), Test::ContainsKey) => of.0.clone(),
            (CqlType::Map(of), _) => of.1.clone(),
            (cql_type, _) => {
                let (what, takes) = match test {
                    Test::ContainsKey => ("CONTAINS KEY", "a map"),
                    Test::Contains | Test::Entry | Test::Compare(_) => ("CONTAINS", "a collection"),
                };
                let message =
                    format!("{what} takes {takes}, and `{}` is of type {cql_type}", name.text);
                return Err(bad_where(message).at(name.span));
            }
        };
        let value = terms.operand(term, &format!("value({})", column.name), &of)?;
        self.leave_collection(name, column, test, value, term)
    }

    /// `column[key] = term`
    pub(super) fn entry(
        &mut self,
        name: &Name,
        key: &Term,
        term: &Term,
        terms: &mut Terms<'t>,
    ) -> Result<(), Error> {
        let column = column(self.table, name)?;
        let CqlType::Map(of) = &column.cql_type else {
            let message = format!("`{}` is a {}, which has no keys", name.text, column.cql_type);
            return Err(bad_where(message).at(name.span));
        };
        let key = terms.operand(key, &format!("key({})", column.name), &of.0)?;
        let value = terms.operand(term, &format!("value({})", column.name), &of.1)?;
        let nulls = [&key, &value].into_iter().any(|it| *it == Operand::Null);
        let pair = CqlType::Tuple([of.0.clone(), of.1.clone()].into());
        let value = if nulls { Operand::Null } else { Operand::Parts(pair, vec![key, value]) };
        self.leave_collection(name, column, Test::Entry, value, term)
    }

    /// A condition on parts of a column, which no key serves.
    fn leave_collection(
        &mut self,
        name: &Name,
        column: &Column,
        test: Test,
        value: Operand,
        term: &Term,
    ) -> Result<(), Error> {
        if value == Operand::Null {
            return Err(null_in(&column.name).at(term.span()));
        }
        self.leave_cell(name, Filter::test(column, test, value));
        Ok(())
    }
}

/// The error for a column that is compared as a whole, and has a cell for each part of its value.
pub(super) fn of_cells(column: &Column, name: &Name) -> Error {
    let message =
        format!("`{}` is a {}, which is not compared as a whole", name.text, column.cql_type);
    let error = bad_where(message).at(name.span);
    let is_user_type = matches!(column.cql_type, CqlType::User(_));
    error.hint(match is_user_type {
        true => "declare it frozen to compare it",
        false => "ask for one of its values with CONTAINS",
    })
}
