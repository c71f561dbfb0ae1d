//! Prepared statements, kept until others are used more.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicU64, Ordering},
};

use model::Schema;
use xxhash_rust::xxh3::xxh3_128;

use crate::{
    Prepared, PreparedId,
    plan::{Plan, Verb},
};

/// A prepared statement.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its text.
    pub(crate) text: Arc<str>,
    /// The keyspace of the session that prepared it.
    pub(crate) keyspace: Option<Arc<str>>,
    /// What clients know of it.
    pub(crate) prepared: Arc<Prepared>,
    /// Its plan, valid as long as its table is the one planned with.
    pub(crate) plan: Plan,
    /// The latest epoch of the schema that the plan is known to be of: most executions find it
    /// there, and look no further.
    pub(crate) planned_at: AtomicU64,
}

impl Entry {
    /// Whether the plan's tables are still those of this schema.
    pub(crate) fn is_current(&self, schema: &Schema) -> bool {
        if self.planned_at.load(Ordering::Relaxed) == schema.epoch {
            return true;
        }
        let is_virtual = matches!(&self.plan.verb, Verb::Select(select) if select.is_virtual);
        let current = is_virtual
            || self.plan.tables().iter().all(|table| {
                schema
                    .table(&table.keyspace, &table.name)
                    .is_some_and(|now| now.id == table.id && now.epoch == table.epoch)
            });
        if current {
            self.planned_at.store(schema.epoch, Ordering::Relaxed);
        }
        current
    }
}

/// What names a statement: the same on every node, and the same each time it is prepared.
pub(crate) fn id(text: &str, keyspace: Option<&str>) -> PreparedId {
    let mut bytes = Vec::with_capacity(text.len() + 64);
    // No keyspace has an empty name, and no name has a zero byte.
    bytes.extend_from_slice(keyspace.unwrap_or("").as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(text.as_bytes());
    PreparedId(xxh3_128(&bytes).to_be_bytes())
}

/// A bounded map that forgets what was not used for longest.
///
/// Every execution looks in here, and few put something in: looking takes no lock that others wait for, and
/// who puts something into a full map goes over all of it.
pub(crate) struct Cache {
    entries: RwLock<sys::HashMap<PreparedId, Kept>>,
    clock: AtomicU64,
    max: usize,
}

struct Kept {
    entry: Arc<Entry>,
    /// What the clock was when it was used last.
    used: AtomicU64,
}

impl Cache {
    /// Keeps at most `max` statements, at least one.
    pub(crate) fn new(max: usize) -> Cache {
        Cache { entries: RwLock::default(), clock: AtomicU64::new(0), max: max.max(1) }
    }

    /// The statement of this id, which is now the one used last.
    pub(crate) fn get(&self, id: PreparedId) -> Option<Arc<Entry>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let Kept { entry, used } = entries.get(&id)?;
        used.store(self.tick(), Ordering::Relaxed);
        Some(Arc::clone(entry))
    }

    /// Keeps a statement, in the place of an older plan of the same.
    pub(crate) fn put(&self, entry: Arc<Entry>) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let used = AtomicU64::new(self.tick());
        entries.insert(entry.prepared.id, Kept { entry, used });
        if entries.len() > self.max
            && let Some(oldest) = oldest(&entries)
        {
            entries.remove(&oldest);
        }
    }

    /// All of them, in the order of their ids.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Arc<Entry>> = entries.values().map(|it| Arc::clone(&it.entry)).collect();
        all.sort_by_key(|it| it.prepared.id);
        all
    }

    /// Forgets a statement.
    pub(crate) fn forget(&self, id: PreparedId) {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }
}

/// The one that was not used for longest.
fn oldest(entries: &sys::HashMap<PreparedId, Kept>) -> Option<PreparedId> {
    let used = |it: &Kept| it.used.load(Ordering::Relaxed);
    entries.iter().min_by_key(|(_, it)| used(it)).map(|(id, _)| *id)
}
