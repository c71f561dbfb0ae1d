//! Jobs that somebody waits for.

use sys::{Blocking, Job};
use tokio::sync::oneshot;

use crate::Error;

/// Runs a job on `blocking`, and waits for what it answers.
///
/// # Errors
/// What the job says; `Stopped` where it did not come to its end.
pub(crate) async fn run<T>(
    blocking: &dyn Blocking,
    job: Box<dyn Job>,
    answer: oneshot::Receiver<Result<T, Error>>,
) -> Result<T, Error> {
    blocking.run(job).await?;
    answer.await.unwrap_or(Err(Error::Stopped(sys::Stopped::Panicked)))
}
