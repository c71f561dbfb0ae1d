//! The order of serialized values: that of Cassandra's types.
//!
//! Zero bytes come first. Bytes that their type does not have are ordered too, bytewise, so that
//! a corrupt value can never break a sort.

use std::cmp::Ordering;

use super::{
    Error, nested,
    number::{Decimal, integer},
};
use crate::types::{CqlType, NativeType};

/// How two serialized values of one type compare. A total order: equal only for equal values
/// (two NaNs, two bytes for `true`, and decimals that differ in zeros at their end are the same).
/// Durations, of which no order is known, compare by their bytes: only being equal means something.
pub fn compare(kind: &CqlType, a: &[u8], b: &[u8]) -> Ordering {
    match kind {
        CqlType::Native(native) => compare_native(*native, a, b),
        CqlType::List(_)
        | CqlType::Set(_)
        | CqlType::Map(_)
        | CqlType::Tuple(_)
        | CqlType::Vector(..)
        | CqlType::User(_)
            if a.is_empty() || b.is_empty() =>
        {
            a.len().cmp(&b.len())
        }
        CqlType::List(_)
        | CqlType::Set(_)
        | CqlType::Map(_)
        | CqlType::Tuple(_)
        | CqlType::Vector(..)
        | CqlType::User(_) => nested::compare_parts(kind, a, b),
    }
}

/// As [`compare`], for a type without parts.
pub fn compare_native(kind: NativeType, a: &[u8], b: &[u8]) -> Ordering {
    if a.is_empty() || b.is_empty() {
        return a.len().cmp(&b.len());
    }
    if let Some(len) = kind.fixed_len()
        && (a.len() != len || b.len() != len)
    {
        return (a.len() != len).cmp(&(b.len() != len)).then_with(|| a.cmp(b));
    }
    match kind {
        NativeType::Ascii
        | NativeType::Text
        | NativeType::Blob
        | NativeType::Duration
        | NativeType::Inet
        | NativeType::Date => a.cmp(b),
        NativeType::Decimal => sound(Decimal::decode(a), Decimal::decode(b), a, b),
        NativeType::Varint => sound(integer(kind, a), integer(kind, b), a, b),
        NativeType::Boolean => (a != [0]).cmp(&(b != [0])),
        NativeType::Tinyint
        | NativeType::Smallint
        | NativeType::Int
        | NativeType::Bigint
        | NativeType::Counter
        | NativeType::Time
        | NativeType::Timestamp => flip(a[0]).cmp(&flip(b[0])).then_with(|| a[1..].cmp(&b[1..])),
        NativeType::Double => numbers(double(a), double(b)),
        NativeType::Float => numbers(float(a), float(b)),
        NativeType::Uuid => uuids(a, b),
        NativeType::Timeuuid => {
            let tail = |bytes: &[u8]| -> [u8; 8] { std::array::from_fn(|i| flip(bytes[8 + i])) };
            v1_time(a).cmp(&v1_time(b)).then_with(|| tail(a).cmp(&tail(b)))
        }
    }
}

/// By value, those that have none behind the others.
fn sound<T: Ord>(left: Result<T, Error>, right: Result<T, Error>, a: &[u8], b: &[u8]) -> Ordering {
    match (left, right) {
        (Ok(left), Ok(right)) => left.cmp(&right),
        (left, right) => left.is_err().cmp(&right.is_err()).then_with(|| a.cmp(b)),
    }
}

/// Makes a signed byte comparable as an unsigned one.
fn flip(byte: u8) -> u8 {
    byte ^ 0x80
}

/// As Java compares them: `-0.0` below `0.0`, all NaNs equal and above everything.
fn numbers(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.total_cmp(&b),
        (a_is_nan, b_is_nan) => a_is_nan.cmp(&b_is_nan),
    }
}

fn double(bytes: &[u8]) -> f64 {
    f64::from_be_bytes(std::array::from_fn(|i| bytes[i]))
}

/// Widened, which keeps the order and the sign of zero.
fn float(bytes: &[u8]) -> f64 {
    f64::from(f32::from_be_bytes(std::array::from_fn(|i| bytes[i])))
}

/// By version, then version 1 by time, then by bytes.
fn uuids(a: &[u8], b: &[u8]) -> Ordering {
    let version = |bytes: &[u8]| bytes[6] >> 4;
    let by_time = if version(a) == 1 { v1_time(a).cmp(&v1_time(b)) } else { Ordering::Equal };
    version(a).cmp(&version(b)).then(by_time).then_with(|| a.cmp(b))
}

/// The bytes of the time in a version 1 UUID, most significant first. The version comes first of
/// all and is the same in all of them.
fn v1_time(uuid: &[u8]) -> [u8; 8] {
    [uuid[6], uuid[7], uuid[4], uuid[5], uuid[0], uuid[1], uuid[2], uuid[3]]
}
