//! The words of the language. Few are reserved; all others are names wherever a name may stand.

/// Words that are never names unless quoted, sorted.
pub const RESERVED: [&str; 59] = [
    "ADD",
    "ALLOW",
    "ALTER",
    "AND",
    "APPLY",
    "ASC",
    "AUTHORIZE",
    "BATCH",
    "BEGIN",
    "BY",
    "COLUMNFAMILY",
    "CREATE",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DROP",
    "ENTRIES",
    "EXECUTE",
    "FALSE",
    "FROM",
    "FULL",
    "GRANT",
    "IF",
    "IN",
    "INDEX",
    "INFINITY",
    "INSERT",
    "INTO",
    "IS",
    "KEYSPACE",
    "LIMIT",
    "MATERIALIZED",
    "MODIFY",
    "NAN",
    "NORECURSIVE",
    "NOT",
    "NULL",
    "OF",
    "ON",
    "OR",
    "ORDER",
    "PRIMARY",
    "RENAME",
    "REVOKE",
    "SCHEMA",
    "SELECT",
    "SET",
    "TABLE",
    "TO",
    "TOKEN",
    "TRUE",
    "TRUNCATE",
    "UNLOGGED",
    "UPDATE",
    "USE",
    "USING",
    "VIEW",
    "WHERE",
    "WITH",
];

/// Words that mean something in their place and are names elsewhere, sorted: for completion and
/// colors.
pub const UNRESERVED: [&str; 18] = [
    "AS",
    "CLUSTER",
    "CLUSTERING",
    "COUNT",
    "DISTINCT",
    "EXISTS",
    "FILTERING",
    "KEY",
    "KEYSPACES",
    "MAXWRITETIME",
    "PARTITION",
    "PER",
    "STATIC",
    "TABLES",
    "TIMESTAMP",
    "TTL",
    "VALUES",
    "WRITETIME",
];

/// Whether `word`, in any case, is never a name unless quoted.
pub fn is_reserved(word: &str) -> bool {
    let upper = word.to_ascii_uppercase();
    RESERVED.binary_search(&upper.as_str()).is_ok()
}

/// Whether a name has to be quoted to come back as itself: it has other characters than small
/// letters, digits and underscores, begins with no letter, or would be taken for a keyword.
pub fn needs_quotes(name: &str) -> bool {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    // Behind SELECT these two are keywords where another word follows.
    !plain || is_reserved(name) || name == "distinct" || name == "json"
}

/// `name` as CQL writes it: quoted where that is needed.
pub fn quote_name(name: &str) -> String {
    if needs_quotes(name) { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() }
}
