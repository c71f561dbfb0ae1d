//! A terminal with a shell in it, as somebody has who follows a document.
//!
//! The terminal can do nothing but print (`TERM=dumb`), so what arrives is what is read.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::page::QUESTIONS;

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// Reads waiting to be looked at; past that the terminal waits.
const READS_MAX: usize = 256;

/// The shell. The one that `script` runs it with would not hand a prompt on under its own name.
const SHELL: &str = r#"PS1="$PROMPT" PS2= exec bash --noprofile --norc --noediting -i"#;

/// Around the exit code in the prompt of the shell: no program prints it.
const MARK: char = '\u{1e}';

/// What a terminal waits with, once a command has said all.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// The shell's, and the last exit code.
    Dollar(i32),
    /// One of `cql-lite`.
    Cql,
}

/// A terminal.
pub(crate) struct Session {
    child: Child,
    keyboard: ChildStdin,
    screen: Receiver<Vec<u8>>,
}

impl Session {
    /// Opens one in `folder`; programs are looked for in `programs` first.
    pub(crate) fn open(folder: &Path, programs: &Path) -> Result<Session, String> {
        let path = std::env::var("PATH").unwrap_or_default();
        // util-linux's `script` makes the terminal.
        let mut command = Command::new("script");
        command.args(["--quiet", "--flush", "--command", SHELL, "/dev/null"]);
        command.current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HELENUS_")) {
            command.env_remove(name);
        }
        command.env("PATH", format!("{}:{path}", programs.display()));
        command.env("PROMPT", format!("{MARK}$?{MARK}")).env("HISTFILE", "");
        command.env("TERM", "dumb").env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8");
        command.env("XDG_STATE_HOME", folder.join(".state"));
        let mut child = command.spawn().map_err(|why| format!("no terminal: {why}"))?;
        let keyboard = child.stdin.take().unwrap();
        let mut output = child.stdout.take().unwrap();
        let (reads, screen) = sync_channel(READS_MAX);
        thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count) = output.read(&mut buffer)
                && 0 < count
                && reads.send(buffer[..count].to_vec()).is_ok()
            {}
        });
        let mut session = Session { child, keyboard, screen };
        session.answer()?;
        // Tall enough that nothing is shown page by page.
        session.enter("stty -echo cols 120 rows 1000")?;
        Ok(session)
    }

    /// Types a line, and tells what was printed until the next prompt.
    pub(crate) fn enter(&mut self, text: &str) -> Result<(Vec<String>, Prompt), String> {
        let typed = writeln!(self.keyboard, "{text}").and_then(|()| self.keyboard.flush());
        typed.map_err(|why| format!("the terminal is gone: {why}"))?;
        self.answer()
    }

    fn answer(&mut self) -> Result<(Vec<String>, Prompt), String> {
        let deadline = Instant::now() + PATIENCE;
        let mut bytes = Vec::new();
        loop {
            let text = plain(&String::from_utf8_lossy(&bytes));
            let (body, line) = text.rsplit_once('\n').unwrap_or(("", &text));
            let lines = || body.lines().map(str::to_owned).collect::<Vec<String>>();
            if let Some((before, code)) = line.strip_suffix(MARK).and_then(|it| it.split_once(MARK))
                && let Ok(code) = code.parse()
            {
                let mut lines = lines();
                lines.extend((!before.is_empty()).then(|| before.to_owned()));
                return Ok((lines, Prompt::Dollar(code)));
            }
            let cql = line.starts_with("cql-lite") && line.ends_with("> ");
            if cql || QUESTIONS.iter().any(|it| line.ends_with(it)) {
                return Ok((lines(), Prompt::Cql));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(more) => bytes.extend(more),
                Err(why) => return Err(format!("no prompt came back ({why}), only:\n{text}")),
            }
        }
    }

    /// Leaves `cql-lite` if one is in it, ends what runs in the background, and the terminal.
    pub(crate) fn close(mut self, prompt: &Prompt) -> Result<(), String> {
        if *prompt == Prompt::Cql {
            self.enter("EXIT")?;
        }
        self.enter("kill $(jobs -p) 2>/dev/null; wait")?;
        drop(writeln!(self.keyboard, "exit"));
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The terminal goes with it, and hangs up on whatever still runs there.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What stands on the screen in the end: without colors, and of a line that was drawn again and
/// again only the last.
fn plain(text: &str) -> String {
    let mut seen = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' if chars.next_if_eq(&'[').is_some() => {
                while chars.next_if(|c| !('@'..='~').contains(c)).is_some() {}
                chars.next();
            }
            '\r' if chars.peek() != Some(&'\n') => {
                let start = seen.rfind('\n').map_or(0, |at| at + 1);
                seen.truncate(start);
            }
            '\r' => {}
            c => seen.push(c),
        }
    }
    seen
}
