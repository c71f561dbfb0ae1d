//! Numbers of any length: `varint`, and `decimal`, which is one with a point in it.
//!
//! Any length has its limits here: a number that takes longer to print than to store is an attack.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
};

use num_bigint::{BigInt, Sign};

use super::Error;
use crate::types::NativeType;

/// Most bytes of an integer, and of the digits of a decimal: nearly 10,000 decimal digits.
pub const BYTES_MAX: usize = 4_096;

/// Most digits behind the point, and most zeros before it that are not written.
const SCALE_MAX: i32 = 10_000;

/// Digits of a number that is certain to be too long: it is not even read.
const DIGITS_MAX: usize = 10_000;

/// The integer of these bytes: two's complement, most significant first, at least one.
pub(super) fn integer(kind: NativeType, bytes: &[u8]) -> Result<BigInt, Error> {
    if bytes.is_empty() || BYTES_MAX < bytes.len() {
        return Err(Error::Length { kind, expected: "1 to 4096 bytes", actual: bytes.len() });
    }
    Ok(BigInt::from_signed_bytes_be(bytes))
}

/// The integer that these digits, perhaps behind a minus, say; none of too many.
pub(super) fn read_integer(digits: &str) -> Option<BigInt> {
    if DIGITS_MAX < digits.len() {
        return None;
    }
    let number: BigInt = digits.parse().ok()?;
    (number.to_signed_bytes_be().len() <= BYTES_MAX).then_some(number)
}

/// A decimal: `unscaled / 10^scale`. Ordered by value: `1.0` and `1.00` differ in nothing else.
#[derive(Clone, Debug, Default)]
pub struct Decimal {
    unscaled: BigInt,
    scale: i32,
}

impl Decimal {
    /// `unscaled / 10^scale`.
    ///
    /// # Errors
    /// `Range` past 4,096 bytes of digits, or 10,000 digits on either side of the point that are
    /// not written.
    pub fn new(unscaled: BigInt, scale: i32) -> Result<Decimal, Error> {
        let fits = unscaled.to_signed_bytes_be().len() <= BYTES_MAX;
        if fits && scale.checked_abs().is_some_and(|it| it <= SCALE_MAX) {
            return Ok(Decimal { unscaled, scale });
        }
        let text = format!("a number of {} bits and scale {scale}", unscaled.bits());
        Err(Error::Range { kind: NativeType::Decimal, text })
    }

    /// All digits, with the sign.
    pub fn unscaled(&self) -> &BigInt {
        &self.unscaled
    }

    /// How many of them lie behind the point; negative for zeros that follow them.
    pub fn scale(&self) -> i32 {
        self.scale
    }

    /// The decimal of digits with perhaps a minus, a point and an exponent; none for other text, and
    /// beyond the limits of [`Decimal::new`].
    pub fn parse(text: &str) -> Option<Decimal> {
        let (digits, exponent) = match text.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let behind = i32::try_from(fraction.len()).ok()?;
        let unscaled = read_integer(&format!("{whole}{fraction}"))?;
        Decimal::new(unscaled, behind.checked_sub(exponent)?).ok()
    }

    /// Four bytes of scale, then the digits as an integer.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.scale.to_be_bytes().to_vec();
        bytes.extend(self.unscaled.to_signed_bytes_be());
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Decimal, Error> {
        let kind = NativeType::Decimal;
        let expected = "5 to 4100 bytes";
        let Some((scale, digits)) = bytes.split_first_chunk::<4>() else {
            return Err(Error::Length { kind, expected, actual: bytes.len() });
        };
        let unscaled = integer(kind, digits).map_err(|_| Error::Length {
            kind,
            expected,
            actual: bytes.len(),
        })?;
        Decimal::new(unscaled, i32::from_be_bytes(*scale))
    }

    /// The form that orders: the sign, the power of ten of the first digit, the digits up to the
    /// last that is not zero.
    pub fn parts(&self) -> (Sign, i64, String) {
        let digits = self.unscaled.magnitude().to_string();
        let first = digits.len() as i64 - i64::from(self.scale);
        let kept = digits.trim_end_matches('0').len();
        (self.unscaled.sign(), first, digits[..kept].to_owned())
    }

