//! The gRPC doors, and the streams to peers.
//!
//! In reading order:
pub(crate) mod admin_door;
pub(crate) mod client_door;
mod client_wire;
pub(crate) mod in_hand;
pub(crate) mod link;
pub(crate) mod peer_door;
pub(crate) mod peers;
pub(crate) mod transport;
pub(crate) mod weight;
pub(crate) mod wire;
