//! The ready-made driver of the background jobs.

use std::sync::Arc;
use std::time::Duration;

use sys::Blocking;
use tokio::sync::watch;

use crate::{Engine, Lane};

/// Before a job that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Between two looks at how full the disk is.
const LOOK: Duration = Duration::from_secs(1);

/// Looks at the disk between two looks for sstables and snapshots that have expired: nothing else tells that they have.
const LOOKS_PER_EXPIRY: u32 = 60;

/// Runs the engine's jobs until `shutdown` is true or its sender is gone: log syncs, flushes and
/// compactions each in a lane of their own, so that a sync never queues behind a compaction.
/// `blocking` needs room for three jobs at once, beside whatever else it runs: a pool of its own is
/// best.
///
/// After it returns nothing resolves tickets: close the engine first ([`Engine::close`]).
pub async fn background(
    engine: Engine,
    blocking: Arc<dyn Blocking>,
    shutdown: watch::Receiver<bool>,
) {
    let lane = |lane| drive(engine.clone(), lane, Arc::clone(&blocking), shutdown.clone());
    let looks = look(engine.clone(), Arc::clone(&blocking), shutdown.clone());
    let indexes = load_indexes(engine.clone(), &*blocking);
    let jobs = (lane(Lane::Log), lane(Lane::Flush), lane(Lane::Compaction));
    tokio::join!(biased; jobs.0, jobs.1, jobs.2, looks, indexes);
}

/// An opening reads no index: what they say of the sizes of partitions is known soon after it.
async fn load_indexes(engine: Engine, blocking: &dyn Blocking) {
    if sys::run_fn(blocking, move || engine.load_indexes()).await.is_err() {
        tracing::debug!("the process ends before indexes were read");
    }
}

/// Looks at the disk every now and then, and for what has expired.
async fn look(engine: Engine, blocking: Arc<dyn Blocking>, mut shutdown: watch::Receiver<bool>) {
    for number in 1_u32.. {
        let looked = engine.clone();
        let is_expiry = number.is_multiple_of(LOOKS_PER_EXPIRY);
        if is_expiry {
            engine.look_for_expired();
        }
        let look = move || {
            looked.look_at_disk();
            if is_expiry {
                looked.expire_snapshots();
            }
        };
        if sys::run_fn(&*blocking, look).await.is_err() {
            return;
        }
        tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

async fn drive(
    engine: Engine,
    lane: Lane,
    blocking: Arc<dyn Blocking>,
    mut shutdown: watch::Receiver<bool>,
) {
    loop {
        // What an earlier run has left is due at once.
        while let Some(job) = engine.next_job(lane) {
            if let Err(error) = blocking.run(job).await {
                tracing::debug!(?lane, %error, "background work ends");
                return;
            }
            if engine.take_failed(lane) {
                tokio::select! {
                    biased;
                    _ = shutdown.wait_for(|stop| *stop) => return,
                    () = tokio::time::sleep(RETRY) => {}
                }
            }
            if lane == Lane::Log && engine.sync_period().is_some() {
                break;
            }
        }
        tokio::select! {
            biased;
            // An error: the sender is gone, which says the same.
            _ = shutdown.wait_for(|stop| *stop) => return,
            () = due(&engine, lane) => {}
        }
    }
}

/// Resolves when there may be work in `lane`.
async fn due(engine: &Engine, lane: Lane) {
    match (lane, engine.sync_period()) {
        (Lane::Log, Some(period)) => {
            tokio::select! {
                biased;
                () = engine.work(lane) => {}
                () = tokio::time::sleep(period) => {}
            }
        }
        (Lane::Log | Lane::Flush | Lane::Compaction, _) => engine.work(lane).await,
    }
}
