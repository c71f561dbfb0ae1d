//! The encoding of mutations: what comes back, and what bad bytes do.

use super::*;
use crate::{
    Cell, Clustering, ColumnId, Content, Deletion, Liveness, Row, documented, key, worlds,
};
use proptest::prelude::*;
use uuid::Uuid;

const DOCUMENT: &str = include_str!("../../../../docs/formats/mutation.md");

/// 2024-01-15 12:00:00 UTC.
const NOON: i64 = 1_705_320_000;
const TIMESTAMP: i64 = NOON * 1_000_000;

fn empty(key: &'static [u8]) -> Mutation {
    let id = Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef);
    let partition = Partition::empty(PartitionKey::new(Bytes::from_static(key)));
    Mutation { table: TableId(id), partition }
}

fn live(timestamp: i64, value: &'static [u8]) -> Cell {
    Cell { timestamp, content: Content::Live { value: Bytes::from_static(value) } }
}

fn clustering(bytes: &'static [u8]) -> Clustering {
    Clustering(Bytes::from_static(bytes))
}

/// `INSERT INTO … (server, time, cpu) VALUES ('srv-1', '2024-01-15 12:00:00', 0.5)`.
fn insert() -> Mutation {
    let mut insert = empty(b"srv-1");
    let row = Row {
        liveness: Some(Liveness { timestamp: TIMESTAMP, expiry: None }),
        deletion: None,
        cells: vec![(ColumnId(3), live(TIMESTAMP, &[0x3F, 0xE0, 0, 0, 0, 0, 0, 0]))],
        elements: Vec::new(),
    };
    let time = clustering(&[0x80, 0x80, 0x00, 0x01, 0x8D, 0x0C, 0xFE, 0x2A, 0x00]);
    insert.partition.put_row(time, row);
    insert
}

/// Some of everything.
fn everything() -> Mutation {
    let mut all = empty(b"k");
    let at = |timestamp| Deletion { timestamp, deleted_at: NOON };
    all.partition.delete(at(TIMESTAMP));
    let content =
        Content::Expiring { value: Bytes::from_static(b"s"), ttl: 60, expires_at: NOON + 60 };
    let cells = vec![(ColumnId(1), Cell { timestamp: TIMESTAMP + 1, content })];
    all.partition.put_static(Row { cells, ..Row::default() });
    let dead = Cell { timestamp: TIMESTAMP + 1, content: Content::Dead { deleted_at: NOON + 2 } };
    let row = Row {
        liveness: Some(Liveness { timestamp: TIMESTAMP + 1, expiry: Some((60, NOON + 61)) }),
        deletion: None,
        cells: vec![(ColumnId(2), live(TIMESTAMP + 3, b"v")), (ColumnId(5), dead)],
        elements: Vec::new(),
    };
    all.partition.put_row(clustering(&[0x80, 0x01]), row);
    let row = Row { deletion: Some(at(TIMESTAMP + 1)), ..Row::default() };
    all.partition.put_row(clustering(&[0x80, 0x02]), row);
    let (start, end) = (key::before(&[0x80, 0x03]), key::after(&[0x80, 0x07]));
    all.partition.delete_range(start, end, at(TIMESTAMP + 1));
    all
}

#[test]
fn the_documented_bytes_are_those_written() {
    for (name, mutation) in [("insert", insert()), ("everything", everything())] {
        let bytes = documented::bytes(DOCUMENT, name);
        assert_eq!(format!("{:02x?}", &bytes[..]), format!("{:02x?}", &mutation.encode()[..]));
        assert_eq!(Mutation::decode(bytes.into()), Ok(mutation));
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    (any::<u128>(), worlds::partition())
        .prop_map(|(id, partition)| Mutation { table: TableId(Uuid::from_u128(id)), partition })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(mutation in mutation()) {
        let bytes = mutation.encode();
        prop_assert_eq!(Mutation::decode(bytes.clone()), Ok(mutation.clone()));
        prop_assert_eq!(Mutation::peek(&bytes), Ok((mutation.table, mutation.partition.key)));
    }

    #[test]
    fn a_cut_encoding_is_refused(mutation in mutation(), cut in any::<prop::sample::Index>()) {
        let bytes = mutation.encode();
        let cut = cut.index(bytes.len());
        prop_assert!(Mutation::decode(bytes.slice(..cut)).is_err());
    }

    #[test]
    fn a_longer_encoding_is_refused(mutation in mutation(), more in any::<u8>()) {
        let mut bytes = mutation.encode().to_vec();
        bytes.push(more);
        prop_assert!(Mutation::decode(bytes.into()).is_err());
    }

    /// Whatever bytes come: an error, or a mutation in normal form that can be written again.
    #[test]
    fn a_changed_encoding_is_refused_or_another_mutation(
        mutation in mutation(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let mut bytes = mutation.encode().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(mutation) = Mutation::decode(bytes.into()) {
            prop_assert!(mutation.partition.is_normal());
            prop_assert_eq!(Mutation::decode(mutation.encode()), Ok(mutation));
        }
    }

    #[test]
    fn any_bytes_are_survived(tail in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&[7; 16]);
        bytes.extend_from_slice(&tail);
        if let Ok(mutation) = Mutation::decode(bytes.into()) {
            prop_assert!(mutation.partition.is_normal());
        }
        prop_assert!(Mutation::decode(tail.into()).is_err());
    }
}
