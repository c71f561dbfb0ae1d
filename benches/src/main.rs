//! `load`: drives a cluster and tells how long its answers took.

use std::process::ExitCode;

use clap::Parser;
use helenus_benches::load::{Args, Failure, Format, run};

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(run(&args)),
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(1);
        }
    };
    match outcome {
        Ok(report) => {
            match args.format {
                Format::Text => print(&report.to_string()),
                Format::Json => print(&report.to_json()),
            }
            // A run without a single good answer measured nothing.
            if report.is_empty() { ExitCode::from(1) } else { ExitCode::SUCCESS }
        }
        Err(Failure::Connect(error)) => {
            eprintln!("{error}");
            ExitCode::from(3)
        }
        Err(Failure::Prepare(error)) => {
            eprintln!("{error}");
            ExitCode::from(1)
        }
    }
}

#[expect(clippy::print_stdout, reason = "a program prints its report")]
fn print(text: &str) {
    println!("{}", text.trim_end());
}
