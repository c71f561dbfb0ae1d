//! The simulated disk against models of what a power loss leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::{Faults, MemoryDisk};
use crate::Rng;
use crate::disk::{Disk, File, Open, read_all};

fn open(disk: &MemoryDisk, path: &str) -> Arc<dyn File> {
    disk.open(Path::new(path), Open::Write).unwrap()
}

fn read(disk: &MemoryDisk, path: &str) -> Vec<u8> {
    read_all(disk, Path::new(path), 1 << 30).unwrap()
}

/// A file with `bytes`, all of it durable.
fn durable_file(disk: &MemoryDisk, path: &str, bytes: &[u8]) -> Arc<dyn File> {
    let file = open(disk, path);
    file.write_at(bytes, 0).unwrap();
    file.sync().unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    file
}

#[derive(Clone, Debug)]
enum Step {
    Write { offset: usize, len: usize },
    Truncate(usize),
    Sync,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3000usize, 1..2000usize).prop_map(|(offset, len)| Step::Write { offset, len }),
        1 => (0..4000usize).prop_map(Step::Truncate),
        2 => Just(Step::Sync),
    ];
    prop::collection::vec(step, 1..20)
}

/// What may be found after a power loss.
#[derive(Default)]
struct Model {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Per position, every value written there since the last sync.
    unsynced: BTreeMap<usize, BTreeSet<u8>>,
    /// Positions from here on may read as zeros: the length changed since the last sync.
    zeros_from: usize,
    len_min: usize,
    len_max: usize,
}

impl Model {
    fn make(&mut self, step: &Step, fill: u8, file: &dyn File) {
        match *step {
            Step::Write { offset, len } => {
                file.write_at(&vec![fill; len], offset as u64).unwrap();
                self.seen.resize(self.seen.len().max(offset + len), 0);
                self.seen[offset..offset + len].fill(fill);
                (offset..offset + len).for_each(|at| {
                    self.unsynced.entry(at).or_default().insert(fill);
                });
            }
            Step::Truncate(len) => {
                file.truncate(len as u64).unwrap();
                self.seen.resize(len, 0);
                self.zeros_from = self.zeros_from.min(len);
                self.len_min = self.len_min.min(len);
            }
            Step::Sync => {
                file.sync().unwrap();
                self.durable.clone_from(&self.seen);
                self.unsynced.clear();
                self.zeros_from = self.seen.len();
                (self.len_min, self.len_max) = (self.seen.len(), self.seen.len());
            }
        }
        self.len_max = self.len_max.max(self.seen.len());
    }

    fn explains(&self, found: &[u8]) -> bool {
        let explained = |(at, byte): (usize, &u8)| {
            self.durable.get(at) == Some(byte)
                || self.unsynced.get(&at).is_some_and(|bytes| bytes.contains(byte))
                || (self.zeros_from <= at && *byte == 0)
        };
        (self.len_min..=self.len_max).contains(&found.len())
            && found.iter().enumerate().all(explained)
    }
}

proptest! {
    #[test]
    fn a_crash_leaves_only_what_was_written(steps in steps(), seed: u64) {
        let run = || {
            let disk = MemoryDisk::new();
            let file = durable_file(&disk, "a", b"");
            let mut model = Model::default();
            for (number, step) in steps.iter().enumerate() {
                model.make(step, number as u8 + 1, &*file);
            }
            (disk, model)
        };
        let (disk, model) = run();
        prop_assert_eq!(&read(&disk, "a"), &model.seen);
        disk.crash(&mut Rng::from_seed(seed));
        let found = read(&disk, "a");
        let explained = model.explains(&found);
        prop_assert!(explained, "{} bytes, durable {}", found.len(), model.durable.len());

        let (again, _) = run();
        again.crash(&mut Rng::from_seed(seed));
        prop_assert_eq!(&found, &read(&again, "a"), "the same seed, another disk");

        let (lost, model) = run();
        lost.crash_all_lost();
        prop_assert_eq!(read(&lost, "a"), model.durable);

        let (killed, model) = run();
        killed.crash_keep_all();
        prop_assert_eq!(&read(&killed, "a"), &model.seen);
        killed.crash_all_lost();
        prop_assert_eq!(read(&killed, "a"), model.durable, "a kill makes nothing durable");
    }

    /// Names in one folder: a crash leaves the state after some number of the unsynced changes.
    #[test]
    fn names_survive_as_a_prefix(
        changes in prop::collection::vec((0..3usize, 0..3usize), 1..8),
        seed: u64,
    ) {
        let disk = MemoryDisk::new();
        durable_file(&disk, "n0", b"0");
        durable_file(&disk, "n1", b"1");
        let state = || -> Vec<(String, Vec<u8>)> {
            let names = disk.list(Path::new("/")).unwrap();
            names.into_iter().map(|name| (name.clone(), read(&disk, &name))).collect()
        };
        let mut states = vec![state()];
        for (from, to) in changes {
            let (from, to) = (format!("n{from}"), format!("n{to}"));
            // Not all of them succeed; whatever happens is a state.
            let _ = if from == to {
                disk.remove(Path::new(&from))
            } else {
                disk.rename(Path::new(&from), Path::new(&to))
            };
            states.push(state());
        }
        disk.crash(&mut Rng::from_seed(seed));
        prop_assert!(states.contains(&state()));
        let survived = state();
        disk.crash_all_lost();
        prop_assert_eq!(survived, state(), "what survived a crash is durable");
    }

    #[test]
    fn a_rename_between_folders_is_in_one_of_them(seed: u64) {
        let disk = MemoryDisk::new();
        durable_file(&disk, "a", b"1");
        disk.create_dir_all(Path::new("d")).unwrap();
        disk.sync_dir(Path::new("/")).unwrap();
        disk.rename(Path::new("a"), Path::new("d/a")).unwrap();
        disk.crash(&mut Rng::from_seed(seed));
        prop_assert!(disk.exists(Path::new("a")) != disk.exists(Path::new("d/a")));
    }
}

