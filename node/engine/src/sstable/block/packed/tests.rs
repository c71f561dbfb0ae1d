//! One row of a block as it was read is what the decoded block has.

use model::{Cell, Clustering, Content, Liveness, Partition, Row, Slice};
use proptest::prelude::*;

use super::super::tests::{any_fragments, at, coded, decoded, key, plain, with_texts};
use super::*;
use crate::piece;
use crate::sstable::block;
use crate::sstable::index::Upto;

/// Partitions of which all rows have the same columns: some with a TTL, some with texts; one in two fragments.
fn any_even_fragments() -> impl Strategy<Value = Vec<block::Fragment>> {
    let rows = prop::collection::vec((0..60_i64, any::<i32>(), "[a-d]{0,30}"), 1..30);
    let partitions = prop::collection::btree_map(any::<u8>(), rows, 1..40);
    let forms = (prop::option::of(1..100_000_u32), any::<bool>(), any::<bool>(), 0..60_i64);
    (partitions, forms).prop_map(|(partitions, (ttl, has_marker, is_odd, cut))| {
        let row = |time: i64, number: i32, text: String| {
            let timestamp = 1_700_000_000_000_000 + time * 1_000_003;
            let expires_at = ttl.map(|it| (it, timestamp / 1_000_000 + i64::from(it)));
            let content = |value: Bytes| match expires_at {
                Some((ttl, expires_at)) => Content::Expiring { value, ttl, expires_at },
                None => Content::Live { value },
            };
            let number = Bytes::from((f64::from(number % 10_000) / 100.0).to_be_bytes().to_vec());
            let cell = |value| Cell { timestamp, content: content(value) };
            let cells = vec![(ColumnId(1), cell(number)), (ColumnId(4), cell(text.into()))];
            let liveness = has_marker.then_some(Liveness { timestamp, expiry: expires_at });
            Row { liveness, cells, ..Row::default() }
        };
        let mut parts = Vec::new();
        for (number, rows) in partitions {
            let mut part = Partition::empty(key(number));
            for (time, value, text) in rows {
                part.put_row(Clustering(at(time * 10_000)), row(time, value, text));
            }
            parts.push(part);
        }
        parts.sort_by(|left, right| left.key.cmp(&right.key));
        let mut fragments = Vec::new();
        for (number, part) in parts.into_iter().enumerate() {
            let mut left = piece::Piece { start: Bytes::new(), end: piece::top(), part };
            let right = (is_odd && number == 0).then(|| left.split_off(&at(cut * 10_000)));
            fragments.extend([Some(left), right].into_iter().flatten().map(|it| block::Fragment {
                start: it.start,
                end: it.end,
                part: it.part,
            }));
        }
        fragments
    })
}

/// That every row, and some that are not there, are told as the decoded block tells them. How many were told at all.
fn compare(block: &Block, packed: &Packed, fragments: &[block::Fragment]) -> usize {
    let mut told = 0;
    let keys = fragments.iter().map(|it| it.part.key.clone());
    let keys: Vec<PartitionKey> = keys.chain([key(7), key(200)]).collect();
    let rows = fragments.iter().flat_map(|it| it.part.rows.iter());
    let mut clusterings: Vec<Bytes> = rows.map(|it| it.0.0.clone()).collect();
    clusterings.extend([at(-1), at(15_000), at(i64::MAX), "a".into(), "abc".into()]);
    clusterings.sort();
    clusterings.dedup();
    for key in &keys {
        for clustering in &clusterings {
            let found = packed.row(key, clustering).unwrap();
            let part = block.part_of(key, clustering, Upto::Including);
            let row = match found {
                Found::Unclear => continue,
                Found::Row(row) => row,
                Found::Nothing => Rows::default(),
            };
            told += 1;
            let part = part.expect("what is told is here");
            let end = [&clustering[..], &[0]].concat().into();
            let want = Slice { start: clustering.clone(), end };
            let stretch = block.stretch(part, &want, false, 10).expect("nothing covers it");
            assert_eq!(row.iter().collect::<Vec<_>>(), stretch.rows.iter().collect::<Vec<_>>());
        }
    }
    told
}

proptest! {
    #[test]
    fn a_row_is_told_as_the_decoded_block_tells_it(
        fragments in any_even_fragments(),
        is_coded in any::<bool>(),
    ) {
        let block = decoded(if is_coded { coded(&fragments) } else { plain(&fragments) }).unwrap();
        let Some(packed) = block.packed() else { return Ok(()) };
        let rows: usize = fragments.iter().map(|it| it.part.rows.len()).sum();
        prop_assert!(rows <= compare(&block, &packed, &fragments));
        let again = packed.decode().unwrap().into_fragments();
        prop_assert!(again.iter().zip(&fragments).all(|(it, own)| it.part == own.part));
    }

    #[test]
    fn what_is_not_so_simple_is_told_the_same_or_not_at_all(
        fragments in any_fragments(),
        has_texts in any::<bool>(),
    ) {
        let fragments = if has_texts { with_texts(fragments) } else { fragments };
        let block = decoded(if has_texts { coded(&fragments) } else { plain(&fragments) }).unwrap();
        if let Some(packed) = block.packed() {
            compare(&block, &packed, &fragments);
        }
    }
}

#[test]
fn a_block_as_it_was_read_takes_less_and_is_decoded_for_many_reads() {
    let mut part = Partition::empty(key(1));
    for number in 0..400 {
        let value = Bytes::from((f64::from(number % 97) / 4.0).to_be_bytes().to_vec());
        let timestamp = i64::from(number) * 10_000_000;
        let cells = vec![(ColumnId(1), Cell { timestamp, content: Content::Live { value } })];
        part.put_row(Clustering(at(timestamp)), Row { cells, ..Row::default() });
    }
    let fragment = block::Fragment { start: Bytes::new(), end: piece::top(), part };
    let block = decoded(plain(&[fragment])).unwrap();
    let packed = block.packed().unwrap();
    assert!(packed.bytes() * 8 < block.bytes(), "{} of {}", packed.bytes(), block.bytes());
    assert!((0..44).all(|_| !packed.wants_decoding()), "not for a few reads of a row");
    assert!(packed.wants_decoding());
}
