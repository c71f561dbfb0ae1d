//! Cutting a script into statements, without understanding them.
//!
//! A `;` inside a string, a quoted name or a comment ends nothing, and nor does one between `BEGIN
//! BATCH` and `APPLY BATCH`.

use crate::scan::{self, Kind};
use crate::span::Span;

/// One statement of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'s> {
    /// Its text, without the blanks and comments around it and without `;`. Empty only where the
    /// script ends inside a comment that no statement precedes.
    pub text: &'s str,
    /// Where `text` stands in the script.
    pub span: Span,
    /// What ended it.
    pub ending: Ending,
}

/// What ended a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A `;`: the statement is complete.
    Semicolon,
    /// The script: more may follow.
    EndOfText,
    /// The script, inside of something: more must follow.
    Unclosed(Unclosed),
}

/// What was open when the script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unclosed {
    /// `/*`
    Comment,
    /// `'`
    Text,
    /// `$$`
    Dollars,
    /// `"`
    Name,
}

impl Part<'_> {
    /// Whether a `;` ended it. An editor asks for another line while the last one is not.
    pub fn is_complete(&self) -> bool {
        self.ending == Ending::Semicolon
    }
}

/// The statements of `script`, in order. Empty ones are left out.
pub fn split(script: &str) -> Statements<'_> {
    Statements { script, at: 0 }
}

/// What [`split`] returns.
#[derive(Clone, Debug)]
pub struct Statements<'s> {
    script: &'s str,
    at: usize,
}

impl Statements<'_> {
    /// Whether a `;` behind these words stands between writes of a batch.
    fn is_in_batch(&self, (start, end): (usize, usize)) -> bool {
        let text = &self.script[start..end];
        let mut first = text.split_whitespace().map(str::to_ascii_uppercase);
        let begins = first.next().as_deref() == Some("BEGIN")
            && match first.next().as_deref() {
                Some("BATCH") => true,
                Some("UNLOGGED" | "LOGGED" | "COUNTER") => first.next().as_deref() == Some("BATCH"),
                _ => false,
            };
        let mut last =
            text.rsplit(|it: char| it.is_whitespace() || it == ';').filter(|it| !it.is_empty());
        let ends = ["BATCH", "APPLY"]
            .into_iter()
            .all(|word| last.next().is_some_and(|it| it.eq_ignore_ascii_case(word)));
        begins && !ends
    }

    /// Whether the script ends with a statement that nothing ended: an editor then asks for
    /// another line. True inside of an open comment, false for an empty script.
    pub fn is_incomplete(&self) -> bool {
        self.clone().last().is_some_and(|part| !part.is_complete())
    }
}

impl<'s> Iterator for Statements<'s> {
    type Item = Part<'s>;

    fn next(&mut self) -> Option<Part<'s>> {
        // From the first byte that matters to behind the last.
        let mut words: Option<(usize, usize)> = None;
        let part = |words: Option<(usize, usize)>, at, ending| {
            let (start, end) = words.unwrap_or((at, at));
            Part { text: &self.script[start..end], span: Span::new(start, end), ending }
        };
        while let Some(piece) = scan::piece(&self.script[self.at..]) {
            let start = self.at;
            self.at += piece.len;
            let open = match piece.kind {
                Kind::Semicolon if words.is_some_and(|it| self.is_in_batch(it)) => continue,
                Kind::Semicolon if words.is_some() => {
                    return Some(part(words, start, Ending::Semicolon));
                }
                Kind::Blank | Kind::Semicolon => continue,
                Kind::Comment if piece.closed => continue,
                Kind::Comment => {
                    return Some(part(words, start, Ending::Unclosed(Unclosed::Comment)));
                }
                Kind::Text => Ending::Unclosed(Unclosed::Text),
                Kind::Dollars => Ending::Unclosed(Unclosed::Dollars),
                Kind::Name => Ending::Unclosed(Unclosed::Name),
                // A single character is always whole.
                Kind::Other => Ending::EndOfText,
            };
            words = Some((words.map_or(start, |(first, _)| first), self.at));
            if !piece.closed {
                return Some(part(words, start, open));
            }
        }
        words.map(|_| part(words, self.at, Ending::EndOfText))
    }
}
