//! Writes, reads, hints and read repair over replicas.
//!
//! Holds `dyn Replica` and does not know which of them are local. Decisions are pure values
//! (`plan`), the drivers that send and wait are thin.
//!
//! In reading order:
pub mod replica;
