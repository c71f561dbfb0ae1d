//! The native protocol byte by byte, as no driver would speak it.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use proto::cql::{
    Version,
    execute::Execute,
    header::{HEADER_BYTES, Header, Opcode},
    params::{Params, Values},
    prepare::Prepare,
    primitive::{Reader, Text, Value},
    query::Query,
    request::Request,
    segment::{self, Packing},
    startup::Startup,
};

use crate::process::Node;

/// ONE, as a number.
const ONE: u16 = 1;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// A client that says what it is told to.
struct Raw {
    stream: TcpStream,
    version: Version,
    is_segmented: bool,
    incoming: BytesMut,
    envelopes: BytesMut,
}

/// An answer: its stream, its opcode, its body.
type Answer = (i16, u8, Bytes);

impl Raw {
    fn connect(node: &Node, version: Version) -> Raw {
        let stream = TcpStream::connect(("127.0.0.1", node.cql_port())).unwrap();
        stream.set_read_timeout(Some(ANSWER)).unwrap();
        let (incoming, envelopes) = Default::default();
        Raw { stream, version, is_segmented: false, incoming, envelopes }
    }

    /// The same, ready for requests.
    fn start(node: &Node, version: Version) -> Raw {
        let mut raw = Raw::connect(node, version);
        let mut body = BytesMut::new();
        Startup::put(&[("CQL_VERSION", "3.0.0"), ("DRIVER_NAME", "")], &mut body);
        raw.send_body(0, Opcode::Startup, &body);
        assert_eq!(raw.answer().1, Opcode::Ready.number());
        raw.is_segmented = version == Version::V5;
        raw
    }

    fn send_body(&mut self, stream: i16, opcode: Opcode, body: &[u8]) {
        self.offer(stream, opcode, body).unwrap();
    }

    /// The same, where the connection may have ended.
    fn offer(&mut self, stream: i16, opcode: Opcode, body: &[u8]) -> std::io::Result<()> {
        let mut envelope = envelope(self.version, stream, opcode, body.len(), body);
        if self.is_segmented {
            let bare = envelope.split();
            segment::write(&bare, true, Packing::Plain, &mut envelope);
        }
        self.stream.write_all(&envelope)
    }

    fn send(&mut self, stream: i16, request: &Request) {
        let mut body = BytesMut::new();
        request.put(self.version, &mut body);
        self.send_body(stream, request.opcode(), &body);
    }

    /// The next answer; none where the connection ends.
    fn next(&mut self) -> Option<Answer> {
        self.try_next().unwrap()
    }

    /// The same, where the connection may be reset.
    fn try_next(&mut self) -> std::io::Result<Option<Answer>> {
        loop {
            if self.is_segmented {
                while let Some(it) = segment::read(&mut self.incoming, Packing::Plain).unwrap() {
                    self.envelopes.extend_from_slice(&it.payload);
                }
            } else {
                self.envelopes.unsplit(self.incoming.split());
            }
            if let Some(header) = self.envelopes.first_chunk::<HEADER_BYTES>() {
                let length = i32::from_be_bytes(*header.last_chunk().unwrap()) as usize;
                if HEADER_BYTES + length <= self.envelopes.len() {
                    let mut envelope = self.envelopes.split_to(HEADER_BYTES + length).freeze();
                    assert_eq!(envelope[0], 0x80 | self.version.number());
                    let (stream, opcode) =
                        (i16::from_be_bytes([envelope[2], envelope[3]]), envelope[4]);
                    envelope.advance(HEADER_BYTES);
                    return Ok(Some((stream, opcode, envelope)));
                }
            }
            let mut bytes = [0; 1 << 16];
            match self.stream.read(&mut bytes)? {
                0 => return Ok(None),
                length => self.incoming.extend_from_slice(&bytes[..length]),
            }
        }
    }

    fn answer(&mut self) -> Answer {
        self.next().expect("the connection ended")
    }

    /// The number and the message of the error that comes next.
    fn error(&mut self) -> (i16, i32, String) {
        let (stream, opcode, body) = self.answer();
        assert_eq!(opcode, Opcode::Error.number());
        let mut reader = Reader::new(body);
        (stream, reader.int("code").unwrap(), reader.string("message").unwrap().to_string())
    }

