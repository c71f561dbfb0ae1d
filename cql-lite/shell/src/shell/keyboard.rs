//! A shell with somebody in front of it: what is typed, and what is asked back.

use super::{Flow, Shell};
use crate::confirm;
use crate::editor::{Editor, Line};
use crate::options::OnError;
use crate::pager::{Pager, Sheet};
use crate::words;

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

    /// Where a result goes: through a pager only where somebody at the keyboard looks at it, while
    /// paging is on.
    pub(super) fn sheet(&self) -> Sheet {
        let wanted = self.editor.is_some() && self.page_rows != 0 && self.captured.is_none();
        let screen = if wanted { self.terminal.screen() } else { None };
        let pager = screen.and_then(|_| Pager::of_environment());
        Sheet::new(pager, screen.unwrap_or_default())
    }
}
