//! A request: described, sent, retried where it is safe, answered.

use std::future::IntoFuture;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use cql_lite::code::Code;
use futures_util::future::BoxFuture;
use proto::client as wire;
use tokio::time::{Instant, sleep};
use tracing::Instrument as _;
use wire::{client_request::Body, server_answer};

use crate::bind::Bound;
use crate::error::Error;
use crate::link::{Failure, Link};
use crate::many::Many;
use crate::outcome::{Outcome, Response};
use crate::page::{self, Rows};
use crate::prepared::{Plan, Prepared};
use crate::retry;
use crate::routing::{self, Target};
use crate::row::FromRow;
use crate::session::Session;
use crate::trace::Trace;
use cql_lite::Consistency;

/// What to do.
#[derive(Clone)]
pub(crate) enum Action {
    /// Text that the node parses.
    Text(Arc<str>),
    /// Text to prepare first, unless it is known.
    Cached(Arc<str>),
    /// A prepared statement.
    Prepared(Prepared),
    /// A prepared statement, once for each row of values.
    Many(Many),
    /// Parse and remember.
    Prepare(Arc<str>),
    /// Tell about the schema.
    Describe(Arc<str>),
}

/// A statement with its values and wishes. Await it for its [`Outcome`], or take its rows.
/// Dropping what it turns into cancels it.
#[derive(Clone)]
#[must_use = "a request does nothing until it is awaited or streamed"]
pub struct Request {
    session: Session,
    action: Action,
    values: Arc<Bound>,
    consistency: Consistency,
    page_rows: u32,
    paging_state: Bytes,
    timeout: Duration,
    timestamp: Option<i64>,
    idempotent: Option<bool>,
    traced: bool,
    rows_max: usize,
}

impl Request {
    pub(crate) fn new(session: Session, action: Action, values: Bound) -> Request {
        let defaults = session.inner.defaults;
        Request {
            session,
            action,
            values: Arc::new(values),
            consistency: defaults.consistency,
            page_rows: 0,
            paging_state: Bytes::new(),
            timeout: defaults.timeout,
            timestamp: None,
            idempotent: None,
            traced: false,
            rows_max: page::ROWS_MAX,
        }
    }

    /// How many replicas must answer.
    pub fn consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
    }

    /// Rows on a page, at least 1. Default: what the node thinks right.
    pub fn page_size(mut self, rows: u32) -> Self {
        self.page_rows = rows;
        self
    }

    /// Where to go on: what [`Outcome::paging_state`] said, with the same statement and values.
    pub fn paging_state(mut self, state: impl Into<Bytes>) -> Self {
        self.paging_state = state.into();
        self
    }

    /// How long it may take, retries included; of each page, for rows.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The timestamp of a write, microseconds since 1970. Default: the time of the first attempt.
    pub fn timestamp(mut self, micros: i64) -> Self {
        self.timestamp = Some(micros);
        self
    }

    /// Whether running it twice does the same as once: then it is retried even when its outcome
    /// is unknown. Default: what the node says of a prepared statement; of text, only reads.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = Some(idempotent);
        self
    }

    /// Whether the node is to tell what it and the replicas did: see [`Outcome::trace`]. Of a
    /// request that is repeated it is the last attempt's.
    pub fn traced(mut self, traced: bool) -> Self {
        self.traced = traced;
        self
    }

    /// The most rows that `all` collects. Default: 10 000.
    pub fn rows_max(mut self, rows: usize) -> Self {
        self.rows_max = rows;
        self
    }

    /// All rows, one after the other; the next page is fetched while one is read.
    pub fn stream<T: FromRow>(self) -> Rows<T> {
        Rows::new(self)
    }

    /// All rows at once; an error if there are more than [`rows_max`](Self::rows_max).
    pub async fn all<T: FromRow>(self) -> Result<Vec<T>, Error> {
        let rows_max = self.rows_max;
        page::collect(self.stream(), rows_max).await
    }

    /// The only row; an error if there is none or more than one.
    pub async fn one<T: FromRow>(self) -> Result<T, Error> {
        let found = self.opt().await?;
        found.ok_or_else(|| Error::invalid(Code::RowCount, "expected one row, got none"))
    }

    /// The only row or none; an error if there are more.
    pub async fn opt<T: FromRow>(self) -> Result<Option<T>, Error> {
        page::at_most_one(self.page_size(2).stream()).await
    }

    /// Sends it and sees to it that it is answered.
    async fn run(self) -> Result<Outcome, Error> {
        let deadline = Instant::now() + self.timeout;
        let (action, keyspace) = match &self.action {
            Action::Cached(text) => {
                let prepared = self.session.cached(text, deadline).await?;
                let keyspace = prepared.keyspace().to_owned();
                (Action::Prepared(prepared), keyspace)
            }
            Action::Prepared(prepared) | Action::Many(Many { prepared, .. }) => {
                (self.action.clone(), prepared.keyspace().to_owned())
            }
            Action::Text(_) | Action::Prepare(_) | Action::Describe(_) => {
                (self.action.clone(), self.session.keyspace())
            }
        };
        let timestamp = self.timestamp.or_else(|| {
            // Stamped once: a retry is the same write again, not a later one.
            (!is_read(&action)).then(|| self.session.inner.stamps.next(rows_of(&action)))
        });
        let run = Run { request: &self, action, keyspace, timestamp, deadline };
        let (mut answer, node) = run.answer().await?;
        let trace = answer.trace.take().map(|it| Trace::read(it, &self.session.topology()));
        let outcome = Outcome::read(answer, node)?.with_trace(trace);
        if let Response::SetKeyspace(keyspace) = outcome.response() {
            self.session.use_keyspace(keyspace);
        }
        Ok(outcome)
    }
}

