//! A column of integers as it was written: all of it is unpacked, or one here and there is told.

use bytes::Bytes;
use model::codec::{Malformed, Reader};
use model::columns::Ints;

use super::{ORDER, ORDER_MAX, PATCHED, STRANDS, WIDTH, strands};

/// Integers, one for each row or cell.
pub(in crate::sstable::block) enum Packed {
    /// All alike.
    Alike(i64),
    /// Residuals.
    Residuals(Residuals),
    /// Those of strands are told apart at once.
    Each(Vec<i64>),
}

/// What is left of integers by their order.
pub(in crate::sstable::block) struct Residuals {
    /// How often differences were taken, 0 to 2.
    order: usize,
    /// The first integer, and the first difference, as far as the order has them.
    first: i64,
    step: i64,
    /// What was taken from each residual.
    frame: i64,
    /// Bits of each, 0 to 64, lowest first.
    width: u32,
    bits: Bytes,
    /// Which have bits above these.
    patches: Vec<(usize, i64)>,
    /// Integers, as many as the order at least.
    count: usize,
}

impl Packed {
    /// Reads `count` integers. The caller bounds `count`.
    pub(in crate::sstable::block) fn read(
        reader: &mut Reader,
        count: usize,
    ) -> Result<Packed, Malformed> {
        if count == 0 {
            return Ok(Packed::Alike(0));
        }
        match reader.u8("integer column")? {
            STRANDS => Ok(Packed::Each(strands::read(reader, count)?)),
            head => Packed::read_headed(reader, head, count),
        }
    }

    /// Reads what `put_strand` wrote, one integer at least.
    pub(super) fn read_strand(reader: &mut Reader, count: usize) -> Result<Packed, Malformed> {
        let head = reader.u8("strand")?;
        Packed::read_headed(reader, head, count)
    }

    /// Reads what lies behind the first byte, if that is an order. There is one integer at least.
    fn read_headed(reader: &mut Reader, head: u8, count: usize) -> Result<Packed, Malformed> {
        let order = usize::from(head & ORDER);
        let is_known = head & !(ORDER | WIDTH | PATCHED) == 0;
        if !is_known || usize::from(ORDER_MAX) < order || count < order {
            return Err(reader.malformed("integer column"));
        }
        let first = if 1 <= order { reader.int("first integer")? } else { 0 };
        let step = if 2 <= order { reader.int("first difference")? } else { 0 };
        let frame = reader.int("frame")?;
        let width = if head & WIDTH == 0 { 0 } else { u32::from(reader.u8("width")?) };
        if 64 < width {
            return Err(reader.malformed("width"));
        }
        if order == 0 && head & (WIDTH | PATCHED) == 0 {
            return Ok(Packed::Alike(frame));
        }
        let len = count - order;
        let exceptions = match head & PATCHED {
            0 => 0,
            _ => reader.count(2, "exception count")?,
        };
        let mut patches = Vec::with_capacity(exceptions);
        let mut next = 0_usize;
        for _ in 0..exceptions {
            let gap = usize::try_from(reader.uint("exception")?).unwrap_or(usize::MAX);
            let at = next.saturating_add(gap);
            let high = reader.int("exception")?;
            if len <= at || 64 <= width {
                return Err(reader.malformed("exception"));
            }
            patches.push((at, high << width));
            next = at + 1;
        }
        let bits = reader.raw((len * width as usize).div_ceil(8), "packed integers")?;
        Ok(Packed::Residuals(Residuals { order, first, step, frame, width, bits, patches, count }))
    }

    /// All of them.
    pub(in crate::sstable::block) fn unpack(self) -> Ints {
        match self {
            Packed::Alike(value) => Ints::Const(value),
            Packed::Residuals(it) => Ints::Each(it.unpack()),
            Packed::Each(values) => Ints::Each(values),
        }
    }

    /// The one at `at`, which is below the count.
    pub(in crate::sstable::block) fn get(&self, at: usize) -> i64 {
        match self {
            Packed::Alike(value) => *value,
            Packed::Residuals(it) => it.get(at),
            Packed::Each(values) => values[at],
        }
    }

    /// Shows those from `from` on to whoever wants more of them, as long as there are any.
    pub(in crate::sstable::block) fn each_from(
        &self,
        from: usize,
        mut wants_more: impl FnMut(i64) -> bool,
    ) {
        match self {
            Packed::Alike(value) => while wants_more(*value) {},
            Packed::Residuals(it) => it.each_from(from, wants_more),
            Packed::Each(values) => {
                values[from..].iter().all(|it| wants_more(*it));
            }
        }
    }
}

