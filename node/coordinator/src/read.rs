//! Reads: data from one replica, digests from others, one merged page.
//!
//! ```text
//! pages ── one round after another, until the page is full ─► merge::Builder
//!   └─► round ── data and digests ── equal ────────────────────────► answer
//!                        └── differ ─► data of all ─► merge ─► repair ─► answer
//! ```
//!
//! With a filter data is what passes at a replica and the digest is of all that it scanned. Where
//! these differ, data of all is asked for without the filter: what passes is found after the merge.
//! So it is with a partial: rows are asked for where replicas do not agree.

mod gather;
mod merge;
mod pages;
mod repair;
mod round;

use std::{sync::Arc, time::Duration};

use model::{
    Consistency, HostId, Partition, Token,
    partial::Partial,
    read::{Command, Position, Target},
};
use tokio::time::Instant;

use crate::{Shared, late::until, limits::Permit, write::names};

/// Limits of one page that every read has, beside the rows its client asks for.
pub const PAGE_BYTES_MAX: u64 = 1 << 20;

/// Bytes that a replica scans for one page at most, where a filter leaves most of them out: a few
/// tenths of a second.
pub const PAGE_SCANNED_MAX: u64 = 16 << 20;

/// Room for the answers of one read, bytes: a page of each of three replicas and the page itself, twice
/// that where the last row of each is large. As many reads as have it may be tried again at once.
pub(crate) const LARGE_READ_BYTES: u64 = 8 << 20;

/// Tombstones met in one page: an all-tombstone page may be empty, but ends.
pub const PAGE_TOMBSTONES_MAX: u64 = 10_000;

/// A read of one page.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to read. Its limits are those of the page: `rows` is the page size or what is left of
    /// LIMIT, whichever is less; `bytes`, `scanned` and `tombstones` are cut to `PAGE_BYTES_MAX`,
    /// `PAGE_SCANNED_MAX` and `PAGE_TOMBSTONES_MAX`. Whether the answers to a filter or of partials are
    /// compared is decided here. Go on from an earlier page with `resume_at`.
    pub command: Arc<Command>,
    /// How many replicas must agree. Not ANY, EACH_QUORUM, SERIAL or LOCAL_SERIAL.
    pub consistency: Consistency,
    /// How long to wait for them.
    pub timeout: Duration,
    /// Names the client's request in logs.
    pub trace: u64,
}

/// A page: what the replicas know together, up to a position.
#[derive(Debug)]
pub struct Page {
    /// In (token, bytes) order, rows in ascending stored order also for a reversed read. Shadowed
    /// data is gone, and so are rows and partitions that no reader sees at the command's `now`.
    /// What is left of tombstones (dead cells of live rows) means nothing to the caller.
    /// Where a partial was asked for, those rows that it does not tell of.
    pub partitions: Vec<Partition>,
    /// What was asked for instead of rows, as far as replicas agree on it.
    pub partial: Option<Partial>,
    /// Live rows in it, never more than the limit. A partition with live statics and no live row
    /// counts as one. Those that a partial tells of are left out, and then there is no limit.
    pub rows: u64,
    /// Where the next page begins; `None` when there is nothing beyond. A page may be empty or
    /// short and still have a next one.
    pub next: Option<Position>,
    /// Tombstones met for it, by the replicas that met most.
    pub tombstones: u64,
    /// What it takes of the bytes that a coordinator may have in flight, as long as it is held.
    pub permit: Permit,
}

