//! What statistics tell of blocks is not read there, and partials come out the same.

use model::partial::{Asked, Number, Partial, Summary, Values};
use proptest::prelude::*;

use super::*;

/// Some 240 rows of one double take a block.
const BLOCK_BYTES: usize = 8_000;

fn world() -> World {
    let mut world = World::new();
    world.options.block_bytes = BLOCK_BYTES;
    world
}

/// Rows `from..to` of a partition, as one mutation.
fn many(from: u64, to: u64, timestamp: i64, row_of: impl Fn(u64) -> Row) -> Mutation {
    let mut partition = Partition::empty(key(1));
    for at in from..to {
        let mut row = row_of(at);
        row.liveness = row.liveness.or(Some(Liveness { timestamp, expiry: None }));
        partition.put_row(clustering(at), row);
    }
    Mutation { table: shape(1).id, partition }
}

fn doubles(from: u64, to: u64, timestamp: i64) -> Mutation {
    many(from, to, timestamp, |at| row(timestamp, &(at as f64 / 4.0).to_be_bytes()))
}

fn sum_of(column: u32, number: Number) -> Asked {
    Asked { columns: vec![(ColumnId(column), number)], compared: false }
}

/// The partial of a slice of a partition, and how many blocks and pages were read for it.
fn partial(engine: &Engine, from: u64, to: u64, asked: &Asked) -> (Partial, u64) {
    let slices = vec![Slice { start: clustering(from).0, end: clustering(to).0 }];
    let command = Command { slices, partial: Some(asked.clone()), ..one(1, 1) };
    let before = engine.stats().cache_misses;
    let answer = read(engine, &command).unwrap();
    assert_eq!(answer.stopped_at, None);
    let partial = *answer.partial.expect("it was asked for");
    assert_eq!(answer.live_rows, partial.rows + partial.statics);
    (partial, engine.stats().cache_misses - before)
}

fn sum(partial: &Partial) -> f64 {
    let Values::F64(doubles) = &partial.columns[0].numbers else { panic!("{partial:?}") };
    doubles.sum.divided(1.0)
}

/// Opened anew, so that nothing is in memory, after what `write` writes.
fn reopened(write: impl Fn(&Engine)) -> Engine {
    let world = world();
    let engine = world.engine();
    write(&engine);
    wait(engine.close(&Inline)).unwrap();
    drop(engine);
    world.engine()
}

const DOUBLES: fn() -> Asked = || sum_of(1, Number::F64);

#[test]
fn of_a_long_range_two_blocks_are_read_and_a_page() {
    let engine = reopened(|it| write(it, &doubles(0, 5_000, 1)).unwrap());
    let (found, looks) = partial(&engine, 100, 4_900, &DOUBLES());
    assert_eq!((found.rows, sum(&found)), (4_800, (100..4_900).sum::<u64>() as f64 / 4.0));
    assert_eq!(looks, 3);
    let (found, looks) = partial(&engine, 1_000, 4_900, &DOUBLES());
    assert_eq!((found.rows, looks), (3_900, 1), "where it begins");
    let whole = Command { partial: Some(DOUBLES()), ..one(1, 1) };
    let before = engine.stats().cache_misses;
    assert_eq!(read(&engine, &whole).unwrap().partial.unwrap().rows, 5_000);
    let all_known = engine.stats().cache_misses == before;
    assert!(all_known, "each block is told of, but the last, which is here");
}

#[test]
fn a_digest_is_of_rows_so_these_are_read() {
    let engine = reopened(|it| write(it, &doubles(0, 5_000, 1)).unwrap());
    let compared = Asked { compared: true, ..DOUBLES() };
    assert!(partial(&engine, 100, 4_900, &compared).1 > 15);
}

#[test]
fn what_eight_bytes_are_not_is_read() {
    let engine = reopened(|it| write(it, &doubles(0, 5_000, 1)).unwrap());
    let (found, looks) = partial(&engine, 0, 5_000, &sum_of(1, Number::I64));
    assert_eq!(found.columns[0].count(), 5_000);
    assert!(looks > 15, "{looks}");
    let (found, looks) = partial(&engine, 0, 5_000, &sum_of(2, Number::I64));
    assert_eq!((found.rows, found.columns[0].values(), looks), (5_000, 0, 0), "there is none");
}

