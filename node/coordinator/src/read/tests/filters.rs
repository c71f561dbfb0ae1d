//! Filters at replicas of which some lag behind.

use model::{
    Cell, ColumnId, Content, Row,
    read::{Condition, Filter, Operator, Place, Test},
    schema::NativeType,
};

use super::*;
use crate::fakes::clustering;

const A: ColumnId = ColumnId(0);
const B: ColumnId = ColumnId(1);
const STATIC: ColumnId = ColumnId(9);

fn cell(timestamp: i64, value: &str) -> Cell {
    Cell { timestamp, content: Content::Live { value: value.to_owned().into() } }
}

/// An update of one cell of row 1 in partition 0.
fn update(column: ColumnId, timestamp: i64, value: &str) -> Partition {
    let mut it = Partition::empty(key(0));
    let cells = vec![(column, cell(timestamp, value))];
    it.put_row(clustering(1), Row { cells, ..Row::default() });
    it
}

fn statics(timestamp: i64, value: &str) -> Partition {
    let mut it = Partition::empty(key(0));
    it.put_static(Row { cells: vec![(STATIC, cell(timestamp, value))], ..Row::default() });
    it
}

fn filtered(equal: &[(Place, &str)]) -> Command {
    let condition = |(place, value): &(Place, &str)| Condition {
        columns: vec![(*place, NativeType::Text.into())],
        test: Test::Compare(Operator::Eq),
        any_of: vec![vec![(*value).to_owned().into()]],
    };
    let filter = Filter {
        partition_columns: 1,
        clustering: Vec::new(),
        conditions: equal.iter().map(condition).collect(),
        compared: false,
    };
    Command { filter: Some(filter), ..command(whole_ring(), 10) }
}

async fn found(world: &World, command: &Command, consistency: Consistency) -> Vec<(u8, u8)> {
    let page = world.read(command.clone(), consistency).await.expect("read");
    assert_eq!(page.next, None);
    rows(&page.partitions)
}

fn count(world: &World, what: &str) -> usize {
    (1..=3).flat_map(|it| world.log(it)).filter(|it| it == what).count()
}

#[tokio::test(start_paused = true)]
async fn replicas_that_agree_answer_what_passes() {
    let world = World::new(3, 3);
    for replica in 1..=3 {
        world.put(replica, update(A, 5, "x"));
        world.put(replica, insert(0, 2, 5));
    }
    let command = filtered(&[(Place::Regular(A), "x")]);
    assert_eq!(found(&world, &command, Consistency::Quorum).await, [(0, 1)]);
    let ranges = count(&world, "read");
    assert_eq!(count(&world, "digest"), ranges, "data and a digest of each range, and no more");
}

/// The story of CASSANDRA-8273: the replica that knows better must not keep silent.
#[tokio::test(start_paused = true)]
async fn a_stale_match_is_not_shown_and_its_replica_repaired() {
    let world = World::new(3, 3);
    for replica in 1..=3 {
        world.put(replica, update(A, 5, "x"));
    }
    world.put(2, update(A, 6, "y"));
    world.put(3, update(A, 6, "y"));
    let command = filtered(&[(Place::Regular(A), "x")]);
    assert_eq!(found(&world, &command, Consistency::All).await, []);
    let data = world.replica(1).data.lock().expect("lock").clone();
    assert_eq!(data[&key(0)].rows[0].1.cell(A), Some(&cell(6, "y")));
}

#[tokio::test(start_paused = true)]
async fn a_deleted_match_does_not_come_back() {
    let world = World::new(3, 3);
    for replica in 1..=3 {
        world.put(replica, update(A, 5, "x"));
    }
    world.put(2, delete(0, 1, 6));
    let command = filtered(&[(Place::Regular(A), "x")]);
    assert_eq!(found(&world, &command, Consistency::All).await, []);
}

/// The story of CASSANDRA-19018: no replica has a match, all of them together have.
#[tokio::test(start_paused = true)]
async fn a_row_that_passes_only_as_a_whole_is_found() {
    let world = World::new(3, 3);
    for replica in 1..=3 {
        world.put(replica, update(A, 5, "old"));
        world.put(replica, update(B, 5, "old"));
    }
    world.put(1, update(A, 6, "x"));
    world.put(2, update(B, 6, "y"));
    let command = filtered(&[(Place::Regular(A), "x"), (Place::Regular(B), "y")]);
    assert_eq!(found(&world, &command, Consistency::All).await, [(0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn statics_and_rows_of_different_replicas_come_together() {
    let world = World::new(3, 3);
    world.put(1, statics(6, "s"));
    world.put(2, update(A, 5, "x"));
    world.put(2, statics(5, "old"));
    let command = filtered(&[(Place::Static(STATIC), "s"), (Place::Regular(A), "x")]);
    assert_eq!(found(&world, &command, Consistency::All).await, [(0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn one_replica_has_nobody_to_compare_with() {
    let world = World::new(3, 3);
    world.put(1, update(A, 5, "x"));
    world.put(2, update(A, 6, "y"));
    let command = filtered(&[(Place::Regular(A), "x")]);
    assert_eq!(found(&world, &command, Consistency::One).await, [(0, 1)]);
    assert_eq!(count(&world, "digest"), 0);
}

/// Nothing passes, and still each page comes further than the one before.
#[tokio::test(start_paused = true)]
async fn a_page_ends_where_much_was_scanned() {
    let world = World::new(3, 3);
    for replica in 1..=3 {
        for row in 0..20 {
            world.put(replica, insert(0, row, 5));
        }
    }
    let mut command = filtered(&[(Place::Regular(A), "nothing")]);
    // A fake counts 100 bytes for each row.
    command.limits.scanned = 250;
    for consistency in [Consistency::One, Consistency::Quorum] {
        let (pages, rows) = all_pages(&world, command.clone(), consistency).await;
        assert!((5..=10).contains(&pages), "{pages} pages of three rows or so");
        assert_eq!(rows, []);
    }
}

/// What a page found is not lost where it ends for having scanned much.
#[tokio::test(start_paused = true)]
async fn pages_of_few_matches_have_them_all() {
    let world = World::new(3, 3);
    for row in 0..20 {
        for replica in 1..=3 {
            world.put(replica, insert(0, row, 5));
            if row % 7 == 0 {
                let mut match_ = Partition::empty(key(0));
                let cells = vec![(B, cell(5, "x"))];
                match_.put_row(clustering(row), Row { cells, ..Row::default() });
                world.put(replica, match_);
            }
        }
        // One that lags behind in every other row.
        if row % 2 == 0 {
            world.put(3, insert(0, row, 6));
        }
    }
    let mut command = filtered(&[(Place::Regular(B), "x")]);
    command.limits.scanned = 250;
    for reversed in [false, true] {
        let command = Command { reversed, ..command.clone() };
        let mut expected = vec![(0, 0), (0, 7), (0, 14)];
        if reversed {
            expected.reverse();
        }
        let (pages, rows) = all_pages(&world, command, Consistency::All).await;
        assert!(1 < pages);
        assert_eq!(rows, expected);
    }
}
