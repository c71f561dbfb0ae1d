//! Tokens to tree, by recursive descent: one function for each rule of the grammar.
//!
//! The parser notes what would have fitted at the current token; an error says it, or the keyword
//! that was probably meant.

mod ddl;
mod dml;
mod select;
mod term;
#[cfg(test)]
mod tests;
mod types;
mod where_;

use crate::ast::{Name, Statement, TableName, Term};
use crate::code::Code;
use crate::error::Error;
use crate::keyword;
use crate::lexer::{Bad, Kind, Lexer, Token};
use crate::span::Span;
use crate::suggest::suggest;
use crate::types::CqlType;

/// Longest statement, in bytes. Values beyond a few KiB belong into bind markers; the tree of a
/// statement takes several times its text.
pub const STATEMENT_BYTES_MAX: usize = 1 << 20;

/// Deepest nesting of function calls, so that recursion stays within any stack.
pub const NESTING_MAX: usize = 32;

/// Most bind markers: the native protocol counts them in 16 bits.
pub const MARKERS_MAX: usize = 65_535;

/// Most alternatives that a hint lists.
const EXPECTED_SHOWN_MAX: usize = 6;

/// Parses one statement, perhaps ended by `;`.
pub fn parse(text: &str) -> Result<Statement, Error> {
    if text.len() > STATEMENT_BYTES_MAX {
        let message =
            format!("a statement of {} bytes; the limit is {STATEMENT_BYTES_MAX}", text.len());
        return Err(Error::new(Code::TooLarge, message, Span::new(0, 0))
            .with_hint("bind large values to markers, or send several statements"));
    }
    let mut parser = Parser::new(text);
    let statement = parser.statement()?;
    if parser.eat(";") && parser.token.kind != Kind::End {
        let message = "a second statement";
        return Err(Error::new(Code::Syntax, message, parser.token.span)
            .with_hint("send one statement at a time"));
    }
    if parser.token.kind != Kind::End {
        return Err(parser.unexpected());
    }
    Ok(statement)
}

/// Parses a type that is written in full.
pub(crate) fn parse_full_type(text: &str) -> Result<CqlType, Error> {
    alone(text, |it| it.full_type())
}

/// Parses a value that stands alone, such as `{'a': 1}`.
///
/// # Errors
/// It is none, or is longer than a statement may be.
pub fn parse_term(text: &str) -> Result<Term, Error> {
    alone(text, |it| it.term())
}

fn alone<T>(text: &str, one: impl Fn(&mut Parser<'_>) -> Parsed<T>) -> Result<T, Error> {
    if text.len() > STATEMENT_BYTES_MAX {
        let message = format!("{} bytes; the limit is {STATEMENT_BYTES_MAX}", text.len());
        return Err(Error::new(Code::TooLarge, message, Span::new(0, 0)));
    }
    let mut parser = Parser::new(text);
    let it = one(&mut parser)?;
    if parser.token.kind == Kind::End { Ok(it) } else { Err(parser.unexpected()) }
}

/// Where the parser stands.
struct Parser<'s> {
    lexer: Lexer<'s>,
    /// The first token that is not consumed.
    token: Token<'s>,
    /// Behind the last token that is.
    consumed: usize,
    /// What was looked for at `token` and not found.
    expected: Vec<Expected>,
    /// Markers seen so far.
    markers: usize,
    /// Function calls around `token`.
    depth: usize,
}

