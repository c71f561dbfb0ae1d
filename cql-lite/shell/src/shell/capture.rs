//! `CAPTURE`: what would be printed goes into a file instead.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};

use super::Shell;
use crate::failure::Failure;
use crate::output::Layout;
use crate::words::Capture;

/// A file that output goes to, and where it went before.
pub(super) struct Captured {
    path: String,
    before: Box<dyn Write + Send>,
}

impl Shell {
    /// Begins or ends it, or tells whether there is one. The file is appended to.
    pub(super) fn capture(&mut self, what: Capture) -> Result<(), Failure> {
        let text = match (what, self.captured.take()) {
            (Capture::Off, None) | (Capture::Show, None) => "Output is not captured.".to_owned(),
            (Capture::Off, Some(Captured { path, before })) => {
                let mut file = std::mem::replace(&mut self.terminal.out, before);
                file.flush()?;
                format!("Output is not captured any more: it is in {path}.")
            }
            (Capture::Show, Some(captured)) => {
                let text = format!("Output is captured in {}.", captured.path);
                self.captured = Some(captured);
                text
            }
            (Capture::Into(path), Some(captured)) => {
                self.captured = Some(captured);
                return Err(Failure::Unwritten {
                    path,
                    error: io::Error::other("output is captured already, CAPTURE OFF ends that"),
                });
            }
            (Capture::Into(path), None) => {
                let file = OpenOptions::new().create(true).append(true).open(&path);
                let file =
                    file.map_err(|error| Failure::Unwritten { path: path.clone(), error })?;
                let file = Box::new(BufWriter::new(file));
                let before = std::mem::replace(&mut self.terminal.out, file);
                let text = format!("Output is captured in {path}.");
                self.captured = Some(Captured { path, before });
                text
            }
        };
        self.notice(&text);
        Ok(())
    }

    /// What tables must fit into: a file is as wide as they are, and has no colors.
    pub(super) fn layout(&self) -> Layout {
        match self.captured {
            Some(_) => Layout { width: None, colors: false },
            None => self.terminal.layout(),
        }
    }
}
