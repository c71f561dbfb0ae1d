//! Power cut at every operation of making, restoring, importing and removing: whatever was under way is there whole or not
//! at all, and goes on from there.

use std::path::Path;

use sys::Rng;
use sys::disk::Faults;

use super::snapshots::{create, into, listed, restore};
use super::*;
use crate::snapshot::{self, Foreign};

/// What the table shows: whichever of these states it may be in after a crash.
type Shown = Vec<(u64, u64, Vec<u8>)>;

/// How far the script came.
struct Progress {
    /// What the table shows if the step under way did not happen, and if it did.
    allowed: Vec<Shown>,
    /// Snapshots by name that must be there, and those that may be.
    sure: Vec<&'static str>,
    maybe: Vec<&'static str>,
}

const FOREIGN: &str = "/from/000000000001.sst";

/// An sstable of another node.
fn foreign() -> Vec<u8> {
    let world = World::new();
    let engine = world.engine();
    write(&engine, &insert(1, 5, 5, 5, b"imported")).unwrap();
    flush(&engine).unwrap();
    let table = PathBuf::from("/data/tables").join(shape(1).id.0.to_string());
    let [name] = &world.disk.list(&table).unwrap()[..] else { panic!("one flush") };
    sys::disk::read_all(&world.disk, &table.join(name), 1 << 20).unwrap()
}

fn shown(rows: &[(u64, u64, &str)]) -> Shown {
    rows.iter().map(|(key, at, value)| (*key, *at, value.as_bytes().to_vec())).collect()
}

/// Runs until it ends or the power does.
fn run(world: &World, progress: &mut Progress) -> Result<(), snapshot::Error> {
    let one = shown(&[(1, 1, "one")]);
    let first = shown(&[(1, 1, "one"), (1, 2, "two"), (2, 2, "two")]);
    let second = shown(&[(1, 1, "changed"), (1, 2, "two"), (2, 2, "two")]);
    let third = [first.clone(), shown(&[(5, 5, "imported")])].concat();
    let (engine, _) = world.open()?;
    progress.allowed = vec![Vec::new(), one.clone()];
    write(&engine, &insert(1, 1, 1, 1, b"one"))?;
    progress.allowed = vec![one.clone()];
    wait(engine.flush(None, &Inline))?;
    progress.allowed = vec![one, first.clone()];
    write_all(&engine, &[insert(1, 1, 2, 1, b"two"), insert(1, 2, 2, 1, b"two")])?;
    progress.allowed = vec![first.clone()];

    progress.maybe.push("a");
    create(&engine, "a", &[1, 2])?;
    progress.sure.push("a");

    progress.allowed.push(second.clone());
    write(&engine, &insert(1, 1, 1, 2, b"changed"))?;
    progress.allowed = vec![second.clone()];
    compact(&engine)?;
    progress.allowed.push(first.clone());
    restore(&engine, "a", 1)?;
    progress.allowed = vec![first.clone(), third.clone()];
    let files = Foreign::find(&world.disk, &[PathBuf::from(FOREIGN)])?;
    wait(engine.import(&files, &into(1), &Inline))?;
    progress.allowed = vec![third, first.clone()];
    // Some of its sstables are live: these stay.
    restore(&engine, "a", 1)?;
    progress.allowed = vec![first];

    progress.sure.clear();
    engine.delete_snapshot("a", None)?;
    progress.maybe.clear();
    Ok(())
}

fn crash_everywhere(crash: impl Fn(&MemoryDisk, u64)) -> u64 {
    let bytes = foreign();
    for point in 0..2_000 {
        let world = World::new();
        world.disk.create_dir_all(Path::new("/from")).unwrap();
        let file = world.disk.open(Path::new(FOREIGN), sys::Open::CreateNew).unwrap();
        file.write_at(&bytes, 0).unwrap();
        file.sync().unwrap();
        world.disk.sync_dir(Path::new("/")).unwrap();
        world.disk.sync_dir(Path::new("/from")).unwrap();
        let fail_after_ops = Some(world.disk.ops() + point);
        world.disk.set_faults(Faults { fail_after_ops, ..Faults::default() });
        let allowed = vec![Vec::new()];
        let mut progress = Progress { allowed, sure: Vec::new(), maybe: Vec::new() };
        let ended = run(&world, &mut progress);
        crash(&world.disk, point);
        check(&world, &progress, &format!("crash at operation {point}"));
        if ended.is_ok() {
            return point;
        }
    }
    panic!("it never comes to its end");
}

fn check(world: &World, progress: &Progress, context: &str) {
    let (engine, _) = world.open().unwrap_or_else(|it| panic!("{context}: {it}"));
    let found = rows(&engine, &all_of(1));
    let allowed = &progress.allowed;
    assert!(allowed.contains(&found), "{context}: {found:?}, not one of {allowed:?}");
    let names = world.disk.list(Path::new("/data/snapshots")).unwrap_or_default();
    assert!(names.iter().all(|it| !it.ends_with(".unfinished")), "{context}: {names:?}");
    let all = engine.snapshots().unwrap();
    let own: Vec<_> = all.iter().filter(|it| !it.name.starts_with("replaced-")).collect();
    assert!(own.iter().all(|it| progress.maybe.contains(&it.name.as_str())), "{context}: {own:?}");
    for name in &progress.sure {
        assert!(own.iter().any(|it| it.name == *name), "{context}: {name} is gone");
    }
    // Each that is there is whole, whatever it is: it can be restored.
    assert!(own.len() == 2 || own.is_empty(), "{context}: half of a snapshot: {own:?}");
    for it in all.iter().filter(|it| it.table == Some(shape(1).id)) {
        assert_eq!(it.fault, None, "{context}: {}", it.name);
        restore(&engine, &it.name, 1).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(listed(&engine, &it.name, 1), *it);
    }
    write(&engine, &insert(1, 1, 7, 9, b"it goes on")).unwrap();
    flush(&engine).unwrap();
    drop(engine);
    let engine = world.engine();
    assert!(rows(&engine, &all_of(1)).iter().any(|it| it.1 == 7), "{context}");
}

#[test]
fn all_that_was_not_synced_is_lost() {
    let points = crash_everywhere(|disk, _| disk.crash_all_lost());
    assert!(points > 200, "{points} crash points");
}

#[test]
fn some_of_what_was_not_synced_is_lost_and_some_is_torn() {
    for seed in 0..3 {
        crash_everywhere(|disk, point| {
            disk.crash(&mut Rng::from_seed(seed * 1_000_003 + point));
        });
    }
}

#[test]
fn a_killed_process_loses_nothing() {
    crash_everywhere(|disk, _| disk.crash_keep_all());
}
