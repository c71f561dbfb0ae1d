//! One node: a connection, its stream, the requests under way, and coming back when it breaks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use hyper_util::rt::TokioIo;
use proto::client as wire;
use rand::Rng as _;
use rand::rngs::SmallRng;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use wire::{client_frame, client_request, server_frame};

use crate::chance::generator;
use crate::connect::Connector;
use crate::topology::Topology;

/// Requests under way on one stream. At a millisecond each, a million a second.
const IN_FLIGHT_MAX: usize = 1024;

/// Frames that wait for the connection to take them: past it, callers wait.
const OUT_FRAMES_MAX: usize = 256;

/// A silent connection is dead after an interval and a timeout: four seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(2);

/// Flow-control windows, bytes: a few full pages under way.
const WINDOW: u32 = 4 << 20;

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What happens on links, for whoever keeps the map of the cluster.
pub(crate) enum Event {
    /// The node answered.
    Up { address: String, hello: wire::ServerHello },
    /// It could not be reached, or spoke another protocol.
    Failed { address: String, reason: String },
    /// A node told what the cluster looks like.
    Topology(Box<Topology>),
}

/// How to reach nodes.
#[derive(Clone)]
pub(crate) struct Dial {
    pub(crate) connector: Arc<dyn Connector>,
    pub(crate) connect_timeout: Duration,
    pub(crate) events: mpsc::Sender<Event>,
}

/// A request that got no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing left this process.
    NotSent(String),
    /// The connection broke behind it.
    Lost(String),
    /// The deadline passed; `sent` tells whether the request was on its way.
    Expired { sent: bool },
}

/// One node's link. Dropping it closes the connection.
pub(crate) struct Link {
    address: String,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Default)]
struct Shared {
    connection: Mutex<Option<Arc<Connection>>>,
}

