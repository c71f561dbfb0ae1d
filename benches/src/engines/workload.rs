//! The rows that every engine gets, each made from its number: none is kept, and all get the same.
//!
//! ```text
//!   step:      0  1  2  3  4 …          one row is due at each, in time order, partition after partition
//!   arrives:   0  1     3  4 … 2 …      2 % are up to an hour late
//!   with it:         ~1      ✕0         5 % overwrite a row that has arrived, 5 % delete one
//! ```

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;

use clap::ValueEnum;
use serde::Serialize;

/// What the rows look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// 10,000 conversations with 20 to 100 bytes of text every 40 seconds.
    Messages,
    /// 1,000 series with a double of two decimals every 10 seconds.
    Metrics,
    /// A partition for every row, which is a message.
    Tiny,
    /// All messages in one partition.
    Wide,
}

/// 2024-01-15 in microseconds: when the first row is due.
const BEGIN: i64 = 1_705_276_800_000_000;

const HOUR: u64 = 3_600_000_000;

/// Bytes of a row's key: those of its partition, and its time.
pub(super) const KEY_BYTES: u64 = 24;

/// How many rows of which kind.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    pub(super) kind: Kind,
    /// Rows that are loaded, overwrites and deletes not counted.
    pub(super) rows: u64,
    pub(super) partitions: u64,
    seed: u64,
    /// Between two rows, microseconds.
    step: u64,
    words: Vec<String>,
}

/// What one write does to one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Insert,
    Overwrite,
    Delete,
}

/// One row's turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    pub(super) row: u64,
    pub(super) action: Action,
    /// Write timestamp, microseconds: later than that of every earlier write to the row.
    pub(super) written: i64,
}

/// A write to one row, with its bytes.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) partition: [u8; 16],
    pub(super) time: i64,
    pub(super) written: i64,
    /// `None` deletes the row.
    pub(super) value: Option<Vec<u8>>,
}

impl Change {
    /// Bytes that the user sees: key and value.
    pub(super) fn raw_bytes(&self) -> u64 {
        KEY_BYTES + self.value.as_ref().map_or(0, Vec::len) as u64
    }
}

impl Workload {
    pub(super) fn new(kind: Kind, rows: u64, seed: u64) -> Workload {
        // Less than a test needs of them would leave partitions of a row or two.
        let partitions = match kind {
            Kind::Messages => (rows / 20).clamp(1, 10_000),
            Kind::Metrics => (rows / 20).clamp(1, 1_000),
            Kind::Tiny => rows,
            Kind::Wide => 1,
        };
        let step = match kind {
            Kind::Messages | Kind::Tiny | Kind::Wide => 4_000,
            Kind::Metrics => 10_000_000 / partitions,
        };
        Workload { kind, rows, partitions, seed, step, words: words(seed) }
    }

    /// Rows of each partition, late ones included.
    pub(super) fn rows_per_partition(&self) -> u64 {
        (self.rows / self.partitions).max(1)
    }

    /// Bytes of a row, key and value, by the mean.
    pub(super) fn row_bytes(&self) -> u64 {
        match self.kind {
            Kind::Messages | Kind::Tiny | Kind::Wide => KEY_BYTES + 60,
            Kind::Metrics => KEY_BYTES + 8,
        }
    }

    /// Of which partition a row is.
    pub(super) fn partition_of(&self, row: u64) -> u64 {
        let (round, slot) = (row / self.partitions, row % self.partitions);
        match self.kind {
            // Nobody writes in the order of his conversations: a prime spreads them over the round.
            Kind::Messages => (slot * 7_919 + round * 31) % self.partitions,
            Kind::Metrics => slot,
            Kind::Tiny => row,
            Kind::Wide => 0,
        }
    }

    /// Serialized partition key.
    pub(super) fn partition_key(&self, partition: u64) -> [u8; 16] {
        let mut key = [0; 16];
        let high = mix(self.seed ^ 0x5eed, partition);
        key[..8].copy_from_slice(&high.to_be_bytes());
        key[8..].copy_from_slice(&partition.to_be_bytes());
        key
    }

    /// When a row is due, which is its clustering: even, and different for each row of a partition.
    pub(super) fn time_of(&self, row: u64) -> i64 {
        let step = match self.kind {
            Kind::Messages | Kind::Tiny | Kind::Wide => row,
            // All series are read at once.
            Kind::Metrics => row / self.partitions * self.partitions,
        };
        self.step_time(step)
    }

    /// A time behind that of every row.
    pub(super) fn end_time(&self) -> i64 {
        self.step_time(self.rows + self.partitions)
    }

    /// The first row of a round.
    pub(super) fn first_of_round(&self, round: u64) -> u64 {
        round * self.partitions
    }

