//! What is told of blocks is what they come to, and is short.

use model::partial::{Number, Summary};
use proptest::prelude::*;

use super::*;
use crate::sstable::pages::Directory;

/// The bits of doubles as integers.
fn bits(doubles: impl IntoIterator<Item = f64>) -> Vec<i64> {
    doubles.into_iter().map(|it| it.to_bits().cast_signed()).collect()
}

/// What these come to, looked at one by one.
fn summed(number: Number, values: &[i64]) -> Summary {
    let mut summary = Summary::new(number);
    values.iter().for_each(|it| summary.add(&it.to_be_bytes()[8 - number.size()..]));
    summary
}

/// Values, and how they are read.
fn any_values() -> impl Strategy<Value = (Number, Vec<i64>)> {
    let any_of = |number: Number| {
        let unused = 64 - 8 * number.size() as u32;
        let value = prop_oneof![any::<i64>(), -100..100_i64, Just(i64::MIN), Just(i64::MAX)];
        let value = value.prop_map(move |it| it << unused >> unused);
        prop::collection::vec(value, 1..300).prop_map(move |it| (number, it))
    };
    let double = prop_oneof![
        4 => -1e9..1e9_f64,
        2 => (-100_000..100_000_i32).prop_map(|it| f64::from(it) / 100.0),
        1 => prop::sample::select(vec![0.0, -0.0, 1e77, -1e77, 1e-77]),
    ];
    let doubles = prop::collection::vec(double, 1..300).prop_map(|it| (Number::F64, bits(it)));
    prop_oneof![
        any_of(Number::I8),
        any_of(Number::I16),
        any_of(Number::I32),
        any_of(Number::I64),
        doubles,
    ]
}

/// Blocks as a writer tells of them: of some nothing.
fn any_blocks() -> impl Strategy<Value = Vec<Option<Statistics>>> {
    let columns = prop::collection::btree_map(0..5_u32, any_values(), 1..4);
    let block = (columns, 0..9_u64, any::<bool>()).prop_map(|(columns, more, has_others)| {
        let of = |(id, (number, values)): (u32, (Number, Vec<i64>))| {
            (ColumnId(id), values_of(number.size(), &values))
        };
        let columns: Vec<(ColumnId, Values)> = columns.into_iter().map(of).collect();
        let count = |it: &Values| match it {
            Values::I8(it) | Values::I16(it) | Values::I32(it) | Values::I64(it) => it.count,
            Values::F64(it) => it.count,
        };
        let most = columns.iter().map(|(_, it)| count(it)).max().unwrap_or(0);
        Statistics { rows: most + more, columns: columns.into(), has_others }
    });
    prop::collection::vec(prop::option::weighted(0.8, block), BLOCKS_MIN..20)
}

fn page_of(blocks: &[Option<Statistics>]) -> Option<Bytes> {
    let mut builder = Builder::default();
    blocks.iter().for_each(|it| assert!(!builder.end_block(it.clone())));
    builder.page()
}

proptest! {
    #[test]
    fn what_is_told_is_what_the_values_come_to((number, values) in any_values()) {
        let expected = summed(number, &values);
        let found = Summary { numbers: values_of(number.size(), &values), ..expected };
        match (&found.numbers, &expected.numbers) {
            (Values::F64(found), Values::F64(expected)) => {
                prop_assert_eq!(found.count, expected.count);
                prop_assert_eq!(found.least.to_bits(), expected.least.to_bits());
                prop_assert_eq!(found.most.to_bits(), expected.most.to_bits());
                let sums = [found.sum, expected.sum].map(|it| it.divided(1.0).to_bits());
                prop_assert_eq!(sums[0], sums[1]);
            }
            // Large ones that look like doubles.
            (Values::F64(_), Values::I64(_)) => {}
            _ => prop_assert_eq!(found, expected),
        }
    }

    #[test]
    fn a_sum_loses_no_more_than_a_part_of_its_last_place(
        values in prop::collection::vec(-1e9..1e9_f64, 1..300),
    ) {
        let mut sum = Sum::NONE;
        values.iter().for_each(|it| sum.add(*it));
        let told = Told::of(&sum);
        let mut rest = told.sum();
        rest.add(-told.double);
        let mut lost = sum;
        lost.add(-told.double);
        let lost = lost.divided(1.0) - rest.divided(1.0);
        prop_assert!(lost.abs() <= place_of(told.double) * 1.5 / PARTS, "{lost}");
        // What was told is told again alike.
        let again = Told::of(&told.sum());
        prop_assert_eq!(again.double.to_bits(), told.double.to_bits());
        prop_assert_eq!(again.parts, told.parts);
    }

    #[test]
    fn a_page_is_read_as_it_was_written(blocks in any_blocks()) {
        if let Some(raw) = page_of(&blocks) {
            prop_assert_eq!(&*Page::decode(raw).unwrap().0, &blocks[..]);
        } else {
            prop_assert!(blocks.iter().flatten().count() < BLOCKS_MIN);
        }
    }

    #[test]
    fn any_bytes_are_a_page_or_refused(
        blocks in any_blocks(),
        wrong in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        any in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        drop(Page::decode(any.into()));
        if let Some(raw) = page_of(&blocks) {
            let mut raw = raw.to_vec();
            let len = raw.len();
            wrong.iter().for_each(|(at, byte)| raw[at.index(len)] = *byte);
            drop(Page::decode(raw.into()));
        }
    }
}

