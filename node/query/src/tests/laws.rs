//! What holds for any data and any input: pages, paging states, prepared statements, DESCRIBE.

use std::time::Duration;

use bytes::Bytes;
use cql_lite::{Code, value::Value};
use model::Content;
use proptest::prelude::*;

use super::world::World;
use crate::{Bound, Outcome, Request, Retry, Rows, Source};

const TABLE: &str = "CREATE TABLE t (k int, a int, b int, s int STATIC, v int, \
    PRIMARY KEY (k, a, b)) WITH CLUSTERING ORDER BY (a DESC, b ASC)";

/// Reads whose pages have to add up.
const READS: [&str; 26] = [
    "SELECT * FROM t",
    "SELECT * FROM t LIMIT 7",
    "SELECT * FROM t PER PARTITION LIMIT 2",
    "SELECT * FROM t PER PARTITION LIMIT 3 LIMIT 5",
    "SELECT DISTINCT k, s FROM t",
    "SELECT DISTINCT k, s FROM t LIMIT 2",
    "SELECT * FROM t WHERE k = 1",
    "SELECT * FROM t WHERE k = 1 ORDER BY a ASC",
    "SELECT * FROM t WHERE k = 1 AND a > 0 ORDER BY a ASC LIMIT 3",
    "SELECT * FROM t WHERE k IN (3, 1, 2, 7)",
    "SELECT * FROM t WHERE k IN (3, 1, 2) PER PARTITION LIMIT 2 LIMIT 4",
    "SELECT * FROM t WHERE k IN (1, 2) AND a IN (0, 2) AND b > 0",
    "SELECT * FROM t WHERE token(k) > token(1) PER PARTITION LIMIT 2",
    "SELECT DISTINCT k FROM t WHERE token(k) <= token(2)",
    "SELECT * FROM t WHERE v > 30 ALLOW FILTERING",
    "SELECT * FROM t WHERE v > 30 LIMIT 3 ALLOW FILTERING",
    "SELECT * FROM t WHERE v > 30 PER PARTITION LIMIT 2 ALLOW FILTERING",
    "SELECT * FROM t WHERE v > 30 PER PARTITION LIMIT 2 LIMIT 3 ALLOW FILTERING",
    "SELECT * FROM t WHERE s > 30 PER PARTITION LIMIT 2 ALLOW FILTERING",
    "SELECT * FROM t WHERE k = 1 AND b = 1 ORDER BY a ASC ALLOW FILTERING",
    "SELECT * FROM t WHERE k = 1 AND v > 50 ORDER BY a ASC LIMIT 2 ALLOW FILTERING",
    "SELECT * FROM t WHERE k IN (3, 1, 2) AND v > 30 PER PARTITION LIMIT 1 ALLOW FILTERING",
    "SELECT * FROM t WHERE a >= 1 AND a < 3 AND b IN (0, 2) ALLOW FILTERING",
    "SELECT * FROM t WHERE a = 1 PER PARTITION LIMIT 1 ALLOW FILTERING",
    "SELECT DISTINCT k, s FROM t WHERE s < 60 ALLOW FILTERING",
    "SELECT DISTINCT k, s FROM t WHERE k > 0 LIMIT 2 ALLOW FILTERING",
];

/// One write to `TABLE`.
fn write() -> impl Strategy<Value = String> {
    let (k, a, b, v) = (0..4, 0..4, 0..3, 0..100);
    (0..9, k, a, b, v).prop_map(|(kind, k, a, b, v)| match kind {
        0..=3 => format!("INSERT INTO t (k, a, b, v) VALUES ({k}, {a}, {b}, {v})"),
        4 => format!("UPDATE t SET v = {v} WHERE k = {k} AND a = {a} AND b = {b}"),
        5 => format!("UPDATE t SET s = {v} WHERE k = {k}"),
        6 => format!("DELETE FROM t WHERE k = {k} AND a = {a} AND b = {b}"),
        7 => format!("DELETE FROM t WHERE k = {k} AND a >= {a}"),
        _ => format!("DELETE v FROM t WHERE k = {k} AND a = {a} AND b = {b}"),
    })
}

