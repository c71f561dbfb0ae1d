//! A row in a memtable: in the bytes that it was written in, or merged from several writes.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use model::written::{Packer, Place};
use model::{Clustering, Row};

use crate::prefix::Prefix;

/// The rows of one mutation, copied among those of others into one buffer, which goes when the last of them does.
#[derive(Clone, Debug)]
pub(crate) struct Copied {
    /// Behind a thin pointer: a memtable has one for each row.
    pub(crate) buffer: Arc<Bytes>,
    /// Where in it they begin.
    pub(crate) from: u32,
    /// Bytes of them.
    pub(crate) len: u32,
}

impl Copied {
    /// Memory taken, bytes: what holds the buffer counts with those at its beginning.
    pub(crate) fn bytes(&self) -> usize {
        let holder = 2 * size_of::<usize>() + size_of::<Bytes>();
        self.len as usize + if self.from == 0 { holder } else { 0 }
    }
}

/// A row. As written it is made only for whoever reads it, so that taking it in costs next to nothing.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Of its clustering.
    prefix: Prefix,
    stored: Stored,
}

#[derive(Clone, Debug)]
enum Stored {
    /// Among the rows of an encoded mutation, which was looked over.
    Written {
        /// Those of many mutations.
        buffer: Arc<Bytes>,
        /// Where in all of it.
        place: Place,
    },
    Merged(Arc<(Clustering, Row)>),
}

/// A memtable is made of them.
const _: () = assert!(size_of::<Entry>() == 40, "an entry takes more than it did");

impl Entry {
    /// The row at `place` among `rows`, where it was found.
    pub(crate) fn written(rows: &Copied, place: Place) -> Entry {
        Entry::written_last(rows.clone(), place)
    }

    /// As `written`, of the last of these rows: what they hold on to needs no second hold.
    pub(crate) fn written_last(rows: Copied, place: Place) -> Entry {
        let Copied { buffer, from, .. } = rows;
        let place = place.behind(from);
        let prefix = Prefix::of(place.clustering(&buffer));
        Entry { prefix, stored: Stored::Written { buffer, place } }
    }

    pub(crate) fn merged(clustering: Clustering, row: Row) -> Entry {
        let prefix = Prefix::of(&clustering.0);
        Entry { prefix, stored: Stored::Merged(Arc::new((clustering, row))) }
    }

    pub(crate) fn prefix(&self) -> Prefix {
        self.prefix
    }

    pub(crate) fn clustering(&self) -> &[u8] {
        match &self.stored {
            Stored::Written { buffer, place } => place.clustering(buffer),
            Stored::Merged(row) => &row.0.0,
        }
    }

    /// How its clustering compares with `clustering`, whose prefix is known.
    pub(crate) fn compare(&self, prefix: Prefix, clustering: &[u8]) -> Ordering {
        self.prefix.cmp(&prefix).then_with(|| self.clustering().cmp(clustering))
    }

    /// A copy of the row, which shares its values.
    pub(crate) fn row(&self) -> (Clustering, Row) {
        match &self.stored {
            Stored::Written { buffer, place } => place.read(buffer),
            Stored::Merged(row) => (**row).clone(),
        }
    }

    /// Looks at the bytes of the row. They lie anywhere: where many rows are read one after the other, it costs a fraction
    /// to have looked at all of them first, for the processor fetches what it needs of many at once.
    pub(crate) fn touch(&self) -> u8 {
        let Stored::Written { buffer, place } = &self.stored else { return 0 };
        let at = place.offset();
        // Most rows take two lines of a cache.
        let byte = |at: usize| buffer.get(at).copied().unwrap_or(0);
        byte(at) ^ byte(at + 64)
    }

    /// Adds the row to those that are collected.
    pub(crate) fn pack(&self, packer: &mut Packer) {
        if let Stored::Written { buffer, place } = &self.stored
            && packer.add_written(buffer, *place)
        {
            return;
        }
        let (clustering, row) = self.row();
        packer.add(clustering, row);
    }

    /// Memory beside the entry itself and the bytes of its mutation.
    pub(crate) fn heap_bytes(&self) -> usize {
        match &self.stored {
            Stored::Written { .. } => 0,
            Stored::Merged(row) => 16 + size_of::<(Clustering, Row)>() + row.1.heap_bytes(),
        }
    }
}
