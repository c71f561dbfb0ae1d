//! Files that earlier programs wrote are read for ever.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use model::{
    Cell, Clustering, ColumnId, Content, Deletion, Liveness, Partition, PartitionKey, Row, Slice,
    TableId,
};
use sys::{Disk, Open};

use crate::TableShape;
use crate::cache::{Cache, Io, Recent};
use crate::merge::{Order, Source};
use crate::piece::{self, Piece};
use crate::sstable::{Sstable, Writer};
use crate::walk::Walk;

/// What is written today.
const NEWEST: &[u8] = include_bytes!("../fixtures/version-8.sst");
const WITH_SYMBOLS: &[u8] = include_bytes!("../fixtures/version-8-symbols.sst");
const WITH_STATISTICS: &[u8] = include_bytes!("../fixtures/version-8-statistics.sst");

/// What versions before wrote of the same.
const OLD_WITH_SYMBOLS: [&[u8]; 3] = [
    include_bytes!("../fixtures/version-5-symbols.sst"),
    include_bytes!("../fixtures/version-6-symbols.sst"),
    include_bytes!("../fixtures/version-7-symbols.sst"),
];

/// Small, so that the larger partitions take several blocks.
const BLOCK_BYTES: usize = 2_000;

/// Large enough for statistics.
const LARGE_BLOCK_BYTES: usize = 32_000;

fn key(text: &str) -> PartitionKey {
    PartitionKey::new(Bytes::copy_from_slice(text.as_bytes()))
}

fn numbered(number: i64) -> Clustering {
    let mut bytes = vec![0x80];
    bytes.extend((number as u64 ^ 1 << 63).to_be_bytes());
    Clustering(bytes.into())
}

fn live(timestamp: i64, value: impl AsRef<[u8]>) -> Cell {
    Cell { timestamp, content: Content::Live { value: Bytes::copy_from_slice(value.as_ref()) } }
}

const BEGIN: i64 = 1_700_000_000_000_000;

/// A series: steady and not, numbers of every width, decimals and doubles of all digits, booleans, what expires.
fn series() -> Partition {
    let mut part = Partition::empty(key("series"));
    for number in 0..200_i64 {
        let timestamp = BEGIN + number * 1_000_000 + number % 5;
        let (ttl, expires_at) = (3_600, timestamp / 1_000_000 + 3_600);
        let expires = number >= 150;
        let cents = ((number * 7919 % 9973) as f64 / 100.0).to_be_bytes();
        let all_digits = (number as f64).sqrt().to_be_bytes();
        let mut cells = vec![
            (ColumnId(1), live(timestamp, cents)),
            (ColumnId(2), live(timestamp, all_digits)),
            (ColumnId(3), live(timestamp, (number * number).to_be_bytes())),
            (ColumnId(4), live(timestamp, (number as i32).to_be_bytes())),
            (ColumnId(5), live(timestamp, [(number % 2) as u8])),
        ];
        if expires {
            let value = Bytes::copy_from_slice(&cents);
            cells[0].1.content = Content::Expiring { value, ttl, expires_at };
        }
        let expiry = expires.then_some((ttl, expires_at));
        let row = Row {
            liveness: Some(Liveness { timestamp, expiry }),
            deletion: None,
            cells,
            elements: Vec::new(),
        };
        part.put_row(numbered(number * 60_000), row);
    }
    part
}

