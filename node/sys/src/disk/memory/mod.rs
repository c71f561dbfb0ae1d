//! A disk in memory that loses power, lies, fills up and rots on demand.
//!
//! It keeps apart what a process sees and what a power loss leaves:
//!
//! ```text
//!                        seen by readers     durable after
//! write_at, truncate     at once             sync of the file
//! create, rename, …      at once             sync_dir of the folder
//! ```
//!
//! Given the same calls and the same generator it does the same, always.

mod content;
mod tree;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

use self::tree::{Inode, Node, Tree};
use super::{Disk, File, Lock, Open, Space};
use crate::Rng;

/// What a disk without a capacity says is free: a TiB.
const FREE_BYTES: u64 = 1 << 40;

/// What goes wrong from now on. The default is a disk without fault.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Faults {
    /// Power fails during operation number so many (from zero, counted by [`MemoryDisk::ops`]):
    /// that one and all later ones fail until a crash is called. Whether the first of them
    /// happened, the crash decides.
    pub fail_after_ops: Option<u64>,
    /// Syncs answer well and make nothing durable.
    pub lying_sync: bool,
    /// File syncs fail with EIO, and what they covered is never written: a later sync succeeds
    /// without it, as on Linux.
    pub sync_error: bool,
    /// Writes fail with EIO and change nothing.
    pub write_error: bool,
    /// Nothing can be changed: whatever would change a file or a folder fails with `ReadOnlyFilesystem`, as after a
    /// remount.
    pub read_only: bool,
    /// Whatever needs one more open file fails as if the process had as many as it may.
    pub out_of_files: bool,
    /// Bytes that fit on the disk: a write that needs more stores what fits and fails with
    /// `StorageFull`.
    pub capacity: Option<u64>,
    /// The probability that a read fails with EIO.
    pub read_error_chance: f64,
}

/// The simulated disk. A clone is the same disk.
#[derive(Clone)]
pub struct MemoryDisk {
    state: Arc<Mutex<State>>,
}

struct State {
    tree: Tree,
    faults: Faults,
    ops: u64,
    /// Grows with every crash: a handle of an earlier life is dead.
    life: u64,
    /// The inodes that are locked, with the lock's number.
    locks: Vec<(u64, u64)>,
    lock_next: u64,
    rng: Rng,
}

/// Whether an operation lives to give its answer.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Lives,
    /// It happens, perhaps, but power fails before anyone hears.
    Dies,
}

impl Fate {
    fn answer<T>(self, value: T) -> io::Result<T> {
        match self {
            Self::Lives => Ok(value),
            Self::Dies => Err(powered_off()),
        }
    }
}

impl MemoryDisk {
    /// An empty disk without faults.
    pub fn new() -> Self {
        Self::from_seed(0)
    }

