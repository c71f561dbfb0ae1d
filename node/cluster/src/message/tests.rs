//! Messages and records: what is written is read again, and no bytes make a reader panic.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::{
    Record,
    gossip::Status,
    metadata::{Change, Found, Secret},
    paxos::{Acceptor, Ballot},
    record::{Identity, KINDS},
    ring::Node,
    tests::{keyspace, table},
};
use model::{Token, schema::Replication};

fn host(id: u128) -> HostId {
    HostId(Uuid::from_u128(id))
}

fn found() -> Found {
    let node = |id| Node {
        host_id: host(id),
        peer_addr: format!("n{id}:7000"),
        cql_addr: format!("n{id}:9042"),
        client_addr: format!("n{id}:9044"),
        dc: "dc1".to_owned(),
        rack: "rack1".to_owned(),
        tokens: vec![Token(-(id as i64)), Token(i64::MAX - id as i64)],
    };
    Found {
        cluster_id: Uuid::from_u128(7),
        secret: Secret([9; 32]),
        cluster_name: "test".to_owned(),
        nodes: (1..=3).map(node).collect(),
        voters: (1..=3).map(host).collect(),
    }
}

fn changes() -> Vec<Change> {
    let table = Arc::new(table("ks", "t", 5));
    let factors = [("dc1".to_owned(), 3), ("dc2".to_owned(), 0)].into();
    vec![
        Change::Found(found()),
        keyspace("ks", 3),
        Change::AlterKeyspace {
            name: "ks".to_owned(),
            replication: Replication::NetworkTopology(factors),
            durable_writes: false,
        },
        Change::CreateTable { table: Arc::clone(&table) },
        Change::AlterTable { table: Arc::clone(&table) },
        Change::DropTable { keyspace: "ks".to_owned(), name: "t".to_owned(), id: table.id },
        Change::DropKeyspace { name: "ks".to_owned() },
        Change::UpdateNode {
            host_id: host(1),
            peer_addr: "a".to_owned(),
            cql_addr: "b".to_owned(),
            client_addr: "c".to_owned(),
        },
    ]
}

fn entries() -> Vec<Entry> {
    let entry = |(index, change)| Entry {
        epoch: index as u64 + 1,
        proposal: Proposal { id: Uuid::from_u128(index as u128), change },
    };
    changes().into_iter().enumerate().map(entry).collect()
}

fn metadata() -> Metadata {
    entries().iter().take(4).fold(Metadata::unfounded(), |it, entry| it.apply(entry))
}

fn messages() -> Vec<Message> {
    let ballot = Ballot { round: 1 << 40, host: host(1) };
    let beat = Beat { generation: 1_700_000_000, version: 3 };
    let state = State {
        host_id: host(1),
        beat,
        peer_addr: "n1:7000".to_owned(),
        epoch: 4,
        load_bytes: 1 << 33,
        status: Status::Draining,
    };
    let hello = Hello {
        host_id: host(1),
        generation: 5,
        cluster_name: "test".to_owned(),
        peer_addr: "n1:7000".to_owned(),
        cql_addr: "n1:9042".to_owned(),
        client_addr: "n1:9044".to_owned(),
        dc: "dc1".to_owned(),
        rack: "rack1".to_owned(),
        num_tokens: 16,
        founders: BTreeSet::from(["n1:7000".to_owned(), "n2:7000".to_owned()]),
        cluster_id: Some(Uuid::from_u128(7)),
        epoch: 3,
        answer: true,
    };
    let by = || "n2:7000".to_owned();
    let refusals = [
        Refused::NotAFounder { by: by() },
        Refused::NotASeed { by: by() },
        Refused::OtherClusterName { by: by(), name: "other".to_owned() },
        Refused::OtherCluster { by: by(), cluster_id: Uuid::from_u128(8) },
        Refused::FoundersDiffer { by: by(), seeds: vec![by()] },
        Refused::DuplicateHostId { by: by(), host_id: host(2) },
    ];
    let mut messages = vec![
        Message::Hello(Box::new(hello)),
        Message::Heartbeat(Heartbeat {
            state: state.clone(),
            heard: beat,
            held: std::time::Duration::from_millis(150),
            wall_micros: -1_705_276_800_000_000,
        }),
        Message::Digest { known: vec![(host(1), beat), (host(2), Beat::default())] },
        Message::Difference { states: vec![state.clone()], wanted: vec![host(2)] },
        Message::States { states: vec![state] },
        Message::Ask { epoch: 2, request: Request::Prepare(ballot) },
        Message::Answer { epoch: 2, reply: Reply::Promised { ballot, accepted: None } },
        Message::Answer { epoch: 2, reply: Reply::Accepted { ballot } },
        Message::Answer { epoch: 2, reply: Reply::Rejected { ballot, promised: ballot } },
        Message::Fetch { after: 300 },
        Message::Entries { entries: entries(), latest: 9 },
        Message::Snapshot(Box::new(metadata())),
    ];
    messages.extend(refusals.map(Message::Refuse));
    for entry in entries() {
        let value = entry.proposal;
        let request = Request::Accept(ballot, value.clone());
        messages.push(Message::Ask { epoch: 2, request });
        let reply = Reply::Promised { ballot, accepted: Some((ballot, value)) };
        messages.push(Message::Answer { epoch: 2, reply });
    }
    messages
}