impl IntoFuture for Request {
    type Output = Result<Outcome, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let span = tracing::debug_span!(
            "request",
            otel.kind = "client",
            db.system.name = "helenus",
            db.operation.name = operation(&self.action),
            cassandra.consistency.level = self.consistency.name(),
            cassandra.coordinator.address = tracing::field::Empty,
            error.code = tracing::field::Empty,
        );
        let run = async move {
            let answer = self.run().await;
            let current = tracing::Span::current();
            match &answer {
                Ok(outcome) => current.record("cassandra.coordinator.address", outcome.node()),
                Err(error) => current.record("error.code", error.code()),
            };
            answer
        };
        Box::pin(run.instrument(span))
    }
}

impl Session {
    pub(crate) async fn prepare_until(
        &self,
        text: &str,
        deadline: Instant,
    ) -> Result<Prepared, Error> {
        let keyspace = self.keyspace();
        let action = Action::Prepare(Arc::from(text));
        let mut request = Request::new(self.clone(), action, Bound::Positional(Vec::new()));
        request.timeout = deadline.saturating_duration_since(Instant::now());
        let action = request.action.clone();
        let run = Run {
            request: &request,
            action,
            keyspace: keyspace.clone(),
            timestamp: None,
            deadline,
        };
        match run.answer().await?.0.body {
            Some(server_answer::Body::Prepared(plan)) => {
                Ok(Prepared::new(text, &keyspace, Plan::from(plan)))
            }
            Some(_) | None => Err(Error::malformed("not a prepared statement")),
        }
    }
}

/// One request on its way.
struct Run<'r> {
    request: &'r Request,
    action: Action,
    keyspace: String,
    timestamp: Option<i64>,
    deadline: Instant,
}

/// The message of one attempt, and where its partition lies.
struct Message {
    body: Body,
    target: Option<Target>,
}

