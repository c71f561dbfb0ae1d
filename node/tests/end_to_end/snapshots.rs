//! Snapshots of a running node, restored after a mistake; and rows that move to another cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use client::Session;
use serde_json::Value;

use crate::ground::{Ground, KEYSPACE, files};
use crate::process::{Cluster, run, whole_machine};

const TABLE: &str = "CREATE TABLE k.t (id int, at int, v text, PRIMARY KEY (id, at))";

/// A command at a node.
struct Operator<'a> {
    folder: &'a Path,
    node: String,
}

impl Operator<'_> {
    async fn output(&self, args: &[&str]) -> Output {
        run(self.folder, &[args, &["--node", &self.node]].concat()).await
    }

    /// What a command prints that works.
    async fn told(&self, args: &[&str]) -> String {
        let output = self.output(args).await;
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.told(&[args, &["--format", "json"]].concat()).await).unwrap()
    }

    /// What a command says that is refused with exit code 1.
    async fn refused(&self, args: &[&str], says: &[&str]) {
        let output = self.output(args).await;
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
        assert_eq!(output.stdout, b"", "{args:?}: an error belongs on stderr");
        says.iter().for_each(|it| assert!(text.contains(it), "{args:?} lacks `{it}`: {text}"));
    }
}

type Row = (i32, i32, Option<String>);

async fn rows(session: &Session) -> Vec<Row> {
    let mut rows = session.query("SELECT id, at, v FROM k.t", ()).all::<Row>().await.unwrap();
    rows.sort();
    rows
}

async fn put(session: &Session, at: i32, value: &str) {
    let insert = "INSERT INTO k.t (id, at, v) VALUES (?, ?, ?)";
    session.query(insert, (at % 4, at, value)).await.unwrap();
}

