//! A column of integers: as values, as differences, or as differences of differences, packed into as
//! few bits as most of them need, with the others told apart.
//!
//! ```text
//!   order 0   7 7 7 9 7           frame 7, width 2: 0 0 0 2 0
//!   order 1   100 110 120 130     first 100; frame 10, width 0
//!   order 2   0 10 20 31 41 51    first 0, difference 10; frame 0, width 0, but for the second: 1, the third: -1
//!   strands     7 90 3 7 91 3       three columns: 7 7, 90 91, 3 3
//! ```
//!
//! Strands are for what takes turns: several series in one partition, each with a point at every time.
//!
//! Patched frame of reference (Zukowski et al., "Super-Scalar RAM-CPU Cache Compression", 2006) over deltas and
//! deltas of deltas (Pelkonen et al., "Gorilla", 2015). All arithmetic wraps. The bytes are in
//! `docs/formats/sstable.md`.

mod packed;
mod strands;

use std::borrow::Cow;

use model::codec::{Malformed, Reader, Writer};
use model::columns::Ints;
pub(super) use packed::Packed;

/// The low bits of the first byte: how often differences were taken.
const ORDER: u8 = 0x03;
/// A width follows, and bits at the end.
const WIDTH: u8 = 0x04;
/// Exceptions follow.
const PATCHED: u8 = 0x08;

/// In the place of an order: every so manyth integer is a column of its own.
const STRANDS: u8 = 0x03;

/// Values by which it is chosen how to write many.
const SAMPLE: usize = 64;

/// A sixteenth of a sample, and one more.
const FEW_MAX: usize = SAMPLE / 16 + 1;

/// Values of which all orders are tried.
const TRIED_MAX: usize = 32;

/// Differences of differences at most.
const ORDER_MAX: u8 = 2;

/// How a column is written.
#[derive(Clone, Copy)]
struct Plan {
    order: u8,
    /// What is taken from each residual.
    frame: i64,
    /// Bits of each residual, 0 to 64. What needs more is an exception.
    width: u32,
    /// About what all of it takes.
    bits: u64,
}

/// Appends `values`. Of none, nothing.
pub(crate) fn put(out: &mut Writer, values: &[i64]) {
    if values.is_empty() {
        return;
    }
    if are_alike(values) {
        put_alike(out, values[0]);
        return;
    }
    let (plan, residuals) = choose(values);
    // They take longer to read: so they have to be worth it.
    let strands = strands::split(values, plan.bits).filter(|it| 9 * it.len() as u64 <= plan.bits);
    match strands {
        Some(strands) => {
            out.u8(STRANDS);
            out.raw(&strands.finish());
        }
        None => put_planned(out, plan, values, &residuals),
    }
}

/// Appends those of a strand, of which there is one at least.
fn put_strand(out: &mut Writer, values: &[i64]) {
    if are_alike(values) {
        put_alike(out, values[0]);
    } else {
        let (plan, residuals) = choose(values);
        put_planned(out, plan, values, &residuals);
    }
}

fn are_alike(values: &[i64]) -> bool {
    values.iter().all(|it| *it == values[0])
}

/// As the plan would have it, for less.
fn put_alike(out: &mut Writer, value: i64) {
    out.u8(0);
    out.int(value);
}

fn put_planned(out: &mut Writer, plan: Plan, values: &[i64], residuals: &[i64]) {
    let offsets = residuals.iter().map(|it| it.wrapping_sub(plan.frame).cast_unsigned());
    let exceptions: Vec<(usize, u64)> =
        offsets.clone().enumerate().filter(|(_, it)| plan.width < width_of(*it)).collect();
    let packed = if plan.width == 0 { 0 } else { WIDTH };
    let patched = if exceptions.is_empty() { 0 } else { PATCHED };
    out.u8(plan.order | packed | patched);
    if 1 <= plan.order {
        out.int(values[0]);
    }
    if 2 <= plan.order {
        out.int(values[1].wrapping_sub(values[0]));
    }
    out.int(plan.frame);
    if plan.width > 0 {
        out.u8(plan.width as u8);
    }
    if !exceptions.is_empty() {
        out.uint(exceptions.len() as u64);
        let mut next = 0;
        for (at, offset) in exceptions {
            out.uint((at - next) as u64);
            // Signed: what lies below the frame is as near to it as what lies above.
            out.int(offset.cast_signed() >> plan.width);
            next = at + 1;
        }
    }
    pack(out, offsets, plan.width);
}

