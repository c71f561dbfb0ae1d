//! The door for the client crate: a stream of requests with ids, answered out of order.

use std::{sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use cql_lite::code::Code;
use futures_util::future::BoxFuture;
use model::Consistency;
use proto::{
    Message as _,
    client::{self, client_frame, server_answer::Body},
};
use query::{
    Bound, ColumnSpec, Error, Executor, Outcome, PreparedId, Reply, Request as Statement, Retry,
    SchemaEffect, SchemaTarget, Source,
};
use sys::SharedRng;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{
    in_hand::{InHand, REQUESTS_MAX, Taken},
    weight::Scales,
};

/// Answers waiting to be written on one stream.
const ANSWERS_MAX: usize = 256;

/// How long a new stream may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a new stream waits for a node that has just started, before it is told so: less than
/// clients wait for a connection.
const SETTLE_TIMEOUT: Duration = Duration::from_millis(1500);

/// A request that names no timeout gets this one; none gets more than the other.
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
const TIMEOUT_MAX: Duration = Duration::from_secs(600);

/// What the door needs of the node behind it.
pub(crate) trait Behind: Send + Sync + 'static {
    /// Our side of the hello.
    fn hello(&self) -> client::ServerHello;

    /// Resolves once this node may coordinate requests.
    fn settled(&self) -> BoxFuture<'_, ()>;

    /// The executor, once this node serves: `Err` says why not yet, or not any more.
    fn executor(&self) -> Result<Arc<Executor>, Error>;

    /// A statement was prepared.
    fn prepared(&self, prepared: &query::Prepared, keyspace: Option<&str>, text: &str);

    /// Resolves once this node has seen this epoch. May take forever.
    fn catch_up(&self, epoch: u64) -> BoxFuture<'_, ()>;

    /// Ring, nodes and tables, now and at every change.
    fn topology(&self) -> watch::Receiver<client::Topology>;

    /// Counts a finished request.
    fn observe(&self, request: &Observed, error: Option<&Error>);

    /// Time since an arbitrary origin.
    fn monotonic(&self) -> Duration;
}

/// A request that has finished, for metrics and the log.
pub(crate) struct Observed {
    /// What it did.
    pub(crate) kind: Kind,
    /// At which level.
    pub(crate) consistency: Option<Consistency>,
    /// How long it took.
    pub(crate) took: Duration,
    /// Its name in the logs of every node that it touched.
    pub(crate) trace: u64,
}

/// What a request does, for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A SELECT.
    Read,
    /// An INSERT, UPDATE or DELETE.
    Write,
    /// A change of the schema.
    Schema,
    /// PREPARE, USE, DESCRIBE.
    Other,
}

/// The service.
pub(crate) struct ClientDoor {
    /// The node behind.
    pub(crate) behind: Arc<dyn Behind>,
    /// Draws trace ids.
    pub(crate) rng: SharedRng,
    /// Weigh the requests of all streams.
    pub(crate) scales: Scales,
}

#[tonic::async_trait]
impl client::client_server::Client for ClientDoor {
    type StreamStream = ReceiverStream<Result<client::ServerFrame, Status>>;

    async fn stream(
        &self,
        request: Request<Streaming<client::ClientFrame>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let (answers, outgoing) = mpsc::channel(ANSWERS_MAX);
        let session = Session {
            behind: Arc::clone(&self.behind),
            rng: self.rng.clone(),
            answers,
            in_hand: InHand::default(),
            scales: self.scales.of_stream(),
        };
        tokio::spawn(session.serve(request.into_inner()));
        Ok(Response::new(ReceiverStream::new(outgoing)))
    }
}

struct Session {
    behind: Arc<dyn Behind>,
    rng: SharedRng,
    answers: mpsc::Sender<Result<client::ServerFrame, Status>>,
    in_hand: InHand,
    scales: Scales,
}

impl Session {
    async fn serve(self, mut incoming: Streaming<client::ClientFrame>) {
        if !self.greet(&mut incoming).await {
            return;
        }
        loop {
            let frame = tokio::select! {
                biased;
                () = self.answers.closed() => break,
                frame = incoming.message() => frame,
            };
            let body = match frame {
                Ok(Some(client::ClientFrame { body: Some(body) })) => body,
                Ok(Some(client::ClientFrame { body: None })) => {
                    self.break_off(Code::Syntax, "a frame without a body").await;
                    break;
                }
                Ok(None) => break,
                Err(status) => {
                    self.break_off(code_of(&status), status.message()).await;
                    break;
                }
            };
            match body {
                client_frame::Body::Request(request) => {
                    if !self.start(request).await {
                        break;
                    }
                }
                client_frame::Body::Cancel(client::ClientCancel { id }) => {
                    self.in_hand.cancel(id);
                }
                client_frame::Body::Hello(_) => break,
            }
        }
    }