fn records() -> Vec<Record> {
    let ballot = Ballot { round: 1, host: host(1) };
    let accepted = entries().pop().map(|it| (ballot, it.proposal));
    let mut records = vec![
        Record::Identity(Identity {
            host_id: host(1),
            cluster_name: "test".to_owned(),
            dc: "dc1".to_owned(),
            rack: "rack1".to_owned(),
        }),
        Record::Generation(1_700_000_000),
        Record::Acceptor { epoch: 2, acceptor: Acceptor { promised: Some(ballot), accepted } },
        Record::Snapshot(Box::new(metadata())),
    ];
    records.extend(entries().into_iter().map(Record::Entry));
    records
}

fn envelope(message: Message) -> Envelope {
    Envelope { from: host(1), cluster_id: Some(Uuid::from_u128(7)), message }
}

#[test]
fn every_message_is_read_as_it_was_written() {
    for message in messages() {
        let written = envelope(message);
        assert_eq!(Ok(written.clone()), Envelope::decode(written.encode()));
    }
}

#[test]
fn every_record_is_read_as_it_was_written() {
    for record in records() {
        assert!(KINDS.contains(&record.kind()));
        assert_eq!(Ok(record.clone()), Record::decode(record.kind(), record.encode()));
    }
}

#[test]
fn a_message_cut_short_or_too_long_is_malformed() {
    for message in messages() {
        let bytes = envelope(message).encode();
        for len in 0..bytes.len() {
            let cut = Envelope::decode(bytes.slice(..len));
            assert!(matches!(cut, Err(DecodeError::Malformed(_))), "{len} of {}", bytes.len());
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(Envelope::decode(longer.into()), Err(DecodeError::Malformed(_))));
    }
}

#[test]
fn another_version_is_named() {
    let mut bytes = envelope(Message::Fetch { after: 1 }).encode().to_vec();
    bytes[0] = 9;
    assert_eq!(Err(DecodeError::Version { found: 9 }), Envelope::decode(bytes.into()));
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(
        which in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        kind in 0_u8..8,
        noise in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut bytes = envelope(which.get(&messages()).clone()).encode().to_vec();
        let mut payload = which.get(&records()).encode().to_vec();
        for (index, byte) in changes {
            *index.get_mut(&mut bytes) = byte;
            *index.get_mut(&mut payload) = byte;
        }
        // What is read in spite of the damage is a value like any other: it can be written and read.
        if let Ok(read) = Envelope::decode(bytes.into()) {
            prop_assert!(Envelope::decode(read.encode()).is_ok());
        }
        if let Ok(read) = Record::decode(kind, payload.into()) {
            prop_assert!(Record::decode(kind, read.encode()).is_ok());
        }
        let mut versioned = vec![VERSION];
        versioned.extend(&noise);
        let _ = Envelope::decode(versioned.clone().into());
        let _ = Record::decode(kind, versioned.into());
    }
}
