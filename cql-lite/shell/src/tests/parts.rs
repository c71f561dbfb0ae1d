//! Words, pieces of scripts, completion, flags and exit codes, without any node.

use std::time::{Duration, Instant};

use clap::Parser as _;
use client::fake::{node_info, wire};
use client::{Consistency, Topology};

use crate::complete::{Known, complete};
use crate::output::Expand;
use crate::script::{is_incomplete, pieces};
use crate::words::{Refused, Word, meant, parse};
use crate::{Options, run};

fn cut(script: &str) -> Vec<(usize, &str)> {
    pieces(script).map(|piece| (piece.line, piece.text)).collect()
}

#[test]
fn statements_end_with_a_semicolon_and_words_with_their_line() {
    assert_eq!(
        cut("CONSISTENCY ONE\nSELECT *\nFROM t;\n\n-- end\nhelp select;SELECT 1"),
        [(1, "CONSISTENCY ONE"), (2, "SELECT *\nFROM t"), (6, "help select"), (6, "SELECT 1")]
    );
    assert_eq!(cut("SOURCE 'a;b.cql'; EXIT"), [(1, "SOURCE 'a;b.cql'"), (1, "EXIT")]);
    assert_eq!(cut("\\demo kill 2\nUSE a;"), [(1, "\\demo kill 2"), (2, "USE a")]);
    assert_eq!(cut("DESC TABLE it's\nUSE a;"), [(1, "DESC TABLE it's"), (2, "USE a")]);
    assert_eq!(cut("COPY t\nTO 'f;';"), [(1, "COPY t\nTO 'f;'")], "as a statement");
    assert_eq!(cut(" ;; \n -- nothing\n"), []);
}

#[test]
fn an_editor_asks_for_more_until_nothing_can_be_missing() {
    for complete in ["", "USE a;", "help", "USE a; CONSISTENCY", "\\q", "-- a"] {
        assert!(!is_incomplete(complete), "{complete}");
    }
    for incomplete in ["SELECT", "USE a; SELECT", "SELECT ';", "/* a;", "SELECT 1 -- ;"] {
        assert!(is_incomplete(incomplete), "{incomplete}");
    }
}

#[test]
fn words_are_understood_in_any_case() {
    assert_eq!(parse("consistency quorum"), Ok(Word::Consistency(Some(Consistency::Quorum))));
    assert_eq!(parse("CONSISTENCY"), Ok(Word::Consistency(None)));
    assert_eq!(parse("desc tables"), Ok(Word::Describe("desc tables".to_owned())));
    assert_eq!(parse("\\d users"), Ok(Word::Describe("DESCRIBE TABLE users".to_owned())));
    assert_eq!(parse("SOURCE 'x y.cql'"), Ok(Word::Source("x y.cql".to_owned())));
    assert_eq!(parse("paging 7"), Ok(Word::Paging(Some(7))));
    assert_eq!(parse("PAGING OFF"), Ok(Word::Paging(Some(0))));
    assert_eq!(parse("expand auto"), Ok(Word::Expand(Some(Expand::Auto))));
    assert_eq!(parse("\\q"), Ok(Word::Exit));
    let arguments = vec!["kill".to_owned(), "2".to_owned()];
    assert_eq!(parse("\\demo kill 2"), Ok(Word::Extra("demo".to_owned(), arguments)));
    assert!(matches!(parse("COPY t TO 'f'"), Ok(Word::Copy(_))));
    let usage = |text| match parse(text) {
        Err(Refused::Usage(usage)) => usage,
        other => panic!("{other:?}"),
    };
    assert_eq!(usage("consistency qorum"), "CONSISTENCY QUORUM");
    assert_eq!(usage("paging 0"), "PAGING [rows|ON|OFF]");
    assert_eq!(usage("expand maybe"), "EXPAND [ON|OFF|AUTO]");
}

#[test]
fn a_first_word_that_nobody_knows_is_suggested() {
    assert_eq!(meant("SELCT * FROM t"), Some("SELECT"));
    assert_eq!(meant("consistancy one"), Some("CONSISTENCY"));
    assert_eq!(meant("select 1"), None);
    assert_eq!(meant("frobnicate"), None);
}

fn topology() -> Topology {
    let column = |name: &str, kind: &str| wire::ColumnInfo {
        name: name.to_owned(),
        cql_type: "text".to_owned(),
        kind: kind.to_owned(),
    };
    let messages = wire::TableInfo {
        name: "messages".to_owned(),
        columns: vec![
            column("body", "regular"),
            column("sent_at", "clustering"),
            column("room", "partition"),
        ],
    };
    let keyspace = wire::KeyspaceInfo {
        name: "chat".to_owned(),
        strategy: "SimpleStrategy".to_owned(),
        factors: Default::default(),
        tables: vec![messages],
    };
    let nodes = vec![node_info("n1:9044", &[0])];
    Topology::from(wire::Topology { epoch: 1, nodes, keyspaces: vec![keyspace] })
}

fn completed(line: &str, keyspace: &str) -> Vec<String> {
    let topology = topology();
    let extras = ["demo".to_owned()];
    let known = Known { topology: &topology, keyspace, extras: &extras };
    let (start, candidates) = complete(line, &known);
    candidates.into_iter().map(|candidate| format!("{}{candidate}", &line[..start])).collect()
}

