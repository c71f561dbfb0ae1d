//! Values bound to the markers of a statement.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bytes::Bytes;
use cql_lite::code::Code;
use cql_lite::value::Value;
use proto::client as wire;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use wire::bound_value::Kind;

use crate::error::Error;
use crate::row::Column;

mod fit;

use fit::{fitted, rust_name};

/// What a marker is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// No value: deletes what is there.
    Null,
    /// As if the column had not been named.
    Unset,
    /// A value. It is fitted to the column's type, as far as nothing is lost.
    Value(Value),
}

/// A Rust value that can be bound to a marker.
pub trait ToValue {
    /// The value to bind.
    fn to_value(&self) -> Bind;
}

/// Leaves a column as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unset;

/// A CQL timestamp: milliseconds since 1970 UTC. Reads back by serde.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CqlTimestamp(pub i64);

macro_rules! to_value {
    ($($rust:ty => |$it:ident| $value:expr;)*) => {
        $(impl ToValue for $rust {
            fn to_value(&self) -> Bind {
                let $it = self;
                Bind::Value($value)
            }
        })*
    };
}

to_value! {
    i8 => |it| Value::Tinyint(*it);
    i16 => |it| Value::Smallint(*it);
    i32 => |it| Value::Int(*it);
    i64 => |it| Value::Bigint(*it);
    f32 => |it| Value::Float(*it);
    f64 => |it| Value::Double(*it);
    bool => |it| Value::Boolean(*it);
    str => |it| Value::Text(it.to_owned());
    String => |it| Value::Text(it.clone());
    Cow<'_, str> => |it| Value::Text(it.to_string());
    [u8] => |it| Value::Blob(it.to_vec());
    Vec<u8> => |it| Value::Blob(it.clone());
    Bytes => |it| Value::Blob(it.to_vec());
    Uuid => |it| Value::Uuid(*it);
    IpAddr => |it| Value::Inet(*it);
    CqlTimestamp => |it| Value::Timestamp(it.0);
    jiff::Timestamp => |it| Value::Timestamp(it.as_millisecond());
    Value => |it| it.clone();
}

impl<const N: usize> ToValue for [u8; N] {
    fn to_value(&self) -> Bind {
        self[..].to_value()
    }
}

/// Values of a collection, none of them null: a list that has one is taken for a tuple, which
/// alone may have.
fn collection(values: impl Iterator<Item = Bind>) -> Value {
    let parts: Vec<Option<Value>> = values.map(part).collect();
    match parts.iter().cloned().collect::<Option<Vec<Value>>>() {
        Some(values) => Value::List(values),
        None => Value::Tuple(parts),
    }
}

fn part(bind: Bind) -> Option<Value> {
    match bind {
        Bind::Value(value) => Some(value),
        Bind::Null | Bind::Unset => None,
    }
}

/// Keys with their values; one without is the empty value, which fits hardly any type.
fn entries<'e, K: ToValue + 'e, V: ToValue + 'e>(
    all: impl Iterator<Item = (&'e K, &'e V)>,
) -> Value {
    let known = |bind| part(bind).unwrap_or(Value::Empty);
    Value::Map(all.map(|(key, value)| (known(key.to_value()), known(value.to_value()))).collect())
}

macro_rules! collections {
    ($($rust:ty)*) => {
        $(impl<T: ToValue> ToValue for $rust {
            fn to_value(&self) -> Bind {
                Bind::Value(collection(self.iter().map(ToValue::to_value)))
            }
        })*
    };
}

collections! { Vec<T> BTreeSet<T> }

impl<K: ToValue, V: ToValue> ToValue for BTreeMap<K, V> {
    fn to_value(&self) -> Bind {
        Bind::Value(entries(self.iter()))
    }
}

macro_rules! tuples {
    ($(($($name:ident)*))*) => {
        $(impl<$($name: ToValue),*> ToValue for ($($name,)*) {
            fn to_value(&self) -> Bind {
                #[expect(non_snake_case, reason = "each value goes by the name of its type")]
                let ($($name,)*) = self;
                Bind::Value(Value::Tuple(vec![$(part($name.to_value())),*]))
            }
        })*
    };
}

tuples! { (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) }

impl ToValue for Unset {
    fn to_value(&self) -> Bind {
        Bind::Unset
    }
}

impl ToValue for Bind {
    fn to_value(&self) -> Bind {
        self.clone()
    }
}

impl<T: ToValue + ?Sized> ToValue for &T {
    fn to_value(&self) -> Bind {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    fn to_value(&self) -> Bind {
        self.as_ref().map_or(Bind::Null, ToValue::to_value)
    }
}

/// All values of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bound {
    /// One for each `?`, in order.
    Positional(Vec<Bind>),
    /// One for each `:name`.
    Named(BTreeMap<String, Bind>),
}

/// What can be bound as a whole: a tuple, a slice or vector of values, or a map from names.
pub trait Values {
    /// The values, converted.
    fn into_bound(self) -> Bound;
}

