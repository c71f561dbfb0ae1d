//! The notations that bodies are made of: numbers, strings, bytes, and lists of them.

use std::{fmt, ops::Deref};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Malformed, malformed};

/// Text that shares the bytes it came in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Bytes);

impl Text {
    /// The text of these bytes, if they are UTF-8.
    pub fn new(bytes: Bytes) -> Option<Text> {
        str::from_utf8(&bytes).is_ok().then_some(Text(bytes))
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        // Checked when it was made, and bytes never change: this never takes the other value.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, out)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, out)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(Bytes::copy_from_slice(text.as_bytes()))
    }
}

/// What stands in the place of a bound value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// No value.
    Null,
    /// Nothing said.
    Unset,
    /// These bytes.
    Bytes(Bytes),
}

/// Takes a body apart from its beginning.
#[derive(Clone, Debug)]
pub struct Reader {
    rest: Bytes,
}

impl Reader {
    /// Over these bytes.
    pub fn new(bytes: Bytes) -> Reader {
        Reader { rest: bytes }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &Bytes {
        &self.rest
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    /// There are fewer.
    pub fn take(&mut self, length: usize, what: &'static str) -> Result<Bytes, Malformed> {
        if self.rest.len() < length {
            return Err(malformed(what));
        }
        Ok(self.rest.split_to(length))
    }

    /// A `[byte]`.
    ///
    /// # Errors
    /// There is none left.
    pub fn byte(&mut self, what: &'static str) -> Result<u8, Malformed> {
        self.rest.try_get_u8().map_err(|_| malformed(what))
    }

    /// A `[short]`.
    ///
    /// # Errors
    /// Fewer than 2 bytes are left.
    pub fn short(&mut self, what: &'static str) -> Result<u16, Malformed> {
        self.rest.try_get_u16().map_err(|_| malformed(what))
    }

    /// An `[int]`.
    ///
    /// # Errors
    /// Fewer than 4 bytes are left.
    pub fn int(&mut self, what: &'static str) -> Result<i32, Malformed> {
        self.rest.try_get_i32().map_err(|_| malformed(what))
    }

    /// A `[long]`.
    ///
    /// # Errors
    /// Fewer than 8 bytes are left.
    pub fn long(&mut self, what: &'static str) -> Result<i64, Malformed> {
        self.rest.try_get_i64().map_err(|_| malformed(what))
    }

    /// A `[string]`.
    ///
    /// # Errors
    /// It is cut short, or not UTF-8.
    pub fn string(&mut self, what: &'static str) -> Result<Text, Malformed> {
        let length = self.short(what)?;
        Text::new(self.take(length.into(), what)?).ok_or(malformed(what))
    }

    /// A `[long string]`.
    ///
    /// # Errors
    /// It is cut short, of a negative length, or not UTF-8.
    pub fn long_string(&mut self, what: &'static str) -> Result<Text, Malformed> {
        let length = usize::try_from(self.int(what)?).map_err(|_| malformed(what))?;
        Text::new(self.take(length, what)?).ok_or(malformed(what))
    }

    /// A `[short bytes]`.
    ///
    /// # Errors
    /// It is cut short.
    pub fn short_bytes(&mut self, what: &'static str) -> Result<Bytes, Malformed> {
        let length = self.short(what)?;
        self.take(length.into(), what)
    }

    /// A `[bytes]`; any negative length is null.
    ///
    /// # Errors
    /// It is cut short.
    pub fn bytes(&mut self, what: &'static str) -> Result<Option<Bytes>, Malformed> {
        match usize::try_from(self.int(what)?) {
            Ok(length) => self.take(length, what).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// A `[value]`.
    ///
    /// # Errors
    /// It is cut short, or its length is negative and neither that of null nor that of unset.
    pub fn value(&mut self, what: &'static str) -> Result<Value, Malformed> {
        match self.int(what)? {
            -1 => Ok(Value::Null),
            -2 => Ok(Value::Unset),
            length => {
                let length = usize::try_from(length).map_err(|_| malformed(what))?;
                self.take(length, what).map(Value::Bytes)
            }
        }
    }
}

/// A `[string map]`, seen to be whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringMap {
    count: u16,
    bytes: Bytes,
}

impl StringMap {
    /// Reads over one.
    ///
    /// # Errors
    /// It is not whole.
    pub fn read(reader: &mut Reader) -> Result<StringMap, Malformed> {
        let what = "string map";
        let count = reader.short(what)?;
        let bytes = reader.rest().clone();
        for _ in 0..count {
            reader.string(what)?;
            reader.string(what)?;
        }
        let length = bytes.len() - reader.rest().len();
        Ok(StringMap { count, bytes: bytes.slice(..length) })
    }

    /// Writes it as it came.
    pub fn put(&self, out: &mut BytesMut) {
        put_short(out, self.count.into());
        out.extend_from_slice(&self.bytes);
    }

    /// What it maps to what, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = (Text, Text)> {
        let mut reader = Reader::new(self.bytes.clone());
        // Seen to be whole: it ends after as many as there are.
        (0..self.count)
            .map_while(move |_| Some((reader.string("key").ok()?, reader.string("value").ok()?)))
    }

    /// What `key` maps to; the last one where it came twice.
    pub fn get(&self, key: &str) -> Option<Text> {
        self.iter().filter(|(it, _)| **it == *key).last().map(|(_, value)| value)
    }
}

/// A `[string list]`, seen to be whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringList {
    count: u16,
    bytes: Bytes,
}

impl StringList {
    /// Reads over one.
    ///
    /// # Errors
    /// It is not whole.
    pub fn read(reader: &mut Reader) -> Result<StringList, Malformed> {
        let what = "string list";
        let count = reader.short(what)?;
        let bytes = reader.rest().clone();
        for _ in 0..count {
            reader.string(what)?;
        }
        let length = bytes.len() - reader.rest().len();
        Ok(StringList { count, bytes: bytes.slice(..length) })
    }

