//! Writes: a plan with its values becomes mutations.

use bytes::Bytes;
use cql_lite::{ast::Spanned, code::Code};
use model::{
    Cell, Clustering, Content, Deletion, Elements, Liveness, Mutation, Partition, PartitionKey,
    Row, cell::TTL_MAX, mutation,
};

mod elements;
mod lists;

use elements::{Writer, field_path};
pub(crate) use lists::Lists;

use crate::{
    Bound, Error,
    bind::Bindings,
    guardrail::{Guard, Guardrail},
    plan::{
        term::{Operand, null_in},
        write::{Action, Assignment, Change, Removal, Removed, Write},
    },
    resolve,
};

/// When a write happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct When {
    /// Write timestamp, microseconds.
    pub(crate) timestamp: i64,
    /// The clock, seconds: what tombstones are dated and TTLs counted from.
    pub(crate) now: i64,
    /// Which write of its request it is: increments of one counter are told apart by it.
    pub(crate) place: u32,
}

/// The timestamp that `USING` names, if it does.
pub(crate) fn timestamp(
    operand: Option<&Spanned<Operand>>,
    bindings: &Bindings<'_>,
) -> Result<Option<i64>, Error> {
    let Some(operand) = operand else { return Ok(None) };
    match bindings.evaluate(operand)? {
        Bound::Unset => Ok(None),
        Bound::Null => Err(null_in("the timestamp").at(operand.span)),
        Bound::Value(bytes) => match <[u8; 8]>::try_from(&bytes[..]) {
            Ok(bytes) => Ok(Some(i64::from_be_bytes(bytes))),
            Err(_) => Err(null_in("the timestamp").at(operand.span)),
        },
    }
}

/// Checks a timestamp that did not come from our clock; a warning where it is far ahead.
pub(crate) fn check_timestamp(
    timestamp: i64,
    now_micros: i64,
    guard: &Guard,
) -> Result<Option<String>, Error> {
    if timestamp == i64::MIN {
        return Err(Error::new(Code::BadValue, format!("{timestamp} is not a timestamp")));
    }
    // Rounded up, so that a limit is not passed by less than a second.
    let ahead = timestamp.saturating_sub(now_micros).max(0).unsigned_abs().div_ceil(1_000_000);
    guard.check(Guardrail::TimestampAhead, ahead)
}

/// What the write changes: a mutation for each partition, none where nothing changes. `lists` is what
/// was read for it.
pub(crate) fn mutations(
    write: &Write,
    bindings: &Bindings<'_>,
    when: When,
    lists: &Lists,
) -> Result<Vec<Mutation>, Error> {
    let ttl = ttl(write, bindings)?;
    let mut pattern = Partition::empty(PartitionKey::new(Bytes::new()));
    match &write.change {
        Change::Set { cells, marker } => {
            set(write, cells, *marker, ttl, when, bindings, &mut pattern)?;
        }
        Change::DeleteCells(cells) => delete_cells(write, cells, when, bindings, &mut pattern)?,
        Change::DeletePartition => pattern.delete(deletion(when)),
        Change::DeleteRows => delete_rows(write, when, bindings, &mut pattern)?,
    }
    let mut keys = resolve::keys(&write.table, &write.keys, bindings)?;
    let Some(last) = keys.pop() else { return Ok(Vec::new()) };
    pattern.key = last;
    let copy = |key| Partition { key, ..pattern.clone() };
    let mut partitions: Vec<Partition> = keys.into_iter().map(copy).collect();
    partitions.push(pattern);
    if !write.lists.is_empty() {
        let writer = Writer { when, ttl, bindings };
        let clusterings = named_rows(write, bindings)?;
        for partition in &mut partitions {
            lists.put(write, &clusterings, &writer, partition)?;
        }
    }
    partitions.retain(|it| !it.is_empty());
    let table = write.table.id;
    let mutations: Vec<Mutation> =
        partitions.into_iter().map(|partition| Mutation { table, partition }).collect();
    mutations.iter().try_for_each(check_size)?;
    Ok(mutations)
}

fn check_size(mutation: &Mutation) -> Result<(), Error> {
    // What it takes in memory bounds what it takes encoded, but for small change.
    if mutation.partition.memory_bytes() < mutation::BYTES_MAX / 2 {
        return Ok(());
    }
    let bytes = mutation.encode().len();
    if bytes > mutation::BYTES_MAX {
        let message = format!("the write is {bytes} bytes, more than {}", mutation::BYTES_MAX);
        return Err(Error::new(Code::TooLarge, message));
    }
    Ok(())
}

