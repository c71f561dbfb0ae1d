//! Compaction decides, then acts: [`choose`] and [`whole`] are pure, and [`Merging`](run::Merging),
//! [`Whole`](whole::Whole) and [`Dropping`](run::Dropping) carry out any choice.

mod expired;
pub(crate) mod next;
mod outputs;
pub(crate) mod run;
pub(crate) mod shards;
mod size_tiered;
mod time_window;
mod unified;
pub(crate) mod whole;

use model::Token;

use crate::TableShape;
use crate::sstable::Sstable;
use shards::Sharding;
use size_tiered::Thresholds;
use time_window::Window;
use unified::{Scaling, Unified};

/// What the choice looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SstableMeta {
    pub(crate) id: u64,
    pub(crate) bytes: u64,
    /// Of its first and its last partition.
    pub(crate) first: Token,
    pub(crate) last: Token,
    /// Of anything in it, microseconds.
    pub(crate) timestamp_min: i64,
    pub(crate) timestamp_max: i64,
    /// When the last of it expires, seconds; `i64::MAX` if something never does.
    pub(crate) expires_max: i64,
    /// When the last of its tombstones was written, or of what expires, seconds.
    pub(crate) deleted_max: i64,
    /// Somebody compacts it: it is not chosen, and all the same there as long as it is live.
    pub(crate) is_claimed: bool,
}

impl SstableMeta {
    pub(crate) fn of(it: &Sstable, is_claimed: bool) -> SstableMeta {
        let stats = &it.stats;
        SstableMeta {
            id: it.id,
            bytes: it.bytes,
            first: stats.first.token,
            last: stats.last.token,
            timestamp_min: stats.timestamp_min,
            timestamp_max: stats.timestamp_max,
            expires_max: stats.expires_max,
            deleted_max: stats.deleted_max,
            is_claimed,
        }
    }
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
    /// What the disk has room for, bytes: inputs go only when the outputs are whole, so both must fit.
    pub(crate) room_bytes: u64,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Nothing.
    Rest,
    /// Remove these sstables: all in them has expired, and nothing older is left for it to hide.
    Drop(Vec<u64>),
    /// Merge these sstables, ascending.
    Merge(Vec<u64>),
}

/// By which rule sstables are merged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Strategy {
    SizeTiered(Thresholds),
    TimeWindow(Window),
    Unified(Unified),
}

impl Strategy {
    /// As the table's options say. What cannot be read counts as the default.
    pub(crate) fn of(shape: &TableShape) -> Strategy {
        let options = Options(shape);
        let unified =
            |scaling| Strategy::Unified(Unified { scaling, sharding: Sharding::of(&options) });
        let class = options.text("class").unwrap_or_default();
        match class.rsplit('.').next().unwrap_or_default() {
            "TimeWindowCompactionStrategy" => Strategy::TimeWindow(Window::of(&options)),
            "SizeTieredCompactionStrategy" => Strategy::SizeTiered(Thresholds::of(&options)),
            "LeveledCompactionStrategy" => unified(Scaling::levelled()),
            _ => unified(Scaling::of(&options)),
        }
    }

    /// As `of`; `None` if nothing is merged unless somebody asks for it.
    pub(crate) fn automatic(shape: &TableShape) -> Option<Strategy> {
        let is_off = |it: &str| it.eq_ignore_ascii_case("false");
        (!Options(shape).text("enabled").is_some_and(is_off)).then(|| Strategy::of(shape))
    }

    /// Into how many parts merges are cut, if they are.
    pub(crate) fn sharding(&self) -> Option<&Sharding> {
        match self {
            Strategy::Unified(unified) => Some(&unified.sharding),
            Strategy::SizeTiered(_) | Strategy::TimeWindow(_) => None,
        }
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
    let has_room = |ids: &Vec<u64>| {
        let inputs = sstables.iter().filter(|it| ids.contains(&it.id));
        inputs.fold(0, |sum: u64, it| sum.saturating_add(it.bytes)) <= moment.room_bytes
    };
    match due(sstables, strategy).into_iter().find(has_room) {
        Some(mut ids) => {
            ids.sort_unstable();
            Choice::Merge(ids)
        }
        None => Choice::Rest,
    }
}

/// All sstables, in parts that are merged each by itself because no other has anything of their tokens; ascending in each.
pub(crate) fn whole(sstables: &[SstableMeta], strategy: &Strategy) -> Vec<Vec<u64>> {
    match strategy.sharding() {
        Some(sharding) => sharding.apart(sstables),
        None => vec![sstables.iter().map(|it| it.id).collect()],
    }
}

/// How many merges are due.
pub(crate) fn pending(sstables: &[SstableMeta], strategy: &Strategy) -> usize {
    due(sstables, strategy).len()
}

/// The merges that are due, the most urgent first.
fn due(sstables: &[SstableMeta], strategy: &Strategy) -> Vec<Vec<u64>> {
    let free: Vec<SstableMeta> = sstables.iter().filter(|it| !it.is_claimed).copied().collect();
    match strategy {
        Strategy::SizeTiered(thresholds) => size_tiered::due(&free, *thresholds),
        Strategy::TimeWindow(window) => time_window::due(&free, *window),
        Strategy::Unified(unified) => unified::due(&free, unified),
    }
}

#[cfg(test)]
mod tests;
