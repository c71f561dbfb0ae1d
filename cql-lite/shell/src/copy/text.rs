//! Text to values: the way back from what people read, by the type of the column.

use client::{CqlType, Value};
use cql_lite::ast::Literal;
use uuid::Uuid;

/// The value of this type that is written so: what `Display` writes reads back as the same value.
///
/// No text at all is the empty string of a type of strings, and of the others that have one the
/// empty value.
pub(super) fn read(text: &str, kind: CqlType) -> Result<Value, String> {
    if text.is_empty() && kind.allows_empty() {
        return Ok(Value::Empty);
    }
    let refused = || {
        let shown: String = text.chars().take(40).collect();
        format!("'{shown}' is no {kind}")
    };
    match kind {
        CqlType::Text => Ok(Value::Text(text.to_owned())),
        CqlType::Int => text.parse().map(Value::Int).map_err(|_| refused()),
        CqlType::Bigint => text.parse().map(Value::Bigint).map_err(|_| refused()),
        CqlType::Smallint => text.parse().map(Value::Smallint).map_err(|_| refused()),
        CqlType::Tinyint => text.parse().map(Value::Tinyint).map_err(|_| refused()),
        CqlType::Double => number(text).map(Value::Double).ok_or_else(refused),
        CqlType::Float => number(text).map(Value::Float).ok_or_else(refused),
        CqlType::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" => Ok(Value::Boolean(true)),
            "false" => Ok(Value::Boolean(false)),
            _ => Err(refused()),
        },
        CqlType::Blob => blob(text).map(Value::Blob).ok_or_else(refused),
        CqlType::Uuid => Uuid::try_parse(text).map(Value::Uuid).map_err(|_| refused()),
        CqlType::Timeuuid => {
            let uuid = Uuid::try_parse(text).map_err(|_| refused())?;
            literal(&Literal::Uuid(uuid), kind)
        }
        CqlType::Ascii | CqlType::Date | CqlType::Inet | CqlType::Time | CqlType::Timestamp => {
            literal(&Literal::Text(text.to_owned()), kind)
        }
        CqlType::Decimal => literal(&Literal::Decimal(text.to_owned()), kind),
        CqlType::Varint => literal(&Literal::Integer(text.to_owned()), kind),
        CqlType::Duration => literal(&Literal::Duration(text.to_owned()), kind),
    }
}

fn literal(literal: &Literal, kind: CqlType) -> Result<Value, String> {
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
