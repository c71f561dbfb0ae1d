//! What a replica is asked to read, and what it answers: `docs/formats/read.md`.

use bytes::Bytes;

mod filter;
mod fold;
mod sieve;
mod told;

pub use cql_lite::ast::Operator;
pub use filter::{Condition, Filter, Place, Test};
pub use fold::Fold;
pub use sieve::Sieve;

use crate::{
    codec::{self, Reader, Writer},
    encoding,
    key::{PartitionKey, Slice},
    partial::{Asked, Partial},
    partition::Partition,
    schema::{ColumnId, TableId},
    token::{Token, TokenRange},
};

/// Which partitions to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One partition.
    One(PartitionKey),
    /// All partitions with tokens in the range, in (token, bytes) order, after `after` if given.
    /// The range does not wrap.
    Range {
        /// Tokens; never wraps: `start < end`. A wrapping range, `TokenRange::ALL` too, is asked
        /// for as its `unwrap_ranges`.
        tokens: TokenRange,
        /// Exclusive lower bound inside the range.
        after: Option<PartitionKey>,
    },
}

/// Where to stop. Whatever is hit first ends the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Live rows in all, those that pass the filter. A partition with live statics and no live row
    /// counts as one.
    pub rows: u64,
    /// Live rows of each partition, those that pass the filter.
    pub rows_per_partition: u64,
    /// Bytes of the answer: stops after the row that passes it.
    pub bytes: u64,
    /// Bytes of what is scanned, whether it is in the answer or not: stops after the row that
    /// passes it.
    pub scanned: u64,
    /// Tombstones met (cells, rows, ranges): stops after the row that passes it.
    pub tombstones: u64,
}

impl Limits {
    /// Nothing ends the answer but its end.
    pub const NONE: Limits = Limits {
        rows: u64::MAX,
        rows_per_partition: u64::MAX,
        bytes: u64::MAX,
        scanned: u64::MAX,
        tombstones: u64::MAX,
    };
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
    /// Columns that are not there any more, ascending: their cells are left out, and a row is live
    /// without them or not at all. One list for all replicas, whatever schema each has come to.
    pub dropped: Vec<ColumnId>,
    /// Which of these rows are meant; `None`: all. With a filter the answer has the live rows that
    /// pass, and no tombstones: it is what there is to be seen only where nobody else knows better.
    pub filter: Option<Filter>,
    /// What is to be known of these rows, instead of the rows themselves. There is no filter then, and
    /// the limits of rows and of bytes are about nothing: an answer has none.
    pub partial: Option<Asked>,
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
/// of several replicas merge; to a command with a filter, what passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// Bytes of what was scanned, whether it is in the answer or not.
    pub scanned: u64,
    /// With a filter whose answers are compared: the digest of all that was scanned.
    /// With a partial whose answers are compared: that of all live rows.
    pub scanned_digest: Option<u128>,
    /// What was asked for instead of rows. It never stops inside of a partition of which it has folded no row
    /// and whose statics live: whether these count as one would not be known.
    pub partial: Option<Box<Partial>>,
}

/// First byte of every encoding here.
const VERSION: u8 = 3;

impl Answer {
    /// A digest (xxh3-128 over the canonical encoding of data, deletions and `stopped_at`): equal
    /// for equal answers, whatever replica computes it. Counters of work are left out, and so are
    /// partitions of which nothing is known. No clock is asked: an expiring cell and the tombstone
    /// that a purge made of it differ, until one replica has repaired the other. Of an answer to a
    /// filter it is the digest of all that was scanned, of a partial that of all live rows.
    pub fn digest(&self) -> u128 {
        if let Some(digest) = self.scanned_digest {
            return digest;
        }
        let mut out = self.writer();
        out.u8(VERSION);
        for partition in self.partitions.iter().filter(|it| !it.is_empty()) {
            encoding::write_partition(&mut out, partition);
        }
        write_position(&mut out, self.stopped_at.as_ref());
        xxhash_rust::xxh3::xxh3_128(&out.finish())
    }

    /// The encoding, for peers.
    pub fn encode(&self) -> Bytes {
        debug_assert!(self.partitions.iter().all(Partition::is_normal), "answers are normal");
        let mut out = self.writer();
        out.u8(VERSION);
        out.uint(self.partitions.len() as u64);
        for partition in &self.partitions {
            encoding::write_partition(&mut out, partition);
        }
        write_position(&mut out, self.stopped_at.as_ref());
        out.uint(self.tombstones);
        out.uint(self.live_rows);
        out.uint(u64::from(self.sstables));
        out.uint(self.scanned);
        out.u8(u8::from(self.scanned_digest.is_some()));
        self.scanned_digest.iter().for_each(|it| out.raw(&it.to_be_bytes()));
        out.u8(u8::from(self.partial.is_some()));
        self.partial.iter().for_each(|it| it.write(&mut out));
        out.finish()
    }

