//! Constants of CQL text: which value one is depends on the type it meets.

use core::net::IpAddr;

use super::{DAY_NANOS, Decimal, Duration, Error, Value, ascii, datetime, number, version_1};
use crate::ast::Literal;
use crate::types::CqlType;

impl Value {
    /// The value of type `kind` that this constant means, by Cassandra's rules: an integer will
    /// do for every number, for `timestamp` (milliseconds), `date` (days, 1970-01-01 is 2^31) and
    /// `time` (nanoseconds); a string for text, `inet` and the dates and times; the others have a
    /// form of their own.
    ///
    /// Beyond Cassandra, `0x` is the empty value of the types that have one.
    pub fn parse_literal(literal: &Literal, kind: CqlType) -> Result<Value, Error> {
        match literal {
            Literal::Integer(digits) => from_integer(digits, kind),
            Literal::Decimal(digits) if matches!(kind, CqlType::Double | CqlType::Float) => {
                finite(digits, kind)
            }
            Literal::Decimal(digits) if kind == CqlType::Decimal => decimal(digits),
            Literal::Duration(text) if kind == CqlType::Duration => {
                Duration::parse(text).map(Value::Duration)
            }
            Literal::Text(text) => from_text(text, kind, literal),
            Literal::Blob(bytes) if kind == CqlType::Blob => Ok(Value::Blob(bytes.clone())),
            Literal::Blob(bytes) if bytes.is_empty() && kind.allows_empty() => Ok(Value::Empty),
            Literal::Uuid(uuid) if kind == CqlType::Uuid => Ok(Value::Uuid(*uuid)),
            Literal::Uuid(uuid) if kind == CqlType::Timeuuid => {
                version_1(*uuid).map(Value::Timeuuid)
            }
            Literal::Boolean(truth) if kind == CqlType::Boolean => Ok(Value::Boolean(*truth)),
            Literal::Nan => special(f64::NAN, literal, kind),
            Literal::Infinity => special(f64::INFINITY, literal, kind),
            Literal::NegativeInfinity => special(f64::NEG_INFINITY, literal, kind),
            Literal::Decimal(_)
            | Literal::Blob(_)
            | Literal::Uuid(_)
            | Literal::Boolean(_)
            | Literal::Duration(_) => Err(mismatch(literal, kind)),
        }
    }
}

fn from_integer(digits: &str, kind: CqlType) -> Result<Value, Error> {
    let range = || Error::Range { kind, text: shorten(digits) };
    let wide = || digits.parse::<i64>().map_err(|_| range());
    Ok(match kind {
        CqlType::Tinyint => Value::Tinyint(digits.parse().map_err(|_| range())?),
        CqlType::Smallint => Value::Smallint(digits.parse().map_err(|_| range())?),
        CqlType::Int => Value::Int(digits.parse().map_err(|_| range())?),
        CqlType::Bigint => Value::Bigint(wide()?),
        CqlType::Timestamp => Value::Timestamp(wide()?),
        CqlType::Date => Value::Date(digits.parse().map_err(|_| range())?),
        CqlType::Time => match wide()? {
            nanos if (0..DAY_NANOS).contains(&nanos) => Value::Time(nanos),
            _ => return Err(range()),
        },
        CqlType::Double | CqlType::Float => finite(digits, kind)?,
        CqlType::Decimal => decimal(digits)?,
        CqlType::Varint => Value::Varint(number::read_integer(digits).ok_or_else(range)?),
        CqlType::Ascii
        | CqlType::Blob
        | CqlType::Boolean
        | CqlType::Duration
        | CqlType::Inet
        | CqlType::Text
        | CqlType::Timeuuid
        | CqlType::Uuid => return Err(mismatch(&Literal::Integer(digits.to_owned()), kind)),
    })
}

