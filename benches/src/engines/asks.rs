//! Which rows are asked for: the same ones of every engine.

use super::store::{Ask, What};
use super::workload::{Live, Workload, mix};

/// Draws reads.
pub(super) struct Asker<'a> {
    workload: &'a Workload,
    live: &'a Live,
    drawn: u64,
    seed: u64,
}

impl<'a> Asker<'a> {
    /// Draws that depend on `seed` alone.
    pub(super) fn new(workload: &'a Workload, live: &'a Live, seed: u64) -> Asker<'a> {
        Asker { workload, live, drawn: 0, seed: mix(seed, 0xa5c) }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.drawn += 1;
        mix(self.seed, self.drawn) % limit.max(1)
    }

    fn ask(&self, partition: u64, what: What) -> Ask {
        Ask { partition: self.workload.partition_key(partition), what }
    }

    fn row(&mut self) -> (u64, i64) {
        let row = self.below(self.workload.rows);
        (self.workload.partition_of(row), self.workload.time_of(row))
    }

    /// A row that is there.
    pub(super) fn hit(&mut self) -> Ask {
        let row = loop {
            let row = self.below(self.workload.rows);
            if self.live.contains(row) {
                break row;
            }
        };
        let what = What::Row(self.workload.time_of(row));
        self.ask(self.workload.partition_of(row), what)
    }

    /// A time at which no row was due, but others before and, mostly, after it.
    pub(super) fn miss_between(&mut self) -> Ask {
        let (partition, time) = self.row();
        self.ask(partition, What::Row(time + 1))
    }

    /// A time behind all rows.
    pub(super) fn miss_outside(&mut self) -> Ask {
        let (partition, _) = self.row();
        let time = self.workload.end_time() + self.below(1_000_000) as i64;
        self.ask(partition, What::Row(time))
    }

    /// The newest rows of a partition.
    pub(super) fn last(&mut self) -> Ask {
        let (partition, _) = self.row();
        self.ask(partition, What::Last(50))
    }

    /// Rows that were due one after the other in one partition.
    pub(super) fn range(&mut self, rows: u64) -> Ask {
        let workload = self.workload;
        let rounds = workload.rows_per_partition();
        let rows = rows.min(rounds);
        let from = self.below(rounds - rows + 1);
        let partition = self.below(workload.partitions);
        let time = |round| workload.time_of(workload.first_of_round(round));
        self.ask(partition, What::Range(time(from), time(from + rows)))
    }

    /// A partition.
    pub(super) fn partition(&mut self) -> Ask {
        let partition = self.below(self.workload.partitions);
        self.ask(partition, What::All)
    }
}