impl Run<'_> {
    /// The answer that is not an error, and the address of the node that gave it.
    async fn answer(&self) -> Result<(wire::ServerAnswer, String), Error> {
        let inner = &self.request.session.inner;
        inner.with_budget(retry::Budget::earn);
        let target = self.message()?.target;
        let turn = inner.turn();
        let mut pause = None;
        let mut attempt = 0;
        // Once an attempt may have done it, no later refusal undoes that.
        let mut unknown = None;
        loop {
            let candidates = routing::candidates(&inner.cluster(), target.as_ref(), turn);
            let error = match candidates.get(attempt % candidates.len().max(1)) {
                Some(link) => match self.attempt(link).await {
                    Ok(answer) => return Ok((answer, link.address().to_owned())),
                    Err(error) => error,
                },
                None => Error::connect("no node is connected"),
            };
            attempt += 1;
            if matches!(error, Error::UnknownOutcome(_)) {
                unknown = Some(error.clone());
            }
            let again = retry::may_repeat(&error, self.is_idempotent())
                && attempt < retry::ATTEMPTS_MAX as usize
                && inner.with_budget(retry::Budget::spend);
            if !again {
                return Err(unknown.unwrap_or(error));
            }
            let rest = inner.with_rng(|rng| retry::pause(pause, rng));
            if self.deadline.saturating_duration_since(Instant::now()) <= rest {
                return Err(unknown.unwrap_or(error));
            }
            tracing::debug!(code = error.code(), attempt, "trying again");
            sleep(rest).await;
            pause = Some(rest);
        }
    }

    /// One node asked once; twice where it had forgotten the prepared statement.
    async fn attempt(&self, link: &Link) -> Result<wire::ServerAnswer, Error> {
        let answer = self.call(link, self.message()?.body).await;
        match (&self.action, answer) {
            (Action::Prepared(prepared) | Action::Many(Many { prepared, .. }), Err(error))
                if error.is(Code::Unprepared) =>
            {
                let again = Body::Prepare(wire::Prepare { text: prepared.text().to_owned() });
                match self.call(link, again).await?.body {
                    Some(server_answer::Body::Prepared(plan)) => prepared.set_plan(plan.into()),
                    Some(_) | None => return Err(Error::malformed("not a prepared statement")),
                }
                self.call(link, self.message()?.body).await
            }
            (_, answer) => answer,
        }
    }

    async fn call(&self, link: &Link, body: Body) -> Result<wire::ServerAnswer, Error> {
        // Whichever node answers, it must know what this session did to the schema.
        let seen = &self.request.session.inner.epoch;
        let (epoch, traced) = (seen.load(Ordering::Acquire), self.request.traced);
        match link.call(&self.keyspace, epoch, traced, body, self.deadline).await {
            Ok(answer) => match answer.body {
                Some(server_answer::Body::Error(error)) => {
                    let topology = self.request.session.topology();
                    let trace = answer.trace.map(|it| Trace::read(it, &topology));
                    Err(Error::from(error).with_steps(trace))
                }
                Some(server_answer::Body::SchemaChange(ref change)) => {
                    seen.fetch_max(change.epoch, Ordering::AcqRel);
                    Ok(answer)
                }
                Some(_) | None => Ok(answer),
            },
            Err(failure) => Err(self.explain(failure, link.address())),
        }
    }

    /// What a missing answer means.
    fn explain(&self, failure: Failure, node: &str) -> Error {
        let timeout = self.request.timeout;
        match failure {
            Failure::NotSent(reason) => {
                Error::retry(Code::CannotConnect, format!("nothing was sent to {node}: {reason}"))
            }
            Failure::Expired { sent: false } => Error::retry(
                Code::Overloaded,
                format!("too many requests under way: not sent to {node} within {timeout:?}"),
            ),
            Failure::Lost(reason) if is_read(&self.action) => {
                Error::retry(Code::ConnectionLost, format!("connection to {node} lost: {reason}"))
            }
            Failure::Lost(reason) => Error::unknown_outcome(
                Code::ConnectionLost,
                format!("connection to {node} lost: {reason}"),
            ),
            Failure::Expired { sent: true } if is_read(&self.action) => {
                Error::retry(Code::ReadTimeout, format!("no answer from {node} within {timeout:?}"))
            }
            Failure::Expired { sent: true } => Error::unknown_outcome(
                Code::WriteTimeout,
                format!("no answer from {node} within {timeout:?}"),
            ),
        }
    }

    fn is_idempotent(&self) -> bool {
        self.request.idempotent.unwrap_or_else(|| match &self.action {
            Action::Prepared(prepared) | Action::Many(Many { prepared, .. }) => {
                prepared.is_idempotent()
            }
            Action::Text(_) | Action::Cached(_) | Action::Prepare(_) | Action::Describe(_) => {
                is_read(&self.action)
            }
        })
    }

    fn message(&self) -> Result<Message, Error> {
        let options = || {
            Some(wire::Options {
                consistency: u32::from(self.request.consistency.code()),
                page_rows: self.request.page_rows,
                paging_state: self.request.paging_state.clone(),
                timestamp: self.timestamp,
            })
        };
        Ok(match &self.action {
            Action::Text(text) | Action::Cached(text) => {
                let (values, names) = self.request.values.unfitted();
                let text = text.to_string();
                let query = wire::Query { text, values, names, options: options() };
                Message { body: Body::Query(query), target: None }
            }
            Action::Prepared(prepared) => {
                let plan = prepared.plan();
                let values = self.request.values.fit(&plan.parameters)?;
                let target = target(&plan, |at| match values.get(at)?.kind.as_ref()? {
                    wire::bound_value::Kind::Value(bytes) => Some(bytes.as_ref()),
                    wire::bound_value::Kind::Unset(_) => None,
                });
                let execute = wire::Execute { id: plan.id.clone(), values, options: options() };
                Message { body: Body::Execute(execute), target }
            }
            Action::Many(many) => {
                let plan = many.prepared.plan();
                let target = target(&plan, |at| many.of_first_row(at));
                let execute = wire::ExecuteMany {
                    id: plan.id.clone(),
                    cells: many.cells.clone(),
                    row_count: many.row_count,
                    options: options(),
                };
                Message { body: Body::ExecuteMany(execute), target }
            }
            Action::Prepare(text) => {
                let prepare = wire::Prepare { text: text.to_string() };
                Message { body: Body::Prepare(prepare), target: None }
            }
            Action::Describe(what) => {
                let describe = wire::Describe { what: what.to_string() };
                Message { body: Body::Describe(describe), target: None }
            }
        })
    }
}