fn from_text(text: &str, kind: CqlType, literal: &Literal) -> Result<Value, Error> {
    let malformed =
        |reason: &str| Error::Malformed { kind, reason: format!("'{}': {reason}", shorten(text)) };
    let number = is_integer(text);
    Ok(match kind {
        CqlType::Ascii => Value::Ascii(ascii(text.as_bytes())?.to_owned()),
        CqlType::Text => Value::Text(text.to_owned()),
        CqlType::Timestamp | CqlType::Date | CqlType::Time if number => {
            return from_integer(text, kind);
        }
        CqlType::Timestamp | CqlType::Inet if text.is_empty() => Value::Empty,
        CqlType::Timestamp => Value::Timestamp(datetime::read_timestamp(text).map_err(malformed)?),
        CqlType::Date => Value::Date(datetime::read_date(text).map_err(malformed)?),
        CqlType::Time => Value::Time(datetime::read_time(text).map_err(malformed)?),
        CqlType::Inet => Value::Inet(
            text.parse::<IpAddr>().map_err(|_| malformed("expected an IPv4 or IPv6 address"))?,
        ),
        CqlType::Bigint
        | CqlType::Blob
        | CqlType::Boolean
        | CqlType::Decimal
        | CqlType::Double
        | CqlType::Duration
        | CqlType::Float
        | CqlType::Int
        | CqlType::Smallint
        | CqlType::Timeuuid
        | CqlType::Tinyint
        | CqlType::Uuid
        | CqlType::Varint => return Err(mismatch(literal, kind)),
    })
}

/// A number of finite digits; one too large to be finite is out of range.
fn finite(digits: &str, kind: CqlType) -> Result<Value, Error> {
    let range = || Error::Range { kind, text: shorten(digits) };
    if kind == CqlType::Float {
        let number: f32 = digits.parse().map_err(|_| range())?;
        return if number.is_finite() { Ok(Value::Float(number)) } else { Err(range()) };
    }
    let number: f64 = digits.parse().map_err(|_| range())?;
    if number.is_finite() { Ok(Value::Double(number)) } else { Err(range()) }
}

/// Exact digits.
fn decimal(digits: &str) -> Result<Value, Error> {
    let range = || Error::Range { kind: CqlType::Decimal, text: shorten(digits) };
    Decimal::parse(digits).map(Value::Decimal).ok_or_else(range)
}

/// NaN and the infinities.
fn special(number: f64, literal: &Literal, kind: CqlType) -> Result<Value, Error> {
    if kind == CqlType::Double {
        Ok(Value::Double(number))
    } else if kind == CqlType::Float {
        Ok(Value::Float(number as f32))
    } else {
        Err(mismatch(literal, kind))
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn mismatch(literal: &Literal, kind: CqlType) -> Error {
    let given = match literal {
        Literal::Integer(digits) => format!("the integer {}", shorten(digits)),
        Literal::Decimal(digits) => format!("the number {}", shorten(digits)),
        Literal::Text(text) => format!("the string '{}'", shorten(text)),
        Literal::Blob(_) => "a blob".to_owned(),
        Literal::Uuid(uuid) => format!("the UUID {uuid}"),
        Literal::Boolean(truth) => format!("the boolean {truth}"),
        Literal::Duration(text) => format!("the duration {}", shorten(text)),
        Literal::Nan => "NaN".to_owned(),
        Literal::Infinity | Literal::NegativeInfinity => "an infinity".to_owned(),
    };
    Error::Mismatch { kind, given, hint: hint(kind) }
}

/// How constants of a type are written.
fn hint(kind: CqlType) -> Option<&'static str> {
    Some(match kind {
        CqlType::Ascii | CqlType::Text => "text is written in single quotes: 'like this'",
        CqlType::Bigint | CqlType::Int | CqlType::Smallint | CqlType::Tinyint | CqlType::Varint => {
            "integers are written without quotes or point: 42"
        }
        CqlType::Blob => "blobs are written as hexadecimal digits behind 0x: 0xcafe",
        CqlType::Boolean => "booleans are written true or false",
        CqlType::Date => "dates are written '2024-01-15'",
        CqlType::Duration => "durations are written without quotes: 1h30m or P1DT12H",
        CqlType::Decimal | CqlType::Double | CqlType::Float => {
            "numbers are written without quotes: 4.2"
        }
        CqlType::Inet => "addresses are written '192.0.2.1' or '2001:db8::1'",
        CqlType::Time => "times are written '10:30:00'",
        CqlType::Timestamp => "timestamps are written '2024-01-15 10:30:00' or in milliseconds",
        CqlType::Timeuuid | CqlType::Uuid => {
            "UUIDs are written without quotes: 123e4567-e89b-12d3-a456-426614174000"
        }
    })
}

/// At most 40 characters, so that a message stays a line.
pub(super) fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
