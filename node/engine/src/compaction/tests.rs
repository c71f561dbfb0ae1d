//! What each strategy picks.

use std::collections::BTreeMap;

use model::TableId;

use super::*;

const MIB: u64 = 1 << 20;
const DEFAULT: Thresholds = Thresholds { min: 4, max: 32 };

/// Nothing has expired, and nothing is in memory.
const MOMENT: Moment =
    Moment { now: 1_000, gc_before: 500, memtables_timestamp_min: i64::MAX, room_bytes: u64::MAX };

fn sstable(id: u64, bytes: u64) -> SstableMeta {
    SstableMeta {
        id,
        bytes,
        first: Token(i64::MIN + 1),
        last: Token::MAX,
        timestamp_min: 0,
        timestamp_max: 0,
        expires_max: i64::MAX,
        deleted_max: i64::MAX,
        is_claimed: false,
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
    Strategy::automatic(&shape)
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
    let sharded = |options: &[(&str, &str)]| strategy(options).unwrap().sharding().cloned();
    assert_eq!(
        sharded(&[
            ("target_sstable_size", "1024MiB"),
            ("min_sstable_size", "102400KiB"),
            ("base_shard_count", "4"),
        ]),
        sharded(&[]),
        "the defaults"
    );
    assert_eq!(sharded(&[("target_sstable_size", "large")]), sharded(&[]));
    assert_eq!(sharded(&[CLASS]), None, "only unified cuts");
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

/// An sstable of so many MiB between two 64ths of the token space.
fn part(id: u64, mib: u64, from: i64, to: i64) -> SstableMeta {
    let token = |at: i64| Token(((i128::from(at) << 58) - (1 << 63)).min(i64::MAX.into()) as i64);
    SstableMeta { first: token(from), last: Token(token(to).0 - 1), ..sstable(id, mib * MIB) }
}

fn unified_of(sstables: &[SstableMeta]) -> Choice {
    choose(sstables, &strategy(&[]).unwrap(), MOMENT)
}

#[test]
fn a_shard_is_merged_by_itself() {
    let quarters =
        |mib| (0..12).map(move |it| part(it as u64, mib, it % 4 * 16, it % 4 * 16 + 16)).collect();
    let mut three_each: Vec<SstableMeta> = quarters(1_000);
    assert_eq!(unified_of(&three_each), Choice::Rest);
    three_each.push(part(12, 900, 16, 32));
    assert_eq!(unified_of(&three_each), Choice::Merge(vec![1, 5, 9, 12]));
    three_each.push(part(13, 1_100, 50, 63));
    assert_eq!(pending(&three_each, &strategy(&[]).unwrap()), 2);
    three_each.push(part(14, 1_100, 50, 63));
    assert_eq!(unified_of(&three_each), Choice::Merge(vec![3, 7, 11, 13, 14]), "the fuller one");
}

#[test]
fn the_level_is_that_of_what_all_tokens_would_have() {
    let eighths = [part(1, 512, 0, 8), part(2, 512, 0, 8), part(3, 512, 0, 8)];
    let with = |it: SstableMeta| unified_of(&[&eighths[..], &[it]].concat());
    assert_eq!(with(part(4, 512, 0, 64)), Choice::Rest, "512 MiB are not 4 GiB");
    assert_eq!(with(part(4, 4_096, 0, 64)), Choice::Merge(vec![1, 2, 3, 4]));
    assert_eq!(with(part(4, 2_048, 8, 40)), Choice::Rest, "nothing in common");
}

#[test]
fn few_partitions_are_not_dense() {
    let one_partition =
        |id| SstableMeta { last: Token(7), first: Token(7), ..sstable(id, 60 * MIB) };
    let wide = |id| sstable(id, 60 * MIB);
    let all = [one_partition(1), one_partition(2), wide(3), wide(4)];
    assert_eq!(unified_of(&all), Choice::Merge(vec![1, 2, 3, 4]));
}

/// Whatever their tokens, so that a table that is written little does not end as thousands of files.
#[test]
fn small_ones_merge_with_all_of_their_level() {
    let apart =
        |mib| [part(1, mib, 0, 1), part(2, mib, 8, 9), part(3, mib, 20, 50), part(4, 30, 50, 60)];
    assert_eq!(unified_of(&apart(1)), Choice::Merge(vec![1, 2, 3, 4]));
    assert_eq!(unified_of(&apart(60)), Choice::Rest, "large enough to lie side by side");
}

#[test]
fn what_the_disk_has_no_room_for_waits_and_the_rest_goes_on() {
    let of_levels: Vec<SstableMeta> =
        [(1, 40), (2, 40), (3, 40), (4, 40), (5, 500), (6, 500), (7, 500), (8, 500)]
            .map(|(id, mib)| sstable(id, mib * MIB))
            .into();
    let with_room = |mib| {
        let moment = Moment { room_bytes: mib * MIB, ..MOMENT };
        choose(&of_levels, &strategy(&[]).unwrap(), moment)
    };
    assert_eq!(with_room(160), Choice::Merge(vec![1, 2, 3, 4]));
    assert_eq!(with_room(159), Choice::Rest);
    assert_eq!(
        choose(
            &of_levels[1..],
            &strategy(&[]).unwrap(),
            Moment { room_bytes: 1_999 * MIB, ..MOMENT }
        ),
        Choice::Rest
    );
}

#[test]
fn all_of_a_table_is_merged_in_parts_that_do_not_overlap() {
    let parts = |sstables: &[SstableMeta]| whole(sstables, &strategy(&[]).unwrap());
    let quarters =
        [part(1, 900, 0, 16), part(2, 900, 16, 32), part(3, 900, 8, 10), part(4, 900, 32, 64)];
    assert_eq!(parts(&quarters), [vec![1, 3], vec![2], vec![4]]);
    let flushed = part(5, 60, 9, 40);
    assert_eq!(parts(&[&quarters[..], &[flushed]].concat()), [vec![1, 2, 3, 4, 5]]);
    let small = [part(6, 9, 0, 1), part(7, 99, 2, 3), part(8, 9, 4, 5)];
    assert_eq!(parts(&small), [vec![6, 7, 8]], "what is small is not left alone");
    assert_eq!(parts(&[]), Vec::<Vec<u64>>::new());
    let tiered = Strategy::SizeTiered(DEFAULT);
    assert_eq!(whole(&quarters, &tiered), [vec![1, 2, 3, 4]]);
}

#[test]
fn what_somebody_compacts_is_left_to_him() {
    let claimed = |it: SstableMeta| SstableMeta { is_claimed: true, ..it };
    let all: Vec<SstableMeta> = (1..8).map(|id| sstable(id, MIB)).collect();
    let mut some_claimed = all.clone();
    some_claimed[..3].iter_mut().for_each(|it| *it = claimed(*it));
    assert_eq!(unified_of(&some_claimed), Choice::Merge(vec![4, 5, 6, 7]));
    assert_eq!(pending(&some_claimed, &strategy(&[]).unwrap()), 1);
    some_claimed[3] = claimed(some_claimed[3]);
    assert_eq!(unified_of(&some_claimed), Choice::Rest);
    let over = [expiring(1, 0, 99), claimed(expiring(2, 50, 150)), expiring(3, 200, 299)];
    assert_eq!(dropped(&over, MOMENT), [0_u64; 0], "it may have what others hide");
    let over = [expiring(1, 0, 99), claimed(expiring(2, 150, 180)), expiring(3, 200, 299)];
    assert_eq!(dropped(&over, MOMENT), [1]);
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
