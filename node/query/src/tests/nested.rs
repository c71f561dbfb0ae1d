//! Bytes that are bound to types with parts: checked in depth, whatever they claim.

use bytes::Bytes;
use cql_lite::{code::Code, types::CqlType, value::Value};
use proptest::prelude::*;

use super::world::{World, bound};
use crate::{Bound, Outcome, Request, Source};

/// Columns of one table, and a value for each.
const COLUMNS: [(&str, &str); 9] = [
    ("list<frozen<map<text, frozen<list<int>>>>>", "[{'a': [1, 2], 'b': []}, {}]"),
    ("map<int, frozen<set<text>>>", "{1: {'x', 'y'}, 2: {}}"),
    ("set<frozen<tuple<int, text>>>", "{(1, 'a'), (2, null)}"),
    ("frozen<set<frozen<map<int, int>>>>", "{{1: 2}, {3: 4}}"),
    ("frozen<pair>", "{left: [1, 2], right: (3, {4})}"),
    ("pair", "{left: [1], right: null}"),
    ("frozen<tuple<frozen<pair>, frozen<list<text>>>>", "({left: [7]}, ['', 'z'])"),
    ("vector<frozen<list<smallint>>, 2>", "[[1], [2, 3]]"),
    ("vector<vector<float, 2>, 2>", "[[1, 2], [3, 4]]"),
];

const PAIR: &str = "CREATE TYPE pair (left list<int>, right tuple<int, set<int>>)";

/// A world with the table.
fn world() -> World {
    let mut world = World::new();
    world.run(PAIR).unwrap();
    let columns = COLUMNS.iter().enumerate().map(|(at, (of, _))| format!("c{at} {of}"));
    let columns = columns.collect::<Vec<_>>().join(", ");
    world.run(&format!("CREATE TABLE t (k int PRIMARY KEY, {columns})")).unwrap();
    world
}

/// A request that binds to one column, and the type of that.
fn insert(world: &World, at: usize) -> (Request, CqlType) {
    let text = format!("INSERT INTO t (k, c{at}) VALUES (1, ?)");
    let prepared = world.executor.prepare(&text, Some("ks")).unwrap();
    (world.request(Source::Prepared(prepared.id)), prepared.variables[0].cql_type.clone())
}

/// What is stored in a column.
fn stored(world: &mut World, at: usize) -> Option<Bytes> {
    let reply = world.run(&format!("SELECT c{at} FROM t WHERE k = 1")).unwrap();
    let Outcome::Rows(rows) = reply.outcome else { panic!("rows") };
    rows.rows.listed()[0][0].clone()
}

/// One change of the bytes of a value.
#[derive(Clone, Debug)]
enum Damage {
    Byte(u8),
    /// Four bytes, as counts and lengths have them.
    Claim(i32),
    Cut,
    More(u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        any::<u8>().prop_map(Damage::Byte),
        prop_oneof![Just(i32::MAX), Just(i32::MIN), Just(-1), Just(-2), 0..9]
            .prop_map(Damage::Claim),
        Just(Damage::Cut),
        any::<u8>().prop_map(Damage::More),
    ]
}

fn damaged(mut bytes: Vec<u8>, at: usize, damage: &Damage) -> Vec<u8> {
    match damage {
        Damage::Byte(byte) => bytes[at] = *byte,
        Damage::Claim(claim) => {
            bytes.iter_mut().skip(at).zip(claim.to_be_bytes()).for_each(|(to, it)| *to = it);
        }
        Damage::Cut => bytes.truncate(at),
        Damage::More(byte) => bytes.insert(at, *byte),
    }
    bytes
}

proptest! {
    /// A value with one mistake in it is another value, which is stored, or refused by name.
    #[test]
    fn what_is_bound_is_checked_in_depth(
        column in 0..COLUMNS.len(), at in any::<prop::sample::Index>(), damage in damage()
    ) {
        let mut world = world();
        let (request, cql_type) = insert(&world, column);
        let Bound::Value(whole) = bound(COLUMNS[column].1, &cql_type) else { panic!("a value") };
        let bytes = damaged(whole.to_vec(), at.index(whole.len()), &damage);
        let value = Value::decode(&cql_type, &bytes);
        let request = Request { values: vec![Bound::Value(bytes.into())], ..request };
        match (world.execute(request), value) {
            (Ok(_), Ok(value)) => {
                if let Some(found) = stored(&mut world, column) {
                    prop_assert_eq!(Value::decode(&cql_type, &found), Ok(value));
                }
            }
            (Err(error), Err(_)) => {
                prop_assert_eq!(error.code, Code::BadValue);
                let named = format!("c{column}: ");
                prop_assert!(error.message.starts_with(&named), "{}", error.message);
            }
            (outcome, value) => prop_assert!(false, "{:?} of {:?}", outcome.map(|_| ()), value),
        }
    }
}

#[test]
fn what_is_merely_claimed_takes_no_memory() {
    let mut world = world();
    // Counts, then nothing behind them.
    let claim = |bytes: &[&[u8]]| Bound::Value(bytes.concat().into());
    let (one, most) = (1_i32.to_be_bytes(), i32::MAX.to_be_bytes());
    let four = 4_i32.to_be_bytes();
    for (column, value) in [
        (0, claim(&[&most])),
        (0, claim(&[&one, &four, &most])),
        (1, claim(&[&one, &four, &one, &four, &most])),
        (4, claim(&[&four, &most])),
        (6, claim(&[&most, &one])),
    ] {
        let (request, _) = insert(&world, column);
        let error = world.execute(Request { values: vec![value], ..request }).unwrap_err();
        assert_eq!(error.code, Code::BadValue);
        assert!(error.message.ends_with("it is cut short"), "{}", error.message);
    }
}
