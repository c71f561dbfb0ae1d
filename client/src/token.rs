//! Where on the ring a partition key lies: Cassandra's variant of murmur3.
//!
//! It differs from the published function in the last, incomplete block, whose bytes Cassandra
//! sign-extends. The same vectors test the nodes, which have a copy of their own: a client
//! links no node.

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;
const BLOCK: usize = 16;

/// The token of a serialized partition key. `i64::MIN` is before everything and no key's token.
pub(crate) fn token(key: &[u8]) -> i64 {
    match hash(key) as i64 {
        i64::MIN => i64::MAX,
        other => other,
    }
}

/// The serialized partition key of several columns, or of one; none where one is too long.
pub(crate) fn partition_key<'v>(
    columns: impl ExactSizeIterator<Item = &'v [u8]>,
) -> Option<Vec<u8>> {
    let bare = columns.len() == 1;
    let mut key = Vec::new();
    for column in columns {
        if bare {
            key.extend_from_slice(column);
        } else {
            key.extend_from_slice(&u16::try_from(column.len()).ok()?.to_be_bytes());
            key.extend_from_slice(column);
            key.push(0);
        }
    }
    Some(key)
}

/// The first half of the 128 bits.
fn hash(key: &[u8]) -> u64 {
    let (mut h1, mut h2) = (0_u64, 0_u64);
    let mut blocks = key.chunks_exact(BLOCK);
    for block in &mut blocks {
        h1 ^= scramble1(half(&block[..8]));
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= scramble2(half(&block[8..]));
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let tail = blocks.remainder();
    h2 ^= scramble2(signed(tail.get(8..).unwrap_or_default()));
    h1 ^= scramble1(signed(&tail[..tail.len().min(8)]));
    h1 ^= key.len() as u64;
    h2 ^= key.len() as u64;
    h1 = h1.wrapping_add(h2);
    h2 = h2.wrapping_add(h1);
    finish(h1).wrapping_add(finish(h2))
}

fn half(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// At most eight bytes, little-endian, each sign-extended.
fn signed(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .enumerate()
        .fold(0, |word, (at, byte)| word ^ ((*byte as i8 as i64 as u64) << (8 * at)))
}

fn scramble1(word: u64) -> u64 {
    word.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn scramble2(word: u64) -> u64 {
    word.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn finish(mut word: u64) -> u64 {
    word ^= word >> 33;
    word = word.wrapping_mul(0xff51_afd7_ed55_8ccd);
    word ^= word >> 33;
    word = word.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ word >> 33
}
