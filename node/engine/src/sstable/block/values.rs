//! A column of byte strings: numbers as integers, decimal fractions as integers with a power of ten, what repeats as
//! a dictionary, the rest as it is. The codec is chosen from the data: nothing is known of types.
//!
//! Decimal fractions after Afroozeh, Kuffó, Boncz, "ALP: Adaptive Lossless floating-Point Compression", 2023: a double
//! that came from few decimal digits is an integer over a power of ten. The bytes are in `docs/formats/sstable.md`.

use bytes::Bytes;
use model::codec::{Malformed, Reader, Writer};
use model::columns::{Ints, Values};
use model::key::bottom;
use sys::HashMap;

use super::ints;
use crate::sstable::symbols::{CODES_MAX, TextCoder};

/// Lengths, then bytes.
const PLAIN: u8 = 0;
/// One length, then bytes.
const FIXED: u8 = 1;
/// One length of 1, 2, 4 or 8; integers, big-endian.
const INTEGERS: u8 = 2;
/// Doubles: a power of ten, exceptions, integers.
const DECIMALS: u8 = 3;
/// Distinct values, then the number of each.
const DICTIONARY: u8 = 4;
/// Lengths of codes, then codes, for which the symbols lie behind all columns.
const CODED: u8 = 5;

/// Values from which on a dictionary may pay.
const DICTIONARY_MIN: usize = 8;

/// Powers of ten that are doubles exactly, and whose products with small integers are.
const EXPONENT_MAX: u8 = 15;

/// A column that was read.
pub(super) enum Column {
    Values(Values),
    /// The codes of texts.
    Codes(Values),
}

/// Values as signed big-endian integers, all of one length.
pub(super) struct Integers {
    /// 1, 2, 4 or 8 bytes.
    pub(super) len: usize,
    pub(super) each: Vec<i64>,
}

/// Appends `values`, the first ones of which may come with their codes. Of none, nothing. Tells them as integers if they may be
/// numbers.
pub(super) fn put(
    out: &mut Writer,
    values: &[&[u8]],
    codes: &[Option<&[u8]>],
    coder: &mut TextCoder,
) -> Option<Integers> {
    if values.is_empty() {
        return None;
    }
    match dictionary(values) {
        Some((distinct, numbers)) => {
            out.u8(DICTIONARY);
            out.uint(distinct.len() as u64);
            put_one_by_one(out, &distinct);
            ints::put(out, &numbers);
        }
        None if are_alike(values) => return put_one_by_one(out, values),
        None => match coder.code(values, codes) {
            Some(coded) => {
                out.u8(CODED);
                let ends = coded.ends.iter().map(|it| *it as i64);
                put_lengths(
                    out,
                    ends.scan(0, |begin, end| Some(end - std::mem::replace(begin, end))),
                );
                out.raw(coded.codes);
            }
            None => put_any(out, values),
        },
    }
    None
}

fn are_alike(values: &[&[u8]]) -> bool {
    values.iter().all(|it| it.len() == values[0].len())
}

fn put_lengths(out: &mut Writer, lengths: impl Iterator<Item = i64>) {
    ints::put(out, &lengths.collect::<Vec<_>>());
}

/// Reads `count` values that `put` wrote. The caller bounds `count`.
pub(super) fn read(reader: &mut Reader, count: usize) -> Result<Column, Malformed> {
    if count == 0 {
        return Ok(Column::Values(Values::Fixed { arena: bottom(), len: 0 }));
    }
    match reader.u8("value codec")? {
        CODED => {
            let codes = read_any(reader, count)?;
            if CODES_MAX < codes.all_bytes() {
                return Err(reader.malformed("length of codes"));
            }
            Ok(Column::Codes(codes))
        }
        DICTIONARY => read_dictionary(reader, count).map(Column::Values),
        codec => read_one_by_one(reader, codec, count).map(Column::Values),
    }
}

/// A value that was read.
pub(super) enum One {
    Value(Bytes),
    /// The codes of a text.
    Codes(Bytes),
}

