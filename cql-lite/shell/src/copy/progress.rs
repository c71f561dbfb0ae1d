//! How far it is, drawn while somebody looks.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};

use crate::terminal::Terminal;

/// A bar on standard error; nothing where nobody looks.
pub(super) struct Progress {
    bar: ProgressBar,
    began: std::time::Instant,
    before: u64,
}

impl Progress {
    /// `bytes` is how much there is to read; none where nobody knows. `before` rows were copied
    /// by an earlier run.
    pub(super) fn new(terminal: &Terminal, bytes: Option<u64>, before: u64) -> Progress {
        let began = std::time::Instant::now();
        if !terminal.is_terminal || !std::io::stderr().is_terminal() {
            return Progress { bar: ProgressBar::hidden(), began, before };
        }
        let (bar, template) = match bytes {
            Some(bytes) => (ProgressBar::new(bytes), "{percent:>3}% {wide_bar} {msg} · {eta} left"),
            None => (ProgressBar::no_length(), "{spinner} {msg}"),
        };
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        Progress { bar: bar.with_style(style), began, before }
    }

    /// So many rows are done, which took the file to this byte.
    pub(super) fn show(&self, rows: u64, bytes: u64) {
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        let rate = rows.saturating_sub(self.before) as f64 / seconds;
        self.bar.set_position(bytes);
        self.bar.set_message(format!("{rows} rows, {rate:.0} rows/s"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
