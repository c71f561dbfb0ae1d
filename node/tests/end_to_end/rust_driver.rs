//! The Rust driver `scylla`, as it comes, against three nodes that it reaches at one port.

use std::{collections::HashSet, net::IpAddr};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use scylla::{
    client::{Compression, session::Session, session_builder::SessionBuilder},
    statement::batch::{Batch, BatchType},
    value::{
        CqlDate, CqlDecimal, CqlDuration, CqlTime, CqlTimestamp, CqlTimeuuid, CqlValue, CqlVarint,
        MaybeUnset, Row,
    },
};
use uuid::Uuid;

use crate::process::Cluster;

/// Rows that are paged through, and rows of a page.
const ROWS: i32 = 5_000;
const PAGE: i32 = 700;

/// Inserts under way at once.
const AT_ONCE: usize = 64;

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_driver_finds_types_pages_and_replicas() {
    let cluster = Cluster::start_at_one_port().await;
    let session = connect(&cluster, None).await;
    run(
        &session,
        "CREATE KEYSPACE d WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
    )
    .await;
    session.use_keyspace("d", false).await.unwrap();
    compressions(&cluster).await;
    types(&session).await;
    pages(&session).await;
    batches(&session).await;
    bound_lists(&session).await;
}

async fn connect(cluster: &Cluster, compression: Option<Compression>) -> Session {
    let contacts = cluster.nodes.iter().map(|it| it.cql_address());
    let builder = contacts.fold(SessionBuilder::new(), SessionBuilder::known_node);
    builder.compression(compression).build().await.unwrap()
}

async fn run(session: &Session, statement: &str) {
    session.query_unpaged(statement, ()).await.unwrap();
}

/// Long enough to be compressed.
async fn compressions(cluster: &Cluster) {
    for compression in [Compression::Lz4, Compression::Snappy] {
        let session = connect(cluster, Some(compression)).await;
        session.use_keyspace("d", false).await.unwrap();
        run(&session, "CREATE TABLE IF NOT EXISTS long (k int PRIMARY KEY, v text)").await;
        let insert = session.prepare("INSERT INTO long (k, v) VALUES (?, ?)").await.unwrap();
        let text = "to and fro, ".repeat(1_000);
        session.execute_unpaged(&insert, (1, &text)).await.unwrap();
        let found = session.query_unpaged("SELECT v FROM long WHERE k = 1", ()).await.unwrap();
        let found = found.into_rows_result().unwrap().single_row::<(String,)>().unwrap();
        assert_eq!(found.0, text, "{compression:?}");
    }
}

/// A column of each type, and a value of it.
fn values() -> Vec<(&'static str, CqlValue)> {
    let uuid = Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef);
    let time = Uuid::from_u128(0x8f2c_1e00_2b6a_11ee_8123_4567_89ab_cdef);
    let address: IpAddr = "2001:db8::1".parse().unwrap();
    let number = |it: i32| CqlValue::Int(it);
    let text = |it: &str| CqlValue::Text(it.to_owned());
    vec![
        ("ascii", CqlValue::Ascii("plain".to_owned())),
        ("bigint", CqlValue::BigInt(i64::MIN)),
        ("blob", CqlValue::Blob(vec![0, 255])),
        ("boolean", CqlValue::Boolean(true)),
        ("date", CqlValue::Date(CqlDate(1 << 31))),
        (
            "decimal",
            CqlValue::Decimal(CqlDecimal::from_signed_be_bytes_and_exponent(vec![1, 0], 2)),
        ),
        ("double", CqlValue::Double(0.1)),
        ("duration", CqlValue::Duration(CqlDuration { months: 1, days: 2, nanoseconds: 3 })),
        ("float", CqlValue::Float(0.5)),
        ("inet", CqlValue::Inet(address)),
        ("int", number(-1)),
        ("smallint", CqlValue::SmallInt(-2)),
        ("text", text("žluťoučký")),
        ("time", CqlValue::Time(CqlTime(1))),
        ("timestamp", CqlValue::Timestamp(CqlTimestamp(-1))),
        ("timeuuid", CqlValue::Timeuuid(CqlTimeuuid::from(time))),
        ("tinyint", CqlValue::TinyInt(-3)),
        ("uuid", CqlValue::Uuid(uuid)),
        ("varint", CqlValue::Varint(CqlVarint::from_signed_bytes_be(vec![127; 20]))),
        ("list<int>", CqlValue::List(vec![number(2), number(1), number(2)])),
        ("set<text>", CqlValue::Set(vec![text("a"), text("b")])),
        ("map<int, text>", CqlValue::Map(vec![(number(1), text("one")), (number(2), text("two"))])),
        ("frozen<list<set<int>>>", CqlValue::List(vec![CqlValue::Set(vec![number(1)])])),
        ("tuple<int, text>", CqlValue::Tuple(vec![Some(number(1)), None])),
        ("vector<float, 2>", CqlValue::Vector(vec![CqlValue::Float(1.0), CqlValue::Float(2.0)])),
    ]
}

