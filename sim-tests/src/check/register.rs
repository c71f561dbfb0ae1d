//! Registers that are overwritten and deleted with timestamps of the clients' choosing, all
//! different.
//!
//! Two things must hold of `QUORUM` reads and writes:
//!
//! - what is read was written, as a whole: the columns of one write never mix with another's;
//! - time does not go back: once a write was acknowledged or a value was read, whoever begins to
//!   read later sees that write, or one of a later timestamp.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::history::{Event, Outcome};

/// What was done to a register.
#[derive(Clone, PartialEq, Eq)]
pub enum Op {
    /// All columns were set to the timestamp, which is the value too.
    Write {
        /// Which register.
        key: i32,
        /// When, as the client claims; microseconds.
        timestamp: i64,
    },
    /// The row was deleted.
    Delete {
        /// Which register.
        key: i32,
        /// When, as the client claims; microseconds.
        timestamp: i64,
    },
    /// The row was read.
    Read {
        /// Which register.
        key: i32,
        /// The columns; none for no row.
        found: Option<[Option<i64>; 3]>,
    },
}

impl std::fmt::Debug for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Write { key, timestamp } => write!(f, "write {key} @{timestamp}"),
            Self::Delete { key, timestamp } => write!(f, "clear {key} @{timestamp}"),
            Self::Read { key, found: None } => write!(f, "read {key}: nothing"),
            Self::Read { key, found: Some([Some(a), Some(b), Some(c)]) } if a == b && b == c => {
                write!(f, "read {key}: @{a}")
            }
            Self::Read { key, found: Some(found) } => write!(f, "read {key}: {found:?}"),
        }
    }
}

/// A moment from which on a register is at least as new as a timestamp.
struct Bound {
    from: Duration,
    timestamp: i64,
}

/// What is wrong with these reads.
pub fn check(events: &[Event<Op>]) -> Vec<String> {
    let mut keys: BTreeMap<i32, Vec<&Event<Op>>> = BTreeMap::new();
    for event in events {
        let (Op::Write { key, .. } | Op::Delete { key, .. } | Op::Read { key, .. }) = event.what;
        keys.entry(key).or_default().push(event);
    }
    keys.into_values().flat_map(check_key).collect()
}

fn check_key(mut events: Vec<&Event<Op>>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut bounds = Vec::new();
    // By their end: whatever bounds an event has ended before it began.
    events.sort_by_key(|it| it.ended.unwrap_or(Duration::MAX));
    for event in &events {
        let (Some(ended), Outcome::Ok) = (event.ended, event.outcome) else { continue };
        let seen = match &event.what {
            Op::Write { timestamp, .. } | Op::Delete { timestamp, .. } => Ok(*timestamp),
            Op::Read { found, .. } => {
                let earlier = bounds.iter().filter(|it: &&Bound| it.from < event.began);
                let least = earlier.map(|it| it.timestamp).max().unwrap_or(i64::MIN);
                explain(&events, ended, *found, least)
            }
        };
        match seen {
            Ok(timestamp) => bounds.push(Bound { from: ended, timestamp }),
            Err(why) => wrong.push(format!("{:?}, begun at {:?}: {why}", event.what, event.began)),
        }
    }
    wrong
}

/// The timestamp of what was read until `ended`, if that can have been read.
fn explain(
    events: &[&Event<Op>],
    ended: Duration,
    found: Option<[Option<i64>; 3]>,
    least: i64,
) -> Result<i64, String> {
    let attempted = events.iter().filter(|it| it.began <= ended && it.outcome != Outcome::Fail);
    match found {
        None => {
            let deletes = attempted.filter_map(|it| match it.what {
                Op::Delete { timestamp, .. } => Some(timestamp),
                Op::Write { .. } | Op::Read { .. } => None,
            });
            // The earliest that explains it: who knows which it was?
            let explained = deletes.filter(|timestamp| least <= *timestamp).min();
            match explained {
                Some(timestamp) => Ok(timestamp),
                None if least == i64::MIN => Ok(least),
                None => Err(format!("it was at @{least} before, and nothing has deleted it since")),
            }
        }
        Some([Some(value), b, c]) if b == Some(value) && c == Some(value) => {
            let wrote = |it: &&&Event<Op>| matches!(it.what, Op::Write { timestamp, .. } if timestamp == value);
            if attempted.clone().find(wrote).is_none() {
                Err("nobody wrote that".to_owned())
            } else if value < least {
                Err(format!("it was at @{least} before"))
            } else {
                Ok(value)
            }
        }
        Some(_) => Err("the columns are of different writes".to_owned()),
    }
}
