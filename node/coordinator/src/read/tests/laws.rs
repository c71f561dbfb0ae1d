//! Whatever each replica has missed: paged reads answer exactly what a merge of the replicas holds.

use std::collections::BTreeMap;

use model::{
    Cell, Clustering, ColumnId, Content, Deletion, PartitionKey, Row, Slice,
    partial::{Asked, Number, Partial},
    read::{Condition, Filter, Limits, Operator, Place, Test},
    schema::NativeType,
};
use proptest::{collection::vec, prelude::*, sample::select};

use super::*;
use crate::fakes::{NOW, TABLE, apply, clustering};

/// One change to one partition.
#[derive(Clone, Debug)]
enum Change {
    Insert {
        row: u8,
        timestamp: i64,
    },
    /// One cell, which has expired where there is no value.
    Update {
        row: u8,
        column: u32,
        value: Option<u8>,
        timestamp: i64,
    },
    DeleteRow {
        row: u8,
        timestamp: i64,
    },
    DeleteRange {
        from: u8,
        to: u8,
        timestamp: i64,
    },
    DeleteAll {
        timestamp: i64,
    },
    Static {
        timestamp: i64,
        lives: bool,
    },
}

fn change() -> impl Strategy<Value = Change> {
    let timestamp = || 1_i64..6;
    prop_oneof![
        6 => (0_u8..8, timestamp()).prop_map(|(row, timestamp)| Change::Insert { row, timestamp }),
        6 => (0_u8..8, 0_u32..2, proptest::option::weighted(0.8, 1_u8..6), timestamp()).prop_map(
            |(row, column, value, timestamp)| Change::Update { row, column, value, timestamp }
        ),
        3 => (0_u8..8, timestamp())
            .prop_map(|(row, timestamp)| Change::DeleteRow { row, timestamp }),
        1 => (0_u8..8, 1_u8..5, timestamp()).prop_map(|(from, len, timestamp)| {
            Change::DeleteRange { from, to: from + len, timestamp }
        }),
        1 => timestamp().prop_map(|timestamp| Change::DeleteAll { timestamp }),
        2 => (timestamp(), any::<bool>())
            .prop_map(|(timestamp, lives)| Change::Static { timestamp, lives }),
    ]
}

fn partition_of(partition: u8, change: &Change) -> Partition {
    let mut it = Partition::empty(key(partition));
    let deletion = |timestamp| Deletion { timestamp, deleted_at: NOW - 1 };
    match change {
        Change::Insert { row, timestamp } => it.put_row(clustering(*row), live_row(*timestamp)),
        Change::Update { row, column, value, timestamp } => {
            let content = match value {
                Some(value) => Content::Live { value: value.to_string().into() },
                None => Content::Expiring { value: "3".into(), ttl: 10, expires_at: NOW - 1 },
            };
            let cell = Cell { timestamp: *timestamp, content };
            let cells = vec![(ColumnId(*column), cell)];
            it.put_row(clustering(*row), Row { cells, ..Row::default() });
        }
        Change::DeleteRow { row, timestamp } => {
            let deletion = Some(deletion(*timestamp));
            it.put_row(clustering(*row), Row { deletion, ..Row::default() });
        }
        Change::DeleteRange { from, to, timestamp } => {
            it.delete_range(clustering(*from).0, clustering(*to).0, deletion(*timestamp));
        }
        Change::DeleteAll { timestamp } => it.delete(deletion(*timestamp)),
        Change::Static { timestamp, lives } => {
            let content = if *lives {
                Content::Live { value: timestamp.to_string().into() }
            } else {
                Content::Dead { deleted_at: NOW - 1 }
            };
            let cell = Cell { timestamp: *timestamp, content };
            it.put_static(Row { cells: vec![(ColumnId(9), cell)], ..Row::default() });
        }
    }
    it
}

/// A change, whose partition it is, and which of its three replicas missed it.
type Delivery = (u8, Change, [bool; 3]);

#[derive(Clone, Debug)]
struct Case {
    hosts: u32,
    /// At QUORUM each change reaches two replicas at least; at ALL any number; at ONE what the
    /// nearest replica has is all that counts.
    consistency: Consistency,
    deliveries: Vec<Delivery>,
    target: Option<u8>,
    reversed: bool,
    slices: Vec<Slice>,
    limits: Limits,
    filter: Option<Filter>,
}

