//! From the bytes of a connection to envelopes.
//!
//! Nothing is made room for before it is there: of an envelope over the limit the header is told,
//! and its body is passed over as it comes.

use bytes::{Buf, Bytes, BytesMut};

use super::{
    Malformed, Version,
    compression::Compression,
    header::{FLAG_COMPRESSED, Foreign, HEADER_BYTES, Header},
    malformed,
    segment::{self, Packing, Segment},
};

/// How envelopes come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One after the other; before STARTUP was answered, and always in version 4.
    Bare(Option<Compression>),
    /// In segments; in version 5.
    Segments(Packing),
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// An envelope, its body decompressed.
    Envelope(Header, Bytes),
    /// The header of an envelope that is too large: it is passed over.
    TooLarge(Header),
}

/// Why nothing further can be read from a connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// A version that is not spoken here.
    #[error("invalid or unsupported protocol version ({}); supported versions are (4/v4, 5/v5)", .0.version & 0x7f)]
    Version(Foreign),
    /// Bytes that make no sense, in a header where there is one.
    #[error("{1}")]
    Malformed(Option<i16>, Malformed),
}

/// Reads the envelopes of one connection.
#[derive(Debug)]
pub struct Inbound {
    framing: Framing,
    /// Largest body, bytes.
    most: usize,
    /// Bytes of a body over the limit that are still to come.
    passing: usize,
    /// What is left of a segment of whole envelopes.
    whole: Bytes,
    /// An envelope whose segments have not all come.
    parts: BytesMut,
}

impl Inbound {
    /// For bodies of at most `most` bytes, bare and uncompressed for the time being.
    pub fn new(most: usize) -> Inbound {
        let (whole, parts) = (Bytes::new(), BytesMut::new());
        Inbound { framing: Framing::Bare(None), most, passing: 0, whole, parts }
    }

    /// Whatever follows comes like this.
    pub fn switch(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// Whether an envelope has begun to come that is not whole.
    pub fn is_amid(&self) -> bool {
        0 < self.passing || !self.parts.is_empty()
    }

    /// Takes the next one off `buffer`; none where its end has not come yet.
    ///
    /// # Errors
    /// Nothing after it can be read.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Item>, Fatal> {
        match self.framing {
            Framing::Bare(compression) => self.bare(buffer, compression),
            Framing::Segments(packing) => self.segments(buffer, packing),
        }
    }

    fn bare(
        &mut self,
        buffer: &mut BytesMut,
        compression: Option<Compression>,
    ) -> Result<Option<Item>, Fatal> {
        let passed = self.passing.min(buffer.len());
        buffer.advance(passed);
        self.passing -= passed;
        let Some((header, length)) = self.header(buffer)? else { return Ok(None) };
        if self.most < length {
            buffer.advance(HEADER_BYTES);
            self.passing = length;
            return Ok(Some(Item::TooLarge(header)));
        }
        if buffer.len() < HEADER_BYTES + length {
            return Ok(None);
        }
        buffer.advance(HEADER_BYTES);
        let body = buffer.split_to(length).freeze();
        let body = match compression {
            _ if header.version == Version::V5 || header.flags & FLAG_COMPRESSED == 0 => body,
            None => {
                let why = malformed("compressed body, for nothing was agreed to compress with");
                return Err(Fatal::Malformed(Some(header.stream), why));
            }
            // An empty body is not worth a length.
            Some(_) if body.is_empty() => body,
            Some(compression) => compression
                .decompress(&body, self.most)
                .map_err(|why| Fatal::Malformed(Some(header.stream), why))?,
        };
        Ok(Some(Item::Envelope(header, body)))
    }

    fn segments(&mut self, buffer: &mut BytesMut, packing: Packing) -> Result<Option<Item>, Fatal> {
        loop {
            if !self.whole.is_empty() {
                return self.of_whole().map(Some);
            }
            let read = segment::read(buffer, packing);
            let read = read.map_err(|why| Fatal::Malformed(None, why))?;
            let Some(Segment { is_whole, payload }) = read else { return Ok(None) };
            if is_whole {
                if self.is_amid() {
                    return Err(cut("segment amid an envelope"));
                }
                self.whole = payload;
            } else if let Some(item) = self.of_part(&payload)? {
                return Ok(Some(item));
            }
        }
    }

    fn of_whole(&mut self) -> Result<Item, Fatal> {
        let Some((header, length)) = self.header(&self.whole)? else {
            return Err(cut("segment that ends in a header"));
        };
        self.whole.advance(HEADER_BYTES);
        if self.whole.len() < length {
            return Err(cut("segment that ends in an envelope"));
        }
        let body = self.whole.split_to(length);
        if self.most < length {
            return Ok(Item::TooLarge(header));
        }
        Ok(Item::Envelope(header, body))
    }

    fn of_part(&mut self, payload: &Bytes) -> Result<Option<Item>, Fatal> {
        if 0 < self.passing {
            self.passing = self.passing.checked_sub(payload.len()).ok_or(cut("segments"))?;
            return Ok(None);
        }
        self.parts.extend_from_slice(payload);
        let Some((header, length)) = self.header(&self.parts)? else { return Ok(None) };
        let came = self.parts.len() - HEADER_BYTES;
        if length < came {
            return Err(cut("segment beyond the end of its envelope"));
        }
        if self.most < length {
            self.parts = BytesMut::new();
            self.passing = length - came;
            return Ok(Some(Item::TooLarge(header)));
        }
        if came < length {
            return Ok(None);
        }
        let mut envelope = std::mem::take(&mut self.parts).freeze();
        envelope.advance(HEADER_BYTES);
        Ok(Some(Item::Envelope(header, envelope)))
    }

    /// The header that `bytes` begin with, and the length of its body.
    fn header(&self, bytes: &[u8]) -> Result<Option<(Header, usize)>, Fatal> {
        // Of another version perhaps the first byte alone is where we look for it.
        let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
        let header = Header::read(header).map_err(Fatal::Version)?;
        match usize::try_from(header.length) {
            Ok(length) => Ok(Some((header, length))),
            Err(_) => Err(Fatal::Malformed(Some(header.stream), malformed("length of a body"))),
        }
    }
}

fn cut(what: &'static str) -> Fatal {
    Fatal::Malformed(None, malformed(what))
}
