use model::{Clustering, Liveness, PartitionKey, Row};
use proptest::prelude::*;

use super::*;

/// Some of these clusterings, in a partition of that name.
fn part(name: &'static str, rows: impl IntoIterator<Item = u32>) -> Partition {
    let mut part = Partition::empty(PartitionKey::new(name.into()));
    for at in rows {
        let liveness = Some(Liveness { timestamp: 1, expiry: None });
        let row = Row { liveness, ..Row::default() };
        part.put_row(Clustering(at.to_be_bytes().to_vec().into()), row);
    }
    part
}

/// The page of these, in a block of so many bytes for each row.
fn page(parts: &[Partition], row_bytes: u64, false_positives: f64) -> Option<Arc<[u64]>> {
    let mut builder = Builder::default();
    parts.iter().for_each(|it| builder.add(it));
    let rows = parts.iter().map(|it| it.rows.len() as u64).sum::<u64>();
    builder.end_block(rows * row_bytes);
    builder.page(false_positives).map(|raw| decode(&raw).unwrap())
}

fn may_hold_row(page: &[u64], name: &'static str, at: u32) -> bool {
    let partition = filter::hash(&PartitionKey::new(name.into()));
    may_hold(page, hash(partition, &at.to_be_bytes()))
}

#[test]
fn what_is_there_is_never_denied_and_most_of_what_is_not_is() {
    for (row_bytes, wrong_max) in [(50, 200), (5, 400)] {
        let rows = (0..4_000).map(|it| it * 2);
        let page = page(&[part("a", rows.clone()), part("b", [1, 3])], row_bytes, 0.01).unwrap();
        assert!(rows.into_iter().all(|it| may_hold_row(&page, "a", it)));
        assert!(may_hold_row(&page, "b", 1) && may_hold_row(&page, "b", 3));
        let wrong = (0..10_000).filter(|it| may_hold_row(&page, "a", it * 2 + 1)).count();
        assert!(wrong < wrong_max, "{wrong} of 10,000 with {row_bytes} bytes a row");
        let wrong = (0..10_000).filter(|it| may_hold_row(&page, "c", it * 2)).count();
        assert!(wrong < wrong_max, "{wrong} of 10,000 of another partition");
    }
}

#[test]
fn a_page_takes_a_fifth_of_its_blocks_at_most_and_none_is_there_where_that_is_too_little() {
    let rows = || [part("a", 0..3_000)];
    let bytes = |row_bytes| page(&rows(), row_bytes, 0.01).map(|it| (it.len() - HEAD_WORDS) * 8);
    assert!(bytes(100).unwrap() <= 3_000 * 10 / 8);
    assert!(bytes(5).unwrap() <= 3_000 * 5 / 5);
    assert_eq!(bytes(3), None, "points");
    assert_eq!(page(&rows(), 100, 1.0), None, "a table that wants no filters");
}

#[test]
fn partitions_of_a_few_rows_and_range_tombstones_have_no_page() {
    assert_eq!(page(&[part("a", 0..3), part("b", 0..3)], 100, 0.01), None);
    let mut ranged = part("a", 0..100);
    let deletion = model::Deletion { timestamp: 1, deleted_at: 1 };
    ranged.delete_range(Bytes::from_static(b"a"), Bytes::from_static(b"b"), deletion);
    assert_eq!(page(&[ranged], 100, 0.01), None);
    assert_eq!(page(&[], 100, 0.01), None);
}

#[test]
fn a_filter_is_asked_while_rows_are_not_there() {
    let rows = RowFilter::new(&Pages::default(), 0);
    assert!(rows.is_worth_a_look(), "as long as nothing is known");
    (0..20).for_each(|_| rows.has_seen(Seen::Row));
    assert!(!rows.is_worth_a_look(), "all are there");
    (0..3).for_each(|_| rows.has_seen(Seen::NoRow));
    assert!(rows.is_worth_a_look(), "some are not");
    (0..1_000).for_each(|_| rows.has_seen(Seen::No));
    (0..200).for_each(|_| rows.has_seen(Seen::Row));
    assert!(rows.is_worth_a_look(), "it takes some hits after many misses");
    (0..200).for_each(|_| rows.has_seen(Seen::Row));
    assert!(!rows.is_worth_a_look());
}

#[test]
fn the_page_of_a_block_is_the_one_written_behind_it() {
    let extent = |offset| Extent { offset, bytes: 9 };
    let mut builder = Builder::default();
    for (blocks, page) in [(2, Some(extent(100))), (1, None), (1, None), (3, Some(extent(500)))] {
        for _ in 0..blocks {
            builder.end_block(10);
        }
        builder.end_page(page);
    }
    builder.end_page(None);
    assert_eq!(builder.pages().all.0.len(), 3, "what has none is told once");
    let mut out = Writer::default();
    builder.pages().put(&mut out);
    let pages = Pages::read(&mut Reader::new(out.finish())).unwrap();
    assert_eq!(pages, *builder.pages());
    let rows = RowFilter::new(&pages, 9);
    let found = (0..9).map(|at| match rows.page_of(at) {
        PageOf::Written(_, extent) => extent.offset,
        PageOf::Made(_) => 0,
    });
    assert_eq!(found.collect::<Vec<_>>(), [100, 100, 0, 0, 500, 500, 500, 0, 0]);
    assert_eq!(rows.wanted(0), None, "it has one");
    assert_eq!([2, 8].map(|at| rows.wanted(at)), [Some(3 + 2), Some(3 + 8)]);
    let page = made(&[1, 2, 3]);
    assert!([1, 2, 3].iter().all(|it| may_hold(&page, *it)) && !may_hold(&page, 1 << 60));
    rows.shelf.put(3 + 2, page);
    assert_eq!(rows.wanted(2), None, "it was made");
    (0..99).for_each(|_| rows.has_seen(Seen::Row));
    assert_eq!(rows.wanted(8), None, "it does not pay");
    let all = pages.all.0.iter().filter(|it| it.extent.bytes > 0).copied().collect();
    let all = pages::Pages(all);
    let whole = RowFilter::new(&Pages { all, ..Pages::default() }, 5);
    assert_eq!(
        (0..9).find_map(|at| whole.wanted(at)),
        None,
        "no place is kept for what is never made"
    );
    let colliding = RowFilter::new(&Pages { have_collisions: true, ..pages }, 9);
    assert_eq!((0..9).find_map(|at| colliding.wanted(at)), None, "a token does not tell the block");
    assert!((0..9).all(|at| matches!(colliding.page_of(at), PageOf::Made(_))));
}

proptest! {
    #[test]
    fn any_bytes_are_a_page_or_refused(
        mut raw in prop::collection::vec(any::<u8>(), 0..300),
        hashes in prop::collection::vec(any::<u64>(), 10),
        is_page in any::<bool>(),
    ) {
        if is_page {
            raw.resize(2 + 64 * (1 + raw.len() / 100), 7);
            raw[..2].copy_from_slice(&[PAGE, 5]);
        }
        let page = decode(&raw);
        prop_assert!(page.is_ok() || !is_page);
        if let Ok(page) = page {
            hashes.iter().for_each(|it| _ = std::hint::black_box(may_hold(&page, *it)));
        }
    }

    #[test]
    fn any_bytes_are_pages_or_refused(raw in prop::collection::vec(any::<u8>(), 0..300)) {
        drop(Pages::read(&mut Reader::new(raw.into())));
    }
}
