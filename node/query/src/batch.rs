//! Batches: the mutations of several writes, one for each partition.
//!
//! What one batch writes to one partition of one table is one mutation, which each replica applies
//! whole or not at all. Between partitions nothing of the kind holds: a batch that is not called
//! UNLOGGED promises it all the same, so that one is taken only where one partition is written.

use cql_lite::code::Code;
use model::Mutation;

use crate::{
    Error,
    apply::{self, When},
    bind::Bindings,
    guardrail::{Guard, Guardrail},
    merged::Merged,
    plan::batch::Batch,
};

/// What a batch changes: a mutation for each partition, and warnings.
pub(crate) fn mutations(
    batch: &Batch,
    bindings: &Bindings<'_>,
    when: When,
    (guard, now_micros): (&Guard, i64),
) -> Result<(Vec<Mutation>, Vec<String>), Error> {
    let mut warnings = Vec::new();
    // Whatever its size: it would not be one otherwise.
    let mut merged = Merged::new(usize::MAX);
    for write in &batch.writes {
        let mut when = when;
        if let Some(own) = apply::timestamp(write.timestamp.as_ref(), bindings)? {
            warnings.extend(apply::check_timestamp(own, now_micros, guard)?);
            when.timestamp = own;
        }
        apply::mutations(write, bindings, when)?.into_iter().for_each(|it| merged.add(it));
    }
    let mutations = merged.finish();
    if !batch.unlogged && 1 < mutations.len() {
        let message = format!(
            "this batch writes {} partitions: all of them or none is not supported yet",
            mutations.len()
        );
        return Err(Error::new(Code::NotSupported, message).at(batch.span).hint(
            "BEGIN UNLOGGED BATCH promises it for each partition alone; single statements do too, \
             and are faster",
        ));
    }
    let bytes: usize = mutations.iter().map(|it| it.encode().len()).sum();
    let measured = [(Guardrail::BatchBytes, bytes), (Guardrail::BatchPartitions, mutations.len())];
    for (guardrail, value) in measured {
        let warning = guard.check(guardrail, value as u64);
        warnings.extend(warning.map_err(|error| error.at(batch.span))?);
    }
    Ok((mutations, warnings))
}