impl Link {
    /// Connects in the background, and again whenever the connection breaks.
    pub(crate) fn open(address: String, dial: Dial, seed: u64) -> Link {
        let shared = Arc::new(Shared::default());
        let rng = generator(seed);
        let task = tokio::spawn(keep_connected(address.clone(), dial, Arc::clone(&shared), rng));
        Link { address, shared, task: task.abort_handle() }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn is_up(&self) -> bool {
        lock(&self.shared.connection).is_some()
    }

    /// Sends a request and waits for its answer. Dropping the future cancels it at the node.
    pub(crate) async fn call(
        &self,
        keyspace: &str,
        epoch: u64,
        traced: bool,
        body: client_request::Body,
        deadline: Instant,
    ) -> Result<wire::ServerAnswer, Failure> {
        let connection = lock(&self.shared.connection).clone();
        let connection = connection.ok_or_else(|| Failure::NotSent("not connected".to_owned()))?;
        let closed = || Failure::NotSent("the connection closed".to_owned());
        let expired = |_| Failure::Expired { sent: false };
        let room = Arc::clone(&connection.room).acquire_owned();
        let permit = timeout_at(deadline, room).await.map_err(expired)?.map_err(|_| closed())?;
        let (mut pending, answer) = connection.register(permit).ok_or_else(closed)?;
        let slot = timeout_at(deadline, connection.out.reserve()).await.map_err(expired)?;
        let left = deadline.saturating_duration_since(Instant::now());
        slot.map_err(|_| closed())?.send(frame(client_frame::Body::Request(wire::ClientRequest {
            id: pending.id,
            // A node that gives up has time left to say why: that tells more than silence.
            timeout_ms: u32::try_from((left - left / 20).as_millis()).unwrap_or(u32::MAX).max(1),
            keyspace: keyspace.to_owned(),
            epoch,
            traced,
            body: Some(body),
        })));
        pending.sent = true;
        // The answer is looked at first: one that is there counts, however late it is fetched.
        match timeout_at(deadline, answer).await {
            Ok(Ok(answer)) => {
                pending.sent = false;
                Ok(answer)
            }
            Ok(Err(_)) => {
                pending.sent = false;
                Err(Failure::Lost("the connection closed before the answer came".to_owned()))
            }
            Err(_) => Err(Failure::Expired { sent: true }),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(connection) = lock(&self.shared.connection).take() {
            connection.close();
        }
    }
}

/// One connection's requests under way.
struct Connection {
    out: mpsc::Sender<wire::ClientFrame>,
    room: Arc<Semaphore>,
    next_id: AtomicU64,
    /// None once the connection is closed.
    waiting: Mutex<Option<BTreeMap<u64, Waiting>>>,
}

struct Waiting {
    answer: oneshot::Sender<wire::ServerAnswer>,
    /// Given back as soon as the answer is here, whether anyone looks at it or not.
    _room: OwnedSemaphorePermit,
}

/// A request under way. Dropped before its answer came, it cancels the request at the node.
struct Pending {
    connection: Arc<Connection>,
    id: u64,
    sent: bool,
}

impl Connection {
    fn register(
        self: &Arc<Self>,
        room: OwnedSemaphorePermit,
    ) -> Option<(Pending, oneshot::Receiver<wire::ServerAnswer>)> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        let waiting = Waiting { answer: sender, _room: room };
        lock(&self.waiting).as_mut()?.insert(id, waiting);
        Some((Pending { connection: Arc::clone(self), id, sent: false }, receiver))
    }

    fn on_answer(&self, answer: wire::ServerAnswer) {
        let waiting = lock(&self.waiting).as_mut().and_then(|all| all.remove(&answer.id));
        if let Some(waiting) = waiting {
            // Nobody may wait any more: then the answer is of no use.
            drop(waiting.answer.send(answer));
        }
    }

    /// Fails every request under way, the oldest first.
    fn close(&self) {
        self.room.close();
        drop(lock(&self.waiting).take());
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(all) = lock(&self.connection.waiting).as_mut() {
            all.remove(&self.id);
        }
        if self.sent {
            // A full queue drops the notice: the node gives up at the deadline it was told.
            let cancel = client_frame::Body::Cancel(wire::ClientCancel { id: self.id });
            drop(self.connection.out.try_send(frame(cancel)));
        }
    }
}

/// Connects, reads until the connection breaks, pauses, and again, for ever.
async fn keep_connected(address: String, dial: Dial, shared: Arc<Shared>, mut rng: SmallRng) {
    let mut pause = PAUSE_MIN;
    loop {
        match connect(&address, &dial).await {
            Ok(opened) => {
                pause = PAUSE_MIN;
                let connection = Arc::new(opened.connection);
                *lock(&shared.connection) = Some(Arc::clone(&connection));
                let up = Event::Up { address: address.clone(), hello: opened.hello };
                if dial.events.send(up).await.is_ok() {
                    read(opened.incoming, &connection, &dial).await;
                }
                lock(&shared.connection).take();
                connection.close();
                tracing::debug!(address, "connection lost");
            }
            Err(reason) => {
                let failed = Event::Failed { address: address.clone(), reason };
                if dial.events.send(failed).await.is_err() {
                    return;
                }
            }
        }
        tokio::time::sleep(pause.mul_f64(rng.random_range(0.5..1.0))).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

struct Opened {
    connection: Connection,
    hello: wire::ServerHello,
    incoming: tonic::Streaming<wire::ServerFrame>,
}

/// A connection whose node has said hello.
async fn connect(address: &str, dial: &Dial) -> Result<Opened, String> {
    let opening = async {
        let channel = channel(address, dial).await?;
        let mut client = wire::client_client::ClientClient::new(channel)
            .max_decoding_message_size(proto::CLIENT_FRAME_BYTES_MAX)
            .max_encoding_message_size(proto::CLIENT_FRAME_BYTES_MAX);
        let (out, outgoing) = mpsc::channel(OUT_FRAMES_MAX);
        let hello = client_frame::Body::Hello(wire::ClientHello {
            protocol_version: proto::CLIENT_PROTOCOL,
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
            topology: true,
        });
        out.try_send(frame(hello)).map_err(|error| error.to_string())?;
        let stream = client.stream(ReceiverStream::new(outgoing)).await;
        let mut incoming = stream.map_err(|status| status.message().to_owned())?.into_inner();
        let first = incoming.message().await.map_err(|status| status.message().to_owned())?;
        let hello = match first.and_then(|frame| frame.body) {
            Some(server_frame::Body::Hello(hello)) => hello,
            Some(server_frame::Body::Answer(_) | server_frame::Body::Topology(_)) => {
                return Err("the node did not say hello first".to_owned());
            }
            None => return Err("the node closed the stream at once".to_owned()),
        };
        if hello.protocol_version != proto::CLIENT_PROTOCOL {
            return Err(format!(
                "the node speaks version {} of the client protocol, this client version {}",
                hello.protocol_version,
                proto::CLIENT_PROTOCOL
            ));
        }
        let connection = Connection {
            out,
            room: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
            next_id: AtomicU64::new(1),
            waiting: Mutex::new(Some(BTreeMap::new())),
        };
        Ok(Opened { connection, hello, incoming })
    };
    match timeout(dial.connect_timeout, opening).await {
        Ok(opened) => opened,
        Err(_) => Err(format!("no answer within {:?}", dial.connect_timeout)),
    }
}

async fn channel(address: &str, dial: &Dial) -> Result<tonic::transport::Channel, String> {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}"))
        .map_err(|_| "not a host:port".to_owned())?
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW);
    let connector = Arc::clone(&dial.connector);
    let target = address.to_owned();
    let connect = tower::service_fn(move |_: tonic::transport::Uri| {
        let connecting = connector.connect(&target);
        async move { connecting.await.map(TokioIo::new) }
    });
    endpoint.connect_with_connector(connect).await.map_err(|error| root_cause(&error))
}

/// The innermost reason: `connection refused` rather than `transport error`.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Hands out what the node says, until it stops.
async fn read(
    mut incoming: tonic::Streaming<wire::ServerFrame>,
    connection: &Connection,
    dial: &Dial,
) {
    while let Some(Ok(frame)) = incoming.next().await {
        match frame.body {
            Some(server_frame::Body::Answer(answer)) => connection.on_answer(answer),
            Some(server_frame::Body::Topology(topology)) => {
                let event = Event::Topology(Box::new(Topology::from(topology)));
                if dial.events.send(event).await.is_err() {
                    return;
                }
            }
            // A second hello or a frame of a later version says nothing that we need.
            Some(server_frame::Body::Hello(_)) | None => {}
        }
    }
}

fn frame(body: client_frame::Body) -> wire::ClientFrame {
    wire::ClientFrame { body: Some(body) }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
