//! The bytes of one simulated file: what is durable, what the page cache shows, and what lies
//! between.

use std::io;
use std::ops::Range;

use crate::Rng;

/// What a drive writes atomically.
const SECTOR_BYTES: u64 = 512;

/// The longest simulated file: an absurd offset is an error, not an allocation.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// One file's bytes.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// What readers see.
    current: Vec<u8>,
    /// What a power loss leaves at least, where no unsynced write lies above it.
    durable: Vec<u8>,
    /// Changes since the last sync, in order.
    unsynced: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Bytes { offset: u64, bytes: Vec<u8> },
    Length(u64),
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.current.len() as u64
    }

    pub(super) fn read_at(&self, buf: &mut [u8], offset: u64) -> usize {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.current.len());
        let count = buf.len().min(self.current.len() - start);
        buf[..count].copy_from_slice(&self.current[start..start + count]);
        count
    }

    pub(super) fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64).filter(|end| *end <= FILE_BYTES_MAX);
        end.ok_or(io::ErrorKind::FileTooLarge)?;
        if bytes.is_empty() {
            return Ok(());
        }
        let change = Change::Bytes { offset, bytes: bytes.to_vec() };
        change.apply(&mut self.current);
        self.unsynced.push(change);
        Ok(())
    }

    pub(super) fn truncate(&mut self, len: u64) -> io::Result<()> {
        if FILE_BYTES_MAX < len {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let change = Change::Length(len);
        change.apply(&mut self.current);
        self.unsynced.push(change);
        Ok(())
    }

    /// An honest sync.
    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// A failed sync, as Linux does it: readers still see the writes, but nobody will ever try to
    /// write them again.
    pub(super) fn lose_unsynced(&mut self) {
        self.unsynced.clear();
    }

    /// Rot: flips one bit wherever the byte exists. False if the file is too short.
    pub(super) fn flip_bit(&mut self, byte: u64, bit: u8) -> bool {
        let Ok(at) = usize::try_from(byte) else { return false };
        let mask = 1 << (bit % 8);
        let mut found = false;
        for side in [&mut self.current, &mut self.durable] {
            if let Some(byte) = side.get_mut(at) {
                *byte ^= mask;
                found = true;
            }
        }
        found
    }

    /// Power loss that takes all that was not synced.
    pub(super) fn crash_all_lost(&mut self) {
        self.unsynced.clear();
        self.current.clone_from(&self.durable);
    }

    /// Power loss that leaves some of what was not synced: nothing, all, the first few changes with
    /// a torn one behind them, or any of them in any state.
    pub(super) fn crash(&mut self, rng: &mut Rng) {
        let changes = std::mem::take(&mut self.unsynced);
        match rng.below(4) {
            0 => {}
            1 => changes.iter().for_each(|change| change.apply(&mut self.durable)),
            2 => {
                let whole = usize::try_from(rng.below(changes.len() as u64 + 1)).unwrap_or(0);
                changes[..whole].iter().for_each(|change| change.apply(&mut self.durable));
                if let Some(torn) = changes.get(whole) {
                    torn.tear(&mut self.durable, rng);
                }
            }
            _ => {
                for change in &changes {
                    match rng.below(3) {
                        0 => {}
                        1 => change.apply(&mut self.durable),
                        _ => change.tear(&mut self.durable, rng),
                    }
                }
            }
        }
        self.current.clone_from(&self.durable);
    }
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Bytes { offset, bytes } => put(to, *offset, bytes),
            Self::Length(len) => to.resize(index(*len), 0),
        }
    }

    /// Lets some sectors of a write reach the disk: the first few, or any. The new length may be
    /// there without the bytes, which then read as zeros.
    fn tear(&self, to: &mut Vec<u8>, rng: &mut Rng) {
        let Self::Bytes { offset, bytes } = self else { return };
        let sectors = sectors(*offset, bytes.len() as u64);
        let first_only = rng.chance(0.5);
        let prefix = rng.below(sectors.len() as u64);
        if rng.chance(0.5) {
            let end = index(*offset) + bytes.len();
            to.resize(to.len().max(end), 0);
        }
        for (number, sector) in sectors.into_iter().enumerate() {
            let kept = if first_only { (number as u64) < prefix } else { rng.chance(0.5) };
            if kept {
                let part = index(sector.start - offset)..index(sector.end - offset);
                put(to, sector.start, &bytes[part]);
            }
        }
    }
}

/// The parts of `offset..offset + len` that lie in one sector each.
fn sectors(offset: u64, len: u64) -> Vec<Range<u64>> {
    let end = offset + len;
    let mut parts = Vec::new();
    let mut start = offset;
    while start < end {
        let next = ((start / SECTOR_BYTES + 1) * SECTOR_BYTES).min(end);
        parts.push(start..next);
        start = next;
    }
    parts
}

fn put(to: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let start = index(offset);
    let end = start + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    to[start..end].copy_from_slice(bytes);
}

/// Offsets were checked against [`FILE_BYTES_MAX`] when they came in.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
