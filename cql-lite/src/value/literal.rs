//! Constants of CQL text: which value one is depends on the type it meets.

use core::net::IpAddr;

use super::{DAY_NANOS, Decimal, Duration, Error, Value, ascii, datetime, number, version_1};
use crate::ast::{Literal, Spanned, Term};
use crate::types::{CqlType, NativeType};

impl Value {
    /// The value of type `kind` that this constant means, by Cassandra's rules: an integer will
    /// do for every number, for `timestamp` (milliseconds), `date` (days, 1970-01-01 is 2^31) and
    /// `time` (nanoseconds); a string for text, `inet` and the dates and times; the others have a
    /// form of their own.
    ///
    /// Beyond Cassandra, `0x` is the empty value of the types that have one.
    pub fn parse_literal(literal: &Literal, kind: NativeType) -> Result<Value, Error> {
        match literal {
            Literal::Integer(digits) => from_integer(digits, kind),
            Literal::Decimal(digits) if matches!(kind, NativeType::Double | NativeType::Float) => {
                finite(digits, kind)
            }
            Literal::Decimal(digits) if kind == NativeType::Decimal => decimal(digits),
            Literal::Duration(text) if kind == NativeType::Duration => {
                Duration::parse(text).map(Value::Duration)
            }
            Literal::Text(text) => from_text(text, kind, literal),
            Literal::Blob(bytes) if kind == NativeType::Blob => Ok(Value::Blob(bytes.clone())),
            Literal::Blob(bytes) if bytes.is_empty() && kind.allows_empty() => Ok(Value::Empty),
            Literal::Uuid(uuid) if kind == NativeType::Uuid => Ok(Value::Uuid(*uuid)),
            Literal::Uuid(uuid) if kind == NativeType::Timeuuid => {
                version_1(*uuid).map(Value::Timeuuid)
            }
            Literal::Boolean(truth) if kind == NativeType::Boolean => Ok(Value::Boolean(*truth)),
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

/// A term that has parts, taken apart: each with the type that it has to be of, in the order in which
/// values have them. A map has keys and values in turn; what a tuple or a user type lacks is none.
///
/// # Errors
/// The term has no such parts: another form, too many, or fields that the type has not.
pub fn parts<'t>(
    term: &'t Term,
    kind: &'t CqlType,
) -> Result<Vec<(Option<&'t Term>, &'t CqlType)>, Spanned<Error>> {
    let all = |terms: &'t [Term], of: &'t CqlType| -> Vec<(Option<&'t Term>, &'t CqlType)> {
        terms.iter().map(|it| (Some(it), of)).collect()
    };
    let malformed =
        |reason: String| Spanned::new(Error::Malformed { kind: kind.clone(), reason }, term.span());
    Ok(match (kind, term) {
        (CqlType::List(of), Term::List(terms, _)) | (CqlType::Set(of), Term::Set(terms, _)) => {
            all(terms, of)
        }
        (CqlType::Vector(of, len), Term::List(terms, _)) => {
            if terms.len() != usize::from(*len) {
                return Err(malformed(format!("{} values, not {len}", terms.len())));
            }
            all(terms, of)
        }
        (CqlType::Map(_), Term::Set(terms, _)) if terms.is_empty() => Vec::new(),
        (CqlType::Map(of), Term::Map(pairs, _)) => pairs
            .iter()
            .flat_map(|(key, value)| [(Some(key), &of.0), (Some(value), &of.1)])
            .collect(),
        (CqlType::Tuple(kinds), Term::Tuple(terms, _)) => {
            if kinds.len() < terms.len() {
                return Err(malformed(format!("{} parts, not {}", terms.len(), kinds.len())));
            }
            kinds.iter().enumerate().map(|(at, of)| (terms.get(at), of)).collect()
        }
        (CqlType::User(user), Term::User(given, _)) => {
            let known = |name: &str| user.fields.iter().any(|(field, _)| field == name);
            for (at, (name, value)) in given.iter().enumerate() {
                let twice = given[..at].iter().any(|(it, _)| it == name);
                if twice || !known(&name.text) {
                    let reason = match twice {
                        true => format!("the field {name} is given twice"),
                        false => format!("it has no field {name}"),
                    };
                    let error = Error::Malformed { kind: kind.clone(), reason };
                    return Err(Spanned::new(error, name.span.to(value.span())));
                }
            }
            let of = |name: &str| given.iter().find(|(it, _)| it.text == name).map(|(_, it)| it);
            user.fields.iter().map(|(name, kind)| (of(name), kind)).collect()
        }
        (_, term) => return Err(Spanned::new(mismatched(term, kind), term.span())),
    })
}

impl Value {
    /// The value of type `kind` that a term without markers and calls means; none for null.
    ///
    /// # Errors
    /// The term means none, with what of it is at fault.
    pub fn from_term(term: &Term, kind: &CqlType) -> Result<Option<Value>, Spanned<Error>> {
        if let Term::Null(_) = term {
            return Ok(None);
        }
        if let (Term::Literal(literal), Some(native)) = (term, kind.native()) {
            let value = Value::parse_literal(literal, native);
            return value.map(Some).map_err(|it| Spanned::new(it, literal.span));
        }
        let mut values = Vec::new();
        for (part, of) in parts(term, kind)? {
            let value = part.map(|it| Value::from_term(it, of)).transpose()?.flatten();
            values.push(value.map(|it| it.encode()));
        }
        let values: Vec<Option<&[u8]>> = values.iter().map(Option::as_deref).collect();
        let value = super::compose(kind, &values);
        value.map(Some).map_err(|it| Spanned::new(it, term.span()))
    }
}

/// The error for a term that no value of a type is written as.
pub fn mismatched(term: &Term, kind: &CqlType) -> Error {
    let given = match term {
        Term::Literal(literal) => given(literal),
        Term::Marker(_) => "a marker".to_owned(),
        Term::FunctionCall { name, .. } => format!("{}()", name.text),
        Term::Null(_) => "null".to_owned(),
        Term::List(..) => "a list".to_owned(),
        Term::Set(..) => "a set".to_owned(),
        Term::Map(..) => "a map".to_owned(),
        Term::User(..) => "a value with fields".to_owned(),
        Term::Tuple(..) => "a tuple".to_owned(),
        Term::Hint(hint, _) => format!("a {}", hint.node),
    };
    Error::Mismatch { kind: kind.clone(), given, hint: hint(kind) }
}

fn from_integer(digits: &str, kind: NativeType) -> Result<Value, Error> {
    let range = || Error::Range { kind, text: shorten(digits) };
    let wide = || digits.parse::<i64>().map_err(|_| range());
    Ok(match kind {
        NativeType::Tinyint => Value::Tinyint(digits.parse().map_err(|_| range())?),
        NativeType::Smallint => Value::Smallint(digits.parse().map_err(|_| range())?),
        NativeType::Int => Value::Int(digits.parse().map_err(|_| range())?),
        NativeType::Bigint | NativeType::Counter => Value::Bigint(wide()?),
        NativeType::Timestamp => Value::Timestamp(wide()?),
        NativeType::Date => Value::Date(digits.parse().map_err(|_| range())?),
        NativeType::Time => match wide()? {
            nanos if (0..DAY_NANOS).contains(&nanos) => Value::Time(nanos),
            _ => return Err(range()),
        },
        NativeType::Double | NativeType::Float => finite(digits, kind)?,
        NativeType::Decimal => decimal(digits)?,
        NativeType::Varint => Value::Varint(number::read_integer(digits).ok_or_else(range)?),
        NativeType::Ascii
        | NativeType::Blob
        | NativeType::Boolean
        | NativeType::Duration
        | NativeType::Inet
        | NativeType::Text
        | NativeType::Timeuuid
        | NativeType::Uuid => return Err(mismatch(&Literal::Integer(digits.to_owned()), kind)),
    })
}

fn from_text(text: &str, kind: NativeType, literal: &Literal) -> Result<Value, Error> {
    let malformed = |reason: &str| Error::Malformed {
        kind: kind.into(),
        reason: format!("'{}': {reason}", shorten(text)),
    };
    let number = is_integer(text);
    Ok(match kind {
        NativeType::Ascii => Value::Ascii(ascii(text.as_bytes())?.to_owned()),
        NativeType::Text => Value::Text(text.to_owned()),
        NativeType::Timestamp | NativeType::Date | NativeType::Time if number => {
            return from_integer(text, kind);
        }
        NativeType::Timestamp | NativeType::Inet if text.is_empty() => Value::Empty,
        NativeType::Timestamp => {
            Value::Timestamp(datetime::read_timestamp(text).map_err(malformed)?)
        }
        NativeType::Date => Value::Date(datetime::read_date(text).map_err(malformed)?),
        NativeType::Time => Value::Time(datetime::read_time(text).map_err(malformed)?),
        NativeType::Inet => Value::Inet(
            text.parse::<IpAddr>().map_err(|_| malformed("expected an IPv4 or IPv6 address"))?,
        ),
        NativeType::Bigint
        | NativeType::Blob
        | NativeType::Boolean
        | NativeType::Counter
        | NativeType::Decimal
        | NativeType::Double
        | NativeType::Duration
        | NativeType::Float
        | NativeType::Int
        | NativeType::Smallint
        | NativeType::Timeuuid
        | NativeType::Tinyint
        | NativeType::Uuid
        | NativeType::Varint => return Err(mismatch(literal, kind)),
    })
}

/// A number of finite digits; one too large to be finite is out of range.
fn finite(digits: &str, kind: NativeType) -> Result<Value, Error> {
    let range = || Error::Range { kind, text: shorten(digits) };
    if kind == NativeType::Float {
        let number: f32 = digits.parse().map_err(|_| range())?;
        return if number.is_finite() { Ok(Value::Float(number)) } else { Err(range()) };
    }
    let number: f64 = digits.parse().map_err(|_| range())?;
    if number.is_finite() { Ok(Value::Double(number)) } else { Err(range()) }
}

/// Exact digits.
fn decimal(digits: &str) -> Result<Value, Error> {
    let range = || Error::Range { kind: NativeType::Decimal, text: shorten(digits) };
    Decimal::parse(digits).map(Value::Decimal).ok_or_else(range)
}

/// NaN and the infinities.
fn special(number: f64, literal: &Literal, kind: NativeType) -> Result<Value, Error> {
    if kind == NativeType::Double {
        Ok(Value::Double(number))
    } else if kind == NativeType::Float {
        Ok(Value::Float(number as f32))
    } else {
        Err(mismatch(literal, kind))
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn mismatch(literal: &Literal, kind: NativeType) -> Error {
    let kind = CqlType::Native(kind);
    Error::Mismatch { given: given(literal), hint: hint(&kind), kind }
}

/// A constant, in words.
fn given(literal: &Literal) -> String {
    match literal {
        Literal::Integer(digits) => format!("the integer {}", shorten(digits)),
        Literal::Decimal(digits) => format!("the number {}", shorten(digits)),
        Literal::Text(text) => format!("the string '{}'", shorten(text)),
        Literal::Blob(_) => "a blob".to_owned(),
        Literal::Uuid(uuid) => format!("the UUID {uuid}"),
        Literal::Boolean(truth) => format!("the boolean {truth}"),
        Literal::Duration(text) => format!("the duration {}", shorten(text)),
        Literal::Nan => "NaN".to_owned(),
        Literal::Infinity | Literal::NegativeInfinity => "an infinity".to_owned(),
    }
}

/// How constants of a type are written.
fn hint(kind: &CqlType) -> Option<&'static str> {
    Some(match kind {
        CqlType::Native(native) => native_hint(*native),
        CqlType::List(_) | CqlType::Vector(..) => "lists and vectors are written [1, 2]",
        CqlType::Set(_) => "sets are written {1, 2}",
        CqlType::Map(_) => "maps are written {'one': 1, 'two': 2}",
        CqlType::Tuple(_) => "tuples are written (1, 'one')",
        CqlType::User(_) => "values of user types are written {field: value}",
    })
}

fn native_hint(kind: NativeType) -> &'static str {
    match kind {
        NativeType::Ascii | NativeType::Text => "text is written in single quotes: 'like this'",
        NativeType::Bigint
        | NativeType::Counter
        | NativeType::Int
        | NativeType::Smallint
        | NativeType::Tinyint
        | NativeType::Varint => "integers are written without quotes or point: 42",
        NativeType::Blob => "blobs are written as hexadecimal digits behind 0x: 0xcafe",
        NativeType::Boolean => "booleans are written true or false",
        NativeType::Date => "dates are written '2024-01-15'",
        NativeType::Duration => "durations are written without quotes: 1h30m or P1DT12H",
        NativeType::Decimal | NativeType::Double | NativeType::Float => {
            "numbers are written without quotes: 4.2"
        }
        NativeType::Inet => "addresses are written '192.0.2.1' or '2001:db8::1'",
        NativeType::Time => "times are written '10:30:00'",
        NativeType::Timestamp => "timestamps are written '2024-01-15 10:30:00' or in milliseconds",
        NativeType::Timeuuid | NativeType::Uuid => {
            "UUIDs are written without quotes: 123e4567-e89b-12d3-a456-426614174000"
        }
    }
}

/// At most 40 characters, so that a message stays a line.
pub(super) fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