/// Conditions on the cells that changes write: on the value of rows, which is their timestamp, on
/// that of statics, and on clusterings.
fn filter() -> impl Strategy<Value = Filter> {
    let condition = (0_u8..3, select(vec![Operator::Eq, Operator::Lt, Operator::Ge]), 1_i64..6);
    let condition = condition.prop_map(|(place, op, value)| {
        let place = match place {
            0 => Place::Static(ColumnId(9)),
            1 => Place::Regular(ColumnId(0)),
            _ => Place::Regular(ColumnId(1)),
        };
        let any_of = vec![vec![value.to_string().into()]];
        Condition {
            columns: vec![(place, NativeType::Text.into())],
            test: Test::Compare(op),
            any_of,
        }
    });
    vec(condition, 1..3).prop_map(|conditions| Filter {
        partition_columns: 1,
        clustering: Vec::new(),
        conditions,
        compared: false,
    })
}

fn case() -> impl Strategy<Value = Case> {
    let delivery = (0_u8..4, change(), any::<[bool; 3]>());
    let slices = prop_oneof![
        3 => Just(vec![Slice::all()]),
        1 => Just(vec![
            Slice { start: clustering(1).0, end: clustering(3).0 },
            Slice { start: clustering(4).0, end: clustering(7).0 },
        ]),
    ];
    let limits = (
        select(vec![1_u64, 2, 3, 100]),
        select(vec![1_u64, 2, u64::MAX, u64::MAX]),
        select(vec![1_u64, 3, 10_000]),
        select(vec![1_u64, 250, 1 << 20]),
        select(vec![1_u64, 350, 1 << 20]),
    );
    let levels = [(3_u32, Consistency::Quorum), (3, Consistency::All), (3, Consistency::One)]
        .into_iter()
        .chain([(5, Consistency::Quorum), (5, Consistency::All)]);
    (
        select(levels.collect::<Vec<_>>()),
        vec(delivery, 0..30),
        proptest::option::of(0_u8..4),
        any::<bool>(),
        slices,
        limits,
        proptest::option::of(filter()),
    )
        .prop_map(
            |((hosts, consistency), deliveries, target, reversed, slices, limits, filter)| {
                let (rows, rows_per_partition, tombstones, bytes, scanned) = limits;
                // How many rows of a partition were shown is not remembered from page to page, except
                // where one is all that is asked for.
                let rows = if (2..u64::MAX).contains(&rows_per_partition) { 1_000 } else { rows };
                let small = rows != 1_000;
                let limits = Limits {
                    rows,
                    rows_per_partition,
                    bytes: if small { bytes } else { 1 << 20 },
                    scanned: if small { scanned } else { 1 << 20 },
                    tombstones: if small { tombstones } else { 10_000 },
                };
                Case { hosts, consistency, deliveries, target, reversed, slices, limits, filter }
            },
        )
}

/// What a reader must see: each partition's live rows in reading order, and its live static row.
type Seen = Vec<(PartitionKey, Vec<(Vec<u8>, Row)>, Option<Row>)>;

fn expected(case: &Case, all: &BTreeMap<PartitionKey, Partition>) -> Seen {
    let mut seen = Vec::new();
    for partition in all.values() {
        if case.target.is_some_and(|it| key(it) != partition.key) {
            continue;
        }
        let filter = case.filter.as_ref();
        let mut part = partition.clone();
        if filter.is_some_and(|it| !it.admits(&part.key, &part.static_row, NOW)) {
            continue;
        }
        part.clip_slices(&case.slices);
        let mut rows: Vec<_> = part
            .rows
            .into_iter()
            .filter(|(_, row)| row.is_live(NOW))
            .filter(|(at, row)| filter.is_none_or(|it| it.passes(at, row, NOW)))
            .map(|(clustering, row)| (clustering.0.to_vec(), row))
            .collect();
        if case.reversed {
            rows.reverse();
        }
        let per_partition = usize::try_from(case.limits.rows_per_partition).unwrap_or(usize::MAX);
        rows.truncate(per_partition);
        let lives = part.static_row.has_live_cell(NOW);
        if !rows.is_empty() || lives && filter.is_none_or(Filter::passes_statics) {
            seen.push((part.key, rows, lives.then_some(part.static_row)));
        }
    }
    seen
}

