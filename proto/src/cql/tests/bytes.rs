//! Exact bytes: what drivers read, written out field by field.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::cql::{
    Version,
    error::{Answers, Body, Error, WriteKind},
    event::{Effect, Event, SchemaChange, Subject},
    inbound::Framing,
    metadata::{Column, Metadata},
    outbound::{Answer, Outbound},
    prepared::Prepared,
    response::Response,
    result::Outcome,
    rows::Rows,
    segment::{self, PAYLOAD_BYTES_MAX, Packing},
    wire_type::WireType,
};

/// Hex digits; everything else is for people.
fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|it| it.to_digit(16)).collect();
    digits.chunks(2).map(|it| u8::try_from(it[0] << 4 | it[1]).unwrap()).collect()
}

fn sent(answer: &Answer, version: Version) -> Vec<u8> {
    let (mut outbound, mut out) = (Outbound::default(), BytesMut::new());
    outbound.push(answer, version, &mut out);
    outbound.finish(&mut out);
    out.to_vec()
}

fn body(response: Response, version: Version) -> Vec<u8> {
    sent(&Answer::new(0, response), version).split_off(9)
}

fn column(name: &str, wire_type: WireType) -> Column {
    Column { keyspace: "k".into(), table: "t".into(), name: name.into(), wire_type }
}

#[test]
fn trace_and_warnings_lead_the_body_in_this_order() {
    let answer = Answer {
        stream: 258,
        trace: Some([0xaa; 16]),
        warnings: vec!["w".into()],
        response: Response::Result(Outcome::Void),
    };
    let expected = "84 0a 0102 08 00000019 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0001 0001 77 00000001";
    assert_eq!(sent(&answer, Version::V4), hex(expected));
}

#[test]
fn rows_tell_their_table_once() {
    let mut metadata =
        Metadata::of(vec![column("a", WireType::Int), column("d", WireType::Duration)]);
    metadata.paging_state = Some(vec![9]);
    let rows =
        Rows { metadata, count: 1, values: Bytes::from_static(b"\0\0\0\x02xy\xff\xff\xff\xff") };
    let response = Response::Result(Outcome::Rows(rows));
    let begin = "00000002 00000003 00000002 00000001 09 0001 6b 0001 74 0001 61 0009 0001 64";
    let end = "00000001 00000002 7879 ffffffff";
    assert_eq!(body(response.clone(), Version::V5), hex(&format!("{begin} 0015 {end}")));
    // Version 4 has no number for a duration.
    let class = "org.apache.cassandra.db.marshal.DurationType";
    let mut expected = hex(&format!("{begin} 0000 002c"));
    expected.extend_from_slice(class.as_bytes());
    expected.extend(hex(end));
    assert_eq!(body(response, Version::V4), expected);
}

#[test]
fn rows_whose_columns_are_known_do_not_tell_them() {
    let mut metadata = Metadata::of(vec![column("a", WireType::Int)]);
    metadata.skip = true;
    let rows = Response::Result(Outcome::Rows(Rows {
        metadata: metadata.clone(),
        count: 0,
        values: Bytes::new(),
    }));
    assert_eq!(body(rows, Version::V4), hex("00000002 00000004 00000001 00000000"));
    // In version 5 a client is told that it knows something else.
    metadata.skip = false;
    metadata.changed = Some(vec![0xab, 0xcd]);
    let rows = Response::Result(Outcome::Rows(Rows { metadata, count: 0, values: Bytes::new() }));
    let expected = "00000002 00000009 00000001 0002 abcd 0001 6b 0001 74 0001 61 0009 00000000";
    assert_eq!(body(rows, Version::V5), hex(expected));
}

#[test]
fn columns_of_several_tables_each_tell_theirs() {
    let other =
        Column { table: "u".into(), ..column("b", WireType::Set(Box::new(WireType::Varchar))) };
    let metadata = Metadata::of(vec![column("a", WireType::Int), other]);
    let rows = Response::Result(Outcome::Rows(Rows { metadata, count: 0, values: Bytes::new() }));
    let expected = "00000002 00000000 00000002 0001 6b 0001 74 0001 61 0009 \
                    0001 6b 0001 75 0001 62 0022 000d 00000000";
    assert_eq!(body(rows, Version::V4), hex(expected));
}

#[test]
fn prepared_statements_name_the_markers_of_the_key() {
    let prepared = Prepared {
        id: vec![1, 2],
        result_metadata_id: vec![3],
        markers: vec![column("a", WireType::Int)],
        partition_key: vec![0],
        columns: Arc::default(),
    };
    let response = Response::Result(Outcome::Prepared(prepared));
    let tail = "00000001 00000001 00000001 0000 0001 6b 0001 74 0001 61 0009 00000004 00000000";
    let v4 = format!("00000004 0002 0102 {tail}");
    assert_eq!(body(response.clone(), Version::V4), hex(&v4));
    assert_eq!(body(response, Version::V5), hex(&format!("00000004 0002 0102 0001 03 {tail}")));
}

