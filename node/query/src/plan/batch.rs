//! BATCH: several writes that arrive as one.

use std::sync::Arc;

use cql_lite::{
    ast::{self, BatchKind, Spanned},
    code::Code,
    span::Span,
    types::NativeType,
};

use super::{
    Plan, Verb,
    names::Scope,
    term::{self, Markers, Operand, Terms},
    write::{self, Planned, Write},
};
use crate::Error;

/// Several writes, their markers still open.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    /// What is written, in the order of the text.
    pub(crate) writes: Vec<Write>,
    /// `USING TIMESTAMP`, microseconds: of every write.
    pub(crate) timestamp: Option<Spanned<Operand>>,
    /// What it promises where it writes several partitions, and of what.
    pub(crate) kind: BatchKind,
    /// Where it begins.
    pub(crate) span: Span,
}

/// Plans a `BATCH`.
pub(crate) fn plan(batch: &ast::Batch, scope: &Scope<'_>) -> Result<Plan, Error> {
    let mut markers = Markers::default();
    let mut idempotent = true;
    let mut partition_key = Vec::new();
    let mut writes = Vec::with_capacity(batch.writes.len());
    for statement in &batch.writes {
        let planned = write::plan(statement, scope)?;
        if let (Some(_), Some(own)) = (&batch.using.timestamp, &planned.write.timestamp) {
            let message = "a timestamp is given to the batch or to its writes, not to both";
            return Err(Error::new(Code::BadValue, message).at(own.span));
        }
        let Planned { write, markers: more, is_volatile } = planned;
        if writes.is_empty() {
            partition_key = super::key_markers(&write.keys);
        }
        markers.merge(more);
        idempotent &= !is_volatile;
        writes.push(write);
    }
    refuse_mixture(batch.kind, &writes).map_err(|error| error.at(batch.span))?;
    let has_counters = writes.iter().any(|it| it.table.has_counters());
    if let (true, Some(term)) = (has_counters, &batch.using.timestamp) {
        let message = "a batch of counters has no timestamp: each is stamped by its leader";
        return Err(Error::new(Code::BadValue, message).at(term.span()).hint("leave it out"));
    }
    let timestamp = match (&batch.using.timestamp, writes.first()) {
        (None, _) => None,
        (given @ Some(_), Some(first)) => {
            let mut terms = Terms::new(&first.table);
            let timestamp =
                term::pseudo(&mut terms, given.as_ref(), "[timestamp]", NativeType::Bigint)?;
            markers.merge(terms.into_markers());
            timestamp
        }
        (Some(term), None) => {
            let message = "a batch without writes has no timestamp";
            return Err(Error::new(Code::BadValue, message).at(term.span()));
        }
    };
    let verb = Verb::Batch(Batch { writes, timestamp, kind: batch.kind, span: batch.span });
    let variables = markers.variables()?;
    Ok(Plan { verb, variables, columns: Arc::default(), partition_key, idempotent })
}

/// Refuses counters beside what is none, and either in a batch of another kind.
pub(crate) fn refuse_mixture<'w>(
    kind: BatchKind,
    writes: impl IntoIterator<Item = &'w Write>,
) -> Result<(), Error> {
    let (mut counters, mut others) = (None, None);
    for write in writes {
        let seen = if write.table.has_counters() { &mut counters } else { &mut others };
        seen.get_or_insert(&write.table.name);
    }
    let (message, hint) = match (kind, counters, others) {
        (_, Some(counters), Some(others)) => (
            format!(
                "{counters} has counters and {others} has not: a batch writes one or the other"
            ),
            "make it two batches",
        ),
        (BatchKind::Logged, Some(counters), None) => (
            format!("{counters} has counters, of which no batch promises all or nothing"),
            "write BEGIN COUNTER BATCH",
        ),
        (BatchKind::Counter, None, Some(others)) => (
            format!("{others} has no counters, and a batch of counters writes nothing else"),
            "write BEGIN BATCH or BEGIN UNLOGGED BATCH",
        ),
        (BatchKind::Logged | BatchKind::Unlogged, None, _)
        | (BatchKind::Unlogged | BatchKind::Counter, Some(_), None)
        | (BatchKind::Counter, None, None) => return Ok(()),
    };
    Err(Error::new(Code::BadValue, message).hint(hint))
}
