//! Merging until nothing is due: it ends, what is left is bounded at every token, and so is what a merge reads.

use std::collections::BTreeMap;

use proptest::prelude::{Just, Strategy as _, any, prop, prop_assert, prop_oneof, proptest};

use super::*;
use crate::compaction::{Choice, Moment, Strategy, choose};

const MIB: u64 = 1 << 20;

const MOMENT: Moment =
    Moment { now: 1_000, gc_before: 500, memtables_timestamp_min: i64::MAX, room_bytes: u64::MAX };

fn unified(options: &[(&str, &str)]) -> Unified {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let compaction: BTreeMap<String, String> = options.iter().map(owned).collect();
    let id = model::TableId(uuid::Uuid::nil());
    let shape = crate::TableShape { compaction, ..crate::TableShape::new(id) };
    match Strategy::of(&shape) {
        Strategy::Unified(it) => it,
        other @ (Strategy::SizeTiered(_) | Strategy::TimeWindow(_)) => panic!("{other:?}"),
    }
}

fn meta(id: u64, bytes: u64, first: Token, last: Token) -> SstableMeta {
    SstableMeta {
        id,
        bytes,
        first,
        last,
        timestamp_min: 0,
        timestamp_max: 0,
        expires_max: i64::MAX,
        deleted_max: i64::MAX,
        is_claimed: false,
    }
}

/// Bytes by token.
type Data = BTreeMap<Token, u64>;

/// Sstables by id.
struct Table {
    unified: Unified,
    sstables: BTreeMap<u64, Data>,
    last: u64,
    /// What is written twice takes its room once.
    overwrites: bool,
}

impl Table {
    fn add(&mut self, data: Data) {
        self.last += 1;
        if !data.is_empty() {
            self.sstables.insert(self.last, data);
        }
    }

    fn metas(&self) -> Vec<SstableMeta> {
        let meta_of = |(id, data): (&u64, &Data)| {
            let (first, last) = (data.keys().min().unwrap(), data.keys().max().unwrap());
            meta(*id, data.values().sum(), *first, *last)
        };
        self.sstables.iter().map(meta_of).collect()
    }

    fn choice(&self) -> Choice {
        choose(&self.metas(), &Strategy::Unified(self.unified.clone()), MOMENT)
    }

    fn merge(&mut self, ids: &[u64]) {
        let inputs: Vec<Data> = ids.iter().map(|it| self.sstables.remove(it).unwrap()).collect();
        let mut merged = Data::new();
        for (token, bytes) in inputs.iter().flatten() {
            let here = merged.entry(*token).or_insert(0);
            *here = if self.overwrites { *bytes.max(here) } else { *here + bytes };
        }
        let hull = (*merged.keys().min().unwrap(), *merged.keys().max().unwrap());
        let bytes = inputs.iter().flat_map(BTreeMap::values).sum();
        let mut in_order: Vec<(&Token, &u64)> = inputs.iter().flatten().collect();
        in_order.sort_unstable();
        let sums = in_order.iter().scan(0, |sum, it| {
            *sum += it.1;
            Some(*sum)
        });
        let sums: Vec<u64> = [0].into_iter().chain(sums).collect();
        let before = |token| sums[in_order.partition_point(|it| *it.0 < token)];
        let mut rest = merged;
        for cut in self.unified.sharding.cuts(bytes, hull, before).into_iter().rev() {
            self.add(rest.split_off(&cut));
        }
        self.add(rest);
    }

    /// How many sstables of each level have a token, at most.
    fn overlaps(&self) -> Vec<usize> {
        let Unified { scaling, sharding } = &self.unified;
        let metas = self.metas();
        let mut levels = Vec::new();
        for token in metas.iter().map(|it| it.first) {
            let mut here = vec![0; 64];
            for it in &metas {
                let level = scaling.level_of(sharding.density(it.bytes, it.first, it.last));
                let holds = it.first <= token && token <= it.last;
                here[level] += usize::from(holds || sharding.is_small(it.bytes));
            }
            levels.resize(64, 0);
            levels.iter_mut().zip(here).for_each(|(most, here)| *most = here.max(*most));
        }
        levels
    }
}

/// A flush of some partitions, of few tokens or of all, even or with most of it in few places.
fn any_flush() -> impl prop::strategy::Strategy<Value = Data> {
    let token = (0..64_i64).prop_map(|it| Token((it - 32) << 58));
    let bytes = prop_oneof![4 => 1..20 * MIB, 1 => 1..200 * MIB, 1 => Just(1_u64)];
    prop::collection::btree_map(token, bytes, 1..20)
}

