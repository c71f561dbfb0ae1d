//! Where merges are cut.

use std::collections::BTreeMap;

use model::TableId;

use super::*;
use crate::TableShape;

const MIB: u64 = 1 << 20;

fn sharding(options: &[(&str, &str)]) -> Sharding {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let compaction: BTreeMap<String, String> = options.iter().map(owned).collect();
    let shape = TableShape { compaction, ..TableShape::new(TableId(uuid::Uuid::nil())) };
    Sharding::of(&Options(&shape))
}

/// A number of 64ths of the token space, from its beginning.
fn token(at: i64) -> Token {
    Token(((i128::from(at) << 58) - (1 << 63)).clamp(i128::from(i64::MIN) + 1, i64::MAX.into())
        as i64)
}

/// Where bytes are cut that lie evenly between two 64ths, in 64ths.
fn cuts(options: &[(&str, &str)], mib: u64, from: i64, to: i64) -> Vec<f64> {
    let (first, last) = (token(from).position(), token(to).position());
    let bytes = mib * MIB;
    let before = |it: Token| {
        let part = it.position().saturating_sub(first) as f64 / (last - first) as f64;
        (part.min(1.0) * bytes as f64) as u64
    };
    let cuts = sharding(options).cuts(bytes, (token(from), token(to)), before);
    cuts.into_iter().map(|it| it.position() as f64 / (1_u64 << 58) as f64).collect()
}

#[test]
fn what_is_large_enough_is_cut_in_equal_parts_of_all_tokens() {
    assert_eq!(cuts(&[], 199, 0, 64), [0.0; 0], "parts of 100 MiB at least");
    assert_eq!(cuts(&[], 201, 0, 64), [32.0]);
    assert_eq!(cuts(&[], 401, 0, 64), [16.0, 32.0, 48.0]);
    assert_eq!(cuts(&[], 5_700, 0, 64), [16.0, 32.0, 48.0], "up to 1.4 GiB each");
    assert_eq!(cuts(&[], 5_900, 0, 64), [8.0, 16.0, 24.0, 32.0, 40.0, 48.0, 56.0]);
    assert_eq!(cuts(&[], 1_500, 16, 32), [24.0], "a quarter of 6 GiB, and so its halves");
    assert_eq!(cuts(&[], 1_400, 16, 32), [0.0; 0]);
    assert_eq!(cuts(&[], 401, 30, 34), [32.0], "not at its own ends");
}

#[test]
fn the_tables_options_say_into_how_many() {
    let small = [("target_sstable_size", "10MiB"), ("base_shard_count", "2")];
    assert_eq!(cuts(&small, 27, 0, 64), [32.0], "no part is less than 0.7 of the target");
    assert_eq!(cuts(&small, 29, 0, 64), [16.0, 32.0, 48.0]);
    let one = [("base_shard_count", "1"), ("min_sstable_size", "0B")];
    assert_eq!(cuts(&one, 1_400, 0, 64), [0.0; 0]);
    assert_eq!(cuts(&one, 1_500, 0, 64), [32.0]);
    let three = [("base_shard_count", "3")];
    assert_eq!(cuts(&three, 299, 0, 64), [0.0; 0], "a half is no edge of thirds");
    let thirds = cuts(&three, 301, 0, 64);
    assert_eq!(thirds.iter().map(|it| it.floor()).collect::<Vec<f64>>(), [21.0, 42.0]);
}

#[test]
fn an_edge_stays_one_however_many_shards_there_are() {
    for base in [1, 3, 4, 7] {
        for doubled in 0..12 {
            let all = |count| edges(count, Token::MIN).collect::<Vec<Token>>();
            let (few, many) = (all(base << doubled), all(base << (doubled + 1)));
            assert!(few.iter().all(|it| many.contains(it)));
            let behind: Vec<Token> = few.iter().copied().filter(|it| Token(5) < *it).collect();
            assert_eq!(edges(base << doubled, Token(5)).collect::<Vec<Token>>(), behind);
        }
    }
}

#[test]
fn no_part_is_small_however_the_data_lies() {
    let all = (token(0), token(64));
    // Nearly everything in the first quarter, and in the last.
    let before = |it: Token| if it <= token(0) { 0 } else { 950 * MIB };
    assert_eq!(sharding(&[]).cuts(1_000 * MIB, all, before), [0; 0].map(Token));
    let before = |it: Token| if it < token(48) { 20 * MIB } else { 150 * MIB };
    assert_eq!(sharding(&[]).cuts(1_000 * MIB, all, before), [token(48)]);
    let partition = (Token(7), Token(7));
    assert_eq!(sharding(&[]).cuts(9_000 * MIB, partition, |_| 0), [0; 0].map(Token));
    let two = (Token(-1), Token(0));
    assert_eq!(sharding(&[]).cuts(9_000 * MIB, two, |_| 4_000 * MIB), [Token(0)]);
}