impl Residuals {
    fn unpack(self) -> Vec<i64> {
        let Residuals { order, first, step, frame, width, bits, patches, count } = self;
        let mut values = Vec::with_capacity(count);
        values.extend((0..order).map(|at| if at == 0 { first } else { step }));
        unpack(&bits, width, count - order, &mut values);
        for (at, high) in patches {
            values[order + at] |= high;
        }
        match &mut values[..] {
            values if order == 0 => {
                values.iter_mut().for_each(|value| *value = value.wrapping_add(frame));
            }
            [_, differences @ ..] if order == 1 => {
                let mut sum = first;
                for value in differences {
                    sum = sum.wrapping_add(value.wrapping_add(frame));
                    *value = sum;
                }
            }
            [_, second, others @ ..] => {
                let (mut sum, mut step) = (first.wrapping_add(step), step);
                *second = sum;
                for value in others {
                    step = step.wrapping_add(value.wrapping_add(frame));
                    sum = sum.wrapping_add(step);
                    *value = sum;
                }
            }
            // There are at least as many as the order.
            [..] => {}
        }
        values
    }

    fn get(&self, at: usize) -> i64 {
        if self.order == 0 {
            let patch = self.patches.binary_search_by_key(&at, |it| it.0);
            let high = patch.map_or(0, |patch| self.patches[patch].1);
            return (high | self.offset(at)).wrapping_add(self.frame);
        }
        let mut value = 0;
        let mut left = at + 1;
        self.each_from(0, |it| {
            value = it;
            left -= 1;
            left > 0
        });
        value
    }

    fn each_from(&self, from: usize, mut wants_more: impl FnMut(i64) -> bool) {
        let (mut sum, mut step) = (self.first, self.step);
        let known = [self.first, self.first.wrapping_add(self.step)];
        for (at, value) in known[..self.order].iter().enumerate() {
            if from <= at && !wants_more(*value) {
                return;
            }
            sum = *value;
        }
        // By order 0 each stands for itself; by the others all before it have to be known.
        let first = if self.order == 0 { from } else { 0 };
        let mut patches = &self.patches[self.patches.partition_point(|it| it.0 < first)..];
        for at in first..self.count - self.order {
            let mut residual = self.offset(at);
            if let Some(((_, high), others)) = patches.split_first().filter(|(it, _)| it.0 == at) {
                residual |= high;
                patches = others;
            }
            residual = residual.wrapping_add(self.frame);
            match self.order {
                0 => sum = residual,
                1 => sum = sum.wrapping_add(residual),
                _ => {
                    step = step.wrapping_add(residual);
                    sum = sum.wrapping_add(step);
                }
            }
            if from <= self.order + at && !wants_more(sum) {
                return;
            }
        }
    }

    /// What is packed at `at`.
    #[inline]
    fn offset(&self, at: usize) -> i64 {
        if self.width == 0 {
            return 0;
        }
        let bit = at * self.width as usize;
        let word = match self.bits[bit / 8..].first_chunk() {
            Some(word) if self.width <= WHOLE => u64::from_le_bytes(*word) >> (bit % 8),
            Some(_) | None => across(&self.bits, bit),
        };
        (word & mask(self.width)).cast_signed()
    }
}

/// Bits of an integer that one load of eight bytes holds wherever it begins.
const WHOLE: u32 = 57;

/// The low `width` bits, 1 to 64.
fn mask(width: u32) -> u64 {
    u64::MAX >> (64 - width)
}

/// 64 bits from `bit` on, with zeros behind the end.
fn across(bits: &[u8], bit: usize) -> u64 {
    let from = &bits[bit / 8..];
    let mut word = [0; 16];
    let len = from.len().min(16);
    word[..len].copy_from_slice(&from[..len]);
    (u128::from_le_bytes(word) >> (bit % 8)) as u64
}

/// Appends `count` integers of `width` bits each.
fn unpack(bits: &[u8], width: u32, count: usize, out: &mut Vec<i64>) {
    if width == 0 {
        out.extend(std::iter::repeat_n(0, count));
        return;
    }
    let mask = mask(width);
    // As long as eight bytes are there and hold the whole of it, one load does.
    let whole = match width {
        ..=WHOLE => count.min((bits.len().saturating_sub(7) * 8).div_ceil(width as usize)),
        _ => 0,
    };
    out.extend((0..whole).map(|at| {
        let bit = at * width as usize;
        let mut word = [0; 8];
        word.copy_from_slice(&bits[bit / 8..][..8]);
        (u64::from_le_bytes(word) >> (bit % 8) & mask).cast_signed()
    }));
    out.extend((whole..count).map(|at| (across(bits, at * width as usize) & mask).cast_signed()));
}
