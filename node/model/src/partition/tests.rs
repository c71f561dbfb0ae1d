//! Partitions: the laws of merging, and what repair, purge and clipping owe each other.

use super::*;
use crate::worlds;
use proptest::prelude::*;

fn merged(mut left: Partition, right: Partition) -> Partition {
    left.merge(right);
    left
}

proptest! {
    #[test]
    fn merging_partitions_commutes_associates_and_is_idempotent(
        a in worlds::partition(), b in worlds::partition(), c in worlds::partition()
    ) {
        prop_assert!(a.is_normal());
        let both = merged(a.clone(), b.clone());
        prop_assert!(both.is_normal());
        prop_assert_eq!(&both, &merged(b.clone(), a.clone()));
        prop_assert_eq!(merged(both, c.clone()), merged(a.clone(), merged(b, c)));
        prop_assert_eq!(merged(a.clone(), a.clone()), a);
    }

    #[test]
    fn what_was_missing_makes_up_for_the_newer_version(
        ours in worlds::partition(), newer in worlds::partition()
    ) {
        let whole = merged(ours.clone(), newer.clone());
        for newer in [newer, whole.clone()] {
            match ours.missing_from(&newer) {
                Some(missing) => {
                    prop_assert!(missing.is_normal());
                    prop_assert_ne!(&ours, &whole);
                    prop_assert_eq!(&merged(ours.clone(), missing), &whole);
                }
                None => prop_assert_eq!(&ours, &whole),
            }
        }
    }
}
