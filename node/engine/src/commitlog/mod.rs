//! The commit log: one for all tables, appended in memory, written and synced in groups.
//!
//! ```text
//!   append ──► batch being filled ─┐ sync: one write, one fdatasync
//!   append ──►                     ├──► 000…007.log ──► every ticket of the batch resolves
//!   append ──► (next batch) …      ┘
//! ```
//!
//! An append only copies into a buffer. [`Log::sync`] takes the whole buffer, stamps each record with the
//! offset that is durable by then, and writes it; meanwhile the next batch fills. The bytes are drawn in
//! `docs/formats/commit-log.md`.

pub(crate) mod archive;
pub(crate) mod format;
pub(crate) mod replay;
mod writer;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sys::{Clock, Disk};

use crate::options::CommitlogSync;
use crate::stats::Counters;
use crate::ticket::{Group, Ticket};
use crate::{Error, Options};
use writer::Writer;

/// Bytes that wait for the disk at most: two of the largest mutations.
const BUFFER_BYTES_MAX: u64 = 2 * model::mutation::BYTES_MAX as u64;

/// Bytes that make a periodic log sync before its time.
const PERIODIC_BYTES: u64 = 1 << 20;

/// A place in the log, ordered in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// The open log.
pub(crate) struct Log {
    sync: CommitlogSync,
    segment_bytes: u64,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    // Taken before `state`, and held over the disk's work.
    writer: Mutex<Writer>,
    size: Arc<Size>,
}

/// What is on disk, for whoever must not wait for the writer.
#[derive(Default)]
struct Size {
    segments: AtomicU64,
    bytes: AtomicU64,
}

/// What appends change.
struct State {
    /// Where the next record goes.
    next: Position,
    /// Number of the last record.
    sequence: u64,
    filling: Batch,
    /// Full ones, oldest first: of a segment that is full, or refused by a disk that is full.
    sealed: VecDeque<Batch>,
    /// Bytes in all batches, the one being written included.
    buffered: u64,
    /// A buffer to fill next: its pages are warm.
    spare: Vec<u8>,
    refusal: Option<Error>,
    /// No record comes any more.
    closed: bool,
    waits: Waits,
}

/// How long writes wait for the disk.
#[derive(Default)]
struct Waits {
    /// Since when the oldest batch that is being written has been waiting, monotonic.
    writing_since: Option<Duration>,
    /// The longest wait of late, and when it ended.
    longest: (Duration, Duration),
}

impl Waits {
    /// A wait that long ago says nothing of the disk as it is.
    const LATE: Duration = Duration::from_secs(10);

    fn ended(&mut self, began: Option<Duration>, now: Duration) {
        let waited = began.map_or(Duration::ZERO, |it| now.saturating_sub(it));
        let (longest, at) = self.longest;
        if longest <= waited || at + Self::LATE < now {
            self.longest = (waited, now);
        }
    }
}

/// Consecutive records of one segment.
struct Batch {
    at: Position,
    bytes: Vec<u8>,
    group: Arc<Group>,
    /// When its first record came, monotonic; with a log that is synced by the clock, when it was taken to be written.
    began: Option<Duration>,
}

impl Batch {
    fn new(at: Position, bytes: Vec<u8>) -> Batch {
        Batch { at, bytes, group: Arc::default(), began: None }
    }
}

/// What a new log is made of.
pub(crate) struct Start {
    /// The first segment to write; larger than any id that was ever used.
    pub(crate) segment: u64,
    /// Number of the last record that exists.
    pub(crate) sequence: u64,
    /// Segments that exist, with their lengths, oldest first.
    pub(crate) segments: Vec<(u64, u64)>,
}

