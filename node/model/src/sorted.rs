//! Two sorted lists become one.

use std::cmp::Ordering;

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
