//! What an sstable and its filter promise to those who ask them.

mod fixtures;

use std::sync::Arc;

use bytes::Bytes;
use model::{Cell, Clustering, ColumnId, Content, Partition, PartitionKey, Row, TableId};

use super::compression::{self, BlockCompressor, Compression};
use super::filter::{self, Filter};
use super::format::{self, Extent, Footer};
use super::{Sstable, Writer};
use crate::TableShape;
use crate::piece::{self, Piece};

fn hashes(numbers: std::ops::Range<u64>) -> Vec<u64> {
    let key = |it: u64| PartitionKey::new(Bytes::copy_from_slice(&it.to_be_bytes()));
    numbers.map(|it| filter::hash(&key(it))).collect()
}

/// As it comes back from a file.
fn reread(filter: &Filter) -> Filter {
    let section = format::Filters::encode(filter, &Default::default(), &Default::default());
    format::Filters::decode(section).unwrap().partitions
}

#[test]
fn a_filter_never_denies_and_seldom_lies() {
    for rate in [0.001, 0.01, 0.1] {
        let built = Filter::build(&hashes(0..10_000), rate);
        let filter = reread(&built);
        assert!(hashes(0..10_000).into_iter().all(|it| filter.may_hold(it)));
        let wrong = hashes(10_000..60_000).into_iter().filter(|it| filter.may_hold(*it)).count();
        let found = wrong as f64 / 50_000.0;
        assert!(found < rate * 1.5, "{found} of {rate}");
    }
}

#[test]
fn a_filter_of_rate_one_says_maybe_to_everything() {
    let filter = reread(&Filter::build(&hashes(0..10), 1.0));
    assert!(hashes(0..100).into_iter().all(|it| filter.may_hold(it)));
}

#[test]
fn wrapped_bytes_open_only_in_their_own_place() {
    let raw = vec![b'a'; 1000];
    for compression in [Compression::Plain, Compression::Lz4, Compression::Zstd(3)] {
        let mut compressor = BlockCompressor::new(compression);
        let mut wrapped = Vec::new();
        format::wrap(&raw, &mut compressor, 7, 100, &mut wrapped);
        assert_eq!(wrapped.len() < 100, compression != Compression::Plain, "repeats compress");
        let wrapped = Bytes::from(wrapped);
        assert_eq!(format::unwrap(wrapped.clone(), 7, 100).unwrap(), raw);
        assert!(format::unwrap(wrapped.clone(), 7, 101).is_err(), "another offset");
        assert!(format::unwrap(wrapped.clone(), 8, 100).is_err(), "another file");
        assert!(format::unwrap(wrapped.slice(1..), 7, 100).is_err());
        let mut random = Vec::new();
        format::wrap(b"q9$", &mut compressor, 7, 0, &mut random);
        assert_eq!(format::unwrap(random.into(), 7, 0).unwrap().as_ref(), b"q9$");
    }
}

/// What a table's `compression` option makes of blocks.
fn compressed_as(options: &[(&str, &str)]) -> (Compression, Option<usize>) {
    let option = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let compression = options.iter().map(option).collect();
    let shape = TableShape { compression, ..shape(TableId(uuid::Uuid::nil())) };
    (Compression::of(&shape), compression::block_bytes(&shape))
}

#[test]
fn the_compression_option_is_read_and_what_makes_no_sense_is_not() {
    let zstd = ("class", "org.apache.cassandra.io.compress.ZstdCompressor");
    let kib = |text| ("chunk_length_in_kb", text);
    for (options, expected) in [
        (vec![], (Compression::Lz4, None)),
        (vec![("class", "LZ4Compressor"), kib("16")], (Compression::Lz4, Some(16 << 10))),
        (vec![zstd, kib("512")], (Compression::Zstd(3), Some(512 << 10))),
        (vec![zstd, ("compression_level", "9")], (Compression::Zstd(9), None)),
        (vec![zstd, ("compression_level", "99"), kib("0")], (Compression::Zstd(3), None)),
        (vec![zstd, ("enabled", "false"), kib("513")], (Compression::Plain, None)),
        (vec![("class", "NoopCompressor"), kib("x")], (Compression::Plain, None)),
    ] {
        assert_eq!(compressed_as(&options), expected, "{options:?}");
    }
}

