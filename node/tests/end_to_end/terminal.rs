//! A terminal with a program in it, as somebody has who sits in front of one.
//!
//! The terminal can do nothing but print (`TERM=dumb`), so what arrives is what is read.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Reads waiting to be looked at; past that the terminal waits.
const READS_MAX: usize = 256;

/// A terminal.
pub(crate) struct Terminal {
    child: Child,
    keyboard: ChildStdin,
    screen: Receiver<Vec<u8>>,
    /// What was printed and not taken yet.
    bytes: Vec<u8>,
}

impl Terminal {
    /// Opens one of so many columns and rows, with `command` in it.
    pub(crate) fn open(command: &Command, size: (u16, u16)) -> Result<Terminal, String> {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let quoted = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
        let words: Vec<String> = words.map(|it| quoted(&it.to_string_lossy())).collect();
        let line = format!("stty cols {} rows {}; exec {}", size.0, size.1, words.join(" "));
        // util-linux's `script` makes the terminal.
        let mut script = Command::new("script");
        script.args(["--quiet", "--flush", "--command", &line, "/dev/null"]);
        script.stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(folder) = command.get_current_dir() {
            script.current_dir(folder);
        }
        script.env("TERM", "dumb").env("NO_COLOR", "1").env("LC_ALL", "C.UTF-8");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        let mut child = script.spawn().map_err(|why| format!("no terminal: {why}"))?;
        let (keyboard, output) = (child.stdin.take(), child.stdout.take());
        let (Some(keyboard), Some(mut output)) = (keyboard, output) else {
            return Err("a terminal without keyboard or screen".to_owned());
        };
        let (reads, screen) = sync_channel(READS_MAX);
        thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count) = output.read(&mut buffer)
                && 0 < count
                && reads.send(buffer[..count].to_vec()).is_ok()
            {}
        });
        Ok(Terminal { child, keyboard, screen, bytes: Vec::new() })
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) -> Result<(), String> {
        let typed = self.keyboard.write_all(keys.as_bytes()).and_then(|()| self.keyboard.flush());
        typed.map_err(|why| format!("the terminal is gone: {why}"))
    }

    /// Waits until `found` makes something of what was printed, and takes all that was.
    pub(crate) fn wait<T>(
        &mut self,
        patience: Duration,
        mut found: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, String> {
        let deadline = Instant::now() + patience;
        loop {
            let text = plain(&String::from_utf8_lossy(&self.bytes));
            if let Some(found) = found(&text) {
                self.bytes.clear();
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(more) => self.bytes.extend(more),
                Err(why) => return Err(format!("it did not come ({why}), only:\n{text}")),
            }
        }
    }
}

impl Drop for Terminal {
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
