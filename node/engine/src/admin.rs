//! Creating, changing, dropping and emptying tables.

use std::sync::{Arc, PoisonError};

use model::TableId;

use crate::flush::Dump;
use crate::inner::Inner;
use crate::manifest::Op;
use crate::memtable::Memtable;
use crate::sstable;
use crate::table::Table;
use crate::{Error, TableShape};

impl Inner {
    pub(crate) fn create_table(&self, shape: TableShape) -> Result<(), Error> {
        self.refuse_closed()?;
        let mut manifest = self.manifest();
        let id = shape.id;
        if let Ok(table) = self.table(id) {
            manifest.edit(vec![Op::Table(shape.clone())])?;
            table.set_shape(shape);
            return Ok(());
        }
        // Whatever the log holds of a table of this id is of one that was dropped.
        let begins = self.log.position();
        manifest.edit(vec![Op::Table(shape.clone()), Op::Mark(id, begins)])?;
        let table = Arc::new(Table::new(&self.options.data_dir, shape, begins, Vec::new()));
        self.tables.write().unwrap_or_else(PoisonError::into_inner).insert(id, table);
        Ok(())
    }

    pub(crate) fn drop_table(&self, id: TableId) -> Result<(), Error> {
        self.refuse_closed()?;
        let mut manifest = self.manifest();
        let Ok(table) = self.table(id) else { return Ok(()) };
        self.snapshot(&table, "dropped")?;
        manifest.edit(vec![Op::Drop(id)])?;
        self.tables.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
        let bytes = table.change(|version| {
            let bytes = version.memtable_bytes();
            version.dropped = true;
            version.sstables.clear();
            version.frozen.clear();
            // An empty one, so that nobody counts its bytes, or needs the log for it, once more.
            version.active = Arc::new(Memtable::new(version.active.begins));
            bytes
        });
        self.shrink_memtables(bytes);
        if self.disk.exists(&table.dir)
            && let Err(error) = self.disk.remove_dir_all(&table.dir)
        {
            tracing::warn!(dir = %table.dir.display(), %error, "a dropped table stays behind");
        }
        self.release_log(&mut manifest)
    }

    pub(crate) fn truncate(&self, id: TableId) -> Result<(), Error> {
        self.refuse_closed()?;
        // Held to the end: no flush or compaction puts old rows back meanwhile.
        let mut manifest = self.manifest();
        let table = self.table(id)?;
        // All that was written before this line is in what goes, all that is written after stays.
        table.freeze(|| self.log.position());
        let version = table.version();
        self.snapshot(&table, "truncated")?;
        let mut ops = vec![Op::Mark(id, version.active.begins)];
        ops.extend(version.sstables.iter().map(|it| Op::Remove(id, it.id)));
        manifest.edit(ops)?;
        table.change(|next| {
            // A memtable that was frozen since holds what was written since.
            next.frozen.retain(|it| !version.frozen.iter().any(|gone| Arc::ptr_eq(it, gone)));
            next.sstables.clear();
        });
        self.shrink_memtables(version.frozen_bytes());
        version.sstables.iter().for_each(|it| self.remove_unused(&it.path));
        self.release_log(&mut manifest)
    }

    /// Gives the sstables of `table` second names, durably, in a folder of their own, and writes what is only in memory
    /// beside them.
    fn snapshot(&self, table: &Table, why: &str) -> Result<(), Error> {
        let version = table.version();
        if version.sstables.is_empty() && version.memtable_bytes() == 0 {
            return Ok(());
        }
        let snapshots = self.options.data_dir.join("snapshots");
        let mut micros = self.clock.wall_micros();
        let mut dir = snapshots.join(format!("{why}-{}-{micros}", table.id.0));
        // The wall clock may stand still or go back.
        while self.disk.exists(&dir) {
            micros += 1;
            dir = snapshots.join(format!("{why}-{}-{micros}", table.id.0));
        }
        let disk = &*self.disk;
        sys::disk::create_dir_all_durably(disk, &dir).map_err(|it| Error::io(&dir, it))?;
        for sstable in &version.sstables {
            let Some(name) = sstable.path.file_name() else { continue };
            let link = dir.join(name);
            disk.hard_link(&sstable.path, &link).map_err(|it| Error::io(&link, it))?;
        }
        let memtables = version.frozen.iter().chain([&version.active]);
        for memtable in memtables.filter(|it| !it.is_empty()) {
            let id = self.next_sstable();
            let path = sstable::path(&dir, id);
            let block_bytes = self.options.block_bytes;
            let mut writer = sstable::Writer::create(disk, &path, id, &table.shape(), block_bytes)?;
            Dump::new(Arc::clone(memtable)).write(&mut writer, u64::MAX)?;
            if !writer.finish()? {
                self.remove_unused(&path);
            }
        }
        disk.sync_dir(&dir).map_err(|it| Error::io(&dir, it))
    }
}
