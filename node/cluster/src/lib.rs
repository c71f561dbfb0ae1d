//! Who is in the cluster, who owns what, who is alive, and what the schema is.
//!
//! Knows nothing of requests, disks, sockets or `async`: [`Cluster::tick`] and
//! [`Cluster::on_message`] take the time and chance as arguments and return [`Effects`]: what to
//! persist, then what to send, then what to tell the rest of the node.
//!
//! In reading order:
mod api;
mod codec;
mod facade;
pub mod failure;
pub mod founding;
pub mod gossip;
pub mod message;
pub mod metadata;
pub mod metadata_log;
pub mod paxos;
pub mod placement;
pub mod record;
pub mod ring;
#[cfg(test)]
mod tests;

pub use api::{Destination, Effects, Event, Local, Now, OpenError, Options, PeerView, TICK_MAX};
pub use facade::Cluster;
pub use failure::Liveness;
pub use founding::Refused as PeerRefused;
pub use gossip::Status;
pub use message::Envelope;
pub use metadata::{Change, Metadata, Refused};
pub use metadata_log::Outcome;
pub use placement::Placement;
pub use record::Record;
pub use ring::{Node, Ring};
