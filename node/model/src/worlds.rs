//! Small worlds for property tests: few timestamps, values, columns and clusterings, so that ties
//! and overlaps happen all the time.

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};

use crate::{
    Cell, Clustering, ColumnId, Content, Deletion, Elements, Liveness, Partition, PartitionKey, Row,
};

fn value() -> impl Strategy<Value = Bytes> {
    prop_oneof![Just(Bytes::new()), Just(Bytes::from_static(b"a")), Just(Bytes::from_static(b"b"))]
}

fn timestamp() -> impl Strategy<Value = i64> {
    1_i64..5
}

pub(crate) fn deletion() -> impl Strategy<Value = Deletion> {
    (timestamp(), 1_i64..4).prop_map(|(timestamp, deleted_at)| Deletion { timestamp, deleted_at })
}

pub(crate) fn cell() -> impl Strategy<Value = Cell> {
    let content = prop_oneof![
        value().prop_map(|value| Content::Live { value }),
        (value(), 1_u32..3, 2_i64..6).prop_map(|(value, ttl, expires_at)| Content::Expiring {
            value,
            ttl,
            expires_at
        }),
        (1_i64..4).prop_map(|deleted_at| Content::Dead { deleted_at }),
    ];
    (timestamp(), content).prop_map(|(timestamp, content)| Cell { timestamp, content })
}

pub(crate) fn liveness() -> impl Strategy<Value = Liveness> {
    (timestamp(), option::of((1_u32..3, 2_i64..6)))
        .prop_map(|(timestamp, expiry)| Liveness { timestamp, expiry })
}

/// A column with elements, perhaps nothing.
pub(crate) fn elements() -> impl Strategy<Value = Elements> {
    let path = prop_oneof![Just(Bytes::from_static(b"x")), Just(Bytes::from_static(b"y"))];
    (option::weighted(0.3, deletion()), vec((path, cell()), 0..4)).prop_map(|(deletion, cells)| {
        let mut elements = Elements { deletion, cells: Vec::new() };
        cells.into_iter().for_each(|(path, cell)| elements.put(path, cell));
        elements
    })
}

fn cells(row: &mut Row, cells: Vec<(u32, Cell)>) {
    cells.into_iter().for_each(|(column, cell)| row.put(ColumnId(column), cell));
}

pub(crate) fn row() -> impl Strategy<Value = Row> {
    // No column has both cells and elements.
    let columns = vec((5_u32..7, elements()), 0..3);
    let cells_of = vec((0_u32..4, cell()), 0..4);
    (option::of(liveness()), option::weighted(0.3, deletion()), cells_of, columns).prop_map(
        |(liveness, deletion, all, columns)| {
            let mut row = Row { liveness, deletion: None, cells: Vec::new(), elements: Vec::new() };
            cells(&mut row, all);
            for (column, elements) in columns {
                row.put_elements(ColumnId(column), elements);
            }
            row.merge(Row { deletion, ..Row::default() });
            row
        },
    )
}

fn static_row() -> impl Strategy<Value = Row> {
    (vec((0_u32..3, cell()), 0..3), vec((5_u32..6, elements()), 0..2)).prop_map(|(all, columns)| {
        let mut row = Row::default();
        cells(&mut row, all);
        for (column, elements) in columns {
            row.put_elements(ColumnId(column), elements);
        }
        row
    })
}

/// A point between, before or after the clusterings `1` to `6` of one byte each.
fn bound() -> impl Strategy<Value = Bytes> {
    (0_u8..8, any::<bool>()).prop_map(|(at, past)| match (at, past) {
        (0, false) => Bytes::new(),
        (at, false) => vec![at].into(),
        (at, true) => vec![at, 0xFF].into(),
    })
}

pub(crate) fn bounds() -> impl Strategy<Value = (Bytes, Bytes)> {
    (bound(), bound()).prop_map(|(a, b)| if a < b { (a, b) } else { (b, a) })
}

pub(crate) fn clustering() -> impl Strategy<Value = Clustering> {
    (1_u8..7).prop_map(|at| Clustering(vec![at].into()))
}

pub(crate) fn partition() -> impl Strategy<Value = Partition> {
    (
        option::weighted(0.2, deletion()),
        static_row(),
        vec((clustering(), row()), 0..6),
        vec((bounds(), deletion()), 0..4),
    )
        .prop_map(|(deletion, static_row, rows, ranges)| {
            let mut all = Partition::empty(PartitionKey::new(Bytes::from_static(b"key")));
            all.static_row = static_row;
            for (clustering, row) in rows {
                all.put_row(clustering, row);
            }
            for ((start, end), deletion) in ranges {
                all.delete_range(start, end, deletion);
            }
            deletion.into_iter().for_each(|it| all.delete(it));
            all
        })
}
