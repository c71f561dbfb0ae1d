//! Objects, one a line. Values are read as they are written, by the type of their column: numbers
//! lose no digit.

use std::borrow::Cow;
use std::collections::BTreeMap;

use client::{Bind, CqlType, NativeType, Value};
use serde_json::value::RawValue;

use super::text;

/// The columns that an object names, each with its value.
pub(super) type Object<'l> = BTreeMap<Cow<'l, str>, &'l RawValue>;

/// Reads a line.
pub(super) fn object(line: &str) -> Result<Object<'_>, String> {
    serde_json::from_str(line).map_err(|error| format!("no JSON object: {error}"))
}

/// A value of this type.
pub(super) fn value(raw: &RawValue, kind: &CqlType) -> Result<Bind, String> {
    Ok(part(raw, kind)?.map_or(Bind::Unset, Bind::Value))
}

/// A value or a part of one; none for null.
fn part(raw: &RawValue, kind: &CqlType) -> Result<Option<Value>, String> {
    let written = raw.get();
    if written == "null" {
        return Ok(None);
    }
    let wrong = || {
        let shown: String = written.chars().take(40).collect();
        format!("{shown} is no {kind}")
    };
    // An integer says a date or a time, too.
    let moments = [NativeType::Date, NativeType::Time, NativeType::Timestamp];
    let is_moment = moments.iter().any(|it| *kind == *it);
    let is_bare = kind.is_number()
        || *kind == NativeType::Boolean
        || is_moment && written.parse::<i64>().is_ok();
    match written.as_bytes().first() {
        Some(b'"') => {
            let inner: String = serde_json::from_str(written).map_err(|_| wrong())?;
            text::read(&inner, kind).map(Some)
        }
        Some(b'[') => {
            let all: Vec<&RawValue> = serde_json::from_str(written).map_err(|_| wrong())?;
            array(&all, kind)?.map(Some).ok_or_else(wrong)
        }
        Some(b'{') => object_value(&object(written)?, kind)?.map(Some).ok_or_else(wrong),
        Some(_) if is_bare => text::read(written, kind).map(Some),
        Some(_) | None => Err(wrong()),
    }
}

/// What an array says of this type; none where it says nothing.
fn array(all: &[&RawValue], kind: &CqlType) -> Result<Option<Value>, String> {
    let known =
        |raw: &&RawValue, of: &CqlType| part(raw, of)?.ok_or_else(|| format!("null is no {of}"));
    Ok(Some(match kind {
        CqlType::List(of) => {
            Value::List(all.iter().map(|it| known(it, of)).collect::<Result<_, _>>()?)
        }
        CqlType::Set(of) => {
            Value::Set(all.iter().map(|it| known(it, of)).collect::<Result<_, _>>()?)
        }
        CqlType::Vector(of, len) if all.len() == usize::from(*len) => {
            Value::Vector(all.iter().map(|it| known(it, of)).collect::<Result<_, _>>()?)
        }
        CqlType::Tuple(kinds) if all.len() == kinds.len() => {
            let parts = all.iter().zip(kinds.iter()).map(|(it, of)| part(it, of));
            Value::Tuple(parts.collect::<Result<_, _>>()?)
        }
        CqlType::Vector(..)
        | CqlType::Tuple(_)
        | CqlType::Native(_)
        | CqlType::Map(_)
        | CqlType::User(_) => return Ok(None),
    }))
}

/// What an object says of this type; none where it says nothing.
fn object_value(object: &Object<'_>, kind: &CqlType) -> Result<Option<Value>, String> {
    Ok(Some(match kind {
        CqlType::Map(of) => {
            let entry = |(key, raw): (&Cow<'_, str>, &&RawValue)| {
                let value = part(raw, &of.1)?.ok_or_else(|| format!("null is no {}", of.1))?;
                Ok((text::read(key, &of.0)?, value))
            };
            Value::Map(object.iter().map(entry).collect::<Result<_, String>>()?)
        }
        CqlType::User(user) => {
            let field = |(name, of): &(String, CqlType)| {
                let value = object.get(name.as_str()).map(|raw| part(raw, of)).transpose()?;
                Ok((name.clone(), value.flatten()))
            };
            Value::User(user.fields.iter().map(field).collect::<Result<_, String>>()?)
        }
        CqlType::Native(_)
        | CqlType::List(_)
        | CqlType::Set(_)
        | CqlType::Tuple(_)
        | CqlType::Vector(..) => return Ok(None),
    }))
}

/// Appends an object.
pub(super) fn write(line: &mut String, names: &[String], values: &[Option<Value>]) {
    line.push('{');
    for (at, (name, value)) in names.iter().zip(values).enumerate() {
        if at != 0 {
            line.push(',');
        }
        line.push_str(name);
        line.push(':');
        match value {
            Some(value) => line.push_str(&value.to_json()),
            None => line.push_str("null"),
        }
    }
    line.push('}');
}
