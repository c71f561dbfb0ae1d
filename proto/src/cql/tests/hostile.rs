//! Bytes of people who mean no good, or lost count.

use bytes::{Bytes, BytesMut};
use proptest::{collection::vec, prelude::*};

use crate::cql::{
    Version,
    compression::Compression,
    header::{FLAG_COMPRESSED, Header, Opcode},
    inbound::{Fatal, Framing, Inbound, Item},
    primitive::Reader,
    request::Request,
    segment::{self, Packing},
    wire_type::WireType,
};

const MOST: usize = 4096;

fn framing() -> impl Strategy<Value = Framing> {
    prop_oneof![
        Just(Framing::Bare(None)),
        Just(Framing::Bare(Some(Compression::Lz4))),
        Just(Framing::Bare(Some(Compression::Snappy))),
        Just(Framing::Segments(Packing::Plain)),
        Just(Framing::Segments(Packing::Lz4)),
    ]
}

/// Reads all there is; a fatal error ends it.
fn drain(inbound: &mut Inbound, bytes: &[u8], step: usize) -> Vec<Item> {
    let (mut buffer, mut items) = (BytesMut::new(), Vec::new());
    for piece in bytes.chunks(step.max(1)) {
        buffer.extend_from_slice(piece);
        loop {
            match inbound.next(&mut buffer) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => break,
                Err(_) => return items,
            }
        }
    }
    items
}

fn header(opcode: u8, length: usize) -> Header {
    let length = i32::try_from(length).unwrap();
    Header { version: Version::V4, flags: 0, stream: 7, opcode, length }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(
        bytes in vec(any::<u8>(), 0..600),
        framing in framing(),
        step in 1_usize..64,
    ) {
        let mut inbound = Inbound::new(MOST);
        inbound.switch(framing);
        drain(&mut inbound, &bytes, step);
    }

    #[test]
    fn any_envelopes_in_sound_segments_are_read_without_panic(
        bytes in vec(any::<u8>(), 0..600),
        is_whole in vec(any::<bool>(), 1..10),
        flags in 0_u8..16,
        opcode in 0_u8..17,
        length in 0_u8..200,
    ) {
        let mut sent = BytesMut::new();
        for (piece, is_whole) in bytes.chunks(60).zip(is_whole.into_iter().cycle()) {
            let mut payload = vec![5, flags, 0, 1, opcode, 0, 0, 0, length];
            payload.extend_from_slice(piece);
            segment::write(&payload, is_whole, Packing::Plain, &mut sent);
        }
        let mut inbound = Inbound::new(100);
        inbound.switch(Framing::Segments(Packing::Plain));
        for item in drain(&mut inbound, &sent, 64) {
            if let Item::Envelope(header, body) = item {
                prop_assert!(body.len() <= 100);
                drop(Request::read(&header, body));
            }
        }
    }

    #[test]
    fn any_body_is_read_without_panic(
        body in vec(any::<u8>(), 0..300),
        opcode in 0_u8..17,
        flags in 0_u8..16,
        version in prop_oneof![Just(Version::V4), Just(Version::V5)],
    ) {
        let header = Header { version, flags, ..header(opcode, body.len()) };
        if let Ok(Request::Batch(batch)) = Request::read(&header, Bytes::from(body)) {
            prop_assert_eq!(batch.statements().count(), batch.len());
        }
    }

    #[test]
    fn any_type_is_read_without_panic(body in vec(0_u8..0x32, 0..300)) {
        drop(WireType::read(&mut Reader::new(Bytes::from(body))));
    }
}

#[test]
fn a_body_over_the_limit_is_told_from_its_header_and_passed_over() {
    for (framing, version) in [
        (Framing::Bare(None), Version::V4),
        (Framing::Segments(Packing::Plain), Version::V5),
        (Framing::Segments(Packing::Lz4), Version::V5),
    ] {
        let large = Header { version, ..header(Opcode::Query.number(), 5 * MOST) };
        let small = Header { version, ..header(Opcode::Options.number(), 0) };
        let mut envelopes = [BytesMut::new(), BytesMut::new()];
        large.put_request(&mut envelopes[0]);
        envelopes[0].extend_from_slice(&vec![b'x'; 5 * MOST]);
        small.put_request(&mut envelopes[1]);
        let mut sent = BytesMut::new();
        for envelope in &envelopes {
            match framing {
                Framing::Bare(_) => sent.extend_from_slice(envelope),
                Framing::Segments(packing) => {
                    let pieces = envelope.chunks(1000);
                    pieces.for_each(|it| segment::write(it, false, packing, &mut sent));
                }
            }
        }
        let mut inbound = Inbound::new(MOST);
        inbound.switch(framing);
        let items = drain(&mut inbound, &sent, 700);
        let expected = [Item::TooLarge(large), Item::Envelope(small, Bytes::new())];
        assert_eq!(items, expected, "{framing:?}");
    }
}

#[test]
fn the_first_nine_bytes_are_enough_to_refuse_what_is_too_large() {
    let mut buffer = BytesMut::new();
    header(Opcode::Query.number(), 300 << 20).put_request(&mut buffer);
    let mut inbound = Inbound::new(MOST);
    let item = inbound.next(&mut buffer).unwrap();
    assert!(matches!(item, Some(Item::TooLarge(_))), "{item:?}");
    assert!(buffer.capacity() < 1024 && inbound.is_amid());
}

#[test]
fn a_version_of_others_is_told_with_the_stream_that_waits() {
    for version in [1, 2, 3, 6, 65, 66, 0x84] {
        let mut buffer = BytesMut::from(&[version, 0, 0, 9, 5, 0, 0, 0, 0][..]);
        let Err(Fatal::Version(foreign)) = Inbound::new(MOST).next(&mut buffer) else {
            panic!("version {version}")
        };
        assert_eq!((foreign.version, foreign.stream), (version, 9));
    }
}

#[test]
fn a_length_that_compression_cannot_come_to_is_not_believed() {
    // Four bytes that say 4000, and a block of three.
    let lz4 = [0, 0, 15, 160, 0x10, b'a', 0];
    assert!(Compression::Lz4.decompress(&lz4, MOST).is_err());
    // A varint that says 4000, and nothing.
    assert!(Compression::Snappy.decompress(&[0xa0, 0x1f], MOST).is_err());
    assert!(Compression::Lz4.decompress(&[0, 0], MOST).is_err());
}

#[test]
fn a_compressed_body_without_agreement_is_refused() {
    let compressed = Header { flags: FLAG_COMPRESSED, ..header(Opcode::Options.number(), 3) };
    let mut buffer = BytesMut::new();
    compressed.put_request(&mut buffer);
    buffer.extend_from_slice(b"abc");
    let refused = Inbound::new(MOST).next(&mut buffer);
    assert!(matches!(refused, Err(Fatal::Malformed(Some(7), _))), "{refused:?}");
}
