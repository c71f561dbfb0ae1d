//! One clustering component as bytes whose order is that of its CQL type: `docs/formats/keys.md`.
//!
//! ```text
//! 40                         the empty value, before all others
//! 80 n bytes                 types of fixed length, transformed so that bytes compare as values
//! 80 escaped bytes 00        text, ascii, blob, inet: 00 is written 01 01, and 01 is written 01 02
//! 80 u16 bytes               varint: 8000 + the number of bytes, or 7FFF - it below zero
//! 80 01                      decimal: zero
//! 80 02 i64 digits 00        above it: the power of ten of the first digit, then all digits
//! 80 00 i64 digits FF        below it: the same inverted
//! 80 parts 00                collections, tuples and user types: 01 for null, or 02 and the part as
//!                            a component; a map has keys and values in turn; no nulls at the end
//! ```
//!
//! Nothing here knows of DESC but the mask that reading takes: inverted bytes compare inversely.

use cql_lite::{
    types::{CqlType, NativeType},
    value::{self, BigInt, Decimal, NUMBER_BYTES_MAX, Sign, Value},
};

/// Begins the empty value.
const EMPTY: u8 = 0x40;
/// Begins any other value.
const VALUE: u8 = 0x80;
/// Ends what has no fixed length.
const END: u8 = 0x00;
/// Comes before the two bytes that stand for `END` and itself.
const ESCAPE: u8 = 0x01;

/// Appends a component; `None` when it has not the length of its type.
pub(super) fn write(key: &mut Vec<u8>, cql_type: &CqlType, component: &[u8]) -> Option<()> {
    if component.is_empty() {
        key.push(EMPTY);
        return Some(());
    }
    key.push(VALUE);
    match cql_type {
        CqlType::Native(native) => write_native(key, *native, component),
        CqlType::List(_)
        | CqlType::Set(_)
        | CqlType::Map(_)
        | CqlType::Tuple(_)
        | CqlType::Vector(..)
        | CqlType::User(_) => write_parts(key, cql_type, component),
    }
}

/// Before a part that is null.
const NULL_PART: u8 = 0x01;
/// Before any other part.
const PART: u8 = 0x02;

fn write_parts(key: &mut Vec<u8>, cql_type: &CqlType, component: &[u8]) -> Option<()> {
    let parts = value::split(cql_type, component).ok()?;
    // A user type may get more fields later, which old values do not have.
    let end = parts.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    for (at, part) in parts[..end].iter().enumerate() {
        match part {
            None => key.push(NULL_PART),
            Some(bytes) => {
                key.push(PART);
                write(key, value::part_type(cql_type, at)?, bytes)?;
            }
        }
    }
    key.push(END);
    Some(())
}

/// The value of these parts, and how many bytes they take with their end.
fn read_parts(bytes: &[u8], mask: u8, cql_type: &CqlType) -> Option<(Vec<u8>, usize)> {
    let (mut parts, mut at) = (Vec::new(), 0);
    loop {
        let lead = bytes.get(at)? ^ mask;
        at += 1;
        match lead {
            END => break,
            NULL_PART => parts.push(None),
            PART => {
                let of = value::part_type(cql_type, parts.len())?;
                let mut part = Vec::new();
                at += read(&bytes[at..], mask, of, &mut part)?;
                parts.push(Some(part));
            }
            _ => return None,
        }
    }
    // A null at the end would be a second form of the same key: they are left out there.
    if parts.last().is_some_and(Option::is_none) {
        return None;
    }
    match cql_type {
        CqlType::Tuple(_) | CqlType::User(_) => parts.resize(cql_type.parts().len(), None),
        CqlType::Native(_)
        | CqlType::List(_)
        | CqlType::Set(_)
        | CqlType::Map(_)
        | CqlType::Vector(..) => {}
    }
    let parts: Vec<Option<&[u8]>> = parts.iter().map(Option::as_deref).collect();
    let value = value::join(cql_type, &parts);
    let is_sound = Value::decode(cql_type, &value).is_ok_and(|it| it.encode() == value);
    is_sound.then_some((value, at))
}

