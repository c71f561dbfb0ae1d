//! The door for the client crate: a stream of requests with ids, answered out of order.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use cql_lite::code::Code;
use futures_util::future::BoxFuture;
use model::Consistency;
use proto::{
    Message as _,
    client::{self, client_frame},
};
use query::{Error, Executor, PreparedId, Reply, Request as Statement, Retry, Source};
use sys::SharedRng;
use tokio::sync::{mpsc, watch};
use tonic::{Request, Response, Status, Streaming};

use super::{
    client_wire::{answer, bound, trace_to_wire, unpack},
    in_hand::{InHand, REQUESTS_MAX, Taken},
    transport,
    weight::{Outgoing, Scales, Weighed, Weight},
};
use crate::metrics::Kind;

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
    type StreamStream = Outgoing<client::ServerFrame>;

    async fn stream(
        &self,
        request: Request<Streaming<client::ClientFrame>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let (answers, outgoing) = mpsc::channel(ANSWERS_MAX);
        // What every connection that was accepted says of itself.
        let address = request.extensions().get::<SocketAddr>().map(SocketAddr::ip);
        let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let session = Session {
            behind: Arc::clone(&self.behind),
            rng: self.rng.clone(),
            answers,
            in_hand: InHand::default(),
            scales: self.scales.of_stream(address),
        };
        tokio::spawn(session.serve(request.into_inner()));
        Ok(Response::new(Outgoing::new(outgoing)))
    }
}

struct Session {
    behind: Arc<dyn Behind>,
    rng: SharedRng,
    answers: mpsc::Sender<Weighed<client::ServerFrame>>,
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
                    self.break_off(Code::BadMessage, "a frame without a body").await;
                    break;
                }
                Ok(None) => break,
                Err(status) => {
                    if let Some(code) = transport::fault_of(&status) {
                        self.break_off(code, status.message()).await;
                    }
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
                client_frame::Body::Hello(_) => {
                    self.break_off(Code::BadMessage, "a second hello").await;
                    break;
                }
            }
        }
    }

    async fn greet(&self, incoming: &mut Streaming<client::ClientFrame>) -> bool {
        let first = tokio::time::timeout(HELLO_TIMEOUT, incoming.message()).await;
        let hello = match first {
            Ok(Ok(Some(client::ClientFrame { body: Some(client_frame::Body::Hello(it)) }))) => it,
            Ok(Err(status)) => {
                if let Some(code) = transport::fault_of(&status) {
                    self.break_off(code, status.message()).await;
                }
                return false;
            }
            Ok(Ok(_)) | Err(_) => {
                self.break_off(Code::BadMessage, "a stream begins with a hello").await;
                return false;
            }
        };
        if hello.protocol_version != proto::CLIENT_PROTOCOL {
            let message = format!(
                "error[HX7003]: the client speaks version {}, this node version {}",
                hello.protocol_version,
                proto::CLIENT_PROTOCOL
            );
            drop(self.answers.send((Err(Status::failed_precondition(message)), None)).await);
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
                    if answers.send((Ok(client::ServerFrame { body }), None)).await.is_err() {
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
        drop(self.answers.send((Err(status), None)).await);
    }

    async fn say(&self, body: client::server_frame::Body) {
        // A closed stream is noticed by the reader.
        drop(self.answers.send((Ok(client::ServerFrame { body: Some(body) }), None)).await);
    }

    /// Begins a request; false when the stream makes no sense any more.
    async fn start(&self, request: client::ClientRequest) -> bool {
        let id = request.id;
        let trace = self.rng.next_u64();
        match self.in_hand.check(id) {
            Taken::Yes => {}
            Taken::Twice => {
                self.break_off(Code::BadMessage, "the id of a request that is in hand").await;
                return false;
            }
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
        let scales = self.scales.clone();
        self.in_hand.run(id, async move {
            let mut answer = carry_out(&*behind, request, trace).await;
            answer.warnings.extend(warnings);
            drop(weight);
            let (answer, weight) = weigh(&scales, answer, trace);
            let body = Some(client::server_frame::Body::Answer(answer));
            drop(answers.send((Ok(client::ServerFrame { body }), weight)).await);
        });
        true
    }
}

/// Puts rows on the scales, and says that there is no room for them where there is none: they may be
/// read again. Whatever else was done is said in any case.
fn weigh(
    scales: &Scales,
    had: client::ServerAnswer,
    trace: u64,
) -> (client::ServerAnswer, Option<Weight>) {
    if !matches!(had.body, Some(client::server_answer::Body::Rows(_))) {
        return (had, None);
    }
    match scales.put_answer(had.encoded_len() as u64) {
        Ok(weight) => (had, Some(weight)),
        Err(full) => (answer(had.id, trace, Err(full)), None),
    }
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
    let tracing = match behind.executor() {
        Ok(executor) if request.traced => executor.traces().begin(trace),
        Ok(_) | Err(_) => None,
    };
    let outcome = execute(behind, request, trace).await;
    let kind = match &outcome {
        Ok(Done::Reply(reply)) => Kind::of(&reply.outcome),
        Ok(Done::Prepared(_)) => Kind::Other,
        Err(error) => Kind::of_failed(error),
    };
    let took = behind.monotonic().saturating_sub(begun);
    behind.observe(&Observed { kind, consistency, took, trace }, outcome.as_ref().err());
    let mut answer = answer(id, trace, outcome);
    answer.trace = tracing.map(|it| trace_to_wire(trace, it.finish()));
    answer
}

fn level(options: Option<&client::Options>) -> Option<Consistency> {
    Consistency::from_code(u16::try_from(options?.consistency).ok()?)
}

pub(super) enum Done {
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
    let keyspace: Option<Arc<str>> =
        (!request.keyspace.is_empty()).then(|| request.keyspace.into());
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
        None => return Err(Error::new(Code::BadMessage, "a request without a body")),
    };
    let options = options.unwrap_or_else(|| client::Options {
        consistency: Consistency::Quorum as u32,
        ..client::Options::default()
    });
    let consistency = known_level(&options)?;
    let statement = Statement {
        source,
        keyspace,
        values,
        names: (!names.is_empty()).then_some(names),
        consistency,
        page_rows: (options.page_rows > 0).then_some(options.page_rows),
        paging_state: (!options.paging_state.is_empty()).then_some(options.paging_state),
        whole: false,
        timestamp: options.timestamp,
        now_seconds: None,
        timeout: Some(timeout),
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

fn known_level(options: &client::Options) -> Result<Consistency, Error> {
    level(Some(options)).ok_or_else(|| {
        let message = format!("no consistency level has number {}", options.consistency);
        Error::new(Code::BadBind, message)
    })
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
