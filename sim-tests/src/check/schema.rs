//! A table that is created and dropped from many sides, and written to meanwhile.
//!
//! Three things must hold:
//!
//! - between two `CREATE`s that were acknowledged somebody has dropped it;
//! - a row that was acknowledged before a `DROP` began is not there once a later `CREATE` is done;
//! - a row that was acknowledged after the last `CREATE` is there, if nobody has tried to drop it
//!   since.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::history::{Event, Outcome};

/// What was done.
#[derive(Clone, PartialEq, Eq)]
pub enum Op {
    /// The table was created.
    Create,
    /// The table was dropped.
    Drop,
    /// A row was written, which nobody deletes.
    Insert(i64),
    /// All rows were read.
    Scan(BTreeSet<i64>),
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create => f.write_str("create"),
            Self::Drop => f.write_str("drop"),
            Self::Insert(id) => write!(f, "insert {id}"),
            Self::Scan(rows) => write!(f, "scan: {} rows", rows.len()),
        }
    }
}

/// What is wrong with this history of one table.
pub fn check(events: &[Event<Op>]) -> Vec<String> {
    let mut wrong = created_twice(events);
    for event in events {
        if let (Op::Scan(rows), Outcome::Ok, Some(ended)) =
            (&event.what, event.outcome, event.ended)
        {
            let scan = Scan { events, rows, began: event.began, ended };
            wrong.extend(scan.mixed());
            wrong.extend(scan.lost());
        }
    }
    wrong
}

/// Those of one kind that may have happened.
fn attempts<'a>(events: &'a [Event<Op>], op: &Op) -> impl Iterator<Item = &'a Event<Op>> {
    events.iter().filter(move |it| it.what == *op && it.outcome != Outcome::Fail)
}

/// Those of one kind that did happen, with their ends.
fn done<'a>(
    events: &'a [Event<Op>],
    op: &Op,
) -> impl Iterator<Item = (&'a Event<Op>, Duration)> + use<'a> {
    let all: Vec<_> = attempts(events, op)
        .filter(|it| it.outcome == Outcome::Ok)
        .filter_map(|it| Some((it, it.ended?)))
        .collect();
    all.into_iter()
}

fn created_twice(events: &[Event<Op>]) -> Vec<String> {
    let mut creates: Vec<_> = done(events, &Op::Create).collect();
    creates.sort_by_key(|(_, ended)| *ended);
    let dropped = |first: Duration, second: Duration| {
        attempts(events, &Op::Drop)
            .any(|it| it.began <= second && first <= it.ended.unwrap_or(Duration::MAX))
    };
    let between = |pair: &[(&Event<Op>, Duration)]| {
        let [(a, a_ended), (b, b_ended)] = pair else { return None };
        // Those that overlap may have happened in either order.
        let explained = dropped(a.began, *b_ended) || dropped(b.began, *a_ended);
        let text = || {
            let (a, b) = (a.began, b.began);
            format!("created {a:?}–{a_ended:?} and again {b:?}–{b_ended:?}, and never dropped")
        };
        (!explained).then(text)
    };
    creates.windows(2).filter_map(between).collect()
}

/// One read of the whole table.
struct Scan<'a> {
    events: &'a [Event<Op>],
    rows: &'a BTreeSet<i64>,
    began: Duration,
    ended: Duration,
}

impl Scan<'_> {
    /// Rows of an earlier table of the same name, or of none.
    fn mixed(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        // The last table that was certainly there when the scan began was made in this moment.
        let created = done(self.events, &Op::Create).filter(|(_, ended)| *ended < self.began);
        let drops: Vec<_> =
            done(self.events, &Op::Drop).map(|(it, ended)| (it.began, ended)).collect();
        let created: Vec<_> = created.map(|(it, _)| it.began).collect();
        for id in self.rows {
            let Some(insert) = self.events.iter().find(|it| it.what == Op::Insert(*id)) else {
                wrong.push(format!("scan at {:?}: row {id} was never sent", self.began));
                continue;
            };
            if insert.outcome == Outcome::Fail {
                wrong.push(format!("scan at {:?}: row {id} was refused and is there", self.began));
            }
            let (Outcome::Ok, Some(acked)) = (insert.outcome, insert.ended) else { continue };
            // Written before a drop, which was over before a create: both before the scan.
            let gone = drops.iter().find(|(began, ended)| {
                acked < *began && created.iter().any(|create| ended < create)
            });
            if let Some((began, _)) = gone {
                wrong.push(format!(
                    "scan at {:?}: row {id}, acknowledged at {acked:?}, outlived the drop of {began:?}",
                    self.began
                ));
            }
        }
        wrong
    }

    /// Rows that must be there and are not.
    fn lost(&self) -> Vec<String> {
        let acked = self.events.iter().filter_map(|it| match (&it.what, it.outcome, it.ended) {
            (Op::Insert(id), Outcome::Ok, Some(ended)) if ended < self.began => {
                Some((*id, it.began))
            }
            _ => None,
        });
        let dropped_since = |since: Duration| {
            attempts(self.events, &Op::Drop)
                .any(|it| it.began <= self.ended && since <= it.ended.unwrap_or(Duration::MAX))
        };
        acked
            .filter(|(id, began)| !self.rows.contains(id) && !dropped_since(*began))
            .map(|(id, _)| {
                format!("scan at {:?}: row {id} was acknowledged and is lost", self.began)
            })
            .collect()
    }
}
