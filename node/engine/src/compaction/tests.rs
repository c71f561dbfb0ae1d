//! What size-tiered compaction picks.

use std::collections::BTreeMap;

use model::TableId;

use super::*;

const MIB: u64 = 1 << 20;
const DEFAULT: Thresholds = Thresholds { min: 4, max: 32 };

fn sstables(sizes: &[u64]) -> Vec<SstableMeta> {
    let meta = |(at, bytes): (usize, &u64)| SstableMeta { id: at as u64 + 1, bytes: *bytes * MIB };
    sizes.iter().enumerate().map(meta).collect()
}

fn chosen(sizes: &[u64]) -> Choice {
    choose(&sstables(sizes), DEFAULT)
}

#[test]
fn too_few_of_a_size_rest() {
    assert_eq!(chosen(&[]), Choice::Rest);
    assert_eq!(chosen(&[1, 2, 3]), Choice::Rest);
    assert_eq!(chosen(&[100, 200, 400, 800, 1600]), Choice::Rest);
}

#[test]
fn small_ones_count_as_one_size() {
    assert_eq!(chosen(&[1, 40, 900, 7, 2]), Choice::Merge(vec![1, 2, 4, 5]));
}

#[test]
fn large_ones_merge_with_their_like() {
    assert_eq!(chosen(&[100, 900, 110, 120, 95, 1000]), Choice::Merge(vec![1, 3, 4, 5]));
}

#[test]
fn the_fuller_bucket_goes_first_and_of_equal_ones_the_cheaper() {
    assert_eq!(chosen(&[1, 1, 1, 1, 200, 200, 200, 200, 200]), Choice::Merge(vec![5, 6, 7, 8, 9]));
    assert_eq!(chosen(&[200, 200, 200, 200, 1, 1, 1, 1]), Choice::Merge(vec![5, 6, 7, 8]));
    assert_eq!(pending(&sstables(&[200, 200, 200, 200, 1, 1, 1, 1]), DEFAULT), 2);
}

#[test]
fn never_more_than_the_maximum_the_oldest_first() {
    let Choice::Merge(ids) = chosen(&[1; 50]) else { panic!("50 are enough") };
    assert_eq!(ids, (1..=32).collect::<Vec<u64>>());
}

#[test]
fn the_tables_options_are_read_and_what_makes_no_sense_is_not() {
    let mut shape = TableShape {
        id: TableId(uuid::Uuid::nil()),
        gc_grace_seconds: 1,
        bloom_fp: 0.01,
        compaction: BTreeMap::new(),
        durable: true,
        dropped: Vec::new(),
    };
    assert_eq!(Thresholds::of(&shape), Some(DEFAULT));
    let mut set = |name: &str, value: &str| {
        shape.compaction.insert(name.to_owned(), value.to_owned());
        Thresholds::of(&shape)
    };
    assert_eq!(set("min_threshold", "2"), Some(Thresholds { min: 2, max: 32 }));
    assert_eq!(set("max_threshold", "1"), Some(Thresholds { min: 2, max: 2 }));
    assert_eq!(set("min_threshold", "many"), Some(Thresholds { min: 4, max: 4 }));
    assert_eq!(set("enabled", "false"), None);
}
