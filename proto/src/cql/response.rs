//! Everything a server may answer.

use bytes::{BufMut, BytesMut};

use super::{
    Version,
    error::Error,
    event::Event,
    header::Opcode,
    primitive::{put_bytes, put_string, put_string_list},
    result::Outcome,
};

/// An answer, or an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// It was not carried out.
    Error(Error),
    /// Go on.
    Ready,
    /// Say who you are, to this class.
    Authenticate(String),
    /// What is supported.
    Supported(Vec<(String, Vec<String>)>),
    /// What came of it.
    Result(Outcome),
    /// Something happened.
    Event(Event),
    /// Go on saying who you are.
    AuthChallenge(Option<Vec<u8>>),
    /// It is known who you are.
    AuthSuccess(Option<Vec<u8>>),
}

impl Response {
    /// Its opcode.
    pub fn opcode(&self) -> Opcode {
        match self {
            Response::Error(_) => Opcode::Error,
            Response::Ready => Opcode::Ready,
            Response::Authenticate(_) => Opcode::Authenticate,
            Response::Supported(_) => Opcode::Supported,
            Response::Result(_) => Opcode::Result,
            Response::Event(_) => Opcode::Event,
            Response::AuthChallenge(_) => Opcode::AuthChallenge,
            Response::AuthSuccess(_) => Opcode::AuthSuccess,
        }
    }

    /// Writes the body.
    pub fn put(&self, version: Version, out: &mut BytesMut) {
        match self {
            Response::Error(error) => error.put(version, out),
            Response::Ready => {}
            Response::Authenticate(class) => put_string(out, class),
            Response::Supported(options) => {
                out.put_u16(u16::try_from(options.len()).unwrap_or(u16::MAX));
                for (option, values) in options {
                    put_string(out, option);
                    put_string_list(out, values.iter().map(String::as_str));
                }
            }
            Response::Result(outcome) => outcome.put(version, out),
            Response::Event(event) => event.put(out),
            Response::AuthChallenge(token) | Response::AuthSuccess(token) => {
                put_bytes(out, token.as_deref());
            }
        }
    }
}
