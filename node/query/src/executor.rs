//! Statements in, outcomes out.

use std::sync::Arc;

use cql_lite::code::Code;
use sys::{Clock, SharedRng};

use crate::{Catalog, Error, Prepared, Reply, Request, Store};

/// Limits of the executor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Rows of a page where the client names no number. Usually 5,000.
    pub page_rows: u32,
    /// Bytes of a page: it ends after the row that passes them. Usually 1 MiB.
    pub page_bytes_max: u64,
    /// Tombstones that one page may step over before it ends. Usually 10,000.
    pub page_tombstones_max: u64,
    /// Prepared statements kept; the least recently used one is forgotten first. Usually 10,000.
    pub prepared_max: usize,
}

/// Executes statements of all doors.
pub struct Executor {
    catalog: Arc<dyn Catalog>,
    store: Arc<dyn Store>,
    rng: SharedRng,
    clock: Arc<dyn Clock>,
    options: Options,
}

impl Executor {
    /// An executor over this schema and these rows. `rng` draws table ids and UUIDs, `clock` says
    /// what has expired.
    pub fn new(
        catalog: Arc<dyn Catalog>,
        store: Arc<dyn Store>,
        rng: SharedRng,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Executor {
        Executor { catalog, store, rng, clock, options }
    }

    /// Checks a statement against the schema and keeps it, to be executed by its id.
    ///
    /// # Errors
    /// What `execute` would say of the statement, whatever its values.
    pub fn prepare(&self, text: &str, keyspace: Option<&str>) -> Result<Arc<Prepared>, Error> {
        let _ = (text, keyspace);
        Err(Error::new(Code::NotSupported, "this node cannot execute statements yet"))
    }

    /// Executes a statement. Dropping the future cancels it: a write may then have happened.
    ///
    /// # Errors
    /// See [`Error::retry`] for whether it happened.
    pub async fn execute(&self, request: Request) -> Result<Reply, Error> {
        let _ = (request, &self.catalog, &self.store, &self.rng, &self.clock, &self.options);
        Err(Error::new(Code::NotSupported, "this node cannot execute statements yet"))
    }
}
