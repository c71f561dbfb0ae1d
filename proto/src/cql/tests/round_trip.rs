//! What is written is read back the same, however it travels.

use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, option, prelude::*};

use crate::cql::{
    Version,
    auth_response::AuthResponse,
    batch::{self, Batch},
    compression::Compression,
    execute::Execute,
    header::Header,
    inbound::{Framing, Inbound, Item},
    lengths,
    params::{Params, Values},
    prepare::Prepare,
    primitive::{Reader, Text, Value},
    query::Query,
    register::Register,
    request::Request,
    segment::{self, PAYLOAD_BYTES_MAX, Packing},
    startup::Startup,
    wire_type::{PLAIN, WireType},
};

const MOST: usize = 1 << 20;

fn text() -> impl Strategy<Value = Text> {
    "\\PC{0,12}".prop_map(|it| Text::from(it.as_str()))
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![Just(Value::Null), Just(Value::Unset), bytes().prop_map(Value::Bytes)]
}

fn values() -> impl Strategy<Value = Values> {
    prop_oneof![
        vec(value(), 0..5).prop_map(|it| Values::of(&it)),
        vec((text(), value()), 1..5).prop_map(|it| {
            let pairs: Vec<(&str, Value)> = it.iter().map(|(n, v)| (&**n, v.clone())).collect();
            Values::of_names(&pairs)
        }),
    ]
}

fn params(version: Version) -> impl Strategy<Value = Params> {
    let ours = (any::<u16>(), values(), any::<bool>(), option::of(any::<i32>()));
    let more = (option::of(bytes()), option::of(any::<u16>()), option::of(any::<i64>()));
    let newer = (option::of(text()), option::of(any::<i32>()));
    (ours, more, newer).prop_map(move |(ours, more, newer)| Params {
        consistency: ours.0,
        values: ours.1,
        skip_metadata: ours.2,
        page_size: ours.3,
        paging_state: more.0,
        serial_consistency: more.1,
        timestamp: more.2,
        keyspace: newer.0.filter(|_| version == Version::V5),
        now_in_seconds: newer.1.filter(|_| version == Version::V5),
    })
}

fn batch(version: Version) -> impl Strategy<Value = Batch> {
    let kind = prop_oneof![
        Just(batch::Kind::Logged),
        Just(batch::Kind::Unlogged),
        Just(batch::Kind::Counter)
    ];
    let source = prop_oneof![
        text().prop_map(batch::Source::Text),
        bytes().prop_map(batch::Source::Prepared)
    ];
    let statement = (source, vec(value(), 0..4))
        .prop_map(|(source, values)| batch::Statement { source, values: Values::of(&values) });
    (kind, vec(statement, 0..5), params(version)).prop_map(|(kind, statements, params)| {
        let params = Params {
            values: Values::none(),
            skip_metadata: false,
            page_size: None,
            paging_state: None,
            ..params
        };
        Batch::of(kind, &statements, params)
    })
}

fn request(version: Version) -> impl Strategy<Value = Request> {
    let startup = vec((text(), text()), 0..5).prop_map(|options| {
        let options: Vec<(&str, &str)> = options.iter().map(|(k, v)| (&**k, &**v)).collect();
        let mut body = BytesMut::new();
        Startup::put(&options, &mut body);
        Request::Startup(Startup::read(&mut Reader::new(body.freeze())).unwrap())
    });
    let register = any::<[bool; 3]>().prop_map(|[topology, status, schema]| Register {
        topology,
        status,
        schema,
    });
    let keyspace = option::of(text()).prop_map(move |it| it.filter(|_| version == Version::V5));
    prop_oneof![
        startup,
        Just(Request::Options),
        option::of(bytes()).prop_map(|token| Request::AuthResponse(AuthResponse { token })),
        register.prop_map(Request::Register),
        (text(), params(version)).prop_map(|(text, params)| Request::Query(Query { text, params })),
        (text(), keyspace)
            .prop_map(|(text, keyspace)| Request::Prepare(Prepare { text, keyspace })),
        (bytes(), bytes(), params(version)).prop_map(move |(id, rows, params)| {
            let result_metadata_id = (version == Version::V5).then_some(rows);
            Request::Execute(Execute { id, result_metadata_id, params })
        }),
        batch(version).prop_map(Request::Batch),
    ]
}

