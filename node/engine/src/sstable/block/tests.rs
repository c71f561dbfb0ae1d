//! What goes into a block comes out of it, whole and in pieces.

use bytes::Bytes;
use model::{
    Cell, Clustering, ColumnId, Content, Deletion, Elements, Liveness, Partition, PartitionKey,
    Row, Slice, TableId,
};
use proptest::prelude::*;

use super::*;
use crate::sstable::symbols::{FileSymbols, TextCoder};

const TABLE: TableId = TableId(uuid::Uuid::nil());

pub(super) fn key(number: u8) -> PartitionKey {
    PartitionKey::new(Bytes::from(vec![number]))
}

/// A clustering of a timestamp.
pub(super) fn at(number: i64) -> Bytes {
    let mut bytes = vec![0x80];
    bytes.extend((number as u64 ^ 1 << 63).to_be_bytes());
    bytes.into()
}

fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![8 => 1_700_000_000_000_000..1_700_000_100_000_000_i64, 1 => any::<i64>()]
}

fn any_deletion() -> impl Strategy<Value = Deletion> {
    let deleted_at = prop_oneof![8 => 1_700_000_000..1_700_000_100_i64, 1 => any::<i64>()];
    (any_time(), deleted_at).prop_map(|(timestamp, deleted_at)| Deletion { timestamp, deleted_at })
}

fn any_value() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        (0..1000_i32).prop_map(|it| Bytes::from((f64::from(it) / 100.0).to_be_bytes().to_vec())),
        (0..1000_i64).prop_map(|it| Bytes::from(it.to_be_bytes().to_vec())),
        "[a-c]{0,3}".prop_map(Bytes::from),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from),
    ]
}

fn any_cell() -> impl Strategy<Value = Cell> {
    let expiring = (any_value(), 1..10_000_u32, 1_700_000_000..1_700_000_100_i64)
        .prop_map(|(value, ttl, expires_at)| Content::Expiring { value, ttl, expires_at });
    let content = prop_oneof![
        6 => any_value().prop_map(|value| Content::Live { value }),
        2 => expiring,
        2 => any::<i64>().prop_map(|deleted_at| Content::Dead { deleted_at }),
    ];
    (any_time(), content).prop_map(|(timestamp, content)| Cell { timestamp, content })
}

/// The cells of a column that has one for each part of its value.
fn any_elements() -> impl Strategy<Value = Elements> {
    let cells = prop::collection::vec(("[a-c]{0,2}", any_cell()), 0..4);
    (prop::option::weighted(0.3, any_deletion()), cells).prop_map(|(deletion, cells)| {
        let mut elements = Elements { deletion, cells: Vec::new() };
        cells.into_iter().for_each(|(path, cell)| elements.put(Bytes::from(path), cell));
        elements
    })
}

fn any_row() -> impl Strategy<Value = Row> {
    let expiry = prop::option::of((1..10_000_u32, 1_700_000_000..1_700_000_100_i64));
    let marker =
        (any_time(), expiry).prop_map(|(timestamp, expiry)| Liveness { timestamp, expiry });
    let cells = prop::collection::vec((0..6_u32, any_cell()), 0..6);
    let columns = prop::collection::vec((6..8_u32, any_elements()), 0..2);
    let deletion = prop::option::weighted(0.1, any_deletion());
    (prop::option::of(marker), deletion, cells, columns).prop_map(
        |(liveness, deletion, cells, columns)| {
            let mut row = Row { liveness: None, deletion, cells: Vec::new(), elements: Vec::new() };
            for (column, cell) in cells {
                row.put(ColumnId(column), cell);
            }
            for (column, elements) in columns {
                row.put_elements(ColumnId(column), elements);
            }
            row.merge(Row { liveness, ..Row::default() });
            row
        },
    )
}

