//! Every sound block of a damaged sstable into a new one.
//!
//! ```text
//!   damaged    p1 p2 │ p3 ["", k) │ ▒▒▒▒▒▒▒▒▒ │ p3 [t, ff) │ p4
//!   new        p1 p2   p3 ["", k)               [t, ff)      p4        whole, with index, filter and stats of its own
//! ```
//!
//! The new file has the number of the old one, and so its name: it takes its place when an operator moves it there. What
//! is lost may be a tombstone, so older sstables may show again what it hid.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use model::TableId;
use sys::Disk;

use super::copy::FragmentCopy;
use super::damage::Damage;
use super::error::Error;
use super::sstable::{Found, Sstable};
use super::walk::Step;
use crate::sstable::{self, Writer};
use crate::{Error as EngineError, TableShape};

/// What a table is told to have if it does not say: a compaction writes the filter that it asks for.
const BLOOM_FP: f64 = 0.01;

/// Rows of a block before they are turned into columns, bytes: as a node writes them.
const BLOCK_BYTES: usize = 16 << 10;

/// What was saved, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Saved {
    /// The new file; none if there was no sound block.
    pub file: Option<PathBuf>,
    /// Sound blocks of the old file.
    pub blocks: u64,
    /// Partitions in the new file, in whole or in part.
    pub partitions: u64,
    /// Rows in the new file.
    pub rows: u64,
    /// Damaged places of the old file.
    pub damaged: u64,
    /// How many of these held rows, so that something is lost.
    pub lost: u64,
}

/// Writes what can be read of the sstable at `path` to a new file in the folder `out`, which is made if need be, and
/// reads that back. Shows what is damaged. The old file stays as it is, and nothing else is overwritten either.
///
/// # Errors
/// Where the old file cannot be opened, the new one is there already, or cannot be written; then there is none.
pub fn scrub(
    disk: &dyn Disk,
    path: &Path,
    out: &Path,
    see: &mut dyn FnMut(&Damage),
) -> Result<Saved, Error> {
    let old = Sstable::open(disk, path)?;
    let file = sstable::path(out, old.id());
    if disk.exists(&file) {
        return Err(Error::Exists { file });
    }
    let at_out = |it| EngineError::io(out, it);
    sys::disk::create_dir_all_durably(disk, out).map_err(at_out)?;
    let symbols = Arc::default();
    let writer = Writer::create(disk, &file, old.id(), &shape(path), BLOCK_BYTES, &symbols)?;
    let mut saved = Saved::default();
    let written = copy(&old, writer, see, &mut saved).and_then(|is_any| {
        if is_any {
            read_back(disk, &file, &saved)?;
        }
        Ok(is_any)
    });
    if matches!(written, Ok(true)) {
        saved.file = Some(file);
    } else {
        // It is ours, and not what it should be.
        disk.remove(&file).map_err(at_out)?;
    }
    disk.sync_dir(out).map_err(at_out)?;
    written.map(|_| saved)
}

/// The table by the name of its folder: only its id is written, and to where nobody looks at it.
fn shape(path: &Path) -> TableShape {
    let folder = path.parent().and_then(|it| it.file_name()?.to_str());
    let id = folder.and_then(|it| uuid::Uuid::parse_str(it).ok()).unwrap_or_default();
    TableShape { gc_grace_seconds: 0, bloom_fp: BLOOM_FP, ..TableShape::new(TableId(id)) }
}

/// Copies every sound block; whether there was one.
fn copy(
    old: &Sstable,
    writer: Writer,
    see: &mut dyn FnMut(&Damage),
    saved: &mut Saved,
) -> Result<bool, Error> {
    let outer = old.damage().iter().cloned().map(Step::Damage);
    let mut copy = FragmentCopy::into(writer);
    for step in outer.chain(old.walk()) {
        match step {
            Step::Damage(it) => {
                see(&it);
                saved.damaged += 1;
                saved.lost += u64::from(it.place.holds_rows());
            }
            Step::Block(_, fragments) => {
                saved.blocks += 1;
                fragments.into_iter().try_for_each(|it| copy.put(it))?;
            }
        }
    }
    (saved.partitions, saved.rows) = (copy.partitions, copy.rows);
    Ok(copy.end()?.finish()?)
}

/// Reads the new file from the first byte to the last.
fn read_back(disk: &dyn Disk, file: &Path, saved: &Saved) -> Result<(), Error> {
    let mut first = None;
    let counted = Sstable::open(disk, file)?.read(&mut |it| {
        if let Found::Damage(it) = it {
            first.get_or_insert_with(|| it.clone());
        }
    });
    let what = match first {
        Some(it) => format!("the {} at byte {}: {}", it.place, it.offset, it.what),
        None if counted.is_whole()
            && (counted.partitions(), counted.rows()) == (saved.partitions, saved.rows) =>
        {
            return Ok(());
        }
        None => format!("{} rows instead of {}", counted.rows(), saved.rows),
    };
    Err(Error::NotSaved { file: file.to_path_buf(), what })
}
