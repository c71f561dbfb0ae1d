//! Fragments of one sstable into another: what `scrub` saves, and what an import takes in.

use model::{Deletion, Partition, PartitionKey};

use crate::Error;
use crate::piece::Piece;
use crate::sstable::Writer;
use crate::sstable::block::Fragment;

/// An sstable that is written from fragments in order. Holds what a [`Writer`] holds, and one fragment.
pub(crate) struct FragmentCopy {
    writer: Writer,
    open: Option<Open>,
    /// Partitions written, in whole or in part.
    pub(crate) partitions: u64,
    /// Rows written.
    pub(crate) rows: u64,
}

/// The partition that is being written.
struct Open {
    key: PartitionKey,
    deletion: Option<Deletion>,
}

impl FragmentCopy {
    pub(crate) fn into(writer: Writer) -> FragmentCopy {
        FragmentCopy { writer, open: None, partitions: 0, rows: 0 }
    }

    /// Adds a fragment to the partition that is open, or begins another one.
    pub(crate) fn put(&mut self, it: Fragment) -> Result<(), Error> {
        let Fragment { start, end, mut part } = it;
        let (deletion, static_row) = (part.deletion.take(), std::mem::take(&mut part.static_row));
        if self.open.as_ref().is_none_or(|it| it.key != part.key) {
            if self.open.is_some() {
                self.writer.end()?;
            }
            let key = part.key.clone();
            self.open = Some(Open { key: key.clone(), deletion });
            self.writer.begin(Partition { deletion, static_row, ..Partition::empty(key) });
            self.partitions += 1;
        }
        // It hides nothing in a file that a node wrote; one that somebody else made would not be in normal form.
        if let Some(deletion) = self.open.as_ref().and_then(|it| it.deletion) {
            part.delete(deletion);
            part.deletion = None;
        }
        self.rows += part.rows.len() as u64;
        self.writer.add(Piece { start, end, part })
    }

    /// The writer, which waits to be finished.
    pub(crate) fn end(mut self) -> Result<Writer, Error> {
        if self.open.is_some() {
            self.writer.end()?;
        }
        Ok(self.writer)
    }
}
