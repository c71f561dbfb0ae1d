//! Writes the queues to their logs: one task at a time, a group of records with one fsync.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use model::HostId;
use sys::{
    Disk, SystemLog,
    system_log::{self, Limits},
};
use uuid::Uuid;

use super::{
    Host, Inner, OpenError, Options, State,
    queue::Queue,
    record::{self, Said},
};

/// How long a log that failed is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(10);

/// What is on disk of one queue.
#[derive(Default)]
pub(super) struct Log {
    /// `None` until something is written, while a task writes, and after a failure.
    file: Option<SystemLog>,
    /// Entries through this one are on disk.
    saved: u64,
    /// The log knows that entries through this one are done.
    done: u64,
    rewrite: bool,
    /// Monotonic time before which nothing is written.
    retry_at: Duration,
}

impl Log {
    /// Whether it failed a short while ago and is left alone.
    pub(super) fn rests(&self, now: Duration) -> bool {
        now < self.retry_at
    }

    /// Says that the log holds what the queue does not.
    pub(super) fn rewrite(&mut self) {
        self.rewrite = true;
    }
}

/// Opens every log in the folder.
pub(super) fn open_all(
    disk: &Arc<dyn Disk>,
    options: &Options,
) -> Result<Vec<(HostId, Queue, Log)>, OpenError> {
    let io = |source| OpenError::Io { dir: options.dir.clone(), source };
    sys::disk::create_dir_all_durably(&**disk, &options.dir).map_err(io)?;
    let mut hosts = Vec::new();
    for name in disk.list(&options.dir).map_err(io)? {
        let host = name.strip_suffix(".log").and_then(|it| Uuid::parse_str(it).ok());
        let Some(host) = host.map(HostId) else { continue };
        let (queue, log) = open(disk, options, host)?;
        hosts.push((host, queue, log));
    }
    Ok(hosts)
}

/// Starts the task that writes, where there is something to write and it does not run yet.
pub(super) fn start(inner: &Arc<Inner>) {
    let mut state = inner.lock();
    let now = inner.clock.monotonic();
    if !state.flushing && state.hosts.values().any(|it| it.is_due(now)) {
        state.flushing = true;
        tokio::spawn(flush(Arc::clone(inner)));
    }
}

/// Room for a full queue twice: live records, and those that are done.
fn limits(options: &Options) -> Limits {
    const RECORD_OVERHEAD: u64 = 128;
    let full = options
        .host_bytes_max
        .saturating_add(options.host_count_max.saturating_mul(RECORD_OVERHEAD));
    Limits { log_bytes_max: full.saturating_mul(2).saturating_add(1 << 20) }
}

fn open(disk: &Arc<dyn Disk>, options: &Options, host: HostId) -> Result<(Queue, Log), OpenError> {
    let name = host.to_string();
    let (file, records) = SystemLog::open(Arc::clone(disk), &options.dir, &name, limits(options))?;
    let mut queue = Queue::default();
    for record in records {
        let malformed =
            |source| OpenError::Malformed { file: options.dir.join(format!("{name}.log")), source };
        match record::read(record.kind, record.payload).map_err(malformed)? {
            Said::Hint(entry) => queue.restore(entry),
            Said::Done(sequence) => queue.done(sequence),
        }
    }
    let (saved, done) = (queue.sequence_last(), queue.done_through());
    Ok((queue, Log { file: Some(file), saved, done, ..Log::default() }))
}

async fn flush(inner: Arc<Inner>) {
    loop {
        let Some(work) = take(&inner) else { return };
        let (host, through, done) = (work.host, work.through, work.done);
        let (disk, options) = (Arc::clone(&inner.disk), inner.options.clone());
        let ran = sys::run_fn(&*inner.blocking, move || work.run(&disk, &options)).await;
        match ran {
            Ok(Outcome { file, result }) => settle(&inner, host, (through, done), file, result),
            Err(stopped) => {
                let text = Err(Failed(stopped.to_string()));
                settle(&inner, host, (through, done), None, text);
            }
        }
    }
}

/// Records for one log.
struct Work {
    host: HostId,
    file: Option<SystemLog>,
    records: Vec<(u8, Bytes)>,
    rewrite: bool,
    through: u64,
    done: u64,
}

