//! What changes do, and what stands against them.

use model::schema::Replication;

use super::*;
use crate::tests::{keyspace, table};
use model::Token;

fn found() -> Change {
    let node = |id: u128| Node {
        host_id: HostId(Uuid::from_u128(id)),
        peer_addr: format!("n{id}:7000"),
        cql_addr: format!("n{id}:9042"),
        client_addr: format!("n{id}:9044"),
        dc: "dc1".to_owned(),
        rack: "rack1".to_owned(),
        tokens: vec![Token(id as i64)],
    };
    let nodes: Vec<Node> = (1..=3).map(node).collect();
    Change::Found(Found {
        cluster_id: Uuid::from_u128(7),
        secret: Secret([9; 32]),
        cluster_name: "test".to_owned(),
        voters: nodes.iter().map(|it| it.host_id).collect(),
        nodes,
    })
}

fn after(changes: impl IntoIterator<Item = Change>) -> Metadata {
    changes.into_iter().fold(Metadata::unfounded(), |metadata, change| {
        let proposal = Proposal { id: Uuid::from_u128(u128::from(metadata.epoch)), change };
        metadata.apply(&Entry { epoch: metadata.epoch + 1, proposal })
    })
}

fn create(keyspace: &str, name: &str, id: u128) -> Change {
    Change::CreateTable { table: Arc::new(table(keyspace, name, id)) }
}

#[test]
fn a_refused_change_takes_its_epoch_and_nothing_else() {
    let before = after([found(), keyspace("ks", 3)]);
    let again = after([found(), keyspace("ks", 3), keyspace("ks", 1)]);
    assert_eq!(Err(Refused::KeyspaceExists("ks".to_owned())), before.check(&keyspace("ks", 1)));
    assert_eq!(Metadata { epoch: 3, ..before }, again);
}

#[test]
fn nothing_goes_before_founding_and_founding_goes_once() {
    let unfounded = Metadata::unfounded();
    assert_eq!(Err(Refused::NotFounded), unfounded.check(&keyspace("ks", 1)));
    assert_eq!(Ok(()), unfounded.check(&found()));
    assert_eq!(Err(Refused::AlreadyFounded), after([found()]).check(&found()));
}

#[test]
fn what_did_not_change_is_shared() {
    let metadata = after([found(), keyspace("a", 3), keyspace("b", 3), keyspace("c", 1)]);
    let placements = &metadata.placements;
    assert!(Arc::ptr_eq(&placements["a"], &placements["b"]), "one replication, one placement");
    assert_ne!(placements["a"], placements["c"]);
    let proposal = Proposal { id: Uuid::nil(), change: create("a", "t", 1) };
    let next = metadata.apply(&Entry { epoch: 5, proposal });
    assert!(Arc::ptr_eq(&placements["a"], &next.placements["a"]));
    assert!(Arc::ptr_eq(&metadata.schema.keyspaces["b"], &next.schema.keyspaces["b"]));
    assert_eq!(5, next.schema.table("a", "t").unwrap().epoch, "the epoch that made it");
    assert_ne!(metadata.schema_version(), next.schema_version());
}

#[test]
fn another_replication_places_the_keyspace_anew() {
    let alter = |factor| Change::AlterKeyspace {
        name: "ks".to_owned(),
        replication: Replication::NetworkTopology([("dc1".to_owned(), factor)].into()),
        durable_writes: true,
    };
    let metadata = after([found(), keyspace("ks", 1), create("ks", "t", 1), alter(2)]);
    assert_eq!(2, metadata.placement("ks").unwrap().replicas(Token(0)).len());
    let table = metadata.schema.table("ks", "t").expect("its tables stay");
    assert_eq!(metadata.epoch, table.epoch, "who asks the replicas of before is fenced");
    assert_eq!(Err(Refused::NoReplicas), metadata.check(&alter(0)));
}

#[test]
fn each_refusal_says_what_stands_against_it() {
    let metadata = after([found(), keyspace("ks", 1), create("ks", "t", 1)]);
    let name = || ("ks".to_owned(), "t".to_owned());
    let (keyspace_name, table_name) = name();
    let exists = Refused::TableExists { keyspace: keyspace_name, name: table_name };
    let (keyspace_name, table_name) = name();
    let missing = Refused::TableNotFound { keyspace: keyspace_name, name: table_name };
    let drop = |id| Change::DropTable {
        keyspace: "ks".to_owned(),
        name: "t".to_owned(),
        id: TableId(Uuid::from_u128(id)),
    };
    let nowhere = Replication::NetworkTopology([("mars".to_owned(), 1)].into());
    let alter =
        Change::AlterKeyspace { name: "ks".to_owned(), replication: nowhere, durable_writes: true };
    let gone = Change::DropKeyspace { name: "gone".to_owned() };
    let cases = [
        (create("ks", "t", 2), exists),
        (create("ks", "u", 1), Refused::Invalid("a table id that is in use")),
        (create("gone", "t", 2), Refused::KeyspaceNotFound("gone".to_owned())),
        (gone, Refused::KeyspaceNotFound("gone".to_owned())),
        (drop(2), missing),
        (alter, Refused::DataCenterNotFound("mars".to_owned())),
    ];
    for (change, expected) in cases {
        assert_eq!(Err(expected), metadata.check(&change), "{change:?}");
    }
    assert_eq!(Ok(()), metadata.check(&drop(1)));
}

#[test]
fn the_whole_schema_always_fits_into_one_record() {
    let big = |id: u128| {
        let mut table = table("ks", &format!("t{id}"), id);
        table.options.comment = "x".repeat(60_000);
        Change::CreateTable { table: Arc::new(table) }
    };
    let tables = (1..=150).map(big);
    let metadata = after([found(), keyspace("ks", 1)].into_iter().chain(tables));
    let kept = metadata.schema.keyspaces["ks"].tables.len();
    assert_eq!(SCHEMA_BYTES_MAX / 60_000, kept, "the rest was refused");
    let refused = Refused::TooMany { what: "bytes of schema", max: SCHEMA_BYTES_MAX };
    assert_eq!(Err(refused), metadata.check(&big(151)));
    let record = crate::Record::Snapshot(Box::new(metadata)).encode();
    assert!(record.len() < SCHEMA_BYTES_MAX);
}

#[test]
fn the_secret_is_not_printed() {
    let printed = format!("{:?}", after([found()]));
    assert!(printed.contains("Secret(…)") && !printed.contains("9, 9"), "{printed}");
}
