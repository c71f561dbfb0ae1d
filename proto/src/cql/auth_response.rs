//! AUTH_RESPONSE: who one says one is.

use bytes::{Bytes, BytesMut};

use super::{
    Malformed,
    primitive::{Reader, put_bytes},
};

/// A step of an authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthResponse {
    /// What the mechanism makes of it is up to the mechanism.
    pub token: Option<Bytes>,
}

impl AuthResponse {
    /// Reads the body.
    ///
    /// # Errors
    /// It is not whole.
    pub fn read(reader: &mut Reader) -> Result<AuthResponse, Malformed> {
        Ok(AuthResponse { token: reader.bytes("token")? })
    }

    /// Writes the body.
    pub fn put(&self, out: &mut BytesMut) {
        put_bytes(out, self.token.as_deref());
    }
}