/// Reads the one at `at` of `count` values that `put` wrote, and passes over the others, at least if it is not the last
/// thing to be read.
pub(super) fn read_one(
    reader: &mut Reader,
    count: usize,
    at: usize,
    is_last: bool,
) -> Result<One, Malformed> {
    match reader.u8("value codec")? {
        CODED => read_one_of_any(reader, count, at, is_last).map(One::Codes),
        PLAIN => read_one_of_any(reader, count, at, is_last).map(One::Value),
        FIXED => {
            let (len, bytes) = read_fixed(reader, count)?;
            Ok(One::Value(bytes.slice(at * len..(at + 1) * len)))
        }
        INTEGERS => {
            let (len, integers) = read_integers(reader, count)?;
            let bytes = integers.get(at).to_be_bytes();
            Ok(One::Value(Bytes::copy_from_slice(&bytes[8 - len..])))
        }
        DECIMALS => {
            let decimals = Decimals::read(reader, count)?;
            Ok(One::Value(Bytes::copy_from_slice(&decimals.get(at))))
        }
        DICTIONARY => Ok(One::Value(read_dictionary(reader, count)?.get(at))),
        _ => Err(reader.malformed("value codec")),
    }
}

fn read_dictionary(reader: &mut Reader, count: usize) -> Result<Values, Malformed> {
    let distinct_count = reader.uint("dictionary length")?;
    let distinct_count = usize::try_from(distinct_count).unwrap_or(usize::MAX);
    if !(1..=count).contains(&distinct_count) {
        return Err(reader.malformed("dictionary length"));
    }
    let codec = reader.u8("value codec")?;
    let distinct = Box::new(read_one_by_one(reader, codec, distinct_count)?);
    let numbers = ints::read(reader, count)?;
    let is_known = |it: i64| (0..distinct_count as i64).contains(&it);
    let are_known = match &numbers {
        Ints::Const(number) => is_known(*number),
        Ints::Each(numbers) => numbers.iter().all(|it| is_known(*it)),
    };
    if !are_known {
        return Err(reader.malformed("number in a dictionary"));
    }
    Ok(Values::Repeated { distinct, numbers })
}

fn put_one_by_one(out: &mut Writer, values: &[&[u8]]) -> Option<Integers> {
    let len = values[0].len();
    if !are_alike(values) {
        put_any(out, values);
        return None;
    }
    if matches!(len, 1 | 2 | 4 | 8) {
        let integers = Integers { len, each: values.iter().map(|it| integer(it)).collect() };
        put_numbers(out, &integers);
        return Some(integers);
    }
    out.u8(FIXED);
    out.uint(len as u64);
    values.iter().for_each(|it| out.raw(it));
    None
}

fn put_any(out: &mut Writer, values: &[&[u8]]) {
    out.u8(PLAIN);
    put_lengths(out, values.iter().map(|it| it.len() as i64));
    values.iter().for_each(|it| out.raw(it));
}

/// Appends numbers, of which there is one at least.
fn put_numbers(out: &mut Writer, Integers { len, each }: &Integers) {
    let (len, as_they_are) = (*len, len * each.len());
    let decimals = if len == 8 { put_decimals(each) } else { None };
    // What is as short as that are doubles: nobody needs to know how their bits would look as integers.
    let are_doubles = decimals.as_ref().is_some_and(|it| it.len() <= as_they_are / 2);
    let integers = (!are_doubles).then(|| put_integers(each, len));
    let best = decimals.into_iter().chain(integers).min_by_key(Writer::len);
    match best.filter(|it| it.len() < as_they_are) {
        Some(best) => out.raw(&best.finish()),
        None => {
            out.u8(FIXED);
            out.uint(len as u64);
            each.iter().for_each(|it| out.raw(&it.to_be_bytes()[8 - len..]));
        }
    }
}

fn put_integers(integers: &[i64], len: usize) -> Writer {
    let mut out = Writer::default();
    out.u8(INTEGERS);
    out.u8(len as u8);
    ints::put(&mut out, integers);
    out
}

/// Appends doubles. Of none, nothing.
pub(crate) fn put_doubles(out: &mut Writer, doubles: &[f64]) {
    if !doubles.is_empty() {
        let each = doubles.iter().map(|it| it.to_bits().cast_signed()).collect();
        put_numbers(out, &Integers { len: 8, each });
    }
}

/// Reads `count` doubles that `put_doubles` wrote. The caller bounds `count`.
pub(crate) fn read_doubles(reader: &mut Reader, count: usize) -> Result<Vec<f64>, Malformed> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let codec = reader.u8("value codec")?;
    let values = read_one_by_one(reader, codec, count)?;
    let double = |at| values.bytes(at).try_into().ok().map(f64::from_be_bytes);
    let doubles = (0..count).map(double).collect::<Option<Vec<f64>>>();
    doubles.ok_or_else(|| reader.malformed("length of doubles"))
}

