//! Values fitted to the types of parameters.

use std::collections::{BTreeMap, BTreeSet};

use cql_lite::types::{CqlType, NativeType};
use cql_lite::value::Value;
use proptest::prelude::*;
use uuid::Uuid;

use crate::fake::{column, wire};
use crate::row::Column;
use crate::{Bind, Bound, CqlTimestamp, ToValue, Unset, Values};

fn parameters(types: &[&str]) -> Vec<Column> {
    let names = ["a", "b", "c", "d"];
    types.iter().zip(names).map(|(kind, name)| Column::from(column(name, kind))).collect()
}

/// What the node reads from the bytes of one value.
fn fitted(value: impl ToValue, kind: NativeType) -> Result<Value, String> {
    let bound = (value,).into_bound().fit(&parameters(&[kind.name()]));
    let bytes = match bound.map_err(|error| error.to_string())?.remove(0).kind {
        Some(wire::bound_value::Kind::Value(bytes)) => bytes,
        other => panic!("{other:?}"),
    };
    Ok(Value::decode_native(kind, &bytes).unwrap())
}

#[test]
fn integers_fit_where_they_are_in_range() {
    assert_eq!(fitted(7_i64, NativeType::Tinyint), Ok(Value::Tinyint(7)));
    assert_eq!(fitted(7_i8, NativeType::Bigint), Ok(Value::Bigint(7)));
    assert_eq!(fitted(7_i32, NativeType::Double), Ok(Value::Double(7.0)));
    assert_eq!(
        fitted(1_700_000_000_000_i64, NativeType::Timestamp),
        Ok(Value::Timestamp(1_700_000_000_000))
    );
    assert_eq!(
        fitted(300_i32, NativeType::Tinyint).unwrap_err(),
        "error[HX2004]: parameter `a` is of type tinyint, which this i32 does not fit"
    );
    assert!(fitted(i64::MAX, NativeType::Double).is_err(), "would be rounded");
}

#[test]
fn a_counter_takes_what_a_bigint_takes() {
    assert_eq!(fitted(i64::MIN, NativeType::Counter), Ok(Value::Bigint(i64::MIN)));
    assert_eq!(fitted(-3_i8, NativeType::Counter), Ok(Value::Bigint(-3)));
    assert!(fitted(1.5, NativeType::Counter).is_err());
    assert!(fitted("1", NativeType::Counter).is_err());
}

#[test]
fn strings_fit_what_is_written_as_a_string() {
    assert_eq!(fitted("x", NativeType::Ascii), Ok(Value::Ascii("x".to_owned())));
    assert_eq!(fitted("1970-01-01 00:00:01Z", NativeType::Timestamp), Ok(Value::Timestamp(1000)));
    let uuid = Uuid::from_u128(1);
    assert_eq!(fitted(uuid.to_string(), NativeType::Uuid), Ok(Value::Uuid(uuid)));
    assert!(fitted("é", NativeType::Ascii).is_err());
    assert!(fitted("7", NativeType::Int).is_err());
    assert!(fitted(uuid, NativeType::Timeuuid).is_err(), "not of version 1");
}

#[test]
fn a_timestamp_is_no_bigint() {
    assert!(fitted(CqlTimestamp(5), NativeType::Bigint).is_err());
    assert_eq!(fitted(CqlTimestamp(5), NativeType::Timestamp), Ok(Value::Timestamp(5)));
}

#[test]
fn null_and_unset_are_not_the_same() {
    let bound = (None::<i32>, Unset).into_bound();
    let values = bound.fit(&parameters(&["int", "int"])).unwrap();
    assert_eq!(values[0].kind, None);
    assert_eq!(values[1].kind, Some(wire::bound_value::Kind::Unset(true)));
}

#[test]
fn the_number_of_values_must_be_right() {
    let error = (1_i32,).into_bound().fit(&parameters(&["int", "int"])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "error[HX2006]: the statement has 2 markers, but 1 values were bound"
    );
}

#[test]
fn names_find_their_markers() {
    let named = BTreeMap::from([("b", 2_i32), ("a", 1)]).into_bound();
    let values = named.fit(&parameters(&["int", "int"])).unwrap();
    let bytes =
        |number: i32| Some(wire::bound_value::Kind::Value(number.to_be_bytes().to_vec().into()));
    assert_eq!((&values[0].kind, &values[1].kind), (&bytes(1), &bytes(2)));
    let error = |names: &[&str]| {
        let named: BTreeMap<String, Bind> =
            names.iter().map(|name| ((*name).to_owned(), Bind::Null)).collect();
        Bound::Named(named).fit(&parameters(&["int", "int"])).unwrap_err().to_string()
    };
    assert_eq!(error(&["a"]), "error[HX2006]: no value was bound to `:b`");
    assert_eq!(
        error(&["a", "b", "zz"]),
        "error[HX2006]: a value was bound to `:zz`, which the statement does not have"
    );
}

proptest! {
    #[test]
    fn an_integer_keeps_its_number_or_is_refused(number in any::<i64>(), small in any::<bool>()) {
        let number = if small { number % 200 } else { number };
        for kind in [NativeType::Tinyint, NativeType::Smallint, NativeType::Int, NativeType::Bigint] {
            if let Ok(value) = fitted(number, kind) {
                prop_assert_eq!(value.to_string(), number.to_string());
            }
        }
        prop_assert_eq!(fitted(number, NativeType::Bigint), Ok(Value::Bigint(number)));
    }
}

/// What the node reads from the bytes of a value of a type with parts, as CQL writes it.
fn nested(value: impl ToValue, kind: &str) -> Result<String, String> {
    let bound = (value,).into_bound().fit(&parameters(&[kind]));
    let bytes = match bound.map_err(|error| error.to_string())?.remove(0).kind {
        Some(wire::bound_value::Kind::Value(bytes)) => bytes,
        other => panic!("{other:?}"),
    };
    let kind = CqlType::parse(kind).unwrap();
    Ok(Value::decode(&kind, &bytes).unwrap().to_literal())
}

#[test]
fn collections_fit_part_by_part() {
    let is = |text: &str| Ok(text.to_owned());
    assert_eq!(nested(vec![3, 1, 3], "list<bigint>"), is("[3, 1, 3]"));
    assert_eq!(nested(vec![3, 1, 3], "set<smallint>"), is("{1, 3}"));
    assert_eq!(nested(BTreeSet::from(["b", "a"]), "set<text>"), is("{'a', 'b'}"));
    assert_eq!(nested(vec![1.5_f32, 2.0], "vector<double, 2>"), is("[1.5, 2.0]"));
    assert_eq!(nested((1, Some("x"), None::<i32>), "tuple<int, text, int>"), is("(1, 'x', null)"));
    let map = BTreeMap::from([("b", vec![2]), ("a", vec![])]);
    assert_eq!(nested(map, "map<text, list<int>>"), is("{'a': [], 'b': [2]}"));
    let user = "user<ks.address, street text, zip int>";
    assert_eq!(nested(BTreeMap::from([("zip", 7)]), user), is("{street: null, zip: 7}"));
    assert!(nested(BTreeMap::from([("zpi", 7)]), user).is_err(), "no such field");
    assert!(nested(vec![300], "list<tinyint>").is_err(), "out of range");
    assert!(nested(vec![Some(1), None], "list<int>").is_err(), "null is no value of a list");
    assert!(nested(vec![1.0, 2.0, 3.0], "vector<double, 2>").is_err(), "one too many");
}
