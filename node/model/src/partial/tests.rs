//! Partials of rows, and of rows that were cut.

use bytes::Bytes;
use cql_lite::value;
use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::{Cell, Clustering, Content, Liveness, Row};

const NATIVES: [NativeType; 7] = [
    NativeType::Tinyint,
    NativeType::Smallint,
    NativeType::Int,
    NativeType::Bigint,
    NativeType::Timestamp,
    NativeType::Time,
    NativeType::Double,
];

fn number(native: NativeType) -> Number {
    Number::of(&native.into()).expect("a number")
}

/// Numbers, among them those that are special; sometimes none; seldom something of another length.
fn serialized(native: NativeType) -> impl Strategy<Value = Bytes> {
    let size = number(native).size();
    let double = prop_oneof![
        any::<f64>(),
        Just(0.0),
        Just(-0.0),
        Just(f64::NAN),
        Just(-f64::NAN),
        Just(f64::INFINITY),
        Just(f64::MAX),
        -5.0..5.0,
    ];
    let number = prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), -3_i64..3];
    let sound = (number, double).prop_map(move |(integer, double)| {
        let double = (native == NativeType::Double).then(|| double.to_be_bytes());
        Bytes::copy_from_slice(&double.unwrap_or(integer.to_be_bytes())[8 - size..])
    });
    prop_oneof![20 => sound, 1 => Just(Bytes::new())]
}

fn native() -> impl Strategy<Value = NativeType> {
    prop::sample::select(NATIVES.to_vec())
}

fn values() -> impl Strategy<Value = (NativeType, Vec<Bytes>)> {
    native().prop_flat_map(|native| (Just(native), vec(serialized(native), 0..30)))
}

pub(crate) fn asked() -> impl Strategy<Value = Asked> {
    let columns = prop::collection::btree_map(any::<u32>(), native(), 0..4);
    (columns, any::<bool>()).prop_map(|(columns, compared)| Asked {
        columns: columns.into_iter().map(|(id, native)| (ColumnId(id), number(native))).collect(),
        compared,
    })
}

pub(crate) fn partial() -> impl Strategy<Value = Partial> {
    (vec(values(), 0..4), 30_u64.., any::<u64>()).prop_map(|(columns, rows, statics)| Partial {
        rows,
        statics,
        columns: columns.iter().map(|(native, values)| summary(*native, values)).collect(),
    })
}

fn summary(native: NativeType, values: &[Bytes]) -> Summary {
    let mut summary = Summary::new(number(native));
    values.iter().for_each(|it| summary.add(it));
    summary
}

/// All but the sum, of which only so much is promised.
fn without_sum(summary: &Summary) -> Summary {
    let mut summary = *summary;
    if let Values::F64(it) = &mut summary.numbers {
        it.sum = Sum::NONE;
    }
    summary
}

/// Equal up to what adding up loses: some last bits of the largest sum on the way.
fn is_close(left: &Sum, right: &Sum, values: &[Bytes]) -> bool {
    let (left, right) = (left.divided(1.0), right.divided(1.0));
    let largest: f64 = values
        .iter()
        .filter_map(|it| it[..].try_into().ok().map(f64::from_be_bytes))
        .map(|it| it.abs() / f64::MAX)
        .sum();
    left.to_bits() == right.to_bits()
        || left.is_nan() && right.is_nan()
        || (left / f64::MAX - right / f64::MAX).abs() <= largest * 1e-15
        // Close to the end of what there is, one may be behind it.
        || 0.99 < largest
}

fn row(at: usize, values: &[(u32, Option<Bytes>)], expires_at: Option<i64>) -> (Clustering, Row) {
    let mut row = Row::default();
    if expires_at.is_none() {
        row.liveness = Some(Liveness { timestamp: 1, expiry: None });
    }
    for (column, value) in values {
        let content = match (value, expires_at) {
            (None, _) => Content::Dead { deleted_at: 1 },
            (Some(value), None) => Content::Live { value: value.clone() },
            (Some(value), Some(expires_at)) => {
                Content::Expiring { value: value.clone(), ttl: 1, expires_at }
            }
        };
        row.put(ColumnId(*column), Cell { timestamp: 2, content });
    }
    (Clustering(Bytes::copy_from_slice(&(at as u32).to_be_bytes())), row)
}

#[test]
fn values_of_no_length_are_the_least_and_no_numbers() {
    let five = Bytes::from_static(&[0, 0, 0, 5]);
    let both = summary(NativeType::Int, &[Bytes::new(), five]);
    assert_eq!((both.values(), both.count()), (2, 1));
    assert_eq!((both.least(), both.most()), (Some(Vec::new()), Some(vec![0, 0, 0, 5])));
    let none = summary(NativeType::Int, &[Bytes::new()]);
    assert_eq!((none.least(), none.most()), (Some(Vec::new()), Some(Vec::new())));
    let nothing = summary(NativeType::Int, &[]);
    assert_eq!((nothing.least(), nothing.most()), (None, None));
}

#[test]
fn a_value_of_another_length_leaves_something_unknown() {
    let asked = Asked { columns: vec![(ColumnId(1), Number::I32)], compared: false };
    let mut partial = Partial::new(&asked);
    let rows: Rows = vec![row(0, &[(1, Some(Bytes::from_static(&[1, 2])))], None)].into();
    assert!(partial.is_whole());
    partial.add(&asked, &rows, 0);
    assert_eq!((partial.columns[0].values(), partial.is_whole()), (1, false));
    assert!(partial.answers(&asked));
    let other = Asked { columns: vec![(ColumnId(1), Number::F64)], compared: false };
    assert!(!partial.answers(&other));
}

