//! Merges all of a table because somebody asks for it: part by part, so that what is done stays done.

use std::sync::Arc;

use super::run::Merging;
use super::{SstableMeta, Strategy};
use crate::Error;
use crate::flush::Work;
use crate::inner::Inner;
use crate::sstable::Sstable;
use crate::table::Table;

/// Merges the sstables of a table that there are at its beginning.
pub(crate) struct Whole {
    inner: Arc<Inner>,
    table: Arc<Table>,
    /// The parts that are left, the next one last.
    left: Vec<Vec<Arc<Sstable>>>,
    current: Option<Merging>,
}

impl Whole {
    /// Whoever calls it has the lane of compactions alone.
    pub(crate) fn new(inner: Arc<Inner>, table: Arc<Table>) -> Whole {
        let sstables = table.version().sstables.clone();
        let metas: Vec<SstableMeta> =
            sstables.iter().map(|it| SstableMeta::of(it, false)).collect();
        let named = |ids: Vec<u64>| -> Vec<Arc<Sstable>> {
            sstables.iter().filter(|it| ids.contains(&it.id)).cloned().collect()
        };
        let parts = super::whole(&metas, &Strategy::of(&table.shape()));
        let left = parts.into_iter().rev().map(named).collect();
        let mut whole = Whole { inner, table, left, current: None };
        whole.next();
        whole
    }

    fn next(&mut self) {
        let (inner, table) = (&self.inner, &self.table);
        let merging =
            |inputs| Merging::new(Arc::clone(inner), Arc::clone(table), inner.claim(inputs));
        self.current = self.left.pop().map(merging);
    }
}

impl Work for Whole {
    fn advance(&mut self) -> Result<bool, Error> {
        let Some(current) = &mut self.current else { return Ok(true) };
        if current.advance()? {
            self.next();
        }
        Ok(self.current.is_none())
    }

    fn give_up(&mut self) {
        self.current.iter_mut().for_each(Merging::give_up);
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}
