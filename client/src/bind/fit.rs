//! Values in the types of markers, where nothing is lost.

use cql_lite::ast::Literal;
use cql_lite::types::{CqlType, NativeType};
use cql_lite::value::Value;
use uuid::Uuid;

/// The value in another type, part by part, where nothing is lost.
pub(super) fn fitted(value: &Value, kind: &CqlType) -> Option<Value> {
    let all = |values: &[Value], of: &CqlType| -> Option<Vec<Value>> {
        values.iter().map(|it| fitted(it, of)).collect()
    };
    // A part that is null is one; a part that does not fit is none at all.
    let part = |value: &Option<Value>, of: &CqlType| -> Option<Option<Value>> {
        value.as_ref().map_or(Some(None), |it| fitted(it, of).map(Some))
    };
    Some(match (kind, value) {
        (CqlType::Native(native), value) => return convert(value, *native),
        (CqlType::List(of), Value::List(values) | Value::Set(values)) => {
            Value::List(all(values, of)?)
        }
        (CqlType::Set(of), Value::List(values) | Value::Set(values)) => {
            Value::Set(all(values, of)?)
        }
        (CqlType::Vector(of, len), Value::List(values) | Value::Vector(values)) => {
            Value::Vector(all(values, of).filter(|it| it.len() == usize::from(*len))?)
        }
        (CqlType::Map(of), Value::Map(entries)) => {
            let entry =
                |(key, value): &(Value, Value)| Some((fitted(key, &of.0)?, fitted(value, &of.1)?));
            Value::Map(entries.iter().map(entry).collect::<Option<_>>()?)
        }
        (CqlType::Tuple(kinds), Value::List(values)) => {
            let parts = values.iter().cloned().map(Some).collect();
            return fitted(&Value::Tuple(parts), kind).filter(|_| values.len() == kinds.len());
        }
        (CqlType::Tuple(kinds), Value::Tuple(parts)) if parts.len() <= kinds.len() => {
            let parts = parts.iter().zip(kinds.iter()).map(|(value, of)| part(value, of));
            Value::Tuple(parts.collect::<Option<_>>()?)
        }
        (CqlType::User(user), Value::User(fields)) => {
            if fields.iter().any(|(name, _)| !user.fields.iter().any(|(it, _)| it == name)) {
                return None;
            }
            let field = |(name, of): &(String, CqlType)| {
                let given = fields.iter().find(|(it, _)| it == name);
                Some((name.clone(), given.map_or(Some(None), |(_, value)| part(value, of))?))
            };
            Value::User(user.fields.iter().map(field).collect::<Option<_>>()?)
        }
        (CqlType::User(_), Value::Map(entries)) => {
            let field = |(name, value): &(Value, Value)| {
                // Names are text, whatever type of Rust they are.
                let Some(Value::Text(name)) = convert(name, NativeType::Text) else { return None };
                Some((name, Some(value.clone())))
            };
            let fields = entries.iter().map(field).collect::<Option<_>>()?;
            return fitted(&Value::User(fields), kind);
        }
        _ => return None,
    })
}

