//! Time windows: sstables of one window of time merge with each other only, so that those of a window expire together.

use std::collections::BTreeMap;

use model::schema::compaction;

use super::size_tiered::{self, Thresholds};
use super::{Options, SstableMeta};

/// The unit of windows that name none, seconds.
const DAY: i64 = 86_400;

/// How long a window is, and how sstables of the newest one merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Seconds, one at least.
    pub(crate) seconds: i64,
    pub(crate) thresholds: Thresholds,
}

impl Window {
    /// `compaction_window_unit` (`MINUTES`, `HOURS`, or `DAYS`, which is the default) times `compaction_window_size` (1).
    pub(super) fn of(options: &Options) -> Window {
        let unit = options.text("compaction_window_unit").and_then(compaction::window_unit);
        let size: u32 = options.number("compaction_window_size", 1);
        let seconds = unit.unwrap_or(DAY) * i64::from(size.max(1));
        Window { seconds, thresholds: Thresholds::of(options) }
    }
}

/// Of the newest window what size-tiered would merge; of each older one, all that is left of it; newer ones first. An
/// sstable is of the window of its newest write.
pub(super) fn due(sstables: &[SstableMeta], window: Window) -> Vec<Vec<u64>> {
    let mut windows: BTreeMap<i64, Vec<SstableMeta>> = BTreeMap::new();
    for it in sstables {
        let second = it.timestamp_max.div_euclid(1_000_000);
        windows.entry(second.div_euclid(window.seconds)).or_default().push(*it);
    }
    let mut newer_first = windows.into_values().rev();
    let mut due = match newer_first.next() {
        Some(newest) => size_tiered::due(&newest, window.thresholds),
        None => Vec::new(),
    };
    due.extend(newer_first.filter(|it| it.len() > 1).map(|sstables| {
        let mut ids: Vec<u64> = sstables.iter().map(|it| it.id).collect();
        ids.sort_unstable();
        ids.truncate(window.thresholds.max);
        ids
    }));
    due
}
