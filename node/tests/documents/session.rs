//! A shell in a terminal, as somebody has who follows a document.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::page::QUESTION;
use super::terminal::Terminal;

/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(180);

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
    terminal: Terminal,
}

impl Session {
    /// Opens one in `folder`; programs are looked for in `programs` first.
    pub(crate) fn open(folder: &Path, programs: &Path) -> Result<Session, String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("bash");
        command.args(["-c", SHELL]).current_dir(folder);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HELENUS_")) {
            command.env_remove(name);
        }
        command.env("PATH", format!("{}:{path}", programs.display()));
        command.env("PROMPT", format!("{MARK}$?{MARK}")).env("HISTFILE", "");
        command.env("XDG_STATE_HOME", folder.join(".state"));
        // Tall enough that nothing is shown page by page.
        let mut session = Session { terminal: Terminal::open(&command, (120, 1000))? };
        session.answer()?;
        session.enter("stty -echo")?;
        Ok(session)
    }

    /// Types a line, and tells what was printed until the next prompt.
    pub(crate) fn enter(&mut self, text: &str) -> Result<(Vec<String>, Prompt), String> {
        self.terminal.press(&format!("{text}\n"))?;
        self.answer()
    }

    fn answer(&mut self) -> Result<(Vec<String>, Prompt), String> {
        self.terminal.wait(PATIENCE, |text| {
            let (body, line) = text.rsplit_once('\n').unwrap_or(("", text));
            let lines = || body.lines().map(str::to_owned).collect::<Vec<String>>();
            if let Some((before, code)) = line.strip_suffix(MARK).and_then(|it| it.split_once(MARK))
                && let Ok(code) = code.parse()
            {
                let mut lines = lines();
                lines.extend((!before.is_empty()).then(|| before.to_owned()));
                return Some((lines, Prompt::Dollar(code)));
            }
            let cql = line.starts_with("cql-lite") && line.ends_with("> ");
            (cql || line.ends_with(QUESTION)).then(|| (lines(), Prompt::Cql))
        })
    }

    /// Leaves `cql-lite` if one is in it, ends what runs in the background, and the terminal.
    pub(crate) fn close(mut self, prompt: &Prompt) -> Result<(), String> {
        if *prompt == Prompt::Cql {
            self.enter("EXIT")?;
        }
        self.enter("kill $(jobs -p) 2>/dev/null; wait")?;
        drop(self.terminal.press("exit\n"));
        Ok(())
    }
}
