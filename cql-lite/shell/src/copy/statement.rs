//! The `COPY` statement: its words and its options.

use std::path::{Path, PathBuf};

use cql_lite::suggest::suggest;

use super::Format;
use crate::words::Refused;

/// A `COPY` statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Copy {
    pub(crate) keyspace: Option<String>,
    pub(crate) table: String,
    /// Empty for all of them.
    pub(crate) columns: Vec<String>,
    pub(crate) direction: Direction,
    pub(crate) place: Place,
    pub(crate) style: Style,
    /// Rejected rows after which a `COPY FROM` gives up.
    pub(crate) errors_max: u64,
    /// Where rejected rows go; beside the file unless told otherwise.
    pub(crate) rejects: Option<PathBuf>,
    /// Whether to go on where an interrupted copy stopped.
    pub(crate) resume: bool,
}

/// Which way rows go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the table into a file.
    To,
    /// From a file into the table.
    From,
}

/// Where rows go, or come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    File(PathBuf),
    /// Standard output, or standard input.
    Standard,
}

impl Place {
    /// What messages call it, and what is named after it.
    pub(crate) fn name(&self) -> &Path {
        match self {
            Place::File(path) => path,
            Place::Standard => Path::new("stdin"),
        }
    }
}

/// How the file is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) format: Format,
    /// Whether the first line names the columns.
    pub(crate) header: bool,
    /// What null looks like, outside of quotes.
    pub(crate) null: String,
    pub(crate) delimiter: u8,
    /// What lines begin with that are none of the data.
    pub(crate) comment: Option<u8>,
}

/// Rejected rows after which a `COPY FROM` gives up, unless told otherwise. As in cqlsh.
const ERRORS_MAX: u64 = 1000;

const OPTIONS: [&str; 9] = [
    "COMMENT",
    "DELIMITER",
    "ERRFILE",
    "FORMAT",
    "HEADER",
    "MAXERRORS",
    "NULL",
    "REJECTS",
    "RESUME",
];

const USAGE: &str = "COPY [keyspace.]table [(columns)] TO 'file'|STDOUT or FROM 'file'|STDIN \
     [WITH option = value AND …]; see HELP COPY";

/// Reads `COPY …`.
pub(crate) fn parse(text: &str) -> Result<Copy, Refused> {
    let usage = || Refused::Usage(USAGE.to_owned());
    let tokens = tokens(text).ok_or_else(usage)?;
    let mut tokens = Tokens { rest: &tokens };
    tokens.word("COPY").ok_or_else(usage)?;
    let first = tokens.name().ok_or_else(usage)?;
    let (keyspace, table) = match tokens.sign('.') {
        Some(()) => (Some(first), tokens.name().ok_or_else(usage)?),
        None => (None, first),
    };
    let mut columns = Vec::new();
    if tokens.sign('(').is_some() {
        columns.push(tokens.name().ok_or_else(usage)?);
        while tokens.sign(',').is_some() {
            columns.push(tokens.name().ok_or_else(usage)?);
        }
        tokens.sign(')').ok_or_else(usage)?;
    }
    let direction = match (tokens.word("TO"), tokens.word("FROM")) {
        (Some(()), None) => Direction::To,
        (None, Some(())) => Direction::From,
        (Some(()), Some(())) | (None, None) => return Err(usage()),
    };
    let standard = match direction {
        Direction::To => tokens.word("STDOUT"),
        Direction::From => tokens.word("STDIN"),
    };
    let place = match standard {
        Some(()) => Place::Standard,
        None => {
            let path = tokens.string().filter(|path| !path.is_empty()).ok_or_else(usage)?;
            Place::File(PathBuf::from(path))
        }
    };
    let style = Style {
        format: if has_extension(place.name()) { Format::Jsonl } else { Format::Csv },
        header: false,
        null: String::new(),
        delimiter: b',',
        comment: None,
    };
    let (errors_max, rejects, resume) = (ERRORS_MAX, None, false);
    let mut copy =
        Copy { keyspace, table, columns, direction, place, style, errors_max, rejects, resume };
    if tokens.word("WITH").is_some() {
        loop {
            let Some(Token::Word(name)) = tokens.next() else { return Err(usage()) };
            tokens.sign('=').ok_or_else(usage)?;
            let (Token::Word(value) | Token::Text(value)) = tokens.next().ok_or_else(usage)? else {
                return Err(usage());
            };
            copy.set(&name.to_ascii_uppercase(), value)?;
            if tokens.word("AND").is_none() {
                break;
            }
        }
    }
    if copy.resume && copy.place == Place::Standard {
        let usage = "a file's name: what goes through a pipe is not there to resume";
        return Err(Refused::Usage(usage.to_owned()));
    }
    if copy.style.null.contains(char::from(copy.style.delimiter)) {
        return Err(Refused::Usage("NULL = text without the delimiter".to_owned()));
    }
    if tokens.rest.is_empty() { Ok(copy) } else { Err(usage()) }
}

