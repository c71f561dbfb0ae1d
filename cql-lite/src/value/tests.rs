//! Values: bytes, constants and JSON lead back to the value; the order is total and that of the
//! numbers.

use std::cmp::Ordering;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use uuid::Uuid;

use super::{BigInt, DAY_NANOS, Decimal, Duration, Value, compare_native as compare};
use crate::ast::{Literal, Statement, Term, Write};
use crate::parse;
use crate::types::NativeType;

/// A type and a value of it.
fn typed() -> impl Strategy<Value = (NativeType, Value)> {
    kind().prop_flat_map(|kind| (Just(kind), value(kind)))
}

fn kind() -> impl Strategy<Value = NativeType> {
    select(NativeType::ALL.as_slice())
}

pub(super) fn value(kind: NativeType) -> BoxedStrategy<Value> {
    let some = match kind {
        NativeType::Ascii => "[\\x00-\\x7f]{0,8}".prop_map(Value::Ascii).boxed(),
        NativeType::Text => any::<String>().prop_map(Value::Text).boxed(),
        NativeType::Blob => vec(any::<u8>(), 0..8).prop_map(Value::Blob).boxed(),
        NativeType::Int => any::<i32>().prop_map(Value::Int).boxed(),
        NativeType::Bigint | NativeType::Counter => any::<i64>().prop_map(Value::Bigint).boxed(),
        NativeType::Smallint => any::<i16>().prop_map(Value::Smallint).boxed(),
        NativeType::Tinyint => any::<i8>().prop_map(Value::Tinyint).boxed(),
        NativeType::Double => {
            any::<u64>().prop_map(|bits| Value::Double(f64::from_bits(bits))).boxed()
        }
        NativeType::Float => {
            any::<u32>().prop_map(|bits| Value::Float(f32::from_bits(bits))).boxed()
        }
        NativeType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        NativeType::Uuid => {
            any::<u128>().prop_map(|bits| Value::Uuid(Uuid::from_u128(bits))).boxed()
        }
        NativeType::Timeuuid => any::<u128>()
            .prop_map(|bits| Value::Timeuuid(Uuid::from_u128(bits & !(0xf << 76) | (1 << 76))))
            .boxed(),
        NativeType::Timestamp => prop_oneof![
            any::<i64>(),
            // The years 0 to 9999, and little beyond.
            -62_200_000_000_000..253_500_000_000_000_i64,
        ]
        .prop_map(Value::Timestamp)
        .boxed(),
        NativeType::Date => {
            prop_oneof![any::<u32>(), (1_u32 << 31) - 800_000..(1 << 31) + 3_000_000]
                .prop_map(Value::Date)
                .boxed()
        }
        NativeType::Time => (0..DAY_NANOS).prop_map(Value::Time).boxed(),
        NativeType::Inet => any::<core::net::IpAddr>().prop_map(Value::Inet).boxed(),
        NativeType::Varint => integer().prop_map(Value::Varint).boxed(),
        NativeType::Decimal => (integer(), prop_oneof![-9..30, -10_000..=10_000])
            .prop_map(|(unscaled, scale)| Value::Decimal(Decimal::new(unscaled, scale).unwrap()))
            .boxed(),
        NativeType::Duration => (any::<bool>(), 0..=i32::MAX, 0..=i32::MAX, 0..=i64::MAX)
            .prop_map(|(negative, months, days, nanos)| {
                let sign = if negative { -1 } else { 1 };
                let (months, days, nanos) = (sign * months, sign * days, i64::from(sign) * nanos);
                Value::Duration(Duration { months, days, nanos })
            })
            .boxed(),
    };
    if kind.allows_empty() { prop_oneof![9 => some, 1 => Just(Value::Empty)].boxed() } else { some }
}

fn integer() -> impl Strategy<Value = BigInt> {
    prop_oneof![any::<i8>().prop_map(BigInt::from), any::<i128>().prop_map(BigInt::from)]
}

