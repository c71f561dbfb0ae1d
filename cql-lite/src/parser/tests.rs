//! No text makes the parser panic, overflow or point outside of it; limits hold.

use proptest::prelude::*;

use super::{MARKERS_MAX, NESTING_MAX, STATEMENT_BYTES_MAX, parse};
use crate::code::Code;
use crate::print::tests::statement;
use crate::split::split;

/// Parses, and checks whatever comes out.
fn try_parse(text: &str) {
    match parse(text) {
        Ok(statement) => assert_eq!(parse(&statement.to_string()), Ok(statement)),
        Err(error) => {
            assert!(error.span.start <= error.span.end, "{error:?}");
            assert!(error.span.end <= text.len(), "{error:?}");
            assert!(error.render(text).starts_with("error[HX"));
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in any::<String>()) {
        try_parse(&text);
    }

    #[test]
    fn any_words_are_parsed_or_refused(
        words in proptest::collection::vec(
            prop_oneof![
                proptest::sample::select(crate::keyword::RESERVED.as_slice()).prop_map(str::to_owned),
                proptest::sample::select(crate::keyword::UNRESERVED.as_slice()).prop_map(str::to_owned),
                "[(){}\\[\\],.;=<>*?:+'\"$/-]",
                "[a-z]{1,3}",
                "-?[0-9]{1,3}",
                "0x[0-9a-g]{0,3}",
            ],
            0..16,
        )
    ) {
        try_parse(&words.join(" "));
    }

    #[test]
    fn a_damaged_statement_is_parsed_or_refused(
        statement in statement(),
        at in any::<prop::sample::Index>(),
        cut in 0..4_usize,
        more in "[ -~]{0,2}",
    ) {
        let text: Vec<char> = statement.to_string().chars().collect();
        let at = at.index(text.len());
        let end = (at + cut).min(text.len());
        let damaged: String =
            text[..at].iter().copied().chain(more.chars()).chain(text[end..].iter().copied()).collect();
        try_parse(&damaged);
    }

    #[test]
    fn a_script_of_statements_is_cut_into_them(
        statements in proptest::collection::vec(statement(), 0..4),
        ended in any::<bool>(),
    ) {
        let texts: Vec<String> = statements.iter().map(ToString::to_string).collect();
        let mut script = texts.join(" ; -- ; and '\n /* ; */ ");
        if ended && !script.is_empty() {
            script.push(';');
        }
        let parts: Vec<&str> = split(&script).map(|part| part.text).collect();
        prop_assert_eq!(&parts, &texts);
        prop_assert_eq!(split(&script).is_incomplete(), !ended && !texts.is_empty());
        for part in split(&script) {
            prop_assert_eq!(&script[part.span.start..part.span.end], part.text);
        }
    }

    #[test]
    fn any_script_can_be_cut(script in "[ -~]{0,8}[;'\"$/*\n-]{0,12}[ -~]{0,4}") {
        for part in split(&script) {
            prop_assert_eq!(&script[part.span.start..part.span.end], part.text);
        }
    }
}

#[test]
fn a_statement_too_long_is_refused() {
    let long = format!("USE {}", " ".repeat(STATEMENT_BYTES_MAX));
    assert_eq!(parse(&long).unwrap_err().code, Code::TooLarge);
    let fits = format!("USE k{}", " ".repeat(STATEMENT_BYTES_MAX - 5));
    assert!(parse(&fits).is_ok());
}

#[test]
fn calls_nest_to_the_limit_and_no_deeper() {
    let nested = |depth: usize| {
        let (open, close) = ("f(".repeat(depth), ")".repeat(depth));
        parse(&format!("SELECT {open}{close} FROM t WHERE a = {open}{close}"))
    };
    assert!(nested(NESTING_MAX).is_ok());
    assert_eq!(nested(NESTING_MAX + 1).unwrap_err().code, Code::Syntax);
}

#[test]
fn as_many_markers_as_the_protocol_counts() {
    let marked = |count: usize| parse(&format!("SELECT * FROM t WHERE a IN ({})", marks(count)));
    fn marks(count: usize) -> String {
        vec!["?"; count].join(",")
    }
    assert_eq!(marked(MARKERS_MAX).unwrap().markers().len(), MARKERS_MAX);
    assert_eq!(marked(MARKERS_MAX + 1).unwrap_err().code, Code::TooLarge);
}

/// Nothing costs the square of the statement's length: these would take minutes if it did.
#[test]
fn the_longest_statements_are_parsed_at_once() {
    let entries = |from: &str, one: &dyn Fn(usize) -> String, between: &str, to: &str| {
        let all: Vec<String> = (0..60_000).map(one).collect();
        format!("{from}{}{to}", all.join(between))
    };
    let map = entries(
        "CREATE TABLE t (a int PRIMARY KEY) WITH o = {",
        &|i| format!("'k{i}': 1"),
        ",",
        "}",
    );
    let options =
        entries("CREATE TABLE t (a int PRIMARY KEY) WITH ", &|i| format!("o{i}=1"), " AND ", "");
    let values = entries("SELECT * FROM t WHERE a IN (", &|i| format!("-{i}"), ",", ")");
    let quotes = format!("USE \"{}\"", "\"\"".repeat(500_000));
    for text in [map, options, values, quotes] {
        assert!(parse(&text).is_ok(), "{}…", &text[..40]);
    }
    let hyphens = format!("SELECT {}", "a-".repeat(500_000));
    assert!(parse(&hyphens).is_err());
    assert_eq!(split(&";".repeat(1_000_000)).count(), 0);
}
