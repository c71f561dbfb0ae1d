//! Running statements: one session, its settings, and where its output goes.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use client::{Consistency, Session};
use futures_util::future::BoxFuture;
use nu_ansi_term::Color;

use crate::confirm;
use crate::copy;
use crate::editor::Editor;
use crate::failure::Failure;
use crate::help;
use crate::options::{Face, OnError, Work};
use crate::output::{Expand, Format};
use crate::script::{self, Piece};
use crate::terminal::{Terminal, or_interrupt};
use crate::words::{self, Refused, Word};

mod capture;
mod keyboard;
mod statement;

/// A command that whoever embeds the shell adds: `\name arguments`.
pub trait ExtraCommand: Send {
    /// The name behind the backslash, in lower case.
    fn name(&self) -> &str;

    /// One line for `HELP`.
    fn help(&self) -> &str;

    /// Does it. Text goes to standard output, an error to standard error.
    fn run<'a>(&'a mut self, arguments: &'a [String]) -> BoxFuture<'a, Result<String, String>>;
}

/// A session with somebody in front of it: a person or a script.
pub struct Shell {
    session: Session,
    terminal: Terminal,
    extras: Vec<Box<dyn ExtraCommand>>,
    consistency: Consistency,
    format: Option<Format>,
    on_error: Option<OnError>,
    expand: Expand,
    timing: bool,
    tracing: bool,
    /// Rows on a page; 0 leaves it to the node.
    page_rows: u32,
    captured: Option<capture::Captured>,
    /// Whether standard input was read for statements.
    input_is_script: bool,
    /// Files that are being run, each by the one before.
    depth: usize,
    editor: Option<Editor>,
}

/// Files that may run each other.
const DEPTH_MAX: usize = 8;

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Next,
    Leave,
}

/// How a script went.
struct Ran {
    /// The exit code of the first failure; 0 where there was none.
    code: u8,
    flow: Flow,
}

impl Shell {
    /// A shell on the streams of this process.
    pub fn new(session: Session, extras: Vec<Box<dyn ExtraCommand>>) -> Shell {
        Shell {
            session,
            terminal: Terminal::standard(),
            extras,
            consistency: Consistency::Quorum,
            format: None,
            on_error: None,
            expand: Expand::Auto,
            timing: true,
            tracing: false,
            page_rows: 0,
            captured: None,
            input_is_script: false,
            depth: 0,
            editor: None,
        }
    }

    /// The same, with its output elsewhere.
    #[must_use]
    pub fn with_terminal(mut self, terminal: Terminal) -> Shell {
        self.terminal = terminal;
        self
    }

    /// The same, printing as the flags say.
    #[must_use]
    pub fn with_face(mut self, face: &Face) -> Shell {
        self.format = face.format;
        self.on_error = face.on_error;
        self
    }

    /// The same, with another consistency level.
    #[must_use]
    pub fn with_consistency(mut self, consistency: Consistency) -> Shell {
        self.consistency = consistency;
        self
    }

    /// Says where one is.
    pub fn greet(&mut self) {
        let server = self.session.server();
        self.notice(&format!(
            "Connected to {} at {} (Helenus {}). HELP tells more, Ctrl-D leaves.",
            server.cluster_name, server.address, server.version
        ));
    }

    /// Runs files, then statements; or, where there are none, the keyboard or standard input.
    /// Tells the exit code.
    pub async fn run(&mut self, work: &Work) -> u8 {
        if work.is_empty() {
            return if io::stdin().is_terminal() {
                self.interact().await
            } else {
                self.run_file(Path::new("-")).await.code
            };
        }
        let mut first = 0;
        for path in &work.file {
            let ran = self.run_file(path).await;
            first = if first == 0 { ran.code } else { first };
            if ran.flow == Flow::Leave {
                return first;
            }
        }
        for text in &work.execute {
            let ran = self.run_script(text, None).await;
            first = if first == 0 { ran.code } else { first };
            if ran.flow == Flow::Leave {
                return first;
            }
        }
        first
    }

