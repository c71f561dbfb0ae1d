//! One flipped bit anywhere: it is found, the file is named, and nothing wrong is ever served.
//!
//! The few bytes that nobody reads, because what they say is said elsewhere, are listed in [`unread`], each with its
//! reason; there, and nowhere else, a flipped bit may make no difference.

use std::path::Path;

use super::*;
use crate::cache::{Cache, Halt, Io, Recent};
use crate::commitlog::format;
use crate::sstable::{self, Sstable};

/// Every file below `dir`, with what it holds.
fn files(disk: &MemoryDisk, dir: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for name in disk.list(dir).unwrap() {
        let path = dir.join(name);
        if disk.is_dir(&path) {
            files(disk, &path, found);
        } else {
            let bytes = sys::disk::read_all(disk, &path, 1 << 20).unwrap();
            found.push((path, bytes));
        }
    }
}

/// Sstables of two tables, a truncation, tombstones, and a log of two segments.
fn small_world() -> World {
    let mut world = World::new();
    world.options.segment_bytes = 1024;
    let engine = world.engine();
    for at in 0..12 {
        write(&engine, &insert(1, at % 3, at, 1, b"some value")).unwrap();
    }
    write(&engine, &insert(2, 1, 1, 1, b"truncated")).unwrap();
    flush(&engine).unwrap();
    write(&engine, &delete_row(1, 0, 3, 5)).unwrap();
    write(&engine, &insert(2, 1, 2, 1, b"truncated in the log")).unwrap();
    let mut partition = Partition::empty(key(2));
    partition.delete_range(clustering(0).0, clustering(6).0, deletion(5));
    write(&engine, &Mutation { table: shape(1).id, partition }).unwrap();
    wait(engine.flush(Some(shape(1).id), &Inline)).unwrap();
    compact(&engine).unwrap();
    for at in 20..32 {
        write(&engine, &insert(1, 1, at, 6, b"only in the log")).unwrap();
    }
    engine.truncate(shape(2).id).unwrap();
    world
}

/// A world whose disk holds `files`.
fn with(files: &[(PathBuf, Vec<u8>)]) -> World {
    let mut world = World::new();
    world.options.segment_bytes = 1024;
    for (path, bytes) in files {
        world.disk.create_dir_all(path.parent().unwrap()).unwrap();
        let file = world.disk.open(path, sys::Open::Write).unwrap();
        file.write_at(bytes, 0).unwrap();
        file.sync().unwrap();
    }
    world
}

/// From which byte on nobody reads the file at `path`, and why that is right.
fn unread(path: &Path, bytes: &[u8], given_up: &[PathBuf]) -> Option<(u64, &'static str)> {
    let name = path.file_name()?.to_str()?;
    let folder = path.parent()?.file_name()?.to_str()?;
    if given_up.iter().any(|it| it == path) {
        return Some((0, "all that it held is in sstables: it is removed at the next start"));
    }
    let end = if name == "manifest.log" {
        // Its mark: docs/formats/system-log.md.
        bytes.len() as u64 - 21
    } else if let ("commitlog", Some(segment)) = (folder, format::segment_of(name)) {
        let mut end = format::HEADER_BYTES;
        while let Some(record) = format::read_record(bytes, segment, end).filter(|it| !it.is_mark())
        {
            end = record.end();
        }
        end
    } else {
        return None;
    };
    // It vouches for the records before it, which are as they were: each has a checksum of its own.
    Some((end, "the mark behind the last record says nothing of itself"))
}

/// What all partitions of both tables answer.
type Answers = [Vec<(u64, u64, Vec<u8>)>; 2];

fn answers(world: &World) -> Result<(Answers, Recovery), Error> {
    let (engine, recovery) = world.open()?;
    let live = |table| read(&engine, &all_of(table)).map(|it| live_rows(&it));
    Ok(([live(1)?, live(2)?], recovery))
}

