//! Connections behind a trait: TCP here, a simulated network in the simulation.

mod real;

#[cfg(test)]
mod tests;

pub use real::TcpNet;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Opens and accepts connections. There are no timeouts here: callers wrap what they await in
/// `tokio::time::timeout`.
pub trait Net: Send + Sync + 'static {
    /// Connects to `addr`, a `host:port`.
    fn connect(&self, addr: &str) -> BoxFuture<'_, io::Result<Stream>>;

    /// Listens on `addr`, a `host:port`; port 0 takes a free one, which [`Listener::local_addr`]
    /// tells.
    fn listen(&self, addr: &str) -> BoxFuture<'_, io::Result<Box<dyn Listener>>>;
}

/// Accepts connections until it is dropped.
pub trait Listener: Send {
    /// The next connection and who made it. An error may concern that one connection only: go on
    /// accepting.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(Stream, SocketAddr)>>;

    /// The address that is listened on.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// What a connection is made of.
trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection: bytes both ways, and who is at the other end.
pub struct Stream {
    io: Box<dyn Io>,
    peer: SocketAddr,
}

impl Stream {
    /// Wraps any pair of byte streams; `peer` is who is at the other end.
    pub fn new(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, peer: SocketAddr) -> Self {
        Self { io: Box::new(io), peer }
    }

    /// The address at the other end.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
