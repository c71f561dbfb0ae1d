//! What a read answers with.

use model::read::Answer;
use sys::{Job, Step};
use tokio::sync::oneshot;

use crate::Error;

/// A read that was begun.
pub enum Read {
    /// Everything was in memory.
    Ready(Answer),
    /// Some blocks are not: the rest of the read has to go to the disk.
    Cold(Cold),
}

/// A read that has to go to the disk.
pub struct Cold;

impl Cold {
    /// The job to run, and where its answer comes out. A job that is dropped before its end drops
    /// the sender.
    pub fn split(self) -> (Box<dyn Job>, oneshot::Receiver<Result<Answer, Error>>) {
        unimplemented!()
    }

    /// Runs the job on this thread.
    ///
    /// # Errors
    /// `Corrupt` or `Io` for the block that could not be read.
    pub fn run(self) -> Result<Answer, Error> {
        unimplemented!()
    }
}

impl Job for Cold {
    fn step(&mut self) -> Step {
        unimplemented!()
    }
}
