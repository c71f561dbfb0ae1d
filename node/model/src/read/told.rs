//! Digests that are told of one thing after the other.

use xxhash_rust::xxh3::Xxh3;

use super::{Position, VERSION, write_position};
use crate::codec::Writer;

/// Bytes are hashed about so many at a time.
const TOLD_AT_ONCE: usize = 4096;

/// What was told so far, hashed.
#[derive(Default)]
pub(super) struct Told {
    hasher: Option<Box<Xxh3>>,
    waiting: Writer,
}

impl Told {
    /// One thing more.
    pub(super) fn tell(&mut self, write: impl FnOnce(&mut Writer)) {
        write(&mut self.waiting);
        if TOLD_AT_ONCE <= self.waiting.len() {
            self.hash();
        }
    }

    fn hash(&mut self) {
        let bytes = std::mem::take(&mut self.waiting).finish();
        self.hasher.get_or_insert_default().update(&bytes);
    }

    /// The digest, if anything was told; from here on it is about what is told next.
    pub(super) fn take(&mut self) -> Option<u128> {
        if self.hasher.is_none() && self.waiting.is_empty() {
            return None;
        }
        self.hash();
        self.hasher.take().map(|it| it.digest128())
    }

    /// The digest of everything, up to `stopped_at`.
    pub(super) fn finish(mut self, stopped_at: Option<&Position>) -> u128 {
        self.tell(|out| {
            out.u8(VERSION);
            write_position(out, stopped_at);
        });
        self.take().unwrap_or(0)
    }
}
