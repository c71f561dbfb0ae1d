//! Integers that take turns: every so manyth is a column of its own.

use std::ops::RangeInclusive;

use model::codec::{Malformed, Reader, Writer};
use model::columns::Ints;

use super::{Packed, put_strand, signed_width_of};

/// Strands at most.
const STRANDS_MAX: usize = 16;

/// Integers from which on strands may pay.
const VALUES_MIN: usize = 64;

/// Pairs of places that are looked at for each number of strands.
const SAMPLE: usize = 16;

/// How many strands there are, and each as a column, if that may take less than the `bits` that all take as one column.
pub(super) fn split(values: &[i64], bits: u64) -> Option<Writer> {
    let strands = likely(values, bits)?;
    let mut out = Writer::default();
    out.u8(strands as u8);
    let mut own = Vec::with_capacity(values.len().div_ceil(strands));
    for strand in 0..strands {
        own.clear();
        own.extend(values[strand..].iter().step_by(strands));
        put_strand(&mut out, &own);
    }
    Some(out)
}

/// Reads what `split` wrote, of `count` integers.
pub(super) fn read(reader: &mut Reader, count: usize) -> Result<Vec<i64>, Malformed> {
    let strands = usize::from(reader.u8("count of strands")?);
    if !(2..=STRANDS_MAX).contains(&strands) || count < strands {
        return Err(reader.malformed("count of strands"));
    }
    let mut values = vec![0; count];
    for strand in 0..strands {
        let own = Packed::read_strand(reader, (count - strand).div_ceil(strands))?;
        let places = values[strand..].iter_mut().step_by(strands);
        match own.unpack() {
            Ints::Const(value) => places.for_each(|it| *it = value),
            Ints::Each(own) => places.zip(own).for_each(|(it, value)| *it = value),
        }
    }
    Ok(values)
}

/// The number of strands in which neighbours are most alike, if they are a bit more so than all are, and than one of `bits` says.
/// Told from a few places: most columns have no strands, and are written as often.
fn likely(values: &[i64], bits: u64) -> Option<usize> {
    let len = values.len();
    if len < VALUES_MIN {
        return None;
    }
    let one = bits / len as u64;
    // One that lies far from all others says no more than that it does.
    let most = one as u32 + 2;
    let is_worth = |spread: u32| u64::from(spread) + (SAMPLE as u64) < one * SAMPLE as u64;
    let spreads = spreads(values, most, 0, 1..=STRANDS_MAX);
    let (spread, strands) = (2..=STRANDS_MAX).map(|it| (spreads[it], it)).min()?;
    if !is_worth(spread) || 7 * spreads[1] <= 8 * spread {
        return None;
    }
    // Of many numbers one looks well by chance: so it is looked at once more, elsewhere.
    let again = self::spreads(values, most, 1, strands..=strands);
    is_worth(again[strands]).then_some(strands)
}

/// For each of these numbers of strands, how many bits it takes to tell how far they go in a turn by how far they went at another
/// place, at most `most` for each of so many places. `round` tells which places.
fn spreads(
    values: &[i64],
    most: u32,
    round: u64,
    numbers: RangeInclusive<usize>,
) -> [u32; STRANDS_MAX + 1] {
    let mut spreads = [0; STRANDS_MAX + 1];
    let mut last = [0; STRANDS_MAX + 1];
    for number in 0..=SAMPLE as u64 {
        let at = anywhere(round * (SAMPLE as u64 + 1) + number, values.len() - STRANDS_MAX);
        let near = &values[at..=at + STRANDS_MAX];
        for strands in numbers.clone() {
            let step = near[strands].wrapping_sub(near[0]);
            let more = step.wrapping_sub(std::mem::replace(&mut last[strands], step));
            spreads[strands] += if number == 0 { 0 } else { signed_width_of(more).min(most) };
        }
    }
    spreads
}

/// A place below `len` that has no pattern: all strands are met. The golden ratio's fraction as a multiplier (Knuth, "The Art of
/// Computer Programming", 6.4).
fn anywhere(number: u64, len: usize) -> usize {
    let hash = (number + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((u128::from(hash) * len as u128) >> 64) as usize
}
