//! STARTUP: how the connection is to be.

use bytes::{BufMut, BytesMut};

use super::{
    Malformed,
    primitive::{Reader, StringMap, put_string},
};

/// The name of the option that chooses a compression.
pub const COMPRESSION: &str = "COMPRESSION";

/// The name of the option that every client gives: the language's version.
pub const CQL_VERSION: &str = "CQL_VERSION";

/// The first request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    /// What the client wishes, and who it is. Many of them mean nothing here.
    pub options: StringMap,
}

impl Startup {
    /// Reads the body.
    ///
    /// # Errors
    /// It is not whole.
    pub fn read(reader: &mut Reader) -> Result<Startup, Malformed> {
        Ok(Startup { options: StringMap::read(reader)? })
    }

    /// Writes the body of one with these options.
    pub fn put(options: &[(&str, &str)], out: &mut BytesMut) {
        out.put_u16(u16::try_from(options.len()).unwrap_or(u16::MAX));
        for (key, value) in options {
            put_string(out, key);
            put_string(out, value);
        }
    }
}
