//! Creating, changing, dropping and emptying tables.

use std::sync::{Arc, PoisonError};

use model::TableId;

use crate::inner::Inner;
use crate::manifest::Op;
use crate::memtable::Memtable;
use crate::snapshot::{self, Incoming, Part};
use crate::sstable::Sstable;
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
        let (bytes, sstables) = table.change(|version| {
            let bytes = version.memtable_bytes();
            version.dropped = true;
            let sstables = std::mem::take(&mut version.sstables);
            version.frozen.clear();
            // An empty one, so that nobody counts its bytes, or needs the log for it, once more.
            version.active = Arc::new(Memtable::new(version.active.begins));
            (bytes, sstables)
        });
        self.shrink_memtables(bytes);
        sstables.iter().for_each(|it| it.leave(&self.cache));
        if self.disk.exists(&table.dir)
            && let Err(error) = self.disk.remove_dir_all(&table.dir)
        {
            tracing::warn!(dir = %table.dir.display(), %error, "a dropped table stays behind");
        }
        self.release_log(&mut manifest)
    }

    pub(crate) fn truncate(&self, id: TableId) -> Result<(), Error> {
        self.replace(id, "truncated", None).map(|_| ())
    }

    /// Puts other sstables, or none, in the place of all that a table holds, which goes into a snapshot first. Answers with the
    /// name of that, if there was anything.
    pub(crate) fn replace(
        &self,
        id: TableId,
        why: &str,
        incoming: Option<Incoming>,
    ) -> Result<Option<String>, Error> {
        self.refuse_closed()?;
        // Held to the end: no flush or compaction puts old rows back meanwhile.
        let mut manifest = self.manifest();
        let table = self.table(id)?;
        // All that was written before this line is in what goes, all that is written after stays.
        table.freeze(|| self.log.position());
        let version = table.version();
        let stay = incoming.as_ref().map(|it| it.stay().to_vec()).unwrap_or_default();
        let is_in = |list: &[Arc<Sstable>], it| list.iter().any(|other| Arc::ptr_eq(other, it));
        if let Some(gone) = stay.iter().find(|it| !is_in(&version.sstables, it)) {
            let why = "the table was emptied meanwhile: restore it again";
            return Err(Error::io(&gone.path, std::io::Error::other(why)));
        }
        let kept = self.snapshot(&table, why)?;
        let goes = version.sstables.iter().filter(|it| !is_in(&stay, it));
        let mut ops = vec![Op::Mark(id, version.active.begins)];
        ops.extend(goes.clone().map(|it| Op::Remove(id, it.id)));
        ops.extend(incoming.iter().flat_map(Incoming::ids).map(|it| Op::Add(id, it)));
        let mut sstables = incoming.map(Incoming::keep).unwrap_or_default();
        sstables.extend(stay.iter().cloned());
        sstables.sort_by_key(|it| it.id);
        manifest.edit(ops)?;
        table.change(|next| {
            // A memtable that was frozen since holds what was written since.
            next.frozen.retain(|it| !version.frozen.iter().any(|gone| Arc::ptr_eq(it, gone)));
            next.sstables = sstables;
        });
        self.shrink_memtables(version.frozen_bytes());
        goes.for_each(|it| self.retire(it));
        self.release_log(&mut manifest)?;
        Ok(kept)
    }

    /// Makes a snapshot of all that `table` holds, in memory too, named after why. Answers with its name; `None` if there is
    /// nothing.
    fn snapshot(&self, table: &Table, why: &str) -> Result<Option<String>, Error> {
        let version = table.version();
        if version.sstables.is_empty() && version.memtable_bytes() == 0 {
            return Ok(None);
        }
        let snapshots = self.options.data_dir.join("snapshots");
        let mut micros = self.clock.wall_micros();
        let name = |micros: i64| snapshot::automatic_name(why, table.id, micros);
        // The wall clock may stand still or go back.
        while self.disk.exists(&snapshots.join(name(micros))) {
            micros += 1;
        }
        let name = name(micros);
        snapshot::write(self, &name, &[Part { table, version: &version, memory: true }])?;
        Ok(Some(name))
    }
}
