//! Small facts that can be rebuilt: peer cache, prepared statements, histories. Losing them costs
//! time, never truth.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Entries that [`FactStore::scan`] answers at most: what is kept here is small, and a scan stays
/// so.
pub const SCAN_ENTRIES_MAX: usize = 65_536;

/// Bytes of keys and values that [`FactStore::scan`] answers at most.
pub const SCAN_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes of a key and its value together, at most. Above a quarter of sled's segment it would spill
/// into files that our extra fsync does not cover.
pub const ENTRY_BYTES_MAX: usize = 64 * 1024;

/// A fact was not stored or not read. All facts can be rebuilt: log it and go on without.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's entry is larger than [`ENTRY_BYTES_MAX`]; nothing was stored.
    #[error("a fact of {bytes} bytes is larger than the {ENTRY_BYTES_MAX} allowed")]
    TooLarge {
        /// Key and value together.
        bytes: usize,
    },
    /// The store below failed.
    #[error("the fact store failed: {0}")]
    Store(String),
}

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Ordered maps by name. Every call may block on a disk.
pub trait FactStore: Send + Sync + 'static {
    /// The value under `key`, if there is one.
    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// Stores `value` under `key`; durable once it answers.
    fn put(&self, tree: &str, key: &[u8], value: &[u8]) -> Result<(), Error>;

    /// Removes `key`; no error if it is not there.
    fn remove(&self, tree: &str, key: &[u8]) -> Result<(), Error>;

    /// The entries of `tree` in key order: the first ones that fit into [`SCAN_ENTRIES_MAX`] and
    /// [`SCAN_BYTES_MAX`].
    fn scan(&self, tree: &str) -> Result<Vec<Entry>, Error>;
}

type Tree = BTreeMap<Vec<u8>, Vec<u8>>;

/// Facts in memory: for simulations and tests. They survive as long as the value does.
#[derive(Debug, Default)]
pub struct MemoryFacts {
    trees: Mutex<BTreeMap<String, Tree>>,
}

impl MemoryFacts {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Tree>> {
        self.trees.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FactStore for MemoryFacts {
    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.lock().get(tree).and_then(|tree| tree.get(key)).cloned())
    }

    fn put(&self, tree: &str, key: &[u8], value: &[u8]) -> Result<(), Error> {
        check_size(key, value)?;
        self.lock().entry(tree.to_owned()).or_default().insert(key.to_vec(), value.to_vec());
        Ok(())
    }

    fn remove(&self, tree: &str, key: &[u8]) -> Result<(), Error> {
        if let Some(tree) = self.lock().get_mut(tree) {
            tree.remove(key);
        }
        Ok(())
    }

    fn scan(&self, tree: &str) -> Result<Vec<Entry>, Error> {
        let trees = self.lock();
        let entries = trees.get(tree).into_iter().flatten();
        first_of(entries.map(|(key, value)| Ok((key.clone(), value.clone()))))
    }
}

/// Facts in sled.
#[derive(Debug)]
pub struct SledFacts {
    db: sled::Db,
    /// sled 0.34's `flush` does not fsync on Linux. An fsync through any descriptor of its one file
    /// does.
    file: fs::File,
}

impl SledFacts {
    /// Opens or creates the store in the folder `dir` of the real file system.
    ///
    /// A damaged store is removed and a new one begun: everything in it can be rebuilt.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let opened = match open_sled(dir) {
            Err(error) if is_damage(&error) => {
                let folder = dir.display();
                tracing::warn!(%folder, %error, "the fact store is damaged: starting anew");
                fs::remove_dir_all(dir).map_err(store)?;
                open_sled(dir)
            }
            opened => opened,
        };
        let db = opened.map_err(store)?;
        db.flush().map_err(store)?;
        let file = fs::File::open(dir.join("db")).map_err(store)?;
        file.sync_all().map_err(store)?;
        fs::File::open(dir).and_then(|dir| dir.sync_all()).map_err(store)?;
        Ok(Self { db, file })
    }

    fn flush(&self) -> Result<(), Error> {
        self.db.flush().map_err(store)?;
        self.file.sync_data().map_err(store)
    }
}

impl FactStore for SledFacts {
    fn get(&self, tree: &str, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let tree = self.db.open_tree(tree).map_err(store)?;
        Ok(tree.get(key).map_err(store)?.map(|value| value.to_vec()))
    }

    fn put(&self, tree: &str, key: &[u8], value: &[u8]) -> Result<(), Error> {
        check_size(key, value)?;
        self.db.open_tree(tree).map_err(store)?.insert(key, value).map_err(store)?;
        self.flush()
    }

    fn remove(&self, tree: &str, key: &[u8]) -> Result<(), Error> {
        self.db.open_tree(tree).map_err(store)?.remove(key).map_err(store)?;
        self.flush()
    }

    fn scan(&self, tree: &str) -> Result<Vec<Entry>, Error> {
        let tree = self.db.open_tree(tree).map_err(store)?;
        let to_vec = |(key, value): (sled::IVec, sled::IVec)| (key.to_vec(), value.to_vec());
        first_of(tree.iter().map(|entry| entry.map(to_vec).map_err(store)))
    }
}

/// The first entries, as many as one scan may answer.
fn first_of(entries: impl Iterator<Item = Result<Entry, Error>>) -> Result<Vec<Entry>, Error> {
    let mut bytes = 0;
    let mut first = Vec::new();
    for entry in entries.take(SCAN_ENTRIES_MAX) {
        let (key, value) = entry?;
        bytes += key.len() + value.len();
        if SCAN_BYTES_MAX < bytes {
            break;
        }
        first.push((key, value));
    }
    Ok(first)
}

fn check_size(key: &[u8], value: &[u8]) -> Result<(), Error> {
    let bytes = key.len().saturating_add(value.len());
    if ENTRY_BYTES_MAX < bytes { Err(Error::TooLarge { bytes }) } else { Ok(()) }
}

/// What sled may keep in memory: small facts, outside the node's budget.
const CACHE_BYTES: u64 = 4 << 20;

fn open_sled(dir: &Path) -> sled::Result<sled::Db> {
    // No flusher thread: we flush after every change.
    sled::Config::new().path(dir).flush_every_ms(None).cache_capacity(CACHE_BYTES).open()
}

/// Whether a store that answers so when it is opened will ever open again.
fn is_damage(error: &sled::Error) -> bool {
    match error {
        sled::Error::Corruption { .. }
        | sled::Error::ReportableBug(_)
        | sled::Error::Unsupported(_)
        | sled::Error::CollectionNotFound(_) => true,
        // Held by another process, no permission, a disk that fails: not for us to remove.
        sled::Error::Io(_) => false,
    }
}

fn store(error: impl std::fmt::Display) -> Error {
    Error::Store(error.to_string())
}
