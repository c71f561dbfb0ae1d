//! Schemas: what can be, and the CQL that makes it again.

use super::*;
use cql_lite::ast::{CreateTable, Statement};

const USERS: &str = "\
CREATE TABLE chat.\"Users\" (
    org text,
    \"table\" uuid,
    seen timestamp,
    rank int,
    motto text STATIC,
    \"Nick\"\"Name\" ascii,
    age smallint,
    PRIMARY KEY ((org, \"table\"), seen, rank)
) WITH CLUSTERING ORDER BY (seen DESC, rank ASC)
    AND bloom_filter_fp_chance = 1.0
    AND comment = 'it''s \u{e9}'
    AND compaction = {'class': 'SizeTieredCompactionStrategy', 'min_threshold': '6'}
    AND compression = {'chunk_length_in_kb': '16', 'class': 'LZ4Compressor'}
    AND default_time_to_live = 60
    AND gc_grace_seconds = 864000;";

fn column(id: u32, name: &str, native: NativeType, kind: ColumnKind) -> Column {
    let cql_type = native.into();
    Column { id: ColumnId(id), name: name.to_owned(), cql_type, is_multi_cell: false, kind }
}

fn users() -> Table {
    let clustering = |order| ColumnKind::Clustering(order);
    let options = TableOptions {
        comment: "it's \u{e9}".to_owned(),
        default_time_to_live: 60,
        compaction: [("class", "SizeTieredCompactionStrategy"), ("min_threshold", "6")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        bloom_filter_fp_chance: 1.0,
        ..TableOptions::default()
    };
    Table {
        id: TableId(Uuid::from_u128(1)),
        keyspace: "chat".to_owned(),
        name: "Users".to_owned(),
        partition_key: vec![
            column(1, "org", NativeType::Text, ColumnKind::Partition),
            column(2, "table", NativeType::Uuid, ColumnKind::Partition),
        ],
        clustering_key: vec![
            column(3, "seen", NativeType::Timestamp, clustering(Order::Desc)),
            column(4, "rank", NativeType::Int, clustering(Order::Asc)),
        ],
        statics: vec![column(5, "motto", NativeType::Text, ColumnKind::Static)],
        regulars: vec![
            column(6, "Nick\"Name", NativeType::Ascii, ColumnKind::Regular),
            column(7, "age", NativeType::Smallint, ColumnKind::Regular),
        ],
        dropped: vec![ColumnId(8)],
        options,
        epoch: 3,
    }
}

fn parsed(cql: &str) -> CreateTable {
    let Ok(Statement::CreateTable(statement)) = cql_lite::parse(cql) else { panic!("{cql}") };
    statement
}

fn options_of(cql: &str) -> Result<TableOptions, Error> {
    let statement = parsed(&format!("CREATE TABLE t (a int PRIMARY KEY) WITH {cql}"));
    let mut options = TableOptions::default();
    statement.options.iter().try_for_each(|it| options.set(it))?;
    Ok(options)
}

fn replication(entries: &[(&str, &str)]) -> Result<Replication, Error> {
    let map: Vec<_> = entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Replication::from_map(&map, &["dc1", "dc2"])
}

#[test]
fn a_table_is_written_as_the_statement_that_makes_it() {
    let table = users();
    assert_eq!(check_table(&table), Ok(()));
    assert_eq!(table.to_cql(), USERS);
    let statement = parsed(USERS);
    assert_eq!(format!("{statement:#};"), USERS);
    let mut options = TableOptions::default();
    statement.options.iter().try_for_each(|it| options.set(it)).expect("its own options");
    assert_eq!(options, table.options);
}

#[test]
fn a_keyspace_is_written_as_the_statement_that_makes_it() {
    let replication = replication(&[
        ("class", "org.apache.cassandra.locator.NetworkTopologyStrategy"),
        ("replication_factor", "3"),
        ("dc2", "2"),
    ]);
    let name = "Chat".to_owned();
    let replication = replication.expect("a good map");
    let (tables, types) = (BTreeMap::new(), BTreeMap::new());
    let keyspace = Keyspace { name, replication, durable_writes: false, tables, types };
    assert_eq!(check_keyspace(&keyspace), Ok(()));
    let cql = "CREATE KEYSPACE \"Chat\" WITH replication = \
        {'class': 'NetworkTopologyStrategy', 'dc1': '3', 'dc2': '2'} AND durable_writes = false;";
    assert_eq!(keyspace.to_cql(), cql);
    let Ok(Statement::CreateKeyspace(statement)) = cql_lite::parse(cql) else { panic!("{cql}") };
    assert_eq!(Replication::from_map(&statement.replication, &[]), Ok(keyspace.replication));
}

#[test]
fn options_are_checked() {
    assert_eq!(options_of("gc_grace_seconds = 5").map(|it| it.gc_grace_seconds), Ok(5));
    let compaction = options_of("compaction = {'class': 'A', 'enabled': false, 'max': 4}");
    let compaction = compaction.expect("a good map").compaction;
    assert_eq!(compaction["enabled"], "false");
    assert_eq!(compaction["max"], "4");
    let table = [
        ("caching = {'keys': 'ALL'}", "unknown table option `caching`"),
        ("gc_grace_seconds = -1", "table option `gc_grace_seconds` expects a number of seconds"),
        (
            "default_time_to_live = 630720001",
            "table option `default_time_to_live` is at most 630720000 seconds, twenty years",
        ),
        (
            "bloom_filter_fp_chance = 0",
            "table option `bloom_filter_fp_chance` expects a number above 0 and at most 1",
        ),
        ("compaction = {'enabled': true}", "table option `compaction` needs a 'class'"),
        ("compression = 'none'", "table option `compression` expects a map"),
        ("comment = 5", "table option `comment` expects a string"),
    ];
    for (cql, message) in table {
        assert_eq!(options_of(cql).map_err(|it| it.to_string()), Err(message.to_owned()));
    }
}

#[test]
fn replication_maps_are_checked() {
    let simple = ("class", "SimpleStrategy");
    let spread = ("class", "NetworkTopologyStrategy");
    let three = replication(&[simple, ("replication_factor", "3")]);
    assert_eq!(three, Ok(Replication::Simple { factor: 3 }));
    assert_eq!(
        replication(&[spread, ("replication_factor", "2"), ("dc2", "0")]),
        Ok(Replication::NetworkTopology([("dc1".to_owned(), 2)].into()))
    );
    for (map, message) in [
        (&[("dc1", "1")][..], "replication needs a 'class'"),
        (&[simple], "replication needs a 'replication_factor'"),
        (&[simple, ("replication_factor", "0")], "replication keeps no copy anywhere"),
        (
            &[simple, ("replication_factor", "3/1")],
            "replication 'replication_factor' expects a number, not '3/1'",
        ),
        (
            &[simple, ("replication_factor", "3"), ("dc1", "1")],
            "replication SimpleStrategy knows no 'dc1'",
        ),
        (&[spread], "replication keeps no copy anywhere"),
        (&[("class", "Everywhere")], "replication unknown class 'Everywhere'"),
    ] {
        assert_eq!(replication(map).map_err(|it| it.to_string()), Err(message.to_owned()));
    }
}

#[test]
fn tables_are_checked() {
    let refused = |change: &dyn Fn(&mut Table)| {
        let mut table = users();
        change(&mut table);
        check_table(&table).map_err(|it| it.to_string())
    };
    let error = |text: &str| Err(text.to_owned());
    assert_eq!(
        refused(&|it| it.name = "a-b".to_owned()),
        error("`a-b` is not a name: 1 to 48 letters, digits and underscores")
    );
    assert_eq!(refused(&|it| it.name = "a".repeat(48)), Ok(()));
    assert!(refused(&|it| it.keyspace = "a".repeat(49)).is_err());
    assert_eq!(refused(&|it| it.partition_key.clear()), error("a table needs a partition key"));
    assert_eq!(
        refused(&|it| it.clustering_key.clear()),
        error("static column `motto` needs a clustering column")
    );
    assert_eq!(
        refused(&|it| it.regulars[1].name = "org".to_owned()),
        error("column `org` is defined twice")
    );
    assert_eq!(
        refused(&|it| it.regulars[1].id = ColumnId(1)),
        error("column `age` is defined twice")
    );
    assert_eq!(
        refused(&|it| it.regulars.swap(0, 1)),
        error("column `Nick\"Name` is in the wrong place")
    );
    assert_eq!(
        refused(&|it| it.statics[0].kind = ColumnKind::Regular),
        error("column `motto` is in the wrong place")
    );
    assert_eq!(
        refused(&|it| it.options.bloom_filter_fp_chance = f64::NAN),
        error("table option `bloom_filter_fp_chance` expects a number above 0 and at most 1")
    );
}