    /// With room for all of it and a position.
    fn writer(&self) -> Writer {
        Writer::with_capacity(
            64 + self.partitions.iter().map(encoding::partition_len).sum::<usize>(),
        )
    }

    /// Reads an encoding.
    ///
    /// # Errors
    /// Where the bytes are not what `encode` writes.
    pub fn decode(bytes: Bytes) -> Result<Answer, codec::Malformed> {
        let mut reader = Reader::new(bytes);
        encoding::read_version(&mut reader, VERSION, "answer version")?;
        let count = reader.count(encoding::PARTITION_BYTES_MIN, "partition count")?;
        let mut partitions: Vec<Partition> = encoding::vec(count);
        for _ in 0..count {
            let partition = encoding::read_partition(&mut reader)?;
            if partitions.last().is_some_and(|it| partition.key <= it.key) {
                return Err(reader.malformed("order of partitions"));
            }
            partitions.push(partition);
        }
        let answer = Answer {
            partitions,
            stopped_at: read_position(&mut reader)?,
            tombstones: reader.uint("tombstone count")?,
            live_rows: reader.uint("live row count")?,
            sstables: u32::try_from(reader.uint("sstable count")?)
                .map_err(|_| reader.malformed("sstable count"))?,
            scanned: reader.uint("bytes scanned")?,
            scanned_digest: read_digest(&mut reader)?,
            partial: read_partial(&mut reader)?,
        };
        encoding::read_end(&reader, "answer")?;
        Ok(answer)
    }
}

fn read_digest(reader: &mut Reader) -> Result<Option<u128>, codec::Malformed> {
    match reader.u8("kind of digest")? {
        0 => Ok(None),
        1 => {
            let bytes = reader.raw(16, "digest")?;
            let bytes = bytes.first_chunk().ok_or_else(|| reader.malformed("digest"))?;
            Ok(Some(u128::from_be_bytes(*bytes)))
        }
        _ => Err(reader.malformed("kind of digest")),
    }
}

fn read_partial(reader: &mut Reader) -> Result<Option<Box<Partial>>, codec::Malformed> {
    match reader.u8("kind of partial")? {
        0 => Ok(None),
        1 => Ok(Some(Box::new(Partial::read(reader)?))),
        _ => Err(reader.malformed("kind of partial")),
    }
}

/// Flags of an encoded command.
mod flag {
    pub(super) const RANGE: u8 = 0x01;
    pub(super) const AFTER: u8 = 0x02;
    pub(super) const REVERSED: u8 = 0x04;
    pub(super) const DROPPED: u8 = 0x08;
    pub(super) const FILTER: u8 = 0x10;
    pub(super) const PARTIAL: u8 = 0x20;
    pub(super) const ALL: u8 = RANGE | AFTER | REVERSED | DROPPED | FILTER | PARTIAL;
}

impl Command {
    /// The encoding, for peers.
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::default();
        out.u8(VERSION);
        out.raw(self.table.0.as_bytes());
        let reversed = if self.reversed { flag::REVERSED } else { 0 };
        let dropped = if self.dropped.is_empty() { 0 } else { flag::DROPPED };
        let filter = if self.filter.is_some() { flag::FILTER } else { 0 };
        let partial = if self.partial.is_some() { flag::PARTIAL } else { 0 };
        debug_assert!(filter == 0 || partial == 0, "a partial is of all rows");
        let flags = reversed | dropped | filter | partial;
        match &self.target {
            Target::One(key) => {
                out.u8(flags);
                out.bytes(&key.bytes);
            }
            Target::Range { tokens, after } => {
                debug_assert!(tokens.start < tokens.end, "see `TokenRange::unwrap_ranges`");
                out.u8(flags | flag::RANGE | if after.is_some() { flag::AFTER } else { 0 });
                out.raw(&tokens.start.0.to_be_bytes());
                out.raw(&tokens.end.0.to_be_bytes());
                after.iter().for_each(|it| out.bytes(&it.bytes));
            }
        }
        out.uint(self.slices.len() as u64);
        for slice in &self.slices {
            out.bytes(&slice.start);
            out.bytes(&slice.end);
        }
        write_position(&mut out, self.resume.as_ref());
        let Limits { rows, rows_per_partition, bytes, scanned, tombstones } = self.limits;
        let limits = [rows, rows_per_partition, bytes, scanned, tombstones];
        limits.into_iter().for_each(|it| out.uint(it));
        out.int(self.now);
        if !self.dropped.is_empty() {
            out.uint(self.dropped.len() as u64);
            self.dropped.iter().for_each(|it| out.uint(u64::from(it.0)));
        }
        self.filter.iter().for_each(|it| it.write(&mut out));
        self.partial.iter().for_each(|it| it.write(&mut out));
        out.finish()
    }

    /// Reads an encoding.
    ///
    /// # Errors
    /// Where the bytes are not what `encode` writes.
    pub fn decode(bytes: Bytes) -> Result<Command, codec::Malformed> {
        let mut reader = Reader::new(bytes);
        encoding::read_version(&mut reader, VERSION, "command version")?;
        let table = encoding::read_table(&mut reader)?;
        let flags = reader.u8("command flags")?;
        let has = |these: u8| flags & these == these;
        let is_after = flags & (flag::RANGE | flag::AFTER) == flag::AFTER;
        if flags & !flag::ALL != 0 || is_after || has(flag::FILTER | flag::PARTIAL) {
            return Err(reader.malformed("command flags"));
        }
        let target = read_target(&mut reader, flags)?;
        let slices = read_slices(&mut reader)?;
        let resume = read_position(&mut reader)?;
        let limits = Limits {
            rows: reader.uint("row limit")?,
            rows_per_partition: reader.uint("row limit of a partition")?,
            bytes: reader.uint("byte limit")?,
            scanned: reader.uint("scan limit")?,
            tombstones: reader.uint("tombstone limit")?,
        };
        let now = reader.int("now")?;
        let dropped = match flags & flag::DROPPED {
            0 => Vec::new(),
            _ => read_dropped(&mut reader)?,
        };
        let filter = match flags & flag::FILTER {
            0 => None,
            _ => Some(Filter::read(&mut reader)?),
        };
        let partial = match flags & flag::PARTIAL {
            0 => None,
            _ => Some(Asked::read(&mut reader)?),
        };
        encoding::read_end(&reader, "command")?;
        let reversed = flags & flag::REVERSED != 0;
        Ok(Command {
            table,
            target,
            slices,
            reversed,
            resume,
            limits,
            now,
            dropped,
            filter,
            partial,
        })
    }
}