    /// An empty disk; the seed decides which reads fail under [`Faults::read_error_chance`].
    pub fn from_seed(seed: u64) -> Self {
        let state = State {
            tree: Tree::new(),
            faults: Faults::default(),
            ops: 0,
            life: 0,
            locks: Vec::new(),
            lock_next: 0,
            rng: Rng::from_seed(seed),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// What goes wrong at present.
    pub fn faults(&self) -> Faults {
        self.lock_state().faults.clone()
    }

    /// Makes other things go wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock_state().faults = faults;
    }

    /// Operations since the disk was made or last crashed: every call of [`Disk`] or [`File`] that
    /// can fail is one.
    pub fn ops(&self) -> u64 {
        self.lock_state().ops
    }

    /// Bytes of all files that have a name.
    pub fn used_bytes(&self) -> u64 {
        self.lock_state().used_bytes()
    }

    /// Power loss. What was not synced survives in part: see [`MemoryDisk`]. Handles are dead,
    /// locks are free, the operation count is zero and [`Faults::fail_after_ops`] is off; other
    /// faults stay.
    pub fn crash(&self, rng: &mut Rng) {
        let mut state = self.lock_state();
        state.tree.crash(rng);
        state.restart();
    }

    /// Power loss that takes all that was not synced. Otherwise as [`MemoryDisk::crash`].
    pub fn crash_all_lost(&self) {
        let mut state = self.lock_state();
        state.tree.crash_all_lost();
        state.restart();
    }

    /// The process is killed and the machine stays up: nothing is lost, and nothing more is
    /// durable. Otherwise as [`MemoryDisk::crash`].
    pub fn crash_keep_all(&self) {
        self.lock_state().restart();
    }

    /// Rot: flips bit `bit` (0 to 7) of byte `byte` of the file at `path`, for readers and on the
    /// disk. `UnexpectedEof` if the file has no such byte.
    pub fn flip_bit(&self, path: &Path, byte: u64, bit: u8) -> io::Result<()> {
        let inode = match self.lock_state().tree.get(path)? {
            Node::File(inode) => inode,
            Node::Folder(_) => return Err(io::ErrorKind::IsADirectory.into()),
        };
        let flipped = inode.content().flip_bit(byte, bit);
        if flipped { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one operation on the tree.
    fn operate<T>(&self, operation: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.lock_state();
        let fate = state.begin()?;
        let value = operation(&mut state)?;
        // A lock that nobody gets to hold needs the state to go away.
        drop(state);
        fate.answer(value)
    }
}

impl Default for MemoryDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock_state();
        f.debug_struct("MemoryDisk")
            .field("ops", &state.ops)
            .field("life", &state.life)
            .finish_non_exhaustive()
    }
}

impl State {
    /// Counts an operation, and tells whether power is on and stays on.
    fn begin(&mut self) -> io::Result<Fate> {
        let number = self.ops;
        self.ops += 1;
        match self.faults.fail_after_ops {
            Some(last) if last < number => Err(powered_off()),
            Some(last) if last == number => Ok(Fate::Dies),
            Some(_) | None => Ok(Fate::Lives),
        }
    }

