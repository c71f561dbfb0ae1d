//! The column of clustering keys: what all begin with once, then integers where they are of one length, and what
//! each shares with the one before where they are not.

use model::codec::{Malformed, Reader, Writer};
use model::columns::Values;

use super::ints;

/// One length; the common beginning; eight bytes or what is left of them as integers; the rest as it is.
const FIXED: u8 = 0;
/// How much of the key before each begins with, how much follows, and that.
const FRONT: u8 = 1;

/// Bytes of a key that is written at once.
const SHORT: usize = size_of::<u128>();

/// Appends `keys`, of which there is one at least.
pub(super) fn put(out: &mut Writer, keys: &[&[u8]]) {
    let len = keys[0].len();
    if keys.iter().any(|it| it.len() != len) {
        put_front(out, keys);
        return;
    }
    let common = keys.iter().map(|it| shared(keys[0], it)).min().unwrap_or(0);
    out.u8(FIXED);
    out.bytes(&keys[0][..common]);
    let (numbers, rest) = split(len - common);
    out.u8(numbers as u8);
    out.uint(rest as u64);
    let number = |key: &&[u8]| {
        let mut word = [0; 8];
        word[8 - numbers..].copy_from_slice(&key[common..common + numbers]);
        i64::from_be_bytes(word)
    };
    ints::put(out, &keys.iter().map(number).collect::<Vec<_>>());
    keys.iter().for_each(|it| out.raw(&it[common + numbers..]));
}

/// Reads `count` keys that `put` wrote. The caller bounds `count`, which is one at least.
pub(super) fn read(reader: &mut Reader, count: usize) -> Result<Values, Malformed> {
    match reader.u8("key codec")? {
        FIXED => {}
        FRONT => return read_front(reader, count),
        _ => return Err(reader.malformed("key codec")),
    }
    let common = reader.bytes("beginning of keys")?;
    let numbers = usize::from(reader.u8("key length")?);
    let rest = usize::try_from(reader.uint("key length")?).unwrap_or(usize::MAX);
    if 8 < numbers {
        return Err(reader.malformed("key length"));
    }
    let integers = ints::read(reader, count)?;
    let rests = rest.checked_mul(count).ok_or_else(|| reader.malformed("key length"))?;
    let rests = reader.raw(rests, "keys")?;
    let len = common.len() + numbers + rest;
    // Short ones are one store each: what a clustering of one time or two takes.
    if rest == 0 && (1..=SHORT).contains(&len) {
        let mut word = [0; SHORT];
        word[..common.len()].copy_from_slice(&common);
        let common = u128::from_be_bytes(word);
        let (own, behind) =
            (u64::MAX.checked_shr(64 - 8 * numbers as u32).unwrap_or(0), SHORT - len);
        let mut arena = vec![0; len * count];
        ints::each_at(&integers, count, |at, integer| {
            let key = common | u128::from(integer.cast_unsigned() & own) << (8 * behind);
            ints::put_short(&mut arena[at * len..], key.to_be_bytes(), len);
        });
        return Ok(Values::Fixed { arena: arena.into(), len });
    }
    let mut arena = Vec::with_capacity(len * count);
    for at in 0..count {
        arena.extend_from_slice(&common);
        arena.extend_from_slice(&integers.get(at).to_be_bytes()[8 - numbers..]);
        arena.extend_from_slice(&rests[at * rest..(at + 1) * rest]);
    }
    Ok(Values::Fixed { arena: arena.into(), len })
}

/// Of so many bytes, how many are an integer, and how many follow it.
fn split(len: usize) -> (usize, usize) {
    let numbers = len.min(8);
    (numbers, len - numbers)
}

/// How many bytes both begin with.
fn shared(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

fn put_front(out: &mut Writer, keys: &[&[u8]]) {
    let before = std::iter::once([].as_slice()).chain(keys.iter().copied());
    let shares: Vec<usize> =
        keys.iter().zip(before).map(|(key, before)| shared(before, key)).collect();
    let ints_of = |it: &mut dyn Iterator<Item = usize>| it.map(|it| it as i64).collect::<Vec<_>>();
    out.u8(FRONT);
    ints::put(out, &ints_of(&mut shares.iter().copied()));
    ints::put(out, &ints_of(&mut keys.iter().zip(&shares).map(|(key, shared)| key.len() - shared)));
    keys.iter().zip(shares).for_each(|(key, shared)| out.raw(&key[shared..]));
}

fn read_front(reader: &mut Reader, count: usize) -> Result<Values, Malformed> {
    let shares = ints::read(reader, count)?;
    let lens = ints::read(reader, count)?;
    let mut arena: Vec<u8> = Vec::new();
    let mut ends = Vec::with_capacity(count);
    let mut last = 0;
    for at in 0..count {
        let shared = usize::try_from(shares.get(at)).unwrap_or(usize::MAX);
        let len = usize::try_from(lens.get(at)).unwrap_or(usize::MAX);
        let begin = arena.len();
        if begin - last < shared {
            return Err(reader.malformed("beginning of a key"));
        }
        let own = reader.raw(len, "key")?;
        arena.extend_from_within(last..last + shared);
        arena.extend_from_slice(&own);
        last = begin;
        ends.push(u32::try_from(arena.len()).map_err(|_| reader.malformed("key"))?);
    }
    Ok(Values::Any { arena: arena.into(), ends })
}
