//! The side of the log that touches the disk: one batch at a time, segment after segment.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sys::{Clock, Disk, File, Open};

use super::archive::Archive;
use super::{Batch, Size, format};
use crate::stats::Counters;
use crate::{Error, Options};

pub(super) struct Writer {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    counters: Arc<Counters>,
    /// Lengths of the segments on disk, all of it durable.
    segments: BTreeMap<u64, u64>,
    current: Option<Current>,
    archive: Option<Archive>,
    size: Arc<Size>,
    /// Percent of the disk that a new segment must find free.
    free_min: u8,
    segment_bytes: u64,
}

/// The segment being written.
struct Current {
    segment: u64,
    path: PathBuf,
    file: Arc<dyn File>,
}

impl Writer {
    pub(super) fn new(
        options: &Options,
        (disk, clock, counters): (Arc<dyn Disk>, Arc<dyn Clock>, Arc<Counters>),
        segments: Vec<(u64, u64)>,
        size: Arc<Size>,
    ) -> Writer {
        let dir = super::directory(&options.data_dir);
        let archive = options.archive_dir.clone().map(|archive| {
            Archive::new(archive, dir.clone(), Arc::clone(&disk), Arc::clone(&counters))
        });
        let writer = Writer {
            dir,
            disk,
            clock,
            counters,
            segments: segments.into_iter().collect(),
            current: None,
            archive,
            size,
            // Half of what is kept back: the other half is for flushes, which make room.
            free_min: 100_u8.saturating_sub(options.disk_reject) / 2,
            segment_bytes: options.segment_bytes,
        };
        writer.publish_size();
        writer
    }

    /// Writes `batch` where it belongs, durably.
    pub(super) fn write(&mut self, batch: &mut Batch) -> Result<(), Error> {
        let segment = batch.at.segment;
        if self.current.as_ref().is_none_or(|it| it.segment != segment) {
            self.current = Some(self.create(segment)?);
        }
        let Some(Current { path, file, .. }) = &self.current else { return Err(Error::LogFailed) };
        let durable = self.segments.get(&segment).copied().unwrap_or(format::HEADER_BYTES);
        assert_eq!(durable, batch.at.offset, "batches of a segment follow one another");
        format::seal(&mut batch.bytes, segment, batch.at.offset, durable);
        file.write_at(&batch.bytes, batch.at.offset).map_err(|it| Error::io(path, it))?;
        let begun = self.clock.monotonic();
        // Whatever a failed sync says, nobody knows what is durable now: never `DiskFull`, which is tried again.
        file.sync().map_err(|source| Error::Io { file: path.clone(), source: Arc::new(source) })?;
        self.counters.fsync.record(self.clock.monotonic().saturating_sub(begun));
        self.segments.insert(segment, batch.at.offset + batch.bytes.len() as u64);
        self.publish_size();
        Ok(())
    }

    /// Says behind the last record that all of it is durable, so that rot in it is not taken for a torn tail. Nobody waits
    /// for it, and the next record overwrites it.
    pub(super) fn mark(&self) {
        let Some(Current { segment, path, file }) = &self.current else { return };
        let Some(&end) = self.segments.get(segment) else { return };
        if let Err(error) = file.write_at(&format::mark(*segment, end), end) {
            tracing::warn!(file = %path.display(), %error, "could not mark the end of the log");
        }
    }

    /// Creates a segment, durable with its header before it takes a record. A file of an attempt that failed is begun anew.
    fn create(&mut self, segment: u64) -> Result<Current, Error> {
        let path = format::path(&self.dir, segment);
        let failed = |it| Error::io(&path, it);
        let space = self.disk.space(&self.dir).map_err(failed)?;
        if space.used_percent() > 100 - self.free_min {
            return Err(Error::DiskFull { file: path });
        }
        let file = self.disk.open(&path, Open::Write).map_err(failed)?;
        file.preallocate(self.segment_bytes).map_err(failed)?;
        let (previous, previous_bytes) =
            self.segments.range(..segment).next_back().map_or((0, 0), |(id, len)| (*id, *len));
        let header = format::Header { segment, previous, previous_bytes };
        file.write_at(&header.encode(), 0).map_err(failed)?;
        file.sync().map_err(failed)?;
        self.disk.sync_dir(&self.dir).map_err(failed)?;
        self.segments.insert(segment, format::HEADER_BYTES);
        if previous > 0 {
            // If it fails, it is tried again before the file goes.
            self.archive(previous);
        }
        Ok(Current { segment, path, file })
    }

    pub(super) fn remove_below(&mut self, segment: u64) -> Result<(), Error> {
        while let Some((&oldest, _)) = self.segments.first_key_value() {
            let is_current = self.current.as_ref().is_some_and(|it| it.segment == oldest);
            if segment <= oldest || is_current {
                break;
            }
            if !self.archive(oldest) {
                break;
            }
            let path = format::path(&self.dir, oldest);
            match self.disk.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io(&path, error));
                }
                Ok(()) | Err(_) => {}
            }
            self.segments.remove(&oldest);
        }
        self.publish_size();
        Ok(())
    }

    /// Whether a segment that takes no more records is in the archive, or none is asked for.
    pub(super) fn archive(&mut self, segment: u64) -> bool {
        self.archive.as_mut().is_none_or(|it| it.keep(segment))
    }

    pub(super) fn remove_all(&mut self) -> Result<(), Error> {
        self.current = None;
        self.remove_below(u64::MAX)
    }

    pub(super) fn oldest(&self) -> Option<u64> {
        let (&oldest, _) = self.segments.first_key_value()?;
        self.current.as_ref().is_none_or(|it| it.segment != oldest).then_some(oldest)
    }

    fn publish_size(&self) {
        self.size.segments.store(self.segments.len() as u64, Ordering::Relaxed);
        self.size.bytes.store(self.segments.values().sum(), Ordering::Relaxed);
    }
}
