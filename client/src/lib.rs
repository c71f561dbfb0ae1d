//! The client of Helenus.
//!
//! A [`Session`] knows the whole cluster from any one node, keeps one stream open to each, sends
//! a statement to a replica of its partition where it can, and retries what is safe to retry.
//!
//! ```no_run
//! use helenus_client::{Consistency, Session};
//!
//! #[derive(serde::Deserialize)]
//! struct Message {
//!     content: String,
//! }
//!
//! # async fn example() -> Result<(), helenus_client::Error> {
//! let session = Session::builder().known_node("127.0.0.1:9044").build().await?;
//! let insert = session.prepare("INSERT INTO chat.messages (id, content) VALUES (?, ?)").await?;
//! session.execute(&insert, ("conv_123", "hi")).await?;
//! let messages: Vec<Message> = session
//!     .query("SELECT content FROM chat.messages WHERE id = ?", ("conv_123",))
//!     .consistency(Consistency::One)
//!     .all()
//!     .await?;
//! # Ok(()) }
//! ```
//!
//! Invariant: it talks to a node and never links one. Connections, wall clock and chance come
//! through the builder, and timers are tokio's: so it runs in a simulation as it is.
//!
//! The modules, in reading order:

mod session;

mod bind;
mod error;
mod outcome;
mod prepared;
mod request;
mod trace;

mod many;

mod page;
mod row;

mod de;

mod retry;
mod routing;

mod cluster;
mod connect;
mod link;

mod chance;
mod stamp;
mod token;
mod topology;

#[cfg(any(test, feature = "fake"))]
pub mod fake;
#[cfg(test)]
mod tests;

pub use bind::{Bind, Bound, CqlTimestamp, ToValue, Unset, Values};
pub use connect::{Clock, Connector, Io, SystemClock, TcpConnector};
pub use cql_lite::Consistency;
pub use cql_lite::types::{CqlType, NativeType};
pub use cql_lite::value::Value;
pub use error::{Details, Error};
pub use outcome::{Outcome, Response};
pub use page::Rows;
pub use prepared::{Prepared, Statement};
pub use request::Request;
pub use row::{Column, FromRow, Row};
pub use session::{Builder, ServerInfo, Session};
pub use topology::{Keyspace, Node, Table, TableColumn, Topology};
pub use trace::{Trace, TraceShare, TraceStep};
