//! Reads: what one answers with, and the job that finishes it on the disk.

mod asked;
mod folded;
mod scan;
pub(crate) mod straight;

use std::sync::Arc;

use model::read::{Answer, Command};
use sys::{Blocking, Job, Step};
use tokio::sync::oneshot;

use crate::cache::{Cache, Halt};
use crate::version::Version;
use crate::{Error, job};
pub(crate) use scan::Scan;
use straight::Short;

/// A read that was begun.
pub enum Read {
    /// Everything was in memory.
    Ready(Answer),
    /// Some blocks are not, or there is much to go through: the rest of the read is a job.
    Cold(Cold),
}

/// A read that may have to go to the disk: it goes on where memory ended.
pub struct Cold {
    left: Left,
    cache: Arc<Cache>,
    answer: Option<oneshot::Sender<Result<Answer, Error>>>,
}

/// What is to be done for a read.
enum Left {
    /// All of it, and the short way may do.
    Short(Arc<Version>, Box<Command>),
    Scan(Box<Scan>),
}

/// Merged pieces, and partitions begun and ended, on the thread of the caller: a millisecond or so.
pub(crate) const PIECES_IN_PLACE: u32 = 256;

/// Merged pieces between two steps: a piece is a block or less of each source.
const PIECES_PER_STEP: u32 = 64;

impl Cold {
    /// Goes on with a scan.
    pub(crate) fn new(scan: Scan, cache: Arc<Cache>) -> Cold {
        Cold { left: Left::Scan(Box::new(scan)), cache, answer: None }
    }

    /// Takes the short way, if it leads to an answer.
    pub(crate) fn short(version: Arc<Version>, command: &Command, cache: Arc<Cache>) -> Cold {
        Cold { left: Left::Short(version, Box::new(command.clone())), cache, answer: None }
    }

    /// The job to run, and where its answer comes out. A job that is dropped before its end drops the sender; an
    /// answer that nobody waits for ends the job.
    pub fn split(mut self) -> (Box<dyn Job>, oneshot::Receiver<Result<Answer, Error>>) {
        let (sender, receiver) = oneshot::channel();
        self.answer = Some(sender);
        (Box::new(self), receiver)
    }

    /// Runs the job on `blocking`.
    ///
    /// # Errors
    /// As [`run`](Self::run); `Stopped` when `blocking` shuts down.
    pub async fn finish(self, blocking: &dyn Blocking) -> Result<Answer, Error> {
        let (job, answer) = self.split();
        job::run(blocking, job, answer).await
    }

    /// Runs the job on this thread.
    ///
    /// # Errors
    /// `Corrupt` or `Io` for the block that could not be read.
    pub fn run(mut self) -> Result<Answer, Error> {
        loop {
            if let Some(answer) = self.advance() {
                return answer;
            }
        }
    }

    fn advance(&mut self) -> Option<Result<Answer, Error>> {
        match &mut self.left {
            Left::Short(version, command) => {
                match straight::on_disk(version, command, &self.cache) {
                    Ok(Short::Answer(answer)) => return Some(Ok(answer)),
                    Ok(Short::Missed | Short::LongWay) => {}
                    Err(error) => return Some(Err(error)),
                }
                self.left = Left::Scan(Box::new(Scan::new(version, command)));
                None
            }
            Left::Scan(scan) => match scan.on_disk(&self.cache, PIECES_PER_STEP) {
                Ok(answer) => answer.map(Ok),
                Err(Halt::Failed(error)) => Some(Err(error)),
                Err(Halt::Miss) => None,
            },
        }
    }
}

impl Job for Cold {
    fn step(&mut self) -> Step {
        // Whoever asked may have gone away: then there is nothing left to find out.
        if self.answer.as_ref().is_none_or(oneshot::Sender::is_closed) {
            return Step::Done;
        }
        let Some(answer) = self.advance() else { return Step::More };
        if let Some(sender) = self.answer.take() {
            // The other end may be gone by now.
            drop(sender.send(answer));
        }
        Step::Done
    }
}
