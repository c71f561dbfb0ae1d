//! Values of which one will do, and values of several columns together: written one by one, or bound
//! as a whole.

use cql_lite::{
    ast::{InValues, Marker, Term, Values},
    code::Code,
    span::Span,
    types::CqlType,
};
use model::schema::Column;

use super::{
    rows::bad_where,
    term::{Operand, Terms},
};
use crate::Error;

/// Most values of one `IN`, and most keys or rows that several of them make together.
pub(crate) const IN_MAX: usize = 100;

/// Values of which one will do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AnyOf {
    /// These, each with a value for each column.
    Each(Vec<Vec<Operand>>),
    /// Those of one list, each of this type.
    List {
        /// The list.
        list: Operand,
        /// The type of one of its values.
        of: CqlType,
        /// Whether that is a tuple with a value for each column, rather than the value of one.
        tuples: bool,
    },
}

impl AnyOf {
    /// This one alone, with a value for each column.
    pub(crate) fn one(values: Vec<Operand>) -> AnyOf {
        AnyOf::Each(vec![values])
    }

    /// What follows `column IN`.
    pub(super) fn of_column(
        values: &InValues,
        column: &Column,
        span: Span,
        terms: &mut Terms<'_>,
    ) -> Result<AnyOf, Error> {
        match values {
            InValues::List(list) => {
                each(list, span, |term| Ok(vec![terms.of_condition(term, column)?]))
            }
            InValues::Marker(marker) => {
                let of = column.cql_type.clone();
                Ok(list(marker, &column.name, of, false, terms))
            }
        }
    }

    /// What follows `(columns) IN`.
    pub(super) fn of_columns(
        values: &InValues<Values>,
        columns: &[&Column],
        span: Span,
        terms: &mut Terms<'_>,
    ) -> Result<AnyOf, Error> {
        match values {
            InValues::List(list) => {
                each(list, span, |values| together(values, columns, span, terms))
            }
            InValues::Marker(marker) => {
                Ok(list(marker, &names(columns), tuple_of(columns), true, terms))
            }
        }
    }

    /// The only one that will do, if that is known before values are bound.
    pub(crate) fn only(&self) -> Option<&[Operand]> {
        match self {
            AnyOf::Each(all) => match &all[..] {
                [only] => Some(only),
                _ => None,
            },
            AnyOf::List { .. } => None,
        }
    }

    /// Whether there may be more than one.
    pub(crate) fn may_be_several(&self) -> bool {
        match self {
            AnyOf::Each(all) => 1 < all.len(),
            AnyOf::List { .. } => true,
        }
    }
}

/// Values that are written one by one.
fn each<V>(
    list: &[V],
    span: Span,
    one: impl FnMut(&V) -> Result<Vec<Operand>, Error>,
) -> Result<AnyOf, Error> {
    check_count(list.len()).map_err(|error| error.at(span))?;
    list.iter().map(one).collect::<Result<_, Error>>().map(AnyOf::Each)
}

/// Values of these columns together, one for each.
pub(super) fn together(
    values: &Values,
    columns: &[&Column],
    span: Span,
    terms: &mut Terms<'_>,
) -> Result<Vec<Operand>, Error> {
    let written = match values {
        Values::Terms(written) => written,
        Values::Marker(marker) => {
            let (name, cql_type) = (format!("({})", names(columns)), tuple_of(columns));
            let whole = terms.marker(marker, &name, &cql_type);
            let part = |at| Operand::Part(whole.clone().into(), cql_type.clone(), at);
            return Ok((0..columns.len()).map(part).collect());
        }
    };
    if written.len() != columns.len() {
        let message = format!("{} columns compared with {} values", columns.len(), written.len());
        return Err(bad_where(message).at(span));
    }
    let one = |(term, column): (&Term, &&Column)| terms.of_condition(term, column);
    written.iter().zip(columns).map(one).collect()
}

/// Refuses more values of one `IN` than it may have.
pub(crate) fn check_count(values: usize) -> Result<(), Error> {
    if values <= IN_MAX {
        return Ok(());
    }
    let message = format!("{values} values in IN, more than {IN_MAX}");
    Err(Error::new(Code::TooLarge, message))
}

/// A marker for a whole list, named as Cassandra names it.
fn list(marker: &Marker, names: &str, of: CqlType, tuples: bool, terms: &mut Terms<'_>) -> AnyOf {
    let cql_type = CqlType::List(of.clone().into());
    AnyOf::List { list: terms.marker(marker, &format!("in({names})"), &cql_type), of, tuples }
}

fn names(columns: &[&Column]) -> String {
    columns.iter().map(|it| it.name.as_str()).collect::<Vec<_>>().join(",")
}

fn tuple_of(columns: &[&Column]) -> CqlType {
    CqlType::Tuple(columns.iter().map(|it| it.cql_type.clone()).collect())
}
