//! Where a segment of the commit log ends, and why.

use super::*;
use crate::commitlog::format;
use crate::offline::{End, Place, Record, Segment};

const LOG: &str = "/data/commitlog/000000000005.log";

fn mutation(number: u8) -> Bytes {
    let mut partition = Partition::empty(key(&format!("key {number}")));
    partition.put_row(Clustering(Bytes::from(vec![number])), live_row("a value"));
    model::Mutation { table: shape().id, partition }.encode()
}

/// A segment of records, each made durable before the next, the last of two mutations; and where they begin.
fn segment() -> (Vec<u8>, Vec<usize>) {
    let header = format::Header { segment: 5, previous: 4, previous_bytes: 1000 };
    let (mut bytes, mut begins) = (header.encode().to_vec(), Vec::new());
    for number in 1..5_u8 {
        let (one, two) = (mutation(number), mutation(number + 100));
        let all: &[&[u8]] = if number == 4 { &[&one, &two] } else { &[&one] };
        let (at, mut record) = (bytes.len() as u64, Vec::new());
        format::put_record(&mut record, number.into(), all);
        format::seal(&mut record, 5, at, at);
        begins.push(bytes.len());
        bytes.extend(record);
    }
    (bytes, begins)
}

fn with_mark(mut bytes: Vec<u8>) -> Vec<u8> {
    let mark = format::mark(5, bytes.len() as u64);
    bytes.extend(mark);
    bytes
}

fn read(bytes: &[u8]) -> Segment {
    let disk = MemoryDisk::new();
    put(&disk, Path::new(LOG), bytes);
    Segment::read(&disk, Path::new(LOG)).unwrap()
}

#[test]
fn a_whole_segment_shows_its_records_and_their_mutations() {
    let (bytes, begins) = segment();
    let found = read(&with_mark(bytes.clone()));
    assert_eq!((found.number, found.end.clone()), (5, End::Marked));
    assert_eq!(found.header.unwrap().previous, 4);
    let offsets: Vec<usize> = found.records.iter().map(|it| it.offset as usize).collect();
    assert_eq!(offsets, begins);
    assert!(found.records.iter().all(|it| it.durable == it.offset));
    let count = |it: &Record| found.mutations(it).unwrap().len();
    assert_eq!(found.records.iter().map(count).collect::<Vec<_>>(), [1, 1, 1, 2]);
    let first = found.mutations(&found.records[0]).unwrap();
    assert_eq!((first[0].table, &first[0].partition.key), (shape().id, &key("key 1")));
    assert_eq!(read(&bytes).end, End::Unmarked);
}

#[test]
fn a_torn_tail_and_corruption_are_told_apart() {
    let (bytes, begins) = segment();
    let last = begins[3];
    for byte in 40..bytes.len() {
        let record = begins.iter().rev().find(|it| **it <= byte).copied().unwrap();
        let mut rotten = bytes.clone();
        rotten[byte] ^= 1 << (byte % 8);
        let torn = End::Torn { offset: last as u64, bytes: (bytes.len() - last) as u64 };
        match (read(&rotten).end, read(&with_mark(rotten)).end) {
            // Without its mark nothing says that the last record was ever durable.
            (without, End::Corrupt(it)) if record == last => {
                assert_eq!(without, torn, "byte {byte}");
                assert_eq!((it.place, it.offset), (Place::Record, record as u64), "byte {byte}");
            }
            (End::Corrupt(without), End::Corrupt(with)) if record < last => {
                assert_eq!(without.offset, record as u64, "byte {byte}");
                assert_eq!(with.offset, record as u64, "byte {byte}");
            }
            others => panic!("byte {byte}: {others:?}"),
        }
    }
}

#[test]
fn records_behind_corruption_are_shown_apart() {
    let (mut bytes, begins) = segment();
    bytes[begins[1] + 30] ^= 1;
    let found = read(&bytes);
    assert_eq!((found.records.len(), found.behind.len()), (1, 2));
    let End::Corrupt(it) = &found.end else { panic!("{:?}", found.end) };
    assert_eq!((it.offset, it.bytes), (begins[1] as u64, (begins[2] - begins[1]) as u64));
    assert_eq!(found.mutations(&found.behind[1]).unwrap().len(), 2);
}

#[test]
fn a_segment_that_another_follows_is_as_long_as_that_one_says() {
    let (bytes, begins) = segment();
    let next = |previous_bytes| format::Header { segment: 6, previous: 5, previous_bytes }.encode();
    let end = |bytes: &[u8], previous_bytes: usize| {
        let disk = MemoryDisk::new();
        put(&disk, Path::new(LOG), bytes);
        put(&disk, Path::new("/data/commitlog/000000000006.log"), &next(previous_bytes as u64));
        Segment::read(&disk, Path::new(LOG)).unwrap().end
    };
    assert_eq!(end(&bytes, bytes.len()), End::Followed);
    assert_eq!(end(&with_mark(bytes.clone()), bytes.len()), End::Followed);
    // What would be torn of the last segment is missing of this one.
    let cut = &bytes[..bytes.len() - 3];
    assert!(matches!(end(cut, bytes.len()), End::Corrupt(it) if it.offset == begins[3] as u64));
    assert!(matches!(read(cut).end, End::Torn { .. }));
}

#[test]
fn a_bad_header_is_damage_unless_nothing_was_ever_behind_it() {
    let (bytes, _) = segment();
    for byte in 0..40 {
        let mut rotten = bytes.clone();
        rotten[byte] ^= 1 << (byte % 8);
        let found = read(&rotten);
        assert!(matches!(found.end, End::Corrupt(it) if it.place == Place::Header), "byte {byte}");
        // Records say for themselves where they lie.
        assert_eq!(found.records.len(), 4);
        assert_eq!(read(&rotten[..40]).end, End::Unborn);
    }
    for len in 0..bytes.len() {
        // Cut anywhere: no panic.
        read(&bytes[..len]);
    }
}
