//! What filters let through, and how they travel.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::{
    Cell, Content,
    read::{Command, Limits, Target},
    schema::{NativeType, TableId},
};

const NOW: i64 = 1_000;

fn int(value: i32) -> Bytes {
    Bytes::copy_from_slice(&value.to_be_bytes())
}

fn condition(place: Place, op: Operator, values: &[i32]) -> Condition {
    let any_of = values.iter().map(|it| vec![int(*it)]).collect();
    Condition { columns: vec![(place, NativeType::Int.into())], test: Test::Compare(op), any_of }
}

/// On a table with two columns in its partition key and two in its clustering key, the second DESC.
fn filter_of(conditions: Vec<Condition>) -> Filter {
    let clustering =
        vec![(NativeType::Int.into(), Order::Asc), (NativeType::Int.into(), Order::Desc)];
    Filter { partition_columns: 2, clustering, conditions, compared: false }
}

fn partition_key(a: i32, b: i32) -> PartitionKey {
    PartitionKey::new(key::compose(&[&int(a), &int(b)]).expect("a key"))
}

fn clustering(a: i32, b: i32) -> Clustering {
    let types = filter_of(Vec::new()).clustering;
    Clustering(key::encode_clustering(key::types(&types), &[&int(a), &int(b)]).expect("a key"))
}

fn row(content: Content) -> Row {
    Row { cells: vec![(ColumnId(7), Cell { timestamp: 1, content })], ..Row::default() }
}

fn live(value: i32) -> Row {
    row(Content::Live { value: int(value) })
}

#[test]
fn values_compare_as_their_type_does() {
    let place = Place::Regular(ColumnId(7));
    let cases = [
        (Operator::Eq, [false, true, false]),
        (Operator::NotEq, [true, false, true]),
        (Operator::Lt, [true, false, false]),
        (Operator::Le, [true, true, false]),
        (Operator::Gt, [false, false, true]),
        (Operator::Ge, [false, true, true]),
    ];
    for (op, expected) in cases {
        let filter = filter_of(vec![condition(place, op, &[1])]);
        let passes = [-5, 1, 300].map(|it| filter.passes(&clustering(0, 0), &live(it), NOW));
        assert_eq!(passes, expected, "{op:?}");
    }
}

#[test]
fn null_meets_no_condition() {
    let filter = filter_of(vec![condition(Place::Regular(ColumnId(7)), Operator::NotEq, &[1])]);
    let expiring = |expires_at| Content::Expiring { value: int(2), ttl: 5, expires_at };
    let passes = |row: &Row| filter.passes(&clustering(0, 0), row, NOW);
    assert!(!passes(&Row::default()));
    assert!(!passes(&row(Content::Dead { deleted_at: 1 })));
    assert!(!passes(&row(expiring(NOW))));
    assert!(passes(&row(expiring(NOW + 1))));
}

#[test]
fn keys_are_taken_apart() {
    let filter = filter_of(vec![
        condition(Place::Partition(1), Operator::Eq, &[4, -2]),
        condition(Place::Clustering(1), Operator::Gt, &[0]),
    ]);
    let admits = |b| filter.admits(&partition_key(9, b), &Row::default(), NOW);
    assert_eq!([4, -2, 9].map(admits), [true, true, false]);
    let passes = |b| filter.passes(&clustering(9, b), &Row::default(), NOW);
    assert_eq!([1, 0, -1].map(passes), [true, false, false]);
}

#[test]
fn columns_together_compare_one_after_the_other() {
    let columns = vec![
        (Place::Clustering(0), NativeType::Int.into()),
        (Place::Clustering(1), NativeType::Int.into()),
    ];
    let any_of = vec![vec![int(1), int(5)]];
    let filter = filter_of(vec![Condition { columns, test: Test::Compare(Operator::Gt), any_of }]);
    let passes = |(a, b)| filter.passes(&clustering(a, b), &Row::default(), NOW);
    assert_eq!([(1, 5), (1, 6), (0, 9), (2, 0)].map(passes), [false, true, false, true]);
}

