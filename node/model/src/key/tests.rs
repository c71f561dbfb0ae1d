//! The key codec against the CQL comparison of every type.

use super::*;
use crate::documented;
use cql_lite::types::{NativeType, UserType};
use cql_lite::value::compare;
use cql_lite::value::{BigInt, Decimal, Value};
use proptest::{collection::vec, prelude::*, sample::select};
use std::cmp::Ordering;
use std::sync::Arc;

/// The serialized components of a key.
type Key = Vec<Vec<u8>>;

const ORDERS: [Order; 2] = [Order::Asc, Order::Desc];

/// Serialized values of a type: extremes, neighbors and ties more often than chance would.
fn value(native: NativeType) -> BoxedStrategy<Vec<u8>> {
    let byte = prop_oneof![select(vec![0x00, 0x01, 0x02, 0x7F, 0x80, 0xFE, 0xFF]), any::<u8>()];
    match native {
        NativeType::Ascii => "[\u{0}-\u{7f}]{0,5}".prop_map(String::into_bytes).boxed(),
        NativeType::Text => ".{0,5}".prop_map(String::into_bytes).boxed(),
        NativeType::Blob => vec(byte, 0..6).boxed(),
        NativeType::Inet => prop_oneof![vec(byte.clone(), 4), vec(byte, 16)].boxed(),
        NativeType::Boolean => select(vec![vec![0], vec![1]]).boxed(),
        NativeType::Double => prop_oneof![
            select(vec![0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, f64::MIN_POSITIVE]),
            any::<f64>().prop_filter("one NaN is enough", |it| !it.is_nan())
        ]
        .prop_map(|it| it.to_be_bytes().to_vec())
        .boxed(),
        NativeType::Float => prop_oneof![
            select(vec![0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MIN_POSITIVE]),
            any::<f32>().prop_filter("one NaN is enough", |it| !it.is_nan())
        ]
        .prop_map(|it| it.to_be_bytes().to_vec())
        .boxed(),
        NativeType::Time => {
            (0..86_400_000_000_000_u64).prop_map(|it| it.to_be_bytes().to_vec()).boxed()
        }
        NativeType::Uuid => vec(byte, 16).boxed(),
        NativeType::Timeuuid => vec(byte, 16)
            .prop_map(|mut it| {
                it[6] = 0x10 | it[6] & 0x0F;
                it
            })
            .boxed(),
        NativeType::Tinyint => vec(byte, 1).boxed(),
        NativeType::Smallint => vec(byte, 2).boxed(),
        NativeType::Int | NativeType::Date => vec(byte, 4).boxed(),
        NativeType::Bigint | NativeType::Timestamp => vec(byte, 8).boxed(),
        NativeType::Varint => integer().prop_map(|it| Value::Varint(it).encode()).boxed(),
        // With as few zeros at its end as may be: what a key gives back.
        NativeType::Decimal => (integer(), -9..30_i32)
            .prop_map(|(unscaled, scale)| {
                let (sign, first, digits) = Decimal::new(unscaled, scale).unwrap().parts();
                let decimal = Decimal::from_parts(sign, first, &digits).unwrap();
                Value::Decimal(decimal).encode()
            })
            .boxed(),
        NativeType::Counter | NativeType::Duration => unreachable!("no key has one"),
    }
}

/// The types that a key can have.
fn ordered() -> Vec<NativeType> {
    NativeType::ALL.into_iter().filter(|it| it.has_order() && *it != NativeType::Counter).collect()
}

fn integer() -> impl Strategy<Value = BigInt> {
    prop_oneof![any::<i8>().prop_map(BigInt::from), any::<i128>().prop_map(BigInt::from)]
}

/// A value, or the empty one where the type has it.
fn component(cql_type: &CqlType) -> BoxedStrategy<Vec<u8>> {
    let Some(native) = cql_type.native() else { return nested(cql_type) };
    if native.allows_empty() {
        prop_oneof![1 => Just(Vec::new()), 9 => value(native)].boxed()
    } else {
        value(native)
    }
}

/// A value of a type with parts, in the form that is stored.
fn nested(cql_type: &CqlType) -> BoxedStrategy<Vec<u8>> {
    let cql_type = cql_type.clone();
    let part = |of: &CqlType| component(of).prop_map(Some).boxed();
    let many = |of: &CqlType| vec(part(of), 0..4).boxed();
    let parts: BoxedStrategy<Vec<Option<Vec<u8>>>> = match &cql_type {
        CqlType::List(of) | CqlType::Set(of) => many(of),
        // A value of a fixed length is never empty there.
        CqlType::Vector(of, len) => {
            let part = match of.native() {
                Some(native) => value(native).prop_map(Some).boxed(),
                None => part(of),
            };
            vec(part, usize::from(*len)).boxed()
        }
        CqlType::Map(of) => {
            let pairs = vec((part(&of.0), part(&of.1)), 0..3);
            pairs.prop_map(|all| all.into_iter().flat_map(|(k, v)| [k, v]).collect()).boxed()
        }
        CqlType::Native(_) | CqlType::Tuple(_) | CqlType::User(_) => cql_type
            .parts()
            .into_iter()
            .map(|of| prop_oneof![1 => Just(None), 3 => part(of)].boxed())
            .collect::<Vec<_>>()
            .boxed(),
    };
    parts
        .prop_map(move |parts| {
            let parts: Vec<Option<&[u8]>> = parts.iter().map(Option::as_deref).collect();
            let joined = cql_lite::value::join(&cql_type, &parts);
            Value::decode(&cql_type, &joined).expect("a value").encode()
        })
        .boxed()
}

