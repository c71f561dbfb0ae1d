//! User types: wherever one is used it is what it was last altered to be.

use model::schema::{CqlType, NativeType, UserType};

use super::*;
use crate::{codec::Wire, metadata::Proposal};

fn user(name: &str, fields: &[(&str, CqlType)]) -> UserType {
    let fields = fields.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect();
    UserType { keyspace: "ks".to_owned(), name: name.to_owned(), fields }
}

fn of(user: &UserType) -> CqlType {
    CqlType::User(Arc::new(user.clone()))
}

/// The metadata with a keyspace, after these changes, each of which has to be accepted.
fn after(changes: Vec<Change>) -> Metadata {
    let mut world = World::founded(1, 1);
    world.propose(0, keyspace("ks", 1));
    world.until("keyspace", 20 * SECOND, |it| it.all_at_epoch(2));
    changes.into_iter().fold(Metadata::clone(&world.metadata(0)), |metadata, change| {
        metadata.check(&change).unwrap();
        let proposal = Proposal { id: Uuid::nil(), change };
        metadata.apply(&Entry { epoch: metadata.epoch + 1, proposal })
    })
}

fn inner() -> UserType {
    user("inner", &[("a", NativeType::Int.into())])
}

/// `inner` is used by `outer`, that by a table, and so is `inner`.
fn nested() -> Metadata {
    let outer = user("outer", &[("i", CqlType::List(Arc::new(of(&inner()))))]);
    let mut table = table("ks", "t", 1);
    table.regulars[0].cql_type = of(&outer);
    table.regulars[0].is_multi_cell = true;
    let creates = [inner(), outer].map(|user| Change::CreateType { user });
    let table = Change::CreateTable { table: Arc::new(table) };
    after(creates.into_iter().chain([table]).collect())
}

#[test]
fn an_altered_type_is_another_one_inside_types_and_columns() {
    let before = nested();
    let wider = user("inner", &[("b", NativeType::Int.into()), ("c", NativeType::Text.into())]);
    let change = Change::AlterType { before: inner(), after: wider.clone() };
    before.check(&change).unwrap();
    let proposal = Proposal { id: Uuid::nil(), change: change.clone() };
    let after = before.apply(&Entry { epoch: before.epoch + 1, proposal });
    let keyspace = &after.schema.keyspaces["ks"];
    assert_eq!(*keyspace.types["inner"], wider);
    let outer = user("outer", &[("i", CqlType::List(Arc::new(of(&wider))))]);
    assert_eq!(*keyspace.types["outer"], outer);
    assert_eq!(keyspace.tables["t"].regulars[0].cql_type, of(&outer));
    assert_eq!(keyspace.tables["t"].epoch, after.epoch, "whoever knows it as it was is fenced");
    // Whoever altered it from what it was before is told.
    assert!(matches!(after.check(&change), Err(Refused::TypeChanged { .. })));
}

#[test]
fn a_type_goes_when_nothing_uses_it() {
    let metadata = nested();
    let drop = |name: &str| Change::DropType { keyspace: "ks".to_owned(), name: name.to_owned() };
    let refused = |name: &str| metadata.check(&drop(name)).unwrap_err().to_string();
    assert_eq!(refused("outer"), "type ks.outer is used by column v of table ks.t");
    assert_eq!(refused("inner"), "type ks.inner is used by column v of table ks.t");
    assert_eq!(refused("none"), "type ks.none does not exist");
    let unused = after(vec![Change::CreateType { user: inner() }, drop("inner")]);
    assert!(unused.schema.keyspaces["ks"].types.is_empty());
}

#[test]
fn types_that_cannot_be_are_refused() {
    let metadata = nested();
    let refused = |change: Change| metadata.check(&change).unwrap_err();
    let create = |user: UserType| Change::CreateType { user };
    assert!(matches!(refused(create(inner())), Refused::TypeExists { .. }));
    assert!(matches!(refused(create(user("bare", &[]))), Refused::Schema(_)));
    // Made of what is not there, or not any more.
    let stale = of(&user("inner", &[("other", NativeType::Int.into())]));
    assert!(matches!(refused(create(user("new", &[("f", stale)]))), Refused::Invalid(_)));
    let shorter = Change::AlterType { before: inner(), after: user("inner", &[]) };
    assert!(matches!(refused(shorter), Refused::Invalid(_)));
    let other = user("inner", &[("a", NativeType::Text.into())]);
    let retyped = Change::AlterType { before: inner(), after: other };
    assert!(matches!(refused(retyped), Refused::Invalid(_)));
}

#[test]
fn a_snapshot_has_the_types_and_one_without_them_is_as_it_was() {
    for metadata in [nested(), after(Vec::new())] {
        let mut out = model::codec::Writer::default();
        metadata.put(&mut out);
        let mut input = model::codec::Reader::new(out.finish());
        let read = Metadata::get(&mut input).unwrap();
        assert!(input.is_done());
        assert_eq!(read.schema, metadata.schema);
    }
}
