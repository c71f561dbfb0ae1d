//! Values with parts: bytes and constants lead back to the value, the order is total, and bytes that
//! are no value are refused.

use std::sync::Arc;

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::*;
use crate::{parser::parse_term, types::UserType, value::tests};

/// A type with parts, and without durations in keys.
fn cql_type() -> impl Strategy<Value = CqlType> {
    let natives: Vec<NativeType> =
        NativeType::ALL.into_iter().filter(|it| it.has_order()).collect();
    select(natives).prop_map(CqlType::Native).prop_recursive(3, 8, 3, |inner| {
        let one = || inner.clone().prop_map(Arc::new);
        let user = |parts: Vec<CqlType>| {
            let field = |(at, of)| (format!("Field {at}"), of);
            let fields = parts.into_iter().enumerate().map(field).collect();
            UserType { keyspace: "ks".to_owned(), name: "Own type".to_owned(), fields }
        };
        prop_oneof![
            one().prop_map(CqlType::List),
            one().prop_map(CqlType::Set),
            (inner.clone(), inner.clone()).prop_map(|both| CqlType::Map(Arc::new(both))),
            vec(inner.clone(), 1..3).prop_map(|parts| CqlType::Tuple(parts.into())),
            vec(inner.clone(), 1..3).prop_map(move |parts| CqlType::User(Arc::new(user(parts)))),
            (one(), 1_u16..4).prop_map(|(of, len)| CqlType::Vector(of, len)),
        ]
    })
}

/// A value in the form that is stored: sets and maps in order, each once.
fn value(kind: &CqlType) -> BoxedStrategy<Value> {
    let perhaps = |of: &CqlType| option::weighted(0.8, value(of)).boxed();
    let any: BoxedStrategy<Value> = match kind {
        CqlType::Native(native) => return tests::value(*native),
        CqlType::List(of) => vec(value(of), 0..3).prop_map(Value::List).boxed(),
        CqlType::Set(of) => vec(value(of), 0..3).prop_map(Value::Set).boxed(),
        CqlType::Map(of) => vec((value(&of.0), value(&of.1)), 0..3).prop_map(Value::Map).boxed(),
        CqlType::Tuple(parts) => {
            parts.iter().map(perhaps).collect::<Vec<_>>().prop_map(Value::Tuple).boxed()
        }
        CqlType::User(user) => {
            let field = |(name, of): &(String, CqlType)| (Just(name.clone()), perhaps(of));
            user.fields.iter().map(field).collect::<Vec<_>>().prop_map(Value::User).boxed()
        }
        CqlType::Vector(of, len) => {
            // A value of a fixed length is never empty there.
            let element = value(of).prop_filter("not empty", |it| *it != Value::Empty);
            vec(element, usize::from(*len)).prop_map(Value::Vector).boxed()
        }
    };
    let kind = kind.clone();
    any.prop_map(move |it| Value::decode(&kind, &it.encode()).expect("a value")).boxed()
}

fn typed() -> impl Strategy<Value = (CqlType, Value)> {
    cql_type().prop_flat_map(|kind| (Just(kind.clone()), value(&kind)))
}

proptest! {
    #[test]
    fn bytes_lead_back_to_the_value((kind, value) in typed()) {
        prop_assert_eq!(Value::decode(&kind, &value.encode()), Ok(value));
    }

    #[test]
    fn the_constant_of_a_value_means_the_value((kind, value) in typed()) {
        let text = value.to_literal();
        let term = parse_term(&text);
        prop_assert!(term.is_ok(), "{}: {:?}", text, term);
        prop_assert_eq!(Value::from_term(&term.unwrap(), &kind), Ok(Some(value)), "{}", text);
    }

    #[test]
    fn the_text_of_a_type_in_full_leads_back_to_it(kind in cql_type()) {
        prop_assert_eq!(CqlType::parse(&kind.in_full()), Ok(kind));
    }

    #[test]
    fn json_is_json((_, value) in typed()) {
        let json: Result<serde_json::Value, _> = serde_json::from_str(&value.to_json());
        prop_assert!(json.is_ok(), "{}", value.to_json());
    }

    #[test]
    fn parts_are_put_together_as_they_were_taken_apart((kind, value) in typed()) {
        let bytes = value.encode();
        if kind.native().is_none() {
            let parts = split(&kind, &bytes).unwrap();
            prop_assert_eq!(join(&kind, &parts), &bytes[..]);
            prop_assert_eq!(compose(&kind, &parts), Ok(value));
        }
    }

    #[test]
    fn the_order_is_total(
        (kind, values) in cql_type().prop_flat_map(|kind| (Just(kind.clone()), vec(value(&kind), 3)))
    ) {
        let bytes: Vec<Vec<u8>> = values.iter().map(Value::encode).collect();
        let order = |a: usize, b: usize| compare(&kind, &bytes[a], &bytes[b]);
        prop_assert_eq!(order(0, 1), order(1, 0).reverse());
        prop_assert_eq!(order(0, 0), Ordering::Equal);
        if order(0, 1).is_le() && order(1, 2).is_le() {
            prop_assert!(order(0, 2).is_le());
        }
    }

    #[test]
    fn other_bytes_are_a_value_or_refused(
        (kind, value) in typed(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
    ) {
        let mut bytes = value.encode();
        if bytes.is_empty() {
            return Ok(());
        }
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        if let Ok(other) = Value::decode(&kind, &bytes) {
            prop_assert_eq!(Value::decode(&kind, &other.encode()), Ok(other));
        }
        // Whatever they are, they can be sorted.
        prop_assert_eq!(compare(&kind, &bytes, &bytes), Ordering::Equal);
    }
}

#[test]
fn a_count_that_is_merely_claimed_takes_no_memory() {
    let kind = CqlType::List(Arc::new(NativeType::Int.into()));
    let error = Value::decode(&kind, &i32::MAX.to_be_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "invalid list<int>: it is cut short");
    assert!(split(&kind, &[0xff; 4]).is_err(), "less than none");
}

#[test]
fn only_a_list_of_an_answer_has_null_inside() {
    let kind = CqlType::List(Arc::new(NativeType::Int.into()));
    let sparse = Value::Sparse(vec![Some(Value::Int(1)), None]);
    let bytes = sparse.encode();
    assert_eq!(Value::decode_answer(&kind, &bytes), Ok(sparse.clone()));
    assert_eq!((sparse.to_literal(), sparse.to_json()), ("[1, null]".into(), "[1, null]".into()));
    assert!(Value::decode(&kind, &bytes).is_err(), "none that is stored");
    let whole = Value::List(vec![Value::Int(1), Value::Int(2)]);
    assert_eq!(Value::decode_answer(&kind, &whole.encode()), Ok(whole));
    assert!(Value::decode_answer(&kind, &bytes[..9]).is_err(), "cut short");
    assert!(Value::decode_answer(&kind, &[&bytes[..], &[0]].concat()).is_err(), "goes on");
}

#[test]
fn a_key_that_is_there_twice_has_the_later_value() {
    let kind = CqlType::Map(Arc::new((NativeType::Text.into(), NativeType::Int.into())));
    let entry = |key: &str, value| (Value::Text(key.to_owned()), Value::Int(value));
    let given = Value::Map(vec![entry("b", 1), entry("a", 2), entry("b", 3)]);
    let stored = Value::decode(&kind, &given.encode()).unwrap();
    assert_eq!(stored.to_literal(), "{'a': 2, 'b': 3}");
}