/// A clustering of an integer, or of a text.
fn any_clustering() -> impl Strategy<Value = Clustering> {
    prop_oneof![
        9 => (0..400_i64).prop_map(|it| Clustering(at(it * 10_000))),
        1 => "[a-c]{1,4}".prop_map(|it| Clustering(Bytes::from(it))),
    ]
}

fn any_partition(number: u8) -> impl Strategy<Value = Partition> {
    let rows = prop::collection::vec((any_clustering(), any_row()), 0..40);
    let ranges = prop::collection::vec((0..400_i64, 1..50_i64, any_deletion()), 0..3);
    let head =
        (prop::option::weighted(0.2, any_deletion()), prop::option::weighted(0.3, any_row()));
    (rows, ranges, head).prop_map(move |(rows, ranges, (deletion, statics))| {
        let mut part = Partition::empty(key(number));
        deletion.into_iter().for_each(|it| part.delete(it));
        if let Some(row) = statics {
            let Row { cells, elements, .. } = row;
            part.put_static(Row { cells, elements, ..Row::default() });
        }
        for (from, len, deletion) in ranges {
            part.delete_range(at(from * 10_000), at((from + len) * 10_000), deletion);
        }
        rows.into_iter().for_each(|(clustering, row)| part.put_row(clustering, row));
        part
    })
}

/// Partitions, the second in two fragments.
pub(super) fn any_fragments() -> impl Strategy<Value = Vec<Fragment>> {
    (any_partition(1), any_partition(2), any_partition(3), 0..400_i64).prop_map(|(a, b, c, cut)| {
        let mut parts = vec![a, b, c];
        parts.sort_by(|left, right| left.key.cmp(&right.key));
        let mut fragments = Vec::new();
        for (number, part) in parts.into_iter().enumerate() {
            let mut left = Piece { start: Bytes::new(), end: piece::top(), part };
            if number != 1 {
                fragments.push(Fragment { start: left.start, end: left.end, part: left.part });
                continue;
            }
            let right = left.split_off(&at(cut * 10_000));
            fragments.extend([left, right].map(|it| Fragment {
                start: it.start,
                end: it.end,
                part: it.part,
            }));
        }
        fragments
    })
}

/// What a piece of a fragment must be.
fn cut(fragment: &Fragment, want: &Slice, reversed: bool, rows_max: usize) -> Piece {
    let mut start = (&fragment.start).max(&want.start).clone();
    let mut end = (&fragment.end).min(&want.end).clone();
    let inside = |it: &&(Clustering, Row)| start <= it.0.0 && it.0.0 < end;
    let mut rows: Vec<_> = fragment.part.rows.iter().filter(inside).cloned().collect();
    if rows_max < rows.len() && reversed {
        rows.drain(..rows.len() - rows_max);
        start = rows[0].0.0.clone();
    } else if rows_max < rows.len() {
        end = rows[rows_max].0.0.clone();
        rows.truncate(rows_max);
    }
    let mut part = Partition::empty(fragment.part.key.clone());
    part.rows = rows.into();
    part.range_tombstones = piece::clip_ranges(&fragment.part.range_tombstones, &start, &end);
    Piece { start, end, part }
}

pub(super) fn plain(fragments: &[Fragment]) -> Bytes {
    encode(TABLE, fragments, &mut TextCoder::off()).raw
}

/// As it is behind so many other blocks that symbols are known.
pub(super) fn coded(fragments: &[Fragment]) -> Bytes {
    let mut coder = TextCoder::new(1 << 10, Arc::default());
    for number in 0..20 {
        let text = |at: i64| format!("{} {number} of those that came before", at * 7919 % 1000);
        let texts: Vec<String> = (0..50).map(text).collect();
        let texts: Vec<&[u8]> = texts.iter().map(|it| it.as_bytes()).collect();
        let _not_coded_yet = coder.code(&texts, &[]);
        coder.end_block(2_000, 1_800);
    }
    assert!(coder.symbols().is_some());
    coder.end_block(0, 0);
    encode(TABLE, fragments, &mut coder).raw
}

