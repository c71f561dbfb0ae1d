//! Files of a node looked at from outside: read-only, without its lock, whole or damaged.
//!
//! ```text
//!   an sstable     outline ──► walk from block to block ──► what is in it, what is wrong, and where
//!                                        └──────────────► scrub: every sound block into a new file
//!   a commit log   each segment ──► its records, and how it ends
//! ```
//!
//! Nothing here trusts a length that a file merely claims, and nothing stops at the first thing that is wrong: what can be
//! read is shown, the rest is named. Of an sstable a block at a time is in memory, beside its index and filter; of a
//! commit log a segment.
//!
//! Invariant: what decodes and what verifies is the engine's own; only how to go on behind damage is known here.

mod boundary;
mod copy;
mod damage;
mod error;
mod find;
mod input;
mod outline;
mod partition;
mod scrub;
mod segment;
mod sstable;
mod told;
mod walk;

pub(crate) use copy::FragmentCopy;
pub use damage::{At, Between, Damage, Place};
pub use error::Error;
pub use find::{segments, sstables};
pub use partition::{Known, Merged, partition};
pub use scrub::{Saved, scrub};
pub use segment::{End, Record, Segment, SegmentHeader};
pub use sstable::{Counted, Found, Part, Sections, Sstable, Summary};
pub(crate) use walk::Step;

#[cfg(test)]
mod tests;
