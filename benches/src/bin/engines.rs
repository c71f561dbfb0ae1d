//! `engines`: measures the storage engine beside its peers.

use std::process::ExitCode;

use clap::Parser;
use helenus_benches::engines::{Args, run};

/// As the node has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(report) => {
            print(&report);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}

#[expect(clippy::print_stdout, reason = "a program prints its report")]
fn print(text: &str) {
    print!("{text}");
}
