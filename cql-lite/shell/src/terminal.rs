//! Where output goes, and who looks at it.

use std::io::{self, IsTerminal as _, Write};

use crate::output::Layout;

/// Where output goes, and what it is.
pub struct Terminal {
    /// Rows, and text that was asked for.
    pub out: Box<dyn Write + Send>,
    /// Everything else.
    pub err: Box<dyn Write + Send>,
    /// Whether somebody looks at `out`: then tables fit, and times are told.
    pub is_terminal: bool,
    /// Columns of the terminal; none asks the terminal each time.
    pub width: Option<usize>,
    /// Whether to use colors.
    pub colors: bool,
}

impl Terminal {
    /// The streams of this process. Colors where somebody looks and `NO_COLOR` is not set.
    pub fn standard() -> Terminal {
        let is_terminal = io::stdout().is_terminal();
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Terminal {
            out: Box::new(io::BufWriter::new(io::stdout())),
            err: Box::new(io::stderr()),
            is_terminal,
            width: None,
            colors: is_terminal && io::stderr().is_terminal() && !unwanted,
        }
    }

    /// A line on the side.
    pub(crate) fn notice(&mut self, text: &str) {
        // Nobody is left to tell if even that fails.
        drop(writeln!(self.err, "{text}"));
    }

    pub(crate) fn layout(&self) -> Layout {
        let asked = || self.screen().map(|(columns, _)| columns);
        let width = if self.is_terminal { self.width.or_else(asked) } else { None };
        Layout { width, colors: self.colors }
    }

    /// Columns and rows of the screen, at this moment; none where there is none.
    pub(crate) fn screen(&self) -> Option<(usize, usize)> {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok().filter(|_| self.is_terminal)?;
        let sides = (usize::from(size.ws_col), usize::from(size.ws_row));
        (0 < sides.0 && 0 < sides.1).then_some(sides)
    }
}

/// The future's output, unless somebody presses Ctrl-C first: then it is dropped, which cancels
/// the statement at the node.
pub(crate) async fn or_interrupt<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        output = future => Some(output),
        Ok(()) = tokio::signal::ctrl_c() => None,
    }
}
