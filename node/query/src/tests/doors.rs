//! What the doors ask for that no script says: batches of statements, whole results, another time,
//! tables as drivers read them.

use std::time::Duration;

use bytes::Bytes;
use cql_lite::{Code, ast::BatchKind, value::Value};
use model::Consistency;

use super::world::World;
use crate::{About, BatchRequest, Bound, Error, Outcome, Reply, Request, Rows, Source};

fn int(value: i32) -> Bound {
    Bound::Value(Value::Int(value).encode().into())
}

fn text(world: &World, text: &str) -> Request {
    world.request(Source::Text(text.to_owned()))
}

fn rows(reply: Result<Reply, Error>) -> Rows {
    let Outcome::Rows(rows) = reply.unwrap().outcome else { panic!("a read answers rows") };
    rows
}

fn batch(world: &World, statements: Vec<(Source, Vec<Bound>)>) -> BatchRequest {
    BatchRequest {
        statements,
        kind: BatchKind::Logged,
        keyspace: world.keyspace.clone(),
        consistency: Consistency::Quorum,
        timestamp: Some(7),
        now_seconds: None,
        timeout: Some(Duration::from_secs(1)),
        trace: 1,
    }
}

#[test]
fn a_batch_of_statements_is_one_write_of_each_partition() {
    let mut world = World::new();
    world.run("CREATE TABLE t (k int, c int, v int, PRIMARY KEY (k, c))").unwrap();
    let insert =
        Source::Prepared(world.prepare("INSERT INTO t (k, c, v) VALUES (?, ?, ?)").unwrap());
    let delete = Source::Text("DELETE FROM t WHERE k = 1 AND c = ?".to_owned());
    let statements = vec![
        (insert.clone(), vec![int(1), int(1), int(10)]),
        (insert.clone(), vec![int(1), int(2), int(20)]),
        (delete.clone(), vec![int(3)]),
    ];
    world.execute_batch(batch(&world, statements)).unwrap();
    let found = rows(world.run("SELECT c, v, writetime(v) FROM t WHERE k = 1"));
    let values: Vec<_> = found.rows.listed().iter().map(|row| row[2].clone().unwrap()).collect();
    assert_eq!(
        values,
        [Bytes::from(7_i64.to_be_bytes().to_vec()), Bytes::from(7_i64.to_be_bytes().to_vec())]
    );

    assert_eq!(world.execute_batch(batch(&world, Vec::new())).unwrap().outcome, Outcome::Void);

    let torn = vec![
        (insert.clone(), vec![int(2), int(1), int(1)]),
        (insert.clone(), vec![int(3), int(1), int(1)]),
    ];
    let refused = world.execute_batch(batch(&world, torn.clone())).unwrap_err();
    assert_eq!(refused.code, Code::NotSupported);
    let unlogged = BatchRequest { kind: BatchKind::Unlogged, ..batch(&world, torn) };
    world.execute_batch(unlogged).unwrap();

    // What is wrong with one refuses all.
    let wrong = vec![(insert.clone(), vec![int(9), int(1), int(1)]), (insert, vec![int(9)])];
    assert_eq!(world.execute_batch(batch(&world, wrong)).unwrap_err().code, Code::BadBind);
    let read = vec![(Source::Text("SELECT * FROM t".to_owned()), Vec::new())];
    assert_eq!(world.execute_batch(batch(&world, read)).unwrap_err().code, Code::BadBind);
    assert_eq!(rows(world.run("SELECT * FROM t WHERE k = 9")).rows.len(), 0);
}

