//! The CQL native protocol, versions 4 and 5: envelopes, segments, and a module for each opcode.
//!
//! Knows nothing of what a request means: it checks shape. Requests are read without a copy and
//! without allocating for anything a peer merely claims: a list that came is walked once to see
//! that it is whole, and walked again by whoever wants what is in it.
//!
//! ```text
//! bytes ─► v4: envelopes, each compressed or not ─────────► Envelope ─► Request
//!          v5: segments, checksummed, compressed or not ─┘
//! ```
//!
//! In reading order: what everything is made of, the way in, requests, answers, the way out.

pub mod primitive;
pub mod wire_type;

pub mod compression;
pub mod header;
pub mod inbound;
mod lengths;
pub mod segment;

pub mod params;

pub mod auth_response;
pub mod batch;
pub mod execute;
pub mod prepare;
pub mod query;
pub mod register;
pub mod request;
pub mod startup;

pub mod error;
pub mod event;
pub mod metadata;
pub mod prepared;
pub mod response;
pub mod result;
pub mod rows;

pub mod outbound;

#[cfg(test)]
mod tests;

/// A version of the protocol that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Envelopes alone, the body of each compressed or not.
    V4,
    /// Envelopes in checksummed segments once STARTUP was answered.
    V5,
}

impl Version {
    /// The highest one: what peers of an unknown version are answered in, so that they come down.
    pub const HIGHEST: Version = Version::V5;

    /// The number on the wire.
    pub fn number(self) -> u8 {
        match self {
            Version::V4 => 4,
            Version::V5 => 5,
        }
    }

    /// The version of this number, if it is spoken here.
    pub fn from_number(number: u8) -> Option<Version> {
        match number {
            4 => Some(Version::V4),
            5 => Some(Version::V5),
            _ => None,
        }
    }
}

/// Bytes that are not what the protocol says they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what}")]
pub struct Malformed {
    /// The part at fault.
    pub what: &'static str,
}

/// Shorthand for an error about this part.
pub(crate) fn malformed(what: &'static str) -> Malformed {
    Malformed { what }
}
