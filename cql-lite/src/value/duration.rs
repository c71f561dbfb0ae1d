//! Durations: months, days and nanoseconds, which no calendar turns into each other.
//!
//! Serialized as three zigzag integers of variable length, as the CQL native protocol has them
//! (v5, section 6.7): the ones in front of the first byte say how many bytes follow it.

use std::fmt;

use super::{Error, literal::shorten};
use crate::types::NativeType;

/// A duration. All three parts have one sign, or are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Duration {
    /// Months, of any length.
    pub months: i32,
    /// Days, of 23 to 25 hours.
    pub days: i32,
    /// Nanoseconds.
    pub nanos: i64,
}

/// What one of a unit is worth.
#[derive(Clone, Copy)]
enum Worth {
    Months(i64),
    Days(i64),
    Nanos(i64),
}

/// Units as they are written, in the order in which they must come; `µs` is read as `us`.
const UNITS: [(&str, Worth); 10] = [
    ("y", Worth::Months(12)),
    ("mo", Worth::Months(1)),
    ("w", Worth::Days(7)),
    ("d", Worth::Days(1)),
    ("h", Worth::Nanos(3_600_000_000_000)),
    ("m", Worth::Nanos(60_000_000_000)),
    ("s", Worth::Nanos(1_000_000_000)),
    ("ms", Worth::Nanos(1_000_000)),
    ("us", Worth::Nanos(1_000)),
    ("ns", Worth::Nanos(1)),
];

/// Letters of the ISO form before and behind its `T`, and the unit that each is.
const ISO_DATE: [(char, &str); 4] = [('Y', "y"), ('M', "mo"), ('W', "w"), ('D', "d")];
const ISO_TIME: [(char, &str); 3] = [('H', "h"), ('M', "m"), ('S', "s")];

/// The length of a duration at the start of `text`; none where a number or a name is there.
pub(crate) fn len(text: &str) -> Option<usize> {
    if !text.starts_with(|it: char| it.is_ascii_digit() || it == 'P') {
        return None;
    }
    let is_part = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == 'µ';
    let len: usize = text.chars().take_while(|it| is_part(*it)).map(char::len_utf8).sum();
    let word = &text[..len];
    let mut parts = Parts::of(word)?;
    let sound = parts.by_ref().all(|it| it.is_some());
    sound.then_some(len)
}

/// The numbers and units of a duration in either form, one after the other; ends with `None` in
/// it where the text is none.
struct Parts<'t> {
    rest: &'t str,
    /// Units allowed, of the ISO form.
    iso: Option<&'static [(char, &'static str)]>,
}

impl<'t> Parts<'t> {
    fn of(text: &'t str) -> Option<Parts<'t>> {
        let iso = text.strip_prefix('P');
        let rest = iso.unwrap_or(text);
        if rest.is_empty() || !rest.ends_with(|it: char| it.is_ascii_alphabetic()) {
            return None;
        }
        Some(Parts { rest, iso: iso.map(|_| &ISO_DATE[..]) })
    }

    fn part(&mut self) -> Option<(&'t str, &'static str)> {
        if self.iso.is_some()
            && let Some(time) = self.rest.strip_prefix('T')
        {
            (self.rest, self.iso) = (time, Some(&ISO_TIME[..]));
        }
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, behind) = self.rest.split_at(digits);
        let until =
            behind.find(|it: char| it.is_ascii_digit() || (self.iso.is_some() && it == 'T'));
        let (unit, rest) = behind.split_at(until.unwrap_or(behind.len()));
        let unit = unit.to_lowercase().replace('µ', "u");
        let unit = match self.iso {
            Some(units) => {
                let letter = unit.to_uppercase();
                units.iter().find(|(it, _)| letter == it.to_string()).map(|(_, unit)| *unit)
            }
            None => UNITS.iter().map(|(it, _)| *it).find(|it| **it == unit),
        };
        self.rest = rest;
        (digits > 0).then_some((number, unit?))
    }
}

impl<'t> Iterator for Parts<'t> {
    type Item = Option<(&'t str, &'static str)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let part = self.part();
        if part.is_none() {
            self.rest = "";
        }
        Some(part)
    }
}

