//! A connection that speaks version 4, and no more of it than measuring needs.

use bytes::{Buf, Bytes, BytesMut};
use proto::cql::{
    Version,
    header::{HEADER_BYTES, Header, Opcode},
    params::Params,
    prepare::Prepare,
    primitive::{Reader, Text},
    query::Query,
    request::Request,
    startup::{CQL_VERSION, Startup},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::Failure;

/// ONE, as a number.
pub(super) const ONE: u16 = 1;

/// Room for what is read at once.
const READ_BYTES: usize = 64 << 10;

/// A connection.
pub(super) struct Wire {
    stream: TcpStream,
    incoming: BytesMut,
}

impl Wire {
    /// Connects, and says nothing yet.
    pub(super) async fn connect(port: u16) -> Result<Wire, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Wire { stream, incoming: BytesMut::new() })
    }

    /// The same, ready for requests. An echo answers this, too.
    pub(super) async fn start(port: u16) -> Result<Wire, Failure> {
        let mut wire = Wire::connect(port).await?;
        let mut body = BytesMut::new();
        Startup::put(&[(CQL_VERSION, "3.0.0")], &mut body);
        wire.send(&envelope(Opcode::Startup, &body)).await?;
        wire.receive(|_, _| Ok(())).await?;
        Ok(wire)
    }

    /// Sends bytes.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Reads until the other side ends it, and forgets what came.
    pub(super) async fn closed(mut self) {
        let mut bytes = [0; 512];
        while let Ok(1..) = self.stream.read(&mut bytes).await {}
    }

    /// Takes all answers that a wake-up brings, and at least one: each with its stream and its body.
    pub(super) async fn receive(
        &mut self,
        mut take: impl FnMut(i16, Bytes) -> Result<(), Failure>,
    ) -> Result<usize, Failure> {
        let mut count = 0;
        while count == 0 {
            self.incoming.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.incoming).await? == 0 {
                return Err("the connection ended".into());
            }
            while let Some(header) = self.incoming.first_chunk::<HEADER_BYTES>() {
                let [_, _, s0, s1, opcode, length @ ..] = *header;
                let length = HEADER_BYTES + usize::try_from(i32::from_be_bytes(length))?;
                if self.incoming.len() < length {
                    self.incoming.reserve(length);
                    break;
                }
                let mut body = self.incoming.split_to(length).freeze();
                body.advance(HEADER_BYTES);
                if opcode == Opcode::Error.number() {
                    return Err(format!("the node answers {:?}", told(&body)).into());
                }
                take(i16::from_be_bytes([s0, s1]), body)?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Sends one request and waits for its answer.
    pub(super) async fn ask(&mut self, envelope: &[u8]) -> Result<Bytes, Failure> {
        self.send(envelope).await?;
        let mut answer = Bytes::new();
        let take = |_, body| {
            answer = body;
            Ok(())
        };
        self.receive(take).await?;
        Ok(answer)
    }

    /// Executes a text.
    pub(super) async fn query(&mut self, text: &str) -> Result<Bytes, Failure> {
        let query = Query { text: Text::from(text), params: Params::at(ONE) };
        self.ask(&request(&Request::Query(query))).await
    }

    /// Prepares a text: its id.
    pub(super) async fn prepare(&mut self, text: &str) -> Result<Bytes, Failure> {
        let prepare = Prepare { text: Text::from(text), keyspace: None };
        let mut reader = Reader::new(self.ask(&request(&Request::Prepare(prepare))).await?);
        reader.int("kind")?;
        Ok(reader.short_bytes("id")?)
    }
}

/// What an error says.
fn told(body: &Bytes) -> Option<String> {
    let mut reader = Reader::new(body.clone());
    reader.int("code").ok()?;
    Some(reader.string("message").ok()?.to_string())
}

/// A request of stream 0.
pub(super) fn request(request: &Request) -> BytesMut {
    let mut body = BytesMut::new();
    request.put(Version::V4, &mut body);
    envelope(request.opcode(), &body)
}

fn envelope(opcode: Opcode, body: &[u8]) -> BytesMut {
    let length = i32::try_from(body.len()).unwrap_or(i32::MAX);
    let header =
        Header { version: Version::V4, flags: 0, stream: 0, opcode: opcode.number(), length };
    let mut out = BytesMut::new();
    header.put_request(&mut out);
    out.extend_from_slice(body);
    out
}