    async fn greet(&self, incoming: &mut Streaming<client::ClientFrame>) -> bool {
        let first = tokio::time::timeout(HELLO_TIMEOUT, incoming.message()).await;
        let Ok(Ok(Some(client::ClientFrame { body: Some(client_frame::Body::Hello(hello)) }))) =
            first
        else {
            drop(self.answers.send(Err(Status::invalid_argument("say hello first"))).await);
            return false;
        };
        if hello.protocol_version != proto::CLIENT_PROTOCOL {
            let message = format!(
                "error[HX7003]: the client speaks version {}, this node version {}",
                hello.protocol_version,
                proto::CLIENT_PROTOCOL
            );
            drop(self.answers.send(Err(Status::failed_precondition(message))).await);
            return false;
        }
        // A client that hears nothing yet goes to another node: a late hello costs it nothing.
        drop(tokio::time::timeout(SETTLE_TIMEOUT, self.behind.settled()).await);
        self.say(client::server_frame::Body::Hello(self.behind.hello())).await;
        if hello.topology {
            let (mut topology, answers) = (self.behind.topology(), self.answers.clone());
            tokio::spawn(async move {
                loop {
                    let now = topology.borrow_and_update().clone();
                    let body = Some(client::server_frame::Body::Topology(now));
                    if answers.send(Ok(client::ServerFrame { body })).await.is_err() {
                        return;
                    }
                    tokio::select! {
                        biased;
                        () = answers.closed() => return,
                        changed = topology.changed() => if changed.is_err() { return },
                    }
                }
            });
        }
        true
    }

    /// Says why the stream ends: what it carried makes no sense, and nothing after it can.
    async fn break_off(&self, code: Code, why: &str) {
        tracing::warn!(%code, why, "a client's stream was broken off");
        let status = Status::invalid_argument(format!("error[{code}]: {why}"));
        drop(self.answers.send(Err(status)).await);
    }

    async fn say(&self, body: client::server_frame::Body) {
        // A closed stream is noticed by the reader.
        drop(self.answers.send(Ok(client::ServerFrame { body: Some(body) })).await);
    }

    /// Begins a request; false when the stream makes no sense any more.
    async fn start(&self, request: client::ClientRequest) -> bool {
        let id = request.id;
        let trace = self.rng.next_u64();
        match self.in_hand.check(id) {
            Taken::Yes => {}
            Taken::Twice => return false,
            Taken::Full => {
                let text = format!("{REQUESTS_MAX} requests in hand on this stream");
                let full = Error::new(Code::Overloaded, text).retry(Retry::Safe);
                let answer = answer(id, trace, Err(full));
                self.say(client::server_frame::Body::Answer(answer)).await;
                return true;
            }
        }
        let (weight, warnings) = match self.scales.put(request.encoded_len() as u64) {
            Ok(taken) => taken,
            Err(full) => {
                let answer = answer(id, trace, Err(full));
                self.say(client::server_frame::Body::Answer(answer)).await;
                return true;
            }
        };
        let (behind, answers) = (Arc::clone(&self.behind), self.answers.clone());
        self.in_hand.run(id, async move {
            let mut answer = carry_out(&*behind, request, trace).await;
            answer.warnings.extend(warnings);
            drop(weight);
            let body = Some(client::server_frame::Body::Answer(answer));
            drop(answers.send(Ok(client::ServerFrame { body })).await);
        });
        true
    }
}

/// The kind of error that a frame that could not be read is.
fn code_of(status: &Status) -> Code {
    let too_large =
        matches!(status.code(), tonic::Code::OutOfRange | tonic::Code::ResourceExhausted);
    if too_large { Code::TooLarge } else { Code::Syntax }
}

async fn carry_out(
    behind: &dyn Behind,
    request: client::ClientRequest,
    trace: u64,
) -> client::ServerAnswer {
    let (id, begun) = (request.id, behind.monotonic());
    let consistency = match &request.body {
        Some(client::client_request::Body::Query(it)) => level(it.options.as_ref()),
        Some(client::client_request::Body::Execute(it)) => level(it.options.as_ref()),
        Some(client::client_request::Body::ExecuteMany(it)) => level(it.options.as_ref()),
        Some(
            client::client_request::Body::Prepare(_) | client::client_request::Body::Describe(_),
        )
        | None => None,
    };
    let outcome = execute(behind, request, trace).await;
    let kind = match &outcome {
        Ok(Done::Reply(Reply { outcome: Outcome::Rows(_), .. })) => Kind::Read,
        Ok(Done::Reply(Reply { outcome: Outcome::Void, .. })) => Kind::Write,
        Ok(Done::Reply(Reply { outcome: Outcome::SchemaChange { .. }, .. })) => Kind::Schema,
        Ok(Done::Reply(_) | Done::Prepared(_)) => Kind::Other,
        Err(error) if error.code == Code::WriteTimeout => Kind::Write,
        Err(error) if matches!(error.code, Code::ReadTimeout | Code::ReadFailure) => Kind::Read,
        Err(_) => Kind::Other,
    };
    let took = behind.monotonic().saturating_sub(begun);
    behind.observe(&Observed { kind, consistency, took, trace }, outcome.as_ref().err());
    answer(id, trace, outcome)
}

