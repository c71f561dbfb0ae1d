//! Plans: a statement checked against the schema, with its markers still open.
//!
//! Pure: a plan is made from a tree and a schema alone, and stays valid while its table does.
//!
//! In reading order: names, terms, conditions and what they leave, then the statements.

pub(crate) mod names;
pub(crate) mod term;

pub(crate) mod any_of;
pub(crate) mod filter;
pub(crate) mod restrict;
pub(crate) mod rows;

pub(crate) mod batch;
mod order;
pub(crate) mod select;
pub(crate) mod write;

use std::sync::Arc;

use cql_lite::ast::Statement;
use model::{ColumnId, Table};

use self::{names::Scope, rows::Choice, term::Operand};
use crate::{ColumnSpec, Columns, Error};

/// What to do, with what it takes to bind and to describe it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What to do.
    pub(crate) verb: Verb,
    /// The markers in order.
    pub(crate) variables: Vec<ColumnSpec>,
    /// The result's columns.
    pub(crate) columns: Arc<Columns>,
    /// Which marker gives each column of the partition key; empty where one is not a marker.
    pub(crate) partition_key: Vec<u16>,
    /// Whether twice is as good as once.
    pub(crate) idempotent: bool,
}

/// What to do.
#[derive(Clone, Debug)]
pub(crate) enum Verb {
    /// Read rows.
    Select(select::Select),
    /// Write rows.
    Write(write::Write),
    /// Write rows of several statements at once.
    Batch(batch::Batch),
    /// Everything that depends on the schema of the moment, and on no values.
    Schema(Statement),
}

/// Checks `statement` against the schema in `scope`.
pub(crate) fn plan(statement: Statement, scope: &Scope<'_>) -> Result<Plan, Error> {
    match statement {
        Statement::Select(select) => select::plan(&select, scope),
        Statement::Write(write) => write::plan(&write, scope)?.finish(),
        Statement::Batch(batch) => batch::plan(&batch, scope),
        Statement::CreateKeyspace(_)
        | Statement::AlterKeyspace(_)
        | Statement::DropKeyspace(_)
        | Statement::CreateTable(_)
        | Statement::AlterTable(_)
        | Statement::DropTable(_)
        | Statement::CreateType(_)
        | Statement::AlterType(_)
        | Statement::DropType(_)
        | Statement::Truncate(_)
        | Statement::Use(_)
        | Statement::Describe(_) => Ok(Plan {
            verb: Verb::Schema(statement),
            variables: Vec::new(),
            columns: Arc::default(),
            partition_key: Vec::new(),
            idempotent: true,
        }),
    }
}

impl Plan {
    /// The tables that it reads or writes, one more than once perhaps.
    pub(crate) fn tables(&self) -> Vec<&Arc<Table>> {
        match &self.verb {
            Verb::Select(select) => vec![&select.table],
            Verb::Write(write) => vec![&write.table],
            Verb::Batch(batch) => batch.writes.iter().map(|it| &it.table).collect(),
            Verb::Schema(_) => Vec::new(),
        }
    }
}

/// The markers that give the partition key, if each of its columns is given by one.
pub(crate) fn key_markers(keys: &[Choice]) -> Vec<u16> {
    let marker = |choice: &Choice| match choice.any_of.only() {
        Some([Operand::Marker(index)]) => u16::try_from(*index).ok(),
        Some(_) | None => None,
    };
    keys.iter().map(marker).collect::<Option<Vec<u16>>>().unwrap_or_default()
}

/// A static or regular column, as cells know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CellColumn {
    /// Its id.
    pub(crate) id: ColumnId,
    /// Whether its cell is in the static row.
    pub(crate) is_static: bool,
}
