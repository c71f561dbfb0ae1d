//! What is decided here without a connection: which events there are, and what errors become.

use std::{net::SocketAddr, sync::Arc};

use cql_lite::{code::Code, span::Span};
use model::{
    Consistency, HostId, Keyspace, Schema, Table, TableId,
    schema::{Column, ColumnKind, NativeType, Replication, TableOptions},
};
use proto::cql::{
    Version,
    error::{Answers, Body, WriteKind},
    event::{Effect, Event, SchemaChange, Subject},
};
use query::{About, Acks, Error};

use super::{
    errors::{self, Asked},
    events::{Picture, difference},
    traced::{TEXT_CHARS, beginning},
};

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, host], 9042))
}

/// A picture with these nodes, `true` for those alive, and this schema.
fn picture(nodes: &[(u8, bool)], schema: Schema) -> Picture {
    let node = |(host, alive): &(u8, bool)| {
        (HostId(uuid::Uuid::from_u128((*host).into())), (address(*host), *alive))
    };
    Picture { schema: Arc::new(schema), nodes: nodes.iter().map(node).collect() }
}

fn table(name: &str, id: u128, epoch: u64) -> Table {
    let cql_type = NativeType::Int.into();
    let key = Column {
        id: model::ColumnId(0),
        name: "k".into(),
        cql_type,
        is_multi_cell: false,
        kind: ColumnKind::Partition,
    };
    Table {
        id: TableId(uuid::Uuid::from_u128(id)),
        keyspace: "ks".into(),
        name: name.into(),
        partition_key: vec![key],
        clustering_key: Vec::new(),
        statics: Vec::new(),
        regulars: Vec::new(),
        dropped: Vec::new(),
        options: TableOptions::default(),
        epoch,
    }
}

/// The keyspace `ks` with these tables, at this epoch.
fn schema(epoch: u64, factor: u32, tables: Vec<Table>) -> Schema {
    let tables = tables.into_iter().map(|it| (it.name.clone(), Arc::new(it))).collect();
    let keyspace = Keyspace {
        name: "ks".into(),
        replication: Replication::Simple { factor },
        durable_writes: true,
        tables,
        types: Default::default(),
    };
    Schema { epoch, keyspaces: [("ks".to_owned(), Arc::new(keyspace))].into() }
}

fn changed(effect: Effect, table: Option<&str>) -> Event {
    let subject = table.map_or(Subject::Keyspace, |it| Subject::Table(it.to_owned()));
    Event::Schema(SchemaChange { effect, keyspace: "ks".into(), subject })
}

#[test]
fn nodes_come_go_and_come_back() {
    let [none, two, one_down, one] =
        [&[][..], &[(1, true), (2, true)], &[(1, true), (2, false)], &[(1, true)]]
            .map(|nodes| picture(nodes, Schema::default()));
    assert_eq!(difference(&two, &two), []);
    assert_eq!(difference(&two, &one_down), [Event::Down(address(2))]);
    assert_eq!(difference(&one_down, &two), [Event::Up(address(2))]);
    assert_eq!(difference(&two, &one), [Event::RemovedNode(address(2))]);
    let new = |host| [Event::NewNode(address(host)), Event::Up(address(host))];
    assert_eq!(difference(&none, &two), [new(1), new(2)].concat());
    assert_eq!(difference(&none, &one_down)[2..], [Event::NewNode(address(2))]);
}

#[test]
fn each_change_of_the_schema_is_one_event() {
    let empty = Schema::default();
    let bare = || schema(1, 1, Vec::new());
    let with = |epoch, id, table_epoch| schema(epoch, 1, vec![table("t", id, table_epoch)]);
    let cases = [
        (empty.clone(), bare(), vec![changed(Effect::Created, None)]),
        (bare(), schema(2, 3, Vec::new()), vec![changed(Effect::Updated, None)]),
        (bare(), with(2, 7, 2), vec![changed(Effect::Created, Some("t"))]),
        (with(2, 7, 2), with(3, 7, 3), vec![changed(Effect::Updated, Some("t"))]),
        (with(2, 7, 2), bare(), vec![changed(Effect::Dropped, Some("t"))]),
        // Dropped and created again is another table.
        (
            with(2, 7, 2),
            with(4, 8, 4),
            vec![changed(Effect::Dropped, Some("t")), changed(Effect::Created, Some("t"))],
        ),
        // A keyspace goes with its tables: that is one change.
        (with(2, 7, 2), Schema { epoch: 3, ..empty.clone() }, vec![changed(Effect::Dropped, None)]),
        (
            empty,
            with(2, 7, 2),
            vec![changed(Effect::Created, None), changed(Effect::Created, Some("t"))],
        ),
    ];
    for (before, after, events) in cases {
        let (before, after) = (picture(&[], before), picture(&[], after));
        assert_eq!(difference(&before, &after), events);
    }
}

