//! What opening found.

use std::path::PathBuf;

use model::TableId;

/// What opening the engine found and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Whether the last run ended with [`Engine::close`](crate::Engine::close).
    pub clean: bool,
    /// Log segments read.
    pub segments: u64,
    /// Mutations applied from the log.
    pub replayed: u64,
    /// Mutations of the log that were in sstables already.
    pub skipped: u64,
    /// Mutations of tables that are dropped.
    pub dropped: u64,
    /// Torn tail that was cut off the log: (file, offset, bytes). Never acknowledged.
    pub torn: Option<(PathBuf, u64, u64)>,
    /// Files that a crash left behind, removed.
    pub orphans: Vec<PathBuf>,
    /// Tables that the data directory holds and the caller did not list. They are open with the
    /// shape they had; drop them if the schema says so.
    pub unlisted: Vec<TableId>,
}
