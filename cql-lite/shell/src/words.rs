//! The words of the shell: what it does itself instead of sending it to a node.

use client::Consistency;
use cql_lite::suggest::suggest;

use crate::copy::{self, Copy};
use crate::output::Expand;

/// What a line asks of the shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Show or set how many replicas must answer.
    Consistency(Option<Consistency>),
    /// Ask the node about the schema; the statement to send.
    Describe(String),
    /// Explain a topic, or the shell.
    Help(Option<String>),
    /// Copy a table into a file, or back.
    Copy(Box<Copy>),
    /// Leave.
    Exit,
    /// Run a file.
    Source(String),
    /// Show or set the rows on a page; 0 is off.
    Paging(Option<u32>),
    /// Show or set when rows are printed one column a line.
    Expand(Option<Expand>),
    /// Show or set whether nodes are asked what they did.
    Tracing(Option<bool>),
    /// Show or set whether times are printed.
    Timing(Option<bool>),
    /// Show versions.
    ShowVersion,
    /// Show the node.
    ShowHost,
    /// Send output into a file, or no more.
    Capture(Capture),
    /// Wipe the screen.
    Clear,
    /// A command that whoever embeds the shell has added: name and arguments.
    Extra(String, Vec<String>),
}

/// What becomes of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Capture {
    /// It goes into this file.
    Into(String),
    /// It is printed.
    Off,
    /// As before: say where it goes.
    Show,
}

/// Why a line that begins with a word of the shell is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Written wrongly: what is expected.
    Usage(String),
    /// Not there yet: what.
    NotYet(&'static str),
}

/// Every word, as completion and suggestions know them.
pub(crate) const WORDS: [&str; 17] = [
    "CAPTURE",
    "CLEAR",
    "CLS",
    "CONSISTENCY",
    "COPY",
    "DESC",
    "DESCRIBE",
    "EXIT",
    "EXPAND",
    "HELP",
    "PAGING",
    "QUIT",
    "SERIAL",
    "SHOW",
    "SOURCE",
    "TIMING",
    "TRACING",
];

/// The first words of statements, which go to a node.
pub(crate) const STATEMENTS: [&str; 17] = [
    "ALTER", "APPLY", "BATCH", "BEGIN", "CREATE", "DELETE", "DROP", "EXPLAIN", "GRANT", "INSERT",
    "LIST", "REVOKE", "SELECT", "TRUNCATE", "UPDATE", "USE", "WITH",
];

/// Whether a statement is for the shell.
pub(crate) fn is_word(text: &str) -> bool {
    text.starts_with('\\') || WORDS.iter().any(|word| word.eq_ignore_ascii_case(first(text)))
}

/// Whether a word ends with `;`, as statements do, and may have several lines.
pub(crate) fn has_lines(text: &str) -> bool {
    first(text).eq_ignore_ascii_case("copy")
}

/// The word that was probably meant, where a statement begins with none that anybody knows.
pub(crate) fn meant(text: &str) -> Option<&'static str> {
    let first = first(text);
    let known = || STATEMENTS.into_iter().chain(WORDS);
    if first.is_empty() || known().any(|word| word.eq_ignore_ascii_case(first)) {
        return None;
    }
    suggest(first, known())
}

