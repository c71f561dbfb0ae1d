//! Texts are coded by symbols, or lie as they are: who reads them cannot tell.

use std::sync::{LazyLock, Mutex};

use proptest::prelude::*;

use super::*;
use crate::cache::{Cache, Io, Recent};

/// The same partitions twice: as they are written by default, and without symbols and compression. Sentences, some of them
/// overwritten later, deleted, or for a while; beside them numbers, in some rows only.
static ENGINES: LazyLock<[Engine; 2]> =
    LazyLock::new(|| ["LZ4Compressor", "NoopCompressor"].map(|class| engine(class, 24 << 10)));

/// With a cache in which a quarter of it has room.
fn engine(class: &str, cache_bytes: u64) -> Engine {
    let mut world = World::new();
    world.options.cache_bytes = cache_bytes;
    world.options.block_bytes = 1 << 10;
    world.tables = vec![shape(1)];
    world.tables[0].compression = [("class".to_owned(), class.to_owned())].into();
    let engine = world.engine();
    for at in 0..600 {
        for partition in 1..=4 {
            write(&engine, &sentence(partition, at, 10)).unwrap();
        }
        if at % 200 == 199 {
            flush(&engine).unwrap();
        }
    }
    for at in (0..600).step_by(7) {
        write(&engine, &sentence(2, at, 20)).unwrap();
        write(&engine, &delete_row(1, 3, at, 20)).unwrap();
    }
    flush(&engine).unwrap();
    compact(&engine).unwrap();
    for at in (0..600).step_by(50) {
        write(&engine, &sentence(4, at, 30)).unwrap();
    }
    flush(&engine).unwrap();
    engine
}

fn sentence(partition: u64, at: u64, timestamp: i64) -> Mutation {
    let words = ["once ", "upon ", "a ", "time ", "there ", "was ", "nobody ", "who ", "knew "];
    let word = |it: u64| words[((at * 31 + it * 7 + at * it + timestamp as u64) % 9) as usize];
    let text: String = (0..5 + at % 7).map(word).collect();
    let value = Bytes::from(text);
    let content = match at % 40 {
        33.. => Content::Expiring { value, ttl: 60, expires_at: NOW + at as i64 % 20 },
        _ => Content::Live { value },
    };
    let marker = Liveness { timestamp, expiry: None };
    let mut row = Row { liveness: (!at.is_multiple_of(3)).then_some(marker), ..Row::default() };
    row.put(ColumnId(1), Cell { timestamp, content });
    if at.is_multiple_of(5) {
        row.put(ColumnId(2), value_cell(timestamp, &at.to_be_bytes()));
    }
    let mut part = Partition::empty(key(partition));
    part.put_row(clustering(at), row);
    Mutation { table: shape(1).id, partition: part }
}

/// One after the other, so that what is in the cache changes under the reads.
static ALONE: Mutex<()> = Mutex::new(());

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn texts_read_alike_however_they_lie(
        partition in prop::option::weighted(0.9, 0..6_u64),
        (from, len) in (0..620_u64, prop_oneof![3 => 1..3_u64, 2 => 1..80_u64, 1 => Just(700)]),
        reversed in any::<bool>(),
        rows in prop_oneof![Just(u64::MAX), 1..60_u64],
        bytes in prop_oneof![3 => Just(u64::MAX), 1 => 1..5_000_u64],
        later in 0..25_i64,
    ) {
        let _alone = ALONE.lock();
        let slice = Slice { start: clustering(from).0, end: clustering(from + len).0 };
        let command = match partition {
            Some(partition) => one(1, partition),
            None => all_of(1),
        };
        let limits = Limits { rows, bytes, ..Limits::NONE };
        let command = Command { slices: vec![slice], reversed, limits, now: NOW + later, ..command };
        let [coded, plain] = &*ENGINES;
        prop_assert_eq!(read(coded, &command).unwrap(), read(plain, &command).unwrap());
    }
}

#[test]
fn texts_are_coded_once_symbols_are_known_and_take_less() {
    let [coded, plain] = &*ENGINES;
    let cache = Cache::new(0, Arc::default());
    let blocks = |engine: &Engine| {
        let table = engine.inner.table(shape(1).id).unwrap();
        let recent = Recent::default();
        let largest = table.version().sstables.iter().max_by_key(|it| it.bytes).unwrap().clone();
        largest.coded_blocks(&Io::waiting(&cache, &recent))
    };
    let (are_coded, all) = blocks(coded);
    // The first sstable found them: what was merged of it and others is coded from the first block on.
    assert!(all / 10 * 9 < are_coded, "{are_coded} of {all}");
    assert_eq!(blocks(plain).0, 0);
    let stored = |it: &Engine| it.stats().tables[&shape(1).id].sstable_bytes;
    assert!(stored(coded) * 4 < stored(plain) * 3, "{} of {}", stored(coded), stored(plain));
}