fn versions() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V4), Just(Version::V5)]
}

fn envelope(request: &Request, version: Version, stream: i16) -> BytesMut {
    let mut body = BytesMut::new();
    request.put(version, &mut body);
    let (opcode, length) = (request.opcode().number(), i32::try_from(body.len()).unwrap());
    let mut out = BytesMut::new();
    Header { version, flags: 0, stream, opcode, length }.put_request(&mut out);
    out.extend_from_slice(&body);
    out
}

/// What comes out when `sent` comes in pieces of `step` bytes.
fn received(inbound: &mut Inbound, sent: &[u8], step: usize) -> Vec<(i16, Request)> {
    let (mut buffer, mut out) = (BytesMut::new(), Vec::new());
    for piece in sent.chunks(step) {
        buffer.extend_from_slice(piece);
        while let Some(item) = inbound.next(&mut buffer).unwrap() {
            let Item::Envelope(header, body) = item else { panic!("too large") };
            out.push((header.stream, Request::read(&header, body).unwrap()));
        }
    }
    assert!(buffer.is_empty() && !inbound.is_amid());
    out
}

fn one_of_each_framing() -> impl Strategy<Value = (Version, Framing)> {
    prop_oneof![
        Just((Version::V4, Framing::Bare(None))),
        Just((Version::V5, Framing::Bare(None))),
        Just((Version::V5, Framing::Segments(Packing::Plain))),
        Just((Version::V5, Framing::Segments(Packing::Lz4))),
    ]
}

