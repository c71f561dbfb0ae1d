//! `engines`: measures the storage engine beside its peers.

use std::process::ExitCode;

use clap::Parser;
use helenus_benches::{
    end,
    engines::{Args, run},
};

/// As the node has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    end(run(&Args::parse()))
}