/// A row of `SELECT * FROM t`: k, a, b, s, v.
type Five = [Option<i32>; 5];

/// Whether a client would keep a row.
type Keeps = fn(Five) -> bool;

/// Conditions, and what they mean for a row.
const FILTERS: [(&str, Keeps); 14] = [
    ("v > 30", |[.., v]| v > Some(30)),
    ("v <= 30", |[.., v]| v.is_some_and(|v| v <= 30)),
    ("v >= 20 AND v < 70 AND v > 25", |[.., v]| v.is_some_and(|v| 25 < v && v < 70)),
    ("s = 5 AND v > 5", |[.., s, v]| s == Some(5) && v > Some(5)),
    ("s > 30", |[.., s, _]| s > Some(30)),
    ("k >= 2", |[k, ..]| k >= Some(2)),
    ("k > 0 AND k < 3 AND s > 10", |[k, .., s, _]| (k == Some(1) || k == Some(2)) && s > Some(10)),
    ("b = 1", |[_, _, b, ..]| b == Some(1)),
    ("a > 1 AND b = 1", |[_, a, b, ..]| a > Some(1) && b == Some(1)),
    ("a IN (0, 2) AND b >= 1", |[_, a, b, ..]| (a == Some(0) || a == Some(2)) && b >= Some(1)),
    ("k = 1 AND a > 0 AND b IN (0, 2)", |[k, a, b, ..]| {
        k == Some(1) && a > Some(0) && (b == Some(0) || b == Some(2))
    }),
    ("k = 0 AND (a, b) > (1, 1)", |[k, a, b, ..]| k == Some(0) && (a, b) > (Some(1), Some(1))),
    ("k = 1 AND k > 1", |_| false),
    ("a = 1 AND a >= 1 AND a IN (1, 2)", |[_, a, ..]| a == Some(1)),
];

fn five(row: &[Option<Bytes>]) -> Five {
    let int = |value: &Option<Bytes>| {
        value.as_ref().map(|it| i32::from_be_bytes(it[..].try_into().unwrap()))
    };
    std::array::from_fn(|at| int(&row[at]))
}

fn rows(pages: Vec<Rows>) -> Vec<Vec<Option<Bytes>>> {
    pages.into_iter().flat_map(|it| it.rows.listed()).collect()
}

fn text(world: &World, text: &str) -> Request {
    world.request(Source::Text(text.to_owned()))
}

