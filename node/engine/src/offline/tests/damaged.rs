//! Whatever is done to a file is named, where it was done.

use std::collections::BTreeMap;

use super::*;
use crate::offline::{Place, scrub};
use crate::sstable::compression::{BlockCompressor, Compression};
use crate::sstable::format::{self, FOOTER_BYTES, HEADER_BYTES};

#[test]
fn a_flipped_bit_in_any_byte_is_named_where_it_is_and_costs_its_block_alone() {
    for bytes in [FIXTURES[2].to_vec(), small(), points()] {
        let has_statistics = bytes == points();
        let whole = look_at(&bytes);
        let mut of_place = BTreeMap::new();
        for byte in 0..bytes.len() {
            let mut rotten = bytes.clone();
            rotten[byte] ^= 1 << (byte % 8);
            let found = look_at(&rotten);
            let [it] = &found.damage[..] else { panic!("byte {byte}: {:?}", found.damage) };
            let at = byte as u64;
            assert!(it.offset <= at && at < it.offset + it.bytes, "byte {byte}: {it:?}");
            *of_place.entry(it.place.to_string()).or_insert(0) += 1;
            if it.place == Place::Block {
                let others = whole.blocks.iter().filter(|block| **block != it.offset);
                assert!(found.blocks.iter().eq(others), "byte {byte}");
                assert!(it.between.is_some(), "byte {byte}");
            } else {
                assert!(found.rows == whole.rows, "byte {byte}");
            }
        }
        let places: Vec<&str> = of_place.keys().map(String::as_str).collect();
        let all = ["block", "block statistics", "filter", "footer", "header", "index", "stats"];
        let expected = all.into_iter().filter(|it| has_statistics || *it != "block statistics");
        assert_eq!(places, expected.collect::<Vec<_>>());
        assert_eq!((of_place["header"], of_place["footer"]), (28, 72));
    }
}

#[test]
fn a_file_that_was_cut_short_keeps_the_blocks_in_front_of_the_cut() {
    let bytes = small();
    let whole = look_at(&bytes);
    for len in 0..bytes.len() {
        let found = look_at(&bytes[..len]);
        assert!(!found.counted.is_whole(), "{len} bytes");
        assert!(whole.blocks.starts_with(&found.blocks), "{len} bytes");
        assert!(whole.rows.starts_with(&found.rows), "{len} bytes");
        let ends = whole.blocks[1..].iter().filter(|end| **end <= len as u64);
        assert!(ends.count() <= found.blocks.len(), "{len} bytes: {:?}", found.blocks);
    }
}

#[test]
fn what_is_lost_lies_between_what_is_there() {
    let bytes = small();
    let whole = look_at(&bytes);
    let lost = whole.blocks[2];
    let between = |has_index: bool| {
        let mut rotten = bytes.clone();
        rotten[lost as usize + 9] ^= 1;
        let len = rotten.len();
        if !has_index {
            rotten[len - 1] ^= 1;
        }
        let found = look_at(&rotten);
        let damage = found.damage.into_iter().find(|it| it.place == Place::Block).unwrap();
        let next = found.blocks.iter().find(|it| lost < **it).copied().unwrap();
        assert_eq!((damage.offset, damage.bytes), (lost, next - lost));
        damage.between.unwrap()
    };
    // The index knows where blocks begin; without it what ends in front and begins behind says the same.
    assert_eq!(between(true), between(false));
    assert!(between(true).from.unwrap() < between(true).to.unwrap());
}

#[test]
fn a_drive_that_cannot_read_is_damage_and_no_end() {
    let disk = disk_of(FIXTURES[2]);
    let sstable = Sstable::open(&disk, Path::new(FILE)).unwrap();
    disk.set_faults(sys::disk::Faults { read_error_chance: 0.5, ..Default::default() });
    let (mut parts, mut damage) = (0, Vec::new());
    let counted = sstable.read(&mut |it| match it {
        Found::Part(_) => parts += 1,
        Found::Damage(it) => damage.push(it.what.clone()),
    });
    assert!(parts > 0 && !counted.is_whole());
    assert!(damage.iter().all(|it| it.contains("it cannot be read")), "{damage:?}");
}

/// The raw bytes of every block are changed and wrapped again, so that all checksums are right.
#[test]
fn bytes_that_pass_every_checksum_and_mean_nothing_are_named_and_no_panic() {
    let mut rng = sys::Rng::from_seed(3);
    let mut changed = 0;
    for bytes in FIXTURES.into_iter().chain([&small()[..]]) {
        let Look { rows, blocks, .. } = look_at(bytes);
        for _ in 0..200 {
            let mut out = bytes[..HEADER_BYTES as usize].to_vec();
            for (at, &block) in blocks.iter().enumerate() {
                let mut raw = raw_at(bytes, block, blocks.get(at + 1).copied()).to_vec();
                for _ in 0..rng.below(3) {
                    let at = rng.below(raw.len() as u64) as usize;
                    raw[at] = rng.below(256) as u8;
                }
                let offset = out.len() as u64;
                format::wrap(
                    &raw,
                    &mut BlockCompressor::new(Compression::Lz4),
                    1,
                    offset,
                    &mut out,
                );
            }
            let disk = disk_of(&out);
            let found = look(&disk, Path::new(FILE));
            assert!(!found.counted.is_whole());
            changed += usize::from(found.rows != rows);
            let saved = scrub(&disk, Path::new(FILE), Path::new("/out"), &mut |_| {}).unwrap();
            // A deletion hides in the new file what it forgot to hide in this one.
            assert!(saved.rows <= found.counted.rows());
        }
    }
    assert!(changed > 400, "{changed} of 800");
}

/// What is wrapped at `offset`; its end is looked for where no other block says it.
fn raw_at(bytes: &[u8], offset: u64, end: Option<u64>) -> Bytes {
    let mut ends = offset + 13..bytes.len() as u64 - FOOTER_BYTES;
    let unwrap = |end: u64| {
        let bytes = Bytes::copy_from_slice(&bytes[offset as usize..end as usize]);
        format::unwrap(bytes, 1, offset).ok()
    };
    end.map_or_else(|| ends.find_map(unwrap), unwrap).unwrap()
}