#[test]
fn completion_knows_words_tables_and_columns() {
    assert_eq!(completed("SEL", ""), ["SELECT"]);
    assert_eq!(completed("sel", ""), ["select"]);
    assert_eq!(completed("\\de", ""), ["\\demo"]);
    assert_eq!(completed("USE c", ""), ["USE chat"]);
    assert_eq!(completed("SELECT * FROM c", ""), ["SELECT * FROM chat."]);
    assert_eq!(completed("SELECT * FROM chat.m", ""), ["SELECT * FROM chat.messages"]);
    assert_eq!(completed("SELECT * FROM m", "chat"), ["SELECT * FROM messages"]);
    assert_eq!(completed("CONSISTENCY QU", ""), ["CONSISTENCY QUORUM"]);
    let where_clause = completed("SELECT * FROM messages WHERE ", "chat");
    let names: Vec<&str> =
        where_clause.iter().filter_map(|line| line.rsplit(' ').next()).take(3).collect();
    assert_eq!(names, ["room", "sent_at", "body"], "the key first, in its order");
    assert_eq!(where_clause.len(), 4, "columns and TOKEN, no statement: {where_clause:?}");
    let further = completed("SELECT * FROM messages WHERE room = 'a' L", "chat");
    assert_eq!(further, ["SELECT * FROM messages WHERE room = 'a' LIMIT"]);
    assert_eq!(completed("COPY m", "chat"), ["COPY messages"]);
    assert_eq!(completed("copy messages from s", "chat"), ["copy messages from stdin"]);
    assert_eq!(
        completed("USE chat; DESCRIBE KEYSP", ""),
        ["USE chat; DESCRIBE KEYSPACES", "USE chat; DESCRIBE KEYSPACE"]
    );
    assert_eq!(
        completed("DESCRIBE TY", "chat"),
        ["DESCRIBE TYPES", "DESCRIBE TYPE"],
        "as the server knows them"
    );
    assert_eq!(completed("CREATE TY", "chat"), ["CREATE TYPE"]);
    assert_eq!(completed("SELECT 'é FRO", ""), ["SELECT 'é FROM"], "whatever comes, no panic");
}

#[test]
fn completion_stays_quick_with_a_thousand_tables() {
    let columns = ["id partition", "at clustering", "a regular", "b regular", "c regular"];
    let columns = columns.iter().filter_map(|it| it.split_once(' ')).map(|(name, kind)| {
        let (name, kind) = (name.to_owned(), kind.to_owned());
        wire::ColumnInfo { name, cql_type: "text".to_owned(), kind }
    });
    let columns: Vec<_> = columns.collect();
    let table = |at| wire::TableInfo { name: format!("table_{at}"), columns: columns.clone() };
    let keyspace = wire::KeyspaceInfo {
        name: "big".to_owned(),
        strategy: "SimpleStrategy".to_owned(),
        factors: Default::default(),
        tables: (0..1000).map(table).collect(),
    };
    let nodes = vec![node_info("n1:9044", &[0])];
    let wire = wire::Topology { epoch: 1, nodes, keyspaces: vec![keyspace] };
    let topology = Topology::from(wire);
    let known = Known { topology: &topology, keyspace: "big", extras: &[] };
    let mut slowest = Duration::ZERO;
    for (line, expected, first) in [
        ("SELECT * FROM ", 1001, "table_0"),
        ("SELECT * FROM big.table_99", 11, "big.table_99"),
        ("SELECT * FROM table_7 WHERE i", 1, "id"),
        ("SELECT * FROM big.table_500 WHERE id = 1 AND a", 2, "at"),
    ] {
        // The best of several, so that a busy machine is not what is measured.
        let mut best = Duration::MAX;
        for _ in 0..10 {
            let began = Instant::now();
            let (_, found) = complete(line, &known);
            best = best.min(began.elapsed());
            assert!(expected <= found.len(), "{line}: {found:?}");
            assert_eq!(found.first().map(String::as_str), Some(first), "{line}");
        }
        slowest = slowest.max(best);
    }
    // A tenth of what somebody at the keyboard notices.
    assert!(slowest < Duration::from_millis(5), "{slowest:?}");
}

#[test]
fn flags_are_read_and_wrong_ones_refused_with_code_2() {
    let options = Options::try_parse_from([
        "cql-lite",
        "a",
        "b:1",
        "-e",
        "SELECT 1",
        "-e",
        "-- x",
        "-f",
        "x.cql",
        "-k",
        "ks",
        "--consistency",
        "one",
        "--format",
        "jsonl",
        "--on-error",
        "continue",
        "--request-timeout",
        "500ms",
    ])
    .unwrap();
    assert_eq!(options.nodes, ["a", "b:1"]);
    assert_eq!(options.work.execute, ["SELECT 1", "-- x"]);
    assert_eq!(options.consistency, Consistency::One);
    assert_eq!(options.request_timeout.as_millis(), 500);
    let refused = |flags: &[&str]| {
        let all = [&["cql-lite"], flags].concat();
        Options::try_parse_from(all).unwrap_err().exit_code()
    };
    assert_eq!(refused(&["--bogus"]), 2);
    assert_eq!(refused(&["--consistency", "most"]), 2);
    assert_eq!(refused(&["--format", "xml"]), 2);
    assert_eq!(refused(&["--request-timeout", "5"]), 2);
}

#[tokio::test]
async fn without_a_node_the_exit_code_is_3() {
    // Port 0 is nobody's.
    let options = Options::try_parse_from(["cql-lite", "127.0.0.1:0", "-e", "SELECT 1"]).unwrap();
    assert_eq!(run(options).await, 3);
}