fn int(value: i32) -> Bound {
    Bound::Value(Value::Int(value).encode().into())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// However small the pages, and wherever the store cuts them, the rows are the same.
    #[test]
    fn pages_add_up(
        writes in proptest::collection::vec(write(), 0..60),
        page_rows in 1_u32..9,
        bytes_max in prop_oneof![Just(1_u64), 1_u64..400, Just(1 << 20)],
        tombstones_max in prop_oneof![Just(1_u64), 1_u64..4, Just(10_000)],
    ) {
        let mut whole = World::new();
        let mut cut = World::with_limits(bytes_max, tombstones_max);
        for world in [&mut whole, &mut cut] {
            world.run(TABLE).unwrap();
            for write in &writes {
                world.run(write).unwrap();
            }
        }
        for read in READS {
            let request = text(&whole, read);
            let expected = whole.pages(&request, 5_000).unwrap();
            prop_assert_eq!(expected.len(), 1, "{}", read);
            let paged = rows(cut.pages(&request, page_rows).unwrap());
            prop_assert_eq!(&paged, &rows(expected), "{}", read);
        }
        for condition in ["", "WHERE k IN (3, 1, 2, 7)", "WHERE k = 1 AND a < 3"] {
            let read = format!("SELECT k FROM t {condition}");
            let all = rows(whole.pages(&text(&whole, &read), 5_000).unwrap());
            let count = format!("SELECT count(*) FROM t {condition}");
            let counted = rows(cut.pages(&text(&cut, &count), page_rows).unwrap());
            let expected = Value::Bigint(all.len() as i64).encode();
            prop_assert_eq!(counted, vec![vec![Some(Bytes::from(expected))]], "{}", count);
        }
    }

    /// A filter answers what a client would have kept of all rows, wherever pages are cut.
    #[test]
    fn filters_keep_what_a_client_would(
        writes in proptest::collection::vec(write(), 0..60),
        page_rows in prop_oneof![1_u32..9, Just(5_000)],
        bytes_max in prop_oneof![Just(1_u64), 1_u64..400, Just(1 << 20)],
        tombstones_max in prop_oneof![Just(1_u64), 1_u64..4, Just(10_000)],
    ) {
        let mut world = World::with_limits(bytes_max, tombstones_max);
        world.run(TABLE).unwrap();
        for write in &writes {
            world.run(write).unwrap();
        }
        let all = rows(world.pages(&text(&world, "SELECT * FROM t"), 5_000).unwrap());
        for (condition, keeps) in FILTERS {
            let read = format!("SELECT * FROM t WHERE {condition} ALLOW FILTERING");
            let found = rows(world.pages(&text(&world, &read), page_rows).unwrap());
            let kept = all.iter().filter(|row| keeps(five(row)));
            let kept: Vec<Vec<Option<Bytes>>> = kept.cloned().collect();
            prop_assert_eq!(&found, &kept, "{}", read);
            let count = format!("SELECT count(*), max(v) FROM t WHERE {condition} ALLOW FILTERING");
            let counted = rows(world.pages(&text(&world, &count), page_rows).unwrap());
            let number = Bytes::from(Value::Bigint(kept.len() as i64).encode());
            prop_assert_eq!(&counted[0][0], &Some(number), "{}", count);
            let most = kept.iter().filter_map(|row| five(row)[4]).max();
            let most = most.map(|it| Bytes::from(Value::Int(it).encode()));
            prop_assert_eq!(&counted[0][1], &most, "{}", count);
        }
    }

    /// No bytes that a client can hand in as a paging state do more than be refused.
    #[test]
    fn any_paging_state_is_refused(state in proptest::collection::vec(any::<u8>(), 0..80)) {
        let mut world = World::new();
        world.run(TABLE).unwrap();
        let paging_state = Some(Bytes::from(state));
        let request = Request { paging_state, ..text(&world, "SELECT * FROM t") };
        prop_assert_eq!(world.execute(request).unwrap_err().code, Code::BadPagingState);
    }

    /// Statements put together at random are executed or refused, and the store stays sound.
    #[test]
    fn any_statement_has_an_outcome(
        verb in 0_usize..4,
        conditions in proptest::collection::vec((0_usize..6, 0_usize..8, 0..5, -1..4), 0..5),
        tail in 0_usize..6,
    ) {
        let mut world = World::new();
        world.run(TABLE).unwrap();
        let columns = ["k", "a", "b", "s", "v", "token(k)"];
        let condition = |(column, op, value, other): &(usize, usize, i32, i32)| {
            let column = columns[*column];
            match op {
                0..=2 => format!("{column} = {value}"),
                3 => format!("{column} < {value}"),
                4 => format!("{column} >= {value}"),
                5 => format!("a IN ({value}, {other})"),
                6 => format!("k IN ({value}, {other})"),
                _ => format!("(a, b) > ({value}, {other})"),
            }
        };
        let conditions: Vec<String> = conditions.iter().map(condition).collect();
        let verbs = [
            "SELECT k, v, s, token(k) FROM t",
            "UPDATE t SET v = 1, s = null",
            "DELETE FROM t",
            "DELETE v, s FROM t",
        ];
        let mut statement = String::from(verbs[verb]);
        if !conditions.is_empty() {
            statement += &format!(" WHERE {}", conditions.join(" AND "));
        }
        if verb == 0 {
            let tails = [
                "",
                " ORDER BY a ASC",
                " ORDER BY a DESC, b ASC",
                " LIMIT 1",
                " PER PARTITION LIMIT 1",
                " ALLOW FILTERING",
            ];
            statement += tails[tail];
        }
        match world.run(&statement) {
            Ok(_) => {}
            Err(error) => {
                prop_assert_ne!(error.code, Code::Internal, "{}", statement);
                prop_assert_eq!(error.retry, Retry::No, "{}", statement);
                prop_assert!(error.render(&statement).starts_with("error[HX"));
            }
        }
        world.run("SELECT * FROM t").unwrap();
    }
}

