//! One connection: all that a wake-up brings is read, its requests run at the same time, and what
//! is ready of their answers goes out with one write.
//!
//! Everything is bounded. Past so many requests in hand, or so many bytes of answers that the peer
//! does not take, nothing further is read: TCP tells the peer. Past so many bytes that all peers
//! together do not take, that holds for each connection where some wait. Who begins an envelope and
//! does not end it, or takes no answers, is let go of after a while; who is idle may stay.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use bytes::{Buf, BytesMut};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, pending},
    stream::FuturesUnordered,
};
use proto::{
    CQL_BODY_BYTES_MAX,
    cql::{
        Version,
        error::{Body, Error as WireError},
        event::Event,
        header::Foreign,
        inbound::{Fatal, Inbound, Item},
        outbound::{Answer, Outbound},
        response::Response,
    },
};
use sys::SharedRng;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    sync::broadcast::{self, error::RecvError},
    time::{Instant, Sleep},
};

use super::{
    clients::Connected,
    door::Behind,
    session::{Change, Done, Session},
    untaken::Untaken,
};
use crate::rpc::weight::Scales;

/// Requests in hand at once: further ones stay unread.
pub(crate) const REQUESTS_MAX: usize = 4096;

/// Bytes of answers that wait for the peer to take them: past it, no request is read.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Room for what is read at once; a connection that is idle keeps less.
const READ_BYTES: usize = 64 << 10;
const READ_BYTES_IDLE: usize = 2 << 10;

/// How long a new connection may take to be ready for requests.
const STARTUP_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an envelope may take to come, or answers to be taken: each [`PROGRESS_BYTES`] of them.
const STALLED_TIMEOUT: Duration = Duration::from_secs(30);

/// What counts as having moved, where it is not the end: a byte now and then does not.
const PROGRESS_BYTES: usize = 64 << 10;

/// How long what is in hand may take when this node drains.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The network's doing.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What came makes no sense; the peer was told.
    #[error("{0}")]
    Fatal(#[from] Fatal),
    /// It did not become ready in time.
    #[error("no STARTUP within {} s", STARTUP_TIMEOUT.as_secs())]
    Silent,
    /// It stood still in the middle.
    #[error("nothing moved for {} s", STALLED_TIMEOUT.as_secs())]
    Stalled,
}

/// A connection and what it has in hand.
pub(super) struct Connection {
    session: Session,
    inbound: Inbound,
    outbound: Outbound,
    running: FuturesUnordered<BoxFuture<'static, Done>>,
    /// What came and was not taken apart yet.
    incoming: BytesMut,
    /// What was not taken by the peer yet.
    outgoing: BytesMut,
    /// How much that is, beside what others did not take.
    untaken: Untaken,
    events: Option<broadcast::Receiver<Event>>,
    /// No request is read any more: what is in hand is answered, then it ends.
    closing: bool,
    /// When it is let go of, unless something moves.
    deadline: Instant,
    /// Bytes read and written since the deadline was set.
    progress: usize,
}

/// What woke a connection.
enum Woken {
    Read(usize),
    Wrote(usize),
    Done(Done),
    Event(Result<Event, RecvError>),
    Draining,
    Late,
}

impl Connection {
    pub(super) fn new(
        behind: Arc<dyn Behind>,
        rng: SharedRng,
        scales: Scales,
        untaken: Untaken,
        client: Connected,
    ) -> Connection {
        Connection {
            session: Session::new(behind, rng, scales, client),
            inbound: Inbound::new(CQL_BODY_BYTES_MAX),
            outbound: Outbound::default(),
            running: FuturesUnordered::new(),
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            untaken,
            events: None,
            closing: false,
            deadline: Instant::now() + STARTUP_TIMEOUT,
            progress: 0,
        }
    }

