//! Compaction decides, then acts: [`choose`] is pure, and [`Merging`](run::Merging) and
//! [`Dropping`](run::Dropping) carry out any choice.

mod expired;
pub(crate) mod run;
mod size_tiered;
mod time_window;
mod unified;

use crate::TableShape;
use size_tiered::Thresholds;
use time_window::Window;
use unified::Scaling;

/// What the choice looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SstableMeta {
    pub(crate) id: u64,
    pub(crate) bytes: u64,
    /// Of anything in it, microseconds.
    pub(crate) timestamp_min: i64,
    pub(crate) timestamp_max: i64,
    /// When the last of it expires, seconds; `i64::MAX` if something never does.
    pub(crate) expires_max: i64,
    /// When the last of its tombstones was written, or of what expires, seconds.
    pub(crate) deleted_max: i64,
}

/// When the choice is made, and what else there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// Seconds.
    pub(crate) now: i64,
    /// What was deleted before may be forgotten, seconds.
    pub(crate) gc_before: i64,
    /// The oldest thing in a memtable, microseconds; `i64::MAX` of none.
    pub(crate) memtables_timestamp_min: i64,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Nothing.
    Rest,
    /// Remove these sstables: all in them has expired, and nothing older is left for it to hide.
    Drop(Vec<u64>),
    /// Merge these sstables into one, ascending.
    Merge(Vec<u64>),
}

/// By which rule sstables are merged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Strategy {
    SizeTiered(Thresholds),
    TimeWindow(Window),
    Unified(Scaling),
}

impl Strategy {
    /// As the table's options say; `None` if compaction is off. What cannot be read counts as the default.
    pub(crate) fn of(shape: &TableShape) -> Option<Strategy> {
        let options = Options(shape);
        if options.text("enabled").is_some_and(|it| it.eq_ignore_ascii_case("false")) {
            return None;
        }
        let class = options.text("class").unwrap_or_default();
        Some(match class.rsplit('.').next().unwrap_or_default() {
            "TimeWindowCompactionStrategy" => Strategy::TimeWindow(Window::of(&options)),
            "SizeTieredCompactionStrategy" => Strategy::SizeTiered(Thresholds::of(&options)),
            "LeveledCompactionStrategy" => Strategy::Unified(Scaling::levelled()),
            _ => Strategy::Unified(Scaling::of(&options)),
        })
    }
}

/// The compaction map of a table.
struct Options<'a>(&'a TableShape);

impl Options<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.compaction.get(name).map(String::as_str)
    }

    fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> T {
        self.text(name).and_then(|it| it.parse().ok()).unwrap_or(default)
    }
}

/// What is most worth doing.
pub(crate) fn choose(sstables: &[SstableMeta], strategy: &Strategy, moment: Moment) -> Choice {
    let expired = expired::find(sstables, moment);
    if !expired.is_empty() {
        return Choice::Drop(expired);
    }
    match due(sstables, strategy).into_iter().next() {
        Some(mut ids) => {
            ids.sort_unstable();
            Choice::Merge(ids)
        }
        None => Choice::Rest,
    }
}

/// How many merges are due.
pub(crate) fn pending(sstables: &[SstableMeta], strategy: &Strategy) -> usize {
    due(sstables, strategy).len()
}

/// The merges that are due, the most urgent first.
fn due(sstables: &[SstableMeta], strategy: &Strategy) -> Vec<Vec<u64>> {
    match strategy {
        Strategy::SizeTiered(thresholds) => size_tiered::due(sstables, *thresholds),
        Strategy::TimeWindow(window) => time_window::due(sstables, *window),
        Strategy::Unified(scaling) => unified::due(sstables, scaling),
    }
}

#[cfg(test)]
mod tests;
