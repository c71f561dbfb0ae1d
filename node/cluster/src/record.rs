//! What a node must not forget, as records of the system log.
//!
//! The driver appends them, fsynced, in the order given and before anything else of the same
//! [`Effects`](crate::Effects) happens; at start it hands all of them back.

use bytes::Bytes;
use model::{
    HostId,
    codec::{Malformed, Reader, Writer},
};

use crate::{
    codec::{self, Wire},
    metadata::{Entry, Metadata, Proposal},
    paxos::{Acceptor, Ballot},
};

/// The version of every payload.
const VERSION: u8 = 1;

/// The kinds of record that belong to this crate; other owners of the log take others.
pub const KINDS: std::ops::RangeInclusive<u8> = 1..=15;

/// One thing that must not be forgotten.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// Who this node is: written once, at its first start.
    Identity(Identity),
    /// Which start this is; the highest counts.
    Generation(u64),
    /// What this node has promised and accepted for one epoch; the last one for it counts.
    Acceptor {
        /// The epoch being decided.
        epoch: u64,
        /// Everything that the voter remembers.
        acceptor: Acceptor<Proposal>,
    },
    /// An entry of the metadata log.
    Entry(Entry),
    /// The metadata at one epoch: entries up to it are included.
    Snapshot(Box<Metadata>),
}

/// Who a node is for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub host_id: HostId,
    /// The cluster that it was first started for.
    pub cluster_name: String,
    /// Its data center.
    pub dc: String,
    /// Its rack.
    pub rack: String,
}

impl Record {
    /// The kind, within [`KINDS`].
    pub fn kind(&self) -> u8 {
        match self {
            Record::Identity(_) => 1,
            Record::Generation(_) => 2,
            Record::Acceptor { .. } => 3,
            Record::Entry(_) => 4,
            Record::Snapshot(_) => 5,
        }
    }

    /// The payload, versioned from its first byte.
    pub fn encode(&self) -> Bytes {
        match self {
            Record::Identity(identity) => codec::encode(VERSION, identity),
            Record::Generation(generation) => codec::encode(VERSION, generation),
            Record::Acceptor { epoch, acceptor } => {
                let mut out = Writer::default();
                out.u8(VERSION);
                out.uint(*epoch);
                acceptor.put(&mut out);
                out.finish()
            }
            Record::Entry(entry) => codec::encode(VERSION, entry),
            Record::Snapshot(metadata) => codec::encode(VERSION, metadata.as_ref()),
        }
    }

    /// Reads a payload of this kind.
    ///
    /// # Errors
    /// Where the kind is not ours, or the bytes are not what `encode` writes.
    pub fn decode(kind: u8, payload: Bytes) -> Result<Record, Malformed> {
        match kind {
            1 => codec::decode(VERSION, payload).map(Record::Identity),
            2 => codec::decode(VERSION, payload).map(Record::Generation),
            3 => {
                let (epoch, acceptor) = codec::decode(VERSION, payload)?;
                Ok(Record::Acceptor { epoch, acceptor })
            }
            4 => codec::decode(VERSION, payload).map(Record::Entry),
            5 => codec::decode(VERSION, payload).map(|it| Record::Snapshot(Box::new(it))),
            _ => Err(Malformed { what: "record kind", offset: 0 }),
        }
    }
}

impl Wire for Identity {
    fn put(&self, out: &mut Writer) {
        self.host_id.put(out);
        self.cluster_name.put(out);
        self.dc.put(out);
        self.rack.put(out);
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Identity {
            host_id: HostId::get(input)?,
            cluster_name: String::get(input)?,
            dc: String::get(input)?,
            rack: String::get(input)?,
        })
    }
}

impl Wire for Ballot {
    fn put(&self, out: &mut Writer) {
        out.uint(self.round);
        self.host.put(out);
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Ballot { round: input.uint("round")?, host: HostId::get(input)? })
    }
}

impl<V: Wire> Wire for Acceptor<V> {
    fn put(&self, out: &mut Writer) {
        self.promised.put(out);
        self.accepted.put(out);
    }

    fn get(input: &mut Reader) -> Result<Self, Malformed> {
        Ok(Acceptor { promised: Option::get(input)?, accepted: Option::get(input)? })
    }
}
