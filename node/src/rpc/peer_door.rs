//! The door for peers: says hello, checks who comes, carries out requests on the local replica.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use coordinator::replica::{Error, Replica, Response};
use proto::{
    Message as _,
    peer::{self, Lane, peer_frame::Body},
};
use tokio::{sync::mpsc, time::Instant};
use tonic::{Request, Status, Streaming};

use super::{
    in_hand::{InHand, REQUESTS_MAX, Taken},
    weight::{Outgoing, Scales, Weighed},
    wire,
};

/// Answers waiting to be written on one stream.
const ANSWERS_MAX: usize = 1024;

/// How long a new stream may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// What the door needs of the node behind it.
pub(crate) trait Behind: Send + Sync + 'static {
    /// Whether this peer may talk to us: `Err` is a code and a message for it.
    fn admit(&self, hello: &peer::Hello) -> Result<(), (&'static str, String)>;

    /// Our own hello.
    fn hello(&self, lane: Lane) -> peer::Hello;

    /// A message for the cluster layer.
    fn on_cluster(&self, message: Bytes);

    /// Requests that take longer are logged, with the name that the coordinator gave them.
    fn slow(&self) -> Duration;

    /// Somebody opened an urgent lane: messages for this address may go back on it.
    fn on_caller(&self, address: &str, answers: mpsc::Sender<Weighed<peer::PeerFrame>>);
}

/// The service.
pub(crate) struct PeerDoor {
    /// The node behind.
    pub(crate) behind: Arc<dyn Behind>,
    /// Who carries out requests.
    pub(crate) local: Arc<dyn Replica>,
    /// Weigh the answers of all streams.
    pub(crate) scales: Scales,
}

#[tonic::async_trait]
impl peer::peer_server::Peer for PeerDoor {
    type StreamStream = Outgoing<peer::PeerFrame>;

    async fn stream(
        &self,
        request: Request<Streaming<peer::PeerFrame>>,
    ) -> Result<tonic::Response<Self::StreamStream>, Status> {
        let (answers, outgoing) = mpsc::channel(ANSWERS_MAX);
        let session = Session {
            behind: Arc::clone(&self.behind),
            local: Arc::clone(&self.local),
            answers,
            in_hand: InHand::default(),
            scales: self.scales.clone(),
        };
        tokio::spawn(session.serve(request.into_inner()));
        Ok(tonic::Response::new(Outgoing::new(outgoing)))
    }
}

struct Session {
    behind: Arc<dyn Behind>,
    local: Arc<dyn Replica>,
    answers: mpsc::Sender<Weighed<peer::PeerFrame>>,
    in_hand: InHand,
    scales: Scales,
}

impl Session {
    async fn serve(self, mut incoming: Streaming<peer::PeerFrame>) {
        let Some(address) = self.greet(&mut incoming).await else { return };
        loop {
            let frame = tokio::select! {
                biased;
                () = self.answers.closed() => break,
                frame = incoming.message() => frame,
            };
            let Ok(Some(peer::PeerFrame { body: Some(body) })) = frame else { break };
            match body {
                Body::Request(request) => {
                    if !self.start(request).await {
                        tracing::warn!(peer = %address, "a peer used one request id twice");
                        break;
                    }
                }
                Body::Cancel(peer::Cancel { id }) => {
                    self.in_hand.cancel(id);
                }
                Body::Cluster(message) => self.behind.on_cluster(message),
                Body::Hello(_) | Body::Refusal(_) | Body::Answer(_) => {
                    tracing::warn!(peer = %address, "a peer sent what has no place here");
                    break;
                }
            }
        }
    }

    async fn greet(&self, incoming: &mut Streaming<peer::PeerFrame>) -> Option<String> {
        let first = tokio::time::timeout(HELLO_TIMEOUT, incoming.message()).await;
        let Ok(Ok(Some(peer::PeerFrame { body: Some(Body::Hello(hello)) }))) = first else {
            return None;
        };
        match self.behind.admit(&hello) {
            Ok(()) => {
                let ours = Body::Hello(self.behind.hello(hello.lane()));
                self.say(ours).await;
                if hello.lane() == Lane::Urgent {
                    self.behind.on_caller(&hello.peer_addr, self.answers.clone());
                }
                Some(hello.peer_addr)
            }
            Err((code, message)) => {
                tracing::warn!(peer = %hello.peer_addr, code, %message, "a peer was refused");
                self.say(Body::Refusal(peer::Refusal { code: code.into(), message })).await;
                None
            }
        }
    }

    async fn say(&self, body: Body) {
        // A closed stream is noticed by the reader.
        drop(self.answers.send((Ok(peer::PeerFrame { body: Some(body) }), None)).await);
    }

    /// Begins a request; false when the stream makes no sense any more.
    async fn start(&self, request: peer::Request) -> bool {
        let id = request.id;
        match self.in_hand.check(id) {
            Taken::Yes => {}
            Taken::Twice => return false,
            Taken::Full => {
                let refusal = Error::Overloaded(format!("{REQUESTS_MAX} requests in hand"));
                drop(self.answers.send((Ok(wire::answer_frame(id, Err(refusal))), None)).await);
                return true;
            }
        }
        let call = match wire::call_from_wire(request) {
            Ok(call) => call,
            Err(why) => {
                let refusal = Error::Failed(format!("malformed request: {why}"));
                drop(self.answers.send((Ok(wire::answer_frame(id, Err(refusal))), None)).await);
                return true;
            }
        };
        let (local, answers) = (Arc::clone(&self.local), self.answers.clone());
        let (slow, scales) = (self.behind.slow(), self.scales.clone());
        self.in_hand.run(id, async move {
            let (timeout, trace, begun) = (call.timeout, call.trace, Instant::now());
            let outcome = tokio::time::timeout(timeout, local.call(call)).await;
            let outcome = outcome.unwrap_or(Err(Error::NoAnswer));
            if slow <= begun.elapsed() {
                let (trace, took) = (format!("{trace:016x}"), begun.elapsed().as_millis() as u64);
                tracing::warn!(trace, took_ms = took, "slow request of a coordinator");
            }
            drop(answers.send(weighed(&scales, id, outcome)).await);
        });
        true
    }
}

/// The frame of an answer: data with its weight, or the word that there is no room for it. Whatever else
/// was done is said in any case.
fn weighed(scales: &Scales, id: u64, outcome: Result<Response, Error>) -> Weighed<peer::PeerFrame> {
    let is_data = matches!(outcome, Ok(Response::Data(_)));
    let frame = wire::answer_frame(id, outcome);
    if !is_data {
        return (Ok(frame), None);
    }
    match scales.put_answer(frame.encoded_len() as u64) {
        Ok(weight) => (Ok(frame), Some(weight)),
        Err(full) => (Ok(wire::answer_frame(id, Err(Error::Overloaded(full.message)))), None),
    }
}
