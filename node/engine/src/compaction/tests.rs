//! What each strategy picks.

use std::collections::BTreeMap;

use model::TableId;

use super::*;

const MIB: u64 = 1 << 20;
const DEFAULT: Thresholds = Thresholds { min: 4, max: 32 };

/// Nothing has expired, and nothing is in memory.
const MOMENT: Moment = Moment { now: 1_000, gc_before: 500, memtables_timestamp_min: i64::MAX };

fn sstable(id: u64, bytes: u64) -> SstableMeta {
    SstableMeta {
        id,
        bytes,
        timestamp_min: 0,
        timestamp_max: 0,
        expires_max: i64::MAX,
        deleted_max: i64::MAX,
    }
}

fn sstables(sizes: &[u64]) -> Vec<SstableMeta> {
    sizes.iter().zip(1..).map(|(bytes, id)| sstable(id, bytes * MIB)).collect()
}

fn chosen(sizes: &[u64]) -> Choice {
    choose(&sstables(sizes), &Strategy::SizeTiered(DEFAULT), MOMENT)
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
    assert_eq!(
        pending(&sstables(&[200, 200, 200, 200, 1, 1, 1, 1]), &Strategy::SizeTiered(DEFAULT)),
        2
    );
}

#[test]
fn never_more_than_the_maximum_the_oldest_first() {
    let Choice::Merge(ids) = chosen(&[1; 50]) else { panic!("50 are enough") };
    assert_eq!(ids, (1..=32).collect::<Vec<u64>>());
}

fn strategy(options: &[(&str, &str)]) -> Option<Strategy> {
    let compaction: BTreeMap<String, String> =
        options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let id = TableId(uuid::Uuid::nil());
    let shape = TableShape { compaction, ..TableShape::new(id) };
    Strategy::of(&shape)
}

#[test]
fn the_tables_options_are_read_and_what_makes_no_sense_is_not() {
    const CLASS: (&str, &str) = ("class", "SizeTieredCompactionStrategy");
    let of = |options: &[(&str, &str)]| strategy(&[&[CLASS], options].concat());
    let tiered = |min, max| Some(Strategy::SizeTiered(Thresholds { min, max }));
    assert_eq!(of(&[]), tiered(4, 32));
    assert_eq!(of(&[("min_threshold", "2")]), tiered(2, 32));
    assert_eq!(of(&[("min_threshold", "2"), ("max_threshold", "1")]), tiered(2, 2));
    assert_eq!(of(&[("min_threshold", "many")]), tiered(4, 32));
    assert_eq!(of(&[("enabled", "false")]), None);
    let full_name = "org.apache.cassandra.db.compaction.TimeWindowCompactionStrategy";
    let hours = strategy(&[
        ("class", full_name),
        ("compaction_window_unit", "HOURS"),
        ("compaction_window_size", "6"),
    ]);
    assert_eq!(hours, Some(Strategy::TimeWindow(Window { seconds: 21_600, thresholds: DEFAULT })));
    let unified =
        |text| strategy(&[("class", "UnifiedCompactionStrategy"), ("scaling_parameters", text)]);
    assert_eq!(unified("T4"), strategy(&[]), "the default");
    assert_eq!(unified("T4, L10, N"), unified("2,-8,0"));
    assert_eq!(unified("L10"), strategy(&[("class", "LeveledCompactionStrategy")]));
    assert_eq!(unified("T1"), strategy(&[]), "as good as nothing");
    assert_eq!(unified("9\u{e9}"), strategy(&[]));
}

fn unified(parameters: &str, sizes: &[u64]) -> Choice {
    let options = [("class", "UnifiedCompactionStrategy"), ("scaling_parameters", parameters)];
    choose(&sstables(sizes), &strategy(&options).unwrap(), MOMENT)
}