fn write_native(key: &mut Vec<u8>, cql_type: NativeType, component: &[u8]) -> Option<()> {
    match cql_type {
        NativeType::Ascii | NativeType::Text | NativeType::Blob | NativeType::Inet => {
            escape(key, component)
        }
        NativeType::Varint => write_integer(key, component)?,
        NativeType::Decimal => write_decimal(key, component)?,
        // No key has one: schemas are checked for it.
        NativeType::Counter | NativeType::Duration => return None,
        NativeType::Boolean => {
            let [byte] = exactly(component)?;
            key.push(u8::from(byte != 0));
        }
        NativeType::Tinyint => key.push(u8::from_be_bytes(exactly(component)?) ^ 0x80),
        NativeType::Smallint => {
            key.extend((u16::from_be_bytes(exactly(component)?) ^ 1 << 15).to_be_bytes());
        }
        NativeType::Int => {
            key.extend((u32::from_be_bytes(exactly(component)?) ^ 1 << 31).to_be_bytes())
        }
        NativeType::Date => key.extend(exactly::<4>(component)?),
        NativeType::Bigint | NativeType::Time | NativeType::Timestamp => {
            key.extend((u64::from_be_bytes(exactly(component)?) ^ 1 << 63).to_be_bytes());
        }
        NativeType::Float => {
            key.extend(order_f32(u32::from_be_bytes(exactly(component)?)).to_be_bytes())
        }
        NativeType::Double => {
            key.extend(order_f64(u64::from_be_bytes(exactly(component)?)).to_be_bytes())
        }
        NativeType::Uuid => {
            key.extend(order_uuid(u128::from_be_bytes(exactly(component)?)).to_be_bytes())
        }
        NativeType::Timeuuid => {
            key.extend(order_timeuuid(u128::from_be_bytes(exactly(component)?)).to_be_bytes());
        }
    }
    Some(())
}

/// Appends the component at the start of `bytes`, which are inverted by `mask`, to `out`. The answer is how
/// many bytes it takes there.
pub(super) fn read(bytes: &[u8], mask: u8, cql_type: &CqlType, out: &mut Vec<u8>) -> Option<usize> {
    let (lead, rest) = bytes.split_first()?;
    match lead ^ mask {
        EMPTY => return Some(1),
        VALUE => {}
        _ => return None,
    }
    let read = match cql_type.native() {
        None => read_parts(rest, mask, cql_type),
        Some(NativeType::Varint) => read_integer(rest, mask),
        Some(NativeType::Decimal) => read_decimal(rest, mask),
        Some(native) => match native.fixed_len() {
            None => unescape(rest, mask),
            Some(len) => {
                read_fixed(rest.get(..len)?, mask, native, out)?;
                return Some(len + 1);
            }
        },
    };
    let (component, len) = read?;
    out.extend_from_slice(&component);
    Some(len + 1)
}

/// A value whose type has a length, which is that of `bytes`.
fn read_fixed(bytes: &[u8], mask: u8, cql_type: NativeType, out: &mut Vec<u8>) -> Option<()> {
    let from = out.len();
    out.extend_from_slice(bytes);
    let value = &mut out[from..];
    value.iter_mut().for_each(|it| *it ^= mask);
    match cql_type {
        NativeType::Ascii
        | NativeType::Text
        | NativeType::Blob
        | NativeType::Inet
        | NativeType::Counter
        | NativeType::Date
        | NativeType::Decimal
        | NativeType::Varint
        | NativeType::Duration => {}
        NativeType::Boolean => {
            if 1 < value[0] {
                return None;
            }
        }
        NativeType::Tinyint
        | NativeType::Smallint
        | NativeType::Int
        | NativeType::Bigint
        | NativeType::Time
        | NativeType::Timestamp => value[0] ^= 0x80,
        NativeType::Float => {
            let bits = u32::from_be_bytes(exactly(value)?);
            value.copy_from_slice(&restore_f32(bits).to_be_bytes());
        }
        NativeType::Double => {
            let bits = u64::from_be_bytes(exactly(value)?);
            value.copy_from_slice(&restore_f64(bits).to_be_bytes());
        }
        NativeType::Uuid => {
            let ordered = u128::from_be_bytes(exactly(value)?);
            value.copy_from_slice(&restore_uuid(ordered).to_be_bytes());
        }
        NativeType::Timeuuid => {
            let ordered = u128::from_be_bytes(exactly(value)?);
            value.copy_from_slice(&restore_timeuuid(ordered).to_be_bytes());
        }
    }
    Some(())
}