impl Log {
    pub(crate) fn new(
        options: &Options,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        counters: Arc<Counters>,
        start: Start,
    ) -> Log {
        let next = Position { segment: start.segment, offset: format::HEADER_BYTES };
        let size = Arc::new(Size::default());
        let writer = (disk, Arc::clone(&clock), counters);
        let writer = Writer::new(options, writer, start.segments, Arc::clone(&size));
        Log {
            sync: options.commitlog_sync,
            segment_bytes: options.segment_bytes,
            clock,
            state: Mutex::new(State {
                next,
                sequence: start.sequence,
                filling: Batch::new(next, Vec::new()),
                sealed: VecDeque::new(),
                buffered: 0,
                spare: Vec::new(),
                refusal: None,
                closed: false,
                waits: Waits::default(),
            }),
            writer: Mutex::new(writer),
            size,
        }
    }

    /// Takes `mutations` in, one or more, as one record. The answer says whether a sync became due.
    pub(crate) fn append(&self, mutations: &[&[u8]]) -> Result<(Ticket, bool), Error> {
        let payload = format::payload_bytes(mutations);
        let mut state = self.state();
        state.admit(payload)?;
        let record_bytes = format::RECORD_HEADER_BYTES + payload as u64;
        let end = state.next.offset + record_bytes;
        if end > self.segment_bytes && state.next.offset > format::HEADER_BYTES {
            state.roll();
        }
        state.sequence += 1;
        let sequence = state.sequence;
        format::put_record(&mut state.filling.bytes, sequence, mutations);
        state.next.offset += record_bytes;
        state.buffered += record_bytes;
        let first = state.filling.bytes.len() as u64 == record_bytes;
        if first && !matches!(self.sync, CommitlogSync::Periodic(_)) {
            state.filling.began = Some(self.clock.monotonic());
        }
        Ok(match self.sync {
            CommitlogSync::Group | CommitlogSync::Batch => {
                (Ticket::of(Arc::clone(&state.filling.group)), first)
            }
            CommitlogSync::Periodic(_) => {
                // Told once for each megabyte: more may come in while some of it is being written.
                let before = (state.buffered - record_bytes) / PERIODIC_BYTES;
                (Ticket::done(), before < state.buffered / PERIODIC_BYTES)
            }
        })
    }

    /// Where the next record goes: whatever was appended lies below.
    pub(crate) fn position(&self) -> Position {
        self.state().next
    }

    /// Whether records wait for the disk.
    pub(crate) fn is_dirty(&self) -> bool {
        let state = self.state();
        !matches!(state.refusal, Some(Error::LogFailed))
            && (!state.sealed.is_empty() || !state.filling.bytes.is_empty())
    }