#[test]
fn only_where_another_source_has_something_rows_are_merged() {
    let engine = reopened(|it| {
        write(it, &doubles(0, 5_000, 1)).unwrap();
        flush(it).unwrap();
        write(it, &doubles(5_000, 9_000, 1)).unwrap();
        flush(it).unwrap();
    });
    let (found, looks) = partial(&engine, 100, 8_900, &DOUBLES());
    assert_eq!(sum(&found), (100..8_900).sum::<u64>() as f64 / 4.0);
    assert_eq!(
        looks, 6,
        "two pages, the first and the last block, and one of each where they meet"
    );
    let two = row(2, &1e6_f64.to_be_bytes());
    write(&engine, &many(2_000, 2_001, 2, |_| two.clone())).unwrap();
    let (found, looks) = partial(&engine, 100, 8_900, &DOUBLES());
    assert_eq!(sum(&found), (100..8_900).sum::<u64>() as f64 / 4.0 + 1e6 - 500.0);
    assert!((1..=2).contains(&looks), "{looks}: what lies around it");
    write(&engine, &delete_row(1, 1, 3_000, 2)).unwrap();
    assert_eq!(partial(&engine, 100, 8_900, &DOUBLES()).0.rows, 8_799);
    let mut gone = Partition::empty(key(1));
    gone.delete(deletion(1));
    write(&engine, &Mutation { table: shape(1).id, partition: gone }).unwrap();
    assert_eq!(partial(&engine, 100, 8_900, &DOUBLES()).0.rows, 1, "what was written later");
}

