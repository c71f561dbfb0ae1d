//! Rows that lie as columns are the same rows.

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::{
    Content, Liveness,
    columns::{Column, Ints, Values, kind},
};

const COLUMNS: u32 = 3;

/// A row of values that stay, at least one thing in it.
fn settled() -> impl Strategy<Value = Row> {
    let cells = vec(option::of((0_i64..3, 0_usize..4)), COLUMNS as usize);
    (option::of(1_i64..4), cells).prop_map(|(marker, cells)| {
        let mut row = Row::default();
        let values = cells.into_iter().enumerate();
        for (column, (later, len)) in values.filter_map(|(at, it)| Some((at, it?))) {
            let content = Content::Live { value: vec![column as u8; len].into() };
            let timestamp = marker.unwrap_or(1) + later;
            row.put(ColumnId(column as u32), Cell { timestamp, content });
        }
        let marker = marker.or(row.is_empty().then_some(1));
        row.liveness = marker.map(|timestamp| Liveness { timestamp, expiry: None });
        row
    })
}

/// Rows, their clusterings from `first` on.
fn listed(first: u8, rows: Vec<Row>) -> Vec<Each> {
    let clustering = |at: usize| Clustering(vec![first + at as u8].into());
    rows.into_iter().enumerate().map(|(at, row)| (clustering(at), row)).collect()
}

fn values(all: &[&[u8]]) -> Values {
    if let [first, others @ ..] = all
        && others.iter().all(|it| it.len() == first.len())
    {
        return Values::Fixed { arena: all.concat().into(), len: first.len() };
    }
    let ends = all.iter().scan(0, |end, it| {
        *end += it.len() as u32;
        Some(*end)
    });
    Values::Any { ends: ends.collect(), arena: all.concat().into() }
}

/// The same rows as columns.
fn columns(rows: &[Each]) -> Arc<Columns> {
    let time = |row: &Row| {
        let marker = row.liveness.map(|it| it.timestamp);
        marker.unwrap_or_else(|| row.cells[0].1.timestamp)
    };
    let column = |id: u32| {
        let cells = || {
            let cell = move |(at, (_, row)): (usize, &'_ Each)| {
                let cell = row.cell(ColumnId(id))?.clone();
                Some((at as u32, cell.timestamp - time(row), cell.value(0)?.clone()))
            };
            rows.iter().enumerate().filter_map(cell)
        };
        let all: Vec<Bytes> = cells().map(|it| it.2).collect();
        Column {
            id: ColumnId(id),
            rows: (all.len() < rows.len()).then(|| cells().map(|it| it.0).collect()),
            times: Ints::Each(cells().map(|it| it.1).collect()),
            kinds: Ints::Const(kind::LIVE),
            ttls: Ints::Const(0),
            seconds: Ints::Const(0),
            values: values(&all.iter().map(|it| &it[..]).collect::<Vec<_>>()),
            ranks: None,
        }
    };
    let none = || Ints::Const(0);
    Arc::new(Columns {
        keys: values(&rows.iter().map(|(it, _)| &it.0[..]).collect::<Vec<_>>()),
        times: Ints::Each(rows.iter().map(|(_, row)| time(row)).collect()),
        flags: Ints::Each(rows.iter().map(|(_, it)| i64::from(it.liveness.is_some())).collect()),
        ttls: none(),
        begins: none(),
        deletion_times: none(),
        deleted_ats: none(),
        ranks: None,
        columns: (0..COLUMNS).map(column).filter(|it| it.rows != Some(Vec::new())).collect(),
    })
}

/// What is done to rows.
#[derive(Clone, Debug)]
enum Change {
    Split(usize, bool),
    Truncate(usize),
    KeepLast(usize),
    Look,
    Write,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (0_usize..20, any::<bool>()).prop_map(|(at, left)| Change::Split(at, left)),
        (0_usize..20).prop_map(Change::Truncate),
        (0_usize..20).prop_map(Change::KeepLast),
        Just(Change::Look),
        Just(Change::Write),
    ]
}

/// Does the same to both.
fn apply(change: &Change, packed: &mut Rows, list: &mut Vec<Each>) {
    match change {
        Change::Split(at, left) => {
            let at = *at.min(&list.len());
            let (others, rest) = (packed.split_off(at), list.split_off(at));
            if !left {
                (*packed, *list) = (others, rest);
            }
        }
        Change::Truncate(count) => {
            packed.truncate(*count);
            list.truncate(*count);
        }
        Change::KeepLast(count) => {
            packed.keep_last(*count);
            list.drain(..list.len().saturating_sub(*count));
        }
        Change::Look => assert_eq!(packed.first(), list.first()),
        Change::Write => packed.iter_mut().chain(list).for_each(|(_, row)| row.deletion = None),
    }
}

