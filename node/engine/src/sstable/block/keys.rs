//! The column of clustering keys: what all begin with once, then integers, then one of few endings; where their endings are many
//! and of any length, what each shares with the one before.

use std::ops::Range;

use bytes::Bytes;
use model::codec::{Malformed, Reader, Writer};
use model::columns::Values;

use super::ints;

/// One length; the common beginning; eight bytes or what is left of them as integers; the rest as it is.
const FIXED: u8 = 0;
/// How much of the key before each begins with, how much follows, and that.
const FRONT: u8 = 1;

/// The common beginning; bytes as integers; one of few endings.
const ENDED: u8 = 2;

/// Different endings at most.
const ENDINGS_MAX: usize = 32;

/// Bytes of all keys of a block at most: a writer ends it long before.
const KEYS_MAX: usize = 512 << 20;

/// Bytes of a key that is written at once.
const SHORT: usize = size_of::<u128>();

/// Appends `keys`, of which there is one at least.
pub(super) fn put(out: &mut Writer, keys: &[&[u8]]) {
    let len = keys[0].len();
    let are_alike = keys.iter().all(|it| it.len() == len);
    let common = keys.iter().map(|it| shared(keys[0], it)).min().unwrap_or(0);
    let (numbers, rest) = split(len - common);
    if are_alike && rest == 0 {
        put_fixed(out, keys, common, numbers, rest);
    } else if let Some(endings) = few_endings(keys, common) {
        put_ended(out, keys, common, &endings);
    } else if are_alike {
        put_fixed(out, keys, common, numbers, rest);
    } else {
        put_front(out, keys);
    }
}

fn put_fixed(out: &mut Writer, keys: &[&[u8]], common: usize, numbers: usize, rest: usize) {
    out.u8(FIXED);
    out.bytes(&keys[0][..common]);
    out.u8(numbers as u8);
    out.uint(rest as u64);
    put_numbers(out, keys, common, numbers);
    keys.iter().for_each(|it| out.raw(&it[common + numbers..]));
}

/// So many bytes behind the common beginning, as integers.
fn put_numbers(out: &mut Writer, keys: &[&[u8]], common: usize, numbers: usize) {
    let number = |key: &&[u8]| {
        let mut word = [0; 8];
        word[8 - numbers..].copy_from_slice(&key[common..common + numbers]);
        i64::from_be_bytes(word)
    };
    ints::put(out, &keys.iter().map(number).collect::<Vec<_>>());
}

/// With what keys end.
struct Endings<'a> {
    /// Bytes before them that are integers.
    numbers: usize,
    /// In order of appearance.
    distinct: Vec<&'a [u8]>,
    /// Which of them each key has.
    which: Vec<i64>,
}

/// The endings of `keys` behind the common beginning and as few bytes as leave few of them.
fn few_endings<'a>(keys: &[&'a [u8]], common: usize) -> Option<Endings<'a>> {
    let shortest = keys.iter().map(|it| it.len()).min()?;
    // Behind less, there are not fewer.
    let most = endings(keys, common, (shortest - common).min(8))?;
    let fewer = (0..most.numbers).find_map(|numbers| endings(keys, common, numbers));
    Some(fewer.unwrap_or(most))
}

fn endings<'a>(keys: &[&'a [u8]], common: usize, numbers: usize) -> Option<Endings<'a>> {
    let distinct_max = ENDINGS_MAX.min(keys.len() / 4);
    let mut distinct: Vec<&[u8]> = Vec::new();
    let mut which = Vec::with_capacity(keys.len());
    let mut next = 0;
    for key in keys {
        let ending = &key[common + numbers..];
        // Mostly they take turns.
        let is_next = distinct.get(next).is_some_and(|it| *it == ending);
        let known = if is_next { Some(next) } else { distinct.iter().position(|it| *it == ending) };
        let number = known.unwrap_or(distinct.len());
        if number == distinct.len() {
            if number == distinct_max {
                return None;
            }
            distinct.push(ending);
        }
        which.push(number as i64);
        next = if number + 1 < distinct.len() { number + 1 } else { 0 };
    }
    Some(Endings { numbers, distinct, which })
}

