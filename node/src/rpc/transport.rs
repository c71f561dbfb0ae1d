//! tonic over the `Net` seam: real TCP in production, simulated TCP in a simulation.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use cql_lite::code::Code;
use futures_util::{FutureExt, Stream, stream};
use hyper_util::rt::TokioIo;
use sys::{Listener, Net};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Sleep,
};
use tonic::{
    Status,
    transport::{Channel, Endpoint, Server, Uri, server::Connected},
};

/// How often an idle or silent connection is probed. A partition that swallows packets leaves TCP
/// connections that never recover: only a failed probe closes them.
pub(crate) const KEEP_ALIVE_INTERVAL: Duration = Duration::from_millis(1000);

/// How long a probe may take before the connection counts as dead.
pub(crate) const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_millis(1500);

/// How long connecting to a peer may take.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);

/// Streams that one connection may hold open: a peer needs three, a client one.
const STREAMS_PER_CONNECTION_MAX: u32 = 64;

/// How long a new connection may take to say its first words: one that says nothing holds a place.
const FIRST_WORDS_TIMEOUT: Duration = Duration::from_secs(10);

/// The words that every HTTP/2 connection begins with, bytes.
const FIRST_WORDS: usize = 24;

/// HTTP/2 flow-control windows, bytes: a page of a read fits without a round trip.
const WINDOW_BYTES: u32 = 4 << 20;

/// Before accepting is tried again after it failed: out of file descriptors it would fail as fast, for ever.
pub(crate) const ACCEPT_RETRY: Duration = Duration::from_millis(10);

/// An accepted connection, as tonic wants it.
pub(crate) struct Accepted {
    stream: sys::Stream,
    /// Bytes of the first words that are still to come, and until when.
    silent: Option<(usize, Pin<Box<Sleep>>)>,
    // Whoever waits in the backlog comes in when this connection is gone.
    _place: OwnedSemaphorePermit,
}

impl Connected for Accepted {
    type ConnectInfo = SocketAddr;

    fn connect_info(&self) -> SocketAddr {
        self.stream.peer_addr()
    }
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some((missing, deadline)) = &mut self.silent {
            let came = buffer.filled().len() - before;
            if *missing <= came {
                self.silent = None;
            } else {
                *missing -= came;
                if deadline.as_mut().poll(context).is_ready() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
            }
        }
        read
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// The connections that `listener` accepts, for ever: `most` at once, further ones wait in the backlog. An error
/// of one connection is skipped.
pub(crate) fn incoming(
    listener: Box<dyn Listener>,
    most: usize,
) -> impl Stream<Item = io::Result<Accepted>> + Send {
    let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
    stream::unfold((listener, places), |(mut listener, places)| async move {
        let _place = Arc::clone(&places).acquire_owned().await.ok()?;
        let stream = accept(&mut *listener).await;
        let deadline = Box::pin(tokio::time::sleep(FIRST_WORDS_TIMEOUT));
        let silent = Some((FIRST_WORDS, deadline));
        Some((Ok(Accepted { stream, silent, _place }), (listener, places)))
    })
}

/// The next connection. Errors are told once for each time that they go on.
pub(crate) async fn accept(listener: &mut dyn Listener) -> sys::Stream {
    let mut failed = 0_u64;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if failed > 0 {
                    tracing::info!(failed, "connections are accepted again");
                }
                return stream;
            }
            Err(error) => {
                if failed == 0 {
                    tracing::warn!(%error, "connections cannot be accepted: they wait");
                }
                failed += 1;
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// A gRPC server with the limits of this house: bounded streams, keep-alive both ways.
pub(crate) fn server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .max_concurrent_streams(Some(STREAMS_PER_CONNECTION_MAX))
        .initial_stream_window_size(Some(WINDOW_BYTES))
        .initial_connection_window_size(Some(WINDOW_BYTES))
        .http2_max_header_list_size(Some(16 << 10))
}

/// Connects to a peer's gRPC door.
pub(crate) async fn connect(net: &Arc<dyn Net>, address: &str) -> Result<Channel, Status> {
    let net = Arc::clone(net);
    let address: Arc<str> = address.into();
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| Status::invalid_argument(error.to_string()))?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES);
    let connector = tower::service_fn(move |_: Uri| {
        let (net, address) = (Arc::clone(&net), Arc::clone(&address));
        async move { net.connect(&address).await.map(TokioIo::new) }.boxed()
    });
    let connecting = endpoint.connect_with_connector(connector);
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected.map_err(|error| Status::unavailable(cause(&error))),
        Err(_) => Err(Status::unavailable("connecting took too long")),
    }
}

/// What an error comes from at last, in words: what lies above only says that something failed.
fn cause(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |it| it.source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

/// The kind of error that a message was which could not be read; `None` where nothing came that could be one, as
/// when a connection breaks.
pub(crate) fn fault_of(status: &Status) -> Option<Code> {
    match status.code() {
        tonic::Code::OutOfRange | tonic::Code::ResourceExhausted => Some(Code::TooLarge),
        // Not protobuf, cut short, or compressed.
        tonic::Code::Internal | tonic::Code::InvalidArgument | tonic::Code::Unimplemented => {
            Some(Code::BadMessage)
        }
        tonic::Code::Ok
        | tonic::Code::Cancelled
        | tonic::Code::Unknown
        | tonic::Code::DeadlineExceeded
        | tonic::Code::NotFound
        | tonic::Code::AlreadyExists
        | tonic::Code::PermissionDenied
        | tonic::Code::FailedPrecondition
        | tonic::Code::Aborted
        | tonic::Code::Unavailable
        | tonic::Code::DataLoss
        | tonic::Code::Unauthenticated => None,
    }
}

/// hyper stamps every answer with the wall clock unless a date is there: a fixed one keeps the
/// bytes of a simulated run equal, and nobody reads it.
pub(crate) fn fix_date<B>(mut response: http::Response<B>) -> http::Response<B> {
    let date = http::HeaderValue::from_static("Thu, 01 Jan 1970 00:00:00 GMT");
    response.headers_mut().insert(http::header::DATE, date);
    response
}

#[cfg(test)]
mod tests;
