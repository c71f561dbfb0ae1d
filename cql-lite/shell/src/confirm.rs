//! What somebody at the keyboard is asked before data goes away.
//!
//! Scripts, pipes and files that are sourced are never asked: nobody is there, or said it already.

use cql_lite::ast::{AlterTable, Statement, TableChange};

/// The question before a statement, for those that remove what cannot be typed again.
pub(crate) fn question(text: &str) -> Option<String> {
    // What does not parse is for the node to refuse.
    let what = match cql_lite::parse(text).ok()? {
        Statement::DropKeyspace(drop) => {
            format!("drop keyspace {} with all its tables", drop.name)
        }
        Statement::DropTable(drop) => format!("drop table {} with all its rows", drop.name),
        Statement::Truncate(truncate) => format!("remove all rows of {}", truncate.table),
        Statement::AlterTable(AlterTable {
            name,
            change: TableChange::Drop { columns, .. },
            ..
        }) => {
            let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
            format!("drop {} with all values from {name}", columns.join(", "))
        }
        Statement::CreateKeyspace(_)
        | Statement::AlterKeyspace(_)
        | Statement::CreateTable(_)
        | Statement::AlterTable(_)
        | Statement::CreateType(_)
        | Statement::AlterType(_)
        | Statement::DropType(_)
        | Statement::Use(_)
        | Statement::Write(_)
        | Statement::Batch(_)
        | Statement::Select(_)
        | Statement::Describe(_) => return None,
    };
    Some(format!("{what}? [y/N] "))
}

/// Whether an answer means yes. Anything but that is no.
pub(crate) fn is_yes(answer: &str) -> bool {
    ["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes))
}

#[cfg(test)]
mod tests;
