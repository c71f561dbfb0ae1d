//! Prepared statements, and the cache that makes `query` prepare by itself.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use proto::client as wire;

use crate::row::Column;

/// A statement that the nodes have parsed already. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Prepared {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    text: String,
    keyspace: String,
    /// Replaced when a node forgot the statement and it was prepared again.
    plan: RwLock<Arc<Plan>>,
}

/// What a node told about a statement.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) id: Bytes,
    pub(crate) parameters: Vec<Column>,
    pub(crate) columns: Vec<Column>,
    /// Indexes into the parameters, in the order of the partition key; empty: not all are bound.
    pub(crate) partition_key: Vec<usize>,
    pub(crate) idempotent: bool,
}

impl Prepared {
    pub(crate) fn new(text: &str, keyspace: &str, plan: Plan) -> Prepared {
        let plan = RwLock::new(Arc::new(plan));
        let (text, keyspace) = (text.to_owned(), keyspace.to_owned());
        Prepared { shared: Arc::new(Shared { text, keyspace, plan }) }
    }

    /// The statement as it was written.
    pub fn text(&self) -> &str {
        &self.shared.text
    }

    /// The columns that the markers stand for, in order.
    pub fn parameters(&self) -> Vec<Column> {
        self.plan().parameters.clone()
    }

    /// The columns of its rows; empty where it has none.
    pub fn columns(&self) -> Vec<Column> {
        self.plan().columns.clone()
    }

    /// Whether running it twice does the same as once.
    pub fn is_idempotent(&self) -> bool {
        self.plan().idempotent
    }

    /// The keyspace in which unqualified names were found.
    pub(crate) fn keyspace(&self) -> &str {
        &self.shared.keyspace
    }

    pub(crate) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.shared.plan.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_plan(&self, plan: Plan) {
        *self.shared.plan.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(plan);
    }
}

impl From<wire::Prepared> for Plan {
    fn from(wire: wire::Prepared) -> Plan {
        let parameters: Vec<Column> = wire.parameters.into_iter().map(Column::from).collect();
        let key: Vec<usize> = wire.partition_key.iter().map(|at| *at as usize).collect();
        let key_fits = key.iter().all(|at| *at < parameters.len());
        Plan {
            id: wire.id,
            columns: wire.columns.into_iter().map(Column::from).collect(),
            partition_key: if key_fits { key } else { Vec::new() },
            idempotent: wire.idempotent,
            parameters,
        }
    }
}

/// What can be executed: text, sent as it is, or a prepared statement.
#[derive(Clone, Debug)]
pub enum Statement {
    /// CQL text, parsed by the node each time.
    Text(String),
    /// A prepared statement.
    Prepared(Prepared),
}

impl From<&str> for Statement {
    fn from(text: &str) -> Statement {
        Statement::Text(text.to_owned())
    }
}

impl From<String> for Statement {
    fn from(text: String) -> Statement {
        Statement::Text(text)
    }
}

impl From<&String> for Statement {
    fn from(text: &String) -> Statement {
        Statement::Text(text.clone())
    }
}

impl From<Prepared> for Statement {
    fn from(prepared: Prepared) -> Statement {
        Statement::Prepared(prepared)
    }
}

impl From<&Prepared> for Statement {
    fn from(prepared: &Prepared) -> Statement {
        Statement::Prepared(prepared.clone())
    }
}

/// Statements that `query` keeps prepared. More distinct texts than this mean that values are
/// being pasted into them.
pub(crate) const CACHED_MAX: usize = 1000;

/// The statements used last, by keyspace and text.
#[derive(Default)]
pub(crate) struct Cache {
    entries: BTreeMap<(String, String), (u64, Prepared)>,
    by_use: BTreeMap<u64, (String, String)>,
    uses: u64,
}

impl Cache {
    pub(crate) fn get(&mut self, keyspace: &str, text: &str) -> Option<Prepared> {
        let key = (keyspace.to_owned(), text.to_owned());
        let (used, prepared) = self.entries.get_mut(&key)?;
        self.uses += 1;
        self.by_use.remove(used);
        *used = self.uses;
        self.by_use.insert(self.uses, key);
        Some(prepared.clone())
    }

    /// Keeps a statement, and forgets the one unused for longest where there are too many.
    pub(crate) fn insert(&mut self, prepared: Prepared) {
        let key = (prepared.keyspace().to_owned(), prepared.text().to_owned());
        self.uses += 1;
        self.by_use.insert(self.uses, key.clone());
        if let Some((used, _)) = self.entries.insert(key, (self.uses, prepared)) {
            self.by_use.remove(&used);
        }
        if CACHED_MAX < self.entries.len()
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }
}