/// Reads `count` integers that `put` wrote. The caller bounds `count`.
pub(crate) fn read(reader: &mut Reader, count: usize) -> Result<Ints, Malformed> {
    Ok(Packed::read(reader, count)?.unpack())
}

/// The last `len` bytes of each integer, big-endian: of one byte to eight.
pub(super) fn big_endian(integers: &Ints, len: usize, count: usize) -> Vec<u8> {
    let mut arena = vec![0; len * count];
    each_at(integers, count, |at, integer| {
        let own = integer.cast_unsigned() << (64 - 8 * len);
        put_short(&mut arena[at * len..], own.to_be_bytes(), len);
    });
    arena
}

/// Puts the first `len` bytes of a word in front, and what is behind these where that will be overwritten: a whole word is one store.
#[inline]
pub(super) fn put_short<const N: usize>(out: &mut [u8], word: [u8; N], len: usize) {
    match out.first_chunk_mut() {
        Some(all) => *all = word,
        None => out[..len].copy_from_slice(&word[..len]),
    }
}

/// Shows `count` integers, with their numbers.
#[inline]
pub(super) fn each_at(integers: &Ints, count: usize, mut show: impl FnMut(usize, i64)) {
    match integers {
        Ints::Const(value) => (0..count).for_each(|at| show(at, *value)),
        Ints::Each(values) => values.iter().enumerate().for_each(|(at, it)| show(at, *it)),
    }
}

fn differences(values: &[i64]) -> Vec<i64> {
    values.windows(2).map(|it| it[1].wrapping_sub(it[0])).collect()
}

/// How to write `values`, of which there are two at least, and what is left of them by that order.
fn choose(values: &[i64]) -> (Plan, Cow<'_, [i64]>) {
    if values.len() <= TRIED_MAX {
        return try_all(values);
    }
    let order = likely_order(values);
    let mut residuals = Cow::Borrowed(values);
    for _ in 0..order {
        residuals = Cow::Owned(differences(&residuals));
    }
    (plan(order, &residuals), residuals)
}

/// By every order, and the shortest of these.
fn try_all(values: &[i64]) -> (Plan, Cow<'_, [i64]>) {
    let mut residuals = Cow::Borrowed(values);
    let mut best = (plan(0, values), Cow::Borrowed(values));
    let mut firsts = 0;
    for order in orders(values).skip(1) {
        if best.0.width == 0 {
            break;
        }
        firsts += bits_of_int(residuals[0]);
        residuals = Cow::Owned(differences(&residuals));
        let mut plan = plan(order, &residuals);
        plan.bits += firsts;
        if plan.bits < best.0.bits {
            best = (plan, residuals.clone());
        }
    }
    best
}

/// By how far some of the residuals are from one about in their middle.
fn likely_order(values: &[i64]) -> u8 {
    let step = values.len().div_ceil(SAMPLE);
    let mut sample = Vec::with_capacity(SAMPLE);
    let mut spread = |order: &u8| -> u32 {
        sample.clear();
        sample.extend(residuals(values, *order, step));
        let mut five: [i64; 5] = std::array::from_fn(|at| sample[(2 * at + 1) * sample.len() / 10]);
        five.sort_unstable();
        sample.iter().map(|it| signed_width_of(it.wrapping_sub(five[2]))).sum()
    };
    orders(values).min_by_key(&mut spread).unwrap_or(0)
}

/// How often differences can be taken.
fn orders(values: &[i64]) -> impl Iterator<Item = u8> {
    let len = values.len();
    (0..=ORDER_MAX).take_while(move |it| usize::from(*it) < len)
}