/// Bytes that are often those of a value.
fn bytes(kind: NativeType) -> BoxedStrategy<Vec<u8>> {
    prop_oneof![
        3 => value(kind).prop_map(|value| value.encode()),
        1 => vec(any::<u8>(), 0..20),
        1 => vec(select(vec![0_u8, 1, 0x7f, 0x80, 0xff]), 0..17),
    ]
    .boxed()
}

fn literal(text: &str) -> Literal {
    match parse(&format!("INSERT INTO t (a) VALUES ({text})")) {
        Ok(Statement::Write(Write::Insert(insert))) => match insert.values.into_iter().next() {
            Some(Term::Literal(literal)) => literal.node,
            other => panic!("{text} is not a constant: {other:?}"),
        },
        other => panic!("{text}: {other:?}"),
    }
}

proptest! {
    #[test]
    fn decoding_what_is_encoded_gives_the_value_again((kind, value) in typed()) {
        prop_assert_eq!(Value::decode_native(kind, &value.encode()), Ok(value.clone()));
        // What a counter has come to is a bigint.
        let read = if kind == NativeType::Counter { NativeType::Bigint } else { kind };
        prop_assert!(value.native().is_none_or(|own| own == read));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        (kind, bytes) in kind().prop_flat_map(|kind| (Just(kind), bytes(kind)))
    ) {
        if let Ok(value) = Value::decode_native(kind, &bytes) {
            // Any byte but 0 is true, and bytes in front of an integer may say nothing.
            use NativeType::{Boolean, Decimal, Duration, Varint};
            if [Boolean, Varint, Decimal, Duration].contains(&kind) {
                prop_assert_eq!(Value::decode_native(kind, &value.encode()), Ok(value));
                return Ok(());
            }
            prop_assert_eq!(value.encode(), bytes);
        }
    }

    #[test]
    fn the_constant_of_a_value_means_the_value((kind, value) in typed()) {
        let text = value.to_literal();
        prop_assert_eq!(Value::parse_literal(&literal(&text), kind), Ok(value), "{}", text);
    }

    #[test]
    fn json_is_json_and_loses_nothing((kind, value) in typed()) {
        let json: serde_json::Value = serde_json::from_str(&value.to_json()).unwrap();
        match (&value, json) {
            (Value::Empty, serde_json::Value::String(text)) => prop_assert_eq!(text, ""),
            (Value::Text(own) | Value::Ascii(own), serde_json::Value::String(text)) => {
                prop_assert_eq!(own, &text);
            }
            (_, serde_json::Value::String(text)) => prop_assert_eq!(text, value.to_string()),
            // Not by way of serde_json's number, which is off by a bit at times.
            (_, _) => {
                let back = Value::parse_literal(&literal(&value.to_json()), kind);
                prop_assert_eq!(back, Ok(value));
            }
        }
    }

    #[test]
    fn any_constant_is_a_value_or_refused(kind in kind(), text in "[-+0-9TZ: .ez]{0,30}|.{0,12}") {
        let constants =
            [Literal::Text(text.clone()), Literal::Integer(text.clone()), Literal::Decimal(text)];
        for constant in constants {
            if let Ok(value) = Value::parse_literal(&constant, kind) {
                prop_assert_eq!(Value::decode_native(kind, &value.encode()), Ok(value));
            }
        }
    }

    #[test]
    fn the_order_is_total(
        (kind, a, b, c) in kind().prop_flat_map(|kind| {
            (Just(kind), bytes(kind), bytes(kind), bytes(kind))
        })
    ) {
        let order = |a: &[u8], b: &[u8]| compare(kind, a, b);
        prop_assert_eq!(order(&a, &a), Ordering::Equal);
        prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
        if order(&a, &b).is_le() && order(&b, &c).is_le() {
            prop_assert!(order(&a, &c).is_le(), "{:?} {:?} {:?}", a, b, c);
        }
        if let (Ok(x), Ok(y)) = (Value::decode_native(kind, &a), Value::decode_native(kind, &b)) {
            prop_assert_eq!(order(&a, &b) == Ordering::Equal, x == y);
        }
        if !a.is_empty() {
            prop_assert_eq!(order(&[], &a), Ordering::Less);
        }
    }

    #[test]
    fn numbers_compare_as_numbers(a in any::<i64>(), b in any::<i64>()) {
        let order = |kind, a: Value, b: Value| compare(kind, &a.encode(), &b.encode());
        let (x, y) = (Value::Bigint, Value::Timestamp);
        prop_assert_eq!(order(NativeType::Bigint, x(a), x(b)), a.cmp(&b));
        prop_assert_eq!(order(NativeType::Timestamp, y(a), y(b)), a.cmp(&b));
        let (x, y) = (a as i32, b as i32);
        prop_assert_eq!(order(NativeType::Int, Value::Int(x), Value::Int(y)), x.cmp(&y));
        let (x, y) = (a as i16, b as i16);
        prop_assert_eq!(
            order(NativeType::Smallint, Value::Smallint(x), Value::Smallint(y)), x.cmp(&y)
        );
        let (x, y) = (a as i8, b as i8);
        prop_assert_eq!(order(NativeType::Tinyint, Value::Tinyint(x), Value::Tinyint(y)), x.cmp(&y));
        let (x, y) = (a as u32, b as u32);
        prop_assert_eq!(order(NativeType::Date, Value::Date(x), Value::Date(y)), x.cmp(&y));
    }

    #[test]
    fn finite_numbers_compare_as_numbers(a in -1e6..1e6_f64, b in -1e6..1e6_f64) {
        let order = |kind, a: Value, b: Value| compare(kind, &a.encode(), &b.encode());
        let (x, y) = (Value::Double, Value::Float);
        prop_assert_eq!(order(NativeType::Double, x(a), x(b)), a.partial_cmp(&b).unwrap());
        let (c, d) = (a as f32, b as f32);
        prop_assert_eq!(order(NativeType::Float, y(c), y(d)), c.partial_cmp(&d).unwrap());
    }
}

