//! One flipped bit anywhere: an error, or no difference; never a wrong row.

use std::path::Path;

use super::*;

/// Every file below `dir`.
fn files(disk: &MemoryDisk, dir: &Path, found: &mut Vec<PathBuf>) {
    for name in disk.list(dir).unwrap() {
        let path = dir.join(name);
        if disk.is_dir(&path) {
            files(disk, &path, found);
        } else {
            found.push(path);
        }
    }
}

/// Sstables of two tables, a truncation, tombstones, and a log with something in it.
fn small_world() -> World {
    let world = World::new();
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
    write(&engine, &insert(1, 1, 20, 6, b"only in the log")).unwrap();
    engine.truncate(shape(2).id).unwrap();
    world
}

#[test]
fn a_flipped_bit_in_any_file_is_an_error_or_makes_no_difference() {
    let world = small_world();
    let engine = world.engine();
    let expected = [rows(&engine, &all_of(1)), rows(&engine, &all_of(2))];
    assert_eq!((expected[0].len(), expected[1].len()), (10, 0));
    drop(engine);
    let mut paths = Vec::new();
    files(&world.disk, Path::new("/data"), &mut paths);
    let (mut refused, mut harmless) = (0, 0);
    for path in paths {
        let bytes = sys::disk::read_all(&world.disk, &path, 1 << 20).unwrap();
        for byte in 0..bytes.len() as u64 {
            // A fresh copy: opening cuts, removes and appends.
            let world = small_world();
            world.disk.flip_bit(&path, byte, (byte % 8) as u8).unwrap();
            let found = world.open().and_then(|(engine, recovery)| {
                let live = |table| read(&engine, &all_of(table)).map(|it| live_rows(&it));
                Ok(([live(1)?, live(2)?], recovery))
            });
            match found {
                Err(_) => refused += 1,
                Ok((found, recovery)) => {
                    let at =
                        format!("bit of byte {byte} of {} flipped: {recovery:?}", path.display());
                    assert_eq!(found, expected, "{at}");
                    harmless += 1;
                }
            }
        }
    }
    assert!(refused > harmless, "{refused} refused, {harmless} harmless");
}
