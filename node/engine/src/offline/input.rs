//! A file that may be damaged anywhere, read in pieces that lie inside of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use sys::{Disk, File, Open};

use crate::Error;
use crate::sstable::SECTION_BYTES_MAX;
use crate::sstable::format::Extent;

/// Read ahead of a look for blocks, bytes.
const WINDOW_BYTES: u64 = 64 << 10;

/// What cannot be read at once is tried in pieces as large as a drive's sectors, bytes.
const SECTOR_BYTES: usize = 512;

/// A file, open to read.
pub(super) struct Input {
    pub(super) path: PathBuf,
    pub(super) len: u64,
    file: Arc<dyn File>,
}

impl Input {
    pub(super) fn open(disk: &dyn Disk, path: &Path) -> Result<Input, Error> {
        let failed = |it| Error::io(path, it);
        let file = disk.open(path, Open::Read).map_err(failed)?;
        let len = file.len().map_err(failed)?;
        Ok(Input { path: path.to_path_buf(), len, file })
    }

    /// These bytes, or why not. Nothing is allocated for bytes that the file does not have.
    pub(super) fn read(&self, extent: Extent) -> Result<Bytes, String> {
        let end = extent.offset.checked_add(extent.bytes);
        if end.is_none_or(|it| self.len < it) {
            return Err("it goes on behind the end of the file".into());
        }
        if SECTION_BYTES_MAX < extent.bytes {
            return Err("an absurd length".into());
        }
        let mut bytes = vec![0; extent.bytes as usize];
        // A sector that the drive gave up is damage like any other: what lies around it is still read.
        self.file
            .read_exact_at(&mut bytes, extent.offset)
            .map_err(|it| format!("it cannot be read ({it})"))?;
        Ok(bytes.into())
    }

    /// The last bytes, at most so many.
    pub(super) fn tail(&self, bytes: u64) -> Extent {
        let bytes = bytes.min(self.len);
        Extent { offset: self.len - bytes, bytes }
    }
}

/// A look at single bytes of a file, from the first to the last.
pub(super) struct Window<'a> {
    input: &'a Input,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    pub(super) fn of(input: &'a Input) -> Window<'a> {
        Window { input, start: 0, bytes: Vec::new() }
    }

    /// The byte at `at`; `None` behind the end.
    pub(super) fn byte(&mut self, at: u64) -> Option<u8> {
        if at < self.start || self.start + self.bytes.len() as u64 <= at {
            self.load(at);
        }
        self.bytes.get((at - self.start) as usize).copied()
    }

    /// Four bytes at `at`, little-endian.
    pub(super) fn u32(&mut self, at: u64) -> Option<u32> {
        let mut word = [0; 4];
        for (byte, at) in word.iter_mut().zip(at..) {
            *byte = self.byte(at)?;
        }
        Some(u32::from_le_bytes(word))
    }

    fn load(&mut self, at: u64) {
        let len = self.input.len.saturating_sub(at).min(WINDOW_BYTES);
        self.start = at;
        self.bytes.clear();
        self.bytes.resize(len as usize, 0);
        if self.input.file.read_exact_at(&mut self.bytes, at).is_ok() {
            return;
        }
        for (part, at) in self.bytes.chunks_mut(SECTOR_BYTES).zip((at..).step_by(SECTOR_BYTES)) {
            // What cannot be read is taken for zeros: no checksum over it will be right.
            if self.input.file.read_exact_at(part, at).is_err() {
                part.fill(0);
            }
        }
    }
}
