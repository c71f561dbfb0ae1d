//! What may come next in a line: keywords by position, names from the live schema.

use std::collections::BTreeSet;

use client::{Consistency, NativeType, Topology};
use cql_lite::keyword;

use crate::help;
use crate::words;

/// What completion knows.
pub(crate) struct Known<'k> {
    pub(crate) topology: &'k Topology,
    /// The keyspace of unqualified names; empty for none.
    pub(crate) keyspace: &'k str,
    /// Names of added commands.
    pub(crate) extras: &'k [String],
}

/// Where the word at the end of `line` begins, and what it may become.
pub(crate) fn complete(line: &str, known: &Known<'_>) -> (usize, Vec<String>) {
    let start = line
        .char_indices()
        .rfind(|(_, c)| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '\\')))
        .map_or(0, |(at, c)| at + c.len_utf8());
    let word = &line[start..];
    let statement = line[..start].rsplit(';').next().unwrap_or_default();
    let before: Vec<String> = statement
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '\\')))
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_uppercase)
        .collect();
    let mut candidates = names(statement, &before, word, known);
    candidates.retain(|candidate| starts_with(candidate, word));
    (start, candidates)
}

/// Names and keywords that fit behind the words `before`, likely ones first.
fn names(statement: &str, before: &[String], word: &str, known: &Known<'_>) -> Vec<String> {
    let Some(last) = before.last() else {
        let backslash = known.extras.iter().map(|name| format!("\\{name}"));
        let all = words::STATEMENTS.into_iter().chain(words::WORDS).map(|it| cased(it, word));
        return backslash.chain(all).collect();
    };
    let keyspaces = || known.topology.keyspaces.keys().cloned();
    let of = |all: &[&str]| all.iter().map(|it| cased(it, word)).collect::<Vec<_>>();
    match (before[0].as_str(), last.as_str()) {
        (_, "USE" | "KEYSPACE") => keyspaces().collect(),
        (_, "CONSISTENCY") => of(&Consistency::ALL.map(Consistency::name)),
        (_, "EXPAND") => of(&["ON", "OFF", "AUTO"]),
        (_, "TIMING" | "PAGING" | "TRACING") => of(&["ON", "OFF"]),
        (_, "SHOW") => of(&["VERSION", "HOST"]),
        (_, "HELP") => help::topics().map(|topic| cased(topic, word)).collect(),
        ("DESCRIBE" | "DESC", "DESCRIBE" | "DESC") => {
            let mut all = of(&[
                "KEYSPACES",
                "KEYSPACE",
                "TABLES",
                "TABLE",
                "TYPES",
                "TYPE",
                "SCHEMA",
                "CLUSTER",
            ]);
            all.extend(tables(word, known));
            all
        }
        ("COPY", "TO") => of(&["STDOUT"]),
        ("COPY", "FROM") => of(&["STDIN"]),
        (_, "FROM" | "INTO" | "UPDATE" | "TABLE" | "TRUNCATE" | "COPY" | "\\D") => {
            tables(word, known)
        }
        ("CREATE" | "DROP" | "ALTER", "CREATE" | "DROP" | "ALTER") => {
            of(&["KEYSPACE", "TABLE", "TYPE"])
        }
        ("SELECT" | "UPDATE" | "DELETE", "WHERE" | "AND") => {
            let mut all = columns(statement, last, known);
            all.extend(of(&["TOKEN"]));
            all
        }
        (first, _) => {
            let mut all = columns(statement, last, known);
            if matches!(first, "CREATE" | "ALTER") {
                all.extend(NativeType::ALL.iter().map(|kind| kind.name().to_owned()));
                all.extend(
                    ["list<", "set<", "map<", "tuple<", "vector<", "frozen<"].map(str::to_owned),
                );
            }
            all.extend(keywords(first).iter().map(|it| cased(it, word)));
            all
        }
    }
}

/// What a batch may have further on.
const BATCH: [&str; 16] = [
    "BATCH",
    "UNLOGGED",
    "COUNTER",
    "USING",
    "TIMESTAMP",
    "INSERT",
    "INTO",
    "VALUES",
    "UPDATE",
    "SET",
    "DELETE",
    "FROM",
    "WHERE",
    "AND",
    "IN",
    "APPLY",
];