#[test]
fn a_filter_reads_on_until_the_page_is_full() {
    let mut world = World::new();
    world.run("CREATE TABLE t (k int, c int, v int, PRIMARY KEY (k, c))").unwrap();
    for c in 0..1_500 {
        let v = i32::from(c % 500 == 499);
        world.run(&format!("INSERT INTO t (k, c, v) VALUES ({}, {c}, {v})", c / 1_000)).unwrap();
    }
    for read in [
        "SELECT c FROM t WHERE v = 1 ALLOW FILTERING",
        "SELECT c FROM t WHERE k IN (0, 1) AND v = 1 ALLOW FILTERING",
    ] {
        let pages = world.pages(&text(&world, read), 2).unwrap();
        let sizes: Vec<usize> = pages.iter().map(|it| it.rows.len()).collect();
        assert_eq!(sizes, [2, 1], "{read}");
    }
}

#[test]
fn an_aggregate_lets_others_run_between_its_pages() {
    let mut world = World::with_limits(300, 10_000);
    world.run("CREATE TABLE t (k int, c int, PRIMARY KEY (k, c))").unwrap();
    for c in 0..100 {
        world.run(&format!("INSERT INTO t (k, c) VALUES (1, {c})")).unwrap();
    }
    for (read, count, at_once) in [
        ("SELECT count(*) FROM t WHERE k = 1 AND c < 2", 2_i64, true),
        ("SELECT count(*) FROM t WHERE k = 1", 100, false),
    ] {
        let request = text(&world, read);
        assert_eq!(world.is_answered_at_once(request.clone()), at_once, "{read}");
        let Outcome::Rows(rows) = world.execute(request).unwrap().outcome else { panic!() };
        assert_eq!(rows.rows.listed()[0][0].as_deref(), Some(&count.to_be_bytes()[..]));
    }
}

#[test]
fn a_filter_ends_a_page_that_has_looked_at_enough() {
    let mut world = World::with_limits(300, 10_000);
    world.run("CREATE TABLE t (k int, c int, v int, PRIMARY KEY (k, c))").unwrap();
    for c in 0..200 {
        world.run(&format!("INSERT INTO t (k, c, v) VALUES (1, {c}, {c})")).unwrap();
    }
    let pages = world.pages(&text(&world, "SELECT c FROM t WHERE v = 199 ALLOW FILTERING"), 10);
    let sizes: Vec<usize> = pages.unwrap().iter().map(|it| it.rows.len()).collect();
    assert!(sizes.len() > 2, "{sizes:?}");
    assert_eq!(sizes.iter().sum::<usize>(), 1);
}

#[test]
fn a_paging_state_belongs_to_its_statement_and_values() {
    let mut world = World::new();
    world.run(TABLE).unwrap();
    for a in 0..3 {
        world.run(&format!("INSERT INTO t (k, a, b) VALUES (1, {a}, 0)")).unwrap();
    }
    let id = world.prepare("SELECT a FROM t WHERE k = ?").unwrap();
    let first =
        Request { values: vec![int(1)], page_rows: Some(1), ..world.request(Source::Prepared(id)) };
    let Outcome::Rows(page) = world.execute(first.clone()).unwrap().outcome else { panic!() };
    let state = page.paging_state.unwrap();
    let again = Request { paging_state: Some(state.clone()), ..first };
    world.execute(again.clone()).unwrap();

    let mut refused = vec![
        Request { values: vec![int(2)], ..again.clone() },
        Request {
            source: Source::Text("SELECT a FROM t WHERE k = 1".to_owned()),
            values: Vec::new(),
            ..again.clone()
        },
        Request {
            source: Source::Text("SELECT count(*) FROM t".to_owned()),
            values: Vec::new(),
            ..again.clone()
        },
    ];
    for at in 0..state.len() {
        let mut damaged = state.to_vec();
        damaged[at] ^= 0x10;
        refused.push(Request { paging_state: Some(damaged.into()), ..again.clone() });
        refused.push(Request { paging_state: Some(state.slice(..at)), ..again.clone() });
    }
    for request in refused {
        assert_eq!(world.execute(request).unwrap_err().code, Code::BadPagingState);
    }
    // A table created again is another one, and so are its pages.
    world.run("DROP TABLE t").unwrap();
    world.run(TABLE).unwrap();
    assert_eq!(world.execute(again).unwrap_err().code, Code::BadPagingState);
}

