//! `COPY`: a table into a file, and back, so that every value is the same afterwards.
//!
//! ```text
//!  COPY TO:    page ─► text ─► file.part ───────────── renamed once all is there
//!  COPY FROM:  file ─► rows ─► chunks ─► requests, several under way, answered in order
//!                        └──── bad lines ─► file.rejects
//!  both:       file.copy-state says how far it got, for RESUME = true
//! ```
//!
//! Standard output and input take the place of the file, without a state: they are there once.

mod csv;
mod export;
mod import;
mod json;
mod lines;
mod progress;
mod state;
mod statement;
mod text;

use std::io;
use std::path::{Path, PathBuf};

use client::Session;

use crate::failure::Failure;
use crate::terminal::Terminal;

pub(crate) use statement::{Copy, Direction, Place, parse};

/// How files are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Fields between delimiters, as RFC 4180 has them.
    Csv,
    /// One object a line.
    Jsonl,
}

/// What a copy came to.
struct Copied {
    rows: u64,
    rejected: u64,
    /// Where rejected lines are.
    rejects: Option<PathBuf>,
}

/// Runs it, and says on the side how it went. `typed` are rows from the keyboard, where these are
/// standard input.
pub(crate) async fn run(
    copy: &Copy,
    (session, consistency): (&Session, client::Consistency),
    typed: Option<Vec<u8>>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let began = std::time::Instant::now();
    let task = Task { copy, session, consistency };
    let copied = match copy.direction {
        Direction::To => export::run(&task, terminal).await?,
        Direction::From => import::run(&task, typed, terminal).await?,
    };
    let seconds = began.elapsed().as_secs_f64();
    let rate = copied.rows as f64 / seconds.max(0.001);
    let Copied { rows, rejected, rejects } = copied;
    let plural = if rows == 1 { "" } else { "s" };
    terminal.notice(&format!(
        "{rows} row{plural} copied in {seconds:.1} s ({rate:.0} rows/s), {rejected} rejected"
    ));
    match rejects {
        Some(rejects) if 0 < rejected => Err(Failure::Copy(format!(
            "{rejected} rows were rejected: see {}, correct it and load it with COMMENT = '#'",
            rejects.display()
        ))),
        Some(_) | None => Ok(()),
    }
}

/// A copy, and through what it goes.
struct Task<'t> {
    copy: &'t Copy,
    session: &'t Session,
    consistency: client::Consistency,
}

impl Task<'_> {
    /// The table with its keyspace, quoted where need be.
    fn table(&self) -> String {
        match &self.copy.keyspace {
            Some(keyspace) => format!("{}.{}", quoted(keyspace), quoted(&self.copy.table)),
            None => quoted(&self.copy.table),
        }
    }

    /// Every column that the statement names, or that the table has; in the order of `SELECT *`.
    async fn columns(&self) -> Result<Vec<client::Column>, Failure> {
        let names = match self.copy.columns.as_slice() {
            [] => "*".to_owned(),
            names => names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", "),
        };
        let select = format!("SELECT {names} FROM {}", self.table());
        Ok(self.session.prepare(&select).await?.columns())
    }

    /// What distinguishes this copy from any other: a state belongs to it alone.
    fn identity(&self, columns: &[client::Column]) -> String {
        let names: Vec<String> =
            columns.iter().map(|it| format!("{} {}", quoted(&it.name), it.cql_type)).collect();
        let keyspace = self.session.keyspace();
        format!(
            "{:?} {} in '{keyspace}' ({}) {:?}",
            self.copy.direction,
            self.table(),
            names.join(", "),
            self.copy.style
        )
    }
}

/// A name as CQL writes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The path with something behind it: `t.csv` becomes `t.csv.part`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn unreadable(path: &Path, error: io::Error) -> Failure {
    Failure::File { path: path.display().to_string(), error }
}

fn unwritable(path: &Path, error: io::Error) -> Failure {
    Failure::Unwritten { path: path.display().to_string(), error }
}

#[cfg(test)]
mod tests;
