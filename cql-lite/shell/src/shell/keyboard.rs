//! A shell with somebody in front of it: what is typed, and what is asked back.

use super::{Flow, Shell};
use crate::confirm;
use crate::copy::{Copy, Direction, Place};
use crate::editor::{Editor, Line};
use crate::failure::Failure;
use crate::options::OnError;
use crate::pager::{Pager, Sheet};
use crate::words;

/// Bytes of rows that somebody types, or pastes, for one copy.
const TYPED_BYTES_MAX: usize = 4 << 20;

impl Shell {
    /// Reads from the keyboard until its end. Tells the exit code.
    pub async fn interact(&mut self) -> u8 {
        self.on_error = self.on_error.or(Some(OnError::Continue));
        self.page_rows = words::PAGE_ROWS;
        let names = self.extras.iter().map(|extra| extra.name().to_owned()).collect();
        match Editor::open(names, self.terminal.colors) {
            Ok(editor) => self.editor = Some(editor),
            Err(error) => {
                self.notice(&format!("error: no keyboard: {error}"));
                return 1;
            }
        }
        loop {
            match self.read_line().await {
                Line::Text(text) => {
                    let ran = self.run_script(&text, None).await;
                    if ran.flow == Flow::Leave {
                        return ran.code;
                    }
                }
                Line::Interrupted => {}
                Line::End => return 0,
                Line::Failed(reason) => {
                    self.notice(&format!("error: the keyboard failed: {reason}"));
                    return 1;
                }
            }
        }
    }

    async fn read_line(&mut self) -> Line {
        let keyspace = self.session.keyspace();
        let prompt = if keyspace.is_empty() {
            "cql-lite> ".to_owned()
        } else {
            format!("cql-lite:{keyspace}> ")
        };
        self.ask(prompt, true).await
    }

    /// Asks at the keyboard; statements may have several lines and are remembered.
    async fn ask(&mut self, prompt: String, statement: bool) -> Line {
        let Some(mut editor) = self.editor.take() else { return Line::End };
        editor.refresh(self.session.topology(), self.session.keyspace(), statement);
        // Reading blocks: elsewhere, so that connections are tended to meanwhile.
        let read = tokio::task::spawn_blocking(move || {
            let line = editor.read(&prompt);
            (editor, line)
        });
        match read.await {
            Ok((editor, line)) => {
                self.editor = Some(editor);
                line
            }
            Err(error) => Line::Failed(error.to_string()),
        }
    }

    /// Whether somebody at the keyboard agrees; without a keyboard everybody does.
    pub(super) async fn confirms(&mut self, question: String) -> bool {
        if self.editor.is_none() || 0 < self.depth {
            return true;
        }
        match self.ask(question, false).await {
            Line::Text(answer) => confirm::is_yes(&answer),
            Line::Interrupted | Line::End | Line::Failed(_) => false,
        }
    }

    /// The rows that somebody types for a copy from standard input, where that is the keyboard.
    pub(super) async fn typed_rows(&mut self, copy: &Copy) -> Result<Option<Vec<u8>>, Failure> {
        if copy.direction != Direction::From || copy.place != Place::Standard {
            return Ok(None);
        }
        if self.input_is_script {
            let message = "standard input is where these statements come from: \
                           run them with -e or -f, or copy from a file";
            return Err(Failure::Copy(message.to_owned()));
        }
        if self.editor.is_none() {
            return Ok(None);
        }
        self.notice(
            "Rows, one a line; \\. on a line of its own or Ctrl-D ends them, Ctrl-C drops them.",
        );
        let mut rows = String::new();
        loop {
            match self.ask("copy> ".to_owned(), false).await {
                Line::Text(line) if line.trim_end() == "\\." => break,
                Line::End => break,
                Line::Text(line) => rows.push_str(&(line + "\n")),
                Line::Interrupted => return Err(Failure::Cancelled { rows: 0 }),
                Line::Failed(reason) => return Err(Failure::Copy(reason)),
            }
            if TYPED_BYTES_MAX < rows.len() {
                let message = format!("more than {TYPED_BYTES_MAX} bytes typed: copy from a file");
                return Err(Failure::Copy(message));
            }
        }
        Ok(Some(rows.into_bytes()))
    }

    /// Where a result goes: through a pager only where somebody at the keyboard looks at it, while
    /// paging is on.
    pub(super) fn sheet(&self) -> Sheet {
        let wanted = self.editor.is_some() && self.page_rows != 0 && self.captured.is_none();
        let screen = if wanted { self.terminal.screen() } else { None };
        let pager = screen.and_then(|_| Pager::of_environment());
        Sheet::new(pager, screen.unwrap_or_default())
    }
}
