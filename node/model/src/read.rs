//! What a replica is asked to read, and what it answers.

use bytes::Bytes;

use crate::{
    codec,
    key::{PartitionKey, Slice},
    partition::Partition,
    schema::TableId,
    token::TokenRange,
};

/// Which partitions to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One partition.
    One(PartitionKey),
    /// All partitions with tokens in the range, in (token, bytes) order, after `after` if given.
    /// The range does not wrap.
    Range {
        /// Tokens; never wraps (a wrapping range is asked for as two).
        tokens: TokenRange,
        /// Exclusive lower bound inside the range.
        after: Option<PartitionKey>,
    },
}

/// Where to stop. Whatever is hit first ends the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Live rows in all. A partition with live statics and no live row counts as one.
    pub rows: u64,
    /// Live rows of each partition.
    pub rows_per_partition: u64,
    /// Bytes of the answer: stops after the row that passes it.
    pub bytes: u64,
    /// Tombstones met (cells, rows, ranges): stops after the row that passes it.
    pub tombstones: u64,
}

/// A read of some rows of some partitions of one table. All columns are returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The table.
    pub table: TableId,
    /// Which partitions.
    pub target: Target,
    /// Which clusterings: ascending and disjoint, in stored order also when `reversed`.
    pub slices: Vec<Slice>,
    /// Rows come in descending stored order. Partitions still ascend.
    pub reversed: bool,
    /// Go on after this clustering (in reading direction) in the first partition: with
    /// `Target::One`, or in the partition `resume_in` of a range.
    pub resume: Option<Position>,
    /// Where to stop.
    pub limits: Limits,
    /// The second that decides what has expired: one for all replicas.
    pub now: i64,
}

/// How far a read has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// In this partition.
    pub key: PartitionKey,
    /// The last clustering that was dealt with, or `None` when the partition is done.
    pub clustering: Option<Bytes>,
}

/// What a replica answers: everything it knows of the rows, tombstones included, so that answers
/// of several replicas merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// In (token, bytes) order. Rows ascend in stored order, also for a reversed read.
    pub partitions: Vec<Partition>,
    /// `None`: all that was asked for is here. Otherwise the answer is complete up to and
    /// including this position (in reading direction) and says nothing about what lies beyond.
    pub stopped_at: Option<Position>,
    /// Tombstones met on the way.
    pub tombstones: u64,
    /// Live rows in it.
    pub live_rows: u64,
    /// Sstables consulted.
    pub sstables: u32,
}

impl Answer {
    /// A digest (xxh3-128 over the canonical encoding of data, deletions and `stopped_at`): equal
    /// for equal answers, whatever replica computes it. Counters of work are left out.
    pub fn digest(&self) -> u128 {
        unimplemented!()
    }

    /// The encoding, for peers.
    pub fn encode(&self) -> Bytes {
        unimplemented!()
    }

    /// Reads an encoding.
    ///
    /// # Errors
    /// Where the bytes are not what `encode` writes.
    pub fn decode(_bytes: Bytes) -> Result<Answer, codec::Malformed> {
        unimplemented!()
    }
}

impl Command {
    /// The encoding, for peers.
    pub fn encode(&self) -> Bytes {
        unimplemented!()
    }

    /// Reads an encoding.
    ///
    /// # Errors
    /// Where the bytes are not what `encode` writes.
    pub fn decode(_bytes: Bytes) -> Result<Command, codec::Malformed> {
        unimplemented!()
    }
}