fn read_target(reader: &mut Reader, flags: u8) -> Result<Target, codec::Malformed> {
    if flags & flag::RANGE == 0 {
        return Ok(Target::One(encoding::read_key(reader)?));
    }
    let tokens = TokenRange { start: read_token(reader)?, end: read_token(reader)? };
    if tokens.end <= tokens.start {
        return Err(reader.malformed("token range, which wraps"));
    }
    let after = match flags & flag::AFTER {
        0 => None,
        _ => Some(encoding::read_key(reader)?),
    };
    Ok(Target::Range { tokens, after })
}

fn read_token(reader: &mut Reader) -> Result<Token, codec::Malformed> {
    let bytes = reader.raw(8, "token")?;
    let bytes = bytes.first_chunk().ok_or_else(|| reader.malformed("token"))?;
    Ok(Token(i64::from_be_bytes(*bytes)))
}

fn read_slices(reader: &mut Reader) -> Result<Vec<Slice>, codec::Malformed> {
    let count = reader.count(2, "slice count")?;
    let mut slices: Vec<Slice> = encoding::vec(count);
    for _ in 0..count {
        let slice = Slice { start: reader.bytes("slice start")?, end: reader.bytes("slice end")? };
        if slice.end <= slice.start || slices.last().is_some_and(|it| slice.start < it.end) {
            return Err(reader.malformed("order of slices"));
        }
        slices.push(slice);
    }
    Ok(slices)
}

fn read_dropped(reader: &mut Reader) -> Result<Vec<ColumnId>, codec::Malformed> {
    let count = reader.count(1, "count of dropped columns")?;
    let mut dropped: Vec<ColumnId> = encoding::vec(count);
    for _ in 0..count {
        let id = u32::try_from(reader.uint("dropped column")?).map(ColumnId);
        let id = id.map_err(|_| reader.malformed("dropped column"))?;
        if dropped.last().is_some_and(|last| id <= *last) {
            return Err(reader.malformed("order of dropped columns"));
        }
        dropped.push(id);
    }
    if dropped.is_empty() { Err(reader.malformed("count of dropped columns")) } else { Ok(dropped) }
}

/// 0: none; 1: a key whose partition is done; 2: a key and a clustering.
fn write_position(out: &mut Writer, position: Option<&Position>) {
    match position {
        None => out.u8(0),
        Some(Position { key, clustering: None }) => {
            out.u8(1);
            out.bytes(&key.bytes);
        }
        Some(Position { key, clustering: Some(clustering) }) => {
            out.u8(2);
            out.bytes(&key.bytes);
            out.bytes(clustering);
        }
    }
}

fn read_position(reader: &mut Reader) -> Result<Option<Position>, codec::Malformed> {
    let kind = reader.u8("kind of position")?;
    if 2 < kind {
        return Err(reader.malformed("kind of position"));
    }
    if kind == 0 {
        return Ok(None);
    }
    let key = encoding::read_key(reader)?;
    let clustering = if kind == 2 { Some(reader.bytes("clustering of position")?) } else { None };
    Ok(Some(Position { key, clustering }))
}

#[cfg(test)]
mod tests;
