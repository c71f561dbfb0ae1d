//! Runs against the plain partition that they stand for.

use model::written::{self, Overview};
use model::{
    Cell, Clustering, ColumnId, Content, Deletion, Mutation, Partition, PartitionKey,
    RangeTombstone, Row, Slice, TableId,
};
use proptest::prelude::*;

use super::*;
use crate::piece::{self, Piece};
use bytes::Bytes;

fn key() -> PartitionKey {
    PartitionKey::new(Bytes::from_static(b"k"))
}

fn at(number: u16) -> Bytes {
    Bytes::from(vec![1 + (number / 250) as u8, 1 + (number % 250) as u8])
}

/// One row, or one range tombstone.
fn any_change() -> impl Strategy<Value = Partition> {
    let row = (0..600_u16, 1..50_i64).prop_map(|(number, timestamp)| {
        let value = Bytes::from(timestamp.to_string());
        let cell = Cell { timestamp, content: Content::Live { value } };
        let mut part = Partition::empty(key());
        let row = Row { cells: vec![(ColumnId(1), cell)], ..Row::default() };
        part.put_row(Clustering(at(number)), row);
        part
    });
    let range = (0..600_u16, 1..600_u16, 1..50_i64).prop_map(|(from, len, timestamp)| {
        let mut part = Partition::empty(key());
        part.delete_range(at(from), at(from + len), Deletion { timestamp, deleted_at: 1 });
        part
    });
    let many = (0..400_u16, 100..300_u16, 1..50_i64).prop_map(|(from, len, timestamp)| {
        let cell = Cell { timestamp, content: Content::Dead { deleted_at: 1 } };
        let mut part = Partition::empty(key());
        for number in from..from + len {
            let row = Row { cells: vec![(ColumnId(2), cell.clone())], ..Row::default() };
            part.put_row(Clustering(at(number)), row);
        }
        part
    });
    let whole = (1..20_i64).prop_map(|timestamp| {
        let mut part = Partition::empty(key());
        part.delete(Deletion { timestamp, deleted_at: 1 });
        part
    });
    prop_oneof![20 => row, 4 => range, 3 => many, 1 => whole]
}

/// Merges what was written in as it was written.
fn write(run: &mut Run, partition: &Partition) {
    let table = TableId(uuid::Uuid::nil());
    let bytes = Mutation { table, partition: partition.clone() }.encode();
    let mut places = Vec::new();
    let change = match written::look_over(&bytes, &mut places) {
        Some(Overview { key, rows, timestamp_min, .. }) => Change::Rows {
            token: Token::of(&bytes[key.clone()]),
            key: &bytes[key],
            rows: Copied {
                from: rows as u32,
                len: (bytes.len() - rows) as u32,
                buffer: Arc::new(bytes.clone()),
            },
            places: &places,
            timestamp_min,
        },
        None => Change::Any { partition: partition.clone(), bytes: bytes.len() },
    };
    change.put_into(run);
}

/// All pieces of `want`, joined again.
fn read(run: &Run, want: &Slice, reversed: bool, rows_max: usize) -> Partition {
    let mut left = want.clone();
    let mut pieces: Vec<Piece> = Vec::new();
    while left.start < left.end {
        let piece = run.piece(&left, reversed, rows_max);
        assert!(piece.part.rows.len() <= rows_max);
        if reversed {
            assert_eq!(piece.end, left.end);
            left.end = piece.start.clone();
        } else {
            assert_eq!(piece.start, left.start);
            left.start = piece.end.clone();
        }
        pieces.push(piece);
    }
    if reversed {
        pieces.reverse();
    }
    let mut joined = run.head().cloned().unwrap_or_else(|| Partition::empty(key()));
    pieces.into_iter().for_each(|it| piece::append(&mut joined, it.part));
    joined
}

