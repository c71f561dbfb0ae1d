//! The language: CQL text to tree and back, its types and its values.
//!
//! Invariant: knows no schema, node or socket. A statement parses the same whatever tables exist,
//! and nothing here reads a clock, a file or the network.
//!
//! ```
//! let statement = cql_lite::parse("select Name from chat.users where ID = ? limit 5;")?;
//! assert_eq!(statement.to_string(), "SELECT name FROM chat.users WHERE id = ? LIMIT 5");
//! assert_eq!(statement.markers().len(), 1);
//! # Ok::<(), cql_lite::Error>(())
//! ```

// What goes wrong.
pub mod code;
pub mod error;
pub mod suggest;

// The tree and what it is made of.
pub mod ast;
pub mod span;
pub mod types;
pub mod value;

// How many must answer: the word that every door and every user shares.
pub mod consistency;

// Text to tree, and back.
pub mod keyword;
mod lexer;
mod markers;
pub mod parser;
mod print;
mod scan;
pub mod split;

pub use code::Code;
pub use consistency::Consistency;
pub use error::Error;
pub use parser::parse;
pub use split::split;
pub use types::CqlType;
pub use value::Value;

#[cfg(test)]
mod tests;
