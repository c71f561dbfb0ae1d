//! Bytes of the log records of hints: docs/formats/hints.md.

use bytes::Bytes;
use model::{
    TableId,
    codec::{Malformed, Reader, Writer},
};
use uuid::Uuid;

use super::{Hint, queue::Entry};

const VERSION: u8 = 1;

/// Kinds of records.
const HINT: u8 = 1;
const DONE: u8 = 2;

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Hint(Entry),
    /// Everything through this sequence number is done.
    Done(u64),
}

pub(super) fn hint(entry: &Entry) -> (u8, Bytes) {
    let mut out = Writer::default();
    out.u8(VERSION);
    out.uint(entry.sequence);
    out.int(entry.written_at);
    out.uint(u64::from(entry.hint.gc_grace));
    out.raw(entry.hint.table.0.as_bytes());
    out.bytes(&entry.hint.mutation);
    (HINT, out.finish())
}

pub(super) fn done(sequence: u64) -> (u8, Bytes) {
    let mut out = Writer::default();
    out.u8(VERSION);
    out.uint(sequence);
    (DONE, out.finish())
}

pub(super) fn read(kind: u8, payload: Bytes) -> Result<Said, Malformed> {
    let mut reader = Reader::new(payload);
    if reader.u8("hint record version")? != VERSION {
        return Err(reader.malformed("hint record version"));
    }
    let sequence = reader.uint("hint sequence")?;
    match kind {
        HINT => {
            let written_at = reader.int("hint time")?;
            let gc_grace = u32::try_from(reader.uint("hint gc_grace")?)
                .map_err(|_| reader.malformed("hint gc_grace"))?;
            let table = reader.raw(16, "hint table")?;
            let table = Uuid::from_slice(&table).map_err(|_| reader.malformed("hint table"))?;
            let mutation = reader.bytes("hint mutation")?;
            end(&reader)?;
            let hint = Hint { table: TableId(table), gc_grace, mutation };
            Ok(Said::Hint(Entry { sequence, written_at, hint }))
        }
        DONE => end(&reader).map(|()| Said::Done(sequence)),
        _ => Err(reader.malformed("kind of hint record")),
    }
}

fn end(reader: &Reader) -> Result<(), Malformed> {
    if reader.is_done() { Ok(()) } else { Err(reader.malformed("end of hint record")) }
}
