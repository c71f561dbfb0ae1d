//! One prepared write, once for each row of values: rows of one partition become one mutation.
//!
//! Every row is checked before any is written.

use cql_lite::code::Code;

use super::{
    Executor, Run,
    level::{Use, check_level},
};
use crate::{
    Error, Reply, Request, Source,
    apply::{self, Lists, When},
    bind::Bindings,
    merged::Merged,
    plan::{Plan, Verb, write::Write},
};

/// A mutation takes no further rows once it takes so many bytes in memory: each is applied, and
/// held in memory, as a whole.
const MUTATION_BYTES: usize = 1 << 20;

impl Executor {
    /// Executes a prepared write once for each row. `request` names it, and its values are those
    /// of all rows, one row after the other; names are not looked at. The timestamp is that of the
    /// first row, and each further row is a microsecond later: of two for one cell, the last wins.
    ///
    /// # Errors
    /// As of [`execute`](Self::execute). What is wrong with one row refuses all of them, before
    /// any is written.
    pub async fn execute_many(&self, request: Request, rows: usize) -> Result<Reply, Error> {
        let Source::Prepared(id) = &request.source else {
            return Err(Error::new(Code::BadBind, "rows of values are for prepared statements"));
        };
        let entry = self.known(*id)?;
        let Verb::Write(write) = &entry.plan.verb else {
            return Err(Error::new(Code::BadBind, "rows of values are for statements that write"));
        };
        let keyspace = entry.keyspace.as_deref();
        let run = self.run(&request, keyspace, self.options.timeouts.write);
        run.write_many(write, &entry.plan, rows).await.map_err(|error| self.name_nodes(error))
    }
}

impl Run<'_> {
    async fn write_many(&self, write: &Write, plan: &Plan, rows: usize) -> Result<Reply, Error> {
        let what = Use::of([write]);
        check_level(self.request.consistency, what)?;
        if !write.lists.is_empty() {
            let message = "rows of values are for writes that read nothing: this one reads a list";
            return Err(Error::new(Code::BadBind, message).hint("send a request for each row"));
        }
        let (values, width) = (&self.request.values, plan.variables.len());
        if rows == 0 || width == 0 || Some(values.len()) != rows.checked_mul(width) {
            let message = format!("{} value(s) for {rows} row(s) of {width}", values.len());
            return Err(Error::new(Code::BadBind, message));
        }
        let has_counters = write.table.has_counters();
        let (first, mut warnings) = self.when(None, has_counters)?;
        let guard = &self.executor.options.guard;
        let mut merged = Merged::new(MUTATION_BYTES);
        let mut warning = None;
        for (row, later) in values.chunks_exact(width).zip(0..) {
            let timestamp = first.timestamp.saturating_add(later.into());
            let mut when = When { timestamp, place: later, now: first.now };
            let bindings = Bindings::new(&plan.variables, row, None, self.moment())?;
            if let Some(own) = apply::timestamp(write.timestamp.as_ref(), &bindings)? {
                warning = apply::check_timestamp(own, self.now_micros, guard)?.or(warning);
                when.timestamp = own;
            }
            let mutations = apply::mutations(write, &bindings, when, &Lists::default())?;
            mutations.into_iter().for_each(|it| merged.add(it));
        }
        warnings.extend(warning);
        self.send(merged.finish(), what, warnings)?.reply().await
    }
}