#[test]
fn a_level_merges_when_it_has_as_many_as_it_may() {
    assert_eq!(unified("T4", &[1, 2, 3]), Choice::Rest);
    assert_eq!(unified("T4", &[1, 2, 3, 31]), Choice::Merge(vec![1, 2, 3, 4]), "all below 32 MiB");
    assert_eq!(unified("T4", &[1, 2, 3, 32]), Choice::Rest, "a level above");
    assert_eq!(unified("T4", &[40, 1, 50, 127, 60]), Choice::Merge(vec![1, 3, 4, 5]));
    assert_eq!(unified("L10", &[1, 900]), Choice::Rest);
    assert_eq!(unified("L10", &[90, 1, 900]), Choice::Rest);
    assert_eq!(unified("L10", &[100, 1, 700]), Choice::Merge(vec![1, 3]), "two on level 1");
    assert_eq!(unified("T4, L10", &[1, 2, 3, 300, 40]), Choice::Merge(vec![4, 5]));
    assert_eq!(unified("T4", &[u64::MAX / MIB; 4]), Choice::Merge(vec![1, 2, 3, 4]));
}

/// An sstable of one write a second, from `from` up to `to`, seconds.
fn of_time(id: u64, from: i64, to: i64) -> SstableMeta {
    let micros = |it: i64| it * 1_000_000;
    SstableMeta { timestamp_min: micros(from), timestamp_max: micros(to), ..sstable(id, MIB) }
}

#[test]
fn windows_of_time_are_not_mixed() {
    let window = Window { seconds: 100, thresholds: DEFAULT };
    let chosen = |sstables: &[SstableMeta]| choose(sstables, &Strategy::TimeWindow(window), MOMENT);
    let old = [of_time(1, 0, 50), of_time(2, 100, 199), of_time(3, 150, 160)];
    assert_eq!(chosen(&old), Choice::Rest, "three of the newest are too few");
    let newer = of_time(4, 201, 202);
    assert_eq!(chosen(&[&old[..], &[newer]].concat()), Choice::Merge(vec![2, 3]), "it is over");
    let full: Vec<SstableMeta> = (4..8).map(|id| of_time(id, 200, 210)).collect();
    assert_eq!(chosen(&[&old[..], &full].concat()), Choice::Merge(vec![4, 5, 6, 7]));
    let merged = [of_time(1, 0, 50), of_time(8, 100, 199), of_time(9, 200, 210)];
    assert_eq!(chosen(&merged), Choice::Rest);
}

/// One that was written from `from` to `to`, and expires as a whole 100 seconds later.
fn expiring(id: u64, from: i64, to: i64) -> SstableMeta {
    SstableMeta { expires_max: to + 100, deleted_max: to, ..of_time(id, from, to) }
}

fn dropped(sstables: &[SstableMeta], moment: Moment) -> Vec<u64> {
    match choose(
        sstables,
        &Strategy::TimeWindow(Window { seconds: 100, thresholds: DEFAULT }),
        moment,
    ) {
        Choice::Drop(ids) => ids,
        Choice::Rest | Choice::Merge(_) => Vec::new(),
    }
}

#[test]
fn what_has_expired_goes_unread() {
    let series =
        [expiring(1, 0, 99), expiring(2, 100, 199), expiring(3, 200, 299), expiring(4, 900, 950)];
    assert_eq!(dropped(&series, MOMENT), [1, 2, 3]);
    assert_eq!(
        dropped(&series, Moment { now: 298, ..MOMENT }),
        [1],
        "the last of it is not over yet"
    );
    assert_eq!(dropped(&series, Moment { gc_before: 150, ..MOMENT }), [1], "replicas may lack it");
    let lasting = of_time(5, 100, 120);
    assert_eq!(dropped(&[&series[..], &[lasting]].concat(), MOMENT), [1], "it may hide what lasts");
    let late = Moment { memtables_timestamp_min: 150_000_000, ..MOMENT };
    assert_eq!(dropped(&series, late), [1], "or what was written late");
    let long = expiring(6, 50, 250);
    assert_eq!(
        dropped(&[series[0], long, of_time(7, 240, 999)], MOMENT),
        [0_u64; 0],
        "what has to stay may be hidden by what could go"
    );
}
