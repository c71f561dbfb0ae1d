//! Sorted lists: where something lies in one, and how two become one.

use std::cmp::Ordering;
use std::ops::Range;

/// Numbers from which on it pays to guess where one lies.
const GUESSED_MIN: usize = 32;

/// The first of `range` that is not before what is looked for: all that are lie in front of it.
#[inline]
pub fn first_not(range: Range<usize>, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut from, mut to) = (range.start, range.end);
    while from < to {
        let middle = from.midpoint(to);
        if is_before(middle) { from = middle + 1 } else { to = middle }
    }
    from
}

/// As `first_not`, probably near the beginning of `range`.
#[inline]
pub fn first_not_near(range: Range<usize>, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut from, mut len) = (range.start, 1);
    while from + len < range.end && is_before(from + len - 1) {
        from += len;
        len *= 2;
    }
    first_not(from..range.end.min(from + len), is_before)
}

/// As `first_not`, of what is in the order of its numbers: near where the one that is `sought` would lie if they were evenly spread, as
/// tokens are, and what comes at a steady pace. `number` may tell less than `is_before`.
#[inline]
pub fn first_not_spread(
    range: Range<usize>,
    sought: u64,
    number: impl Fn(usize) -> u64,
    is_before: impl Fn(usize) -> bool,
) -> usize {
    if range.len() < GUESSED_MIN {
        return first_not(range, is_before);
    }
    let (least, most) = (number(range.start), number(range.end - 1));
    if sought <= least || most <= sought {
        return first_not(range, is_before);
    }
    let part = (sought - least) as f64 / (most - least) as f64;
    let guess = range.start + (part * (range.len() - 1) as f64) as usize;
    // Steps away from there, each larger than the one before.
    let mut step = 1;
    if is_before(guess) {
        let mut from = guess + 1;
        while from < range.end {
            let at = (from + step - 1).min(range.end - 1);
            if !is_before(at) {
                return first_not(from..at, is_before);
            }
            from = at + 1;
            step *= 4;
        }
        return range.end;
    }
    let mut to = guess;
    while range.start < to {
        let at = to.saturating_sub(step).max(range.start);
        if is_before(at) {
            return first_not(at + 1..to, is_before);
        }
        to = at;
        step *= 4;
    }
    range.start
}

/// Zips two lists that ascend strictly by key into one that does; `both` makes one value of two.
pub(crate) fn merge<K: Ord, V>(
    ours: Vec<(K, V)>,
    theirs: Vec<(K, V)>,
    both: impl Fn(V, V) -> V,
) -> Vec<(K, V)> {
    let mut merged = Vec::with_capacity(ours.len().max(theirs.len()));
    let mut ours = ours.into_iter().peekable();
    let mut theirs = theirs.into_iter().peekable();
    while let (Some((left, _)), Some((right, _))) = (ours.peek(), theirs.peek()) {
        match left.cmp(right) {
            Ordering::Less => merged.extend(ours.next()),
            Ordering::Greater => merged.extend(theirs.next()),
            Ordering::Equal => {
                if let (Some((key, left)), Some((_, right))) = (ours.next(), theirs.next()) {
                    merged.push((key, both(left, right)));
                }
            }
        }
    }
    merged.extend(ours);
    merged.extend(theirs);
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the numbers, and however little they tell.
        #[test]
        fn a_guess_finds_what_a_search_does(
            mut numbers in prop_oneof![
                prop::collection::vec(any::<u64>(), 0..200),
                prop::collection::vec(0..50_u64, 0..200),
                (any::<u64>(), 0..9_u64, 0..200_u64)
                    .prop_map(|(from, step, len)| (0..len).map(|it| from.wrapping_add(it * step)).collect()),
            ],
            sought in prop_oneof![any::<u64>(), 0..50_u64],
            known_bits in 1..64_u32,
            from in 0..50_usize,
        ) {
            numbers.sort_unstable();
            let range = from.min(numbers.len())..numbers.len();
            let is_before = |at: usize| numbers[at] < sought;
            let told = |number: u64| number >> (64 - known_bits);
            let guessed =
                first_not_spread(range.clone(), told(sought), |at| told(numbers[at]), is_before);
            prop_assert_eq!(guessed, first_not(range.clone(), is_before));
            prop_assert_eq!(guessed, first_not_near(range, is_before));
        }
    }
}
