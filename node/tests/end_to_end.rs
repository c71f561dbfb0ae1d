//! Real processes on loopback: what is promised, with `kill -9` for an argument.
//!
//! `HELENUS_BIN` names another binary to test, a release build for instance; `HELENUS_KILL_ROUNDS`
//! says how often the whole cluster is killed under load, `HELENUS_WIDE_ROWS` how long the longest
//! partition gets.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test of processes: it panics when they misbehave, and starts and looks after them"
)]

#[path = "end_to_end/all_die.rs"]
mod all_die;
#[path = "end_to_end/bad_input.rs"]
mod bad_input;
#[path = "end_to_end/bad_streams.rs"]
mod bad_streams;
#[path = "end_to_end/commands.rs"]
mod commands;
#[path = "end_to_end/copy.rs"]
mod copy;
#[path = "end_to_end/demo.rs"]
mod demo;
#[path = "end_to_end/disk_full.rs"]
mod disk_full;
#[path = "end_to_end/frozen.rs"]
mod frozen;
#[path = "end_to_end/ground.rs"]
mod ground;
#[path = "end_to_end/inspect.rs"]
mod inspect;
#[path = "end_to_end/native.rs"]
mod native;
#[path = "end_to_end/one_dies.rs"]
mod one_dies;
#[path = "end_to_end/out_of_files.rs"]
mod out_of_files;
#[path = "end_to_end/rust_driver.rs"]
mod rust_driver;
#[path = "end_to_end/shell.rs"]
mod shell;
#[path = "end_to_end/snapshots.rs"]
mod snapshots;
#[path = "end_to_end/wide.rs"]
mod wide;

// Shared by all of them.
#[path = "end_to_end/load.rs"]
mod load;
#[path = "end_to_end/process.rs"]
mod process;
#[path = "end_to_end/raw.rs"]
mod raw;
#[path = "end_to_end/terminal.rs"]
mod terminal;
