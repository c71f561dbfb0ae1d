//! Rows that lie as columns are the same rows.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::{
    Content, Deletion, Liveness,
    columns::{Column, Ints, Values, flag, kind},
};

const COLUMNS: u32 = 3;

/// Now and then a TTL, and when it ends: seconds from 1 on.
fn expiry() -> impl Strategy<Value = Option<(u32, i64)>> {
    let some = (1_u32..4, 1_i64..6);
    prop_oneof![3 => Just(None), 2 => some.prop_map(Some)]
}

/// A plain row, at least one thing in it.
fn plain() -> impl Strategy<Value = Row> {
    let cells = vec(option::of((0_i64..3, 0_usize..4, expiry())), COLUMNS as usize);
    (option::of((1_i64..4, expiry())), cells).prop_map(|(marker, cells)| {
        let mut row = Row::default();
        let values = cells.into_iter().enumerate();
        for (column, (later, len, expiry)) in values.filter_map(|(at, it)| Some((at, it?))) {
            let value = vec![column as u8; len].into();
            let content = match expiry {
                Some((ttl, expires_at)) => Content::Expiring { value, ttl, expires_at },
                None => Content::Live { value },
            };
            let timestamp = marker.map_or(1, |it| it.0) + later;
            row.put(ColumnId(column as u32), Cell { timestamp, content });
        }
        let marker = marker.or(row.is_empty().then_some((1, None)));
        row.liveness = marker.map(|(timestamp, expiry)| Liveness { timestamp, expiry });
        row
    })
}

