//! The shell: statements in, rows out, for people and for scripts.
//!
//! The same statement means the same to both; what differs is the face. On a terminal there are
//! tables, colors, paging and timing; in a pipe there are tab-separated lines and nothing else,
//! and the first error ends the script. Rows, and text that was asked for, go to standard output;
//! everything else goes to standard error.
//!
//! Invariant: it reaches nodes through the client crate only.
//!
//! The modules, in reading order:

mod options;
mod run;

mod shell;

mod confirm;
mod help;
mod words;

mod copy;

mod script;

mod output;
mod pager;
mod terminal;

mod failure;

mod complete;
mod editor;

#[cfg(test)]
mod tests;

pub use options::{Face, OnError, Options, Work};
pub use output::Format;
pub use run::run;
pub use shell::{ExtraCommand, Shell};
pub use terminal::Terminal;