/// A chat: statics, repeated and single texts, updates without markers, keys of any length, every tombstone.
fn chat() -> Partition {
    let mut part = Partition::empty(key("chat"));
    part.delete(Deletion { timestamp: BEGIN - 7, deleted_at: BEGIN / 1_000_000 });
    let mut statics = Row::default();
    statics.put(ColumnId(9), live(BEGIN, "a topic"));
    statics.put(
        ColumnId(10),
        Cell { timestamp: BEGIN, content: Content::Dead { deleted_at: 1_700_000_001 } },
    );
    part.put_static(statics);
    for number in 0..120_i64 {
        let clustering = Clustering(format!("m{}", number * number).into_bytes().into());
        let timestamp = BEGIN + number;
        let author = ["ann", "bo", "ann", "christopher"][(number % 4) as usize];
        let mut row = Row::default();
        row.put(ColumnId(1), live(timestamp, author));
        row.put(ColumnId(2), live(timestamp, format!("message {number}, of its own words")));
        if number % 10 == 3 {
            row.put(ColumnId(300), live(timestamp + 5, ""));
        }
        if number % 10 == 4 {
            let deleted_at = timestamp / 1_000_000 + 9;
            row.put(ColumnId(3), Cell { timestamp, content: Content::Dead { deleted_at } });
        }
        if number % 3 == 0 {
            row.liveness = Some(Liveness { timestamp, expiry: None });
        }
        if number % 12 == 5 {
            row.deletion = Some(Deletion { timestamp: timestamp - 3, deleted_at: 1_700_000_002 });
        }
        part.put_row(clustering, row);
    }
    let deletion = Deletion { timestamp: BEGIN + 60, deleted_at: 1_700_000_003 };
    part.delete_range(Bytes::from_static(b"m2"), Bytes::from_static(b"m3"), deletion);
    part
}

/// Two of many rows, and tiny ones beside them.
fn partitions() -> Vec<Partition> {
    let mut all = vec![series(), chat()];
    for number in 0..30 {
        let mut part = Partition::empty(key(&format!("tiny {number}")));
        let row = Row { cells: vec![(ColumnId(1), live(BEGIN + number, "x"))], ..Row::default() };
        part.put_row(Clustering::default(), row);
        all.push(part);
    }
    let mut gone = Partition::empty(key("gone"));
    gone.delete(Deletion { timestamp: BEGIN, deleted_at: 1_700_000_004 });
    all.push(gone);
    all.sort_by(|left, right| left.key.cmp(&right.key));
    all
}

/// As `partitions`, and one in which several series take turns, with one gap: since version 7.
fn with_turns() -> Vec<Partition> {
    let mut all = partitions();
    let mut part = Partition::empty(key("turns"));
    for number in (0..600_i64).filter(|it| *it != 451) {
        let (second, which) = (number / 3, (number % 3) as usize);
        let timestamp = BEGIN + second * 1_000_000 + number * 7919 % 97;
        let noise = number * 7919 % [1000, 30, 7][which];
        let cents = [5_000, 120, 93_000][which] + noise;
        let cells = vec![(ColumnId(1), live(timestamp, (cents as f64 / 100.0).to_be_bytes()))];
        let liveness = Some(Liveness { timestamp, expiry: None });
        let mut clustering = numbered(second * 1_000).0.to_vec();
        clustering.extend(["cpu", "disk.used", "memory"][which].bytes());
        let row = Row { liveness, cells, ..Row::default() };
        part.put_row(Clustering(clustering.into()), row);
    }
    all.push(part);
    all.sort_by(|left, right| left.key.cmp(&right.key));
    all
}

/// A long story, of which the later blocks have texts that are coded by symbols: since version 5. With dead cells among them, and
/// others in some rows only.
fn story() -> Vec<Partition> {
    let syllables = ["ka", "ro", "mi", "te", "lu ", "shi", "no", "ba ", "su", "en", "or", "ti "];
    let mut story = Partition::empty(key("story"));
    let mut seed = 1_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 33) as usize % below
    };
    for number in 0..700_i64 {
        let length = 8 + next(16);
        let text: String = (0..length).map(|_| syllables[next(syllables.len())]).collect();
        let (timestamp, mut row) = (BEGIN + number, Row::default());
        row.put(ColumnId(1), live(timestamp, text));
        if number % 40 == 7 {
            let content = Content::Dead { deleted_at: timestamp / 1_000_000 };
            row.put(ColumnId(1), Cell { timestamp: timestamp + 1, content });
        }
        if number % 5 == 3 {
            let text: String = (0..number % 4).map(|_| syllables[next(syllables.len())]).collect();
            row.put(ColumnId(2), live(timestamp, text));
        }
        story.put_row(numbered(number), row);
    }
    vec![story]
}

