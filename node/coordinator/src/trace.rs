//! What was done for one request, step by step, for whoever asks (`TRACING ON`).
//!
//! A request is known by its trace number wherever it goes, so nothing else is handed around: who
//! does something for it notes the step under that number. Where nobody is traced that is one look
//! at a counter.
//!
//! ```text
//! begin(7) ─► note(7, …)  note(7, …)  note(9, …)       finish() ─► Trace
//!             └── kept ──┘            └ not traced: nothing happens
//! ```

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use model::HostId;
use sys::Clock;

use crate::replica::{Origin, Request};

/// Requests traced at once: past them a request is carried out without.
pub const TRACES_MAX: usize = 64;

/// Steps kept of one request: a page of a full scan over three nodes has some two hundred. Of
/// further ones the number is kept, and what replicas did is counted all the same.
pub const STEPS_MAX: usize = 512;

/// What was done for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// From its beginning to its answer.
    pub took: Duration,
    /// In the order in which they happened; at most `STEPS_MAX`.
    pub steps: Vec<Noted>,
    /// Steps that came after those.
    pub left_out: u64,
    /// What each replica did in each of its roles, ordered by host.
    pub shares: Vec<Share>,
}

/// A step with its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Time since the request began.
    pub after: Duration,
    /// The replica that it is about; `None` where it is about none.
    pub host: Option<HostId>,
    /// What happened.
    pub step: Step,
}

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its text was understood.
    Parsed,
    /// It is known what to do.
    Planned,
    /// A replica was asked.
    Asked(Role),
    /// It answered, and said what that cost it, or why it did not.
    Answered(Role, Result<Option<Work>, String>),
    /// A write is kept for a replica that missed it.
    Hinted,
    /// Nobody answered for this long: one more replica is asked.
    Speculated(Duration),
    /// Replicas know different things: each is asked for its data.
    Disagreed,
    /// What replicas lack is written to them before the answer: to so many of them.
    Repairing(usize),
    /// The cluster changed: who is asked is decided anew.
    Replanned,
    /// The schema changed, at this epoch.
    SchemaChanged(u64),
}

/// What a replica is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Rows.
    Data,
    /// The digest of rows.
    Digest,
    /// To apply a client's write.
    Write,
    /// To lead an increment of counters.
    Lead,
    /// To apply what it was found to lack.
    Repair,
    /// To apply a write that it missed.
    Hint,
    /// To empty a table.
    Truncate,
    /// To learn of a change.
    CatchUp,
}

/// What a request cost a replica. For a write `rows` and `bytes` are what was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// How long it took there, waiting for the disk included.
    pub took: Duration,
    /// Live rows read.
    pub rows: u64,
    /// Bytes of them in memory.
    pub bytes: u64,
    /// Tombstones met.
    pub tombstones: u64,
    /// Sstables consulted.
    pub sstables: u32,
}

/// All that one replica did in one role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Who.
    pub host: HostId,
    /// As what.
    pub role: Role,
    /// How often it was asked.
    pub requests: u64,
    /// How often it did not do it.
    pub failures: u64,
    /// What it said that it did, in all.
    pub work: Work,
}

/// Where a replica leaves what a traced call cost it.
pub type Report = Arc<OnceLock<Work>>;

impl Role {
    /// What `request` asks for.
    pub fn of(request: &Request) -> Role {
        match request {
            Request::Read(_) => Role::Data,
            Request::Digest(_) => Role::Digest,
            Request::Mutate { origin: Origin::Client, .. } => Role::Write,
            Request::Lead { .. } => Role::Lead,
            Request::Mutate { origin: Origin::ReadRepair, .. } => Role::Repair,
            Request::Mutate { origin: Origin::Hint, .. } => Role::Hint,
            Request::Truncate(_) => Role::Truncate,
            Request::CatchUp => Role::CatchUp,
        }
    }

    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Data => "data",
            Role::Digest => "digest",
            Role::Write => "write",
            Role::Lead => "lead",
            Role::Repair => "repair",
            Role::Hint => "hint",
            Role::Truncate => "truncate",
            Role::CatchUp => "catch up",
        }
    }
}

