//! A script cut into what is run at once: statements to their `;`, words of the shell to the end
//! of their line.

use std::io::{self, Read as _};
use std::path::Path;

use cql_lite::split::{Ending, Part, split};

use crate::words;

/// One statement or word of the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece<'s> {
    /// Its text, without the `;`.
    pub(crate) text: &'s str,
    /// The line of the script on which it begins, from 1.
    pub(crate) line: usize,
    /// Whether nothing can be missing from it.
    pub(crate) complete: bool,
}

/// The pieces of `script`, in order.
pub(crate) fn pieces(script: &str) -> Pieces<'_> {
    Pieces { script, at: 0 }
}

/// Whether an editor should ask for another line.
pub(crate) fn is_incomplete(script: &str) -> bool {
    pieces(script).last().is_some_and(|piece| !piece.complete)
}

/// What [`pieces`] returns.
pub(crate) struct Pieces<'s> {
    script: &'s str,
    at: usize,
}

impl<'s> Iterator for Pieces<'s> {
    type Item = Piece<'s>;

    fn next(&mut self) -> Option<Piece<'s>> {
        let part = split(&self.script[self.at..]).next()?;
        let start = self.at + part.span.start;
        let line = 1 + self.script[..start].matches('\n').count();
        if words::is_word(part.text) && !words::has_lines(part.text) {
            // The rest of the script may be anything, even an open string: look at the line only.
            let line_text = part.text.lines().next().unwrap_or_default();
            let text = split(line_text).next().map_or(line_text, |Part { text, .. }| text);
            self.at = start + text.len();
            return Some(Piece { text, line, complete: true });
        }
        let complete = part.ending == Ending::Semicolon;
        // What no semicolon ended reaches to the end, with whatever comments follow it.
        self.at = if complete { self.at + part.span.end } else { self.script.len() };
        Some(Piece { text: part.text, line, complete })
    }
}

/// The text of a file; `-` is standard input. Blocks.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path)
}
