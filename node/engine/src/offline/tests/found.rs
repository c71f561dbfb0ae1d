//! What is whole, and what is found where nothing says where it is.

use super::*;
use crate::offline::{segments, sstables};
use crate::sstable::format::{FOOTER_BYTES, HEADER_BYTES};

#[test]
fn a_whole_file_of_every_version_is_called_whole() {
    for (version, bytes) in [1, 2, 3, 4, 4].into_iter().zip(FIXTURES) {
        let found = look_at(bytes);
        assert_eq!(found.damage, [], "version {version}");
        assert_eq!(found.counted.partitions(), 33, "version {version}");
        let said = Sstable::open(&disk_of(bytes), Path::new(FILE)).unwrap();
        assert_eq!(said.version(), Some(version));
        assert_eq!(said.summary().unwrap().rows, found.counted.rows());
        let sections = said.sections();
        let parts = [sections.blocks, sections.index, sections.filter, sections.stats];
        let outer = HEADER_BYTES + FOOTER_BYTES;
        assert_eq!(parts.iter().sum::<u64>() + outer, bytes.len() as u64);
    }
}

#[test]
fn blocks_are_found_again_without_index_and_footer() {
    for bytes in FIXTURES.into_iter().chain([&small()[..]]) {
        let whole = look_at(bytes);
        let sections = Sstable::open(&disk_of(bytes), Path::new(FILE)).unwrap().sections();
        let index = (HEADER_BYTES + sections.blocks) as usize;
        let no_footer = bytes.len() - FOOTER_BYTES as usize;
        // The index alone, the footer alone, and everything that is not a block.
        for (name, from, to) in [
            ("index", index, index + 1),
            ("footer", no_footer, bytes.len()),
            ("all behind the blocks", index, bytes.len()),
        ] {
            let mut rotten = bytes.to_vec();
            rotten[from..to].iter_mut().for_each(|it| *it ^= 0x55);
            let found = look_at(&rotten);
            assert!(found.rows == whole.rows, "{name}");
            assert_eq!(found.blocks, whole.blocks, "{name}");
            assert!(!found.counted.is_whole(), "{name}");
        }
    }
}

#[test]
fn a_file_without_header_is_known_by_its_name() {
    for bytes in FIXTURES {
        let mut rotten = bytes.to_vec();
        rotten[..HEADER_BYTES as usize].fill(0);
        let found = look_at(&rotten);
        assert_eq!(found.damage.len(), 1, "{:?}", found.damage);
        assert!(found.rows == look_at(bytes).rows);

        let disk = MemoryDisk::new();
        let path = Path::new("/copy of it");
        put(&disk, path, &rotten);
        let error = Sstable::open(&disk, path).err().unwrap().to_string();
        assert!(error.contains("give it the name that it had"), "{error}");
    }
}

#[test]
fn a_file_is_read_under_another_name_too_but_told_apart() {
    let disk = MemoryDisk::new();
    let (other, foreign) = (Path::new("/000000000002.sst"), Path::new("/a copy"));
    put(&disk, other, FIXTURES[2]);
    put(&disk, foreign, FIXTURES[2]);
    let found = look(&disk, other);
    assert_eq!(found.damage.len(), 1);
    assert!(found.damage[0].what.contains("sstable 1"), "{:?}", found.damage);
    assert_eq!(found.counted.partitions(), 33);
    assert_eq!(look(&disk, foreign).damage, []);
}

/// Values that lz4 leaves alone, and values that it makes nothing of: their lengths go on over many bytes.
#[test]
fn large_values_are_found_without_an_index() {
    let mut rng = sys::Rng::from_seed(7);
    let mut part = Partition::empty(key("blobs"));
    for at in 1..20_u8 {
        let len = u64::from(at) * 20_000;
        let noise = |rng: &mut sys::Rng| rng.below(256) as u8;
        let value: Vec<u8> = match at % 3 {
            0 => vec![at; len as usize],
            1 => (0..len).map(|_| noise(&mut rng)).collect(),
            _ => (0..len).map(|it| if it % 999 < 300 { noise(&mut rng) } else { 1 }).collect(),
        };
        part.put_row(Clustering(Bytes::from(vec![at])), live_row(value));
    }
    let bytes = sstable_of(vec![part], 16 << 10);
    let whole = look_at(&bytes);
    assert_eq!(whole.damage, []);
    let mut rotten = bytes.clone();
    let len = rotten.len();
    rotten[len - 100..].fill(0);
    let found = look_at(&rotten);
    assert!(found.rows == whole.rows);
    assert_eq!(found.blocks, whole.blocks);

    // Without the first block the second is looked for, over every byte of it.
    rotten[40] ^= 1;
    let found = look_at(&rotten);
    assert_eq!(found.blocks, whole.blocks[1..]);
}

#[test]
fn sstables_are_found_in_a_data_directory_and_strange_files_are_not() {
    let disk = disk_of(FIXTURES[2]);
    for name in ["/data/LOCK", "/data/manifest.log", "/data/tables/x.sst.tmp", "/data/a.sst"] {
        put(&disk, Path::new(name), b"");
    }
    put(&disk, Path::new("/data/snapshots/dropped-1/000000000009.sst"), b"");
    put(&disk, Path::new("/data/commitlog/000000000003.log"), b"");
    let found = sstables(&disk, Path::new("/data")).unwrap();
    let names = ["/data/snapshots/dropped-1/000000000009.sst", FILE];
    assert_eq!(found, names.map(PathBuf::from));
    let found = segments(&disk, Path::new("/data")).unwrap();
    assert_eq!(found, [PathBuf::from("/data/commitlog/000000000003.log")]);
    let given = Path::new("/data/a.sst");
    assert_eq!(sstables(&disk, given).unwrap(), [given]);
    assert!(sstables(&disk, Path::new("/nowhere")).is_err());
}
