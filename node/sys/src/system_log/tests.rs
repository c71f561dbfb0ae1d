//! The log under crashes at every operation, rot in every bit, and disks that fail.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;

use super::format::{self, RECORD_HEADER_BYTES};
use super::{Error, Limits, PAYLOAD_BYTES_MAX, Record, SystemLog};
use crate::Rng;
use crate::disk::{Disk, Faults, MemoryDisk, Open, RealDisk, read_all};

const DIR: &str = "/data/system";
const FILE: &str = "/data/system/paxos.log";
const LIMITS: Limits = Limits { log_bytes_max: 1 << 20 };

fn open(disk: &MemoryDisk) -> Result<(SystemLog, Vec<Record>), Error> {
    SystemLog::open(Arc::new(disk.clone()), Path::new(DIR), "paxos", LIMITS)
}

fn record(kind: u8, payload: impl Into<Vec<u8>>) -> Record {
    Record { kind, payload: Bytes::from(payload.into()) }
}

fn borrowed(records: &[Record]) -> Vec<(u8, &[u8])> {
    records.iter().map(|record| (record.kind, &record.payload[..])).collect()
}

/// A log with these records, all acknowledged.
fn written(records: &[Record]) -> (MemoryDisk, SystemLog) {
    let disk = MemoryDisk::new();
    let (mut log, _) = open(&disk).unwrap();
    records.iter().for_each(|record| log.append(record.kind, &record.payload).unwrap());
    (disk, log)
}

fn three() -> [Record; 3] {
    [record(1, *b"one"), record(0, *b""), record(255, vec![3; 700])]
}

#[test]
fn records_come_back_in_order() {
    let (disk, mut log) = written(&three());
    log.append_batch(&borrowed(&three())).unwrap();
    log.append_batch(&[]).unwrap();
    let size = log.size();
    disk.crash_all_lost();
    let (log, records) = open(&disk).unwrap();
    assert_eq!(records, [three(), three()].concat());
    assert_eq!((log.size(), log.cut()), (size, None));
}

#[test]
fn the_real_disk_keeps_it_too() {
    let dir = tempfile::tempdir().unwrap();
    let open = || SystemLog::open(Arc::new(RealDisk), &dir.path().join("new"), "id", LIMITS);
    let (mut log, records) = open().unwrap();
    assert_eq!(records, []);
    log.append(7, b"seven").unwrap();
    log.rewrite(&[(8, b"eight")]).unwrap();
    log.append(9, b"nine").unwrap();
    drop(log);
    let (log, records) = open().unwrap();
    assert_eq!(records, [record(8, *b"eight"), record(9, *b"nine")]);
    assert_eq!(log.cut(), None);
}

/// One thing an owner does.
enum Act {
    Append(Vec<Record>),
    Rewrite(Vec<Record>),
}

fn story() -> Vec<Act> {
    vec![
        Act::Append(vec![record(1, *b"small")]),
        Act::Append(vec![record(2, vec![2; 900]), record(3, *b""), record(4, vec![4; 1500])]),
        Act::Append(vec![record(5, *b"five")]),
        Act::Rewrite(vec![record(6, vec![6; 600]), record(7, *b"seven")]),
        Act::Append(vec![record(8, *b"eight")]),
        Act::Rewrite(vec![]),
        Act::Append(vec![record(9, vec![9; 2000]), record(10, *b"ten")]),
        Act::Append(vec![record(11, *b"last")]),
    ]
}

/// Acts until the disk fails. Answers what is acknowledged, and what else may be found.
fn act(
    log: &mut SystemLog,
    acts: &[Act],
    mut acked: Vec<Record>,
) -> (Vec<Record>, Vec<Vec<Record>>) {
    for act in acts {
        let (result, after) = match act {
            Act::Append(records) => {
                let after: Vec<_> = (1..=records.len())
                    .map(|count| [&acked[..], &records[..count]].concat())
                    .collect();
                (log.append_batch(&borrowed(records)), after)
            }
            Act::Rewrite(records) => (log.rewrite(&borrowed(records)), vec![records.clone()]),
        };
        match result {
            Ok(()) => acked = after.last().unwrap().clone(),
            Err(_) => return (acked, after),
        }
    }
    (acked, Vec::new())
}

fn crash(disk: &MemoryDisk, rng: &mut Rng) {
    match rng.below(6) {
        0 => disk.crash_all_lost(),
        1 => disk.crash_keep_all(),
        _ => disk.crash(rng),
    }
}