fn read_one_by_one(reader: &mut Reader, codec: u8, count: usize) -> Result<Values, Malformed> {
    match codec {
        PLAIN => read_any(reader, count),
        FIXED => {
            let (len, arena) = read_fixed(reader, count)?;
            Ok(Values::Fixed { arena, len })
        }
        INTEGERS => {
            let (len, integers) = read_integers(reader, count)?;
            let arena = ints::big_endian(&integers.unpack(), len, count);
            Ok(Values::Fixed { arena: arena.into(), len })
        }
        DECIMALS => Decimals::read(reader, count).map(Decimals::unpack),
        _ => Err(reader.malformed("value codec")),
    }
}

/// One length, and byte strings that have it.
fn read_fixed(reader: &mut Reader, count: usize) -> Result<(usize, Bytes), Malformed> {
    let len = usize::try_from(reader.uint("value length")?).unwrap_or(usize::MAX);
    let bytes = len.checked_mul(count).ok_or_else(|| reader.malformed("value length"))?;
    Ok((len, reader.raw(bytes, "values")?))
}

/// One length, and integers of as many bytes.
fn read_integers(reader: &mut Reader, count: usize) -> Result<(usize, ints::Packed), Malformed> {
    let len = usize::from(reader.u8("value length")?);
    if !matches!(len, 1 | 2 | 4 | 8) {
        return Err(reader.malformed("value length"));
    }
    Ok((len, ints::Packed::read(reader, count)?))
}

/// As `read_any`, one of them.
fn read_one_of_any(
    reader: &mut Reader,
    count: usize,
    at: usize,
    is_last: bool,
) -> Result<Bytes, Malformed> {
    let lengths = ints::Packed::read(reader, count)?;
    let until = if is_last { at + 1 } else { count };
    let (mut begin, mut end, mut sum) = (0_u64, 0_u64, 0_u64);
    let mut next = 0;
    lengths.each_from(0, |len| {
        if next == at {
            begin = sum;
        }
        // Too much of it is more than there is, however it goes on.
        sum = sum.saturating_add(len.cast_unsigned());
        if next == at {
            end = sum;
        }
        next += 1;
        next < until
    });
    let all = usize::try_from(sum).map_err(|_| reader.malformed("value length"))?;
    Ok(reader.raw(all, "values")?.slice(begin as usize..end as usize))
}

/// Lengths, and byte strings that have them.
fn read_any(reader: &mut Reader, count: usize) -> Result<Values, Malformed> {
    let lengths = ints::read(reader, count)?;
    let mut ends = Vec::with_capacity(count);
    let mut end = 0_u32;
    for at in 0..count {
        let next = u32::try_from(lengths.get(at)).ok().and_then(|it| end.checked_add(it));
        end = next.ok_or_else(|| reader.malformed("value length"))?;
        ends.push(end);
    }
    Ok(Values::Any { arena: reader.raw(end as usize, "values")?, ends })
}

/// Big-endian, signed; of 8 bytes at most.
fn integer(bytes: &[u8]) -> i64 {
    let fill = if bytes[0] < 0x80 { 0 } else { 0xFF };
    let mut word = [fill; 8];
    word[8 - bytes.len()..].copy_from_slice(bytes);
    i64::from_be_bytes(word)
}

/// What differs in `values`, in order of appearance, and the number of each, if that is shorter for sure.
fn dictionary<'a>(values: &[&'a [u8]]) -> Option<(Vec<&'a [u8]>, Vec<i64>)> {
    if values.len() < DICTIONARY_MIN {
        return None;
    }
    // Numbers that repeat pack as well as their numbers would, and fixed bytes of one value cost nothing either way.
    if values.iter().all(|it| matches!(it.len(), 1 | 2 | 4 | 8)) {
        return None;
    }
    let distinct_max = values.len() / 4;
    let mut distinct = Vec::new();
    let mut known: HashMap<&[u8], i64> = HashMap::default();
    let mut numbers = Vec::with_capacity(values.len());
    for value in values {
        let next = distinct.len() as i64;
        let number = *known.entry(value).or_insert(next);
        if number == next {
            if distinct.len() == distinct_max {
                return None;
            }
            distinct.push(*value);
        }
        numbers.push(number);
    }
    Some((distinct, numbers))
}

/// From here on not all integers are doubles.
const INTEGER_MAX: f64 = 9.0e15;

/// From here on doubles are integers.
const WHOLE_MIN: f64 = (1_u64 << 52) as f64;

