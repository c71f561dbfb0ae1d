//! turmoil's network behind the seam of the nodes and the connector of the clients.
//!
//! ```text
//! node ── Tapped (peer doors only: messages, see `wire`) ── Recorded (bytes into the trace) ── turmoil
//! ```

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use sys::{Listener, Net, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::{TcpListener, TcpStream};

use crate::http2::{Cutter, Piece, put_messages};
use crate::trace::Trace;
use crate::wire::{Fate, Link, Wire};

/// The port behind which peers talk.
pub const PEER_PORT: u16 = 7000;

/// The port behind which clients are served.
pub const CLIENT_PORT: u16 = 9044;

/// Bytes that a tap holds back at most before its writer waits.
const HELD_MAX: usize = 1 << 20;

/// Bytes that a tap reads at once.
const READ_BYTES: usize = 16 << 10;

/// A node's network.
#[derive(Clone)]
pub struct SimNet {
    host: Arc<str>,
    wire: Wire,
    sockets: Sockets,
}

impl SimNet {
    /// The network as `host` sees it.
    pub fn new(host: &str, wire: Wire, sockets: Sockets) -> Self {
        Self { host: host.into(), wire, sockets }
    }
}

impl Net for SimNet {
    fn connect(&self, addr: &str) -> BoxFuture<'_, io::Result<Stream>> {
        let addr = addr.to_owned();
        async move {
            let stream = TcpStream::connect(addr.as_str()).await?;
            let peer = stream.peer_addr()?;
            let name = addr.split(':').next().unwrap_or_default();
            let link = self.wire.link(&self.host, name);
            let recorded = Recorded::new(stream, &self.sockets)?;
            Ok(if peer.port() == PEER_PORT {
                Stream::new(Tapped::new(recorded, link, self.wire.clone()), peer)
            } else {
                Stream::new(recorded, peer)
            })
        }
        .boxed()
    }

    fn listen(&self, addr: &str) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        let addr = addr.to_owned();
        async move {
            let listener = TcpListener::bind(addr.as_str()).await?;
            let sockets = self.sockets.clone();
            Ok(Box::new(SimListener { listener, sockets }) as Box<dyn Listener>)
        }
        .boxed()
    }
}

struct SimListener {
    listener: TcpListener,
    sockets: Sockets,
}

impl Listener for SimListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Stream, SocketAddr)>> {
        async move {
            let (stream, peer) = self.listener.accept().await?;
            Ok((Stream::new(Recorded::new(stream, &self.sockets)?, peer), peer))
        }
        .boxed()
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// How a client reaches nodes: all of them, or one only.
#[derive(Clone)]
pub struct SimConnector {
    /// The one node that it reaches; none: all.
    pub only: Option<String>,
    /// All connections there are.
    pub sockets: Sockets,
}

impl client::Connector for SimConnector {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn client::Io>>> {
        let (this, address) = (self.clone(), address.to_owned());
        async move {
            let name = address.split(':').next().unwrap_or_default();
            if this.only.as_ref().is_some_and(|only| only != name) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let stream = TcpStream::connect(address.as_str()).await?;
            let io: Box<dyn client::Io> = Box::new(Recorded::new(stream, &this.sockets)?);
            Ok(io)
        }
        .boxed()
    }
}

/// All connections of a world. A clone is the same.
///
/// When a host dies, turmoil closes its connections in an order that differs between two runs, so
/// it is cut off first; whether its peers hear of its end is decided here.
#[derive(Clone)]
pub struct Sockets {
    all: Arc<Mutex<BTreeMap<u64, Socket>>>,
    count: Counter,
    trace: Trace,
}

struct Socket {
    remote: IpAddr,
    reset: bool,
    reader: Option<Waker>,
}

impl Sockets {
    /// None yet. What is written on one goes into `trace`.
    pub fn new(trace: Trace) -> Self {
        Self { all: Arc::default(), count: Counter::default(), trace }
    }

