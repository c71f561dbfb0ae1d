//! Batches: the mutations of several writes, one for each partition.
//!
//! What one batch writes to one partition of one table is one mutation, which each replica applies
//! whole or not at all. Between partitions nothing of the kind holds: a batch that is not called
//! UNLOGGED promises it all the same, so that one is taken only where one partition is written.

use std::collections::BTreeMap;

use cql_lite::code::Code;
use model::{Mutation, Partition, PartitionKey, TableId};

use crate::{
    Error,
    apply::{self, When},
    bind::Bindings,
    plan::batch::Batch,
};

/// Most bytes of all mutations of a batch.
const BYTES_MAX: usize = 1 << 20;

/// From how many bytes on a batch is warned of.
const BYTES_WARN: usize = 128 << 10;

/// From how many partitions on a batch is warned of.
const PARTITIONS_WARN: usize = 10;

/// What a batch changes: a mutation for each partition, and warnings.
pub(crate) fn mutations(
    batch: &Batch,
    bindings: &Bindings<'_>,
    when: When,
    now_micros: i64,
) -> Result<(Vec<Mutation>, Vec<String>), Error> {
    let mut warnings = Vec::new();
    let mut partitions: BTreeMap<(TableId, PartitionKey), Partition> = BTreeMap::new();
    for write in &batch.writes {
        let mut when = when;
        if let Some(own) = apply::timestamp(write.timestamp.as_ref(), bindings)? {
            warnings.extend(apply::check_timestamp(own, now_micros)?);
            when.timestamp = own;
        }
        for Mutation { table, partition } in apply::mutations(write, bindings, when)? {
            let key = (table, partition.key.clone());
            match partitions.get_mut(&key) {
                Some(known) => known.merge(partition),
                None => drop(partitions.insert(key, partition)),
            }
        }
    }
    let mutation = |((table, _), partition)| Mutation { table, partition };
    let mutations: Vec<Mutation> = partitions.into_iter().map(mutation).collect();
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
    warnings.extend(check_size(batch, &mutations)?);
    Ok((mutations, warnings))
}

fn check_size(batch: &Batch, mutations: &[Mutation]) -> Result<Vec<String>, Error> {
    let bytes: usize = mutations.iter().map(|it| it.encode().len()).sum();
    if BYTES_MAX < bytes {
        let message = format!("this batch is {bytes} bytes, more than {BYTES_MAX}");
        return Err(Error::new(Code::TooLarge, message)
            .at(batch.span)
            .hint("send its writes as single statements, many at the same time"));
    }
    let mut warnings = Vec::new();
    if BYTES_WARN < bytes {
        warnings.push(format!("a batch of {bytes} bytes; from {BYTES_WARN} on it is a burden"));
    }
    if PARTITIONS_WARN < mutations.len() {
        warnings.push(format!(
            "a batch over {} partitions is slower than as many single statements",
            mutations.len()
        ));
    }
    Ok(warnings)
}