proptest! {
    #[test]
    fn a_run_is_the_partition_it_stands_for(
        changes in prop::collection::vec((any_change(), any::<bool>()), 1..80),
        (from, len) in (0..600_u16, 1..600_u16),
        rows_max in 1..300_usize,
    ) {
        let mut run = Run::new(key());
        let mut plain = Partition::empty(key());
        for (change, is_written) in changes {
            let before = run.clone();
            let expected = read(&before, &Slice::all(), false, 1000);
            if is_written {
                write(&mut run, &change);
            } else {
                run.merge(change.clone());
            }
            plain.merge(change);
            let after = read(&before, &Slice::all(), true, 7);
            prop_assert_eq!(after, expected, "a snapshot does not change");
        }
        prop_assert_eq!(&read(&run, &Slice::all(), false, rows_max), &plain);
        prop_assert_eq!(&read(&run, &Slice::all(), true, rows_max), &plain);
        let want = Slice { start: at(from), end: at(from + len) };
        plain.clip(&want.start, &want.end);
        prop_assert_eq!(&read(&run, &want, false, rows_max), &plain);
        prop_assert_eq!(&read(&run, &want, true, rows_max), &plain);
    }
}

#[test]
fn rows_in_order_fill_their_leaves_and_deleted_ones_leave_few() {
    let mut run = Run::new(key());
    let row = |number: u16, timestamp| {
        let mut part = Partition::empty(key());
        let content = Content::Live { value: Bytes::from_static(b"v") };
        let cell = Cell { timestamp, content };
        let row = Row { cells: vec![(ColumnId(1), cell)], ..Row::default() };
        part.put_row(Clustering(at(number)), row);
        part
    };
    for number in 0..12_800 {
        run.merge(row(number, 1));
    }
    assert_eq!(run.leaves(), 100, "128 rows in each");
    let deletion = Deletion { timestamp: 2, deleted_at: 1 };
    let mut part = Partition::empty(key());
    let range = RangeTombstone { start: at(0), end: at(12_000), deletion };
    part.delete_range(range.start.clone(), range.end.clone(), deletion);
    run.merge(part);
    assert!(run.leaves() < 12, "{} leaves", run.leaves());
    assert_eq!(read(&run, &Slice::all(), false, 9).range_tombstones, vec![range]);
}

#[test]
fn shards_are_in_token_order() {
    let memtable = Memtable::new(Position::default());
    let mut keys: Vec<PartitionKey> = (0..500_u32)
        .map(|it| PartitionKey::new(Bytes::copy_from_slice(&it.to_be_bytes())))
        .collect();
    for key in &keys {
        let mut part = Partition::empty(key.clone());
        part.delete(Deletion { timestamp: 1, deleted_at: 1 });
        let bytes = part.memory_bytes();
        memtable.apply(Change::Any { partition: part, bytes });
    }
    keys.sort();
    let mut from = Bound::Unbounded;
    for key in keys {
        let found = memtable.next(from.as_ref()).unwrap().key().clone();
        assert_eq!(found, key);
        from = Bound::Excluded(found);
    }
    assert!(memtable.next(from.as_ref()).is_none());
}

#[test]
fn partitions_of_one_token_are_told_apart() {
    let memtable = Memtable::new(Position::default());
    let token = Token(7);
    let keys = ["b", "c", "a"].map(|it| PartitionKey { token, bytes: it.into() });
    let mut grown = 0;
    for key in &keys {
        let mut part = Partition::empty(key.clone());
        part.delete(Deletion { timestamp: 1, deleted_at: 1 });
        grown += memtable.apply(Change::Any { partition: part, bytes: 0 });
    }
    assert_eq!(memtable.bytes(), grown);
    assert!(keys.iter().all(|it| memtable.get(it).is_some_and(|run| run.key() == it)));
    let mut found = Vec::new();
    let mut from = Bound::Unbounded;
    while let Some(run) = memtable.next(from.as_ref()) {
        found.push(run.key().bytes.clone());
        from = Bound::Excluded(run.key().clone());
    }
    assert_eq!(found, ["a", "b", "c"]);
}
