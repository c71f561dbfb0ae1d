//! Writes: what is known of them becomes mutations, which are sent.

use std::sync::Arc;

use coordinator::replica::{Answering, at_once};
use cql_lite::{ast::BatchKind, code::Code, span::Span};
use futures_util::{FutureExt as _, future::Either};
use model::Mutation;

use super::{
    Options, Run,
    level::{Use, check_level},
};
use crate::{
    Error, Outcome, Reply,
    apply::{self, Lists, When},
    batch,
    bind::Bindings,
    guardrail::measure,
    plan::{Plan, batch::Batch, write::Write},
    store,
};

/// A write on its way.
pub(super) struct Sent {
    pub(super) what: Use,
    pub(super) warnings: Vec<String>,
    pub(super) answering: Answering<Result<(), store::Error>>,
}

impl Sent {
    pub(super) async fn reply(self) -> Result<Reply, Error> {
        written(self.what, self.answering.await, self.warnings)
    }
}

/// What came of a write.
pub(super) fn written(
    what: Use,
    outcome: Result<(), store::Error>,
    warnings: Vec<String>,
) -> Result<Reply, Error> {
    let error = if what == Use::Increment { Error::of_increment } else { Error::of_write };
    outcome.map_err(error)?;
    Ok(Reply { outcome: Outcome::Void, warnings })
}

impl<'r> Run<'r> {
    /// Executes a write that reads nothing.
    pub(super) fn write(&self, write: &Write, plan: &Plan) -> Result<Sent, Error> {
        check_level(self.request.consistency, Use::of([write]))?;
        self.write_with(write, &self.bindings(plan)?, &Lists::default(), None)
    }

    /// Executes a write for which these lists were read, with what is to be told of that.
    pub(super) fn write_with(
        &self,
        write: &Write,
        bindings: &Bindings<'_>,
        lists: &Lists,
        told: Option<String>,
    ) -> Result<Sent, Error> {
        let given = apply::timestamp(write.timestamp.as_ref(), bindings)?;
        let (when, mut warnings) = self.when(given, write.table.has_counters())?;
        let mutations = apply::mutations(write, bindings, when, lists)?;
        warnings.extend(told);
        self.send(mutations, Use::of([write]), warnings)
    }

    pub(super) async fn batch(&self, batch: &Batch, plan: &Plan) -> Result<Reply, Error> {
        let what = Use::of(&batch.writes);
        check_level(self.request.consistency, what)?;
        let bindings = self.bindings(plan)?;
        let given = apply::timestamp(batch.timestamp.as_ref(), &bindings)?;
        let has_counters = batch.writes.iter().any(|it| it.table.has_counters());
        let writes = || batch.writes.iter().map(|it| (it, &bindings));
        let (lists, told) = self.lists(writes()).await?;
        let (when, mut warnings) = self.when(given, has_counters)?;
        let rules = self.rules(batch.kind, Some(batch.span));
        let (mutations, more) = batch::mutations(writes(), when, &lists, &rules)?;
        warnings.extend(told.into_iter().chain(more));
        self.send(mutations, what, warnings)?.reply().await
    }

    pub(super) fn rules(&self, kind: BatchKind, span: Option<Span>) -> batch::Rules<'r> {
        let guard = &self.executor.options.guard;
        batch::Rules { kind, span, guard, now_micros: self.now_micros }
    }

    /// When a write happens: at the timestamp given with it, else with the request, else now. Counters
    /// are stamped by nodes: a client's clock does not tell what is older than a deletion.
    pub(super) fn when(
        &self,
        given: Option<i64>,
        has_counters: bool,
    ) -> Result<(When, Vec<String>), Error> {
        let mut warnings = Vec::new();
        let timestamp = match given.or(self.request.timestamp.filter(|_| !has_counters)) {
            Some(given) => {
                let guard = &self.executor.options.guard;
                warnings.extend(apply::check_timestamp(given, self.now_micros, guard)?);
                given
            }
            None => self.executor.store.timestamp().map_err(Error::of_write)?,
        };
        Ok((When { timestamp, now: self.seconds(), place: 0 }, warnings))
    }

    pub(super) fn send(
        &self,
        mutations: Vec<Mutation>,
        what: Use,
        mut warnings: Vec<String>,
    ) -> Result<Sent, Error> {
        let Options { guard, partition_bytes, .. } = &self.executor.options;
        measure::mutations(guard, &mutations, partition_bytes, &mut warnings)?;
        if mutations.is_empty() {
            return Ok(Sent { what, warnings, answering: at_once(Ok(())) });
        }
        let options = self.options(self.time_left(Code::Overloaded)?);
        let store = &self.executor.store;
        let answering = if what == Use::Increment {
            let store = Arc::clone(store);
            Either::Right(async move { store.increment(mutations, options).await }.boxed())
        } else {
            store.write(mutations, options)
        };
        Ok(Sent { what, warnings, answering })
    }
}
