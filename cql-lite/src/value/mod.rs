//! Values of every type: as bytes, as literals, as text for people, as JSON, and their order.
//!
//! The bytes are those of the CQL native protocol v4, which is also what replicas store.

mod datetime;
pub(crate) mod duration;
mod literal;
mod nested;
mod number;
mod order;
mod show;
pub(crate) use self::show::quote;
#[cfg(test)]
mod tests;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use uuid::Uuid;

pub use self::{
    duration::Duration,
    literal::{mismatched, parts},
    nested::{compose, join, part_type, split},
    number::{BYTES_MAX as NUMBER_BYTES_MAX, Decimal},
    order::{compare, compare_native},
};
pub use num_bigint::{BigInt, Sign};

use crate::types::{CqlType, NativeType};

/// A value that is not null.
///
/// Values are equal when their bytes are, except that all NaNs are equal, and decimals that differ
/// in zeros at their end: so `-0.0 != 0.0`, as a double, and `1.0 == 1.00`, as a decimal.
#[derive(Clone, Debug)]
pub enum Value {
    /// 7-bit characters.
    Ascii(String),
    /// UTF-8.
    Text(String),
    /// 32 bits.
    Int(i32),
    /// 64 bits; also what a counter has come to.
    Bigint(i64),
    /// 16 bits.
    Smallint(i16),
    /// 8 bits.
    Tinyint(i8),
    /// 64 bits.
    Double(f64),
    /// 32 bits.
    Float(f32),
    /// True or false.
    Boolean(bool),
    /// Any bytes.
    Blob(Vec<u8>),
    /// Any UUID.
    Uuid(Uuid),
    /// A version 1 UUID.
    Timeuuid(Uuid),
    /// Milliseconds since 1970-01-01 UTC.
    Timestamp(i64),
    /// Days; 1970-01-01 is 2^31.
    Date(u32),
    /// Nanoseconds since midnight, 0 to 86,399,999,999,999.
    Time(i64),
    /// An address.
    Inet(IpAddr),
    /// Digits with a point.
    Decimal(Decimal),
    /// An integer of any length.
    Varint(BigInt),
    /// Months, days and nanoseconds.
    Duration(Duration),
    /// Zero bytes where the type is not a string: neither null nor any other value.
    Empty,
    /// Values in an order of their own.
    List(Vec<Value>),
    /// Values, each once. What is decoded is in the order of their type.
    Set(Vec<Value>),
    /// Keys, each once, and their values. What is decoded is in the order of the keys' type.
    Map(Vec<(Value, Value)>),
    /// One of each type of a tuple, any of them perhaps null.
    Tuple(Vec<Option<Value>>),
    /// The fields of a user type by their names, any of them perhaps null. Fields that the value
    /// does not have, because they were added later, are null.
    User(Vec<(String, Option<Value>)>),
    /// As many as the type has.
    Vector(Vec<Value>),
    /// A list of which some are null: only answers have one, as those of `ttl()`.
    Sparse(Vec<Option<Value>>),
}

/// A value that its type does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Serialized with the wrong number of bytes.
    #[error("{} {kind} is {expected}, not {actual}", article(kind))]
    Length {
        /// The type.
        kind: NativeType,
        /// What the type asks for.
        expected: &'static str,
        /// How many there were.
        actual: usize,
    },
    /// Bytes of the right number that mean nothing.
    #[error("invalid {kind}: {reason}")]
    Malformed {
        /// The type.
        kind: CqlType,
        /// What is wrong.
        reason: String,
    },
    /// A number beyond the type's limits.
    #[error("{text} is out of range for {kind}")]
    Range {
        /// The type.
        kind: NativeType,
        /// The number as written.
        text: String,
    },
    /// A constant of another kind.
    #[error("{} {kind} cannot be written as {given}", article(kind))]
    Mismatch {
        /// The type.
        kind: CqlType,
        /// What was written, such as `the string 'x'`.
        given: String,
        /// How it is written instead.
        hint: Option<&'static str>,
    },
}

impl Error {
    /// What to write instead, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Error::Mismatch { hint, .. } => *hint,
            Error::Length { .. } | Error::Malformed { .. } | Error::Range { .. } => None,
        }
    }
}

impl Value {
    /// The native type; none for `Empty`, which many types have, and for what has parts.
    pub fn native(&self) -> Option<NativeType> {
        Some(match self {
            Value::Ascii(_) => NativeType::Ascii,
            Value::Text(_) => NativeType::Text,
            Value::Int(_) => NativeType::Int,
            Value::Bigint(_) => NativeType::Bigint,
            Value::Smallint(_) => NativeType::Smallint,
            Value::Tinyint(_) => NativeType::Tinyint,
            Value::Double(_) => NativeType::Double,
            Value::Float(_) => NativeType::Float,
            Value::Boolean(_) => NativeType::Boolean,
            Value::Blob(_) => NativeType::Blob,
            Value::Uuid(_) => NativeType::Uuid,
            Value::Timeuuid(_) => NativeType::Timeuuid,
            Value::Timestamp(_) => NativeType::Timestamp,
            Value::Date(_) => NativeType::Date,
            Value::Time(_) => NativeType::Time,
            Value::Inet(_) => NativeType::Inet,
            Value::Decimal(_) => NativeType::Decimal,
            Value::Varint(_) => NativeType::Varint,
            Value::Duration(_) => NativeType::Duration,
            Value::Empty
            | Value::List(_)
            | Value::Set(_)
            | Value::Map(_)
            | Value::Tuple(_)
            | Value::User(_)
            | Value::Vector(_)
            | Value::Sparse(_) => return None,
        })
    }