#[test]
fn errors_carry_what_their_kind_asks_for() {
    let answers = Answers { consistency: 4, received: 1, required: 2 };
    let reasons = vec![("127.0.0.1".parse().unwrap(), 1)];
    let cas = WriteKind::Cas;
    let cases: [(Body, &str, &str); 10] = [
        (Body::Server, "00000000", ""),
        (Body::Unavailable(answers), "00001000", "0004 00000002 00000001"),
        (
            Body::WriteTimeout { answers, kind: WriteKind::Simple, contentions: 0 },
            "00001100",
            "0004 00000001 00000002 0006 53494d504c45",
        ),
        (
            Body::WriteTimeout { answers, kind: cas, contentions: 3 },
            "00001100",
            "0004 00000001 00000002 0003 434153 0003",
        ),
        (Body::ReadTimeout { answers, has_rows: true }, "00001200", "0004 00000001 00000002 01"),
        (
            Body::ReadFailure { answers, reasons: reasons.clone(), has_rows: false },
            "00001300",
            "0004 00000001 00000002 00000001 04 7f000001 0001 00",
        ),
        (
            Body::WriteFailure { answers, reasons, kind: WriteKind::Batch },
            "00001500",
            "0004 00000001 00000002 00000001 04 7f000001 0001 0005 4241544348",
        ),
        (Body::CasWriteUnknown(answers), "00001700", "0004 00000001 00000002"),
        (
            Body::AlreadyExists { keyspace: "k".into(), table: String::new() },
            "00002400",
            "0001 6b 0000",
        ),
        (Body::Unprepared(vec![7, 8]), "00002500", "0002 0708"),
    ];
    for (kind, code, rest) in cases {
        let error = Error::new(kind, "m");
        let expected = hex(&format!("{code} 0001 6d {rest}"));
        assert_eq!(body(Response::Error(error.clone()), Version::V5), expected, "{error:?}");
    }
    // Version 4 tells how many failed, and has no word for an unknown outcome of a transaction.
    let failure =
        Body::ReadFailure { answers, reasons: vec![("::1".parse().unwrap(), 0)], has_rows: true };
    let expected = "00001300 0001 6d 0004 00000001 00000002 00000001 01";
    assert_eq!(body(Response::Error(Error::new(failure, "m")), Version::V4), hex(expected));
    let unknown = Error::new(Body::CasWriteUnknown(answers), "m");
    let expected = "00001100 0001 6d 0004 00000001 00000002 0003 434153";
    assert_eq!(body(Response::Error(unknown), Version::V4), hex(expected));
}

#[test]
fn events_come_on_no_stream_of_the_client() {
    let up = Event::Up("127.0.0.2:9042".parse().unwrap());
    let expected = "84 00 ffff 0c 0000001c 000d 5354415455535f4348414e4745 0002 5550 \
                    04 7f000002 00002352";
    assert_eq!(sent(&Answer::new(-1, Response::Event(up)), Version::V4), hex(expected));
    let change =
        SchemaChange { effect: Effect::Dropped, keyspace: "k".into(), subject: Subject::Keyspace };
    let expected =
        "000d 534348454d415f4348414e4745 0007 44524f50504544 0008 4b45595350414345 0001 6b";
    assert_eq!(body(Response::Event(Event::Schema(change)), Version::V4), hex(expected));
}

#[test]
fn segments_have_the_checksums_of_cassandra() {
    let mut out = BytesMut::new();
    segment::write(&[], true, Packing::Plain, &mut out);
    // Length 0 and whole, its CRC24, and the CRC32 of the four bytes that it begins with.
    let crc32 = crc32fast::hash(&[0xfa, 0x2d, 0x55, 0xca]).to_le_bytes();
    assert_eq!(out[..3], [0, 0, 2]);
    assert_eq!(out[6..], crc32);
}

#[test]
fn answers_share_a_segment_and_long_ones_take_several() {
    let (mut outbound, mut out) = (Outbound::default(), BytesMut::new());
    outbound.switch(Framing::Segments(Packing::Plain));
    let ready = Answer::new(1, Response::Ready);
    let error = Error::new(Body::Server, "m");
    outbound.push(&ready, Version::V5, &mut out);
    outbound.push(&Answer::new(2, Response::Error(error)), Version::V5, &mut out);
    assert!(out.is_empty());
    let values = Bytes::from(vec![0; 4 + 2 * PAYLOAD_BYTES_MAX]);
    let metadata = Metadata::of(vec![column("a", WireType::Blob)]);
    let rows = Rows { metadata, count: 1, values };
    let long = Answer::new(3, Response::Result(Outcome::Rows(rows)));
    outbound.push(&long, Version::V5, &mut out);
    outbound.push(&ready, Version::V5, &mut out);
    outbound.finish(&mut out);
    let mut lengths = Vec::new();
    while let Some(segment) = segment::read(&mut out, Packing::Plain).unwrap() {
        lengths.push((segment.is_whole, segment.payload.len()));
    }
    assert_eq!(lengths[0], (true, 9 + 9 + 7));
    assert_eq!(lengths[1..3], [(false, PAYLOAD_BYTES_MAX); 2]);
    assert!(!lengths[3].0 && lengths[4] == (true, 9) && lengths.len() == 5, "{lengths:?}");
}
