//! Size-tiered: merges sstables of similar size.

use super::{Options, SstableMeta};

/// Sstables smaller than this count as of one size, bytes.
const SMALL_BYTES: u64 = 50 << 20;

/// How many sstables of similar size are worth a merge, and how many are merged at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Thresholds {
    pub(crate) min: usize,
    pub(crate) max: usize,
}

impl Thresholds {
    pub(super) fn of(options: &Options) -> Thresholds {
        let min = options.number("min_threshold", 4_usize).max(2);
        Thresholds { min, max: options.number("max_threshold", 32).max(min) }
    }
}

/// The buckets of similar sizes that are full enough, the fullest first, of each its oldest sstables.
pub(super) fn due(sstables: &[SstableMeta], thresholds: Thresholds) -> Vec<Vec<u64>> {
    let mut full = buckets(sstables);
    full.retain(|it| thresholds.min <= it.len());
    // Stable: of equally full ones, the one of smaller sstables goes first: it is the cheaper one.
    full.sort_by_key(|it| std::cmp::Reverse(it.len()));
    for bucket in &mut full {
        bucket.sort_unstable();
        bucket.truncate(thresholds.max);
    }
    full
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
