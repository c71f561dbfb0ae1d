//! The real disk and the one in memory answer alike, and the helpers survive a crash at every
//! operation.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use super::{
    Disk, Faults, File, MemoryDisk, Open, RealDisk, create_dir_all_durably, read_all,
    write_atomically,
};
use crate::Rng;

/// Few paths, so that they meet: names at the top, in a folder, in a folder of a folder, below what
/// may be a file.
const PATHS: [&str; 8] = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "b/a"];

#[derive(Clone, Debug)]
enum Call {
    Open(usize, Open),
    OnFile(FileCall),
    CreateDirAll(usize),
    List(usize),
    Rename(usize, usize),
    Remove(usize),
    RemoveDirAll(usize),
    HardLink(usize, usize),
    SyncDir(usize),
    Lock(usize),
    Look(usize),
}

/// A call on the file that was opened last.
#[derive(Clone, Debug)]
enum FileCall {
    Write(u8, u16),
    Read(u8, u16),
    ReadBytes(u8, u16),
    Truncate(u16),
    Len,
    Sync,
}

fn file_call() -> impl Strategy<Value = FileCall> {
    let offset = 0..1500u16;
    prop_oneof![
        4 => (any::<u8>(), offset.clone()).prop_map(|(fill, offset)| FileCall::Write(fill, offset)),
        3 => (any::<u8>(), offset.clone()).prop_map(|(len, offset)| FileCall::Read(len, offset)),
        3 => (any::<u8>(), offset.clone()).prop_map(|(len, offset)| FileCall::ReadBytes(len, offset)),
        1 => offset.prop_map(FileCall::Truncate),
        1 => Just(FileCall::Len),
        1 => Just(FileCall::Sync),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    let path = 0..PATHS.len();
    prop_oneof![
        4 => (path.clone(), prop_oneof![Just(Open::Read), Just(Open::Write), Just(Open::CreateNew)])
            .prop_map(|(path, how)| Call::Open(path, how)),
        10 => file_call().prop_map(Call::OnFile),
        3 => path.clone().prop_map(Call::CreateDirAll),
        2 => path.clone().prop_map(Call::List),
        4 => (path.clone(), path.clone()).prop_map(|(from, to)| Call::Rename(from, to)),
        2 => path.clone().prop_map(Call::Remove),
        1 => path.clone().prop_map(Call::RemoveDirAll),
        2 => (path.clone(), path.clone()).prop_map(|(from, to)| Call::HardLink(from, to)),
        1 => path.clone().prop_map(Call::SyncDir),
        1 => path.clone().prop_map(Call::Lock),
        2 => path.prop_map(Call::Look),
    ]
}

/// One side of the comparison, with the file opened last.
struct Side<'a> {
    disk: &'a dyn Disk,
    root: PathBuf,
    file: Option<Arc<dyn File>>,
}

impl Side<'_> {
    /// What a call answers, in words.
    fn answer(&mut self, call: &Call) -> String {
        match self.make(call) {
            Ok(text) => text,
            Err(error) => format!("{:?}", error.kind()),
        }
    }

    fn make(&mut self, call: &Call) -> io::Result<String> {
        let disk = self.disk;
        let path = |number: &usize| self.root.join(PATHS[*number]);
        match call {
            Call::Open(at, how) => self.file = Some(disk.open(&path(at), *how)?),
            Call::CreateDirAll(at) => disk.create_dir_all(&path(at))?,
            Call::List(at) => return Ok(format!("{:?}", disk.list(&path(at))?)),
            Call::Rename(from, to) => disk.rename(&path(from), &path(to))?,
            Call::Remove(at) => disk.remove(&path(at))?,
            Call::RemoveDirAll(at) => disk.remove_dir_all(&path(at))?,
            Call::HardLink(from, to) => disk.hard_link(&path(from), &path(to))?,
            Call::SyncDir(at) => disk.sync_dir(&path(at))?,
            Call::Lock(at) => drop(disk.lock(&path(at))?),
            Call::Look(at) => {
                return Ok(format!("{} {}", disk.exists(&path(at)), disk.is_dir(&path(at))));
            }
            Call::OnFile(call) => {
                let Some(file) = &self.file else { return Ok("no file".to_owned()) };
                return make_on_file(&**file, call);
            }
        }
        Ok("done".to_owned())
    }
}

