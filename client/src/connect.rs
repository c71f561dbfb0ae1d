//! What the outside world gives a session: connections and the time of day.

use std::io;
use std::time::SystemTime;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

/// What a connection is made of: bytes both ways.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// Opens connections. [`TcpConnector`] in production; a simulation brings its own.
pub trait Connector: Send + Sync + 'static {
    /// Connects to a `host:port`. The session limits how long it waits.
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Io>>>;
}

/// Tells the time of day, for the timestamps of writes. Durations are measured by tokio.
pub trait Clock: Send + Sync + 'static {
    /// Microseconds since 1970 UTC. May jump in both directions.
    fn wall_micros(&self) -> i64;
}

/// Connects over TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpConnector;

impl Connector for TcpConnector {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Io>>> {
        let address = address.to_owned();
        Box::pin(async move {
            #[expect(clippy::disallowed_types, reason = "this is the real connector")]
            let stream = tokio::net::TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            let io: Box<dyn Io> = Box::new(stream);
            Ok(io)
        })
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall_micros(&self) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "this is the real clock")]
        let now = SystemTime::now();
        // A clock set before 1970 stamps with 0: the node orders the rest.
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    }
}
