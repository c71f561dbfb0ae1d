//! The shell in a terminal, in front of real nodes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use client::{Consistency, Session};

use crate::process::{SOON, eventually, get, helenus, whole_machine};
use crate::terminal::Terminal;

/// How long a statement that is cancelled may go on.
const CANCELLED_WITHIN: Duration = Duration::from_secs(1);

/// A scan that takes so long cannot be over before a key is pressed.
const LONG: Duration = Duration::from_secs(2);

/// A demo of three nodes, and its shell in a terminal.
struct Demo {
    terminal: Terminal,
    http: Vec<u16>,
    contacts: String,
}

impl Demo {
    fn open(folder: &Path, size: (u16, u16), pager: Option<&Path>) -> Demo {
        let ready = folder.join("ready");
        let mut command = helenus(folder, &["demo", "--ready-file"]);
        command.arg(&ready).env("XDG_STATE_HOME", folder);
        command.env("PAGER", pager.map_or(String::new(), |it| format!("sh {}", it.display())));
        let mut terminal = Terminal::open(&command, size).unwrap();
        let greeting = terminal.wait(SOON, at_prompt).unwrap();
        let port = |line: &str| line.split_once("http 127.0.0.1:")?.1.trim().parse().ok();
        let http: Vec<u16> = greeting.lines().filter_map(port).collect();
        assert_eq!(http.len(), 3, "{greeting}");
        let contacts = fs::read_to_string(ready).unwrap();
        let contacts = contacts.trim().trim_start_matches("client=").to_owned();
        Demo { terminal, http, contacts }
    }

    async fn session(&self) -> Session {
        let nodes = self.contacts.split(',');
        nodes.fold(Session::builder(), |it, node| it.known_node(node)).build().await.unwrap()
    }

    /// Types a line, and tells what was printed until the next prompt.
    fn enter(&mut self, line: &str) -> String {
        self.terminal.press(&format!("{line}\n")).unwrap();
        self.terminal.wait(SOON, at_prompt).unwrap()
    }

    /// Reads that the engines of all nodes have begun.
    fn reads(&self) -> u64 {
        let read = |port: &u16| {
            let scrape = get(*port, "/metrics");
            let line = scrape.lines().find(|it| it.starts_with("helenus_engine_reads_total "));
            let count = line.and_then(|it| it.rsplit(' ').next()).unwrap();
            count.parse::<u64>().unwrap()
        };
        self.http.iter().map(read).sum()
    }
}

