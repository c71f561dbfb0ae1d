//! A scrub saves every row of every block that can be read, and nothing else.

use super::*;
use crate::offline::{Error, Place, Saved, scrub};
use crate::sstable;

const OUT: &str = "/out";
const NEW: &str = "/out/000000000001.sst";

fn scrub_of(disk: &MemoryDisk) -> (Result<Saved, Error>, Vec<Damage>) {
    let mut damage = Vec::new();
    let saved = scrub(disk, Path::new(FILE), Path::new(OUT), &mut |it| damage.push(it.clone()));
    (saved, damage)
}

/// Scrubs a file of which these bytes are wrong. The new one is whole, opens as a node opens it, and has exactly the rows
/// that could be read of the old one, which stays as it was.
fn saves_all_but(bytes: &[u8], wrong: &[usize]) -> Vec<Damage> {
    let mut rotten = bytes.to_vec();
    wrong.iter().for_each(|at| rotten[*at] ^= 0x10);
    let disk = disk_of(&rotten);
    let (saved, damage) = scrub_of(&disk);
    let saved = saved.unwrap();
    let (old, new) = (look(&disk, Path::new(FILE)), look(&disk, Path::new(NEW)));
    assert_eq!(saved.file, Some(PathBuf::from(NEW)));
    assert_eq!(new.damage, []);
    assert!(new.rows == old.rows, "{wrong:?}");
    assert_eq!((saved.rows, saved.blocks), (old.rows.len() as u64, old.blocks.len() as u64));
    let opened = sstable::Sstable::open(&disk, Path::new(NEW), 1).unwrap();
    opened.load().unwrap();
    assert_eq!((opened.stats.rows, opened.stats.partitions), (saved.rows, saved.partitions));
    assert!(sys::disk::read_all(&disk, Path::new(FILE), 1 << 30).unwrap() == rotten);
    let lost = damage.iter().filter(|it| it.place.holds_rows()).count() as u64;
    assert_eq!((saved.damaged, saved.lost), (damage.len() as u64, lost));
    damage
}

#[test]
fn a_whole_file_is_saved_as_a_whole() {
    for bytes in FIXTURES.into_iter().chain([&small()[..]]) {
        assert_eq!(saves_all_but(bytes, &[]), []);
        // Deletions, statics and range tombstones too: the stats count them.
        let disk = disk_of(bytes);
        scrub_of(&disk).0.unwrap();
        let said = |path: &str| Sstable::open(&disk, Path::new(path)).unwrap();
        let (old, new) = (said(FILE).summary().unwrap(), said(NEW).summary().unwrap());
        assert_eq!((old.first, old.last), (new.first, new.last));
        assert_eq!((old.timestamp_min, old.timestamp_max), (new.timestamp_min, new.timestamp_max));
        let heads = |path| {
            let opened = sstable::Sstable::open(&disk, Path::new(path), 1).unwrap();
            opened.stats.layout.map(|it| it.heads)
        };
        assert!(heads(FILE).is_none_or(|it| Some(it) == heads(NEW)));
    }
}

#[test]
fn a_damaged_block_costs_its_rows_and_no_others() {
    for bytes in FIXTURES.into_iter().chain([&small()[..]]) {
        let whole = look_at(bytes);
        for &block in &whole.blocks {
            let damage = saves_all_but(bytes, &[block as usize + 6]);
            assert_eq!(damage.len(), 1, "{damage:?}");
            assert_eq!((damage[0].place, damage[0].offset), (Place::Block, block));
        }
    }
}

#[test]
fn index_filter_stats_footer_and_header_cost_nothing() {
    for bytes in FIXTURES.into_iter().chain([&small()[..]]) {
        let sections = Sstable::open(&disk_of(bytes), Path::new(FILE)).unwrap().sections();
        let index = 28 + sections.blocks as usize;
        let filter = index + sections.index as usize;
        let stats = filter + sections.filter as usize;
        let (footer, whole) = (bytes.len() - 72, look_at(bytes));
        let outer: [&[usize]; 6] = [&[index], &[filter], &[stats], &[footer], &[0], &[0, footer]];
        for wrong in outer {
            let damage = saves_all_but(bytes, wrong);
            assert!(damage.iter().all(|it| !it.place.holds_rows()), "{wrong:?}: {damage:?}");
            let mut rotten = bytes.to_vec();
            wrong.iter().for_each(|at| rotten[*at] ^= 0x10);
            assert!(look_at(&rotten).rows == whole.rows, "{wrong:?}");
        }
        // And with a block: the others are found one by one.
        let block = whole.blocks[1] as usize;
        let with_block: [&[usize]; 3] =
            [&[block + 6, index], &[block + 6, footer], &[block + 6, footer, 0]];
        for wrong in with_block {
            let damage = saves_all_but(bytes, wrong);
            let lost: Vec<_> = damage.iter().filter(|it| it.place.holds_rows()).collect();
            assert_eq!(lost.len(), 1, "{wrong:?}: {damage:?}");
            assert_eq!(
                (lost[0].offset, lost[0].bytes),
                (block as u64, whole.blocks[2] - block as u64)
            );
        }
    }
}

#[test]
fn nothing_is_overwritten_and_nothing_half_written_is_left() {
    let disk = disk_of(FIXTURES[2]);
    let here = Path::new(FILE).parent().unwrap();
    let refused = scrub(&disk, Path::new(FILE), here, &mut |_| {}).unwrap_err();
    assert!(matches!(refused, Error::Exists { .. }), "{refused}");
    assert_eq!(look(&disk, Path::new(FILE)).damage, []);

    let capacity = Some(disk.used_bytes() + 1000);
    disk.set_faults(sys::disk::Faults { capacity, ..Default::default() });
    let refused = scrub_of(&disk).0.unwrap_err();
    assert!(matches!(refused, Error::Engine(crate::Error::DiskFull { .. })), "{refused}");
    assert!(!disk.exists(Path::new(NEW)));
}

#[test]
fn without_a_sound_block_there_is_no_new_file() {
    let mut rotten = FIXTURES[2].to_vec();
    rotten[28..].fill(1);
    let disk = disk_of(&rotten);
    let (saved, damage) = scrub_of(&disk);
    let saved = saved.unwrap();
    assert_eq!((saved.file, saved.rows, saved.lost), (None, 0, 1), "{damage:?}");
    assert!(!disk.exists(Path::new(NEW)));
}
