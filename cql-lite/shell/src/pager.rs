//! A result longer than the screen, in the pager of whoever looks at it.
//!
//! ```text
//! held ── longer than the screen ─► a pager, which takes it page by page ── q ─► no more is read
//!   └──── it ends before ─────────► the output
//! ```
//!
//! What a pager has not taken yet waits in a pipe, and so does the next page at the node: a table of
//! any size takes no more memory than a page.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};

use tokio::task::JoinHandle;

/// Colors as they are, long lines cut off at the side, no pager for what turns out to fit, and what
/// was read stays on the screen; Ctrl-C ends it.
const LESS: &str = "less -RSFXK";

/// A program that shows text a screen at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pager {
    program: OsString,
    arguments: Vec<OsString>,
}

impl Pager {
    /// What `PAGER` names or, where that is not set, `less`; none where `PAGER` is empty, or the
    /// terminal can do nothing but print.
    pub(crate) fn of_environment() -> Option<Pager> {
        Pager::named(std::env::var_os("PAGER"), std::env::var_os("TERM"))
    }

    fn named(pager: Option<OsString>, terminal: Option<OsString>) -> Option<Pager> {
        let is_dumb = terminal.is_none_or(|it| it == "dumb");
        let command = match pager {
            Some(pager) => pager,
            None if is_dumb => return None,
            None => LESS.into(),
        };
        let text = command.to_str()?;
        let mut words = text.split_whitespace().map(OsString::from);
        Some(Pager { program: words.next()?, arguments: words.collect() })
    }

    fn start(&self) -> io::Result<Running> {
        let mut command = Command::new(&self.program);
        let mut child = command.args(&self.arguments).stdin(Stdio::piped()).spawn()?;
        let input = child.stdin.take();
        // Waiting blocks: elsewhere, so that connections are tended to meanwhile.
        let ended = tokio::task::spawn_blocking(move || child.wait());
        Ok(Running { input, ended })
    }
}

/// A pager at work.
struct Running {
    /// None once it takes no more.
    input: Option<ChildStdin>,
    ended: JoinHandle<io::Result<ExitStatus>>,
}

/// Whether somebody still reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The next page, please.
    Stays,
    /// No more: the pager is gone.
    Left,
}

/// Where one result goes.
pub(crate) struct Sheet {
    pager: Option<Pager>,
    columns: usize,
    rows: usize,
    state: State,
}

enum State {
    /// This much came so far, which takes so many lines: it may fit.
    Held(Vec<u8>, usize),
    Paged(Running),
    /// Straight to the output.
    Plain,
}

impl Sheet {
    /// Through `pager` where it is longer than a screen of so many columns and rows.
    pub(crate) fn new(pager: Option<Pager>, (columns, rows): (usize, usize)) -> Sheet {
        let state = if pager.is_some() { State::Held(Vec::new(), 0) } else { State::Plain };
        Sheet { pager, columns, rows, state }
    }

    /// Shows more, and waits until it was taken. A pager that is not there is done without.
    pub(crate) async fn put(
        &mut self,
        text: Vec<u8>,
        out: &mut (dyn Write + Send),
    ) -> io::Result<Reader> {
        match &mut self.state {
            State::Plain => {
                out.write_all(&text)?;
                out.flush()?;
                Ok(Reader::Stays)
            }
            State::Held(held, lines) => {
                *lines += height(&text, self.columns);
                held.extend(text);
                // The line below a result and the prompt are on the screen, too.
                if *lines + 2 <= self.rows {
                    return Ok(Reader::Stays);
                }
                let all = std::mem::take(held);
                let started = self.pager.as_ref().and_then(|pager| pager.start().ok());
                let Some(mut running) = started else {
                    self.state = State::Plain;
                    out.write_all(&all)?;
                    out.flush()?;
                    return Ok(Reader::Stays);
                };
                let reader = running.take(all).await;
                self.state = State::Paged(running);
                reader
            }
            State::Paged(running) => running.take(text).await,
        }
    }

    /// Resolves once whoever reads has left the pager; never where there is none.
    pub(crate) async fn left(&mut self) {
        match &mut self.state {
            // However it ends: it was there for whoever ended it.
            State::Paged(running) if running.ended.is_finished() => {}
            State::Paged(running) => drop((&mut running.ended).await),
            State::Held(..) | State::Plain => std::future::pending().await,
        }
    }

    /// That was all: waits until it was read.
    pub(crate) async fn end(self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        match self.state {
            State::Plain => Ok(()),
            State::Held(held, _) => {
                out.write_all(&held)?;
                out.flush()
            }
            State::Paged(mut running) => {
                drop(running.input.take());
                if !running.ended.is_finished() {
                    drop(running.ended.await);
                }
                Ok(())
            }
        }
    }
}

impl Running {
    /// Hands text over, once there is room for it.
    async fn take(&mut self, text: Vec<u8>) -> io::Result<Reader> {
        let Some(mut input) = self.input.take() else { return Ok(Reader::Left) };
        let writing = tokio::task::spawn_blocking(move || {
            let written = input.write_all(&text).and_then(|()| input.flush());
            written.map(|()| input)
        });
        match writing.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(input) => {
                self.input = Some(input);
                Ok(Reader::Stays)
            }
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Left),
            Err(error) => Err(error),
        }
    }
}

/// Lines that text takes on a screen of so many columns: long ones go on in the next.
fn height(text: &[u8], columns: usize) -> usize {
    let text = String::from_utf8_lossy(text);
    text.lines().map(|line| width(line).div_ceil(columns.max(1)).max(1)).sum()
}

/// Signs of a line, without what colors it.
fn width(line: &str) -> usize {
    let mut parts = line.split('\u{1b}');
    let plain = parts.next().unwrap_or_default().chars().count();
    let colored = parts.map(|part| part.split_once('m').map_or(0, |(_, it)| it.chars().count()));
    plain + colored.sum::<usize>()
}

#[cfg(test)]
mod tests;