/// Where the partition lies, if all of its key is bound.
fn target<'v>(plan: &Plan, value: impl Fn(usize) -> Option<&'v [u8]>) -> Option<Target> {
    let first = plan.parameters.get(*plan.partition_key.first()?)?;
    let key: Option<Vec<&[u8]>> = plan.partition_key.iter().map(|at| value(*at)).collect();
    Target::of(&first.keyspace, key?.into_iter())
}

/// How many writes it is.
fn rows_of(action: &Action) -> u32 {
    match action {
        Action::Many(many) => many.row_count.max(1),
        Action::Text(_)
        | Action::Cached(_)
        | Action::Prepared(_)
        | Action::Prepare(_)
        | Action::Describe(_) => 1,
    }
}

/// Whether it changes nothing, as far as that can be told.
fn is_read(action: &Action) -> bool {
    match action {
        Action::Prepare(_) | Action::Describe(_) => true,
        Action::Prepared(prepared) => reads(prepared.text()),
        Action::Many(_) => false,
        Action::Text(text) | Action::Cached(text) => reads(text),
    }
}

fn reads(text: &str) -> bool {
    ["select", "describe", "desc"].iter().any(|word| first_word(text).eq_ignore_ascii_case(word))
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    &text[..text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len())]
}

/// The first word of the statement, for traces: never its values.
fn operation(action: &Action) -> &str {
    match action {
        Action::Text(text) | Action::Cached(text) => first_word(text),
        Action::Prepared(prepared) | Action::Many(Many { prepared, .. }) => {
            first_word(prepared.text())
        }
        Action::Prepare(_) => "PREPARE",
        Action::Describe(_) => "DESCRIBE",
    }
}
