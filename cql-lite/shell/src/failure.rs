//! What went wrong, as it is told, and the exit code it leads to.

use std::io;

use client::Error;
use cql_lite::code::Code;
use cql_lite::span::Span;
use nu_ansi_term::Color;

use crate::output::Layout;
use crate::words::Refused;

/// Why a statement or word was not done.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The client or a node says so.
    Client(Error),
    /// It is not for a node, and the shell does not understand it.
    Refused(Refused),
    /// It begins with a word that nobody knows.
    Unknown { word: String, meant: &'static str },
    /// A file cannot be read.
    File { path: String, error: io::Error },
    /// A file cannot be written.
    Unwritten { path: String, error: io::Error },
    /// A copy cannot begin or go on, or did not take every row: why.
    Copy(String),
    /// A file that was run failed, as was told already.
    Source { path: String, code: u8 },
    /// Files that run files that run files.
    TooDeep { path: String },
    /// An added command failed.
    Extra(String),
    /// Somebody pressed Ctrl-C after so many rows.
    Cancelled { rows: u64 },
    /// Nobody takes the output any more.
    Output(io::Error),
}

/// What is repeated of a word of the shell, in characters.
const SHOWN_CHARS_MAX: usize = 60;

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Client(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl Failure {
    /// The exit code of a program that ends with it.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Client(error) => of_client(error),
            Failure::Source { code, .. } => *code,
            Failure::Refused(_)
            | Failure::Unknown { .. }
            | Failure::File { .. }
            | Failure::Unwritten { .. }
            | Failure::Copy(_)
            | Failure::TooDeep { .. }
            | Failure::Extra(_)
            | Failure::Cancelled { .. }
            | Failure::Output(_) => 1,
        }
    }

    /// Whether the reader of the output has left, as `head` does: no reason to complain.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Several lines for people: the error, the words at fault, and what to do.
    pub(crate) fn render(&self, source: &str, layout: Layout) -> String {
        let text = match self {
            Failure::Client(error) => render_client(error, source),
            Failure::Refused(Refused::Usage(expected)) => {
                let first: String = source.chars().take(SHOWN_CHARS_MAX).collect();
                let message = format!("`{first}` is not understood");
                plain(Code::Syntax, &message, Some(&format!("write {expected}")))
            }
            Failure::Refused(Refused::NotYet(what)) => {
                let message = format!("{what} is not there yet");
                plain(Code::NotSupported, &message, Some("HELP lists what is"))
            }
            Failure::Unknown { word, meant } => {
                let message = format!("unknown word `{word}`");
                plain(Code::Syntax, &message, Some(&format!("did you mean {meant}?")))
            }
            Failure::File { path, error } => format!("error: cannot read {path}: {error}"),
            Failure::Unwritten { path, error } => format!("error: cannot write {path}: {error}"),
            Failure::Source { path, .. } => format!("error: {path} failed"),
            Failure::TooDeep { path } => {
                format!("error: {path} is not run: files run each other in a circle")
            }
            Failure::Extra(message) | Failure::Copy(message) => format!("error: {message}"),
            Failure::Cancelled { rows: 0 } => "cancelled".to_owned(),
            Failure::Cancelled { rows } => {
                format!("cancelled after {rows} rows: the result is partial")
            }
            Failure::Output(error) => format!("error: cannot write: {error}"),
        };
        let text = match layout.width {
            Some(width) => folded(&text, width),
            None => text,
        };
        if layout.colors { colored(&text) } else { text }
    }
}

fn of_client(error: &Error) -> u8 {
    let code = Code::parse(error.code());
    let late =
        [Code::WriteTimeout, Code::ReadTimeout, Code::ConnectionLost, Code::SchemaOutcomeUnknown];
    match error {
        Error::Connect(_) => 3,
        Error::UnknownOutcome(_) => 4,
        Error::Retry(_) | Error::Invalid(_) => match code {
            Some(code) if late.contains(&code) => 4,
            Some(Code::CannotConnect | Code::Unauthorized) => 3,
            Some(_) | None => 1,
        },
    }
}

fn plain(code: Code, message: &str, hint: Option<&str>) -> String {
    let error = cql_lite::Error::new(code, message, Span::default());
    match hint {
        Some(hint) => error.with_hint(hint).render(""),
        None => error.render(""),
    }
}

fn render_client(error: &Error, source: &str) -> String {
    let details = error.details();
    // Without a place in the statement there is nothing to point at.
    let (span, source) = match error.span() {
        Some(span) => (Span::new(span.start, span.end), source),
        None => (Span::default(), ""),
    };
    let mut text = match Code::parse(&details.code) {
        Some(code) => cql_lite::Error::new(code, &details.message, span).render(source),
        // A code of a later version than this shell.
        None => format!("error[{}]: {}", details.code, details.message),
    };
    // Most messages name them already.
    if !details.missing.iter().all(|it| details.message.contains(it)) {
        text.push_str(&format!("\n  no answer from: {}", details.missing.join(", ")));
    }
    match error {
        Error::Retry(_) => text.push_str("\n  safe to retry: yes"),
        Error::UnknownOutcome(_) => {
            text.push_str("\n  safe to retry: only if it may be applied twice");
        }
        Error::Invalid(_) | Error::Connect(_) => {}
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("\n  help: {hint}"));
    }
    text
}

/// Begins advice; what is left of it is indented as deeply.
const HELP: &str = "  help: ";

/// Advice that is wider than the screen goes on below, between words.
fn folded(text: &str, width: usize) -> String {
    let mut folded = String::new();
    for line in text.lines() {
        if !folded.is_empty() {
            folded.push('\n');
        }
        if !line.starts_with(HELP) {
            folded.push_str(line);
            continue;
        }
        let mut used = 0;
        for (at, word) in line[HELP.len()..].split(' ').enumerate() {
            let len = word.chars().count();
            if at == 0 {
                folded.push_str(HELP);
                used = HELP.len();
            } else if used + 1 + len <= width {
                folded.push(' ');
                used += 1;
            } else {
                folded.push('\n');
                folded.extend(std::iter::repeat_n(' ', HELP.len()));
                used = HELP.len();
            }
            folded.push_str(word);
            used += len;
        }
    }
    folded
}

/// The first word in red, carets too.
fn colored(text: &str) -> String {
    let red = Color::Red.bold();
    let lines = text.lines().enumerate().map(|(at, line)| {
        let marks = !line.trim().is_empty() && line.trim().chars().all(|c| c == '^');
        if marks {
            return red.paint(line).to_string();
        }
        match line.split_once(": ") {
            Some((head, rest)) if at == 0 => format!("{}: {rest}", red.paint(head)),
            Some(_) | None => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::folded;

    #[test]
    fn advice_goes_on_below_between_words() {
        let text = "error: a long line that stays\n  --> as it is, whatever its width\n  help: one two three fourfivesix";
        let expected = "error: a long line that stays\n  --> as it is, whatever its width\n  help: one two\n        three\n        fourfivesix";
        assert_eq!(folded(text, 16), expected);
        assert_eq!(folded(text, 80), text);
    }
}
