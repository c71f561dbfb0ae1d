//! The echo: an envelope comes, an envelope of a fixed size goes, and nothing happens in between.
//!
//! What a wake-up brings is read together, and answered with one write.

use bytes::{Buf, BufMut, BytesMut};
use proto::cql::{
    Version,
    header::{HEADER_BYTES, Header, Opcode},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::Failure;

/// Serves until it is dropped. Bodies of answers have so many bytes.
pub(super) async fn serve(listener: TcpListener, bytes: usize) -> Result<(), Failure> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // It ends with its connection.
        tokio::spawn(async move { drop(answer(stream, bytes).await) });
    }
}

async fn answer(mut stream: TcpStream, bytes: usize) -> Result<(), Failure> {
    let (mut incoming, mut outgoing) = (BytesMut::new(), BytesMut::new());
    loop {
        incoming.reserve(64 << 10);
        if stream.read_buf(&mut incoming).await? == 0 {
            return Ok(());
        }
        while let Some(header) = incoming.first_chunk::<HEADER_BYTES>() {
            let header = Header::read(header).map_err(|_| "not an envelope")?;
            let length = HEADER_BYTES + usize::try_from(header.length)?;
            if incoming.len() < length {
                break;
            }
            incoming.advance(length);
            let length = i32::try_from(bytes)?;
            let opcode = Opcode::Result.number();
            let stream = header.stream;
            let answer = Header { version: Version::V4, flags: 0, stream, opcode, length };
            answer.put_answer(&mut outgoing);
            outgoing.put_bytes(0, bytes);
        }
        stream.write_all_buf(&mut outgoing).await?;
    }
}
