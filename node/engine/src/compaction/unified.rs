//! Unified: sstables are on levels by size, and a level merges when it has as many as its scaling parameter allows.
//!
//! Levels, fan-out and threshold are those of Cassandra's UnifiedCompactionStrategy (CEP-26); an sstable is not split into
//! shards here, so its density is its size.

use model::schema::compaction::{self, Level};

use super::{Options, SstableMeta};

/// Sstables below this are on level 0, bytes; each level above begins at as many times that of the one below as the
/// fan-out says.
const BASE_BYTES: u64 = 8 << 20;

/// Merged at once at most.
const MERGED_MAX: usize = 32;

/// The scaling parameters, one a level; the last one counts for all further levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scaling(Vec<Level>);

/// What a table has that names none.
const DEFAULT: Level = Level { fanout: 4, threshold: 4 };

impl Scaling {
    /// By `scaling_parameters`.
    pub(super) fn of(options: &Options) -> Scaling {
        let levels = options.text("scaling_parameters").and_then(compaction::scaling);
        Scaling(levels.unwrap_or_else(|| vec![DEFAULT]))
    }

    /// Few sstables to read, and much to write.
    pub(super) fn levelled() -> Scaling {
        Scaling(vec![Level { fanout: 10, threshold: 2 }])
    }

    fn level(&self, number: usize) -> Level {
        self.0.get(number).or(self.0.last()).copied().unwrap_or(DEFAULT)
    }

    /// The level of an sstable of this size.
    fn level_of(&self, bytes: u64) -> usize {
        let mut number = 0;
        let mut end = BASE_BYTES.saturating_mul(self.level(0).fanout);
        while end <= bytes {
            number += 1;
            end = end.saturating_mul(self.level(number).fanout);
            if end == u64::MAX {
                break;
            }
        }
        number
    }
}

/// The levels that have enough sstables, lower ones first: they are the cheaper ones, and what reads meet most.
pub(super) fn due(sstables: &[SstableMeta], scaling: &Scaling) -> Vec<Vec<u64>> {
    let mut levels: Vec<Vec<u64>> = Vec::new();
    for it in sstables {
        let number = scaling.level_of(it.bytes);
        if levels.len() <= number {
            levels.resize(number + 1, Vec::new());
        }
        levels[number].push(it.id);
    }
    let full = levels.into_iter().enumerate();
    let full = full.filter(|(number, ids)| scaling.level(*number).threshold <= ids.len());
    let oldest = |(_, mut ids): (usize, Vec<u64>)| {
        ids.sort_unstable();
        ids.truncate(MERGED_MAX);
        ids
    };
    full.map(oldest).collect()
}
