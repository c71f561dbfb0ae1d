//! Which files of a folder are meant.

use std::path::{Path, PathBuf};

use sys::Disk;

use crate::commitlog::format as commitlog;
use crate::{Error, sstable};

/// How deep sstables lie in a data directory at most: `snapshots/NAME/ID/…`, `tables/ID/…`. A link that leads upwards
/// leads no further than this.
const DEPTH_MAX: usize = 4;

/// The sstables below `path`, or itself if it is a file.
///
/// # Errors
/// Where a folder cannot be listed, or nothing is there.
pub fn sstables(disk: &dyn Disk, path: &Path) -> Result<Vec<PathBuf>, Error> {
    find(disk, path, |name| sstable::id_of(name).is_some())
}

/// The segments of a commit log below `path`, or itself if it is a file; those of one folder are in order.
///
/// # Errors
/// As `sstables`.
pub fn segments(disk: &dyn Disk, path: &Path) -> Result<Vec<PathBuf>, Error> {
    find(disk, path, |name| commitlog::segment_of(name).is_some())
}

fn find(
    disk: &dyn Disk,
    path: &Path,
    is_meant: impl Fn(&str) -> bool,
) -> Result<Vec<PathBuf>, Error> {
    if !disk.exists(path) {
        return Err(Error::io(path, std::io::ErrorKind::NotFound.into()));
    }
    if !disk.is_dir(path) {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut found = Vec::new();
    let mut folders = vec![(path.to_path_buf(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        let names = match disk.list(&folder) {
            Ok(names) => names,
            // A table that was dropped meanwhile.
            Err(it) if it.kind() == std::io::ErrorKind::NotFound && depth > 0 => continue,
            Err(it) => return Err(Error::io(&folder, it)),
        };
        for name in names {
            let path = folder.join(&name);
            if disk.is_dir(&path) {
                if depth < DEPTH_MAX {
                    folders.push((path, depth + 1));
                }
            } else if is_meant(&name) {
                found.push(path);
            }
        }
    }
    found.sort_unstable();
    Ok(found)
}
