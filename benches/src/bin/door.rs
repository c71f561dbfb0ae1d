//! `door`: what a request costs at the door for CQL drivers.

use std::process::ExitCode;

use clap::Parser;
use helenus_benches::{
    door::{Args, run},
    end,
};

/// As the node has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// One thread: on two processors the other one is the node's.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    end(run(&Args::parse()).await)
}
