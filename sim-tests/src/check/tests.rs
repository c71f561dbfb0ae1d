//! Histories made by hand, good and bad: a checker that checks nothing is noticed here.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{counter, register, schema, set};
use crate::history::{Event, Outcome};

fn event<T>(what: T, began: u64, ended: u64, outcome: Outcome) -> Event<T> {
    let ended = Some(Duration::from_millis(ended));
    Event { what, began: Duration::from_millis(began), ended, outcome, why: String::new() }
}

const OUTCOMES: [Outcome; 3] = [Outcome::Ok, Outcome::Fail, Outcome::Unknown];

/// The table at the head of `set`, row by row.
#[test]
fn a_row_is_where_its_insert_and_its_delete_left_it() {
    let row = (1, 1);
    let absent = BTreeSet::new();
    let present = BTreeSet::from([row]);
    for insert in OUTCOMES {
        for delete in [None, Some(Outcome::Ok), Some(Outcome::Fail), Some(Outcome::Unknown)] {
            let mut events = vec![event(set::Op::Insert(row), 0, 1, insert)];
            events.extend(delete.map(|outcome| event(set::Op::Delete(row), 2, 3, outcome)));
            let gone = matches!(delete, None | Some(Outcome::Fail));
            let must_be_there = insert == Outcome::Ok && gone;
            let must_not = insert == Outcome::Fail || delete == Some(Outcome::Ok);
            let what = format!("{insert:?} {delete:?}");
            assert_eq!(
                set::check(&events, &absent, "n").len(),
                usize::from(must_be_there),
                "{what}"
            );
            assert_eq!(set::check(&events, &present, "n").len(), usize::from(must_not), "{what}");
        }
    }
    assert_eq!(set::check(&[], &present, "n"), ["n: row (1, 1) was never sent and is there"]);
}

fn write(timestamp: i64, began: u64, ended: u64, outcome: Outcome) -> Event<register::Op> {
    event(register::Op::Write { key: 1, timestamp }, began, ended, outcome)
}

fn delete(timestamp: i64, began: u64, ended: u64, outcome: Outcome) -> Event<register::Op> {
    event(register::Op::Delete { key: 1, timestamp }, began, ended, outcome)
}

fn read(found: Option<i64>, began: u64, ended: u64) -> Event<register::Op> {
    let found = found.map(|it| [Some(it); 3]);
    event(register::Op::Read { key: 1, found }, began, ended, Outcome::Ok)
}

#[test]
fn registers_that_are_as_they_should_be() {
    use Outcome::{Ok, Unknown};
    let good: [&[Event<register::Op>]; 7] = [
        &[read(None, 0, 1)],
        &[write(5, 0, 1, Ok), read(Some(5), 2, 3)],
        // A later write of an earlier timestamp is not seen.
        &[write(5, 0, 1, Ok), write(4, 2, 3, Ok), read(Some(5), 4, 5)],
        // Whether a read at the same time sees it, nobody can say.
        &[write(5, 0, 9, Ok), read(None, 2, 3)],
        &[write(5, 0, 9, Unknown), read(None, 20, 30), read(Some(5), 40, 50)],
        &[write(5, 0, 1, Ok), delete(6, 2, 3, Ok), read(None, 4, 5)],
        &[write(5, 0, 1, Ok), delete(6, 2, 3, Unknown), read(Some(5), 4, 5), read(None, 6, 7)],
    ];
    for events in good {
        assert_eq!(register::check(events), Vec::<String>::new(), "{events:?}");
    }
}

#[test]
fn registers_that_go_back_or_mix() {
    use Outcome::{Fail, Ok, Unknown};
    let torn = register::Op::Read { key: 1, found: Some([Some(5), Some(5), Some(6)]) };
    let bad: [&[Event<register::Op>]; 8] = [
        // An acknowledged write is not seen.
        &[write(5, 0, 1, Ok), read(None, 2, 3)],
        &[write(4, 0, 1, Ok), write(5, 0, 1, Ok), read(Some(4), 2, 3)],
        // Nobody wrote it, or nothing came of it.
        &[read(Some(5), 2, 3)],
        &[write(5, 0, 1, Fail), read(Some(5), 2, 3)],
        // Seen once, then no more.
        &[write(5, 0, 1, Unknown), read(Some(5), 2, 3), read(None, 4, 5)],
        // Deleted, and back.
        &[write(5, 0, 1, Ok), delete(6, 2, 3, Ok), read(Some(5), 4, 5)],
        // Nothing there, though the delete is older than what was.
        &[write(5, 0, 1, Ok), delete(4, 2, 3, Ok), read(None, 4, 5)],
        &[write(5, 0, 1, Ok), write(6, 0, 1, Ok), event(torn, 2, 3, Ok)],
    ];
    for events in bad {
        assert_eq!(register::check(events).len(), 1, "{events:?}");
    }
}

