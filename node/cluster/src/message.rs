//! What nodes say to each other about the cluster, and its bytes.

use bytes::Bytes;
use model::{
    HostId,
    codec::{Malformed, Reader, Writer},
};
use uuid::Uuid;

use crate::{
    codec::Wire,
    founding::{Hello, Refused},
    gossip::{Beat, Heartbeat, State},
    metadata::{Entry, Metadata, Proposal},
    paxos::{Reply, Request},
};

mod encoding;

/// The version of the peer protocol that this crate speaks: the first byte of every message.
pub const VERSION: u8 = 1;

/// The largest message that is read, bytes. Snapshots are the largest: 5,000 tables of 1 KiB.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// A message with its sender.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope {
    /// Who sends it.
    pub from: HostId,
    /// The cluster that the sender is in, if it is in one.
    pub cluster_id: Option<Uuid>,
    /// What it says.
    pub message: Message,
}

/// What a node says.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Who I am: before founding, and after a restart at another address.
    Hello(Box<Hello>),
    /// You are not let in.
    Refuse(Refused),
    /// I am alive.
    Heartbeat(Heartbeat),
    /// What I know of whom: send me what I lack.
    Digest {
        /// Whose heartbeats up to which.
        known: Vec<(HostId, Beat)>,
    },
    /// The answer to a digest.
    Difference {
        /// What the asker lacks.
        states: Vec<State>,
        /// Whom the asker knows more of.
        wanted: Vec<HostId>,
    },
    /// The answer to a difference.
    States {
        /// What was wanted.
        states: Vec<State>,
    },
    /// Paxos for one epoch: a proposer asks a voter.
    Ask {
        /// The epoch being decided.
        epoch: u64,
        /// What it asks.
        request: Request<Proposal>,
    },
    /// Paxos for one epoch: a voter answers.
    Answer {
        /// The epoch being decided.
        epoch: u64,
        /// What it answers.
        reply: Reply<Proposal>,
    },
    /// Send me the entries after this epoch.
    Fetch {
        /// The last epoch that the sender has.
        after: u64,
    },
    /// Entries in order, all chosen.
    Entries {
        /// They follow each other without a gap.
        entries: Vec<Entry>,
        /// The last epoch that the sender has: there is more to fetch when it is beyond these.
        latest: u64,
    },
    /// Everything at one epoch, for one that is so far behind that the entries are gone.
    Snapshot(Box<Metadata>),
}

/// Why bytes are not an envelope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The sender speaks another version of the protocol. Run the same release on both.
    #[error("a message of protocol version {found}, and this node speaks {VERSION}")]
    Version {
        /// The sender's.
        found: u8,
    },
    /// Longer than anything that we send.
    #[error("a message of {bytes} bytes is larger than the {MESSAGE_BYTES_MAX} allowed")]
    TooLarge {
        /// How long it is.
        bytes: usize,
    },
    /// Not what `encode` writes.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Envelope {
    /// The bytes, the version first.
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::default();
        out.u8(VERSION);
        self.from.put(&mut out);
        self.cluster_id.put(&mut out);
        self.message.put(&mut out);
        out.finish()
    }

    /// Reads what `encode` wrote.
    ///
    /// # Errors
    /// Says what is wrong with the bytes; nothing that they contain makes this panic.
    pub fn decode(bytes: Bytes) -> Result<Envelope, DecodeError> {
        if MESSAGE_BYTES_MAX < bytes.len() {
            return Err(DecodeError::TooLarge { bytes: bytes.len() });
        }
        let mut input = Reader::new(bytes);
        let found = input.u8("version")?;
        if found != VERSION {
            return Err(DecodeError::Version { found });
        }
        let envelope = Envelope {
            from: HostId::get(&mut input)?,
            cluster_id: Option::get(&mut input)?,
            message: Message::get(&mut input)?,
        };
        if input.is_done() { Ok(envelope) } else { Err(input.malformed("end").into()) }
    }
}

#[cfg(test)]
mod tests;
