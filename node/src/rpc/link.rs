//! One lane of streams to one peer: connects, says hello, carries requests, and connects again.
//!
//! A stream that closes fails its requests at once: a reader goes to the next replica long before
//! the peer is convicted.
//!
//! ```text
//! down ──connect, hello──► up ──stream closes──► down, after a pause that grows to a second
//! ```

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use coordinator::{
    replica::{Call, Error, Response},
    trace::Report,
};
use proto::peer::{self, peer_client::PeerClient, peer_frame::Body};
use sys::Net;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;

use super::{transport, wire};

/// Frames waiting to be written on one stream. Past it, callers wait, each within its deadline.
const OUTGOING_FRAMES_MAX: usize = 1024;

/// Pause between attempts to connect: grows from the first to the second.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_millis(1000);

/// How long a peer may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(2);

/// What a link tells its owner.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    /// The peer answered the hello.
    Up(peer::Hello),
    /// The stream closed.
    Down,
    /// The peer does not want us.
    Refused { code: String, message: String },
}

/// Whoever watches links: told in order for each link.
pub(crate) trait Watcher: Send + Sync + 'static {
    /// Something changed on the link to `address`.
    fn on_notice(&self, address: &str, lane: peer::Lane, notice: Notice);

    /// The peer says something to the cluster layer.
    fn on_cluster(&self, message: bytes::Bytes);

    /// What to say first on a new stream.
    fn hello(&self, lane: peer::Lane) -> peer::Hello;
}

/// Requests that wait for an answer, by id; `None` once the stream has closed.
type Pending = Arc<Mutex<Option<BTreeMap<u64, Waiting>>>>;

/// Who waits for an answer, and wants to know what it cost.
type Waiting = (oneshot::Sender<Result<Response, Error>>, Option<Report>);

/// A stream that is up.
#[derive(Clone)]
struct Live {
    outgoing: mpsc::Sender<peer::PeerFrame>,
    pending: Pending,
}

/// One lane to one peer. Dropping it stops its task.
pub(crate) struct Link {
    address: String,
    live: Arc<Mutex<Option<Live>>>,
    next_id: AtomicU64,
    task: tokio::task::AbortHandle,
}

impl Link {
    /// Starts connecting to `address` and keeps at it.
    pub(crate) fn start(
        net: Arc<dyn Net>,
        address: String,
        lane: peer::Lane,
        watcher: Arc<dyn Watcher>,
    ) -> Link {
        let live = Arc::new(Mutex::new(None));
        let task =
            tokio::spawn(keep_connected(net, address.clone(), lane, watcher, Arc::clone(&live)));
        Link { address, live, next_id: AtomicU64::new(1), task: task.abort_handle() }
    }

    /// Whether a stream is up.
    pub(crate) fn is_up(&self) -> bool {
        self.current().is_some()
    }

    /// Sends a cluster message if the stream is up and has room: the cluster layer tolerates loss.
    pub(crate) fn send_cluster(&self, message: bytes::Bytes) {
        if let Some(live) = self.current() {
            let frame = peer::PeerFrame { body: Some(Body::Cluster(message)) };
            if live.outgoing.try_send(frame).is_err() {
                tracing::debug!(peer = %self.address, "a cluster message was dropped");
            }
        }
    }

    /// Carries out one request within its timeout.
    pub(crate) async fn call(&self, call: Call) -> Result<Response, Error> {
        let live = self.current().ok_or(Error::Unreachable)?;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        match &mut *lock(&live.pending) {
            Some(pending) => drop(pending.insert(id, (sender, call.report.clone()))),
            None => return Err(Error::Unreachable),
        }
        // From here on, going away (by timeout or by drop) takes the request back.
        let withdraw = Withdraw { live: &live, id, sent: false };
        let timeout = call.timeout;
        let talk = async move {
            let mut withdraw = withdraw;
            let frame = wire::request_frame(id, &call);
            if withdraw.live.outgoing.send(frame).await.is_err() {
                return Err(Error::Unreachable);
            }
            withdraw.sent = true;
            let outcome = receiver.await.unwrap_or(Err(Error::NoAnswer));
            withdraw.sent = false;
            outcome
        };
        tokio::time::timeout(timeout, talk).await.unwrap_or(Err(Error::NoAnswer))
    }

    fn current(&self) -> Option<Live> {
        lock(&self.live).clone()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes a request back when its caller has gone away.
struct Withdraw<'a> {
    live: &'a Live,
    id: u64,
    sent: bool,
}

impl Drop for Withdraw<'_> {
    fn drop(&mut self) {
        if let Some(pending) = &mut *lock(&self.live.pending) {
            pending.remove(&self.id);
        }
        if self.sent {
            let cancel = Body::Cancel(peer::Cancel { id: self.id });
            // A full queue only means that the peer finishes work nobody waits for.
            drop(self.live.outgoing.try_send(peer::PeerFrame { body: Some(cancel) }));
        }
    }
}