/// The first two bytes of integers that are not negative: from here on up.
const POSITIVE: u16 = 0x8000;

/// The sign first, then how long it is, which is how great it is; then its bytes.
fn write_integer(key: &mut Vec<u8>, component: &[u8]) -> Option<()> {
    if NUMBER_BYTES_MAX < component.len() {
        return None;
    }
    // Without the bytes in front that say nothing.
    let bytes = BigInt::from_signed_bytes_be(component).to_signed_bytes_be();
    let len = u16::try_from(bytes.len()).ok()?;
    let head = if bytes[0] < 0x80 { POSITIVE + len } else { POSITIVE - 1 - len };
    key.extend(head.to_be_bytes());
    key.extend(bytes);
    Some(())
}

fn read_integer(bytes: &[u8], mask: u8) -> Option<(Vec<u8>, usize)> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    let head = u16::from_be_bytes(head.map(|it| it ^ mask));
    let is_negative = head < POSITIVE;
    let len = usize::from(if is_negative { POSITIVE - 1 - head } else { head - POSITIVE });
    if NUMBER_BYTES_MAX < len {
        return None;
    }
    let value: Vec<u8> = rest.get(..len)?.iter().map(|it| it ^ mask).collect();
    let is_shortest = BigInt::from_signed_bytes_be(&value).to_signed_bytes_be() == value;
    let is_sound = is_shortest && value.first().is_some_and(|it| (*it < 0x80) != is_negative);
    is_sound.then_some((value, len + 2))
}

/// Signs of decimals, as they are written.
const SIGNS_OF_DECIMALS: [Sign; 3] = [Sign::Minus, Sign::NoSign, Sign::Plus];

fn write_decimal(key: &mut Vec<u8>, component: &[u8]) -> Option<()> {
    let Ok(Value::Decimal(decimal)) = Value::decode_native(NativeType::Decimal, component) else {
        return None;
    };
    let (sign, first, digits) = decimal.parts();
    // What cannot be read back is not written.
    Decimal::from_parts(sign, first, &digits)?;
    key.push(SIGNS_OF_DECIMALS.iter().position(|it| *it == sign)? as u8);
    if sign == Sign::NoSign {
        return Some(());
    }
    let from = key.len();
    key.extend((first.cast_unsigned() ^ 1 << 63).to_be_bytes());
    key.extend(digits.as_bytes());
    key.push(END);
    if sign == Sign::Minus {
        key[from..].iter_mut().for_each(|it| *it = !*it);
    }
    Some(())
}

/// The decimal with as few zeros at its end as may be: `1.0` and `1.00` are one key.
fn read_decimal(bytes: &[u8], mask: u8) -> Option<(Vec<u8>, usize)> {
    let (sign, rest) = bytes.split_first()?;
    let sign = *SIGNS_OF_DECIMALS.get(usize::from(sign ^ mask))?;
    if sign == Sign::NoSign {
        let zero = Decimal::from_parts(sign, 0, "")?;
        return Some((Value::Decimal(zero).encode(), 1));
    }
    let mask = if sign == Sign::Minus { !mask } else { mask };
    let (first, rest) = rest.split_first_chunk::<8>()?;
    let first = (u64::from_be_bytes(first.map(|it| it ^ mask)) ^ 1 << 63).cast_signed();
    let len = rest.iter().position(|it| it ^ mask == END)?;
    let digits: Vec<u8> = rest[..len].iter().map(|it| it ^ mask).collect();
    let decimal = Decimal::from_parts(sign, first, std::str::from_utf8(&digits).ok()?)?;
    Some((Value::Decimal(decimal).encode(), len + 10))
}

