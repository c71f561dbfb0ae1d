//! One node's storage: a log-structured merge tree for every table, over one commit log.
//!
//! The core is synchronous and its edges are explicit: [`Engine::apply`] answers with a [`Ticket`]
//! that resolves when the write is durable, [`Engine::read`] answers from memory or hands back a
//! job that reads the disk, and flushes and compactions are jobs too ([`Engine::next_job`]).
//! [`background`] drives them on any [`sys::Blocking`].
//!
//! ```text
//!   apply ──► commit log (one for all tables) ──► fdatasync ──► Ticket
//!     └─────► memtable ──► frozen memtables ──► sstables ──► bigger sstables
//!                 └──────────────┴─────────────────┴── read merges all of them
//! ```
//!
//! Invariant: this crate knows nothing of replicas, rings, requests, CQL text or types. Keys are
//! bytes, already in order; what is stored of a partition is always a [`model::Partition`].
//!
//! In reading order:
mod admin;
mod background;
mod cache;
mod commitlog;
mod compaction;
mod described;
mod engine;
mod error;
mod flush;
mod fullness;
mod inner;
mod job;
mod lanes;
mod manifest;
mod memtable;
mod merge;
pub mod offline;
mod options;
mod piece;
mod prefix;
mod read;
mod recovery;
mod shelf;
pub mod snapshot;
mod sstable;
mod stats;
mod table;
mod tasks;
mod throttle;
mod ticket;
mod version;
mod walk;
mod write;

pub use background::background;
pub use engine::{Engine, Lane};
pub use error::Error;
pub use options::{CommitlogSync, Described, DescribedColumn, Options, TableShape};
pub use read::{Cold, Read};
pub use recovery::Recovery;
pub use stats::{Histogram, Stats, TableStats};
pub use tasks::Task;
pub use ticket::Ticket;

#[cfg(test)]
mod tests;