#[test]
fn crashes_of_many_seeds_leave_torn_writes_and_whole_ones() {
    let mut found = BTreeSet::new();
    for seed in 0..200 {
        let disk = MemoryDisk::new();
        let file = durable_file(&disk, "a", &[1; 2048]);
        file.write_at(&[2; 2048], 0).unwrap();
        disk.crash(&mut Rng::from_seed(seed));
        let sectors: Vec<u8> = read(&disk, "a").chunks(512).map(|sector| sector[0]).collect();
        assert!(
            read(&disk, "a").chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0]))
        );
        found.insert(sectors);
    }
    assert!(found.contains(&vec![1, 1, 1, 1]), "nothing kept");
    assert!(found.contains(&vec![2, 2, 2, 2]), "everything kept");
    assert!(found.contains(&vec![2, 2, 1, 1]), "a prefix kept");
    assert!(found.contains(&vec![1, 2, 1, 2]), "any sectors kept");
}

#[test]
fn a_name_is_durable_only_after_its_folder_is_synced() {
    let disk = MemoryDisk::new();
    let file = open(&disk, "a");
    file.write_at(b"1", 0).unwrap();
    file.sync().unwrap();
    disk.crash_all_lost();
    assert!(!disk.exists(Path::new("a")));

    durable_file(&disk, "b", b"2");
    disk.remove(Path::new("b")).unwrap();
    disk.crash_all_lost();
    assert_eq!(read(&disk, "b"), b"2", "an unsynced remove comes back with its bytes");
}

#[test]
fn syncing_one_folder_of_a_rename_syncs_both_and_what_came_before() {
    let disk = MemoryDisk::new();
    disk.create_dir_all(Path::new("d")).unwrap();
    durable_file(&disk, "a", b"new");
    open(&disk, "d/a").write_at(b"old", 0).unwrap();
    disk.rename(Path::new("a"), Path::new("d/a")).unwrap();
    open(&disk, "d/later");
    disk.sync_dir(Path::new("/")).unwrap();
    disk.crash_all_lost();
    assert_eq!(disk.list(Path::new("/")).unwrap(), ["d"]);
    assert_eq!(disk.list(Path::new("d")).unwrap(), ["a"]);
    assert_eq!(read(&disk, "d/a"), b"new");
}

#[test]
fn handles_and_locks_end_with_the_life_they_began_in() {
    let disk = MemoryDisk::new();
    let file = durable_file(&disk, "a", b"1");
    let lock = disk.lock(Path::new("lock")).unwrap();
    disk.crash_keep_all();
    assert!(file.read_at(&mut [0], 0).is_err());
    assert!(file.write_at(b"2", 0).is_err());
    let _next = disk.lock(Path::new("lock")).unwrap();
    drop(lock);
    let taken = disk.lock(Path::new("lock")).map(drop).unwrap_err();
    assert_eq!(
        taken.kind(),
        io::ErrorKind::WouldBlock,
        "an old lock's end frees nothing of today's"
    );
}

#[test]
fn a_lying_sync_makes_nothing_durable() {
    let disk = MemoryDisk::new();
    durable_file(&disk, "a", b"old");
    disk.set_faults(Faults { lying_sync: true, ..Faults::default() });
    open(&disk, "a").write_at(b"new", 0).unwrap();
    open(&disk, "a").sync().unwrap();
    open(&disk, "b");
    disk.sync_dir(Path::new("/")).unwrap();
    disk.crash_all_lost();
    assert_eq!(read(&disk, "a"), b"old");
    assert!(!disk.exists(Path::new("b")));
}

#[test]
fn a_failed_sync_loses_its_writes_even_if_the_next_succeeds() {
    let disk = MemoryDisk::new();
    let file = durable_file(&disk, "a", b"old");
    disk.set_faults(Faults { sync_error: true, ..Faults::default() });
    file.write_at(b"new", 0).unwrap();
    assert!(file.sync().is_err());
    disk.set_faults(Faults::default());
    file.sync().unwrap();
    assert_eq!(read(&disk, "a"), b"new", "readers cannot tell");
    disk.crash_all_lost();
    assert_eq!(read(&disk, "a"), b"old");
}