/// Every `step`th of the differences of this order.
fn residuals(values: &[i64], order: u8, step: usize) -> impl Iterator<Item = i64> {
    let count = values.len() - usize::from(order);
    (0..count).step_by(step).map(move |at| residual(&values[at..], order))
}

/// The first of the differences of this order.
fn residual(values: &[i64], order: u8) -> i64 {
    let difference = |at: usize| values[at + 1].wrapping_sub(values[at]);
    match order {
        0 => values[0],
        1 => difference(0),
        _ => difference(1).wrapping_sub(difference(0)),
    }
}

/// What may be taken from each residual.
struct Frames {
    least: i64,
    /// Where a few lie far below all others, they are the exceptions.
    others: [i64; 2],
    /// No more than a few are greater.
    greatest: i64,
}

impl Frames {
    /// Of these, of which there is one at least, by a sample.
    fn of(residuals: &[i64]) -> Frames {
        let least = residuals.iter().copied().min().unwrap_or(0);
        let step = residuals.len().div_ceil(SAMPLE);
        let count = residuals.len().div_ceil(step);
        if count < 32 {
            // Of so few no exceptions pay: no other frame is tried.
            return Frames { least, others: [least; 2], greatest: least };
        }
        let few = count / 16 + 1;
        let (mut lower, mut upper) = ([i64::MAX; FEW_MAX + 1], [i64::MAX; FEW_MAX]);
        for it in residuals.iter().step_by(step) {
            keep(&mut lower[..=few], *it);
            // Turned around: the greatest come first.
            keep(&mut upper[..few], !*it);
        }
        Frames { least, others: [lower[1], lower[few]], greatest: !upper[few - 1] }
    }
}

/// Puts `it` in its place among the least there were, which ascend.
fn keep(least: &mut [i64], it: i64) {
    let Some(mut at) = least.len().checked_sub(1).filter(|last| it < least[*last]) else { return };
    while 0 < at && it < least[at - 1] {
        least[at] = least[at - 1];
        at -= 1;
    }
    least[at] = it;
}

/// Bits of an integer written by itself.
fn bits_of_int(value: i64) -> u64 {
    8 * u64::from(signed_width_of(value).div_ceil(7).max(1))
}

/// Bits that `offset` needs.
fn width_of(offset: u64) -> u32 {
    u64::BITS - offset.leading_zeros()
}

/// Bits that `offset` and its sign need.
fn signed_width_of(offset: i64) -> u32 {
    width_of((offset << 1 ^ offset >> 63).cast_unsigned())
}

/// The cheapest way to write `residuals` of this order, of which there is one at least.
fn plan(order: u8, residuals: &[i64]) -> Plan {
    let frames = Frames::of(residuals);
    let with = |frame: i64| {
        let (width, bits) = width_for(frame, residuals);
        Plan { order, frame, width, bits }
    };
    let reach = |frame: i64| width_of(frames.greatest.wrapping_sub(frame).cast_unsigned());
    let mut best = with(frames.least);
    let mut least = reach(frames.least);
    for frame in frames.others {
        // Nothing is saved by exceptions beneath it where those above it need as many bits.
        let own = reach(frame);
        if least <= own {
            continue;
        }
        least = own;
        let plan = with(frame);
        if plan.bits < best.bits {
            best = plan;
        }
    }
    best
}

/// How many offsets need so many bits, by that.
#[derive(Clone, Copy)]
struct Widths {
    counts: [u32; 65],
    /// A bit for each that some need.
    used: u128,
}

impl Widths {
    const NONE: Widths = Widths { counts: [0; 65], used: 0 };

    fn add(&mut self, offset: u64) {
        let width = width_of(offset);
        self.counts[width as usize] += 1;
        self.used |= 1 << width;
    }

    /// What some need that is `least` bits or more, and how many do.
    fn from(&self, least: u32) -> impl Iterator<Item = (u32, u64)> + '_ {
        let mut left = self.used & (u128::MAX << least);
        std::iter::from_fn(move || {
            let width = (left != 0).then(|| left.trailing_zeros())?;
            left &= left - 1;
            Some((width, u64::from(self.counts[width as usize])))
        })
    }
}

