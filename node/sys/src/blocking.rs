//! Work that blocks or takes long: the one seam between the synchronous engine and the async edges.
//!
//! A job is cut into steps. Production runs them on a thread; a simulation runs each on the one
//! thread there is and lets everything else happen in between.

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Semaphore;

use crate::{SharedRng, threads};

/// Work in steps. A step may block on a disk; keep one under some tens of milliseconds so that a
/// stop is not kept waiting.
pub trait Job: Send {
    /// Does the next piece. Not called again after it has answered [`Step::Done`].
    fn step(&mut self) -> Step;
}

/// What a step left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to do.
    More,
    /// The job is finished; its outcome is where the job put it.
    Done,
}

/// Why a job did not reach its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The node is shutting down; the job was dropped between two steps, or never began.
    #[error("the node is shutting down")]
    ShuttingDown,
    /// A step panicked: a bug, already printed by the panic hook. What it was working on is in
    /// doubt.
    #[error("a background job panicked")]
    Panicked,
}

/// Runs jobs away from whoever asks.
pub trait Blocking: Send + Sync + 'static {
    /// Starts `job` once polled, and resolves when it is done. Dropping the answer may leave the
    /// job running.
    fn run(&self, job: Box<dyn Job>) -> BoxFuture<'static, Result<(), Stopped>>;

    /// How many threads a job may begin to be done sooner, its own among them. In a simulation there is one.
    fn threads(&self) -> NonZeroUsize {
        NonZeroUsize::MIN
    }
}

/// Runs one function as a job of one step and hands its answer back.
pub fn run_fn<T, F>(
    blocking: &dyn Blocking,
    f: F,
) -> impl Future<Output = Result<T, Stopped>> + Send + 'static + use<T, F>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let answer = Arc::new(Mutex::new(None));
    let run = blocking.run(Box::new(Once { f: Some(f), answer: Arc::clone(&answer) }));
    async move {
        run.await?;
        answer.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(Stopped::Panicked)
    }
}

struct Once<T, F> {
    f: Option<F>,
    answer: Arc<Mutex<Option<T>>>,
}

impl<T: Send, F: FnOnce() -> T + Send> Job for Once<T, F> {
    fn step(&mut self) -> Step {
        if let Some(f) = self.f.take() {
            let value = f();
            *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        }
        Step::Done
    }
}

/// Real threads, at most so many at once; further jobs wait their turn in the order they were
/// polled.
///
/// The number of waiting jobs is the callers' to bound: each holds its own future.
#[derive(Clone)]
pub struct ThreadPool {
    threads: Arc<Semaphore>,
    stopping: Arc<AtomicBool>,
}

impl ThreadPool {
    /// A pool of at most `threads` threads (at least one), on the blocking threads of the current
    /// tokio runtime.
    pub fn new(threads: usize) -> Self {
        let threads = threads.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            threads: Arc::new(Semaphore::new(threads)),
            stopping: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Stops: running jobs end after the step they are in, and no other begins. Does not wait.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.threads.close();
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool").field("free", &self.threads.available_permits()).finish()
    }
}

impl Blocking for ThreadPool {
    fn threads(&self) -> NonZeroUsize {
        threads::processors()
    }

    fn run(&self, mut job: Box<dyn Job>) -> BoxFuture<'static, Result<(), Stopped>> {
        let Self { threads, stopping } = self.clone();
        Box::pin(async move {
            let permit = threads.acquire_owned().await.map_err(|_| Stopped::ShuttingDown)?;
            let run = tokio::task::spawn_blocking(move || {
                // The thread holds the permit, not the caller, who may go away before the work
                // ends.
                let _permit = permit;
                loop {
                    if stopping.load(Ordering::Acquire) {
                        return Err(Stopped::ShuttingDown);
                    }
                    match job.step() {
                        Step::More => {}
                        Step::Done => return Ok(()),
                    }
                }
            });
            run.await.unwrap_or_else(|error| {
                Err(if error.is_panic() { Stopped::Panicked } else { Stopped::ShuttingDown })
            })
        })
    }
}

/// Runs a job to its end on the calling task, without a pause. For tests and benches of what a job
/// does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline;

impl Blocking for Inline {
    fn run(&self, mut job: Box<dyn Job>) -> BoxFuture<'static, Result<(), Stopped>> {
        Box::pin(async move {
            while job.step() == Step::More {}
            Ok(())
        })
    }
}

/// Runs each step on the calling task and lets everything else happen between two: what a
/// simulation hands in.
///
/// With a latency every step first waits that long on tokio's clock, as if for a disk; a seeded
/// generator makes the interleaving the same in every run. That clock ticks in milliseconds:
/// anything shorter takes a whole one.
#[derive(Clone, Debug)]
pub struct Stepping {
    latency: Option<(SharedRng, Duration, Duration)>,
}

impl Stepping {
    /// Yields between steps and waits for nothing.
    pub fn immediate() -> Self {
        Self { latency: None }
    }

    /// Waits before each step, evenly between `min` and `max`, in whole microseconds.
    pub fn with_latency(rng: SharedRng, min: Duration, max: Duration) -> Self {
        Self { latency: Some((rng, min, max)) }
    }

    async fn pause(&self) {
        match &self.latency {
            None => tokio::task::yield_now().await,
            Some((rng, min, max)) => {
                let spread = max.saturating_sub(*min).as_micros();
                let extra = rng.below(u64::try_from(spread).unwrap_or(u64::MAX).saturating_add(1));
                tokio::time::sleep(min.saturating_add(Duration::from_micros(extra))).await;
            }
        }
    }
}

impl Blocking for Stepping {
    fn run(&self, mut job: Box<dyn Job>) -> BoxFuture<'static, Result<(), Stopped>> {
        let this = self.clone();
        Box::pin(async move {
            loop {
                this.pause().await;
                match job.step() {
                    Step::More => {}
                    Step::Done => return Ok(()),
                }
            }
        })
    }
}
