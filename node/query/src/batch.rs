//! Batches: the mutations of several writes, one for each partition.
//!
//! What one batch writes to one partition of one table is one mutation, which each replica applies
//! whole or not at all. Between partitions nothing of the kind holds: a batch that is not called
//! UNLOGGED or COUNTER promises it all the same, so that one is taken only where one partition is written.

use cql_lite::{ast::BatchKind, code::Code, span::Span};
use model::Mutation;

use crate::{
    Error,
    apply::{self, Lists, When},
    bind::Bindings,
    guardrail::{Guard, Guardrail},
    merged::Merged,
    plan::write::Write,
};

/// What is asked of a batch as a whole.
pub(crate) struct Rules<'g> {
    /// What it promises where it writes several partitions, and of what.
    pub(crate) kind: BatchKind,
    /// Where it begins, if it is text.
    pub(crate) span: Option<Span>,
    /// What is unwise, and what is too much.
    pub(crate) guard: &'g Guard,
    /// Microseconds since 1970, as the clock says.
    pub(crate) now_micros: i64,
}

/// What writes with their values change together: a mutation for each partition, and warnings. `lists`
/// is what was read for all of them.
pub(crate) fn mutations<'w>(
    writes: impl IntoIterator<Item = (&'w Write, &'w Bindings<'w>)>,
    when: When,
    lists: &Lists,
    rules: &Rules<'_>,
) -> Result<(Vec<Mutation>, Vec<String>), Error> {
    let at = |error: Error| match rules.span {
        Some(span) => error.at(span),
        None => error,
    };
    let mut warnings = Vec::new();
    // Whatever its size: it would not be one otherwise.
    let mut merged = Merged::new(usize::MAX);
    for ((write, bindings), place) in writes.into_iter().zip(0..) {
        let mut when = When { place, ..when };
        if let Some(own) = apply::timestamp(write.timestamp.as_ref(), bindings)? {
            warnings.extend(apply::check_timestamp(own, rules.now_micros, rules.guard)?);
            when.timestamp = own;
        }
        let mutations = apply::mutations(write, bindings, when, lists)?;
        mutations.into_iter().for_each(|it| merged.add(it));
    }
    let mutations = merged.finish();
    if rules.kind == BatchKind::Logged && 1 < mutations.len() {
        let message = format!(
            "this batch writes {} partitions: all of them or none is not supported yet",
            mutations.len()
        );
        return Err(at(Error::new(Code::NotSupported, message)).hint(
            "BEGIN UNLOGGED BATCH promises it for each partition alone; single statements do too, \
             and are faster",
        ));
    }
    let bytes: usize = mutations.iter().map(|it| it.encode().len()).sum();
    let measured = [(Guardrail::BatchBytes, bytes), (Guardrail::BatchPartitions, mutations.len())];
    for (guardrail, value) in measured {
        let warning = rules.guard.check(guardrail, value as u64);
        warnings.extend(warning.map_err(at)?);
    }
    Ok((mutations, warnings))
}