#[test]
fn a_whole_result_has_all_rows_and_a_limit() {
    // Pages of the store end after a few bytes.
    let mut world = World::with_limits(100, 10_000);
    world.run("CREATE TABLE t (k int, c int, v blob, PRIMARY KEY (k, c))").unwrap();
    let insert = world.prepare("INSERT INTO t (k, c, v) VALUES (1, ?, ?)").unwrap();
    let mut write = |row, bytes: usize| {
        let values = vec![int(row), Bound::Value(vec![0; bytes].into())];
        let request = Request { values, ..world.request(Source::Prepared(insert)) };
        world.execute(request).unwrap();
    };
    (0..50).for_each(|row| write(row, 30));
    let whole = |world: &World, limit: &str| Request {
        whole: true,
        ..text(world, &format!("SELECT c FROM t{limit}"))
    };
    let request = whole(&world, "");
    let all = rows(world.execute(request));
    assert_eq!((all.rows.len(), all.paging_state), (50, None));
    let request = whole(&world, " LIMIT 17");
    assert_eq!(rows(world.execute(request)).rows.len(), 17);
    let mut write = |row, bytes: usize| {
        let values = vec![int(row), Bound::Value(vec![0; bytes].into())];
        let request = Request { values, ..world.request(Source::Prepared(insert)) };
        world.execute(request).unwrap();
    };
    (0..5).for_each(|row| write(row, 4 << 20));
    let request = Request { whole: true, ..text(&world, "SELECT v FROM t") };
    assert_eq!(world.execute(request).unwrap_err().code, Code::TooLarge);
}

#[test]
fn a_request_may_say_what_time_it_is() {
    let mut world = World::new();
    world.run("CREATE TABLE t (k int PRIMARY KEY, v int)").unwrap();
    world.run("INSERT INTO t (k, v) VALUES (1, 1) USING TTL 100").unwrap();
    let now = super::world::BEGIN_MICROS / 1_000_000;
    let read = |world: &mut World, seconds| {
        let request =
            Request { now_seconds: seconds, ..text(world, "SELECT v FROM t WHERE k = 1") };
        rows(world.execute(request)).rows.len()
    };
    assert_eq!(read(&mut world, None), 1);
    assert_eq!(read(&mut world, Some(now + 99)), 1);
    assert_eq!(read(&mut world, Some(now + 101)), 0);
}

#[test]
fn columns_go_by_another_id_when_one_of_them_is_another() {
    let mut world = World::new();
    world.run("CREATE TABLE t (k int PRIMARY KEY, v int)").unwrap();
    let id = |world: &mut World| *rows(world.run("SELECT * FROM t")).columns.id();
    let before = id(&mut world);
    let prepared = world.executor.prepare("SELECT * FROM t", Some("ks")).unwrap();
    assert_eq!(*prepared.columns.id(), before);
    world.run("ALTER TABLE t ADD w int").unwrap();
    assert_ne!(id(&mut world), before);
    world.run("ALTER TABLE t DROP w").unwrap();
    assert_eq!(id(&mut world), before);
}

#[test]
fn errors_name_what_is_taken_and_what_is_not_prepared() {
    let mut world = World::new();
    world.run("CREATE TABLE t (k int PRIMARY KEY)").unwrap();
    let about = |error: Error| *error.about.unwrap();
    let taken = |table: Option<&str>| About::Taken {
        keyspace: "ks".to_owned(),
        table: table.map(str::to_owned),
    };
    let error = world.run("CREATE TABLE t (k int PRIMARY KEY)").unwrap_err();
    assert_eq!(about(error), taken(Some("t")));
    let keyspace = "CREATE KEYSPACE ks WITH replication = \
                    {'class': 'SimpleStrategy', 'replication_factor': 1}";
    assert_eq!(about(world.run(keyspace).unwrap_err()), taken(None));
    let unknown = crate::PreparedId([3; 16]);
    let request = world.request(Source::Prepared(unknown));
    assert_eq!(about(world.execute(request).unwrap_err()), About::Unprepared(unknown));
}

#[test]
fn drivers_find_collections_where_cassandra_has_them() {
    let mut world = World::new();
    let mut column = |select: &str| {
        let found = rows(world.run(select));
        let cql_type = found.columns[0].cql_type.clone();
        let cell = found.rows.listed()[0][0].clone().unwrap();
        let value = Value::decode(&cql_type, &cell).unwrap();
        (cql_type.to_string(), value.to_literal())
    };
    let tokens = ("set<text>".to_owned(), "{'1'}".to_owned());
    assert_eq!(column("SELECT tokens FROM system.local"), tokens);
    // Whatever it is called.
    assert_eq!(column("SELECT tokens AS t FROM system.peers_v2").0, "set<text>");
    let select = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = 'ks'";
    let (of, replication) = column(select);
    assert_eq!(of, "map<text, text>");
    let expected = "{'class': 'org.apache.cassandra.locator.SimpleStrategy', \
                    'replication_factor': '1'}";
    assert_eq!(replication, expected);
}