#[test]
fn a_footer_of_a_newer_format_is_told_apart() {
    let footer = Footer { index: Extent { offset: 28, bytes: 90 }, ..zero() };
    let bytes = footer.encode(3, 500);
    assert_eq!(Footer::decode(&bytes, 3, 500), Ok(footer));
    assert_eq!(Footer::decode(&bytes, 4, 500), Err(format::BadVersion::Corrupt));
    assert_eq!(Footer::decode(&bytes[1..], 3, 500), Err(format::BadVersion::Corrupt));
}

fn zero() -> Footer {
    Footer { index: Extent::default(), filter: Extent::default(), stats: Extent::default() }
}

fn shape(id: TableId) -> TableShape {
    TableShape { gc_grace_seconds: 1, ..TableShape::new(id) }
}

/// A partition of 200 rows of 0 to 2 kB, 199 kB together.
fn rows_of_any_size() -> Partition {
    let mut part = Partition::empty(PartitionKey::new(Bytes::from_static(b"k")));
    for at in 0..200_u8 {
        let value = Bytes::from(vec![at; usize::from(at) * 10]);
        let cell = Cell { timestamp: 1, content: Content::Live { value } };
        let row = Row { cells: vec![(ColumnId(1), cell)], ..Row::default() };
        part.put_row(Clustering(Bytes::from(vec![1 + at])), row);
    }
    part
}

/// An sstable of a partition that comes in pieces, with blocks of a kilobyte.
fn written_in(pieces: impl IntoIterator<Item = Piece>) -> Sstable {
    let disk = sys::disk::MemoryDisk::new();
    let path = std::path::Path::new("/1.sst");
    let shape = shape(TableId(uuid::Uuid::nil()));
    let mut writer = Writer::create(&disk, path, 1, &shape, 1000, &Arc::default()).unwrap();
    writer.begin(Partition::empty(PartitionKey::new(Bytes::from_static(b"k"))));
    pieces.into_iter().for_each(|it| writer.add(it).unwrap());
    writer.end().unwrap();
    assert!(writer.finish().unwrap());
    Sstable::open(&disk, path, 1).unwrap()
}

#[test]
fn rows_of_any_size_are_cut_into_blocks_near_the_wanted_size() {
    let whole = Piece { start: Bytes::new(), end: piece::top(), part: rows_of_any_size() };
    let mut rest = whole.clone();
    let mut one_by_one = Vec::new();
    for at in 1..200_u8 {
        let right = rest.split_off(&Bytes::from(vec![1 + at]));
        one_by_one.push(std::mem::replace(&mut rest, right));
    }
    one_by_one.push(rest);
    for sstable in [written_in([whole]), written_in(one_by_one)] {
        assert_eq!((sstable.stats.rows, sstable.stats.partitions), (200, 1));
        // Blocks of a kilobyte or one row.
        let starts = sstable.starts();
        assert!((120..200).contains(&starts.len()), "{} blocks", starts.len());
        assert!(starts.is_sorted_by(|left, right| left < right));
    }
}

/// What a compaction reads may go as soon as it is written: it needs no more memory for more of it.
#[test]
fn a_writer_keeps_none_of_the_bytes_that_it_was_given() {
    let disk = sys::disk::MemoryDisk::new();
    let shape = shape(TableId(uuid::Uuid::nil()));
    let mut writer =
        Writer::create(&disk, std::path::Path::new("/1.sst"), 1, &shape, 100, &Arc::default())
            .unwrap();
    // A block of ten rows, of which key, bounds and values are slices.
    let block = |from: u8| -> Bytes { (0..10).map(|it| from + it).chain([b'k'; 1000]).collect() };
    let mut blocks = Vec::new();
    for number in 0..4_u8 {
        let block = block(1 + 10 * number);
        let mut part = Partition::empty(PartitionKey::new(block.slice(10..14)));
        if number == 0 {
            writer.begin(part.clone());
        }
        for at in 0..10 {
            let content = Content::Live { value: block.slice(14..114) };
            let cells = vec![(ColumnId(1), Cell { timestamp: 1, content })];
            part.put_row(Clustering(block.slice(at..=at)), Row { cells, ..Row::default() });
        }
        let start = if number == 0 { Bytes::new() } else { block.slice(..1) };
        let end = if number == 3 { piece::top() } else { Bytes::from(vec![11 + 10 * number]) };
        writer.add(Piece { start, end, part }).unwrap();
        blocks.push(block);
    }
    writer.end().unwrap();
    // The first one has given its partition's key, which is the last one so far.
    let kept: Vec<bool> = blocks.iter().map(|it| !it.is_unique()).collect();
    assert_eq!(kept, [true, false, false, false]);
    assert!(writer.finish().unwrap());
    assert!(blocks.iter().all(Bytes::is_unique));
}
