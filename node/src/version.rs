//! What this program is.

use proto::admin;

/// The program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Version of the files in the data directory.
pub const DATA_FORMAT: u32 = 1;

/// All versions at once.
pub(crate) fn answer() -> admin::VersionAnswer {
    admin::VersionAnswer {
        version: VERSION.into(),
        peer_protocol: proto::PEER_PROTOCOL,
        client_protocol: proto::CLIENT_PROTOCOL,
        data_format: DATA_FORMAT,
    }
}
