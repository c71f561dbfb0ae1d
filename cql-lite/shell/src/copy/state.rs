//! How far a copy got: a small file beside the copied one, for `RESUME = true`.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Place, beside, unwritable};
use crate::failure::Failure;
use crate::terminal::Terminal;

/// How far a copy got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Bytes of the file that are done.
    pub(super) bytes: u64,
    /// Lines of the file that are done.
    pub(super) lines: u64,
    /// Rows that were copied.
    pub(super) rows: u64,
    pub(super) rejected: u64,
    /// Bytes of the file of rejected rows.
    pub(super) rejects_bytes: u64,
    /// Where the table's next page begins; empty for a `COPY FROM`.
    pub(super) page: Vec<u8>,
}

/// Where the state of one copy is kept.
pub(super) struct Keeper {
    /// None where nothing could go on from it.
    path: Option<PathBuf>,
    identity: String,
    kept: tokio::time::Instant,
}

/// How often it is written.
const INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

impl Keeper {
    /// `identity` is what the copy must be to go on from it.
    pub(super) fn new(place: &Place, identity: String) -> Keeper {
        let kept = tokio::time::Instant::now();
        let path = match place {
            Place::File(file) => Some(beside(file, ".copy-state")),
            Place::Standard => None,
        };
        Keeper { path, identity, kept }
    }

    /// Where an interrupted copy stopped; none if there was none.
    pub(super) fn load(&self) -> Result<Option<State>, Failure> {
        let Some(path) = &self.path else { return Ok(None) };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(super::unreadable(path, error)),
        };
        let path = path.display();
        let read: Option<Value> = serde_json::from_str(&text).ok();
        let state = read.as_ref().and_then(state);
        match (state, read.as_ref().and_then(|it| it["copy"].as_str())) {
            (Some(state), Some(identity)) if identity == self.identity => Ok(Some(state)),
            (Some(_), Some(identity)) => Err(Failure::Copy(format!(
                "{path} is the state of another copy: {identity}; \
                 without RESUME this one begins anew"
            ))),
            _ => Err(Failure::Copy(format!("{path} is no state of a copy; remove it"))),
        }
    }

    /// Whether it is time to keep the state again.
    pub(super) fn is_due(&self) -> bool {
        INTERVAL <= self.kept.elapsed()
    }

    /// Keeps it: it is there as a whole, or the one before is.
    pub(super) fn keep(&mut self, state: &State) -> Result<(), Failure> {
        let text = json!({
            "copy": self.identity,
            "bytes": state.bytes,
            "lines": state.lines,
            "rows": state.rows,
            "rejected": state.rejected,
            "rejects_bytes": state.rejects_bytes,
            "page": state.page,
        });
        let Some(path) = &self.path else { return Ok(()) };
        let new = beside(path, ".new");
        let kept = std::fs::write(&new, text.to_string() + "\n")
            .and_then(|()| std::fs::rename(&new, path));
        self.kept = tokio::time::Instant::now();
        kept.map_err(|error| unwritable(path, error))
    }

    /// The copy is complete, or begins anew.
    pub(super) fn forget(&self) -> Result<(), Failure> {
        self.path.as_deref().map_or(Ok(()), remove)
    }

    /// Keeps the state of a copy that stops, and says how it goes on.
    pub(super) fn stop(&mut self, state: &State, terminal: &mut Terminal) -> Result<(), Failure> {
        self.keep(state)?;
        let rows = state.rows;
        terminal.notice(&match &self.path {
            Some(path) => format!(
                "stopped after {rows} rows, {} says where: the same with RESUME = true goes on",
                path.display()
            ),
            None => format!("stopped after {rows} rows"),
        });
        Ok(())
    }
}

fn state(read: &Value) -> Option<State> {
    let number = |name: &str| read[name].as_u64();
    let page = read["page"].as_array()?.iter();
    let page: Option<Vec<u8>> = page.map(|it| u8::try_from(it.as_u64()?).ok()).collect();
    Some(State {
        bytes: number("bytes")?,
        lines: number("lines")?,
        rows: number("rows")?,
        rejected: number("rejected")?,
        rejects_bytes: number("rejects_bytes")?,
        page: page?,
    })
}

/// Removes a file that need not be there.
pub(super) fn remove(path: &Path) -> Result<(), Failure> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unwritable(path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
