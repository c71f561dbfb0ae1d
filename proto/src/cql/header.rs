//! The nine bytes before every body.
//!
//! ```text
//! u8 version, high bit set in answers · u8 flags · i16 stream · u8 opcode · i32 length of the body
//! ```

use bytes::{BufMut, BytesMut};

use super::Version;

/// Bytes of a header.
pub const HEADER_BYTES: usize = 9;

/// The body is compressed. Version 4 only.
pub const FLAG_COMPRESSED: u8 = 0x01;
/// A trace is asked for; in an answer, its id leads the body.
pub const FLAG_TRACING: u8 = 0x02;
/// A custom payload is in the body.
pub const FLAG_PAYLOAD: u8 = 0x04;
/// Warnings are in the body, of an answer.
pub const FLAG_WARNING: u8 = 0x08;

/// In an answer, beside the version.
const ANSWER: u8 = 0x80;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Opcode {
    /// An answer: an error.
    Error,
    /// The first request of a connection.
    Startup,
    /// An answer: go on.
    Ready,
    /// An answer: say who you are.
    Authenticate,
    /// What is supported.
    Options,
    /// An answer: what is supported.
    Supported,
    /// Execute a text.
    Query,
    /// An answer: what came of it.
    Result,
    /// Prepare a text.
    Prepare,
    /// Execute what was prepared.
    Execute,
    /// Tell of events.
    Register,
    /// Not asked for: an event.
    Event,
    /// Execute several writes.
    Batch,
    /// An answer: go on saying who you are.
    AuthChallenge,
    /// Says who one is.
    AuthResponse,
    /// An answer: it is known who you are.
    AuthSuccess,
}

impl Opcode {
    /// The number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Opcode::Error => 0x00,
            Opcode::Startup => 0x01,
            Opcode::Ready => 0x02,
            Opcode::Authenticate => 0x03,
            Opcode::Options => 0x05,
            Opcode::Supported => 0x06,
            Opcode::Query => 0x07,
            Opcode::Result => 0x08,
            Opcode::Prepare => 0x09,
            Opcode::Execute => 0x0a,
            Opcode::Register => 0x0b,
            Opcode::Event => 0x0c,
            Opcode::Batch => 0x0d,
            Opcode::AuthChallenge => 0x0e,
            Opcode::AuthResponse => 0x0f,
            Opcode::AuthSuccess => 0x10,
        }
    }
}

/// The header of a request, its version looked at and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version it is in.
    pub version: Version,
    /// See the `FLAG_` constants.
    pub flags: u8,
    /// What the answer carries, too.
    pub stream: i16,
    /// What it asks for, as a number.
    pub opcode: u8,
    /// Bytes of its body.
    pub length: i32,
}

/// A header of a version that is not spoken here, or of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// The first byte.
    pub version: u8,
    /// Where its sender waits for an answer.
    pub stream: i16,
}

impl Header {
    /// Reads one.
    ///
    /// # Errors
    /// It is of another version.
    pub fn read(bytes: &[u8; HEADER_BYTES]) -> Result<Header, Foreign> {
        let [version, flags, s0, s1, opcode, l0, l1, l2, l3] = *bytes;
        let stream = i16::from_be_bytes([s0, s1]);
        match Version::from_number(version) {
            None => Err(Foreign { version, stream }),
            Some(version) => {
                let length = i32::from_be_bytes([l0, l1, l2, l3]);
                Ok(Header { version, flags, stream, opcode, length })
            }
        }
    }

    /// Writes that of a request.
    pub fn put_request(&self, out: &mut BytesMut) {
        self.put(self.version.number(), out);
    }

    /// Writes that of an answer.
    pub fn put_answer(&self, out: &mut BytesMut) {
        self.put(self.version.number() | ANSWER, out);
    }

    fn put(&self, version: u8, out: &mut BytesMut) {
        out.put_u8(version);
        out.put_u8(self.flags);
        out.put_i16(self.stream);
        out.put_u8(self.opcode);
        out.put_i32(self.length);
    }
}
