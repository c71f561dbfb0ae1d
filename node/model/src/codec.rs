//! Bytes of our own formats: a writer and a checked reader of integers and byte strings.

use bytes::{BufMut, Bytes, BytesMut};

/// The bytes are not what our writer writes. The text says what and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what} at byte {offset}")]
pub struct Malformed {
    /// What was being read.
    pub what: &'static str,
    /// How far into the input.
    pub offset: usize,
}

/// Appends.
#[derive(Debug, Default)]
pub struct Writer {
    buffer: BytesMut,
}

impl Writer {
    /// With room for about so many bytes, so that writing them does not move them.
    pub fn with_capacity(bytes: usize) -> Writer {
        Writer { buffer: BytesMut::with_capacity(bytes) }
    }

    /// A byte.
    pub fn u8(&mut self, value: u8) {
        self.buffer.put_u8(value);
    }

    /// An unsigned integer in LEB128.
    pub fn uint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.buffer.put_u8((value as u8) | 0x80);
            value >>= 7;
        }
        self.buffer.put_u8(value as u8);
    }

    /// A signed integer: zig-zag, then LEB128.
    pub fn int(&mut self, value: i64) {
        self.uint(((value << 1) ^ (value >> 63)) as u64);
    }

    /// A length and bytes.
    pub fn bytes(&mut self, value: &[u8]) {
        self.uint(value.len() as u64);
        self.buffer.put_slice(value);
    }

    /// Bytes alone.
    pub fn raw(&mut self, value: &[u8]) {
        self.buffer.put_slice(value);
    }

    /// How many bytes were written.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// What was written.
    pub fn finish(self) -> Bytes {
        self.buffer.freeze()
    }
}

/// Reads what `Writer` wrote; byte strings are slices of the input, never copies.
#[derive(Debug)]
pub struct Reader {
    input: Bytes,
    offset: usize,
}

impl Reader {
    /// From the first byte of `input`.
    pub fn new(input: Bytes) -> Reader {
        Reader { input, offset: 0 }
    }

    /// From the byte at `offset`, which lies in `input`.
    pub fn starting_at(input: Bytes, offset: usize) -> Reader {
        debug_assert!(offset <= input.len(), "nothing is read behind the end");
        Reader { input, offset }
    }

    /// A byte.
    ///
    /// # Errors
    /// At the end of the input.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        self.step(what, |it| it.u8())
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// At the end of the input, or past 64 bits.
    pub fn uint(&mut self, what: &'static str) -> Result<u64, Malformed> {
        self.step(what, |it| it.uint())
    }

    /// A signed integer.
    ///
    /// # Errors
    /// As `uint`.
    pub fn int(&mut self, what: &'static str) -> Result<i64, Malformed> {
        self.step(what, |it| it.int())
    }

    /// Reads a number. The error says where it stopped.
    fn step<T>(
        &mut self,
        what: &'static str,
        read: impl FnOnce(&mut Cursor<'_>) -> Option<T>,
    ) -> Result<T, Malformed> {
        let mut cursor = Cursor { input: &self.input, at: self.offset };
        let number = read(&mut cursor);
        self.offset = cursor.at;
        number.ok_or_else(|| self.malformed(what))
    }

    /// A length and bytes.
    ///
    /// # Errors
    /// Where the length passes the end of the input.
    pub fn bytes(&mut self, what: &'static str) -> Result<Bytes, Malformed> {
        let len = self.uint(what)?;
        let len = usize::try_from(len).map_err(|_| self.malformed(what))?;
        self.raw(len, what)
    }

    /// `len` bytes.
    ///
    /// # Errors
    /// Where fewer are left.
    pub fn raw(&mut self, len: usize, what: &'static str) -> Result<Bytes, Malformed> {
        if self.input.len() - self.offset < len {
            return Err(self.malformed(what));
        }
        let slice = self.input.slice(self.offset..self.offset + len);
        self.offset += len;
        Ok(slice)
    }

    /// A count of items that take at least `bytes_min` each: never more than the input can hold.
    ///
    /// # Errors
    /// Where the count claims more than that.
    pub fn count(&mut self, bytes_min: usize, what: &'static str) -> Result<usize, Malformed> {
        let count = self.uint(what)?;
        let left = (self.input.len() - self.offset) / bytes_min.max(1);
        match usize::try_from(count) {
            Ok(count) if count <= left => Ok(count),
            Ok(_) | Err(_) => Err(self.malformed(what)),
        }
    }

    /// How many bytes were read, or passed over.
    pub fn at(&self) -> usize {
        self.offset
    }

    /// Whether everything was read.
    pub fn is_done(&self) -> bool {
        self.offset == self.input.len()
    }

    /// The error for what was being read here.
    pub fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, offset: self.offset }
    }
}

/// Goes over bytes that stay where they are; `None` at whatever is not as our writer writes it. For
/// whoever only looks: a `Reader` holds on to its input, and says what was wrong.
pub(crate) struct Cursor<'a> {
    pub(crate) input: &'a [u8],
    /// How far into the input.
    pub(crate) at: usize,
}

impl<'a> Cursor<'a> {
    /// A byte.
    pub(crate) fn u8(&mut self) -> Option<u8> {
        let byte = *self.input.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    /// An unsigned integer.
    pub(crate) fn uint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A signed integer.
    pub(crate) fn int(&mut self) -> Option<i64> {
        let raw = self.uint()?;
        Some(((raw >> 1) as i64) ^ -((raw & 1) as i64))
    }

    /// A length and bytes.
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.uint()?).ok()?;
        self.raw(len)
    }

    /// `len` bytes.
    pub(crate) fn raw(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let raw = self.input.get(self.at..end)?;
        self.at = end;
        Some(raw)
    }
}

#[cfg(test)]
mod tests;