fn make_on_file(file: &dyn File, call: &FileCall) -> io::Result<String> {
    match call {
        FileCall::Write(fill, offset) => {
            file.write_at(&vec![*fill; usize::from(*fill) * 3], (*offset).into())?;
        }
        FileCall::Read(len, offset) => {
            let mut buf = vec![0; usize::from(*len)];
            let count = file.read_at(&mut buf, (*offset).into())?;
            return Ok(format!("{:?}", &buf[..count]));
        }
        FileCall::ReadBytes(len, offset) => {
            return Ok(format!("{:?}", file.read_bytes_at((*len).into(), (*offset).into())?));
        }
        FileCall::Truncate(len) => file.truncate((*len).into())?,
        FileCall::Len => return Ok(file.len()?.to_string()),
        FileCall::Sync => file.sync()?,
    }
    Ok("done".to_owned())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn memory_answers_as_the_real_disk(calls in prop::collection::vec(call(), 1..60)) {
        let dir = tempfile::tempdir().unwrap();
        let memory = MemoryDisk::new();
        let mut real = Side { disk: &RealDisk, root: dir.path().to_owned(), file: None };
        let mut simulated = Side { disk: &memory, root: PathBuf::from("/"), file: None };
        for call in &calls {
            prop_assert_eq!(real.answer(call), simulated.answer(call), "{:?}", call);
        }
    }
}

#[test]
fn a_lock_has_one_holder() {
    let dir = tempfile::tempdir().unwrap();
    let memory = MemoryDisk::new();
    let both: [(&dyn Disk, &Path); 2] = [(&RealDisk, dir.path()), (&memory, Path::new("/"))];
    for (disk, root) in both {
        let path = root.join("lock");
        let held = disk.lock(&path).unwrap();
        assert_eq!(disk.lock(&path).map(drop).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(disk.lock(&root.join("other")).unwrap());
        drop(held);
        drop(disk.lock(&path).unwrap());
    }
}

#[test]
fn space_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let real = RealDisk.space(dir.path()).unwrap();
    assert!(0 < real.free && real.free <= real.total && real.used_percent() <= 100);
    let memory = MemoryDisk::new();
    memory.set_faults(Faults { capacity: Some(100), ..Faults::default() });
    memory.open(Path::new("a"), Open::Write).unwrap().write_at(&[0; 30], 0).unwrap();
    let space = memory.space(Path::new("/")).unwrap();
    assert_eq!((space, space.used_percent()), (super::Space { free: 70, total: 100 }, 30));
}

#[test]
fn preallocating_keeps_the_length() {
    let dir = tempfile::tempdir().unwrap();
    let file = RealDisk.open(&dir.path().join("a"), Open::CreateNew).unwrap();
    file.preallocate(1 << 16).unwrap();
    assert_eq!(file.len().unwrap(), 0);
}

#[test]
fn read_all_refuses_what_is_too_long() {
    let disk = MemoryDisk::new();
    let path = Path::new("a");
    disk.open(path, Open::Write).unwrap().write_at(b"four", 0).unwrap();
    assert_eq!(read_all(&disk, path, 4).unwrap(), b"four");
    assert_eq!(read_all(&disk, path, 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn write_atomically_leaves_old_or_new_wherever_it_crashes() {
    let (path, old, new) = (Path::new("d/file"), vec![1; 3000], vec![2; 5000]);
    let mut outcomes = [0; 2];
    for seed in 0..40 {
        for last in 0.. {
            let disk = MemoryDisk::new();
            create_dir_all_durably(&disk, Path::new("d")).unwrap();
            write_atomically(&disk, path, &old).unwrap();
            let fail = Some(disk.ops() + last);
            disk.set_faults(Faults { fail_after_ops: fail, ..Faults::default() });
            let written = write_atomically(&disk, path, &new);
            disk.crash(&mut Rng::from_seed(seed));
            let found = read_all(&disk, path, 1 << 20).unwrap();
            if written.is_ok() {
                assert!(found == new, "an acknowledged file is lost");
                break;
            }
            assert!(found == old || found == new, "torn at operation {last}, seed {seed}");
            outcomes[usize::from(found == new)] += 1;
        }
    }
    assert!(outcomes.iter().all(|count| 0 < *count), "{outcomes:?}");
}

#[test]
fn folders_made_durably_outlast_a_power_loss() {
    let disk = MemoryDisk::new();
    create_dir_all_durably(&disk, Path::new("/a/b/c")).unwrap();
    create_dir_all_durably(&disk, Path::new("x")).unwrap();
    disk.create_dir_all(Path::new("/lost/too")).unwrap();
    disk.crash_all_lost();
    assert!(disk.is_dir(Path::new("/a/b/c")));
    assert!(disk.is_dir(Path::new("/x")));
    assert!(!disk.exists(Path::new("/lost")));

    let dir = tempfile::tempdir().unwrap();
    create_dir_all_durably(&RealDisk, &dir.path().join("a/b")).unwrap();
    create_dir_all_durably(&RealDisk, &dir.path().join("a/b")).unwrap();
    assert!(RealDisk.is_dir(&dir.path().join("a/b")));
}
