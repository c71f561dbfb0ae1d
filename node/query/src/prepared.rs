//! Prepared statements, kept until others are used more.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use xxhash_rust::xxh3::xxh3_128;

use crate::{ColumnSpec, Prepared, PreparedId, plan::Plan};

/// A prepared statement.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its text.
    pub(crate) text: Arc<str>,
    /// The keyspace of the session that prepared it.
    pub(crate) keyspace: Option<Arc<str>>,
    /// What clients know of it.
    pub(crate) prepared: Arc<Prepared>,
    /// Its plan, valid as long as its table is the one planned with.
    pub(crate) plan: Arc<Plan>,
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

/// What names the columns of a result: another as soon as one of them is.
pub(crate) fn columns_id(columns: &[ColumnSpec]) -> [u8; 16] {
    let mut bytes = Vec::new();
    for column in columns {
        let ColumnSpec { keyspace, table, name, cql_type } = column;
        let of = cql_type.in_full();
        // No name has a zero byte.
        for part in [keyspace, table, name, &of] {
            bytes.extend_from_slice(part.as_bytes());
            bytes.push(0);
        }
    }
    xxh3_128(&bytes).to_be_bytes()
}

/// A bounded map that forgets what was not used for longest.
pub(crate) struct Cache {
    inner: Mutex<Inner>,
    max: usize,
}

#[derive(Default)]
struct Inner {
    entries: sys::HashMap<PreparedId, (Entry, u64)>,
    // By last use, so that the oldest is found without a walk.
    uses: BTreeMap<u64, PreparedId>,
    clock: u64,
}

impl Cache {
    /// Keeps at most `max` statements, at least one.
    pub(crate) fn new(max: usize) -> Cache {
        Cache { inner: Mutex::default(), max: max.max(1) }
    }

    /// The statement of this id, which is now the one used last.
    pub(crate) fn get(&self, id: PreparedId) -> Option<Entry> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let (entry, last) = inner.entries.get_mut(&id)?;
        inner.uses.remove(last);
        inner.clock += 1;
        *last = inner.clock;
        inner.uses.insert(inner.clock, id);
        Some(entry.clone())
    }

    /// Keeps a statement, in the place of an older plan of the same.
    pub(crate) fn put(&self, entry: Entry) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let id = entry.prepared.id;
        inner.clock += 1;
        if let Some((_, last)) = inner.entries.insert(id, (entry, inner.clock)) {
            inner.uses.remove(&last);
        }
        inner.uses.insert(inner.clock, id);
        if inner.entries.len() > self.max
            && let Some((_, oldest)) = inner.uses.pop_first()
        {
            inner.entries.remove(&oldest);
        }
    }

    /// All of them, in the order of their ids.
    pub(crate) fn all(&self) -> Vec<Entry> {
        let entries = self.lock();
        let mut all: Vec<Entry> = entries
            .uses
            .values()
            .filter_map(|id| entries.entries.get(id))
            .map(|(entry, _)| entry.clone())
            .collect();
        all.sort_by_key(|it| it.prepared.id);
        all
    }

    /// Forgets a statement.
    pub(crate) fn forget(&self, id: PreparedId) {
        let mut inner = self.lock();
        if let Some((_, last)) = inner.entries.remove(&id) {
            inner.uses.remove(&last);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing here can panic half way; a poisoned map is as good as any.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
