//! The rows are what they are said to be, and the report says what was found.

use std::collections::{BTreeMap, BTreeSet};

use clap::Parser as _;

use super::args::{Args, EngineName};
use super::measure::{Goal, Measure};
use super::parent::Run;
use super::report::{Report, number};
use super::workload::{Action, Kind, Live, Workload};

const KINDS: [Kind; 4] = [Kind::Messages, Kind::Metrics, Kind::Tiny, Kind::Wide];

#[test]
fn every_row_arrives_once_and_the_shares_are_as_said() {
    for kind in KINDS {
        let rows = 200_000;
        let workload = Workload::new(kind, rows, 7);
        let mut seen = BTreeSet::new();
        let (mut overwrites, mut deletes, mut late, mut newest) = (0.0, 0.0, 0.0, 0);
        for op in workload.ops(0..rows) {
            match op.action {
                Action::Insert => {
                    assert!(seen.insert(op.row), "row {} came twice", op.row);
                    late += if op.row < newest { 1.0 } else { 0.0 };
                    newest = newest.max(op.row);
                }
                Action::Overwrite | Action::Delete => {
                    assert!(seen.contains(&op.row), "row {} is not there yet", op.row);
                    overwrites += if op.action == Action::Overwrite { 1.0 } else { 0.0 };
                    deletes += if op.action == Action::Delete { 1.0 } else { 0.0 };
                }
            }
        }
        assert_eq!(seen.len() as u64, rows, "{kind:?}");
        // Rows that are late are not there to be changed for a while.
        for (what, count, share) in
            [("overwrites", overwrites, 0.05), ("deletes", deletes, 0.05), ("late", late, 0.02)]
        {
            let found = count / rows as f64;
            assert!((found - share).abs() < share / 10.0, "{kind:?}: {found} {what}");
        }
    }
}

#[test]
fn what_arrives_last_has_the_last_write_timestamp_and_no_key_comes_twice() {
    for kind in KINDS {
        let workload = Workload::new(kind, 50_000, 3);
        let mut written = BTreeMap::new();
        let mut keys = BTreeSet::new();
        for op in workload.ops(0..workload.rows) {
            let change = workload.change(op);
            let before = written.insert(op.row, op.written);
            assert!(before.is_none_or(|it| it < op.written), "{kind:?}: {op:?} after {before:?}");
            assert_eq!(change.value.is_none(), op.action == Action::Delete);
            assert_eq!(change.time % 2, 0, "odd times are free for misses");
            assert!(change.time < workload.end_time());
            if op.action == Action::Insert {
                assert!(keys.insert((change.partition, change.time)), "{kind:?}: {op:?}");
            }
        }
    }
}

#[test]
fn live_rows_are_those_whose_last_write_is_no_delete() {
    let workload = Workload::new(Kind::Messages, 10_000, 1);
    let mut last = BTreeMap::new();
    for op in workload.ops(0..workload.rows) {
        last.insert(op.row, op.action);
    }
    let live = Live::of(&workload);
    let expected = last.values().filter(|it| **it != Action::Delete).count();
    assert_eq!(live.count, expected as u64);
    assert!(last.iter().all(|(row, it)| live.contains(*row) == (*it != Action::Delete)));
}

#[test]
fn a_seed_gives_the_same_rows_and_another_gives_others() {
    let bytes = |seed| {
        let workload = Workload::new(Kind::Messages, 1_000, seed);
        let ops: Vec<_> = workload.ops(0..1_000).collect();
        ops.into_iter().map(|op| workload.change(op).value).collect::<Vec<_>>()
    };
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

#[test]
fn of_several_runs_the_worst_for_helenus_is_shown_with_its_goal() {
    let args = Args::parse_from(["engines", "--engines", "rocksdb,helenus"]);
    let run = |rocksdb: f64, helenus: f64, p99: f64| {
        let figures = [
            ((Measure::PointHit, EngineName::RocksDb), rocksdb),
            ((Measure::PointHit, EngineName::Helenus), helenus),
            ((Measure::PointHitP99, EngineName::Helenus), p99),
        ];
        let load = ("1.00".to_string(), "2.00".to_string());
        Run { rows: 1_000_000, figures: figures.into(), load }
    };
    let runs = vec![run(100_000.0, 200_000.0, 9.0), run(200_000.0, 350_000.0, 7.0)];
    let report = Report::new(&args, runs);
    let text = report.to_string();
    let line = |label: &str| {
        let mut lines = text.lines().filter(|it| it.contains(label));
        lines.next().expect("a line").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        line("point read, hit  "),
        "| point read, hit | reads/CPU-s | 200 k | 350 k (1.75x) | ≥ 1.8x: **missed** |"
    );
    assert_eq!(line("point read, hit: p99"), "| point read, hit: p99 | µs | - | 9.00 | |");
    assert_eq!(report.json_lines().lines().count(), 2 * (1 + 3));
}

#[test]
fn goals_compare_with_rocksdb_only_where_they_say_so() {
    assert_eq!(Goal::RatioMin(2.0).is_met(10.0, Some(5.0)), Some(true));
    assert_eq!(Goal::RatioMax(0.5).is_met(10.0, Some(5.0)), Some(false));
    assert_eq!(Goal::RatioMin(2.0).is_met(10.0, None), None);
    assert_eq!(Goal::Max(4.0).is_met(3.9, None), Some(true));
    assert_eq!(number(1_234_567.0), "1.23 M");
    assert_eq!(number(12.345), "12.3");
}