#[test]
fn the_place_the_code_and_the_hint_stand_in_the_message() {
    let text = "SELECT *\n  FROM tt";
    let error = Error::new(Code::UnknownTable, "unknown table `tt`")
        .at(Span { start: 16, end: 18 })
        .hint("did you mean `t`?");
    let asked = Asked { text: Some(text.into()), ..Asked::default() };
    let wire = errors::to_wire(error.clone(), &asked);
    assert_eq!(wire.body, Body::Invalid);
    assert_eq!(wire.message, "line 2:7 unknown table `tt` [HX2002]; did you mean `t`?");
    // Of a prepared statement the text is not at hand.
    let wire = errors::to_wire(error, &Asked::default());
    assert_eq!(wire.message, "unknown table `tt` [HX2002]; did you mean `t`?");
}

#[test]
fn errors_about_replicas_say_how_many_answered() {
    let acks = Acks {
        consistency: Consistency::Quorum,
        required: 2,
        received: 1,
        missing: vec!["127.0.0.2:7000 (b)".into(), "node3:7000 (c)".into()],
    };
    let answers = Answers { consistency: 4, received: 1, required: 2 };
    let of = |code| {
        let error = Error { acks: Some(Box::new(acks.clone())), ..Error::new(code, "m") };
        errors::to_wire(error, &Asked::default()).body
    };
    assert_eq!(of(Code::Unavailable), Body::Unavailable(answers));
    assert!(
        matches!(of(Code::WriteTimeout), Body::WriteTimeout { answers: it, .. } if it == answers)
    );
    let reasons = ["127.0.0.2", "0.0.0.0"].map(|it| (it.parse().unwrap(), 0)).to_vec();
    let failure = Body::ReadFailure { answers, reasons, has_rows: false };
    assert_eq!(of(Code::ReadFailure), failure);
}

#[test]
fn every_code_has_a_kind_that_drivers_know() {
    // Numbers of the specification.
    let known = [
        0x0000, 0x000a, 0x1000, 0x1001, 0x1002, 0x1100, 0x1200, 0x1300, 0x2000, 0x2100, 0x2200,
        0x2300, 0x2400, 0x2500,
    ];
    for code in Code::ALL {
        let wire = errors::to_wire(Error::new(*code, "m"), &Asked::default());
        for version in [Version::V4, Version::V5] {
            assert!(known.contains(&wire.code(version)), "{code}");
        }
        assert!(wire.message.contains(&code.to_string()), "{}", wire.message);
    }
}

#[test]
fn what_was_never_done_may_be_tried_on_another_node() {
    let body = |code| errors::to_wire(Error::new(code, "m"), &Asked::default()).body;
    assert_eq!(body(Code::Overloaded), Body::Overloaded);
    assert_eq!(body(Code::Draining), Body::Bootstrapping);
    assert_eq!(body(Code::NotReady), Body::Bootstrapping);
    // What may have been done is not.
    assert!(matches!(body(Code::SchemaOutcomeUnknown), Body::WriteTimeout { .. }));
}

/// Drivers repeat writes of some kinds by themselves, and none of this one.
#[test]
fn an_increment_of_unknown_outcome_is_of_a_kind_that_is_not_repeated() {
    let kind = |about| {
        let error = Error { about, ..Error::new(Code::WriteTimeout, "m") };
        let body = errors::to_wire(error, &Asked::default()).body;
        let Body::WriteTimeout { kind, .. } = body else { panic!("{body:?}") };
        kind
    };
    assert_eq!(kind(None), WriteKind::Simple);
    assert_eq!(kind(Some(Box::new(About::Increment))), WriteKind::Counter);
}

/// A batch may name one prepared statement 65,535 times: copying them all first took 65,535 times its length.
#[test]
fn a_trace_keeps_the_beginning_of_a_batch_and_looks_at_no_more_of_it() {
    assert_eq!(beginning(["INSERT 1", "INSERT 2"]), "INSERT 1; INSERT 2");
    assert_eq!(beginning::<&str>([]), "");
    let long = "ä".repeat(TEXT_CHARS + 1);
    assert_eq!(beginning([&long]), long[..2 * TEXT_CHARS]);
    let mut asked = 0;
    let endless = std::iter::repeat_with(|| {
        asked += 1;
        "12345678"
    });
    assert_eq!(beginning(endless).chars().count(), TEXT_CHARS);
    // The first one takes 8 characters, each of the others 10.
    assert_eq!(asked, 1 + (TEXT_CHARS - 8).div_ceil(10));
}