fn put_ended(out: &mut Writer, keys: &[&[u8]], common: usize, endings: &Endings) {
    out.u8(ENDED);
    out.bytes(&keys[0][..common]);
    out.u8(endings.numbers as u8);
    put_numbers(out, keys, common, endings.numbers);
    out.uint(endings.distinct.len() as u64);
    endings.distinct.iter().for_each(|it| out.bytes(it));
    ints::put(out, &endings.which);
}

/// Reads `count` keys that `put` wrote. The caller bounds `count`, which is one at least.
pub(super) fn read(reader: &mut Reader, count: usize) -> Result<Values, Malformed> {
    match Packed::read(reader, count)? {
        Packed::Fixed(fixed) => Ok(fixed.unpack()),
        Packed::Each(keys) => Ok(keys),
    }
}

/// Keys as they were written.
pub(super) enum Packed {
    /// All of one length.
    Fixed(Fixed),
    /// Others are made at once.
    Each(Values),
}

/// Keys of one length.
pub(super) struct Fixed {
    /// What all begin with.
    common: Bytes,
    /// Bytes behind it that are integers, 8 at most.
    numbers: usize,
    integers: ints::Packed,
    /// Bytes behind these, and those of all keys.
    rest: usize,
    rests: Bytes,
    count: usize,
}

impl Packed {
    /// Reads `count` keys. The caller bounds `count`, which is one at least.
    pub(super) fn read(reader: &mut Reader, count: usize) -> Result<Packed, Malformed> {
        match reader.u8("key codec")? {
            FIXED => Fixed::read(reader, count).map(Packed::Fixed),
            FRONT => read_front(reader, count).map(Packed::Each),
            ENDED => read_ended(reader, count).map(Packed::Each),
            _ => Err(reader.malformed("key codec")),
        }
    }
}

impl Fixed {
    fn read(reader: &mut Reader, count: usize) -> Result<Fixed, Malformed> {
        let common = reader.bytes("beginning of keys")?;
        let numbers = usize::from(reader.u8("key length")?);
        let rest = usize::try_from(reader.uint("key length")?).unwrap_or(usize::MAX);
        if 8 < numbers {
            return Err(reader.malformed("key length"));
        }
        let integers = ints::Packed::read(reader, count)?;
        let rests = rest.checked_mul(count).ok_or_else(|| reader.malformed("key length"))?;
        let rests = reader.raw(rests, "keys")?;
        if KEYS_MAX / count < common.len() + numbers + rest {
            return Err(reader.malformed("key length"));
        }
        Ok(Fixed { common, numbers, integers, rest, rests, count })
    }

    fn len(&self) -> usize {
        self.common.len() + self.numbers + self.rest
    }

    /// Which of these rows has the key, where no two have the same.
    pub(super) fn find(&self, rows: Range<usize>, key: &[u8]) -> Option<usize> {
        let behind = key.strip_prefix(&self.common[..])?;
        if key.len() != self.len() || rows.is_empty() {
            return None;
        }
        let (number, rest) = behind.split_at(self.numbers);
        let mut word = [0; 8];
        word[8 - self.numbers..].copy_from_slice(number);
        let number = u64::from_be_bytes(word);
        let own = own_bits(self.numbers);
        let mut found = None;
        let mut at = rows.start;
        self.integers.each_from(rows.start, |integer| {
            let integer = integer.cast_unsigned() & own;
            if integer == number && self.rest_of(at) == rest {
                found = Some(at);
            }
            at += 1;
            // They ascend.
            found.is_none() && integer <= number && at < rows.end
        });
        found
    }

    fn rest_of(&self, at: usize) -> &[u8] {
        &self.rests[at * self.rest..(at + 1) * self.rest]
    }

