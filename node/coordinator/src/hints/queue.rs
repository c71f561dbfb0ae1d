//! The hints of one host, in order, within bounds. Pure: time and disk are elsewhere.

use std::collections::VecDeque;

use model::TableId;

use super::{Hint, Options};

/// The largest mutation that a hint may hold: a log record has room for it and its header.
const MUTATION_BYTES_MAX: usize = sys::system_log::PAYLOAD_BYTES_MAX - 64;

/// A hint in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Ascends, without end, in the life of a log.
    pub(super) sequence: u64,
    /// Seconds since the epoch.
    pub(super) written_at: i64,
    pub(super) hint: Hint,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    bytes: u64,
    sequence_last: u64,
}

/// Why a hint was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("as many bytes wait for this node as may")]
    HostBytes,
    #[error("as many hints wait for this node as may")]
    HostCount,
    #[error("as many bytes wait for all nodes as may")]
    TotalBytes,
    #[error("its oldest hint is older than the window")]
    Window,
    #[error("the mutation is too large for a hint")]
    TooLarge,
}

impl Queue {
    /// Takes a hint in and answers its sequence number.
    pub(super) fn push(&mut self, hint: Hint, now: i64, options: &Options) -> Result<u64, Refused> {
        let bytes = hint.mutation.len() as u64;
        let window = i64::try_from(options.window.as_secs()).unwrap_or(i64::MAX);
        if MUTATION_BYTES_MAX < hint.mutation.len() {
            return Err(Refused::TooLarge);
        }
        if options.host_bytes_max < self.bytes + bytes {
            return Err(Refused::HostBytes);
        }
        if options.host_count_max <= self.len() {
            return Err(Refused::HostCount);
        }
        if self.oldest().is_some_and(|it| it.saturating_add(window) < now) {
            return Err(Refused::Window);
        }
        let sequence = self.sequence_last + 1;
        self.restore(Entry { sequence, written_at: now, hint });
        Ok(sequence)
    }

    /// Appends an entry as a log remembers it.
    pub(super) fn restore(&mut self, entry: Entry) {
        self.sequence_last = self.sequence_last.max(entry.sequence);
        self.bytes += entry.hint.mutation.len() as u64;
        self.entries.push_back(entry);
    }

    /// Drops everything through `sequence`.
    pub(super) fn done(&mut self, sequence: u64) {
        self.sequence_last = self.sequence_last.max(sequence);
        while let Some(entry) = self.entries.pop_front_if(|it| it.sequence <= sequence) {
            self.bytes -= entry.hint.mutation.len() as u64;
        }
    }

    pub(super) fn forget_table(&mut self, table: TableId) {
        self.entries.retain(|it| it.hint.table != table);
        self.bytes = self.entries.iter().map(|it| it.hint.mutation.len() as u64).sum();
    }

    /// The first entries: up to `count`, and until `bytes` are passed.
    pub(super) fn peek(&self, count: usize, bytes: u64) -> Vec<Entry> {
        let mut taken = 0;
        let fits = |it: &&Entry| {
            let fits = taken < bytes;
            taken += it.hint.mutation.len() as u64;
            fits
        };
        self.entries.iter().take(count).take_while(fits).cloned().collect()
    }

    /// The entries behind `sequence`.
    pub(super) fn after(&self, sequence: u64) -> impl Iterator<Item = &Entry> {
        let from = self.entries.partition_point(|it| it.sequence <= sequence);
        self.entries.range(from..)
    }

    /// The sequence number before the first entry: what is done.
    pub(super) fn done_through(&self) -> u64 {
        self.entries.front().map_or(self.sequence_last, |it| it.sequence - 1)
    }

    pub(super) fn sequence_last(&self) -> u64 {
        self.sequence_last
    }

    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn oldest(&self) -> Option<i64> {
        self.entries.front().map(|it| it.written_at)
    }
}
