//! The encoding of mutations: what comes back, and what bad bytes do.

use super::*;
use crate::worlds;
use proptest::prelude::*;
use uuid::Uuid;

fn mutation() -> impl Strategy<Value = Mutation> {
    (any::<u128>(), worlds::partition())
        .prop_map(|(id, partition)| Mutation { table: TableId(Uuid::from_u128(id)), partition })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(mutation in mutation()) {
        let bytes = mutation.encode();
        prop_assert_eq!(Mutation::decode(bytes.clone()), Ok(mutation.clone()));
        prop_assert_eq!(Mutation::peek(&bytes), Ok((mutation.table, mutation.partition.key)));
    }

    #[test]
    fn a_cut_encoding_is_refused(mutation in mutation(), cut in any::<prop::sample::Index>()) {
        let bytes = mutation.encode();
        let cut = cut.index(bytes.len());
        prop_assert!(Mutation::decode(bytes.slice(..cut)).is_err());
    }

    #[test]
    fn a_longer_encoding_is_refused(mutation in mutation(), more in any::<u8>()) {
        let mut bytes = mutation.encode().to_vec();
        bytes.push(more);
        prop_assert!(Mutation::decode(bytes.into()).is_err());
    }

    /// Whatever bytes come: an error, or a mutation in normal form that can be written again.
    #[test]
    fn a_changed_encoding_is_refused_or_another_mutation(
        mutation in mutation(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
    ) {
        let mut bytes = mutation.encode().to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(mutation) = Mutation::decode(bytes.into()) {
            prop_assert!(mutation.partition.is_normal());
            prop_assert_eq!(Mutation::decode(mutation.encode()), Ok(mutation));
        }
    }

    #[test]
    fn any_bytes_are_survived(tail in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&[7; 16]);
        bytes.extend_from_slice(&tail);
        if let Ok(mutation) = Mutation::decode(bytes.into()) {
            prop_assert!(mutation.partition.is_normal());
        }
        prop_assert!(Mutation::decode(tail.into()).is_err());
    }
}
