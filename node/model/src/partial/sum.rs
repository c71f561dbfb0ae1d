//! Sums of doubles.

/// A sum that keeps what rounding loses, and that may be larger on its way than a double can be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    plain: Compensated,
    /// The same in units of 2^64, where a sum that `f64` cannot hold still fits.
    scaled: Compensated,
}

/// 2^-64: multiplying by it loses nothing of the numbers that are large enough to matter.
const SCALE: f64 = 1.0 / 18_446_744_073_709_551_616.0;

impl Sum {
    /// Of no number.
    pub const NONE: Sum = Sum { plain: Compensated::NONE, scaled: Compensated::NONE };

    /// One more number.
    #[inline]
    pub fn add(&mut self, value: f64) {
        self.plain.add(value);
        self.scaled.add(value * SCALE);
    }

    /// The numbers of another sum come behind.
    pub fn merge(&mut self, next: &Sum) {
        self.plain.merge(next.plain);
        self.scaled.merge(next.scaled);
    }

    /// The sum of all numbers, divided: 1 for the sum itself.
    pub fn divided(&self, count: f64) -> f64 {
        let plain = self.plain.value();
        if plain.is_finite() || !self.scaled.value().is_finite() {
            return plain / count;
        }
        self.scaled.value() / count / SCALE
    }

    /// All that it knows.
    pub(super) fn parts(&self) -> [f64; 4] {
        [self.plain.sum, self.plain.lost, self.scaled.sum, self.scaled.lost]
    }

    pub(super) fn from_parts([sum, lost, scaled_sum, scaled_lost]: [f64; 4]) -> Sum {
        Sum {
            plain: Compensated { sum, lost },
            scaled: Compensated { sum: scaled_sum, lost: scaled_lost },
        }
    }
}

/// A sum that keeps what rounding loses (Neumaier's variant of Kahan's summation).
#[derive(Clone, Copy, Debug, Default)]
struct Compensated {
    sum: f64,
    lost: f64,
}

impl Compensated {
    const NONE: Compensated = Compensated { sum: 0.0, lost: 0.0 };

    #[inline]
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        self.lost += match self.sum.abs() >= value.abs() {
            true => (self.sum - sum) + value,
            false => (value - sum) + self.sum,
        };
        self.sum = sum;
    }

    fn merge(&mut self, next: Compensated) {
        self.add(next.sum);
        self.lost += next.lost;
    }

    /// The plain sum where infinities or NaN are among the values: nothing was lost there.
    fn value(&self) -> f64 {
        if self.lost.is_finite() { self.sum + self.lost } else { self.sum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> Sum {
        let mut sum = Sum::NONE;
        values.iter().for_each(|it| sum.add(*it));
        sum
    }

    #[test]
    fn what_rounding_loses_is_kept() {
        assert_eq!(1.0, sum(&[0.1; 10]).divided(1.0));
        assert_eq!(2.0, sum(&[1.0, 1e100, 1.0, -1e100]).divided(1.0));
        assert_eq!(0.0, sum(&[]).divided(1.0));
    }

    #[test]
    fn it_may_be_larger_on_its_way_than_a_double() {
        let large = f64::MAX;
        assert_eq!(large, sum(&[large, large, -large]).divided(1.0));
        assert_eq!(large, sum(&[large; 4]).divided(4.0));
        assert_eq!(f64::INFINITY, sum(&[large, large]).divided(1.0), "this one is");
        let mut halves = sum(&[large, large]);
        halves.merge(&sum(&[large, large]));
        assert_eq!(large, halves.divided(4.0), "where it is cut makes no difference");
    }

    #[test]
    fn infinities_and_nan_stay_what_they_are() {
        assert_eq!(f64::INFINITY, sum(&[1.0, f64::INFINITY, 2.0]).divided(1.0));
        assert!(sum(&[f64::INFINITY, f64::NEG_INFINITY]).divided(1.0).is_nan());
        assert!(sum(&[1.0, f64::NAN]).divided(1.0).is_nan());
        let mut merged = sum(&[1.0, f64::INFINITY]);
        merged.merge(&sum(&[1e300]));
        assert_eq!(f64::INFINITY, merged.divided(1.0));
        merged.merge(&sum(&[f64::NEG_INFINITY]));
        assert!(merged.divided(1.0).is_nan());
    }

    #[test]
    fn merging_loses_no_more_than_adding() {
        let mut left = sum(&[1.0, 1e100]);
        left.merge(&sum(&[1.0, -1e100]));
        assert_eq!(2.0, left.divided(1.0));
    }
}