proptest! {
    #[test]
    fn rows_in_columns_are_what_they_are_in_a_list(
        first in vec(settled(), 1..9),
        second in vec(settled(), 1..9),
        (before, behind) in (vec(settled(), 0..4), vec(settled(), 0..4)),
        changes in vec(change(), 0..6),
    ) {
        let (first, second) = (listed(10, first), listed(20, second));
        let (before, behind) = (listed(5, before), listed(30, behind));
        let in_columns = Rows::of(&columns(&first), 0..first.len());
        prop_assert!(in_columns.are_settled());
        let mut packed = Rows::from(before.clone());
        packed.append(in_columns);
        packed.append(Rows::of(&columns(&second), 0..second.len()));
        packed.append(behind.clone().into());
        let mut list = [before, first, second, behind].concat();
        for change in &changes {
            apply(change, &mut packed, &mut list);
        }
        prop_assert_eq!((packed.len(), packed.live(0)), (list.len(), list.len()));
        let shown = |it: View<'_>| {
            let cells = (0..COLUMNS).map(|column| {
                let cell = it.cell(ColumnId(column), 0).map(|(time, value)| (time, value.to_vec()));
                assert_eq!(it.value(ColumnId(column), 0), cell.clone().map(|it| it.1.into()));
                cell
            });
            assert!(it.is_live(0));
            (it.clustering_key(), cells.collect::<Vec<_>>())
        };
        let plain = Rows::from(list.clone());
        let forward = || packed.views().map(shown).collect::<Vec<_>>();
        prop_assert_eq!(forward(), plain.views().map(shown).collect::<Vec<_>>());
        let mut backward: Vec<_> = packed.views().rev().map(shown).collect();
        backward.reverse();
        prop_assert_eq!(backward, forward());
        for at in 0..=list.len() {
            let (packed, plain) = (packed.view(at), plain.view(at));
            prop_assert_eq!(packed.map(shown), plain.map(shown));
        }
        for column in (0..COLUMNS).map(ColumnId) {
            let mut along = Vec::new();
            let all: Result<(), ()> = packed.each_value(column, 0, |it| {
                along.push(it.to_vec());
                Ok(())
            });
            let expected: Vec<_> = plain.views().filter_map(|it| it.bytes(column, 0)).collect();
            prop_assert_eq!((all, along.iter().map(|it| &it[..]).collect()), (Ok(()), expected));
            let refused = packed.each_value(column, 0, |it| Err(it.to_vec()));
            prop_assert_eq!(refused.err(), along.first().cloned());
        }
        for at in 0..40 {
            prop_assert_eq!(packed.first_at(&[at]), plain.first_at(&[at]));
        }
        if let Some(amount) = packed.amount(0..list.len()) {
            let cells = || list.iter().flat_map(|(_, row)| &row.cells);
            let values: usize = cells().map(|(_, it)| it.value(0).unwrap().len()).sum();
            let keys: usize = list.iter().map(|(it, _)| it.0.len()).sum();
            let expected = Amount { rows: list.len(), cells: cells().count(), bytes: keys + values };
            prop_assert_eq!(amount, expected);
        }
        prop_assert_eq!(&packed, &plain);
        prop_assert_eq!(packed.clone().into_each(), list);
    }
}

#[test]
fn what_is_not_settled_is_a_list() {
    let rows = listed(1, vec![Row::default(); 3]);
    let mut columns = Arc::into_inner(columns_of_markers(&rows)).unwrap();
    columns.flags = Ints::Each(vec![1, 5, 1]);
    columns.deletion_times = Ints::Const(-1);
    columns.deleted_ats = Ints::Const(0);
    columns.ranks = Some(vec![(0, 0), (0, 0), (0, 1)]);
    let columns = Arc::new(columns);
    assert!(!Rows::of(&columns, 0..3).are_settled());
    assert!(!Rows::of(&columns, 1..2).are_settled());
    assert!(Rows::of(&columns, 2..3).are_settled());
    assert_eq!(Rows::of(&columns, 0..3)[1].1.deletion.map(|it| it.timestamp), Some(0));
}

fn columns_of_markers(rows: &[Each]) -> Arc<Columns> {
    let marked = |(at, row): &Each| {
        let liveness = Some(Liveness { timestamp: 1, expiry: None });
        (at.clone(), Row { liveness, ..row.clone() })
    };
    columns(&rows.iter().map(marked).collect::<Vec<_>>())
}
