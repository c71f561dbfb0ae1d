//! `COPY` against real nodes: out and back is identical, bad lines are set aside, and an
//! interrupted copy goes on where it stopped.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::process::{finish, helenus, run, whole_machine};

const KEYSPACE: &str =
    "CREATE KEYSPACE k WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}";

/// A demo of one node that runs the statements, its data kept for the next one.
async fn demo(folder: &Path, statements: &[String]) -> Output {
    let mut args = vec!["demo", "--nodes", "1", "--keep", "data", "--on-error", "continue"];
    args.extend(statements.iter().flat_map(|it| ["-e", it.as_str()]));
    run(folder, &args).await
}

fn expect(output: &Output, code: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (printed, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{printed}\n{told}");
    (printed, told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_the_same_out_and_back() {
    let _machine = whole_machine().await;
    let folder = tempfile::tempdir().unwrap();
    let columns = "k int, c text, a ascii, b bigint, bl blob, bo boolean, d date, do double, \
                   f float, i inet, s smallint, te text, t time, ts timestamp, tu timeuuid, \
                   ty tinyint, u uuid, e int, PRIMARY KEY (k, c)";
    let insert = "INSERT INTO k.a (k, c, a, b, bl, bo, d, do, f, i, s, te, t, ts, tu, ty, u, e)";
    let mut statements = vec![KEYSPACE.to_owned()];
    statements.extend(["a", "b", "j"].map(|it| format!("CREATE TABLE k.{it} ({columns})")));
    statements.extend([
        format!(
            "{insert} VALUES (1, 'all', 'x', -9223372036854775808, 0xcafe00, true, '2024-02-29', \
             0.30000000000000004, 1e-45, '2001:db8::1', -32768, 'it''s, \"quoted\"\nand more', \
             '23:59:59.999999999', '2024-01-15 10:00:00.123+0000', \
             50554d6e-29bb-11e5-b345-feff819cdc9f, -128, 123e4567-e89b-12d3-a456-426614174000, 7)"
        ),
        format!(
            "{insert} VALUES (1, '', '', 0, 0x, false, 0, NaN, -Infinity, '192.0.2.1', 0, '', \
             0, -9223372036854775808, null, 0, null, 0x)"
        ),
        "INSERT INTO k.a (k, c) VALUES (2, 'nothing else')".to_owned(),
        "INSERT INTO k.a (k, c, te) VALUES (3, '#', '\u{feff}\t\\N\r')".to_owned(),
    ]);
    for (file, back) in [("csv", "b"), ("jsonl", "j")] {
        let header = if file == "csv" { "WITH HEADER = true" } else { "" };
        statements.extend([
            format!("COPY k.a TO 'a.{file}' {header}"),
            format!("COPY k.{back} FROM 'a.{file}' {header}"),
            format!("COPY k.{back} TO '{back}.{file}' {header}"),
        ]);
    }
    statements.extend(["a", "b", "j"].map(|it| format!("SELECT * FROM k.{it}")));
    let (printed, told) = expect(&demo(folder.path(), &statements).await, 0);
    assert_eq!(told.matches("4 rows copied").count(), 6, "{told}");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("a.csv"), read("b.csv"));
    assert_eq!(read("a.jsonl"), read("j.jsonl"));
    assert!(read("a.csv").contains("\"it's, \"\"quoted\"\"\nand more\""), "{}", read("a.csv"));
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!(lines.len(), 15, "three tables of a header and four rows: {printed}");
    assert_eq!(lines[..5], lines[5..10]);
    assert_eq!(lines[..5], lines[10..]);
    let left: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .filter(|it| [".part", ".copy-state", ".rejects"].iter().any(|end| it.ends_with(end)))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_lines_are_set_aside_and_an_interrupted_copy_goes_on() {
    let _machine = whole_machine().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.csv");
    let row = |at: u32, value: &str| match at {
        600 => "600,a,too many\n".to_owned(),
        601 => ",no key\n".to_owned(),
        _ => format!("{at},{value}\n"),
    };
    let rows = |value: &str| (0..2000).map(|at| row(at, value)).collect::<String>();
    fs::write(&file, rows("old")).unwrap();
    let statements = [
        KEYSPACE.to_owned(),
        "CREATE TABLE k.t (id int PRIMARY KEY, v text)".to_owned(),
        "COPY k.t FROM 't.csv' WITH MAXERRORS = 0".to_owned(),
    ];
    let (_, told) = expect(&demo(folder.path(), &statements).await, 1);
    assert!(told.contains("more than 0 rows were rejected"), "{told}");
    assert!(folder.path().join("t.csv.copy-state").exists(), "{told}");
    let rejects = "# line 601: 3 fields instead of 2\n600,a,too many\n\
                   # line 602: id is unset: a key or condition needs a value\n,no key\n";
    let rejected = || fs::read_to_string(folder.path().join("t.csv.rejects")).unwrap();
    assert_eq!(rejected(), rejects);

    // What lies behind the place where it stopped is copied, and nothing before it.
    fs::write(&file, rows("new")).unwrap();
    let statements = [
        "COPY k.t FROM 't.csv' WITH MAXERRORS = 9 AND RESUME = true".to_owned(),
        "SELECT v FROM k.t WHERE id = 499".to_owned(),
        "SELECT v FROM k.t WHERE id = 1999".to_owned(),
        "SELECT count(*) FROM k.t".to_owned(),
    ];
    let (printed, told) = expect(&demo(folder.path(), &statements).await, 1);
    assert!(told.contains("1998 rows copied"), "{told}");
    assert!(told.contains("2 rows were rejected: see t.csv.rejects"), "{told}");
    assert_eq!(printed, "v\nold\nv\nnew\ncount\n1998\n", "{told}");
    assert_eq!(rejected(), rejects);
    assert!(!folder.path().join("t.csv.copy-state").exists(), "it is complete");

    // Corrected, the rejected lines are copied like any others.
    let corrected = rejected().replace("600,a,too many", "600,a").replace(",no key", "601,b");
    fs::write(folder.path().join("more.csv"), corrected).unwrap();
    let statements = [
        "COPY k.t FROM 'more.csv' WITH COMMENT = '#'".to_owned(),
        "SELECT count(*) FROM k.t".to_owned(),
    ];
    let (printed, told) = expect(&demo(folder.path(), &statements).await, 0);
    assert_eq!(printed, "count\n2000\n", "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_go_through_pipes() {
    let _machine = whole_machine().await;
    let folder = tempfile::tempdir().unwrap();
    let table = "(id int PRIMARY KEY, v text)";
    let statements = [
        KEYSPACE.to_owned(),
        format!("CREATE TABLE k.t {table}; CREATE TABLE k.u {table}"),
        "INSERT INTO k.t (id, v) VALUES (1, 'a,\"b'); INSERT INTO k.t (id) VALUES (2)".to_owned(),
        "COPY k.t TO STDOUT WITH HEADER = true".to_owned(),
        "COPY k.t TO STDOUT WITH FORMAT = 'jsonl'".to_owned(),
    ];
    let (printed, told) = expect(&demo(folder.path(), &statements).await, 0);
    let (csv, jsonl) = printed.split_at(printed.find('{').unwrap());
    assert_eq!(csv, "id,v\n1,\"a,\"\"b\"\n2,\n", "{told}");
    assert_eq!(jsonl, "{\"id\":1,\"v\":\"a,\\\"b\"}\n{\"id\":2,\"v\":null}\n");
    assert_eq!(told.matches("2 rows copied").count(), 2, "{told}");

    // What came out of one pipe goes into another; bad lines are set aside as from any file.
    let from = |name: &str, text: &str, statement: &[&str]| {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        let mut command = helenus(folder.path(), &["demo", "--nodes", "1", "--keep", "data"]);
        command.args(statement).stdin(fs::File::open(file).unwrap());
        command
    };
    let statement = "COPY k.u FROM STDIN WITH HEADER = true; SELECT * FROM k.u";
    let output = finish(from("in.csv", csv, &["-e", statement])).await;
    let (printed, told) = expect(&output, 0);
    assert!(told.contains("2 rows copied"), "{told}");
    assert_eq!(printed, "id\tv\n1\ta,\"b\n2\t\n");
    let statement = "COPY k.u FROM STDIN WITH FORMAT = 'jsonl'";
    let output = finish(from("in.jsonl", &format!("{jsonl}nonsense\n"), &["-e", statement])).await;
    let (_, told) = expect(&output, 1);
    assert!(told.contains("1 rows were rejected: see stdin.rejects"), "{told}");
    let rejected = fs::read_to_string(folder.path().join("stdin.rejects")).unwrap();
    assert!(rejected.starts_with("# line 3: ") && rejected.ends_with("\nnonsense\n"), "{rejected}");
    // It cannot be statements and rows at once.
    let command = from("script", "COPY k.u FROM STDIN;\n1,x\n", &[]);
    let (_, told) = expect(&finish(command).await, 1);
    assert!(told.contains("standard input is where these statements come from"), "{told}");
}
