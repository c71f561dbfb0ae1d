//! Counters that several clients add to.
//!
//! ```text
//!   all that was acknowledged before a read began          is in what it reads
//!   all that was begun before it ended, and did not fail   may be
//! ```
//!
//! So what is read lies between two sums. Of additions that may or may not count the lower one takes those
//! below zero, the upper one those above.

use std::time::Duration;

use crate::history::{Event, Outcome};

/// What was done to a counter.
#[derive(Clone, PartialEq, Eq)]
pub enum Op {
    /// Something was added.
    Add {
        /// To which.
        key: i32,
        /// How much.
        delta: i64,
    },
    /// It was read.
    Read {
        /// Which.
        key: i32,
        /// What it had come to; none where nobody had added to it.
        found: Option<i64>,
    },
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Add { key, delta } => write!(f, "add {delta:+} to {key}"),
            Self::Read { key, found: None } => write!(f, "read counter {key}: nothing"),
            Self::Read { key, found: Some(found) } => write!(f, "read counter {key}: {found}"),
        }
    }
}

/// What is wrong with these reads at `QUORUM`.
pub fn check(events: &[Event<Op>]) -> Vec<String> {
    let mut wrong = Vec::new();
    for event in events {
        let (Op::Read { key, found }, Some(ended)) = (&event.what, event.ended) else { continue };
        if event.outcome == Outcome::Ok {
            wrong.extend(misread(events, *key, *found, (event.began, ended)));
        }
    }
    wrong
}

/// What is wrong with a counter as `who` finds it when nothing is under way any more.
pub fn check_end(events: &[Event<Op>], key: i32, found: Option<i64>, who: &str) -> Option<String> {
    let misread = misread(events, key, found, (Duration::MAX, Duration::MAX));
    misread.map(|why| format!("{who}: {why}"))
}

fn misread(
    events: &[Event<Op>],
    key: i32,
    found: Option<i64>,
    (began, ended): (Duration, Duration),
) -> Option<String> {
    let (mut least, mut most) = (0, 0);
    for event in events {
        let Op::Add { key: of, delta } = event.what else { continue };
        if of != key || event.outcome == Outcome::Fail || ended < event.began {
            continue;
        }
        let is_settled = event.ended.is_some_and(|it| it < began);
        let counts = event.outcome == Outcome::Ok && is_settled;
        least += if counts { delta } else { delta.min(0) };
        most += if counts { delta } else { delta.max(0) };
    }
    let value = found.unwrap_or(0);
    if (least..=most).contains(&value) {
        return None;
    }
    Some(format!("counter {key} is {value}, which is not between {least} and {most}"))
}