pub(super) fn decoded(raw: Bytes) -> Result<Block, model::codec::Malformed> {
    Block::decode(raw, &FileSymbols::new())
}

/// The same fragments with texts in the place of the values of one column.
pub(super) fn with_texts(fragments: Vec<Fragment>) -> Vec<Fragment> {
    let texts = |mut it: Fragment| {
        for (at, (_, row)) in it.part.rows.iter_mut().enumerate() {
            let values = row.cells.iter_mut().filter(|(column, _)| column.0 % 2 == 1);
            for (_, cell) in values {
                let text = format!("came {} before those {}", at % 7, "of".repeat(at % 40));
                match &mut cell.content {
                    Content::Live { value } | Content::Expiring { value, .. } => {
                        *value = text.into()
                    }
                    Content::Dead { .. } => {}
                }
            }
        }
        it
    };
    fragments.into_iter().map(texts).collect()
}

proptest! {
    #[test]
    fn a_block_gives_back_its_fragments(
        fragments in any_fragments(),
        (has_texts, is_coded) in (any::<bool>(), any::<bool>()),
        (decodes, codes) in (any::<bool>(), any::<bool>()),
    ) {
        let fragments = if has_texts { with_texts(fragments) } else { fragments };
        let raw = if is_coded { coded(&fragments) } else { plain(&fragments) };
        let mut block = decoded(raw).unwrap();
        if decodes {
            block = block.decoded(codes).unwrap_or(block);
            prop_assert!(!block.is_coded());
        }
        let found = block.into_fragments();
        prop_assert_eq!(found.len(), fragments.len());
        for (found, expected) in found.iter().zip(&fragments) {
            prop_assert_eq!((&found.start, &found.end), (&expected.start, &expected.end));
            prop_assert_eq!(&found.part, &expected.part);
        }
    }

    #[test]
    fn a_piece_of_a_block_is_a_cut_of_its_fragment(
        fragments in any_fragments(),
        (from, len) in (0..400_i64, 1..400_i64),
        reversed in any::<bool>(),
        rows_max in 1..50_usize,
        (is_coded, decodes, codes) in (any::<bool>(), any::<bool>(), any::<bool>()),
    ) {
        let fragments = if is_coded { with_texts(fragments) } else { fragments };
        let raw = if is_coded { coded(&fragments) } else { plain(&fragments) };
        let mut block = decoded(raw).unwrap();
        if decodes {
            block = block.decoded(codes).unwrap_or(block);
        }
        let want = Slice { start: at(from * 10_000), end: at((from + len) * 10_000) };
        for fragment in &fragments {
            let Fragment { start, end, part } = fragment;
            if *end <= want.start || want.end <= *start {
                continue;
            }
            let number = block.part_of(&part.key, start, Upto::Including).unwrap();
            let found = block.piece(&part.key, number, &want, reversed, rows_max, false);
            let expected = cut(fragment, &want, reversed, rows_max);
            prop_assert_eq!((found.start, found.end), (expected.start, expected.end));
            prop_assert_eq!(found.part, expected.part);
        }
    }

    #[test]
    fn any_bytes_are_a_block_or_refused(
        fragments in any_fragments(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        is_coded in any::<bool>(),
    ) {
        let fragments = if is_coded { with_texts(fragments) } else { fragments };
        let encoded = if is_coded { coded(&fragments) } else { plain(&fragments) };
        let mut bytes = encoded.to_vec();
        for (at, byte) in flips {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(block) = decoded(bytes.into()) {
            drop(block.into_fragments());
        }
    }
}

#[test]
fn texts_are_coded_where_symbols_are_known_and_decoded_for_whoever_asks() {
    let mut part = Partition::empty(key(1));
    for number in 0..200 {
        let text = format!("{} 3 of those that came before", number * 7919 % 1000);
        let content = Content::Live { value: text.into() };
        let cells = vec![(ColumnId(1), Cell { timestamp: number, content })];
        part.put_row(Clustering(at(number * 10_000)), Row { cells, ..Row::default() });
    }
    let fragments = [Fragment { start: Bytes::new(), end: piece::top(), part }];
    let (plain, coded) = (plain(&fragments), coded(&fragments));
    assert!(coded.len() * 2 < plain.len(), "{} of {}", coded.len(), plain.len());
    let block = decoded(coded).unwrap();
    assert!(block.is_coded() && !decoded(plain).unwrap().is_coded());
    let whole = block.decoded(false).unwrap();
    assert!(!whole.is_coded() && block.bytes() < whole.bytes());
    assert!((0..22).all(|_| !block.wants_decoding(1)), "not for a few reads of a row");
    assert!(block.wants_decoding(1) && block.wants_decoding(100), "for as many as it has rows");
    block.was_replaced();
    assert!(!block.wants_decoding(1) && !block.wants_decoding(100));
}

/// Points of one series as a monitor writes them: every ten seconds, of two decimals, all in one write.
fn points(count: i64) -> Partition {
    let mut part = Partition::empty(key(1));
    for number in 0..count {
        let value = (5000 + number * 7919 % 97 - 48) as f64 / 100.0;
        let timestamp = 1_700_000_000_000_000 + number * 10_000_000 + number % 3;
        let content = Content::Live { value: Bytes::from(value.to_be_bytes().to_vec()) };
        let row = Row {
            liveness: Some(Liveness { timestamp, expiry: None }),
            deletion: None,
            cells: vec![(ColumnId(3), Cell { timestamp, content })],
            elements: Vec::new(),
        };
        part.put_row(Clustering(at(1_700_000_000_000 + number * 10_000)), row);
    }
    part
}

#[test]
fn a_point_takes_little_more_than_its_digits() {
    let part = points(400);
    let written = plain(&[Fragment { start: Bytes::new(), end: piece::top(), part }]);
    let each = written.len() as f64 / 400.0;
    assert!(each < 1.35, "{each} bytes a point");
}

#[test]
fn what_expires_alike_takes_as_little() {
    let mut part = points(400);
    for (_, row) in &mut part.rows {
        let (ttl, since) = (86_400, row.liveness.unwrap().timestamp / 1_000_000);
        let expires_at = since + i64::from(ttl);
        row.liveness.as_mut().unwrap().expiry = Some((ttl, expires_at));
        for (_, cell) in &mut row.cells {
            let value = cell.value(0).unwrap().clone();
            cell.content = Content::Expiring { value, ttl, expires_at };
        }
    }
    let fragment = Fragment { start: Bytes::new(), end: piece::top(), part };
    let each = plain(&[fragment]).len() as f64 / 400.0;
    assert!(each < 1.4, "{each} bytes a point");
}

/// The block that the format's page takes apart: three points, and a fourth that was deleted.
#[test]
fn the_documented_block_is_what_is_written() {
    let mut part = points(3);
    let content = Content::Dead { deleted_at: 1_700_000_031 };
    let cell = Cell { timestamp: 1_700_000_031_000_000, content };
    let row = Row { cells: vec![(ColumnId(3), cell)], ..Row::default() };
    part.put_row(Clustering(at(1_700_000_030_000)), row);
    let fragment = Fragment { start: Bytes::new(), end: piece::top(), part };
    let page = include_str!("../../../../../docs/formats/sstable.md");
    let lines = page.lines().skip_while(|it| *it != "```block").skip(1);
    let dumps = lines.take_while(|it| *it != "```").map(|it| it.split("  ").next().unwrap());
    let documented: String = dumps.flat_map(str::chars).filter(|it| !it.is_whitespace()).collect();
    let written: String = plain(&[fragment]).iter().map(|it| format!("{it:02x}")).collect();
    assert_eq!(written, documented);
}
