//! Rows into the user's types.

use std::collections::BTreeMap;
use std::sync::Arc;

use cql_lite::value::Value;
use proptest::prelude::*;
use serde::Deserialize;
use uuid::Uuid;

use crate::CqlTimestamp;
use crate::fake::page;
use crate::row::{Page, Row};

fn row(columns: &[(&str, &str)], cells: Vec<Option<Value>>) -> Row {
    let page = Page::read(page(columns, &[cells], b"")).unwrap();
    assert_eq!(page.row_count(), 1);
    Row::new(Arc::new(page), 0)
}

fn person() -> Row {
    row(
        &[("name", "text"), ("age", "int"), ("email", "text"), ("seen", "timestamp")],
        vec![
            Some(Value::Text("Ada".to_owned())),
            Some(Value::Int(36)),
            None,
            Some(Value::Timestamp(1_000)),
        ],
    )
}

#[derive(Debug, Deserialize, PartialEq)]
struct Person {
    name: String,
    age: i64,
    email: Option<String>,
    seen: CqlTimestamp,
}

fn ada() -> Person {
    Person { name: "Ada".to_owned(), age: 36, email: None, seen: CqlTimestamp(1_000) }
}

#[test]
fn a_struct_takes_columns_by_name_and_a_tuple_by_position() {
    assert_eq!(person().deserialize::<Person>().unwrap(), ada());
    let tuple: (String, i32, Option<String>, i64) = person().deserialize().unwrap();
    assert_eq!(tuple, ("Ada".to_owned(), 36, None, 1_000));
    let map: BTreeMap<String, serde_json::Value> = person().deserialize().unwrap();
    assert_eq!(map["age"], 36);
    assert!(map["email"].is_null());
}

#[test]
fn a_single_column_needs_no_struct() {
    let count = row(&[("count", "bigint")], vec![Some(Value::Bigint(3))]);
    assert_eq!(count.deserialize::<i64>().unwrap(), 3);
    assert_eq!(count.deserialize::<(u8,)>().unwrap(), (3,));
    assert_eq!(count.deserialize::<Option<u64>>().unwrap(), Some(3));
    assert_eq!(count.get::<i32>("count").unwrap(), 3);
}

#[test]
fn types_with_a_text_form_read_as_text_and_blobs_as_bytes() {
    let uuid = Uuid::from_u128(5);
    let row = row(
        &[("id", "uuid"), ("at", "timestamp"), ("data", "blob"), ("from", "inet")],
        vec![
            Some(Value::Uuid(uuid)),
            Some(Value::Timestamp(0)),
            Some(Value::Blob(vec![1, 2])),
            Some(Value::Inet([127, 0, 0, 1].into())),
        ],
    );
    assert_eq!(row.get::<String>("id").unwrap(), uuid.to_string());
    assert_eq!(row.get::<String>("at").unwrap(), "1970-01-01T00:00:00.000Z");
    assert_eq!(row.get::<Vec<u8>>("data").unwrap(), [1, 2]);
    assert_eq!(row.get::<std::net::IpAddr>("from").unwrap().to_string(), "127.0.0.1");
}

fn refused<T: serde::de::DeserializeOwned + std::fmt::Debug>(row: &Row) -> String {
    row.deserialize::<T>().unwrap_err().details().message.clone()
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "never built: its shape is refused")]
struct Wrong {
    name: i32,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "never built: its shape is refused")]
struct Misspelt {
    name: String,
    emial: Option<String>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "never built: its shape is refused")]
struct Missing {
    quantity: u32,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "never built: its shape is refused")]
struct NotNull {
    email: String,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "never built: its shape is refused")]
struct Small {
    age: u32,
    seen: i8,
}