/// What would have fitted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Keyword(&'static str),
    Symbol(&'static str),
    /// Something in words, such as `a value`.
    Thing(&'static str),
}

type Parsed<T> = Result<T, Error>;

impl<'s> Parser<'s> {
    fn new(source: &'s str) -> Self {
        let mut lexer = Lexer::new(source);
        let token = lexer.next();
        Self { lexer, token, consumed: 0, expected: Vec::new(), markers: 0, depth: 0 }
    }

    fn statement(&mut self) -> Parsed<Statement> {
        let start = self.token;
        if self.eat_keyword("SELECT") {
            return self.select().map(Statement::Select);
        }
        if let Some(write) = self.write()? {
            return Ok(Statement::Write(write));
        }
        if self.eat_keyword("CREATE") {
            return self.create();
        }
        if self.eat_keyword("ALTER") {
            return self.alter();
        }
        if self.eat_keyword("DROP") {
            return self.drop();
        }
        if self.eat_keyword("USE") {
            return self.use_().map(Statement::Use);
        }
        if self.eat_keyword("TRUNCATE") {
            return self.truncate().map(Statement::Truncate);
        }
        if self.eat_keyword("DESCRIBE") || self.eat_keyword("DESC") {
            return self.describe(start.span).map(Statement::Describe);
        }
        if self.eat_keyword("BEGIN") {
            return self.batch(start.span).map(Statement::Batch);
        }
        const PLANNED: [&str; 4] = ["GRANT", "LIST", "REVOKE", "COMMENT"];
        match PLANNED.into_iter().find(|word| self.at_keyword(word)) {
            Some(word) => Err(self.unsupported(word)),
            None => Err(self.no_statement()),
        }
    }

    /// The error where a statement should begin.
    fn no_statement(&self) -> Error {
        let error = if self.token.kind == Kind::End {
            Error::new(Code::Syntax, "an empty statement", self.end_span())
        } else {
            self.unexpected()
        };
        match error.hint {
            Some(_) => error,
            None => error.with_hint(
                "a statement begins with SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, \
                 TRUNCATE, BEGIN BATCH, USE or DESCRIBE",
            ),
        }
    }

    /// Consumes the current token.
    fn advance(&mut self) -> Token<'s> {
        let token = self.token;
        self.consumed = token.span.end;
        self.expected.clear();
        self.token = self.lexer.next();
        token
    }

    /// The token behind the current one.
    fn second(&self) -> Token<'s> {
        let mut ahead = self.lexer;
        ahead.next()
    }

    /// From `start` to the end of what is consumed.
    fn since(&self, start: Span) -> Span {
        Span::new(start.start, self.consumed)
    }

    fn at_symbol(&self, symbol: &str) -> bool {
        self.token.kind == Kind::Symbol && self.token.text == symbol
    }

    fn at_keyword(&self, word: &str) -> bool {
        is_keyword(&self.token, word)
    }

    /// Consumes `symbol` if it is there.
    fn eat(&mut self, symbol: &'static str) -> bool {
        let there = self.at_symbol(symbol);
        if there {
            self.advance();
        } else {
            self.expected.push(Expected::Symbol(symbol));
        }
        there
    }

    /// Consumes `word`, in any case, if it is there.
    fn eat_keyword(&mut self, word: &'static str) -> bool {
        let there = self.at_keyword(word);
        if there {
            self.advance();
        } else {
            self.expected.push(Expected::Keyword(word));
        }
        there
    }

    fn expect(&mut self, symbol: &'static str) -> Parsed<()> {
        if self.eat(symbol) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn expect_keyword(&mut self, word: &'static str) -> Parsed<()> {
        if self.eat_keyword(word) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn expect_keywords(&mut self, words: &[&'static str]) -> Parsed<()> {
        words.iter().try_for_each(|word| self.expect_keyword(word))
    }

    /// `IF NOT EXISTS`, if it is there.
    fn if_not_exists(&mut self) -> Parsed<bool> {
        let there = self.eat_keyword("IF");
        if there {
            self.expect_keywords(&["NOT", "EXISTS"])?;
        }
        Ok(there)
    }

    /// One or more of something, between commas.
    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut all = vec![one(self)?];
        while self.eat(",") {
            all.push(one(self)?);
        }
        Ok(all)
    }

    /// One or more of something, between commas and in parentheses.
    fn parenthesized<T>(&mut self, one: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.expect("(")?;
        let all = self.list(one)?;
        self.expect(")")?;
        Ok(all)
    }

    /// Runs `inner` one level deeper.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == NESTING_MAX {
            let message = format!("nested more than {NESTING_MAX} levels deep");
            return Err(Error::new(Code::Syntax, message, self.token.span));
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Whether the current token is a name.
    fn at_name(&self) -> bool {
        self.token.kind == Kind::QuotedName
            || self.token.kind == Kind::Word && !keyword::is_reserved(self.token.text)
    }

    /// A name; `what` says of what, such as `a column name`.
    fn name(&mut self, what: &'static str) -> Parsed<Name> {
        if !self.at_name() {
            self.expected.push(Expected::Thing(what));
            return Err(self.unexpected());
        }
        let token = self.advance();
        let text = match token.kind == Kind::QuotedName {
            true => token.text[1..token.text.len() - 1].replace("\"\"", "\""),
            false => token.text.to_ascii_lowercase(),
        };
        Ok(Name { text, span: token.span })
    }

    fn column(&mut self) -> Parsed<Name> {
        self.name("a column name")
    }

    /// `[keyspace.]table`
    fn table_name(&mut self) -> Parsed<TableName> {
        let first = self.name("a table name")?;
        if self.at_symbol(".") {
            self.advance();
            let table = self.name("a table name")?;
            return Ok(TableName { keyspace: Some(first), table });
        }
        Ok(TableName { keyspace: None, table: first })
    }

    /// What is CQL, but not of this version.
    fn unsupported(&self, what: &str) -> Error {
        Error::new(Code::NotSupported, format!("{what} is not supported yet"), self.token.span)
    }

    /// The error that the current token does not fit.
    fn unexpected(&self) -> Error {
        let span = self.token.span;
        match self.token.kind {
            Kind::Bad(bad) => self.bad(bad),
            Kind::End => self.advise(Error::new(
                Code::Syntax,
                "the statement ends too early",
                self.end_span(),
            )),
            Kind::Word
            | Kind::QuotedName
            | Kind::Text
            | Kind::Dollars
            | Kind::Integer
            | Kind::Decimal
            | Kind::Duration
            | Kind::Uuid
            | Kind::Blob
            | Kind::Symbol => {
                let near = shorten(self.token.text);
                self.advise(Error::new(
                    Code::Syntax,
                    format!("no viable input near '{near}'"),
                    span,
                ))
            }
        }
    }

    /// Behind the last token, which is where more was expected.
    fn end_span(&self) -> Span {
        Span::new(self.consumed, self.consumed)
    }

    /// Adds the keyword that was probably meant, or what would have fitted.
    fn advise(&self, error: Error) -> Error {
        if self.token.kind == Kind::Word {
            let keywords = self.expected.iter().filter_map(|expected| match expected {
                Expected::Keyword(word) => Some(*word),
                Expected::Symbol(_) | Expected::Thing(_) => None,
            });
            if let Some(meant) = suggest(self.token.text, keywords) {
                return error.with_hint(format!("did you mean `{meant}`?"));
            }
            let name = self.expected.iter().find_map(|expected| match expected {
                Expected::Thing(what) if what.ends_with("name") => Some(*what),
                Expected::Thing(_) | Expected::Keyword(_) | Expected::Symbol(_) => None,
            });
            if let Some(what) = name
                && keyword::is_reserved(self.token.text)
            {
                let word = self.token.text.to_ascii_lowercase();
                return error.with_hint(format!(
                    "expected {what}; `{word}` is reserved, but \"{word}\" in double quotes is one"
                ));
            }
        }
        match self.alternatives() {
            Some(alternatives) => error.with_hint(format!("expected {alternatives}")),
            None => error,
        }
    }

    /// What would have fitted, in words; none where it is nothing or too much to be of help.
    fn alternatives(&self) -> Option<String> {
        let mut all: Vec<String> = Vec::new();
        for expected in &self.expected {
            let text = match expected {
                Expected::Keyword(word) => format!("`{word}`"),
                // That a statement may end is never what was forgotten.
                Expected::Symbol(";") => continue,
                Expected::Symbol(symbol) => format!("`{symbol}`"),
                Expected::Thing(thing) => (*thing).to_owned(),
            };
            if !all.contains(&text) {
                all.push(text);
            }
        }
        if all.len() > EXPECTED_SHOWN_MAX {
            return None;
        }
        let last = all.pop()?;
        Some(if all.is_empty() { last } else { format!("{} or {last}", all.join(", ")) })
    }

    fn bad(&self, bad: Bad) -> Error {
        let text = shorten(self.token.text);
        let (message, hint) = match bad {
            Bad::UnclosedText => {
                let hint = "close it with the quote that opened it; a ' inside is written twice";
                ("a string that does not end".to_owned(), Some(hint))
            }
            Bad::UnclosedName => {
                let hint = "close it with \"; text is written in single quotes";
                ("a quoted name that does not end".to_owned(), Some(hint))
            }
            Bad::UnclosedComment => {
                ("a comment that does not end".to_owned(), Some("close it with */"))
            }
            Bad::EmptyName => {
                let hint = "text is written in single quotes: ''";
                ("an empty name".to_owned(), Some(hint))
            }
            Bad::Number => {
                let hint = "names that begin with a digit are written in double quotes";
                (format!("'{text}' is neither a number nor a name"), Some(hint))
            }
            Bad::Blob => {
                let hint = "a blob is 0x and an even number of hexadecimal digits";
                (format!("'{text}' is not a blob"), Some(hint))
            }
            Bad::Uuid => {
                let hint = "a UUID has 8-4-4-4-12 hexadecimal digits";
                (format!("'{text}' is not a UUID"), Some(hint))
            }
            Bad::Character => {
                let hint = "names with other characters than letters, digits and _ are written \
                            in double quotes, text in single ones";
                (format!("no viable character '{text}'"), Some(hint))
            }
        };
        // Of something that runs to the end of the text only the beginning is pointed at.
        let span = match bad {
            Bad::UnclosedText | Bad::UnclosedName => {
                Span::new(self.token.span.start, self.token.span.start + 1)
            }
            Bad::UnclosedComment => Span::new(self.token.span.start, self.token.span.start + 2),
            Bad::EmptyName | Bad::Number | Bad::Blob | Bad::Uuid | Bad::Character => {
                self.token.span
            }
        };
        let error = Error::new(Code::Syntax, message, span);
        match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

fn is_keyword(token: &Token<'_>, word: &str) -> bool {
    token.kind == Kind::Word && token.text.eq_ignore_ascii_case(word)
}

/// At most 40 characters, so that a message stays a line.
fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