#[test]
fn what_drivers_ask_for_when_they_connect_is_answered() {
    let mut world = World::new();
    world.run("CREATE TABLE t (k int PRIMARY KEY)").unwrap();
    for statement in [
        "SELECT * FROM system.local WHERE key='local'",
        "SELECT host_id, peer, peer_port, native_address, native_port, schema_version FROM system.peers_v2",
        "SELECT host_id, rpc_address, data_center, rack, tokens FROM system.peers",
        "SELECT prepared_id FROM system.prepared_statements",
        "SELECT keyspace_name, replication, durable_writes FROM system_schema.keyspaces",
        "SELECT * FROM system_schema.tables WHERE keyspace_name='ks' AND table_name='t'",
        "SELECT * FROM system_schema.columns WHERE keyspace_name='ks' AND table_name='t'",
        "SELECT * FROM system_schema.tables WHERE keyspace_name IN ('ks', 'system')",
        "SELECT base_table_id, dclocal_read_repair_chance FROM system_schema.views WHERE keyspace_name='ks'",
        "SELECT keyspace_name, type_name, field_names, field_types FROM system_schema.types",
        "SELECT * FROM system_schema.indexes WHERE keyspace_name='ks' AND table_name='t'",
        "SELECT * FROM system_schema.triggers WHERE keyspace_name='ks' AND table_name='t'",
        "SELECT function_name, argument_types FROM system_schema.functions WHERE keyspace_name = 'ks'",
        "SELECT final_func, initcond FROM system_schema.aggregates WHERE keyspace_name = 'ks'",
        "SELECT * FROM system_schema.dropped_columns",
        "SELECT * FROM system_virtual_schema.keyspaces",
        "SELECT * FROM system_virtual_schema.tables",
        "SELECT * from system_virtual_schema.columns",
        "SELECT * FROM system.\"IndexInfo\"",
        "SELECT * FROM system.built_views",
        "SELECT * FROM system.size_estimates",
    ] {
        // At any level: they are this node's own.
        for consistency in [Consistency::One, Consistency::LocalQuorum, Consistency::All] {
            let request = Request { consistency, ..text(&world, statement) };
            rows(world.execute(request));
        }
    }
    // Tables of ScyllaDB are not there, and nothing is called after it.
    let scylla = world.run("SELECT * FROM system_schema.scylla_tables").unwrap_err();
    assert_eq!(scylla.code, Code::UnknownTable);
    let tables = rows(world.run("SELECT table_name FROM system_schema.tables")).rows.listed();
    let mut names = tables.iter().map(|row| String::from_utf8_lossy(row[0].as_ref().unwrap()));
    assert!(names.all(|it| !it.contains("scylla")));
}

#[test]
fn what_is_described_is_rows_for_tools() {
    let mut world = World::new();
    world.run("CREATE TABLE t (k int PRIMARY KEY)").unwrap();
    let mut described = |statement: &str| {
        let Outcome::Description(it) = world.run(statement).unwrap().outcome else { panic!() };
        let names: Vec<String> = it.rows.columns.iter().map(|it| it.name.clone()).collect();
        let rows = it.rows.rows.listed();
        let row = rows.last().unwrap().iter();
        let last: Vec<String> =
            row.map(|it| String::from_utf8(it.as_ref().unwrap().to_vec()).unwrap()).collect();
        (names, last, it.text)
    };
    let (names, last, text) = described("DESCRIBE TABLE t");
    assert_eq!(names, ["keyspace_name", "type", "name", "create_statement"]);
    assert_eq!(last, ["ks", "table", "t", &text]);
    let (names, last, _) = described("DESCRIBE TABLES");
    assert_eq!(names, ["keyspace_name", "type", "name"]);
    assert_eq!(last, ["ks", "table", "t"]);
    let (names, last, _) = described("DESCRIBE CLUSTER");
    assert_eq!(names, ["cluster", "partitioner", "snitch"]);
    assert_eq!(last[..2], ["troy", "Murmur3Partitioner"]);
}