#[test]
fn all_nans_are_one_value_and_the_greatest() {
    let quiet = f64::NAN.to_be_bytes();
    let other = f64::from_bits(0xfff8_0000_0000_0001).to_be_bytes();
    let infinity = f64::INFINITY.to_be_bytes();
    assert_eq!(compare(NativeType::Double, &quiet, &other), Ordering::Equal);
    assert_eq!(compare(NativeType::Double, &other, &infinity), Ordering::Greater);
    assert_eq!(
        Value::decode_native(NativeType::Double, &quiet),
        Value::decode_native(NativeType::Double, &other),
        "equal although their bytes differ"
    );
    assert_ne!(Value::Double(0.0), Value::Double(-0.0));
}

/// Cassandra compares the last eight bytes of a timeuuid as signed ones, those of a uuid not.
#[test]
fn timeuuids_of_one_time_differ_from_uuids() {
    let low = Uuid::from_u128(0x0000_0000_0000_1000_0100_0000_0000_0000).into_bytes();
    let high = Uuid::from_u128(0x0000_0000_0000_1000_8000_0000_0000_0000).into_bytes();
    assert_eq!(compare(NativeType::Uuid, &low, &high), Ordering::Less);
    assert_eq!(compare(NativeType::Timeuuid, &low, &high), Ordering::Greater);
}

#[test]
fn wrong_bytes_are_refused_in_words() {
    let refused = |kind, bytes: &[u8]| Value::decode_native(kind, bytes).unwrap_err().to_string();
    assert_eq!(refused(NativeType::Int, &[0, 0, 1]), "an int is 4 bytes, not 3");
    assert_eq!(refused(NativeType::Tinyint, &[]), "a tinyint is 1 byte, not 0");
    assert_eq!(refused(NativeType::Inet, &[1; 5]), "an inet is 4 or 16 bytes, not 5");
    assert_eq!(refused(NativeType::Text, b"caf\xe9"), "invalid text: not UTF-8 from byte 3 on");
    assert_eq!(refused(NativeType::Ascii, "é".as_bytes()), "invalid ascii: byte 0 is not ASCII");
    assert_eq!(refused(NativeType::Time, &[0xff; 8]), "-1 is out of range for time");
    assert!(refused(NativeType::Timeuuid, &[0x44; 16]).ends_with("of version 4, not 1"));
}
