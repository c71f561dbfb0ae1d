//! A look over an encoding finds what taking it apart finds, and nothing where that is refused.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::Rows;
use crate::{Mutation, Partition, worlds};

fn encoded(partition: Partition) -> Bytes {
    Mutation { table: TableId(Uuid::from_u128(7)), partition }.encode()
}

/// What was looked over must be what `decode` says.
fn check(bytes: &Bytes) -> Result<bool, TestCaseError> {
    let mut places = Vec::new();
    let Some(overview) = look_over(bytes, &mut places) else {
        prop_assert_eq!(places.len(), 0);
        return Ok(false);
    };
    let decoded = Mutation::decode(bytes.clone());
    prop_assert!(decoded.is_ok(), "{decoded:?} was looked over");
    let Ok(Mutation { table, partition }) = decoded else { return Ok(false) };
    prop_assert_eq!(table, overview.table);
    prop_assert_eq!(&partition.key.bytes[..], &bytes[overview.key]);
    let own = Bytes::copy_from_slice(&bytes[overview.rows..]);
    let rows: Vec<_> = places.iter().map(|it| it.read(&own)).collect();
    for (place, (clustering, _)) in places.iter().zip(&rows) {
        prop_assert_eq!(place.clustering(&own), &clustering.0[..]);
    }
    prop_assert_eq!(&rows, &*partition.rows);
    let times = rows.iter().flat_map(|(_, row)| {
        let cells = row.cells.iter().map(|(_, cell)| cell.timestamp);
        let marker = row.liveness.iter().map(|it| it.timestamp);
        cells.chain(marker).chain(row.deletion.iter().map(|it| it.timestamp)).collect::<Vec<_>>()
    });
    prop_assert_eq!(Some(overview.timestamp_min), times.min());
    prop_assert_eq!(
        encoded(Partition { rows: rows.into(), ..Partition::empty(partition.key.clone()) }).len(),
        bytes.len()
    );
    Ok(true)
}

proptest! {
    #[test]
    fn rows_are_found_where_they_were_written(partition in worlds::partition()) {
        let only_rows = Partition { rows: partition.rows, ..Partition::empty(partition.key) };
        let is_plain = only_rows.rows.iter().all(|(_, row)| row.elements.is_empty());
        let is_found = is_plain && !only_rows.rows.is_empty();
        prop_assert_eq!(check(&encoded(only_rows))?, is_found);
    }

    /// However they come, and whatever is among them.
    #[test]
    fn rows_that_are_packed_are_the_same_rows(
        partition in worlds::partition(),
        as_written in prop::collection::vec(any::<bool>(), 1..8),
    ) {
        let rows: Vec<_> = partition.rows.iter().map(|(clustering, row)| {
            let row = Row { elements: Vec::new(), ..row.clone() };
            (clustering.clone(), row)
        }).filter(|(_, row)| !row.is_empty()).collect();
        let only_rows = Partition { rows: rows.clone().into(), ..Partition::empty(partition.key) };
        let bytes = encoded(only_rows);
        let mut places = Vec::new();
        let overview = look_over(&bytes, &mut places);
        prop_assert_eq!(overview.is_some(), !rows.is_empty());
        let own = bytes.slice(overview.map_or(0, |it| it.rows)..);
        let mut packer = Packer::default();
        for ((place, (clustering, row)), written) in
            places.iter().zip(&rows).zip(as_written.iter().cycle())
        {
            if !written || !packer.add_written(&own, *place) {
                packer.add(clustering.clone(), row.clone());
            }
        }
        let packed = packer.finish();
        let is_plain = |row: &Row| {
            let dies = |(_, it): &(_, crate::Cell)| matches!(it.content, crate::Content::Dead { .. });
            row.deletion.is_none() && !row.cells.iter().any(dies)
        };
        if 4 <= rows.len() && rows.iter().all(|(_, row)| is_plain(row)) {
            prop_assert!(packed.are_settled(i64::MIN));
        }
        prop_assert_eq!(packed.into_each(), rows);
    }

    #[test]
    fn what_is_more_than_rows_is_left_to_decode(partition in worlds::partition()) {
        let bare = Partition { rows: partition.rows.clone(), ..Partition::empty(partition.key.clone()) };
        let is_more = partition != bare;
        let found = check(&encoded(partition))?;
        prop_assert!(!(is_more && found));
    }

    /// Whatever comes: nothing is found in what `decode` refuses.
    #[test]
    fn a_changed_encoding_is_found_as_decoded_or_not_at_all(
        partition in worlds::partition(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let only_rows = Partition { rows: partition.rows, ..Partition::empty(partition.key) };
        let bytes = encoded(only_rows);
        let mut places = Vec::new();
        let cut = bytes.slice(..cut.index(bytes.len()));
        prop_assert!(look_over(&cut, &mut places).is_none());
        let mut bytes = bytes.to_vec();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let bytes = Bytes::from(bytes);
        if let Some(overview) = look_over(&bytes, &mut places) {
            let decoded = Mutation::decode(bytes.clone());
            prop_assert!(decoded.is_ok(), "{decoded:?} was looked over");
            let own = bytes.slice(overview.rows..);
            let rows: Vec<_> = places.iter().map(|it| it.read(&own)).collect();
            prop_assert_eq!(Rows::from(rows), decoded.map(|it| it.partition.rows).unwrap_or_default());
        }
    }
}