/// Of an exception at least: a byte for its place, and one for the rest of it.
const EXCEPTION_BITS: u64 = 16;

/// The best width for this frame, and about how many bits it takes.
fn width_for(frame: i64, residuals: &[i64]) -> (u32, u64) {
    let (mut above, mut below) = (Widths::NONE, Widths::NONE);
    let mut under = 0;
    for it in residuals {
        let offset = it.wrapping_sub(frame);
        if offset < 0 {
            below.add(!offset.cast_unsigned());
            under += 1;
        } else {
            above.add(offset.cast_unsigned());
        }
    }
    let packed = |width: u32| {
        let head = bits_of_int(frame) + if width > 0 { 8 } else { 0 };
        head + residuals.len() as u64 * u64::from(width)
    };
    // What is left of an exception, and its sign, has seven bits in a byte.
    let exception = |it: u32, width: u32| {
        EXCEPTION_BITS - 8 + 8 * u64::from((it + 1).saturating_sub(width).div_ceil(7).max(1))
    };
    let exceptions = |width: u32| -> u64 {
        let below = below.from(0).map(|(it, count)| count * exception(it, width));
        let above = above.from(width + 1).map(|(it, count)| count * exception(it, width));
        below.chain(above).sum()
    };
    let mut best = (64, if under == 0 { u64::MAX } else { packed(64) });
    // From the widest down, with more and more exceptions.
    let mut left = above.used | 1;
    let mut many = under;
    while left != 0 {
        let width = u128::BITS - 1 - left.leading_zeros();
        left &= !(1 << width);
        if packed(width) + many * EXCEPTION_BITS <= best.1 {
            let bits = packed(width) + exceptions(width);
            if bits <= best.1 {
                best = (width, bits);
            }
        }
        many += u64::from(above.counts[width as usize]);
    }
    best
}