fn level(options: Option<&client::Options>) -> Option<Consistency> {
    Consistency::from_code(u16::try_from(options?.consistency).ok()?)
}

enum Done {
    Reply(Reply),
    Prepared(Arc<query::Prepared>),
}

async fn execute(
    behind: &dyn Behind,
    request: client::ClientRequest,
    trace: u64,
) -> Result<Done, Error> {
    use proto::client::client_request::Body;
    let executor = behind.executor()?;
    let timeout = match request.timeout_ms {
        0 => TIMEOUT_DEFAULT,
        millis => Duration::from_millis(millis.into()).min(TIMEOUT_MAX),
    };
    if tokio::time::timeout(timeout, behind.catch_up(request.epoch)).await.is_err() {
        let text = format!("this node has not seen schema epoch {} yet", request.epoch);
        return Err(Error::new(Code::NotReady, text).retry(Retry::Safe));
    }
    let keyspace = (!request.keyspace.is_empty()).then_some(request.keyspace);
    let mut row_count = None;
    let (source, values, names, options) = match request.body {
        Some(Body::Prepare(it)) => {
            let prepared = executor.prepare(&it.text, keyspace.as_deref())?;
            behind.prepared(&prepared, keyspace.as_deref(), &it.text);
            return Ok(Done::Prepared(prepared));
        }
        Some(Body::Query(it)) => {
            let values = it.values.into_iter().map(bound).collect();
            (Source::Text(it.text), values, it.names, it.options)
        }
        Some(Body::Describe(it)) => (Source::Text(it.what), Vec::new(), Vec::new(), None),
        Some(Body::Execute(it)) => {
            let values = it.values.into_iter().map(bound).collect();
            (prepared(&it.id)?, values, Vec::new(), it.options)
        }
        Some(Body::ExecuteMany(it)) => {
            row_count = Some(rows_within_limit(it.row_count)?);
            (prepared(&it.id)?, unpack(&it.cells)?, Vec::new(), it.options)
        }
        None => {
            let code = Code::Syntax;
            return Err(Error::new(code, "a request without a body"));
        }
    };
    let options = options.unwrap_or_else(|| client::Options {
        consistency: Consistency::Quorum as u32,
        ..client::Options::default()
    });
    let consistency = level(Some(&options)).ok_or_else(|| {
        let code = Code::BadBind;
        Error::new(code, format!("no consistency level has number {}", options.consistency))
    })?;
    let statement = Statement {
        source,
        keyspace,
        values,
        names: (!names.is_empty()).then_some(names),
        consistency,
        page_rows: (options.page_rows > 0).then_some(options.page_rows),
        paging_state: (!options.paging_state.is_empty()).then_some(options.paging_state),
        timestamp: options.timestamp,
        timeout,
        trace,
    };
    // The coordinator keeps the deadline too; this one catches what it does not see.
    let work = async {
        match row_count {
            Some(rows) => executor.execute_many(statement, rows).await,
            None => executor.execute(statement).await,
        }
    };
    match tokio::time::timeout(timeout + Duration::from_secs(1), work).await {
        Ok(outcome) => outcome.map(Done::Reply),
        Err(_) => {
            let code = Code::WriteTimeout;
            let late = Error::new(code, "the request did not finish in time");
            Err(late.retry(Retry::UnknownOutcome))
        }
    }
}

fn prepared(id: &[u8]) -> Result<Source, Error> {
    let id = <[u8; 16]>::try_from(id)
        .map_err(|_| Error::new(Code::Unprepared, "an id of another length"))?;
    Ok(Source::Prepared(PreparedId(id)))
}

fn rows_within_limit(rows: u32) -> Result<usize, Error> {
    if proto::EXECUTE_ROWS_MAX < rows {
        let message = format!("{rows} rows in one request, more than {}", proto::EXECUTE_ROWS_MAX);
        return Err(Error::new(Code::TooLarge, message));
    }
    Ok(rows as usize)
}