#[test]
fn a_damaged_page_is_an_error_that_names_its_file() {
    let world = world();
    let engine = world.engine();
    write(&engine, &doubles(0, 5_000, 1)).unwrap();
    wait(engine.close(&Inline)).unwrap();
    drop(engine);
    let dir = world.options.data_dir.join("tables").join(shape(1).id.0.to_string());
    let name = world.disk.list(&dir).unwrap().remove(0);
    let file = world.disk.open(&dir.join(&name), sys::Open::Write).unwrap();
    let sections = crate::offline::Sstable::open(&world.disk, &dir.join(&name)).unwrap().sections();
    // Between the last block and the index.
    file.write_at(&[0xFF; 4], 28 + sections.blocks - sections.statistics + 20).unwrap();
    let engine = world.engine();
    assert_eq!(rows(&engine, &one(1, 1)).len(), 5_000, "who reads rows needs no page");
    let command = Command { partial: Some(DOUBLES()), ..one(1, 1) };
    let error = read(&engine, &command).unwrap_err();
    assert!(matches!(&error, Error::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains(&name), "{error}");
}

/// Points of two decimals, one every ten seconds, written a while after they were measured.
#[test]
fn statistics_take_a_hundredth_of_what_points_take() {
    let mut world = World::new();
    world.options.block_bytes = 16 << 10;
    let engine = world.engine();
    let mut partition = Partition::empty(key(1));
    for at in 0..40_000_i64 {
        let chance = at.cast_unsigned().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let chance = (chance ^ chance >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let noise: u64 = (0..4).map(|quarter| chance >> (16 * quarter) & 0xFFFF).sum();
        let noise = noise as f64 / 65_536.0 * 120.0;
        let cents = (4_000.0 + 600.0 * (at as f64 / 180.0).sin() + noise).round();
        let millis = NOW * 1_000 + at * 10_000;
        let mut clustering = vec![0x40];
        clustering.extend(millis.to_be_bytes());
        let timestamp = millis * 1_000 + (chance >> 20 & 0x1FF) as i64;
        partition
            .put_row(Clustering(clustering.into()), row(timestamp, &(cents / 100.0).to_be_bytes()));
    }
    write(&engine, &Mutation { table: shape(1).id, partition }).unwrap();
    wait(engine.close(&Inline)).unwrap();
    let dir = world.options.data_dir.join("tables").join(shape(1).id.0.to_string());
    let name = world.disk.list(&dir).unwrap().remove(0);
    let sections = crate::offline::Sstable::open(&world.disk, &dir.join(&name)).unwrap().sections();
    let (all, statistics) = (sections.file, sections.statistics);
    assert!(95_000 < all && all < 110_000, "{all} bytes: about 2.6 a point");
    assert!(500 < statistics && 100 * statistics < all, "{statistics} of {all}");
}

/// What may happen.
#[derive(Clone, Debug)]
enum Action {
    /// Rows behind each other, some of which lack cells.
    Many {
        from: u64,
        count: u64,
        seed: u64,
    },
    Few(Vec<(u64, Row)>),
    DeleteRange(u64, u64),
    DeletePartition,
    Flush,
    Compact,
    Ask {
        from: u64,
        to: u64,
        asked: Asked,
        reversed: bool,
        scanned: u64,
        is_range: bool,
    },
}

const ROWS: u64 = 4_000;

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    let odd = [f64::NAN, f64::INFINITY, -0.0, 1e300, -1e300, 5e-324];
    prop_oneof![
        3 => any::<f64>().prop_map(|it| it.to_be_bytes().to_vec()),
        2 => prop::sample::select(odd.to_vec()).prop_map(|it| it.to_be_bytes().to_vec()),
        2 => prop::sample::select(vec![i64::MIN, i64::MAX, 0]).prop_map(|it| it.to_be_bytes().to_vec()),
        1 => prop::sample::select(vec![vec![], vec![1], vec![1, 2, 3]]),
    ]
}

fn any_row() -> impl Strategy<Value = Row> {
    let cell = prop_oneof![
        6 => any_value().prop_map(|it| Content::Live { value: it.into() }),
        1 => Just(Content::Dead { deleted_at: NOW }),
        1 => Just(Content::Expiring { value: Bytes::from(vec![0; 8]), ttl: 9, expires_at: NOW - 1 }),
        1 => Just(Content::Expiring { value: Bytes::from(vec![0; 8]), ttl: 9, expires_at: NOW + 1 }),
    ];
    (prop::option::of(cell), 1..4_u32, any::<bool>(), prop::bool::weighted(0.2)).prop_map(
        |(content, column, has_marker, is_deleted)| {
            let mut row = Row::default();
            if let Some(content) = content {
                row.put(ColumnId(column), Cell { timestamp: 0, content });
            }
            row.liveness = has_marker.then_some(Liveness { timestamp: 0, expiry: None });
            row.deletion = is_deleted.then(|| deletion(0));
            row
        },
    )
}

fn any_action() -> impl Strategy<Value = Action> {
    let number = prop::sample::select(vec![Number::I32, Number::I64, Number::F64]);
    let asked = prop::collection::btree_map(1..4_u32, number, 0..3).prop_map(|columns| Asked {
        columns: columns.into_iter().map(|(id, it)| (ColumnId(id), it)).collect(),
        compared: false,
    });
    let slice = (0..ROWS, 0..ROWS).prop_map(|(from, to)| (from.min(to), from.max(to) + 1));
    let scanned = prop_oneof![2 => Just(u64::MAX), 1 => 1_000..100_000_u64];
    prop_oneof![
        4 => (0..ROWS, 300..2_000_u64, any::<u64>())
            .prop_map(|(from, count, seed)| Action::Many { from, count, seed }),
        1 => prop::collection::vec((0..ROWS, any_row()), 1..4).prop_map(Action::Few),
        1 => slice.clone().prop_map(|(from, to)| Action::DeleteRange(from, to.min(from + 200))),
        1 => Just(Action::DeletePartition),
        3 => Just(Action::Flush),
        1 => Just(Action::Compact),
        6 => (slice, asked, prop::bool::weighted(0.2), scanned, any::<bool>()).prop_map(
            |((from, to), asked, reversed, scanned, is_range)| Action::Ask {
                from, to, asked, reversed, scanned, is_range
            }
        ),
    ]
}

/// A row of a run of them: doubles or texts, integers or none, integers of four bytes.
fn row_of(seed: u64, at: u64, timestamp: i64) -> Row {
    let cents = (at.wrapping_mul(seed | 1) % 10_007) as f64 / 100.0 - 50.0;
    let mut row = row(timestamp, &cents.to_be_bytes());
    if seed.is_multiple_of(7) {
        row = self::row(timestamp, if at.is_multiple_of(2) { b"text" } else { b"other" });
    }
    if !at.is_multiple_of(seed % 3 + 2) {
        let value = if seed.is_multiple_of(5) { 0 } else { at.wrapping_mul(seed).cast_signed() };
        row.put(ColumnId(2), value_cell(timestamp, &value.to_be_bytes()));
    }
    if seed.is_multiple_of(2) {
        row.put(ColumnId(3), value_cell(timestamp, &(at as i32 - 1_000).to_be_bytes()));
    }
    row
}

/// A row as it was drawn, written at another time.
fn at_time(mut row: Row, timestamp: i64) -> Row {
    row.cells.iter_mut().for_each(|(_, it)| it.timestamp = timestamp);
    row.liveness.iter_mut().for_each(|it| it.timestamp = timestamp);
    row.deletion.iter_mut().for_each(|it| it.timestamp = timestamp - 1);
    row
}

/// Asks for partial after partial, and compares all of them with what the rows come to.
fn check(engine: &Engine, mut command: Command) -> Result<(), TestCaseError> {
    let asked = command.partial.clone().expect("a partial is asked for");
    let rows = Command { partial: None, limits: Limits::NONE, ..command.clone() };
    let rows = read(engine, &rows).unwrap();
    let mut expected = Partial::new(&asked);
    rows.partitions.iter().for_each(|it| expected.add(&asked, &it.rows, NOW));
    let mut found = Partial::new(&asked);
    for page in 0.. {
        prop_assert!(page < 500, "pages without end: {command:?}");
        let answer = read(engine, &command).unwrap();
        let partial = answer.partial.expect("it was asked for");
        prop_assert_eq!(answer.live_rows, partial.rows);
        found.merge(&partial);
        let Some(stopped_at) = answer.stopped_at else { break };
        command.resume = Some(stopped_at);
    }
    prop_assert_eq!(found.rows, expected.rows);
    for (found, expected) in found.columns.iter().zip(&expected.columns) {
        let known = |it: &Summary| (it.values(), it.empty, it.odd, it.least(), it.most());
        prop_assert_eq!(known(found), known(expected));
        match (&found.numbers, &expected.numbers) {
            (Values::F64(found), Values::F64(expected)) => {
                let [found, sum] = [found, expected].map(|it| it.sum.divided(1.0));
                let size = expected.least.abs().max(expected.most.abs()) * expected.count as f64;
                // Two roundings, of what both come to and of what lies behind the last places.
                let is_near =
                    (found - sum).abs() <= sum.abs() * 2.0_f64.powi(-52) + size * 2.0_f64.powi(-60);
                prop_assert!(
                    is_near
                        || found.to_bits() == sum.to_bits()
                        || (found.is_nan() && sum.is_nan())
                        || !size.is_finite(),
                    "{} and {}",
                    found,
                    sum
                );
            }
            (found, expected) => prop_assert_eq!(found, expected),
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_partial_is_what_the_rows_come_to_whatever_tells_of_them(
        actions in prop::collection::vec(any_action(), 4..24),
    ) {
        let engine = world().engine();
        for (timestamp, action) in (10_i64..).step_by(10).zip(actions) {
            match action {
                Action::Many { from, count, seed } => {
                    let rows = many(from, from + count, timestamp, |at| row_of(seed, at, timestamp));
                    write(&engine, &rows).unwrap();
                }
                Action::Few(rows) => {
                    let mut partition = Partition::empty(key(1));
                    for (at, row) in rows {
                        partition.put_row(clustering(at), at_time(row, timestamp));
                    }
                    write(&engine, &Mutation { table: shape(1).id, partition }).unwrap();
                }
                Action::DeleteRange(from, to) => {
                    let mut partition = Partition::empty(key(1));
                    partition.delete_range(clustering(from).0, clustering(to).0, deletion(timestamp));
                    write(&engine, &Mutation { table: shape(1).id, partition }).unwrap();
                }
                Action::DeletePartition => {
                    let mut partition = Partition::empty(key(1));
                    partition.delete(deletion(timestamp));
                    write(&engine, &Mutation { table: shape(1).id, partition }).unwrap();
                }
                Action::Flush => flush(&engine).unwrap(),
                Action::Compact => compact(&engine).unwrap(),
                Action::Ask { from, to, asked, reversed, scanned, is_range } => {
                    let slices = vec![Slice { start: clustering(from).0, end: clustering(to).0 }];
                    let of = if is_range { all_of(1) } else { one(1, 1) };
                    let limits = Limits { scanned, ..Limits::NONE };
                    check(&engine, Command { slices, reversed, limits, partial: Some(asked), ..of })?;
                }
            }
        }
        let asked = Asked {
            columns: vec![(ColumnId(1), Number::F64), (ColumnId(2), Number::I64)],
            compared: false,
        };
        flush(&engine).unwrap();
        check(&engine, Command { partial: Some(asked), ..one(1, 1) })?;
    }
}
