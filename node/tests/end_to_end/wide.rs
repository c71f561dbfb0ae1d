//! Wide and awkward data within the memory budget: a partition of very many rows, as many tombstones before one
//! live row, thousands of columns, large cells.

use std::path::Path;
use std::time::{Duration, Instant};

use client::{Prepared, Session};
use tokio::task::JoinSet;

use crate::process::{Node, whole_machine};

/// Rows of the longest partition without `HELENUS_WIDE_ROWS`.
const ROWS: i32 = 2_000;

/// What the node is told to use, bytes.
const MEMORY: u64 = 256 << 20;

/// Writers at once.
const WRITERS: i32 = 64;

/// For what goes over a whole partition in one request.
const LONG: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn wide_data_stays_within_the_memory_budget() {
    let _machine = whole_machine().await;
    let rows = std::env::var("HELENUS_WIDE_ROWS").map_or(ROWS, |it| it.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (mut node, session, watch) = one_node(folder.path()).await;
    session
        .execute("CREATE TABLE wide.t (k int, n int, v text, PRIMARY KEY (k, n))", ())
        .await
        .unwrap();

    let insert = session.prepare("INSERT INTO wide.t (k, n, v) VALUES (?, ?, ?)").await.unwrap();
    let value = "x".repeat(80);
    let writing = session.clone();
    for_all(rows, move |n| writing.execute(&insert, (1, n, value.clone()))).await;
    watch.check(&node, "written");
    every_way_through(&session, 0..rows).await;
    watch.check(&node, "read in both directions and sliced");
    assert!(node.operate("compact").await.status.success());
    every_way_through(&session, 0..rows).await;
    watch.check(&node, "compacted, and read again");
    let kept = rows - rows / 4;
    session.execute("DELETE FROM wide.t WHERE k = 1 AND n >= ?", (kept,)).await.unwrap();
    every_way_through(&session, 0..kept).await;
    watch.check(&node, "range-deleted, and read again");

    tombstones_before_one_row(&session, rows).await;
    watch.check(&node, "as many tombstones before one row");
    assert!(node.operate("compact").await.status.success());
    one_row_behind(&session, rows).await;
    watch.check(&node, "and once more, compacted");
    assert!(node.terminate().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn awkward_rows_stay_within_the_memory_budget() {
    let _machine = whole_machine().await;
    let folder = tempfile::tempdir().unwrap();
    let (mut node, session, watch) = one_node(folder.path()).await;
    thousands_of_columns(&session).await;
    watch.check(&node, "thousands of columns");
    write_large_cells(&session).await;
    watch.check(&node, "large cells, written");
    for order in ["ASC", "DESC"] {
        read_large_cells(&session, order).await;
        watch.check(&node, &format!("large cells, read {order}"));
    }
    all_large_cells_at_once(&session).await;
    watch.check(&node, "large cells, read at once");
    assert!(node.operate("compact").await.status.success());
    watch.check(&node, "large cells, compacted");
    assert!(node.terminate().await.success());
}

/// A node of little memory, that holds an empty keyspace `wide`.
async fn one_node(folder: &Path) -> (Node, Session, Watch) {
    let mut node = Node::new(folder.join("node")).with_memory("256MiB");
    node.start();
    node.ready().await;
    let session = node.session().await;
    session
        .execute(
            "CREATE KEYSPACE wide WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            (),
        )
        .await
        .unwrap();
    let watch = Watch { idle: node.memory("VmRSS"), begun: Instant::now() };
    (node, session, watch)
}

/// How much memory the node may take.
struct Watch {
    idle: u64,
    begun: Instant,
}

impl Watch {
    fn check(&self, node: &Node, what: &str) {
        let (most, max) = (node.memory("VmHWM"), MEMORY + MEMORY / 10 + self.idle);
        let (used, idle) = (node.memory("VmRSS"), self.idle);
        let mib = |bytes: u64| format!("{} MiB", bytes >> 20);
        eprintln!(
            "{:>4} s: {what}: {} now, {} at most; idle {}, allowed {}",
            self.begun.elapsed().as_secs(),
            mib(used),
            mib(most),
            mib(idle),
            mib(max)
        );
        assert!(most <= max, "{what}: {} of {} allowed", mib(most), mib(max));
    }
}

/// Sends the request of each number, many at a time.
async fn for_all(count: i32, request: impl Fn(i32) -> client::Request + Clone + Send + 'static) {
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let request = request.clone();
        writers.spawn(async move {
            for n in (writer..count).step_by(WRITERS as usize) {
                request(n).await.unwrap();
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
}

/// Reads the partition forwards, backwards, in slices, and counts it.
async fn every_way_through(session: &Session, expected: std::ops::Range<i32>) {
    let all = |order: &'static str| format!("SELECT n FROM wide.t WHERE k = 1 ORDER BY n {order}");
    assert!(numbers(session, &all("ASC"), ()).await.eq(expected.clone()), "forwards");
    assert!(numbers(session, &all("DESC"), ()).await.eq(expected.clone().rev()), "backwards");
    let (from, to) = (expected.end / 3, expected.end / 2);
    for order in ["ASC", "DESC"] {
        let slice =
            format!("SELECT n FROM wide.t WHERE k = 1 AND n >= ? AND n < ? ORDER BY n {order}");
        let found: Vec<i32> = numbers(session, &slice, (from, to)).await.collect();
        let slice: Vec<i32> = (from..to).collect();
        assert!(found.iter().eq(&slice) || found.iter().rev().eq(&slice), "a slice, {order}");
    }
    let count = session.query("SELECT count(*) FROM wide.t WHERE k = 1", ()).timeout(LONG);
    assert_eq!(count.one::<(i64,)>().await.unwrap().0, i64::from(expected.end));
}

async fn numbers(
    session: &Session,
    text: &str,
    values: impl client::Values,
) -> std::vec::IntoIter<i32> {
    let rows = session.query(text, values).rows_max(usize::MAX).all::<(i32,)>().await.unwrap();
    rows.into_iter().map(|it| it.0).collect::<Vec<i32>>().into_iter()
}

async fn tombstones_before_one_row(session: &Session, rows: i32) {
    let delete = session.prepare("DELETE FROM wide.t WHERE k = 2 AND n = ?").await.unwrap();
    let (other, statement): (Session, Prepared) = (session.clone(), delete);
    for_all(rows, move |n| other.execute(&statement, (n,))).await;
    session.execute("INSERT INTO wide.t (k, n, v) VALUES (2, ?, 'there')", (rows,)).await.unwrap();
    one_row_behind(session, rows).await;
}

/// Each page steps over so many tombstones and ends: a client that pages gets there.
async fn one_row_behind(session: &Session, rows: i32) {
    for tail in ["", " LIMIT 1", " ORDER BY n DESC"] {
        let text = format!("SELECT n FROM wide.t WHERE k = 2{tail}");
        assert!(numbers(session, &text, ()).await.eq([rows]), "{tail}");
    }
}

async fn thousands_of_columns(session: &Session) {
    const COLUMNS: usize = 2_000;
    let names: Vec<String> = (0..COLUMNS).map(|it| format!("c{it}")).collect();
    let create = format!(
        "CREATE TABLE wide.columns (k int, n int, {} int, PRIMARY KEY (k, n))",
        names.join(" int, ")
    );
    session.execute(create, ()).await.unwrap();
    let values: Vec<String> = (0..COLUMNS).map(|it| it.to_string()).collect();
    for n in 0..200 {
        let text = format!(
            "INSERT INTO wide.columns (k, n, {}) VALUES (1, {n}, {})",
            names.join(", "),
            values.join(", ")
        );
        session.execute(text, ()).await.unwrap();
    }
    let text = format!("SELECT n, c0, c{} FROM wide.columns WHERE k = 1", COLUMNS - 1);
    let found: Vec<(i32, i32, i32)> = session.query(&text, ()).all().await.unwrap();
    let last = COLUMNS as i32 - 1;
    assert!(found.into_iter().eq((0..200).map(|n| (n, 0, last))));
}

const CELLS: i32 = 200;
const CELL_BYTES: usize = 1 << 20;

/// One after the other, and again where the memtables are past their share.
async fn write_large_cells(session: &Session) {
    session
        .execute("CREATE TABLE wide.cells (k int, n int, v text, PRIMARY KEY (k, n))", ())
        .await
        .unwrap();
    let insert =
        session.prepare("INSERT INTO wide.cells (k, n, v) VALUES (1, ?, ?)").await.unwrap();
    for n in 0..CELLS {
        let cell = large_cell(n);
        while let Err(error) = session.execute(&insert, (n, cell.clone())).await {
            assert!(matches!(error, client::Error::Retry(_)), "{error}");
        }
    }
}

/// Reads every cell in a request of its own, all at the same time: together they are nearly the whole budget. For
/// whom there is no room is told so, and comes again.
async fn all_large_cells_at_once(session: &Session) {
    let one = session.prepare("SELECT v FROM wide.cells WHERE k = 1 AND n = ?").await.unwrap();
    let mut readers = JoinSet::new();
    for n in 0..CELLS {
        let (session, one) = (session.clone(), one.clone());
        readers.spawn(async move {
            loop {
                match session.execute(&one, (n,)).all::<(String,)>().await {
                    Ok(rows) => break assert_eq!(rows[0].0, large_cell(n)),
                    Err(client::Error::Retry(_)) => tokio::task::yield_now().await,
                    Err(error) => panic!("cell {n}: {error}"),
                }
            }
        });
    }
    while let Some(read) = readers.join_next().await {
        read.unwrap();
    }
}

/// Digits that do not compress to nothing.
fn large_cell(n: i32) -> String {
    let mut state = n as u64;
    let digits = (0..CELL_BYTES).map(|_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + (state >> 60) as u8)
    });
    digits.collect()
}

async fn read_large_cells(session: &Session, order: &str) {
    let text = format!("SELECT n, v FROM wide.cells WHERE k = 1 ORDER BY n {order}");
    let all = session.query(&text, ()).rows_max(CELLS as usize).all::<(i32, String)>();
    let found = all.await.unwrap();
    assert!(found.iter().all(|(n, v)| *v == large_cell(*n)), "{order}");
    let numbers: Vec<i32> = found.into_iter().map(|it| it.0).collect();
    let expected = 0..CELLS;
    assert!(
        if order == "ASC" { expected.eq(numbers) } else { expected.rev().eq(numbers) },
        "{order}"
    );
}
