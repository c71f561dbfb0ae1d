//! Small pieces that records and messages share: strings, UUIDs, options, lists.

use bytes::Bytes;
use model::{
    HostId, Token,
    codec::{Malformed, Reader, Writer},
};
use uuid::Uuid;

/// The longest name, address or option text that is read, bytes. Comments of tables are the
/// longest that people write.
const TEXT_BYTES_MAX: usize = 65_536;

/// A value with a byte form of its own.
pub(crate) trait Wire: Sized {
    /// Appends the value.
    fn put(&self, out: &mut Writer);

    /// Reads what `put` wrote.
    fn get(input: &mut Reader) -> Result<Self, Malformed>;
}

/// The bytes of one value behind a version byte.
pub(crate) fn encode<T: Wire>(version: u8, value: &T) -> Bytes {
    let mut out = Writer::default();
    out.u8(version);
    value.put(&mut out);
    out.finish()
}

/// Reads what `encode` wrote, to the last byte.
pub(crate) fn decode<T: Wire>(version: u8, bytes: Bytes) -> Result<T, Malformed> {
    let mut input = Reader::new(bytes);
    if input.u8("version")? != version {
        return Err(input.malformed("version"));
    }
    let value = T::get(&mut input)?;
    if !input.is_done() {
        return Err(input.malformed("end"));
    }
    Ok(value)
}

/// Appends a list.
pub(crate) fn put_all<'a, T: Wire + 'a>(
    out: &mut Writer,
    values: impl ExactSizeIterator<Item = &'a T>,
) {
    out.uint(values.len() as u64);
    for value in values {
        value.put(out);
    }
}

/// Reads a list whose items take at least one byte each. Nothing is allocated ahead of the bytes
/// that pay for it.
pub(crate) fn get_all<T: Wire, C: FromIterator<T>>(
    input: &mut Reader,
    what: &'static str,
) -> Result<C, Malformed> {
    let count = input.count(1, what)?;
    (0..count).map(|_| T::get(input)).collect()
}

/// Reads a `u32`.
pub(crate) fn get_u32(input: &mut Reader, what: &'static str) -> Result<u32, Malformed> {
    u32::try_from(input.uint(what)?).map_err(|_| input.malformed(what))
}

impl Wire for u64 {
    fn put(&self, out: &mut Writer) {
        out.uint(*self);
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        input.uint("number")
    }
}

impl Wire for bool {
    fn put(&self, out: &mut Writer) {
        out.u8(u8::from(*self));
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        match input.u8("flag")? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(input.malformed("flag")),
        }
    }
}

impl Wire for String {
    fn put(&self, out: &mut Writer) {
        out.bytes(self.as_bytes());
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        let bytes = input.bytes("text")?;
        if bytes.len() > TEXT_BYTES_MAX {
            return Err(input.malformed("text"));
        }
        String::from_utf8(bytes.into()).map_err(|_| input.malformed("text"))
    }
}

impl Wire for Uuid {
    fn put(&self, out: &mut Writer) {
        out.raw(self.as_bytes());
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        let bytes = input.raw(16, "uuid")?;
        Uuid::from_slice(&bytes).map_err(|_| input.malformed("uuid"))
    }
}

impl Wire for HostId {
    fn put(&self, out: &mut Writer) {
        self.0.put(out);
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        Uuid::get(input).map(HostId)
    }
}

impl Wire for Token {
    fn put(&self, out: &mut Writer) {
        out.int(self.0);
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        input.int("token").map(Token)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn put(&self, out: &mut Writer) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        if bool::get(input)? { T::get(input).map(Some) } else { Ok(None) }
    }
}

impl<A: Wire, B: Wire> Wire for (A, B) {
    fn put(&self, out: &mut Writer) {
        self.0.put(out);
        self.1.put(out);
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        Ok((A::get(input)?, B::get(input)?))
    }
}
