//! Text to values: the way back from what people read, by the type of the column.

use client::{CqlType, NativeType, Value};
use cql_lite::ast::Literal;
use uuid::Uuid;

/// The value of this type that is written so: what `Display` writes reads back as the same value.
///
/// No text at all is the empty string of a type of strings, and of the others that have one the
/// empty value.
pub(super) fn read(text: &str, kind: &CqlType) -> Result<Value, String> {
    if let Some(native) = kind.native() {
        return read_native(text, native);
    }
    let term = cql_lite::parser::parse_term(text).map_err(|error| error.message)?;
    match Value::from_term(&term, kind) {
        Ok(Some(value)) => Ok(value),
        Ok(None) => Err(format!("null is no {kind}")),
        Err(error) => Err(error.node.to_string()),
    }
}

/// As [`read`], for a type without parts.
fn read_native(text: &str, kind: NativeType) -> Result<Value, String> {
    if text.is_empty() && kind.allows_empty() {
        return Ok(Value::Empty);
    }
    let refused = || {
        let shown: String = text.chars().take(40).collect();
        format!("'{shown}' is no {kind}")
    };
    match kind {
        NativeType::Text => Ok(Value::Text(text.to_owned())),
        NativeType::Int => text.parse().map(Value::Int).map_err(|_| refused()),
        NativeType::Bigint | NativeType::Counter => {
            text.parse().map(Value::Bigint).map_err(|_| refused())
        }
        NativeType::Smallint => text.parse().map(Value::Smallint).map_err(|_| refused()),
        NativeType::Tinyint => text.parse().map(Value::Tinyint).map_err(|_| refused()),
        NativeType::Double => number(text).map(Value::Double).ok_or_else(refused),
        NativeType::Float => number(text).map(Value::Float).ok_or_else(refused),
        NativeType::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            _ => Err(refused()),
        },
        NativeType::Blob => blob(text).map(Value::Blob).ok_or_else(refused),
        NativeType::Uuid => Uuid::try_parse(text).map(Value::Uuid).map_err(|_| refused()),
        NativeType::Timeuuid => {
            let uuid = Uuid::try_parse(text).map_err(|_| refused())?;
            literal(&Literal::Uuid(uuid), kind)
        }
        NativeType::Ascii
        | NativeType::Date
        | NativeType::Inet
        | NativeType::Time
        | NativeType::Timestamp => literal(&Literal::Text(text.to_owned()), kind),
        NativeType::Decimal => literal(&Literal::Decimal(text.to_owned()), kind),
        NativeType::Varint => literal(&Literal::Integer(text.to_owned()), kind),
        NativeType::Duration => literal(&Literal::Duration(text.to_owned()), kind),
    }
}

fn literal(literal: &Literal, kind: NativeType) -> Result<Value, String> {
    Value::parse_literal(literal, kind).map_err(|error| error.to_string())
}

/// A number; one of so many digits that only infinity is near is none.
fn number<T: std::str::FromStr + Into<f64> + Copy>(text: &str) -> Option<T> {
    let number: T = text.parse().ok()?;
    let named = text.ends_with(|c: char| c.is_ascii_alphabetic());
    (named || number.into().is_finite()).then_some(number)
}

/// Hexadecimal digits behind `0x`.
fn blob(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}
