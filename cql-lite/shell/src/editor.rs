//! The keyboard: editing, history, completion, colors.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use client::Topology;
use cql_lite::keyword;
use nu_ansi_term::{Color, Style};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::history::{FileHistory, History as _};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{CompletionType, Config, Context, Helper};

use crate::complete::{self, Known};
use crate::script;
use crate::words;

/// Statements remembered.
const HISTORY_MAX: usize = 10_000;

/// What came from the keyboard.
pub(crate) enum Line {
    /// Statements, or the answer to a question.
    Text(String),
    /// Ctrl-C: what was typed is dropped.
    Interrupted,
    /// Ctrl-D.
    End,
    /// The terminal is gone.
    Failed(String),
}

/// The line editor.
pub(crate) struct Editor {
    inner: rustyline::Editor<Assistant, FileHistory>,
    history: Option<PathBuf>,
    colors: bool,
}

impl Editor {
    /// Takes the keyboard; `extras` are names of added commands.
    pub(crate) fn open(extras: Vec<String>, colors: bool) -> rustyline::Result<Editor> {
        let config = Config::builder()
            .max_history_size(HISTORY_MAX)?
            .history_ignore_dups(true)?
            .history_ignore_space(true)
            .auto_add_history(false)
            .completion_type(CompletionType::List)
            .build();
        let mut inner = rustyline::Editor::with_config(config)?;
        inner.set_helper(Some(Assistant {
            topology: Arc::default(),
            keyspace: String::new(),
            extras,
            statement: true,
            colors,
            hinter: HistoryHinter::new(),
        }));
        let history = history_file();
        if let Some(path) = &history {
            // Without a history, one begins.
            drop(inner.load_history(path));
        }
        Ok(Editor { inner, history, colors })
    }

    /// What completion is to know; `statement` tells statements from answers to questions.
    pub(crate) fn refresh(&mut self, topology: Arc<Topology>, keyspace: String, statement: bool) {
        if let Some(assistant) = self.inner.helper_mut() {
            assistant.topology = topology;
            assistant.keyspace = keyspace;
            assistant.statement = statement;
        }
    }

    /// Reads statements until the last is complete. Blocks.
    pub(crate) fn read(&mut self, prompt: &str) -> Line {
        let styled = if self.colors {
            Color::Green.bold().paint(prompt).to_string()
        } else {
            prompt.to_owned()
        };
        match self.inner.readline(&(prompt, styled.as_str())) {
            Ok(text) => {
                self.remember(&text);
                Line::Text(text)
            }
            Err(ReadlineError::Interrupted) => Line::Interrupted,
            Err(ReadlineError::Eof) => Line::End,
            Err(error) => Line::Failed(error.to_string()),
        }
    }

    fn remember(&mut self, text: &str) {
        let statement = self.inner.helper().is_some_and(|assistant| assistant.statement);
        if !statement || text.trim().is_empty() {
            return;
        }
        let added = self.inner.add_history_entry(text).is_ok_and(|added| added);
        if added && let Some(path) = &self.history {
            // A history that cannot be kept is no reason to refuse statements.
            drop(self.inner.history_mut().append(path));
        }
    }
}

/// Where statements are remembered, for their owner only; none where there is no home.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty());
    let folder = match state {
        Some(state) => PathBuf::from(state),
        None => PathBuf::from(std::env::var_os("HOME")?).join(".local/state"),
    };
    let folder = folder.join("helenus");
    let path = folder.join("cql-lite-history");
    private_file(&folder, &path).ok()?;
    Some(path)
}

fn private_file(folder: &PathBuf, path: &PathBuf) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// What helps while typing.
struct Assistant {
    topology: Arc<Topology>,
    keyspace: String,
    extras: Vec<String>,
    statement: bool,
    colors: bool,
    hinter: HistoryHinter,
}

impl Helper for Assistant {}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let known =
            Known { topology: &self.topology, keyspace: &self.keyspace, extras: &self.extras };
        Ok(complete::complete(&line[..pos], &known))
    }
}

impl Hinter for Assistant {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, context: &Context<'_>) -> Option<String> {
        if self.statement { self.hinter.hint(line, pos, context) } else { None }
    }
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if self.statement && script::is_incomplete(context.input()) {
            ValidationResult::Incomplete
        } else {
            ValidationResult::Valid(None)
        })
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.colors && self.statement {
            Cow::Owned(highlight(line))
        } else {
            Cow::Borrowed(line)
        }
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        if self.colors {
            Cow::Owned(Style::new().dimmed().paint(hint).to_string())
        } else {
            Cow::Borrowed(hint)
        }
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.colors && kind != CmdKind::MoveCursor
    }
}

/// Keywords in blue, strings in yellow, comments in gray.
fn highlight(line: &str) -> String {
    let mut out = String::with_capacity(line.len() * 2);
    let mut rest = line;
    let mut begins = true;
    while let Some(c) = rest.chars().next() {
        let comment = ["--", "//"].iter().any(|it| rest.starts_with(it));
        let (end, style) = if comment {
            let end = rest.find('\n').unwrap_or(rest.len());
            (end, Some(Color::DarkGray.normal()))
        } else if c == '\'' || c == '"' {
            let end = rest[1..].find(c).map_or(rest.len(), |at| at + 2);
            (end, (c == '\'').then(|| Color::Yellow.normal()))
        } else if c.is_ascii_alphabetic() {
            let end =
                rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let upper = rest[..end].to_ascii_uppercase();
            let upper = upper.as_str();
            // Words of the shell are no keywords of the language, and so none further on.
            let known = keyword::RESERVED.binary_search(&upper).is_ok()
                || begins && words::WORDS.contains(&upper);
            (end, known.then(|| Color::Blue.bold()))
        } else {
            (c.len_utf8(), None)
        };
        match style {
            Some(style) => out.push_str(&style.paint(&rest[..end]).to_string()),
            None => out.push_str(&rest[..end]),
        }
        begins = c == ';' || begins && c.is_whitespace();
        rest = &rest[end..];
    }
    out
}