proptest! {
    #[test]
    fn requests_come_as_they_were_sent(
        ((version, framing), requests) in one_of_each_framing()
            .prop_flat_map(|it| (Just(it), vec(request(it.0), 1..6))),
        step in 1_usize..300,
        cut in 1_usize..200,
        together in any::<bool>(),
    ) {
        let mut sent = BytesMut::new();
        let envelopes = requests.iter().zip(0..).map(|(it, stream)| envelope(it, version, stream));
        match framing {
            Framing::Bare(_) => envelopes.for_each(|it| sent.extend_from_slice(&it)),
            Framing::Segments(packing) if together => {
                let all: Vec<u8> = envelopes.flatten().collect();
                segment::write(&all, true, packing, &mut sent);
            }
            Framing::Segments(packing) => for envelope in envelopes {
                envelope.chunks(cut).for_each(|it| segment::write(it, false, packing, &mut sent));
            },
        }
        let mut inbound = Inbound::new(MOST);
        inbound.switch(framing);
        let came = received(&mut inbound, &sent, step);
        let expected: Vec<(i16, Request)> = (0..).zip(requests).collect();
        prop_assert_eq!(came, expected);
    }

    #[test]
    fn bodies_of_version_4_come_through_both_compressions(
        body in vec(0_u8..4, 0..3000),
        compression in prop_oneof![Just(Compression::Lz4), Just(Compression::Snappy)],
    ) {
        let mut sent = BytesMut::new();
        compression.compress(&body, &mut sent);
        prop_assert_eq!(&compression.decompress(&sent, MOST).unwrap()[..], &body[..]);
        if 1 < body.len() {
            prop_assert!(compression.decompress(&sent, body.len() - 1).is_err());
        }
    }

    #[test]
    fn segments_of_every_length_come_through(
        length in prop_oneof![0..600_usize, PAYLOAD_BYTES_MAX - 3..=PAYLOAD_BYTES_MAX],
        is_whole in any::<bool>(),
        packing in prop_oneof![Just(Packing::Plain), Just(Packing::Lz4)],
        seed in any::<u8>(),
    ) {
        // Every other one does not become shorter by compression.
        let noise = |at: usize| (at.wrapping_mul(2_654_435_761) >> 7) as u8;
        let payload: Vec<u8> =
            (0..length).map(|at| if seed % 2 == 0 { seed } else { noise(at) }).collect();
        let mut sent = BytesMut::new();
        segment::write(&payload, is_whole, packing, &mut sent);
        let came = segment::read(&mut sent, packing).unwrap().unwrap();
        prop_assert!(sent.is_empty());
        prop_assert_eq!(came.is_whole, is_whole);
        prop_assert_eq!(&came.payload[..], &payload[..]);
    }

    #[test]
    fn a_bit_that_flips_in_a_segment_is_noticed(
        payload in vec(any::<u8>(), 1..200),
        packing in prop_oneof![Just(Packing::Plain), Just(Packing::Lz4)],
        bit in any::<prop::sample::Index>(),
    ) {
        let mut sent = BytesMut::new();
        segment::write(&payload, true, packing, &mut sent);
        let bit = bit.index(sent.len() * 8);
        sent[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(segment::read(&mut sent, packing).is_err());
    }

    #[test]
    fn types_are_read_as_they_were_written(wire_type in wire_type()) {
        let mut out = BytesMut::new();
        wire_type.put(&mut out);
        let mut reader = Reader::new(out.freeze());
        prop_assert_eq!(WireType::read(&mut reader).unwrap(), wire_type);
        prop_assert!(reader.rest().is_empty());
    }

    #[test]
    fn what_a_version_lacks_is_not_sent(params in params(Version::V5), version in versions()) {
        let mut out = BytesMut::new();
        params.put(version, &mut out);
        let read = Params::read(&mut Reader::new(out.freeze()), version).unwrap();
        let expected = match version {
            Version::V4 => Params { keyspace: None, now_in_seconds: None, ..params },
            Version::V5 => params,
        };
        prop_assert_eq!(read, expected);
    }
}

fn wire_type() -> impl Strategy<Value = WireType> {
    let plain = prop_oneof![
        (0..PLAIN.len()).prop_map(|at| PLAIN[at].clone()),
        "[a-zA-Z.]{1,20}".prop_map(WireType::Custom),
    ];
    plain.prop_recursive(4, 16, 3, |inner| {
        let of = || inner.clone().prop_map(Box::new);
        prop_oneof![
            of().prop_map(WireType::List),
            of().prop_map(WireType::Set),
            (of(), of()).prop_map(|(key, value)| WireType::Map(key, value)),
            vec(inner.clone(), 0..3).prop_map(WireType::Tuple),
            ("[a-z]{1,5}", "[a-z]{1,5}", vec(("[a-z]{1,5}", inner.clone()), 0..3))
                .prop_map(|(keyspace, name, fields)| WireType::Udt { keyspace, name, fields }),
        ]
    })
}

proptest! {
    /// What compressed bytes come to is known without making room for it, and nothing else is believed.
    #[test]
    fn lengths_are_known_before_anything_is_decompressed(
        runs in vec((any::<u8>(), 1_usize..400), 0..40),
        noise in vec(any::<u8>(), 0..300),
    ) {
        let mut body: Vec<u8> = runs.iter().flat_map(|(byte, count)| vec![*byte; *count]).collect();
        body.extend_from_slice(&noise);
        for compression in [Compression::Lz4, Compression::Snappy] {
            let mut compressed = BytesMut::new();
            compression.compress(&body, &mut compressed);
            let plain = compression.decompress(&compressed, MOST).unwrap();
            prop_assert_eq!(&plain[..], &body[..]);
            if compression == Compression::Lz4 {
                prop_assert_eq!(lengths::lz4(&compressed[4..]), Some(body.len()));
                let more = u32::from_be_bytes(compressed[..4].try_into().unwrap()) + 1;
                compressed[..4].copy_from_slice(&more.to_be_bytes());
                prop_assert!(compression.decompress(&compressed, MOST).is_err());
            } else {
                prop_assert_eq!(lengths::snappy(&compressed), Some(body.len()));
            }
        }
    }
}