proptest! {
    #[test]
    fn merging_ends_and_leaves_few_at_every_token(
        flushes in prop::collection::vec(any_flush(), 1..30),
        scaling in prop::sample::select(vec!["T4", "N", "L10", "T8, L4", "L1000", "T2, N, L3"]),
        target in prop::sample::select(vec!["1GiB", "64MiB", "8MiB"]),
        min in prop::sample::select(vec!["100MiB", "10MiB", "0B"]),
        base in prop::sample::select(vec!["1", "3", "4", "64"]),
        overwrites in any::<bool>(),
        late in any::<bool>(),
    ) {
        let unified = unified(&[
            ("scaling_parameters", scaling),
            ("target_sstable_size", target),
            ("min_sstable_size", min),
            ("base_shard_count", base),
        ]);
        let mut table = Table { unified, sstables: BTreeMap::new(), last: 0, overwrites };
        let mut left = flushes.len();
        for flush in flushes {
            table.add(flush);
            left -= 1;
            if late && left > 0 {
                continue;
            }
            for merges in 0.. {
                prop_assert!(merges < 1_000, "it goes on for ever: {:?}", table.metas());
                let Choice::Merge(ids) = table.choice() else { break };
                prop_assert!(2 <= ids.len() && ids.len() <= MERGED_MAX);
                let mut metas = table.metas();
                metas.retain(|it| ids.contains(&it.id) && !table.unified.sharding.is_small(it.bytes));
                let first = metas.iter().map(|it| it.first).max();
                let last = metas.iter().map(|it| it.last).min();
                prop_assert!(first <= last, "no token in common: {metas:?}");
                table.merge(&ids);
            }
            for (level, most) in table.overlaps().into_iter().enumerate() {
                prop_assert!(most < table.unified.scaling.level(level).threshold);
            }
        }
    }
}

/// A table of 128 GiB, of which every flush has 64 MiB of all tokens: what large tables are like.
#[test]
fn a_large_table_is_merged_in_small_pieces() {
    let unified = unified(&[]);
    let strategy = Strategy::Unified(unified.clone());
    let all = (Token(i64::MIN + 1), Token::MAX);
    let offset = |token: Token| (i128::from(token.0) - i128::from(i64::MIN)) as f64;
    let (mut sstables, mut last) = (Vec::new(), 0);
    let (mut written, mut most, mut most_at_once) = (0, 0, 0);
    for _ in 0..2_048 {
        last += 1;
        sstables.push(meta(last, 64 * MIB, all.0, all.1));
        while let Choice::Merge(ids) = choose(&sstables, &strategy, MOMENT) {
            let (inputs, rest): (Vec<_>, Vec<_>) =
                sstables.into_iter().partition(|it| ids.contains(&it.id));
            sstables = rest;
            let bytes: u64 = inputs.iter().map(|it| it.bytes).sum();
            (written, most) = (written + bytes, most.max(bytes));
            let hull = (
                inputs.iter().map(|it| it.first).min().unwrap(),
                inputs.iter().map(|it| it.last).max().unwrap(),
            );
            let part = |it: &SstableMeta, upto: Token| {
                let span = offset(it.last) - offset(it.first);
                let part = ((offset(upto) - offset(it.first)) / span).clamp(0.0, 1.0);
                (it.bytes as f64 * part) as u64
            };
            let before = |token| inputs.iter().map(|it| part(it, token)).sum::<u64>();
            let cuts = unified.sharding.cuts(bytes, hull, before);
            let begins = [hull.0].into_iter().chain(cuts.iter().copied());
            let ends = cuts.iter().map(|it| Token(it.0 - 1)).chain([hull.1]);
            for (first, end) in begins.zip(ends) {
                last += 1;
                sstables.push(meta(last, before(end) - before(first), first, end));
            }
        }
        most_at_once = most_at_once.max(sstables.len());
    }
    let target = 1024 * MIB;
    // Four at once, each up to 1.4 times the target.
    assert!(most < 6 * target, "{} MiB in one merge", most / MIB);
    let largest = sstables.iter().map(|it| it.bytes).max().unwrap();
    assert!(largest < 3 * target / 2, "{} MiB", largest / MIB);
    let rewritten = written as f64 / (2_048 * 64 * MIB) as f64;
    assert!(rewritten < 6.0, "each byte is written {rewritten} times");
    assert!(most_at_once < 512, "{most_at_once} sstables");
}