/// The value in another type, where nothing is lost; only a `f64` may be rounded to a float.
fn convert(value: &Value, kind: NativeType) -> Option<Value> {
    if value.native() == Some(kind) {
        return Some(value.clone());
    }
    match value {
        Value::Tinyint(number) => integer(i64::from(*number), kind),
        Value::Smallint(number) => integer(i64::from(*number), kind),
        Value::Int(number) => integer(i64::from(*number), kind),
        Value::Bigint(number) => integer(*number, kind),
        Value::Text(text) | Value::Ascii(text) => string(text, kind),
        Value::Float(number) => {
            (kind == NativeType::Double).then(|| Value::Double(f64::from(*number)))
        }
        Value::Double(number) => {
            let rounded = *number as f32;
            let fits = kind == NativeType::Float && rounded.is_finite() == number.is_finite();
            fits.then_some(Value::Float(rounded))
        }
        Value::Uuid(uuid) => {
            let fits = kind == NativeType::Timeuuid && uuid.get_version_num() == 1;
            fits.then_some(Value::Timeuuid(*uuid))
        }
        Value::Timeuuid(uuid) => (kind == NativeType::Uuid).then_some(Value::Uuid(*uuid)),
        Value::Empty => kind.allows_empty().then_some(Value::Empty),
        Value::Boolean(_)
        | Value::Blob(_)
        | Value::Timestamp(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Inet(_)
        | Value::Decimal(_)
        | Value::Varint(_)
        | Value::Duration(_)
        | Value::List(_)
        | Value::Set(_)
        | Value::Map(_)
        | Value::Tuple(_)
        | Value::User(_)
        | Value::Vector(_)
        | Value::Sparse(_) => None,
    }
}

/// An integer does for every type that an integer constant does for, if it is in range.
fn integer(number: i64, kind: NativeType) -> Option<Value> {
    match kind {
        // A float has 24 bits of mantissa, a double 53.
        NativeType::Double => {
            (number.unsigned_abs() <= 1 << 53).then_some(Value::Double(number as f64))
        }
        NativeType::Float => {
            (number.unsigned_abs() <= 1 << 24).then_some(Value::Float(number as f32))
        }
        NativeType::Ascii
        | NativeType::Bigint
        | NativeType::Blob
        | NativeType::Boolean
        | NativeType::Counter
        | NativeType::Date
        | NativeType::Decimal
        | NativeType::Duration
        | NativeType::Inet
        | NativeType::Int
        | NativeType::Smallint
        | NativeType::Text
        | NativeType::Time
        | NativeType::Timestamp
        | NativeType::Timeuuid
        | NativeType::Tinyint
        | NativeType::Uuid
        | NativeType::Varint => {
            Value::parse_literal(&Literal::Integer(number.to_string()), kind).ok()
        }
    }
}

/// A string does for every type whose constants are strings, for UUIDs, and for the numbers and
/// durations that Rust has no type for.
fn string(text: &str, kind: NativeType) -> Option<Value> {
    let literal = match kind {
        NativeType::Uuid | NativeType::Timeuuid => Literal::Uuid(Uuid::try_parse(text).ok()?),
        NativeType::Decimal => Literal::Decimal(text.to_owned()),
        NativeType::Varint => Literal::Integer(text.to_owned()),
        NativeType::Duration => Literal::Duration(text.to_owned()),
        NativeType::Ascii
        | NativeType::Bigint
        | NativeType::Blob
        | NativeType::Boolean
        | NativeType::Counter
        | NativeType::Date
        | NativeType::Double
        | NativeType::Float
        | NativeType::Inet
        | NativeType::Int
        | NativeType::Smallint
        | NativeType::Text
        | NativeType::Time
        | NativeType::Timestamp
        | NativeType::Tinyint => Literal::Text(text.to_owned()),
    };
    Value::parse_literal(&literal, kind).ok()
}

/// What the user wrote, probably.
pub(super) fn rust_name(value: &Value) -> &'static str {
    match value {
        Value::Ascii(_) | Value::Text(_) => "string",
        Value::Tinyint(_) => "i8",
        Value::Smallint(_) => "i16",
        Value::Int(_) => "i32",
        Value::Bigint(_) => "i64",
        Value::Double(_) => "f64",
        Value::Float(_) => "f32",
        Value::Boolean(_) => "bool",
        Value::Blob(_) => "byte slice",
        Value::Uuid(_) | Value::Timeuuid(_) => "Uuid",
        Value::Timestamp(_) => "timestamp",
        Value::Date(_) => "date",
        Value::Time(_) => "time",
        Value::Inet(_) => "IpAddr",
        Value::Decimal(_) => "decimal",
        Value::Varint(_) => "integer of any length",
        Value::Duration(_) => "duration",
        Value::Empty => "empty value",
        Value::List(_) | Value::Vector(_) => "list",
        Value::Sparse(_) => "list with null",
        Value::Set(_) => "set",
        Value::Map(_) => "map",
        Value::Tuple(_) => "tuple",
        Value::User(_) => "value with fields",
    }
}
