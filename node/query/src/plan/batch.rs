//! BATCH: several writes that arrive as one.

use cql_lite::{
    ast::{self, Spanned},
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
    /// Whether it may be torn where it writes several partitions.
    pub(crate) unlogged: bool,
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
    let verb = Verb::Batch(Batch { writes, timestamp, unlogged: batch.unlogged, span: batch.span });
    let variables = markers.variables()?;
    Ok(Plan { verb, variables, columns: Vec::new(), partition_key, idempotent })
}
