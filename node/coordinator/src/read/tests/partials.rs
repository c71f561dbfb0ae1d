//! Partials of replicas of which some lag behind.

use model::{
    Cell, ColumnId, Content, Row,
    partial::{Asked, Number, Partial},
};

use super::*;
use crate::fakes::clustering;

const COLUMN: ColumnId = ColumnId(1);

/// An update of one cell in partition 0.
fn update(row: u8, timestamp: i64, value: i32) -> Partition {
    written(row, timestamp, &value.to_be_bytes())
}

fn written(row: u8, timestamp: i64, value: &[u8]) -> Partition {
    let mut it = Partition::empty(key(0));
    let content = Content::Live { value: value.to_vec().into() };
    let cells = vec![(COLUMN, Cell { timestamp, content })];
    it.put_row(clustering(row), Row { cells, ..Row::default() });
    it
}

fn asked() -> Asked {
    Asked { columns: vec![(COLUMN, Number::I32)], compared: false }
}

fn folded(rows: u64) -> Command {
    Command { partial: Some(asked()), ..command(whole_ring(), rows) }
}

fn of(values: &[i32]) -> Partial {
    let mut partial = Partial::new(&asked());
    partial.rows = values.len() as u64;
    values.iter().for_each(|it| partial.columns[0].add(&it.to_be_bytes()));
    partial
}

fn count(world: &World, what: &str) -> usize {
    (1..=3).flat_map(|it| world.log(it)).filter(|it| it == what).count()
}

#[tokio::test(start_paused = true)]
async fn replicas_that_agree_answer_no_rows() {
    let world = World::new(3, 3);
    for replica in 1..=3 {
        world.put(replica, update(1, 5, 7));
        world.put(replica, update(2, 5, -3));
    }
    // One that remembers what others have forgotten.
    world.put(2, delete(0, 2, 4));
    world.put(2, delete(0, 3, 4));
    let page = world.read(folded(1), Consistency::All).await.expect("read");
    assert_eq!((page.partitions, page.partial), (Vec::new(), Some(of(&[7, -3]))));
    assert_eq!(page.next, None, "no limit of rows ends it");
    let ranges = count(&world, "read");
    assert_eq!(count(&world, "digest"), 2 * ranges, "data and digests of each range, and no more");
}

/// Equal sums prove nothing.
#[tokio::test(start_paused = true)]
async fn replicas_that_differ_are_read_and_repaired() {
    let world = World::new(3, 3);
    world.put(1, update(1, 5, 7));
    world.put(1, update(2, 5, -3));
    world.put(2, update(1, 6, -3));
    world.put(2, update(2, 6, 7));
    world.put(3, update(1, 5, 7));
    world.put(3, update(2, 5, -3));
    let page = world.read(folded(1), Consistency::All).await.expect("read");
    assert_eq!(page.partial, None);
    let mut all = Partial::new(&asked());
    assert_eq!(rows(&page.partitions), [(0, 1), (0, 2)]);
    all.add(&asked(), &page.partitions[0].rows, command(whole_ring(), 1).now);
    assert_eq!(all, of(&[-3, 7]));
    for replica in [1, 3] {
        let data = world.replica(replica).data.lock().expect("lock").clone();
        assert_eq!(data[&key(0)].rows[0].1.cell(COLUMN).map(|it| it.timestamp), Some(6));
    }
    let again = world.read(folded(1), Consistency::All).await.expect("read");
    assert_eq!((again.partitions, again.partial), (Vec::new(), Some(of(&[-3, 7]))));
}

#[tokio::test(start_paused = true)]
async fn one_replica_has_nobody_to_compare_with() {
    let world = World::new(3, 3);
    world.put(1, update(1, 5, 7));
    world.put(2, update(1, 6, 8));
    let page = world.read(folded(10), Consistency::One).await.expect("read");
    assert_eq!((page.partitions, page.partial), (Vec::new(), Some(of(&[7]))));
    assert_eq!(count(&world, "digest"), 0);
}

#[tokio::test(start_paused = true)]
async fn where_a_partial_does_not_know_all_rows_are_read() {
    let world = World::new(3, 3);
    for replica in 1..=3 {
        world.put(replica, written(1, 5, b"odd"));
    }
    for consistency in [Consistency::One, Consistency::Quorum] {
        let page = world.read(folded(10), consistency).await.expect("read");
        assert_eq!(rows(&page.partitions), [(0, 1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_ends_where_much_was_folded() {
    let world = World::new(3, 3);
    for replica in 1..=3 {
        for row in 0..20 {
            world.put(replica, update(row, 5, i32::from(row)));
        }
    }
    // One that lags behind in the middle.
    world.put(2, update(9, 6, 9));
    let mut command = folded(10);
    // A fake counts 100 bytes for each row.
    command.limits.scanned = 250;
    for consistency in [Consistency::One, Consistency::All] {
        let mut sum = Partial::new(&asked());
        let mut pages = 0;
        let mut next = Some(command.clone());
        while let Some(this) = next {
            pages += 1;
            assert!(pages < 100, "pages do not end");
            let page = world.read(this.clone(), consistency).await.expect("read");
            page.partial.iter().for_each(|it| sum.merge(it));
            page.partitions.iter().for_each(|it| sum.add(&asked(), &it.rows, this.now));
            next = page.next.and_then(|it| resume_at(command.clone(), it));
        }
        assert!((5..=10).contains(&pages), "{pages} pages of three rows or so");
        assert_eq!(sum, of(&(0..20).collect::<Vec<i32>>()));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_another_question_is_none() {
    let world = World::new(1, 1);
    world.put(1, update(1, 5, 7));
    world.next(1, Deed::Babble);
    let error = world.read(folded(1), Consistency::One).await.expect_err("it has no partial");
    assert!(matches!(error, Error::Failed { .. }), "{error:?}");
}