/// Numbers of every kind, some of them missing, in blocks that have statistics: since version 8.
fn numbers() -> Vec<Partition> {
    let mut part = Partition::empty(key("numbers"));
    for number in 0..3_000_i64 {
        let timestamp = BEGIN + number * 1_000_000;
        let cents = ((number * 7919 % 9973 - 3_000) as f64 / 100.0).to_be_bytes();
        let liveness = Some(Liveness { timestamp, expiry: None });
        let mut row = Row { liveness, ..Row::default() };
        row.put(ColumnId(1), live(timestamp, cents));
        if number % 7 != 3 {
            row.put(ColumnId(2), live(timestamp, (number * number - 5_000).to_be_bytes()));
        }
        if number < 1_000 {
            row.put(ColumnId(4), live(timestamp, ((number % 300) as i16).to_be_bytes()));
        }
        if (number / 500) % 2 == 1 {
            row.put(ColumnId(5), live(timestamp, "so"));
        }
        part.put_row(numbered(number * 60_000), row);
    }
    vec![part]
}

fn write(disk: &dyn Disk, path: &Path, compressor: &str, partitions: Vec<Partition>) {
    write_blocks(disk, path, compressor, partitions, BLOCK_BYTES);
}

fn write_blocks(
    disk: &dyn Disk,
    path: &Path,
    compressor: &str,
    partitions: Vec<Partition>,
    block_bytes: usize,
) {
    let compression = [("class".to_owned(), compressor.to_owned())].into();
    let shape = TableShape { compression, ..super::shape(TableId(uuid::Uuid::from_u128(7))) };
    let mut writer = Writer::create(disk, path, 1, &shape, block_bytes, &Arc::default()).unwrap();
    for mut part in partitions {
        let rows = std::mem::take(&mut part.rows);
        let ranges = std::mem::take(&mut part.range_tombstones);
        let mut body = Partition::empty(part.key.clone());
        (body.rows, body.range_tombstones) = (rows, ranges);
        writer.begin(part);
        writer.add(Piece { start: Bytes::new(), end: piece::top(), part: body }).unwrap();
        writer.end().unwrap();
    }
    assert!(writer.finish().unwrap());
}

/// Every partition of an sstable.
fn read(sstable: Sstable) -> Vec<Partition> {
    let (cache, recent) = (Cache::new(1 << 20, Arc::default()), Recent::default());
    let io = Io::waiting(&cache, &recent);
    let mut walk = Walk::new(&[Source::Sstable(Arc::new(sstable))], std::ops::Bound::Unbounded);
    let mut all: Vec<Partition> = Vec::new();
    let order = Order { hull: &Slice::all(), reversed: false, rows_max: 100 };
    while let Some(mut merge) = walk.next(order, |_| true, &io).unwrap() {
        let mut part = merge.head().clone();
        let mut want = Slice::all();
        while want.start < want.end {
            let piece = merge.next(&want, &io).unwrap();
            want.start = piece.end;
            piece::append(&mut part, piece.part);
        }
        all.push(part);
    }
    all
}

fn open(bytes: &[u8]) -> Sstable {
    let disk = sys::disk::MemoryDisk::new();
    let path = Path::new("/000000000001.sst");
    disk.open(path, Open::CreateNew).unwrap().write_at(bytes, 0).unwrap();
    Sstable::open(&disk, path, 1).unwrap()
}

