//! A batch that comes as several statements, each text or prepared, with its own values.

use std::sync::Arc;

use cql_lite::code::Code;

use super::{
    Executor, Run,
    level::{Use, check_level},
    measure,
};
use crate::{
    BatchRequest, Error, Outcome, Reply, Request, Source, batch,
    bind::Bindings,
    plan::{Verb, batch::refuse_mixture, write::Write},
    prepared::Entry,
};

impl Executor {
    /// Executes several writes as one. A batch of none succeeds.
    ///
    /// # Errors
    /// As of [`execute`](Self::execute). What is wrong with one statement refuses all of them,
    /// before any is executed.
    pub async fn execute_batch(&self, batch: BatchRequest) -> Result<Reply, Error> {
        check_level(batch.consistency, Use::Write)?;
        if batch.statements.is_empty() {
            return Ok(Reply { outcome: Outcome::Void, warnings: Vec::new() });
        }
        let mut warnings = Vec::new();
        let mut entries = Vec::with_capacity(batch.statements.len());
        for (source, _) in &batch.statements {
            measure::source(&self.options.guard, source, &mut warnings)?;
            entries.push(match source {
                Source::Text(text) => {
                    self.plan_anew(text, batch.keyspace.as_deref(), batch.trace)?
                }
                Source::Prepared(id) => self.known(*id)?,
            });
        }
        let request = settings(&batch);
        let run = self.run(&request, batch.keyspace.as_deref(), self.options.timeouts.write);
        let reply = run.group(&batch, &entries).await;
        let mut reply = reply.map_err(|error| self.name_nodes(error))?;
        reply.warnings.extend(warnings);
        Ok(reply)
    }
}

impl Run<'_> {
    async fn group(&self, batch: &BatchRequest, entries: &[Arc<Entry>]) -> Result<Reply, Error> {
        let mut writes = Vec::with_capacity(entries.len());
        for (entry, (_, values)) in entries.iter().zip(&batch.statements) {
            let write = write_of(entry)?;
            let variables = &entry.plan.variables;
            writes.push((write, Bindings::new(variables, values, None, self.moment())?));
        }
        let all = || writes.iter().map(|(write, _)| *write);
        refuse_mixture(batch.kind, all())?;
        let what = Use::of(all());
        check_level(batch.consistency, what)?;
        let has_counters = all().any(|it| it.table.has_counters());
        let pairs = || writes.iter().map(|(write, bindings)| (*write, bindings));
        let (lists, told) = self.lists(pairs()).await?;
        let (when, mut warnings) = self.when(None, has_counters)?;
        let rules = self.rules(batch.kind, None);
        let (mutations, more) = batch::mutations(pairs(), when, &lists, &rules)?;
        warnings.extend(told.into_iter().chain(more));
        self.send(mutations, what, warnings)?.reply().await
    }
}

/// The write that a statement of a batch is.
fn write_of(entry: &Entry) -> Result<&Write, Error> {
    match &entry.plan.verb {
        Verb::Write(write) => Ok(write),
        Verb::Select(_) | Verb::Batch(_) | Verb::Schema(_) => {
            let message = "a batch is made of INSERT, UPDATE and DELETE";
            Err(Error::new(Code::BadBind, message))
        }
    }
}

/// What all statements of a batch have in common.
fn settings(batch: &BatchRequest) -> Request {
    Request {
        // What each of them is stands beside it.
        source: Source::Text(String::new()),
        keyspace: batch.keyspace.clone(),
        values: Vec::new(),
        names: None,
        consistency: batch.consistency,
        page_rows: None,
        paging_state: None,
        whole: false,
        timestamp: batch.timestamp,
        now_seconds: batch.now_seconds,
        timeout: batch.timeout,
        trace: batch.trace,
    }
}