fn set(
    write: &Write,
    cells: &[Assignment],
    marker: bool,
    ttl: Option<u32>,
    when: When,
    bindings: &Bindings<'_>,
    pattern: &mut Partition,
) -> Result<(), Error> {
    let writer = Writer { when, ttl, bindings };
    let mut row = Row::default();
    if marker {
        row.liveness = Some(Liveness { timestamp: when.timestamp, expiry: writer.expiry() });
    }
    let mut static_row = Row::default();
    for Assignment { column, action } in cells {
        let into = if column.is_static { &mut static_row } else { &mut row };
        match action {
            Action::Cell(operand) => {
                if let Some(cell) = writer.cell(bindings.evaluate(operand)?) {
                    into.put(column.id, cell);
                }
            }
            Action::Replace(..)
            | Action::Append(..)
            | Action::Prepend(..)
            | Action::Remove(..)
            | Action::Entry(..)
            | Action::Field(..)
            | Action::Increment(..) => into.put_elements(column.id, writer.elements(action)?),
        }
    }
    pattern.put_static(static_row);
    put_rows(write, row, bindings, pattern)
}

fn delete_cells(
    write: &Write,
    cells: &[Removal],
    when: When,
    bindings: &Bindings<'_>,
    pattern: &mut Partition,
) -> Result<(), Error> {
    let (mut row, mut static_row) = (Row::default(), Row::default());
    let dead =
        || Cell { timestamp: when.timestamp, content: Content::Dead { deleted_at: when.now } };
    for Removal { column, part } in cells {
        let into = if column.is_static { &mut static_row } else { &mut row };
        let mut elements = Elements::default();
        match part {
            Removed::Cell => into.put(column.id, dead()),
            Removed::Elements => elements.deletion = Some(deletion(when)),
            Removed::Entry(key) => elements.put(bindings.required(key, "the key")?, dead()),
            Removed::Field(at) => elements.put(field_path(*at), dead()),
        }
        into.put_elements(column.id, elements);
    }
    pattern.put_static(static_row);
    put_rows(write, row, bindings, pattern)
}

fn delete_rows(
    write: &Write,
    when: When,
    bindings: &Bindings<'_>,
    pattern: &mut Partition,
) -> Result<(), Error> {
    if write.rows.is_exact(&write.table) {
        let row = Row { deletion: Some(deletion(when)), ..Row::default() };
        return put_rows(write, row, bindings, pattern);
    }
    for slice in resolve::slices(&write.table, &write.rows, bindings)? {
        pattern.delete_range(slice.start, slice.end, deletion(when));
    }
    Ok(())
}

/// Puts a copy of `row` at every row named; nowhere when only statics are written.
fn put_rows(
    write: &Write,
    row: Row,
    bindings: &Bindings<'_>,
    pattern: &mut Partition,
) -> Result<(), Error> {
    for clustering in named_rows(write, bindings)? {
        if !row.is_empty() {
            pattern.put_row(clustering, row.clone());
        }
    }
    Ok(())
}

/// The rows that the write names, each by its whole key; none when only statics are written.
pub(crate) fn named_rows(write: &Write, bindings: &Bindings<'_>) -> Result<Vec<Clustering>, Error> {
    match write.rows.is_exact(&write.table) {
        true => resolve::clusterings(&write.table, &write.rows, bindings),
        false => Ok(Vec::new()),
    }
}

fn deletion(when: When) -> Deletion {
    Deletion { timestamp: when.timestamp, deleted_at: when.now }
}

/// The time to live of what is written: the statement's, else the table's; none for zero.
fn ttl(write: &Write, bindings: &Bindings<'_>) -> Result<Option<u32>, Error> {
    let default = write.table.options.default_time_to_live;
    let seconds = match &write.ttl {
        None => i64::from(default),
        Some(operand) => match named_ttl(operand, bindings)? {
            None => i64::from(default),
            Some(seconds) => seconds,
        },
    };
    match u32::try_from(seconds) {
        Ok(0) => Ok(None),
        Ok(seconds) if seconds <= TTL_MAX => Ok(Some(seconds)),
        Ok(_) | Err(_) => {
            let message = format!("a TTL is 0 to {TTL_MAX} seconds, not {seconds}");
            let error = Error::new(Code::BadValue, message);
            Err(match &write.ttl {
                Some(operand) => error.at(operand.span),
                None => error,
            })
        }
    }
}

/// The seconds that a statement names: null is none at all, unset leaves it to the table.
fn named_ttl(operand: &Operand, bindings: &Bindings<'_>) -> Result<Option<i64>, Error> {
    Ok(match bindings.evaluate(operand)? {
        Bound::Unset => None,
        Bound::Null => Some(0),
        Bound::Value(bytes) => match <[u8; 4]>::try_from(&bytes[..]) {
            Ok(bytes) => Some(i64::from(i32::from_be_bytes(bytes))),
            Err(_) => Some(0),
        },
    })
}
