//! Statements, fields and values of `COPY`, without any node.

use std::path::PathBuf;

use client::{Bind, CqlType, Details, Error, NativeType, Value};
use cql_lite::code::Code;

use super::csv::{Field, Scanner, fields, line};
use super::lines::Layout;
use super::{Copy, Direction, Format, Place, import, json, parse, text};
use crate::words::Refused;

fn copy(text: &str) -> Copy {
    parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

#[test]
fn a_statement_says_what_goes_where() {
    let it = copy("COPY Ks.\"T\" (a, \"B\") TO 'it''s.csv' WITH HEADER = TRUE AND DELIMITER='|';");
    assert_eq!((it.keyspace.as_deref(), it.table.as_str()), (Some("ks"), "T"));
    assert_eq!((it.columns, it.direction), (vec!["a".to_owned(), "B".to_owned()], Direction::To));
    assert_eq!(it.place, Place::File(PathBuf::from("it's.csv")));
    assert_eq!((it.style.format, it.style.header, it.style.delimiter), (Format::Csv, true, b'|'));
    assert_eq!(it.errors_max, 1000);

    let it = copy(
        "copy t from 't.jsonl' with maxerrors = 5 and null = '\\N' and resume = true \
         and errfile = 'bad' and comment = '#'",
    );
    assert_eq!((it.style.format, it.errors_max, it.resume), (Format::Jsonl, 5, true));
    assert_eq!((it.style.null.as_str(), it.style.comment), ("\\N", Some(b'#')));
    assert_eq!(it.rejects, Some(PathBuf::from("bad")));
    assert_eq!(copy("COPY t FROM 'x.json' WITH FORMAT = 'csv'").style.format, Format::Csv);
    assert_eq!(copy("COPY t TO stdout").place, Place::Standard);
    let it = copy("COPY t FROM STDIN WITH FORMAT = 'jsonl'");
    assert_eq!((it.place, it.style.format), (Place::Standard, Format::Jsonl));
    assert_eq!(copy("COPY t TO 'STDOUT'").place, Place::File(PathBuf::from("STDOUT")));
}

#[test]
fn counters_are_added_to_what_is_there() {
    let columns = ["page text", "views counter", "day int", "likes counter"];
    let columns = columns.map(|it| {
        let (name, kind) = it.split_once(' ').unwrap();
        (name.to_owned(), CqlType::parse(kind).unwrap())
    });
    let (columns, places) = (columns.to_vec(), vec![0, 1, 2, 3]);
    let mut layout = Layout { columns, places, width: 4, ignore_others: false };
    assert_eq!(layout.counters_first(), 2);
    assert_eq!(layout.places, [1, 3, 0, 2], "each is where it was in the file");
    let names: Vec<String> = layout.columns.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(
        import::statement("t", &names, 2),
        "UPDATE t SET views = views + ?, likes = likes + ? WHERE page = ? AND day = ?"
    );
    let plain = ["k".to_owned(), "v".to_owned()];
    assert_eq!(import::statement("t", &plain, 0), "INSERT INTO t (k, v) VALUES (?, ?)");
}

#[test]
fn a_wrong_statement_says_what_is_expected() {
    let refused = |text: &str| match parse(text) {
        Err(Refused::Usage(usage)) => usage,
        other => panic!("{text}: {other:?}"),
    };
    assert_eq!(refused("COPY t TO 'f' WITH HEADR = true"), "HEADER instead of HEADR");
    assert_eq!(refused("COPY t TO 'f' WITH HEADER = 1"), "HEADER = true or false");
    assert_eq!(refused("COPY t TO 'f' WITH NULL = 'a,b'"), "NULL = text without the delimiter");
    for wrong in [
        "COPY",
        "COPY t",
        "COPY t TO f",
        "COPY t TO 'f",
        "COPY t (a TO 'f'",
        "COPY t TO ''",
        "COPY t TO 'f' WITH",
        "COPY t TO 'f' WITH HEADER",
        "COPY t TO 'f' x",
        "COPY a.b.c TO 'f'",
        "COPY t TO STDIN",
        "COPY t FROM STDOUT",
    ] {
        assert!(refused(wrong).starts_with("COPY [keyspace.]table"), "{wrong}");
    }
    assert!(refused("COPY t TO STDOUT WITH RESUME = true").starts_with("a file's name"));
    assert!(refused("COPY t TO 'f' WITH DELIMITER = '\"'").starts_with("DELIMITER = "));
}

#[test]
fn fields_are_the_same_afterwards() {
    let plain = copy("COPY t TO 'f'").style;
    let marked = copy("COPY t TO 'f' WITH NULL = 'null' AND DELIMITER = '\\t' AND COMMENT = '#'");
    let nasty = [
        None,
        Some(""),
        Some("null"),
        Some("a,b"),
        Some("a\tb"),
        Some("say \"hi\""),
        Some("\""),
        Some("two\nlines\r\n"),
        Some("\r"),
        Some(" blank "),
        Some("\\N"),
        Some("# no comment"),
        Some("\u{feff}mark"),
        Some("é\0"),
        Some("\"\""),
    ];
    for style in [plain, marked.style] {
        for first in nasty {
            for second in nasty {
                let row = [first, second];
                let text = line(row.into_iter(), &style);
                let mut scanner = Scanner::new(style.delimiter);
                let ends: Vec<bool> =
                    text.split_inclusive('\n').map(|part| scanner.ends(part.as_bytes())).collect();
                let last = ends.len() - 1;
                assert_eq!(ends.iter().position(|end| *end), Some(last), "{text:?}");
                assert!(!text.starts_with(['#', '\u{feff}']), "{text:?}");
                let read = fields(text.strip_suffix('\n').unwrap(), &style).unwrap();
                let expected = row.map(|it| it.map_or(Field::Null, |it| Field::Text(it.into())));
                assert_eq!(read, expected, "{text:?}");
            }
        }
    }
}

#[test]
fn fields_that_are_none_are_refused() {
    let style = copy("COPY t TO 'f'").style;
    let refused = |row| fields(row, &style).unwrap_err();
    assert_eq!(refused("a,\"b"), "the quote of field 2 is not closed");
    assert_eq!(refused("\"a\"b,c"), "field 1 goes on behind its closing quote");
    let bare = fields("5\" pipe,x", &style).unwrap();
    assert_eq!(bare[0], Field::Text("5\" pipe".to_owned()), "a quote inside is a sign like others");
}

#[test]
fn values_of_every_type_are_the_same_afterwards() {
    let uuid = uuid::Uuid::parse_str("50554d6e-29bb-11e5-b345-feff819cdc9f").unwrap();
    let values = [
        Value::Ascii("plain".into()),
        Value::Text("'quotes' \"too\"\n\u{1}".into()),
        Value::Int(i32::MIN),
        Value::Bigint(i64::MIN),
        Value::Smallint(-1),
        Value::Tinyint(127),
        Value::Double(f64::NAN),
        Value::Double(-0.0),
        Value::Double(5e-324),
        Value::Double(0.1 + 0.2),
        Value::Double(f64::NEG_INFINITY),
        Value::Float(f32::MIN_POSITIVE),
        Value::Float(16_777_217.0),
        Value::Float(f32::INFINITY),
        Value::Boolean(true),
        Value::Blob(vec![]),
        Value::Blob(vec![0, 255]),
        Value::Uuid(uuid),
        Value::Timeuuid(uuid),
        Value::Timestamp(-1),
        Value::Timestamp(1_700_000_000_123),
        Value::Timestamp(i64::MAX),
        Value::Timestamp(i64::MIN),
        Value::Date(0),
        Value::Date((1 << 31) + 19_737),
        Value::Time(86_399_999_999_999),
        Value::Inet("192.0.2.1".parse().unwrap()),
        Value::Inet("2001:db8::1".parse().unwrap()),
    ];
    let empty =
        NativeType::ALL.into_iter().filter(|it| it.allows_empty()).map(|it| (it, Value::Empty));
    let values = values.into_iter().map(|it| (it.native().unwrap(), it)).chain(empty);
    for (kind, value) in values {
        let kind = &kind.into();
        assert_eq!(text::read(&value.to_string(), kind), Ok(value.clone()), "as a field");
        let line = format!("{{\"c\":{}}}", value.to_json());
        let object = json::object(&line).unwrap();
        assert_eq!(json::value(object["c"], kind), Ok(Bind::Value(value)), "{line}");
    }
}

#[test]
fn values_of_another_type_are_refused() {
    let wrong = [
        (NativeType::Int, "1.5"),
        (NativeType::Int, "2147483648"),
        (NativeType::Tinyint, "x"),
        (NativeType::Double, "1e999"),
        (NativeType::Boolean, "1"),
        (NativeType::Blob, "cafe"),
        (NativeType::Blob, "0xcaf"),
        (NativeType::Uuid, "1"),
        (NativeType::Date, "2024-02-30"),
        (NativeType::Inet, "256.0.0.1"),
        (NativeType::Ascii, "é"),
        (NativeType::Time, "24:00:00"),
        (NativeType::Timeuuid, "123e4567-e89b-42d3-a456-426614174000"),
    ];
    for (kind, written) in wrong {
        assert!(text::read(written, &kind.into()).is_err(), "{written} as {kind}");
    }
    for (kind, written) in
        [(NativeType::Text, "5"), (NativeType::Int, "[1]"), (NativeType::Uuid, "{}")]
    {
        let line = format!("{{\"c\":{written}}}");
        assert!(json::value(json::object(&line).unwrap()["c"], &kind.into()).is_err(), "{line}");
    }
    assert!(json::object("[1]").is_err());
}

#[test]
fn rows_are_set_aside_for_what_is_in_them_and_for_nothing_else() {
    let details = |code: Code| Box::new(Details { code: code.to_string(), ..Details::default() });
    for code in [Code::BadValue, Code::BadBind, Code::TooLarge] {
        assert!(import::is_about_values(&Error::Invalid(details(code))), "{code}");
    }
    for code in [Code::DiskFull, Code::UnknownTable, Code::Unauthorized] {
        assert!(!import::is_about_values(&Error::Invalid(details(code))), "{code}");
    }
    assert!(!import::is_about_values(&Error::Retry(details(Code::TooLarge))));
}

#[test]
fn values_with_parts_lead_back_from_fields_and_objects() {
    let user = "user<ks.address, street text, zip int>";
    for (kind, written) in [
        ("list<int>", "[3, 1, 3]"),
        ("set<text>", "{'a,b', 'it''s'}"),
        ("map<text, list<double>>", "{'x': [], 'y': [0.5, NaN]}"),
        ("map<int, timestamp>", "{-1: '2024-01-15 10:00:00.000+0000'}"),
        ("tuple<int, text, boolean>", "(1, null, true)"),
        ("vector<float, 2>", "[1.5, -2.0]"),
        (user, "{street: 'High \"Street\"', zip: null}"),
        ("map<text, set<int>>", "{}"),
    ] {
        let kind = CqlType::parse(kind).unwrap();
        let value = text::read(written, &kind).unwrap();
        assert_eq!(value.to_string(), written);
        let line = format!("{{\"c\":{}}}", value.to_json());
        let object = json::object(&line).unwrap();
        assert_eq!(json::value(object["c"], &kind), Ok(Bind::Value(value)), "{line}");
    }
    let list = CqlType::parse("list<int>").unwrap();
    for wrong in ["[null]", "[1.5]", "{\"a\": 1}", "\"x\"", "1"] {
        let line = format!("{{\"c\":{wrong}}}");
        let object = json::object(&line).unwrap();
        assert!(json::value(object["c"], &list).is_err(), "{line}");
    }
}