impl Step {
    /// What happened, without numbers: the same words for the same kind of step.
    pub fn name(&self) -> &'static str {
        match self {
            Step::Parsed => "parsed",
            Step::Planned => "planned",
            Step::Asked(_) => "asked",
            Step::Answered(_, Ok(_)) => "answered",
            Step::Answered(_, Err(_)) => "did not answer",
            Step::Hinted => "hint stored",
            Step::Speculated(_) => "asking one more",
            Step::Disagreed => "digests differ",
            Step::Repairing(_) => "read repair",
            Step::Replanned => "planned again",
            Step::SchemaChanged(_) => "schema changed",
        }
    }

    /// The rest of it; empty where there is no more to say.
    pub fn detail(&self) -> String {
        match self {
            Step::Parsed | Step::Planned => String::new(),
            Step::Asked(role) | Step::Answered(role, Ok(None)) => role.name().to_owned(),
            Step::Answered(role, Ok(Some(work))) => format!("{}: {work}", role.name()),
            Step::Answered(role, Err(why)) => format!("{}: {why}", role.name()),
            Step::Hinted => "kept until it is back".to_owned(),
            Step::Speculated(waited) => format!("no answer for {} ms", waited.as_millis()),
            Step::Disagreed => "each replica is asked for its data".to_owned(),
            Step::Repairing(1) => "1 replica lacks something".to_owned(),
            Step::Repairing(count) => format!("{count} replicas lack something"),
            Step::Replanned => "the cluster changed meanwhile".to_owned(),
            Step::SchemaChanged(epoch) => format!("epoch {epoch}"),
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u64| if count == 1 { "" } else { "s" };
        let Work { took, rows, bytes, tombstones, sstables } = self;
        write!(out, "{rows} row{}, {bytes} bytes", plural(*rows))?;
        if 0 < *tombstones {
            write!(out, ", {tombstones} tombstone{}", plural(*tombstones))?;
        }
        if 0 < *sstables {
            write!(out, ", {sstables} sstable{}", plural((*sstables).into()))?;
        }
        write!(out, ", {} µs there", took.as_micros())
    }
}

impl Work {
    fn add(&mut self, other: Work) {
        self.took += other.took;
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.tombstones += other.tombstones;
        self.sstables += other.sstables;
    }
}

/// The requests that are traced right now. A clone is the same ones.
#[derive(Clone)]
pub struct Traces {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    /// As many as `open` has: looked at by every request, so without its lock.
    count: AtomicUsize,
    open: Mutex<BTreeMap<u64, Recorder>>,
}

struct Recorder {
    begun: Duration,
    steps: Vec<Noted>,
    left_out: u64,
    shares: BTreeMap<(HostId, Role), Share>,
}

impl Traces {
    /// No request is traced yet.
    pub fn new(clock: Arc<dyn Clock>) -> Traces {
        let (count, open) = (AtomicUsize::new(0), Mutex::default());
        Traces { shared: Arc::new(Shared { clock, count, open }) }
    }

    /// Traces the request of this number until what is returned is dropped. `None` where it is
    /// traced already, or `TRACES_MAX` others are.
    pub fn begin(&self, trace: u64) -> Option<Tracing> {
        let mut open = self.shared.open();
        if TRACES_MAX <= open.len() || open.contains_key(&trace) {
            return None;
        }
        let begun = self.shared.clock.monotonic();
        let recorder = Recorder { begun, steps: Vec::new(), left_out: 0, shares: BTreeMap::new() };
        open.insert(trace, recorder);
        self.shared.count.store(open.len(), Ordering::Relaxed);
        Some(Tracing { traces: self.clone(), trace })
    }

    /// Notes a step, if the request is traced.
    pub fn note(&self, trace: u64, host: Option<HostId>, step: impl FnOnce() -> Step) {
        if self.shared.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let now = self.shared.clock.monotonic();
        if let Some(recorder) = self.shared.open().get_mut(&trace) {
            let after = now.saturating_sub(recorder.begun);
            recorder.note(Noted { after, host, step: step() });
        }
    }

    /// Where a replica is to leave what a call for this request costs it, if that is traced.
    pub fn report(&self, trace: u64) -> Option<Report> {
        let none = self.shared.count.load(Ordering::Relaxed) == 0;
        (!none && self.shared.open().contains_key(&trace)).then(Report::default)
    }
}

impl Shared {
    fn open(&self) -> MutexGuard<'_, BTreeMap<u64, Recorder>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    fn note(&mut self, noted: Noted) {
        match (noted.host, &noted.step) {
            (Some(host), Step::Asked(role)) => self.share(host, *role).requests += 1,
            (Some(host), Step::Answered(role, Ok(Some(work)))) => {
                self.share(host, *role).work.add(*work);
            }
            (Some(host), Step::Answered(role, Err(_))) => self.share(host, *role).failures += 1,
            (_, _) => {}
        }
        if self.steps.len() < STEPS_MAX {
            self.steps.push(noted);
        } else {
            self.left_out += 1;
        }
    }

    fn share(&mut self, host: HostId, role: Role) -> &mut Share {
        let new = Share { host, role, requests: 0, failures: 0, work: Work::default() };
        self.shares.entry((host, role)).or_insert(new)
    }
}

/// A request that is traced. Dropping it forgets the steps.
#[must_use = "a trace that is dropped is forgotten"]
pub struct Tracing {
    traces: Traces,
    trace: u64,
}

impl Tracing {
    /// What was done so far. What goes on behind the answer is not traced any more.
    pub fn finish(self) -> Trace {
        let now = self.traces.shared.clock.monotonic();
        let recorder = self.traces.shared.open().remove(&self.trace);
        recorder.map_or_else(Trace::default, |it| Trace {
            took: now.saturating_sub(it.begun),
            steps: it.steps,
            left_out: it.left_out,
            shares: it.shares.into_values().collect(),
        })
    }
}

impl Drop for Tracing {
    fn drop(&mut self) {
        let mut open = self.traces.shared.open();
        open.remove(&self.trace);
        self.traces.shared.count.store(open.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
