//! The partitions of many sources, in order.
//!
//! ```text
//!   memtable    a     c  d           each cursor stands at the next partition of its source;
//!   sstable 9   a  b        e        the least of them is the next one of all, and those that
//!   sstable 7      b  c              stand there are what it is merged of: nothing is searched
//! ```

use std::ops::Bound;
use std::sync::Arc;

use model::{Partition, PartitionKey};

use crate::cache::{Halt, Io};
use crate::memtable::Memtable;
use crate::memtable::run::Run;
use crate::merge::{Input, Merge, Order, Source};
use crate::sstable::Spot;

/// Goes over partitions. After `Miss` the same call goes on.
pub(crate) struct Walk {
    cursors: Vec<Cursor>,
    /// Where a cursor begins that stands nowhere yet.
    from: Bound<PartitionKey>,
}

struct Cursor {
    source: Source,
    place: Place,
}

/// Where a cursor stands.
enum Place {
    /// In front of the first partition.
    Start,
    Run(Arc<Run>),
    /// With the key of what lies there.
    Spot(Spot, PartitionKey),
    /// Behind a partition that was taken: the next one is not looked for yet.
    BehindRun(Arc<Run>),
    BehindSpot(Spot),
    End,
}

impl Place {
    /// The partition that it stands at.
    fn key(&self) -> Option<&PartitionKey> {
        match self {
            Place::Run(run) => Some(run.key()),
            Place::Spot(_, key) => Some(key),
            Place::Start | Place::BehindRun(_) | Place::BehindSpot(_) | Place::End => None,
        }
    }
}

impl Cursor {
    /// Stands at a partition, or at the end.
    fn settle(&mut self, from: Bound<&PartitionKey>, io: &Io) -> Result<(), Halt> {
        let run = |it: Option<Arc<Run>>| it.map_or(Place::End, Place::Run);
        let spot = |it: Option<Spot>| {
            it.map_or(Place::End, |it| {
                let key = it.key();
                Place::Spot(it, key)
            })
        };
        self.place = match (&self.place, &self.source) {
            (Place::Start, Source::Memtable(memtable)) => run(memtable.next(from)),
            (Place::Start, Source::Sstable(sstable)) => spot(sstable.first(from, io)?),
            (Place::BehindRun(last), Source::Memtable(memtable)) => run(behind(memtable, last)),
            (Place::BehindSpot(last), Source::Sstable(sstable)) => spot(sstable.after(last, io)?),
            (_, _) => return Ok(()),
        };
        Ok(())
    }

    /// Leaves the partition that it stands at. What there is of it, if anything of it can matter.
    fn take(&mut self, head: &mut Partition, order: Order<'_>) -> Option<Input> {
        match (std::mem::replace(&mut self.place, Place::End), &self.source) {
            (Place::Run(run), _) => {
                self.place = Place::BehindRun(Arc::clone(&run));
                Some(Input::of_run(run, head))
            }
            (Place::Spot(spot, _), Source::Sstable(sstable)) => {
                self.place = Place::BehindSpot(spot.clone());
                let matters = sstable.may_have_heads() || sstable.may_have_rows(order.hull);
                matters.then(|| Input::of_spot(sstable, spot, head))
            }
            (place, _) => {
                self.place = place;
                None
            }
        }
    }
}

fn behind(memtable: &Memtable, last: &Run) -> Option<Arc<Run>> {
    memtable.next(Bound::Excluded(last.key()))
}

impl Walk {
    /// Over what lies at or behind `from`.
    pub(crate) fn new(sources: &[Source], from: Bound<PartitionKey>) -> Walk {
        let cursor = |it: &Source| Cursor { source: it.clone(), place: Place::Start };
        Walk { cursors: sources.iter().map(cursor).collect(), from }
    }

    /// The next partition, of no sources if none holds anything of it that matters. It is the end if it is not wanted.
    pub(crate) fn next(
        &mut self,
        order: Order<'_>,
        is_wanted: impl Fn(&PartitionKey) -> bool,
        io: &Io,
    ) -> Result<Option<Merge>, Halt> {
        for cursor in &mut self.cursors {
            cursor.settle(self.from.as_ref(), io)?;
        }
        let Some(key) = self.cursors.iter().filter_map(|it| it.place.key()).min() else {
            return Ok(None);
        };
        if !is_wanted(key) {
            return Ok(None);
        }
        let mut head = Partition::empty(key.clone());
        let mut inputs = Vec::with_capacity(1);
        for cursor in &mut self.cursors {
            if cursor.place.key() == Some(&head.key) {
                inputs.extend(cursor.take(&mut head, order));
            }
        }
        Ok(Some(Merge::of(head, inputs, order)))
    }
}
