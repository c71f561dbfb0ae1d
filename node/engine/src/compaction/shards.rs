//! Shards: the token space in equal parts. A merge of much is cut at their edges, so that each part is merged by itself later.
//!
//! ```text
//!   tokens     -2^63                           0                           2^63
//!   1 shard    │                                                              │
//!   4 shards   │               │               │               │              │   an edge stays one however many
//!   8 shards   │       │       │       │       │       │       │       │      │   shards there are: they only double
//! ```
//!
//! How many there are is said by the density, the bytes that there would be if all of the token space were as full, as in
//! Cassandra's UnifiedCompactionStrategy (CEP-26).

use std::f64::consts::FRAC_1_SQRT_2;

use model::Token;
use model::schema::compaction;

use super::{Options, SstableMeta};

/// What spans less is of one partition, or of few that happen to lie side by side: it says nothing of how full the rest is.
const SPAN_MIN: f64 = 1.0 / (1_u64 << 48) as f64;

/// As many doublings as nobody's disk is large enough for.
const DOUBLED_MAX: f64 = (1_u64 << 20) as f64;

/// Into how many shards, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sharding {
    /// About what an sstable has, bytes: from 0.7 to 1.4 of it.
    target_bytes: u64,
    /// Shards of whatever is large enough for so many.
    base_count: u64,
    /// An sstable is cut only where each part has as much, bytes.
    least_bytes: u64,
}

impl Sharding {
    /// By `target_sstable_size`, `base_shard_count` and `min_sstable_size`.
    pub(super) fn of(options: &Options) -> Sharding {
        let size = |name, default| options.text(name).and_then(compaction::size).unwrap_or(default);
        let target_bytes = size("target_sstable_size", 1 << 30).max(1);
        let smallest = (target_bytes as f64 * FRAC_1_SQRT_2) as u64;
        Sharding {
            target_bytes,
            base_count: options.number("base_shard_count", 4_u64).clamp(1, 1_000),
            least_bytes: size("min_sstable_size", 100 << 20).min(smallest),
        }
    }

    /// Whether an sstable is too small for a part that was cut: it counts as one that spans everything. Half of what a part
    /// has at least: one that is just large enough does not fall below when it is written again.
    pub(super) fn is_small(&self, bytes: u64) -> bool {
        bytes < self.least_bytes / 2
    }

    /// Bytes of the whole token space if all of it were as full as what lies from `first` to `last`.
    pub(super) fn density(&self, bytes: u64, first: Token, last: Token) -> u64 {
        if self.is_small(bytes) {
            return bytes;
        }
        let span = last.position().saturating_sub(first.position()) as f64 / 2_f64.powi(64);
        if span < SPAN_MIN { bytes } else { (bytes as f64 / span) as u64 }
    }

    /// How many shards there are.
    fn count(&self, density: u64) -> u64 {
        let (density, base) = (density as f64, self.base_count);
        let parts = density / self.least_bytes as f64;
        if parts < base as f64 {
            // Only as many as divide the base count: edges are edges of more shards, too.
            return power_of_two(parts).min(base & base.wrapping_neg());
        }
        base * power_of_two(density / (self.target_bytes as f64 * FRAC_1_SQRT_2 * base as f64))
    }

    /// Where a merge of `bytes` from `first` to `last` is cut: with which tokens a new sstable begins, ascending. `before` says
    /// how many of these bytes lie before a token.
    pub(crate) fn cuts(
        &self,
        bytes: u64,
        (first, last): (Token, Token),
        before: impl Fn(Token) -> u64,
    ) -> Vec<Token> {
        let count = self.count(self.density(bytes, first, last));
        let mut cuts = Vec::new();
        let mut begun = 0;
        for edge in edges(count, first).take_while(|it| *it <= last) {
            let here = before(edge);
            let (behind, ahead) = (here.saturating_sub(begun), bytes.saturating_sub(here));
            if self.least_bytes <= behind && self.least_bytes <= ahead {
                cuts.push(edge);
                begun = here;
            }
        }
        cuts
    }

    /// Sstables in parts that have no token in common, and of which each is worth a merge of its own; by id in each.
    pub(super) fn apart(&self, sstables: &[SstableMeta]) -> Vec<Vec<u64>> {
        let mut in_order = sstables.to_vec();
        in_order.sort_unstable_by_key(|it| (it.first, it.id));
        let mut parts: Vec<Part> = Vec::new();
        for it in in_order {
            match parts.last_mut() {
                Some(part) if it.first <= part.last || part.bytes < self.least_bytes => {
                    part.add(&it)
                }
                Some(_) | None => parts.push(Part::of(&it)),
            }
        }
        if let Some(small) = parts.pop_if(|it| it.bytes < self.least_bytes) {
            match parts.last_mut() {
                Some(part) => part.ids.extend(small.ids),
                None => parts.push(small),
            }
        }
        parts.iter_mut().for_each(|it| it.ids.sort_unstable());
        parts.into_iter().map(|it| it.ids).collect()
    }
}

/// Sstables that overlap, one with the next.
struct Part {
    ids: Vec<u64>,
    bytes: u64,
    last: Token,
}

impl Part {
    fn of(it: &SstableMeta) -> Part {
        Part { ids: vec![it.id], bytes: it.bytes, last: it.last }
    }

    fn add(&mut self, it: &SstableMeta) {
        self.ids.push(it.id);
        self.bytes = self.bytes.saturating_add(it.bytes);
        self.last = self.last.max(it.last);
    }
}

/// Where shards begin behind `first`, ascending.
fn edges(count: u64, first: Token) -> impl Iterator<Item = Token> {
    let begun = (u128::from(first.position()) * u128::from(count)) >> 64;
    let edge = move |number: u64| {
        let offset = ((u128::from(number) << 64) / u128::from(count)) as u64;
        Token((offset ^ (1 << 63)) as i64)
    };
    // Rounded down: the shard may begin one later.
    (begun as u64..count).map(edge).filter(move |it| first < *it)
}

/// The largest that is not above `it`, and 1 at least.
fn power_of_two(it: f64) -> u64 {
    1 << (it.clamp(1.0, DOUBLED_MAX) as u64).ilog2()
}

#[cfg(test)]
mod tests;
