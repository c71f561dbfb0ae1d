//! Values as text: for people, as CQL, as JSON.

use std::fmt::{self, Write};

use super::{Value, datetime};
use crate::keyword::quote_name;

impl Value {
    /// The constant that parses back to this value. Dates and timestamps that no calendar text
    /// can say are written as integers, the empty value as `0x`.
    pub fn to_literal(&self) -> String {
        match self {
            Value::Ascii(text) | Value::Text(text) => quote(text),
            Value::Timestamp(millis) => match datetime::show_timestamp(*millis) {
                Some(text) => quote(&text),
                None => millis.to_string(),
            },
            Value::Date(days) => match datetime::show_date(*days) {
                Some(text) => quote(&text),
                None => days.to_string(),
            },
            Value::Time(_) | Value::Inet(_) => quote(&self.to_string()),
            Value::Empty => "0x".to_owned(),
            Value::List(_)
            | Value::Set(_)
            | Value::Map(_)
            | Value::Tuple(_)
            | Value::User(_)
            | Value::Vector(_)
            | Value::Sparse(_) => self.to_string(),
            Value::Int(_)
            | Value::Bigint(_)
            | Value::Smallint(_)
            | Value::Tinyint(_)
            | Value::Double(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Blob(_)
            | Value::Uuid(_)
            | Value::Timeuuid(_)
            | Value::Decimal(_)
            | Value::Varint(_)
            | Value::Duration(_) => self.to_string(),
        }
    }

    /// The value as JSON, losing nothing: numbers as numbers, though NaN, the infinities and what is
    /// beyond 1.8e308 as strings; the empty value as `""`; the rest as strings of their human form.
    pub fn to_json(&self) -> String {
        match self {
            Value::Int(_)
            | Value::Bigint(_)
            | Value::Smallint(_)
            | Value::Tinyint(_)
            | Value::Boolean(_) => self.to_string(),
            Value::Decimal(_) | Value::Varint(_) => number_or_string(&self.to_string()),
            Value::List(all) | Value::Set(all) | Value::Vector(all) => {
                format!("[{}]", joined(all.iter().map(Value::to_json)))
            }
            Value::Tuple(parts) | Value::Sparse(parts) => {
                format!("[{}]", joined(parts.iter().map(json_or_null)))
            }
            Value::Map(all) => {
                // The keys of an object are strings, whatever they are here.
                let entry = |(key, value): &(Value, Value)| {
                    format!("{}: {}", json_string(&key.to_string()), value.to_json())
                };
                format!("{{{}}}", joined(all.iter().map(entry)))
            }
            Value::User(fields) => {
                let field = |(name, value): &(String, Option<Value>)| {
                    format!("{}: {}", json_string(name), json_or_null(value))
                };
                format!("{{{}}}", joined(fields.iter().map(field)))
            }
            Value::Double(number) if number.is_finite() => self.to_string(),
            Value::Float(number) if number.is_finite() => self.to_string(),
            Value::Double(_)
            | Value::Float(_)
            | Value::Ascii(_)
            | Value::Text(_)
            | Value::Blob(_)
            | Value::Uuid(_)
            | Value::Timeuuid(_)
            | Value::Timestamp(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::Inet(_)
            | Value::Duration(_)
            | Value::Empty => json_string(&self.to_string()),
        }
    }
}

/// The form for people, as in a table of results: text without quotes.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Ascii(text) | Value::Text(text) => f.write_str(text),
            Value::Int(number) => write!(f, "{number}"),
            Value::Bigint(number) => write!(f, "{number}"),
            Value::Smallint(number) => write!(f, "{number}"),
            Value::Tinyint(number) => write!(f, "{number}"),
            Value::Double(number) if number.is_infinite() => infinity(f, *number > 0.0),
            Value::Float(number) if number.is_infinite() => infinity(f, *number > 0.0),
            // Debug is the shortest form that reads back, with an exponent where it is long.
            Value::Double(number) => write!(f, "{number:?}"),
            Value::Float(number) => write!(f, "{number:?}"),
            Value::Boolean(truth) => write!(f, "{truth}"),
            Value::Blob(bytes) => {
                f.write_str("0x")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Value::Uuid(uuid) | Value::Timeuuid(uuid) => write!(f, "{uuid}"),
            Value::Timestamp(millis) => match datetime::show_timestamp(*millis) {
                Some(text) => f.write_str(&text),
                None => write!(f, "{millis}"),
            },
            Value::Date(days) => match datetime::show_date(*days) {
                Some(text) => f.write_str(&text),
                None => write!(f, "{days}"),
            },
            Value::Time(nanos) => f.write_str(&datetime::show_time(*nanos)),
            Value::Inet(address) => write!(f, "{address}"),
            Value::Decimal(number) => write!(f, "{number}"),
            Value::Varint(number) => write!(f, "{number}"),
            Value::Duration(duration) => write!(f, "{duration}"),
            Value::Empty => Ok(()),
            Value::List(all) | Value::Vector(all) => {
                write!(f, "[{}]", joined(all.iter().map(Value::to_literal)))
            }
            Value::Set(all) => write!(f, "{{{}}}", joined(all.iter().map(Value::to_literal))),
            Value::Map(all) => {
                let entry = |(key, value): &(Value, Value)| {
                    format!("{}: {}", key.to_literal(), value.to_literal())
                };
                write!(f, "{{{}}}", joined(all.iter().map(entry)))
            }
            Value::Tuple(parts) => write!(f, "({})", joined(parts.iter().map(literal_or_null))),
            Value::Sparse(all) => write!(f, "[{}]", joined(all.iter().map(literal_or_null))),
            Value::User(fields) => {
                let field = |(name, value): &(String, Option<Value>)| {
                    format!("{}: {}", quote_name(name), literal_or_null(value))
                };
                write!(f, "{{{}}}", joined(fields.iter().map(field)))
            }
        }
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn literal_or_null(value: &Option<Value>) -> String {
    value.as_ref().map_or_else(|| "null".to_owned(), Value::to_literal)
}

fn json_or_null(value: &Option<Value>) -> String {
    value.as_ref().map_or_else(|| "null".to_owned(), Value::to_json)
}

fn infinity(f: &mut fmt::Formatter<'_>, positive: bool) -> fmt::Result {
    f.write_str(if positive { "Infinity" } else { "-Infinity" })
}

/// A CQL string constant.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A number, or a string where it is beyond what those who read JSON take for one.
fn number_or_string(text: &str) -> String {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => text.to_owned(),
        Ok(_) | Err(_) => json_string(text),
    }
}

fn json_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
