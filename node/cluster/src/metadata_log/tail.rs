//! The last entries of the log, kept for peers that are behind.

use std::collections::VecDeque;

use crate::{
    codec::encode,
    message::Message,
    metadata::{Entry, Metadata},
};

/// Entries kept; a peer that is further behind gets a snapshot.
const ENTRIES_MAX: usize = 256;
/// Entries in one message, and about how many bytes of them.
const MESSAGE_ENTRIES_MAX: usize = 64;
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// Entries without a gap.
#[derive(Debug, Default)]
pub(super) struct Tail {
    entries: VecDeque<Entry>,
}

impl Tail {
    /// Keeps the next entry.
    pub(super) fn push(&mut self, entry: Entry) {
        if self.entries.back().is_some_and(|last| last.epoch + 1 != entry.epoch) {
            self.entries.clear();
        }
        if self.entries.len() == ENTRIES_MAX {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// Forgets all: what comes next does not follow.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// All of them, ascending.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }

    /// What comes after an epoch: entries, or everything where they are gone.
    pub(super) fn after(&self, after: u64, metadata: &Metadata) -> Message {
        let latest = metadata.epoch;
        let complete = self.entries.back().is_some_and(|last| last.epoch == latest)
            && self.entries.front().is_some_and(|first| first.epoch <= after.saturating_add(1));
        if !complete {
            return Message::Snapshot(Box::new(metadata.clone()));
        }
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            let room = bytes <= MESSAGE_BYTES_MAX;
            bytes += encode(0, *entry).len();
            room
        };
        let entries = self.entries().filter(|it| after < it.epoch).take(MESSAGE_ENTRIES_MAX);
        Message::Entries { entries: entries.take_while(fits).cloned().collect(), latest }
    }
}