#[test]
fn a_prepared_statement_follows_its_table() {
    let mut world = World::new();
    world.run("CREATE TABLE t (k int PRIMARY KEY, v int)").unwrap();
    let id = world.prepare("INSERT INTO t (k, v) VALUES (?, ?)").unwrap();
    assert_eq!(id, world.prepare("INSERT INTO t (k, v) VALUES (?, ?)").unwrap());
    let insert = Request { values: vec![int(1), int(2)], ..world.request(Source::Prepared(id)) };
    world.execute(insert.clone()).unwrap();

    // Created again alike: the plan is made anew, and writes to the new table.
    world.run("DROP TABLE t").unwrap();
    world.run("CREATE TABLE t (k int PRIMARY KEY, v int, w int)").unwrap();
    world.execute(insert.clone()).unwrap();
    let found = world.run("SELECT v FROM t").unwrap();
    let Outcome::Rows(found) = found.outcome else { panic!() };
    assert_eq!(found.rows.len(), 1);

    // Created again otherwise: what was bound would mean something else.
    world.run("DROP TABLE t").unwrap();
    world.run("CREATE TABLE t (k int PRIMARY KEY, v float)").unwrap();
    let error = world.execute(insert).unwrap_err();
    assert_eq!((error.code, error.retry), (Code::Unprepared, Retry::Safe));
}

#[test]
fn the_statement_used_longest_ago_is_forgotten() {
    let mut world = World::new();
    world.run("CREATE TABLE t (k int PRIMARY KEY, v int)").unwrap();
    let texts = ["SELECT k FROM t", "SELECT v FROM t", "SELECT k, v FROM t", "SELECT * FROM t"];
    let mut ids = Vec::new();
    for text in &texts[..3] {
        ids.push(world.prepare(text).unwrap());
    }
    let run = |world: &mut World, id| world.execute(world.request(Source::Prepared(id)));
    run(&mut world, ids[0]).unwrap();
    ids.push(world.prepare(texts[3]).unwrap());
    let kept: Vec<bool> = ids.iter().map(|id| run(&mut world, *id).is_ok()).collect();
    assert_eq!(kept, [true, false, true, true]);
}

#[test]
fn null_writes_a_tombstone_and_unset_writes_nothing() {
    let mut world = World::new();
    world.run("CREATE TABLE t (k int PRIMARY KEY, v int, w int)").unwrap();
    let id = world.prepare("UPDATE t SET v = ?, w = ? WHERE k = 1").unwrap();
    let update = |world: &mut World, values: [Bound; 2]| {
        let request = world.request(Source::Prepared(id));
        world.execute(Request { values: values.to_vec(), ..request }).unwrap();
    };
    update(&mut world, [Bound::Unset, Bound::Unset]);
    assert_eq!(world.store.writes(), 0, "nothing to write is not written");
    update(&mut world, [Bound::Null, Bound::Unset]);
    let table = crate::Catalog::schema(&*world.catalog).table("ks", "t").unwrap().id;
    let stored = world.store.partitions(table);
    let cells = &stored[0].rows[0].1.cells;
    assert_eq!(cells.len(), 1);
    assert!(matches!(cells[0].1.content, Content::Dead { .. }));
}