/// Appends the low `width` bits of each offset, lowest first.
fn pack(out: &mut Writer, offsets: impl Iterator<Item = u64>, width: u32) {
    if width == 0 {
        return;
    }
    let mask = u64::MAX >> (64 - width);
    let (mut pending, mut held) = (0_u128, 0_u32);
    for it in offsets {
        pending |= u128::from(it & mask) << held;
        held += width;
        if 64 <= held {
            out.raw(&(pending as u64).to_le_bytes());
            pending >>= 64;
            held -= 64;
        }
    }
    out.raw(&(pending as u64).to_le_bytes()[..held.div_ceil(8) as usize]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(values: &[i64]) -> bytes::Bytes {
        let mut out = Writer::default();
        put(&mut out, values);
        out.finish()
    }

    fn read_back(values: &[i64]) -> Vec<i64> {
        let mut reader = Reader::new(written(values));
        let ints = read(&mut reader, values.len()).unwrap();
        assert!(reader.is_done());
        (0..values.len()).map(|at| ints.get(at)).collect()
    }

    /// Runs, steps, walks, and anything.
    fn any_column() -> impl Strategy<Value = Vec<i64>> {
        let alike = (any::<i64>(), 1..300_usize).prop_map(|(value, count)| vec![value; count]);
        let steps = (
            any::<i64>(),
            -2000..2000_i64,
            1..300_i64,
            prop::collection::vec((0..300_usize, any::<i64>()), 0..4),
        );
        let steps = steps.prop_map(|(from, step, count, odd)| {
            let mut values: Vec<i64> = (0..count).map(|it| from.wrapping_add(it * step)).collect();
            for (at, value) in odd {
                let len = values.len();
                values[at % len] = value;
            }
            values
        });
        let walk = (any::<i64>(), prop::collection::vec(-300..300_i64, 0..300));
        let walk = walk.prop_map(|(from, steps)| {
            let mut at = from;
            let step = |it| {
                at = at.wrapping_add(it);
                at
            };
            steps.into_iter().map(step).collect()
        });
        let turns =
            (prop::collection::vec((any::<i64>(), 0..9_i64, 0..9_i64), 2..17), 1..300_usize);
        let turns = turns.prop_map(|(strands, count)| {
            let value = |at: usize| {
                let (from, step, noise) = strands[at % strands.len()];
                let turn = (at / strands.len()) as i64;
                from.wrapping_add(turn * step + turn * 7919 % (noise + 1))
            };
            (0..count).map(value).collect()
        });
        prop_oneof![alike, steps, walk, turns, prop::collection::vec(any::<i64>(), 0..300)]
    }

    /// What residuals take, packed so wide.
    fn bits_of(frame: i64, residuals: &[i64], width: u32) -> u64 {
        let exception = |it: &i64| {
            let offset = it.wrapping_sub(frame);
            let rest = if offset < 0 { !offset } else { offset }.cast_unsigned();
            let is_one = width < 64 && (offset < 0 || width < width_of(rest));
            let rest = (width_of(rest) + 1).saturating_sub(width);
            if is_one { 8 + 8 * u64::from(rest.div_ceil(7).max(1)) } else { 0 }
        };
        let packed = residuals.len() as u64 * u64::from(width) + if width > 0 { 8 } else { 0 };
        bits_of_int(frame) + packed + residuals.iter().map(exception).sum::<u64>()
    }

    proptest! {
        #[test]
        fn one_is_told_as_all_are(values in any_column(), from in any::<prop::sample::Index>()) {
            prop_assume!(!values.is_empty());
            let packed = Packed::read(&mut Reader::new(written(&values)), values.len()).unwrap();
            for (at, value) in values.iter().enumerate() {
                prop_assert_eq!(packed.get(at), *value);
            }
            let from = from.index(values.len());
            let mut shown = Vec::new();
            packed.each_from(from, |it| {
                shown.push(it);
                from + shown.len() < values.len()
            });
            prop_assert_eq!(&shown[..], &values[from..]);
        }

        #[test]
        fn no_width_that_some_need_takes_less(
            residuals in any_column(),
            frame in any::<prop::sample::Index>(),
        ) {
            prop_assume!(!residuals.is_empty());
            let frame = *frame.get(&residuals);
            let (width, bits) = width_for(frame, &residuals);
            prop_assert_eq!(bits, bits_of(frame, &residuals, width));
            let needed = |it: &i64| match it.wrapping_sub(frame) {
                below @ ..0 => width_of(below.cast_unsigned()),
                offset => width_of(offset.cast_unsigned()),
            };
            let widths = residuals.iter().map(needed).chain([0]);
            let least = widths.map(|it| bits_of(frame, &residuals, it)).min();
            prop_assert_eq!(Some(bits), least);
        }

        #[test]
        fn what_is_written_is_read_back(values in any_column()) {
            prop_assert_eq!(read_back(&values), values);
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            count in 0..500_usize,
        ) {
            if let Ok(Ints::Each(values)) = read(&mut Reader::new(bytes.into()), count) {
                prop_assert_eq!(values.len(), count);
            }
        }
    }

    #[test]
    fn what_is_regular_takes_next_to_nothing() {
        let of = |values: Vec<i64>| written(&values).len();
        assert_eq!(of(vec![0; 1000]), 2, "alike");
        let start = 1_700_000_000_000;
        assert!(of((0..1000).map(|it| start + it * 10_000).collect()) < 12, "at a steady pace");
        let one_late = |it: i64| start + it * 10_000 + if it == 500 { 7 } else { 0 };
        assert!(of((0..1000).map(one_late).collect()) < 24, "but for one of them");
        let noisy = |it: i64| start + it * 10_000 + it * 7919 % 7;
        assert!(of((0..1000).map(noisy).collect()) < 520, "four bits each");
        let turns = |it: i64| [700, 3, start][(it % 3) as usize] + it * 7919 % 7;
        assert!(of((0..999).map(turns).collect()) < 420, "three bits each of three strands");
        let low_outlier = |it: i64| if it == 400 { -1_000_000_000 } else { it * 31 % 16 };
        assert!(of((0..1000).map(low_outlier).collect()) < 520, "an outlier below is told apart");
    }
}
