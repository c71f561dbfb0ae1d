//! How much compactions may take of the machine.

use std::num::{NonZeroU64, NonZeroUsize};

use super::{Error, Layers, Settings, parse_size};

/// With less a compaction of a gigabyte takes half an hour, and nodes do take in a gigabyte in that time.
const THROUGHPUT_MIN: u64 = 1 << 20;

/// More at once than this share a disk to nobody's use, and each holds a block of every file that it reads.
const CONCURRENT_MAX: usize = 16;

impl Settings {
    /// Fits the compactions that run at once to the processors that there are, where nothing else is said: half of them are left
    /// for everything else.
    pub fn fit_processors(&mut self, processors: usize) {
        let half = NonZeroUsize::new((processors / 2).min(CONCURRENT_MAX));
        self.compaction_concurrent = self.compaction_concurrent.or(half);
    }

    /// How many compactions run at once.
    pub(crate) fn compactions(&self) -> NonZeroUsize {
        self.compaction_concurrent.unwrap_or(NonZeroUsize::MIN)
    }
}

/// Bytes that compactions may write in a second; none where they write as many as they can.
pub(super) fn throughput(layers: &Layers) -> Result<Option<NonZeroU64>, Error> {
    layers.parse("compaction.throughput", "off, or a size from 1MiB", |it| match it {
        "off" => Some(None),
        it => parse_size(it).filter(|it| THROUGHPUT_MIN <= *it).map(NonZeroU64::new),
    })
}

/// The compactions that run at once; none where that is for `fit_processors` to find.
pub(super) fn concurrent(layers: &Layers) -> Result<Option<NonZeroUsize>, Error> {
    layers.parse("compaction.concurrent", "auto, or a number from 1 to 16", |it| match it {
        "auto" => Some(None),
        it => it.parse().ok().filter(|it: &NonZeroUsize| it.get() <= CONCURRENT_MAX).map(Some),
    })
}