#[test]
fn acknowledged_records_survive_a_crash_at_every_operation() {
    let mut cuts = 0;
    for seed in 0..150 {
        for last in 0.. {
            let mut rng = Rng::from_seed(seed * 1000 + last);
            let disk = MemoryDisk::new();
            disk.set_faults(Faults { fail_after_ops: Some(last), ..Faults::default() });
            let (acked, maybe) = match open(&disk) {
                Ok((mut log, _)) => act(&mut log, &story(), Vec::new()),
                Err(_) => (Vec::new(), Vec::new()),
            };
            let finished = disk.ops() <= last;
            crash(&disk, &mut rng);
            // Power fails again during the recovery, at any operation of it.
            disk.set_faults(Faults { fail_after_ops: Some(rng.below(20)), ..Faults::default() });
            drop(open(&disk));
            crash(&disk, &mut rng);

            let (mut log, found) = open(&disk).unwrap();
            let expected = found == acked || maybe.contains(&found);
            assert!(expected, "operation {last}, seed {seed}: found {} records", found.len());
            cuts += usize::from(log.cut().is_some());
            // What was found is what stays, and the log goes on from there.
            log.append(42, b"on").unwrap();
            disk.crash_all_lost();
            let (log, again) = open(&disk).unwrap();
            assert_eq!(again, [found, vec![record(42, *b"on")]].concat());
            assert_eq!(log.cut(), None);
            if finished {
                break;
            }
        }
    }
    assert!(0 < cuts, "no crash left a torn tail");
}

#[test]
fn a_flipped_bit_in_an_acknowledged_record_is_named() {
    let (disk, log) = written(&three());
    let size = log.size();
    let starts = [0, 12, 36, 57];
    for byte in 0..size {
        for bit in 0..8 {
            disk.flip_bit(Path::new(FILE), byte, bit).unwrap();
            let error = open(&disk).map(drop).unwrap_err();
            let Error::Corrupt { offset, .. } = error else { panic!("byte {byte}: {error}") };
            let start = starts.iter().rev().find(|start| **start <= byte);
            assert_eq!(Some(&offset), start, "byte {byte}, bit {bit}");
            disk.flip_bit(Path::new(FILE), byte, bit).unwrap();
        }
    }
    assert_eq!(open(&disk).unwrap().1, three());
}

#[test]
fn a_flipped_bit_in_the_mark_harms_nothing() {
    for bit in 0..RECORD_HEADER_BYTES as u64 * 8 {
        let (disk, log) = written(&three());
        disk.flip_bit(Path::new(FILE), log.size() + bit / 8, (bit % 8) as u8).unwrap();
        assert_eq!(open(&disk).unwrap().1, three());
        assert_eq!(open(&disk).unwrap().0.cut(), None, "the mark is written anew");
    }
}

#[test]
fn a_record_in_another_place_is_not_one() {
    let (disk, log) = written(&[record(1, *b"same"), record(1, *b"same")]);
    let bytes = read_all(&disk, Path::new(FILE), 1 << 20).unwrap();
    let file = disk.open(Path::new(FILE), Open::Write).unwrap();
    file.write_at(&bytes[12..37], 37).unwrap();
    drop(log);
    assert!(matches!(open(&disk), Err(Error::Corrupt { offset: 37, .. })));
}

#[test]
fn a_tail_that_nobody_was_promised_is_cut_and_told() {
    let (disk, log) = written(&three());
    let end = log.size();
    let file = disk.open(Path::new(FILE), Open::Write).unwrap();
    file.write_at(&[0xAB; 100], end).unwrap();
    let (log, records) = open(&disk).unwrap();
    assert_eq!(records, three());
    let cut = log.cut().unwrap();
    assert_eq!((cut.offset, cut.bytes), (end, 100));
}

#[test]
fn a_missing_or_foreign_header_is_corruption_and_a_newer_one_a_version() {
    let disk = MemoryDisk::new();
    drop(open(&disk).unwrap());
    let file = disk.open(Path::new(FILE), Open::Write).unwrap();
    let mut newer = format::file_header();
    newer[7] = 9;
    let sum = crc32fast::hash(&newer[..8]);
    newer[8..].copy_from_slice(&sum.to_le_bytes());
    file.write_at(&newer, 0).unwrap();
    assert!(matches!(open(&disk), Err(Error::Version { version: 9, .. })));
    file.write_at(b"SQLite format 3", 0).unwrap();
    assert!(matches!(open(&disk), Err(Error::Corrupt { offset: 0, .. })));
    file.truncate(0).unwrap();
    assert!(matches!(open(&disk), Err(Error::Corrupt { offset: 0, .. })));
}

