use model::{Partition, PartitionKey, TableId};

use super::*;
use crate::cache::{Cache, Halt, Io, Place, Recent};
use crate::piece;
use crate::sstable::block::{self, Fragment};
use crate::sstable::symbols::{FileSymbols, TextCoder};

/// A block of one partition, as it comes from a file.
fn block() -> Block {
    let part = Partition::empty(PartitionKey::new("p".into()));
    let fragment = Fragment { start: model::key::bottom(), end: piece::top(), part };
    let table = TableId(uuid::Uuid::nil());
    let raw = block::encode(table, &[fragment], &mut TextCoder::off()).raw;
    Block::decode(raw, &FileSymbols::new()).unwrap()
}

/// Whether a reader that may not wait finds block `at`.
fn is_found(cache: &Cache, shelf: &Arc<Shelf>, at: u32) -> bool {
    let recent = Recent::default();
    let place = Place { sstable: 7, at, shelf };
    match Io::cached(cache, &recent).block(place, || unreachable!("it may not wait")) {
        Ok(_) => true,
        Err(Halt::Miss) => false,
        Err(Halt::Failed(error)) => panic!("{error}"),
    }
}

/// A reader that waits reads block `at`, or finds it.
fn read(cache: &Cache, shelf: &Arc<Shelf>, at: u32) {
    let recent = Recent::default();
    let place = Place { sstable: 7, at, shelf };
    Io::waiting(cache, &recent).block(place, || Ok(block())).unwrap();
}

#[test]
fn what_the_cache_gives_up_is_not_on_the_shelf() {
    let bytes = block().bytes();
    let cache = Cache::new(8 * bytes, Arc::default());
    let shelf = Arc::new(Shelf::new(100));
    for at in 0..100 {
        read(&cache, &shelf, at);
        let held = shelf.blocks().map(|it| it.1.bytes()).sum::<u64>();
        assert!(held <= 8 * bytes, "as much as the budget allows");
        assert_eq!(cache.bytes(), held, "and no more than is counted");
    }
    assert!(0 < shelf.blocks().count());
}

#[test]
fn what_is_used_again_and_again_outlives_what_was_read_once() {
    let bytes = block().bytes();
    let cache = Cache::new(8 * bytes, Arc::default());
    let shelf = Arc::new(Shelf::new(1_000));
    for at in 1..1_000 {
        read(&cache, &shelf, 0);
        read(&cache, &shelf, at);
    }
    assert!(is_found(&cache, &shelf, 0));
}

#[test]
fn a_block_that_takes_the_place_of_another_is_found() {
    let cache = Cache::new(1 << 20, Arc::default());
    let shelf = Arc::new(Shelf::new(1));
    read(&cache, &shelf, 0);
    // As two readers do that missed it at once.
    let recent = Recent::default();
    let place = Place { sstable: 7, at: 0, shelf: &shelf };
    Io::waiting(&cache, &recent).keep(place, &Arc::new(block()));
    assert!(is_found(&cache, &shelf, 0));
    assert_eq!(cache.bytes(), block().bytes());
}

#[test]
fn blocks_of_an_sstable_that_was_replaced_take_no_memory() {
    let cache = Cache::new(1 << 20, Arc::default());
    let shelf = Arc::new(Shelf::new(10));
    (0..10).for_each(|at| read(&cache, &shelf, at));
    cache.forget(7, &shelf);
    assert_eq!((cache.bytes(), shelf.blocks().count()), (0, 0));
    assert!(!is_found(&cache, &shelf, 3));
}

#[test]
fn a_block_larger_than_the_cache_is_not_kept() {
    let cache = Cache::new(1, Arc::default());
    let shelf = Arc::new(Shelf::new(1));
    read(&cache, &shelf, 0);
    assert!(!is_found(&cache, &shelf, 0));
}

/// One read in two is of one of a few blocks, the others of any: the few stay, and the budget is kept.
#[test]
fn what_is_used_often_stays_among_what_is_used_seldom() {
    const FEW: u32 = 20;
    let bytes = block().bytes();
    let cache = Cache::new(100 * bytes, Arc::default());
    let shelf = Arc::new(Shelf::new(10_000));
    let mut found = 0;
    for round in 0..20_000_u32 {
        let seldom = FEW + round.wrapping_mul(2_654_435_761) % 9_000;
        read(&cache, &shelf, seldom);
        let often = round % FEW;
        found += u32::from(is_found(&cache, &shelf, often));
        read(&cache, &shelf, often);
        assert!(cache.bytes() <= 100 * bytes);
    }
    assert!(19_000 < found, "{found} of 20,000");
}

/// A block of many rows, which takes much less as it is read.
fn block_of_rows() -> Block {
    let mut part = Partition::empty(PartitionKey::new("p".into()));
    for number in 0..500_i64 {
        let content = model::Content::Live { value: vec![7; 8].into() };
        let cells = vec![(model::ColumnId(1), model::Cell { timestamp: number, content })];
        let clustering = model::Clustering(number.to_be_bytes().to_vec().into());
        part.put_row(clustering, model::Row { cells, ..model::Row::default() });
    }
    let fragment = Fragment { start: model::key::bottom(), end: piece::top(), part };
    let raw = block::encode(TableId(uuid::Uuid::nil()), &[fragment], &mut TextCoder::off()).raw;
    Block::decode(raw, &FileSymbols::new()).unwrap()
}

#[test]
fn where_memory_is_short_blocks_lie_there_as_they_were_read() {
    let bytes = block_of_rows().bytes();
    let cache = Cache::new(8 * bytes, Arc::default());
    let shelf = Arc::new(Shelf::new(60));
    let read = |at: u32| {
        let recent = Recent::default();
        let place = Place { sstable: 7, at, shelf: &shelf };
        let block = Io::waiting(&cache, &recent).block(place, || Ok(block_of_rows())).unwrap();
        assert_eq!(
            block.row_hashes().map(|it| it.len()),
            Some(500),
            "whoever asks for it gets all of it"
        );
    };
    (0..60).chain(0..60).for_each(read);
    let decoded = shelf.blocks().filter(|it| matches!(it.1, Held::Decoded(_))).count();
    let packed = shelf.blocks().count() - decoded;
    assert!((1..=8).contains(&decoded) && 20 < packed, "{decoded} decoded, {packed} as they were");
    assert!(cache.bytes() <= 8 * bytes);
}
