use super::{is_yes, question};

#[test]
fn only_what_removes_data_is_asked_about() {
    let asked = |text| question(text).unwrap_or_default();
    assert_eq!(
        asked("DROP TABLE IF EXISTS chat.m;"),
        "drop table chat.m with all its rows? [y/N] "
    );
    assert_eq!(asked("drop keyspace Chat"), "drop keyspace chat with all its tables? [y/N] ");
    assert_eq!(asked("TRUNCATE \"M\""), "remove all rows of \"M\"? [y/N] ");
    for text in ["SELECT * FROM drops", "DELETE FROM t WHERE k = 1", "DROP", "DROP TYPE t"] {
        assert_eq!(asked(text), "", "{text}");
    }
}

#[test]
fn nothing_but_yes_is_yes() {
    assert!(["y", " Yes\n", "YES"].into_iter().all(is_yes));
    assert!(!["", "n", "yess", "no", "y;"].into_iter().any(is_yes));
}
