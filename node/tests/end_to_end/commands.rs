//! The command line: what each command says, and what it ends with.

use std::fs;
use std::path::Path;

use crate::process::{Node, finish, free_ports, get, helenus, run, whole_machine};

/// A command, what it must end with, and what it must say on either stream.
struct Case<'a> {
    args: &'a [&'a str],
    code: i32,
    says: &'a [&'a str],
}

async fn check(folder: &Path, cases: &[Case<'_>]) {
    for Case { args, code, says } in cases {
        let output = run(folder, args).await;
        expect(&format!("helenus {args:?}"), &output, *code, says);
    }
}

fn expect(what: &str, output: &std::process::Output, code: i32, says: &[&str]) {
    let out = String::from_utf8_lossy(&output.stdout);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{what}:\n{out}\n{told}");
    for word in says {
        assert!(out.contains(word) || told.contains(word), "{what} lacks `{word}`:\n{out}\n{told}");
    }
    if code != 0 {
        assert_eq!(out, "", "{what}: an error belongs on stderr");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_need_no_node() {
    let folder = tempfile::tempdir().unwrap();
    let [dead] = free_ports();
    let dead = format!("127.0.0.1:{dead}");
    let refused = format!("cannot connect to {dead}: Connection refused");
    let nobody_there = ["HX1006", refused.as_str()];
    let nobody = |args| Case { args, code: 3, says: &nobody_there };
    check(
        folder.path(),
        &[
            Case {
                args: &["explain", "HX1002"],
                code: 0,
                says: &["HX1002", "unknown", "What to do"],
            },
            Case { args: &["explain", "hx1002"], code: 0, says: &["HX1002"] },
            Case { args: &["explain", "HX0000"], code: 1, says: &["HX1001"] },
            Case { args: &["version"], code: 0, says: &["helenus 0.", "data format 1"] },
            Case { args: &["--help"], code: 0, says: &["start", "demo", "status", "health"] },
            Case { args: &["start", "--sedes", "x"], code: 2, says: &["--sedes", "--seeds"] },
            Case { args: &["strat"], code: 2, says: &["strat", "start"] },
            Case {
                args: &["start", "--memory", "64"],
                code: 2,
                says: &["HX8002", "--memory", "MiB"],
            },
            Case {
                args: &["start", "--peer-port", "x"],
                code: 2,
                says: &["HX8002", "--peer-port"],
            },
            Case {
                args: &["start", "--listen", "0.0.0.0"],
                code: 1,
                says: &["HX8004", "0.0.0.0", "--insecure"],
            },
            Case { args: &["start", "--config", "missing.toml"], code: 2, says: &["missing.toml"] },
            nobody(&["status", "--node", &dead]),
            nobody(&["health", "--node", &dead]),
            nobody(&["flush", "--node", &dead]),
            nobody(&["drain", "--node", &dead]),
            Case { args: &["health", "--wait", "1s", "--node", &dead], code: 10, says: &[&dead] },
        ],
    )
    .await;
    assert!(!folder.path().join("helenus-data").exists(), "a refused start leaves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_do_not_exist_are_refused_with_a_guess() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("helenus.toml"), "[timeouts]\nraed = \"1s\"\n").unwrap();
    let output = run(folder.path(), &["start"]).await;
    expect(
        "helenus.toml",
        &output,
        2,
        &["HX8001", "timeouts.raed", "timeouts.read", "helenus.toml"],
    );
    fs::remove_file(folder.path().join("helenus.toml")).unwrap();
    let mut command = helenus(folder.path(), &["start"]);
    command.env("HELENUS_CLIENT_PROT", "1");
    let output = finish(command).await;
    expect("environment", &output, 2, &["HX8001", "HELENUS_CLIENT_PROT", "client_port"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_serves_refuses_a_second_of_it_and_drains() {
    let _machine = whole_machine().await;
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::new(folder.path().join("first"));
    node.start();
    node.ready().await;
    let address = node.client_address();
    let ready = fs::read_to_string(node.ready_file()).unwrap();
    assert!(ready.contains(&format!("client={address}\n")), "{ready}");

    let session = client::Session::builder().known_node(&address).build().await.unwrap();
    let replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    let keyspace = format!("CREATE KEYSPACE k WITH replication = {replication}");
    session.execute(keyspace.as_str(), ()).await.unwrap();
    session.execute("CREATE TABLE k.t (id int PRIMARY KEY, v text)", ()).await.unwrap();
    session.query("INSERT INTO k.t (id, v) VALUES (?, ?)", (1, "one")).await.unwrap();
    check(
        folder.path(),
        &[
            Case { args: &["health", "--node", &address], code: 0, says: &["healthy"] },
            Case {
                args: &["health", "--wait", "5s", "--node", &address],
                code: 0,
                says: &["healthy"],
            },
            Case {
                args: &["status", "--node", &address],
                code: 0,
                says: &["UN", "end-to-end", "The only node is up"],
            },
            Case {
                args: &["where", "k.t", "1", "--node", &address],
                code: 0,
                says: &["token -4069959284402364209", "UN", &node.peer_address()],
            },
            Case {
                args: &["where", "k.no", "1", "--node", &address],
                code: 1,
                says: &["no such table"],
            },
            Case { args: &["flush", "k.t", "--node", &address], code: 0, says: &["flushed"] },
            Case { args: &["compact", "--node", &address], code: 0, says: &["compacted"] },
            Case { args: &["flush", "k.no", "--node", &address], code: 1, says: &["k.no"] },
            Case {
                args: &["config", "show", "--origin", "--node", &address],
                code: 0,
                says: &["client_port", "# flag --client-port", "# default"],
            },
        ],
    )
    .await;
    doors_over_http(node.http);

    // Another process wants what this one has.
    let second = Node::new(folder.path().join("second"));
    let output = finish(second.command(&node.data_dir())).await;
    let dir = node.data_dir();
    expect("locked", &output, 1, &["HX6003", dir.to_str().unwrap()]);
    let second = second.with_client_port(node.client_port());
    let output = finish(second.command(&second.data_dir())).await;
    expect("port in use", &output, 1, &["HX8003", &address]);

    session.query("INSERT INTO k.t (id, v) VALUES (?, ?)", (2, "two")).await.unwrap();
    drains_and_replays_nothing(&mut node).await;

    let foreign = Node::new(folder.path().join("third")).with_cluster_name("another");
    let output = finish(foreign.command(&node.data_dir())).await;
    expect("another cluster's directory", &output, 1, &["HX6004", "another", "end-to-end"]);
}

/// Stops it politely, finds everything on disk, and stops it again.
async fn drains_and_replays_nothing(node: &mut Node) {
    let ended = node.terminate().await;
    assert_eq!(ended.code(), Some(0), "{}", node.log());
    node.start();
    node.ready().await;
    let opened = node.logged("the data directory is open");
    assert_eq!((&opened["clean"], &opened["replayed"]), (&true.into(), &0.into()), "{opened}");
    let session = node.session().await;
    let rows = session.query("SELECT id, v FROM k.t", ()).all::<(i32, String)>().await.unwrap();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(node.terminate().await.code(), Some(0));
}

fn doors_over_http(port: u16) {
    for (path, status, says) in [
        ("/livez", 200, ""),
        ("/readyz", 200, ""),
        ("/metrics", 200, "\nhelenus_"),
        ("/nowhere", 404, ""),
    ] {
        let answer = get(port, path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        assert!(answer.contains(says), "{path}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_alone_waits_and_strangers_are_not_let_in() {
    let _machine = whole_machine().await;
    let folder = tempfile::tempdir().unwrap();
    let mut founded = Node::new(folder.path().join("founded"));
    founded.start();
    founded.ready().await;

    // It names a founder that never comes.
    let [absent] = free_ports::<1>().map(|it| format!("127.0.0.1:{it}"));
    let waiting = Node::new(folder.path().join("waiting"));
    let seeds = [waiting.peer_address(), absent];
    let mut waiting = waiting.with_seeds(&seeds);
    waiting.start();
    let args = ["health", "--wait", "2s", "--node", &waiting.client_address()];
    let output = run(folder.path(), &args).await;
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(10), "{output:?}");
    assert!(out.contains("not a member"), "{out}");
    assert!(!waiting.ready_file().exists(), "it does not serve");

    // These want to found a cluster with a node that is a member of one.
    let late = Node::new(folder.path().join("late"));
    let seeds = [late.peer_address(), founded.peer_address()];
    let late = late.with_seeds(&seeds);
    let output = finish(late.command(&late.data_dir())).await;
    expect("not a founder", &output, 1, &["HX7001"]);
    let other = Node::new(folder.path().join("other"));
    let seeds = [other.peer_address(), founded.peer_address()];
    let other = other.with_seeds(&seeds).with_cluster_name("another");
    let output = finish(other.command(&other.data_dir())).await;
    expect("another cluster", &output, 1, &["HX7002", "end-to-end"]);
}
