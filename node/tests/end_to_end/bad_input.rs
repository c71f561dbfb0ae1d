//! Bad input and bad conditions, one a line: what it is called, how the program ends, and that
//! the node is alive afterwards with everything that was acknowledged.

use std::{fs, path::Path, time::Duration};

use client::{Error, Session};

use crate::ground::{Ground, KEPT, files, is_whole};
use crate::process::{Node, finish, forget_settings, helenus, run, whole_machine};

/// A statement and the code it is refused with.
const STATEMENTS: &[(&str, &str)] = &[
    // What is not CQL.
    ("", "HX2001"),
    (";", "HX2001"),
    ("SELEC * FROM k.t", "HX2001"),
    ("SELECT * FROM", "HX2001"),
    ("SELECT * FROM k.t WHERE", "HX2001"),
    ("SELECT * FROM k.t WHERE id = ", "HX2001"),
    ("INSERT INTO k.t (id, v) VALUES (1, 'open", "HX2001"),
    ("INSERT INTO k.t (id) VALUES (1", "HX2001"),
    ("SELECT * FROM k.t /* open", "HX2001"),
    ("SELECT * FROM k.t; DROP TABLE k.t", "HX2001"),
    ("SELECT \u{0} FROM k.t", "HX2001"),
    ("CREATE TABLE k.u (id nosuchtype PRIMARY KEY)", "HX3002"),
    // Names that do not exist.
    ("SELECT * FROM t", "HX2002"),
    ("SELECT * FROM nowhere.t", "HX2002"),
    ("SELECT * FROM k.nothing", "HX2002"),
    ("INSERT INTO k.nothing (id) VALUES (1)", "HX2002"),
    ("USE nowhere", "HX2002"),
    ("SELECT x FROM k.t", "HX2003"),
    ("SELECT nosuch(id) FROM k.t", "HX2003"),
    ("INSERT INTO k.t (id, x) VALUES (1, 1)", "HX2003"),
    ("UPDATE k.t SET x = 1 WHERE id = 1", "HX2003"),
    ("DELETE x FROM k.t WHERE id = 1", "HX2003"),
    ("DROP TABLE k.nothing", "HX3003"),
    ("DROP KEYSPACE nowhere", "HX3003"),
    ("ALTER TABLE k.nothing ADD x int", "HX3003"),
    // Values that do not fit.
    ("INSERT INTO k.t (id, v) VALUES ('one', 'x')", "HX2004"),
    ("INSERT INTO k.t (id, v) VALUES (99999999999, 'x')", "HX2004"),
    ("INSERT INTO k.t (id, v) VALUES (1, 2)", "HX2004"),
    ("INSERT INTO k.t (id, v) VALUES (null, 'x')", "HX2004"),
    ("INSERT INTO k.t (id, v) VALUES (1)", "HX2001"),
    ("INSERT INTO k.t (id, id) VALUES (1, 1)", "HX2004"),
    ("SELECT * FROM k.t LIMIT 0", "HX2004"),
    ("SELECT * FROM k.t LIMIT -1", "HX2004"),
    ("INSERT INTO k.t (id, v) VALUES (1, 'x') USING TTL -1", "HX2004"),
    ("INSERT INTO k.t (id, v) VALUES (1, 'x') USING TTL 630720001", "HX2004"),
    ("INSERT INTO k.t (id, v) VALUES (1, 'x') USING TIMESTAMP -9223372036854775808", "HX2004"),
    ("INSERT INTO k.t (id, v) VALUES (1, 'x') USING TIMESTAMP 9223372036854775807", "HX5003"),
    // Keys that are missing or not whole.
    ("INSERT INTO k.t (v) VALUES ('x')", "HX2005"),
    ("UPDATE k.t SET v = 'x'", "HX2001"),
    ("UPDATE k.t SET v = 'x' WHERE v = 'x'", "HX2005"),
    ("UPDATE k.t SET id = 2 WHERE id = 1", "HX2005"),
    ("DELETE FROM k.t WHERE v = 'x'", "HX2005"),
    ("SELECT * FROM k.t WHERE v = 'x'", "HX2005"),
    ("SELECT * FROM k.c WHERE b = 1", "HX2005"),
    ("SELECT * FROM k.c WHERE a = 1 AND c = 1", "HX2005"),
    // Definitions that contradict themselves.
    ("CREATE TABLE k.u (id int)", "HX3002"),
    ("CREATE TABLE k.u (id int, id int, PRIMARY KEY (id))", "HX3002"),
    ("CREATE TABLE k.u (id int, PRIMARY KEY (x))", "HX3002"),
    ("CREATE TABLE k.u (id int PRIMARY KEY) WITH nosuch = 1", "HX3002"),
    ("CREATE TABLE k.u (id int PRIMARY KEY, s int STATIC)", "HX3002"),
    ("CREATE TABLE k.t (id int PRIMARY KEY)", "HX3001"),
    (
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "HX3001",
    ),
    ("CREATE KEYSPACE u WITH replication = {'class': 'NoStrategy'}", "HX3002"),
    (
        "CREATE KEYSPACE u WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 0}",
        "HX3002",
    ),
    (
        "CREATE KEYSPACE u WITH replication = {'class': 'NetworkTopologyStrategy', 'mars': 1}",
        "HX3002",
    ),
    // What belongs to the system.
    ("INSERT INTO system.local (key) VALUES ('local')", "HX4001"),
    ("DROP KEYSPACE system", "HX4001"),
    ("DROP TABLE system.local", "HX4001"),
];

