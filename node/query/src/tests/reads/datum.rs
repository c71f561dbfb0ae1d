//! Types and values of columns: as CQL has them, as the protocol has them, and in which order.

use std::collections::{BTreeMap, BTreeSet};

/// Types of columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Int,
    Bigint,
    Text,
    Boolean,
    Blob,
    List(Box<Type>),
    Set(Box<Type>),
    Map(Box<(Type, Type)>),
    Frozen(Box<Type>),
}

impl Type {
    /// As CQL.
    pub(super) fn name(&self) -> String {
        match self {
            Type::Int => "int".to_owned(),
            Type::Bigint => "bigint".to_owned(),
            Type::Text => "text".to_owned(),
            Type::Boolean => "boolean".to_owned(),
            Type::Blob => "blob".to_owned(),
            Type::List(of) => format!("list<{}>", of.name()),
            Type::Set(of) => format!("set<{}>", of.name()),
            Type::Map(of) => format!("map<{}, {}>", of.0.name(), of.1.name()),
            Type::Frozen(of) => format!("frozen<{}>", of.name()),
        }
    }

    /// Whether a column of it has a cell for each element.
    pub(super) fn has_elements(&self) -> bool {
        matches!(self, Type::List(_) | Type::Set(_) | Type::Map(_))
    }

    /// It without `frozen`.
    pub(super) fn thawed(&self) -> &Type {
        if let Type::Frozen(of) = self { of } else { self }
    }
}

/// A value. Of one type they compare as CQL does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Datum {
    Int(i32),
    Bigint(i64),
    Text(String),
    Boolean(bool),
    Blob(Vec<u8>),
    List(Vec<Datum>),
    Set(BTreeSet<Datum>),
    Map(BTreeMap<Datum, Datum>),
}

impl Datum {
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Datum::Int(it) => it.to_be_bytes().to_vec(),
            Datum::Bigint(it) => it.to_be_bytes().to_vec(),
            Datum::Text(it) => it.as_bytes().to_vec(),
            Datum::Boolean(it) => vec![u8::from(*it)],
            Datum::Blob(it) => it.clone(),
            Datum::List(all) => collection(all.len(), all.iter().map(Some)),
            Datum::Set(all) => collection(all.len(), all.iter().map(Some)),
            Datum::Map(all) => {
                collection(all.len(), all.iter().flat_map(|(key, value)| [Some(key), Some(value)]))
            }
        }
    }

    pub(super) fn literal(&self) -> String {
        let joined = |all: Vec<String>| all.join(", ");
        match self {
            Datum::Int(it) => it.to_string(),
            Datum::Bigint(it) => it.to_string(),
            Datum::Text(it) => format!("'{it}'"),
            Datum::Boolean(it) => it.to_string(),
            Datum::Blob(it) => {
                let digits: String = it.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("0x{digits}")
            }
            Datum::List(all) => format!("[{}]", joined(all.iter().map(Datum::literal).collect())),
            Datum::Set(all) => {
                // Against their order, which the store has to make.
                format!("{{{}}}", joined(all.iter().rev().map(Datum::literal).collect()))
            }
            Datum::Map(all) => {
                let entry = |(key, value): (&Datum, &Datum)| {
                    format!("{}: {}", key.literal(), value.literal())
                };
                format!("{{{}}}", joined(all.iter().rev().map(entry).collect()))
            }
        }
    }

    /// What lies under a key of a map; of a set, the value itself.
    pub(super) fn under(&self, key: &Datum) -> Option<&Datum> {
        match self {
            Datum::Set(all) => all.get(key),
            Datum::Map(all) => all.get(key),
            Datum::Int(_)
            | Datum::Bigint(_)
            | Datum::Text(_)
            | Datum::Boolean(_)
            | Datum::Blob(_)
            | Datum::List(_) => None,
        }
    }

    /// What `CONTAINS` finds in it.
    pub(super) fn contains(&self, value: &Datum) -> bool {
        match self {
            Datum::List(all) => all.contains(value),
            Datum::Set(all) => all.contains(value),
            Datum::Map(all) => all.values().any(|it| it == value),
            Datum::Int(_)
            | Datum::Bigint(_)
            | Datum::Text(_)
            | Datum::Boolean(_)
            | Datum::Blob(_) => false,
        }
    }
}

/// A collection of so many elements; a part without a value is null.
pub(super) fn collection<'d>(
    len: usize,
    parts: impl IntoIterator<Item = Option<&'d Datum>>,
) -> Vec<u8> {
    let mut bytes = (len as i32).to_be_bytes().to_vec();
    for part in parts {
        let part = part.map(Datum::bytes);
        let length = part.as_ref().map_or(-1, |it| it.len() as i32);
        bytes.extend(length.to_be_bytes());
        bytes.extend(part.unwrap_or_default());
    }
    bytes
}
