//! Objects, one a line. Values are read as they are written, by the type of their column: numbers
//! lose no digit.

use std::borrow::Cow;
use std::collections::BTreeMap;

use client::{Bind, CqlType, Value};
use serde_json::value::RawValue;

use super::text;

/// The columns that an object names, each with its value.
pub(super) type Object<'l> = BTreeMap<Cow<'l, str>, &'l RawValue>;

/// Reads a line.
pub(super) fn object(line: &str) -> Result<Object<'_>, String> {
    serde_json::from_str(line).map_err(|error| format!("no JSON object: {error}"))
}

/// A value of this type.
pub(super) fn value(raw: &RawValue, kind: CqlType) -> Result<Bind, String> {
    let written = raw.get();
    let wrong = || {
        let shown: String = written.chars().take(40).collect();
        format!("{shown} is no {kind}")
    };
    // An integer says a date or a time, too.
    let is_moment = [CqlType::Date, CqlType::Time, CqlType::Timestamp].contains(&kind);
    let is_bare =
        kind.is_number() || kind == CqlType::Boolean || is_moment && written.parse::<i64>().is_ok();
    match written.as_bytes().first() {
        Some(b'n') => Ok(Bind::Unset),
        Some(b'"') => {
            let inner: String = serde_json::from_str(written).map_err(|_| wrong())?;
            text::read(&inner, kind).map(Bind::Value)
        }
        Some(_) if is_bare => text::read(written, kind).map(Bind::Value),
        Some(_) | None => Err(wrong()),
    }
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
