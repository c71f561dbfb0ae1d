//! Everything a client may ask for.

use bytes::{Bytes, BytesMut};

use super::{
    Malformed,
    auth_response::AuthResponse,
    batch::Batch,
    execute::Execute,
    header::{FLAG_PAYLOAD, Header, Opcode},
    malformed,
    prepare::Prepare,
    primitive::Reader,
    query::Query,
    register::Register,
    startup::Startup,
};

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Begins a connection.
    Startup(Startup),
    /// Asks what is supported.
    Options,
    /// Says who one is.
    AuthResponse(AuthResponse),
    /// Asks for events.
    Register(Register),
    /// Executes a text.
    Query(Query),
    /// Prepares a text.
    Prepare(Prepare),
    /// Executes what was prepared.
    Execute(Execute),
    /// Executes several writes.
    Batch(Batch),
}

impl Request {
    /// Reads the body behind `header`. A custom payload is passed over. Whatever follows the body
    /// is, too: later versions may have put it there.
    ///
    /// # Errors
    /// It is not whole, or its opcode is not one of a request.
    pub fn read(header: &Header, body: Bytes) -> Result<Request, Malformed> {
        let mut reader = Reader::new(body);
        if header.flags & FLAG_PAYLOAD != 0 {
            for _ in 0..reader.short("custom payload")? {
                reader.string("custom payload")?;
                reader.bytes("custom payload")?;
            }
        }
        let (reader, version) = (&mut reader, header.version);
        let is = |opcode: Opcode| header.opcode == opcode.number();
        if is(Opcode::Query) {
            Query::read(reader, version).map(Request::Query)
        } else if is(Opcode::Execute) {
            Execute::read(reader, version).map(Request::Execute)
        } else if is(Opcode::Prepare) {
            Prepare::read(reader, version).map(Request::Prepare)
        } else if is(Opcode::Batch) {
            Batch::read(reader, version).map(Request::Batch)
        } else if is(Opcode::Options) {
            Ok(Request::Options)
        } else if is(Opcode::Startup) {
            Startup::read(reader).map(Request::Startup)
        } else if is(Opcode::Register) {
            Register::read(reader).map(Request::Register)
        } else if is(Opcode::AuthResponse) {
            AuthResponse::read(reader).map(Request::AuthResponse)
        } else {
            Err(malformed("opcode of a request"))
        }
    }

    /// Its opcode.
    pub fn opcode(&self) -> Opcode {
        match self {
            Request::Startup(_) => Opcode::Startup,
            Request::Options => Opcode::Options,
            Request::AuthResponse(_) => Opcode::AuthResponse,
            Request::Register(_) => Opcode::Register,
            Request::Query(_) => Opcode::Query,
            Request::Prepare(_) => Opcode::Prepare,
            Request::Execute(_) => Opcode::Execute,
            Request::Batch(_) => Opcode::Batch,
        }
    }

    /// Writes the body.
    pub fn put(&self, version: super::Version, out: &mut BytesMut) {
        match self {
            Request::Options => {}
            Request::Startup(it) => it.options.put(out),
            Request::AuthResponse(it) => it.put(out),
            Request::Register(it) => it.put(out),
            Request::Query(it) => it.put(version, out),
            Request::Prepare(it) => it.put(version, out),
            Request::Execute(it) => it.put(version, out),
            Request::Batch(it) => it.put(version, out),
        }
    }
}