/// The values of many rows, as the protocol packs them. They share the bytes of their frame.
fn unpack(cells: &Bytes) -> Result<Vec<Bound>, Error> {
    let cut = || Error::new(Code::BadBind, "packed values are cut short");
    let (mut values, mut at) = (Vec::new(), 0);
    while at < cells.len() {
        let (length, _) = cells[at..].split_first_chunk::<4>().ok_or_else(cut)?;
        at += 4;
        values.push(match i32::from_be_bytes(*length) {
            -1 => Bound::Null,
            -2 => Bound::Unset,
            length => {
                let length = usize::try_from(length).map_err(|_| cut())?;
                let end = at.checked_add(length).filter(|end| *end <= cells.len());
                let start = std::mem::replace(&mut at, end.ok_or_else(cut)?);
                Bound::Value(cells.slice(start..at))
            }
        });
    }
    Ok(values)
}

fn bound(value: client::BoundValue) -> Bound {
    match value.kind {
        Some(client::bound_value::Kind::Value(bytes)) => Bound::Value(bytes),
        Some(client::bound_value::Kind::Unset(_)) => Bound::Unset,
        None => Bound::Null,
    }
}

fn answer(id: u64, trace: u64, outcome: Result<Done, Error>) -> client::ServerAnswer {
    let (warnings, body) = match outcome {
        Ok(Done::Reply(Reply { outcome, warnings })) => (warnings, outcome_to_wire(outcome)),
        Ok(Done::Prepared(prepared)) => (Vec::new(), Body::Prepared(prepared_to_wire(&prepared))),
        Err(error) => (Vec::new(), Body::Error(error_to_wire(error, trace))),
    };
    client::ServerAnswer { id, warnings, body: Some(body) }
}

fn outcome_to_wire(outcome: Outcome) -> Body {
    match outcome {
        Outcome::Void => Body::Void(client::Void {}),
        Outcome::Text(text) => Body::Text(client::Text { text }),
        Outcome::SetKeyspace(keyspace) => Body::SetKeyspace(client::SetKeyspace { keyspace }),
        Outcome::Rows(rows) => Body::Rows(client::Rows {
            columns: rows.columns.into_iter().map(|it| column(&it)).collect(),
            row_count: u32::try_from(rows.rows.len()).unwrap_or(u32::MAX),
            cells: cells(&rows.rows),
            paging_state: rows.paging_state.unwrap_or_default(),
        }),
        Outcome::SchemaChange { effect, target, keyspace, table, epoch } => {
            let change = match effect {
                SchemaEffect::Created => "CREATED",
                SchemaEffect::Updated => "UPDATED",
                SchemaEffect::Dropped => "DROPPED",
            };
            let target = match target {
                SchemaTarget::Keyspace => "KEYSPACE",
                SchemaTarget::Table => "TABLE",
            };
            Body::SchemaChange(client::SchemaChange {
                change: change.into(),
                target: target.into(),
                keyspace,
                name: table.unwrap_or_default(),
                epoch,
            })
        }
    }
}

fn cells(rows: &[Vec<Option<Bytes>>]) -> Bytes {
    let size = |value: &Option<Bytes>| 4 + value.as_ref().map_or(0, Bytes::len);
    let mut buffer = BytesMut::with_capacity(rows.iter().flatten().map(size).sum());
    for value in rows.iter().flatten() {
        match value {
            None => buffer.put_i32(-1),
            Some(bytes) => {
                buffer.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
                buffer.put_slice(bytes);
            }
        }
    }
    buffer.freeze()
}

fn column(spec: &ColumnSpec) -> client::ColumnSpec {
    client::ColumnSpec {
        keyspace: spec.keyspace.clone(),
        table: spec.table.clone(),
        name: spec.name.clone(),
        cql_type: spec.cql_type.to_string(),
    }
}

fn prepared_to_wire(prepared: &query::Prepared) -> client::Prepared {
    client::Prepared {
        id: Bytes::copy_from_slice(&prepared.id.0),
        parameters: prepared.variables.iter().map(column).collect(),
        columns: prepared.columns.iter().map(column).collect(),
        partition_key: prepared.partition_key.iter().map(|it| u32::from(*it)).collect(),
        idempotent: prepared.idempotent,
    }
}

fn error_to_wire(error: Error, trace: u64) -> client::Error {
    let retry = match error.retry {
        Retry::No => client::Retry::No,
        Retry::Safe => client::Retry::Safe,
        Retry::UnknownOutcome => client::Retry::UnknownOutcome,
    };
    let span = error.span.unwrap_or_default();
    let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let count = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
    let (consistency, required, received, missing) = match error.acks {
        Some(acks) => {
            (acks.consistency.name(), count(acks.required), count(acks.received), acks.missing)
        }
        None => ("", 0, 0, Vec::new()),
    };
    client::Error {
        code: error.code.to_string(),
        message: error.message,
        hint: error.hint.unwrap_or_default(),
        retry: retry.into(),
        span_start: offset(span.start),
        span_end: offset(span.end),
        consistency: consistency.into(),
        required,
        received,
        missing,
        trace,
    }
}