    /// Serves it to its end.
    pub(super) async fn serve(mut self, stream: sys::Stream) -> Result<(), Ended> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let behind = self.session.behind();
        let mut draining = Some(behind.draining());
        // Set again only when it is over, since the deadline moves with every byte.
        let mut timer = std::pin::pin!(tokio::time::sleep_until(self.deadline));
        while !(self.closing && self.running.is_empty() && self.outgoing.is_empty()) {
            let (was_amid, had_answers) = (self.is_amid(), !self.outgoing.is_empty());
            match self.wake(&mut reader, &mut writer, &mut draining, timer.as_mut()).await? {
                Woken::Read(0) => {
                    // Half closed or gone: what is in hand is answered to whoever still reads.
                    self.closing = true;
                }
                Woken::Read(bytes) => {
                    self.take_requests();
                    self.moved(bytes, !was_amid || !self.is_amid());
                }
                Woken::Wrote(bytes) => {
                    self.wrote(bytes)?;
                    // Requests that were held back for it.
                    self.take_requests();
                }
                Woken::Done(done) => {
                    self.finish(done);
                    self.take_requests();
                }
                Woken::Event(Ok(event)) => self.tell(event),
                // Some were missed: a client that connects anew looks at everything.
                Woken::Event(Err(_)) => self.closing = true,
                Woken::Draining => {
                    (draining, self.closing) = (None, true);
                    self.deadline = Instant::now() + DRAIN_TIMEOUT;
                    timer.as_mut().reset(self.deadline);
                }
                Woken::Late => {
                    if self.deadline <= Instant::now() {
                        self.check_late()?;
                    }
                    timer.as_mut().reset(self.deadline);
                }
            }
            // Answers have as long as they need from now on, not from when it was idle.
            if !had_answers && !self.outgoing.is_empty() {
                self.moved(0, true);
                // Where none can join them they go now, and mostly the peer takes all of them.
                if self.running.is_empty()
                    && let Some(wrote) = writer.write(&self.outgoing).now_or_never()
                {
                    self.wrote(wrote?)?;
                    // Requests that were held back for it.
                    if self.is_amid() {
                        self.take_requests();
                    }
                }
            }
        }
        // The peer sees the end behind the last answer.
        let _ = tokio::time::timeout(STALLED_TIMEOUT, writer.shutdown()).await;
        if self.is_amid() {
            linger(&mut reader).await;
        }
        Ok(())
    }

    async fn wake(
        &mut self,
        reader: &mut ReadHalf<sys::Stream>,
        writer: &mut WriteHalf<sys::Stream>,
        draining: &mut Option<BoxFuture<'_, ()>>,
        timer: Pin<&mut Sleep>,
    ) -> io::Result<Woken> {
        let has_room = self.has_room();
        let may_read = !self.closing && self.running.len() < REQUESTS_MAX && has_room;
        if may_read {
            let idle = self.running.is_empty() && self.incoming.is_empty();
            let room = if idle { READ_BYTES_IDLE } else { READ_BYTES };
            if self.incoming.capacity() - self.incoming.len() < room {
                self.incoming.reserve(room);
            }
        }
        let event = async {
            match &mut self.events {
                Some(events) => events.recv().await,
                None => pending().await,
            }
        };
        let drained = async {
            match draining {
                Some(draining) => draining.await,
                None => pending().await,
            }
        };
        // Answers first: whoever waits for one is further than whoever asks.
        let woken = tokio::select! {
            biased;
            // What is not taken holds back what would come behind it.
            Some(done) = self.running.next(), if has_room && !self.running.is_empty() => {
                Woken::Done(done)
            }
            wrote = writer.write(&self.outgoing), if !self.outgoing.is_empty() => {
                Woken::Wrote(wrote?)
            }
            event = event => Woken::Event(event),
            read = reader.read_buf(&mut self.incoming), if may_read => Woken::Read(read?),
            () = drained => Woken::Draining,
            () = timer => Woken::Late,
        };
        Ok(woken)
    }

    /// Takes apart what came, as far as there is room for its requests.
    fn take_requests(&mut self) {
        let mut taken = 0;
        while !self.closing && self.running.len() < REQUESTS_MAX && self.has_room() {
            match self.inbound.next(&mut self.incoming) {
                Ok(Some(Item::Envelope(header, body))) => {
                    taken += 1;
                    let work = self.session.begin(header, body);
                    // What is answered without waiting is answered at once.
                    match work {
                        Ok(done) => self.finish(done),
                        Err(work) => self.running.push(work),
                    }
                }
                Ok(Some(Item::TooLarge(header))) => {
                    let answer = too_large(header.stream, header.length);
                    self.push(&answer, header.version);
                }
                Ok(None) => break,
                Err(fatal) => self.refuse(fatal),
            }
        }
        self.collect();
        self.session.client().asked(taken, self.running.len());
    }

    /// Takes all answers that are ready, to go with the same write.
    fn collect(&mut self) {
        while self.has_room()
            && let Some(Some(done)) = self.running.next().now_or_never()
        {
            self.finish(done);
        }
        self.outbound.finish(&mut self.outgoing);
    }

    /// Whether one more answer may wait for the peer.
    fn has_room(&mut self) -> bool {
        self.untaken.set(self.outgoing.len());
        self.outgoing.len() < ANSWER_BYTES_MAX && self.untaken.has_room()
    }

    fn finish(&mut self, done: Done) {
        let Done { answer, version, change } = done;
        self.push(&answer, version);
        match change {
            None => {}
            Some(Change::Keyspace(keyspace)) => self.session.use_keyspace(keyspace),
            Some(Change::Events(events)) => {
                self.events.get_or_insert(events);
            }
            Some(Change::Started(framing)) => {
                // The answer to STARTUP itself still goes as everything did before.
                self.outbound.finish(&mut self.outgoing);
                self.outbound.switch(framing);
                self.inbound.switch(framing);
                self.moved(0, true);
            }
            Some(Change::Close) => self.closing = true,
        }
    }

    fn push(&mut self, answer: &Answer, version: Version) {
        self.outbound.push(answer, version, &mut self.outgoing);
    }

    fn tell(&mut self, event: Event) {
        if let Some(version) = self.session.wants(&event) {
            self.push(&Answer::new(-1, Response::Event(event)), version);
            self.outbound.finish(&mut self.outgoing);
        }
    }

    /// Says what is wrong, in the highest version that it may understand, and ends.
    fn refuse(&mut self, fatal: Fatal) {
        let stream = match &fatal {
            Fatal::Version(Foreign { stream, .. }) => *stream,
            Fatal::Malformed(stream, _) => stream.unwrap_or_default(),
        };
        let error = WireError::new(Body::Protocol, fatal.to_string());
        let version = self.session.version().unwrap_or(Version::HIGHEST);
        self.push(&Answer::new(stream, Response::Error(error)), version);
        self.outbound.finish(&mut self.outgoing);
        tracing::debug!(why = %fatal, "a native connection was refused");
        self.closing = true;
    }

    /// The peer took so many bytes.
    fn wrote(&mut self, bytes: usize) -> io::Result<()> {
        if bytes == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.outgoing.advance(bytes);
        self.moved(bytes, self.outgoing.is_empty());
        Ok(())
    }

    /// Whether an envelope has begun to come that is not whole.
    fn is_amid(&self) -> bool {
        self.inbound.is_amid() || !self.incoming.is_empty()
    }

    /// Something moved, perhaps to its end: the time that standing still may take begins again.
    fn moved(&mut self, bytes: usize, is_end: bool) {
        self.progress += bytes;
        let has_moved = is_end || PROGRESS_BYTES <= self.progress;
        if has_moved && self.session.version().is_some() && !self.closing {
            self.deadline = Instant::now() + STALLED_TIMEOUT;
            self.progress = 0;
        }
    }

    /// The deadline has come: it ends what stands still, and nothing else.
    fn check_late(&mut self) -> Result<(), Ended> {
        if self.session.version().is_none() {
            return Err(Ended::Silent);
        }
        // What is held back for its own requests does not stand still.
        let held_back = REQUESTS_MAX <= self.running.len();
        if self.closing || !self.outgoing.is_empty() || (self.is_amid() && !held_back) {
            return Err(Ended::Stalled);
        }
        // It is idle: it keeps no room for more.
        if self.running.is_empty() {
            (self.incoming, self.outgoing) = (BytesMut::new(), BytesMut::new());
        }
        self.deadline = Instant::now() + STALLED_TIMEOUT;
        self.progress = 0;
        Ok(())
    }
}

/// Closing a connection with unread bytes resets it, and the peer may never see the last answer:
/// they are read for a moment, and forgotten.
async fn linger(reader: &mut ReadHalf<sys::Stream>) {
    let until = Instant::now() + LINGER;
    let mut bytes = [0; 512];
    while let Ok(Ok(1..)) = tokio::time::timeout_at(until, reader.read(&mut bytes)).await {}
}

/// How long a connection that is done reads on.
const LINGER: Duration = Duration::from_secs(1);

fn too_large(stream: i16, length: i32) -> Answer {
    let message = format!(
        "error[{}]: a request of {length} bytes is larger than {CQL_BODY_BYTES_MAX}",
        cql_lite::code::Code::TooLarge
    );
    Answer::new(stream, Response::Error(WireError::new(Body::Invalid, message)))
}
