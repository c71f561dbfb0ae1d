//! Compaction decides, then acts: [`choose`] is pure, and [`Merging`](run::Merging) carries out any choice.

pub(crate) mod run;

use crate::TableShape;

/// Sstables smaller than this count as of one size, bytes.
const SMALL_BYTES: u64 = 50 << 20;

/// What the choice looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SstableMeta {
    pub(crate) id: u64,
    pub(crate) bytes: u64,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Nothing.
    Rest,
    /// Merge these sstables into one, ascending.
    Merge(Vec<u64>),
}

/// How many sstables of similar size are worth a merge, and how many are merged at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thresholds {
    pub(crate) min: usize,
    pub(crate) max: usize,
}

impl Thresholds {
    /// As the table's options say; `None` if compaction is off. What cannot be read counts as Cassandra's default.
    pub(crate) fn of(shape: &TableShape) -> Option<Thresholds> {
        let option = |name: &str| shape.compaction.get(name);
        if option("enabled").is_some_and(|it| it.eq_ignore_ascii_case("false")) {
            return None;
        }
        let number =
            |name: &str, default| option(name).and_then(|it| it.parse().ok()).unwrap_or(default);
        let min = number("min_threshold", 4_usize).max(2);
        Some(Thresholds { min, max: number("max_threshold", 32).max(min) })
    }
}

/// Size-tiered: merges the fullest bucket of similar sizes that is full enough, its oldest sstables first.
pub(crate) fn choose(sstables: &[SstableMeta], thresholds: Thresholds) -> Choice {
    let full = buckets(sstables).into_iter().filter(|it| thresholds.min <= it.len());
    // Of equally full ones, the one of smaller sstables: it is the cheaper one.
    let Some(mut fullest) = full.rev().max_by_key(Vec::len) else { return Choice::Rest };
    fullest.sort_unstable();
    fullest.truncate(thresholds.max);
    Choice::Merge(fullest)
}

/// How many merges are due.
pub(crate) fn pending(sstables: &[SstableMeta], thresholds: Thresholds) -> usize {
    buckets(sstables).iter().filter(|it| thresholds.min <= it.len()).count()
}

/// Ids by similar size, small ones first: each within half to one and a half of its bucket's mean.
fn buckets(sstables: &[SstableMeta]) -> Vec<Vec<u64>> {
    let mut by_size = sstables.to_vec();
    by_size.sort_unstable_by_key(|it| (it.bytes, it.id));
    let mut buckets: Vec<(u64, Vec<u64>)> = Vec::new();
    for it in by_size {
        match buckets.last_mut() {
            Some((sum, ids)) => {
                let mean = *sum / ids.len() as u64;
                if it.bytes < SMALL_BYTES || it.bytes <= mean + mean / 2 {
                    *sum += it.bytes;
                    ids.push(it.id);
                } else {
                    buckets.push((it.bytes, vec![it.id]));
                }
            }
            None => buckets.push((it.bytes, vec![it.id])),
        }
    }
    buckets.into_iter().map(|(_, ids)| ids).collect()
}

#[cfg(test)]
mod tests;
