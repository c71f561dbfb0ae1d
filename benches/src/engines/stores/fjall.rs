//! fjall, with filters and LZ4 as RocksDB has them.

use std::path::Path;

use fjall::config::{
    BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry, PinningPolicy,
};
use fjall::{CompressionType, Database, Guard, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::row::{self, Key, Put};
use crate::engines::store::{Aggregate, Ask, Failure, Found, Log, Setup, Store, What};
use crate::engines::workload::Change;

pub(in crate::engines) struct Fjall {
    db: Database,
    rows: Keyspace,
    durability: Option<PersistMode>,
}

pub(in crate::engines) struct Query {
    what: What,
    from: Key,
    to: Key,
}

impl Fjall {
    fn each(
        &self,
        rows: impl Iterator<Item = Guard>,
        mut visit: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), Failure> {
        for row in rows {
            let (key, value) = row.into_inner()?;
            visit(&key, &value);
        }
        Ok(())
    }
}

impl Store for Fjall {
    type Write = Vec<Put>;
    type Query = Query;

    fn open(dir: &Path, setup: &Setup) -> Result<Fjall, Failure> {
        let db = Database::builder(dir).cache_size(setup.cache_bytes).worker_threads(2).open()?;
        let memtable_bytes = setup.memtable_bytes;
        let bloom = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0));
        let options = move || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(memtable_bytes)
                .filter_policy(FilterPolicy::all(bloom))
                .filter_block_pinning_policy(PinningPolicy::all(true))
                .index_block_pinning_policy(PinningPolicy::all(true))
                .data_block_compression_policy(CompressionPolicy::all(CompressionType::Lz4))
        };
        let rows = db.keyspace("rows", options)?;
        let durability = match setup.log {
            Log::Unsynced => None,
            Log::Synced => Some(PersistMode::SyncData),
        };
        Ok(Fjall { db, rows, durability })
    }

    fn prepare(&self, changes: &[Change]) -> Vec<Put> {
        changes.iter().map(row::put).collect()
    }

    fn query(&self, ask: &Ask) -> Query {
        let (from, to) = row::bounds(ask);
        Query { what: ask.what, from, to }
    }

    fn write(&self, write: &Vec<Put>) -> Result<(), Failure> {
        if let ([(key, value)], None) = (&write[..], self.durability) {
            return Ok(match value {
                Some(value) => self.rows.insert(key, value)?,
                None => self.rows.remove(key)?,
            });
        }
        let mut batch = self.db.batch().durability(self.durability);
        for (key, value) in write {
            match value {
                Some(value) => batch.insert(&self.rows, key, value),
                None => batch.remove(&self.rows, key),
            }
        }
        Ok(batch.commit()?)
    }

    fn read(&self, query: &Query) -> Result<Found, Failure> {
        let mut found = Found::default();
        let rows = || self.rows.range(query.from..query.to);
        let visit = |key: &[u8], value: &[u8]| row::found(&mut found, key, value);
        match query.what {
            What::Row(_) => {
                if let Some(value) = self.rows.get(query.from)? {
                    row::found(&mut found, &query.from, &value);
                }
            }
            What::Last(count) => self.each(rows().rev().take(count as usize), visit)?,
            What::Range(..) | What::All => self.each(rows(), visit)?,
        }
        Ok(found)
    }

    fn scan(&self) -> Result<Found, Failure> {
        let mut found = Found::default();
        self.each(self.rows.iter(), |key, value| row::found(&mut found, key, value))?;
        Ok(found)
    }

    fn aggregate(&self, query: &Query) -> Result<Aggregate, Failure> {
        let mut aggregate = Aggregate::default();
        let rows = self.rows.range(query.from..query.to);
        self.each(rows, |_, value| aggregate.take(row::value(value)))?;
        Ok(aggregate)
    }

    fn settle(&self) -> Result<(), Failure> {
        self.rows.rotate_memtable_and_wait()?;
        Ok(self.rows.major_compact()?)
    }

    fn stored_bytes(&self) -> Result<u64, Failure> {
        Ok(self.rows.disk_space())
    }

    fn close(self) -> Result<(), Failure> {
        Ok(self.db.persist(PersistMode::SyncAll)?)
    }
}