    /// The serialized form.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Value::Ascii(text) | Value::Text(text) => text.as_bytes().to_vec(),
            Value::Int(number) => number.to_be_bytes().to_vec(),
            Value::Bigint(number) | Value::Timestamp(number) | Value::Time(number) => {
                number.to_be_bytes().to_vec()
            }
            Value::Smallint(number) => number.to_be_bytes().to_vec(),
            Value::Tinyint(number) => number.to_be_bytes().to_vec(),
            Value::Double(number) => number.to_be_bytes().to_vec(),
            Value::Float(number) => number.to_be_bytes().to_vec(),
            Value::Boolean(truth) => vec![u8::from(*truth)],
            Value::Blob(bytes) => bytes.clone(),
            Value::Uuid(uuid) | Value::Timeuuid(uuid) => uuid.as_bytes().to_vec(),
            Value::Date(days) => days.to_be_bytes().to_vec(),
            Value::Inet(IpAddr::V4(address)) => address.octets().to_vec(),
            Value::Inet(IpAddr::V6(address)) => address.octets().to_vec(),
            Value::Decimal(number) => number.encode(),
            Value::Varint(number) => number.to_signed_bytes_be(),
            Value::Duration(duration) => duration.encode(),
            Value::Empty => Vec::new(),
            Value::List(all) | Value::Set(all) => nested::encode_all(all),
            Value::Map(all) => nested::encode_map(all),
            Value::Tuple(parts) => nested::encode_parts(parts.iter().map(Option::as_ref)),
            Value::User(fields) => {
                nested::encode_parts(fields.iter().map(|(_, value)| value.as_ref()))
            }
            Value::Vector(all) => nested::encode_vector(all),
            Value::Sparse(all) => nested::encode_sparse(all),
        }
    }

    /// The value of this type that has these bytes. Checks everything that the type promises:
    /// length, UTF-8, the version of a timeuuid, the range of a time.
    ///
    /// A set or a map comes in the order of its type and with each once, of keys that are there twice
    /// the later one: what is encoded again is the form that replicas store.
    pub fn decode(kind: &CqlType, bytes: &[u8]) -> Result<Value, Error> {
        match kind {
            CqlType::Native(native) => Value::decode_native(*native, bytes),
            CqlType::List(_)
            | CqlType::Set(_)
            | CqlType::Map(_)
            | CqlType::Tuple(_)
            | CqlType::Vector(..)
            | CqlType::User(_) => nested::decode(kind, bytes),
        }
    }

    /// As [`decode`](Self::decode), of an answer: some values of a list may be null there.
    pub fn decode_answer(kind: &CqlType, bytes: &[u8]) -> Result<Value, Error> {
        match kind {
            CqlType::List(of) => nested::decode_sparse(kind, of, bytes),
            CqlType::Native(_)
            | CqlType::Set(_)
            | CqlType::Map(_)
            | CqlType::Tuple(_)
            | CqlType::Vector(..)
            | CqlType::User(_) => Value::decode(kind, bytes),
        }
    }

    /// Whether [`decode_native`](Self::decode_native) takes these bytes: the same errors, and text and blobs
    /// are not copied to find out.
    pub fn check_native(kind: NativeType, bytes: &[u8]) -> Result<(), Error> {
        match kind {
            NativeType::Ascii => ascii(bytes).map(drop),
            NativeType::Text => utf8(bytes).map(drop),
            NativeType::Blob => Ok(()),
            NativeType::Bigint
            | NativeType::Boolean
            | NativeType::Counter
            | NativeType::Date
            | NativeType::Decimal
            | NativeType::Double
            | NativeType::Duration
            | NativeType::Float
            | NativeType::Inet
            | NativeType::Int
            | NativeType::Smallint
            | NativeType::Time
            | NativeType::Timestamp
            | NativeType::Timeuuid
            | NativeType::Tinyint
            | NativeType::Uuid
            | NativeType::Varint => Value::decode_native(kind, bytes).map(drop),
        }
    }

    /// As [`decode`](Self::decode), for a type without parts.
    pub fn decode_native(kind: NativeType, bytes: &[u8]) -> Result<Value, Error> {
        if bytes.is_empty() && kind.allows_empty() {
            return Ok(Value::Empty);
        }
        Ok(match kind {
            NativeType::Ascii => Value::Ascii(ascii(bytes)?.to_owned()),
            NativeType::Text => Value::Text(utf8(bytes)?.to_owned()),
            NativeType::Blob => Value::Blob(bytes.to_vec()),
            NativeType::Int => Value::Int(i32::from_be_bytes(fixed(kind, "4 bytes", bytes)?)),
            NativeType::Bigint | NativeType::Counter => {
                Value::Bigint(i64::from_be_bytes(fixed(kind, "8 bytes", bytes)?))
            }
            NativeType::Smallint => {
                Value::Smallint(i16::from_be_bytes(fixed(kind, "2 bytes", bytes)?))
            }
            NativeType::Tinyint => Value::Tinyint(i8::from_be_bytes(fixed(kind, "1 byte", bytes)?)),
            NativeType::Double => Value::Double(f64::from_be_bytes(fixed(kind, "8 bytes", bytes)?)),
            NativeType::Float => Value::Float(f32::from_be_bytes(fixed(kind, "4 bytes", bytes)?)),
            NativeType::Boolean => Value::Boolean(fixed::<1>(kind, "1 byte", bytes)? != [0]),
            NativeType::Uuid => Value::Uuid(Uuid::from_bytes(fixed(kind, "16 bytes", bytes)?)),
            NativeType::Timeuuid => {
                Value::Timeuuid(version_1(Uuid::from_bytes(fixed(kind, "16 bytes", bytes)?))?)
            }
            NativeType::Timestamp => {
                Value::Timestamp(i64::from_be_bytes(fixed(kind, "8 bytes", bytes)?))
            }
            NativeType::Date => Value::Date(u32::from_be_bytes(fixed(kind, "4 bytes", bytes)?)),
            NativeType::Time => {
                Value::Time(in_a_day(i64::from_be_bytes(fixed(kind, "8 bytes", bytes)?))?)
            }
            NativeType::Inet => Value::Inet(address(bytes)?),
            NativeType::Decimal => Value::Decimal(Decimal::decode(bytes)?),
            NativeType::Varint => Value::Varint(number::integer(kind, bytes)?),
            NativeType::Duration => Value::Duration(Duration::decode(bytes)?),
        })
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Value::Double(a), Value::Double(b)) => {
                a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
            }
            (Value::Float(a), Value::Float(b)) => {
                a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
            }
            (Value::Decimal(a), Value::Decimal(b)) => a == b,
            (Value::List(a), Value::List(b))
            | (Value::Set(a), Value::Set(b))
            | (Value::Vector(a), Value::Vector(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => a == b,
            (Value::Tuple(a), Value::Tuple(b)) | (Value::Sparse(a), Value::Sparse(b)) => a == b,
            (Value::User(a), Value::User(b)) => a == b,
            (a, b) => match (a.native(), b.native()) {
                (Some(ours), Some(theirs)) => ours == theirs && a.encode() == b.encode(),
                _ => matches!((a, b), (Value::Empty, Value::Empty)),
            },
        }
    }
}