async fn run(case: Case) -> Result<(), TestCaseError> {
    let world = World::new(case.hosts, 3);
    let mut all = BTreeMap::new();
    for (partition, change, missed) in &case.deliveries {
        let part = partition_of(*partition, change);
        let snapshot = View::snapshot(&*world.cluster);
        let replicas = snapshot.replicas("ks", part.key.token).to_vec();
        let missed_by = missed.iter().filter(|it| **it).count();
        let quorum = case.consistency == Consistency::Quorum;
        let nearest = case.consistency == Consistency::One;
        let mut reached = false;
        for (replica, missed) in replicas.iter().zip(missed) {
            if !missed || quorum && missed_by > 1 {
                let data = &world.cluster.replicas[replica].data;
                apply(&mut data.lock().expect("lock"), part.clone());
                reached |= !nearest || *replica == host(1);
            }
        }
        if reached {
            apply(&mut all, part);
        }
    }
    let expected = expected(&case, &all);
    let target = case.target.map_or_else(whole_ring, |it| Target::One(key(it)));
    let mut command = Command {
        table: TABLE,
        target,
        slices: case.slices.clone(),
        reversed: case.reversed,
        resume: None,
        limits: case.limits,
        now: NOW,
        dropped: Vec::new(),
        filter: case.filter.clone(),
        partial: None,
    };
    if case.filter.is_none() && case.limits.rows_per_partition == u64::MAX {
        fold(&world, &case, &command, &expected).await?;
    }
    let mut seen: Seen = Vec::new();
    for page in 0.. {
        prop_assert!(page < 300, "pages do not end");
        let answer = world.read(command.clone(), case.consistency).await;
        let answer = answer.map_err(|it| TestCaseError::fail(it.to_string()))?;
        prop_assert!(answer.rows <= case.limits.rows);
        let mut counted = 0;
        for partition in answer.partitions {
            let mut rows = partition.rows.into_each();
            if case.reversed {
                rows.reverse();
            }
            counted += (rows.len() as u64).max(1);
            let rows = rows.into_iter().map(|(it, row)| (it.0.to_vec(), row));
            let lives = partition.static_row.has_live_cell(NOW);
            let statics = lives.then_some(partition.static_row);
            match seen.last_mut() {
                Some((key, earlier, _)) if *key == partition.key => earlier.extend(rows),
                Some(_) | None => seen.push((partition.key, rows.collect(), statics)),
            }
        }
        prop_assert_eq!(counted, answer.rows);
        match answer.next.and_then(|it| resume_at(command.clone(), it)) {
            Some(next) => command = next,
            None => break,
        }
    }
    prop_assert_eq!(seen, expected);
    Ok(())
}

/// Asks for partials of what is there: they and the rows that they do not tell of are all of it, once.
async fn fold(
    world: &World,
    case: &Case,
    command: &Command,
    expected: &Seen,
) -> Result<(), TestCaseError> {
    let asked = Asked { columns: vec![(ColumnId(1), Number::I8)], compared: false };
    let mut all = Partial::new(&asked);
    for (_, rows, statics) in expected {
        all.statics += u64::from(rows.is_empty() && statics.is_some());
        let row = |(at, it): &(Vec<u8>, Row)| (Clustering(at.clone().into()), it.clone());
        let rows: Vec<(Clustering, Row)> = rows.iter().map(row).collect();
        all.add(&asked, &rows.into(), NOW);
    }
    let mut sum = Partial::new(&asked);
    let mut command = Command { partial: Some(asked.clone()), ..command.clone() };
    for page in 0.. {
        prop_assert!(page < 300, "pages do not end");
        let answer = world.read(command.clone(), case.consistency).await;
        let answer = answer.map_err(|it| TestCaseError::fail(it.to_string()))?;
        answer.partial.iter().for_each(|it| sum.merge(it));
        for partition in answer.partitions {
            sum.add(&asked, &partition.rows, NOW);
            sum.statics += u64::from(partition.rows.is_empty());
        }
        match answer.next.and_then(|it| resume_at(command.clone(), it)) {
            Some(next) => command = next,
            None => break,
        }
    }
    prop_assert_eq!(sum, all);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn paged_reads_equal_the_merge_of_the_replicas(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(run(case))?;
    }
}
