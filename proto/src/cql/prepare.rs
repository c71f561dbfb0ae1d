//! PREPARE: a statement to keep.

use bytes::{BufMut, BytesMut};

use super::{
    Malformed, Version, malformed,
    primitive::{Reader, Text, put_long_string, put_string},
};

/// The one flag there is, in version 5: a keyspace follows.
const KEYSPACE: i32 = 0x01;

/// A statement to prepare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepare {
    /// It.
    pub text: Text,
    /// In the place of the connection's keyspace. Version 5.
    pub keyspace: Option<Text>,
}

impl Prepare {
    /// Reads the body.
    ///
    /// # Errors
    /// It is not whole, or has flags that nobody knows.
    pub fn read(reader: &mut Reader, version: Version) -> Result<Prepare, Malformed> {
        let text = reader.long_string("statement")?;
        let keyspace = match version {
            Version::V4 => None,
            Version::V5 => match reader.int("flags")? {
                0 => None,
                KEYSPACE => Some(reader.string("keyspace")?),
                _ => return Err(malformed("flags")),
            },
        };
        Ok(Prepare { text, keyspace })
    }

    /// Writes the body.
    pub fn put(&self, version: Version, out: &mut BytesMut) {
        put_long_string(out, &self.text);
        match (version, &self.keyspace) {
            (Version::V4, _) => {}
            (Version::V5, None) => out.put_i32(0),
            (Version::V5, Some(keyspace)) => {
                out.put_i32(KEYSPACE);
                put_string(out, keyspace);
            }
        }
    }
}
