//! Values fitted to the types of parameters.

use std::collections::BTreeMap;

use cql_lite::types::CqlType;
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
fn fitted(value: impl ToValue, kind: CqlType) -> Result<Value, String> {
    let bound = (value,).into_bound().fit(&parameters(&[kind.name()]));
    let bytes = match bound.map_err(|error| error.to_string())?.remove(0).kind {
        Some(wire::bound_value::Kind::Value(bytes)) => bytes,
        other => panic!("{other:?}"),
    };
    Ok(Value::decode(kind, &bytes).unwrap())
}

#[test]
fn integers_fit_where_they_are_in_range() {
    assert_eq!(fitted(7_i64, CqlType::Tinyint), Ok(Value::Tinyint(7)));
    assert_eq!(fitted(7_i8, CqlType::Bigint), Ok(Value::Bigint(7)));
    assert_eq!(fitted(7_i32, CqlType::Double), Ok(Value::Double(7.0)));
    assert_eq!(
        fitted(1_700_000_000_000_i64, CqlType::Timestamp),
        Ok(Value::Timestamp(1_700_000_000_000))
    );
    assert_eq!(
        fitted(300_i32, CqlType::Tinyint).unwrap_err(),
        "error[HX2004]: parameter `a` is of type tinyint, which this i32 does not fit"
    );
    assert!(fitted(i64::MAX, CqlType::Double).is_err(), "would be rounded");
}

#[test]
fn strings_fit_what_is_written_as_a_string() {
    assert_eq!(fitted("x", CqlType::Ascii), Ok(Value::Ascii("x".to_owned())));
    assert_eq!(fitted("1970-01-01 00:00:01Z", CqlType::Timestamp), Ok(Value::Timestamp(1000)));
    let uuid = Uuid::from_u128(1);
    assert_eq!(fitted(uuid.to_string(), CqlType::Uuid), Ok(Value::Uuid(uuid)));
    assert!(fitted("é", CqlType::Ascii).is_err());
    assert!(fitted("7", CqlType::Int).is_err());
    assert!(fitted(uuid, CqlType::Timeuuid).is_err(), "not of version 1");
}

#[test]
fn a_timestamp_is_no_bigint() {
    assert!(fitted(CqlTimestamp(5), CqlType::Bigint).is_err());
    assert_eq!(fitted(CqlTimestamp(5), CqlType::Timestamp), Ok(Value::Timestamp(5)));
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
        for kind in [CqlType::Tinyint, CqlType::Smallint, CqlType::Int, CqlType::Bigint] {
            if let Ok(value) = fitted(number, kind) {
                prop_assert_eq!(value.to_string(), number.to_string());
            }
        }
        prop_assert_eq!(fitted(number, CqlType::Bigint), Ok(Value::Bigint(number)));
    }
}
