//! Values to markers: counted, named, checked against their types; then operands to values.

use std::borrow::Cow;

use bytes::Bytes;
use cql_lite::{code::Code, types::CqlType, value::Value};
use model::schema::Column;

use crate::{
    Bound, ColumnSpec, Error,
    functions::Moment,
    plan::{
        any_of::{self, AnyOf},
        names::{self, did_you_mean},
        term::{Operand, join, null_in, split, too_large},
    },
};

/// Largest value, bytes: a mutation is not larger either.
pub(crate) const VALUE_BYTES_MAX: usize = 16 << 20;

/// The values of one execution.
pub(crate) struct Bindings<'a> {
    values: Cow<'a, [Bound]>,
    moment: Moment<'a>,
}

impl<'a> Bindings<'a> {
    /// Puts `values` into the order of `variables` and checks each against its type.
    pub(crate) fn new(
        variables: &[ColumnSpec],
        values: &'a [Bound],
        names: Option<&[String]>,
        moment: Moment<'a>,
    ) -> Result<Bindings<'a>, Error> {
        let mut values = match names {
            Some(names) => Cow::Owned(by_name(variables, values, names)?),
            None => Cow::Borrowed(values),
        };
        if values.len() != variables.len() {
            let message =
                format!("{} value(s) bound to {} marker(s)", values.len(), variables.len());
            return Err(Error::new(Code::BadBind, message));
        }
        for (at, variable) in variables.iter().enumerate() {
            let Bound::Value(bytes) = &values[at] else { continue };
            if bytes.len() > VALUE_BYTES_MAX {
                return Err(too_large(&variable.name, bytes.len()));
            }
            let bad = |error| Error::bad_value(&variable.name, &error);
            match variable.cql_type.native() {
                Some(native) => Value::check_native(native, bytes).map_err(bad)?,
                // Sets and maps are stored in order, user types with all of their fields.
                None => {
                    let decoded = Value::decode(&variable.cql_type, bytes).map_err(bad)?;
                    values.to_mut()[at] = Bound::Value(decoded.encode().into());
                }
            }
        }
        Ok(Bindings { values, moment })
    }

    /// What an operand stands for.
    pub(crate) fn evaluate(&self, operand: &Operand) -> Result<Bound, Error> {
        Ok(match operand {
            Operand::Value(bytes) => Bound::Value(bytes.clone()),
            Operand::Null => Bound::Null,
            Operand::Marker(index) => {
                let missing = || Error::new(Code::Internal, format!("marker {index} has no value"));
                self.values.get(*index).ok_or_else(missing)?.clone()
            }
            Operand::Parts(cql_type, parts) => {
                let parts: Result<Vec<Option<Bytes>>, Error> = parts
                    .iter()
                    .map(|part| match self.evaluate(part)? {
                        Bound::Value(bytes) => Ok(Some(bytes)),
                        Bound::Null => Ok(None),
                        Bound::Unset => {
                            let message = format!("a part of a {cql_type} is unset");
                            Err(Error::new(Code::BadValue, message))
                        }
                    })
                    .collect();
                Bound::Value(join("the value", cql_type, parts?)?)
            }
            Operand::Part(of, cql_type, at) => match self.evaluate(of)? {
                Bound::Value(bytes) => {
                    let part = split(cql_type, &bytes)?.into_iter().nth(*at);
                    part.flatten().map_or(Bound::Null, Bound::Value)
                }
                nothing @ (Bound::Null | Bound::Unset) => nothing,
            },
            Operand::Call(function, args) => {
                let args: Result<Vec<Option<Bytes>>, Error> = args
                    .iter()
                    .map(|arg| match self.evaluate(arg)? {
                        Bound::Value(bytes) => Ok(Some(bytes)),
                        Bound::Null | Bound::Unset => Ok(None),
                    })
                    .collect();
                match function.call(&args?, &self.moment)? {
                    Some(bytes) => Bound::Value(bytes),
                    None => Bound::Null,
                }
            }
        })
    }

    /// The value of an operand where neither null nor unset will do.
    pub(crate) fn required(&self, operand: &Operand, name: &str) -> Result<Bytes, Error> {
        match self.evaluate(operand)? {
            Bound::Value(bytes) => Ok(bytes),
            Bound::Null => Err(null_in(name)),
            Bound::Unset => {
                let message = format!("{name} is unset: a key or condition needs a value");
                Err(Error::new(Code::BadValue, message))
            }
        }
    }

    /// All values of which one will do, each with a value for each of `columns`.
    pub(crate) fn any_of(
        &self,
        any_of: &AnyOf,
        columns: &[Column],
    ) -> Result<Vec<Vec<Bytes>>, Error> {
        let (list, of, tuples) = match any_of {
            AnyOf::Each(all) => {
                let value =
                    |(operand, column): (&Operand, &Column)| self.required(operand, &column.name);
                let one = |tuple: &Vec<Operand>| tuple.iter().zip(columns).map(value).collect();
                return all.iter().map(one).collect();
            }
            AnyOf::List { list, of, tuples } => (list, of, *tuples),
        };
        let bytes = self.required(list, &names::list(columns))?;
        let all = split(&CqlType::List(of.clone().into()), &bytes)?;
        any_of::check_count(all.len())?;
        let one = |value: Bytes| {
            if !tuples {
                return Ok(vec![value]);
            }
            let parts = split(of, &value)?.into_iter().zip(columns);
            parts.map(|(part, column)| part.ok_or_else(|| null_in(&column.name))).collect()
        };
        all.into_iter().flatten().map(one).collect()
    }

    /// What functions draw on.
    pub(crate) fn moment(&self) -> &Moment<'a> {
        &self.moment
    }
}

/// Finds the value of each variable by its name. A name that is two markers may be given once or
/// twice.
fn by_name(
    variables: &[ColumnSpec],
    values: &[Bound],
    names: &[String],
) -> Result<Vec<Bound>, Error> {
    if names.len() != values.len() {
        let message = format!("{} name(s) for {} value(s)", names.len(), values.len());
        return Err(Error::new(Code::BadBind, message));
    }
    let known = || variables.iter().map(|it| it.name.as_str());
    if let Some(stray) = names.iter().find(|name| !known().any(|it| it == name.as_str())) {
        let error = Error::new(Code::BadBind, format!("the statement has no marker `:{stray}`"));
        return Err(did_you_mean(error, stray, known()));
    }
    let value_of = |(at, variable): (usize, &ColumnSpec)| {
        let nth = variables[..at].iter().filter(|it| it.name == variable.name).count();
        let mut given =
            names.iter().zip(values).filter(|(name, _)| **name == variable.name).map(|(_, it)| it);
        let first = given.next();
        let found = if nth == 0 { first } else { given.nth(nth - 1).or(first) };
        found.cloned().ok_or_else(|| {
            Error::new(Code::BadBind, format!("no value bound to `:{}`", variable.name))
        })
    };
    variables.iter().enumerate().map(value_of).collect()
}