/// Arguments of `start`, what it ends with, and what it says.
const STARTS: &[(&[&str], i32, &str)] = &[
    (&["--nosuch", "1"], 2, "--nosuch"),
    (&["--data-dri", "x"], 2, "--data-dir"),
    (&["--client-port", "65536"], 2, "HX8002"),
    (&["--http-port", "-1"], 2, "http-port"),
    (&["--num-tokens", "0"], 2, "HX8002"),
    (&["--num-tokens", "257"], 2, "HX8002"),
    (&["--memory", "1MiB"], 2, "HX8002"),
    (&["--seeds", "nowhere"], 2, "HX8002"),
    (&["--cluster-name", ""], 2, "HX8002"),
    (&["--cluster-name", "two words"], 2, "HX8002"),
    (&["--timeouts-read", "5"], 2, "10s"),
    (&["--commitlog-sync", "never"], 2, "periodic"),
    (&["--guardrails-columns-fail", "10001"], 2, "at most 10000"),
    (&["--files-max", "1"], 2, "HX8002"),
    (&["--disk-warn", "96"], 2, "disk.reject"),
    (&["--disk-warn", "91", "--disk-reject", "90"], 2, "disk.warn"),
    (&["--http-port", "7000"], 2, "peer_port"),
    (&["--memory", "64MiB", "--hints-bytes-max", "9MiB"], 2, "`memory` = `64MiB`"),
    (&["--guardrails-columns-warn", "9", "--guardrails-columns-fail", "8"], 2, "columns_fail"),
    (&["--connections-max", "3"], 2, "HX8002"),
    (&["--files-max", "256", "--connections-max", "65"], 2, "files_max"),
    (&["--commitlog-segment", "1GiB"], 2, "256MiB"),
    (&["--timeouts-write", "0s"], 2, "1ms"),
    (&["--clock-skew-warn", "0s"], 2, "1ms"),
    (&["--log-level", "=="], 2, "HX8002"),
    (&["--replace", "x"], 2, "HX2008"),
    (&["--listen", "0.0.0.0"], 1, "HX8004"),
    (&["--listen", "no such host"], 1, "HX8004"),
    (
        &[
            "--data-dir",
            "/proc/helenus",
            "--peer-port",
            "0",
            "--client-port",
            "0",
            "--http-port",
            "0",
            "--cql-port",
            "0",
        ],
        1,
        "HX6006",
    ),
];

