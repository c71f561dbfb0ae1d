//! Statements in, outcomes out.

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use bytes::Bytes;
use coordinator::{
    replica::{Answering, answered, at_once},
    trace::{Step, Traces},
};
use cql_lite::{ast::Spanned, code::Code};
use futures_util::{FutureExt as _, future::Either};
use sys::{Clock, SharedRng};
use xxhash_rust::xxh3::Xxh3;

use self::{
    level::{Use, check_level},
    write::{Sent, written},
};
use crate::{
    About, Bound, Catalog, Error, Outcome, Prepared, PreparedId, Reply, Request, Retry, Rows,
    Source, Store,
    bind::Bindings,
    filter, fold,
    functions::{Moment, Ticks},
    guardrail::{Guard, Guardrail, PartitionBytes, measure},
    page::{Progress, Seal, refused},
    plan::{
        self, Plan, Verb,
        names::Scope,
        select::{Output, Select, Target},
        term::Operand,
    },
    prepared::{Cache, Entry, id},
    resolve, scan,
    sessions::Sessions,
    store,
    views::Views,
};

mod change;
mod group;
mod level;
mod lists;
mod made_up;
mod many;
mod traced;
mod whole;
mod write;

pub use traced::Open;

/// Limits of the executor.
#[derive(Clone)]
pub struct Options {
    /// Rows of a page where the client names no number. Usually 5,000.
    pub page_rows: u32,
    /// Bytes of a page: it ends after the row that passes them. Usually 1 MiB.
    pub page_bytes_max: u64,
    /// Tombstones that one page may step over before it ends. Usually 10,000.
    pub page_tombstones_max: u64,
    /// Prepared statements kept; the least recently used one is forgotten first. Usually 10,000.
    pub prepared_max: usize,
    /// What is unwise, and what is too much.
    pub guard: Arc<Guard>,
    /// How large partitions have become.
    pub partition_bytes: PartitionBytes,
    /// How long statements may take whose client does not say.
    pub timeouts: Timeouts,
}

/// How long statements may take whose client does not say.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// A SELECT. Usually 5 s.
    pub read: Duration,
    /// An INSERT, UPDATE, DELETE or BATCH. Usually 2 s.
    pub write: Duration,
    /// A change of the schema, or TRUNCATE. Usually 10 s.
    pub schema: Duration,
}

/// Executes statements of all doors.
pub struct Executor {
    catalog: Arc<dyn Catalog>,
    store: Arc<dyn Store>,
    rng: SharedRng,
    clock: Arc<dyn Clock>,
    options: Options,
    prepared: Cache,
    ticks: Ticks,
    traces: Traces,
    sessions: Sessions,
    views: Option<Arc<dyn Views>>,
}

/// No request is named so: what is done for nobody in particular is not traced.
const NOBODY: u64 = 0;

/// Most rows of a page, whatever a client asks for: they are in memory at once.
const PAGE_ROWS_MAX: u32 = 100_000;

