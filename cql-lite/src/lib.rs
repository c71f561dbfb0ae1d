//! The language: CQL text to tree and back, its types and its values.
//!
//! Invariant: knows no schema, node or socket. A statement parses the same whatever tables exist,
//! and nothing here reads a clock, a file or the network.

pub mod code;
pub mod error;
pub mod suggest;

pub mod ast;
pub mod span;
pub mod types;
pub mod value;
