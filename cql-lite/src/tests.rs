//! Goldens: statements and values as readable scripts. `UPDATE_GOLDENFILES=1` writes them anew.

use std::error::Error;
use std::path::Path;

use goldenscript::{Command, Context, Runner};
use test_each_file::test_each_path;

use crate::ast::{Statement, Term, Write};
use crate::{Code, CqlType, Value, keyword, parse, split, value};

test_each_path! { in "./cql-lite/goldens" as goldens => run }

fn run(path: &Path) {
    let topic = path.parent().and_then(Path::file_name).unwrap().to_str().unwrap().to_owned();
    goldenscript::run(&mut Script { topic }, path).unwrap();
}

/// Runs the lines of a script; the folder says what they are.
struct Script {
    topic: String,
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, context: &Context) -> Result<String, Box<dyn Error>> {
        // A long statement may be written over several lines.
        let text = command.name.as_str();
        let kind = || CqlType::parse(context.prefix.as_deref().unwrap_or_default());
        Ok(match self.topic.as_str() {
            "parse" | "refuse" => statement(&text.replace("\\n", "\n")),
            "pretty" => format!("{:#};", parse(text).map_err(|error| error.render(text))?),
            "values" => constant(text, &kind()?),
            "order" => order(text, &kind()?)?,
            "split" => cut(&text.replace("\\n", "\n")),
            other => return Err(format!("no topic {other}").into()),
        } + "\n")
    }
}

/// The statement as it is printed, or the error as it is shown.
fn statement(text: &str) -> String {
    match parse(text) {
        Ok(statement) => statement.to_string(),
        Err(error) => error.render(text),
    }
}

/// The terms of a list of values.
fn terms(text: &str) -> Result<Vec<Term>, String> {
    let columns = vec!["c"; text.split(", ").count()].join(", ");
    let insert = format!("INSERT INTO t ({columns}) VALUES ({text})");
    match parse(&insert) {
        Ok(Statement::Write(Write::Insert(insert))) => Ok(insert.values),
        Ok(other) => Err(format!("not an insert: {other}")),
        Err(error) => Err(error.render(&insert)),
    }
}

fn of_type(term: &Term, kind: &CqlType) -> Result<Value, value::Error> {
    let value = Value::from_term(term, kind).map_err(|error| error.node)?;
    Ok(value.unwrap_or_else(|| panic!("not a value: {term}")))
}

/// A constant as bytes, as text for people and as JSON.
fn constant(text: &str, kind: &CqlType) -> String {
    let term = match terms(text) {
        Ok(terms) => terms[0].clone(),
        Err(error) => return error,
    };
    match of_type(&term, kind) {
        Ok(value) => {
            let bytes: String = value.encode().iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{text} → {bytes} · {value} · {} · {}", value.to_literal(), value.to_json())
        }
        Err(error) => match error.hint() {
            Some(hint) => format!("{text} → {error}; {hint}"),
            None => format!("{text} → {error}"),
        },
    }
}

/// Constants in the order of their type.
fn order(text: &str, kind: &CqlType) -> Result<String, Box<dyn Error>> {
    let mut values = Vec::new();
    for term in terms(text)? {
        values.push(of_type(&term, kind)?);
    }
    values.sort_by(|a, b| value::compare(kind, &a.encode(), &b.encode()));
    let words: Vec<String> = values.iter().map(Value::to_literal).collect();
    Ok(words.join(" < "))
}

fn cut(script: &str) -> String {
    let parts: Vec<String> =
        split(script).map(|part| format!("[{}] {:?}", part.text, part.ending)).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join("\n") }
}

#[test]
fn codes_are_unique_and_sorted_and_say_enough() {
    for pair in Code::ALL.windows(2) {
        assert!(pair[0].number() < pair[1].number(), "{} {}", pair[0], pair[1]);
    }
    for code in Code::ALL {
        assert_eq!(Code::from_number(code.number()), Some(*code));
        assert_eq!(Code::parse(&code.to_string()), Some(*code));
        assert!(!code.title().is_empty() && !code.title().ends_with('.'), "{code}");
        assert!(code.explanation().ends_with('.') && code.remedy().ends_with('.'), "{code}");
        assert!(!code.explanation().contains("  ") && !code.remedy().contains("  "), "{code}");
    }
    assert_eq!(Code::parse("hx2001"), Some(Code::Syntax));
    assert_eq!(Code::parse("2001"), Some(Code::Syntax));
    assert_eq!(Code::parse("HX0000"), None);
    assert_eq!(Code::parse("é"), None);
}

#[test]
fn the_page_of_errors_is_this_table() {
    let page = include_str!("../../docs/errors.md");
    let entries: Vec<&str> = page.split("\n### ").skip(1).collect();
    assert_eq!(entries.len(), Code::ALL.len());
    for (code, entry) in Code::ALL.iter().zip(entries) {
        let (title, explanation) = (code.title(), code.explanation());
        let expected =
            format!("{code} {title}\n\n{explanation}\n\n**What to do:** {}", code.remedy());
        let entry = entry.split("\n## ").next().unwrap_or_default();
        assert_eq!(entry.trim_end(), expected);
    }
}

#[test]
fn the_page_of_the_language_parses() {
    let page = include_str!("../../docs/cql/README.md");
    let mut seen = 0;
    for block in page.split("```cql\n").skip(1) {
        for part in split(block.split("```").next().unwrap_or_default()) {
            assert!(part.is_complete(), "{}", part.text);
            parse(part.text).unwrap_or_else(|error| panic!("{}", error.render(part.text)));
            seen += 1;
        }
    }
    assert!(seen > 20, "only {seen} examples found");
    let words = page.split("need the quotes: ").nth(1).and_then(|rest| rest.split(". All").next());
    let words: Vec<&str> = words.unwrap_or_default().split_whitespace().collect();
    assert_eq!(words, keyword::RESERVED);
}

#[test]
fn keywords_are_sorted() {
    assert!(keyword::RESERVED.is_sorted() && keyword::UNRESERVED.is_sorted());
    assert!(keyword::UNRESERVED.iter().all(|word| !keyword::is_reserved(word)));
}

#[test]
fn suggestions_are_near_and_few() {
    let words = ["from", "where", "user_id", "timestamp"];
    let suggest = |word| crate::suggest::suggest(word, words);
    assert_eq!(suggest("FORM"), Some("from"));
    assert_eq!(suggest("wehre"), Some("where"));
    assert_eq!(suggest("userid"), Some("user_id"));
    assert_eq!(suggest("timestmap"), Some("timestamp"));
    assert_eq!(suggest("limit"), None);
    assert_eq!(suggest(""), None);
    assert_eq!(suggest(&"x".repeat(10_000)), None);
}
