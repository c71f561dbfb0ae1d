//! The ready-made driver of the background jobs.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use sys::{Blocking, Job, Step, Stopped};
use tokio::sync::{oneshot, watch};

use crate::inner::Inner;
use crate::stats::add;
use crate::{Engine, Lane};

/// Before a job that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Between two looks at how full the disk is.
const LOOK: Duration = Duration::from_secs(1);

/// Looks at the disk between two looks for sstables and snapshots that have expired: nothing else tells that they have.
const LOOKS_PER_EXPIRY: u32 = 60;

/// Runs the engine's jobs until `shutdown` is true or its sender is gone: log syncs, flushes and
/// compactions each in a lane of their own, so that a sync never queues behind a compaction. Compactions that would write
/// too fast are held back between two steps, and given up when they are so at the end.
/// `blocking` needs room for two jobs at once, and [`Options::compactions_max`](crate::Options::compactions_max) more, beside
/// whatever else it runs: a pool of its own is best.
///
/// After it returns nothing resolves tickets: close the engine first ([`Engine::close`]).
pub async fn background(
    engine: Engine,
    blocking: Arc<dyn Blocking>,
    shutdown: watch::Receiver<bool>,
) {
    let lane = |lane| drive(engine.clone(), lane, Arc::clone(&blocking), shutdown.clone());
    let compactions = (0..engine.inner.options.compactions_max.get())
        .map(|_| Box::pin(lane(Lane::Compaction)))
        .collect();
    let looks = look(engine.clone(), Arc::clone(&blocking), shutdown.clone());
    let indexes = load_indexes(engine.clone(), &*blocking);
    let jobs = (lane(Lane::Log), lane(Lane::Flush), all(compactions));
    tokio::join!(biased; jobs.0, jobs.1, jobs.2, looks, indexes);
}

/// Waits for all of them, which have their turns in the order in which they stand.
async fn all<F: Future<Output = ()>>(mut running: Vec<Pin<Box<F>>>) {
    std::future::poll_fn(|context| {
        running.retain_mut(|it| it.as_mut().poll(context).is_pending());
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
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
            let ran = match lane {
                Lane::Log | Lane::Flush => blocking.run(job).await.map(|()| Paced::Ended),
                Lane::Compaction => {
                    let stop = async { drop(shutdown.wait_for(|stop| *stop).await) };
                    paced(&engine.inner, &*blocking, job, stop).await
                }
            };
            match ran {
                Ok(Paced::Ended) => {}
                Ok(Paced::GivenUp) => return,
                Err(error) => {
                    tracing::debug!(?lane, %error, "background work ends");
                    return;
                }
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

/// How the run of a compaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paced {
    /// The job came to its end, whatever that was.
    Ended,
    /// It was time to stop while it was held back: what it had written is removed.
    GivenUp,
}

/// Runs a compaction, and holds it back between two steps as the throttle says: meanwhile it has no thread. When it is time to
/// `stop` and it is held back, it is given up.
pub(crate) async fn paced(
    inner: &Arc<Inner>,
    blocking: &dyn Blocking,
    job: Box<dyn Job>,
    stop: impl Future<Output = ()>,
) -> Result<Paced, Stopped> {
    let mut stop = std::pin::pin!(stop);
    let mut rest = Some(job);
    while let Some(job) = rest {
        if let Some(pause) = inner.throttle.pause(|| inner.clock.monotonic()) {
            let begun = inner.clock.monotonic();
            let goes_on = tokio::select! {
                biased;
                () = &mut stop => false,
                () = inner.throttle.lifted() => true,
                () = tokio::time::sleep(pause) => true,
            };
            let held_back = inner.clock.monotonic().saturating_sub(begun).as_nanos();
            let held_back = u64::try_from(held_back).unwrap_or(u64::MAX);
            add(&inner.counters.compaction_held_back_nanos, held_back);
            if !goes_on {
                // It removes its file, which blocks.
                return sys::run_fn(blocking, move || drop(job)).await.map(|()| Paced::GivenUp);
            }
        }
        let (sender, receiver) = oneshot::channel();
        let inner = Arc::clone(inner);
        blocking.run(Box::new(Turn { inner, job: Some(job), rest: Some(sender) })).await?;
        rest = receiver.await.ok();
    }
    Ok(Paced::Ended)
}

/// Steps of a job up to the next pause; what is left of it is handed back.
struct Turn {
    inner: Arc<Inner>,
    job: Option<Box<dyn Job>>,
    rest: Option<oneshot::Sender<Box<dyn Job>>>,
}

impl Job for Turn {
    fn step(&mut self) -> Step {
        let Some(job) = &mut self.job else { return Step::Done };
        let inner = &self.inner;
        if job.step() == Step::Done {
            return Step::Done;
        }
        if inner.throttle.pause(|| inner.clock.monotonic()).is_none() {
            return Step::More;
        }
        if let (Some(job), Some(rest)) = (self.job.take(), self.rest.take()) {
            // Whoever asked may have gone away: then it is given up.
            drop(rest.send(job));
        }
        Step::Done
    }
}
