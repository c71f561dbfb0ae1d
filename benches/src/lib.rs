//! Measuring: `load` drives whole clusters through the client crate, `engines` measures the storage
//! engine beside its peers, `door` what a request of a CQL driver costs; the criterion benches beside
//! them measure one part at a time.

use std::{fmt::Display, process::ExitCode};

pub mod door;
pub mod engines;
pub mod load;

/// How a program of these ends: with its report, or with why there is none.
#[expect(clippy::print_stdout, reason = "a program prints its report")]
pub fn end(outcome: Result<String, impl Display>) -> ExitCode {
    match outcome {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(1)
        }
    }
}

#[cfg(test)]
mod in_process;