/// A row of values that stay.
fn lasting() -> impl Strategy<Value = Row> {
    plain().prop_map(|mut row| {
        row.liveness = row.liveness.map(|it| Liveness { expiry: None, ..it });
        for (_, cell) in &mut row.cells {
            if let Content::Expiring { value, .. } = &cell.content {
                cell.content = Content::Live { value: value.clone() };
            }
        }
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
    // When what was written in the first second of all expires.
    let lifetimes = |all: &[Option<(u32, i64)>]| {
        let of = |value: fn((u32, i64)) -> i64| all.iter().flatten().map(|it| value(*it)).collect();
        let before = |at: usize| all[..at].iter().flatten().count() as u32;
        let ranks: Vec<u32> = (0..all.len()).map(before).collect();
        let ttls = Ints::Each(of(|(ttl, _)| i64::from(ttl)));
        (ttls, Ints::Each(of(|(ttl, at)| at - i64::from(ttl))), ranks)
    };
    let column = |id: u32| {
        let cells = || {
            let cell = move |(at, (_, row)): (usize, &'_ Each)| {
                let cell = row.cell(ColumnId(id))?.clone();
                let (value, expiry) = match &cell.content {
                    Content::Live { value } => (value, None),
                    Content::Expiring { value, ttl, expires_at } => {
                        (value, Some((*ttl, *expires_at)))
                    }
                    Content::Dead { .. } => unreachable!("plain rows"),
                };
                Some((at as u32, cell.timestamp - time(row), value.clone(), expiry))
            };
            rows.iter().enumerate().filter_map(cell)
        };
        let all: Vec<Bytes> = cells().map(|it| it.2).collect();
        let expiries: Vec<Option<(u32, i64)>> = cells().map(|it| it.3).collect();
        let (ttls, seconds, ranks) = lifetimes(&expiries);
        let kinds = expiries.iter().map(|it| it.map_or(kind::LIVE, |_| kind::EXPIRING));
        let ranks = (0..).zip(ranks).map(|(at, rank)| [at, rank, rank]).collect();
        let stay = expiries.iter().all(|it| it.is_none());
        Column {
            id: ColumnId(id),
            rows: (all.len() < rows.len()).then(|| cells().map(|it| it.0).collect()),
            times: Ints::Each(cells().map(|it| it.1).collect()),
            kinds: if stay { Ints::Const(kind::LIVE) } else { Ints::Each(kinds.collect()) },
            ttls,
            seconds,
            values: values(&all.iter().map(|it| &it[..]).collect::<Vec<_>>()),
            ranks: (!stay).then_some(ranks),
            codes: None,
        }
    };
    let flags = |row: &Row| match row.liveness {
        None => 0,
        Some(Liveness { expiry: None, .. }) => flag::MARKER,
        Some(Liveness { expiry: Some(_), .. }) => flag::MARKER | flag::EXPIRES,
    };
    let markers: Vec<_> = rows.iter().map(|(_, row)| row.liveness?.expiry).collect();
    let (ttls, begins, ranks) = lifetimes(&markers);
    let mut columns = Columns {
        keys: values(&rows.iter().map(|(it, _)| &it.0[..]).collect::<Vec<_>>()),
        times: Ints::Each(rows.iter().map(|(_, row)| time(row)).collect()),
        flags: Ints::Each(rows.iter().map(|(_, it)| flags(it)).collect()),
        ttls,
        begins,
        deletion_times: Ints::Const(0),
        deleted_ats: Ints::Const(0),
        ranks: Some(ranks.into_iter().map(|it| (it, 0)).collect()),
        columns: (0..COLUMNS).map(column).filter(|it| it.rows != Some(Vec::new())).collect(),
        settled_until: i64::MAX,
    };
    columns.settled_until = columns.first_expiry(rows.len());
    Arc::new(columns)
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
        first in vec(plain(), 1..9),
        second in vec(plain(), 1..9),
        (before, behind) in (vec(plain(), 0..4), vec(plain(), 0..4)),
        changes in vec(change(), 0..6),
        now in 0_i64..7,
    ) {
        let (first, second) = (listed(10, first), listed(20, second));
        let (before, behind) = (listed(5, before), listed(30, behind));
        let in_columns = Rows::of(&columns(&first), 0..first.len());
        prop_assert!(in_columns.are_settled(0));
        prop_assert!(in_columns.amount(0..first.len()).is_some(), "it lies in columns");
        let mut packed = Rows::from(before.clone());
        packed.append(in_columns);
        packed.append(Rows::of(&columns(&second), 0..second.len()));
        packed.append(behind.clone().into());
        let mut list = [before, first, second, behind].concat();
        for change in &changes {
            apply(change, &mut packed, &mut list);
        }
        let live = list.iter().filter(|(_, row)| row.is_live(now)).count();
        prop_assert_eq!((packed.len(), packed.live(now)), (list.len(), live));
        let shown = |it: View<'_>| {
            let cells = (0..COLUMNS).map(|column| {
                let cell = it.cell(ColumnId(column), now).map(|(time, value)| (time, value.to_vec()));
                assert_eq!(it.value(ColumnId(column), now), cell.clone().map(|it| it.1.into()));
                cell.map(|cell| (cell, it.expires_at(ColumnId(column), now)))
            });
            (it.clustering_key(), it.is_live(now), cells.collect::<Vec<_>>())
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
            prop_assert_eq!(packed.map(View::row), plain.map(View::row));
            let settled = packed.and_then(|it| it.amount(now)).is_some();
            let has_expired = |row: &Row| {
                let expired = |it: &(ColumnId, Cell)| it.1.value(now).is_none();
                row.cells.iter().any(expired) || row.liveness.is_some_and(|it| !it.is_live(now))
            };
            prop_assert!(!settled || !plain.is_some_and(|it| has_expired(&it.row())));
        }
        for column in (0..COLUMNS).map(ColumnId) {
            let mut along = Vec::new();
            let all: Result<(), ()> = packed.each_value(column, now, |it| {
                along.push(it.to_vec());
                Ok(())
            });
            let expected: Vec<_> = plain.views().filter_map(|it| it.bytes(column, now)).collect();
            prop_assert_eq!((all, along.iter().map(|it| &it[..]).collect()), (Ok(()), expected));
            let refused = packed.each_value(column, now, |it| Err(it.to_vec()));
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
        prop_assert_eq!(packed.clone().into_each(), list.clone());
        packed.retain_live(now);
        list.retain(|(_, row)| row.is_live(now));
        prop_assert_eq!(packed.into_each(), list);
    }

    #[test]
    fn what_has_expired_is_looked_at_and_what_has_not_stays_in_columns(
        rows in vec(plain(), 1..40),
        now in 0_i64..7,
    ) {
        let rows = listed(0, rows);
        let has_expired = |row: &Row| {
            let expired = |it: &(ColumnId, Cell)| it.1.value(now).is_none();
            row.cells.iter().any(expired) || row.liveness.is_some_and(|it| !it.is_live(now))
        };
        let columns = columns(&rows);
        let mut packed = Rows::of(&columns, 0..rows.len());
        let none_has = !rows.iter().any(|(_, row)| has_expired(row));
        prop_assert_eq!(packed.are_settled(now), none_has);
        let mut shown = Vec::new();
        packed.retain_unsettled(now, |row| {
            shown.push(row.clone());
            row.purge(now, i64::MIN, i64::MIN);
            row.liveness.is_some()
        });
        let expired: Vec<Row> =
            rows.iter().map(|(_, row)| row).filter(|it| has_expired(it)).cloned().collect();
        prop_assert_eq!(shown, expired.clone());
        let in_columns: usize = packed.chunks().map(|it| match it {
            Chunk::Columns(_, rows) => rows.len(),
            Chunk::Each(_) => 0,
        }).sum();
        prop_assert!(rows.len() <= in_columns + expired.len() * PLAIN_MIN + PLAIN_MIN);
        let mut expected = rows;
        expected.retain_mut(|(_, row)| {
            let is_shown = has_expired(row);
            row.purge(now, i64::MIN, i64::MIN);
            !is_shown || row.liveness.is_some()
        });
        prop_assert_eq!(packed.into_each(), expected);
    }
}

/// Some of 24 clusterings, each with a row.
fn sparse() -> impl Strategy<Value = Vec<Each>> {
    vec(option::of(plain()), 24).prop_map(|rows| {
        let rows = rows.into_iter().enumerate();
        let listed = rows.map(|(at, row)| Some((Clustering(vec![at as u8].into()), row?)));
        listed.flatten().collect()
    })
}

/// The same rows, in parts that begin at `cuts`: as columns and as lists in turns.
fn in_parts(rows: &[Each], cuts: &[usize], mut as_columns: bool) -> Rows {
    let mut all = Rows::default();
    let mut cuts: Vec<usize> = cuts.iter().map(|it| *it.min(&rows.len())).collect();
    cuts.push(rows.len());
    cuts.sort_unstable();
    let mut from = 0;
    for to in cuts {
        let part = &rows[from..to];
        match as_columns && !part.is_empty() {
            true => all.append(Rows::of(&columns(part), 0..part.len())),
            false => all.append(part.to_vec().into()),
        }
        (from, as_columns) = (to, !as_columns);
    }
    all
}

proptest! {
    #[test]
    fn rows_merge_wherever_they_lie(
        (left, right) in (sparse(), sparse()),
        (left_cuts, right_cuts) in (vec(0_usize..24, 0..4), vec(0_usize..24, 0..4)),
        (left_first, right_first) in (any::<bool>(), any::<bool>()),
        (from, to) in (0_usize..24, 0_usize..=24),
    ) {
        let right = right.get(from..to.max(from).min(right.len())).unwrap_or_default();
        let mut expected: BTreeMap<Clustering, Row> = left.iter().cloned().collect();
        for (clustering, row) in right {
            expected.entry(clustering.clone()).or_default().merge(row.clone());
        }
        let mut merged = in_parts(&left, &left_cuts, left_first);
        merged.merge(in_parts(right, &right_cuts, right_first));
        prop_assert_eq!(merged.len(), expected.len());
        prop_assert_eq!(merged.into_each(), expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn what_is_plain_stays_in_columns_beside_what_is_not(
        rows in vec(lasting(), 1..40),
        deleted in vec(0_usize..40, 0..4),
    ) {
        let mut rows = listed(0, rows);
        let mut with_deletions = Arc::into_inner(columns(&rows)).unwrap();
        let is_deleted = |at: &usize| deleted.contains(at);
        let flags = (0..rows.len()).map(|at| {
            with_deletions.flags.get(at) | if is_deleted(&at) { flag::DELETION } else { 0 }
        });
        with_deletions.flags = Ints::Each(flags.collect());
        with_deletions.deletion_times = Ints::Const(-1);
        with_deletions.deleted_ats = Ints::Const(0);
        let ranks = (0..rows.len()).map(|at| (0, (0..at).filter(is_deleted).count() as u32));
        with_deletions.ranks = Some(ranks.collect());
        let mut packed = Rows::of(&Arc::new(with_deletions), 0..rows.len());
        for (at, (_, row)) in rows.iter_mut().enumerate().filter(|(at, _)| is_deleted(at)) {
            let timestamp = row.liveness.map_or_else(|| row.cells[0].1.timestamp, |it| it.timestamp) - 1;
            row.deletion = Some(Deletion { timestamp, deleted_at: 0 });
            prop_assert_eq!(&packed[at].1, &*row);
        }
        let in_columns = packed.chunks().map(|it| match it {
            Chunk::Columns(_, rows) => rows.len(),
            Chunk::Each(_) => 0,
        });
        let in_columns: usize = in_columns.sum();
        prop_assert!(rows.len() <= in_columns + deleted.len() * PLAIN_MIN + PLAIN_MIN);
        let mut shown = 0;
        packed.retain_unsettled(0, |row| {
            shown += 1;
            row.deletion.is_none()
        });
        prop_assert_eq!(shown + in_columns, rows.len());
        rows.retain(|(_, row)| row.deletion.is_none());
        prop_assert_eq!(packed.into_each(), rows);
    }
}

#[test]
fn what_is_not_plain_is_a_list() {
    let rows = listed(1, vec![Row::default(); 3]);
    let mut columns = Arc::into_inner(columns_of_markers(&rows)).unwrap();
    columns.flags = Ints::Each(vec![1, 5, 1]);
    columns.deletion_times = Ints::Const(-1);
    columns.deleted_ats = Ints::Const(0);
    columns.ranks = Some(vec![(0, 0), (0, 0), (0, 1)]);
    let columns = Arc::new(columns);
    assert!(!Rows::of(&columns, 0..3).are_settled(0));
    assert!(!Rows::of(&columns, 1..2).are_settled(0));
    assert!(Rows::of(&columns, 2..3).are_settled(0));
    assert_eq!(Rows::of(&columns, 0..3)[1].1.deletion.map(|it| it.timestamp), Some(0));
}

fn columns_of_markers(rows: &[Each]) -> Arc<Columns> {
    let marked = |(at, row): &Each| {
        let liveness = Some(Liveness { timestamp: 1, expiry: None });
        (at.clone(), Row { liveness, ..row.clone() })
    };
    columns(&rows.iter().map(marked).collect::<Vec<_>>())
}