    /// Breaks every connection to `remote`, as its machine does when a process ends.
    pub fn reset(&self, remote: IpAddr) {
        for socket in self.lock().values_mut().filter(|it| it.remote == remote) {
            socket.reset = true;
            if let Some(reader) = socket.reader.take() {
                reader.wake();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Socket>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection whose written bytes go into the trace.
struct Recorded {
    stream: TcpStream,
    id: u64,
    sockets: Sockets,
}

impl Recorded {
    fn new(stream: TcpStream, sockets: &Sockets) -> io::Result<Self> {
        let id = sockets.count.next();
        let remote = stream.peer_addr()?.ip();
        sockets.lock().insert(id, Socket { remote, reset: false, reader: None });
        Ok(Self { stream, id, sockets: sockets.clone() })
    }

    /// An error once the connection was broken; else whoever reads is woken when it is.
    fn check(&self, reader: Option<&Waker>) -> io::Result<()> {
        match self.sockets.lock().get_mut(&self.id) {
            Some(socket) if !socket.reset => {
                if let Some(reader) = reader {
                    socket.reader = Some(reader.clone());
                }
                Ok(())
            }
            Some(_) | None => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.sockets.lock().remove(&self.id);
    }
}

impl AsyncRead for Recorded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(Some(cx.waker()))?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(None)?;
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        self.sockets.trace.bytes(self.id, &buf[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The dialer's end of a connection between nodes, where single messages can be seen.
struct Tapped {
    io: Recorded,
    link: Link,
    wire: Wire,
    /// What the dialer wrote: cut, and on its way out.
    asked: Cutter,
    outgoing: BytesMut,
    /// What the peer wrote: cut, and on its way in.
    answered: Cutter,
    incoming: BytesMut,
    /// The peer will say no more.
    ended: bool,
    reader: Option<Waker>,
}

impl Tapped {
    fn new(io: Recorded, link: Link, wire: Wire) -> Self {
        Self {
            io,
            link,
            wire,
            asked: Cutter::default(),
            outgoing: BytesMut::new(),
            answered: Cutter::default(),
            incoming: BytesMut::new(),
            ended: false,
            reader: None,
        }
    }

    fn pass_out(&mut self, bytes: &[u8]) {
        self.asked.push(bytes);
        while let Some(piece) = self.asked.next_piece() {
            let before = self.incoming.len();
            let (out, back) = (&mut self.outgoing, &mut self.incoming);
            pass(piece, out, back, |message, free| self.wire.asks(&self.link, message, free));
            if self.incoming.len() != before
                && let Some(reader) = self.reader.take()
            {
                reader.wake();
            }
        }
    }

    fn pass_in(&mut self, bytes: &[u8]) {
        self.answered.push(bytes);
        while let Some(piece) = self.answered.next_piece() {
            let (out, back) = (&mut self.incoming, &mut self.outgoing);
            pass(piece, out, back, |message, free| self.wire.answers(&self.link, message, free));
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.outgoing))?;
            self.outgoing.advance(written);
        }
        Poll::Ready(Ok(()))
    }
}

/// Passes a piece on as each of its messages deserves.
fn pass(piece: Piece, on: &mut BytesMut, back: &mut BytesMut, fate: impl Fn(&Bytes, bool) -> Fate) {
    let (whole, frame, stream, flags, messages) = match piece {
        Piece::Opaque(bytes) => return on.extend_from_slice(&bytes),
        Piece::Messages { whole, frame, stream, flags, messages } => {
            (whole, frame, stream, flags, messages)
        }
    };
    let mut arriving = Vec::new();
    for message in &messages {
        match fate(message, whole) {
            Fate::Times(times) => arriving.extend(std::iter::repeat_n(message.clone(), times)),
            Fate::Answered(answer) => put_messages(back, stream, 0, &[answer]),
        }
    }
    if !whole || arriving == messages {
        on.extend_from_slice(&frame);
    } else if !arriving.is_empty() || flags != 0 {
        put_messages(on, stream, flags, &arriving);
    }
}

impl AsyncRead for Tapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        while this.incoming.is_empty() && !this.ended {
            let mut space = [0; READ_BYTES];
            let mut read = ReadBuf::new(&mut space);
            if Pin::new(&mut this.io).poll_read(cx, &mut read)?.is_pending() {
                this.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            this.ended = read.filled().is_empty();
            let bytes = Bytes::copy_from_slice(read.filled());
            this.pass_in(&bytes);
        }
        let count = this.incoming.len().min(buf.remaining());
        buf.put_slice(&this.incoming.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let drained = self.poll_drain(cx)?;
        if drained.is_pending() && HELD_MAX < self.outgoing.len() {
            return Poll::Pending;
        }
        self.pass_out(buf);
        // What cannot be written yet is written by the flush that follows every write.
        let _ = self.poll_drain(cx)?;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Numbers for whatever needs one of its own within a run.
#[derive(Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// The next number, from one.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }
}
