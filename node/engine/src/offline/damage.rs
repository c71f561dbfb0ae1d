//! What is wrong with a file, and where.

use std::fmt;

use bytes::Bytes;
use model::PartitionKey;

/// A place of a file that cannot be read, or says what cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What should be there.
    pub place: Place,
    /// Where it begins, bytes from the start of the file.
    pub offset: u64,
    /// How far it goes.
    pub bytes: u64,
    /// What is wrong there.
    pub what: String,
    /// What is unknown because of it: of blocks only.
    pub between: Option<Between>,
}

impl Damage {
    pub(super) fn new(
        place: Place,
        (offset, bytes): (u64, u64),
        what: impl Into<String>,
    ) -> Damage {
        Damage { place, offset, bytes, what: what.into(), between: None }
    }
}

/// The parts of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The first bytes.
    Header,
    /// A block of an sstable, or several where nobody knows how many.
    Block,
    /// The index of an sstable.
    Index,
    /// The filter of an sstable.
    Filter,
    /// The statistics of some blocks of an sstable.
    Statistics,
    /// The stats of an sstable.
    Stats,
    /// The last bytes of an sstable.
    Footer,
    /// A record of the commit log, or several.
    Record,
}

impl Place {
    /// Whether rows are lost with it: the others say nothing that blocks do not.
    pub fn holds_rows(self) -> bool {
        matches!(self, Place::Block | Place::Record)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Header => "header",
            Place::Block => "block",
            Place::Index => "index",
            Place::Filter => "filter",
            Place::Statistics => "block statistics",
            Place::Stats => "stats",
            Place::Footer => "footer",
            Place::Record => "record",
        })
    }
}

/// Everything from one clustering of one partition up to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// Where it begins; with the file if nobody knows.
    pub from: Option<At>,
    /// Where it ends, exclusive; with the file if nobody knows.
    pub to: Option<At>,
}

/// A clustering in a partition: empty in front of all, `ff` behind them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The partition.
    pub key: PartitionKey,
    /// As it is encoded.
    pub clustering: Bytes,
}