impl Executor {
    /// An executor over this schema and these rows. `rng` draws table ids and UUIDs, `clock` says
    /// what has expired.
    pub fn new(
        catalog: Arc<dyn Catalog>,
        store: Arc<dyn Store>,
        rng: SharedRng,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Executor {
        let prepared = Cache::new(options.prepared_max);
        let traces = Traces::new(Arc::clone(&clock));
        let (ticks, sessions) = (Ticks::default(), Sessions::default());
        let views = None;
        Executor { catalog, store, rng, clock, options, prepared, ticks, traces, sessions, views }
    }

    /// Checks a statement against the schema and keeps it, to be executed by its id.
    ///
    /// # Errors
    /// What `execute` would say of the statement, whatever its values.
    pub fn prepare(&self, text: &str, keyspace: Option<&str>) -> Result<Arc<Prepared>, Error> {
        // A prepared statement is answered without warnings: only what is too much counts here.
        measure::statement(&self.options.guard, text, &mut Vec::new())?;
        let entry = self.plan_anew(text, keyspace, NOBODY)?;
        self.prepared.put(Arc::clone(&entry));
        Ok(Arc::clone(&entry.prepared))
    }

    /// Executes a statement: what takes no waiting at once, before this returns. Dropping what it returns
    /// cancels the rest: a write may then have happened. Takes the tokio runtime.
    ///
    /// # Errors
    /// See [`Error::retry`] for whether it happened.
    pub fn execute(self: &Arc<Self>, request: Request) -> Answering<Result<Reply, Error>> {
        let mut warnings = Vec::new();
        let entry = match self.entry(&request, &mut warnings) {
            Ok(entry) => entry,
            Err(error) => return at_once(Err(error)),
        };
        let executor = Arc::clone(self);
        let finish = move |reply: Result<Reply, Error>| {
            let mut reply = reply.map_err(|error| executor.name_nodes(error))?;
            reply.warnings.extend(warnings);
            Ok(reply)
        };
        if let Verb::Write(write) = &entry.plan.verb
            && write.lists.is_empty()
        {
            let timeout = self.options.timeouts.write;
            let run = self.run(&request, entry.keyspace.as_deref(), timeout);
            return match run.write(write, &entry.plan) {
                Ok(Sent { what, warnings, answering }) => {
                    answered(answering, move |outcome| finish(written(what, outcome, warnings)))
                }
                Err(error) => at_once(finish(Err(error))),
            };
        }
        let executor = Arc::clone(self);
        let mut rest = async move { executor.carry_out(&request, &entry).await }.boxed();
        // Most reads find all that they need in memory.
        let answering = match (&mut rest).now_or_never() {
            Some(reply) => at_once(reply),
            None => Either::Right(rest),
        };
        answered(answering, finish)
    }

    /// Everything but writes that read nothing.
    async fn carry_out(&self, request: &Request, entry: &Entry) -> Result<Reply, Error> {
        let timeouts = &self.options.timeouts;
        let usual = match &entry.plan.verb {
            Verb::Select(_) => timeouts.read,
            Verb::Write(_) | Verb::Batch(_) => timeouts.write,
            Verb::Schema(_) => timeouts.schema,
        };
        let run = self.run(request, entry.keyspace.as_deref(), usual);
        // Boxed where that is seldom: every request in flight has room for the largest of the others.
        match &entry.plan.verb {
            Verb::Select(select) if request.whole => Box::pin(run.whole(select, entry)).await,
            Verb::Select(select) => run.select(select, entry).await,
            Verb::Write(write) => Box::pin(run.write_after_reading(write, &entry.plan)).await,
            Verb::Batch(batch) => Box::pin(run.batch(batch, &entry.plan)).await,
            Verb::Schema(statement) => Box::pin(run.schema(statement, &entry.plan)).await,
        }
    }

    /// What the statement of a request is planned to do.
    fn entry(&self, request: &Request, warnings: &mut Vec<String>) -> Result<Arc<Entry>, Error> {
        measure::source(&self.options.guard, &request.source, warnings)?;
        let entry = match &request.source {
            Source::Text(text) => {
                self.plan_anew(text, request.keyspace.as_deref(), request.trace)?
            }
            Source::Prepared(id) => self.known(*id)?,
        };
        self.traces.note(request.trace, None, || Step::Planned);
        Ok(entry)
    }

    fn run<'r>(
        &'r self,
        request: &'r Request,
        keyspace: Option<&'r str>,
        usual: Duration,
    ) -> Run<'r> {
        let timeout = request.timeout.unwrap_or(usual);
        let deadline = self.clock.monotonic().saturating_add(timeout);
        let now_micros = self.clock.wall_micros();
        Run { executor: self, request, keyspace, now_micros, timeout, deadline }
    }

    fn plan_anew(
        &self,
        text: &str,
        keyspace: Option<&str>,
        trace: u64,
    ) -> Result<Arc<Entry>, Error> {
        let statement = cql_lite::parse(text)?;
        self.traces.note(trace, None, || Step::Parsed);
        let schema = self.catalog.schema();
        let plan = plan::plan(statement, &Scope { schema: &schema, keyspace })?;
        let prepared = Prepared {
            id: id(text, keyspace),
            variables: plan.variables.clone(),
            partition_key: plan.partition_key.clone(),
            columns: Arc::clone(&plan.columns),
            table: plan.tables().first().map(|it| it.id),
            idempotent: plan.idempotent,
        };
        let (text, keyspace) = (text.into(), keyspace.map(Into::into));
        let planned_at = AtomicU64::new(schema.epoch);
        Ok(Arc::new(Entry { text, keyspace, prepared: Arc::new(prepared), plan, planned_at }))
    }

    /// The prepared statement of this id, planned anew if its table changed since.
    fn known(&self, id: PreparedId) -> Result<Arc<Entry>, Error> {
        let unprepared = || {
            Error::new(Code::Unprepared, format!("prepared statement {id} is not known here"))
                .about(About::Unprepared(id))
                .retry(Retry::Safe)
                .hint("prepare it again")
        };
        let entry = self.prepared.get(id).ok_or_else(unprepared)?;
        if entry.is_current(&self.catalog.schema()) {
            return Ok(entry);
        }
        let same = |anew: &Entry| {
            let (old, new) = (&entry.prepared, &anew.prepared);
            old.variables == new.variables && old.columns == new.columns
        };
        match self.plan_anew(&entry.text, entry.keyspace.as_deref(), NOBODY) {
            Ok(anew) if same(&anew) => {
                self.prepared.put(Arc::clone(&anew));
                Ok(anew)
            }
            // Its values or rows would mean something else to the client: it has to look again.
            Ok(_) | Err(_) => {
                self.prepared.forget(id);
                Err(unprepared())
            }
        }
    }

    /// Writes addresses beside the ids of nodes that did not answer.
    fn name_nodes(&self, mut error: Error) -> Error {
        let Some(acks) = &mut error.acks else { return error };
        for node in self.catalog.nodes() {
            let id = node.host.to_string();
            for missing in acks.missing.iter_mut().filter(|it| **it == id) {
                *missing = format!("{} ({id})", node.address);
                error.message = error.message.replace(&id, missing);
            }
        }
        error
    }
}

