//! How full the disk is, looked at from time to time: writes are refused while flushes still have room.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use sys::disk::Space;

use crate::stats::count;
use crate::{Error, Lane, inner::Inner};

/// What the last look at the disk found.
#[derive(Debug, Default)]
pub(crate) struct Fullness {
    free: AtomicU64,
    total: AtomicU64,
    used_percent: AtomicU8,
}

impl Fullness {
    /// What the last look found; zeros before the first.
    pub(crate) fn space(&self) -> Space {
        let load = |it: &AtomicU64| it.load(Ordering::Relaxed);
        Space { free: load(&self.free), total: load(&self.total) }
    }

    fn used_percent(&self) -> u8 {
        self.used_percent.load(Ordering::Relaxed)
    }
}

impl Inner {
    /// Looks how full the disk is. From then on writes are refused, or let in again.
    pub(crate) fn look_at_disk(&self) {
        let (dir, options) = (&self.options.data_dir, &self.options);
        let space = match self.disk.space(dir) {
            Ok(space) => space,
            Err(error) => {
                tracing::warn!(dir = %dir.display(), %error, "cannot tell how full the disk is");
                return;
            }
        };
        let fullness = &self.fullness;
        fullness.free.store(space.free, Ordering::Relaxed);
        fullness.total.store(space.total, Ordering::Relaxed);
        let now = space.used_percent();
        let before = fullness.used_percent.swap(now, Ordering::Relaxed);
        let (dir, free) = (dir.display(), space.free);
        let level = |used: u8| (options.disk_warn <= used, options.disk_reject <= used);
        match (level(before), level(now)) {
            ((_, false), (_, true)) => {
                tracing::error!(%dir, free, used_percent = now, "the disk is full: writes are refused");
            }
            ((_, true), (_, false)) => {
                tracing::info!(%dir, free, used_percent = now, "the disk has room: writes go on");
            }
            ((false, _), (true, _)) => {
                tracing::warn!(%dir, free, used_percent = now, "the disk is getting full");
            }
            _ => {}
        }
        if self.refuses_writes() {
            // What is flushed needs no log, and what is merged needs less room.
            self.wake(Lane::Flush);
            self.wake(Lane::Compaction);
        }
    }

    /// Whether the disk is too full for writes.
    pub(crate) fn refuses_writes(&self) -> bool {
        self.options.disk_reject <= self.fullness.used_percent() && self.options.disk_reject < 100
    }

    /// Whether the last look found room for so many bytes more.
    pub(crate) fn has_room(&self, bytes: u64) -> bool {
        bytes <= self.room_bytes()
    }

    /// Bytes that the last look found room for; before the first one nobody knows better than that there is.
    pub(crate) fn room_bytes(&self) -> u64 {
        let space = self.fullness.space();
        if space.total == 0 { u64::MAX } else { space.free }
    }

    /// Refuses a write that the disk may have no room for.
    pub(crate) fn refuse_full(&self) -> Result<(), Error> {
        if self.refuses_writes() {
            count(&self.counters.writes_refused);
            return Err(Error::DiskFull { file: self.options.data_dir.clone() });
        }
        Ok(())
    }
}
