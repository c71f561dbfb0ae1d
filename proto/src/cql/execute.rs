//! EXECUTE: a prepared statement, with its values.

use bytes::{Bytes, BytesMut};

use super::{
    Malformed, Version,
    params::Params,
    primitive::{Reader, put_short_bytes},
};

/// A prepared statement to execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Execute {
    /// What PREPARE was answered with.
    pub id: Bytes,
    /// Which description of its rows the client has. Version 5.
    pub result_metadata_id: Option<Bytes>,
    /// What goes with it.
    pub params: Params,
}

impl Execute {
    /// Reads the body.
    ///
    /// # Errors
    /// It is not whole.
    pub fn read(reader: &mut Reader, version: Version) -> Result<Execute, Malformed> {
        let id = reader.short_bytes("prepared id")?;
        let result_metadata_id = match version {
            Version::V4 => None,
            Version::V5 => Some(reader.short_bytes("result metadata id")?),
        };
        Ok(Execute { id, result_metadata_id, params: Params::read(reader, version)? })
    }

    /// Writes the body.
    pub fn put(&self, version: Version, out: &mut BytesMut) {
        put_short_bytes(out, &self.id);
        if version == Version::V5 {
            put_short_bytes(out, self.result_metadata_id.as_deref().unwrap_or_default());
        }
        self.params.put(version, out);
    }
}