#[test]
fn a_full_disk_stores_what_fits() {
    let disk = MemoryDisk::new();
    disk.set_faults(Faults { capacity: Some(10), ..Faults::default() });
    let file = open(&disk, "a");
    assert_eq!(file.write_at(&[1; 12], 0).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(read(&disk, "a"), [1; 10]);
    file.write_at(&[2; 10], 0).unwrap();
    assert_eq!(file.truncate(11).unwrap_err().kind(), io::ErrorKind::StorageFull);
    file.truncate(4).unwrap();
    assert_eq!(disk.used_bytes(), 4);
    open(&disk, "b").write_at(&[3; 6], 0).unwrap();
    disk.remove(Path::new("b")).unwrap();
    file.write_at(&[4; 6], 4).unwrap();
}

#[test]
fn absurd_offsets_are_refused() {
    let file = open(&MemoryDisk::new(), "a");
    for offset in [u64::MAX, u64::MAX - 1, 1 << 40] {
        assert_eq!(file.write_at(b"1", offset).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(file.read_at(&mut [0; 4], offset).unwrap(), 0);
    }
    assert_eq!(file.truncate(1 << 40).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    assert!(MemoryDisk::new().open(Path::new("../a"), Open::Write).is_err());
}

#[test]
fn read_and_write_errors_come_when_asked() {
    let disk = MemoryDisk::from_seed(4);
    let file = durable_file(&disk, "a", b"1");
    disk.set_faults(Faults { read_error_chance: 0.5, ..Faults::default() });
    let failed = (0..100).filter(|_| file.read_at(&mut [0], 0).is_err()).count();
    assert!((20..80).contains(&failed), "{failed}");
    disk.set_faults(Faults { write_error: true, ..Faults::default() });
    assert!(file.write_at(b"2", 0).is_err());
    assert_eq!(read(&disk, "a"), b"1");
}

#[test]
fn a_read_only_disk_is_read_and_refuses_every_change() {
    let disk = MemoryDisk::new();
    disk.create_dir_all(Path::new("/a")).unwrap();
    let file = durable_file(&disk, "/a/file", b"kept");
    let path = Path::new("/a/file");
    disk.set_faults(Faults { read_only: true, ..Faults::default() });
    let other = Path::new("/a/other");
    for changed in [
        file.write_at(b"x", 0),
        file.truncate(0),
        disk.open(path, Open::Write).map(drop),
        disk.open(other, Open::CreateNew).map(drop),
        disk.rename(path, other),
        disk.remove(path),
        disk.remove_dir_all(Path::new("/a")),
        disk.hard_link(path, other),
        disk.create_dir_all(Path::new("/b")),
        disk.lock(other).map(drop),
    ] {
        assert_eq!(changed.unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
    }
    disk.create_dir_all(Path::new("/a")).unwrap();
    assert_eq!(read(&disk, "/a/file"), b"kept");
}

#[test]
fn out_of_files_nothing_is_opened_and_what_is_open_goes_on() {
    let disk = MemoryDisk::new();
    disk.create_dir_all(Path::new("/a")).unwrap();
    let file = durable_file(&disk, "/a/file", b"kept");
    disk.set_faults(Faults { out_of_files: true, ..Faults::default() });
    let path = Path::new("/a/file");
    for opened in [
        disk.open(path, Open::Read).map(drop),
        disk.list(Path::new("/a")).map(drop),
        disk.sync_dir(Path::new("/a")),
        disk.lock(path).map(drop),
    ] {
        assert!(crate::disk::is_out_of_files(&opened.unwrap_err()));
    }
    file.write_at(b"more", 4).unwrap();
    file.sync().unwrap();
    disk.set_faults(Faults::default());
    assert_eq!(read(&disk, "/a/file"), b"keptmore");
}

#[test]
fn a_flipped_bit_is_seen_now_and_after_a_crash() {
    let disk = MemoryDisk::new();
    durable_file(&disk, "a", &[0, 0]);
    disk.flip_bit(Path::new("a"), 1, 3).unwrap();
    assert_eq!(read(&disk, "a"), [0, 8]);
    disk.crash_all_lost();
    assert_eq!(read(&disk, "a"), [0, 8]);
    let beyond = disk.flip_bit(Path::new("a"), 2, 0).unwrap_err();
    assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn power_fails_during_the_operation_that_was_named() {
    let disk = MemoryDisk::new();
    let file = durable_file(&disk, "a", b"old");
    disk.set_faults(Faults { fail_after_ops: Some(disk.ops() + 1), ..Faults::default() });
    file.write_at(b"one", 0).unwrap();
    assert!(file.write_at(b"two", 0).is_err(), "the one that may have happened");
    assert!(file.write_at(b"six", 0).is_err(), "one that cannot have");
    assert!(disk.open(Path::new("a"), Open::Read).is_err());
    assert!(disk.lock(Path::new("lock")).is_err());
    disk.crash_keep_all();
    assert_eq!(read(&disk, "a"), b"two");
    assert!(disk.lock(Path::new("lock")).is_ok());
}
