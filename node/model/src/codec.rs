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
        let byte = self.input.get(self.offset).copied().ok_or_else(|| self.malformed(what))?;
        self.offset += 1;
        Ok(byte)
    }

    /// An unsigned integer.
    ///
    /// # Errors
    /// At the end of the input, or past 64 bits.
    pub fn uint(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(what)?;
            let bits = u64::from(byte & 0x7F);
            if shift == 63 && bits > 1 {
                return Err(self.malformed(what));
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.malformed(what))
    }

    /// A signed integer.
    ///
    /// # Errors
    /// As `uint`.
    pub fn int(&mut self, what: &'static str) -> Result<i64, Malformed> {
        let raw = self.uint(what)?;
        Ok(((raw >> 1) as i64) ^ -((raw & 1) as i64))
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

    /// Whether everything was read.
    pub fn is_done(&self) -> bool {
        self.offset == self.input.len()
    }

    /// The error for what was being read here.
    pub fn malformed(&self, what: &'static str) -> Malformed {
        Malformed { what, offset: self.offset }
    }
}

#[cfg(test)]
mod tests;