fn any_type() -> impl Strategy<Value = CqlType> {
    select(ordered()).prop_map(CqlType::Native).prop_recursive(2, 6, 2, |inner| {
        let one = || inner.clone().prop_map(Arc::new);
        let user = |parts: Vec<CqlType>| UserType {
            keyspace: "ks".into(),
            name: "own".into(),
            fields: parts.into_iter().enumerate().map(|(at, of)| (format!("f{at}"), of)).collect(),
        };
        prop_oneof![
            one().prop_map(CqlType::List),
            one().prop_map(CqlType::Set),
            (inner.clone(), inner.clone()).prop_map(|both| CqlType::Map(Arc::new(both))),
            vec(inner.clone(), 1..3).prop_map(|parts| CqlType::Tuple(parts.into())),
            vec(inner.clone(), 1..3).prop_map(move |parts| CqlType::User(Arc::new(user(parts)))),
            (one(), 1_u16..3).prop_map(|(of, len)| CqlType::Vector(of, len)),
        ]
    })
}

fn columns() -> impl Strategy<Value = Vec<(CqlType, Order)>> {
    vec((any_type(), select(&ORDERS[..])), 1..4)
}

/// Some columns and several keys of them.
fn keys(count: usize) -> impl Strategy<Value = (Vec<(CqlType, Order)>, Vec<Key>)> {
    columns().prop_flat_map(move |columns| {
        let key: Vec<_> = columns.iter().map(|(cql_type, _)| component(cql_type)).collect();
        (Just(columns), vec(key, count))
    })
}

fn decode(columns: &[(CqlType, Order)], key: &[u8]) -> Result<Vec<Bytes>, Error> {
    // What was in it before is no part of the outcome.
    let mut components = Components { bytes: vec![7], ends: smallvec::smallvec![1] };
    decode_clustering(types(columns), key, &mut components)?;
    let all = (0..).map_while(|at| components.get(at));
    Ok(all.map(Bytes::copy_from_slice).collect())
}

fn encode(columns: &[(CqlType, Order)], key: &[Vec<u8>]) -> Bytes {
    let components: Vec<&[u8]> = key.iter().map(Vec::as_slice).collect();
    encode_clustering(types(columns), &components).expect("valid components")
}

fn expected(columns: &[(CqlType, Order)], a: &[Vec<u8>], b: &[Vec<u8>]) -> Ordering {
    let each = columns.iter().zip(a.iter().zip(b));
    each.map(|((cql_type, order), (a, b))| match order {
        Order::Asc => compare(cql_type, a, b),
        Order::Desc => compare(cql_type, b, a),
    })
    .find(|it| it.is_ne())
    .unwrap_or(Ordering::Equal)
}

const DOCUMENT: &str = include_str!("../../../../docs/formats/keys.md");

#[test]
fn the_documented_components_are_those_written() {
    let mut count = 0;
    for line in documented::block(DOCUMENT, "components") {
        let mut words = line.split_whitespace();
        let mut word = || words.next().expect("four columns");
        let cql_type = CqlType::parse(word()).expect("a type");
        let order = if word() == "desc" { Order::Desc } else { Order::Asc };
        let value = documented::hex(&word().replace('-', ""));
        let encoded = Bytes::from(documented::hex(&words.collect::<String>()));
        let columns = [(cql_type, order)];
        let written = encode_clustering(types(&columns), &[&value]).expect("valid");
        assert_eq!(format!("{:02x?}", &written[..]), format!("{:02x?}", &encoded[..]), "{line}");
        assert_eq!(decode(&columns, &encoded), Ok(vec![value.into()]), "{line}");
        count += 1;
    }
    assert!(NativeType::ALL.len() <= count);
}

#[test]
fn a_partition_key_is_what_drivers_hash() {
    let key = compose(&[b"user-1", &[0, 0, 0, 7]]);
    let expected = documented::hex("00 06 75 73 65 72 2d 31 00  00 04 00 00 00 07 00");
    assert_eq!(key, Ok(expected.into()));
    assert_eq!(compose(&[b"user-1"]), Ok(Bytes::from_static(b"user-1")));
}

#[test]
fn equal_values_of_several_forms_are_one_key() {
    let columns =
        [(NativeType::Double.into(), Order::Asc), (NativeType::Boolean.into(), Order::Desc)];
    let odd_nan = 0xFFF8_0000_0000_0001_u64.to_be_bytes();
    let even_nan = f64::NAN.to_bits().to_be_bytes();
    let key = encode_clustering(types(&columns), &[&odd_nan, &[7]]);
    assert_eq!(key, encode_clustering(types(&columns), &[&even_nan, &[1]]));
    let decoded = decode(&columns, &key.expect("valid"));
    assert_eq!(decoded, Ok(vec![Bytes::copy_from_slice(&even_nan), Bytes::from_static(&[1])]));
}