/// One execution.
struct Run<'r> {
    executor: &'r Executor,
    request: &'r Request,
    keyspace: Option<&'r str>,
    now_micros: i64,
    timeout: Duration,
    deadline: Duration,
}

impl<'r> Run<'r> {
    fn bindings(&self, plan: &Plan) -> Result<Bindings<'r>, Error> {
        let Request { values, names, .. } = self.request;
        Bindings::new(&plan.variables, values, names.as_deref(), self.moment())
    }

    fn moment(&self) -> Moment<'r> {
        Moment { ticks: &self.executor.ticks, rng: &self.executor.rng, now_micros: self.now_micros }
    }

    fn seconds(&self) -> i64 {
        self.request.now_seconds.unwrap_or(self.now_micros.div_euclid(1_000_000))
    }

    /// How much time is left; an error of `code` when none is.
    fn time_left(&self, code: Code) -> Result<Duration, Error> {
        let left = self.deadline.saturating_sub(self.executor.clock.monotonic());
        if left.is_zero() {
            let message = format!("{:?} were not enough", self.timeout);
            return Err(Error::new(code, message).retry(Retry::Safe));
        }
        Ok(left)
    }

    fn options(&self, timeout: Duration) -> store::Options {
        let Request { consistency, trace, .. } = *self.request;
        store::Options { consistency, timeout, trace }
    }

    async fn select(&self, select: &Select, entry: &Entry) -> Result<Reply, Error> {
        let plan = &entry.plan;
        let bindings = self.bindings(plan)?;
        if !select.is_virtual {
            check_level(self.request.consistency, Use::Read)?;
        }
        let mut warnings = Vec::new();
        let target = match &select.target {
            Target::Keys(keys) => {
                let keys = resolve::keys(&select.table, keys, &bindings)?;
                let guard = &self.executor.options.guard;
                warnings.extend(guard.check(Guardrail::PartitionsIn, keys.len() as u64)?);
                scan::Partitions::Keys(keys)
            }
            Target::Tokens(lower, upper) => {
                match resolve::tokens(lower.as_ref(), upper.as_ref(), &bindings)? {
                    Some(range) => scan::Partitions::Range(range),
                    None => scan::Partitions::Keys(Vec::new()),
                }
            }
        };
        let store: Arc<dyn Store> = if select.is_virtual {
            // Seldom, and not worth its room in every read.
            Box::pin(self.made_up(&select.table, &target)).await
        } else {
            Arc::clone(&self.executor.store)
        };
        let per_partition = limit(select.per_partition_limit.as_ref(), &bindings)?;
        let limit = limit(select.limit.as_ref(), &bindings)?;
        let page_rows = self.request.page_rows.unwrap_or(self.executor.options.page_rows);
        let rows_per_partition = match per_partition {
            _ if select.distinct => 1,
            Some(rows) => rows,
            None => u64::MAX,
        };
        let filter = filter::bind(&select.filters, &select.table, &bindings)?;
        let are_all_meant = filter.is_none() && rows_per_partition == u64::MAX;
        let scan = scan::Scan {
            select,
            target,
            slices: resolve::slices(&select.table, &select.rows, &bindings)?,
            filter,
            partial: if are_all_meant { fold::asked(select) } else { None },
            rows_per_partition,
            page_rows: u64::from(page_rows.clamp(1, PAGE_ROWS_MAX)),
            page_bytes_max: self.executor.options.page_bytes_max.max(1),
            page_tombstones_max: self.executor.options.page_tombstones_max.max(1),
            now: self.seconds(),
        };
        // Most reads neither come from a page nor lead to one.
        let seal = || Seal::new(self.executor.catalog.secret(), self.hash(&entry.prepared, select));
        let is_aggregate = matches!(select.output, Output::Aggregate(_));
        let progress = match &self.request.paging_state {
            Some(_) if is_aggregate => return Err(refused("aggregates have one page")),
            Some(state) => seal().open(state)?,
            // `LIMIT` is about rows of the result: of an aggregate there is one.
            None => Progress::start(limit.filter(|_| !is_aggregate)),
        };
        let source = scan::Source { store, options: self.options(self.timeout) };
        let time_left = || self.time_left(Code::ReadTimeout);
        let page = scan.run(progress, &source, &time_left, bindings.moment()).await?;
        let guard = &self.executor.options.guard;
        warnings.extend(guard.check(Guardrail::PageTombstones, page.tombstones)?);
        let paging_state = page.progress.and_then(|progress| seal().close(&progress));
        let columns = Arc::clone(&plan.columns);
        let rows = Rows { columns, rows: page.rows, paging_state };
        Ok(Reply { outcome: Outcome::Rows(rows), warnings })
    }

    /// Names the statement with its table and its values: what a paging state belongs to.
    fn hash(&self, prepared: &Prepared, select: &Select) -> u64 {
        let mut hasher = Xxh3::new();
        hasher.update(&prepared.id.0);
        hasher.update(select.table.id.0.as_bytes());
        for value in &self.request.values {
            let (kind, bytes) = match value {
                Bound::Null => (0_u64, &Bytes::new()),
                Bound::Unset => (1, &Bytes::new()),
                Bound::Value(bytes) => (2 + bytes.len() as u64, bytes),
            };
            hasher.update(&kind.to_be_bytes());
            hasher.update(bytes);
        }
        for name in self.request.names.iter().flatten() {
            hasher.update(&(name.len() as u64).to_be_bytes());
            hasher.update(name.as_bytes());
        }
        hasher.digest()
    }
}

/// Rows that `LIMIT` allows; none where it is not given or unset.
fn limit(
    operand: Option<&Spanned<Operand>>,
    bindings: &Bindings<'_>,
) -> Result<Option<u64>, Error> {
    let Some(operand) = operand else { return Ok(None) };
    let bytes = match bindings.evaluate(operand)? {
        Bound::Unset => return Ok(None),
        Bound::Null => return Err(plan::term::null_in("LIMIT").at(operand.span)),
        Bound::Value(bytes) => bytes,
    };
    let rows = <[u8; 4]>::try_from(&bytes[..]).map(i32::from_be_bytes).unwrap_or(0);
    match u64::try_from(rows) {
        Ok(rows) if rows > 0 => Ok(Some(rows)),
        Ok(_) | Err(_) => Err(Error::new(Code::BadValue, "LIMIT is at least 1").at(operand.span)),
    }
}
