//! Columns with elements: what lives, what a deletion takes, and what their value is.

use std::sync::Arc;

use cql_lite::{types::UserType, value::Value};
use proptest::prelude::*;

use super::*;
use crate::{cell::Content, worlds};

fn live(timestamp: i64, value: &[u8]) -> Cell {
    Cell { timestamp, content: Content::Live { value: Bytes::copy_from_slice(value) } }
}

fn of(cells: &[(&[u8], Cell)]) -> Elements {
    let mut elements = Elements::default();
    cells.iter().for_each(|(path, it)| elements.put(Bytes::copy_from_slice(path), it.clone()));
    elements
}

fn merged(mut left: Elements, right: Elements) -> Elements {
    left.merge(right);
    left
}

fn native(native: NativeType) -> CqlType {
    CqlType::Native(native)
}

#[test]
fn a_column_that_is_set_forgets_what_it_had_and_keeps_what_is_added_at_the_same_time() {
    let before = of(&[(b"a", live(1, b""))]);
    let mut set = of(&[(b"b", live(5, b""))]);
    set.deletion = Some(Deletion { timestamp: 4, deleted_at: 1 });
    let added = of(&[(b"c", live(5, b""))]);
    let all = merged(merged(before, added), set);
    let names: Vec<&[u8]> = all.cells.iter().map(|(path, _)| &path[..]).collect();
    assert_eq!(names, [b"b", b"c"]);
}

#[test]
fn the_value_is_in_the_order_of_its_type_whatever_the_order_of_its_paths() {
    let int = |it: i32| it.to_be_bytes();
    let set = CqlType::Set(Arc::new(native(NativeType::Int)));
    let all = of(&[(&int(-1), live(1, b"")), (&int(7), live(1, b"")), (&int(-5), live(1, b""))]);
    let value = Value::decode(&set, &all.value(&set, 0).unwrap()).unwrap();
    assert_eq!(value.to_literal(), "{-5, -1, 7}");
    let map = CqlType::Map(Arc::new((native(NativeType::Int), native(NativeType::Text))));
    let all = of(&[(&int(2), live(1, b"two")), (&int(-2), live(1, b"minus"))]);
    let value = Value::decode(&map, &all.value(&map, 0).unwrap()).unwrap();
    assert_eq!(value.to_literal(), "{-2: 'minus', 2: 'two'}");
    let fields = vec![("a".to_owned(), native(NativeType::Text)), ("b".to_owned(), set)];
    let (keyspace, name) = ("ks".to_owned(), "own".to_owned());
    let user = CqlType::User(Arc::new(UserType { keyspace, name, fields }));
    let all = of(&[(b"\0\0", live(1, b"x"))]);
    let value = Value::decode(&user, &all.value(&user, 0).unwrap()).unwrap();
    assert_eq!(value.to_literal(), "{a: 'x', b: null}");
}

#[test]
fn what_has_no_element_left_is_null() {
    let set = CqlType::Set(Arc::new(native(NativeType::Text)));
    assert_eq!(Elements::default().value(&set, 0), None);
    let content = Content::Expiring { value: Bytes::new(), ttl: 5, expires_at: 10 };
    let expiring = of(&[(b"a", Cell { timestamp: 1, content })]);
    assert!(expiring.value(&set, 9).is_some() && expiring.has_live_cell(9));
    assert!(expiring.value(&set, 10).is_none() && !expiring.has_live_cell(10));
}

proptest! {
    #[test]
    fn versions_merge_to_the_same_in_any_order(
        a in worlds::elements(), b in worlds::elements(), c in worlds::elements()
    ) {
        let ab = merged(a.clone(), b.clone());
        prop_assert_eq!(&ab, &merged(b.clone(), a.clone()));
        prop_assert_eq!(&merged(a.clone(), a.clone()), &a);
        prop_assert_eq!(merged(ab, c.clone()), merged(a, merged(b, c)));
    }

    #[test]
    fn what_is_missing_makes_two_versions_one(a in worlds::elements(), b in worlds::elements()) {
        let repaired = merged(a.clone(), a.missing_from(&b, None));
        prop_assert_eq!(repaired, merged(a, b));
    }

    #[test]
    fn bytes_lead_back_and_others_are_refused(
        elements in worlds::elements(), at in any::<prop::sample::Index>(), flip in 1_u8..
    ) {
        if elements.is_empty() {
            return Ok(());
        }
        let bytes = elements.encode();
        let read = Elements::decode(bytes.clone());
        prop_assert_eq!(read.as_ref(), Ok(&elements));
        let mut other = bytes.to_vec();
        let at = at.index(other.len());
        other[at] ^= flip;
        // Other bytes are another value, or none; none of them is out of its normal form.
        if let Ok(read) = Elements::decode(other.into()) {
            prop_assert!(read.is_normal());
        }
    }
}