impl Duration {
    /// Reads `1y2mo3w4d5h6m7s8ms9us10ns` (any of these, in this order) or `P1Y2M3DT4H5M6S`,
    /// perhaps behind a minus.
    pub(super) fn parse(text: &str) -> Result<Duration, Error> {
        let kind = NativeType::Duration;
        let malformed = |reason: &str| Error::Malformed {
            kind: kind.into(),
            reason: format!("{}: {reason}", shorten(text)),
        };
        let range = || Error::Range { kind, text: shorten(text) };
        let (sign, plain) = match text.strip_prefix('-') {
            Some(plain) => (-1, plain),
            None => (1, text),
        };
        let (mut months, mut days, mut nanos) = (0_i64, 0_i64, 0_i64);
        let mut next_unit = 0;
        for part in Parts::of(plain).ok_or_else(|| malformed("expected numbers with units"))? {
            let (number, unit) = part.ok_or_else(|| malformed("expected numbers with units"))?;
            let at = UNITS.iter().take_while(|(it, _)| *it != unit).count();
            if at < next_unit {
                return Err(malformed("units come once each, the greatest first"));
            }
            next_unit = at + 1;
            let number: i64 = number.parse().map_err(|_| range())?;
            let (total, worth) = match UNITS[at].1 {
                Worth::Months(worth) => (&mut months, worth),
                Worth::Days(worth) => (&mut days, worth),
                Worth::Nanos(worth) => (&mut nanos, worth),
            };
            let more = number.checked_mul(sign * worth).ok_or_else(range)?;
            *total = total.checked_add(more).ok_or_else(range)?;
        }
        let narrow = |it: i64| i32::try_from(it).map_err(|_| range());
        Ok(Duration { months: narrow(months)?, days: narrow(days)?, nanos })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(9);
        for part in [i64::from(self.months), i64::from(self.days), self.nanos] {
            put(&mut bytes, zigzag(part));
        }
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Duration, Error> {
        let kind = NativeType::Duration;
        let mut rest = bytes;
        let mut part = || take(&mut rest).map(unzigzag);
        let parts = (part(), part(), part());
        let (Some(months), Some(days), Some(nanos)) = parts else {
            return Err(Error::Length { kind, expected: "three integers", actual: bytes.len() });
        };
        if !rest.is_empty() {
            return Err(Error::Length { kind, expected: "three integers", actual: bytes.len() });
        }
        let malformed =
            |reason: &str| Error::Malformed { kind: kind.into(), reason: reason.to_owned() };
        let narrow =
            |it: i64| i32::try_from(it).map_err(|_| malformed("months or days past 32 bits"));
        let (months, days) = (narrow(months)?, narrow(days)?);
        let signs = [i64::from(months).signum(), i64::from(days).signum(), nanos.signum()];
        if signs.contains(&1) && signs.contains(&-1) {
            return Err(malformed("parts of both signs"));
        }
        Ok(Duration { months, days, nanos })
    }
}

/// The form that is written: `1y2mo3d4h5m6s7ms8us9ns` without the parts that are 0, or `0s`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = [
            u64::from(self.months.unsigned_abs()),
            u64::from(self.days.unsigned_abs()),
            self.nanos.unsigned_abs(),
        ];
        if left == [0, 0, 0] {
            return f.write_str("0s");
        }
        if self.months < 0 || self.days < 0 || self.nanos < 0 {
            f.write_str("-")?;
        }
        for (unit, worth) in UNITS {
            let (at, worth) = match worth {
                Worth::Months(worth) => (0, worth),
                // Weeks are read, and written as days.
                Worth::Days(7) => continue,
                Worth::Days(worth) => (1, worth),
                Worth::Nanos(worth) => (2, worth),
            };
            let worth = worth.unsigned_abs();
            if worth <= left[at] {
                write!(f, "{}{unit}", left[at] / worth)?;
                left[at] %= worth;
            }
        }
        Ok(())
    }
}

fn zigzag(value: i64) -> u64 {
    (value.cast_unsigned() << 1) ^ (value >> 63).cast_unsigned()
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Writes 7 bits with one byte, 14 with two, and so on; past 56 bits all eight behind 0xFF.
fn put(out: &mut Vec<u8>, value: u64) {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    let extra = ((bits - 1) / 7).min(8);
    let bytes = value.to_be_bytes();
    if extra == 8 {
        out.push(0xFF);
        out.extend(bytes);
        return;
    }
    let from = out.len();
    out.extend(&bytes[7 - extra..]);
    out[from] |= !(0xFF_u8.checked_shr(extra as u32).unwrap_or(0));
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let (first, behind) = rest.split_first()?;
    let extra = first.leading_ones() as usize;
    let (bytes, behind) = behind.split_at_checked(extra)?;
    let head = first & 0xFF_u8.checked_shr(extra as u32).unwrap_or(0);
    let value = bytes.iter().fold(u64::from(head), |value, byte| value << 8 | u64::from(*byte));
    *rest = behind;
    Some(value)
}