/// The integer that stands for this double over a `scale`, if one does exactly.
fn scaled(bits: u64, scale: f64) -> Option<i64> {
    let scaled = f64::from_bits(bits) * scale;
    if scaled.is_nan() || INTEGER_MAX <= scaled.abs() {
        return None;
    }
    let half = if scaled.abs() < WHOLE_MIN { 0.5_f64.copysign(scaled) } else { 0.0 };
    let integer = (scaled + half) as i64;
    ((integer as f64 / scale).to_bits() == bits).then_some(integer)
}

/// The double by which integers are divided.
fn scale_of(exponent: u8) -> f64 {
    10_f64.powi(i32::from(exponent))
}

/// The smallest power of ten at which most of a sample are integers.
fn exponent_of(bits: &[u64]) -> Option<u8> {
    let sample: Vec<u64> = bits.iter().step_by(bits.len().div_ceil(16)).copied().collect();
    // Of few, all but one.
    let misses_max = if sample.len() < 4 { 1 } else { (sample.len() - 1) / 4 };
    (0..=EXPONENT_MAX).find(|exponent| {
        let scale = scale_of(*exponent);
        sample.iter().filter(|it| scaled(**it, scale).is_none()).nth(misses_max).is_none()
    })
}

fn put_decimals(doubles: &[i64]) -> Option<Writer> {
    let bits: Vec<u64> = doubles.iter().map(|it| it.cast_unsigned()).collect();
    let exponent = exponent_of(&bits)?;
    let scale = scale_of(exponent);
    let mut exceptions = Vec::new();
    let mut integers = Vec::with_capacity(bits.len());
    let mut last = 0;
    for (at, bits) in bits.into_iter().enumerate() {
        match scaled(bits, scale) {
            Some(integer) => last = integer,
            None => exceptions.push((at, bits)),
        }
        // In the place of an exception, what costs nothing.
        integers.push(last);
    }
    let mut out = Writer::default();
    out.u8(DECIMALS);
    out.u8(exponent);
    out.uint(exceptions.len() as u64);
    let mut next = 0;
    for (at, bits) in exceptions {
        out.uint((at - next) as u64);
        out.raw(&bits.to_be_bytes());
        next = at + 1;
    }
    ints::put(&mut out, &integers);
    Some(out)
}

/// Doubles, each the one nearest to its integer over ten to some power.
struct Decimals {
    /// That.
    scale: f64,
    integers: ints::Packed,
    /// Which are others, and these.
    patches: Vec<(usize, [u8; 8])>,
    count: usize,
}

impl Decimals {
    fn read(reader: &mut Reader, count: usize) -> Result<Decimals, Malformed> {
        let exponent = reader.u8("power of ten")?;
        if EXPONENT_MAX < exponent {
            return Err(reader.malformed("power of ten"));
        }
        let exceptions = reader.count(9, "exception count")?;
        let mut patches = Vec::with_capacity(exceptions);
        let mut next = 0_usize;
        for _ in 0..exceptions {
            let gap = usize::try_from(reader.uint("exception")?).unwrap_or(usize::MAX);
            let at = next.saturating_add(gap);
            let mut bits = [0; 8];
            bits.copy_from_slice(&reader.raw(8, "exception")?);
            if count <= at {
                return Err(reader.malformed("exception"));
            }
            patches.push((at, bits));
            next = at + 1;
        }
        let integers = ints::Packed::read(reader, count)?;
        Ok(Decimals { scale: scale_of(exponent), integers, patches, count })
    }

    fn double(integer: i64, scale: f64) -> [u8; 8] {
        (integer as f64 / scale).to_bits().to_be_bytes()
    }

    fn get(&self, at: usize) -> [u8; 8] {
        match self.patches.binary_search_by_key(&at, |it| it.0) {
            Ok(patch) => self.patches[patch].1,
            Err(_) => Decimals::double(self.integers.get(at), self.scale),
        }
    }

