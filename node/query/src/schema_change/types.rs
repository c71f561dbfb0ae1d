//! CREATE, ALTER and DROP TYPE.

use cql_lite::{ast, code::Code};
use model::schema::{self, CqlType, NativeType, UserType};

use super::{Decision, Proposal, exists, invalid, missing, refuse_ours};
use crate::{
    Error, SchemaChange, SchemaEffect, SchemaTarget,
    plan::names::{Scope, field_of},
};

/// Decides on `CREATE TYPE`.
pub(crate) fn create_type(create: &ast::CreateType, scope: &Scope<'_>) -> Result<Decision, Error> {
    let keyspace = scope.keyspace_of(&create.name)?.to_owned();
    let span = create.name.span();
    refuse_ours(&keyspace, span)?;
    let Some(found) = scope.schema.keyspaces.get(&keyspace) else {
        let span = create.name.keyspace.as_ref().map_or(span, |it| it.span);
        return Err(scope.unknown_keyspace(&keyspace).at(span));
    };
    let name = create.name.table.text.clone();
    if found.types.contains_key(&name) {
        return exists(span, create.if_not_exists, &keyspace, Some(("type", &name)));
    }
    let mut user = UserType { keyspace, name, fields: Vec::new() };
    for (field, of) in &create.fields {
        add(&mut user, field, of, scope)?;
    }
    schema::check_type(&user).map_err(|error| invalid(&error, span))?;
    let (keyspace, name) = (user.keyspace.clone(), user.name.clone());
    let (change, effect) = (SchemaChange::CreateType(user), SchemaEffect::Created);
    Ok(decided(change, create.if_not_exists, effect, keyspace, name))
}

/// Decides on `ALTER TYPE`.
pub(crate) fn alter_type(alter: &ast::AlterType, scope: &Scope<'_>) -> Result<Decision, Error> {
    let span = alter.name.span();
    refuse_ours(scope.keyspace_of(&alter.name)?, span)?;
    let before = match scope.user_type(&alter.name) {
        Ok(user) => UserType::clone(&user),
        Err(error) => return missing(error, span, alter.if_exists),
    };
    let mut after = before.clone();
    match &alter.change {
        ast::TypeChange::Add { if_not_exists, field, type_name } => {
            let is_there = after.fields.iter().any(|(name, _)| *name == field.text);
            if !(is_there && *if_not_exists) {
                add(&mut after, field, type_name, scope)?;
            }
        }
        ast::TypeChange::Rename { if_exists, names } => {
            for (old, new) in names {
                match field_of(&after, old) {
                    Err(_) if *if_exists => continue,
                    Err(error) => return Err(error),
                    Ok(at) => {
                        refuse_taken(&after, new)?;
                        after.fields[at].0.clone_from(&new.text);
                    }
                }
            }
        }
    }
    if after == before {
        return Ok(Decision::Rest);
    }
    schema::check_type(&after).map_err(|error| invalid(&error, span))?;
    let (keyspace, name) = (after.keyspace.clone(), after.name.clone());
    let change = SchemaChange::AlterType { before, after };
    Ok(decided(change, alter.if_exists, SchemaEffect::Updated, keyspace, name))
}

/// Decides on `DROP TYPE`. Whether something uses it is for those who agree on the change to say.
pub(crate) fn drop_type(drop: &ast::DropType, scope: &Scope<'_>) -> Result<Decision, Error> {
    refuse_ours(scope.keyspace_of(&drop.name)?, drop.name.span())?;
    let user = match scope.user_type(&drop.name) {
        Ok(user) => user,
        Err(error) => return missing(error, drop.name.span(), drop.if_exists),
    };
    let (keyspace, name) = (user.keyspace.clone(), user.name.clone());
    let change = SchemaChange::DropType { keyspace: keyspace.clone(), name: name.clone() };
    Ok(decided(change, drop.if_exists, SchemaEffect::Dropped, keyspace, name))
}

fn decided(
    change: SchemaChange,
    tolerant: bool,
    effect: SchemaEffect,
    keyspace: String,
    name: String,
) -> Decision {
    Decision::change(Proposal {
        change,
        tolerant,
        effect,
        target: SchemaTarget::Type,
        keyspace,
        name: Some(name),
        warnings: Vec::new(),
    })
}

/// Adds one field behind the others.
fn add(
    user: &mut UserType,
    field: &ast::Name,
    of: &ast::Spanned<ast::TypeName>,
    scope: &Scope<'_>,
) -> Result<(), Error> {
    refuse_taken(user, field)?;
    let resolved = scope.resolve(of, &user.keyspace)?;
    if resolved.cql_type.uses(&user.keyspace, &user.name) {
        let message = format!("type `{}` cannot be made of itself", user.name);
        return Err(Error::new(Code::InvalidSchema, message).at(of.span));
    }
    if resolved.cql_type == NativeType::Counter {
        let message = format!("field `{}` cannot be a counter", field.text);
        let hint = "a counter is a column of its own";
        return Err(Error::new(Code::InvalidSchema, message).at(of.span).hint(hint));
    }
    if let (CqlType::User(inner), false) = (&resolved.cql_type, resolved.is_frozen) {
        let message = format!("a field of type `{}` has to be frozen", inner.name);
        let hint = format!("write frozen<{}>", resolved.cql_type);
        return Err(Error::new(Code::InvalidSchema, message).at(of.span).hint(hint));
    }
    user.fields.push((field.text.clone(), resolved.cql_type));
    Ok(())
}

fn refuse_taken(user: &UserType, field: &ast::Name) -> Result<(), Error> {
    if !user.fields.iter().any(|(name, _)| *name == field.text) {
        return Ok(());
    }
    let message = format!("field `{}` already exists", field.text);
    Err(Error::new(Code::InvalidSchema, message).at(field.span))
}
