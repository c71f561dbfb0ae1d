//! Laws of counters: whoever led, and in whatever order the versions met, the sum is that of the increments.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    Clustering, PartitionKey, TableId,
    schema::{CqlType, NativeType},
};

const COLUMN: ColumnId = ColumnId(3);

fn host(number: u8) -> HostId {
    HostId(uuid::Uuid::from_u128(u128::from(number) + 1))
}

fn key() -> PartitionKey {
    PartitionKey::new(Bytes::from_static(b"k"))
}

fn row() -> Clustering {
    Clustering(Bytes::from_static(b"\x10r"))
}

/// A request that adds these to one counter.
fn request(deltas: &[i64]) -> Mutation {
    let mut partition = Partition::empty(key());
    for (delta, place) in deltas.iter().zip(0..) {
        let (path, cell) = increment(place, *delta, 7);
        let elements = Elements { deletion: None, cells: vec![(path, cell)] };
        partition.put_row(row(), Row { elements: vec![(COLUMN, elements)], ..Row::default() });
    }
    Mutation { table: TableId(uuid::Uuid::nil()), partition }
}

/// Leads a request, and applies what comes of it to what the leader has.
fn leads(replica: &mut Partition, number: u8, request: Mutation, now: i64) -> Partition {
    let shares = lead(request, Some(&*replica), host(number), now).partition;
    assert!(shares.is_normal(), "{shares:?}");
    replica.merge(shares.clone());
    shares
}

fn value(partition: &Partition) -> Option<i64> {
    let counter = CqlType::Native(NativeType::Counter);
    let value = partition.row(&row())?.value(COLUMN, &counter, 1)?;
    Some(i64::from_be_bytes(value[..].try_into().unwrap()))
}

/// One thing that happens to three replicas.
#[derive(Clone, Debug)]
enum Step {
    /// This one leads, by a clock that says anything.
    Lead { leader: u8, deltas: Vec<i64>, now: i64 },
    /// What was written by the `which`th lead reaches this one: late, or once more.
    Reach { which: prop::sample::Index, to: u8 },
    /// All that one knows reaches another one.
    Repair { from: u8, to: u8 },
}

fn step() -> impl Strategy<Value = Step> {
    let delta = prop_oneof![8 => -100..100_i64, 1 => Just(i64::MAX), 1 => Just(i64::MIN)];
    prop_oneof![
        4 => (0..3_u8, vec(delta, 1..4), 0..50_i64)
            .prop_map(|(leader, deltas, now)| Step::Lead { leader, deltas, now }),
        4 => (any::<prop::sample::Index>(), 0..3_u8)
            .prop_map(|(which, to)| Step::Reach { which, to }),
        1 => (0..3_u8, 0..3_u8).prop_map(|(from, to)| Step::Repair { from, to }),
    ]
}

proptest! {
    #[test]
    fn the_sum_is_that_of_all_increments_whoever_led_and_however_they_met(
        steps in vec(step(), 0..40),
        order in Just([0_usize, 1, 2]).prop_shuffle(),
        pairs_first in any::<bool>(),
    ) {
        let mut replicas: Vec<Partition> = (0..3).map(|_| Partition::empty(key())).collect();
        let (mut written, mut expected) = (Vec::new(), None::<i64>);
        for step in steps {
            match step {
                Step::Lead { leader, deltas, now } => {
                    let replica = &mut replicas[usize::from(leader)];
                    written.push(leads(replica, leader, request(&deltas), now));
                    let sum = deltas.into_iter().fold(0, i64::wrapping_add);
                    expected = Some(expected.unwrap_or(0).wrapping_add(sum));
                }
                Step::Reach { which, to } if !written.is_empty() => {
                    replicas[usize::from(to)].merge(which.get(&written).clone());
                }
                Step::Reach { .. } => {}
                Step::Repair { from, to } => {
                    let all = replicas[usize::from(from)].clone();
                    replicas[usize::from(to)].merge(all);
                }
            }
        }
        let [a, b, c] = order.map(|at| replicas[at].clone());
        let merged = |mut left: Partition, right: Partition| {
            left.merge(right);
            left
        };
        let all = match pairs_first {
            true => merged(a, merged(b, c)),
            false => merged(merged(a, b), c),
        };
        prop_assert_eq!(value(&all), expected);
    }

    #[test]
    fn what_was_added_behind_a_deletion_is_never_hidden_by_it(
        before in vec(-100..100_i64, 1..3),
        behind in vec(-100..100_i64, 1..3),
        deleted_at in 0..100_i64,
        clock in 0..100_i64,
        what in 0..3_u8,
    ) {
        let mut replica = Partition::empty(key());
        leads(&mut replica, 0, request(&before), 10);
        let kept = value(&replica);
        let deletion = Deletion { timestamp: deleted_at, deleted_at: 1 };
        match what {
            0 => replica.delete(deletion),
            1 => replica.put_row(row(), Row { deletion: Some(deletion), ..Row::default() }),
            _ => {
                let elements = Elements { deletion: Some(deletion), cells: Vec::new() };
                let elements = vec![(COLUMN, elements)];
                replica.put_row(row(), Row { elements, ..Row::default() });
            }
        }
        let rest = if deleted_at < 10 { kept } else { None };
        prop_assert_eq!(value(&replica), rest);
        leads(&mut replica, 0, request(&behind), clock);
        prop_assert_eq!(value(&replica), Some(rest.unwrap_or(0) + behind.iter().sum::<i64>()));
    }
}

#[test]
fn a_deletion_in_the_same_request_goes_before_all_of_its_increments() {
    let mut replica = Partition::empty(key());
    leads(&mut replica, 0, request(&[5]), 10);
    let mut both = request(&[3]);
    both.partition.delete(Deletion { timestamp: 20, deleted_at: 1 });
    leads(&mut replica, 0, both, 30);
    assert_eq!(value(&replica), None, "neither what was there nor what came with it");
    leads(&mut replica, 0, request(&[4]), 30);
    assert_eq!(value(&replica), Some(4));
}

#[test]
fn what_is_no_increment_is_told_from_one() {
    assert!(are_increments(&request(&[1, 2]).partition));
    let shares = lead(request(&[1]), None, host(0), 5);
    assert!(!are_increments(&shares.partition), "a share is none");
    let mut set = Partition::empty(key());
    let cell =
        Cell { timestamp: 1, content: Content::Live { value: Bytes::from_static(b"8 bytes!") } };
    set.put_row(row(), Row { cells: vec![(COLUMN, cell)], ..Row::default() });
    assert!(!are_increments(&set));
}

#[test]
fn the_leader_reads_the_rows_that_it_adds_to_and_no_others() {
    let mut increments = request(&[1]);
    let other = Clustering(Bytes::from_static(b"\x20s"));
    let deletion = Some(Deletion { timestamp: 1, deleted_at: 1 });
    increments.partition.put_row(other.clone(), Row { deletion, ..Row::default() });
    let command = command(&increments, vec![ColumnId(9)], 5_000_000);
    assert_eq!(command.slices.len(), 1);
    assert!(command.slices[0].contains(&row()) && !command.slices[0].contains(&other));
    assert_eq!((command.now, command.dropped), (5, vec![ColumnId(9)]));
}
