//! Where most tests begin: a node of its own with a keyspace, and what lies in a folder afterwards.

use std::fs;
use std::path::{Path, PathBuf};

use client::Session;
use tempfile::TempDir;

use crate::process::Node;

/// A keyspace `k` with one copy of each row.
pub(crate) const KEYSPACE: &str =
    "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}";

/// A node that serves, with a keyspace `k`.
pub(crate) struct Ground {
    pub(crate) node: Node,
    pub(crate) session: Session,
    /// The node's folder is in it. Removed at the end.
    pub(crate) folder: TempDir,
}

impl Ground {
    /// One on which these statements were carried out.
    pub(crate) async fn new(statements: &[&str]) -> Ground {
        let folder = tempfile::tempdir().unwrap();
        let mut node = Node::new(folder.path().join("node"));
        node.start();
        node.ready().await;
        let session = node.session().await;
        for statement in [&[KEYSPACE], statements].concat() {
            session.execute(statement, ()).await.unwrap();
        }
        Ground { node, session, folder }
    }

    /// The node ends in good order, and begins a new life.
    pub(crate) async fn restart(&mut self) {
        assert_eq!(self.node.terminate().await.code(), Some(0), "{}", self.node.log());
        self.node.start();
        self.node.ready().await;
        self.session = self.node.session().await;
    }
}

/// A table of one row that was acknowledged, for [`is_whole`].
pub(crate) const KEPT: [&str; 2] =
    ["CREATE TABLE k.t (id int PRIMARY KEY, v text)", "INSERT INTO k.t (id, v) VALUES (1, 'kept')"];

/// The node answers, and the one row that was acknowledged is there, and no other.
pub(crate) async fn is_whole(session: &Session, after: &str) {
    let rows = session.query("SELECT id, v FROM k.t", ()).all::<(i32, String)>().await;
    let rows = rows.unwrap_or_else(|error| panic!("after {after}: {error}"));
    assert_eq!(rows, [(1, "kept".to_owned())], "after {after}");
}

/// Every file below `folder` whose name ends like this, in order.
pub(crate) fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, end));
        } else if path.to_str().unwrap().ends_with(end) {
            found.push(path);
        }
    }
    found.sort();
    found
}