#[test]
fn a_file_of_each_version_is_read_as_it_was_written() {
    for (version, bytes) in [
        (1, include_bytes!("../fixtures/version-1.sst").as_slice()),
        (2, include_bytes!("../fixtures/version-2.sst").as_slice()),
        (3, include_bytes!("../fixtures/version-3.sst").as_slice()),
        (4, include_bytes!("../fixtures/version-4.sst").as_slice()),
        (4, include_bytes!("../fixtures/version-4-zstd.sst").as_slice()),
        (5, include_bytes!("../fixtures/version-5.sst").as_slice()),
        (5, include_bytes!("../fixtures/version-5-zstd.sst").as_slice()),
        (5, OLD_WITH_SYMBOLS[0]),
        (6, include_bytes!("../fixtures/version-6.sst").as_slice()),
        (6, include_bytes!("../fixtures/version-6-zstd.sst").as_slice()),
        (6, OLD_WITH_SYMBOLS[1]),
        (7, include_bytes!("../fixtures/version-7.sst").as_slice()),
        (7, include_bytes!("../fixtures/version-7-zstd.sst").as_slice()),
        (7, OLD_WITH_SYMBOLS[2]),
        (8, NEWEST),
        (8, include_bytes!("../fixtures/version-8-zstd.sst").as_slice()),
        (8, WITH_SYMBOLS),
        (8, WITH_STATISTICS),
    ] {
        let mut with_symbols = OLD_WITH_SYMBOLS.iter().chain([&WITH_SYMBOLS]);
        let has_symbols = with_symbols.any(|it| std::ptr::eq(bytes, *it));
        let expected = match version {
            _ if has_symbols => story(),
            _ if std::ptr::eq(bytes, WITH_STATISTICS) => numbers(),
            ..7 => partitions(),
            _ => with_turns(),
        };
        let sstable = open(bytes);
        assert!(sstable.starts().len() > 6, "several blocks");
        let (cache, recent) = (Cache::new(0, Arc::default()), Recent::default());
        let (coded, blocks) = sstable.coded_blocks(&Io::waiting(&cache, &recent));
        assert_eq!(coded > 5, has_symbols, "{coded} of {blocks}");
        let found = read(sstable);
        assert_eq!(found.len(), expected.len(), "version {version}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "version {version}");
        }
    }
}

/// What is written today is what the fixture of today's version holds: whoever changes the format makes a new version.
#[test]
fn the_newest_fixtures_are_what_is_written_today() {
    for (partitions, suffix, block_bytes, newest) in [
        (with_turns(), "", BLOCK_BYTES, NEWEST),
        (story(), "-symbols", BLOCK_BYTES, WITH_SYMBOLS),
        (numbers(), "-statistics", LARGE_BLOCK_BYTES, WITH_STATISTICS),
    ] {
        let disk = sys::disk::MemoryDisk::new();
        let path = Path::new("/000000000001.sst");
        write_blocks(&disk, path, "LZ4Compressor", partitions, block_bytes);
        let written = sys::disk::read_all(&disk, path, 1 << 20).unwrap();
        update(&written, suffix);
        assert!(written == newest, "{} bytes, not the fixture's {}", written.len(), newest.len());
    }
}

/// Another zstd may write other bytes; what they say is the same.
#[test]
fn what_zstd_writes_is_shorter_and_is_read_as_it_was_written() {
    let disk = sys::disk::MemoryDisk::new();
    let (zstd, plain) = (Path::new("/000000000001.sst"), Path::new("/000000000002.sst"));
    write(&disk, zstd, "ZstdCompressor", with_turns());
    write(&disk, plain, "NoopCompressor", with_turns());
    let written = sys::disk::read_all(&disk, zstd, 1 << 20).unwrap();
    update(&written, "-zstd");
    let plain = disk.open(plain, Open::Read).unwrap().len().unwrap();
    assert!(written.len() < NEWEST.len() && (NEWEST.len() as u64) < plain);
    assert_eq!(read(Sstable::open(&disk, zstd, 1).unwrap()), with_turns());
}

/// Keeps what is written today, for whoever changes the format.
fn update(written: &[u8], suffix: &str) {
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        let version = crate::sstable::format::VERSION;
        let path = format!("src/sstable/fixtures/version-{version}{suffix}.sst");
        #[expect(clippy::disallowed_methods, reason = "a fixture belongs into the repository")]
        std::fs::write(path, written).unwrap();
    }
}