#[test]
fn eight_bytes_are_doubles_where_all_could_well_be() {
    let are_doubles = |values: &[i64]| matches!(values_of(8, values), Values::F64(_));
    assert!(are_doubles(&bits([0.0, -0.0, 21.5, -1e70, 1e-70])));
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN_POSITIVE, 5e-324] {
        assert!(
            !are_doubles(&bits([1.0, odd])),
            "{odd}: a sum of these has no last place to tell of"
        );
    }
    let now_in_nanoseconds = 1_700_000_000_000_000_000;
    for integer in [1, -1, i64::MAX, 1 << 61, -(1 << 61), now_in_nanoseconds] {
        assert!(!are_doubles(&[0, integer]), "{integer}");
    }
    assert!(are_doubles(&[i64::MIN]), "-0.0");
}

#[test]
fn a_block_takes_about_ten_bytes() {
    let block = |at: i64| {
        let cents = |it: i64| (5_000 + (at * 420 + it) * 7919 % 9973) as f64 / 100.0;
        let values = bits((0..420).map(cents));
        let columns = [(ColumnId(1), values_of(8, &values))].into();
        Some(Statistics { rows: 420, columns, has_others: false })
    };
    let blocks: Vec<_> = (0..BLOCKS_MAX as i64 - 1).map(block).collect();
    let page = page_of(&blocks).unwrap();
    assert!(page.len() <= 10 * blocks.len(), "{} of {}", page.len(), blocks.len());
}

#[test]
fn few_blocks_have_no_page_and_are_told_of_once() {
    let block = || {
        let columns = [(ColumnId(1), values_of(4, &[1, 2]))].into();
        Some(Statistics { rows: 2, columns, has_others: false })
    };
    let mut builder = Builder::default();
    for _ in 0..BLOCKS_MIN - 1 {
        builder.end_block(block());
    }
    builder.end_block(None);
    assert_eq!(builder.page(), None);
    builder.end_page(None);
    assert_eq!(builder.pages(), &Pages::default(), "nothing at all");
    for at in 1..=BLOCKS_MAX {
        assert_eq!(builder.end_block(block()), at == BLOCKS_MAX);
    }
    let extent = Extent { offset: 99, bytes: builder.page().unwrap().len() as u64 };
    builder.end_page(Some(extent));
    let directory = Directory::new(&builder.pages().0);
    assert_eq!(directory.page_of(BLOCKS_MIN - 1), None);
    assert_eq!(directory.page_of(BLOCKS_MIN), Some((1, extent)));
    assert_eq!(directory.first_of(1), BLOCKS_MIN);
    assert_eq!(directory.page_of(BLOCKS_MIN + BLOCKS_MAX), None);
}

/// The page that the format's page takes apart: of five blocks, of which the second has no statistics.
#[test]
fn the_documented_page_is_what_is_written() {
    let block = |rows: i64| {
        let halves = bits((0..rows).map(|it| (40 + it % 50) as f64 / 2.0));
        let steps: Vec<i64> = (0..rows - 2).map(|it| it * 3 - 100).collect();
        let columns = [(ColumnId(1), values_of(8, &halves)), (ColumnId(4), values_of(4, &steps))];
        let told = if rows == 421 { &columns[..1] } else { &columns };
        Some(Statistics { rows: rows as u64, columns: told.into(), has_others: rows == 421 })
    };
    let page = page_of(&[block(420), None, block(421), block(420), block(300)]).unwrap();
    let text = include_str!("../../../../../docs/formats/sstable.md");
    let lines = text.lines().skip_while(|it| *it != "```hex").skip(1);
    let dumps = lines.take_while(|it| *it != "```").map(|it| it.split("  ").next().unwrap());
    let documented: String = dumps.flat_map(str::chars).filter(|it| !it.is_whitespace()).collect();
    let written: String = page.iter().map(|it| format!("{it:02x}")).collect();
    assert_eq!(written, documented);
}