#[test]
fn a_summary_that_no_values_have_is_refused() {
    let refused = |change: &dyn Fn(&mut Integers)| {
        let mut summary = summary(NativeType::Tinyint, &[Bytes::from_static(&[5])]);
        let Values::I8(it) = &mut summary.numbers else { return None };
        change(it);
        let mut out = Writer::default();
        summary.write(&mut out);
        Summary::read(&mut Reader::new(out.finish())).err().map(|it| it.what)
    };
    assert_eq!(refused(&|_| {}), None);
    assert_eq!(refused(&|it| it.sum = 6), Some("sum of integers"));
    assert_eq!(refused(&|it| it.least = 6), Some("sum of integers"));
    assert_eq!(refused(&|it| it.most = 200), Some("size of numbers"));
    assert_eq!(refused(&|it| it.count = u64::MAX), Some("count of values"));
}

proptest! {
    /// As the values themselves compare and add up.
    #[test]
    fn a_summary_says_what_a_look_at_each_value_says((native, values) in values()) {
        let summary = summary(native, &values);
        prop_assert_eq!(summary.values(), values.len() as u64);
        let order = |a: &&Bytes, b: &&Bytes| value::compare_native(native, a, b);
        // Of equal ones the first.
        let least = values.iter().min_by(order).map(|it| it.to_vec());
        let most = values.iter().rev().max_by(order).map(|it| it.to_vec());
        prop_assert_eq!((summary.least(), summary.most()), (least, most));
        match summary.numbers {
            Values::I8(it) | Values::I16(it) | Values::I32(it) | Values::I64(it) => {
                let sum = values.iter().filter(|it| !it.is_empty()).fold(0_i128, |sum, it| {
                    let sign = if it[0] < 0x80 { 0 } else { 0xFF };
                    let mut wide = [sign; 16];
                    wide[16 - it.len()..].copy_from_slice(it);
                    sum + i128::from_be_bytes(wide)
                });
                prop_assert_eq!(it.sum, sum);
            }
            Values::F64(it) => {
                let mut sum = Sum::NONE;
                let all = values.iter().filter_map(|it| it[..].try_into().ok());
                all.for_each(|it| sum.add(f64::from_be_bytes(it)));
                let (ours, theirs) = (it.sum.divided(1.0), sum.divided(1.0));
                let same = ours.to_bits() == theirs.to_bits() || ours.is_nan() && theirs.is_nan();
                prop_assert!(same, "{} {}", ours, theirs);
            }
        }
    }

    #[test]
    fn summaries_of_pieces_merge_to_that_of_all(
        (native, values) in values(), cuts in [any::<Index>(), any::<Index>()]
    ) {
        let mut cuts = cuts.map(|it| it.index(values.len() + 1));
        cuts.sort_unstable();
        let whole = summary(native, &values);
        let mut merged = summary(native, &values[..cuts[0]]);
        merged.merge(&summary(native, &values[cuts[0]..cuts[1]]));
        merged.merge(&summary(native, &values[cuts[1]..]));
        prop_assert_eq!(without_sum(&merged), without_sum(&whole));
        if let (Values::F64(merged), Values::F64(whole)) = (merged.numbers, whole.numbers) {
            prop_assert!(is_close(&merged.sum, &whole.sum, &values), "{:?} {:?}", merged, whole);
        }
    }

    #[test]
    fn a_partial_of_rows_is_that_of_the_values_of_live_ones(
        (native, values) in values(),
        fates in vec((any::<bool>(), prop::option::of(3_i64..6)), 30),
        cut in any::<Index>(),
    ) {
        let rows: Vec<(Clustering, Row)> = values.iter().zip(&fates).enumerate().map(
            |(at, (value, (is_dead, expires_at)))| {
                let value = (!is_dead).then(|| value.clone());
                row(at, &[(1, value.clone()), (2, Some(Bytes::from_static(b"x")))], *expires_at)
            }
        ).collect();
        let now = 4;
        let live: Vec<&Row> =
            rows.iter().map(|(_, row)| row).filter(|it| it.is_live(now)).collect();
        let seen: Vec<Bytes> =
            live.iter().filter_map(|it| it.cell(ColumnId(1))?.value(now).cloned()).collect();
        let asked = Asked { columns: vec![(ColumnId(1), number(native))], compared: false };
        let mut partial = Partial::new(&asked);
        let cut = cut.index(rows.len() + 1);
        for part in [&rows[..cut], &rows[cut..]] {
            partial.add(&asked, &part.to_vec().into(), now);
        }
        let expected =
            Partial { rows: live.len() as u64, statics: 0, columns: vec![summary(native, &seen)] };
        prop_assert_eq!(&partial, &expected);

        let mut out = Writer::default();
        partial.write(&mut out);
        let bytes = out.finish();
        prop_assert_eq!(Partial::read(&mut Reader::new(bytes.clone())), Ok(partial));
        let short = bytes.slice(..cut.min(bytes.len() - 1));
        prop_assert!(Partial::read(&mut Reader::new(short)).is_err());
    }
}
