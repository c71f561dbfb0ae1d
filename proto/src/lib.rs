//! Bytes between processes: the generated gRPC code, under one name each, and the native protocol.
//!
//! Decoding checks shape, never sense: what a frame means is decided by whoever receives it.

pub mod cql;

/// How long a message is on the wire, among other things.
pub use prost::Message;

/// Between nodes: `grpc/peer.proto`.
pub mod peer {
    #![expect(
        missing_docs,
        unused_qualifications,
        clippy::allow_attributes_without_reason,
        reason = "generated code"
    )]
    tonic::include_proto!("helenus.peer.v1");
}

/// Between the client crate and a node: `grpc/client.proto`.
pub mod client {
    #![expect(
        missing_docs,
        unused_qualifications,
        clippy::allow_attributes_without_reason,
        reason = "generated code"
    )]
    tonic::include_proto!("helenus.client.v1");
}

/// Between an operator and a node: `grpc/admin.proto`.
pub mod admin {
    #![expect(
        missing_docs,
        unused_qualifications,
        clippy::allow_attributes_without_reason,
        clippy::too_many_lines,
        reason = "generated code"
    )]
    tonic::include_proto!("helenus.admin.v1");
}

/// Version of the peer streams. A peer of another version is refused with both named.
pub const PEER_PROTOCOL: u32 = 1;

/// Version of the client stream. A client of another version is refused with both named.
pub const CLIENT_PROTOCOL: u32 = 1;

/// Largest frame on a peer stream, bytes: four of the largest mutations.
pub const PEER_FRAME_BYTES_MAX: usize = 64 << 20;

/// Most rows of one `ExecuteMany`: what one request may hold a coordinator up with.
pub const EXECUTE_ROWS_MAX: u32 = 1000;

/// Largest body of a request on a native connection, bytes, compressed or not: as of Cassandra.
pub const CQL_BODY_BYTES_MAX: usize = 16 << 20;

/// Largest frame on a client stream, bytes.
pub const CLIENT_FRAME_BYTES_MAX: usize = 16 << 20;
