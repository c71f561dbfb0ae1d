//! Tokens against the vectors of stock drivers and against the murmur3 crate; ranges.

use super::*;
use crate::documented;
use proptest::prelude::*;

/// Input in hex, token by cassandra-driver 3.30.1 and scylla-driver 3.29.12.
const VECTORS: [(&str, i64); 13] = [
    ("74657374", -6_017_608_668_500_074_083),
    ("6b72656dc3b3776b69", 4_354_931_215_268_080_151),
    ("00000001", -4_069_959_284_402_364_209),
    ("ffffffff", 7_297_452_126_230_313_552),
    ("80", -5_284_281_814_142_962_636),
    ("000000000000007f80", 8_828_351_371_702_667_477),
    ("00000000000000ff", 5_929_276_160_770_231_814),
    ("0102030405060708090a0b0c0d0e0f10", -5_563_837_382_979_743_776),
    ("0102030405060708090a0b0c0d0e0f10ff", -5_612_740_317_901_377_701),
    ("a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 7_907_081_610_999_023_370),
    ("a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbe", 3_712_717_901_644_621_844),
    ("00104327529fb645dd00b883ec39ae448bb800000400066a6b00", -9_223_371_632_693_506_265),
    ("c3a9c3a8c3aac3ab", 4_256_273_236_542_017_645),
];

#[test]
fn tokens_are_those_of_stock_drivers() {
    for (hex, token) in VECTORS {
        assert_eq!(Token::of(&documented::hex(hex)), Token(token), "{hex}");
    }
    assert_eq!(Token::of(b""), Token::MIN);
}

/// Undoes `k ^= k >> 33`: the shift is past the middle, so once more is back.
fn unshift(k: u64) -> u64 {
    k ^ (k >> 33)
}

/// The inverse of an odd number modulo 2^64, by Newton's iteration.
fn inverse(odd: u64) -> u64 {
    (0..6).fold(odd, |it, _| it.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(it))))
}

fn unmix(k: u64) -> u64 {
    let k = unshift(k).wrapping_mul(inverse(0xc4ce_b9fe_1a85_ec53));
    unshift(unshift(k).wrapping_mul(inverse(0xff51_afd7_ed55_8ccd)))
}

/// The state of the `murmur3` crate after the whole blocks of `key`, by inverting its finalizer;
/// then the signed tail and the finalizer on top.
fn oracle(key: &[u8]) -> u64 {
    let whole = key.len() / 16 * 16;
    let hash = murmur3::murmur3_x64_128(&mut &key[..whole], 0).expect("a slice can be read");
    let (h1, h2) = (hash as u64, (hash >> 64) as u64);
    let h2 = h2.wrapping_sub(h1);
    let h1 = h1.wrapping_sub(h2);
    let (h1, h2) = (unmix(h1), unmix(h2));
    let h2 = h2.wrapping_sub(h1);
    let h1 = h1.wrapping_sub(h2);
    let (mut h1, mut h2) = (h1 ^ whole as u64, h2 ^ whole as u64);
    let half = |from: usize, to: usize| {
        let bytes = key.get(whole + from..(whole + to).min(key.len())).unwrap_or_default();
        bytes.iter().rev().fold(0_u64, |k, &byte| (k << 8) ^ (byte as i8 as u64))
    };
    h2 ^= half(8, 16).wrapping_mul(C2).rotate_left(33).wrapping_mul(C1);
    h1 ^= half(0, 8).wrapping_mul(C1).rotate_left(31).wrapping_mul(C2);
    finalize(h1, h2, key.len() as u64).0
}

#[test]
fn a_wrapping_range_is_two_that_do_not_wrap() {
    let range = |start, end| TokenRange { start: Token(start), end: Token(end) };
    let (min, max) = (i64::MIN, i64::MAX);
    assert_eq!(TokenRange::ALL.unwrap_ranges(), [range(min, max)]);
    assert_eq!(range(7, 7).unwrap_ranges(), [range(min, max)]);
    assert_eq!(range(max, max).unwrap_ranges(), [range(min, max)]);
    assert_eq!(range(1, 5).unwrap_ranges(), [range(1, 5)]);
    assert_eq!(range(5, 1).unwrap_ranges(), [range(min, 1), range(5, max)]);
    assert_eq!(range(5, min).unwrap_ranges(), [range(5, max)]);
    assert_eq!(range(max, 5).unwrap_ranges(), [range(min, 5)]);
    assert_eq!(range(max, min).unwrap_ranges(), []);
}

fn token() -> impl Strategy<Value = Token> {
    prop_oneof![
        Just(Token::MIN),
        Just(Token(i64::MIN + 1)),
        (-3_i64..3).prop_map(Token),
        Just(Token(i64::MAX - 1)),
        Just(Token::MAX),
    ]
}

proptest! {
    #[test]
    fn own_hash_is_the_crates_with_a_signed_tail(key in prop::collection::vec(any::<u8>(), 1..80)) {
        prop_assert_eq!(murmur3_h1(&key), oracle(&key));
    }

    #[test]
    fn unwrapped_ranges_hold_the_same_tokens(start in token(), end in token(), it in token()) {
        let range = TokenRange { start, end };
        let pieces = range.unwrap_ranges();
        prop_assert!(pieces.len() <= 2);
        prop_assert!(pieces.iter().all(|piece| piece.start < piece.end));
        prop_assert!(pieces.windows(2).all(|pair| pair[0].end <= pair[1].start));
        let inside = pieces.iter().filter(|piece| piece.contains(it)).count();
        prop_assert_eq!(inside == 1, it != Token::MIN && range.contains(it));
        prop_assert!(inside <= 1);
    }
}