    /// Executes a text, and answers the body of its result.
    fn query(&mut self, text: &str) -> Bytes {
        self.send(1, &query(text));
        let (stream, opcode, body) = self.answer();
        assert_eq!((stream, opcode), (1, Opcode::Result.number()), "{text}: {body:?}");
        body
    }

    fn prepare(&mut self, text: &str) -> (Bytes, Bytes) {
        self.send(2, &Request::Prepare(Prepare { text: text.into(), keyspace: None }));
        let mut reader = Reader::new(self.answer().2);
        assert_eq!(reader.int("kind").unwrap(), 4);
        let id = reader.short_bytes("id").unwrap();
        let rows = match self.version {
            Version::V4 => Bytes::new(),
            Version::V5 => reader.short_bytes("rows").unwrap(),
        };
        (id, rows)
    }

    fn execute(&mut self, (id, rows): &(Bytes, Bytes), values: &[Value]) -> Bytes {
        let params = Params { values: Values::of(values), ..Params::at(ONE) };
        let result_metadata_id = Some(rows.clone());
        self.send(3, &Request::Execute(Execute { id: id.clone(), result_metadata_id, params }));
        let (_, opcode, body) = self.answer();
        assert_eq!(opcode, Opcode::Result.number(), "{body:?}");
        body
    }
}

fn envelope(version: Version, stream: i16, opcode: Opcode, length: usize, body: &[u8]) -> BytesMut {
    let length = i32::try_from(length).unwrap();
    let header = Header { version, flags: 0, stream, opcode: opcode.number(), length };
    let mut out = BytesMut::new();
    header.put_request(&mut out);
    out.extend_from_slice(body);
    out
}

fn query(text: &str) -> Request {
    Request::Query(Query { text: Text::from(text), params: Params::at(ONE) })
}

/// The cells of the rows of a result of `columns` columns that describes them.
fn cells(body: &Bytes, columns: usize) -> Vec<Option<Bytes>> {
    // The cells are last: as many as there are, from the end of the description.
    let mut reader = Reader::new(body.clone());
    assert_eq!(reader.int("kind").unwrap(), 2);
    let flags = reader.int("flags").unwrap();
    assert_eq!(flags, 1, "one table, one page, described");
    assert_eq!(reader.int("columns").unwrap() as usize, columns);
    for _ in 0..2 {
        reader.string("table").unwrap();
    }
    for _ in 0..columns {
        reader.string("name").unwrap();
        reader.short("type").unwrap();
    }
    let rows = reader.int("rows").unwrap() as usize;
    (0..rows * columns).map(|_| reader.bytes("cell").unwrap()).collect()
}

async fn node(folder: &tempfile::TempDir) -> Node {
    let mut node = Node::new(folder.path().join("node"));
    node.start();
    node.ready().await;
    node
}