impl Eq for Value {}

fn article(kind: &impl std::fmt::Display) -> &'static str {
    if kind.to_string().starts_with(['a', 'i']) { "an" } else { "a" }
}

/// Nanoseconds in a day: the end of `time`, exclusive.
const DAY_NANOS: i64 = 86_400_000_000_000;

fn fixed<const N: usize>(
    kind: NativeType,
    expected: &'static str,
    bytes: &[u8],
) -> Result<[u8; N], Error> {
    bytes.try_into().map_err(|_| Error::Length { kind, expected, actual: bytes.len() })
}

fn ascii(bytes: &[u8]) -> Result<&str, Error> {
    let kind = NativeType::Ascii;
    match bytes.iter().position(|byte| !byte.is_ascii()) {
        Some(at) => {
            Err(Error::Malformed { kind: kind.into(), reason: format!("byte {at} is not ASCII") })
        }
        None => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Error> {
    str::from_utf8(bytes).map_err(|error| Error::Malformed {
        kind: NativeType::Text.into(),
        reason: format!("not UTF-8 from byte {} on", error.valid_up_to()),
    })
}

fn version_1(uuid: Uuid) -> Result<Uuid, Error> {
    match uuid.get_version_num() {
        1 => Ok(uuid),
        other => Err(Error::Malformed {
            kind: NativeType::Timeuuid.into(),
            reason: format!("{uuid} is a UUID of version {other}, not 1"),
        }),
    }
}

fn in_a_day(nanos: i64) -> Result<i64, Error> {
    if (0..DAY_NANOS).contains(&nanos) {
        Ok(nanos)
    } else {
        Err(Error::Range { kind: NativeType::Time, text: nanos.to_string() })
    }
}

fn address(bytes: &[u8]) -> Result<IpAddr, Error> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Ok(IpAddr::V4(Ipv4Addr::from(octets)));
    }
    fixed::<16>(NativeType::Inet, "4 or 16 bytes", bytes)
        .map(|octets| IpAddr::V6(Ipv6Addr::from(octets)))
}
