//! Replays hints: to hosts that are alive, in order, throttled.

use std::{sync::Arc, time::Duration};

use futures_util::{
    future::{BoxFuture, FutureExt as _},
    stream::{self, FuturesUnordered, StreamExt as _},
};
use model::HostId;
use tokio::time::{Instant, MissedTickBehavior, sleep_until, timeout_at};

use super::{Entry, flush};
use crate::{
    Coordinator, Shared,
    ask::{Terms, ask},
    replica::{Origin, Request, Response},
};

/// How hints are replayed. No `Default`: the node's settings decide.
#[derive(Clone, Copy, Debug)]
pub struct ReplayOptions {
    /// Bytes of mutations a second, for each host. Cassandra's 1 MiB.
    pub bytes_per_second: u64,
    /// How often hosts are looked at: alive again, and are there hints for them?
    pub interval: Duration,
    /// How long a host may take to answer one hint.
    pub timeout: Duration,
}

/// Hints that are forgotten with one fsync, at most.
const BATCH_COUNT_MAX: usize = 256;

/// About the bytes of such a batch, at most.
const BATCH_BYTES_MAX: u64 = 256 * 1024;

/// Hints on their way to one host at once.
const CONCURRENCY: usize = 16;

/// Names replays in the logs of replicas.
const TRACE: u64 = 0;

/// Replays hints to the hosts that are alive, for ever: a node spawns it once. What a host has not
/// acknowledged stays, and is tried again at the next interval.
pub async fn replay(coordinator: Coordinator, options: ReplayOptions) {
    let shared = coordinator.shared;
    let mut ticks = tokio::time::interval(options.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut busy: Vec<HostId> = Vec::new();
    let mut running: FuturesUnordered<BoxFuture<'static, HostId>> = FuturesUnordered::new();
    loop {
        tokio::select! {
            biased;
            Some(host) = running.next(), if !running.is_empty() => busy.retain(|it| *it != host),
            _ = ticks.tick() => {
                // Logs that failed are tried again here, also when nothing new is stored.
                flush::start(&shared.hints.inner);
                for pending in shared.hints.pending() {
                    let host = pending.host;
                    if shared.view.is_alive(host) && !busy.contains(&host) {
                        busy.push(host);
                        let replay = replay_host(Arc::clone(&shared), host, options);
                        running.push(replay.map(move |()| host).boxed());
                    }
                }
            }
        }
    }
}

/// What became of one hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Replayed,
    Expired,
    Orphaned,
    /// The host does not take it now.
    Stays,
}

/// Replays until there are no more hints or the host does not take one.
async fn replay_host(shared: Arc<Shared>, host: HostId, options: ReplayOptions) {
    let mut replayed = 0_u64;
    loop {
        let batch = shared.hints.peek(host, BATCH_COUNT_MAX, BATCH_BYTES_MAX);
        if batch.is_empty() {
            tracing::info!(%host, replayed, "all hints are replayed");
            return;
        }
        let started = Instant::now();
        // In order: `buffered` begins them one after the other and hands their outcomes out so.
        let mut fates = stream::iter(batch)
            .map(|entry| replay_one(&shared, host, entry, options.timeout))
            .buffered(CONCURRENCY);
        let (mut through, mut bytes, mut stays) = (None, 0_u64, false);
        while let Some((sequence, len, fate)) = fates.next().await {
            match fate {
                Fate::Replayed => shared.hints.count(|it| it.replayed += 1),
                Fate::Expired => shared.hints.count(|it| it.expired += 1),
                Fate::Orphaned => shared.hints.count(|it| it.orphaned += 1),
                Fate::Stays => {
                    stays = true;
                    break;
                }
            }
            replayed += 1;
            bytes += len;
            through = Some(sequence);
        }
        drop(fates);
        if let Some(through) = through {
            shared.hints.done(host, through);
        }
        if stays || !shared.view.is_alive(host) {
            tracing::debug!(%host, replayed, "hints wait for the node to take them");
            return;
        }
        let pace = bytes as f64 / options.bytes_per_second.max(1) as f64;
        sleep_until(started + Duration::from_secs_f64(pace)).await;
    }
}

async fn replay_one(
    shared: &Arc<Shared>,
    host: HostId,
    entry: Entry,
    timeout: Duration,
) -> (u64, u64, Fate) {
    let (sequence, len) = (entry.sequence, entry.hint.mutation.len() as u64);
    let snapshot = shared.view.snapshot();
    let Some((_, table)) = snapshot.table(entry.hint.table) else {
        return (sequence, len, Fate::Orphaned);
    };
    // Past gc_grace the tombstone that shadows it may be forgotten.
    let gc_grace = entry.hint.gc_grace.min(table.options.gc_grace_seconds);
    let age = shared.hints.inner.seconds().saturating_sub(entry.written_at);
    if i64::from(gc_grace) < age {
        tracing::warn!(%host, table = %table.name, age, "dropped a hint older than gc_grace: repair the node");
        return (sequence, len, Fate::Expired);
    }
    let deadline = Instant::now() + timeout;
    let terms = Terms { trace: TRACE, epoch: snapshot.epoch(), deadline };
    let request = Request::Mutate { mutation: entry.hint.mutation, origin: Origin::Hint };
    let answering = ask(shared, terms, host, request, |_, answer| answer);
    match timeout_at(deadline, answering).await {
        Ok(Ok(Response::Done)) => (sequence, len, Fate::Replayed),
        Ok(Ok(Response::Data(_) | Response::Digest { .. } | Response::Led { .. }) | Err(_))
        | Err(_) => (sequence, len, Fate::Stays),
    }
}
