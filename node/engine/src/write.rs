//! Writes: a look over the bytes, a record in the log, a pass over the memtables.
//!
//! What can be refused is refused before the first byte is written, so a batch is taken in as a whole or not at
//! all. Each mutation of it is atomic and isolated; a reader may see some of them before others.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use model::written::{self, Place};
use model::{Mutation, TableId};

use crate::inner::Inner;
use crate::memtable::Change;
use crate::stats;
use crate::{Error, Lane, Ticket};

/// A mutation that was understood.
pub(crate) struct Incoming {
    pub(crate) table: TableId,
    bytes: Bytes,
    what: What,
}

enum What {
    /// Nothing but rows, which lie in the bytes where these places say.
    Rows {
        overview: written::Overview,
        places: Range<usize>,
    },
    Any(Box<Mutation>),
}

impl Incoming {
    /// Reads an encoded mutation, and appends to `places` where its rows lie. `bytes` are kept as long as rows of it are in
    /// a memtable: the caller makes sure that they are its own.
    pub(crate) fn read(bytes: Bytes, places: &mut Vec<Place>) -> Result<Incoming, Error> {
        let first = places.len();
        if let Some(overview) = written::look_over(&bytes, places) {
            let table = overview.table;
            let places = first..places.len();
            return Ok(Incoming { table, bytes, what: What::Rows { overview, places } });
        }
        let mutation = Box::new(Mutation::decode(bytes.clone())?);
        Ok(Incoming { table: mutation.table, bytes, what: What::Any(mutation) })
    }

    /// What it changes. `places` are those that `read` appended to.
    pub(crate) fn change(self, places: &[Place]) -> Change<'_> {
        let bytes = self.bytes;
        match self.what {
            What::Rows { overview: written::Overview { key, timestamp_min, .. }, places: own } => {
                Change::Rows { bytes, key, places: &places[own], timestamp_min }
            }
            What::Any(mutation) => {
                Change::Any { partition: mutation.partition, bytes: bytes.len() }
            }
        }
    }
}

/// Takes in encoded mutations, with one record in the log for all of them.
pub(crate) fn apply(inner: &Inner, mutations: &[Bytes]) -> Result<Ticket, Error> {
    inner.refuse_closed()?;
    let mut places = Vec::with_capacity(mutations.len());
    let read = |bytes| Incoming::read(bytes, &mut places);
    let incoming = own(mutations).into_iter().map(read).collect::<Result<Vec<_>, Error>>()?;
    let mut tables = Vec::new();
    for it in &incoming {
        if tables.last().is_none_or(|(id, _)| *id != it.table) {
            tables.push((it.table, inner.table(it.table)?));
        }
    }
    // Each once: who holds a version, and asks for it again, may wait for someone who waits for him.
    tables.sort_unstable_by_key(|(id, _)| *id);
    tables.dedup_by_key(|(id, _)| *id);
    inner.refuse_full()?;
    let (bytes, max) = (inner.memtable_bytes(), inner.options.memtable_bytes);
    if max < bytes {
        inner.wake(Lane::Flush);
        return Err(Error::Overloaded { what: "memtables", bytes, max });
    }
    let versions: Vec<_> =
        tables.iter().map(|(id, table)| (*id, table.is_durable(), table.write_into())).collect();
    if let Some((id, ..)) = versions.iter().find(|(.., version)| version.dropped) {
        return Err(Error::UnknownTable(*id));
    }
    let version_of = |id: TableId| {
        let at = versions.partition_point(|it| it.0 < id);
        &versions[at]
    };
    let both = mutations.iter().zip(&incoming);
    let logged: Vec<&[u8]> =
        both.filter(|(_, it)| version_of(it.table).1).map(|(bytes, _)| &bytes[..]).collect();
    let (ticket, due) = if logged.is_empty() {
        (Ticket::done(), false)
    } else {
        let durable = versions.iter().filter(|(_, is_durable, _)| *is_durable);
        durable.for_each(|(.., version)| version.active.set_logged());
        inner.log.append(&logged)?
    };
    stats::add(&inner.counters.writes, incoming.len() as u64);
    let grown = incoming.into_iter().map(|it| {
        let (.., version) = version_of(it.table);
        version.active.apply(it.change(&places))
    });
    inner.grow_memtables(grown.sum());
    drop(versions);
    if due {
        inner.wake(Lane::Log);
    }
    if inner.wants_flush() {
        inner.wake(Lane::Flush);
    }
    Ok(ticket)
}

/// Copies, so that a memtable keeps mutations and not the network buffer that they came in. Those of one table lie
/// together: they are freed together too.
fn own(mutations: &[Bytes]) -> Vec<Bytes> {
    let is_other = |it: &[Bytes]| written::table_bytes(&it[0]) != written::table_bytes(&it[1]);
    if mutations.len() == 1 || mutations.windows(2).any(is_other) {
        return mutations.iter().map(|it| Bytes::copy_from_slice(it)).collect();
    }
    let mut together = BytesMut::with_capacity(mutations.iter().map(Bytes::len).sum());
    mutations.iter().for_each(|it| together.extend_from_slice(it));
    let mut together = together.freeze();
    mutations.iter().map(|it| together.split_to(it.len())).collect()
}