fn ddl(op: schema::Op, began: u64, ended: u64) -> Event<schema::Op> {
    event(op, began, ended, Outcome::Ok)
}

fn scan(rows: &[i64], began: u64) -> Event<schema::Op> {
    ddl(schema::Op::Scan(rows.iter().copied().collect()), began, began + 1)
}

#[test]
fn tables_that_begin_anew() {
    use schema::Op::{Create, Drop, Insert};
    let good = [
        ddl(Create, 0, 1),
        ddl(Insert(1), 2, 3),
        scan(&[1], 4),
        ddl(Drop, 6, 7),
        ddl(Create, 8, 9),
        ddl(Insert(2), 10, 11),
        scan(&[2], 12),
    ];
    assert_eq!(schema::check(&good), Vec::<String>::new());
    let mut mixed = good.to_vec();
    mixed[6] = scan(&[1, 2], 12);
    assert_eq!(schema::check(&mixed).len(), 1);
    let mut lost = good.to_vec();
    lost[6] = scan(&[], 12);
    assert_eq!(schema::check(&lost).len(), 1);
    let mut stranger = good.to_vec();
    stranger[6] = scan(&[2, 3], 12);
    assert_eq!(schema::check(&stranger).len(), 1);
}

#[test]
fn a_table_is_not_created_twice() {
    use schema::Op::{Create, Drop};
    let twice = [ddl(Create, 0, 5), ddl(Create, 3, 6)];
    assert_eq!(schema::check(&twice).len(), 1);
    // A drop of unknown outcome explains it.
    let dropped = event(Drop, 4, 9, Outcome::Unknown);
    assert_eq!(schema::check(&[twice[0].clone(), dropped, twice[1].clone()]), Vec::<String>::new());
    let too_early = ddl(Drop, 0, 1);
    let later = [too_early, ddl(Create, 3, 5), ddl(Create, 6, 7)];
    assert_eq!(schema::check(&later).len(), 1);
    // A create that is told late, after its table was dropped and another made.
    let late = [ddl(Create, 0, 9), ddl(Drop, 3, 4), ddl(Create, 5, 6)];
    assert_eq!(schema::check(&late), Vec::<String>::new());
}

fn add(delta: i64, began: u64, ended: u64, outcome: Outcome) -> Event<counter::Op> {
    event(counter::Op::Add { key: 1, delta }, began, ended, outcome)
}

fn counted(found: i64, began: u64, ended: u64) -> Event<counter::Op> {
    event(counter::Op::Read { key: 1, found: Some(found) }, began, ended, Outcome::Ok)
}

#[test]
fn counters_lie_between_what_is_known_and_what_may_be() {
    use Outcome::{Fail, Ok, Unknown};
    let history =
        [add(5, 0, 1, Ok), add(3, 2, 3, Unknown), add(-2, 4, 5, Unknown), add(9, 6, 7, Fail)];
    for value in -10..30 {
        let is_wrong = !(3..=8).contains(&value);
        let mut events = history.to_vec();
        events.push(counted(value, 10, 11));
        assert_eq!(counter::check(&events).len(), usize::from(is_wrong), "{value}");
        let end = counter::check_end(&history, 1, Some(value), "n1");
        assert_eq!(end.is_some(), is_wrong, "{value}");
    }
    assert!(counter::check_end(&history, 1, None, "n1").is_some(), "it is not nothing");
    assert!(counter::check_end(&history, 2, None, "n1").is_none(), "another one is");
    // What is under way while a read is may be seen or not; what began behind it may not.
    let around = [add(5, 0, 9, Ok), counted(0, 2, 3), counted(5, 2, 3), add(7, 4, 5, Ok)];
    assert_eq!(counter::check(&around), Vec::<String>::new());
    let ahead = [add(5, 0, 1, Ok), counted(12, 2, 3), add(7, 4, 5, Ok)];
    assert_eq!(counter::check(&ahead).len(), 1);
    // Twice is once too often.
    assert_eq!(counter::check(&[add(5, 0, 1, Unknown), counted(10, 2, 3)]).len(), 1);
}
