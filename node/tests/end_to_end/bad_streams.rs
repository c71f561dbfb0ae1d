//! Bad messages in good streams, and bad HTTP/2, at the doors of clients and of peers: each is refused by name or
//! closed, and the node is alive afterwards with everything that was acknowledged.

use std::time::Duration;

use bytes::Bytes;
use proto::{
    Message as _,
    client::{client_frame, client_request},
    peer::{self, Lane, peer_frame},
};

use crate::{
    ground::{Ground, KEPT, is_whole},
    process::{SOON, whole_machine},
    raw::{self, CLIENT, Http2, PEER, talk},
};

/// What a few thousand streams and a few large messages may leave in memory, bytes.
const GROWTH_MAX: u64 = 96 << 20;

/// Bytes that look random and are the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn bytes(&mut self, len: usize) -> Bytes {
        std::iter::repeat_with(|| self.next() as u8).take(len).collect()
    }
}

/// A node with one row that was acknowledged.
async fn ground() -> Ground {
    Ground::new(&KEPT).await
}

/// The node ends in good order, and a new life finds everything.
async fn survives(mut ground: Ground) {
    assert!(!ground.node.log().contains("panicked"), "{}", ground.node.log());
    ground.restart().await;
    is_whole(&ground.session, "a restart").await;
}

fn client_frame(body: client_frame::Body) -> Bytes {
    proto::client::ClientFrame { body: Some(body) }.encode_to_vec().into()
}

fn client_hello(protocol_version: u32) -> Bytes {
    client_frame(client_frame::Body::Hello(proto::client::ClientHello {
        protocol_version,
        client_version: "by hand".into(),
        topology: false,
    }))
}

fn client_request(id: u64, body: Option<client_request::Body>) -> Bytes {
    client_frame(client_frame::Body::Request(proto::client::ClientRequest {
        id,
        timeout_ms: 500,
        body,
        ..Default::default()
    }))
}