    fn unpack(self) -> Values {
        let len = self.len();
        let Fixed { common, numbers, integers, rest, rests, count } = self;
        let integers = integers.unpack();
        // Short ones are one store each: what a clustering of one time or two takes.
        if rest == 0 && (1..=SHORT).contains(&len) {
            let mut word = [0; SHORT];
            word[..common.len()].copy_from_slice(&common);
            let common = u128::from_be_bytes(word);
            let (own, behind) = (own_bits(numbers), SHORT - len);
            let mut arena = vec![0; len * count];
            ints::each_at(&integers, count, |at, integer| {
                let key = common | u128::from(integer.cast_unsigned() & own) << (8 * behind);
                ints::put_short(&mut arena[at * len..], key.to_be_bytes(), len);
            });
            return Values::Fixed { arena: arena.into(), len };
        }
        let mut arena = Vec::with_capacity(len * count);
        for at in 0..count {
            arena.extend_from_slice(&common);
            arena.extend_from_slice(&integers.get(at).to_be_bytes()[8 - numbers..]);
            arena.extend_from_slice(&rests[at * rest..(at + 1) * rest]);
        }
        Values::Fixed { arena: arena.into(), len }
    }
}

/// Those of an integer that are bytes of a key.
fn own_bits(numbers: usize) -> u64 {
    u64::MAX.checked_shr(64 - 8 * numbers as u32).unwrap_or(0)
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
        if KEYS_MAX - begin < shared + len {
            return Err(reader.malformed("key length"));
        }
        arena.extend_from_within(last..last + shared);
        arena.extend_from_slice(&own);
        last = begin;
        ends.push(arena.len() as u32);
    }
    Ok(Values::Any { arena: arena.into(), ends })
}