    /// The decimal of such parts, with as few zeros as may be; none where they are not of one.
    pub fn from_parts(sign: Sign, first: i64, digits: &str) -> Option<Decimal> {
        let digits_only = !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit());
        if sign == Sign::NoSign {
            return Some(Decimal::default());
        }
        if !digits_only || digits.starts_with('0') || digits.ends_with('0') {
            return None;
        }
        let scale = i32::try_from((digits.len() as i64).checked_sub(first)?).ok()?;
        // Zeros before the point are written out where they are few: 100, not 1E+2.
        const WRITTEN_OUT: i32 = 20;
        let zeros = if (-WRITTEN_OUT..0).contains(&scale) { -scale } else { 0 };
        let unscaled = read_integer(digits)? * BigInt::from(10).pow(zeros.unsigned_abs());
        let unscaled = if sign == Sign::Minus { -unscaled } else { unscaled };
        Decimal::new(unscaled, scale + zeros).ok()
    }

    /// What stands before the point.
    pub fn whole(&self) -> BigInt {
        let power = BigInt::from(10).pow(self.scale.unsigned_abs());
        if self.scale < 0 { &self.unscaled * power } else { &self.unscaled / power }
    }

    /// The sum of two.
    ///
    /// # Errors
    /// As for [`Decimal::new`].
    pub fn plus(&self, other: &Decimal) -> Result<Decimal, Error> {
        let scale = self.scale.max(other.scale);
        let at =
            |it: &Decimal| &it.unscaled * BigInt::from(10).pow((scale - it.scale).unsigned_abs());
        Decimal::new(at(self) + at(other), scale)
    }

    /// A `count`th part, to as many digits behind the point, a half to the even digit. `count` is
    /// not 0.
    pub fn part(&self, count: i64) -> Decimal {
        let count = BigInt::from(count.max(1));
        let (sign, magnitude) =
            (self.unscaled.sign(), BigInt::from(self.unscaled.magnitude().clone()));
        let (mut quotient, rest) = (&magnitude / &count, &magnitude % &count);
        let up = match (rest * 2u8).cmp(&count) {
            Ordering::Less => false,
            Ordering::Equal => quotient.bit(0),
            Ordering::Greater => true,
        };
        if up {
            quotient += 1u8;
        }
        let unscaled = if sign == Sign::Minus { -quotient } else { quotient };
        Decimal { unscaled, scale: self.scale }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let ((sign, first, digits), (its_sign, its_first, its_digits)) =
            (self.parts(), other.parts());
        let size = || first.cmp(&its_first).then_with(|| digits.cmp(&its_digits));
        sign.cmp(&its_sign).then_with(|| match sign {
            Sign::Plus => size(),
            Sign::Minus => size().reverse(),
            Sign::NoSign => Ordering::Equal,
        })
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Decimal {}

impl Hash for Decimal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (sign, first, digits) = self.parts();
        let first = if sign == Sign::NoSign { 0 } else { first };
        (sign, first, digits).hash(state);
    }
}

/// As Java's `BigDecimal.toString`, which drivers and people know: an exponent where zeros are not
/// written, or where more than six follow the point.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.unscaled.sign() == Sign::Minus { "-" } else { "" };
        let digits = self.unscaled.magnitude().to_string();
        let exponent = digits.len() as i64 - 1 - i64::from(self.scale);
        let Ok(behind) = usize::try_from(self.scale) else {
            return scientific(f, sign, &digits, exponent);
        };
        if exponent < -6 {
            return scientific(f, sign, &digits, exponent);
        }
        if behind == 0 {
            return write!(f, "{sign}{digits}");
        }
        let padded = format!("{digits:0>width$}", width = behind + 1);
        let (whole, fraction) = padded.split_at(padded.len() - behind);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

fn scientific(f: &mut fmt::Formatter<'_>, sign: &str, digits: &str, exponent: i64) -> fmt::Result {
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    write!(f, "{sign}{first}{point}{rest}")?;
    if exponent == 0 { Ok(()) } else { write!(f, "E{exponent:+}") }
}
