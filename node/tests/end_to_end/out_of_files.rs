//! Open files run out: by a flood of connections, which must not take what storage needs, and altogether, which
//! refuses writes by name until there are some again. What was acknowledged stays either way.

use std::{
    fs,
    net::TcpStream,
    time::{Duration, Instant},
};

use client::Session;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::{
    process::{Node, SOON, whole_machine},
    raw::Http2,
};

/// So few that a flood would take them all, and segments so small that storage needs new ones all the time.
const SETTINGS: &str = "files_max = 256\n[commitlog]\nsegment = \"64KiB\"\n";

/// Between two attempts.
const LOOK: Duration = Duration::from_millis(50);

/// A node of few files with a table.
async fn ground(folder: &std::path::Path) -> (Node, Session) {
    let folder = folder.join("node");
    let mut node = Node::new(folder.clone());
    fs::write(folder.join("helenus.toml"), SETTINGS).unwrap();
    node.start();
    node.ready().await;
    let session = node.session().await;
    let replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    let keyspace = format!("CREATE KEYSPACE few WITH replication = {replication}");
    session.execute(keyspace.as_str(), ()).await.unwrap();
    session.execute("CREATE TABLE few.t (k int PRIMARY KEY, v text)", ()).await.unwrap();
    (node, session)
}

/// One row of 4 KiB.
async fn write(session: &Session, k: i32) -> Result<(), client::Error> {
    let insert = "INSERT INTO few.t (k, v) VALUES (?, ?)";
    session.query(insert, (k, "v".repeat(4096))).await.map(|_| ())
}

/// Every one of the first rows is there.
async fn check(session: &Session, count: i32) {
    let select = session.prepare("SELECT k FROM few.t WHERE k = ?").await.unwrap();
    for k in 0..count {
        let found: (i32,) = session.execute(&select, (k,)).one().await.unwrap();
        assert_eq!(found.0, k);
    }
}

async fn check_after_a_kill(mut node: Node, count: i32) {
    node.kill();
    node.gone();
    node.start();
    node.ready().await;
    let session = node.session().await;
    check(&session, count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_connections_leaves_storage_its_files_and_ends_when_they_go() {
    let _machine = whole_machine().await;
    let folder = tempfile::tempdir().unwrap();
    let (node, session) = ground(folder.path()).await;
    assert_eq!(node.logged("resources")["connections"], 64);
    let ports = [node.client_port(), node.peer_port(), node.http];
    let flood: Vec<TcpStream> = ports
        .iter()
        .flat_map(|port| (0..100).map(move |_| TcpStream::connect(("127.0.0.1", *port)).unwrap()))
        .collect();
    // Whoever comes behind them waits.
    let mut late = Http2::connect(node.client_port());
    assert!(late.next(Duration::from_millis(300)).is_none(), "a door let in more than it may");
    // A hundred segments' worth: each is a new file, and so is each sstable.
    let begun = Instant::now();
    for k in 0..400 {
        write(&session, k).await.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(9), "the flood itself goes after 10 s");
    drop(flood);
    assert!(late.next(SOON).is_some(), "the door is open again");
    let another = node.session().await;
    check(&another, 400).await;
    check_after_a_kill(node, 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_file_more_writes_are_refused_by_name_and_go_on_by_themselves() {
    let _machine = whole_machine().await;
    let folder = tempfile::tempdir().unwrap();
    let (node, session) = ground(folder.path()).await;
    let id = Pid::from_raw(node.id().cast_signed());
    let limit = |files| {
        let new = Rlimit { current: Some(files), maximum: Some(1 << 10) };
        prlimit(id, Resource::Nofile, new).unwrap();
    };
    limit(3);
    let mut acknowledged = 0;
    let first = loop {
        match write(&session, acknowledged).await {
            Ok(()) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 1_000, "never refused");
    };
    assert!(format!("{first:?}").contains("too many files are open"), "{first:?}");
    // From now on nothing happens to what is refused.
    let refused = write(&session, acknowledged).await.unwrap_err();
    assert_eq!(refused.code(), "HX5001", "{refused:?}");
    assert!(format!("{refused:?}").contains("files_max"), "{refused:?}");
    check(&session, acknowledged).await;
    let mut late = Http2::connect(node.client_port());
    assert!(late.next(Duration::from_millis(300)).is_none(), "there was a file for a connection");

    limit(256);
    let begun = Instant::now();
    while let Err(error) = write(&session, acknowledged).await {
        assert!(begun.elapsed() < SOON, "still refused: {error}");
        tokio::time::sleep(LOOK).await;
    }
    assert!(late.next(SOON).is_some(), "whoever waited is let in");
    assert!(node.operate("health").await.status.success());
    acknowledged += 1;
    check(&session, acknowledged).await;
    check_after_a_kill(node, acknowledged).await;
}
