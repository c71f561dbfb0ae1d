//! What is whole is called whole, and whatever is not is named.

mod damaged;
mod found;
mod logs;
mod scrubbed;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use model::{
    Cell, Clustering, ColumnId, Content, Deletion, Liveness, Partition, PartitionKey, Row, TableId,
};
use sys::disk::MemoryDisk;
use sys::{Disk, Open};

use super::{Counted, Damage, Found, Sstable};
use crate::TableShape;
use crate::piece::{self, Piece};
use crate::sstable::Writer;

/// Where every file of these tests lies: the number of it is 1.
const FILE: &str = "/data/tables/00000000-0000-0000-0000-000000000007/000000000001.sst";

/// Every kind of row, column and tombstone, of each version that is read, and of each codec.
const FIXTURES: [&[u8]; 18] = [
    include_bytes!("../sstable/fixtures/version-1.sst"),
    include_bytes!("../sstable/fixtures/version-2.sst"),
    include_bytes!("../sstable/fixtures/version-3.sst"),
    include_bytes!("../sstable/fixtures/version-4.sst"),
    include_bytes!("../sstable/fixtures/version-4-zstd.sst"),
    include_bytes!("../sstable/fixtures/version-5.sst"),
    include_bytes!("../sstable/fixtures/version-5-zstd.sst"),
    include_bytes!("../sstable/fixtures/version-5-symbols.sst"),
    include_bytes!("../sstable/fixtures/version-6.sst"),
    include_bytes!("../sstable/fixtures/version-6-zstd.sst"),
    include_bytes!("../sstable/fixtures/version-6-symbols.sst"),
    include_bytes!("../sstable/fixtures/version-7.sst"),
    include_bytes!("../sstable/fixtures/version-7-zstd.sst"),
    include_bytes!("../sstable/fixtures/version-7-symbols.sst"),
    include_bytes!("../sstable/fixtures/version-8.sst"),
    include_bytes!("../sstable/fixtures/version-8-zstd.sst"),
    include_bytes!("../sstable/fixtures/version-8-symbols.sst"),
    include_bytes!("../sstable/fixtures/version-8-statistics.sst"),
];

/// A disk with one file.
fn disk_of(bytes: &[u8]) -> MemoryDisk {
    let disk = MemoryDisk::new();
    put(&disk, Path::new(FILE), bytes);
    disk
}

fn put(disk: &MemoryDisk, path: &Path, bytes: &[u8]) {
    disk.create_dir_all(path.parent().unwrap()).unwrap();
    disk.open(path, Open::CreateNew).unwrap().write_at(bytes, 0).unwrap();
}

/// What is found in a file: what it counts, its rows, and its damage, that of the outer parts first.
struct Look {
    counted: Counted,
    rows: Vec<(PartitionKey, Clustering, Row)>,
    damage: Vec<Damage>,
    /// Where blocks lie.
    blocks: Vec<u64>,
}

fn look(disk: &dyn Disk, path: &Path) -> Look {
    let sstable = Sstable::open(disk, path).unwrap();
    let (mut rows, mut damage, mut blocks) = (Vec::new(), sstable.damage().to_vec(), Vec::new());
    let counted = sstable.read(&mut |found| match found {
        Found::Part(part) => {
            let of = |(clustering, row): &(Clustering, Row)| {
                (part.partition.key.clone(), clustering.clone(), row.clone())
            };
            rows.extend(part.partition.rows.iter().map(of));
            if blocks.last() != Some(&part.offset) {
                blocks.push(part.offset);
            }
        }
        Found::Damage(it) => damage.push(it.clone()),
    });
    assert_eq!(counted.damaged, damage.len() as u64);
    Look { counted, rows, damage, blocks }
}

fn look_at(bytes: &[u8]) -> Look {
    look(&disk_of(bytes), Path::new(FILE))
}

fn key(text: &str) -> PartitionKey {
    PartitionKey::new(Bytes::copy_from_slice(text.as_bytes()))
}

fn shape() -> TableShape {
    TableShape { gc_grace_seconds: 1, ..TableShape::new(TableId(uuid::Uuid::from_u128(7))) }
}

/// The bytes of an sstable of these partitions, with blocks of about so many bytes of rows.
fn sstable_of(mut partitions: Vec<Partition>, block_bytes: usize) -> Vec<u8> {
    partitions.sort_by(|left, right| left.key.cmp(&right.key));
    let disk = MemoryDisk::new();
    let path = Path::new("/1.sst");
    let mut writer =
        Writer::create(&disk, path, 1, &shape(), block_bytes, &std::sync::Arc::default()).unwrap();
    for mut part in partitions {
        let mut body = Partition::empty(part.key.clone());
        body.rows = std::mem::take(&mut part.rows);
        body.range_tombstones = std::mem::take(&mut part.range_tombstones);
        writer.begin(part);
        writer.add(Piece { start: Bytes::new(), end: piece::top(), part: body }).unwrap();
        writer.end().unwrap();
    }
    assert!(writer.finish().unwrap());
    sys::disk::read_all(&disk, path, 1 << 30).unwrap()
}

fn live_row(value: impl Into<Bytes>) -> Row {
    let cell = Cell { timestamp: 5, content: Content::Live { value: value.into() } };
    Row { cells: vec![(ColumnId(1), cell)], ..Row::default() }
}

/// Points that come to something in each of five blocks, and a small block behind these.
fn points() -> Vec<u8> {
    let mut part = Partition::empty(key("points"));
    for at in 0..1_100_u16 {
        let mut row = live_row(Bytes::copy_from_slice(&f64::from(at / 7).to_be_bytes()));
        row.liveness = Some(Liveness { timestamp: 5, expiry: None });
        part.put_row(Clustering(Bytes::copy_from_slice(&(at + 0x100).to_be_bytes())), row);
    }
    sstable_of(vec![part], 32 * 210)
}

/// Two partitions of several blocks, with a deletion, a static row and a range tombstone, and a tiny one.
fn small() -> Vec<u8> {
    let mut partitions = Vec::new();
    for name in ["large", "larger"] {
        let mut part = Partition::empty(key(name));
        part.delete(Deletion { timestamp: 1, deleted_at: 9 });
        part.put_static(live_row("static"));
        for at in 1..30_u8 {
            part.put_row(Clustering(Bytes::from(vec![at])), live_row(vec![at; 20]));
        }
        let deletion = Deletion { timestamp: 7, deleted_at: 9 };
        part.delete_range(Bytes::from_static(&[9]), Bytes::from_static(&[12]), deletion);
        partitions.push(part);
    }
    let mut tiny = Partition::empty(key("tiny"));
    tiny.put_row(Clustering::default(), live_row("x"));
    partitions.push(tiny);
    sstable_of(partitions, 200)
}
