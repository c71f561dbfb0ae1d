//! Paging states: where a read goes on, sealed.
//!
//! ```text
//! u8 version · 16 bytes seal · body: 8 bytes statement · key · 0, or 1 and clustering ·
//!                                    rows left + 1, or 0 for no LIMIT · rows of the partition so far
//! ```
//!
//! The seal is a keyed checksum of the rest: it keeps damage and states of other statements out,
//! it is no defense against someone who studies it. Whatever passes it is still checked: the worst
//! that a forged state can do is to begin a read elsewhere in the rows that the statement may read.

use bytes::Bytes;
use cql_lite::code::Code;
use model::{
    PartitionKey,
    codec::{Malformed, Reader, Writer},
    read::Position,
};
use xxhash_rust::xxh3::xxh3_128;

use crate::Error;

/// Version of the bytes below.
const VERSION: u8 = 1;

/// Longest state that is looked at: two keys of 64 KiB and clustering keys may grow by a half.
const BYTES_MAX: usize = 1 << 20;

/// How far a statement has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last thing dealt with.
    pub position: Option<Position>,
    /// Rows that `LIMIT` leaves.
    pub remaining: Option<u64>,
    /// Rows returned of the partition at `position`, as long as it is not done.
    pub in_partition: u64,
}

impl Progress {
    /// Nothing was read; `LIMIT` allows `remaining` rows.
    pub fn start(remaining: Option<u64>) -> Progress {
        Progress { position: None, remaining, in_partition: 0 }
    }

    /// The partition is done.
    pub fn finish(&mut self, key: PartitionKey) {
        self.position = Some(Position { key, clustering: None });
        self.in_partition = 0;
    }
}

/// Seals and opens the states of one statement with its values.
pub struct Seal {
    secret: [u8; 32],
    statement: u64,
}

impl Seal {
    /// For the statement with this hash.
    pub fn new(secret: [u8; 32], statement: u64) -> Seal {
        Seal { secret, statement }
    }

    /// The bytes of a state. `None` before anything was read.
    pub fn close(&self, progress: &Progress) -> Option<Bytes> {
        let position = progress.position.as_ref()?;
        let mut body = Writer::default();
        body.raw(&self.statement.to_be_bytes());
        body.bytes(&position.key.bytes);
        match &position.clustering {
            None => body.u8(0),
            Some(clustering) => {
                body.u8(1);
                body.bytes(clustering);
            }
        }
        body.uint(progress.remaining.map_or(0, |it| it.saturating_add(1)));
        body.uint(progress.in_partition);
        Some(self.of_body(&body.finish()))
    }

    /// The bytes of a state whose body is this, whatever it says.
    pub fn of_body(&self, body: &[u8]) -> Bytes {
        let mut out = Writer::default();
        out.u8(VERSION);
        out.raw(&self.of(body));
        out.raw(body);
        out.finish()
    }

    /// Reads a state that a client hands back.
    ///
    /// # Errors
    /// `BadPagingState`: it is too long, damaged, of another version, cluster or statement.
    pub fn open(&self, state: &Bytes) -> Result<Progress, Error> {
        if state.len() > BYTES_MAX {
            return Err(refused("it is too long"));
        }
        if state.first() != Some(&VERSION) {
            return Err(refused("it is of another version"));
        }
        self.parse(state).map_err(|_| refused("it is damaged or of another cluster"))?.ok_or_else(
            || {
                refused("it belongs to another statement or to other values")
                    .hint("every page takes the statement and the values of the first")
            },
        )
    }

    /// The progress; none when the state is sound but of another statement.
    fn parse(&self, state: &Bytes) -> Result<Option<Progress>, Malformed> {
        let mut reader = Reader::new(state.slice(1..));
        let seal = reader.raw(16, "seal")?;
        let body = state.slice(17..);
        if seal[..] != self.of(&body) {
            return Err(reader.malformed("seal"));
        }
        let mut reader = Reader::new(body);
        let statement = reader.raw(8, "statement")?;
        let key = PartitionKey::new(reader.bytes("key")?);
        let clustering = match reader.u8("clustering")? {
            0 => None,
            1 => Some(reader.bytes("clustering")?),
            _ => return Err(reader.malformed("clustering")),
        };
        let remaining = reader.uint("rows left")?.checked_sub(1);
        let in_partition = reader.uint("rows of the partition")?;
        if !reader.is_done() {
            return Err(reader.malformed("end"));
        }
        let position = Some(Position { key, clustering });
        let ours = statement[..] == self.statement.to_be_bytes();
        Ok(ours.then_some(Progress { position, remaining, in_partition }))
    }

    fn of(&self, body: &[u8]) -> [u8; 16] {
        let mut sealed = Vec::with_capacity(body.len() + 2 * self.secret.len());
        sealed.extend_from_slice(&self.secret);
        sealed.extend_from_slice(body);
        sealed.extend_from_slice(&self.secret);
        xxh3_128(&sealed).to_be_bytes()
    }
}

/// The error for a state that does not fit.
pub(crate) fn refused(why: &str) -> Error {
    Error::new(Code::BadPagingState, format!("the paging state does not fit: {why}"))
}
