//! What strangers' bytes go through, as functions of bytes: each is a fuzz target, and is run over its
//! corpus by an ordinary test.
//!
//! A target panics where what it is given is taken otherwise than it should be. `README.md` says how
//! to fuzz.

use bytes::{Bytes, BytesMut};
use cql_lite::{types::NativeType, value::Value};
use proto::{
    CQL_BODY_BYTES_MAX,
    cql::{
        Version,
        compression::Compression,
        header::Header,
        inbound::{Framing, Inbound, Item},
        request::Request,
        segment::{self, PAYLOAD_BYTES_MAX, Packing},
    },
};
use query::page::Seal;

/// The targets by name.
pub const TARGETS: [(&str, Target); 4] =
    [("frame", frame), ("request", request), ("paging_state", paging_state), ("value", value)];

/// A target.
pub type Target = fn(&[u8]);

/// The frame decoder: envelopes and segments, compressed or not, in pieces as they may come.
///
/// The first byte says which framing, and whether the rest is put in segments whose checksums are
/// right; the second how long the pieces are. Of compressed segments the next three say how long they
/// were before.
pub fn frame(bytes: &[u8]) {
    let [kind, step, rest @ ..] = bytes else { return };
    let framing = match kind & 7 {
        0 => Framing::Bare(None),
        1 => Framing::Bare(Some(Compression::Lz4)),
        2 => Framing::Bare(Some(Compression::Snappy)),
        3 | 4 => Framing::Segments(Packing::Plain),
        _ => Framing::Segments(Packing::Lz4),
    };
    let mut sealed = BytesMut::new();
    let came: &[u8] = match framing {
        Framing::Segments(packing) if kind & 8 == 0 => {
            let (before, rest) = match (packing, rest) {
                (Packing::Lz4, [b0, b1, b2, rest @ ..]) => {
                    let before = u32::from_le_bytes([*b0, *b1, *b2, 0]) as usize;
                    (before.min(PAYLOAD_BYTES_MAX), rest)
                }
                (Packing::Plain | Packing::Lz4, rest) => (0, rest),
            };
            sealed.reserve(rest.len() + 32);
            for payload in rest.chunks(PAYLOAD_BYTES_MAX) {
                segment::seal(payload, before, kind & 16 == 0, packing, &mut sealed);
            }
            &sealed
        }
        Framing::Bare(_) | Framing::Segments(_) => rest,
    };
    let mut inbound = Inbound::new(CQL_BODY_BYTES_MAX);
    inbound.switch(framing);
    let mut buffer = BytesMut::new();
    for piece in came.chunks(usize::from(*step).max(1) * 16) {
        buffer.extend_from_slice(piece);
        loop {
            match inbound.next(&mut buffer) {
                Ok(Some(Item::Envelope(header, body))) => {
                    assert!(body.len() <= CQL_BODY_BYTES_MAX, "{header:?}: {} bytes", body.len());
                }
                Ok(Some(Item::TooLarge(header))) => {
                    assert!(i64::from(header.length) > CQL_BODY_BYTES_MAX as i64, "{header:?}");
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// Every decoder of a request. What is read is the same when it was written again.
///
/// The first byte is the version, the second has the flags, the third is the opcode.
pub fn request(bytes: &[u8]) {
    let [version, flags, opcode, body @ ..] = bytes else { return };
    let version = if version & 1 == 0 { Version::V4 } else { Version::V5 };
    let length = i32::try_from(body.len()).unwrap_or(i32::MAX);
    let header = Header { version, flags: *flags, stream: 0, opcode: *opcode, length };
    let Ok(request) = Request::read(&header, Bytes::copy_from_slice(body)) else { return };
    assert_eq!(request.opcode().number(), *opcode);
    let mut again = BytesMut::with_capacity(body.len() + 64);
    request.put(version, &mut again);
    let header = Header { flags: 0, ..header };
    assert_eq!(Request::read(&header, again.freeze()).as_ref(), Ok(&request));
}

/// Paging states: as they come, and behind a seal that is right. One that is taken is given out as it
/// came.
pub fn paging_state(bytes: &[u8]) {
    let seal = Seal::new([7; 32], 42);
    assert!(seal.open(&Bytes::copy_from_slice(bytes)).is_err(), "a seal was guessed");
    let state = seal.of_body(bytes);
    if let Ok(progress) = seal.open(&state) {
        let again = seal.close(&progress).map(|it| seal.open(&it));
        assert_eq!(again.and_then(Result::ok).as_ref(), Some(&progress));
    }
}

/// The value codec: every type without parts takes bytes or refuses them; what it takes it writes as a literal, and
/// encodes as bytes that mean the same.
///
/// The first byte is the type.
pub fn value(bytes: &[u8]) {
    let [kind, bytes @ ..] = bytes else { return };
    let kind = NativeType::ALL[usize::from(*kind) % NativeType::ALL.len()];
    let Ok(value) = Value::decode_native(kind, bytes) else { return };
    if bytes.len() <= SHOWN_BYTES_MAX {
        assert!(!value.to_literal().is_empty());
    }
    let encoded = value.encode();
    // What is held is counted.
    drop(value);
    let again = Value::decode_native(kind, &encoded);
    assert_eq!(again.map(|it| it.encode()), Ok(encoded));
}

/// Longest value that is written as a literal: digits cost the square of their number.
const SHOWN_BYTES_MAX: usize = 64;
