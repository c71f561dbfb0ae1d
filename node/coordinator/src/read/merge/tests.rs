//! Merging and cutting, case by case.

use model::{Cell, ColumnId, Content, Row, read::Target};

use super::*;
use crate::fakes::{clustering, command, delete, host, insert, key, rows, whole_ring};

fn at(partition: u8, row: Option<u8>) -> Position {
    Position { key: key(partition), clustering: row.map(|it| clustering(it).0) }
}

fn answer(partitions: Vec<Partition>, stopped_at: Option<Position>) -> Answer {
    Answer { partitions, stopped_at, ..Answer::default() }
}

/// Partition 0 with these live rows.
fn live(all: &[u8]) -> Partition {
    let mut it = Partition::empty(key(0));
    all.iter().for_each(|row| it.merge(insert(0, *row, 5)));
    it
}

fn with_static(mut partition: Partition) -> Partition {
    let cell = Cell { timestamp: 5, content: Content::Live { value: Bytes::from_static(b"s") } };
    partition.put_static(Row { cells: vec![(ColumnId(9), cell)], ..Row::default() });
    partition
}

fn page(rows: u64) -> Builder {
    let mut command = command(Target::One(key(0)), rows);
    command.limits.tombstones = 10;
    Builder::new(&command)
}

fn piece(partitions: Vec<Partition>, stopped_at: Option<Position>, tombstones: u64) -> Piece {
    Piece { partitions, partial: None, stopped_at, tombstones, scanned: 0 }
}

#[test]
fn a_finished_partition_lies_behind_all_its_rows() {
    let order = |left: &Position, right: &Position, reversed| compare(left, right, reversed);
    assert!(order(&at(0, Some(1)), &at(0, Some(2)), false).is_lt());
    assert!(order(&at(0, Some(1)), &at(0, Some(2)), true).is_gt());
    for reversed in [false, true] {
        assert!(order(&at(0, Some(9)), &at(0, None), reversed).is_lt());
        assert!(order(&at(0, None), &at(0, None), reversed).is_eq());
        let (low, high) = if key(0) < key(1) { (0, 1) } else { (1, 0) };
        assert!(order(&at(low, None), &at(high, Some(0)), reversed).is_lt());
    }
}

#[test]
fn behind_the_shortest_answer_nothing_is_known() {
    let command = command(Target::One(key(0)), 2);
    // 1 stops at row 2; that 2 has row 3, and not row 1, says nothing about row 3 at 1.
    let answers = vec![
        (host(1), answer(vec![live(&[1, 2])], Some(at(0, Some(2))))),
        (host(2), answer(vec![live(&[2, 3])], Some(at(0, Some(3))))),
    ];
    let merged = merge(answers, &command);
    assert_eq!(merged.stopped_at, Some(at(0, Some(2))));
    assert_eq!(rows(&merged.partitions), [(0, 1), (0, 2)]);
    assert_eq!(merged.missing.len(), 1);
    assert_eq!((merged.missing[0].0, rows(&merged.missing[0].1)), (host(2), vec![(0, 1)]));
}

#[test]
fn backwards_the_shortest_answer_is_the_highest() {
    let command = Command { reversed: true, ..command(Target::One(key(0)), 2) };
    let answers = vec![
        (host(1), answer(vec![live(&[7, 8])], Some(at(0, Some(7))))),
        (host(2), answer(vec![live(&[6, 7])], Some(at(0, Some(6))))),
    ];
    let merged = merge(answers, &command);
    assert_eq!(merged.stopped_at, Some(at(0, Some(7))));
    assert_eq!(rows(&merged.partitions), [(0, 7), (0, 8)]);
}

#[test]
fn a_partition_cut_by_its_own_limit_is_gone_on_with() {
    let mut command = command(whole_ring(), 100);
    command.limits.rows_per_partition = 1;
    // 1 was cut after its first row, which 2 has deleted: whether there is another, nobody knows.
    let answers = vec![
        (host(1), answer(vec![live(&[1])], None)),
        (host(2), answer(vec![delete(0, 1, 9)], None)),
    ];
    let merged = merge(answers, &command);
    assert_eq!(merged.stopped_at, Some(at(0, Some(1))));
}

#[test]
fn a_page_ends_behind_its_last_live_row() {
    let mut page = page(2);
    let next = page.add(piece(vec![live(&[1, 2, 3])], None, 0));
    assert_eq!(next, Next::Full(at(0, Some(2))));
    assert_eq!(rows(&page.finish(None).0.partitions), [(0, 1), (0, 2)]);
}

#[test]
fn exactly_enough_rows_and_nothing_behind_is_the_end() {
    let mut page = page(3);
    assert_eq!(page.add(piece(vec![live(&[1, 2, 3])], None, 0)), Next::Exhausted);
}

#[test]
fn a_static_row_counts_only_when_no_row_can_follow() {
    let alone = with_static(Partition::empty(key(0)));
    let mut known = page(5);
    assert_eq!(known.add(piece(vec![alone.clone()], None, 0)), Next::Exhausted);
    assert_eq!(known.finish(None).1, 1);

    // The tombstones of the page are used up before it is known whether a row follows.
    let mut open = page(5);
    assert_eq!(open.add(piece(vec![alone], Some(at(0, Some(3))), 10)), Next::More(at(0, Some(3))));
    assert_eq!(open.add(piece(vec![with_static(live(&[4]))], None, 0)), Next::Exhausted);
    assert_eq!(open.finish(None).1, 1, "the row, and not the static row as well");
}

#[test]
fn a_static_row_that_an_earlier_page_showed_is_not_shown_again() {
    let resume = Some(at(0, Some(3)));
    let mut page = Builder::new(&Command { resume, ..command(Target::One(key(0)), 5) });
    let rest = with_static(Partition::empty(key(0)));
    assert_eq!(page.add(piece(vec![rest], None, 0)), Next::Exhausted);
    assert_eq!(page.finish(None), (Piece::default(), 0));
}
