//! What no client of ours would send: messages made by hand in a good stream, and HTTP/2 frames made by hand.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use bytes::{Buf as _, BufMut as _, Bytes};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{
    Request, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Endpoint,
};

use crate::process::SOON;

/// The streams of the two doors.
pub(crate) const CLIENT: &str = "/helenus.client.v1.Client/Stream";
pub(crate) const PEER: &str = "/helenus.peer.v1.Peer/Stream";

/// Takes bytes for messages, whatever they are.
#[derive(Clone, Copy, Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Plain;
    type Decoder = Plain;

    fn encoder(&mut self) -> Plain {
        Plain
    }

    fn decoder(&mut self) -> Plain {
        Plain
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// What a door answered on one stream.
pub(crate) struct Answers {
    /// Its messages.
    pub(crate) said: Vec<Bytes>,
    /// How it ended the stream, if not well.
    pub(crate) status: Option<Status>,
}

impl Answers {
    /// The texts in its messages and its status: enough to look for a code.
    pub(crate) fn text(&self) -> String {
        let status = self.status.as_ref().map_or("", |it| it.message());
        let said = self.said.iter().map(|it| String::from_utf8_lossy(it).into_owned());
        said.chain([status.to_owned()]).collect::<Vec<_>>().join("\n")
    }
}

/// Says `messages` on a new stream, waits for so many answers or for the end, and then says no more.
pub(crate) async fn talk(
    address: &str,
    path: &'static str,
    messages: Vec<Bytes>,
    count: usize,
) -> Answers {
    let conversation = async {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = endpoint.connect().await.unwrap();
        let (sender, outgoing) = mpsc::channel(messages.len().max(1));
        messages.into_iter().for_each(|it| sender.try_send(it).unwrap());
        let mut grpc = tonic::client::Grpc::new(channel);
        grpc.ready().await.unwrap();
        let request = Request::new(ReceiverStream::new(outgoing));
        let mut answers = Answers { said: Vec::new(), status: None };
        let mut incoming = match grpc.streaming(request, path.parse().unwrap(), Plain).await {
            Ok(response) => response.into_inner(),
            Err(status) => {
                answers.status = Some(status);
                return answers;
            }
        };
        let mut sender = Some(sender);
        loop {
            if count <= answers.said.len() {
                sender = None;
            }
            match incoming.message().await {
                Ok(Some(message)) => answers.said.push(message),
                Ok(None) => break,
                Err(status) => {
                    answers.status = Some(status);
                    break;
                }
            }
        }
        drop(sender);
        answers
    };
    tokio::time::timeout(SOON, conversation).await.expect("the door ends the stream")
}

/// The preface of HTTP/2.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Kinds of frames.
pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GO_AWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Flags of frames.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(body);
    frame
}

/// The header block of a gRPC request, without compression.
pub(crate) fn request_headers(path: &str) -> Vec<u8> {
    // `:method: POST` and `:scheme: http` stand in the static table; names of `:path`, `:authority` and
    // `content-type` do.
    let mut block = vec![0x83, 0x86];
    let text = |block: &mut Vec<u8>, text: &str| {
        block.push(u8::try_from(text.len()).unwrap());
        block.extend(text.as_bytes());
    };
    block.push(0x04);
    text(&mut block, path);
    block.push(0x01);
    text(&mut block, "localhost");
    block.extend([0x0f, 0x10]);
    text(&mut block, "application/grpc");
    block.push(0x00);
    text(&mut block, "te");
    text(&mut block, "trailers");
    block
}

/// A connection that speaks HTTP/2 as far as it is told to.
pub(crate) struct Http2(TcpStream);

/// A frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) body: Vec<u8>,
}

impl Http2 {
    /// Connects and says the first words.
    pub(crate) fn connect(port: u16) -> Http2 {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        let mut it = Http2(stream);
        it.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).unwrap();
        it
    }

    /// Sends bytes. An error: it was closed to us.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send_within(bytes, SOON)
    }

    /// Sends bytes, if the other side takes them in time.
    pub(crate) fn send_within(&mut self, bytes: &[u8], patience: Duration) -> io::Result<()> {
        self.0.set_write_timeout(Some(patience)).unwrap();
        self.0.write_all(bytes)
    }

    /// Opens a gRPC stream.
    pub(crate) fn open(&mut self, stream: u32, path: &str) -> io::Result<()> {
        self.send(&frame(HEADERS, END_HEADERS, stream, &request_headers(path)))
    }

    /// The next frame. `None`: the connection is closed, or nothing came for so long.
    pub(crate) fn next(&mut self, patience: Duration) -> Option<Frame> {
        self.0.set_read_timeout(Some(patience)).unwrap();
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut body = vec![0; len];
        self.0.read_exact(&mut body).ok()?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        Some(Frame { kind: head[3], flags: head[4], stream, body })
    }

    /// The first frame that `is` what is waited for, if it comes before the end of the connection.
    pub(crate) fn find(&mut self, is: impl Fn(&Frame) -> bool) -> Option<Frame> {
        std::iter::from_fn(|| self.next(SOON)).find(is)
    }

    /// Answers nothing, not even pings, until it is closed; says how long that took.
    pub(crate) fn silence(&mut self) -> Option<Duration> {
        let begin = Instant::now();
        self.0.set_read_timeout(Some(SOON)).unwrap();
        let mut buffer = [0; 4096];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return Some(begin.elapsed()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Some(begin.elapsed());
                }
                Err(_) => return None,
            }
        }
    }
}