fn insert() -> Option<client_request::Body> {
    Some(client_request::Body::Query(proto::client::Query {
        text: "INSERT INTO k.t (id, v) VALUES (2, 'never')".into(),
        values: Vec::new(),
        names: Vec::new(),
        options: None,
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_messages_of_clients_are_called_by_name_and_harm_nothing() {
    let _machine = whole_machine().await;
    let ground = ground().await;
    let address = ground.node.client_address();
    let hello = client_hello(proto::CLIENT_PROTOCOL);
    let cases: Vec<(&str, Vec<Bytes>, &str)> = vec![
        ("no hello", vec![client_request(1, insert())], "HX2012"),
        ("an empty hello", vec![Bytes::new()], "HX2012"),
        ("another version", vec![client_hello(99)], "HX7003"),
        ("two hellos", vec![hello.clone(), hello.clone()], "HX2012"),
        ("an empty message", vec![hello.clone(), Bytes::new()], "HX2012"),
        ("a request without a body", vec![hello.clone(), client_request(1, None)], "HX2012"),
        (
            "more than a frame may have",
            vec![hello.clone(), vec![0; proto::CLIENT_FRAME_BYTES_MAX + 1].into()],
            "HX5002",
        ),
        ("a consistency level of another world", vec![hello.clone(), with_level(99)], "HX2006"),
        ("a short id", vec![hello.clone(), execute(Bytes::from_static(b"short"))], "HX2007"),
        ("an unknown id", vec![hello.clone(), execute(vec![7; 16].into())], "HX2007"),
        ("rows without end", vec![hello.clone(), execute_many(u32::MAX, Bytes::new())], "HX5002"),
        ("a value cut short", vec![hello.clone(), execute_many(1, vec![0, 0, 1].into())], "HX2006"),
        ("a negative length", vec![hello.clone(), execute_many(1, vec![0xf0; 8].into())], "HX2006"),
    ];
    for (what, messages, code) in cases {
        let answers = talk(&address, CLIENT, messages, 2).await;
        assert!(answers.text().contains(code), "{what} lacks {code}: {}", answers.text());
        is_whole(&ground.session, what).await;
    }

    // Every beginning of a good request, which would write a row if it were taken for whole.
    let whole = client_request(7, insert());
    for len in 0..whole.len() {
        let messages = vec![hello.clone(), whole.slice(..len)];
        let answers = talk(&address, CLIENT, messages, 2).await;
        assert!(answers.text().contains("HX2012"), "{len} bytes: {}", answers.text());
    }
    is_whole(&ground.session, "requests cut short").await;

    let mut noise = Noise(1);
    let mut named = 0;
    for round in 0..200 {
        let len = noise.next() as usize % 300;
        let mut message = noise.bytes(len);
        if round % 2 == 1 && !message.is_empty() {
            // Looks like a request, for one byte.
            message = [&[0x12, len as u8 & 0x7f], &message[..]].concat().into();
        }
        let answers = talk(&address, CLIENT, vec![hello.clone(), message], 2).await;
        named += usize::from(answers.text().contains("HX"));
    }
    assert!(named > 150, "{named} of 200 random messages were called by name");
    is_whole(&ground.session, "random messages").await;
    survives(ground).await;
}

fn with_level(consistency: u32) -> Bytes {
    let options = proto::client::Options { consistency, ..Default::default() };
    let Some(client_request::Body::Query(query)) = insert() else { panic!() };
    let query = proto::client::Query { options: Some(options), ..query };
    client_request(3, Some(client_request::Body::Query(query)))
}

fn execute(id: Bytes) -> Bytes {
    let execute = proto::client::Execute { id, values: Vec::new(), options: None };
    client_request(4, Some(client_request::Body::Execute(execute)))
}

fn execute_many(row_count: u32, cells: Bytes) -> Bytes {
    let id = Bytes::from(vec![7; 16]);
    let many = proto::client::ExecuteMany { id, cells, row_count, options: None };
    client_request(5, Some(client_request::Body::ExecuteMany(many)))
}

fn peer_frame(body: peer_frame::Body) -> Bytes {
    peer::PeerFrame { body: Some(body) }.encode_to_vec().into()
}

fn peer_hello(ours: &peer::Hello, lane: Lane) -> Bytes {
    peer_frame(peer_frame::Body::Hello(peer::Hello { lane: lane.into(), ..ours.clone() }))
}

fn peer_request(id: u64, body: Option<peer::request::Body>) -> Bytes {
    let request = peer::Request { id, epoch: 1, timeout_ms: 500, body, ..Default::default() };
    peer_frame(peer_frame::Body::Request(request))
}

/// What a node says of itself to a stranger who asks on the urgent lane.
async fn hello_of(address: &str) -> peer::Hello {
    let stranger = peer::Hello { protocol_version: proto::PEER_PROTOCOL, ..Default::default() };
    let answers = talk(address, PEER, vec![peer_hello(&stranger, Lane::Urgent)], 1).await;
    let frame = peer::PeerFrame::decode(answers.said[0].clone()).unwrap();
    let Some(peer_frame::Body::Hello(hello)) = frame.body else { panic!("{frame:?}") };
    hello
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_messages_of_peers_are_called_by_name_and_harm_nothing() {
    let _machine = whole_machine().await;
    let ground = ground().await;
    let address = ground.node.peer_address();
    // A member, as far as the door can tell.
    let member = hello_of(&address).await;
    let another = |change: fn(&mut peer::Hello)| {
        let mut hello = member.clone();
        change(&mut hello);
        vec![peer_hello(&hello, Lane::Small)]
    };
    let small = peer_hello(&member, Lane::Small);
    let request = |body| vec![small.clone(), peer_request(1, Some(body))];
    let cases: Vec<(&str, Vec<Bytes>, &str)> = vec![
        ("no hello", vec![peer_request(1, None)], "HX2012"),
        ("an empty hello", vec![Bytes::new()], "HX2012"),
        ("another version", another(|it| it.protocol_version = 99), "HX7003"),
        ("another cluster", another(|it| it.cluster_id = vec![9; 16].into()), "HX7002"),
        ("no cluster", another(|it| it.cluster_id = Bytes::new()), "HX7002"),
        ("a host that is no member", another(|it| it.host_id = vec![9; 16].into()), "HX7001"),
        ("a host id of 3 bytes", another(|it| it.host_id = vec![9; 3].into()), "HX2012"),
        ("an address of 1 MiB", another(|it| it.peer_addr = "x".repeat(1 << 20)), "HX2012"),
        ("two hellos", vec![small.clone(), small.clone()], "HX2012"),
        ("an empty message", vec![small.clone(), Bytes::new()], "HX2012"),
        ("noise", vec![small.clone(), Noise(3).bytes(100)], "HX2012"),
        ("a request without a body", vec![small.clone(), peer_request(1, None)], "malformed"),
        ("a mutation that is none", request(mutate(Noise(4).bytes(80))), "malformed"),
        ("an empty mutation", request(mutate(Bytes::new())), "malformed"),
        (
            "a read that is none",
            request(peer::request::Body::Read(Noise(5).bytes(80))),
            "malformed",
        ),
        ("an empty digest", request(peer::request::Body::Digest(Bytes::new())), "malformed"),
        (
            "half a table id",
            request(peer::request::Body::Truncate(vec![1; 3].into())),
            "another length",
        ),
        ("a table that is none", request(peer::request::Body::Truncate(vec![1; 16].into())), ""),
        (
            "more than a frame may have",
            vec![small.clone(), vec![0; proto::PEER_FRAME_BYTES_MAX + 1].into()],
            "HX5002",
        ),
    ];
    for (what, messages, says) in cases {
        let answers = talk(&address, PEER, messages, 2).await;
        assert!(answers.text().contains(says), "{what} lacks `{says}`: {}", answers.text());
        assert!(!answers.said.is_empty() || answers.status.is_some(), "{what}: no word");
        is_whole(&ground.session, what).await;
    }

    let truncate = peer_request(9, Some(peer::request::Body::Truncate(vec![1; 16].into())));
    for len in 0..truncate.len() {
        let answers = talk(&address, PEER, vec![small.clone(), truncate.slice(..len)], 2).await;
        assert!(answers.text().contains("HX2012"), "{len} bytes: {}", answers.text());
    }
    // The cluster layer answers nobody whom it does not understand.
    let urgent = peer_hello(&member, Lane::Urgent);
    let mut noise = Noise(2);
    let mut messages = vec![urgent];
    for _ in 0..500 {
        let len = noise.next() as usize % 200;
        let mut message = noise.bytes(len).to_vec();
        if let Some(version) = message.first_mut() {
            *version = 1;
        }
        messages.push(peer_frame(peer_frame::Body::Cluster(message.into())));
    }
    talk(&address, PEER, messages, 1).await;
    is_whole(&ground.session, "random cluster messages").await;
    assert!(ground.node.operate("health").await.status.success());
    survives(ground).await;
}

fn mutate(mutation: Bytes) -> peer::request::Body {
    peer::request::Body::Mutate(peer::Mutate { mutation, origin: peer::Origin::Client.into() })
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_http2_is_closed_or_refused_and_bounded() {
    let _machine = whole_machine().await;
    let ground = ground().await;
    let before = ground.node.memory("VmRSS");
    for (port, path) in [(ground.node.client_port(), CLIENT), (ground.node.peer_port(), PEER)] {
        rapid_reset(port, path);
        is_whole(&ground.session, "streams opened and reset at once").await;
        broken_frames(port, path);
        is_whole(&ground.session, "broken frames").await;
        floods(port);
        is_whole(&ground.session, "floods").await;
    }
    let grown = ground.node.memory("VmRSS").saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{} MiB more in memory", grown >> 20);
    survives(ground).await;
}

/// Thousands of streams, each reset as soon as it is open: the connection is told to calm down and closed.
fn rapid_reset(port: u16, path: &str) {
    const ENHANCE_YOUR_CALM: u32 = 11;
    let mut attacker = Http2::connect(port);
    let mut opened = 0;
    for at in 0..5_000 {
        let stream = 2 * at + 1;
        let cancel = raw::frame(raw::RST_STREAM, 0, stream, &8_u32.to_be_bytes());
        if attacker.open(stream, path).and_then(|()| attacker.send(&cancel)).is_err() {
            break;
        }
        opened += 1;
    }
    let farewell = attacker.find(|it| it.kind == raw::GO_AWAY);
    // A connection that was reset takes its last words with it.
    if let Some(farewell) = farewell {
        let reason = u32::from_be_bytes(farewell.body[4..8].try_into().unwrap());
        assert_eq!(reason, ENHANCE_YOUR_CALM, "after {opened} streams: {farewell:?}");
    }
    assert_eq!(attacker.silence().map(|_| ()), Some(()), "closed, after {opened} streams");
}

/// Frames that contradict the protocol: each ends its stream or its connection at once.
fn broken_frames(port: u16, path: &str) {
    let open = raw::frame(raw::HEADERS, raw::END_HEADERS, 1, &raw::request_headers(path));
    let huge = [0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3];
    let cut = [0, 0, 0, 0, 100, 1, 2, 3];
    let compressed = [1, 0, 0, 0, 3, 1, 2, 3];
    let window = raw::frame(raw::WINDOW_UPDATE, 0, 1, &0x7fff_ffff_u32.to_be_bytes());
    let attacks: [(&str, Vec<u8>); 9] = [
        ("a message of 4 GiB that does not come", raw::frame(raw::DATA, 0, 1, &huge)),
        ("a message cut short", raw::frame(raw::DATA, raw::END_STREAM, 1, &cut)),
        ("a compressed message", raw::frame(raw::DATA, 0, 1, &compressed)),
        ("a window without bounds", [window.clone(), window].concat()),
        (
            "an even stream",
            raw::frame(raw::HEADERS, raw::END_HEADERS, 2, &raw::request_headers(path)),
        ),
        ("a stream that went before", {
            let old = raw::request_headers(path);
            let newer = raw::frame(raw::HEADERS, raw::END_HEADERS, 9, &old);
            [newer, raw::frame(raw::HEADERS, raw::END_HEADERS, 3, &old)].concat()
        }),
        ("headers that are no headers", raw::frame(raw::HEADERS, raw::END_HEADERS, 3, &[0xff; 64])),
        ("settings of 5 bytes", raw::frame(raw::SETTINGS, 0, 0, &[0; 5])),
        ("a ping of 3 bytes", raw::frame(raw::PING, 0, 0, &[0; 3])),
    ];
    for (what, bytes) in attacks {
        let mut attacker = Http2::connect(port);
        attacker.send(&open).unwrap();
        attacker.send(&bytes).unwrap();
        let ended = attacker.find(|it| {
            let stream_ends = it.kind == raw::HEADERS && it.flags & raw::END_STREAM != 0;
            stream_ends || it.kind == raw::RST_STREAM || it.kind == raw::GO_AWAY
        });
        assert!(ended.is_some(), "{what}: neither stream nor connection ended");
    }
    // Another method than there is.
    let mut stranger = Http2::connect(port);
    stranger.open(1, "/helenus.client.v1.Client/Nothing").unwrap();
    let refused = stranger.find(|it| it.kind == raw::HEADERS && it.stream == 1);
    assert!(refused.is_some_and(|it| it.flags & raw::END_STREAM != 0), "an unknown method");
}

/// Much of what is cheap to send: all of it is answered, or the connection is closed.
fn floods(port: u16) {
    let header = raw::frame(raw::HEADERS, 0, 1, &[0x82; 100]);
    let more = raw::frame(raw::CONTINUATION, 0, 1, &[0x82; 10_000]);
    let ping = raw::frame(raw::PING, 0, 0, &[7; 8]);
    let setting = raw::frame(raw::SETTINGS, 0, 0, &[0, 4, 0, 0, 255, 255]);
    let headers = [header, more.repeat(500)].concat();
    for (what, bytes) in [
        ("headers without end", headers),
        ("pings", ping.repeat(20_000)),
        ("settings", setting.repeat(20_000)),
    ] {
        let mut attacker = Http2::connect(port);
        // Whoever reads no answers may find that nothing more is taken.
        drop(attacker.send_within(&bytes, Duration::from_secs(2)));
        assert!(attacker.next(SOON).is_some(), "{what}: no word at all");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_other_end_went_silent_is_closed() {
    let _machine = whole_machine().await;
    let ground = ground().await;
    let ports = [ground.node.client_port(), ground.node.peer_port()];
    let silent = ports.map(|port| {
        std::thread::spawn(move || {
            let mut connection = Http2::connect(port);
            connection.open(1, if port == ports[0] { CLIENT } else { PEER }).unwrap();
            connection.silence()
        })
    });
    for silent in silent {
        let took = silent.join().unwrap().expect("it is closed");
        // Probed after a second, and closed a second and a half later.
        assert!(took < Duration::from_secs(10), "{took:?}");
    }
    is_whole(&ground.session, "silent connections").await;
}