fn exactly<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    bytes.try_into().ok()
}

fn escape(key: &mut Vec<u8>, component: &[u8]) {
    for &byte in component {
        match byte {
            END => key.extend([ESCAPE, 1]),
            ESCAPE => key.extend([ESCAPE, 2]),
            byte => key.push(byte),
        }
    }
    key.push(END);
}

/// What was escaped, and how many bytes that took with its end.
fn unescape(bytes: &[u8], mask: u8) -> Option<(Vec<u8>, usize)> {
    let mut component = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().map(|it| it ^ mask).enumerate();
    while let Some((at, byte)) = rest.next() {
        match byte {
            // Of no bytes there is the form that begins with `EMPTY` alone.
            END if component.is_empty() => return None,
            END => return Some((component, at + 1)),
            ESCAPE => match rest.next()?.1 {
                1 => component.push(END),
                2 => component.push(ESCAPE),
                _ => return None,
            },
            byte => component.push(byte),
        }
    }
    None
}

/// As Java's `Double.compare`: -0.0 before 0.0, NaN after all. All NaNs are one, as they are there:
/// what is read back is the canonical one.
fn order_f64(bits: u64) -> u64 {
    let bits = if f64::from_bits(bits).is_nan() { f64::NAN.to_bits() & !(1 << 63) } else { bits };
    if bits >> 63 == 0 { bits ^ 1 << 63 } else { !bits }
}

fn restore_f64(ordered: u64) -> u64 {
    if ordered >> 63 == 1 { ordered ^ 1 << 63 } else { !ordered }
}

fn order_f32(bits: u32) -> u32 {
    let bits = if f32::from_bits(bits).is_nan() { f32::NAN.to_bits() & !(1 << 31) } else { bits };
    if bits >> 31 == 0 { bits ^ 1 << 31 } else { !bits }
}

fn restore_f32(ordered: u32) -> u32 {
    if ordered >> 31 == 1 { ordered ^ 1 << 31 } else { !ordered }
}

/// The version first; then, of version 1, the time from its high bits down, and of any other the
/// bits in their order; then the last eight bytes.
fn order_uuid(uuid: u128) -> u128 {
    let high = (uuid >> 64) as u64;
    let ordered = match high >> 12 & 0xF {
        1 => time_first(high),
        version => version << 60 | (high >> 16) << 12 | high & 0xFFF,
    };
    u128::from(ordered) << 64 | u128::from(uuid as u64)
}

fn restore_uuid(ordered: u128) -> u128 {
    let high = (ordered >> 64) as u64;
    let restored = match high >> 60 {
        1 => time_last(high),
        version => (high >> 12) << 16 | version << 12 | high & 0xFFF,
    };
    u128::from(restored) << 64 | u128::from(ordered as u64)
}

/// The last eight bytes of a timeuuid compare as signed ones: a habit of old that stays.
const SIGNS: u128 = 0x8080_8080_8080_8080;

fn order_timeuuid(uuid: u128) -> u128 {
    u128::from(time_first((uuid >> 64) as u64)) << 64 | u128::from(uuid as u64) ^ SIGNS
}

fn restore_timeuuid(ordered: u128) -> u128 {
    u128::from(time_last((ordered >> 64) as u64)) << 64 | u128::from(ordered as u64) ^ SIGNS
}

/// From low, middle, version and high of the time to version and high, middle, low.
fn time_first(high: u64) -> u64 {
    high << 48 | (high >> 16 & 0xFFFF) << 32 | high >> 32
}

fn time_last(ordered: u64) -> u64 {
    ordered << 32 | (ordered >> 32 & 0xFFFF) << 16 | ordered >> 48
}