#[test]
fn what_is_about_partitions_says_nothing_of_rows() {
    let on_statics = condition(Place::Static(ColumnId(7)), Operator::Eq, &[1]);
    let filter = filter_of(vec![on_statics.clone()]);
    assert!(filter.admits(&partition_key(0, 0), &live(1), NOW));
    assert!(!filter.admits(&partition_key(0, 0), &live(2), NOW));
    assert!(filter.passes(&clustering(0, 0), &live(2), NOW));
    assert!(filter.passes_statics());
    let on_rows = condition(Place::Regular(ColumnId(7)), Operator::Eq, &[1]);
    assert!(!filter_of(vec![on_statics, on_rows]).passes_statics());
}

/// Whoever shows such a row says what is wrong with it; left out it would never be noticed.
#[test]
fn keys_that_cannot_be_read_are_meant() {
    let broken = PartitionKey::new(Bytes::from_static(b"?"));
    let filter = filter_of(vec![
        condition(Place::Partition(0), Operator::Eq, &[1]),
        condition(Place::Clustering(0), Operator::Eq, &[1]),
    ]);
    assert!(filter.admits(&broken, &Row::default(), NOW));
    assert!(filter.passes(&Clustering(Bytes::from_static(b"?")), &Row::default(), NOW));
}

#[test]
fn filters_that_make_no_sense_are_refused() {
    let place = Place::Regular(ColumnId(7));
    let no_condition = filter_of(Vec::new());
    let no_column = filter_of(vec![Condition {
        columns: Vec::new(),
        test: Test::Compare(Operator::Eq),
        any_of: Vec::new(),
    }]);
    let no_such_component = filter_of(vec![condition(Place::Clustering(2), Operator::Eq, &[1])]);
    let both_kinds = filter_of(vec![Condition {
        columns: vec![
            (Place::Partition(0), NativeType::Int.into()),
            (place, NativeType::Int.into()),
        ],
        test: Test::Compare(Operator::Eq),
        any_of: vec![vec![int(1), int(2)]],
    }]);
    for filter in [no_condition, no_column, no_such_component, both_kinds] {
        let command = Command {
            table: TableId(uuid::Uuid::nil()),
            target: Target::One(partition_key(1, 1)),
            slices: Vec::new(),
            reversed: false,
            resume: None,
            limits: Limits { rows: 1, rows_per_partition: 1, bytes: 1, scanned: 1, tombstones: 1 },
            now: NOW,
            dropped: Vec::new(),
            filter: Some(filter.clone()),
            partial: None,
        };
        assert!(Command::decode(command.encode()).is_err(), "{filter:?}");
    }
}

/// Any filter that makes sense.
pub(crate) fn filter() -> impl Strategy<Value = Filter> {
    let test = || select(TESTS.to_vec());
    let cql_type = || select(NativeType::ALL.to_vec()).prop_map(CqlType::Native);
    let of_partition = prop_oneof![
        (0_usize..2).prop_map(Place::Partition),
        any::<u32>().prop_map(|it| Place::Static(ColumnId(it))),
    ];
    let of_row = prop_oneof![
        (0_usize..2).prop_map(Place::Clustering),
        any::<u32>().prop_map(|it| Place::Regular(ColumnId(it))),
    ];
    let some = |place: BoxedStrategy<Place>| vec((place, cql_type()), 1..3);
    let columns = prop_oneof![some(of_partition.boxed()), some(of_row.boxed())];
    let condition = (columns, test()).prop_flat_map(|(columns, test)| {
        let value = vec(any::<u8>(), 0..3).prop_map(Bytes::from);
        vec(vec(value, columns.len()), 0..3).prop_map(move |any_of| Condition {
            columns: columns.clone(),
            test,
            any_of,
        })
    });
    let order = select(vec![Order::Asc, Order::Desc]);
    (vec(condition, 1..4), vec((cql_type(), order), 2), any::<bool>()).prop_map(
        |(conditions, clustering, compared)| Filter {
            partition_columns: 2,
            clustering,
            conditions,
            compared,
        },
    )
}