#[test]
fn an_error_names_the_column_its_type_and_what_was_wanted() {
    assert_eq!(refused::<Wrong>(&person()), "column `name` of type text: the Rust type is i32");
    assert_eq!(
        refused::<Misspelt>(&person()),
        "the rows have no column for field `emial`, but one named `email`: rename the field, or \
         add #[serde(rename = \"email\")]; columns: `name`, `age`, `email`, `seen`"
    );
    assert_eq!(refused::<Missing>(&person()), "the rows have no column for field `quantity`");
    assert_eq!(
        refused::<NotNull>(&person()),
        "column `email` of type text: null, where the Rust type is a string: make it an Option"
    );
    assert_eq!(
        refused::<Small>(&person()),
        "column `seen` of type timestamp: out of range, the Rust type is i8"
    );
    assert_eq!(refused::<(String, i32)>(&person()), "the rows have 4 columns, the Rust type 2");
    assert_eq!(
        refused::<String>(&person()),
        "the rows have 4 columns, the Rust type holds one: use a struct or a tuple"
    );
}

#[derive(Debug, Deserialize, PartialEq)]
struct Defaulted {
    #[serde(rename = "name")]
    called: String,
    #[serde(default)]
    quantity: u32,
    #[serde(alias = "electronic_mail")]
    email: Option<String>,
}

#[test]
fn rename_default_and_alias_work_as_ever() {
    let expected = Defaulted { called: "Ada".to_owned(), quantity: 0, email: None };
    assert_eq!(person().deserialize::<Defaulted>().unwrap(), expected);
}

proptest! {
    #[test]
    fn any_bytes_are_rows_or_refused(
        cells in proptest::collection::vec(any::<u8>(), 0..64),
        row_count in any::<u32>(),
        small in any::<bool>(),
        columns in 0_usize..3,
    ) {
        let row_count = if small { row_count % 8 } else { row_count };
        let wire = crate::fake::wire::Rows {
            columns: (0..columns).map(|_| crate::fake::column("c", "int")).collect(),
            cells: cells.into(),
            row_count,
            paging_state: bytes::Bytes::new(),
        };
        if let Ok(page) = Page::read(wire) {
            let page = Arc::new(page);
            prop_assert_eq!(page.row_count() as u64, u64::from(row_count));
            for index in 0..page.row_count() {
                let row = Row::new(Arc::clone(&page), index);
                for column in 0..=columns {
                    // Anything but a panic will do.
                    drop(row.value(column));
                }
            }
        }
    }
}

#[test]
fn values_with_parts_are_sequences_maps_and_structs() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Address {
        street: Option<String>,
        zip: i32,
    }
    let text = |it: &str| Value::Text(it.to_owned());
    let columns = [
        ("l", "list<int>"),
        ("m", "map<text, set<int>>"),
        ("t", "tuple<int, text>"),
        ("u", "user<ks.address, street text, zip int>"),
        ("none", "set<int>"),
    ];
    let address = vec![("street".to_owned(), None), ("zip".to_owned(), Some(Value::Int(7)))];
    let cells = vec![
        Some(Value::List(vec![Value::Int(2), Value::Int(1)])),
        Some(Value::Map(vec![(text("a"), Value::Set(vec![Value::Int(1)]))])),
        Some(Value::Tuple(vec![Some(Value::Int(1)), None])),
        Some(Value::User(address)),
        None,
    ];
    let row = row(&columns, cells);
    assert_eq!(row.get::<Vec<i64>>("l").unwrap(), [2, 1]);
    let map: BTreeMap<String, Vec<i32>> = row.get("m").unwrap();
    assert_eq!(map, BTreeMap::from([("a".to_owned(), vec![1])]));
    assert_eq!(row.get::<(i32, Option<String>)>("t").unwrap(), (1, None));
    assert_eq!(row.get::<Address>("u").unwrap(), Address { street: None, zip: 7 });
    assert_eq!(row.get::<Option<Vec<i32>>>("none").unwrap(), None);
    assert!(row.get::<Vec<String>>("l").unwrap_err().details().message.contains("`l`"));
}

#[test]
fn a_counter_reads_as_an_integer() {
    let row = row(&[("n", "counter"), ("m", "counter")], vec![Some(Value::Bigint(-7)), None]);
    assert_eq!(row.deserialize::<(i64, Option<i64>)>().unwrap(), (-7, None));
}