async fn refusal(outcome: Result<client::Outcome, Error>) -> String {
    match outcome {
        Ok(_) => "it worked".to_owned(),
        Err(error) => error.code().to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_statements_and_bad_requests_are_called_by_name_and_harm_nothing() {
    let _machine = whole_machine().await;
    let mut ground = Ground::new(&KEPT).await;
    let Ground { node, session, .. } = &ground;
    let table = "CREATE TABLE k.c (a int, b int, c int, PRIMARY KEY (a, b, c))";
    session.execute(table, ()).await.unwrap();
    let mut wrong = Vec::new();
    for (statement, code) in STATEMENTS {
        let found = refusal(session.execute(*statement, ()).await).await;
        if found != *code {
            wrong.push(format!("{found}, not {code}: {statement}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    is_whole(session, "bad statements").await;

    let insert = "INSERT INTO k.t (id, v) VALUES (?, ?)";
    let text = |bytes: usize| "x".repeat(bytes);
    let nesting = format!("SELECT {}id{} FROM k.t", "ttl(".repeat(100), ")".repeat(100));
    let keys: Vec<String> = (0..101).map(|it| it.to_string()).collect();
    let many = format!("SELECT * FROM k.t WHERE id IN ({})", keys.join(", "));
    let long = format!("SELECT * FROM k.t -- {}", text(2 << 20));
    let cases = [
        ("too few values", session.query(insert, (1,)).await, "HX2006"),
        ("too many values", session.query(insert, (1, "x", 2)).await, "HX2006"),
        ("a value of 3 MiB", session.query(insert, (2, text(3 << 20))).await, "HX5002"),
        ("101 keys", session.execute(many.as_str(), ()).await, "HX5002"),
        ("a statement of 2 MiB", session.execute(long.as_str(), ()).await, "HX5002"),
        ("deep nesting", session.execute(nesting.as_str(), ()).await, "HX2001"),
    ];
    for (what, outcome, code) in cases {
        assert_eq!(refusal(outcome).await, code, "{what}");
        is_whole(session, what).await;
    }
    bad_bytes(node, session).await;
    ground.restart().await;
    is_whole(&ground.session, "a restart").await;
}

/// Bytes that are no HTTP/2, half of it, or none of our messages, at every door.
async fn bad_bytes(node: &Node, session: &Session) {
    use std::io::{Read as _, Write as _};
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let noise: Vec<u8> =
        (0..65_536_u32).map(|it| (it.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let frame = |kind: u8, flags: u8, stream: u32, body: &[u8]| {
        let mut frame = (body.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(body);
        frame
    };
    let after_preface = |bytes: Vec<u8>| [PREFACE, &frame(4, 0, 0, &[]), &bytes].concat();
    let attacks: [(&str, Vec<u8>); 10] = [
        ("nothing", Vec::new()),
        ("one byte", vec![0]),
        ("noise", noise.clone()),
        ("HTTP/1.1", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec()),
        ("TLS", [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], &noise[..512]].concat()),
        ("half a preface", PREFACE[..12].to_vec()),
        ("a preface and noise", [PREFACE, &noise].concat()),
        (
            "a frame of 16 MiB that does not come",
            after_preface(vec![0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]),
        ),
        ("headers that do not end", after_preface(frame(1, 0, 1, &[0x82; 1000]))),
        ("data on no stream", after_preface(frame(0, 0, 7, &noise[..1000]))),
    ];
    for port in [node.peer_port(), node.client_port(), node.cql_port(), node.http] {
        for (what, bytes) in &attacks {
            let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            // It may be closed to us before all is written.
            drop(stream.write_all(bytes));
            drop(stream.read(&mut [0; 1024]));
            drop(stream);
            is_whole(session, &format!("{what} at port {port}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_settings_end_with_their_code_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (args, code, says) in STARTS {
        let args = [&["start"], *args].concat();
        let output = run(folder.path(), &args).await;
        ends(&format!("{args:?}"), &output, *code, says);
    }
    for (file, code, says) in [
        ("nosuch = 1\n", 2, "HX8001"),
        ("[log]\nlevle = \"info\"\n", 2, "log.level"),
        ("[log.level]\nx = 1\n", 2, "log.level"),
        ("memory = 64\n", 2, "HX8002"),
        ("memory = 1.5\n", 2, "memory"),
        ("memory = \n", 2, "helenus.toml"),
        ("[timeouts]\nread = \"99999999999999999999h\"\n", 2, "HX8002"),
    ] {
        fs::write(folder.path().join("helenus.toml"), file).unwrap();
        ends(file, &run(folder.path(), &["start"]).await, code, says);
    }
    fs::remove_file(folder.path().join("helenus.toml")).unwrap();
    for (name, value, says) in [
        ("HELENUS_NOSUCH", "1", "HX8001"),
        ("HELENUS_LOG__LEVLE", "info", "log.level"),
        ("HELENUS_PEER_PORT", "x", "HELENUS_PEER_PORT"),
    ] {
        let mut command = helenus(folder.path(), &["start"]);
        command.env(name, value);
        ends(name, &finish(command).await, 2, says);
    }
    let mut few = std::process::Command::new("sh");
    let script = "ulimit -n 100 && exec \"$0\" start";
    few.arg("-c").arg(script).arg(helenus(folder.path(), &[]).get_program());
    few.current_dir(folder.path());
    forget_settings(&mut few);
    ends("100 open files", &finish(few).await, 1, "LimitNOFILE");
    assert!(is_empty(folder.path()), "a refused start leaves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_directories_are_refused_and_named() {
    let _machine = whole_machine().await;
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::new(folder.path().join("node"));
    node.start();
    node.ready().await;
    assert_eq!(node.terminate().await.code(), Some(0), "{}", node.log());
    let whole = folder.path().join("whole");
    copy(&node.data_dir(), &whole);
    for (at, (what, file)) in files(&whole, "").into_iter().enumerate().filter_map(|(at, path)| {
        let name = path.strip_prefix(&whole).unwrap().display().to_string();
        // Small facts can be rebuilt, and an empty file has no bit to flip.
        let counts = !name.starts_with("facts") && fs::metadata(&path).unwrap().len() > 0;
        counts.then_some((at, (name, path)))
    }) {
        let damaged = folder.path().join(format!("damaged{at}"));
        copy(&whole, &damaged);
        let path = damaged.join(file.strip_prefix(&whole).unwrap());
        let mut bytes = fs::read(&path).unwrap();
        bytes[0] ^= 0x40;
        fs::write(&path, bytes).unwrap();
        let output = finish(node.command(&damaged)).await;
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{what}: {told}");
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(told.contains("error[HX6"), "{what}: {told}");
        assert!(told.contains(name), "{what} is not named: {told}");
    }
}

fn ends(what: &str, output: &std::process::Output, code: i32, says: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{what}: {told}");
    assert!(told.contains(says), "{what} lacks `{says}`: {told}");
    assert!(!told.contains("panicked"), "{what}: {told}");
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

fn copy(from: &Path, to: &Path) {
    for path in files(from, "") {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(path, target).unwrap();
    }
}
