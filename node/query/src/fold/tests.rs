use super::{Number, Total};

fn total(values: &[f64]) -> Total {
    let mut total = Total::default();
    values.iter().for_each(|it| total.add(&it.to_be_bytes(), Some(Number::Double)).unwrap());
    total
}

fn sum(values: &[f64]) -> f64 {
    f64::from_be_bytes(total(values).sum(Number::Double)[..].try_into().unwrap())
}

fn average(values: &[f64]) -> f64 {
    f64::from_be_bytes(total(values).average(Number::Double)[..].try_into().unwrap())
}

#[test]
fn what_rounding_loses_is_kept() {
    assert_eq!(1.0, sum(&[0.1; 10]));
    assert_eq!(2.0, sum(&[1.0, 1e100, 1.0, -1e100]));
    assert_eq!(0.0, sum(&[]));
    assert_eq!(0.0, average(&[]));
}

#[test]
fn a_sum_on_its_way_may_be_larger_than_a_double() {
    let large = f64::MAX;
    assert_eq!(large, sum(&[large, large, -large]));
    assert_eq!(large, average(&[large, large, large, large]));
    assert_eq!(f64::INFINITY, sum(&[large, large]), "this one is");
}

#[test]
fn infinities_and_nan_stay_what_they_are() {
    assert_eq!(f64::INFINITY, sum(&[1.0, f64::INFINITY, 2.0]));
    assert_eq!(f64::NEG_INFINITY, average(&[1.0, f64::NEG_INFINITY]));
    assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).is_nan());
    assert!(sum(&[1.0, f64::NAN]).is_nan());
}

#[test]
fn integers_wrap_in_sums_and_not_in_averages() {
    let mut total = Total::default();
    [i64::MAX, i64::MAX, -2].iter().for_each(|it| {
        total.add(&it.to_be_bytes(), Some(Number::Integer(8))).unwrap();
    });
    assert_eq!(
        &(i64::MAX.wrapping_add(i64::MAX) - 2).to_be_bytes()[..],
        &total.sum(Number::Integer(8))[..]
    );
    assert_eq!(&((i64::MAX / 3) * 2).to_be_bytes()[..], &total.average(Number::Integer(8))[..]);
    let mut empty = Total::default();
    empty.add(b"", Some(Number::Integer(4))).unwrap();
    assert_eq!(0, empty.count, "an empty value is no number");
}