    /// Writes and syncs what was appended before this call, and resolves its tickets. What a disk refused that is full
    /// or takes no writes is kept for the next call; any other failure is the end of this log.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batches = {
            let mut state = self.state();
            if let Some(Error::LogFailed) = state.refusal {
                return Err(Error::LogFailed);
            }
            let mut batches = state.take_all();
            let now = self.clock.monotonic();
            batches.iter_mut().for_each(|it| it.began = it.began.or(Some(now)));
            state.waits.writing_since = batches.front().and_then(|it| it.began);
            batches
        };
        while let Some(mut batch) = batches.pop_front() {
            match writer.write(&mut batch) {
                Ok(()) => {
                    let mut state = self.state();
                    state.buffered -= batch.bytes.len() as u64;
                    if state.refusal.take().is_some() {
                        tracing::info!("the commit log takes writes again");
                    }
                    state.waits.ended(batch.began, self.clock.monotonic());
                    batch.bytes.clear();
                    state.spare = batch.bytes;
                    drop(state);
                    batch.group.resolve(Ok(()));
                }
                Err(error) => {
                    batches.push_front(batch);
                    return Err(self.refuse(error, batches));
                }
            }
        }
        self.state().waits.writing_since = None;
        writer.mark();
        Ok(())
    }

    /// How long writes wait for the disk: the oldest that waits now, or the longest wait of the last seconds.
    pub(crate) fn wait(&self) -> Duration {
        let now = self.clock.monotonic();
        let state = self.state();
        let oldest = state.sealed.front().unwrap_or(&state.filling).began;
        let since = [state.waits.writing_since, oldest].into_iter().flatten().min();
        let waiting = since.map_or(Duration::ZERO, |it| now.saturating_sub(it));
        let (longest, at) = state.waits.longest;
        let late = if now <= at + Waits::LATE { longest } else { Duration::ZERO };
        waiting.max(late)
    }

    /// Why it takes no writes, if it takes none.
    pub(crate) fn refusal(&self) -> Option<Error> {
        self.state().refusal.clone()
    }

    /// Removes the segments below `segment`.
    pub(crate) fn remove_below(&self, segment: u64) -> Result<(), Error> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).remove_below(segment)
    }

    /// Takes no record any more. `None` if some still wait for the disk, else the first segment that a log may begin with
    /// which comes after this one.
    pub(crate) fn close(&self) -> Option<u64> {
        let mut state = self.state();
        state.closed = true;
        (state.buffered == 0).then_some(state.next.segment + 1)
    }

    /// Removes all segments, also the one being written: of a log that was closed.
    pub(crate) fn remove_all(&self) -> Result<(), Error> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).remove_all()
    }

    /// Gives a segment that is not one of this log any more its name in the archive, if there is one. Whether its file may go.
    pub(crate) fn archive(&self, segment: u64) -> bool {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).archive(segment)
    }

    /// The oldest segment on disk, if there is any but the one being written.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).oldest()
    }

    /// Segments on disk, and bytes there or on their way. Never waits for the disk.
    pub(crate) fn size(&self) -> (u64, u64) {
        let segments = self.size.segments.load(Ordering::Relaxed);
        (segments, self.size.bytes.load(Ordering::Relaxed) + self.state().buffered)
    }

    fn refuse(&self, error: Error, batches: VecDeque<Batch>) -> Error {
        let mut state = self.state();
        let passes = error.passes();
        let refusal = if passes { error.clone() } else { Error::LogFailed };
        // Tried again and again: told once.
        if state.refusal.is_none() {
            tracing::error!(%error, "the commit log refuses writes");
        }
        batches.iter().for_each(|it| it.group.resolve(Err(refusal.clone())));
        state.filling.group.resolve(Err(refusal.clone()));
        state.sealed.iter().for_each(|it| it.group.resolve(Err(refusal.clone())));
        state.waits.writing_since = None;
        if passes {
            state.put_back(batches);
        }
        state.refusal = Some(refusal.clone());
        refusal
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn admit(&self, bytes: usize) -> Result<(), Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        let max = model::mutation::BYTES_MAX;
        if bytes > max {
            return Err(Error::TooLarge { bytes, max });
        }
        if self.buffered > BUFFER_BYTES_MAX {
            let (bytes, max) = (self.buffered, BUFFER_BYTES_MAX);
            return Err(Error::Overloaded { what: "commit log buffer", bytes, max });
        }
        Ok(())
    }

    /// Begins the next segment.
    fn roll(&mut self) {
        self.next = Position { segment: self.next.segment + 1, offset: format::HEADER_BYTES };
        let full = std::mem::replace(&mut self.filling, Batch::new(self.next, Vec::new()));
        if !full.bytes.is_empty() {
            self.sealed.push_back(full);
        }
    }

    fn take_all(&mut self) -> VecDeque<Batch> {
        let mut batches = std::mem::take(&mut self.sealed);
        if !self.filling.bytes.is_empty() {
            let spare = std::mem::take(&mut self.spare);
            batches.push_back(std::mem::replace(&mut self.filling, Batch::new(self.next, spare)));
        }
        batches
    }

    /// Gives back what the disk had no room for: in front of what came in meanwhile.
    fn put_back(&mut self, mut batches: VecDeque<Batch>) {
        // Refused is not slow: what waits from now on waits for the disk to take writes again.
        batches.iter_mut().for_each(|it| it.began = None);
        let filling = std::mem::replace(&mut self.filling, Batch::new(self.next, Vec::new()));
        let newer = std::mem::replace(&mut self.sealed, batches);
        self.sealed.extend(newer);
        if !filling.bytes.is_empty() {
            self.sealed.push_back(filling);
        }
    }
}

/// Where the segments are.
pub(crate) fn directory(data_dir: &Path) -> PathBuf {
    data_dir.join("commitlog")
}