    /// Its strings, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = Text> {
        let mut reader = Reader::new(self.bytes.clone());
        (0..self.count).map_while(move |_| reader.string("string").ok())
    }
}

/// Longest `[string]`, bytes: its length is a `[short]`.
const STRING_BYTES_MAX: usize = u16::MAX as usize;

/// Writes a `[string]`. Of text that is too long for one, as much as fits.
pub fn put_string(out: &mut BytesMut, text: &str) {
    let mut length = text.len().min(STRING_BYTES_MAX);
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    put_short(out, length);
    out.put_slice(&text.as_bytes()[..length]);
}

/// Writes a `[long string]`.
pub fn put_long_string(out: &mut BytesMut, text: &str) {
    put_int(out, text.len());
    out.put_slice(text.as_bytes());
}

/// Writes a `[short bytes]`. What is written so is an id, and short.
pub fn put_short_bytes(out: &mut BytesMut, bytes: &[u8]) {
    let bytes = &bytes[..bytes.len().min(STRING_BYTES_MAX)];
    put_short(out, bytes.len());
    out.put_slice(bytes);
}

/// Writes a `[bytes]`.
pub fn put_bytes(out: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        None => out.put_i32(-1),
        Some(bytes) => {
            put_int(out, bytes.len());
            out.put_slice(bytes);
        }
    }
}

/// Writes a `[string list]`, of at most 65,535 strings.
pub fn put_string_list<'a>(out: &mut BytesMut, texts: impl ExactSizeIterator<Item = &'a str>) {
    let count = texts.len().min(usize::from(u16::MAX));
    put_short(out, count);
    texts.take(count).for_each(|text| put_string(out, text));
}

/// Writes an `[inet]`.
pub fn put_inet(out: &mut BytesMut, address: std::net::SocketAddr) {
    put_inetaddr(out, address.ip());
    out.put_i32(address.port().into());
}

/// Writes an `[inetaddr]`.
pub fn put_inetaddr(out: &mut BytesMut, address: std::net::IpAddr) {
    match address {
        std::net::IpAddr::V4(it) => {
            out.put_u8(4);
            out.put_slice(&it.octets());
        }
        std::net::IpAddr::V6(it) => {
            out.put_u8(16);
            out.put_slice(&it.octets());
        }
    }
}

/// Writes a count as a `[short]`.
pub(crate) fn put_short(out: &mut BytesMut, count: usize) {
    out.put_u16(u16::try_from(count).unwrap_or(u16::MAX));
}

/// Writes a count as an `[int]`. Nothing that is sent has as many as would not fit.
pub(crate) fn put_int(out: &mut BytesMut, count: usize) {
    out.put_i32(i32::try_from(count).unwrap_or(i32::MAX));
}
