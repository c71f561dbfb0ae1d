//! `helenus demo -e`: the shell's output, as scripts rely on it.

use crate::process::{run, whole_machine};

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_prints_what_scripts_can_read() {
    let _machine = whole_machine().await;
    let folder = tempfile::tempdir().unwrap();
    let statements = [
        "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3}",
        "CREATE TABLE k.t (id int PRIMARY KEY, name text, note text)",
        "INSERT INTO k.t (id, name) VALUES (1, '')",
        "INSERT INTO k.t (id, name, note) VALUES (2, 'tab\there', 'back\\slash')",
        "SELECT id, name, note FROM k.t WHERE id = 1",
        "SELECT id, name, note FROM k.t WHERE id = 2",
    ];
    let mut args = vec!["demo"];
    args.extend(statements.iter().flat_map(|it| ["-e", it]));
    let output = run(folder.path(), &args).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let printed = String::from_utf8(output.stdout).unwrap();
    // A null is nothing at all, an empty text is two quotes.
    let expected = "id\tname\tnote\n1\t\"\"\t\nid\tname\tnote\n2\ttab\\there\tback\\\\slash\n";
    assert_eq!(printed, expected, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_stops_with_its_code() {
    let _machine = whole_machine().await;
    let folder = tempfile::tempdir().unwrap();
    let args = ["demo", "--nodes", "1", "-e", "SELECT * FROM no.such", "-e", "SELECT 1"];
    let output = run(folder.path(), &args).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    assert!(told.contains("HX2002"), "{told}");
    assert!(!told.contains("HX2001"), "it went on after the first error: {told}");
}