/// What a statement that begins with `first` may have further on.
fn keywords(first: &str) -> &'static [&'static str] {
    match first {
        "SELECT" => &[
            "FROM",
            "WHERE",
            "AND",
            "IN",
            "ORDER",
            "BY",
            "ASC",
            "DESC",
            "GROUP",
            "LIMIT",
            "PER",
            "PARTITION",
            "ALLOW",
            "FILTERING",
            "DISTINCT",
            "COUNT",
            "AS",
            "CAST",
            "TOKEN",
            "TTL",
            "WRITETIME",
            "MAXWRITETIME",
        ],
        "INSERT" => &["INTO", "VALUES", "USING", "TTL", "TIMESTAMP", "AND", "IF", "NOT", "EXISTS"],
        "UPDATE" => &["SET", "WHERE", "AND", "IN", "USING", "TTL", "TIMESTAMP", "IF", "EXISTS"],
        "DELETE" => &["FROM", "WHERE", "AND", "IN", "USING", "TIMESTAMP", "IF", "EXISTS"],
        "CREATE" => &[
            "IF",
            "NOT",
            "EXISTS",
            "PRIMARY",
            "KEY",
            "STATIC",
            "WITH",
            "AND",
            "CLUSTERING",
            "ORDER",
            "BY",
            "ASC",
            "DESC",
            "replication",
        ],
        "ALTER" => &["ADD", "DROP", "RENAME", "TO", "WITH", "AND", "IF", "EXISTS"],
        "DROP" => &["IF", "EXISTS"],
        "BEGIN" => &BATCH,
        "COPY" => &[
            "TO",
            "FROM",
            "WITH",
            "AND",
            "HEADER",
            "FORMAT",
            "DELIMITER",
            "NULL",
            "COMMENT",
            "MAXERRORS",
            "ERRFILE",
            "RESUME",
        ],
        _ => &keyword::RESERVED,
    }
}

/// Tables of the keyspace in use, keyspaces with a dot, and behind the dot their tables.
fn tables(word: &str, known: &Known<'_>) -> Vec<String> {
    if let Some((keyspace, _)) = word.split_once('.') {
        let Some(found) = known.topology.keyspaces.get(keyspace) else { return Vec::new() };
        return found.tables.keys().map(|table| format!("{keyspace}.{table}")).collect();
    }
    let own = known.topology.keyspaces.get(known.keyspace);
    let own = own.into_iter().flat_map(|keyspace| keyspace.tables.keys().cloned());
    let others = known.topology.keyspaces.keys().map(|keyspace| format!("{keyspace}."));
    own.chain(others).collect()
}

/// Columns of the tables that the statement names; behind `WHERE`, those of the key first, in
/// their order.
fn columns(statement: &str, last: &str, known: &Known<'_>) -> Vec<String> {
    let words: BTreeSet<&str> =
        statement.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))).collect();
    let mut found = Vec::new();
    for (name, keyspace) in &known.topology.keyspaces {
        for (table, shape) in &keyspace.tables {
            let qualified = format!("{name}.{table}");
            let named = words.contains(qualified.as_str())
                || (name == known.keyspace && words.contains(table.as_str()));
            if named {
                found.extend(shape.columns.iter());
            }
        }
    }
    if matches!(last, "WHERE" | "AND") {
        let rank = |kind: &str| match kind {
            "partition" => 0,
            "clustering" => 1,
            _ => 2,
        };
        found.sort_by_key(|column| rank(&column.kind));
    }
    found.into_iter().map(|column| column.name.clone()).collect()
}

/// A keyword in the case in which the word was begun.
fn cased(keyword: &str, word: &str) -> String {
    if word.chars().any(|c| c.is_ascii_lowercase()) {
        keyword.to_ascii_lowercase()
    } else {
        keyword.to_owned()
    }
}

fn starts_with(candidate: &str, word: &str) -> bool {
    candidate.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
}