const KEYSPACE: &str =
    "CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}";

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_tell_null_unset_and_empty_apart() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(&folder).await;
    for (version, number) in [(Version::V4, 4), (Version::V5, 5)] {
        let mut raw = Raw::start(&node, version);
        raw.query(&KEYSPACE.replace("ks", &format!("ks{number}")));
        raw.query(&format!("USE ks{number}"));
        raw.query("CREATE TABLE t (k int PRIMARY KEY, a int, b text)");
        let insert = raw.prepare("INSERT INTO t (k, a, b) VALUES (?, ?, ?)");
        let (key, five) = (Value::Bytes(vec![0, 0, 0, 1].into()), Bytes::from(vec![0, 0, 0, 5]));
        let text = Value::Bytes("x".into());
        raw.execute(&insert, &[key.clone(), Value::Bytes(five.clone()), text]);
        raw.execute(&insert, &[key.clone(), Value::Unset, Value::Null]);
        let select = raw.prepare("SELECT a, b FROM t WHERE k = ?");
        let read = |raw: &mut Raw| cells(&raw.execute(&select, std::slice::from_ref(&key)), 2);
        assert_eq!(read(&mut raw), [Some(five), None]);
        let empty = Value::Bytes(Bytes::new());
        raw.execute(&insert, &[key.clone(), empty.clone(), empty]);
        assert_eq!(read(&mut raw), [Some(Bytes::new()), Some(Bytes::new())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_go_by_their_stream_and_events_by_none() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(&folder).await;
    let mut raw = Raw::start(&node, Version::V5);
    for stream in [7, 0, 32_000, 5] {
        raw.send(stream, &query("SELECT key FROM system.local"));
    }
    let mut streams: Vec<i16> = (0..4).map(|_| raw.answer().0).collect();
    streams.sort_unstable();
    assert_eq!(streams, [0, 5, 7, 32_000]);
    let mut listening = Raw::start(&node, Version::V4);
    listening.send_body(1, Opcode::Register, b"\0\x01\0\x0dSCHEMA_CHANGE");
    assert_eq!(listening.answer().1, Opcode::Ready.number());
    raw.query(KEYSPACE);
    let (stream, opcode, body) = listening.answer();
    assert_eq!((stream, opcode), (-1, Opcode::Event.number()));
    assert_eq!(body, "\0\x0dSCHEMA_CHANGE\0\x07CREATED\0\x08KEYSPACE\0\x02ks");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_told_and_ends_the_connection() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(&folder).await;
    // Versions of others are answered in our highest one.
    for version in [1, 3, 6, 65, 66, 0x84] {
        let mut raw = Raw::connect(&node, Version::V5);
        raw.stream.write_all(&[version, 0, 0, 9, 5, 0, 0, 0, 0]).unwrap();
        let (stream, code, message) = raw.error();
        assert_eq!((stream, code), (9, 0x000a), "{message}");
        assert!(message.contains("unsupported protocol version"), "{message}");
        assert_eq!(raw.next(), None);
    }
    let mut raw = Raw::connect(&node, Version::V4);
    raw.send(3, &query("SELECT key FROM system.local"));
    assert_eq!(raw.error(), (3, 0x000a, "STARTUP comes first [HX2001]".to_owned()));
    assert_eq!(raw.next(), None);
    let mut raw = Raw::start(&node, Version::V5);
    raw.version = Version::V4;
    raw.send(4, &query("SELECT key FROM system.local"));
    assert_eq!(raw.error().1, 0x000a);
    let mut raw = Raw::start(&node, Version::V5);
    let mut damaged = BytesMut::new();
    segment::write(&[5, 0, 0, 1, 5, 0, 0, 0, 0], true, Packing::Plain, &mut damaged);
    damaged[8] ^= 1;
    raw.stream.write_all(&damaged).unwrap();
    assert_eq!(raw.error().1, 0x000a);
    assert_eq!(raw.next(), None);
    // A body that makes no sense is one request's trouble only.
    let mut raw = Raw::start(&node, Version::V4);
    raw.send_body(5, Opcode::Query, &[0, 0, 1]);
    assert_eq!(raw.error().1, 0x000a);
    raw.query("SELECT key FROM system.local");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_too_large_is_refused_from_its_header() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(&folder).await;
    let mut raw = Raw::start(&node, Version::V4);
    raw.query("SELECT key FROM system.local");
    let before = node.memory("VmRSS");
    // Many that only say so.
    let large = 300 << 20;
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let mut other = Raw::start(&node, Version::V4);
        let header = envelope(Version::V4, 8, Opcode::Query, large, &[]);
        other.stream.write_all(&header).unwrap();
        let (stream, code, message) = other.error();
        assert_eq!((stream, code), (8, 0x2200), "{message}");
        assert!(message.contains("HX5002"), "{message}");
        waiting.push(other);
    }
    // One that means it: the connection goes on behind it.
    let header = envelope(Version::V4, 8, Opcode::Query, 20 << 20, &[]);
    raw.stream.write_all(&header).unwrap();
    assert_eq!(raw.error().1, 0x2200);
    for _ in 0..20 {
        raw.stream.write_all(&vec![b'x'; 1 << 20]).unwrap();
    }
    raw.query("SELECT key FROM system.local");
    let grown = node.memory("VmRSS").saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_no_answers_gets_no_more_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(&folder).await;
    let mut raw = Raw::start(&node, Version::V4);
    raw.query(KEYSPACE);
    raw.query("CREATE TABLE ks.t (k int PRIMARY KEY, v blob)");
    let insert = raw.prepare("INSERT INTO ks.t (k, v) VALUES (?, ?)");
    let (key, value) = (Bytes::from(vec![0, 0, 0, 1]), Bytes::from(vec![7; 500_000]));
    raw.execute(&insert, &[Value::Bytes(key), Value::Bytes(value)]);
    let before = node.memory("VmHWM");
    // Together they ask for 1 GB.
    let mut greedy: Vec<Raw> = (0..2).map(|_| Raw::start(&node, Version::V4)).collect();
    for raw in &mut greedy {
        for stream in 0..1000 {
            raw.send(stream, &query("SELECT v FROM ks.t WHERE k = 1"));
        }
    }
    for _ in 0..100 {
        raw.query("SELECT key FROM system.local");
    }
    let grown = node.memory("VmHWM").saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
    // Who takes them after all has not lost any.
    let mut streams: Vec<i16> = (0..1000).map(|_| greedy[0].answer().0).collect();
    streams.sort_unstable();
    assert!(streams.into_iter().eq(0..1000));
}

/// Each of them may leave a few megabytes untaken, but all of them no more than the node has for it;
/// nobody is refused for it, and whoever takes answers goes on meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn many_who_take_no_answers_share_one_budget() {
    const GREEDY: usize = 60;
    const REQUESTS: i16 = 12;
    let folder = tempfile::tempdir().unwrap();
    let mut node = Node::new(folder.path().join("node")).with_memory("128MiB");
    node.start();
    node.ready().await;
    let mut raw = Raw::start(&node, Version::V4);
    raw.query(KEYSPACE);
    raw.query("CREATE TABLE ks.t (k int PRIMARY KEY, v blob)");
    let insert = raw.prepare("INSERT INTO ks.t (k, v) VALUES (?, ?)");
    let (key, value) = (Bytes::from(vec![0, 0, 0, 1]), Bytes::from(vec![7; 500_000]));
    raw.execute(&insert, &[Value::Bytes(key), Value::Bytes(value)]);
    let before = node.memory("VmHWM");
    // Together they ask for 360 MB.
    let mut greedy: Vec<Raw> = (0..GREEDY).map(|_| Raw::start(&node, Version::V4)).collect();
    for raw in &mut greedy {
        for stream in 0..REQUESTS {
            raw.send(stream, &query("SELECT v FROM ks.t WHERE k = 1"));
        }
    }
    for _ in 0..100 {
        raw.query("SELECT key FROM system.local");
    }
    let grown = node.memory("VmHWM").saturating_sub(before);
    assert!(grown < 128 << 20, "{grown} bytes more");
    for raw in &mut greedy {
        let answered =
            (0..REQUESTS).map(|_| raw.answer()).map(|(stream, opcode, _)| (stream, opcode));
        let mut answered: Vec<_> = answered.collect();
        answered.sort_unstable();
        assert!(answered.into_iter().eq((0..REQUESTS).map(|it| (it, Opcode::Result.number()))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_drains_answers_what_it_has_in_hand() {
    let folder = tempfile::tempdir().unwrap();
    let mut node = node(&folder).await;
    let mut raw = Raw::start(&node, Version::V5);
    raw.query(KEYSPACE);
    raw.query("CREATE TABLE ks.t (k int PRIMARY KEY, v int)");
    let idle = Raw::start(&node, Version::V4);
    let (begun, first) = std::sync::mpsc::channel();
    let writing = tokio::task::spawn_blocking(move || {
        let mut body = BytesMut::new();
        query("INSERT INTO ks.t (k, v) VALUES (1, 1)").put(raw.version, &mut body);
        let mut written = 0;
        loop {
            // Three at a time: what was read of them is answered.
            let sent = (0..3).all(|stream| raw.offer(stream, Opcode::Query, &body).is_ok());
            for _ in 0..3 {
                let Ok(Some((_, opcode, body))) = raw.try_next() else { return written };
                let not_ready = body.starts_with(&[0, 0, 0x10, 0x02]);
                let done = opcode == Opcode::Result.number();
                assert!(done || not_ready, "{opcode}: {body:?}");
                written += u32::from(done);
            }
            // Nobody listens for the second.
            let _ = begun.send(());
            assert!(sent);
        }
    });
    tokio::task::spawn_blocking(move || first.recv().unwrap()).await.unwrap();
    assert_eq!(node.terminate().await.code(), Some(0), "{}", node.log());
    assert!(0 < writing.await.unwrap());
    drop(idle);
    assert!(!node.log().contains("not drained"), "{}", node.log());
}
