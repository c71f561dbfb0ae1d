//! From rounds to a page: goes on where replicas stopped short, range after range.

use std::sync::Arc;

use futures_util::{
    FutureExt as _,
    future::BoxFuture,
    stream::{self, StreamExt as _},
};
use model::{
    HostId, TokenRange,
    read::{Command, Position, Target},
};

use super::{
    Error, PAGE_BYTES_MAX, Terms,
    merge::{Builder, Next, Piece},
    resume_at,
    round::{self, Replicas},
};
use crate::Shared;

/// Rows that a second round asks for at least, and twice as many each time after: where the rows of
/// one replica are shadowed by tombstones of another, asking for just what is missing would go on
/// for long.
const ROWS_MORE_MIN: u64 = 32;

/// Rows that a later round asks for at most beyond what is missing.
const ROWS_MORE_MAX: u64 = 4_096;

/// Ranges that are read at once, at most.
const RANGES_AT_ONCE_MAX: usize = 8;

/// A page of one partition: what it has, and how many rows.
pub(super) async fn one(
    shared: &Arc<Shared>,
    terms: Terms,
    command: &Arc<Command>,
) -> Result<(Piece, u64), Error> {
    let Target::One(key) = &command.target else {
        return Err(Error::Invalid("a range is no partition".to_owned()));
    };
    part(shared, terms, &Replicas::OfPartition(key.token), command).await
}

/// Rounds over the same replicas until the limits are reached or there is no more.
async fn part(
    shared: &Arc<Shared>,
    terms: Terms,
    replicas: &Replicas,
    command: &Arc<Command>,
) -> Result<(Piece, u64), Error> {
    let mut page = Builder::new(command);
    let (mut rows_more, mut scanned_max) = (ROWS_MORE_MIN, u64::MAX);
    let mut round = Arc::clone(command);
    let next = loop {
        let merged = round::run(shared, terms, replicas, &round).await?;
        // Replicas that differ here may do so further on, where they filter or fold in vain then.
        let is_plain = command.filter.is_none() && command.partial.is_none();
        scanned_max = match merged.agreed || is_plain {
            true => scanned_max.saturating_mul(2),
            false => PAGE_BYTES_MAX,
        };
        match page.add(merged.into_piece()) {
            Next::Exhausted => break None,
            Next::Full(position) => break after(command, position),
            Next::More(position) => {
                let is_in_doubt = page.ends_in_doubt(&position);
                let further = resume_at(Command::clone(command), position);
                let Some(mut further) = further else { break None };
                further.limits = page.limits_left();
                further.limits.rows = further.limits.rows.max(rows_more);
                further.limits.scanned = further.limits.scanned.min(scanned_max);
                if is_in_doubt {
                    // A partial does not tell whether this very partition has rows.
                    further.partial = None;
                }
                round = Arc::new(further);
                rows_more = (rows_more * 2).min(ROWS_MORE_MAX);
            }
        }
    };
    Ok(page.finish(next))
}

/// The position, unless there is nothing beyond it.
fn after(command: &Command, position: Position) -> Option<Position> {
    resume_at(command.clone(), position.clone()).map(|_| position)
}

/// A page of a range of tokens: ranges in token order, more of them at once the fewer rows they
/// give.
pub(super) async fn range(
    shared: &Arc<Shared>,
    terms: Terms,
    command: &Command,
) -> Result<(Piece, u64), Error> {
    let segments = segments(shared, command)?;
    let mut page = Builder::new(command);
    let (mut done, mut at_once) = (0, 1);
    while done < segments.len() {
        let batch = &segments[done..(done + at_once).min(segments.len())];
        let limits = page.limits_left();
        let mut calls: Vec<BoxFuture<'_, Result<(Piece, u64), Error>>> =
            Vec::with_capacity(at_once);
        for (replicas, command) in batch {
            let command = Arc::new(Command { limits, ..command.clone() });
            calls.push(async move { part(shared, terms, replicas, &command).await }.boxed());
        }
        let mut parts = stream::iter(calls).buffered(at_once);
        while let Some(part) = parts.next().await {
            let (part, _) = part?;
            done += 1;
            let ended = part.stopped_at.is_some();
            match page.add(part) {
                Next::Full(position) => return Ok(page.finish(Some(position))),
                // The part has reached the limits that the page had when it began.
                Next::More(position) if ended => return Ok(page.finish(Some(position))),
                Next::More(_) | Next::Exhausted => {}
            }
            // Where the range ends no position has a name: the last partition that is shown has.
            if let Some(position) = page.taken().filter(|_| page.is_full() && done < segments.len())
            {
                return Ok(page.finish(Some(position)));
            }
        }
        at_once = (at_once * 2).min(RANGES_AT_ONCE_MAX);
    }
    Ok(page.finish(None))
}

/// The command cut into ranges that have the same replicas each, in token order.
fn segments(shared: &Shared, command: &Command) -> Result<Vec<(Replicas, Command)>, Error> {
    let Target::Range { tokens, after } = &command.target else {
        return Err(Error::Invalid("a partition is no range".to_owned()));
    };
    let [tokens] = tokens.unwrap_ranges()[..] else {
        return Err(Error::Invalid("the range of a read must not wrap".to_owned()));
    };
    let snapshot = shared.view.snapshot();
    let Some((keyspace, _)) = snapshot.table(command.table) else {
        return Err(Error::Invalid("the table does not exist any more".to_owned()));
    };
    let from = after.as_ref().or(command.resume.as_ref().map(|it| &it.key)).map(|it| it.token);
    let mut segments: Vec<(TokenRange, Arc<[HostId]>)> = Vec::new();
    for (range, hosts) in snapshot.ranges(&keyspace.name) {
        let start = range.start.max(tokens.start);
        let end = range.end.min(tokens.end);
        if end <= start || from.is_some_and(|it| end < it) {
            continue;
        }
        match segments.last_mut() {
            Some((last, others)) if last.end == start && same(others, hosts) => last.end = end,
            Some(_) | None => segments.push((TokenRange { start, end }, Arc::clone(hosts))),
        }
    }
    let segment = |(tokens, hosts): (TokenRange, Arc<[HostId]>)| {
        // Where the read goes on concerns the first range only, and only if it lies in it.
        let begins = |token| tokens.contains(token);
        let after = after.clone().filter(|it| begins(it.token));
        let resume = command.resume.clone().filter(|it| begins(it.key.token));
        let replicas = Replicas::OfRange { epoch: snapshot.epoch(), hosts, end: tokens.end };
        let target = Target::Range { tokens, after };
        (replicas, Command { target, resume, ..command.clone() })
    };
    Ok(segments.into_iter().map(segment).collect())
}

/// Whether two lists hold the same hosts.
fn same(left: &[HostId], right: &[HostId]) -> bool {
    left.len() == right.len() && left.iter().all(|it| right.contains(it))
}
