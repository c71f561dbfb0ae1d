//! Files and folders behind a trait: the real disk, and one in memory that loses power on demand.
//!
//! Calls block. Whoever must not be blocked runs them as a [`Job`](crate::Job).

mod memory;
mod real;

#[cfg(test)]
mod tests;

pub use memory::{Faults, MemoryDisk};
pub use real::RealDisk;

use std::io;
use std::path::Path;
use std::sync::Arc;

/// How to open a file. All three give a handle at positions of the caller's choosing: there is no
/// cursor and no append mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// To read only; the file must exist.
    Read,
    /// To read and write; an empty file is created if there is none.
    Write,
    /// To read and write a new file; fails with `AlreadyExists` if there is one.
    CreateNew,
}

/// A file system. Creating, renaming, linking and removing are durable only after
/// [`Disk::sync_dir`] of the parent folder.
///
/// Paths are taken as they are; errors are those of the operating system (`NotFound`,
/// `AlreadyExists`, `StorageFull`, …).
pub trait Disk: Send + Sync + 'static {
    /// Opens the file at `path`.
    fn open(&self, path: &Path, how: Open) -> io::Result<Arc<dyn File>>;

    /// Creates the folder at `path` and its missing parents.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// The names of the files and folders in `dir`, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Renames a file or a folder; a file at `to` is replaced atomically.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Handles to it stay usable.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder with all it holds.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Whether there is a file or a folder at `path`.
    fn exists(&self, path: &Path) -> bool;

    /// Whether there is a folder at `path`.
    fn is_dir(&self, path: &Path) -> bool;

    /// Makes the entries of `dir` durable: which names it has and what they point to, not the bytes
    /// of the files.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Gives the file at `from` a second name.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// The room on the file system that holds `path`.
    fn space(&self, path: &Path) -> io::Result<Space>;

    /// Takes the exclusive advisory lock on the file at `path`, created if absent; held until the
    /// answer is dropped. Fails with `WouldBlock` while another holds it, in this process or
    /// another.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;
}

/// The room on a file system, bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Still free for us.
    pub free: u64,
    /// Free for us, and used by anyone.
    pub total: u64,
}

impl Space {
    /// How much of it is used, percent, rounded down.
    pub fn used_percent(&self) -> u8 {
        let used = u128::from(self.total.saturating_sub(self.free));
        u8::try_from(used * 100 / u128::from(self.total.max(1))).unwrap_or(100)
    }
}

/// A held lock; dropping it releases.
pub trait Lock: Send + Sync {}

/// An open file. Shared by reference: positions are arguments, so readers and one writer need no
/// lock between them.
#[expect(
    clippy::len_without_is_empty,
    reason = "the length of a file costs a system call and may fail"
)]
pub trait File: Send + Sync {
    /// Reads up to `buf.len()` bytes from `offset`; fewer than asked means the end of the file is
    /// near, zero that it is reached.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills `buf` from `offset`; `UnexpectedEof` if the file ends before.
    fn read_exact_at(&self, mut buf: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buf.is_empty() {
            match self.read_at(buf, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    buf = &mut buf[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads so many bytes from `offset`; `UnexpectedEof` if the file ends before. The caller bounds how many.
    fn read_bytes_at(&self, bytes: usize, offset: u64) -> io::Result<Vec<u8>> {
        let mut buf = vec![0; bytes];
        self.read_exact_at(&mut buf, offset)?;
        Ok(buf)
    }

    /// Writes all of `buf` at `offset`; a gap behind the old end reads as zeros. After an error any
    /// part may be written.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;

    /// Makes all that was written, and the length, durable (fdatasync). After an error nobody knows
    /// what is: do not try again and believe it.
    fn sync(&self) -> io::Result<()>;

    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Cuts the file, or lengthens it with zeros, to `len` bytes. Durable after [`File::sync`].
    fn truncate(&self, len: u64) -> io::Result<()>;

    /// Asks for room for `len` bytes without changing the length; only a hint, and nothing where it
    /// is not supported.
    fn preallocate(&self, len: u64) -> io::Result<()> {
        let _ = len;
        Ok(())
    }
}

/// Whether the process or the system has as many files open as it may: what failed may be tried again once some are
/// closed.
pub fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let open_max = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|it| open_max.contains(&it))
}

/// The whole file at `path`; `FileTooLarge` if it is longer than `limit` bytes, before any of it is
/// read.
pub fn read_all(disk: &dyn Disk, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Open::Read)?;
    let len = file.len()?;
    if limit < len {
        let text = format!("{} has {len} bytes, more than the {limit} allowed", path.display());
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    let len = usize::try_from(len).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Replaces the file at `path` so that a crash leaves the old bytes or the new ones, whole. Durable
/// once it answers.
///
/// Goes through `<path>.tmp`, which a crash may leave behind and the next call overwrites; one
/// writer per path.
pub fn write_atomically(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?.to_owned();
    name.push(".tmp");
    let tmp = path.with_file_name(name);
    write_synced(disk, &tmp, bytes)?;
    disk.rename(&tmp, path)?;
    disk.sync_dir(parent(path))
}

/// Replaces what the file at `path` holds, fsyncs it, and answers the open file. A crash on the way
/// may leave any part of the old bytes and the new.
pub(crate) fn write_synced(
    disk: &dyn Disk,
    path: &Path,
    bytes: &[u8],
) -> io::Result<Arc<dyn File>> {
    let file = disk.open(path, Open::Write)?;
    file.truncate(0)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    Ok(file)
}

/// Creates the folder at `path` and its missing parents so that a power loss does not take them.
/// Durable once it answers.
pub fn create_dir_all_durably(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.create_dir_all(path)?;
    // All the way up, whether they were missing or not: a run that was killed may have made them
    // without syncing.
    for ancestor in path.ancestors().skip(1) {
        let dir = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
        match disk.sync_dir(dir) {
            Ok(()) => {}
            // A folder that we may not read is not one that we made.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The folder that holds `path`; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}
