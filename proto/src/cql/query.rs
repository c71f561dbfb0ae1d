//! QUERY: a statement as text.

use bytes::BytesMut;

use super::{
    Malformed, Version,
    params::Params,
    primitive::{Reader, Text, put_long_string},
};

/// A statement to execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// It.
    pub text: Text,
    /// What goes with it.
    pub params: Params,
}

impl Query {
    /// Reads the body.
    ///
    /// # Errors
    /// It is not whole.
    pub fn read(reader: &mut Reader, version: Version) -> Result<Query, Malformed> {
        let text = reader.long_string("statement")?;
        Ok(Query { text, params: Params::read(reader, version)? })
    }

    /// Writes the body.
    pub fn put(&self, version: Version, out: &mut BytesMut) {
        put_long_string(out, &self.text);
        self.params.put(version, out);
    }
}