async fn keep_connected(
    net: Arc<dyn Net>,
    address: String,
    lane: peer::Lane,
    watcher: Arc<dyn Watcher>,
    live: Arc<Mutex<Option<Live>>>,
) {
    let mut pause = PAUSE_MIN;
    loop {
        match open(&net, &address, lane, &*watcher).await {
            Ok((outgoing, mut incoming, hello)) => {
                pause = PAUSE_MIN;
                let pending: Pending = Arc::new(Mutex::new(Some(BTreeMap::new())));
                *lock(&live) = Some(Live { outgoing, pending: Arc::clone(&pending) });
                watcher.on_notice(&address, lane, Notice::Up(hello));
                read_answers(&mut incoming, &pending, &*watcher).await;
                *lock(&live) = None;
                let unanswered = lock(&pending).take().unwrap_or_default();
                for (waiting, _) in unanswered.into_values() {
                    drop(waiting.send(Err(Error::NoAnswer)));
                }
                watcher.on_notice(&address, lane, Notice::Down);
            }
            Err(Failure::Refused { code, message }) => {
                watcher.on_notice(&address, lane, Notice::Refused { code, message });
            }
            Err(Failure::NotThere(why)) => {
                tracing::debug!(peer = %address, ?lane, %why, "not connected");
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

enum Failure {
    Refused { code: String, message: String },
    NotThere(String),
}

type Opened = (mpsc::Sender<peer::PeerFrame>, tonic::Streaming<peer::PeerFrame>, peer::Hello);

async fn open(
    net: &Arc<dyn Net>,
    address: &str,
    lane: peer::Lane,
    watcher: &dyn Watcher,
) -> Result<Opened, Failure> {
    let gone = |status: tonic::Status| Failure::NotThere(status.message().to_owned());
    let channel = transport::connect(net, address).await.map_err(gone)?;
    let mut client = PeerClient::new(channel)
        .max_decoding_message_size(proto::PEER_FRAME_BYTES_MAX)
        .max_encoding_message_size(proto::PEER_FRAME_BYTES_MAX);
    let (outgoing, frames) = mpsc::channel(OUTGOING_FRAMES_MAX);
    let hello = peer::PeerFrame { body: Some(Body::Hello(watcher.hello(lane))) };
    drop(outgoing.try_send(hello));
    let talk = async {
        let mut incoming = client.stream(ReceiverStream::new(frames)).await?.into_inner();
        let first = incoming.message().await?;
        Ok((incoming, first))
    };
    let (incoming, first) = match tokio::time::timeout(HELLO_TIMEOUT, talk).await {
        Ok(opened) => opened.map_err(gone)?,
        Err(_) => return Err(Failure::NotThere("no hello".into())),
    };
    match first.and_then(|it| it.body) {
        Some(Body::Hello(hello)) => Ok((outgoing, incoming, hello)),
        Some(Body::Refusal(it)) => Err(Failure::Refused { code: it.code, message: it.message }),
        Some(Body::Request(_) | Body::Answer(_) | Body::Cancel(_) | Body::Cluster(_)) | None => {
            Err(Failure::NotThere("it did not begin with a hello".into()))
        }
    }
}

async fn read_answers(
    incoming: &mut tonic::Streaming<peer::PeerFrame>,
    pending: &Pending,
    watcher: &dyn Watcher,
) {
    loop {
        let frame = match incoming.message().await {
            Ok(Some(frame)) => frame,
            Ok(None) => return,
            Err(status) => {
                tracing::debug!(why = status.message(), "a peer stream closed");
                return;
            }
        };
        match frame.body {
            Some(Body::Answer(answer)) => {
                // Nobody waits any more for an answer that came too late, or twice.
                let waiting = lock(pending).as_mut().and_then(|it| it.remove(&answer.id));
                if let Some((waiting, report)) = waiting {
                    if let (Some(report), Some(work)) = (report, wire::work_from_wire(&answer)) {
                        report.get_or_init(|| work);
                    }
                    drop(waiting.send(wire::outcome_from_wire(answer)));
                }
            }
            Some(Body::Cluster(message)) => watcher.on_cluster(message),
            Some(Body::Refusal(peer::Refusal { code, message })) => {
                tracing::warn!(code, message, "a peer broke a stream off");
                return;
            }
            Some(Body::Hello(_) | Body::Request(_) | Body::Cancel(_)) | None => {
                tracing::warn!("a peer sent what belongs on a stream of its own");
                return;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
