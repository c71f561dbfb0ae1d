//! What is wrong with a statement, and where.

use std::fmt;

use crate::code::Code;
use crate::span::Span;

/// A statement that cannot be understood or accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of mistake; `helenus explain CODE` tells more.
    pub code: Code,
    /// What happened, in one line without a full stop.
    pub message: String,
    /// The words at fault.
    pub span: Span,
    /// What to do, where we can guess it.
    pub hint: Option<String>,
}

/// Longest stretch of source shown above the caret, in characters.
const SHOWN_CHARS_MAX: usize = 100;

impl Error {
    /// An error without a hint.
    pub fn new(code: Code, message: impl Into<String>, span: Span) -> Self {
        Self { code, message: message.into(), span, hint: None }
    }

    /// The same, with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The error with the line at fault and a caret below the words, several lines:
    ///
    /// ```text
    /// error[HX2001]: no viable input near 'FORM'
    ///   --> SELECT * FORM t
    ///                ^^^^
    ///   help: did you mean `FROM`?
    /// ```
    ///
    /// `source` is the text that was parsed. Spans outside of it are cut to it.
    pub fn render(&self, source: &str) -> String {
        let mut out = self.to_string();
        if !source.trim().is_empty() {
            let shown = Excerpt::around(source, self.span);
            let pad = " ".repeat(shown.before);
            let carets = "^".repeat(shown.marked.max(1));
            out.push_str(&format!("\n  --> {}\n      {pad}{carets}", shown.text));
        }
        if let Some(hint) = &self.hint {
            out.push_str(&format!("\n  help: {hint}"));
        }
        out
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

/// The part of one source line that is shown. Counts are in characters.
struct Excerpt {
    text: String,
    before: usize,
    marked: usize,
}

impl Excerpt {
    /// The line on which `span` begins, cut around it where it is long. Tabs and other control
    /// characters become blanks, so that the caret stays below its word.
    fn around(source: &str, span: Span) -> Excerpt {
        let start = floor_boundary(source, span.start);
        let end = floor_boundary(source, span.end).max(start);
        let line_start = source[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = source[start..].find('\n').map_or(source.len(), |at| start + at);
        let line: Vec<char> = source[line_start..line_end]
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let mut before = source[line_start..start].chars().count();
        let mut marked = source[start..end.min(line_end).max(start)].chars().count();
        let skip = if line.len() > SHOWN_CHARS_MAX {
            before.saturating_sub(SHOWN_CHARS_MAX / 2)
        } else {
            line.iter().take(before).take_while(|c| **c == ' ').count()
        };
        let text: String = line.iter().skip(skip).take(SHOWN_CHARS_MAX).collect();
        before -= skip;
        marked = marked.min(SHOWN_CHARS_MAX.saturating_sub(before));
        Excerpt { text: text.trim_end().to_owned(), before, marked }
    }
}

/// The nearest character boundary at or before `at`.
fn floor_boundary(source: &str, at: usize) -> usize {
    let mut at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}
