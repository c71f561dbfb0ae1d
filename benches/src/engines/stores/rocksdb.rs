//! RocksDB, as its makers advise for a server: filters, LZ4, blocks of 4 KiB, levelled compaction.

use std::path::Path;
use std::time::Duration;

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, Options, ReadOptions, WaitForCompactOptions,
    WriteBatch, WriteOptions,
};

use super::row::{self, Key, Put};
use crate::engines::store::{Aggregate, Ask, Failure, Found, Log, Setup, Store, What};
use crate::engines::workload::Change;

/// How long its background work may go on without an end in sight.
const PATIENCE: Duration = Duration::from_secs(600);

pub(in crate::engines) struct RocksDb {
    db: DB,
    write: WriteOptions,
}

pub(in crate::engines) struct Query {
    what: What,
    from: Key,
    to: Key,
}

impl RocksDb {
    /// Shows each row from `from` on to `visit`.
    fn each(&self, query: &Query, mut visit: impl FnMut(&[u8], &[u8])) -> Result<(), Failure> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(query.to);
        let mut rows = self.db.raw_iterator_opt(options);
        rows.seek(query.from);
        while let Some((key, value)) = rows.item() {
            visit(key, value);
            rows.next();
        }
        Ok(rows.status()?)
    }

    fn last(&self, query: &Query, count: u64) -> Result<Found, Failure> {
        let mut found = Found::default();
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(query.from);
        let mut rows = self.db.raw_iterator_opt(options);
        rows.seek_for_prev(query.to);
        while let Some((key, value)) = rows.item().filter(|_| found.rows < count) {
            row::found(&mut found, key, value);
            rows.prev();
        }
        rows.status()?;
        Ok(found)
    }
}

impl Store for RocksDb {
    type Write = Vec<Put>;
    type Query = Query;

    fn open(dir: &Path, setup: &Setup) -> Result<RocksDb, Failure> {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&Cache::new_lru_cache(setup.cache_bytes as usize));
        table.set_bloom_filter(10.0, false);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_write_buffer_size(setup.memtable_bytes as usize);
        options.set_max_background_jobs(2);
        let mut write = WriteOptions::default();
        write.set_sync(setup.log == Log::Synced);
        Ok(RocksDb { db: DB::open(&options, dir)?, write })
    }

    fn prepare(&self, changes: &[Change]) -> Vec<Put> {
        changes.iter().map(row::put).collect()
    }

    fn query(&self, ask: &Ask) -> Query {
        let (from, to) = row::bounds(ask);
        Query { what: ask.what, from, to }
    }

    fn write(&self, write: &Vec<Put>) -> Result<(), Failure> {
        if let [(key, value)] = &write[..] {
            return Ok(match value {
                Some(value) => self.db.put_opt(key, value, &self.write)?,
                None => self.db.delete_opt(key, &self.write)?,
            });
        }
        let mut batch = WriteBatch::default();
        for (key, value) in write {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        Ok(self.db.write_opt(batch, &self.write)?)
    }

    fn read(&self, query: &Query) -> Result<Found, Failure> {
        let mut found = Found::default();
        match query.what {
            What::Row(_) => {
                if let Some(value) = self.db.get_pinned(query.from)? {
                    row::found(&mut found, &query.from, &value);
                }
            }
            What::Last(count) => found = self.last(query, count)?,
            What::Range(..) | What::All => {
                self.each(query, |key, value| row::found(&mut found, key, value))?;
            }
        }
        Ok(found)
    }

    fn scan(&self) -> Result<Found, Failure> {
        let mut found = Found::default();
        let all = Query { what: What::All, from: [0; 24], to: [0xFF; 24] };
        self.each(&all, |key, value| row::found(&mut found, key, value))?;
        Ok(found)
    }

    fn aggregate(&self, query: &Query) -> Result<Aggregate, Failure> {
        let mut aggregate = Aggregate::default();
        self.each(query, |_, value| aggregate.take(row::value(value)))?;
        Ok(aggregate)
    }

    fn settle(&self) -> Result<(), Failure> {
        self.db.flush()?;
        let mut options = WaitForCompactOptions::default();
        options.set_timeout(PATIENCE.as_micros() as u64);
        self.db.wait_for_compact(&options)?;
        self.db.compact_range::<&[u8], &[u8]>(None, None);
        Ok(self.db.wait_for_compact(&options)?)
    }

    fn stored_bytes(&self) -> Result<u64, Failure> {
        let bytes = self.db.property_int_value("rocksdb.live-sst-files-size")?;
        bytes.ok_or_else(|| "RocksDB does not tell its size".into())
    }

    fn close(self) -> Result<(), Failure> {
        self.db.flush_wal(true)?;
        drop(self.db);
        Ok(())
    }
}
