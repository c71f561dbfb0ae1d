//! Writes: a look over the bytes, a record in the log, a pass over the memtables.
//!
//! What can be refused is refused before the first byte is written, so a batch is taken in as a whole or not at
//! all. Each mutation of it is atomic and isolated; a reader may see some of them before others.

use std::ops::Range;
use std::sync::{Arc, RwLockReadGuard};

use bytes::Bytes;
use model::written::{self, Place};
use model::{Mutation, TableId, Token};

use crate::inner::Inner;
use crate::memtable::{Change, Copied, Memtable};
use crate::stats;
use crate::version::Version;
use crate::{Error, Lane, Ticket};

/// Mutations from which on it pays to look at what they change first.
const TOUCHED_MIN: usize = 8;

/// A mutation that was understood.
pub(crate) struct Incoming<'a> {
    pub(crate) table: TableId,
    bytes: &'a [u8],
    what: What,
}

enum What {
    /// Nothing but rows, which lie in the bytes where these places say.
    Rows {
        token: Token,
        overview: written::Overview,
        places: Range<usize>,
    },
    Any(Box<Mutation>),
}

impl<'a> Incoming<'a> {
    /// Reads an encoded mutation, and appends to `places` where its rows lie. Nothing keeps `bytes`.
    pub(crate) fn read(bytes: &'a [u8], places: &mut Vec<Place>) -> Result<Incoming<'a>, Error> {
        let first = places.len();
        if let Some(overview) = written::look_over(bytes, places) {
            let table = overview.table;
            let token = Token::of(&bytes[overview.key.clone()]);
            let places = first..places.len();
            return Ok(Incoming { table, bytes, what: What::Rows { token, overview, places } });
        }
        // Copied, so that a memtable keeps a mutation and not the network buffer that it came in.
        let mutation = Box::new(Mutation::decode(Bytes::copy_from_slice(bytes))?);
        Ok(Incoming { table: mutation.table, bytes, what: What::Any(mutation) })
    }

    /// What it changes. `places` are those that `read` appended to; `rows` is the copy of its rows.
    pub(crate) fn change<'b>(self, places: &'b [Place], rows: Copied) -> Change<'b>
    where
        'a: 'b,
    {
        match self.what {
            What::Rows { token, overview, places: own } => {
                let written::Overview { key, timestamp_min, .. } = overview;
                let (key, places) = (&self.bytes[key], &places[own]);
                Change::Rows { token, key, rows, places, timestamp_min }
            }
            What::Any(mutation) => {
                Change::Any { partition: mutation.partition, bytes: self.bytes.len() }
            }
        }
    }

    /// Of its partition.
    pub(crate) fn token(&self) -> Token {
        match &self.what {
            What::Rows { token, .. } => *token,
            What::Any(mutation) => mutation.partition.key.token,
        }
    }

    /// The bytes of its rows, if it holds nothing else: what a memtable keeps of it.
    fn rows(&self) -> &[u8] {
        match &self.what {
            What::Rows { overview, .. } => &self.bytes[overview.rows..],
            What::Any(_) => &[],
        }
    }
}

/// Copies of rows, for the memtable of one table: one buffer for all of them.
pub(crate) struct Copies {
    buffer: Arc<Bytes>,
    /// Where those of the next mutation begin.
    from: u32,
}

impl Copies {
    /// Of what `incoming` holds of `table`: as much of it, from the front, as a buffer has places for.
    pub(crate) fn of(incoming: &[Incoming<'_>], table: TableId) -> Copies {
        let of_table = || incoming.iter().filter(|it| it.table == table).map(Incoming::rows);
        let bytes = of_table().map(<[u8]>::len).sum::<usize>().min(u32::MAX as usize);
        let mut together = Vec::with_capacity(bytes);
        for rows in of_table() {
            if bytes < together.len() + rows.len() {
                break;
            }
            together.extend_from_slice(rows);
        }
        Copies { buffer: Arc::new(together.into()), from: 0 }
    }

    /// The rows of the next one.
    pub(crate) fn next(&mut self, incoming: &Incoming<'_>) -> Copied {
        let rows = incoming.rows();
        // No mutation is as long as that.
        let len = rows.len() as u32;
        let from = self.from;
        if self.buffer.len() - (from as usize) < rows.len() {
            let buffer = Arc::new(Bytes::copy_from_slice(rows));
            return Copied { buffer, from: 0, len };
        }
        self.from += len;
        Copied { buffer: Arc::clone(&self.buffer), from, len }
    }
}

/// Where mutations of one table go.
struct Target<'a> {
    table: TableId,
    is_durable: bool,
    copies: Copies,
    /// Held still until all are in.
    version: RwLockReadGuard<'a, Arc<Version>>,
}

/// Takes in encoded mutations, with one record in the log for all of them.
pub(crate) fn apply(inner: &Inner, mutations: &[Bytes]) -> Result<Ticket, Error> {
    inner.refuse_closed()?;
    let mut places = Vec::with_capacity(mutations.len());
    let mut incoming = Vec::with_capacity(mutations.len());
    for bytes in mutations {
        incoming.push(Incoming::read(bytes, &mut places)?);
    }
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
    let mut targets: Vec<Target<'_>> = tables
        .iter()
        .map(|(id, table)| Target {
            table: *id,
            is_durable: table.is_durable(),
            copies: Copies::of(&incoming, *id),
            version: table.write_into(),
        })
        .collect();
    if let Some(gone) = targets.iter().find(|it| it.version.dropped) {
        return Err(Error::UnknownTable(gone.table));
    }
    let (ticket, due) = append(inner, &incoming, &targets)?;
    stats::add(&inner.counters.writes, incoming.len() as u64);
    targets.iter().for_each(|it| touch(&it.version.active, it.table, &incoming));
    let mut grown = 0;
    for it in incoming {
        let at = targets.partition_point(|target| target.table < it.table);
        let Target { copies, version, .. } = &mut targets[at];
        let rows = copies.next(&it);
        grown += version.active.apply(it.change(&places, rows));
    }
    inner.grow_memtables(grown);
    drop(targets);
    if due {
        inner.wake(Lane::Log);
    }
    if inner.wants_flush() {
        inner.wake(Lane::Flush);
    }
    Ok(ticket)
}

/// Looks at what those of `incoming` will change that go to this memtable, where that pays.
pub(crate) fn touch(memtable: &Memtable, table: TableId, incoming: &[Incoming<'_>]) {
    if TOUCHED_MIN <= incoming.len() {
        let own = incoming.iter().filter(|it| it.table == table);
        memtable.touch(&own.map(Incoming::token).collect::<Vec<_>>());
    }
}

/// Appends those that are to be durable to the log. The answer says whether a sync became due.
fn append(
    inner: &Inner,
    incoming: &[Incoming<'_>],
    targets: &[Target<'_>],
) -> Result<(Ticket, bool), Error> {
    let of = |it: &Incoming<'_>| &targets[targets.partition_point(|to| to.table < it.table)];
    let durable = incoming.iter().filter(|it| of(it).is_durable);
    let logged: Vec<&[u8]> = durable.map(|it| it.bytes).collect();
    if logged.is_empty() {
        return Ok((Ticket::done(), false));
    }
    let memtables = targets.iter().filter(|it| it.is_durable).map(|it| &it.version.active);
    memtables.for_each(|it| it.set_logged());
    inner.log.append(&logged)
}