struct Outcome {
    file: Option<SystemLog>,
    result: Result<(), Failed>,
}

struct Failed(String);

impl Work {
    fn run(self, disk: &Arc<dyn Disk>, options: &Options) -> Outcome {
        let mut file = self.file;
        let result = write(&mut file, &self.records, self.rewrite, || {
            reopen(disk, &options.dir, &self.host.to_string(), limits(options))
        });
        // After a failure nobody knows what the file holds: it is opened and written anew.
        let file = file.filter(|_| result.is_ok());
        Outcome { file, result: result.map_err(|error| Failed(error.to_string())) }
    }
}

/// Whatever the file holds, the queue in memory knows better.
fn reopen(
    disk: &Arc<dyn Disk>,
    dir: &Path,
    name: &str,
    limits: Limits,
) -> Result<SystemLog, system_log::Error> {
    Ok(SystemLog::open(Arc::clone(disk), dir, name, limits)?.0)
}

fn write(
    file: &mut Option<SystemLog>,
    records: &[(u8, Bytes)],
    rewrite: bool,
    open: impl FnOnce() -> Result<SystemLog, system_log::Error>,
) -> Result<(), system_log::Error> {
    let log = match file {
        Some(log) => log,
        None => file.insert(open()?),
    };
    let records: Vec<(u8, &[u8])> = records.iter().map(|(kind, it)| (*kind, &**it)).collect();
    if rewrite { log.rewrite(&records) } else { log.append_batch(&records) }
}

/// Takes what the next host, in turn, has to write. Without any the task ends.
fn take(inner: &Inner) -> Option<Work> {
    let now = inner.clock.monotonic();
    let mut state = inner.lock();
    let State { hosts, flushing, flushed_last, .. } = &mut *state;
    let due = |(host, it): (&HostId, &Host)| it.is_due(now).then_some(*host);
    let behind = hosts.iter().filter(|(host, _)| *flushed_last < Some(**host)).find_map(due);
    let next = behind.or_else(|| hosts.iter().find_map(due));
    let Some(host) = next else {
        *flushing = false;
        return None;
    };
    *flushed_last = Some(host);
    let entry = hosts.get_mut(&host)?;
    Some(entry.take(host, limits(&inner.options)))
}

impl Host {
    fn is_due(&self, now: Duration) -> bool {
        let unsaved = self.log.saved < self.queue.sequence_last();
        let undone = self.log.done < self.queue.done_through();
        (unsaved || undone || self.log.rewrite) && !self.log.rests(now)
    }

    fn take(&mut self, host: HostId, limits: Limits) -> Work {
        let (queue, log) = (&self.queue, &mut self.log);
        let file = log.file.take();
        let new: u64 = queue.after(log.saved).map(|it| it.hint.mutation.len() as u64 + 128).sum();
        let full = |file: &SystemLog| limits.log_bytes_max < file.size() + new;
        let rewrite = log.rewrite || queue.len() == 0 || file.as_ref().is_none_or(full);
        log.rewrite = false;
        let done = queue.done_through();
        let records = if rewrite {
            queue.after(0).map(record::hint).collect()
        } else {
            let ack = (log.done < done).then(|| record::done(done));
            ack.into_iter().chain(queue.after(log.saved).map(record::hint)).collect()
        };
        Work { host, file, records, rewrite, through: queue.sequence_last(), done }
    }
}

fn settle(
    inner: &Inner,
    host: HostId,
    (through, done): (u64, u64),
    file: Option<SystemLog>,
    result: Result<(), Failed>,
) {
    let mut state = inner.lock();
    let Some(entry) = state.hosts.get_mut(&host) else { return };
    let durable = result.is_ok();
    entry.log.file = file;
    match result {
        Ok(()) => {
            entry.log.saved = through;
            entry.log.done = done;
        }
        Err(Failed(error)) => {
            tracing::error!(%host, error, "hints were not written to disk; they are kept in memory");
            entry.log.rewrite = true;
            entry.log.retry_at = inner.clock.monotonic() + RETRY_AFTER;
        }
    }
    for (_, waiter) in entry.waiters.extract_if(.., |(sequence, _)| *sequence <= through) {
        // Whoever waited may have gone away.
        let _ = waiter.send(durable);
    }
}
