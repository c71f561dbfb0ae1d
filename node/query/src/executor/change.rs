//! Statements about the schema, and the few others that touch no rows.

use coordinator::trace::Step;
use cql_lite::{ast::Statement, code::Code};

use super::Run;
use crate::{
    About, Error, Executor, Outcome, Reply, catalog,
    describe::describe,
    guardrail::measure,
    plan::{self, Plan, names::Scope},
    schema_change::{self, Decision, Proposal},
};

impl Run<'_> {
    pub(super) async fn schema(&self, statement: &Statement, plan: &Plan) -> Result<Reply, Error> {
        self.bindings(plan)?;
        let schema = self.executor.catalog.schema();
        let scope = Scope { schema: &schema, keyspace: self.keyspace };
        let catalog = &*self.executor.catalog;
        let void = |outcome| Ok(Reply { outcome, warnings: Vec::new() });
        let decision = match statement {
            Statement::CreateKeyspace(create) => {
                schema_change::create_keyspace(create, &scope, &catalog.nodes())?
            }
            Statement::AlterKeyspace(alter) => {
                schema_change::alter_keyspace(alter, &scope, &catalog.nodes())?
            }
            Statement::DropKeyspace(drop) => schema_change::drop_keyspace(drop, &scope)?,
            Statement::CreateTable(create) => {
                schema_change::create_table(create, &scope, &self.executor.rng)?
            }
            Statement::AlterTable(alter) => schema_change::alter_table(alter, &scope)?,
            Statement::DropTable(drop) => schema_change::drop_table(drop, &scope)?,
            Statement::CreateType(create) => schema_change::create_type(create, &scope)?,
            Statement::AlterType(alter) => schema_change::alter_type(alter, &scope)?,
            Statement::DropType(drop) => schema_change::drop_type(drop, &scope)?,
            Statement::Truncate(truncate) => {
                let table = plan::write::writable(&truncate.table, &scope)?;
                let timeout = self.time_left(Code::Overloaded)?;
                let done = self.executor.store.truncate(table.id, timeout, self.request.trace);
                done.await.map_err(Error::of_write)?;
                return void(Outcome::Void);
            }
            Statement::Use(keyspace) => {
                let name = &keyspace.keyspace;
                if !scope.has_keyspace(&name.text) {
                    return Err(scope.unknown_keyspace(&name.text).at(name.span));
                }
                return void(Outcome::SetKeyspace(name.text.clone()));
            }
            Statement::Describe(what) => {
                return void(Outcome::Description(describe(what, &scope, catalog)?));
            }
            Statement::Write(_) | Statement::Batch(_) | Statement::Select(_) => {
                return Err(Error::new(Code::Internal, "rows are not part of the schema"));
            }
        };
        match decision {
            Decision::Rest => void(Outcome::Void),
            Decision::Change(proposal) => self.propose(*proposal).await,
        }
    }

    async fn propose(&self, proposal: Proposal) -> Result<Reply, Error> {
        use catalog::Error as Refused;
        let Proposal { change, tolerant, effect, target, keyspace, name, mut warnings } = proposal;
        let Executor { catalog, options, .. } = self.executor;
        let (schema, nodes) = (catalog.schema(), catalog.nodes());
        measure::change(&options.guard, &change, &schema, &nodes, &mut warnings)?;
        let timeout = self.time_left(Code::Overloaded)?;
        match self.executor.catalog.propose(change, timeout).await {
            Ok(epoch) => {
                let traces = &self.executor.traces;
                traces.note(self.request.trace, None, || Step::SchemaChanged(epoch));
                let outcome = Outcome::SchemaChange { effect, target, keyspace, name, epoch };
                Ok(Reply { outcome, warnings })
            }
            // Another node was faster: it is as IF [NOT] EXISTS allows.
            Err(Refused::AlreadyExists(_)) if tolerant => {
                Ok(Reply { outcome: Outcome::Void, warnings })
            }
            Err(Refused::NotFound(_)) if tolerant && effect != crate::SchemaEffect::Created => {
                Ok(Reply { outcome: Outcome::Void, warnings })
            }
            Err(error @ Refused::AlreadyExists(_)) => {
                Err(Error::of_change(error).about(About::Taken { keyspace, table: name }))
            }
            Err(error) => Err(Error::of_change(error)),
        }
    }
}
