//! Segments that are full get a second name in a folder of the operator's, and lose their own only when they have it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sys::Disk;

use super::{format, replay};
use crate::Error;
use crate::stats::{Counters, count};

/// Where segments are kept for whoever archives them.
pub(crate) struct Archive {
    dir: PathBuf,
    /// That of the log.
    log: PathBuf,
    disk: Arc<dyn Disk>,
    counters: Arc<Counters>,
    /// Told once, until it works again.
    has_failed: bool,
}

/// Makes the folder ready for the segments from `first` on.
///
/// # Errors
/// `BadArchive` if a file of the data directory can have no name there, or if it holds segments of another node: `first` or one
/// behind it.
pub(crate) fn prepare(
    disk: &dyn Disk,
    dir: &Path,
    data_dir: &Path,
    first: u64,
) -> Result<(), Error> {
    sys::disk::create_dir_all_durably(disk, dir).map_err(|it| Error::io(dir, it))?;
    let last = replay::list(disk, dir)?.last().copied();
    if let Some(last) = last.filter(|it| first <= *it) {
        let why =
            format!("it holds segment {last} of another node, or of an earlier data directory");
        return Err(Error::BadArchive { dir: dir.into(), why });
    }
    let probe = dir.join(PROBE);
    let refused = |it: io::Error| Error::BadArchive { dir: dir.into(), why: it.to_string() };
    remove(disk, &probe).map_err(refused)?;
    disk.hard_link(&data_dir.join("FORMAT"), &probe).map_err(refused)?;
    remove(disk, &probe).map_err(refused)
}

/// A name for a moment, by which it is seen that names can be given.
const PROBE: &str = "probe";

fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    disk.remove(path)
        .or_else(|it| if it.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(it) })
}

impl Archive {
    pub(crate) fn new(
        dir: PathBuf,
        log: PathBuf,
        disk: Arc<dyn Disk>,
        counters: Arc<Counters>,
    ) -> Archive {
        Archive { dir, log, disk, counters, has_failed: false }
    }

    /// Gives a segment that takes no more records its name here, durably. Whether it has it now: if not, it is told, and the segment must
    /// stay.
    pub(crate) fn keep(&mut self, segment: u64) -> bool {
        let path = format::path(&self.dir, segment);
        let linked = match self.disk.hard_link(&format::path(&self.log, segment), &path) {
            Ok(()) => Ok(true),
            // Of an attempt before: numbers of segments never come again. But whoever made it may have been killed before it was durable.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        };
        match linked.and_then(|is_new| self.disk.sync_dir(&self.dir).map(|()| is_new)) {
            Ok(is_new) => {
                if std::mem::take(&mut self.has_failed) {
                    tracing::info!("the archive takes segments of the commit log again");
                }
                if is_new {
                    count(&self.counters.segments_archived);
                }
                true
            }
            Err(error) => {
                count(&self.counters.archive_failures);
                if !std::mem::replace(&mut self.has_failed, true) {
                    let file = path.display();
                    tracing::error!(%file, %error, "the archive takes no segment: the commit log keeps what it has");
                }
                false
            }
        }
    }
}