    /// Runs statements and words of the shell. Tells the exit code.
    pub async fn run_statements(&mut self, text: &str) -> u8 {
        self.run_script(text, None).await.code
    }

    async fn run_file(&mut self, path: &Path) -> Ran {
        let name = match path.to_str() {
            Some("-") => {
                self.input_is_script = true;
                "standard input".to_owned()
            }
            _ => path.display().to_string(),
        };
        let owned = path.to_owned();
        let read = tokio::task::spawn_blocking(move || script::read(&owned)).await;
        match read.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(text) => self.run_script(&text, Some(&name)).await,
            Err(error) => {
                let failure = Failure::File { path: name, error };
                let code = self.complain(&failure, "", None);
                Ran { code, flow: self.flow_after(&failure) }
            }
        }
    }

    /// Runs the pieces of a script; `name` is said where one fails.
    async fn run_script(&mut self, text: &str, name: Option<&str>) -> Ran {
        let mut code = 0;
        for piece in script::pieces(text) {
            match self.run_piece(piece).await {
                Ok(Flow::Next) => {}
                Ok(Flow::Leave) => return Ran { code, flow: Flow::Leave },
                Err(failure) if failure.is_broken_pipe() => {
                    return Ran { code, flow: Flow::Leave };
                }
                Err(failure) => {
                    let at = name.map(|name| (name, piece.line));
                    let this = self.complain(&failure, piece.text, at);
                    code = if code == 0 { this } else { code };
                    if self.flow_after(&failure) == Flow::Leave {
                        return Ran { code, flow: Flow::Leave };
                    }
                }
            }
        }
        Ran { code, flow: Flow::Next }
    }

    /// Whether a failure ends the script. Ctrl-C always does, but not the keyboard.
    fn flow_after(&self, failure: &Failure) -> Flow {
        let stop = match self.on_error {
            Some(OnError::Continue) => {
                matches!(failure, Failure::Cancelled { .. }) && self.editor.is_none()
            }
            Some(OnError::Stop) | None => true,
        };
        if stop { Flow::Leave } else { Flow::Next }
    }

    async fn run_piece(&mut self, piece: Piece<'_>) -> Result<Flow, Failure> {
        if piece.text.is_empty() {
            // A comment that nothing closes.
            return Ok(Flow::Next);
        }
        if words::is_word(piece.text) {
            let word = words::parse(piece.text).map_err(Failure::Refused)?;
            return self.run_word(word).await;
        }
        if let Some(meant) = words::meant(piece.text) {
            let word = piece.text.split_whitespace().next().unwrap_or_default().to_owned();
            return Err(Failure::Unknown { word, meant });
        }
        if let Some(question) = confirm::question(piece.text)
            && !self.confirms(question).await
        {
            self.notice("nothing was changed");
            return Ok(Flow::Next);
        }
        self.run_statement(piece.text).await.map(|()| Flow::Next)
    }

    async fn run_word(&mut self, word: Word) -> Result<Flow, Failure> {
        match word {
            Word::Exit => return Ok(Flow::Leave),
            Word::Source(path) => return self.source(path).await,
            Word::Copy(copy) => {
                let typed = self.typed_rows(&copy).await?;
                let through = (&self.session, self.consistency);
                copy::run(&copy, through, typed, &mut self.terminal).await?;
            }
            Word::Describe(what) => {
                let described = or_interrupt(self.session.describe(&what)).await;
                let text = described.ok_or(Failure::Cancelled { rows: 0 })??;
                self.show(text.trim_end()).await?;
            }
            Word::Extra(name, arguments) => {
                let extra = self.extras.iter_mut().find(|extra| extra.name() == name);
                let extra = extra.ok_or_else(|| {
                    let expected = format!("HELP to see what there is: there is no \\{name}");
                    Failure::Refused(Refused::Usage(expected))
                })?;
                let text = extra.run(&arguments).await.map_err(Failure::Extra)?;
                if !text.is_empty() {
                    self.say(text.trim_end())?;
                }
            }
            Word::Help(topic) => {
                let extras = self.extras.iter().map(|extra| (extra.name(), extra.help()));
                let text = help::text(topic.as_deref(), extras);
                self.say(&text)?;
            }
            Word::ShowVersion => {
                let server = self.session.server().version;
                let own = env!("CARGO_PKG_VERSION");
                self.say(&format!("[cql-lite {own} | Helenus {server} | CQL 3.4.7]"))?;
            }
            Word::ShowHost => {
                let server = self.session.server();
                self.say(&format!("Connected to {} at {}", server.cluster_name, server.address))?;
            }
            Word::Capture(what) => self.capture(what)?,
            Word::Clear => {
                if self.terminal.is_terminal {
                    write!(self.terminal.out, "\x1b[2J\x1b[H")?;
                    self.terminal.out.flush()?;
                }
            }
            Word::Consistency(_)
            | Word::Paging(_)
            | Word::Expand(_)
            | Word::Timing(_)
            | Word::Tracing(_) => self.change(word),
        }
        Ok(Flow::Next)
    }

    /// Changes a setting, or tells what it is.
    fn change(&mut self, word: Word) {
        let on_off = |on| if on { "on" } else { "off" };
        let text = match word {
            Word::Consistency(level) => {
                self.consistency = level.unwrap_or(self.consistency);
                let verb = if level.is_some() { "set to" } else { "is" };
                format!("Consistency level {verb} {}.", self.consistency)
            }
            Word::Paging(rows) => {
                self.page_rows = rows.unwrap_or(self.page_rows);
                match self.page_rows {
                    0 => "Paging is off.".to_owned(),
                    rows => format!("Paging is on, {rows} rows a page."),
                }
            }
            Word::Expand(on) => {
                self.expand = on.unwrap_or(self.expand);
                format!("Expanded output is {}.", self.expand.name())
            }
            Word::Timing(on) => {
                self.timing = on.unwrap_or(self.timing);
                format!("Timing is {}.", on_off(self.timing))
            }
            Word::Tracing(on) => {
                self.tracing = on.unwrap_or(self.tracing);
                format!("Tracing is {}.", on_off(self.tracing))
            }
            Word::Describe(_)
            | Word::Help(_)
            | Word::Copy(_)
            | Word::Exit
            | Word::Source(_)
            | Word::ShowVersion
            | Word::ShowHost
            | Word::Clear
            | Word::Capture(_)
            | Word::Extra(..) => return,
        };
        self.notice(&text);
    }

    /// Runs a file from within a script. Boxed, because a file may run files.
    fn source(&mut self, path: String) -> BoxFuture<'_, Result<Flow, Failure>> {
        Box::pin(async move {
            if self.depth == DEPTH_MAX {
                return Err(Failure::TooDeep { path });
            }
            self.depth += 1;
            let ran = self.run_file(Path::new(&path)).await;
            self.depth -= 1;
            match ran.code {
                0 => Ok(Flow::Next),
                // What failed has been told: here only that the file did.
                code => Err(Failure::Source { path, code }),
            }
        })
    }

    /// Text that was asked for, of any length.
    async fn show(&mut self, text: &str) -> io::Result<()> {
        let mut sheet = self.sheet();
        let out = &mut *self.terminal.out;
        sheet.put(format!("{text}\n").into(), out).await?;
        sheet.end(out).await
    }

    /// Text that was asked for.
    fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.terminal.out, "{text}")?;
        self.terminal.out.flush()
    }

    /// A line on the side.
    fn notice(&mut self, text: &str) {
        self.terminal.notice(text);
    }

    /// Tells a failure and where it happened; returns its exit code.
    fn complain(&mut self, failure: &Failure, source: &str, at: Option<(&str, usize)>) -> u8 {
        drop(self.terminal.out.flush());
        let text = failure.render(source, self.terminal.layout());
        self.notice(&text);
        if let Some((name, line)) = at {
            let place = format!("  in {name}, line {line}");
            let colors = self.terminal.colors;
            self.notice(&if colors { Color::DarkGray.paint(place).to_string() } else { place });
        }
        failure.exit_code()
    }
}
