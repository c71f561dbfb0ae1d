//! What is compacted next. Several compactions run at once, and no two of them have an sstable in common.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::sync::{Arc, MutexGuard, PoisonError};

use super::{Choice, Moment, SstableMeta, Strategy, choose, pending};
use crate::inner::Inner;
use crate::sstable::Sstable;
use crate::table::Table;

/// What a compaction does with sstables of one table.
pub(crate) enum Compaction {
    Drop(Claim),
    Merge(Claim),
}

/// Sstables that one compaction has to itself until this is dropped. They stay live, and whoever else looks at the table sees them.
pub(crate) struct Claim {
    inner: Arc<Inner>,
    sstables: Vec<Arc<Sstable>>,
}

impl Deref for Claim {
    type Target = [Arc<Sstable>];

    fn deref(&self) -> &[Arc<Sstable>] {
        &self.sstables
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = self.inner.claimed();
        for it in &self.sstables {
            claimed.remove(&it.id);
        }
    }
}

impl Inner {
    /// What to compact next: whether to drop or to merge it, and what.
    pub(crate) fn choose_compaction(self: &Arc<Inner>) -> Option<(Arc<Table>, Compaction)> {
        // Held to the end: nobody else chooses the same.
        let mut claimed = self.claimed();
        let now = self.clock.wall_micros().div_euclid(1_000_000);
        self.all_tables().into_iter().find_map(|table| {
            let shape = table.shape();
            let strategy = Strategy::automatic(&shape)?;
            let version = table.version();
            let memtables = version.frozen.iter().chain([&version.active]);
            let moment = Moment {
                now,
                gc_before: now - i64::from(shape.gc_grace_seconds),
                memtables_timestamp_min: memtables
                    .map(|it| it.timestamp_min())
                    .fold(i64::MAX, i64::min),
                // What others have not written yet is as good as gone.
                room_bytes: self.room_bytes().saturating_sub(self.tasks.left_bytes()),
            };
            let metas = metas(&version.sstables, &claimed);
            let mut claim = |ids: Vec<u64>| -> Claim {
                let named = version.sstables.iter().filter(|it| ids.contains(&it.id)).cloned();
                let sstables = named.collect();
                claimed.extend(ids.iter().copied());
                Claim { inner: Arc::clone(self), sstables }
            };
            match choose(&metas, &strategy, moment) {
                Choice::Rest => None,
                Choice::Drop(ids) => Some((table, Compaction::Drop(claim(ids)))),
                Choice::Merge(ids) => Some((table, Compaction::Merge(claim(ids)))),
            }
        })
    }

    /// Claims what somebody who has the lane to himself wants to merge.
    pub(crate) fn claim(self: &Arc<Inner>, sstables: Vec<Arc<Sstable>>) -> Claim {
        self.claimed().extend(sstables.iter().map(|it| it.id));
        Claim { inner: Arc::clone(self), sstables }
    }

    /// How many compactions wait.
    pub(crate) fn pending_compactions(&self) -> u64 {
        let claimed = self.claimed().clone();
        let due = |table: &Arc<Table>| {
            let sstables = metas(&table.version().sstables, &claimed);
            Strategy::automatic(&table.shape()).map_or(0, |it| pending(&sstables, &it))
        };
        self.all_tables().iter().map(due).sum::<usize>() as u64
    }

    fn claimed(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        // Nothing in there can panic half way.
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn metas(sstables: &[Arc<Sstable>], claimed: &BTreeSet<u64>) -> Vec<SstableMeta> {
    sstables.iter().map(|it| SstableMeta::of(it, claimed.contains(&it.id))).collect()
}
