//! Sstables of which nothing is left to read: they go as they are.

use super::{Moment, SstableMeta};

/// Those of which everything has expired or is a tombstone that may be forgotten, and that are older than whatever
/// stays, so that nothing comes back from beneath them. Ascending by id.
pub(super) fn find(sstables: &[SstableMeta], moment: Moment) -> Vec<u64> {
    let is_over = |it: &&SstableMeta| {
        !it.is_claimed && it.expires_max <= moment.now && it.deleted_max < moment.gc_before
    };
    let (mut over, stays): (Vec<&SstableMeta>, Vec<&SstableMeta>) =
        sstables.iter().partition(is_over);
    let mut oldest = stays.iter().map(|it| it.timestamp_min).min().unwrap_or(i64::MAX);
    oldest = oldest.min(moment.memtables_timestamp_min);
    // One that has to stay may be what others hide.
    loop {
        let kept = over.iter().filter(|it| oldest <= it.timestamp_max);
        let Some(below) = kept.map(|it| it.timestamp_min).min() else { break };
        over.retain(|it| it.timestamp_max < oldest);
        oldest = oldest.min(below);
    }
    let mut ids: Vec<u64> = over.into_iter().map(|it| it.id).collect();
    ids.sort_unstable();
    ids
}