impl Values for Bound {
    fn into_bound(self) -> Bound {
        self
    }
}

impl Values for () {
    fn into_bound(self) -> Bound {
        Bound::Positional(Vec::new())
    }
}

impl<T: ToValue> Values for &[T] {
    fn into_bound(self) -> Bound {
        Bound::Positional(self.iter().map(ToValue::to_value).collect())
    }
}

impl<T: ToValue> Values for Vec<T> {
    fn into_bound(self) -> Bound {
        self.as_slice().into_bound()
    }
}

impl<T: ToValue> Values for &Vec<T> {
    fn into_bound(self) -> Bound {
        self.as_slice().into_bound()
    }
}

impl<T: ToValue, const N: usize> Values for [T; N] {
    fn into_bound(self) -> Bound {
        self.as_slice().into_bound()
    }
}

impl<K: Into<String>, T: ToValue> Values for BTreeMap<K, T> {
    fn into_bound(self) -> Bound {
        let named = self.into_iter().map(|(name, value)| (name.into(), value.to_value()));
        Bound::Named(named.collect())
    }
}

macro_rules! tuples {
    ($($name:ident)*) => {
        impl<$($name: ToValue),*> Values for ($($name,)*) {
            fn into_bound(self) -> Bound {
                #[expect(non_snake_case, reason = "the macro has one name for type and value")]
                let ($($name,)*) = self;
                Bound::Positional(vec![$($name.to_value()),*])
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);
tuples!(A B C D E F G H I);
tuples!(A B C D E F G H I J);
tuples!(A B C D E F G H I J K);
tuples!(A B C D E F G H I J K L);

impl Bound {
    /// The values for a prepared statement, each fitted to its parameter's type.
    pub(crate) fn fit(&self, parameters: &[Column]) -> Result<Vec<wire::BoundValue>, Error> {
        let binds: Vec<&Bind> = match self {
            Bound::Positional(binds) => {
                if binds.len() != parameters.len() {
                    return Err(Error::invalid(
                        Code::BadBind,
                        format!(
                            "the statement has {} markers, but {} values were bound",
                            parameters.len(),
                            binds.len()
                        ),
                    ));
                }
                binds.iter().collect()
            }
            Bound::Named(named) => by_name(named, parameters)?,
        };
        let fitted = binds.into_iter().zip(parameters).map(|(bind, parameter)| match bind {
            Bind::Null => Ok(wire::BoundValue { kind: None }),
            Bind::Unset => Ok(wire::BoundValue { kind: Some(Kind::Unset(true)) }),
            Bind::Value(value) => fit(value, parameter),
        });
        fitted.collect()
    }

    /// The values for text that the node parses: in their natural types, and their names.
    pub(crate) fn unfitted(&self) -> (Vec<wire::BoundValue>, Vec<String>) {
        let natural = |bind: &Bind| match bind {
            Bind::Null => wire::BoundValue { kind: None },
            Bind::Unset => wire::BoundValue { kind: Some(Kind::Unset(true)) },
            Bind::Value(value) => encoded(value),
        };
        match self {
            Bound::Positional(binds) => (binds.iter().map(natural).collect(), Vec::new()),
            Bound::Named(named) => {
                (named.values().map(natural).collect(), named.keys().cloned().collect())
            }
        }
    }
}

/// The value of each parameter. One name may stand for several markers.
fn by_name<'b>(
    named: &'b BTreeMap<String, Bind>,
    parameters: &[Column],
) -> Result<Vec<&'b Bind>, Error> {
    let binds = parameters.iter().map(|parameter| {
        named.get(&parameter.name).ok_or_else(|| {
            Error::invalid(Code::BadBind, format!("no value was bound to `:{}`", parameter.name))
        })
    });
    let binds = binds.collect::<Result<Vec<_>, _>>()?;
    let names = || parameters.iter().map(|parameter| parameter.name.as_str());
    match named.keys().find(|name| !names().any(|known| known == name.as_str())) {
        None => Ok(binds),
        Some(stray) => {
            let error = Error::invalid(
                Code::BadBind,
                format!("a value was bound to `:{stray}`, which the statement does not have"),
            );
            Err(match cql_lite::suggest::suggest(stray, names()) {
                Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                None => error,
            })
        }
    }
}

fn encoded(value: &Value) -> wire::BoundValue {
    wire::BoundValue { kind: Some(Kind::Value(value.encode().into())) }
}

fn fit(value: &Value, parameter: &Column) -> Result<wire::BoundValue, Error> {
    // A type of a later version: the node knows what to make of the bytes.
    let Some(kind) = parameter.kind() else { return Ok(encoded(value)) };
    match fitted(value, &kind) {
        Some(value) => Ok(encoded(&value)),
        None => Err(Error::invalid(
            Code::BadValue,
            format!(
                "parameter `{}` is of type {kind}, which this {} does not fit",
                parameter.name,
                rust_name(value)
            ),
        )),
    }
}