    fn refuse_change(&self) -> io::Result<()> {
        if self.faults.read_only { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    fn refuse_open(&self) -> io::Result<()> {
        if self.faults.out_of_files { Err(Errno::MFILE.into()) } else { Ok(()) }
    }

    fn restart(&mut self) {
        self.life += 1;
        self.ops = 0;
        self.faults.fail_after_ops = None;
        self.locks.clear();
    }

    fn used_bytes(&self) -> u64 {
        self.tree.files().iter().map(|file| file.content().len()).sum()
    }

    /// How far a file of `len` bytes may grow towards `end`.
    fn end_allowed(&self, len: u64, end: u64) -> u64 {
        match self.faults.capacity {
            Some(capacity) if len < end => {
                let free = capacity.saturating_sub(self.used_bytes());
                end.min(len.saturating_add(free))
            }
            Some(_) | None => end,
        }
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>> {
        self.operate(|state| {
            state.refuse_open()?;
            if how != Open::Read {
                state.refuse_change()?;
            }
            let found = state.tree.get(path);
            let inode = match (how, found) {
                (Open::CreateNew, Ok(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
                (Open::Read | Open::Write, Ok(Node::File(inode))) => inode,
                (Open::Read | Open::Write, Ok(Node::Folder(_))) => {
                    return Err(io::ErrorKind::IsADirectory.into());
                }
                (Open::Read, Err(error)) => return Err(error),
                (Open::Write | Open::CreateNew, Err(_)) => state.tree.file_or_create(path)?,
            };
            let (disk, life, writable) = (self.clone(), state.life, how != Open::Read);
            Ok(Arc::new(MemoryFile { disk, inode, life, writable }) as Arc<dyn File>)
        })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.operate(|state| {
            // Of a folder that is there nothing is asked.
            if state.tree.folder(path).is_err() {
                state.refuse_change()?;
            }
            state.tree.create_dir_all(path)
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.operate(|state| state.refuse_open().and_then(|()| state.tree.list(dir)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(|state| state.refuse_change().and_then(|()| state.tree.rename(from, to)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.operate(|state| state.refuse_change().and_then(|()| state.tree.remove(path)))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.operate(|state| state.refuse_change().and_then(|()| state.tree.remove_dir_all(path)))
    }

    fn exists(&self, path: &Path) -> bool {
        self.lock_state().tree.get(path).is_ok()
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.lock_state().tree.folder(path).is_ok()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.lock_state();
        let fate = state.begin()?;
        state.refuse_open()?;
        state.tree.folder(dir)?;
        // A sync that dies leaves to the crash what it would have made sure of.
        if fate == Fate::Lives && !state.faults.lying_sync {
            state.tree.sync_dir(dir)?;
        }
        fate.answer(())
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate(|state| state.refuse_change().and_then(|()| state.tree.hard_link(from, to)))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        self.operate(|state| {
            state.tree.get(path)?;
            Ok(match state.faults.capacity {
                Some(total) => Space { free: total.saturating_sub(state.used_bytes()), total },
                None => Space { free: FREE_BYTES, total: FREE_BYTES },
            })
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.operate(|state| {
            state.refuse_open()?;
            state.refuse_change()?;
            let inode = state.tree.file_or_create(path)?;
            if state.locks.iter().any(|(locked, _)| *locked == inode.id) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let number = state.lock_next;
            state.lock_next += 1;
            state.locks.push((inode.id, number));
            Ok(Box::new(MemoryLock { disk: self.clone(), number }) as Box<dyn Lock>)
        })
    }
}

struct MemoryFile {
    disk: MemoryDisk,
    inode: Arc<Inode>,
    life: u64,
    writable: bool,
}

impl MemoryFile {
    fn begin(&self) -> io::Result<(MutexGuard<'_, State>, Fate)> {
        let mut state = self.disk.lock_state();
        if state.life != self.life {
            return Err(io::Error::other("the disk lost power after this file was opened"));
        }
        let fate = state.begin()?;
        Ok((state, fate))
    }
}

impl File for MemoryFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let (mut state, fate) = self.begin()?;
        let chance = state.faults.read_error_chance;
        if 0.0 < chance && state.rng.chance(chance) {
            return Err(Errno::IO.into());
        }
        fate.answer(self.inode.content().read_at(buf, offset))
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let (state, fate) = self.begin()?;
        // Of no bytes nothing is asked of the system.
        if !self.writable && !buf.is_empty() {
            return Err(Errno::BADF.into());
        }
        state.refuse_change()?;
        if state.faults.write_error {
            return Err(Errno::IO.into());
        }
        let len = self.inode.content().len();
        let end = offset.saturating_add(buf.len() as u64);
        let fits = state.end_allowed(len, end).saturating_sub(offset);
        let fits = usize::try_from(fits).unwrap_or(usize::MAX).min(buf.len());
        self.inode.content().write_at(&buf[..fits], offset)?;
        if fits < buf.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        fate.answer(())
    }

    fn sync(&self) -> io::Result<()> {
        let (state, fate) = self.begin()?;
        if state.faults.sync_error {
            self.inode.content().lose_unsynced();
            return Err(Errno::IO.into());
        }
        if fate == Fate::Lives && !state.faults.lying_sync {
            self.inode.content().sync();
        }
        fate.answer(())
    }

    fn len(&self) -> io::Result<u64> {
        let (_state, fate) = self.begin()?;
        fate.answer(self.inode.content().len())
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let (state, fate) = self.begin()?;
        if !self.writable {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        state.refuse_change()?;
        let len_old = self.inode.content().len();
        if state.end_allowed(len_old, len) < len {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.inode.content().truncate(len)?;
        fate.answer(())
    }
}

struct MemoryLock {
    disk: MemoryDisk,
    number: u64,
}

impl Lock for MemoryLock {}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        // A lock of an earlier life is not in the list, and its number never comes again.
        self.disk.lock_state().locks.retain(|(_, number)| *number != self.number);
    }
}

fn powered_off() -> io::Error {
    io::Error::other("the disk is powered off")
}
