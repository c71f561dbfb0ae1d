//! What an engine keeps is found from outside, beside it and after it.

use std::path::Path;

use super::*;
use crate::offline::{self, Known, Merged};

/// What each file knows of a partition, by the end of its name and whether it counts; and all of it.
fn known(world: &World, partition: u64) -> (Vec<(String, bool)>, Merged) {
    let mut files = Vec::new();
    let (dir, table) = (Path::new("/data"), shape(1).id);
    let merged = offline::partition(&world.disk, dir, table, &key(partition), &mut |it| match it {
        Known::Part { file, counts, .. } => {
            let end = file.extension().unwrap().to_str().unwrap().to_owned();
            files.push((end, counts));
        }
        Known::Damage { file, damage } => panic!("{}: {damage:?}", file.display()),
    });
    (files, merged.unwrap())
}

#[test]
fn a_partition_is_found_in_every_file_and_merged_as_the_engine_reads_it() {
    let world = World::new();
    let engine = world.engine();
    for round in 0..3 {
        for at in 0..20 {
            write(&engine, &insert(1, at % 4, at, round, &[round as u8; 40])).unwrap();
        }
        write(&engine, &delete_row(1, 2, 6, round)).unwrap();
        if round < 2 {
            flush(&engine).unwrap();
        }
    }
    for partition in 0..5 {
        let (files, merged) = known(&world, partition);
        let answer = read(&engine, &one(1, partition)).unwrap();
        let expected = answer.partitions.into_iter().next();
        let merged = merged.partition.filter(|it| !it.is_empty());
        let rows = |it: Option<Partition>| it.map(|it| it.rows.into_each()).unwrap_or_default();
        let is_live = |it: &(Clustering, Row)| it.1.is_live(NOW);
        let live = |it| rows(it).into_iter().filter(is_live).collect::<Vec<_>>();
        assert_eq!(live(merged), live(expected), "partition {partition}");
        let of =
            |end: &str, counts| files.iter().filter(|it| **it == (end.to_owned(), counts)).count();
        if partition < 4 {
            // A block at least of each flush, and what was written since.
            assert!(of("sst", true) >= 2, "{files:?}");
            assert!(of("log", true) >= 5, "{files:?}");
        } else {
            assert_eq!(files, []);
        }
    }
}

#[test]
fn what_was_truncated_does_not_count() {
    let world = World::new();
    let engine = world.engine();
    write(&engine, &insert(1, 1, 1, 1, b"gone")).unwrap();
    engine.truncate(shape(1).id).unwrap();
    let (files, merged) = known(&world, 1);
    assert!(files.iter().all(|(_, counts)| !counts), "{files:?}");
    assert!(merged.partition.unwrap().is_empty());
    assert!(merged.manifest.is_none());
}

#[test]
fn everything_that_an_engine_writes_is_whole_from_outside() {
    let world = World::new();
    let engine = world.engine();
    for at in 0..300_u64 {
        write(&engine, &insert(1, at % 7, at * at % 100, at as i64, &[at as u8; 30])).unwrap();
        if at % 9 == 0 {
            write(&engine, &delete_row(1, at % 7, at % 100, at as i64)).unwrap();
            let mut partition = Partition::empty(key(at % 7));
            partition.delete_range(clustering(at % 50).0, clustering(at % 50 + 9).0, deletion(3));
            write(&engine, &Mutation { table: shape(1).id, partition }).unwrap();
        }
        if at % 60 == 59 {
            flush(&engine).unwrap();
        }
        if at == 200 {
            compact(&engine).unwrap();
        }
    }
    let files = offline::sstables(&world.disk, Path::new("/data")).unwrap();
    assert!(files.len() > 1);
    for file in files {
        let counted = offline::Sstable::open(&world.disk, &file).unwrap().read(&mut |it| {
            if let offline::Found::Damage(it) = it {
                panic!("{}: {it:?}", file.display());
            }
        });
        assert!(counted.rows() > 0);
    }
    for file in offline::segments(&world.disk, Path::new("/data/commitlog")).unwrap() {
        let segment = offline::Segment::read(&world.disk, &file).unwrap();
        assert!(!matches!(segment.end, offline::End::Corrupt(_)), "{:?}", segment.end);
    }
}