    fn unpack(self) -> Values {
        let Decimals { scale, integers, patches, count } = self;
        let mut arena = vec![0; 8 * count];
        ints::each_at(&integers.unpack(), count, |at, integer| {
            arena[at * 8..][..8].copy_from_slice(&Decimals::double(integer, scale));
        });
        for (at, bits) in patches {
            arena[at * 8..][..8].copy_from_slice(&bits);
        }
        Values::Fixed { arena: arena.into(), len: 8 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(values: &[Vec<u8>]) -> Bytes {
        let mut out = Writer::default();
        let values: Vec<&[u8]> = values.iter().map(Vec::as_slice).collect();
        put(&mut out, &values, &[], &mut TextCoder::off());
        out.finish()
    }

    fn read_back(values: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let mut reader = Reader::new(written(values));
        let Ok(Column::Values(column)) = read(&mut reader, values.len()) else {
            panic!("values are not coded")
        };
        assert!(reader.is_done());
        (0..values.len()).map(|at| column.get(at).to_vec()).collect()
    }

    fn doubles(values: impl IntoIterator<Item = f64>) -> Vec<Vec<u8>> {
        values.into_iter().map(|it| it.to_be_bytes().to_vec()).collect()
    }

    fn any_column() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let any_bytes = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..100);
        let fixed = (1..20_usize).prop_flat_map(|len| {
            prop::collection::vec(prop::collection::vec(any::<u8>(), len), 0..100)
        });
        let few = prop::collection::vec("[ab]{0,2}".prop_map(String::into_bytes), 0..200);
        let cents = prop::collection::vec(-100_000..100_000_i32, 0..200)
            .prop_map(|it| doubles(it.into_iter().map(|it| f64::from(it) / 100.0)));
        let any_double = prop::collection::vec(any::<f64>(), 0..200).prop_map(doubles);
        let mixed = prop::collection::vec(
            prop_oneof![9 => (0..1000_i32).prop_map(f64::from), 1 => any::<f64>()],
            0..200,
        )
        .prop_map(doubles);
        prop_oneof![any_bytes, fixed, few, cents, any_double, mixed]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in any_column()) {
            prop_assert_eq!(read_back(&values), values);
        }

        #[test]
        fn one_is_read_as_all_are(values in any_column()) {
            for (at, value) in values.iter().enumerate() {
                let mut reader = Reader::new(written(&values));
                match read_one(&mut reader, values.len(), at, false).unwrap() {
                    One::Value(it) => prop_assert_eq!(&it[..], &value[..]),
                    One::Codes(_) => prop_assert!(false, "values are not coded"),
                }
                prop_assert!(reader.is_done());
                let mut reader = Reader::new(written(&values));
                match read_one(&mut reader, values.len(), at, true).unwrap() {
                    One::Value(it) => prop_assert_eq!(&it[..], &value[..]),
                    One::Codes(_) => prop_assert!(false, "values are not coded"),
                }
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            count in 0..500_usize,
        ) {
            let bytes = Bytes::from(bytes);
            if let Ok(Column::Values(column)) = read(&mut Reader::new(bytes.clone()), count) {
                (0..count).for_each(|at| drop(column.get(at)));
            }
            for at in 0..count {
                drop(read_one(&mut Reader::new(bytes.clone()), count, at, at % 2 == 0));
            }
        }
    }

    #[test]
    fn each_kind_of_column_takes_what_is_in_it() {
        let of = |values: &[Vec<u8>]| written(values).len();
        let cents = doubles((0..1000).map(|it| f64::from(it * 7919 % 256) / 100.0));
        assert!(of(&cents) < 1020, "a byte each: {}", of(&cents));
        let walk = doubles((0..1000).map(|it| 50.0 + f64::from(it * 7919 % 9 - 4) / 100.0));
        assert!(of(&walk) < 530, "{}", of(&walk));
        let whole: Vec<Vec<u8>> = (0..1000_i32).map(|it| it.to_be_bytes().to_vec()).collect();
        assert!(of(&whole) < 12, "{}", of(&whole));
        let words = ["alice", "bob", "carol"];
        let names: Vec<Vec<u8>> = (0..1000).map(|it| words[it * 7 % 3].into()).collect();
        assert!(of(&names) < 290, "two bits each: {}", of(&names));
        let noise = doubles((1..1000).map(|it| f64::from(it).sqrt()));
        assert!(of(&noise) < 8 * noise.len(), "{}", of(&noise));
    }

    #[test]
    fn every_bit_of_a_double_comes_back() {
        let odd = [
            0.0,
            -0.0,
            f64::NAN,
            -f64::NAN,
            f64::INFINITY,
            f64::MIN_POSITIVE,
            5e-324,
            1e300,
            0.1 + 0.2,
        ];
        let mut values: Vec<f64> = (0..100).map(|it| f64::from(it) / 10.0).collect();
        for (at, value) in odd.into_iter().enumerate() {
            values.insert(at * 9, value);
        }
        let values = doubles(values);
        assert_eq!(read_back(&values), values);
    }
}