fn read_ended(reader: &mut Reader, count: usize) -> Result<Values, Malformed> {
    let common = reader.bytes("beginning of keys")?;
    let numbers = usize::from(reader.u8("key length")?);
    if 8 < numbers {
        return Err(reader.malformed("key length"));
    }
    let integers = ints::read(reader, count)?;
    let distinct = reader.count(1, "count of endings")?;
    if ENDINGS_MAX < distinct {
        return Err(reader.malformed("count of endings"));
    }
    let endings = (0..distinct).map(|_| reader.bytes("ending of keys"));
    let endings = endings.collect::<Result<Vec<_>, Malformed>>()?;
    let which = ints::read(reader, count)?;
    let mut arena = Vec::new();
    let mut ends = Vec::with_capacity(count);
    for at in 0..count {
        let ending = usize::try_from(which.get(at)).ok().and_then(|it| endings.get(it));
        let ending = ending.ok_or_else(|| reader.malformed("ending of a key"))?;
        if KEYS_MAX - arena.len() < common.len() + numbers + ending.len() {
            return Err(reader.malformed("key length"));
        }
        arena.extend_from_slice(&common);
        arena.extend_from_slice(&integers.get(at).to_be_bytes()[8 - numbers..]);
        arena.extend_from_slice(ending);
        ends.push(arena.len() as u32);
    }
    Ok(Values::Any { arena: arena.into(), ends })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(keys: &[Vec<u8>]) -> Bytes {
        let mut out = Writer::default();
        put(&mut out, &keys.iter().map(Vec::as_slice).collect::<Vec<_>>());
        out.finish()
    }

    /// Where keys of one length are found before they are made.
    fn found(keys: &[Vec<u8>], rows: Range<usize>, key: &[u8]) -> Option<Option<usize>> {
        match Packed::read(&mut Reader::new(written(keys)), keys.len()).unwrap() {
            Packed::Fixed(it) => Some(it.find(rows, key)),
            Packed::Each(_) => None,
        }
    }

    fn read_back(keys: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut reader = Reader::new(written(keys));
        let column = read(&mut reader, keys.len()).unwrap();
        assert!(reader.is_done());
        (0..keys.len()).map(|at| column.get(at).to_vec()).collect()
    }

    /// Several series at each time.
    fn turns(names: &[&str], times: u64) -> Vec<Vec<u8>> {
        let key = |time: u64, name: &str| {
            let begin = ((1_u64 << 63) | (1_705_276_800_000 + time * 1_000)).to_be_bytes();
            [&begin, name.as_bytes()].concat()
        };
        (0..times).flat_map(|time| names.iter().map(move |it| key(time, it))).collect()
    }

    fn any_keys() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let any_key = prop::collection::vec(any::<u8>(), 0..20);
        let alike = (0..20_usize).prop_flat_map(|len| {
            prop::collection::vec(prop::collection::vec(any::<u8>(), len), 1..100)
        });
        let endings = prop::collection::vec("[ab]{0,3}", 1..6);
        let ended = (endings, prop::collection::vec((any::<u16>(), 0..6_usize), 1..200)).prop_map(
            |(endings, keys)| {
                let key = |(number, ending): (u16, usize)| {
                    let ending = endings[ending % endings.len()].as_bytes();
                    [b"the same", &number.to_be_bytes()[..], ending].concat()
                };
                keys.into_iter().map(key).collect()
            },
        );
        prop_oneof![prop::collection::vec(any_key, 1..100), alike, ended]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(keys in any_keys()) {
            prop_assert_eq!(read_back(&keys), keys);
        }

        #[test]
        fn keys_are_found_where_they_lie(
            mut keys in any_keys(),
            missing in prop::collection::vec(any::<u8>(), 0..20),
            from in any::<prop::sample::Index>(),
        ) {
            keys.sort();
            keys.dedup();
            let from = from.index(keys.len());
            for (at, key) in keys.iter().enumerate() {
                let place = (from <= at).then_some(at);
                prop_assert_eq!(found(&keys, from..keys.len(), key).unwrap_or(place), place);
            }
            let place = keys.iter().position(|it| *it == missing);
            let answer = found(&keys, 0..keys.len(), &missing);
            prop_assert_eq!(answer.unwrap_or(place), place);
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            codec in 0..4_u8,
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            count in 1..500_usize,
        ) {
            let bytes = [vec![codec], bytes].concat();
            if let Ok(column) = read(&mut Reader::new(bytes.into()), count) {
                (0..count).for_each(|at| drop(column.get(at)));
            }
        }
    }

    #[test]
    fn series_that_take_turns_cost_next_to_nothing() {
        let metrics = turns(&["cpu.usage", "disk.used", "memory.used"], 500);
        assert!(written(&metrics).len() < 120, "{}", written(&metrics).len());
        let mut with_gaps = metrics;
        (0..1_400).step_by(300).rev().for_each(|at| drop(with_gaps.remove(at)));
        let each = written(&with_gaps).len() as f64 / with_gaps.len() as f64;
        assert!(each < 2.0, "{each} bytes each where some are missing");
    }

    /// A few bytes must not become gigabytes.
    #[test]
    fn keys_that_no_writer_wrote_are_refused_before_they_are_made() {
        let long = vec![7; 1 << 16];
        let count = 1 << 16;
        let forms: [&dyn Fn(&mut Writer); 3] = [
            &|out| {
                out.u8(FIXED);
                out.bytes(&long);
                out.u8(0);
                out.uint(0);
                ints::put(out, &vec![0; count]);
            },
            &|out| {
                out.u8(FRONT);
                ints::put(out, &[vec![0], vec![long.len() as i64; count - 1]].concat());
                ints::put(out, &[vec![long.len() as i64], vec![0; count - 1]].concat());
                out.raw(&long);
            },
            &|out| {
                out.u8(ENDED);
                out.bytes(&[]);
                out.u8(0);
                ints::put(out, &vec![0; count]);
                out.uint(1);
                out.bytes(&long);
                ints::put(out, &vec![0; count]);
            },
        ];
        for form in forms {
            let mut out = Writer::default();
            form(&mut out);
            let refused = read(&mut Reader::new(out.finish()), count).unwrap_err();
            assert_eq!(refused.what, "key length");
        }
    }
}