/// Each in and out through prepared statements; null is null, and unset leaves what there was.
async fn types(session: &Session) {
    let values = values();
    let columns: Vec<String> =
        values.iter().enumerate().map(|(at, (of, _))| format!("c{at} {of}")).collect();
    run(session, &format!("CREATE TABLE types (k int PRIMARY KEY, {})", columns.join(", "))).await;
    let names: Vec<String> = (0..values.len()).map(|at| format!("c{at}")).collect();
    let names = names.join(", ");
    let marks = ", ?".repeat(values.len());
    let insert = format!("INSERT INTO types (k, {names}) VALUES (?{marks})");
    let insert = session.prepare(insert).await.unwrap();
    let select = format!("SELECT {names} FROM types WHERE k = ?");
    let select = session.prepare(select).await.unwrap();
    let bind = |key, of: &dyn Fn(&CqlValue) -> MaybeUnset<Option<CqlValue>>| {
        let key = MaybeUnset::Set(Some(CqlValue::Int(key)));
        std::iter::once(key).chain(values.iter().map(|(_, it)| of(it))).collect::<Vec<_>>()
    };
    let set = |it: &CqlValue| MaybeUnset::Set(Some(it.clone()));
    for row in [bind(1, &set), bind(1, &|_| MaybeUnset::Unset), bind(2, &|_| MaybeUnset::Set(None))]
    {
        session.execute_unpaged(&insert, row).await.unwrap();
    }
    let found = async |key: i32| {
        let found = session.execute_unpaged(&select, (key,)).await.unwrap();
        found.into_rows_result().unwrap().single_row::<Row>().unwrap().columns
    };
    for ((of, value), found) in values.iter().zip(found(1).await) {
        assert_eq!(found.as_ref(), Some(value), "{of}");
    }
    assert!(found(2).await.iter().all(Option::is_none), "null is null");
    // Empty is a value of its own.
    run(session, "INSERT INTO types (k, c12, c2) VALUES (3, '', 0x)").await;
    let empty = found(3).await;
    assert_eq!(empty[12], Some(CqlValue::Text(String::new())));
    assert_eq!(empty[2], Some(CqlValue::Blob(Vec::new())));
    assert_eq!(empty[0], None);
}

/// All pages to the end, each row once; and who has a row is asked for it.
async fn pages(session: &Session) {
    run(session, "CREATE TABLE pages (k int, c int, v text, PRIMARY KEY (k, c))").await;
    let insert = session.prepare("INSERT INTO pages (k, c, v) VALUES (?, ?, ?)").await.unwrap();
    let (session, insert) = (&session, &insert);
    let inserts = stream::iter(0..ROWS).map(|row| async move {
        let answer = session.execute_unpaged(insert, (row % 100, row, format!("v{row}"))).await;
        let key = insert.calculate_token(&(row % 100, row, "")).unwrap().unwrap();
        let state = session.get_cluster_state();
        let mut replicas = state.get_token_endpoints("d", "pages", key).into_iter();
        let asked = answer.unwrap().request_coordinator().node().host_id;
        replicas.any(|(node, _)| node.host_id == asked)
    });
    let at_replicas: Vec<bool> = inserts.buffer_unordered(AT_ONCE).collect().await;
    let share = at_replicas.iter().filter(|it| **it).count() as f64 / f64::from(ROWS);
    assert!(0.95 <= share, "{share} of the requests went to a replica");

    let mut select = session.prepare("SELECT c FROM pages").await.unwrap();
    select.set_page_size(PAGE);
    let rows = session.execute_iter(select, ()).await.unwrap().rows_stream::<(i32,)>().unwrap();
    let found: Vec<(i32,)> = rows.try_collect().await.unwrap();
    assert_eq!(found.len(), ROWS as usize);
    let found: HashSet<i32> = found.into_iter().map(|(row,)| row).collect();
    assert_eq!(found.len(), ROWS as usize, "each once");
}

/// `IN` and a comparison of several columns, each with one marker.
async fn bound_lists(session: &Session) {
    run(session, "CREATE TABLE listed (k int, a text, b int, PRIMARY KEY (k, a, b))").await;
    let insert = session.prepare("INSERT INTO listed (k, a, b) VALUES (?, ?, ?)").await.unwrap();
    for row in [(1, "x", 1), (1, "y", 2), (2, "x", 3)] {
        session.execute_unpaged(&insert, row).await.unwrap();
    }
    let of_keys = session.prepare("SELECT b FROM listed WHERE k IN ?").await.unwrap();
    let found = session.execute_unpaged(&of_keys, (vec![2, 1, 2],)).await.unwrap();
    let found = found.into_rows_result().unwrap();
    let found: Vec<(i32,)> = found.rows().unwrap().map(Result::unwrap).collect();
    assert_eq!(found, [(1,), (2,), (3,)]);
    let of_pairs = "SELECT b FROM listed WHERE k = ? AND (a, b) IN ? AND (a, b) > ?";
    assert!(session.prepare(of_pairs).await.is_err(), "both IN and a range");
    let of_pairs = session.prepare("SELECT b FROM listed WHERE k = ? AND (a, b) IN ?").await;
    let values = (1, vec![("y", 2), ("x", 9)]);
    let found = session.execute_unpaged(&of_pairs.unwrap(), values).await.unwrap();
    assert_eq!(found.into_rows_result().unwrap().single_row::<(i32,)>().unwrap(), (2,));
}

async fn batches(session: &Session) {
    let mut batch = Batch::new(BatchType::Unlogged);
    let insert = "INSERT INTO pages (k, c, v) VALUES (-1, ?, 'batch')";
    batch.append_statement(session.prepare(insert).await.unwrap());
    batch.append_statement(insert);
    session.batch(&batch, ((1,), (2,))).await.unwrap();
    let found = session.query_unpaged("SELECT c FROM pages WHERE k = -1", ()).await.unwrap();
    assert_eq!(found.into_rows_result().unwrap().rows_num(), 2);
    let wrong = session.query_unpaged("SELECT * FROM nothing", ()).await.unwrap_err();
    assert!(wrong.to_string().contains("HX2002"), "{wrong}");
}