    /// The writes that bring these rows, in the order of their arrival.
    pub(super) fn ops(&self, rows: Range<u64>) -> Ops<'_> {
        Ops { workload: self, rows, late: BinaryHeap::new(), due: VecDeque::new() }
    }

    /// The write with its bytes.
    pub(super) fn change(&self, op: Op) -> Change {
        let value = match op.action {
            Action::Insert | Action::Overwrite => Some(self.value(op)),
            Action::Delete => None,
        };
        Change {
            partition: self.partition_key(self.partition_of(op.row)),
            time: self.time_of(op.row),
            written: op.written,
            value,
        }
    }

    fn value(&self, op: Op) -> Vec<u8> {
        let chance = mix(self.seed ^ op.written as u64, op.row);
        match self.kind {
            Kind::Messages | Kind::Tiny | Kind::Wide => self.text(chance),
            Kind::Metrics => self.reading(op.row, chance).to_be_bytes().to_vec(),
        }
    }

    /// 20 to 100 bytes of words, common ones more often.
    fn text(&self, chance: u64) -> Vec<u8> {
        let length = 20 + (chance % 81) as usize;
        let mut text = Vec::with_capacity(length + 12);
        let mut at = chance;
        while text.len() < length {
            at = mix(at, 1);
            let draw = ((at & 0xFFFF) * (at >> 16 & 0xFFFF)) >> 16;
            let word = &self.words[((draw * self.words.len() as u64) >> 16) as usize];
            text.extend_from_slice(word.as_bytes());
            text.push(b' ');
        }
        text.truncate(length);
        text
    }

    /// Percent of a processor: a level of its own, hours of ups and downs, and noise.
    fn reading(&self, row: u64, chance: u64) -> f64 {
        let partition = self.partition_of(row);
        let own = mix(self.seed, partition);
        let level = 20.0 + (own % 60) as f64;
        let round = (row / self.partitions) as f64;
        let wave = 6.0 * (round / 180.0 + (own >> 32 & 0xFF) as f64).sin();
        let noise: u64 = (0..4).map(|quarter| chance >> (16 * quarter) & 0xFFFF).sum();
        let noise = (noise as f64 / 65_536.0 - 2.0) * 1.2;
        ((level + wave + noise) * 100.0).round() / 100.0
    }

    fn step_time(&self, step: u64) -> i64 {
        BEGIN + (step * self.step) as i64
    }

    /// How many steps late a row arrives.
    fn delay(&self, row: u64) -> u64 {
        let chance = mix(self.seed ^ 0x1a7e, row);
        if chance % 100 < 2 { 1 + (chance >> 8) % (HOUR / self.step).max(1) } else { 0 }
    }

    /// A row that has arrived by the time of `row`, in five of a hundred cases.
    fn some_before(&self, row: u64, why: u64) -> Option<u64> {
        let chance = mix(self.seed ^ why, row);
        if row == 0 || 5 <= chance % 100 {
            return None;
        }
        let other = (chance >> 8) % row;
        (other + self.delay(other) <= row).then_some(other)
    }
}

/// See [`Workload::ops`].
pub(super) struct Ops<'a> {
    workload: &'a Workload,
    rows: Range<u64>,
    /// Rows that are under way, by the step of their arrival.
    late: BinaryHeap<Reverse<(u64, u64)>>,
    due: VecDeque<Op>,
}

impl Ops<'_> {
    /// Brings what step `row` brings.
    fn step(&mut self, row: u64) {
        let workload = self.workload;
        let now = workload.step_time(row);
        // What people send takes a while; what a collector reads it stamps itself.
        let jitter = match workload.kind {
            Kind::Messages | Kind::Tiny | Kind::Wide => {
                (mix(workload.seed ^ 0x717, row) % 1_000) as i64
            }
            Kind::Metrics => 0,
        };
        match workload.delay(row) {
            0 => {
                let written = now + jitter;
                self.due.push_back(Op { row, action: Action::Insert, written });
            }
            delay => self.late.push(Reverse((row + delay, row))),
        }
        self.arrive(row, now + 1_000);
        if let Some(row) = workload.some_before(row, 0x0e7) {
            self.due.push_back(Op { row, action: Action::Overwrite, written: now + 1_500 });
        }
        if let Some(row) = workload.some_before(row, 0xde1) {
            self.due.push_back(Op { row, action: Action::Delete, written: now + 2_000 });
        }
    }

    /// Brings the late rows that arrive by `step`.
    fn arrive(&mut self, step: u64, written: i64) {
        while let Some(Reverse((_, row))) = self.late.peek().filter(|it| it.0.0 <= step).copied() {
            self.late.pop();
            self.due.push_back(Op { row, action: Action::Insert, written });
        }
    }
}

impl Iterator for Ops<'_> {
    type Item = Op;

    fn next(&mut self) -> Option<Op> {
        loop {
            if let Some(op) = self.due.pop_front() {
                return Some(op);
            }
            if let Some(row) = self.rows.next() {
                self.step(row);
            } else {
                // Nothing is under way for ever.
                let now = self.workload.step_time(self.rows.end);
                self.arrive(u64::MAX, now);
                if self.due.is_empty() {
                    return None;
                }
            }
        }
    }
}

/// Which rows are there once all of them have arrived.
pub(super) struct Live {
    bits: Vec<u64>,
    pub(super) count: u64,
}

impl Live {
    pub(super) fn of(workload: &Workload) -> Live {
        let mut bits = vec![0_u64; workload.rows.div_ceil(64) as usize];
        for op in workload.ops(0..workload.rows) {
            let (word, bit) = (&mut bits[(op.row / 64) as usize], 1 << (op.row % 64));
            match op.action {
                Action::Insert | Action::Overwrite => *word |= bit,
                Action::Delete => *word &= !bit,
            }
        }
        let count = bits.iter().map(|it| u64::from(it.count_ones())).sum();
        Live { bits, count }
    }

    pub(super) fn contains(&self, row: u64) -> bool {
        self.bits[(row / 64) as usize] >> (row % 64) & 1 == 1
    }
}

/// Words of two to nine letters.
fn words(seed: u64) -> Vec<String> {
    let letter = |chance: u64| char::from(b"etaoinshrdlucmfwypvbgkjqxz"[(chance % 26) as usize]);
    let word = |at: u64| {
        let chance = mix(seed ^ 0x30bd, at);
        let letters = 2 + chance % 8;
        (0..letters).map(|it| letter(mix(chance, it) % (1 + mix(at, it) % 26))).collect()
    };
    (0..4_096).map(word).collect()
}

/// Any number from two, evenly (the finalizer of splitmix64).
pub(super) fn mix(a: u64, b: u64) -> u64 {
    let mut it = a ^ b.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    it = (it ^ it >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    it = (it ^ it >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    it ^ it >> 31
}
