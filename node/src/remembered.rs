//! Prepared statements that outlive a restart: facts that cost time when lost, never truth.

use std::sync::{Arc, Mutex, PoisonError};

use query::{Executor, PreparedId};
use sys::{Blocking, FactStore, HashSet, run_fn};

/// The tree of the fact store: id to keyspace, a zero byte, and text.
const TREE: &str = "prepared_statements";

/// Statements remembered at most; those beyond are prepared anew by their clients.
const STATEMENTS_MAX: usize = 10_000;

/// What was prepared on this node.
pub(crate) struct Remembered {
    facts: Arc<dyn FactStore>,
    blocking: Arc<dyn Blocking>,
    known: Mutex<HashSet<PreparedId>>,
}

impl Remembered {
    /// Over this store.
    pub(crate) fn new(facts: Arc<dyn FactStore>, blocking: Arc<dyn Blocking>) -> Remembered {
        Remembered { facts, blocking, known: Mutex::default() }
    }

    /// Remembers a statement, in the background.
    pub(crate) fn note(&self, id: PreparedId, keyspace: Option<&str>, text: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if STATEMENTS_MAX <= known.len() || !known.insert(id) {
            return;
        }
        let value = [keyspace.unwrap_or_default().as_bytes(), &[0], text.as_bytes()].concat();
        let facts = Arc::clone(&self.facts);
        let put = run_fn(&*self.blocking, move || facts.put(TREE, &id.0, &value));
        tokio::spawn(async move {
            match put.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a prepared statement is not kept"),
                Err(stopped) => tracing::debug!(%stopped, "a prepared statement is not kept"),
            }
        });
    }

    /// Prepares everything again; what does not fit the schema any more is forgotten.
    pub(crate) async fn recall(&self, executor: &Executor) {
        let facts = Arc::clone(&self.facts);
        let scanned = run_fn(&*self.blocking, move || facts.scan(TREE)).await;
        let Ok(Ok(entries)) = scanned else {
            tracing::warn!("prepared statements of the last run cannot be read");
            return;
        };
        let mut stale = Vec::new();
        for (key, value) in entries {
            let text = String::from_utf8_lossy(&value).into_owned();
            let (keyspace, text) = text.split_once('\0').unwrap_or(("", &text));
            let keyspace = (!keyspace.is_empty()).then_some(keyspace);
            match executor.prepare(text, keyspace) {
                Ok(prepared) => {
                    let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                    known.insert(prepared.id);
                }
                Err(_) => stale.push(key),
            }
        }
        let facts = Arc::clone(&self.facts);
        let removed = run_fn(&*self.blocking, move || {
            stale.iter().try_for_each(|key| facts.remove(TREE, key))
        });
        // Forgetting can wait for the next start.
        drop(removed.await);
    }
}