#[test]
fn keys_have_limits() {
    let long = vec![b'a'; 65_536];
    let longest = &long[1..];
    let columns = [(NativeType::Text.into(), Order::Asc)];
    assert!(encode_clustering(types(&columns), &[longest]).is_ok());
    let error = Err(Error::TooLong { bytes: 65_536, max: 65_535 });
    assert_eq!(encode_clustering(types(&columns), &[&long]), error);
    assert_eq!(compose(&[longest]).map(|it| it.len()), Ok(65_535));
    assert_eq!(compose(&[&long]), error);
    assert_eq!(compose(&[&long, b""]), error);
    assert_eq!(compose(&[longest, b""]), Err(Error::TooLong { bytes: 65_541, max: 65_535 }));
    assert_eq!(compose(&[b""]), Err(Error::Empty));
    assert_eq!(encode_clustering(types(&columns), &[b"a", b"b"]), Err(Error::Malformed(1)));
    assert_eq!(
        encode_clustering(types(&[(NativeType::Int.into(), Order::Asc)]), &[b"abc"]),
        Err(Error::Malformed(0))
    );
}

proptest! {
    #[test]
    fn bytes_compare_as_values_do((columns, keys) in keys(2)) {
        let (a, b) = (encode(&columns, &keys[0]), encode(&columns, &keys[1]));
        prop_assert_eq!(a.cmp(&b), expected(&columns, &keys[0], &keys[1]));
    }

    #[test]
    fn each_type_keeps_its_order_both_ways(
        (cql_type, a, b) in select(ordered())
            .prop_map(CqlType::Native)
            .prop_flat_map(|it| (Just(it.clone()), component(&it), component(&it)))
    ) {
        for order in ORDERS {
            let columns = [(cql_type.clone(), order)];
            let (a, b) = ([a.clone()], [b.clone()]);
            let compared = encode(&columns, &a).cmp(&encode(&columns, &b));
            prop_assert_eq!(compared, expected(&columns, &a, &b));
        }
    }

    #[test]
    fn keys_and_prefixes_are_decoded_as_they_were((columns, keys) in keys(1), len in 0_usize..4) {
        let prefix = &keys[0][..len.min(columns.len())];
        let encoded = encode(&columns, prefix);
        let expected: Vec<Bytes> = prefix.iter().map(|it| it.clone().into()).collect();
        prop_assert_eq!(decode(&columns, &encoded), Ok(expected));
    }

    #[test]
    fn leads_leave_room_for_bounds((columns, keys) in keys(1)) {
        for ((cql_type, order), component) in columns.iter().zip(&keys[0]) {
            let lead = encode(&[(cql_type.clone(), *order)], std::slice::from_ref(component))[0];
            prop_assert!((0x01..=0xFE).contains(&lead));
        }
    }

    /// Between `before` and `after` of a prefix lie the keys that begin with it, and no others.
    #[test]
    fn bounds_enclose_what_begins_with_the_prefix(
        (columns, keys) in keys(2), len in 0_usize..4, shared in 0_usize..4
    ) {
        let len = len.min(columns.len());
        let prefix = encode(&columns, &keys[0][..len]);
        let slice = Slice { start: before(&prefix), end: after(&prefix) };
        let mut other = keys[1].clone();
        let shared = shared.min(columns.len());
        other[..shared].clone_from_slice(&keys[0][..shared]);
        let begins = expected(&columns[..len], &keys[0], &other).is_eq();
        prop_assert_eq!(slice.contains(&Clustering(encode(&columns, &other))), begins);
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(columns in columns(), bytes in vec(any::<u8>(), 0..40)) {
        if let Ok(components) = decode(&columns, &bytes) {
            let components: Vec<Vec<u8>> = components.iter().map(|it| it.to_vec()).collect();
            let again = encode(&columns, &components);
            prop_assert_eq!(decode(&columns, &again).map(|it| it.len()), Ok(components.len()));
        }
    }

    #[test]
    fn partition_keys_are_taken_apart_again(components in vec(vec(any::<u8>(), 0..5), 1..4)) {
        let slices: Vec<&[u8]> = components.iter().map(Vec::as_slice).collect();
        let key = match compose(&slices) {
            Ok(key) => key,
            Err(error) => {
                prop_assert_eq!((error, slices), (Error::Empty, vec![&b""[..]]));
                return Ok(());
            }
        };
        let expected: Vec<Bytes> = components.iter().map(|it| it.clone().into()).collect();
        prop_assert_eq!(decompose(&key, components.len()), Ok(expected));
    }

    #[test]
    fn any_bytes_are_taken_apart_or_refused(bytes in vec(0_u8..4, 0..12), count in 2_usize..4) {
        if let Ok(components) = decompose(&bytes.clone().into(), count) {
            let slices: Vec<&[u8]> = components.iter().map(|it| &it[..]).collect();
            prop_assert_eq!(compose(&slices), Ok(bytes.into()));
        }
    }
}