#[test]
fn a_failed_sync_poisons_the_log_and_what_it_left_is_not_believed() {
    let (disk, mut log) = written(&[record(1, *b"one")]);
    disk.set_faults(Faults { sync_error: true, ..Faults::default() });
    assert!(matches!(log.append(2, b"two"), Err(Error::Io { .. })));
    disk.set_faults(Faults::default());
    assert!(matches!(log.append(3, b"three"), Err(Error::Poisoned { .. })));
    assert!(matches!(log.rewrite(&[]), Err(Error::Poisoned { .. })));
    // The record is in the page cache, where a new process finds it, but no sync would ever write
    // it.
    disk.crash_keep_all();
    let (mut log, found) = open(&disk).unwrap();
    assert_eq!(found, [record(1, *b"one"), record(2, *b"two")]);
    log.append(3, b"three").unwrap();
    disk.crash_all_lost();
    let (_, again) = open(&disk).unwrap();
    assert_eq!(again, [record(1, *b"one"), record(2, *b"two"), record(3, *b"three")]);
}

#[test]
fn a_lying_disk_is_found_out_once_a_later_record_is_durable() {
    let mut found_out = 0;
    for seed in 0..200 {
        let (disk, mut log) = written(&[record(1, *b"one")]);
        disk.set_faults(Faults { lying_sync: true, ..Faults::default() });
        (0..4).for_each(|kind| log.append(kind, &[kind; 1000]).unwrap());
        disk.crash(&mut Rng::from_seed(seed));
        match open(&disk) {
            Ok((_, records)) => assert_eq!(records[0], record(1, *b"one")),
            Err(Error::Corrupt { .. }) => found_out += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(20 < found_out, "{found_out}");
}

#[test]
fn a_full_disk_refuses_and_the_log_goes_on() {
    let (disk, mut log) = written(&[record(1, *b"one")]);
    disk.set_faults(Faults { capacity: Some(log.size() + 100), ..Faults::default() });
    let batch = [record(2, vec![2; 20]), record(3, vec![3; 20]), record(4, vec![4; 200])];
    assert!(matches!(log.append_batch(&borrowed(&batch)), Err(Error::Io { .. })));
    assert!(matches!(log.rewrite(&borrowed(&batch)), Err(Error::Io { .. })));
    log.append(5, &[5; 20]).unwrap();
    disk.crash_all_lost();
    let (log, records) = open(&disk).unwrap();
    assert_eq!(records, [record(1, *b"one"), record(5, vec![5; 20])]);
    assert_eq!(log.cut(), None, "nothing of the refused batch is left behind");
    assert_eq!(disk.list(Path::new(DIR)).unwrap(), ["paxos.log"]);
}

#[test]
fn limits_are_kept_before_anything_is_written() {
    let disk = MemoryDisk::new();
    let limits = Limits { log_bytes_max: 100 };
    let open = || SystemLog::open(Arc::new(disk.clone()), Path::new(DIR), "small", limits);
    let (mut log, _) = open().unwrap();
    log.append(1, &[1; 67]).unwrap();
    assert_eq!(log.size(), 100);
    assert!(matches!(log.append(1, b""), Err(Error::Full { bytes: 100, .. })));
    assert!(matches!(log.rewrite(&[(1, &[1; 68])]), Err(Error::Full { .. })));
    let large = vec![0; PAYLOAD_BYTES_MAX + 1];
    assert!(matches!(log.append(1, &large), Err(Error::TooLarge { .. })));
    drop(log);
    let (mut log, records) = open().unwrap();
    assert_eq!(records, [record(1, vec![1; 67])]);
    log.rewrite(&[]).unwrap();
    log.append(2, b"on").unwrap();
}

#[test]
fn the_bytes_are_those_of_the_page_that_draws_them() {
    let (disk, _log) = written(&[record(7, *b"hi")]);
    let bytes = read_all(&disk, Path::new(FILE), 1 << 20).unwrap();
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let fields = [7, 1, 4, 4, 4, 8, 1, 4, 2, 4, 4, 8, 1, 4];
    let mut rest = &hex[..];
    let mut lines = Vec::new();
    for len in fields {
        let (field, later) = rest.split_at(len);
        lines.push(field.join(" "));
        rest = later;
    }
    assert!(rest.is_empty());
    let page = include_str!("../../../../docs/formats/system-log.md");
    let example = page.split("```hex\n").nth(1).unwrap().split("```").next().unwrap();
    let drawn: Vec<&str> = example.lines().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(lines, drawn);
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read_without_a_panic(tail: Vec<u8>, headed: bool) {
        let disk = MemoryDisk::new();
        drop(open(&disk).unwrap());
        let file = disk.open(Path::new(FILE), Open::Write).unwrap();
        let at = if headed { 12 } else { 0 };
        file.truncate(at).unwrap();
        file.write_at(&tail, at).unwrap();
        match open(&disk) {
            Ok((_, records)) => prop_assert!(headed && records.is_empty()),
            Err(error) => {
                let told = matches!(error, Error::Corrupt { .. } | Error::Version { .. });
                prop_assert!(told, "{}", error);
            }
        }
    }
}