/// What a line for the shell asks.
pub(crate) fn parse(text: &str) -> Result<Word, Refused> {
    let mut arguments = text.split_whitespace();
    let head = arguments.next().unwrap_or_default().to_ascii_uppercase();
    let rest: Vec<&str> = arguments.collect();
    let tail = text[text.find(char::is_whitespace).unwrap_or(text.len())..].trim();
    match head.as_str() {
        "CONSISTENCY" => consistency(&rest),
        "DESCRIBE" | "DESC" => Ok(Word::Describe(text.to_owned())),
        "\\D" => Ok(Word::Describe(match tail {
            "" => "DESCRIBE TABLES".to_owned(),
            table => format!("DESCRIBE TABLE {table}"),
        })),
        "HELP" | "\\H" | "\\?" => Ok(Word::Help((!tail.is_empty()).then(|| tail.to_owned()))),
        "EXIT" | "QUIT" | "\\Q" => Ok(Word::Exit),
        "SOURCE" | "\\I" => match unquote(tail) {
            "" => Err(Refused::Usage("SOURCE 'file.cql'".to_owned())),
            path => Ok(Word::Source(path.to_owned())),
        },
        "PAGING" => match rest.as_slice() {
            [] => Ok(Word::Paging(None)),
            [word] if word.eq_ignore_ascii_case("on") => Ok(Word::Paging(Some(PAGE_ROWS))),
            [word] if word.eq_ignore_ascii_case("off") => Ok(Word::Paging(Some(0))),
            [number] => match number.parse() {
                Ok(rows) if 0 < rows => Ok(Word::Paging(Some(rows))),
                Ok(_) | Err(_) => Err(Refused::Usage("PAGING [rows|ON|OFF]".to_owned())),
            },
            [_, _, ..] => Err(Refused::Usage("PAGING [rows|ON|OFF]".to_owned())),
        },
        "EXPAND" => match rest.as_slice() {
            [it] if it.eq_ignore_ascii_case("auto") => Ok(Word::Expand(Some(Expand::Auto))),
            rest => match on_off("EXPAND", rest) {
                Ok(on) => {
                    let expand = |on| if on { Expand::On } else { Expand::Off };
                    Ok(Word::Expand(on.map(expand)))
                }
                Err(_) => Err(Refused::Usage("EXPAND [ON|OFF|AUTO]".to_owned())),
            },
        },
        "TIMING" => on_off("TIMING", &rest).map(Word::Timing),
        "SHOW" => match rest.as_slice() {
            [what] if what.eq_ignore_ascii_case("version") => Ok(Word::ShowVersion),
            [what] if what.eq_ignore_ascii_case("host") => Ok(Word::ShowHost),
            [what, ..] if what.eq_ignore_ascii_case("session") => {
                Err(Refused::NotYet("SHOW SESSION"))
            }
            _ => Err(Refused::Usage("SHOW VERSION or SHOW HOST".to_owned())),
        },
        "CLEAR" | "CLS" => Ok(Word::Clear),
        "COPY" => copy::parse(text).map(|copy| Word::Copy(Box::new(copy))),
        "TRACING" => on_off("TRACING", &rest).map(Word::Tracing),
        "CAPTURE" | "\\O" => Ok(Word::Capture(match unquote(tail) {
            "" => Capture::Show,
            off if off.eq_ignore_ascii_case("off") => Capture::Off,
            path => Capture::Into(path.to_owned()),
        })),
        "SERIAL" => Err(Refused::NotYet("SERIAL CONSISTENCY")),
        other => {
            let name = other.strip_prefix('\\').unwrap_or(other).to_ascii_lowercase();
            Ok(Word::Extra(name, rest.into_iter().map(str::to_owned).collect()))
        }
    }
}

/// Rows on a page at the keyboard, until told otherwise.
pub(crate) const PAGE_ROWS: u32 = 100;

fn consistency(rest: &[&str]) -> Result<Word, Refused> {
    match rest {
        [] => Ok(Word::Consistency(None)),
        [name] => match Consistency::from_name(name) {
            Some(level) => Ok(Word::Consistency(Some(level))),
            None => {
                let names = Consistency::ALL.map(Consistency::name);
                Err(Refused::Usage(match suggest(name, names) {
                    Some(near) => format!("CONSISTENCY {near}"),
                    None => format!("CONSISTENCY with one of {}", names.join(", ")),
                }))
            }
        },
        [_, _, ..] => Err(Refused::Usage("CONSISTENCY [level]".to_owned())),
    }
}

fn on_off(word: &str, rest: &[&str]) -> Result<Option<bool>, Refused> {
    match rest {
        [] => Ok(None),
        [it] if it.eq_ignore_ascii_case("on") => Ok(Some(true)),
        [it] if it.eq_ignore_ascii_case("off") => Ok(Some(false)),
        [_, ..] => Err(Refused::Usage(format!("{word} [ON|OFF]"))),
    }
}

fn unquote(text: &str) -> &str {
    let inner = |quote| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    inner('\'').or_else(|| inner('"')).unwrap_or(text)
}

/// The letters that a statement begins with.
fn first(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    &text[..end]
}