/// Whether the file is named as one of objects.
fn has_extension(path: &Path) -> bool {
    let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
    ["jsonl", "ndjson", "json"].iter().any(|it| it.eq_ignore_ascii_case(extension))
}

impl Copy {
    fn set(&mut self, name: &str, value: &str) -> Result<(), Refused> {
        let usage = |expected: &str| Refused::Usage(format!("{name} = {expected}"));
        let truth = || match value.to_ascii_lowercase().as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(usage("true or false")),
        };
        // What marks fields or lines must not be part of numbers, names or quotes.
        let sign = |expected| match value.as_bytes() {
            [b'\\', b't'] => Ok(b'\t'),
            [it] if it.is_ascii_punctuation() && !b"\"'.+-_".contains(it) => Ok(*it),
            [it @ (b'\t' | b' ')] => Ok(*it),
            _ => Err(usage(expected)),
        };
        match name {
            "FORMAT" => {
                self.style.format = match value.to_ascii_lowercase().as_str() {
                    "csv" => Format::Csv,
                    "jsonl" => Format::Jsonl,
                    _ => return Err(usage("'csv' or 'jsonl'")),
                };
            }
            "HEADER" => self.style.header = truth()?,
            "NULL" if value.contains(['"', '\n', '\r']) => {
                return Err(usage("text without quotes and newlines"));
            }
            "NULL" => self.style.null = value.to_owned(),
            "DELIMITER" => self.style.delimiter = sign("one of , ; | \\t and the like")?,
            "COMMENT" => self.style.comment = Some(sign("one sign such as '#'")?),
            "MAXERRORS" => {
                self.errors_max = value.parse().map_err(|_| usage("how many rows, from 0"))?;
            }
            "ERRFILE" | "REJECTS" if value.is_empty() => return Err(usage("'file'")),
            "ERRFILE" | "REJECTS" => self.rejects = Some(PathBuf::from(value)),
            "RESUME" => self.resume = truth()?,
            other => {
                return Err(Refused::Usage(match suggest(other, OPTIONS) {
                    Some(near) => format!("{near} instead of {other}"),
                    None => format!("options out of {}", OPTIONS.join(", ")),
                }));
            }
        }
        Ok(())
    }
}

enum Token {
    /// Letters, digits, `_`, `-`: names in any case, numbers.
    Word(String),
    /// A name in double quotes.
    Name(String),
    /// Text in single quotes.
    Text(String),
    Sign(char),
}

/// The tokens of a statement; none where a quote is not closed.
fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_end_matches(';');
    while let Some(c) = rest.chars().next() {
        if c == '\'' || c == '"' {
            let (inner, after) = in_quotes(&rest[1..], c)?;
            tokens.push(if c == '"' { Token::Name(inner) } else { Token::Text(inner) });
            rest = after;
            continue;
        }
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if is_word(c) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
            continue;
        }
        if !c.is_whitespace() {
            tokens.push(Token::Sign(c));
        }
        rest = &rest[c.len_utf8()..];
    }
    Some(tokens)
}

/// What is in quotes, where doubled ones stand for themselves, and what comes behind.
fn in_quotes(text: &str, quote: char) -> Option<(String, &str)> {
    let mut inner = String::new();
    let mut rest = text;
    loop {
        let end = rest.find(quote)?;
        inner.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix(quote) {
            Some(after) => {
                inner.push(quote);
                rest = after;
            }
            None => return Some((inner, rest)),
        }
    }
}

struct Tokens<'t> {
    rest: &'t [Token],
}

impl<'t> Tokens<'t> {
    fn next(&mut self) -> Option<&'t Token> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    /// Takes the next token if `wanted` makes something of it.
    fn take<T>(&mut self, wanted: impl FnOnce(&Token) -> Option<T>) -> Option<T> {
        let (first, rest) = self.rest.split_first()?;
        let found = wanted(first)?;
        self.rest = rest;
        Some(found)
    }

    fn word(&mut self, word: &str) -> Option<()> {
        self.take(|token| match token {
            Token::Word(it) if it.eq_ignore_ascii_case(word) => Some(()),
            Token::Word(_) | Token::Name(_) | Token::Text(_) | Token::Sign(_) => None,
        })
    }

    fn sign(&mut self, sign: char) -> Option<()> {
        self.take(|token| match token {
            Token::Sign(it) if *it == sign => Some(()),
            Token::Word(_) | Token::Name(_) | Token::Text(_) | Token::Sign(_) => None,
        })
    }

    fn name(&mut self) -> Option<String> {
        self.take(|token| match token {
            Token::Word(it) => Some(it.to_ascii_lowercase()),
            Token::Name(it) => Some(it.clone()),
            Token::Text(_) | Token::Sign(_) => None,
        })
    }

    fn string(&mut self) -> Option<String> {
        self.take(|token| match token {
            Token::Text(it) => Some(it.clone()),
            Token::Word(_) | Token::Name(_) | Token::Sign(_) => None,
        })
    }
}
