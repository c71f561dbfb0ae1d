//! The ready-made driver of the background jobs.

use std::sync::Arc;

use sys::Blocking;
use tokio::sync::watch;

use crate::Engine;

/// Runs the engine's jobs until `shutdown` is true: log syncs, flushes and compactions each in a
/// lane of their own, so that a sync never queues behind a compaction. `blocking` needs room for
/// three jobs at once, beside whatever else it runs: a pool of its own is best.
///
/// After it returns nothing resolves tickets: close the engine first ([`Engine::close`]).
pub async fn background(
    _engine: Engine,
    _blocking: Arc<dyn Blocking>,
    _shutdown: watch::Receiver<bool>,
) {
    unimplemented!()
}