/// Why a read was not answered. A read changes nothing that its client can see, so all of these
/// are safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Too few replicas are alive or reachable.
    #[error(
        "{consistency} needs {required} replicas and finds {alive} alive; missing: {}",
        names(missing)
    )]
    Unavailable {
        /// The level asked for.
        consistency: Consistency,
        /// Answers that it needs.
        required: usize,
        /// Replicas that could give one.
        alive: usize,
        /// The replicas that are down.
        missing: Vec<HostId>,
    },
    /// Too few replicas answered in time, or too few are left that could.
    #[error(
        "{consistency} needs {required} answers and got {received} in time; missing: {}",
        names(missing)
    )]
    Timeout {
        /// The level asked for.
        consistency: Consistency,
        /// Answers that it needs.
        required: usize,
        /// Answers that came; as many as required when read repair was what took too long.
        received: usize,
        /// The replicas that did not answer.
        missing: Vec<HostId>,
    },
    /// Replicas answered that they cannot: corrupt data, a failed disk. Repeating does not help
    /// until an operator has.
    #[error(
        "{consistency} needs {required} answers and got {received}: {}",
        failures.iter().map(|(host, what)| format!("{host}: {what}")).collect::<Vec<_>>().join(", ")
    )]
    Failed {
        /// The level asked for.
        consistency: Consistency,
        /// Answers that it needs.
        required: usize,
        /// Answers that came.
        received: usize,
        /// Who failed, and what it said.
        failures: Vec<(HostId, String)>,
    },
    /// This node, or too many replicas, have too much to do. Repeat later, more slowly.
    #[error("overloaded: {0}")]
    Overloaded(String),
    /// The request makes no sense, at any time.
    #[error("{0}")]
    Invalid(String),
}

/// Makes `command` go on after `position`, which an earlier page of the same command gave as its
/// `next`. `None` when there is nothing beyond.
pub fn resume_at(mut command: Command, position: Position) -> Option<Command> {
    match &mut command.target {
        Target::One(_) if position.clustering.is_none() => return None,
        Target::One(_) => command.resume = Some(position),
        Target::Range { tokens, after } if position.clustering.is_none() => {
            if tokens.end < position.key.token {
                return None;
            }
            *after = Some(position.key);
            command.resume = None;
        }
        Target::Range { tokens, after } => {
            // The range begins with the partition that is not finished.
            tokens.start = Token(position.key.token.0.saturating_sub(1)).max(tokens.start);
            *after = None;
            command.resume = Some(position);
        }
    }
    Some(command)
}

pub(crate) async fn run(shared: &Arc<Shared>, request: Request) -> Result<Page, Error> {
    let Request { mut command, consistency, timeout, trace } = request;
    if command.limits.rows == 0 || command.limits.rows_per_partition == 0 {
        return Err(Error::Invalid("a read of no rows".to_owned()));
    }
    let is_folded = command.partial.is_some();
    let scanned = match command.filter.is_some() || is_folded {
        true => command.limits.scanned.clamp(1, PAGE_SCANNED_MAX),
        // All of it is in the answer.
        false => u64::MAX,
    };
    let limits = &mut Arc::make_mut(&mut command).limits;
    if is_folded {
        // Where rows are asked for after all, bytes are their limit.
        (limits.rows, limits.rows_per_partition) = (u64::MAX, u64::MAX);
    }
    limits.bytes = limits.bytes.clamp(1, PAGE_BYTES_MAX);
    limits.scanned = scanned;
    limits.tombstones = limits.tombstones.clamp(1, PAGE_TOMBSTONES_MAX);
    let deadline = Instant::now() + timeout;
    let terms = Terms { consistency, trace, deadline };
    match page(shared, terms, &command).await {
        // There was no room for what it found. Those that it happens to wait for each other, so that
        // large answers come one after the other instead of not at all.
        Err(Error::Overloaded(why)) => {
            let turn = until(deadline, shared.large_reads.acquire()).await;
            match turn {
                Ok(Ok(_turn)) => page(shared, terms, &command).await,
                Ok(Err(_)) | Err(_) => Err(Error::Overloaded(why)),
            }
        }
        outcome => outcome,
    }
}

async fn page(shared: &Arc<Shared>, terms: Terms, command: &Arc<Command>) -> Result<Page, Error> {
    let (page, rows) = match &command.target {
        Target::One(_) => pages::one(shared, terms, command).await?,
        Target::Range { .. } => pages::range(shared, terms, command).await?,
    };
    let merge::Piece { partitions, partial, stopped_at: next, tombstones, .. } = page;
    let bytes: usize = partitions.iter().map(Partition::memory_bytes).sum();
    let permit = shared.in_flight.take(bytes as u64);
    let permit = permit.map_err(|full| Error::Overloaded(full.to_string()))?;
    Ok(Page { partitions, partial, rows, next, tombstones, permit })
}

/// What is the same in every round of a read.
#[derive(Clone, Copy, Debug)]
struct Terms {
    consistency: Consistency,
    trace: u64,
    deadline: Instant,
}

#[cfg(test)]
mod tests;