/// The error names the file and says what to do.
fn is_named(error: &Error, path: &Path, at: &str) {
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()), "{at} does not name the file: {text}");
    let remedy = text.contains("restore the file") || text.contains("start the newer program");
    assert!(remedy, "{at} does not say what to do: {text}");
}

#[test]
fn a_flipped_bit_in_any_byte_of_any_file_is_found_and_named_and_never_served() {
    let mut pristine = Vec::new();
    files(&small_world().disk, Path::new("/data"), &mut pristine);
    let (expected, recovery) = answers(&with(&pristine)).unwrap();
    assert_eq!((expected[0].len(), expected[1].len()), (21, 0));
    assert_eq!(recovery.torn, None);
    let (mut named, mut harmless) = (BTreeMap::new(), BTreeMap::new());
    for (at, (path, bytes)) in pristine.iter().enumerate() {
        if path.starts_with("/data/snapshots") {
            // No node reads it; whoever restores it opens it first.
            continue;
        }
        let unread = unread(path, bytes, &recovery.orphans);
        for byte in 0..bytes.len() {
            let mut rotten = pristine.clone();
            rotten[at].1[byte] ^= 1 << (byte % 8);
            let context = format!("byte {byte} of {}", path.display());
            let kind = path.extension().unwrap_or(path.as_os_str()).to_owned();
            match (answers(&with(&rotten)), unread) {
                (Err(error), None) => {
                    is_named(&error, path, &context);
                    *named.entry(kind).or_insert(0) += 1;
                }
                (Err(error), Some((from, _))) if (byte as u64) < from => {
                    is_named(&error, path, &context);
                    *named.entry(kind).or_insert(0) += 1;
                }
                (Ok((found, _)), Some((from, why))) if from <= byte as u64 => {
                    assert_eq!(found, expected, "{context}, though {why}");
                    *harmless.entry(why).or_insert(0) += 1;
                }
                (Ok((_, recovery)), _) => panic!("{context} was not noticed: {recovery:?}"),
                (Err(error), Some((_, why))) => panic!("{context}: {error}, though {why}"),
            }
        }
    }
    // FORMAT, sstables, and logs: the commit log's and the manifest.
    assert_eq!(named.len(), 3, "{named:?}");
    assert!(named.values().all(|it| *it > 20), "{named:?}");
    // Two marks of segments, one of the manifest.
    assert_eq!(harmless.into_values().collect::<Vec<u64>>(), [24 + 24 + 21]);
}

/// Reads every partition of a small sstable.
fn read_all(sstable: &Sstable) -> Result<(), Error> {
    let cache = Cache::new(1 << 20, Arc::default());
    let recent = Recent::default();
    let io = Io::waiting(&cache, &recent);
    let failed = |halt| match halt {
        Halt::Failed(error) => error,
        Halt::Miss => panic!("it may wait for the disk"),
    };
    let mut next = sstable.first(std::ops::Bound::Unbounded, &io).map_err(failed)?;
    while let Some(spot) = next {
        sstable.begin(&spot.key(), &io).map_err(failed)?.expect("the index names it");
        next = sstable.after(&spot, &io).map_err(failed)?;
    }
    Ok(())
}

#[test]
fn a_flipped_bit_in_any_byte_of_a_snapshot_is_named_when_it_is_opened() {
    let mut pristine = Vec::new();
    files(&small_world().disk, Path::new("/data/snapshots"), &mut pristine);
    assert_eq!(pristine.len(), 3, "what was flushed, what was in memory, and the manifest");
    for (path, bytes) in &pristine {
        // The manifest: tests/snapshots.rs.
        let Some(id) = sstable::id_of(path.file_name().unwrap().to_str().unwrap()) else {
            continue;
        };
        for byte in 0..bytes.len() {
            let mut rotten = bytes.clone();
            rotten[byte] ^= 1 << (byte % 8);
            let disk = with(&[(path.clone(), rotten)]).disk;
            let context = format!("byte {byte} of {}", path.display());
            let error = Sstable::open(&disk, path, id).and_then(|it| read_all(&it));
            is_named(&error.expect_err(&context), path, &context);
        }
    }
}
