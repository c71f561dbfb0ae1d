//! Merges that are cut: what they leave overlaps nowhere, comes and goes as one, and is merged part by part.

use sys::{Job, Step};

use super::*;
use crate::Lane;

/// A compaction map of sstables that have so many bytes, about.
pub(super) fn cut_at(target: &str, scaling: &str) -> BTreeMap<String, String> {
    let entry = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    [("target_sstable_size", target), ("scaling_parameters", scaling)].map(entry).into()
}

/// Sstables of all tables in their folders, live or not.
pub(super) fn files(world: &World) -> u64 {
    let all = crate::table::all_directory(&world.options.data_dir);
    let tables = world.disk.list(&all).unwrap_or_default();
    let files = tables.iter().map(|it| world.disk.list(&all.join(it)).map_or(0, |it| it.len()));
    files.sum::<usize>() as u64
}

const PARTITIONS: u64 = 40;

/// Partitions that are cut one by one, and as many flushes as there are `rounds`.
fn written(scaling: &str, rounds: u64) -> (World, Engine) {
    let mut world = World::new();
    world.tables[0].compaction = cut_at("1B", scaling);
    let engine = world.engine();
    for round in 0..rounds {
        put(&engine, 0..PARTITIONS, round);
        flush(&engine).unwrap();
    }
    (world, engine)
}

fn put(engine: &Engine, partitions: std::ops::Range<u64>, round: u64) {
    let row = |it| insert(1, it, round, 1, b"a value of its own");
    write_all(engine, &partitions.map(row).collect::<Vec<Mutation>>()).unwrap();
}

fn sstables(engine: &Engine) -> u64 {
    engine.stats().tables[&shape(1).id].sstables
}

#[test]
fn what_was_cut_is_the_same_rows_and_each_partition_in_one_place() {
    let (world, engine) = written("T4", 4);
    engine.run_jobs();
    assert_eq!((sstables(&engine), engine.stats().compactions), (PARTITIONS, 1));
    for partition in 0..PARTITIONS {
        let answer = read(&engine, &one(1, partition)).unwrap();
        assert_eq!((answer.partitions[0].rows.len(), answer.sstables), (4, 1));
    }
    drop(engine);
    let (engine, recovery) = world.open().unwrap();
    assert_eq!((sstables(&engine), recovery.orphans.len()), (PARTITIONS, 0));
    assert_eq!(rows(&engine, &all_of(1)).len(), 4 * PARTITIONS as usize);
    assert_eq!(engine.stats().reads_cold, 1, "an opening reads no index");
}

#[test]
fn only_the_shard_is_merged_that_has_enough() {
    let (_world, engine) = written("T4", 4);
    engine.run_jobs();
    let written = engine.stats().compaction_bytes;
    for round in 4..7 {
        put(&engine, 3..4, round);
        flush(&engine).unwrap();
    }
    // Of about as many bytes, so that all four are on one level.
    engine.run_jobs();
    let stats = engine.stats();
    assert_eq!((sstables(&engine), stats.compactions), (PARTITIONS, 2));
    assert!(stats.compaction_bytes - written < written / 10, "{stats:?}");
    assert_eq!(rows(&engine, &one(1, 3)).len(), 7);
}

/// Steps a merge until it has written more than one file.
fn half_done(world: &World, engine: &Engine) -> Box<dyn Job> {
    let before = files(world);
    let mut job = engine.next_job(Lane::Compaction).expect("it is due");
    while files(world) < before + 5 {
        assert_eq!(job.step(), Step::More);
    }
    job
}

#[test]
fn who_gives_up_half_way_leaves_nothing_behind() {
    let (world, engine) = written("T4", 4);
    let due = (files(&world), sstables(&engine));
    drop(half_done(&world, &engine));
    assert_eq!((files(&world), sstables(&engine)), due);
    engine.run_jobs();
    assert_eq!((files(&world), sstables(&engine)), (PARTITIONS, PARTITIONS));
}

#[test]
fn a_disk_that_fails_half_way_leaves_nothing_behind() {
    let (world, engine) = written("T4", 4);
    let before = files(&world);
    for point in 0..80 {
        let faults = sys::disk::Faults { fail_after_ops: Some(point), ..Default::default() };
        world.disk.set_faults(faults);
        engine.run_jobs();
        world.disk.set_faults(sys::disk::Faults::default());
        assert_eq!(engine.stats().jobs_failed, point + 1);
        assert_eq!(rows(&engine, &all_of(1)).len(), 4 * PARTITIONS as usize);
    }
    drop(engine);
    let engine = world.engine();
    assert_eq!((files(&world), sstables(&engine)), (before, before), "what stayed is gone");
}

#[test]
fn of_a_table_that_was_emptied_half_way_nothing_comes_back() {
    type Ends = fn(&Engine) -> Result<(), Error>;
    let ends: [Ends; 2] = [|it| it.truncate(shape(1).id), |it| it.drop_table(shape(1).id)];
    for end in ends {
        let (world, engine) = written("T4", 4);
        let mut job = half_done(&world, &engine);
        end(&engine).unwrap();
        while job.step() == Step::More {}
        drop(job);
        assert_eq!((files(&world), engine.stats().compactions), (0, 0));
    }
}

#[test]
fn all_of_a_table_is_merged_part_by_part() {
    let (world, engine) = written("T4", 4);
    engine.run_jobs();
    put(&engine, 5..6, 9);
    flush(&engine).unwrap();
    let before = engine.stats();
    compact(&engine).unwrap();
    let after = engine.stats();
    assert_eq!(after.compactions - before.compactions, PARTITIONS, "each shard by itself");
    assert_eq!((files(&world), sstables(&engine)), (PARTITIONS, PARTITIONS));
    assert_eq!(rows(&engine, &one(1, 5)).len(), 5);
}

#[test]
fn a_small_table_is_one_sstable_whatever_its_partitions() {
    let world = World::new();
    let engine = world.engine();
    for partition in 0..16 {
        put(&engine, partition..partition + 1, 1);
        flush(&engine).unwrap();
        engine.run_jobs();
    }
    assert_eq!(sstables(&engine), 1, "with each three that came one that is all");
    put(&engine, 16..17, 1);
    flush(&engine).unwrap();
    compact(&engine).unwrap();
    assert_eq!(sstables(&engine), 1);
}