/// The only part of the snapshot whose name begins like this.
async fn listed(operator: &Operator<'_>, name: &str) -> Value {
    let all = operator.json(&["snapshot", "list"]).await;
    let found = all.as_array().unwrap().iter();
    let found: Vec<&Value> =
        found.filter(|it| it["name"].as_str().unwrap().starts_with(name)).collect();
    let [one] = found[..] else { panic!("{name}: {all}") };
    one.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_taken_back_by_a_snapshot() {
    let _machine = whole_machine().await;
    let Ground { mut node, session, folder } = Ground::new(&[TABLE]).await;
    let operator = Operator { folder: folder.path(), node: node.client_address() };
    assert_eq!(operator.told(&["snapshot", "list"]).await, "no snapshots\n");
    for at in 0..100 {
        put(&session, at, "before").await;
    }
    let before = rows(&session).await;

    let made = operator.told(&["snapshot", "create", "nightly", "k.t"]).await;
    assert!(made.contains("nightly") && made.contains("k.t"), "{made}");
    operator
        .refused(&["snapshot", "create", "nightly"], &["helenus snapshot delete nightly"])
        .await;
    operator.refused(&["snapshot", "create", "../x"], &["letters, digits"]).await;
    operator.refused(&["snapshot", "create", "x", "k.no"], &["k.no does not exist"]).await;
    session.execute("DELETE FROM k.t WHERE id = 1", ()).await.unwrap();
    put(&session, 2, "after").await;
    let after = rows(&session).await;
    assert_ne!(after, before);

    let restored = operator.json(&["snapshot", "restore", "nightly", "k.t"]).await;
    assert_eq!((&restored["rows"], &restored["linked"]), (&100.into(), &restored["files"]));
    assert_eq!(rows(&session).await, before);
    let kept = restored["kept"].as_str().unwrap();
    operator.told(&["snapshot", "restore", kept, "k.t"]).await;
    assert_eq!(rows(&session).await, after);

    session.execute("TRUNCATE k.t", ()).await.unwrap();
    assert_eq!(rows(&session).await, []);
    let truncated = listed(&operator, "truncated-").await;
    assert_eq!((&truncated["keyspace"], &truncated["table"]), (&"k".into(), &"t".into()));
    operator.told(&["snapshot", "restore", truncated["name"].as_str().unwrap(), "k.t"]).await;
    assert_eq!(rows(&session).await, after);

    // Gone with its name; the snapshot knows how to make it again.
    session.execute("DROP TABLE k.t", ()).await.unwrap();
    let create = ["does not exist", "CREATE TABLE k.t ("];
    operator.refused(&["snapshot", "restore", "nightly", "k.t"], &create).await;
    session
        .execute("CREATE TABLE k.t (id int, at int, v int, PRIMARY KEY (id, at))", ())
        .await
        .unwrap();
    let types = ["column `v` text (regular) is `v` int (regular) in k.t"];
    operator.refused(&["snapshot", "restore", "nightly", "k.t"], &types).await;
    session.execute("DROP TABLE k.t", ()).await.unwrap();
    // Its columns have other numbers now: `a` comes before `v`.
    let other = "CREATE TABLE k.t (id int, at int, a int, v text, PRIMARY KEY (id, at))";
    session.execute(other, ()).await.unwrap();
    let restored = operator.json(&["snapshot", "restore", "nightly", "k.t"]).await;
    assert_eq!((&restored["rows"], &restored["linked"]), (&100.into(), &0.into()));
    assert_eq!(rows(&session).await, before);

    a_damaged_file_is_named(&operator).await;
    assert_eq!(rows(&session).await, before);

    assert_eq!(node.terminate().await.code(), Some(0));
    node.start();
    node.ready().await;
    assert_eq!(rows(&node.session().await).await, before);
    let deleted = operator.told(&["snapshot", "delete", "nightly"]).await;
    assert!(deleted.starts_with("deleted nightly: 1 table,"), "{deleted}");
    operator.refused(&["snapshot", "delete", "nightly"], &["no snapshot `nightly`"]).await;
    let usage = operator.output(&["import", "k"]).await;
    assert_eq!(usage.status.code(), Some(2), "{usage:?}");
}

async fn a_damaged_file_is_named(operator: &Operator<'_>) {
    let from = PathBuf::from(listed(operator, "nightly").await["folder"].as_str().unwrap());
    let file = &files(&from, ".sst")[0];
    let mut bytes = fs::read(file).unwrap();
    bytes[100] ^= 1;
    fs::write(file, &bytes).unwrap();
    let name = file.to_str().unwrap();
    let says = [name, "the block at byte", "nothing was changed"];
    operator.refused(&["snapshot", "restore", "nightly", "k.t"], &says).await;
    operator.refused(&["import", "k.t", name], &says).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_move_to_another_cluster_and_only_to_those_who_own_them() {
    let _machine = whole_machine().await;
    let Ground { node, session, folder } = Ground::new(&[TABLE]).await;
    for at in 0..200 {
        let insert = "INSERT INTO k.t (id, at, v) VALUES (?, 1, ?)";
        session.query(insert, (at, format!("value {at}"))).await.unwrap();
    }
    let before = rows(&session).await;
    let source = Operator { folder: folder.path(), node: node.client_address() };
    source.told(&["snapshot", "create", "move"]).await;
    let from = listed(&source, "move").await;
    let from = from["folder"].as_str().unwrap();

    let cluster = Cluster::start().await;
    let session = cluster.session().await;
    session.execute(KEYSPACE, ()).await.unwrap();
    session.execute(TABLE, ()).await.unwrap();
    let operator =
        |at: usize| Operator { folder: folder.path(), node: cluster.nodes[at].client_address() };
    // One copy of each partition on three nodes: none of them may have all.
    let says = ["of 200 partitions belong to other nodes", "--all-tokens"];
    operator(0).refused(&["import", "k.t", from], &says).await;
    assert_eq!(rows(&session).await, []);
    // To whom all belongs to, they come without a word.
    let alter =
        "ALTER KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3}";
    session.execute(alter, ()).await.unwrap();
    for at in 0..3 {
        let imported = operator(at).json(&["import", "k.t", from]).await;
        assert_eq!((&imported["rows"], &imported["not_owned"]), (&200.into(), &0.into()));
    }
    assert_eq!(rows(&session).await, before);
    // A whole data directory is of several tables, or of none.
    session.execute("CREATE TABLE k.u (id int PRIMARY KEY)", ()).await.unwrap();
    operator(0).refused(&["import", "k.u", from], &["primary key", "k.u"]).await;
    operator(0).refused(&["import", "k.t", "/nowhere"], &["no sstable", "/nowhere"]).await;
}