/// Everything, once the shell waits for a statement.
fn at_prompt(text: &str) -> Option<String> {
    text.ends_with("cql-lite> ").then(|| text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_a_scan_with_its_work_at_the_replicas_and_a_copy() {
    let _machine = whole_machine().await;
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Demo::open(folder.path(), (100, 40), None);
    let session = demo.session().await;
    let create = [
        "CREATE KEYSPACE big WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3}",
        "CREATE TABLE big.t (k int PRIMARY KEY, v text)",
    ];
    for statement in create {
        session.execute(statement, ()).await.unwrap();
    }
    let insert = session.prepare("INSERT INTO big.t (k, v) VALUES (?, ?)").await.unwrap();
    let value = "x".repeat(8 << 10);
    let mut rows = 0..0;
    // At ALL every page is read once at every replica, on a quiet machine and on a busy one.
    let scan = || async {
        let begun = Instant::now();
        let count = session.execute("SELECT count(*) FROM big.t", ());
        let count = count.consistency(Consistency::All).timeout(2 * SOON);
        (count.one::<(i64,)>().await.unwrap().0, begun.elapsed())
    };
    let cost = loop {
        rows = rows.end..(2 * rows.end).max(1000);
        for row in rows.clone().step_by(100) {
            let some: Vec<(i32, &str)> = (row..row + 100).map(|it| (it, value.as_str())).collect();
            session.execute_many(&insert, some).unwrap().await.unwrap();
        }
        let before = demo.reads();
        let (count, took) = scan().await;
        assert_eq!(count, i64::from(rows.end));
        if LONG <= took {
            break demo.reads() - before;
        }
    };

    assert!(demo.enter("CONSISTENCY ALL").contains("set to ALL"));
    let before = demo.reads();
    demo.terminal.press("SELECT count(*) FROM big.t;\n").unwrap();
    eventually("the scan begins", SOON, || (before < demo.reads()).then_some(())).await;
    let pressed = Instant::now();
    demo.terminal.press("\u{3}").unwrap();
    let cancelled = |text: &str| text.contains("cancelled").then(|| text.to_owned());
    let told = demo.terminal.wait(CANCELLED_WITHIN, cancelled).unwrap();
    assert!(pressed.elapsed() < CANCELLED_WITHIN);
    if !told.ends_with("cql-lite> ") {
        demo.terminal.wait(SOON, at_prompt).unwrap();
    }
    let answer = demo.enter("SELECT k FROM big.t WHERE k = 7;");
    assert!(answer.contains("1 row "), "the shell lives on: {answer}");

    // Another complete scan takes as long as what is left of the cancelled one would: had that
    // gone on, both would be counted by now.
    let (count, _) = scan().await;
    assert_eq!(count, i64::from(rows.end));
    let all = demo.reads() - before;
    assert!((cost..cost + cost / 2).contains(&all), "{all} reads where one scan takes {cost}");

    an_interrupted_copy_goes_on(&mut demo, folder.path(), rows.end).await;
}

/// Ctrl-C stops a copy of `rows` rows, and with `RESUME` it goes on to the same file.
async fn an_interrupted_copy_goes_on(demo: &mut Demo, folder: &Path, rows: i32) {
    demo.terminal.press("COPY big.t TO 'out.csv';\n").unwrap();
    let part = folder.join("out.csv.part");
    let begun = || fs::metadata(&part).is_ok_and(|it| 0 < it.len()).then_some(());
    eventually("the copy begins", SOON, begun).await;
    demo.terminal.press("\u{3}").unwrap();
    let told = demo.terminal.wait(SOON, at_prompt).unwrap();
    assert!(told.contains("cancelled") && told.contains("RESUME = true goes on"), "{told}");
    assert!(!folder.join("out.csv").exists() && folder.join("out.csv.copy-state").exists());
    let told = demo.enter("COPY big.t TO 'out.csv' WITH RESUME = true;");
    assert!(told.contains(&format!("{rows} rows copied")), "{told}");
    assert!(!folder.join("out.csv.copy-state").exists() && !part.exists());
    let told = demo.enter("COPY big.t TO 'straight.csv';");
    assert!(told.contains(&format!("{rows} rows copied")), "{told}");
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    assert!(read("out.csv") == read("straight.csv"), "a copy in two parts differs");
}

#[tokio::test(flavor = "multi_thread")]
async fn tracing_tells_what_each_replica_did() {
    let _machine = whole_machine().await;
    let folder = tempfile::tempdir().unwrap();
    let mut demo = Demo::open(folder.path(), (160, 60), None);
    for statement in [
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3};",
        "CREATE TABLE k.t (k int, c int, v text, PRIMARY KEY (k, c));",
        "INSERT INTO k.t (k, c, v) VALUES (1, 1, 'a');",
        "INSERT INTO k.t (k, c, v) VALUES (1, 2, 'b');",
    ] {
        demo.enter(statement);
    }
    assert!(demo.enter("TRACING ON").contains("Tracing is on."));
    let told = demo.enter("DELETE FROM k.t WHERE k = 1 AND c = 2;");
    assert_eq!(told.matches(" asked ").count(), 3 + 1, "three replicas, and a column: {told}");
    assert!(told.contains("| write: 1 row, "), "{told}");
    let told = demo.enter("SELECT * FROM k.t WHERE k = 1;");
    for step in ["parsed", "planned", "data: 1 row, ", "digest: 1 row, ", "1 tombstone, "] {
        assert!(told.contains(step), "{step}: {told}");
    }
    assert!(told.contains("answered the client"), "{told}");
    let (rows, trace) = told.split_once("trace ").unwrap();
    assert!(rows.contains("1 row ") && trace.contains("| tombstones | sstables"), "{told}");

    assert!(demo.enter("\\demo kill 2").contains("dead"));
    // Whoever knows that it is down does not ask it.
    let session = demo.session().await;
    let insert = "INSERT INTO k.t (k, c, v) VALUES (1, 3, 'c')";
    let hinted = async {
        loop {
            let outcome = session.execute(insert, ()).traced(true).await.unwrap();
            let trace = outcome.trace().unwrap().clone();
            if trace.steps.iter().any(|it| it.step == "hint stored") {
                return trace;
            }
        }
    };
    let trace = tokio::time::timeout(SOON, hinted).await.unwrap();
    assert!(trace.shares.iter().all(|it| it.role == "write"), "{trace:?}");
    assert!(trace.steps.is_sorted_by_key(|it| it.after), "{trace:?}");
    assert!(trace.steps.last().unwrap().after <= trace.took, "{trace:?}");

    // What fails tells as well how far it got, and who does not ask gets nothing.
    let all = session.execute("SELECT * FROM k.t", ()).consistency(Consistency::All);
    let error = all.clone().traced(true).await.unwrap_err();
    let steps = &error.details().steps.as_ref().unwrap().steps;
    assert!(steps.iter().any(|it| it.step == "planned"), "{error:?}");
    assert!(all.await.unwrap_err().details().steps.is_none());
    assert!(session.execute(insert, ()).await.unwrap().trace().is_none());
    assert!(demo.enter("TRACING OFF").contains("Tracing is off."));
    assert!(!demo.enter("SELECT * FROM k.t WHERE k = 1;").contains("trace"));
}

/// Rows of a table, and what each has beside its key: a pipe holds some hundred.
const PAGED_ROWS: i32 = 5_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_long_result_goes_through_the_pager_as_far_as_somebody_reads() {
    let _machine = whole_machine().await;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("pager");
    let seen = folder.path().join("seen");
    let pager = |does: &str| fs::write(&script, format!("{does}\n")).unwrap();
    let mut demo = Demo::open(folder.path(), (200, 24), Some(&script));
    let session = demo.session().await;
    for statement in [
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE k.t (k int, c int, v text, PRIMARY KEY (k, c))",
    ] {
        session.execute(statement, ()).await.unwrap();
    }
    let insert = session.prepare("INSERT INTO k.t (k, c, v) VALUES (?, ?, ?)").await.unwrap();
    for row in (0..PAGED_ROWS).step_by(500) {
        let some: Vec<(i32, i32, String)> =
            (row..row + 500).map(|it| (1, it, "x".repeat(100))).collect();
        session.execute_many(&insert, some).unwrap().await.unwrap();
    }

    // What fits is printed, and no pager is asked.
    pager("cat > seen");
    assert!(demo.enter("SELECT * FROM k.t WHERE k = 1 LIMIT 5;").contains("5 rows "));
    assert!(!seen.exists());
    // Everything that is longer goes to the pager, which reads it to its end.
    let told = demo.enter("SELECT c, v FROM k.t WHERE k = 1;");
    assert!(told.contains("5000 rows · 5") && !told.contains("xxx"), "{told}");
    let text = fs::read_to_string(&seen).unwrap();
    assert_eq!(text.lines().count(), 5_002, "the names once, a rule, all rows");
    assert!(text.lines().nth(5_001).unwrap().starts_with(" 4999 | xxx"), "{text}");

    // Whoever leaves the pager ends the read.
    pager("head -n 30 > seen");
    let told = demo.enter("SELECT c, v FROM k.t WHERE k = 1;");
    assert!(told.contains("rows · not all · "), "{told}");
    let rows = told.split(" rows · not all").next().and_then(|it| it.rsplit(['\n', ' ']).next());
    let rows: i32 = rows.unwrap().parse().unwrap();
    assert!(rows < PAGED_ROWS - 1_000, "a pipe is full before: {told}");
    assert_eq!(fs::read_to_string(&seen).unwrap().lines().count(), 30);

    // So does Ctrl-C.
    fs::remove_file(&seen).unwrap();
    pager("read line; echo $line > seen; exec sleep 1000");
    demo.terminal.press("SELECT c, v FROM k.t WHERE k = 1;\n").unwrap();
    eventually("the pager begins", SOON, || seen.exists().then_some(())).await;
    demo.terminal.press("\u{3}").unwrap();
    let told = demo.terminal.wait(SOON, at_prompt).unwrap();
    assert!(told.contains("cancelled after ") || told.contains("not all"), "{told}");
    assert!(demo.enter("PAGING OFF").contains("Paging is off."));
    let told = demo.enter("SELECT c FROM k.t WHERE k = 1;");
    assert!(told.contains(" 4999\n") && told.contains("5000 rows · "), "no pager: {told}");
}
