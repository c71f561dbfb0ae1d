//! Rows that are each inserted once, and some deleted once, later, by whoever inserted them.
//!
//! | insert | delete | in the end |
//! |---|---|---|
//! | ok | none, or failed | there |
//! | ok or unknown | ok | not there |
//! | ok | unknown | either |
//! | unknown | none, failed or unknown | either |
//! | failed, or never sent | any | not there |

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{Event, Outcome};

/// Which row: partition and clustering key.
pub type Row = (i32, i64);

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// The row was written.
    Insert(Row),
    /// It was deleted.
    Delete(Row),
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Insert((part, id)) => write!(f, "insert {part}/{id}"),
            Self::Delete((part, id)) => write!(f, "delete {part}/{id}"),
        }
    }
}

/// What is wrong with finding just `rows` after `events`. `whose` names the finder.
pub fn check(events: &[Event<Op>], rows: &BTreeSet<Row>, whose: &str) -> Vec<String> {
    let mut fates: BTreeMap<Row, (Option<Outcome>, Option<Outcome>)> = BTreeMap::new();
    for event in events {
        match event.what {
            Op::Insert(row) => fates.entry(row).or_default().0 = Some(event.outcome),
            Op::Delete(row) => fates.entry(row).or_default().1 = Some(event.outcome),
        }
    }
    let story = |row: &Row| {
        let about = events
            .iter()
            .filter(|it| matches!(it.what, Op::Insert(it) | Op::Delete(it) if it == *row));
        let line = |it: &Event<Op>| {
            format!(
                "\n    {:?}–{:?} {:?} → {:?} {}",
                it.began, it.ended, it.what, it.outcome, it.why
            )
        };
        about.map(line).collect::<String>()
    };
    let mut wrong = Vec::new();
    for (row, (insert, delete)) in &fates {
        let there = rows.contains(row);
        let deleted = delete.unwrap_or(Outcome::Fail);
        let text = match (insert, deleted) {
            (Some(Outcome::Ok), Outcome::Fail) if !there => "was acknowledged and is lost",
            (Some(Outcome::Ok | Outcome::Unknown), Outcome::Ok) if there => {
                "was deleted and is back"
            }
            (Some(Outcome::Fail) | None, _) if there => "was refused and is there",
            _ => continue,
        };
        wrong.push(format!("{whose}: row {row:?} {text}{}", story(row)));
    }
    let strangers = rows.iter().filter(|row| !fates.contains_key(row));
    wrong.extend(strangers.map(|row| format!("{whose}: row {row:?} was never sent and is there")));
    wrong
}
