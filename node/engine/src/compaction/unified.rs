//! Unified: sstables are on levels by density, and those of a level that overlap merge when there are as many as its scaling
//! parameter allows.
//!
//! ```text
//!   level 1   ──────────────────   ──────────────────      large ones, not cut yet
//!   level 2   ────────    ───────  ───────   ────────      what was cut at the edges of shards lies side by side, and is
//!             ────────             ───────                 merged shard by shard: at no token of a level are there as
//!                                  ───────                 many as would be merged
//! ```
//!
//! Levels, fan-out, threshold and shards are those of Cassandra's UnifiedCompactionStrategy (CEP-26).
//!
//! Merging comes to an end, however the data lies. Of those that are merged all hold one token, and of what they become no two
//! do, so that at no token there are more than before, and at one there are fewer; but those that are small count as if they
//! held all tokens. A merge makes more of them only of what has shrunk by as much (`Sharding::cuts`), and whatever is
//! merged with a small one makes them fewer, or itself.

use model::Token;
use model::schema::compaction::{self, Level};

use super::shards::Sharding;
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

    /// The level of an sstable of this density.
    fn level_of(&self, density: u64) -> usize {
        let mut number = 0;
        let mut end = BASE_BYTES.saturating_mul(self.level(0).fanout);
        while end <= density {
            number += 1;
            end = end.saturating_mul(self.level(number).fanout);
            if end == u64::MAX {
                break;
            }
        }
        number
    }
}

/// How a table is merged that is of this strategy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unified {
    pub(crate) scaling: Scaling,
    pub(crate) sharding: Sharding,
}

/// The tokens of an sstable.
#[derive(Clone, Copy)]
struct Span {
    first: Token,
    last: Token,
    id: u64,
}

/// Sstables of a level that have a token in common and are enough, each in one group at most: those of lower levels first, which
/// are the cheaper ones, and what reads meet most.
pub(super) fn due(sstables: &[SstableMeta], unified: &Unified) -> Vec<Vec<u64>> {
    let Unified { scaling, sharding } = unified;
    let mut levels: Vec<Vec<Span>> = Vec::new();
    for it in sstables {
        let number = scaling.level_of(sharding.density(it.bytes, it.first, it.last));
        if levels.len() <= number {
            levels.resize(number + 1, Vec::new());
        }
        let is_small = sharding.is_small(it.bytes);
        let (first, last) = if is_small { (Token::MIN, Token::MAX) } else { (it.first, it.last) };
        levels[number].push(Span { first, last, id: it.id });
    }
    let groups = levels.into_iter().enumerate().flat_map(|(number, level)| {
        let mut groups = overlapping(level, scaling.level(number).threshold);
        // Stable: of as many, the first by token.
        groups.sort_by_key(|it| std::cmp::Reverse(it.len()));
        groups
    });
    groups.collect()
}

/// Groups of at least `threshold` that share a token, the oldest where there are too many.
fn overlapping(mut level: Vec<Span>, threshold: usize) -> Vec<Vec<u64>> {
    level.sort_unstable_by_key(|it| (it.first, it.id));
    let (mut groups, mut open) = (Vec::new(), Vec::new());
    for span in level {
        // Nothing that begins later shares a token with all that are open.
        if open.iter().any(|it: &Span| it.last < span.first) {
            take(&mut open, threshold, &mut groups);
            open.retain(|it| span.first <= it.last);
        }
        open.push(span);
    }
    take(&mut open, threshold, &mut groups);
    groups
}

/// Groups of those that share the token which a walk over them has come to.
fn take(open: &mut Vec<Span>, threshold: usize, groups: &mut Vec<Vec<u64>>) {
    open.sort_unstable_by_key(|it| it.id);
    while threshold <= open.len() {
        groups.push(open.drain(..open.len().min(MERGED_MAX)).map(|it| it.id).collect());
    }
}

#[cfg(test)]
mod tests;