#[test]
fn describe_recreates_the_schema() {
    let mut world = World::new();
    let statements = [
        "CREATE KEYSPACE other WITH replication = {'class': 'NetworkTopologyStrategy', 'dc1': 2} \
         AND durable_writes = false",
        TABLE,
        "CREATE TABLE other.\"Quoted\" (\"a b\" text PRIMARY KEY, \"table\" blob) \
         WITH comment = 'it''s' AND default_time_to_live = 5",
    ];
    for statement in statements {
        world.run(statement).unwrap();
    }
    let before = described(&mut world);
    world.run("DROP KEYSPACE other").unwrap();
    world.run("DROP KEYSPACE ks").unwrap();
    for statement in before.split(";\n") {
        world.run(statement).unwrap();
    }
    let after = described(&mut world);
    assert_eq!(before, after);
}

/// The whole schema as text.
fn described(world: &mut World) -> String {
    let outcome = world.run("DESCRIBE SCHEMA").unwrap().outcome;
    let Outcome::Description(described) = outcome else { panic!("{outcome:?}") };
    described.text
}

#[test]
fn what_is_too_large_is_refused() {
    let mut world = World::new();
    world.run("CREATE TABLE t (k text PRIMARY KEY, v blob, w blob)").unwrap();
    let id = world.prepare("INSERT INTO t (k, v, w) VALUES (?, ?, ?)").unwrap();
    let text = |len: usize| Bound::Value(Bytes::from(vec![b'x'; len]));
    let max = 16 << 20;
    for (values, fits) in [
        ([text(1), text(max / 2), text(1)], true),
        ([text(1), text(max + 1), text(1)], false),
        ([text(1), text(max), text(max)], false),
        ([text(70_000), text(1), text(1)], false),
    ] {
        let request = world.request(Source::Prepared(id));
        let outcome = world.execute(Request { values: values.to_vec(), ..request });
        match outcome {
            Ok(_) => assert!(fits),
            Err(error) => assert_eq!((fits, error.code), (false, Code::TooLarge)),
        }
    }
    let list = vec!["'x'"; 101].join(", ");
    let error = world.run(&format!("SELECT * FROM t WHERE k IN ({list})")).unwrap_err();
    assert_eq!(error.code, Code::TooLarge);
}

#[test]
fn no_time_is_no_outcome() {
    let mut world = World::new();
    world.run("CREATE TABLE t (k int PRIMARY KEY)").unwrap();
    for statement in ["SELECT * FROM t", "INSERT INTO t (k) VALUES (1)", "DROP TABLE t"] {
        let request = Request { timeout: Some(Duration::ZERO), ..text(&world, statement) };
        assert_eq!(world.execute(request).unwrap_err().retry, Retry::Safe);
    }
    assert_eq!(world.store.writes(), 0);
}

#[test]
fn timeuuids_never_repeat_and_lie_between_their_bounds() {
    let mut world = World::new();
    world.run("CREATE TABLE t (k int, id timeuuid, PRIMARY KEY (k, id))").unwrap();
    for _ in 0..50 {
        world.run("INSERT INTO t (k, id) VALUES (1, now())").unwrap();
    }
    let count = |world: &mut World, condition: &str| {
        let read = format!("SELECT count(*) FROM t WHERE k = 1 {condition}");
        let Outcome::Rows(rows) = world.run(&read).unwrap().outcome else { panic!() };
        let bytes = rows.rows.listed()[0][0].clone().unwrap();
        i64::from_be_bytes(bytes[..].try_into().unwrap())
    };
    assert_eq!(count(&mut world, ""), 50);
    let inside = "AND id > minTimeuuid('2024-01-15 00:00:00.000+0000') \
         AND id < maxTimeuuid('2024-01-15 00:00:00.000+0000')";
    assert_eq!(count(&mut world, inside), 50);
    assert_eq!(count(&mut world, "AND id < minTimeuuid('2024-01-15 00:00:00.000+0000')"), 0);
}
