//! Names to tables and columns, with the nearest one where there is none.

use std::sync::Arc;

use cql_lite::{
    ast::{self, Spanned},
    code::Code,
    span::Span,
    suggest::suggest,
};
use model::{
    Schema, Table,
    schema::{Column, UserType},
};

use crate::{ColumnSpec, Error, system_tables};

/// Where names are looked up.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s> {
    /// The schema.
    pub(crate) schema: &'s Schema,
    /// The session's keyspace.
    pub(crate) keyspace: Option<&'s str>,
}

impl<'s> Scope<'s> {
    /// The keyspace that `name` is in: its own, else the session's.
    pub(crate) fn keyspace_of<'n>(&self, name: &'n ast::TableName) -> Result<&'n str, Error>
    where
        's: 'n,
    {
        match (&name.keyspace, self.keyspace) {
            (Some(keyspace), _) => Ok(&keyspace.text),
            (None, Some(keyspace)) => Ok(keyspace),
            (None, None) => Err(Error::new(Code::UnknownTable, "no keyspace has been chosen")
                .at(name.span())
                .hint(format!("write `keyspace.{}`, or `USE keyspace` first", name.table.text))),
        }
    }

    /// The table of this name.
    pub(crate) fn table(&self, name: &ast::TableName) -> Result<Arc<Table>, Error> {
        let keyspace = self.keyspace_of(name)?;
        if let Some(tables) = system_tables::keyspace(keyspace) {
            let names = tables.iter().map(|it| it.name.as_str());
            return tables
                .iter()
                .find(|it| it.name == name.table.text)
                .cloned()
                .ok_or_else(|| unknown("table", &name.table.text, names).at(name.table.span));
        }
        let Some(found) = self.schema.keyspaces.get(keyspace) else {
            let span = name.keyspace.as_ref().map_or(name.table.span, |it| it.span);
            return Err(self.unknown_keyspace(keyspace).at(span));
        };
        found.tables.get(&name.table.text).cloned().ok_or_else(|| {
            let names = found.tables.keys().map(String::as_str);
            unknown("table", &name.table.text, names).at(name.table.span)
        })
    }

    /// The user type of this name.
    pub(crate) fn user_type(&self, name: &ast::TableName) -> Result<Arc<UserType>, Error> {
        let keyspace = self.keyspace_of(name)?;
        let Some(found) = self.schema.keyspaces.get(keyspace) else {
            let span = name.keyspace.as_ref().map_or(name.table.span, |it| it.span);
            return Err(self.unknown_keyspace(keyspace).at(span));
        };
        found.types.get(&name.table.text).cloned().ok_or_else(|| {
            let names = found.types.keys().map(String::as_str);
            unknown("type", &name.table.text, names).at(name.table.span)
        })
    }

    /// The type that is meant in a definition of this keyspace, which uses user types of its own only.
    pub(crate) fn resolve(
        &self,
        name: &Spanned<ast::TypeName>,
        keyspace: &str,
    ) -> Result<ast::Resolved, Error> {
        let home = self.schema.keyspaces.get(keyspace);
        let known = |named: Option<&ast::Name>| {
            let home = home.filter(|_| named.is_none_or(|it| it.text == keyspace));
            home.into_iter().flat_map(|it| it.types.values()).collect()
        };
        Ok(name.resolve(&known)?)
    }

    /// Whether there is a keyspace of this name, ours included.
    pub(crate) fn has_keyspace(&self, name: &str) -> bool {
        self.schema.keyspaces.contains_key(name) || system_tables::keyspace(name).is_some()
    }

    /// The error for a keyspace that is not there.
    pub(crate) fn unknown_keyspace(&self, name: &str) -> Error {
        let ours = system_tables::KEYSPACES.iter().copied();
        unknown("keyspace", name, self.schema.keyspaces.keys().map(String::as_str).chain(ours))
    }
}

/// The column of this name.
pub(crate) fn column<'t>(table: &'t Table, name: &ast::Name) -> Result<&'t Column, Error> {
    table.column(&name.text).ok_or_else(|| {
        let message = format!("table `{}` has no column `{}`", table.name, name.text);
        let error = Error::new(Code::UnknownColumn, message).at(name.span);
        did_you_mean(error, &name.text, table.columns().map(|it| it.name.as_str()))
    })
}

/// Which field of a user type has this name.
pub(crate) fn field_of(user: &UserType, name: &ast::Name) -> Result<usize, Error> {
    user.fields.iter().position(|(field, _)| *field == name.text).ok_or_else(|| {
        let message = format!("type `{}` has no field `{}`", user.name, name.text);
        let error = Error::new(Code::UnknownColumn, message).at(name.span);
        did_you_mean(error, &name.text, user.fields.iter().map(|(field, _)| field.as_str()))
    })
}

/// The error for a name that is not there, with the nearest one that is.
pub(crate) fn unknown<'c>(
    kind: &str,
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Error {
    let error = Error::new(Code::UnknownTable, format!("unknown {kind} `{name}`"));
    did_you_mean(error, name, candidates)
}

/// Adds the candidate that was probably meant.
pub(crate) fn did_you_mean<'c>(
    error: Error,
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Error {
    match suggest(word, candidates) {
        // Every single letter is one mistake away from every other.
        Some(near) if word.chars().count() > 1 => error.hint(format!("did you mean `{near}`?")),
        Some(_) | None => error,
    }
}

/// The error for CQL that exists elsewhere and not yet here.
pub(crate) fn not_supported(what: &str, span: Span) -> Error {
    Error::new(Code::NotSupported, format!("{what} not supported yet")).at(span)
}

/// A column as results and markers describe it.
pub(crate) fn spec(table: &Table, column: &Column) -> ColumnSpec {
    ColumnSpec {
        keyspace: table.keyspace.clone(),
        table: table.name.clone(),
        name: column.name.clone(),
        cql_type: column.cql_type.clone(),
    }
}

/// The names of these columns as CQL writes them.
pub(crate) fn list<'c>(columns: impl IntoIterator<Item = &'c Column>) -> String {
    let names = columns.into_iter().map(|it| cql_lite::keyword::quote_name(&it.name));
    names.collect::<Vec<_>>().join(", ")
}
